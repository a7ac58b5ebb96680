"""Kernels of sources: they write the events of this step into their group's ring, for one part."""

from __future__ import annotations

from typing import Any

import numpy as np

from .types_of_kernels import I4, I8, U8, I4s, I8s, Reals, U4s

REAL: Any = None  # given by the options of compile_kernel


def draw64(key: Any, counter: Any) -> Any:
    """Stand for the generator, for readers and type checkers."""


def mix32(index: Any, key_a: Any, key_b: Any) -> Any:
    """Stand for the generator, for readers and type checkers."""


def emit_poisson(
    now: I8, key: U8, base: I4s, thresholds: U4s, lengths: I4s, width: I8, rows: I4s, firsts: U4s,
    starts: I8s, low: I8, high: I8, part: I8, parts: I8, n: I8, length: I8, ring_ids: I4s,
    ring_counts: I4s, ring_payload: I4s, tally: I8s, bits: U4s,
) -> int:  # fmt: skip
    """Draw Poisson counts for neurons [low, high); `rows` says which thresholds each uses.

    `starts` are the steps at which the next stretch of rows begins (one stretch for a constant rate).
    Most neurons are silent in most steps: those whose bits reach their first threshold are listed
    without a branch, and only they are looked at closely.
    """
    step_key = draw64(key, now)
    key_a, key_b = np.uint32(step_key & np.uint64(0xFFFFFFFF)), np.uint32(step_key >> np.uint64(32))
    stretch = starts.size - 1
    while stretch > 0 and starts[stretch] > now:
        stretch -= 1
    per_stretch = rows.size // starts.size
    alike = per_stretch == 1
    slot = now % length
    begin, sent = slot * n + low, 0
    for chunk in range(low, high, 256):
        size = min(256, high - chunk)
        offset = np.uint32(chunk)
        some = np.int32(0)
        if alike:
            first = firsts[stretch]
            for i in range(size):
                drawn = mix32(np.uint32(np.uint32(i) + offset), key_a, key_b)
                bits[i] = drawn
                some = np.int32(some | np.int32(drawn >= first))
        else:
            mine = firsts[stretch * per_stretch + chunk : stretch * per_stretch + chunk + size]
            for i in range(size):
                drawn = mix32(np.uint32(np.uint32(i) + offset), key_a, key_b)
                bits[i] = drawn
                some = np.int32(some | np.int32(drawn >= mine[i]))
        if some == 0:
            continue
        listed = sent
        for i in range(size):
            ring_ids[np.uint64(begin + listed)] = chunk + i
            reached = firsts[np.uint64(stretch if alike else stretch * per_stretch + chunk + i)]
            listed += int(bits[i] >= reached)
        for j in range(sent, listed):
            place = np.int64(ring_ids[np.uint64(begin + j)])
            row = rows[stretch if alike else stretch * per_stretch + place]
            at, count = row * width, np.int64(0)
            while count < lengths[row] and bits[place - chunk] >= thresholds[at + count]:
                count += 1
            count += base[row]
            if count > 0:
                ring_ids[np.uint64(begin + sent)] = place
                ring_payload[np.uint64(begin + sent)] = count
                tally[place] += count
                sent += 1
    ring_counts[slot * parts + part] = sent
    return 0


def add_private_poisson(
    now: I8, key: U8, delay: I8, base: I4, thresholds: U4s, weight: I4, low: I8, n: I8, cells: I4s,
    tally: I8s, part: I8, bits: U4s, counts: I4s,
) -> int:  # fmt: skip
    """Add the spikes of a private source straight to its targets' cells: no list, no look-up.

    The counts are those of the step in which the source sent them, so fusing changes nothing.
    """
    if now < delay:
        return 0
    step_key = draw64(key, now - delay)
    key_a, key_b = np.uint32(step_key & np.uint64(0xFFFFFFFF)), np.uint32(step_key >> np.uint64(32))
    for chunk in range(0, n, 256):
        size = min(256, n - chunk)
        offset = np.uint32(low + chunk)
        out = cells[chunk : chunk + size]
        total = np.int32(0)
        for i in range(size):
            bits[i] = mix32(np.uint32(np.uint32(i) + offset), key_a, key_b)
            counts[i] = base
        for k in range(thresholds.size):
            threshold = thresholds[k]
            for i in range(size):
                counts[i] += np.int32(bits[i] >= threshold)
        for i in range(size):
            out[i] += np.int32(counts[i] * weight)
            total += counts[i]
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
