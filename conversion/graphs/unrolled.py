"""Gated recurrences that were unrolled, found again: h_t = a_t h_(t-1) + b_t for each token is one scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .graph import Graph, Node
from .workbench import Workbench

#: Shorter ones are as cheap as they are.
SHORTEST = 4


@dataclass(frozen=True)
class Link:
    """One h_t = a h_(t-1) + b, each by its name."""

    h: str
    a: str
    b: str
    before: str


def rolled_up(graph: Graph) -> Graph | None:
    """Return an equal graph in which recurrences of numbers are scans; None if there are none."""
    links = _links(graph)
    inner = {link.before for link in links.values()}
    bench, found = Workbench(graph), False
    for last in (name for name in links if name not in inner):
        chain = [links[last]]
        while chain[0].before in links:
            chain.insert(0, links[chain[0].before])
        if len(chain) + 1 >= SHORTEST and _is_given(graph, chain):
            _put(bench, chain)
            found = True
    return bench.finished() if found else None


def _links(graph: Graph) -> dict[str, Link]:
    """Return the sums of something and a product, by name; a factor that is such a sum came before."""
    links: dict[str, Link] = {}
    for node in graph.nodes.values():
        if node.op != "add" or len(node.inputs) != 2:
            continue
        found = []
        for name, b in (node.inputs, node.inputs[::-1]):
            product = graph.nodes[name]
            if product.op == "product" and len(graph.readers(name)) == 1 and name != graph.output:
                a, before = sorted(product.inputs, key=links.__contains__)
                found.append(Link(node.name, a, b, before))
        if found:  # where both are products, the one of a state is meant
            links[node.name] = max(found, key=lambda link: link.before in links)
    return links


def _is_given(graph: Graph, chain: Sequence[Link]) -> bool:
    """Whether no a and no b depends on an h, as they do in a GRU."""
    states = {link.h for link in chain}
    open_ = [name for link in chain for name in (link.a, link.b)]
    seen: set[str] = set()
    while open_:
        name = open_.pop()
        if name in states:
            return False
        if name not in seen:
            seen.add(name)
            open_ += graph.nodes[name].inputs
    return True


def _put(bench: Workbench, chain: Sequence[Link]) -> None:
    """Put a scan of one number for each channel behind what a chain reads, and wires in place of its sums."""
    last = bench.nodes[chain[-1].h]
    n, tokens = last.n, len(chain) + 1

    def rows(sources: Sequence[str | None]) -> str:
        """Return values of all tokens, channel by channel; none are zeros."""
        known = [name for name in dict.fromkeys(sources) if name is not None]
        starts = np.array([-1 if name is None else n * known.index(name) for name in sources])
        index = np.where(starts >= 0, starts + np.arange(n)[:, None], -1)
        return bench.insert(
            Node("", "wire", tuple(known), (n, tokens), {"index": index.reshape(-1)}, {}, last.place)
        )

    ones = Node("", "constant", (), (n, tokens), {"value": np.ones(n * tokens, np.float32)}, {}, last.place)
    q = bench.insert(ones)
    v = rows([chain[0].before, *(link.b for link in chain)])
    a = rows([None, *(link.a for link in chain)])
    sizes = {"heads": n, "tokens": tokens, "d_k": 1, "d_v": 1, "backward": False}
    scan = bench.insert(Node("", "scan", (q, q, v, a), (n, tokens), {}, sizes, last.place))
    for t, link in enumerate(chain, 1):
        node, index = bench.nodes[link.h], {"index": np.arange(n) * tokens + t}
        bench.put(Node(node.name, "wire", (scan,), node.shape, index, {}, node.place))
