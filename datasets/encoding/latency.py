"""Latency codes: a number is how early the one spike comes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .code import Code, at_times, first_times, positive


@dataclass(frozen=True)
class Latency(Code):
    """One spike in step round((1 - x) (steps - 1)); none where x lies below the threshold.

    Decoding, 1 - t / (steps - 1), and 0 where no spike comes, is off by at most 1 / (2 (steps - 1)) for x
    from the threshold on. It is `snntorch.spikegen.latency` with `linear`, `normalize` and `clip`.

    Parameters
    ----------
    steps : int
        Length of the code, at least 2.
    threshold : float
        What is smaller stays silent.

    Source: J. K. Eshraghian et al., Proceedings of the IEEE 111 (2023), section III; S. Thorpe, A. Delorme
    and R. Van Rullen, Neural Networks 14 (2001).

    Examples
    --------
    >>> code = Latency(5)
    >>> code.encode([0.0, 0.5, 1.0]).T
    array([[0, 0, 0, 0, 0],
           [0, 0, 1, 0, 0],
           [1, 0, 0, 0, 0]], dtype=int8)
    >>> code.decode(code.encode([0.0, 0.5, 0.9]))
    array([0. , 0.5, 1. ])
    """

    threshold: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "threshold", high=1.0)

    def _spikes(self, x: np.ndarray) -> np.ndarray:
        times = np.rint((1.0 - x) * (self.steps - 1)).astype(np.intp)
        return at_times(self.steps, times, x >= self.threshold)

    def _values(self, spikes: np.ndarray) -> np.ndarray:
        times, fired = first_times(spikes)
        return np.where(fired, 1.0 - times / max(self.steps - 1, 1), 0.0)


@dataclass(frozen=True)
class LogLatency(Code):
    """One spike when a membrane that x charges reaches the threshold: t = tau ln(x / (x - threshold)).

    The membrane is v = x (1 - exp(-t / tau)), from rest; t is rounded to whole steps. What charges to no
    more than the threshold, or later than the last step, stays silent. Decoding gives the middle of the
    numbers that fire in this step. It is `snntorch.spikegen.latency` with `clip` and `bypass`.

    Parameters
    ----------
    steps : int
        Length of the code.
    tau : float
        Time constant of the membrane, in steps.
    threshold : float
        Where the membrane fires.

    Source: J. K. Eshraghian et al., Proceedings of the IEEE 111 (2023), section III and appendix A.

    Examples
    --------
    >>> code = LogLatency(20, tau=5.0, threshold=0.2)
    >>> code.encode([0.21, 0.3, 1.0]).argmax(axis=0)
    array([15,  5,  1])
    >>> code.decode(code.encode([0.1, 0.21, 0.3, 1.0])).round(2)
    array([0.  , 0.21, 0.32, 0.89])
    """

    tau: float = 5.0
    threshold: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "tau")
        positive(self, "threshold", high=1.0)

    def _spikes(self, x: np.ndarray) -> np.ndarray:
        charged = x > self.threshold
        above = np.where(charged, x, 2.0 * self.threshold)
        times = np.rint(self.tau * np.log(above / (above - self.threshold)))
        fires = charged & (times < self.steps)
        return at_times(self.steps, np.where(fires, times, 0.0).astype(np.intp), fires)

    def _values(self, spikes: np.ndarray) -> np.ndarray:
        times, fired = first_times(spikes)
        slowest = self._charging(times + 0.5)
        fastest = np.minimum(self._charging(np.maximum(times - 0.5, 0.0)), 1.0)
        return np.where(fired, 0.5 * (slowest + fastest), 0.0)

    def _charging(self, t: np.ndarray) -> np.ndarray:
        """Return what reaches the threshold after t steps."""
        with np.errstate(divide="ignore"):
            return np.asarray(self.threshold / -np.expm1(-t / self.tau))
