"""Kernels of probes: each part writes what it recorded into a buffer of its own."""

from __future__ import annotations

import numpy as np


def record_spikes(
    now, start: "i8", stop: "i8", chosen: "u1[]", counted: "i8", ring_ids: "i4[]", ring_counts: "i4[]",
    ring_payload: "payload[]", low: "i8", part: "i8", parts: "i8", n: "i8", length: "i8", steps: "i8[]",
    places: "i4[]", filled: "i8[]", reserve: "i8",
):  # fmt: skip
    """Note the events of this step; stop the run while the rest of the buffer still holds a full step."""
    if now < start or now >= stop:
        return 0
    slot, k = now % length, filled[0]
    begin = slot * n + low
    for j in range(ring_counts[slot * parts + part]):
        place = ring_ids[begin + j]
        if chosen[place] != 0:
            times = np.int64(ring_payload[begin + j]) if counted != 0 else 1
            for _ in range(times):
                steps[k] = now
                places[k] = place
                k += 1
    filled[0] = k
    return 1 if steps.size - k < reserve else 0


def record_counts(
    now, start: "i8", stop: "i8", counted: "i8", ring_ids: "i4[]", ring_counts: "i4[]", ring_payload: "payload[]",
    low: "i8", part: "i8", parts: "i8", n: "i8", length: "i8", counts: "i8[]",
):  # fmt: skip
    """Count the events of each neuron."""
    if now < start or now >= stop:
        return 0
    slot = now % length
    begin = slot * n + low
    for j in range(ring_counts[slot * parts + part]):
        counts[ring_ids[begin + j]] += np.int64(ring_payload[begin + j]) if counted != 0 else 1
    return 0


def record_trace(
    now, start: "i8", stop: "i8", every: "i8", variable: "variable[]", places: "i8[]", samples: "real[]",
    filled: "i8[]",
):  # fmt: skip
    """Sample a variable."""
    if now < start or now >= stop or (now - start) % every != 0:
        return 0
    begin = filled[0] * places.size
    for k in range(places.size):
        samples[begin + k] = variable[places[k]]
    filled[0] += 1
    return 0
