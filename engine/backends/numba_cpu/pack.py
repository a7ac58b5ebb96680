"""Packing synapses: each is written where it belongs by counting, without sorting and without copies.

A part's synapses stand in rows by source, and within a row by block of cells and delay. One of 4
bytes holds 16 bits of target within its block and 16 bits of weight; where each source has one weight
for all of them, 2 bytes hold the target, and the weight (then of up to 32 bits) stands by the source.
Real weights, and whole ones of more bits, stand beside 32-bit targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from ...draw import Synapses
from ...layout import refuse_overflow, stored_weights
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
class WideTable:
    """Synapses of some projections of one source onto one part, targets and weights apart.

    Attributes
    ----------
    delays, row_start, offsets : array
        As in `PackedTable`, with a single block.
    targets : uint32 (n_synapses,)
        Cells of the part.
    weights : int32, float32 or float64 (n_synapses,)
        Weights.
    """

    delays: np.ndarray
    row_start: np.ndarray
    offsets: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class _Listed:
    """One projection as the loops below read it: every index is that of storage.

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


class _Rows:
    """Where every synapse of some projections goes: counted once, for one division into blocks."""

    def __init__(self, listed: list[_Listed], shape: tuple[int, int, int], n_blocks: int, block: int) -> None:
        n_parts, n_sources, n_delays = shape
        self.listed, self.block, self.n_delays = listed, block, n_delays
        # One more than the segments of a row, and one more again while synapses are being placed.
        self.ends = np.zeros((n_parts, n_sources, n_blocks * n_delays + 2), np.uint32)
        for one in listed:
            _count(*_where(one), block, n_delays, self.ends)
        sizes = self.ends.sum(axis=2, dtype=np.int64)
        self.row_start = np.cumsum(sizes, axis=1) - sizes
        self.part_start = np.concatenate([[0], np.cumsum(sizes.sum(axis=1))])
        np.cumsum(self.ends, axis=2, out=self.ends)

    def part(self, part: int) -> tuple[np.ndarray, np.ndarray, slice]:
        """Return where a part's rows start, their segments' offsets, and its synapses; after placing."""
        synapses = slice(int(self.part_start[part]), int(self.part_start[part + 1]))
        return self.row_start[part], self.ends[part, :, :-1].reshape(-1), synapses


def pack(plan: Plan, share: Share, names: tuple[str, ...]) -> list[PackedTable] | list[WideTable]:
    """Return the synapses of projections of one source and one arithmetic, a table for each part.

    Raises
    ------
    PlanError
        If the integer sum of a target could overflow.
    """
    projections = [plan.projections[name] for name in names]
    source = plan.group_of(projections[0].part.source)
    delays = np.unique([delay for p in projections for delay in p.delays]).astype(np.int64)
    listed = [_listed(plan, share, p, delays) for p in projections]
    shape, n_cells = (share.n, source.n, delays.size), max(share.sizes[projections[0].arithmetic])
    if projections[0].arithmetic == "float":
        return _wide(_Rows(listed, shape, 1, n_cells), delays, plan.real)
    load = np.zeros((share.n, n_cells), np.int64)
    row_weight, seen, one_weight = np.zeros(source.n, np.int32), np.zeros(source.n, np.bool_), True
    for one in listed:
        one_weight &= _weigh(*vars(one).values(), load, row_weight, seen)
    refuse_overflow(names, load.max(initial=0) * source.payload_bound)
    if not one_weight and any(_bits(plan, p) > 16 for p in projections):
        return _wide(_Rows(listed, shape, 1, n_cells), delays, np.dtype(np.int32))
    n_synapses = sum(one.targets.size for one in listed)
    n_blocks, block = _blocks(n_cells, n_synapses / (share.n * source.n * delays.size))
    rows = _Rows(listed, shape, n_blocks, block)
    synapses = zeros(n_synapses, np.uint16 if one_weight else np.uint32)
    for one in listed:
        _place_packed(
            *vars(one).values(), block, delays.size, rows.ends, rows.row_start, rows.part_start, synapses
        )
    tables = []
    for part in range(share.n):
        row_start, offsets, mine = rows.part(part)
        weights = row_weight if one_weight else np.zeros(1, np.int32)
        tables.append(PackedTable(delays, n_blocks, block, row_start, offsets, synapses[mine], weights))
    return tables


def _wide(rows: _Rows, delays: np.ndarray, dtype: np.dtype) -> list[WideTable]:
    n_synapses = int(rows.part_start[-1])
    targets, weights = zeros(n_synapses, np.uint32), zeros(n_synapses, dtype)
    for one in rows.listed:
        _place_wide(
            *vars(one).values(), rows.block, rows.n_delays, rows.ends, rows.row_start, rows.part_start,
            targets, weights,
        )  # fmt: skip
    tables = []
    for part in range(rows.ends.shape[0]):
        row_start, offsets, mine = rows.part(part)
        tables.append(WideTable(delays, row_start, offsets, targets[mine], weights[mine]))
    return tables


def _listed(plan: Plan, share: Share, p: ProjectionPlan, delays: np.ndarray) -> _Listed:
    synapses: Synapses = plan.synapses(p.name)
    source, target = plan.group_of(p.part.source), plan.group_of(p.part.target)
    places = target.places(np.arange(*p.post_range))
    part_of = np.searchsorted(share.bounds[target.name], places, side="right") - 1
    starts = np.array(
        [share.start(p.arithmetic, k, target.name, p.part.receptor_name) for k in range(share.n)]
    )
    none = np.zeros(0, np.uint16)
    return _Listed(
        indptr=synapses.indptr,
        targets=synapses.targets,
        sources=source.places(np.arange(*p.pre_range)),
        parts=part_of.astype(np.int64),
        cells=places - share.bounds[target.name][part_of] + starts[part_of],
        weights=stored_weights(plan, p, synapses.weights),
        weight_index=none if synapses.weight_index is None else synapses.weight_index,
        slots=np.searchsorted(delays, synapses.delays),
        slot_index=none if synapses.delay_index is None else synapses.delay_index,
    )


def _where(one: _Listed) -> tuple[np.ndarray, ...]:
    """Return what says where synapses go, but for their weights."""
    return one.indptr, one.targets, one.sources, one.parts, one.cells, one.slots, one.slot_index


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
def _weigh(
    indptr: Any, targets: Any, sources: Any, parts: Any, cells: Any, weights: Any, weight_index: Any,
    slots: Any, slot_index: Any, load: Any, row_weight: Any, seen: Any,
) -> Any:  # fmt: skip
    """Add up absolute weights by cell; return whether all of a source's synapses have one weight."""
    one_weight = True
    for i in range(indptr.size - 1):
        source = sources[i]
        for k in range(indptr[i], indptr[i + 1]):
            weight = weights[weight_index[k]] if weight_index.size else weights[0]
            load[parts[targets[k]], cells[targets[k]]] += abs(np.int64(weight))
            if not seen[source]:
                seen[source], row_weight[source] = True, weight
            elif row_weight[source] != weight:
                one_weight = False
    return one_weight


@njit(cache=True)
def _count(
    indptr: Any, targets: Any, sources: Any, parts: Any, cells: Any, slots: Any, slot_index: Any, block: Any,
    n_delays: Any, ends: Any,
) -> None:  # fmt: skip
    """Count synapses by part, source and segment."""
    for i in range(indptr.size - 1):
        for k in range(indptr[i], indptr[i + 1]):
            target = targets[k]
            slot = slots[slot_index[k]] if slot_index.size else slots[0]
            # Two places further on: the loops that place synapses move each start to its end.
            segment = cells[target] // block * n_delays + slot + 2
            ends[parts[target], sources[i], segment] += np.uint32(1)


@njit(inline="always")
def _next(part: Any, source: Any, segment: Any, ends: Any, row_start: Any, part_start: Any) -> Any:
    """Return where the next synapse of a segment goes, and move its end."""
    at = part_start[part] + row_start[part, source] + ends[part, source, segment]
    ends[part, source, segment] += np.uint32(1)
    return at


@njit(cache=True)
def _place_packed(
    indptr: Any, targets: Any, sources: Any, parts: Any, cells: Any, weights: Any, weight_index: Any,
    slots: Any, slot_index: Any, block: Any, n_delays: Any, ends: Any, row_start: Any, part_start: Any,
    synapses: Any,
) -> None:  # fmt: skip
    """Write packed synapses, each at the end that its segment has reached."""
    wide = synapses.itemsize == 4
    for i in range(indptr.size - 1):
        for k in range(indptr[i], indptr[i + 1]):
            target = targets[k]
            weight = weights[weight_index[k]] if weight_index.size else weights[0]
            slot = slots[slot_index[k]] if slot_index.size else slots[0]
            segment = cells[target] // block * n_delays + slot + 1
            packed = np.uint32(cells[target] % block)
            if wide:
                packed = np.uint32(packed | np.uint32(np.uint32(weight) << np.uint32(16)))
            synapses[_next(parts[target], sources[i], segment, ends, row_start, part_start)] = packed


@njit(cache=True)
def _place_wide(
    indptr: Any, targets: Any, sources: Any, parts: Any, cells: Any, weights: Any, weight_index: Any,
    slots: Any, slot_index: Any, block: Any, n_delays: Any, ends: Any, row_start: Any, part_start: Any,
    out_targets: Any, out_weights: Any,
) -> None:  # fmt: skip
    """Write targets and weights, each at the end that its segment has reached."""
    for i in range(indptr.size - 1):
        for k in range(indptr[i], indptr[i + 1]):
            target = targets[k]
            slot = slots[slot_index[k]] if slot_index.size else slots[0]
            segment = cells[target] // block * n_delays + slot + 1
            at = _next(parts[target], sources[i], segment, ends, row_start, part_start)
            out_targets[at] = cells[target]
            out_weights[at] = weights[weight_index[k]] if weight_index.size else weights[0]
