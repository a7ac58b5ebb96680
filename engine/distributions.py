"""Distributions of weights, delays and initial values, drawn through tables of quantiles.

A draw is 16 random bits that pick one of 65,536 equally likely quantiles: one table look-up per
synapse, the same on every backend, and never outside the bounds that were asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..neurons.errors import SpecError

TABLE_BITS = 16
_MIDPOINTS = (np.arange(1 << TABLE_BITS) + 0.5) / (1 << TABLE_BITS)


@dataclass(frozen=True)
class Distribution:
    """Base class: something with quantiles."""

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """Return the values below which a share u lies."""
        raise NotImplementedError

    @lru_cache(maxsize=32)  # noqa: B019 - distributions are small and frozen; equal ones share a table
    def table(self) -> np.ndarray:
        """Return the 65,536 equally likely values, ascending, float64, read-only."""
        with np.errstate(over="ignore", invalid="ignore"):
            values = self.quantile(_MIDPOINTS)
        if not np.isfinite(values).all():
            raise SpecError(f"{self}: its quantiles are beyond what float64 holds; allowed are smaller ones")
        values.setflags(write=False)
        return values


#: What a parameter of a part may be: one number, one for each neuron or synapse, or drawn.
Values = float | np.ndarray | Distribution


@dataclass(frozen=True)
class Normal(Distribution):
    """Normal distribution, truncated to [low, high]."""

    mean: float
    sd: float
    low: float = -np.inf
    high: float = np.inf

    def __post_init__(self) -> None:
        check_finite("normal", mean=self.mean, sd=self.sd)
        if self.sd < 0 or not self.low < self.high:
            raise SpecError(
                f"normal: got sd={self.sd}, low={self.low}, high={self.high}; need sd >= 0, low < high"
            )

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """Return the values below which a share u lies."""
        from scipy.special import ndtr, ndtri

        if self.sd == 0:
            return np.full_like(u, np.clip(self.mean, self.low, self.high))
        low, high = (self.low - self.mean) / self.sd, (self.high - self.mean) / self.sd
        if low > 0:
            # Float64 is finest near 0: in the upper tail, shares are counted from the other end.
            above = ndtr(-high)
            values = -ndtri(above + (ndtr(-low) - above) * (1.0 - u))
        else:
            below = ndtr(low)
            values = ndtri(below + (ndtr(high) - below) * u)
        clipped: np.ndarray = np.clip(self.mean + self.sd * values, self.low, self.high)
        return clipped


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform distribution on [low, high]."""

    low: float
    high: float

    def __post_init__(self) -> None:
        check_finite("uniform", low=self.low, high=self.high)
        if self.low > self.high:
            raise SpecError(f"uniform: got low={self.low} above high={self.high}")

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """Return the values below which a share u lies."""
        return self.low + (self.high - self.low) * u


@dataclass(frozen=True)
class LogNormal(Distribution):
    """Log-normal distribution with the given mean and standard deviation of the values themselves."""

    mean: float
    sd: float

    def __post_init__(self) -> None:
        check_finite("lognormal", mean=self.mean, sd=self.sd)
        if self.mean <= 0 or self.sd < 0:
            raise SpecError(f"lognormal: got mean={self.mean}, sd={self.sd}; need mean > 0, sd >= 0")

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """Return the values below which a share u lies."""
        variance = np.log1p(np.square(self.sd / self.mean))
        from scipy.special import ndtri

        values: np.ndarray = np.exp(np.log(self.mean) - variance / 2 + np.sqrt(variance) * ndtri(u))
        return values


@dataclass(frozen=True)
class Empirical(Distribution):
    """Samples, each as likely as the others, in the order in which they are given."""

    samples: tuple[float, ...]

    def __post_init__(self) -> None:
        try:
            samples = np.array(self.samples, dtype=np.float64)
        except (TypeError, ValueError):
            samples = np.zeros((0, 0))
        if samples.ndim != 1 or not 1 <= samples.size <= 1 << TABLE_BITS or not np.isfinite(samples).all():
            raise SpecError(
                f"empirical.samples: got shape {np.shape(self.samples)}; allowed are up to {1 << TABLE_BITS} "
                "finite numbers"
            )
        object.__setattr__(self, "samples", tuple(samples.tolist()))

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """Return the samples before which a share u of all is listed."""
        return np.array(self.samples)[(u * len(self.samples)).astype(np.int64)]


def normal(mean: float, sd: float, low: float = -np.inf, high: float = np.inf) -> Normal:
    """Return a normal distribution, truncated to [low, high].

    Examples
    --------
    >>> float(normal(1.0, 0.1, low=0.0).table().min()) > 0
    True
    """
    return Normal(*_numbers("normal", mean=mean, sd=sd, low=low, high=high))


def uniform(low: float, high: float) -> Uniform:
    """Return a uniform distribution on [low, high].

    Examples
    --------
    >>> round(float(uniform(0.0, 2.0).table().mean()), 6)
    1.0
    """
    return Uniform(*_numbers("uniform", low=low, high=high))


def lognormal(mean: float, sd: float) -> LogNormal:
    """Return a log-normal distribution; mean and sd are those of the values, not of their logarithm.

    Examples
    --------
    >>> bool(lognormal(1.0, 0.5).table().min() > 0)
    True
    """
    return LogNormal(*_numbers("lognormal", mean=mean, sd=sd))


def empirical(samples: Any) -> Empirical:
    """Return the distribution of some samples, each as likely as the others to one part in 65,536.

    Parameters
    ----------
    samples : array (k,)
        Up to 65,536 numbers. A projection with `correlation=1` draws pairs: weight and delay take the
        same place of two lists of one length.

    Examples
    --------
    >>> sorted(set(empirical([0.5, 2.0]).table().tolist()))
    [0.5, 2.0]
    """
    return Empirical(samples)


def _numbers(owner: str, **values: Any) -> list[float]:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise SpecError(f"{owner}.{name}: got {value!r}; allowed is a number")
    return [float(value) for value in values.values()]


def check_finite(owner: str, **values: float) -> None:
    """Raise SpecError unless all are finite numbers."""
    for name, value in values.items():
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float, np.number))
            or not np.isfinite(value)
        ):
            raise SpecError(f"{owner}.{name}: got {value!r}; allowed is a finite number")
