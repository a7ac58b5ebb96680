"""Delivery of dense projections whose weights and events are whole numbers of 16 bits: see `pair_rows.py`.

An item is a list of events that are delivered together: those of one trial in one step. A tile of weights
stays in the cache while the items of all trials that run side by side, or of all steps of a strip, pass by.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .pair_rows import COLUMNS, TOGETHER
from .types_of_kernels import I8, I2s, I4s, I8s

#: Whether a block works in all strips, in those of several steps, or in those of one.
ALWAYS, LONGER, SINGLE = 0, 1, 2

add_pairs: Any = None  # these stand for the functions of pair_rows.py
add_shared_pairs = add_pairs


def load_int32(address: Any) -> Any:
    """Stand for the intrinsic, for readers and type checkers."""


def cells_at(address: Any, size: Any) -> Any:
    """Stand for the function of `words.py`, for readers and type checkers."""


def deliver_pairs(
    now: I8, rings: I8s, parts: I8, n: I8, length: I8, unit: I8, delay: I8, targets: I8s, trials: I8s,
    active: I8s, weights: I2s, columns: I8, first_row: I8, rows: I8, clock: I8s, when: I8, ahead: I8,
    sums: I4s, width: I8, pairs: I4s, words: I4s, counts: I8s, whose: I8s, table: I4s, shared: I4s,
    shared_words: I4s, shared_counts: I8s, totals: I4s,
) -> int:  # fmt: skip
    """Add the rows of all events of some trials to their cells.

    `rings` says for each trial and part where ids, payloads and counts of its events begin; `targets` where a
    trial's first cell is. With `ahead` there is one trial, whose sums of a whole strip are made at its first
    step, as by `deliver_dense`.
    """
    start, stop = clock[0], clock[1]
    if (when == SINGLE and stop - start > 1) or (when == LONGER and stop - start == 1):
        return 0
    room, items = (rows + 1) // 2, 0
    if ahead == 0:
        for t in range(trials.size):
            if active[trials[t]] != 0:
                whose[items] = t
                items += 1
    elif now == start:
        items = stop - start
    for item in range(items):
        r, slot = 0 if ahead != 0 else 3 * parts * whose[item], (now + item * ahead - delay) % length
        counts[item] = _list_pairs(
            rings, r, parts, slot * n, slot, unit, first_row, rows, pairs, words, item * room
        )
    for group in range(0, items, TOGETHER):
        shared_counts[group // TOGETHER] = _share(
            group, min(TOGETHER, items - group), room, pairs, words, counts, table, shared, shared_words
        )
    for column in range(0, columns if items > 0 else 0, COLUMNS):
        tile, size = column * 2 * room, min(COLUMNS, columns - column)
        for item in range(items):
            group, lane = item // TOGETHER, item % TOGETHER
            if shared_counts[group] < 0:
                lane, begin = 0, item * room
                add_pairs(totals, weights, tile, pairs, words, begin, begin + counts[item])
            elif lane == 0:
                begin = group * room
                add_shared_pairs(
                    totals, weights, tile, shared, shared_words, begin, begin + shared_counts[group]
                )
            if ahead != 0:
                for i in range(size):
                    sums[item * width + column + i] = totals[lane * COLUMNS + i]
            else:
                cells = cells_at(targets[whose[item]] + 4 * column, size)
                for i in range(size):
                    cells[i] += totals[lane * COLUMNS + i]
    if ahead != 0:
        cells = cells_at(targets[0], columns)
        for i in range(columns):
            cells[i] = sums[np.uint64((now - start) * width + i)]
    return 0


def _list_pairs(
    rings: I8s, r: I8, parts: I8, begin: I8, slot: I8, unit: I8, first_row: I8, rows: I8, pairs: I4s,
    words: I4s, at: I8,
) -> Any:  # fmt: skip
    """List the pairs of rows in which an event lies, with their factors; return how many there are."""
    k, last = np.uint64(at), np.int64(-1)
    for q in range(parts):
        ids, payloads = rings[r + 3 * q] + 4 * begin, rings[r + 3 * q + 1] + 4 * begin
        for j in range(load_int32(rings[r + 3 * q + 2] + 4 * slot)):
            row = np.int64(load_int32(ids + 4 * j)) - first_row
            if row < 0 or row >= rows:
                continue
            factor = np.int32(1) if unit != 0 else load_int32(payloads + 4 * j)
            word = np.int32(factor << np.int32(16)) if row & 1 else np.int32(factor & np.int32(0xFFFF))
            pair = row >> 1
            # Two events of a pair follow each other.
            if pair == last:
                words[k - np.uint64(1)] |= word
            else:
                pairs[k], words[k], last = pair, word, pair
                k += np.uint64(1)
    return np.int64(k) - at


def _share(
    first: I8, lists: I8, room: I8, pairs: I4s, words: I4s, counts: I8s, table: I4s, shared: I4s,
    shared_words: I4s,
) -> Any:  # fmt: skip
    """Make one list of up to four; return its length, or -1 where each is better read by itself.

    Read alone, a list waits for its weights about half of the time.
    """
    total = np.int64(0)
    for i in range(lists):
        total += counts[first + i]
    if total < room:
        return -1
    table[:] = 0
    for i in range(lists):
        begin = (first + i) * room
        for k in range(begin, begin + counts[first + i]):
            table[np.uint64(TOGETHER * pairs[k] + i)] = words[k]
    entry = np.uint64(first // TOGETHER * room)
    for pair in range(room):
        at, some = np.uint64(TOGETHER * pair), np.int32(0)
        for i in range(TOGETHER):
            word = table[at + np.uint64(i)]
            some |= word
            shared_words[np.uint64(TOGETHER) * entry + np.uint64(i)] = word
        shared[entry] = pair
        entry += np.uint64(some != 0)
    used = np.int64(entry) - first // TOGETHER * room
    return used if 2 * used <= total else -1
