"""Kernels of sources: they write the events of this step into their group's ring, for one part."""

from __future__ import annotations

from typing import Any

import numpy as np

from .types_of_kernels import I8, U8, I1s, I2s, I4s, I8s, Reals, U4s

REAL: Any = None  # given by the options of compile_kernel


def draw64(key: Any, counter: Any) -> Any:
    """Stand for the generator, for readers and type checkers."""


def draw_pairs(step_key: Any, place: Any, pairs: Any) -> None:
    """Stand for the function of `noise.py`, for readers and type checkers."""


def exact_count(step_key: Any, lane: Any, place: Any, thresholds: Any, begin: Any, length: Any) -> Any:
    """Stand for the function of `noise.py`, for readers and type checkers."""


def list_set(flags: Any, size: Any, first: Any, ids: Any, k: Any) -> Any:
    """Stand for the function of `listing.py`, for readers and type checkers."""


def emit_poisson(
    now: I8, key: U8, base: I4s, thresholds: U4s, lengths: I4s, width: I8, rows: I4s, firsts: I2s,
    starts: I8s, low: I8, high: I8, n: I8, length: I8, ring_ids: I4s,
    ring_counts: I4s, ring_payload: I4s, tally: I8s, pairs: U4s, lanes: I2s, hits: I1s,
) -> int:  # fmt: skip
    """Draw Poisson counts for neurons [low, high); `rows` says which thresholds each uses.

    `starts` are the steps at which the next stretch of rows begins (one stretch for a constant rate).
    Most neurons are silent in most steps: those whose lane reaches that of their first threshold are
    listed, and only they are looked at closely. `lanes` are the halves of `pairs`: see `noise.py`.
    """
    step_key = draw64(key, now)
    stretch = starts.size - 1
    while stretch > 0 and starts[stretch] > now:
        stretch -= 1
    per_stretch = rows.size // starts.size
    alike = per_stretch == 1
    slot = now % length
    begin = slot * n + low
    sent = begin
    for chunk in range(low, high, 256):
        size = min(256, high - chunk)
        draw_pairs(step_key, chunk, pairs)
        some = np.int8(0)
        if alike:
            first = firsts[stretch]
            for i in range(size):
                hits[i] = np.int8(lanes[i] >= first)
                some = np.int8(some | hits[i])
        else:
            mine = firsts[stretch * per_stretch + chunk : stretch * per_stretch + chunk + size]
            for i in range(size):
                hits[i] = np.int8(lanes[i] >= mine[i])
                some = np.int8(some | hits[i])
        if some == 0:
            continue
        for j in range(sent, list_set(hits, size, chunk, ring_ids, sent)):
            place = np.int64(ring_ids[np.uint64(j)])
            row = rows[stretch if alike else stretch * per_stretch + place]
            lane, begin_row = lanes[place - chunk], row * width
            count = base[row] + exact_count(step_key, lane, place, thresholds, begin_row, lengths[row])
            if count > 0:
                ring_ids[np.uint64(sent)] = place
                ring_payload[np.uint64(sent)] = count
                tally[place] += count
                sent += 1
    ring_counts[slot] = sent - begin
    return 0


def emit_spikes(
    now: I8, start: I8, indptr: I8s, places: I4s, counts: I4s, low: I8, high: I8,
    n: I8, length: I8, ring_ids: I4s, ring_counts: I4s, ring_payload: I4s,
    tally: I8s,
) -> int:  # fmt: skip
    """Send given spikes."""
    slot = now % length
    begin, sent, row = slot * n + low, 0, now - start
    if 0 <= row < indptr.size - 1:
        for k in range(indptr[row], indptr[row + 1]):
            place = places[k]
            if low <= place < high:
                ring_ids[begin + sent] = place
                ring_payload[begin + sent] = counts[k]
                tally[place] += counts[k]
                sent += 1
    ring_counts[slot] = sent
    return 0


def emit_values(
    now: I8, start: I8, row_steps: I8, rows: I8, hold: I8, values: Reals, low: I8, high: I8,
    n: I8, length: I8, ring_ids: I4s, ring_counts: I4s, ring_payload: Reals,
    tally: I8s,
) -> int:  # fmt: skip
    """Send given values, zeros skipped."""
    slot = now % length
    begin, sent, row = slot * n + low, 0, (now - start) // row_steps
    if now >= start and rows > 0 and (row < rows or hold != 0):
        row = min(row, rows - 1)
        for place in range(low, high):
            value = values[row * n + place]
            if value != 0:
                ring_ids[begin + sent] = place
                ring_payload[begin + sent] = value
                tally[place] += 1
                sent += 1
    ring_counts[slot] = sent
    return 0
