"""Kernels of sources: they write the events of this step into their group's ring, for one part."""

from __future__ import annotations

from typing import Any

import numpy as np

from .types_of_kernels import I4, I8, U8, I2s, I4s, I8s, Reals, U4s

REAL: Any = None  # given by the options of compile_kernel


def draw64(key: Any, counter: Any) -> Any:
    """Stand for the generator, for readers and type checkers."""


def mix32(index: Any, key_a: Any, key_b: Any) -> Any:
    """Stand for the generator, for readers and type checkers."""


def list_set(flags: Any, size: Any, first: Any, ids: Any, k: Any) -> Any:
    """Stand for the function of `listing.py`, for readers and type checkers."""


def _exact_count(
    lane: Any, place: I8, fine_a: Any, fine_b: Any, thresholds: U4s, begin: I8, length: I8
) -> int:
    """Return how many thresholds one neuron's 32 bits reach; `lane` holds the upper half of them."""
    upper = np.uint32((np.int32(lane) + np.int32(32768)) << np.int32(16))
    bits = np.uint32(upper | (mix32(np.uint32(place), fine_a, fine_b) & np.uint32(0xFFFF)))
    count = 0
    while count < length and bits >= thresholds[begin + count]:
        count += 1
    return count


def emit_poisson(
    now: I8, key: U8, base: I4s, thresholds: U4s, lengths: I4s, width: I8, rows: I4s, firsts: I2s,
    starts: I8s, low: I8, high: I8, part: I8, parts: I8, n: I8, length: I8, ring_ids: I4s,
    ring_counts: I4s, ring_payload: I4s, tally: I8s, pairs: U4s, lanes: I2s, hits: I2s,
) -> int:  # fmt: skip
    """Draw Poisson counts for neurons [low, high); `rows` says which thresholds each uses.

    `starts` are the steps at which the next stretch of rows begins (one stretch for a constant rate).
    Most neurons are silent in most steps: those whose lane reaches that of their first threshold are
    listed, and only they are looked at closely. `lanes` are the halves of `pairs`: see `random.py`.
    """
    step_key = draw64(key, now)
    key_a, key_b = np.uint32(step_key & np.uint64(0xFFFFFFFF)), np.uint32(step_key >> np.uint64(32))
    fine_key = draw64(step_key, 0)
    fine_a, fine_b = np.uint32(fine_key & np.uint64(0xFFFFFFFF)), np.uint32(fine_key >> np.uint64(32))
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
        offset = np.uint32(chunk >> 1)
        for i in range(128):
            pairs[i] = mix32(np.uint32(np.uint32(i) + offset), key_a, key_b)
        some = np.int16(0)
        if alike:
            first = firsts[stretch]
            for i in range(size):
                hits[i] = np.int16(lanes[i] >= first)
                some = np.int16(some | hits[i])
        else:
            mine = firsts[stretch * per_stretch + chunk : stretch * per_stretch + chunk + size]
            for i in range(size):
                hits[i] = np.int16(lanes[i] >= mine[i])
                some = np.int16(some | hits[i])
        if some == 0:
            continue
        for j in range(sent, list_set(hits, size, chunk, ring_ids, sent)):
            place = np.int64(ring_ids[np.uint64(j)])
            row = rows[stretch if alike else stretch * per_stretch + place]
            lane = lanes[place - chunk]
            count = base[row]
            count += _exact_count(lane, place, fine_a, fine_b, thresholds, row * width, lengths[row])
            if count > 0:
                ring_ids[np.uint64(sent)] = place
                ring_payload[np.uint64(sent)] = count
                tally[place] += count
                sent += 1
    ring_counts[slot * parts + part] = sent - begin
    return 0


def add_private_poisson(
    now: I8, key: U8, delay: I8, base: I4, thresholds: U4s, coarse: I2s, weight: I4, low: I8, n: I8,
    cells: I4s, tally: I8s, part: I8, pairs: U4s, lanes: I2s, counts: I2s, close: I2s, listed: I4s,
) -> int:  # fmt: skip
    """Add the spikes of a private source straight to its targets' cells.

    The counts are those of the step in which the source sent them, so fusing changes nothing. Lanes
    of 16 bits are compared with the upper halves of the thresholds, four at a time; where a lane
    equals one, the neuron's other 16 bits decide.
    """
    if now < delay:
        return 0
    step_key = draw64(key, now - delay)
    key_a, key_b = np.uint32(step_key & np.uint64(0xFFFFFFFF)), np.uint32(step_key >> np.uint64(32))
    fine_key = draw64(step_key, 0)
    fine_a, fine_b = np.uint32(fine_key & np.uint64(0xFFFFFFFF)), np.uint32(fine_key >> np.uint64(32))
    for chunk in range(0, n, 256):
        size = min(256, n - chunk)
        offset = np.uint32((low + chunk) >> 1)
        for i in range(128):
            pairs[i] = mix32(np.uint32(np.uint32(i) + offset), key_a, key_b)
        for i in range(256):
            counts[i] = 0
        some = np.int16(0)
        for k in range(0, coarse.size, 4):
            t0, t1, t2, t3 = coarse[k], coarse[k + 1], coarse[k + 2], coarse[k + 3]
            for i in range(256):
                x = lanes[i]
                low_two = np.int16(np.int16(x > t0) + np.int16(x > t1))
                high_two = np.int16(np.int16(x > t2) + np.int16(x > t3))
                counts[i] = np.int16(counts[i] + np.int16(low_two + high_two))
                equal = np.int16(np.int16(x == t0) | np.int16(x == t1))
                equal = np.int16(equal | np.int16(np.int16(x == t2) | np.int16(x == t3)))
                some = np.int16(some | equal)
        if some != 0:
            for i in range(256):
                close[i] = 0
            for k in range(coarse.size):
                t0 = coarse[k]
                for i in range(256):
                    close[i] = np.int16(close[i] | np.int16(lanes[i] == t0))
            for j in range(list_set(close, 256, 0, listed, 0)):
                i = listed[j]
                place = low + chunk + i
                counts[i] = _exact_count(lanes[i], place, fine_a, fine_b, thresholds, 0, thresholds.size)
        out = cells[chunk : chunk + size]
        total = np.int32(0)
        for i in range(size):
            count = np.int32(np.int32(counts[i]) + base)
            out[i] = np.int32(out[i] + np.int32(count * weight))
            total = np.int32(total + count)
        tally[part] += total
    return 0


def emit_spikes(
    now: I8, start: I8, indptr: I8s, places: I4s, counts: I4s, low: I8, high: I8, part: I8,
    parts: I8, n: I8, length: I8, ring_ids: I4s, ring_counts: I4s, ring_payload: I4s,
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
    ring_counts[slot * parts + part] = sent
    return 0


def emit_values(
    now: I8, start: I8, row_steps: I8, rows: I8, hold: I8, values: Reals, low: I8, high: I8,
    part: I8, parts: I8, n: I8, length: I8, ring_ids: I4s, ring_counts: I4s, ring_payload: Reals,
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
    ring_counts[slot * parts + part] = sent
    return 0
