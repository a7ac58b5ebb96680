"""Drawing without a pattern's knowledge: totals dealt out over bins, and columns chosen for rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .compiled import compiled
from .random import below, binomial, draw64, to_unit
from .workers import side_by_side, stretches

#: Synapses that a thread draws at a time, and those whose places fit into a cache.
_AT_ONCE, _IN_CACHE = 1 << 20, 1 << 22


@compiled()
def deal_out(key: Any, total: Any, sizes: Any, out: Any) -> None:
    """Deal `total` over bins in proportion to their sizes, by a tree of binomial draws."""
    n = sizes.size
    cumulative = np.zeros(n + 1)
    for i in range(n):
        cumulative[i + 1] = cumulative[i] + sizes[i]
    stack = np.zeros((128, 4), np.int64)
    stack[0] = np.array([0, n, total, 1])
    depth = 1
    while depth > 0:
        depth -= 1
        low, high, count, node = stack[depth]
        if count == 0:
            out[low:high] = 0
            continue
        if high - low == 1:
            out[low] = count
            continue
        middle = (low + high) // 2
        share = (cumulative[middle] - cumulative[low]) / (cumulative[high] - cumulative[low])
        left = binomial(count, share, to_unit(draw64(key, node)))
        stack[depth] = np.array([middle, high, count - left, 2 * node + 1])
        stack[depth + 1] = np.array([low, middle, left, 2 * node])
        depth += 2


@compiled()
def sample(stream: Any, n_columns: Any, k: Any, multiple: Any, forbidden: Any, out: Any, taken: Any) -> None:
    """Draw k columns; without `multiple` by rejection, or by rejecting those to leave out if k is large.

    `taken` is scratch of a byte for each column, zero before and after.
    """
    draw = 0
    if multiple:
        for j in range(k):
            column = below(draw64(stream, draw), n_columns)
            draw += 1
            while column == forbidden:
                column = below(draw64(stream, draw), n_columns)
                draw += 1
            out[j] = column
        return
    blocked = 1 if 0 <= forbidden < n_columns else 0
    invert = 2 * k > n_columns - blocked
    wanted = n_columns - blocked - k if invert else k
    found = 0
    while found < wanted:
        column = below(draw64(stream, draw), n_columns)
        draw += 1
        if column != forbidden and taken[column] == 0:
            taken[column] = 1
            if not invert:
                out[found] = column
            found += 1
    if not invert:
        for j in range(k):
            taken[out[j]] = 0
        return
    j = 0
    for column in range(n_columns):
        if taken[column] == 0 and column != forbidden:
            out[j] = column
            j += 1
        taken[column] = 0


def sample_lists(
    key: np.uint64,
    n_rows: int,
    n_columns: int,
    k: int,
    multiple: bool,
    forbidden: np.ndarray,
    threads: int = 1,
) -> np.ndarray:
    """Draw k columns for every row, int32 (n_rows * k,); row i never draws forbidden[i], if there is any."""
    out = np.empty(n_rows * k, np.int32)

    def work(rows: tuple[int, int]) -> None:
        _sample_rows(key, *rows, n_columns, k, multiple, forbidden, out)

    side_by_side([work] * threads, stretches(n_rows, max(_AT_ONCE // max(k, 1), 1)))
    return out


@compiled()
def _sample_rows(
    key: Any, low: Any, high: Any, n_columns: Any, k: Any, multiple: Any, forbidden: Any, out: Any
) -> None:
    taken = np.zeros(n_columns, np.uint8)
    for row in range(low, high):
        stream = draw64(key, row)
        never = forbidden[row] if forbidden.size else -1
        sample(stream, n_columns, k, multiple, never, out[row * k : (row + 1) * k], taken)


def turn_round(lists: np.ndarray, n_columns: int, threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Turn lists of columns by row into lists of places by column.

    Returns
    -------
    indptr : int64 (n_columns + 1,)
        Where each column's places start.
    order : uint32 (lists.size,)
        The places of `lists` at which each column stands, ascending.
    """
    counts = np.zeros((threads, n_columns), np.int64)

    def count(part: np.ndarray) -> Callable[[tuple[int, int]], None]:
        return lambda stretch: _count_columns(lists[slice(*stretch)], part)

    side_by_side([count(part) for part in counts], stretches(lists.size, _AT_ONCE))
    indptr = np.concatenate([[0], np.cumsum(counts.sum(axis=0))])
    order = np.empty(lists.size, np.uint32)
    # All lists are read once for each stretch of columns whose places fit into a cache: to write at
    # random over everything would take many times as long.
    cuts = np.searchsorted(indptr, np.arange(0, lists.size + _IN_CACHE, _IN_CACHE)).clip(max=n_columns)
    cuts = np.unique(np.append(cuts, n_columns))

    def place(columns: tuple[int, int]) -> None:
        _place_columns(lists, *columns, indptr[columns[0] : columns[1]].copy(), order)

    side_by_side([place] * threads, zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
    return indptr, order


@compiled()
def _count_columns(lists: Any, counts: Any) -> None:
    for column in lists:
        counts[column] += 1


@compiled()
def _place_columns(lists: Any, low: Any, high: Any, position: Any, order: Any) -> None:
    """Write the places of columns low, ..., high - 1, each list from its `position` on."""
    for i in range(lists.size):
        column = lists[i]
        if low <= column < high:
            order[position[column - low]] = i
            position[column - low] += 1
