"""Inter-spike intervals, and how irregular they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .checks import check_array, check_positive

#: By how much of a bin an interval may miss an edge and still count as being there: rounding of times.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False, kw_only=True)
class Intervals:
    """Inter-spike intervals within trials, in the order of (trial, neuron, time).

    Attributes
    ----------
    steps : int64 array (k,)
        The intervals in steps; `seconds` are these times dt.
    dt : float
        Seconds per step.
    ids, trials : int64 array (k,)
        Neuron and trial of each.
    places : int64 array (k,)
        Where the neuron of each stands among the n that were recorded.
    n : int
        Neurons that were recorded.

    Examples
    --------
    >>> from rheobase.engine.records import SpikeRecord
    >>> record = SpikeRecord(steps=[1, 2, 6, 7], ids=[0, 3, 0, 0], trials=[0] * 4, dt=1e-3, n=4, stop=0.01)
    >>> record.intervals().seconds.round(4).tolist()
    [0.005, 0.001]
    """

    steps: np.ndarray
    dt: float
    ids: np.ndarray
    trials: np.ndarray
    places: np.ndarray
    n: int

    @property
    def seconds(self) -> np.ndarray:
        """The intervals in seconds, float64 (k,)."""
        return np.asarray(self.steps * self.dt)

    def __len__(self) -> int:
        return int(self.steps.size)

    def histogram(self, width: float, longest: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the edges in seconds (bins + 1,) and the counts (bins,) of a histogram that starts at 0.

        Parameters
        ----------
        width : float
            Width of a bin in seconds.
        longest : float, optional
            Where bins end, in seconds, longer intervals being left out; beyond the longest if left out.
        """
        width = check_positive("Intervals.histogram.width", width, "s")
        if longest is None:
            bins = int(self.steps.max(initial=0) * self.dt / width + _ROUNDING) + 1
        else:
            bins = int(check_positive("Intervals.histogram.longest", longest, "s") / width + _ROUNDING)
        place = np.floor(self.seconds / width + _ROUNDING).astype(np.int64)
        return np.arange(bins + 1) * width, np.bincount(place[place < bins], minlength=bins)

    def cv(self) -> np.ndarray:
        """Return standard deviation over mean of each neuron's intervals, (n,); NaN below two of them."""
        number = np.bincount(self.places, minlength=self.n)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.bincount(self.places, self.steps, self.n) / number
            square = np.bincount(self.places, (self.steps - mean[self.places]) ** 2, self.n) / number
            return np.asarray(np.where(number >= 2, np.sqrt(square) / mean, np.nan))

    def cv2(self) -> np.ndarray:
        """Return the mean of 2 |a - b| / (a + b) over each neuron's successive intervals, (n,)."""
        return self._over_pairs(lambda a, b: 2.0 * np.abs(a - b) / (a + b))

    def lv(self, refractory: float = 0.0) -> np.ndarray:
        """Return the mean of 3 (a - b)^2 / (a + b)^2 (1 + 4 R / (a + b)) over each neuron's pairs, (n,)."""
        dead = check_array("lv.refractory", refractory, (), low=0.0) / self.dt
        return self._over_pairs(lambda a, b: 3.0 * ((a - b) / (a + b)) ** 2 * (1.0 + 4.0 * dead / (a + b)))

    def _over_pairs(self, measure: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """Return the mean of a measure of successive intervals, (n,); NaN where there are no two."""
        pair = (np.diff(self.places) == 0) & (np.diff(self.trials) == 0)
        first, second = self.steps[:-1][pair], self.steps[1:][pair]
        owner = self.places[1:][pair]
        with np.errstate(divide="ignore", invalid="ignore"):
            # Two spikes in one step, twice: intervals of zero, which do not differ.
            values = np.where(first + second > 0, measure(first, second), 0.0)
            return np.asarray(np.bincount(owner, values, self.n) / np.bincount(owner, minlength=self.n))
