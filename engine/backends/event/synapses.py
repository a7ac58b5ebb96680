"""Synapses for running from event to event: rows by source, each ordered by delay and then by target."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...layout import Cells, conv_kernel, described_weights, grid_of, stored_weights
from ...plan import Plan
from ...planned import ProjectionPlan
from ...tables import delay_table
from .touch import LANES

#: Columns of `Synapses.projections`: target group, receptor, level of the target, delay (-1 where each
#: synapse has its own), first row in `starts`, first entry in `delays`, whether each synapse has a weight
#: of its own, first entry in `weights`.
GROUP, RECEPTOR, LEVEL, DELAY, ROWS, DELAYS, OWN, WEIGHTS = range(8)


class Synapses(NamedTuple):
    """All synapses of a network.

    Attributes
    ----------
    projections : int64 (n_projections, 8)
        See `GROUP` and its neighbours.
    starts : int64
        Where the row of each source begins, projection after projection.
    targets : int32
        Place of each synapse's target in its group.
    weights : float64
        Weight of each, on the receptor's grid where it has one; where all of a projection are alike, as many
        as its longest row needs.
    delays : int64
        Delay of each in steps, for projections in which they differ.
    outgoing : int64 (n_groups + 1,)
        Where the projections of each group begin; projections are ordered by their source.
    """

    projections: np.ndarray
    starts: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    delays: np.ndarray
    outgoing: np.ndarray


def make_synapses(plan: Plan) -> Synapses:
    """Return the synapses of a network."""
    groups = {name: k for k, name in enumerate(plan.groups)}
    planned = sorted(plan.projections.values(), key=lambda p: groups[p.part.source.label])
    table = np.zeros((len(planned), 8), np.int64)
    starts, targets, weights, delays = [], [], [], []
    n_rows = n_synapses = n_delays = n_weights = 0
    for k, p in enumerate(planned):
        target = plan.group_of(p.part.target)
        row, places, weight, delay = _rows(plan, p)
        own = delay.size > 0 and bool((delay != delay[0]).any())
        receptor = target.part.receptors.index(p.part.receptor_name)
        fixed = -1 if own else int(delay[0]) if delay.size else p.delays[0]
        alike = weight.size > 0 and bool((weight == weight[0]).all())
        weight = weight[: np.diff(row).max()] if alike else weight
        # The delay of synapse s is delays[s + table[k, DELAYS]], and so with weights if each has its own.
        table[k, :DELAYS] = groups[target.name], receptor, target.level, fixed, n_rows
        table[k, DELAYS:] = n_delays - n_synapses, not alike, n_weights - (0 if alike else n_synapses)
        starts.append(row + n_synapses)
        targets.append(places)
        weights += [weight, np.zeros(LANES)]  # a kernel reads beyond the last of a row
        n_weights += weight.size + LANES
        delays += [delay] if own else []
        n_rows, n_synapses = n_rows + row.size, n_synapses + delay.size
        n_delays += delay.size if own else 0
        plan.release(p.name)
    sources = [groups[p.part.source.label] for p in planned]
    return Synapses(
        table,
        _joined(starts, np.int64),
        _joined(targets, np.int32),
        _joined(weights, np.float64),
        _joined(delays, np.int64),
        np.searchsorted(sources, np.arange(len(groups) + 1)).astype(np.int64),
    )


def _joined(parts: list[np.ndarray], kind: Any) -> np.ndarray:
    return np.concatenate([np.zeros(0, kind), *parts], dtype=kind)


def _rows(plan: Plan, p: ProjectionPlan) -> tuple[np.ndarray, ...]:
    """Return where rows begin, and targets, weights and delays in their order.

    Synapses that join the same neurons with the same delay become one.
    """
    sources, targets, weights, delays = _pairs(plan, p)
    source = plan.group_of(p.part.source)
    if p.arithmetic == "fixed":
        weights = stored_weights(plan, p, weights) * grid_of(plan, p).step
    order = np.lexsort((targets, delays, sources))
    sources, targets, weights, delays = (x[order] for x in (sources, targets, weights, delays))
    again = (np.diff(sources) == 0) & (np.diff(targets) == 0) & (np.diff(delays) == 0)
    if again.any():
        first = np.flatnonzero(np.concatenate([[True], ~again]))
        weights = np.add.reduceat(weights, first)
        sources, targets, delays = sources[first], targets[first], delays[first]
    starts = np.zeros(source.n + 1, np.int64)
    np.cumsum(np.bincount(sources, minlength=source.n), out=starts[1:])
    return starts, targets.astype(np.int32), weights.astype(np.float64), delays


def _pairs(plan: Plan, p: ProjectionPlan) -> tuple[np.ndarray, ...]:
    """Return source place, target place, weight and delay of every synapse."""
    source, target = plan.group_of(p.part.source), plan.group_of(p.part.target)
    if p.storage not in ("sparse", "dense"):
        return _image_pairs(plan, p)
    if p.storage == "sparse":
        drawn = plan.synapses(p.name)
        sources, targets, weights = drawn.sources(), drawn.targets.astype(np.int64), drawn.weight_values()
        delays = drawn.delay_steps()
    else:
        matrix = described_weights(plan, p)
        targets, sources = (x.reshape(-1) for x in np.indices(matrix.shape))
        weights, delays = matrix.reshape(-1), np.full(matrix.size, _delay(plan, p))
    return source.places(p.pre_ids[sources]), target.places(p.post_ids[targets]), weights, delays


def _delay(plan: Plan, p: ProjectionPlan) -> int:
    steps, _, _ = delay_table(p.part, plan.dt, gridless=plan.gridless, stride=plan.stride)
    return int(steps[0])


def _image_pairs(plan: Plan, p: ProjectionPlan) -> tuple[np.ndarray, ...]:
    """Return the same for a convolution or pooling, whose images are stored channel last, or for rows."""
    kernel = conv_kernel(plan, p, Cells({(p.part.target.label, p.part.receptor_name): 0}, 0))
    weights = kernel.weights
    if p.arithmetic == "fixed":
        weights = weights * grid_of(plan, p).step
    c_in, _, _, width = weights.shape
    along = []
    for axis in range(2):
        size, reach = kernel.image[axis], kernel.out[axis]
        first, tap, reached = kernel.taps(axis, size, range(reach))
        along.append((np.repeat(np.arange(size), np.diff(first)), tap, reached))
    (y, ky, oy), (x, kx, ox) = along
    pixel = (y[:, None] * kernel.image[1] + x) * c_in
    out = (oy[:, None] * kernel.out[1] + ox) * kernel.out[2]
    channel = np.arange(c_in)[:, None, None, None]
    group = channel // (c_in // kernel.groups)
    shape = (c_in, y.size, x.size, width)
    sources = np.broadcast_to(pixel[:, :, None] + channel, shape)
    targets = np.broadcast_to(out[:, :, None] + group * width + np.arange(width), shape)
    taken = weights[:, ky[:, None], kx, :]
    flat = sources.reshape(-1), targets.reshape(-1), np.asarray(taken, np.float64).reshape(-1)
    return *flat, np.full(flat[0].size, _delay(plan, p))
