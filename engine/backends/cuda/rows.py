"""Rows for pushing: the synapses of one source, in memory as a GPU reads them.

An event is delivered by threads that share its source's row: each takes some of the synapses, and adds
a weight to a cell of the step in which it arrives. One word of 64 bits says all of that, so a synapse
is one read. The order within a row is that of drawing, since sums of whole numbers have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...compiled import compiled
from ...draw import choose_entries
from ...entries import BY_CHOICE, chosen_by, entry_of
from ...layout import Cells, grid_of, may_overflow, refuse_overflow, stored_weights
from ...plan import Plan
from ...planned import ProjectionPlan
from ...recipes import Recipe, draw_row
from ...tables import delay_table, weight_table
from ...workers import row_stretches, side_by_side

#: Where the parts of a word start; below the delay is the cell.
DELAY_BIT, WEIGHT_BIT = 32, 48
#: Synapses that a thread draws at a time: many enough to be worth a call, few enough to share out.
_BATCH = 1 << 17


@dataclass(frozen=True)
class PushRows:
    """Static sparse projections of one source that sum in fixed point, as one table of rows.

    Attributes
    ----------
    starts : int64 (n_source + 1,)
        Where the row of each place of the source group starts.
    synapses : int64 (n_synapses,)
        Bits 0 to 31: cell in the vector of fixed-point cells. Bits 32 to 47: delay in steps. Bits 48 to
        63: weight in steps of its receptor's grid, in two's complement; 0 where `weights` is used.
    weights : int32 (n_synapses,), or (0,)
        Weights in steps of the grid, where a grid of some projection has 32 bits.
    longest : int
        Synapses of the longest row.
    """

    starts: np.ndarray
    synapses: np.ndarray
    weights: np.ndarray
    longest: int


@dataclass(frozen=True)
class _Ingredient:
    """One projection as its rows are drawn.

    Attributes
    ----------
    recipe : Recipe
        What its rows are drawn from.
    rows : int64 (n_source,)
        The projection's own row of each place of the source group; -1 where it has none.
    cells : int64 (n_post,)
        Cell of each target.
    weights : int32
        Table of weights in steps of the grid.
    weight_by : int
        What chooses from the table: see `entries.py`.
    delays : uint16
        Table of delays in steps.
    delay_by : int
        As `weight_by`.
    """

    recipe: Recipe
    rows: np.ndarray
    cells: np.ndarray
    weights: np.ndarray
    weight_by: int
    delays: np.ndarray
    delay_by: int

    def draw(self, low: int, high: int, filled: np.ndarray, out: PushRows) -> None:
        """Draw the projection's share of rows low, ..., high - 1, from where these are filled to."""
        _draw_share(
            self.recipe, self.rows[low:high], self.cells, self.weights, self.weight_by, self.delays,
            self.delay_by, filled, out.synapses, out.weights,
        )  # fmt: skip


def push_rows(plan: Plan, names: tuple[str, ...], cells: Cells, threads: int = 1) -> PushRows:
    """Return the synapses of one delivery of a plan; `layout.sparse_rows` says which these are.

    Parameters
    ----------
    plan
        The plan. It keeps what rows were drawn from until it is told to release it.
    names
        Static sparse projections of one source, all in fixed point.
    cells
        The plan's fixed-point cells.
    threads
        Threads to use; the result does not depend on it.

    Raises
    ------
    PlanError
        If the integer sum of a target could overflow.
    """
    projections = [plan.projections[name] for name in names]
    source = plan.group_of(projections[0].part.source)
    lengths = np.zeros(source.n, np.int64)
    for p in projections:
        lengths[source.places(p.pre_ids)] += plan.degrees(p.name, threads)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    n, wide = int(starts[-1]), any(grid_of(plan, p).bits > 16 for p in projections)
    weights = np.empty(n if wide else 0, np.int32)
    rows = PushRows(starts, np.empty(n, np.int64), weights, int(lengths.max(initial=0)))
    ingredients = [_ingredient(plan, p, cells) for p in projections]

    def fill(stretch: tuple[int, int]) -> None:
        filled = starts[slice(*stretch)].copy()
        for ingredient in ingredients:
            ingredient.draw(*stretch, filled, rows)

    side_by_side([fill] * threads, row_stretches(starts, _BATCH))
    if may_overflow(plan, names):
        loads = np.zeros(cells.size, np.int64)
        _add_up(rows.synapses, rows.weights, loads)
        refuse_overflow(names, int(loads.max(initial=0)) * source.payload_bound)
    return rows


def _ingredient(plan: Plan, p: ProjectionPlan, cells: Cells) -> _Ingredient:
    source, target = plan.group_of(p.part.source), plan.group_of(p.part.target)
    rows = np.full(source.n, -1)
    rows[source.places(p.pre_ids)] = np.arange(p.part.pre.n)
    weights, drawn_weights = weight_table(p.part)
    delays, drawn_delays, _ = delay_table(p.part, plan.dt)  # refuses what 16 bits do not hold
    return _Ingredient(
        recipe=plan.recipe(p.name),
        rows=rows,
        cells=target.places(p.post_ids) + cells.offsets[target.name, p.part.receptor_name],
        weights=stored_weights(plan, p, weights.reshape(-1)),
        weight_by=chosen_by(weights, drawn_weights),
        delays=delays.astype(np.uint16),
        delay_by=chosen_by(delays, drawn_delays),
    )


@compiled()
def _draw_share(
    recipe: Any, rows: Any, cells: Any, weights: Any, weight_by: Any, delays: Any, delay_by: Any,
    filled: Any, out: Any, out_weights: Any,
) -> None:  # fmt: skip
    """Draw one projection's share of some rows into its place."""
    targets, order = np.empty(recipe.longest, np.int32), np.empty(recipe.longest, np.int64)
    first, second = np.zeros(recipe.longest, np.uint16), np.zeros(recipe.longest, np.uint16)
    taken = np.zeros(recipe.n_post, np.uint8)
    for r in range(rows.size):
        if rows[r] < 0:
            continue
        n = draw_row(recipe, rows[r], targets, order, taken)
        if weight_by == BY_CHOICE or delay_by == BY_CHOICE:
            choose_entries(recipe, rows[r], targets[:n], order[:n], first, second)
        at = filled[r]
        for k in range(n):
            weight = np.int64(weights[entry_of(weight_by, first[k], order[k])])
            delay = np.int64(delays[entry_of(delay_by, second[k], order[k])])
            word = cells[targets[k]] | (delay << DELAY_BIT)
            if out_weights.size:
                out_weights[at + k] = weight
            else:
                word |= weight << WEIGHT_BIT
            out[at + k] = word
        filled[r] = at + n


@compiled()
def _add_up(synapses: Any, weights: Any, loads: Any) -> None:
    """Add up the absolute weights onto each cell."""
    for k in range(synapses.size):
        weight = np.int64(weights[k]) if weights.size else synapses[k] >> WEIGHT_BIT
        loads[synapses[k] & 0xFFFFFFFF] += abs(weight)
