"""Names of projections as paths through nodes and inner graphs, and graphs from flat names."""

from __future__ import annotations

from ...engine.parts import Projection
from .chains import ARROW
from .graph import Graph, Node


def path_of(p: Projection) -> list[str] | None:
    """Return the names between the ends, if the projection's name is a path."""
    names = str(p.name).split(ARROW)
    ends = [p.source.name, p.target.name]
    return names[1:-1] if len(names) > 1 and [names[0], names[-1]] == ends else None


def port(path: list[str], k: int) -> str:
    """Return what kind of port a name on a path is: the first in an inner graph, the last in it, or none."""
    before, here, after = ([*name.split("/")[:-1]] for name in path[k - 1 : k + 2])
    if before[: len(here)] != here:
        return "Input"
    return "Output" if after[: len(here)] != here else ""


def crosses_by_ports(p: Projection) -> bool:
    """Say whether a path goes into and out of inner graphs one at a time, each time through a port."""
    names = [str(p.source.name), *(path_of(p) or []), str(p.target.name)]
    for k in range(len(names) - 1):
        pre, post = names[k].split("/")[:-1], names[k + 1].split("/")[:-1]
        common = sum(a == b for a, b in zip(pre, post, strict=False))
        leaving, entering = len(pre) - common, len(post) - common
        if leaving > 1 or entering > 1:
            return False
        inner = 0 < k, k + 1 < len(names) - 1
        if (leaving and not inner[0]) or (entering and not inner[1]):
            return False
    return True


def nested(nodes: dict[str, Node], edges: tuple[tuple[str, str], ...]) -> Graph:
    """Return flat nodes as graphs within graphs."""
    inner: dict[str, dict[str, Node]] = {}
    own: dict[str, Node | Graph] = {}
    for name, node in nodes.items():
        head, _, rest = name.partition("/")
        if rest:
            inner.setdefault(head, {})[rest] = node
        else:
            own[head] = node
    between: dict[tuple[str, str], None] = {}
    within: dict[str, list[tuple[str, str]]] = {head: [] for head in inner}
    for pre, post in edges:
        a, b = pre.partition("/"), post.partition("/")
        feeds_itself = nodes[pre].kind == "Output" and nodes[post].kind == "Input"
        if a[2] and b[2] and a[0] == b[0] and not (feeds_itself and "/" not in a[2] + b[2]):
            within[a[0]].append((a[2], b[2]))
        else:
            between[a[0], b[0]] = None
    graphs = {head: nested(found, tuple(within[head])) for head, found in inner.items()}
    return Graph({**own, **graphs}, tuple(between))
