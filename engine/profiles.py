"""Functions of distance: how likely a connection is, how strong it is, how long its spikes travel.

A profile is a frozen description. Loops that draw connections get it as a few numbers: `engine/shape.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..neurons.errors import SpecError
from .distributions import TABLE_BITS, check_finite
from .shape import (
    AFFINE,
    CONE,
    DISC,
    EXPONENTIAL,
    GAUSSIAN,
    MEXICAN_HAT,
    NO_SHAPE,
    TABULATED,
    WITHIN,
    Shape,
    bound_at,
    values_into,
)


@dataclass(frozen=True)
class Profile:
    """Base class: a number for every distance. Distances are in the unit of the positions."""

    cutoff: float = field(default=math.inf, kw_only=True)
    code: ClassVar[int] = DISC

    def __post_init__(self) -> None:
        numbers = {key: value for key, value in vars(self).items() if key != "cutoff"}
        check_finite(type(self).__name__, **numbers)
        for key, value in numbers.items():
            object.__setattr__(self, key, float(value))
        self._above_zero("cutoff")

    def _above_zero(self, *fields: str) -> None:
        for name in fields:
            value = getattr(self, name)
            if isinstance(value, (bool, str)) or not value > 0:
                raise SpecError(f"{type(self).__name__}.{name}: got {value!r}; allowed is a number above 0")

    @property
    def largest(self) -> float:
        """The largest value at any distance."""
        return float(bound_at(self.shape, 0.0))

    @property
    def reach(self) -> float:
        """The distance beyond which it is zero; infinite if there is none."""
        return self.cutoff

    @property
    def shape(self) -> Shape:
        """The profile in numbers, for compiled loops."""
        numbers = [float(value) for key, value in vars(self).items() if key != "cutoff"]
        a, b, c, d = [*numbers, 0.0, 0.0, 0.0, 0.0][:4]
        return NO_SHAPE._replace(kind=self.code, a=a, b=b, c=c, d=d, cutoff=self.reach * WITHIN)

    def __call__(self, distance: Any) -> np.ndarray:
        """Return the values at some distances, float64 of their shape."""
        values = np.array(distance, dtype=np.float64, order="C")
        values_into(self.shape, values.reshape(-1), values.size)
        return values


@dataclass(frozen=True)
class Gaussian(Profile):
    """peak * exp(-d**2 / (2 sd**2))."""

    peak: float
    sd: float
    code: ClassVar[int] = GAUSSIAN

    def __post_init__(self) -> None:
        super().__post_init__()
        self._above_zero("sd")


@dataclass(frozen=True)
class Exponential(Profile):
    """peak * exp(-d / scale)."""

    peak: float
    scale: float
    code: ClassVar[int] = EXPONENTIAL

    def __post_init__(self) -> None:
        super().__post_init__()
        self._above_zero("scale")


@dataclass(frozen=True)
class Disc(Profile):
    """The same value up to a radius, zero beyond."""

    value: float
    radius: float
    code: ClassVar[int] = DISC

    def __post_init__(self) -> None:
        super().__post_init__()
        self._above_zero("radius")

    @property
    def reach(self) -> float:
        """The distance beyond which it is zero."""
        return min(self.radius, self.cutoff)


@dataclass(frozen=True)
class Cone(Disc):
    """value * (1 - d / radius) up to a radius, zero beyond."""

    code: ClassVar[int] = CONE


@dataclass(frozen=True)
class MexicanHat(Profile):
    """peak * exp(-d**2 / (2 sd**2)) - surround * exp(-d**2 / (2 surround_sd**2))."""

    peak: float
    sd: float
    surround: float
    surround_sd: float
    code: ClassVar[int] = MEXICAN_HAT

    def __post_init__(self) -> None:
        super().__post_init__()
        self._above_zero("sd", "surround_sd")
        if self.surround < 0:
            raise SpecError(f"MexicanHat.surround: got {self.surround}; allowed is a number from 0")


@dataclass(frozen=True)
class Affine(Profile):
    """offset + slope * d."""

    offset: float
    slope: float
    code: ClassVar[int] = AFFINE


@dataclass(frozen=True)
class Tabulated(Profile):
    """Straight lines between (distance, value) pairs, constant before the first, zero beyond the last."""

    distances: tuple[float, ...]
    values: tuple[float, ...]
    code: ClassVar[int] = TABULATED

    def __post_init__(self) -> None:
        self._above_zero("cutoff")
        for name in ("distances", "values"):
            try:
                array = np.array(getattr(self, name), dtype=np.float64)
            except (TypeError, ValueError):
                array = np.zeros((0, 0))
            if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
                raise SpecError(f"Tabulated.{name}: allowed is a list of finite numbers, not empty")
            object.__setattr__(self, name, tuple(array.tolist()))
        d = np.array(self.distances)
        if d.size != len(self.values):
            raise SpecError(
                f"Tabulated: got {d.size} distances and {len(self.values)} values; they must be pairs"
            )
        if d[0] < 0 or np.any(np.diff(d) <= 0):
            raise SpecError("Tabulated.distances: allowed are numbers from 0, each above the one before")

    @property
    def reach(self) -> float:
        """The distance beyond which it is zero."""
        return min(self.distances[-1], self.cutoff)

    @property
    def shape(self) -> Shape:
        """The profile in numbers, for compiled loops."""
        values = np.array(self.values)
        return NO_SHAPE._replace(
            kind=self.code, cutoff=self.reach * WITHIN, knots=np.array(self.distances), values=values,
            envelope=np.ascontiguousarray(np.maximum.accumulate(values[::-1])[::-1]),
        )  # fmt: skip


@dataclass(frozen=True)
class ByDistance:
    """A weight or delay that is a function of the distance between its two neurons."""

    profile: Profile

    def __post_init__(self) -> None:
        if not isinstance(self.profile, Profile):
            raise SpecError(
                f"by_distance.profile: got {self.profile!r}; allowed is a profile such as gaussian(1.0, 0.1)"
            )

    def table(self, largest: float) -> np.ndarray:
        """Return the values at 65,536 evenly spaced distances from 0 to the largest, float64."""
        return self.profile(np.linspace(0.0, largest, 1 << TABLE_BITS))


def gaussian(peak: float, sd: float, *, cutoff: float = math.inf) -> Gaussian:
    """Return the profile peak * exp(-d**2 / (2 sd**2)), zero beyond the cutoff.

    Examples
    --------
    >>> gaussian(0.5, sd=0.1)([0.0, 0.1]).round(4).tolist()
    [0.5, 0.3033]
    """
    return Gaussian(peak, sd, cutoff=cutoff)


def exponential(peak: float, scale: float, *, cutoff: float = math.inf) -> Exponential:
    """Return the profile peak * exp(-d / scale), zero beyond the cutoff.

    Examples
    --------
    >>> exponential(0.5, scale=0.1)([0.0, 0.1]).round(4).tolist()
    [0.5, 0.1839]
    """
    return Exponential(peak, scale, cutoff=cutoff)


def disc(value: float, radius: float) -> Disc:
    """Return a profile of one value up to a radius (which is within), zero beyond.

    Examples
    --------
    >>> disc(0.5, radius=1.0)([0.0, 1.0, 1.1]).tolist()
    [0.5, 0.5, 0.0]
    """
    return Disc(value, radius)


def cone(value: float, radius: float) -> Cone:
    """Return a profile that falls in a straight line from a value at distance zero to zero at a radius.

    Examples
    --------
    >>> cone(0.5, radius=1.0)([0.0, 0.5, 1.1]).tolist()
    [0.5, 0.25, 0.0]
    """
    return Cone(value, radius)


def mexican_hat(
    peak: float, sd: float, surround: float, surround_sd: float, *, cutoff: float = math.inf
) -> MexicanHat:
    """Return a difference of Gaussians, zero beyond the cutoff; as a probability, below zero counts as zero.

    Examples
    --------
    >>> mexican_hat(1.0, 0.1, surround=0.5, surround_sd=0.2)(0.0).tolist()
    0.5
    """
    return MexicanHat(peak, sd, surround, surround_sd, cutoff=cutoff)


def tabulated(distances: Any, values: Any) -> Tabulated:
    """Return a profile of straight lines between given points, zero beyond the last.

    Parameters
    ----------
    distances : array (k,)
        Ascending, from 0; before the first the profile has the first value.
    values : array (k,)
        The value at each.

    Examples
    --------
    >>> tabulated([0.0, 1.0], [0.0, 1.0])([0.25, 2.0]).tolist()
    [0.25, 0.0]
    """
    return Tabulated(distances, values)


def by_distance(profile: Profile) -> ByDistance:
    """Return weights (or delays, in seconds) that are a profile of the distance between the two neurons.

    The distance is rounded to a 65,535th of the longest between the two ends.

    Examples
    --------
    >>> by_distance(gaussian(1.0, sd=0.2)).profile.sd
    0.2
    """
    return ByDistance(profile)


def conduction(velocity: float, offset: float = 0.0) -> ByDistance:
    """Return delays of offset + distance / velocity, in seconds, but of at least one step.

    Parameters
    ----------
    velocity : float
        In the unit of the positions per second.
    offset : float
        Seconds that are added.

    Examples
    --------
    >>> conduction(velocity=0.5, offset=1e-3).profile(1.0).tolist()
    2.001
    """
    check_finite("conduction", velocity=velocity, offset=offset)
    if velocity <= 0 or offset < 0:
        raise SpecError(
            f"conduction: got velocity={velocity}, offset={offset}; need velocity > 0, offset >= 0"
        )
    return ByDistance(Affine(offset, 1.0 / velocity))
