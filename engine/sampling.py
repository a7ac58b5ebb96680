"""Drawing without a pattern's knowledge: totals dealt out over bins, and columns chosen for rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .random import below, binomial, draw64, to_unit


@njit(cache=True)
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


@njit(nogil=True, cache=True)
def sample(stream: Any, n_columns: Any, k: Any, multiple: Any, forbidden: Any, out: Any, taken: Any) -> None:
    """Draw k columns; without `multiple` by rejection, or by their complement if k is large, ascending.

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
            found += 1
    j = 0
    for column in range(n_columns):
        if (taken[column] == 0) == invert and column != forbidden:
            out[j] = column
            j += 1
        taken[column] = 0


@njit(cache=True)
def sample_lists(key: Any, n_rows: Any, n_columns: Any, k: Any, multiple: Any, shift: Any) -> Any:
    """Draw k columns for every row."""
    out, taken = np.empty(n_rows * k, np.int32), np.zeros(n_columns, np.uint8)
    for row in range(n_rows):
        stream = draw64(key, row)
        sample(stream, n_columns, k, multiple, row + shift, out[row * k : (row + 1) * k], taken)
    return out


@njit(cache=True)
def turn_round(lists: Any, n_pre: Any, n_post: Any, k: Any) -> Any:
    """Turn lists of sources by target into rows of targets by source (a counting sort)."""
    indptr = np.zeros(n_pre + 1, np.int64)
    for i in range(lists.size):
        indptr[lists[i] + 1] += 1
    for i in range(n_pre):
        indptr[i + 1] += indptr[i]
    position = indptr[:-1].copy()
    targets, order = np.empty(lists.size, np.int32), np.empty(lists.size, np.uint32)
    for post in range(n_post):
        for j in range(post * k, (post + 1) * k):
            at = position[lists[j]]
            position[lists[j]] = at + 1
            targets[at] = post
            order[at] = j
    return indptr, targets, order
