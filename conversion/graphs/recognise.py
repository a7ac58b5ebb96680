"""What authors write out, found again: a function of one number, a softmax or a normalisation of rows.

There are many ways to write the same down. So a part of a graph that depends on one value alone is not
compared with forms but computed, in double precision, and what it gives with what an operation would give.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from . import one_number, rows
from .graph import Graph, Node
from .workbench import Workbench

#: So many operations, at most, are taken for one.
LARGEST = 24
#: What moves and weighs numbers, and is gone or inside of weights at the end.
_LIGHT = ("wire", "scale", "constant")


@dataclass(frozen=True, eq=False)
class Part:
    """Operations between two values.

    Attributes
    ----------
    nodes : mapping
        By name, in order; the last one's value is what the part gives.
    leaf : Node
        The one value that it depends on.
    """

    nodes: Mapping[str, Node]
    leaf: Node

    @property
    def last(self) -> Node:
        """The operation whose value is what the part gives."""
        return [*self.nodes.values()][-1]


#: What may belong to a part, and what finds operations that give the same: a row of them behind the leaf.
FINDERS: tuple[tuple[Callable[[Node], bool], Callable[[Part], list[Node] | None]], ...] = (
    (one_number.in_part, one_number.found),
    (rows.in_part, rows.found),
)


def recognised(graph: Graph) -> Graph | None:
    """Return an equal graph in which some parts are one operation; None if there are none."""
    bench, taken = Workbench(graph), set[str]()
    for node in reversed([*graph.nodes.values()]):
        for part, made in _found(graph, node, taken):
            _put(bench, part, made)
            taken.update(part.nodes)
    return bench.finished() if taken else None


def _found(graph: Graph, node: Node, taken: Collection[str]) -> list[tuple[Part, list[Node]]]:
    """Return the smallest part behind an operation that is one operation, and that; or nothing."""
    for in_part, found in FINDERS:
        for part in _parts(graph, node, in_part):
            if part.nodes.keys().isdisjoint(taken) and _worth(graph, part):
                made = found(part)
                if made is not None:
                    return [(part, made)]
    return []


def _parts(graph: Graph, node: Node, in_part: Callable[[Node], bool]) -> Iterator[Part]:
    """Yield the parts that end in an operation, the smallest first."""
    if not node.inputs or not in_part(node):
        return
    position = {name: i for i, name in enumerate(graph.nodes)}
    members, open_ = {node.name}, {*node.inputs}
    while open_ and len(members) <= LARGEST:
        latest = graph.nodes[max(open_, key=position.__getitem__)]
        if len(open_) == 1:
            ordered = sorted(members, key=position.__getitem__)
            yield Part({name: graph.nodes[name] for name in ordered}, latest)
        if not in_part(latest):
            return
        members.add(latest.name)
        open_ = open_ - {latest.name} | {*latest.inputs}


def _worth(graph: Graph, part: Part) -> bool:
    """Whether two operations or more would be gone, beside those that cost nothing."""
    gone = {part.last.name}
    for node in reversed([*part.nodes.values()][:-1]):
        readers = {reader.name for reader in graph.readers(node.name)}
        if readers <= gone and node.name != graph.output:
            gone.add(node.name)
    return sum(part.nodes[name].op not in _LIGHT for name in gone) > 1


def _put(bench: Workbench, part: Part, made: list[Node]) -> None:
    """Put operations in the place of a part."""
    last, source = part.last, part.leaf.name
    for node in made[:-1]:
        source = bench.insert(Node("", node.op, (source,), node.shape, node.values, node.options, last.place))
    node = made[-1]
    bench.put(Node(last.name, node.op, (source,), last.shape, node.values, node.options, last.place))
