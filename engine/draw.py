"""Drawing the synapses of one projection: rows by source, with what keys each one's weight and delay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .compiled import compiled
from .random import draw64
from .recipes import Recipe, count_rows, draw_rows, known_degrees
from .space import distance_between
from .workers import side_by_side, stretches


@dataclass(frozen=True)
class Synapses:
    """The synapses of one projection as rows by source; ids count from the ends' own first neuron.

    Attributes
    ----------
    indptr : int64 (n_pre + 1,)
        Where each source's row starts.
    targets : int32 (n_synapses,)
        Target of each synapse.
    weights : float64
        Table of weights.
    weight_index : array (n_synapses,), or None
        Entry of each synapse in the table; None where the table has one.
    delays : int64
        Table of delays in steps.
    delay_index : array (n_synapses,), or None
        Entry of each synapse in the table; None where the table has one.
    """

    indptr: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    weight_index: np.ndarray | None
    delays: np.ndarray
    delay_index: np.ndarray | None

    @property
    def n(self) -> int:
        """Number of synapses."""
        return int(self.targets.size)

    def weight_values(self) -> np.ndarray:
        """Return the weight of every synapse, float64."""
        if self.weight_index is None:
            return np.full(self.n, self.weights[0] if self.weights.size else 0.0)
        return np.asarray(self.weights[self.weight_index])

    def delay_steps(self) -> np.ndarray:
        """Return the delay of every synapse in steps, int64."""
        if self.delay_index is None:
            return np.full(self.n, self.delays[0] if self.delays.size else 1)
        return np.asarray(self.delays[self.delay_index])

    def sources(self) -> np.ndarray:
        """Return the source of every synapse, int64."""
        return np.repeat(np.arange(self.indptr.size - 1), np.diff(self.indptr))


#: Rows of which the counting is worth a thread.
_ROWS = 64


def degrees_of(recipe: Recipe, threads: int = 1) -> np.ndarray:
    """Return the number of synapses of every source, int64."""
    known = known_degrees(recipe)
    if known is not None:
        return known
    degrees = np.empty(recipe.n_pre, np.int64)
    rows = stretches(recipe.n_pre, max(-(-recipe.n_pre // (16 * threads)), _ROWS))
    side_by_side([lambda row: count_rows(recipe, *row, degrees)] * threads, rows)
    return degrees


def draw_synapses(
    recipe: Recipe,
    *,
    weights: np.ndarray,
    delays: np.ndarray,
    drawn_weights: bool,
    drawn_delays: bool,
) -> Synapses:
    """Draw (or list) the synapses of one projection.

    Parameters
    ----------
    recipe
        What rows are drawn from.
    weights, delays
        Tables: 65,536 entries to choose from if drawn, one per pair if listed, or a single entry.
    drawn_weights, drawn_delays
        Whether the tables hold quantiles, or values by distance.
    """
    indptr = np.concatenate([[0], np.cumsum(degrees_of(recipe))])
    targets, order = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.int64)
    draw_rows(recipe, indptr, targets, order)
    weight_index = delay_index = None
    if drawn_weights or drawn_delays:
        first, second = np.empty(order.size, np.uint16), np.empty(order.size, np.uint16)
        _choose_all(recipe, indptr, targets, order, first, second)
        weight_index, delay_index = first if drawn_weights else None, second if drawn_delays else None
    if weights.size > 1 and not drawn_weights:
        weight_index = order
    if delays.size > 1 and not drawn_delays:
        delay_index = order
    return Synapses(indptr, targets, weights.reshape(-1), weight_index, delays, delay_index)


@compiled()
def choose_entries(recipe: Any, i: Any, targets: Any, order: Any, first: Any, second: Any) -> None:
    """Choose the entries that the weights and the delays of source i's synapses take from their tables.

    They are quantiles drawn by the order of synapses, or what belongs to their lengths.
    """
    for k in range(order.size):
        bits = draw64(recipe.quantiles, order[k])
        first[k] = np.uint16(bits >> np.uint64(48))
        second[k] = np.uint16((bits >> np.uint64(32)) & np.uint64(0xFFFF))
        if recipe.correlation != 0.0:
            second[k] = _correlated(recipe.correlation, recipe.scores, first[k], second[k])
    _choose_by_distance(recipe.space, i, targets, first, second)


@compiled()
def _choose_by_distance(space: Any, i: Any, targets: Any, first: Any, second: Any) -> None:
    """Choose the entries that belong to the lengths of source i's synapses, where the space says so."""
    if space is None:  # then nothing of what follows is compiled
        return
    for k in range(targets.size if space.by_distance else 0):
        place = distance_between(space, i, targets[k]) * space.per_distance
        entry = np.uint16(min(place + 0.5, 65_535.0))
        if space.by_distance & 1:
            first[k] = entry
        if space.by_distance & 2:
            second[k] = entry


@compiled()
def _correlated(rho: Any, scores: Any, first: Any, second: Any) -> Any:
    """Return a quantile whose normal score has a correlation with that of the first; the second is fresh."""
    if scores.size == 0:
        return first if rho > 0.0 else np.uint16(np.uint16(65_535) - first)
    score = rho * scores[first] + math.sqrt(1.0 - rho * rho) * scores[second]
    return np.uint16(min(0.5 * math.erfc(-score * math.sqrt(0.5)) * 65_536.0, 65_535.0))


@compiled()
def _choose_all(recipe: Any, indptr: Any, targets: Any, order: Any, first: Any, second: Any) -> None:
    """Choose the entries of all rows."""
    for i in range(recipe.n_pre):
        row = slice(indptr[i], indptr[i + 1])
        choose_entries(recipe, i, targets[row], order[row], first[row], second[row])
