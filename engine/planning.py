"""From a network to its plan: every decision that must not depend on a backend is taken here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..learning.rules.short_term import MOST_SPIKES
from ..neurons.errors import PlanError, SpecError
from ..neurons.model import steps_of
from .checks import check_positive
from .connectivity import Connectivity, Dense, Explicit, Pool2d, RowWise
from .distributions import Distribution
from .events import TICK, refuse_without_grid
from .expected import expected_synapses, in_degree_bound, shared_neurons
from .grid import Grid, Load, choose_grid
from .levels import assign_levels
from .memory import refuse_if_too_big
from .network import Network
from .orders import Orders, stands_by_rows, storage_orders
from .outputs import refuse_lost_input, taking, written_by
from .parts import Group, Operator, Population, Projection, Slice
from .plan import Plan
from .planned import Arithmetic, GroupPlan, ProjectionPlan, ReceptorPlan, Step, Storage, describe_receptor
from .poisson import count_table
from .profiles import ByDistance
from .relays import is_relayed, relayed, sender
from .sources import PoissonSource, RateSource, Source, SpikeSource
from .tables import delay_table, weight_table

PRECISIONS = (None, "fixed", "float32", "float64")
#: Spikes of one train that a SpikeSource may send in one step.
LARGEST_SPIKE_COUNT = 255


def make_plan(
    network: Network,
    dt: float | None,
    *,
    precision: str | None = None,
    trials: int = 1,
    gridless: bool = False,
) -> Plan:
    """Return the plan of a network.

    Parameters
    ----------
    network
        What to plan.
    dt
        Seconds per step. Without a grid, of a delay or an interval between samples that was left out; None
        if there is none.
    precision
        None (fixed point for sparse projections of spikes, else float32), "fixed" (fixed point also
        for dense and convolutional ones), "float32" or "float64".
    trials
        Copies of the network that run side by side.
    gridless
        Whether it will run from event to event: see `engine/events.py`.

    Raises
    ------
    SpecError, PlanError
        If dt or precision is not allowed, zero delays form a cycle, a grid cannot hold its weights,
        or the network does not fit into memory.
    """
    if not isinstance(network, Network):
        raise SpecError(f"Simulator.network: got {network!r}; allowed is a Network")
    if dt is not None or not gridless:
        check_positive("Simulator.dt", dt, "s")
    if precision not in PRECISIONS:
        raise SpecError(f"Simulator.precision: got {precision!r}; allowed is one of {PRECISIONS}")
    _check_spools(network)
    stride = 1
    if gridless:
        stride = 0 if dt is None else int(steps_of(dt, TICK))
        refuse_without_grid(network, stride)
        dt = TICK
    assert dt is not None
    running = relayed(network)
    bounds = {group.name: payload_bound(group, dt) for group in running.of(Group)}
    _check_relays(running, bounds)
    refuse_lost_input(running)
    orders = storage_orders(running)
    projections = {
        p.label: _plan_projection(p, dt, precision, orders, gridless=gridless, stride=stride)
        for p in running.projections
    }
    levels = assign_levels(running, projections)
    arriving: dict[str, list[ProjectionPlan]] = {group.label: [] for group in running.of(Group)}
    for planned in projections.values():
        arriving[planned.part.target.label].append(planned)
    written = written_by(running)
    groups = {
        group.label: GroupPlan(
            name=group.label,
            part=taking(group) if group.label in written else group,
            level=levels[group.label],
            receptors=_plan_receptors(group, arriving[group.label], bounds),
            order=orders[group.label],
            payload_bound=bounds[group.name],
        )
        for group in running.of(Group)
    }
    wide = gridless or precision == "float64"
    refuse_if_too_big(groups, projections, trials, float64=wide, gridless=gridless)
    return Plan(
        network=network.copy(),
        dt=float(dt),
        trials=trials,
        real=np.dtype(np.float64 if wide else np.float32),
        groups=groups,
        projections=projections,
        steps=_order_steps(running, groups, projections),
        gridless=gridless,
        stride=stride,
    )


def _check_spools(network: Network) -> None:
    taken: dict[Path, str] = {}
    for probe in network.probes:
        if probe.spool is not None:
            path = Path(probe.spool).resolve()
            if path in taken:
                raise SpecError(
                    f"{probe.label}.spool: {taken[path]} already writes to {path}; name a file of its own"
                )
            taken[path] = probe.label


def _check_relays(running: Network, bounds: dict[Any, int]) -> None:
    for p in running.projections:
        if is_relayed(p) and bounds[sender(p).name] > MOST_SPIKES:
            raise PlanError(
                f"{p.label}.rule: {sender(p).label} may send {bounds[sender(p).name]} spikes in one step; "
                f"short-term rules take up to {MOST_SPIKES}: lower its rate, or dt"
            )


def payload_bound(group: Group, dt: float) -> int:
    """Return the largest magnitude of an integer payload that a group can send."""
    if isinstance(group, PoissonSource | RateSource):
        rates = group.rate if isinstance(group, PoissonSource) else group.rates
        return max(count_table(group.label, np.atleast_1d(np.max(rates) * dt)).largest, 1)
    if isinstance(group, SpikeSource):
        return LARGEST_SPIKE_COUNT
    return group.model.payload_bound if isinstance(group, Population) else 1


def _plan_projection(
    p: Projection, dt: float, precision: str | None, orders: Orders, **clock: Any
) -> ProjectionPlan:
    steps, _, rounding = delay_table(p, dt, **clock)
    storage, why = _choose_storage(p, orders)
    arithmetic, because = _choose_arithmetic(p, storage, precision)
    return ProjectionPlan(
        name=p.label,
        part=p,
        storage=storage,
        arithmetic=arithmetic,
        delays=tuple(int(d) for d in np.unique(steps)) or (1,),
        delay_rounding=rounding,
        expected=expected_synapses(p),
        reason=f"{why}, {because}",
    )


def _choose_storage(p: Projection, orders: Orders) -> tuple[Storage, str]:
    kind = p.connectivity.kind
    if isinstance(p.connectivity, RowWise) and p.delivery != "sparse":
        if any(isinstance(end, Slice) for end in (p.pre, p.post)):
            return "sparse", "an end is part of a group"
        if not stands_by_rows(p, orders):
            return "sparse", "an end is stored in another order"
        return "rows", "weights shared over rows"
    if kind == "conv2d" or kind == "pool2d":
        return kind, "weights shared over positions"  # type: ignore[return-value]
    if kind == "dense":
        if p.delivery == "sparse":
            return "sparse", "stored as asked"
        if isinstance(p.delay, (Distribution, ByDistance, np.ndarray)):
            return "sparse", "its delays differ"
        if isinstance(p.weight, ByDistance):
            return "sparse", "its weights depend on distance"
        slices = [end for end in (p.pre, p.post) if isinstance(end, Slice)]
        if any(len(end.group.shape) > 1 for end in slices):
            return "sparse", "an end is part of an image"
        if not all(end.consecutive for end in slices):
            return "sparse", "the neurons of an end do not follow one another"
        if isinstance(p.connectivity, Dense) and not p.connectivity.self_connections and shared_neurons(p):
            return "sparse", "no neuron connects to itself"
        return "dense", "a weight for every pair"
    if p.delivery == "dense":
        raise PlanError(f"{p.label}.delivery: got 'dense'; {kind} is stored as 'sparse'")
    return "sparse", "listed by source"


def _choose_arithmetic(p: Projection, storage: Storage, precision: str | None) -> tuple[Arithmetic, str]:
    if precision in ("float32", "float64"):
        return "float", f"{precision} was asked for"
    if p.source.payload == "real":
        return "float", "its events carry real numbers"
    if precision == "fixed":
        return "fixed", "fixed point was asked for"
    if p.rule is not None:
        return "fixed", "plastic: float32 weights, rounded to the grid as they are delivered"
    return (
        ("fixed", "integer sums are exact") if storage == "sparse" else ("float", "summed in a fixed order")
    )


def _plan_receptors(
    group: Group, arriving: list[ProjectionPlan], bounds: dict[Any, int]
) -> tuple[ReceptorPlan, ...]:
    planned = []
    for name in group.receptors:
        mine = [p for p in arriving if p.part.receptor_name == name]
        fixed = [_load(p, bounds[p.part.source.name]) for p in mine if p.arithmetic == "fixed"]
        grid: Grid | None = choose_grid(f"{group.label}.{name}", fixed) if fixed else None
        planned.append(ReceptorPlan(name, grid, any(p.arithmetic == "float" for p in mine)))
    return tuple(planned)


def _load(p: ProjectionPlan, bound: int) -> Load:
    if p.rule is not None:
        low, high = p.rule.bounds
        # A plastic weight moves continuously between its bounds: only the largest matters to the grid.
        largest = max(abs(low), abs(high))
        return Load(p.name, np.array([largest]), None, True, bound * largest * in_degree_bound(p))
    c = p.part.connectivity
    weights, drawn = weight_table(p.part)
    weights = weights * c.share if isinstance(c, Pool2d) else weights
    targets = None if drawn or weights.size == 1 else _targets(c, weights)
    if targets is not None:
        sums = np.bincount(targets, weights=np.abs(weights).reshape(-1), minlength=1)
        return Load(p.name, weights, targets, drawn, bound * float(sums.max()))
    largest = float(np.abs(weights).max(initial=0.0))
    return Load(p.name, weights, None, drawn, bound * largest * in_degree_bound(p))


def _targets(c: Connectivity, weights: np.ndarray) -> np.ndarray | None:
    """Return the target of each weight of an array (its output channel or place in a row), flat."""
    if isinstance(c, Explicit):
        return c.post_ids
    if c.kind in ("dense", "conv2d", "rows"):
        return np.repeat(np.arange(len(weights)), weights[0].size)
    return None


def _order_steps(
    network: Network, groups: dict[str, GroupPlan], projections: dict[str, ProjectionPlan]
) -> tuple[Step, ...]:
    steps: list[Step] = []
    for level in range(1 + max((group.level for group in groups.values()), default=0)):
        here = [group for group in groups.values() if group.level == level]
        steps += [
            Step("emit", level, (g.name,), type(g.part).__name__) for g in here if isinstance(g.part, Source)
        ]
        steps += _deliveries(here, projections, level)
        for group in here:
            if isinstance(group.part, Population):
                inputs = "; ".join(f"{r.name}: {describe_receptor(r)}" for r in group.receptors)
                steps.append(Step("update", level, (group.name,), inputs))
            elif isinstance(group.part, Operator):
                steps.append(Step("operate", level, (group.name,), group.part.kind))
    last = steps[-1].level if steps else 0
    for p in projections.values():
        if p.rule is not None:
            steps.append(Step("learn", last, (p.name,), type(p.rule).__name__))
    steps += [
        Step("record", last, (probe.label,), probe.variable)
        for probe in network.probes
        if not isinstance(probe.target, Projection)
    ]
    return tuple(steps)


def _deliveries(here: list[GroupPlan], projections: dict[str, ProjectionPlan], level: int) -> list[Step]:
    """Return the deliveries into one level; static sparse projections of one source share a table."""
    targets = {group.name for group in here}
    tables: dict[Any, list[ProjectionPlan]] = {}
    for p in projections.values():
        if p.part.target.name in targets:
            shared = p.storage == "sparse" and p.rule is None
            key = (p.part.source.name, p.zero_delay, p.arithmetic) if shared else (p.name,)
            tables.setdefault(key, []).append(p)
    return [
        Step("deliver", level, tuple(p.name for p in table), f"{table[0].storage}, {table[0].arithmetic}")
        for table in tables.values()
    ]
