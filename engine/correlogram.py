"""Auto- and cross-correlation functions of spike trains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False, kw_only=True)
class Correlogram:
    """How often a spike follows, or precedes, another one by so many seconds.

    Attributes
    ----------
    lags : float64 array (2 m + 1,)
        Centre of each bin in seconds, from -m to m bins; positive where the second spike is the later.
    pairs : float64 array (2 m + 1,)
        Pairs of spikes whose lag falls into the bin, of all trials; one that falls between two bins
        counts half in each.
    exposure : float64 array (2 m + 1,)
        Spikes of the first kind, times the width of the bin, times the share of the record in which
        a partner at this lag could be seen: spikes times seconds.

    Examples
    --------
    >>> Correlogram(lags=[-0.001, 0.0, 0.001], pairs=[0, 0, 3], exposure=[0.01, 0.01, 0.01]).rate.tolist()
    [0.0, 0.0, 300.0]
    """

    lags: np.ndarray
    pairs: np.ndarray
    exposure: np.ndarray

    @property
    def rate(self) -> np.ndarray:
        """Rate of the second train in hertz, given a spike of the first at lag 0: flat if independent."""
        exposure = np.asarray(self.exposure, dtype=np.float64)
        return np.asarray(self.pairs / np.where(exposure > 0, exposure, np.nan))

    def __len__(self) -> int:
        return len(self.lags)


def lagged_within(train: np.ndarray, steps: np.ndarray, longest: int) -> np.ndarray:
    """Count pairs of spikes within trains by their lag in steps, from -longest to longest.

    `train` and `steps` are sorted by both. A spike is no pair with itself. Successive spikes are
    compared first, then every second, third and so on until no pair is near enough: so the work is
    proportional to the pairs that are found.
    """
    found = np.zeros(longest + 1, np.int64)
    rows = np.arange(train.size)
    apart = 1
    while rows.size:
        rows = rows[rows + apart < train.size]
        lag = steps[rows + apart] - steps[rows]
        near = (train[rows + apart] == train[rows]) & (lag <= longest)
        rows = rows[near]
        found += np.bincount(lag[near], minlength=longest + 1)
        apart += 1
    # Two spikes of one train in one step are a pair in either order.
    return np.concatenate([found[:0:-1], [2 * found[0]], found[1:]])


def lagged_between(trials: Iterable[tuple[np.ndarray, np.ndarray]], length: int, longest: int) -> np.ndarray:
    """Count pairs of a spike of the first and one of the second train by their lag in steps.

    `trials` yields the steps of both, from 0 to length - 1, for each trial. The work does not depend
    on how many pairs there are.
    """
    padded = 1 << (length + longest).bit_length()
    total = np.zeros(padded // 2 + 1, np.complex128)
    for first, second in trials:
        a, b = (np.bincount(steps, minlength=length) for steps in (first, second))
        total += np.conj(np.fft.rfft(a, padded)) * np.fft.rfft(b, padded)
    by_lag = np.rint(np.fft.irfft(total, padded)).astype(np.int64)
    return np.concatenate([by_lag[padded - longest :], by_lag[: longest + 1]])


def reach(width: int, max_lag: int) -> int:
    """Return the longest lag, in steps, that bins of `width` steps centred up to `max_lag` take in."""
    return max_lag // width * width + width // 2


def correlogram(by_step: np.ndarray, spikes: int, *, width: int, seconds: float, dt: float) -> Correlogram:
    """Return counts by lag in steps, as far as `reach`, in bins around whole multiples of `width` steps.

    A lag that is as near to one bin as to the next (where `width` is even) counts half in each.
    """
    m = (by_step.size // 2) // width
    pairs = by_step[: (2 * m + 1) * width].reshape(2 * m + 1, width).sum(axis=1).astype(np.float64)
    if width % 2 == 0:
        between = 0.5 * by_step[::width]
        pairs += np.diff(between)
    lags = np.arange(-m, m + 1) * (width * dt)
    seen = np.clip(1.0 - np.abs(lags) / seconds, 0.0, None) if seconds > 0 else np.zeros(lags.size)
    return Correlogram(lags=lags, pairs=pairs, exposure=spikes * width * dt * seen)
