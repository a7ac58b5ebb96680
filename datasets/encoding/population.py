"""The population code: a number is told by neurons that each prefer another one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...neurons.errors import SpecError
from ..arrays import numbers_of
from .code import Code, between, positive, whole
from .rate import Regular


@dataclass(frozen=True)
class Population:
    """Each number excites n neurons by Gaussian receptive fields; a code makes spikes of how much.

    Field i answers exp(-(x - c_i)^2 / (2 s^2)). Centres lie at low + (i - 1/2) d for i = 0 ... n - 1, with
    the distance d = (high - low) / (n - 2), so the first and the last are half a distance outside; s = d /
    overlap. With `periodic`, high is low again, the n centres divide the circle, and a field answers
    exp((cos(phi - phi_i) - 1) / sigma^2), with sigma = 2 pi / (n overlap).

    `decode` reads the centre of mass of the answers, which for answers that are counts of a Poisson process
    is the most likely number; what fields miss beyond the ends is corrected. On a circle it is the
    population vector.

    Parameters
    ----------
    n : int
        Neurons for each number, at least 3.
    low, high : float
        Range of the numbers.
    code : Code, optional
        Makes spikes of answers between 0 and 1; `Regular(32)` if it is not given.
    overlap : float
        Centres within one s: wider fields for smaller values.
    periodic : bool
        Whether the numbers lie on a circle.

    Source: S. M. Bohte, J. N. Kok and H. La Poutré, Neurocomputing 48 (2002), section 4 (fields); P. Dayan
    and L. F. Abbott, Theoretical Neuroscience (2001), section 3.3 (centre of mass); A. P. Georgopoulos, A.
    B. Schwartz and R. E. Kettner, Science 233 (1986) (population vector).

    Examples
    --------
    >>> code = Population(6, 0.0, 10.0, Regular(50))
    >>> spikes = code.encode([[2.0, 7.5]])
    >>> spikes.shape
    (50, 1, 12)
    >>> code.decode(spikes).round(1)
    array([[2. , 7.5]])
    """

    n: int
    low: float
    high: float
    code: Code = field(default_factory=lambda: Regular(32))
    overlap: float = 1.5
    periodic: bool = False

    def __post_init__(self) -> None:
        whole(self, "n", low=3)
        positive(self, "overlap")
        known = all(isinstance(one, int | float | np.number) for one in (self.low, self.high))
        if not (known and -np.inf < self.low < self.high < np.inf):
            raise SpecError(
                f"Population.low, high: got {self.low!r} and {self.high!r}; "
                f"allowed are finite numbers, low < high"
            )

    @property
    def centres(self) -> np.ndarray:
        """What each neuron prefers."""
        if self.periodic:
            return self.low + (self.high - self.low) * np.arange(self.n) / self.n
        distance = (self.high - self.low) / (self.n - 2)
        return self.low + distance * (np.arange(self.n) - 0.5)

    def answers(self, x: Any) -> np.ndarray:
        """Return how much each field answers, between 0 and 1, shape (*x.shape, n)."""
        away = between(x, self.low, self.high, "Population")[..., None] - self.centres
        if self.periodic:
            width = 2.0 * np.pi / (self.n * self.overlap)
            return np.asarray(np.exp((np.cos(self._turn * away) - 1.0) / width**2))
        width = (self.high - self.low) / (self.n - 2) / self.overlap
        return np.asarray(np.exp(-0.5 * (away / width) ** 2))

    def encode(self, x: Any, **options: Any) -> np.ndarray:
        """Return spikes, (steps, ..., m n), of numbers (..., m); a code takes `options`, such as a seed."""
        array = np.atleast_1d(numbers_of(x, "Population.encode"))
        flat = self.answers(array).reshape(*array.shape[:-1], array.shape[-1] * self.n)
        return self.code.encode(flat, **options)

    def decode(self, spikes: Any) -> np.ndarray:
        """Return the numbers, (..., m), that spikes (steps, ..., m n) stand for; nan where none came."""
        found = self.code.decode(spikes)
        if found.ndim == 0 or found.shape[-1] % self.n:
            raise SpecError(
                f"Population.decode: got spikes of {found.shape} neurons; "
                f"allowed is a multiple of n={self.n}, last"
            )
        answers = found.reshape(*found.shape[:-1], -1, self.n)
        if self.periodic:
            vector = answers @ np.exp(1j * self._turn * (self.centres - self.low))
            turned = self.low + np.angle(vector) % (2.0 * np.pi) / self._turn
            return np.where(vector == 0, np.nan, turned)
        with np.errstate(invalid="ignore"):
            mass = answers @ self.centres / answers.sum(axis=-1)
        # The centre of mass grows with x, so what the ends cut off is undone by looking x up.
        grid = np.linspace(self.low, self.high, 32 * self.n + 1)
        expected = self.answers(grid)
        return np.asarray(np.interp(mass, expected @ self.centres / expected.sum(axis=-1), grid))

    @property
    def _turn(self) -> float:
        return float(2.0 * np.pi / (self.high - self.low))
