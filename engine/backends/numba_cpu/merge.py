"""Which sparse projections are delivered by one kernel: those of several sources too."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from ...layout import grid_of, stored_weights
from ...plan import Plan
from ...planned import ProjectionPlan
from ...tables import weight_table

#: Delays that are no further apart than this belong to one run: to look at an event in vain this often
#: costs less than to find the middle of its row.
_BRIDGED = 8


@dataclass(frozen=True)
class Delivery:
    """Sparse projections onto one level that are delivered together.

    Attributes
    ----------
    names : tuple of str
        The projections.
    first_row : dict
        Source group -> the row of its first neuron; rows of one group follow the storage of its neurons.
    n_rows : int
        Rows of all sources.
    wide : bool
        Whether targets and weights stand apart, since a weight needs more than 16 bits.
    row_weight : int32 (n_rows,), or None
        The weight of all synapses of each row, where it has but one.
    """

    names: tuple[str, ...]
    first_row: dict[str, int]
    n_rows: int
    wide: bool
    row_weight: np.ndarray | None


def merged(plan: Plan, private: Container[str]) -> list[Delivery]:
    """Return the sparse deliveries of a plan, but for plastic ones and those of private sources.

    Sources are merged if their synapses are packed alike and their delays span about the same steps: an
    event stays in the queue for as long as the longest of them (see `deliver_rows.py`).
    """
    alike: dict[tuple[object, ...], list[Delivery]] = {}
    for step in plan.steps:
        p = plan.projections[step.names[0]] if step.kind == "deliver" else None
        if p is None or p.storage != "sparse" or p.rule is not None or p.part.source.label in private:
            continue
        one, source = _of_one_source(plan, step.names), plan.group_of(p.part.source)
        runs = tuple(
            (first, (last - first).bit_length()) for first, last in runs_of(delays_of(plan, step.names))
        )
        key = (step.names,) if one.wide else (step.level, one.row_weight is None, source.part.payload, runs)
        alike.setdefault(key, []).append(one)
    return [_joined(deliveries) for deliveries in alike.values()]


def _joined(deliveries: list[Delivery]) -> Delivery:
    names: list[str] = []
    weights: list[np.ndarray] = []
    first_row, n_rows = {}, 0
    for one in deliveries:
        (source,) = one.first_row
        names += one.names
        first_row[source] = n_rows
        n_rows += one.n_rows
        if one.row_weight is not None:
            weights.append(one.row_weight)
    row_weight = np.concatenate(weights) if weights else None
    return Delivery(tuple(names), first_row, n_rows, deliveries[0].wide, row_weight)


def _of_one_source(plan: Plan, names: tuple[str, ...]) -> Delivery:
    projections = [plan.projections[name] for name in names]
    source, fixed = plan.group_of(projections[0].part.source), projections[0].arithmetic == "fixed"
    row_weight = _row_weights(plan, projections, source.n) if fixed else None
    wide = not fixed or (row_weight is None and any(grid_of(plan, p).bits > 16 for p in projections))
    return Delivery(names, {source.name: 0}, source.n, wide, row_weight)


def by_first_name(deliveries: list[Delivery]) -> dict[str, Delivery]:
    """Return deliveries by their first projection: they take its place among the plan's steps."""
    return {delivery.names[0]: delivery for delivery in deliveries}


def reach_of(plan: Plan, deliveries: list[Delivery]) -> dict[str, int]:
    """Return how many steps back the events of each group are read; sources of one delivery share a queue."""
    reach = {name: 0 for name in plan.groups}
    together = [*((name,) for name in plan.projections), *(delivery.names for delivery in deliveries)]
    for names in together:
        longest = max(plan.projections[name].delays[-1] for name in names)
        for name in names:
            source = plan.projections[name].part.source.label
            reach[source] = max(reach[source], longest)
    return reach


def sums_ahead(plan: Plan, deliveries: list[Delivery]) -> set[str]:
    """Return the dense projections whose sums nothing comes before: those of a receptor's first delivery."""
    found, begun, sparse = set(), set(), by_first_name(deliveries)
    for step in plan.steps:
        if step.kind == "deliver":
            for name in sparse[step.names[0]].names if step.names[0] in sparse else step.names:
                p = plan.projections[name]
                receptor = (p.part.target.label, p.part.receptor_name, p.arithmetic)
                if p.storage == "dense" and p.rule is None and receptor not in begun:
                    found.add(name)
                begun.add(receptor)
    return found


def delays_of(plan: Plan, names: tuple[str, ...]) -> np.ndarray:
    """Return the delays of some projections in steps, ascending, int64."""
    return np.unique([delay for name in names for delay in plan.projections[name].delays]).astype(np.int64)


def runs_of(delays: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and last delay of each run without a large gap."""
    gaps = np.flatnonzero(np.diff(delays) > _BRIDGED)
    firsts, lasts = delays[np.append(0, gaps + 1)], delays[np.append(gaps, delays.size - 1)]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _row_weights(plan: Plan, projections: list[ProjectionPlan], n: int) -> np.ndarray | None:
    """Return the one weight that all synapses of each source have, int32; None if some have several."""
    weights, seen = np.zeros(n, np.int32), np.zeros(n, bool)
    for p in projections:
        table, drawn = weight_table(p.part)
        if drawn:
            return None
        degrees, stored = plan.degrees(p.name), stored_weights(plan, p, table.reshape(-1))
        some = np.flatnonzero(degrees)
        if stored.size > 1:
            recipe = plan.recipe(p.name)
            listed = stored[recipe.order]
            mine = listed[recipe.indptr[some]]
            if np.any(listed != np.repeat(mine, degrees[some])):
                return None
        else:
            mine = np.full(some.size, stored[0] if stored.size else 0)
        places = plan.group_of(p.part.source).places(p.pre_ids[some])
        if np.any(seen[places] & (weights[places] != mine)):
            return None
        weights[places], seen[places] = mine, True
    return weights
