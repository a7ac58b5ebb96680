"""Binding projections: rows to be pushed, weights to be pulled, and synapses that learn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...connectivity import RowWise
from ...groups import image_of
from ...layout import Rows, conv_kernel, dense_matrix, sparse_rows
from ...plan import Plan
from ...planned import GroupPlan, ProjectionPlan, Step
from ...plastic import plastic_rows
from ...sources import Source
from . import fields as f
from .pull import TILE
from .push import SEGMENT
from .rows import PushRows, push_rows
from .rules import rule_source

if TYPE_CHECKING:
    from .bind import Binder


def bind_deliveries(binder: Binder) -> None:
    """Bind all deliveries of the plan, and what learns."""
    pulls: dict[tuple[str, str, str], list[int]] = {}
    links: dict[str, list[tuple[int, Any]]] = {}
    for step in binder.plan.steps:
        if step.kind != "deliver":
            continue
        p = binder.plan.projections[step.names[0]]
        if p.rule is not None:
            _bind_plastic(binder, p, pulls)
        elif p.storage == "sparse" and p.arithmetic == "fixed":
            names = tuple(name for name in step.names if not _private(binder, name))
            if names:
                _bind_pushed(binder, names, links)
        else:
            for q in _pulled(binder, step):
                _receptor(pulls, binder.plan.projections[q[0]], q[1])
    _bind_lists(binder, links)
    for (group, receptor, arithmetic), records in pulls.items():
        _bind_input(binder, group, receptor, arithmetic, records)


def _private(binder: Binder, projection: str) -> bool:
    return binder.plan.projections[projection].part.source.label in binder.private


# Pushed: static, sparse, in fixed point.


def _bind_pushed(binder: Binder, names: tuple[str, ...], links: dict[str, list[tuple[int, Any]]]) -> None:
    """Bind the rows of one source, and note which list its spikes join."""
    plan = binder.plan
    p = plan.projections[names[0]]
    source = plan.group_of(p.part.source)
    rows = push_rows(plan, names, binder.cells["fixed"], binder.threads)
    # In a strip of several steps, a delay may end within it: what lies ahead must have it before it runs.
    ahead = binder.strip > 1 and source.level < plan.group_of(p.part.target).level
    stage: Any = source.level if p.zero_delay or ahead else "delayed"
    if binder.strip > 1 and isinstance(source.part, Source):
        stage = "sources"
    binder.rows.append((source.name, (stage, rows.weights.size > 0), rows))
    links.setdefault(source.name, [])


def _bind_lists(binder: Binder, links: dict[str, list[tuple[int, Any]]]) -> None:
    """Lay out all rows, those with wide weights first, and the lists and links that lead to them."""
    store, plan = binder.store, binder.plan
    longest: dict[Any, list[PushRows]] = {}
    room: dict[Any, int] = {}
    for source, key, rows in sorted(binder.rows, key=lambda row: not row[1][1]):
        first = store.put("synapses", rows.synapses)
        binder.synapse_bytes += rows.synapses.nbytes + rows.weights.nbytes + rows.starts.nbytes
        store.put("wide", rows.weights)
        starts = store.put("longs", rows.starts + first)
        links[source].append((starts, key))
        longest.setdefault(key, []).append(rows)
        room[key] = room.get(key, 0) + plan.groups[source].n * plan.trials * binder.strip
    binder.rows.clear()
    for key in longest:
        binder.lists[key] = store.record(f.LIST)
    for key, record in binder.lists.items():
        segments = max(-(-rows.longest // SEGMENT) for rows in longest[key])
        counts = store.place("longs", None, (2,))
        entries = store.place("longs", None, (room[key], f.ENTRY))
        binder.places["list", str(record), "counts"] = counts
        binder.places["list", str(record), "entries"] = entries
        store.fill(
            record,
            {
                f.P_COUNTS: counts.start, f.P_ENTRIES: entries.start, f.P_SEGMENTS: max(segments, 1),
                f.P_WIDE: key[1],
            },
        )  # fmt: skip
    for source, mine in links.items():
        first = len(store.table)
        for starts, key in mine:
            store.fields([starts, binder.lists[key]])
        store.fill(binder.groups[source], {f.G_LINKS: first, f.G_N_LINKS: len(mine)})
        binder.links[source] = [(starts, binder.lists[key]) for starts, key in mine]


# Pulled: dense, convolutional, and sparse ones with real sums.


def _receptor(pulls: dict[tuple[str, str, str], list[int]], p: ProjectionPlan, record: int) -> None:
    pulls.setdefault((p.part.target.label, p.part.receptor_name, p.arithmetic), []).append(record)


def _pulled(binder: Binder, step: Step) -> list[tuple[str, int]]:
    """Return the records of a delivery that is pulled: one for each receptor that it leads to."""
    plan = binder.plan
    p = plan.projections[step.names[0]]
    if p.storage == "dense":
        return [(p.name, _dense(binder, p))]
    if p.storage != "sparse":
        return [(p.name, _conv(binder, p))]
    rows = sparse_rows(plan, step.names, binder.cells["float"])
    binder.synapse_bytes += rows.weights.nbytes
    at = binder.store.put("reals", rows.weights)
    receptors: dict[tuple[str, str], str] = {}
    for name in step.names:
        q = plan.projections[name]
        receptors.setdefault((q.part.target.label, q.part.receptor_name), name)
    return [(name, _listed(binder, plan.projections[name], rows, at, 0)) for name in receptors.values()]


def _dense(binder: Binder, p: ProjectionPlan) -> int:
    matrix = dense_matrix(binder.plan, p, binder.cells[p.arithmetic])
    binder.synapse_bytes += matrix.weights.nbytes
    first = binder.cells[p.arithmetic].offsets[p.part.target.label, p.part.receptor_name]
    rows, columns = matrix.weights.shape
    fields = {
        f.Q_STORAGE: f.DENSE, f.Q_FIRST: matrix.first_row, f.Q_ROWS: rows, f.Q_COLUMNS: columns,
        f.Q_COLUMN: matrix.first_column - first,
    }  # fmt: skip
    return _pull(binder, p, matrix.weights, fields)


def _conv(binder: Binder, p: ProjectionPlan) -> int:
    kernel = conv_kernel(binder.plan, p, binder.cells[p.arithmetic])
    binder.synapse_bytes += kernel.weights.nbytes
    _, height, width, _ = kernel.weights.shape
    fields = {
        f.Q_STORAGE: f.CONV, f.Q_IMAGE_HEIGHT: kernel.image[0], f.Q_IMAGE_WIDTH: kernel.image[1],
        f.Q_C_IN: kernel.image[2], f.Q_C_OUT: kernel.out[2], f.Q_OUT_WIDTH: kernel.out[1],
        f.Q_KERNEL_H: height, f.Q_KERNEL_W: width,
        f.Q_STRIDE_H: kernel.stride[0], f.Q_STRIDE_W: kernel.stride[1],
        f.Q_PAD_H: kernel.padding[0], f.Q_PAD_W: kernel.padding[1], f.Q_DILATION_H: kernel.dilation[0],
        f.Q_DILATION_W: kernel.dilation[1], f.Q_GROUPS: kernel.groups,
    }  # fmt: skip
    return _pull(binder, p, kernel.weights, fields)


def _pull(binder: Binder, p: ProjectionPlan, weights: np.ndarray, fields: dict[int, int]) -> int:
    store = binder.store
    at = store.put("wholes" if p.arithmetic == "fixed" else "reals", weights)
    common = {f.Q_SOURCE: binder.groups[p.part.source.label], f.Q_DELAY: p.delays[0], f.Q_WEIGHTS: at}
    return store.fill(store.record(f.PULL), {**fields, **common})


def _listed(binder: Binder, p: ProjectionPlan, rows: Rows, weights: int, per_trial: int) -> int:
    """Return the record of rows turned round: the incoming synapses of each cell, by delay and source."""
    store, target = binder.store, binder.plan.group_of(p.part.target)
    first = binder.cells["float"].offsets[target.name, p.part.receptor_name]
    mine = np.flatnonzero((rows.cells >= first) & (rows.cells < first + target.n))
    sources = rows.sources()[mine]
    # Rows stand by source, delay and order; a stable sort leaves that order within a cell and delay.
    order = np.lexsort((rows.delays[mine], rows.cells[mine]))
    cells = rows.cells[mine][order] - first
    starts = np.searchsorted(cells, np.arange(target.n + 1))
    fields = {
        f.Q_STORAGE: f.LISTED, f.Q_SOURCE: binder.groups[p.part.source.label], f.Q_WEIGHTS: weights,
        f.Q_STARTS: store.put("longs", starts), f.Q_SOURCES: store.put("wholes", sources[order]),
        f.Q_DELAYS: store.put("wholes", rows.delays[mine][order]),
        f.Q_SYNAPSES: store.put("wholes", mine[order]), f.Q_PER_TRIAL: per_trial,
    }  # fmt: skip
    binder.synapse_bytes += 12 * mine.size
    return store.fill(store.record(f.PULL), fields)


def _bind_input(binder: Binder, group: str, receptor: str, arithmetic: Any, records: list[int]) -> None:
    """Bind what a receptor pulls: in lines of channels, or of rows, where weights are shared."""
    store, target = binder.store, binder.plan.groups[group]
    line = _line(binder.plan, target)
    tiles = -(-line // TILE)
    record = store.fill(
        store.record(f.INPUT),
        {
            f.I_CELL: binder.cells[arithmetic].offsets[group, receptor], f.I_LINE: line, f.I_TILES: tiles,
            f.I_PULLS: store.fields(records), f.I_N_PULLS: len(records),
        },
    )  # fmt: skip
    kind = f.PULL_FIXED if arithmetic == "fixed" else f.PULL_FLOAT
    binder.add(kind, target.level, [(record, k) for k in range(target.n // line * tiles)])


def _line(plan: Plan, target: GroupPlan) -> int:
    """Return how many cells that follow one another see the same events of every convolution."""
    lines = [target.n]
    for p in plan.projections.values():
        if p.part.target.label == target.name and p.storage not in ("sparse", "dense"):
            c = p.part.connectivity
            lines.append(target.n // c.n if isinstance(c, RowWise) else image_of(target.part)[0])
    return math.gcd(*lines)


# Plastic.


def _bind_plastic(binder: Binder, p: ProjectionPlan, pulls: dict[tuple[str, str, str], list[int]]) -> None:
    """Bind a projection that learns: its rows, its incoming synapses, weights and traces of each trial."""
    plan, store, rule = binder.plan, binder.store, p.rule
    assert rule is not None
    cells = binder.cells[p.arithmetic]
    rows = plastic_rows(plan, p, cells)
    source, target = plan.group_of(p.part.source), plan.group_of(p.part.target)
    delays = rows.distinct_delays()
    slots = np.searchsorted(delays, rows.delays)
    sources, targets = rows.sources(), rows.cells - cells.offsets[target.name, p.part.receptor_name]
    n, trials = rows.weights.size, plan.trials
    weights = store.place("reals", np.tile(rows.weights, (trials, 1)), (trials, n))
    binder.places["weights", p.name, ""] = weights
    incoming = np.argsort(targets, kind="stable")
    grid = plan.receptor(p).grid
    changes = store.place("longs", None, (1,))
    binder.places["changes", p.name, ""] = changes
    constants = rule.constants(plan.dt)
    values = [
        *(constants[f"decay_{t.name}"] for t in rule.memories),
        *(constants[c] for c in rule.constant_names),
    ]
    record = store.fill(
        store.record(f.K_TRACES + len(rule.memories) + len(rule.shared) + len(rule.synaptic)),
        {
            f.K_RULE: binder.rules.setdefault(rule_source(rule), len(binder.rules)),
            f.K_SOURCE: binder.groups[source.name], f.K_TARGET: binder.groups[target.name], f.K_N: n,
            f.K_SOURCES: source.n, f.K_DELAYS: store.put("longs", delays), f.K_N_DELAYS: delays.size,
            f.K_STARTS: store.put(
                "longs", np.searchsorted(sources * delays.size + slots, np.arange(source.n * delays.size + 1))
            ),
            f.K_WEIGHTS: weights.start, f.K_TARGETS: store.put("wholes", targets),
            f.K_CELL: cells.offsets[target.name, p.part.receptor_name],
            f.K_STEP: store.put("reals", 1.0 if grid is None else grid.step),
            f.K_IN_STARTS: store.put("longs", np.searchsorted(targets[incoming], np.arange(target.n + 1))),
            f.K_IN_SYNAPSES: store.put("wholes", incoming),
            f.K_PRE: store.put("wholes", slots * source.n + sources), f.K_CHANGES: changes.start,
            f.K_CONSTANTS: store.put("reals", values or [0.0]), f.K_EVERY: rule.sweep_steps(plan.dt),
            f.K_BALANCE: rule.balance_steps(plan.dt),
            f.K_MODULATOR: -1 if p.part.modulator is None else binder.groups[p.part.modulator.label],
        },
    )  # fmt: skip
    binder.synapse_bytes += weights.size * plan.real.itemsize + 12 * n
    units = [(record, k) for k in range(-(-source.n // 32) * delays.size)]
    if p.arithmetic == "fixed":
        binder.add(f.ARRIVE, target.level, units)
    else:
        _receptor(pulls, p, _listed(binder, p, rows, weights.start, n))
    binder.add(f.ON_PRE, 0, units)
    binder.add(f.ON_POST, 0, [(record, k) for k in range(-(-target.n // 32))])
    _bind_traces(binder, p, record, delays.size)
    _bind_kept(binder, p, record, n)


def _bind_traces(binder: Binder, p: ProjectionPlan, record: int, n_delays: int) -> None:
    """Bind the traces of a rule: of arrivals, one for each delay and source, or of the targets' spikes."""
    plan, store, rule = binder.plan, binder.store, p.rule
    assert rule is not None
    shapes = {
        "pre": (n_delays, plan.group_of(p.part.source).n),
        "post": (plan.group_of(p.part.target).n,),
        "modulator": (1,),
    }
    for k, trace in enumerate(rule.memories):
        place = store.place("reals", None, (plan.trials, *shapes[trace.side]))
        binder.places["trace", p.name, trace.name] = place
        store.fill(record, {f.K_TRACES + k: place.start})
    longest = max((math.prod(shapes[trace.side]) for trace in rule.memories), default=int(bool(rule.shared)))
    numbers = [(record, i) for i in range(longest)]
    binder.add(f.FADE, 0, numbers)
    binder.add(f.BUMP, 0, numbers)


def _bind_kept(binder: Binder, p: ProjectionPlan, record: int, n: int) -> None:
    """Bind what all synapses have in common and what each keeps, and the tasks that end a step."""
    plan, store, rule = binder.plan, binder.store, p.rule
    assert rule is not None
    first = f.K_TRACES + len(rule.memories)
    for k, (name, value) in enumerate(rule.shared.items()):
        place = store.place("reals", np.full((plan.trials, 1), value), (plan.trials, 1))
        binder.places["shared", p.name, name] = place
        store.fill(record, {first + k: place.start})
    for k, name in enumerate(rule.synaptic, start=len(rule.shared)):
        place = store.place("reals", None, (plan.trials, n))
        binder.places["synapse", p.name, name] = place
        binder.synapse_bytes += place.size * plan.real.itemsize
        store.fill(record, {first + k: place.start})
    sweeps = rule.sweep_every is not None or rule.homeostasis is not None
    if rule.modulated or sweeps:
        binder.add(f.SETTLE, 0, [(record, 0)])
    if sweeps:
        binder.add(f.SWEEP, 0, [(record, k) for k in range(plan.group_of(p.part.target).n)])
