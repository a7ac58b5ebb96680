"""Packing synapses: each row is drawn, sorted while it lies in the cache, and written once.

Synapses stand in rows by source neuron, and within a row by part, block of cells and delay. One of 4 bytes
holds 16 bits of target within its block and 16 bits of weight; where each source has one weight for
all of them, 2 bytes hold the target, and the weight (then of up to 32 bits) stands by the source.
How long each row is is known before it is drawn, so threads share the rows and nothing is moved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...entries import chosen_by
from ...layout import may_overflow, refuse_overflow, stored_weights
from ...plan import Plan
from ...planned import ProjectionPlan
from ...recipes import Recipe
from ...tables import delay_table, weight_table
from ...workers import row_stretches, side_by_side
from .fill import draw_share, place_rows
from .memory import zeros
from .merge import Delivery, delays_of, runs_of
from .parts import Share

#: What 16 bits of target can tell apart.
_LARGEST_BLOCK = 65_536
#: Cells that lie in a core's first-level cache while a step's events are added to them, and how many
#: synapses a segment needs on average, so that finding more of them costs less than that saves.
_CACHED_BLOCK, _LONG_SEGMENT = 8192, 512
#: Synapses drawn before they are sorted: few enough for a cache, many enough to be worth a call.
_BATCH = 1 << 17


@dataclass(frozen=True)
class PackedTable:
    """Packed synapses of a delivery onto one part, with delays that follow one another.

    Attributes
    ----------
    delay, steps : int
        The first delay in steps, and how many there are.
    n_blocks, block : int
        Blocks of cells, and cells in each.
    starts : uint32 or uint64 (n_rows * n_blocks,)
        Where the synapses of each row and block start.
    lengths : uint8, uint16 or uint32 (n_rows * n_blocks * steps,)
        How many there are of each delay.
    synapses : uint32 or uint16 (n_synapses,)
        Targets within their block, in the lower 16 bits, and weights above; those of all parts.
    row_weight : int32 (n_rows,), or (1,)
        The weight of each row's synapses, where they have but one.
    """

    delay: int
    steps: int
    n_blocks: int
    block: int
    starts: np.ndarray
    lengths: np.ndarray
    synapses: np.ndarray
    row_weight: np.ndarray


@dataclass(frozen=True)
class WideTable:
    """Synapses of some projections of one source onto one part, targets and weights apart.

    Attributes
    ----------
    delays : int64 (n_delays,)
        Delays in steps, ascending.
    row_start : int64 (n_source,)
        Where the part's synapses of each place of the source group start.
    offsets : uint32 (n_source * (n_delays + 1),)
        Where the segment of each delay starts within its row, and where the row ends.
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
    rows : int64 (n_rows,)
        The projection's own row of each row; -1 where it has none.
    places : int64 (n_post,)
        Block of each target, counted through all parts, in the upper 32 bits, and its cell in that block.
    weights : int32, float32 or float64
        Table of weights as they are stored.
    weight_by : int
        What chooses from the table: see `entries.py`.
    slots : uint16
        Table of indices of delays.
    slot_by : int
        As `weight_by`.
    bound : int
        Largest magnitude of what a source sends.
    """

    recipe: Recipe
    rows: np.ndarray
    places: np.ndarray
    weights: np.ndarray
    weight_by: int
    slots: np.ndarray
    slot_by: int
    bound: int


@dataclass(frozen=True)
class _Rows:
    """Rows of all parts in one piece, and where their segments end.

    Attributes
    ----------
    start : int64 (n_rows + 1,)
        Where each row starts.
    ends : uint32 (n_rows, n_segments + 1)
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

    def run(self, part: int, n_blocks: int, first: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Return where a part's synapses of each row and block start in a run of delays, and their numbers.

        Both in the smallest types that hold them.
        """
        mine = self.ends[:, part * self.width : (part + 1) * self.width + 1]
        by_block = (self.start.size - 1, n_blocks, -1)
        starts = self.start[:-1, None] + mine[:, :-1].reshape(by_block)[:, :, first]
        lengths = np.diff(mine).reshape(by_block)[:, :, first : first + steps]
        narrow = max(self.start[-1], lengths.size) <= np.iinfo(np.uint32).max
        return (
            starts.reshape(-1).astype(np.uint32 if narrow else np.uint64),
            lengths.reshape(-1).astype(np.min_scalar_type(lengths.max(initial=0))),
        )


def pack(
    plan: Plan, share: Share, delivery: Delivery, threads: int
) -> list[list[PackedTable]] | list[list[WideTable]]:
    """Return the synapses of a delivery: the tables of each part, several where delays are far apart.

    Raises
    ------
    PlanError
        If the integer sum of a target could overflow.
    """
    projections = [plan.projections[name] for name in delivery.names]
    arithmetic, wide, row_weight = projections[0].arithmetic, delivery.wide, delivery.row_weight
    delays = delays_of(plan, delivery.names)
    lengths = np.zeros(delivery.n_rows, np.int64)
    for p in projections:
        lengths[_rows_of(plan, delivery, p)] += plan.degrees(p.name)
    start = np.concatenate([[0], np.cumsum(lengths)])
    n_cells = max(share.sizes[arithmetic])
    if wide:
        n_blocks, block = 1, n_cells
    else:
        n_blocks, block = _blocks(n_cells, start[-1] / (share.n * lengths.size * delays.size))
        delays, runs = _runs(delays)
    ingredients = [_ingredient(plan, share, delivery, p, delays, n_blocks, block) for p in projections]
    ends = np.zeros((lengths.size, share.n * n_blocks * delays.size + 1), np.uint32)
    rows = _Rows(start, ends, n_blocks * delays.size)
    n = int(start[-1])
    synapses = zeros(n, np.uint32 if wide or row_weight is None else np.uint16)
    weights = zeros(n if wide else 0, ingredients[0].weights.dtype)
    near = arithmetic == "fixed" and may_overflow(plan, delivery.names)
    loads = [np.zeros(share.n * n_blocks * block if near else 0, np.int64) for _ in range(threads)]

    def filler(load: np.ndarray) -> Callable[[tuple[int, int]], None]:
        return lambda batch: _pack_rows(
            ingredients, delays.size, block, rows, *batch, synapses, weights, load
        )

    side_by_side([filler(load) for load in loads], row_stretches(start, _BATCH))
    refuse_overflow(delivery.names, np.sum(loads, axis=0).max(initial=0))
    if wide:
        return [[WideTable(delays, *rows.part(part), synapses, weights)] for part in range(share.n)]
    one = np.zeros(1, np.int32) if row_weight is None else row_weight

    def table(part: int, first: int, steps: int) -> PackedTable:
        starts, lengths = rows.run(part, n_blocks, first, steps)
        return PackedTable(int(delays[first]), steps, n_blocks, block, starts, lengths, synapses, one)

    return [[table(part, *run) for run in runs] for part in range(share.n)]


def _rows_of(plan: Plan, delivery: Delivery, p: ProjectionPlan) -> np.ndarray:
    """Return the rows of a projection's sources, in their order."""
    source = plan.group_of(p.part.source)
    return delivery.first_row[source.name] + source.places(p.pre_ids)


def _runs(delays: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Return delays with small gaps filled, and the place and size of each run."""
    filled = [np.arange(first, last + 1) for first, last in runs_of(delays)]
    sizes = np.array([run.size for run in filled])
    return np.concatenate(filled), list(zip((np.cumsum(sizes) - sizes).tolist(), sizes.tolist(), strict=True))


def _ingredient(
    plan: Plan, share: Share, delivery: Delivery, p: ProjectionPlan, delays: np.ndarray, n_blocks: int,
    block: int,
) -> _Ingredient:  # fmt: skip
    target = plan.group_of(p.part.target)
    rows = np.full(delivery.n_rows, -1)
    rows[_rows_of(plan, delivery, p)] = np.arange(p.part.pre.n)
    places = target.places(p.post_ids)
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
        weight_by=chosen_by(weights, drawn_weights),
        slots=np.searchsorted(delays, steps).astype(np.uint16),
        slot_by=chosen_by(steps, drawn_delays),
        bound=plan.group_of(p.part.source).payload_bound,
    )


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
            one.slot_by, n_delays, filled, segments, cells, drawn, packed, block, load, one.bound,
        )  # fmt: skip
    place_rows(segments, cells, drawn, start, ends, synapses, weights)
