"""From a network to the NIR graph that it is, nodes and edges alone."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from ...engine.network import Network
from ...engine.parts import CurrentSource, Group, Population, Probe, Projection, Source
from ...engine.plan import Plan
from ...engine.planning import make_plan
from ...neurons.errors import SpecError
from .chains import SUM, UP, closing_edges
from .graph import Graph, Node
from .nodes import JUNCTION
from .ops import biased_node, flatten, joined, linear_nodes, neuron_node, same_node
from .paths import crosses_by_ports, nested, path_of, port
from .read import BIAS
from .shapes import Shape, output_shape


def drawn_graph(net: Network, dt: float) -> Graph:
    """Return the graph of a network.

    Parameters
    ----------
    net
        The network.
    dt
        Seconds per step: what a delay of one step is, and how much an input that jumps v is as a current.

    Raises
    ------
    SpecError
        If NIR cannot say it; the message names the part, and what to do.
    """
    return _Drawer(net, dt).graph()


@dataclass
class _Line:
    """One chain: the projection, its linear nodes, and their names; the last may belong to the target."""

    projection: Projection
    nodes: list[Node]
    path: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


class _Drawer:
    """Collects flat nodes and edges; a name a/b is a node b of an inner graph a."""

    def __init__(self, net: Network, dt: float) -> None:
        self.net, self.dt = net, dt
        self.plan = functools.cache(self._plan)
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str], None] = {}
        self.ports: dict[str, str] = {}
        self.taken: set[str] = set()
        self.biases = _biases(net)
        bias_lines = {p for _, p in self.biases.values()}
        self.projections = joined([p for p in net.projections if p not in bias_lines])
        self.lines: list[_Line] = []

    def _plan(self) -> Plan:
        return make_plan(self.net, self.dt)

    def graph(self) -> Graph:
        """Return the graph."""
        if self.net.operators:
            one = self.net.operators[0]
            raise SpecError(f"{one.label}: NIR has no node for the operator {one.kind!r}")
        needed = self._neurons()
        plain = self._plain()
        for p in self.projections:
            delay = 0.0 if p.label in plain else self.dt
            self.lines += [_Line(p, nodes) for nodes in linear_nodes(p, delay, self.plan)]
        self._junctions()
        self._names()
        for name, (source, p) in self.biases.items():
            values = np.asarray(source.values)
            self._add_bias(p.target, name.removesuffix(BIAS), values, f"{name}: its values")
        for group, bias in needed:
            self._add_bias(group, None, bias, f"{group.label}: the drive of its model")
        for line in self.lines:
            for name, node in zip(line.names, line.nodes, strict=True):
                self.nodes[name] = node
            path = [str(line.projection.source.name), *line.path, str(line.projection.target.name)]
            self.edges |= dict.fromkeys(pairwise(path))
        self._outputs()
        return nested(self.nodes, tuple(self.edges))

    def _neurons(self) -> list[tuple[Population, np.ndarray]]:
        """Add sources and neurons; return those whose input needs a constant."""
        needed = []
        for group in self.net.of(Group):
            if isinstance(group, Source) and group.name not in self.biases:
                self.nodes[str(group.name)] = Node("Input", {"shape": group.shape})
            elif isinstance(group, Population) and group.model != JUNCTION:
                drawn = neuron_node(group, self.dt)
                self.nodes[str(group.name)] = drawn.node
                if drawn.bias is not None:
                    needed.append((group, drawn.bias))
        return needed

    def _plain(self) -> frozenset[str]:
        """Return the projections whose delay of one step the graph need not say: a reader finds the same."""
        inputs = [
            str(g.name) for g in self.net.of(Group) if isinstance(g, Source) and g.name not in self.biases
        ]
        order = _breadth_first(sorted(inputs), self.projections)

        def closing(chosen: list[Projection]) -> frozenset[str]:
            edges = sorted((p.label, str(p.source.name), str(p.target.name)) for p in chosen)
            return closing_edges(tuple(order), edges)

        timeless = [
            p for p in self.projections if not isinstance(p.delay, np.ndarray) and p.delay in (0.0, None)
        ]
        found = closing(timeless)
        kept = [p for p in timeless if p.delay == 0.0 or p.label in found]
        waiting = frozenset(p.label for p in kept if p.delay is None)
        return waiting if closing(kept) == waiting else frozenset()

    def _junctions(self) -> None:
        """Give units that only sum the node that all lines to them end in, or one that changes nothing."""
        for group in self.net.populations:
            if group.model != JUNCTION or self._sum_of(group) is not None:
                continue
            into = [line for line in self.lines if line.projection.target is group]
            ends = [line.nodes[-1] if line.nodes else None for line in into]
            if ends and ends[0] is not None and all(same_node(ends[0], end) for end in ends):
                node = ends[0]
                for line in into:
                    line.nodes.pop()
            else:
                flat = len(group.shape) == 1
                node = flatten(group.shape) if flat else Node("Scale", {"scale": np.ones(group.shape)})
            self.nodes[str(group.name)] = node

    def _sum_of(self, group: Population) -> Probe | None:
        """Return the probe that shows a sum of several nodes, which NIR says by several edges."""
        leaving = any(p.source is group for p in self.projections)
        return next(
            (
                p
                for p in self.net.probes
                if not leaving and p.target is group and f"{p.name}{SUM}" == group.name
            ),
            None,
        )

    def _names(self) -> None:
        """Name the linear nodes: as the projection's name says, where it is a path, else after it."""
        crossing = [line.projection for line in self.lines if not crosses_by_ports(line.projection)]
        if crossing:
            raise SpecError(
                f"{crossing[0].label}: leads from {crossing[0].source.label} to {crossing[0].target.label}, "
                "which their names put into different inner graphs of NIR; allowed are names without '/'"
            )
        self.taken |= {*self.nodes}
        for line in self.lines:
            path = path_of(line.projection) or []
            ends = [str(line.projection.source.name), *path, str(line.projection.target.name)]
            path = [name for name in path if not name.endswith(UP)]
            ports = {
                ends[k]: kind for k in range(1, len(ends) - 1) if (kind := port(ends, k)) and ends[k] in path
            }
            inner = [name for name in path if name not in ports]
            if len(inner) == len(line.nodes) + 1 and not any(n.kind == "Flatten" for n in line.nodes):
                at = 1 if line.nodes and line.nodes[0].kind == "Delay" else 0
                line.nodes.insert(at, flatten(line.projection.source.shape))
            if len(inner) != len(line.nodes) or len({*inner} - self.taken) < len(inner):
                inner, ports, path = self._fresh(line), {}, []
            line.names, line.path = inner, path or inner
            self.taken |= {*inner}
            self._add_ports(line, ports)

    def _fresh(self, line: _Line) -> list[str]:
        names: list[str] = []
        stem = str(line.projection.name).replace("/", ":")
        for node in line.nodes:
            plain = stem if node is line.nodes[-1] else f"{stem}.{node.kind.lower()}"
            name, k = plain, 2
            while name in self.taken or name in names:
                name, k = f"{plain}.{k}", k + 1
            names.append(name)
        return names

    def _add_ports(self, line: _Line, ports: dict[str, str]) -> None:
        shape: Shape = line.projection.source.shape
        nodes = dict(zip(line.names, line.nodes, strict=True))
        for name in line.path:
            if name in ports:
                self.nodes[name] = Node(ports[name], {"shape": shape})
                if ports[name] == "Output":
                    self.ports[name.rpartition("/")[0]] = name
            elif name in nodes:
                shape = output_shape(name, nodes[name], shape)

    def _add_bias(self, target: Group, stem: str | None, bias: np.ndarray, what: str) -> None:
        """Add a constant to a linear node that leads to a group."""
        places: list[tuple[Any, str, Node]] = []
        if str(target.name) in self.nodes:
            places.append((None, str(target.name), self.nodes[str(target.name)]))
        for line in self.lines:
            if line.projection.target is target and line.nodes:
                places.append((line, line.names[-1], line.nodes[-1]))
        fits = [p for p in places if p[2].kind in ("Linear", "Conv1d", "Conv2d")]
        for line, name, node in sorted(fits, key=lambda place: place[1] != stem):
            biased = biased_node(node, bias, target.shape)
            if biased is not None:
                if line is None:
                    self.nodes[name] = biased
                else:
                    line.nodes[-1] = biased
                return
        raise SpecError(
            f"{what}: NIR says a constant input as the bias of a Linear or a convolution (one value per "
            f"channel) that leads to {target.label}, and there is none without one"
        )

    def _outputs(self) -> None:
        shown = []
        for probe in self.net.probes:
            group = probe.target
            fires = isinstance(group, Source) or hasattr(getattr(group, "model", None), "threshold")
            if (
                isinstance(group, Group)
                and probe.ids is None
                and probe.variable == ("spikes" if fires else "v")
            ):
                shown.append((str(probe.name).replace("/", ":"), group))
        if not shown:
            leaving = {p.source for p in self.projections}
            groups = [g for g in self.net.of(Group) if g.name not in self.biases]
            shown = [(f"{g.name}.output".replace("/", ":"), g) for g in groups if g not in leaving] or [
                ("output", groups[-1])
            ]
        for name, group in shown:
            if name in self.taken:
                raise SpecError(
                    f"{name}: a probe and another part need this name in NIR; call the probe otherwise"
                )
            self._show(name, group)

    def _show(self, name: str, group: Group) -> None:
        self.nodes[name] = Node("Output", {"shape": group.shape})
        if isinstance(group, Population) and group.model == JUNCTION and self._sum_of(group) is not None:
            self.edges = {(pre, name if post == group.name else post): None for pre, post in self.edges}
            return
        path, inner = [str(group.name)], str(group.name).rpartition("/")[0]
        while inner:
            port = self.ports.setdefault(inner, f"{inner}/output")
            self.nodes.setdefault(port, Node("Output", {"shape": group.shape}))
            path.append(port)
            inner = inner.rpartition("/")[0]
        path.append(name)
        self.edges |= dict.fromkeys(pairwise(path))


def _biases(net: Network) -> dict[str, tuple[CurrentSource, Projection]]:
    """Return the sources that are nothing but a constant for one population, with their projection."""
    found = {}
    probed = {probe.group for probe in net.probes}
    for source in net.of(CurrentSource):
        mine = [p for p in net.projections if p.source is source]
        constant = source.values is not None and source.values.ndim == 1 and source not in probed
        if constant and len(mine) == 1:
            p = mine[0]
            plain = not isinstance(p.weight, np.ndarray) and p.weight == 1.0
            still = not isinstance(p.delay, np.ndarray) and p.delay == 0.0
            if (
                p.connectivity.kind == "one_to_one"
                and p.pre is source
                and p.post is p.target
                and plain
                and still
            ):
                found[str(source.name)] = (source, p)
    return found


def _breadth_first(starts: list[str], projections: list[Projection]) -> list[str]:
    """Return the groups in the order of `Chains.groups`."""
    after: dict[str, set[str]] = {}
    names = {*starts}
    for p in projections:
        after.setdefault(str(p.source.name), set()).add(str(p.target.name))
        names |= {str(p.source.name), str(p.target.name)}
    order, seen, rest = list(starts), {*starts}, iter(sorted(names - {*starts}))
    k = 0
    while len(order) < len(names):
        if k == len(order):
            order.append(next(name for name in rest if name not in seen))
            seen.add(order[-1])
        found = sorted(after.get(order[k], set()) - seen)
        order += found
        seen |= {*found}
        k += 1
    return order
