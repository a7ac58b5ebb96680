"""The loops that fill tables of synapses: rows are drawn, sorted by counting, and written in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...compiled import compiled
from ...draw import choose_entries
from ...entries import BY_CHOICE, entry_of
from ...recipes import draw_row


@compiled()
def draw_share(
    recipe: Any, rows: Any, places: Any, table: Any, weight_by: Any, slots: Any, slot_by: Any,
    n_delays: Any, filled: Any, segments: Any, cells: Any, weights: Any, packed: Any, block: Any, load: Any,
    bound: Any,
) -> None:  # fmt: skip
    """Draw one projection's share of some rows: of each synapse its segment, cell and weight.

    With `packed` the weight stands in the upper half of the cell, else in `weights` where these have
    any room. `load` sums by cell, if it has, what an event may add at most: absolute weights times `bound`.
    """
    targets, order = np.empty(recipe.longest, np.int32), np.empty(recipe.longest, np.int64)
    first, second = np.zeros(recipe.longest, np.uint16), np.zeros(recipe.longest, np.uint16)
    taken = np.zeros(recipe.n_post, np.uint8)
    for r in range(rows.size):
        if rows[r] < 0:
            continue
        n = draw_row(recipe, rows[r], targets, order, taken)
        if weight_by == BY_CHOICE or slot_by == BY_CHOICE:
            choose_entries(recipe, rows[r], targets[:n], order[:n], first, second)
        at = filled[r]
        for k in range(n):
            place = places[targets[k]]
            weight = table[entry_of(weight_by, first[k], order[k])]
            slot = slots[entry_of(slot_by, second[k], order[k])]
            segments[at + k] = (place >> 32) * n_delays + slot
            cell = np.uint32(place & 0xFFFFFFFF)
            if packed:
                cells[at + k] = np.uint32(cell | np.uint32(np.uint32(weight) << np.uint32(16)))
            else:
                cells[at + k] = cell
            if weights.size:
                weights[at + k] = weight
            if load.size:
                load[(place >> 32) * block + cell] += abs(np.int64(weight)) * bound
        filled[r] = at + n


@compiled()
def place_rows(
    segments: Any, cells: Any, weights: Any, start: Any, ends: Any, out: Any, out_weights: Any
) -> None:
    """Write each row, sorted by segment, where it belongs among all synapses."""
    position = np.zeros(ends.shape[1], np.int64)
    for r in range(ends.shape[0]):
        low, high = start[r] - start[0], start[r + 1] - start[0]
        _count(segments, low, high, position, ends[r])
        for k in range(low, high):
            at = start[r] + position[segments[k]]
            position[segments[k]] += 1
            out[at] = cells[k]
            if weights.size:
                out_weights[at] = weights[k]


@compiled()
def _count(segments: Any, low: Any, high: Any, position: Any, ends: Any) -> None:
    """Count a row's synapses by segment, and note where each segment starts."""
    position[:] = 0
    for k in range(low, high):
        position[segments[k] + 1] += 1
    for s in range(position.size - 1):
        position[s + 1] += position[s]
    for s in range(position.size):
        ends[s] = position[s]
