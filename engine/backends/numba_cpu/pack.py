"""Packing synapses: each row is drawn, sorted while it lies in the cache, and written once.

Synapses stand in rows by source, and within a row by part, block of cells and delay. One of 4 bytes
holds 16 bits of target within its block and 16 bits of weight; where each source has one weight for
all of them, 2 bytes hold the target, and the weight (then of up to 32 bits) stands by the source.
How long each row is is known before it is drawn, so threads share the rows and nothing is moved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...grid import Grid
from ...layout import refuse_overflow, stored_weights
from ...plan import Plan, ProjectionPlan
from ...recipes import Recipe
from ...tables import delay_table, weight_table
from ...workers import side_by_side
from .fill import BY_NOTHING, BY_ORDER, BY_QUANTILE, draw_share, place_rows
from .memory import zeros
from .parts import Share

#: What 16 bits of target can tell apart.
_LARGEST_BLOCK = 65_536
#: Cells that lie in a core's first-level cache while a step's events are added to them, and how many
#: synapses a segment needs on average, so that finding more of them costs less than that saves.
_CACHED_BLOCK, _LONG_SEGMENT = 8192, 512
#: Sums are added up as they are drawn where the plan's bound leaves less room than this; it is so wide
#: that no draw goes beyond it by as much.
_FAR = 2.0
#: Synapses drawn before they are sorted: few enough for a cache, many enough to be worth a call.
_BATCH = 1 << 17


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
        Where the part's synapses of each place of the source group start.
    offsets : uint32 (n_source * (n_blocks * n_delays + 1),)
        Where the segment of each block and delay starts within its row, and where the row ends.
    synapses : uint32 or uint16 (n_synapses,)
        Targets within their block, in the lower 16 bits, and weights above; those of all parts.
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
class _Ingredient:
    """One projection as its rows are packed: every index is that of storage.

    Attributes
    ----------
    recipe : Recipe
        What its rows are drawn from.
    rows : int32 (n_source,)
        Row of each place of the source group; -1 where it has none.
    places : int64 (n_post,)
        Block of each target, counted through all parts, in the upper 32 bits, and its cell in that block.
    weights : int32, float32 or float64
        Table of weights as they are stored.
    weight_by : int
        What chooses from the table: see `fill.py`.
    slots : uint16
        Table of indices of delays.
    slot_by : int
        As `weight_by`.
    """

    recipe: Recipe
    rows: np.ndarray
    places: np.ndarray
    weights: np.ndarray
    weight_by: int
    slots: np.ndarray
    slot_by: int


@dataclass(frozen=True)
class _Rows:
    """Rows of all parts in one piece, and where their segments end.

    Attributes
    ----------
    start : int64 (n_source + 1,)
        Where the row of each place of the source group starts.
    ends : uint32 (n_source, n_segments + 1)
        Where the segments of each part, block and delay start within the row.
    width : int
        Segments of one part.
    """

    start: np.ndarray
    ends: np.ndarray
    width: int

    def part(self, part: int) -> tuple[np.ndarray, np.ndarray]:
        """Return where a part's synapses of each source start, and the offsets of its segments from there."""
        mine = self.ends[:, part * self.width : (part + 1) * self.width + 1]
        return self.start[:-1] + mine[:, 0], (mine - mine[:, :1]).reshape(-1)


def pack(
    plan: Plan, share: Share, names: tuple[str, ...], threads: int
) -> list[PackedTable] | list[WideTable]:
    """Return the synapses of projections of one source and one arithmetic, a table for each part.

    Raises
    ------
    PlanError
        If the integer sum of a target could overflow.
    """
    projections = [plan.projections[name] for name in names]
    source, arithmetic = plan.group_of(projections[0].part.source), projections[0].arithmetic
    delays = np.unique([delay for p in projections for delay in p.delays]).astype(np.int64)
    lengths = np.zeros(source.n, np.int64)
    for p in projections:
        lengths[source.places(np.arange(*p.pre_range))] += plan.degrees(p.name)
    start = np.concatenate([[0], np.cumsum(lengths)])
    n_cells = max(share.sizes[arithmetic])
    row_weight = None if arithmetic == "float" else _row_weights(plan, projections, source.n)
    wide = arithmetic == "float" or (
        row_weight is None and any(_grid(plan, p).bits > 16 for p in projections)
    )
    n_blocks, block = (
        (1, n_cells) if wide else _blocks(n_cells, start[-1] / (share.n * source.n * delays.size))
    )
    ingredients = [_ingredient(plan, share, p, delays, n_blocks, block) for p in projections]
    ends = np.zeros((source.n, share.n * n_blocks * delays.size + 1), np.uint32)
    rows = _Rows(start, ends, n_blocks * delays.size)
    n = int(start[-1])
    synapses = zeros(n, np.uint32 if wide or row_weight is None else np.uint16)
    weights = zeros(n if wide else 0, ingredients[0].weights.dtype)
    near = arithmetic == "fixed" and any(_grid(plan, p).headroom < _FAR for p in projections)
    loads = [np.zeros(share.n * n_blocks * block if near else 0, np.int64) for _ in range(threads)]

    def filler(load: np.ndarray) -> Callable[[tuple[int, int]], None]:
        return lambda batch: _pack_rows(
            ingredients, delays.size, block, rows, *batch, synapses, weights, load
        )

    side_by_side([filler(load) for load in loads], _batches(start))
    refuse_overflow(names, np.sum(loads, axis=0).max(initial=0) * source.payload_bound)
    if wide:
        return [WideTable(delays, *rows.part(part), synapses, weights) for part in range(share.n)]
    one = np.zeros(1, np.int32) if row_weight is None else row_weight
    return [PackedTable(delays, n_blocks, block, *rows.part(part), synapses, one) for part in range(share.n)]


def _batches(start: np.ndarray) -> list[tuple[int, int]]:
    """Return stretches of rows of about `_BATCH` synapses."""
    cuts = np.searchsorted(start, np.arange(0, start[-1] + _BATCH, _BATCH), side="left")
    cuts = np.unique(np.minimum(np.append(cuts, start.size - 1), start.size - 1))
    return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))


def _ingredient(
    plan: Plan, share: Share, p: ProjectionPlan, delays: np.ndarray, n_blocks: int, block: int
) -> _Ingredient:
    source, target = plan.group_of(p.part.source), plan.group_of(p.part.target)
    rows = np.full(source.n, -1, np.int32)
    rows[source.places(np.arange(*p.pre_range))] = np.arange(p.part.pre.n)
    places = target.places(np.arange(*p.post_range))
    part = np.searchsorted(share.bounds[target.name], places, side="right") - 1
    starts = np.array(
        [share.start(p.arithmetic, k, target.name, p.part.receptor_name) for k in range(share.n)]
    )
    cells = places - share.bounds[target.name][part] + starts[part]
    weights, drawn_weights = weight_table(p.part)
    steps, drawn_delays, _ = delay_table(p.part, plan.dt)
    return _Ingredient(
        recipe=plan.recipe(p.name),
        rows=rows,
        places=((part * n_blocks + cells // block) << 32) + cells % block,
        weights=stored_weights(plan, p, weights.reshape(-1)),
        weight_by=_chosen_by(weights, drawn_weights),
        slots=np.searchsorted(delays, steps).astype(np.uint16),
        slot_by=_chosen_by(steps, drawn_delays),
    )


def _chosen_by(table: np.ndarray, drawn: bool) -> int:
    return BY_QUANTILE if drawn else BY_ORDER if table.size > 1 else BY_NOTHING


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
        places = plan.group_of(p.part.source).places(some + p.pre_range[0])
        if np.any(seen[places] & (weights[places] != mine)):
            return None
        weights[places], seen[places] = mine, True
    return weights


def _grid(plan: Plan, p: ProjectionPlan) -> Grid:
    grid = plan.receptor(p).grid
    assert grid is not None
    return grid


def _blocks(n_cells: int, mean_row: float) -> tuple[int, int]:
    """Return the number of blocks of cells, and the cells in each, for rows of a mean length per delay."""
    needed = -(-n_cells // _LARGEST_BLOCK)
    wanted = min(-(-n_cells // _CACHED_BLOCK), int(mean_row / _LONG_SEGMENT))
    n_blocks = max(needed, wanted, 1)
    return n_blocks, max(-(-n_cells // n_blocks), 1)


def _pack_rows(
    ingredients: list[_Ingredient], n_delays: int, block: int, rows: _Rows, low: int, high: int,
    synapses: np.ndarray, weights: np.ndarray, load: np.ndarray,
) -> None:  # fmt: skip
    """Draw the rows low, ..., high - 1 of all projections, and write them where they belong."""
    start, ends = rows.start[low : high + 1], rows.ends[low:high]
    n, filled = int(start[-1] - start[0]), start[:-1] - start[0]
    packed = weights.size == 0 and synapses.dtype == np.uint32
    segments, cells = np.empty(n, np.uint16 if ends.shape[1] < 65_536 else np.uint32), np.empty(n, np.uint32)
    drawn = np.empty(n if weights.size else 0, weights.dtype)
    for one in ingredients:
        draw_share(
            one.recipe, one.rows[low:high], one.places, one.weights, one.weight_by, one.slots,
            one.slot_by, n_delays, filled, segments, cells, drawn, packed, block, load,
        )  # fmt: skip
    place_rows(segments, cells, drawn, start, ends, synapses, weights)
