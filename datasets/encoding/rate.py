"""Rate codes: a number is how often a neuron fires."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from .code import Code, between, positive


@dataclass(frozen=True)
class Regular(Code):
    """Spikes at equal distances: after t steps there were floor(t x + 1/2), which is round(t x).

    It is what an `IF` neuron with soft reset sends that starts at half its threshold 1 and gets x in each
    step. Decoding, count / steps, is off by at most 1 / (2 steps).

    Source: B. Rueckauer et al., Frontiers in Neuroscience 11:682 (2017).

    Examples
    --------
    >>> code = Regular(8)
    >>> code.encode([0.25, 0.5, 1.0]).T
    array([[0, 1, 0, 0, 0, 1, 0, 0],
           [1, 0, 1, 0, 1, 0, 1, 0],
           [1, 1, 1, 1, 1, 1, 1, 1]], dtype=int8)
    >>> code.decode(code.encode([0.25, 0.3, 1.0]))
    array([0.25, 0.25, 1.  ])
    """

    def _spikes(self, x: np.ndarray) -> np.ndarray:
        t = np.arange(self.steps + 1).reshape(-1, *[1] * x.ndim)
        return np.asarray(np.diff(np.floor(t * x + 0.5), axis=0), np.int8)

    def _values(self, spikes: np.ndarray) -> np.ndarray:
        return np.asarray(spikes.sum(axis=0) / self.steps)


@dataclass(frozen=True)
class Drawn(Code):
    """Base class: in each step spikes are drawn, with the mean rate x.

    Decoding is count / (rate steps).

    Parameters
    ----------
    steps : int
        Length of the code.
    rate : float
        Mean number of spikes in a step at x = 1: 200 Hz at a step of 1 ms are 0.2.
    """

    rate: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "rate", high=self._highest)

    @property
    @abstractmethod
    def _highest(self) -> float: ...

    @abstractmethod
    def _draw(self, rng: np.random.Generator, mean: np.ndarray) -> np.ndarray: ...

    def encode(self, x: Any, *, seed: int = 0) -> np.ndarray:
        """Return spikes drawn by a seed: the same for the same seed and shape; otherwise as `Code.encode`."""
        mean = self.rate * between(x, 0.0, 1.0, type(self).__name__)
        return self._draw(np.random.default_rng(seed), mean).astype(np.int8)

    def _spikes(self, x: np.ndarray) -> np.ndarray:
        return self.encode(x)

    def _values(self, spikes: np.ndarray) -> np.ndarray:
        return np.asarray(spikes.sum(axis=0) / (self.rate * self.steps))


@dataclass(frozen=True)
class Bernoulli(Drawn):
    """A spike in each step with the probability p = rate x, at most 1, drawn independently.

    What is decoded has the standard deviation sqrt(p (1 - p) / steps) / rate. With rate 1 it is the code of
    `snntorch.spikegen.rate`.

    Examples
    --------
    >>> code = Bernoulli(1000)
    >>> code.decode(code.encode([0.0, 0.4, 1.0], seed=1)).round(1)
    array([0. , 0.4, 1. ])
    """

    @property
    def _highest(self) -> float:
        return 1.0

    def _draw(self, rng: np.random.Generator, mean: np.ndarray) -> np.ndarray:
        return np.asarray(rng.random((self.steps, *mean.shape), dtype=np.float32) < mean)


@dataclass(frozen=True)
class Poisson(Drawn):
    """In each step a Poisson distributed number of spikes, with the mean rate x; there can be several.

    What is decoded has the standard deviation sqrt(x / (rate steps)).

    Source: P. Dayan and L. F. Abbott, Theoretical Neuroscience (2001), section 1.4.

    Examples
    --------
    >>> code = Poisson(2000, rate=0.5)
    >>> code.decode(code.encode([0.0, 0.4, 1.0], seed=1)).round(1)
    array([0. , 0.4, 1. ])
    """

    @property
    def _highest(self) -> float:
        return 32.0

    def _draw(self, rng: np.random.Generator, mean: np.ndarray) -> np.ndarray:
        return np.minimum(rng.poisson(mean, (self.steps, *mean.shape)), 127)
