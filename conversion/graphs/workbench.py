"""A graph while it is rewritten: operations by name, and who reads them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from .graph import Graph, Node


class Workbench:
    """Operations that can be exchanged; what nobody reads any more goes.

    Parameters
    ----------
    graph : Graph
        To begin with.
    """

    def __init__(self, graph: Graph) -> None:
        self.nodes = dict(graph.nodes)
        self.output = graph.output
        self._input = graph.input.name
        self._made = 0
        #: Names of the readers of each node, each as often as it reads it.
        self.readers: dict[str, list[str]] = defaultdict(list)
        for node in self.nodes.values():
            for source in node.inputs:
                self.readers[source].append(node.name)

    def put(self, node: Node) -> None:
        """Put an operation in the place of the one of its name; what only that one read goes."""
        before = self.nodes[node.name]
        self.nodes[node.name] = node
        for source in node.inputs:
            self.readers[source].append(node.name)
        for source in before.inputs:
            self.readers[source].remove(node.name)
            self._drop(source)

    def insert(self, node: Node) -> str:
        """Add an operation under a name of its own, and return that."""
        name = f"{node.op}_s{self._made}"
        self._made += 1
        self.nodes[name] = replace(node, name=name)
        for source in node.inputs:
            self.readers[source].append(name)
        return name

    def bypass(self, name: str) -> bool:
        """Let all readers of an operation read its only input instead; return whether that can be.

        It cannot where the answer would be the input in another shape.
        """
        source, shape = self.nodes[name].inputs[0], self.nodes[name].shape
        if name == self.output:
            if source == self._input and shape != self.nodes[source].shape:
                return False
            self.output, self.nodes[source] = source, replace(self.nodes[source], shape=shape)
        return self.substitute(name, source)

    def substitute(self, name: str, other: str) -> bool:
        """Let all readers of an operation read another one instead; return True."""
        for reader in set(self.readers[name]):
            node = self.nodes[reader]
            self.put(replace(node, inputs=tuple(other if one == name else one for one in node.inputs)))
        self._drop(name)
        return True

    def _drop(self, name: str) -> None:
        """Let an operation go if nobody reads it, and then what only it has read."""
        if self.readers[name] or name in (self.output, self._input) or name not in self.nodes:
            return
        node = self.nodes.pop(name)
        for source in node.inputs:
            self.readers[source].remove(name)
            self._drop(source)

    def drop_unread(self) -> None:
        """Let all go that the answer does not depend on."""
        for name in reversed([*self.nodes]):
            self._drop(name)

    def finished(self) -> Graph:
        """Return the graph, each operation behind what it reads."""
        ordered: dict[str, Node] = {}
        for start in (self._input, self.output):
            stack = [start]
            while stack:
                node = self.nodes[stack[-1]]
                missing = [source for source in node.inputs if source not in ordered]
                stack.extend(reversed(missing))
                if not missing:
                    ordered[stack.pop()] = node
        return Graph(ordered, self.output)
