"""Which nodes of a NIR graph become groups, and which lie on the projections between them.

A graph is laid flat first: node `b` of graph `a` is `a/b`, and the inputs and outputs of inner graphs are
ports, which only pass on. Neurons and inputs become groups. A linear node with one source and one
target lies on the projection between them, as far as one projection can hold it: a delay, a flattening
and a weight, in this order. All other linear nodes become groups of units that only sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...neurons.errors import FormatError
from .graph import Graph, Node
from .shapes import Ends, infer_shapes

WEIGHTED = ("Linear", "Affine", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d")
LINEAR = ("Delay", "Flatten", "Scale", *WEIGHTED)
#: Between the names on a path; behind the name of an output that several nodes feed; on a path, the graph
#: around an inner graph that feeds itself.
ARROW, SUM, UP = " -> ", ".sum", ".."


@dataclass(frozen=True)
class Chain:
    """One projection to be: from a group through ports and linear nodes to a group.

    Attributes
    ----------
    pre, post : str
        The groups.
    through : tuple of str
        All nodes between, ports included.
    nodes : tuple of str
        The linear nodes among them, and last `post` itself where it is one.
    """

    pre: str
    post: str
    through: tuple[str, ...]
    nodes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The path in words: the name of the projection."""
        return ARROW.join((self.pre, *self.through, self.post))


def _with_ways_up(nodes: Mapping[str, Node], ports: tuple[str, ...]) -> tuple[str, ...]:
    """Return ports with `..` between an output and an input of one inner graph, which then feeds itself."""
    path: list[str] = []
    for port in ports:
        graph = port.rpartition("/")[0]
        if path and path[-1].rpartition("/")[0] == graph and nodes[port].fields["side"] == "Input":
            path.append(graph.rpartition("/")[0] + "/.." if "/" in graph else UP)
        path.append(port)
    return tuple(path)


@dataclass(frozen=True)
class Chains:
    """A flat graph, cut into groups and chains."""

    nodes: Mapping[str, Node]
    edges: tuple[tuple[str, str], ...]

    @cached_property
    def shapes(self) -> dict[str, Ends]:
        """Input and output shape of every node."""
        return infer_shapes(self.nodes, self.edges)

    @cached_property
    def _steps(self) -> dict[str, list[tuple[tuple[str, ...], str]]]:
        """For each node that is no port: the ports and the node of each way on."""
        after: dict[str, list[str]] = {name: [] for name in self.nodes}
        for pre, post in self.edges:
            after[pre].append(post)
        found: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        left = 10_000 + 4 * len(self.edges)
        for name in self.nodes:
            if self.nodes[name].kind == "Port":
                continue
            found[name] = []
            waiting: list[tuple[str, ...]] = [(post,) for post in reversed(after[name])]
            while waiting:
                left -= 1
                path = waiting.pop()
                if left < 0 or path[-1] in path[:-1]:
                    raise FormatError(
                        f"{name}: its edges run through inner graphs in circles, or too many ways"
                    )
                if self.nodes[path[-1]].kind == "Port":
                    waiting += [(*path, post) for post in reversed(after[path[-1]])]
                else:
                    found[name].append((_with_ways_up(self.nodes, path[:-1]), path[-1]))
        return found

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Each output of the graph with the node that it shows."""
        shown = {post: name for name, ways in self._steps.items() for _, post in ways}
        for name, node in self.nodes.items():
            if node.kind == "Output" and name not in shown:
                raise FormatError(f"{name}: an output that nothing leads to")
        return {name: pre for name, pre in shown.items() if self.nodes[name].kind == "Output"}

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The nodes that become groups: breadth first from the inputs, then the rest."""
        heard = dict.fromkeys(self._steps, 0)
        for ways in self._steps.values():
            for _, post in ways:
                heard[post] += 1
        groups = set()
        for name, ways in self._steps.items():
            kind = self.nodes[name].kind
            passing = kind in LINEAR and heard[name] == 1 and len(ways) == 1
            if kind != "Output" and not (passing and self.nodes[ways[0][1]].kind != "Output"):
                groups.add(name)
        for pre in list(groups):  # cut what one projection cannot hold
            for chain in self._from(pre, frozenset(groups)):
                nodes = list(chain.nodes)
                while (k := _held(self.nodes, nodes)) < len(nodes):
                    groups.add(nodes[k - 1])
                    nodes = nodes[k:]
        return tuple(self._ordered(groups))

    def _from(self, pre: str, groups: frozenset[str]) -> Iterator[Chain]:
        for ports, name in self._steps[pre]:
            through, nodes, here = list(ports), [], name
            while here not in groups and self.nodes[here].kind != "Output":
                nodes.append(here)
                if len(nodes) > len(self.nodes):
                    raise FormatError(f"{name}: linear nodes form a circle without a neuron")
                ((ports, following),) = self._steps[here]
                through += [here, *ports]
                here = following
            if self.nodes[here].kind != "Output":
                own = [here] if self.nodes[here].kind in LINEAR else []
                yield Chain(pre, here, tuple(through), (*nodes, *own))

    def _ordered(self, groups: set[str]) -> list[str]:
        fixed = frozenset(groups)
        order = sorted(name for name in groups if self.nodes[name].kind == "Input")
        seen = set(order)
        rest = iter(sorted(groups - seen))
        k = 0
        while len(order) < len(groups):
            if k == len(order):
                order.append(next(name for name in rest if name not in seen))
                seen.add(order[-1])
            found = sorted({chain.post for chain in self._from(order[k], fixed)} - seen)
            order += found
            seen |= set(found)
            k += 1
        return order

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """All projections to be, by source in the order of groups, then by name."""
        groups = frozenset(self.groups)
        found = [c for pre in self.groups for c in sorted(self._from(pre, groups), key=lambda c: c.name)]
        reached = {name for chain in found for name in (*chain.nodes, chain.pre, chain.post)}
        for name, node in self.nodes.items():
            if node.kind in LINEAR and name not in reached and name not in groups:
                raise FormatError(f"{name}: linear nodes form a circle without a neuron")
        return tuple(found)

    @cached_property
    def closing(self) -> frozenset[str]:
        """Names of the chains that close a cycle without a delay: they take one step."""
        edges = [
            (c.name, c.pre, c.post)
            for c in self.chains
            if not any(self.nodes[n].kind == "Delay" for n in c.nodes)
        ]
        return closing_edges(self.groups, edges)


def _held(nodes: Mapping[str, Node], names: list[str]) -> int:
    """Return how many of these linear nodes, from the first on, one projection can hold."""
    kinds = [nodes[name].kind for name in names]
    k = 0
    if kinds[:1] == ["Delay"]:
        delay = nodes[names[0]].fields["delay"]
        k, uniform = 1, bool(np.all(delay == delay.reshape(-1)[0]) and np.all(delay > 0))
        behind = kinds[1:3] if kinds[1:2] == ["Flatten"] else kinds[1:2]
        if behind and behind[-1] in WEIGHTED and not uniform:
            return 1
    if kinds[k : k + 1] == ["Flatten"]:
        k += 1
        if kinds[k : k + 1] not in (["Scale"], ["Linear"], ["Affine"]):
            return k
    return k + 1 if k < len(kinds) and kinds[k] in (*WEIGHTED, "Scale") else k


def closing_edges(names: tuple[str, ...], edges: list[tuple[str, str, str]]) -> frozenset[str]:
    """Return which edges (name, from, to) lead back to a group on the way: depth first, in the given order.

    Examples
    --------
    >>> sorted(closing_edges(("in", "a", "b"), [("x", "in", "a"), ("y", "a", "b"), ("z", "b", "a")]))
    ['z']
    """
    after: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
    for edge, pre, post in edges:
        after[pre].append((edge, post))
    closing, state = set(), dict.fromkeys(names, "new")
    for start in names:
        stack = [(start, iter(after[start]))] if state[start] == "new" else []
        state[start] = "open" if stack else state[start]
        while stack:
            here, ways = stack[-1]
            way = next(ways, None)
            if way is None:
                state[here] = "done"
                stack.pop()
            elif state[way[1]] == "open":
                closing.add(way[0])
            elif state[way[1]] == "new":
                state[way[1]] = "open"
                stack.append((way[1], iter(after[way[1]])))
    return frozenset(closing)


def lay_flat(graph: Graph) -> Chains:
    """Return a graph without inner graphs; outputs that several nodes feed get a node that sums."""
    nodes: dict[str, Node] = {}
    edges: list[tuple[str, str]] = []
    _lay("", graph, nodes, edges)
    fed: dict[str, list[str]] = {}
    for pre, post in edges:
        fed.setdefault(post, []).append(pre)
    for name, node in list(nodes.items()):
        if node.kind == "Output" and len(fed.get(name, ())) > 1:
            if name + SUM in nodes:
                raise FormatError(f"{name + SUM}: this name is kept for the sum that {name} shows")
            nodes[name + SUM] = Node("Sum", {})
            edges = [(pre, post + SUM if post == name else post) for pre, post in edges]
            edges.append((name + SUM, name))
    return Chains(nodes, tuple(edges))


def _lay(prefix: str, graph: Graph, nodes: dict[str, Node], edges: list[tuple[str, str]]) -> None:
    for name, node in graph.nodes.items():
        if isinstance(node, Graph):
            _lay(f"{prefix}{name}/", node, nodes, edges)
        elif prefix and node.kind in ("Input", "Output"):
            nodes[prefix + name] = Node("Port", {**node.fields, "side": node.kind})
        else:
            nodes[prefix + name] = node
    for pre, post in graph.edges:
        edges.append((_end(prefix, pre, graph, "Output"), _end(prefix, post, graph, "Input")))


def _end(prefix: str, name: str, graph: Graph, port: str) -> str:
    """Return the node that an edge means: of an inner graph, its only input or output."""
    inner = graph.nodes[name]
    if not isinstance(inner, Graph):
        if inner.kind == port:
            raise FormatError(
                f"{prefix}{name}: an edge leads {'from' if port == 'Output' else 'to'} an {port} of its graph"
            )
        return prefix + name
    ports = [key for key, node in inner.nodes.items() if isinstance(node, Node) and node.kind == port]
    if len(ports) != 1:
        raise FormatError(
            f"{prefix}{name}: an inner graph with {len(ports)} nodes of type {port}; allowed is one, since "
            "edges do not say which they mean"
        )
    return f"{prefix}{name}/{ports[0]}"
