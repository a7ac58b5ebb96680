"""Given spikes dealt out to steps, in the order of storage."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import compiled


@compiled()
def sort_by_place(indptr: Any, given: Any, width: Any, n: Any, places: Any) -> None:
    """Sort each step's places by place // width, keeping the order of those that share it."""
    first = np.zeros(n // width + 1, np.int64)
    for step in range(indptr.size - 1):
        low, high = indptr[step], indptr[step + 1]
        first[:] = 0
        for k in range(low, high):
            first[given[k] // width + 1] += 1
        for bucket in range(first.size - 1):
            first[bucket + 1] += first[bucket]
        for k in range(low, high):
            bucket = given[k] // width
            places[low + first[bucket]] = given[k]
            first[bucket] += 1


@compiled()
def bin_in_order(times: Any, ids: Any, n: Any, dt: Any, indptr: Any, places: Any) -> Any:
    """Fill where each step's spikes start, and their places; False at the first that is not in order."""
    last_time, last_step, last_place = 0.0, 0.0, -1
    for k in range(times.size):
        step, place = np.floor(times[k] / dt + 0.5), ids[k]
        if not (times[k] >= last_time and step < indptr.size - 1 and 0 <= place < n):
            return False
        if step == last_step and place <= last_place:
            return False
        indptr[np.int64(step) + 1] += 1
        last_time, last_step, last_place, places[k] = times[k], step, place, place
    for step in range(1, indptr.size):
        indptr[step] += indptr[step - 1]
    return True
