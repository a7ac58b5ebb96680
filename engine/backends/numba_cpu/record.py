"""Kernels of probes: each part writes what it recorded into a buffer of its own."""

from __future__ import annotations

import numpy as np

from .types_of_kernels import I8, I4s, I8s, Payloads, Reals, U1s, Variables


def record_spikes(
    now: I8, start: I8, stop: I8, chosen: U1s, counted: I8, ring_ids: I4s, ring_counts: I4s,
    ring_payload: Payloads, low: I8, n: I8, length: I8, steps: I8s,
    places: I4s, times: I4s, filled: I8s, reserve: I8,
) -> int:  # fmt: skip
    """Note the events of this step; stop the run while the rest of the buffer still holds a whole strip."""
    if now < start or now >= stop:
        return 0
    slot, k = now % length, filled[0]
    begin = slot * n + low
    for j in range(ring_counts[slot]):
        place = ring_ids[begin + j]
        if chosen[place] != 0:
            steps[k] = now
            places[k] = place
            if counted != 0:
                times[k] = np.int32(ring_payload[begin + j])
            k += 1
    filled[0] = k
    return 1 if steps.size - k < reserve else 0


def record_counts(
    now: I8, start: I8, stop: I8, counted: I8, ring_ids: I4s, ring_counts: I4s, ring_payload: Payloads,
    low: I8, n: I8, length: I8, counts: I8s,
) -> int:  # fmt: skip
    """Count the events of each neuron."""
    if now < start or now >= stop:
        return 0
    slot = now % length
    begin = slot * n + low
    for j in range(ring_counts[slot]):
        counts[ring_ids[begin + j]] += np.int64(ring_payload[begin + j]) if counted != 0 else 1
    return 0


def record_trace(
    now: I8, start: I8, stop: I8, every: I8, variable: Variables, places: I8s, samples: Reals,
    filled: I8s,
) -> int:  # fmt: skip
    """Sample a variable."""
    if now < start or now >= stop or (now - start) % every != 0:
        return 0
    begin = filled[0] * places.size
    for k in range(places.size):
        samples[begin + k] = variable[places[k]]
    filled[0] += 1
    return 0
