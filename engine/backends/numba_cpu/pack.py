"""Packing synapses: each is written where it belongs by counting, without sorting and without copies.

A part's synapses stand in rows by source, and within a row by block of cells and delay. One of 4
bytes holds 16 bits of target within its block and 16 bits of weight; where each source has one weight
for all of them, 2 bytes hold the target, and the weight (then of up to 32 bits) stands by the source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from ...draw import Synapses
from ...layout import refuse_overflow
from ...plan import Plan, ProjectionPlan
from .memory import zeros
from .parts import Share

#: What 16 bits of target can tell apart.
_LARGEST_BLOCK = 65_536
#: Cells that lie in a core's first-level cache while a step's events are added to them, and how many
#: synapses a segment needs on average, so that finding more of them costs less than that saves.
_CACHED_BLOCK, _LONG_SEGMENT = 8192, 512


@dataclass(frozen=True)
class PackedTable:
    """Packed synapses of some projections of one source onto one part.

    Attributes
    ----------
    delays : int64 (n_delays,)
        Delays in steps, ascending.
    n_blocks, block : int
        Blocks of cells, and cells in each.
    row_start : int64 (n_source,)
        Where the row of each place of the source group starts.
    offsets : uint32 (n_source * (n_blocks * n_delays + 1),)
        Where the segment of each block and delay starts within its row, and where the row ends.
    synapses : uint32 or uint16 (n_synapses,)
        Targets within their block, in the lower 16 bits, and weights above.
    row_weight : int32 (n_source,), or (1,)
        The weight of each source's synapses, where they have but one.
    """

    delays: np.ndarray
    n_blocks: int
    block: int
    row_start: np.ndarray
    offsets: np.ndarray
    synapses: np.ndarray
    row_weight: np.ndarray


@dataclass(frozen=True)
class _Listed:
    """One projection as the loops below read it: every index is that of storage, weights are whole.

    Tables of weights and delays have an entry for each synapse's index, or one entry and no indices.
    """

    indptr: np.ndarray
    targets: np.ndarray
    sources: np.ndarray
    parts: np.ndarray
    cells: np.ndarray
    weights: np.ndarray
    weight_index: np.ndarray
    slots: np.ndarray
    slot_index: np.ndarray


def pack(plan: Plan, share: Share, names: tuple[str, ...]) -> list[PackedTable] | None:
    """Return the packed synapses of fixed-point projections of one source, a table for each part.

    Returns None where they differ in weight by more than 16 bits can tell.

    Raises
    ------
    PlanError
        If the integer sum of a target could overflow.
    """
    projections = [plan.projections[name] for name in names]
    source = plan.group_of(projections[0].part.source)
    delays = np.unique([delay for p in projections for delay in p.delays]).astype(np.int64)
    listed = [_listed(plan, share, p, delays) for p in projections]
    n_synapses = sum(one.targets.size for one in listed)
    n_blocks, block = _blocks(max(share.sizes["fixed"]), n_synapses / (share.n * source.n * delays.size))
    # One more than the segments of a row, and one more again while synapses are being placed.
    ends = np.zeros((share.n, source.n, n_blocks * delays.size + 2), np.uint32)
    load = np.zeros((share.n, max(share.sizes["fixed"])), np.int64)
    row_weight, alike = np.zeros(source.n, np.int32), np.ones(1, np.bool_)
    seen = np.zeros(source.n, np.bool_)
    for one in listed:
        _count(*vars(one).values(), block, delays.size, ends, load, row_weight, seen, alike)
    refuse_overflow(names, load.max(initial=0) * source.payload_bound)
    if not alike[0] and any(_bits(plan, p) > 16 for p in projections):
        return None
    sizes = ends.sum(axis=2, dtype=np.int64)
    row_start = np.cumsum(sizes, axis=1) - sizes
    np.cumsum(ends, axis=2, out=ends)
    part_start = np.concatenate([[0], np.cumsum(sizes.sum(axis=1))])
    synapses = zeros(n_synapses, np.uint16 if alike[0] else np.uint32)
    for one in listed:
        _place(*vars(one).values(), block, delays.size, ends, row_start, part_start, synapses)
    return [
        PackedTable(
            delays,
            n_blocks,
            block,
            row_start[part],
            ends[part, :, :-1].reshape(-1),
            synapses[part_start[part] : part_start[part + 1]],
            row_weight if alike[0] else np.zeros(1, np.int32),
        )
        for part in range(share.n)
    ]


def _listed(plan: Plan, share: Share, p: ProjectionPlan, delays: np.ndarray) -> _Listed:
    synapses: Synapses = plan.synapses(p.name)
    source, target = plan.group_of(p.part.source), plan.group_of(p.part.target)
    grid = plan.receptor(p).grid
    assert grid is not None
    places = target.places(np.arange(*p.post_range))
    part_of = np.searchsorted(share.bounds[target.name], places, side="right") - 1
    starts = np.array([share.start("fixed", k, target.name, p.part.receptor_name) for k in range(share.n)])
    none = np.zeros(0, np.uint16)
    return _Listed(
        indptr=synapses.indptr,
        targets=synapses.targets,
        sources=source.places(np.arange(*p.pre_range)),
        parts=part_of.astype(np.int64),
        cells=places - share.bounds[target.name][part_of] + starts[part_of],
        weights=grid.to_integers(synapses.weights).astype(np.int32),
        weight_index=none if synapses.weight_index is None else synapses.weight_index,
        slots=np.searchsorted(delays, synapses.delays),
        slot_index=none if synapses.delay_index is None else synapses.delay_index,
    )


def _bits(plan: Plan, p: ProjectionPlan) -> int:
    grid = plan.receptor(p).grid
    assert grid is not None
    return grid.bits


def _blocks(n_cells: int, mean_row: float) -> tuple[int, int]:
    """Return the number of blocks of cells, and the cells in each, for rows of a mean length per delay."""
    needed = -(-n_cells // _LARGEST_BLOCK)
    wanted = min(-(-n_cells // _CACHED_BLOCK), int(mean_row / _LONG_SEGMENT))
    n_blocks = max(needed, wanted, 1)
    return n_blocks, max(-(-n_cells // n_blocks), 1)


@njit(cache=True)
def _count(
    indptr: Any, targets: Any, sources: Any, parts: Any, cells: Any, weights: Any, weight_index: Any,
    slots: Any, slot_index: Any, block: Any, n_delays: Any, ends: Any, load: Any, row_weight: Any,
    seen: Any, alike: Any,
) -> None:  # fmt: skip
    """Count synapses by part, source and segment; add up their weights by cell; look for one per source."""
    for i in range(indptr.size - 1):
        source = sources[i]
        for k in range(indptr[i], indptr[i + 1]):
            target = targets[k]
            part, cell = parts[target], cells[target]
            weight = weights[weight_index[k]] if weight_index.size else weights[0]
            slot = slots[slot_index[k]] if slot_index.size else slots[0]
            # Two places further on: the loop that places synapses moves each start to its end.
            ends[part, source, cell // block * n_delays + slot + 2] += np.uint32(1)
            load[part, cell] += abs(np.int64(weight))
            if not seen[source]:
                seen[source], row_weight[source] = True, weight
            elif row_weight[source] != weight:
                alike[0] = False


@njit(cache=True)
def _place(
    indptr: Any, targets: Any, sources: Any, parts: Any, cells: Any, weights: Any, weight_index: Any,
    slots: Any, slot_index: Any, block: Any, n_delays: Any, ends: Any, row_start: Any, part_start: Any,
    synapses: Any,
) -> None:  # fmt: skip
    """Write every synapse at the end that its segment has reached."""
    wide = synapses.itemsize == 4
    for i in range(indptr.size - 1):
        source = sources[i]
        for k in range(indptr[i], indptr[i + 1]):
            target = targets[k]
            part, cell = parts[target], cells[target]
            weight = weights[weight_index[k]] if weight_index.size else weights[0]
            slot = slots[slot_index[k]] if slot_index.size else slots[0]
            segment = cell // block * n_delays + slot + 1
            at = part_start[part] + row_start[part, source] + ends[part, source, segment]
            ends[part, source, segment] += np.uint32(1)
            packed = np.uint32(cell % block)
            if wide:
                packed = np.uint32(packed | np.uint32(np.uint32(weight) << np.uint32(16)))
            synapses[at] = packed
