"""What sources send: Poisson counts from counters, and what they are fed with."""

from __future__ import annotations

from typing import Any

import numpy as np

from .fields import (
    F_AT,
    F_COUNTED,
    F_HOLD,
    F_ROW_STEPS,
    F_ROWS,
    F_START,
    FEED,
    G_N,
    N_BASE,
    N_DELAY,
    N_KEYS,
    N_LENGTH,
    N_THRESHOLDS,
    S_BASES,
    S_FEED,
    S_KEYS,
    S_LENGTHS,
    S_N_STARTS,
    S_ROW_STRIDE,
    S_ROWS,
    S_STARTS,
    S_THRESHOLDS,
    S_WIDTH,
)  # fmt: skip
from .rings import ring_word
from .send import send
from .words import LANES, device, draw64, f4, i4, mix32, parted, post, u4


@device
def low32(key: Any) -> Any:
    """Return the lower half of a 64-bit key."""
    return np.uint32(key & np.uint64(0xFFFFFFFF))


@device
def high32(key: Any) -> Any:
    """Return the upper half of a 64-bit key."""
    return np.uint32(key >> np.uint64(32))


@device
def count_of(m: Any, key: Any, now: Any, place: Any, base: Any, first: Any, length: Any) -> Any:
    """Return a Poisson count: a base, and how many of a row of thresholds the neuron's 32 bits reach.

    The bits are those of `paired_bits_array` in `engine/random.py`.
    """
    step = draw64(key, now)
    fine = draw64(step, 0)
    lane = (mix32(place >> 1, low32(step), high32(step)) >> (16 * (place & 1))) & 0xFFFF
    upper = (lane ^ 0x8000) << 16
    bits = u4(upper | (mix32(place, low32(fine), high32(fine)) & 0xFFFF))
    low, high = 0, length
    while low < high:
        middle = (low + high) >> 1
        if m.bits[first + middle] <= bits:
            low = middle + 1
        else:
            high = middle
    return i4(base + low)


@device
def private_count(t: Any, m: Any, noise: Any, trial: Any, place: Any, now: Any) -> Any:
    """Return what arrives at a neuron in this step from its private Poisson source."""
    sent = now - t[noise + N_DELAY]
    if sent < 0:
        return i4(0)
    key = m.longs[t[noise + N_KEYS] + trial]
    base, length = t[noise + N_BASE], t[noise + N_LENGTH]
    return count_of(m, key, sent, place, base, t[noise + N_THRESHOLDS], length)


@device
def emit_noise(t: Any, m: Any, g: Any, word: Any, trial: Any, lane: Any, run: Any) -> None:
    """Send the Poisson counts of 32 neurons over the steps of a strip."""
    n, key = t[g + G_N], m.longs[t[g + S_KEYS] + trial]
    for i in range(lane, 32, LANES):
        place = min(word * 32 + i, n - 1)
        inside = word * 32 + i < n
        for now in range(run.begin, run.end):
            stretch = 0
            while stretch + 1 < t[g + S_N_STARTS] and m.longs[t[g + S_STARTS] + stretch + 1] <= now:
                stretch += 1
            row = m.wholes[t[g + S_ROWS] + (stretch * n + place) * t[g + S_ROW_STRIDE]]
            base, length = m.wholes[t[g + S_BASES] + row], m.wholes[t[g + S_LENGTHS] + row]
            first = t[g + S_THRESHOLDS] + row * t[g + S_WIDTH]
            count = count_of(m, key, now, place, base, first, length)
            sent = inside and count > 0
            if sent:
                send(t, m, g, trial, place, now, count, f4(0.0), run)
            post(m.bits, ring_word(t, g, trial, now, word), i, sent)


@device
def emit_spikes(t: Any, m: Any, g: Any, word: Any, trial: Any, lane: Any, run: Any) -> None:
    """Send the given spikes of 32 neurons."""
    feed = t[g + S_FEED] + trial * FEED
    if m.feeds[feed + F_COUNTED] != 0:
        emit_counted(t, m, g, word, trial, lane, run)
    else:
        emit_listed(t, m, g, word, trial, lane, run)


@device
def emit_counted(t: Any, m: Any, g: Any, word: Any, trial: Any, lane: Any, run: Any) -> None:
    """Send the spikes that an array counts."""
    n, feed = t[g + G_N], t[g + S_FEED] + trial * FEED
    start, rows, at = m.feeds[feed + F_START], m.feeds[feed + F_ROWS], m.feeds[feed + F_AT]
    for i in range(lane, 32, LANES):
        place = min(word * 32 + i, n - 1)
        inside = word * 32 + i < n
        for now in range(run.begin, run.end):
            row, count = now - start, i4(0)
            if row >= 0 and row < rows:
                count = i4(m.feed_bytes[at + row * n + place])
            sent = inside and count > 0
            if sent:
                send(t, m, g, trial, place, now, count, f4(0.0), run)
            post(m.bits, ring_word(t, g, trial, now, word), i, sent)


@device
def emit_listed(t: Any, m: Any, g: Any, word: Any, trial: Any, lane: Any, run: Any) -> None:
    """Send the spikes that are listed; each lane takes some of the steps."""
    feed = t[g + S_FEED] + trial * FEED
    for now in range(run.begin + lane, run.end, LANES):
        row, sent = now - m.feeds[feed + F_START], 0
        if row >= 0 and row < m.feeds[feed + F_ROWS]:
            low, high = m.feeds[m.feeds[feed + F_AT] + row], m.feeds[m.feeds[feed + F_AT] + row + 1]
            end = high
            while low < high:
                middle = (low + high) >> 1
                if m.feed_places[middle] < word * 32:
                    low = middle + 1
                else:
                    high = middle
            while low < end and m.feed_places[low] < word * 32 + 32:
                place, count = m.feed_places[low], m.feed_counts[low]
                sent |= 1 << (place - word * 32)
                send(t, m, g, trial, place, now, count, f4(0.0), run)
                low += 1
        m.bits[ring_word(t, g, trial, now, word)] = u4(sent)


@device
def emit_values(t: Any, m: Any, g: Any, word: Any, trial: Any, lane: Any, run: Any) -> None:
    """Send the given values of 32 neurons, zeros left out."""
    n, feed = t[g + G_N], t[g + S_FEED] + trial * FEED
    rows, hold = m.feeds[feed + F_ROWS], m.feeds[feed + F_HOLD]
    for i in range(lane, 32, LANES):
        place = min(word * 32 + i, n - 1)
        inside = word * 32 + i < n
        for now in range(run.begin, run.end):
            since = now - m.feeds[feed + F_START]
            row = parted(max(since, 0), m.feeds[feed + F_ROW_STEPS])[0]
            given = inside and since >= 0 and rows > 0 and (row < rows or hold != 0)
            value = f4(0.0)
            if given:
                value = m.feed_values[m.feeds[feed + F_AT] + min(row, rows - 1) * n + place]
            sent = given and value != 0
            if sent:
                send(t, m, g, trial, place, now, i4(1), value, run)
            post(m.bits, ring_word(t, g, trial, now, word), i, sent)


@device
def drawn_bits(key: Any, now: Any, counter: Any, place: Any) -> Any:
    """Return a neuron's 32 random bits of one draw of a step."""
    bits = draw64(draw64(key, now), counter)
    return mix32(place, low32(bits), high32(bits))
