"""The burst code: a larger number is a longer and faster burst."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from ...neurons.errors import SpecError
from .code import Code, first_times, whole


@dataclass(frozen=True)
class Burst(Code):
    """n = ceil(most x) spikes from step 0 on, ceil(longest - (longest - shortest) x) steps apart.

    Decoding takes the middle of the numbers that have this count and this interval: it is off by at most
    half of 1 / most, and from two spikes on by half of 1 / (longest - shortest).

    Parameters
    ----------
    steps : int
        Length of the code.
    most : int
        Spikes in the longest burst.
    shortest : int
        Steps between spikes at x = 1.
    longest : int, optional
        Steps between spikes towards x = 0; without it the most for which every burst fits into `steps`.

    Source: W. Guo, M. E. Fouda, A. M. Eltawil and K. N. Salama, Neural coding in spiking neural networks,
    Frontiers in Neuroscience 15:638474 (2021), equations 6 and 7.

    Examples
    --------
    >>> code = Burst(12, most=3)
    >>> code.longest
    11
    >>> code.encode([0.0, 0.3, 0.6, 1.0]).T
    array([[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
           [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
           [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0],
           [1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]], dtype=int8)
    """

    most: int = 5
    shortest: int = 2
    longest: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(self, "most", "shortest")
        if self.longest is None:
            fitting = (k for k in range(self.steps, self.shortest, -1) if self._length(k) <= self.steps)
            object.__setattr__(self, "longest", next(fitting, self.shortest))
        whole(self, "longest", low=self.shortest)
        needed = self._length(self._slow)
        if needed > self.steps:
            raise SpecError(
                f"Burst.steps: got {self.steps}; the longest burst of most={self.most}, "
                f"shortest={self.shortest}, longest={self.longest} needs {needed} steps"
            )

    @property
    def _slow(self) -> int:
        assert self.longest is not None
        return self.longest

    def _length(self, longest: int) -> int:
        """Return how many steps the longest burst takes: for n spikes the slowest has the least x."""
        span = longest - self.shortest
        return 1 + max(k * ceil(longest - span * k / self.most) for k in range(self.most))

    def _spikes(self, x: np.ndarray) -> np.ndarray:
        count = np.ceil(self.most * x)
        interval = np.ceil(self._slow - (self._slow - self.shortest) * x)
        t = np.arange(self.steps).reshape(-1, *[1] * x.ndim)
        return np.asarray((t % interval == 0) & (t < count * interval), np.int8)

    def _values(self, spikes: np.ndarray) -> np.ndarray:
        count = spikes.sum(axis=0)
        low, high = np.maximum(count - 1, 0) / self.most, count / self.most
        span = self._slow - self.shortest
        if span:
            interval, several = first_times(spikes[1:])
            at_least = (self._slow - 1 - interval) / span
            low = np.where(several, np.maximum(low, at_least), low)
            high = np.where(several, np.minimum(high, at_least + 1.0 / span), high)
        return np.asarray(0.5 * (low + np.maximum(low, high)))
