"""A profile in numbers, and its formula, which stands once: for arrays and compiled code alike."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .compiled import compiled

GAUSSIAN, EXPONENTIAL, DISC, CONE, MEXICAN_HAT, TABULATED, AFFINE = range(7)
#: A distance is within a radius if it is no longer than this many radii: positions are rounded.
WITHIN = 1.0 + 1e-9


class Shape(NamedTuple):
    """A profile in numbers.

    Attributes
    ----------
    kind : int
        Which formula.
    a, b, c, d : float
        Its parameters, in the order of the profile's fields; what it does not use is zero.
    cutoff : float
        The profile is zero beyond this distance.
    knots, values, envelope : float64
        Distances and values of a table, and the largest value from each distance on.
    """

    kind: int
    a: float
    b: float
    c: float
    d: float
    cutoff: float
    knots: np.ndarray
    values: np.ndarray
    envelope: np.ndarray


_NOTHING = np.zeros(0)
#: The shape of no profile.
NO_SHAPE = Shape(DISC, 0.0, 0.0, 0.0, 0.0, -1.0, _NOTHING, _NOTHING, _NOTHING)


@compiled()
def value_at(shape: Any, distance: Any) -> Any:
    """Return the value of a profile at one distance."""
    if distance > shape.cutoff:
        return 0.0
    if shape.kind == TABULATED:
        return _between(shape.knots, shape.values, distance)
    return _formula(shape.kind, shape.a, shape.b, shape.c, shape.d, distance)


@compiled()
def _formula(kind: Any, a: Any, b: Any, c: Any, d: Any, distance: Any) -> Any:
    """Return the value of a profile of this kind, other than a table, within its cutoff."""
    if kind == GAUSSIAN:
        return a * math.exp(-0.5 * (distance / b) ** 2)
    if kind == EXPONENTIAL:
        return a * math.exp(-distance / b)
    if kind == CONE:
        return a * max(0.0, 1.0 - distance / b)
    if kind == MEXICAN_HAT:
        return a * math.exp(-0.5 * (distance / b) ** 2) - c * math.exp(-0.5 * (distance / d) ** 2)
    if kind == AFFINE:
        return a + b * distance
    return a


@compiled()
def bound_at(shape: Any, distance: Any) -> Any:
    """Return what a profile does not exceed at this distance and beyond; never below zero."""
    if distance > shape.cutoff:
        return 0.0
    if shape.kind == MEXICAN_HAT:
        return max(shape.a * math.exp(-0.5 * (distance / shape.b) ** 2), 0.0)
    if shape.kind == TABULATED:
        return max(_between(shape.knots, shape.envelope, distance), 0.0)
    return max(value_at(shape, distance), 0.0)


@compiled()
def _between(knots: Any, values: Any, distance: Any) -> Any:
    """Return the value on the straight line between two knots; the outer values outside."""
    k = np.searchsorted(knots, distance)
    if k == 0:
        return values[0]
    if k == knots.size:
        return values[k - 1]
    share = (distance - knots[k - 1]) / (knots[k] - knots[k - 1])
    return values[k - 1] + share * (values[k] - values[k - 1])


@compiled()
def values_into(shape: Any, distances: Any, n: Any) -> None:
    """Put the values of a profile in the place of the first n distances."""
    kind, a, b, c, d, cutoff = shape.kind, shape.a, shape.b, shape.c, shape.d, shape.cutoff
    if kind == TABULATED:
        for i in range(n):
            distances[i] = value_at(shape, distances[i])
        return
    for i in range(n):
        distances[i] = _formula(kind, a, b, c, d, distances[i]) if distances[i] <= cutoff else 0.0
