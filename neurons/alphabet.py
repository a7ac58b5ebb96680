"""What whole numbers neurons can tell: how many events a number takes, and how far so many bits reach."""

from __future__ import annotations

import numpy as np

from .scalars import SCALARS
from .vocabulary import nearest_pow2

#: The largest number of units that a neuron may tell.
LARGEST_COUNT = 2**16 - 1


def events_in(events: str, largest: int) -> np.ndarray:
    """Return how many events of an alphabet it takes to tell each number from 0 to the largest, int32.

    Examples
    --------
    >>> events_in("pow2", 11).tolist()
    [0, 1, 1, 2, 1, 2, 2, 2, 1, 2, 2, 3]
    """
    left = np.arange(largest + 1, dtype=np.int32)
    if events == "unit":
        return left
    if events == "graded":
        return np.minimum(left, 1)
    found = np.zeros_like(left)
    while left.any():
        found += left != 0
        left -= nearest_pow2(left.astype(np.float64)).astype(np.int32)
    return found


def span_of(bits: int, *, positive: bool) -> tuple[int, int]:
    """Return the smallest and largest number that so many bits can tell, without a sign or with one."""
    high = 2**bits - 1 if positive else 2 ** (bits - 1) - 1
    return (0 if positive else -high), high


def range_of(f: str, bits: int) -> tuple[int, int]:
    """Return the smallest and largest number that so many bits tell of what a function of `SCALARS` gives."""
    return span_of(bits, positive=SCALARS[f].positive)
