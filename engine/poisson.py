"""Poisson counts per step from 32 random bits: a table of cumulative thresholds.

The number of spikes in a step is `base` plus the number of thresholds that the random bits reach.
Probabilities are multiples of 2**-32; what lies beyond is never drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..neurons.errors import PlanError

_SCALE = 2.0**32
#: More spikes per step than this are not Poisson spike trains but a current.
LARGEST_MEAN = 1e4


@dataclass(frozen=True)
class CountTable:
    """Thresholds of Poisson counts, one row for each mean.

    Attributes
    ----------
    base : int32 (rows,)
        Smallest count that can be drawn.
    thresholds : uint32 (rows, width)
        thresholds[r, k]: bits at or above it mean a count of at least base[r] + k + 1;
        rows are padded with 2**32 - 1 (a count beyond the padding is never drawn: see `width`).
    lengths : int32 (rows,)
        Thresholds in use in each row.
    """

    base: np.ndarray
    thresholds: np.ndarray
    lengths: np.ndarray

    def lanes(self) -> np.ndarray:
        """Return the upper halves of the thresholds less 2**15, int16 (rows, width), padded with the largest.

        They decide most comparisons with bits of `paired_bits_array`: see there.
        """
        upper = (self.thresholds >> np.uint32(16)).astype(np.int32) - 32768
        return upper.astype(np.int16)

    @property
    def largest(self) -> int:
        """Largest count that can be drawn."""
        return int((self.base + self.lengths).max(initial=0))

    def counts(self, bits: np.ndarray, rows: np.ndarray | int) -> np.ndarray:
        """Return the counts for random bits (uint32), int32: the plain version."""
        rows = np.broadcast_to(np.asarray(rows), bits.shape)
        used = np.arange(self.thresholds.shape[1]) < self.lengths[rows][..., None]
        reached = (bits[..., None] >= self.thresholds[rows]) & used
        counts: np.ndarray = self.base[rows] + reached.sum(axis=-1)
        return counts.astype(np.int32)


def count_table(owner: str, means: np.ndarray) -> CountTable:
    """Return the table for an array of mean counts per step.

    Raises
    ------
    PlanError
        If a mean is too large to be a spike train.
    """
    means = np.asarray(means, dtype=np.float64)
    if means.size and means.max() > LARGEST_MEAN:
        raise PlanError(
            f"{owner}: {means.max():.3g} spikes per step; allowed are up to {LARGEST_MEAN:g}: "
            "use a CurrentSource"
        )
    rows = [_row(mean) for mean in means]
    width = max((row.size for _, row in rows), default=0)
    thresholds = np.full((means.size, max(width, 1)), 0xFFFFFFFF, np.uint32)
    for r, (_, row) in enumerate(rows):
        thresholds[r, : row.size] = row
    return CountTable(
        np.array([base for base, _ in rows], np.int32),
        thresholds,
        np.array([row.size for _, row in rows], np.int32),
    )


def _row(mean: float) -> tuple[int, np.ndarray]:
    if mean <= 0:
        return 0, np.zeros(0, np.uint32)
    reach = int(10 * np.sqrt(mean) + 30)
    k = np.arange(max(int(mean) - reach, 0), int(mean) + reach)
    likely = np.exp(k * np.log(mean) - mean - np.array([math.lgamma(count + 1.0) for count in k.tolist()]))
    # Each tail is summed from its end: where the cumulative probability nears one, what is left counts.
    at_most, above = np.cumsum(likely), np.cumsum(likely[::-1])[::-1] - likely
    below = np.floor(np.where(k < mean, at_most, 1.0 - above) * _SCALE + 0.5)
    base = int(k[0] + np.count_nonzero(below < 1.0))
    inside = below[(below >= 1.0) & (below < _SCALE)]
    return base, inside.astype(np.uint32)
