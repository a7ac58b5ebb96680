"""Poisson counts of 256 neurons at a time, from 16 random bits each where these decide.

The bits are those of `paired_bits_array` in `engine/random.py`: one hash gives the upper halves of two
neurons, and a lane of 16 bits is compared with the upper halves of the thresholds. The lower half is
hashed for the few neurons whose lane equals one of these.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ...random import draw64, mix32
from .listing import list_set


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def halves(key: Any) -> Any:
    """Return the two 32-bit keys in a 64-bit one."""
    return np.uint32(key & np.uint64(0xFFFFFFFF)), np.uint32(key >> np.uint64(32))


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def draw_pairs(step_key: Any, place: Any, pairs: Any) -> None:
    """Draw the upper halves for 256 neurons from `place` on, which must be even, two in a word."""
    key_a, key_b = halves(step_key)
    offset = np.uint32(place >> 1)
    for i in range(128):
        pairs[i] = mix32(np.uint32(np.uint32(i) + offset), key_a, key_b)


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def exact_count(step_key: Any, lane: Any, place: Any, thresholds: Any, begin: Any, length: Any) -> Any:
    """Return how many of `length` thresholds one neuron's 32 bits reach; `lane` is the upper half."""
    fine_a, fine_b = halves(draw64(step_key, 0))
    upper = np.uint32((np.int32(lane) + np.int32(32768)) << np.int32(16))
    bits = np.uint32(upper | (mix32(np.uint32(place), fine_a, fine_b) & np.uint32(0xFFFF)))
    count = 0
    while count < length and bits >= thresholds[begin + count]:
        count += 1
    return count


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def draw_counts(
    step_key: Any, place: Any, uppers: Any, tail: Any, thresholds: Any, pairs: Any, lanes: Any, counts: Any,
    close: Any, listed: Any,
) -> None:  # fmt: skip
    """Draw how many thresholds each of 256 neurons reaches.

    `uppers` are the upper halves of the first thresholds, in threes; a lane that reaches `tail` may
    reach more of them, and is looked at closely. `lanes` are the halves of `pairs`, `close` and
    `listed` scratch for 256.
    """
    draw_pairs(step_key, place, pairs)
    nearest, highest = np.uint16(65535), np.int16(-32768)
    for i in range(256):
        counts[i] = 0
        highest = max(highest, lanes[i])
    for k in range(0, uppers.size, 3):
        t0, t1, t2 = uppers[k], uppers[k + 1], uppers[k + 2]
        for i in range(256):
            x = lanes[i]
            above = np.int16(np.int16(np.int16(x > t0) + np.int16(x > t1)) + np.int16(x > t2))
            counts[i] = np.int16(counts[i] + above)
            # Minima of distances cost a vector half of what comparing for equality does.
            nearest = min(nearest, np.uint16(x - t0))
            nearest = min(nearest, np.uint16(x - t1))
            nearest = min(nearest, np.uint16(x - t2))
    if nearest == 0 or highest >= tail:
        for i in range(256):
            close[i] = np.int8(lanes[i] >= tail)
        for k in range(uppers.size):
            t0 = uppers[k]
            for i in range(256):
                close[i] = np.int8(close[i] | np.int8(lanes[i] == t0))
        for j in range(list_set(close, 256, 0, listed, 0)):
            at = np.int64(listed[j])
            counts[at] = exact_count(step_key, lanes[at], place + at, thresholds, 0, thresholds.size)
