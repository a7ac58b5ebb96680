"""Surrogate gradients: what takes the place of the derivative of `spike` when a network is trained.

A spike is a step, whose derivative is zero wherever it exists. A surrogate is a bump around the threshold
instead, written once as a rule in the words of the vocabulary, like a neuron, so every backend binds the same
function.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..neurons.parameters import Parameter, Parameterised
from ..neurons.specialise import Variant, specialise
from ..neurons.vocabulary import exp, maximum, where

__all__ = [
    "ATan", "Boxcar", "FastSigmoid", "QGate", "Rectangle", "Sigmoid", "StraightThrough", "Surrogate",
    "Triangle",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Surrogate(Parameterised):
    """Base class: a derivative of the step at zero, as a function of the distance above threshold.

    A surrogate of one's own is a subclass with `derivative`, a rule of x and of its fields.

    Examples
    --------
    >>> Triangle()(np.array([-0.5, 0.0, 0.5], np.float32))
    array([0.5, 1. , 0.5], dtype=float32)
    """

    derivative: ClassVar[Callable[..., Any]]

    def __post_init__(self) -> None:
        self.check_fields(type(self).__name__)

    def constants(self) -> dict[str, float]:
        """Return what `derivative` takes besides x, by name: the fields, unless a subclass says otherwise."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def variant(self) -> Variant:
        """The derivative as backends take it."""
        return specialise(type(self).derivative, {})

    def __call__(self, x: Any) -> np.ndarray:
        """Return the derivative at distances above threshold, in the precision of x."""
        return np.asarray(type(self).derivative(np.asarray(x), **self.constants()))


@dataclass(frozen=True, eq=False)
class ATan(Surrogate):
    """Of an arctangent: (a / 2) / (1 + (pi a x / 2)^2), with the slope a; the area is 1.

    Source: W. Fang et al., ICCV (2021).

    Parameters
    ----------
    slope : float
        Twice the height at the threshold.
    """

    slope: float = Parameter(2.0, above=0.0, scalar=True)

    @staticmethod
    def derivative(x: Any, slope: Any) -> Any:
        """Return the derivative."""
        far = 1.5707963267948966 * slope * x
        return 0.5 * slope / (1.0 + far * far)


@dataclass(frozen=True, eq=False)
class Sigmoid(Surrogate):
    """Of a logistic function: a s (1 - s) with s = 1 / (1 + exp(-a x)) and the slope a; the area is 1.

    Parameters
    ----------
    slope : float
        Four times the height at the threshold.
    """

    slope: float = Parameter(4.0, above=0.0, scalar=True)

    @staticmethod
    def derivative(x: Any, slope: Any) -> Any:
        """Return the derivative."""
        e = exp(-slope * maximum(x, -x))
        return slope * e / ((1.0 + e) * (1.0 + e))


@dataclass(frozen=True, eq=False)
class FastSigmoid(Surrogate):
    """Of x / (1 + a |x|): 1 / (1 + a |x|)^2, with the slope a; 1 at the threshold.

    Source: F. Zenke and S. Ganguli, Neural Computation 30:1514 (2018).

    Parameters
    ----------
    slope : float
        How fast it falls off on both sides.
    """

    slope: float = Parameter(25.0, above=0.0, scalar=True)

    @staticmethod
    def derivative(x: Any, slope: Any) -> Any:
        """Return the derivative."""
        far = 1.0 + slope * maximum(x, -x)
        return 1.0 / (far * far)


@dataclass(frozen=True, eq=False)
class Triangle(Surrogate):
    """A triangle: height max(0, 1 - |x| / width).

    Source: G. Bellec et al., NeurIPS (2018), with a height of 0.3.

    Parameters
    ----------
    height : float
        At the threshold.
    width : float
        Distance from the threshold at which it ends.
    """

    height: float = Parameter(1.0, above=0.0, scalar=True)
    width: float = Parameter(1.0, above=0.0, scalar=True)

    @staticmethod
    def derivative(x: Any, height: Any, width: Any) -> Any:
        """Return the derivative."""
        return height * maximum(1.0 - maximum(x, -x) / width, 0.0)


@dataclass(frozen=True, eq=False)
class QGate(Surrogate):
    """The triangle of area 1 with the slope a: a - a^2 |x| where |x| <= 1 / a, else 0.

    It is the derivative of a step that is rounded by two parabolas.

    Parameters
    ----------
    slope : float
        Height at the threshold.
    """

    slope: float = Parameter(1.0, above=0.0, scalar=True)

    derivative = staticmethod(Triangle.derivative)

    def constants(self) -> dict[str, float]:
        """Return height and width of the triangle."""
        return {"height": self.slope, "width": 1.0 / self.slope}


@dataclass(frozen=True, eq=False)
class Boxcar(Surrogate):
    """A constant around the threshold: height where |x| <= width, else 0.

    Parameters
    ----------
    height : float
        Between the two ends.
    width : float
        Distance from the threshold at which it ends.
    """

    height: float = Parameter(1.0, above=0.0, scalar=True)
    width: float = Parameter(0.5, above=0.0, scalar=True)

    @staticmethod
    def derivative(x: Any, height: Any, width: Any) -> Any:
        """Return the derivative."""
        return where(maximum(x, -x) <= width, height, 0.0)


@dataclass(frozen=True, eq=False)
class Rectangle(Surrogate):
    """The boxcar of area 1 with the slope a: a where |x| <= 1 / (2 a), else 0.

    Source: Y. Wu et al., Frontiers in Neuroscience 12:331 (2018).

    Parameters
    ----------
    slope : float
        Height at the threshold.
    """

    slope: float = Parameter(1.0, above=0.0, scalar=True)

    derivative = staticmethod(Boxcar.derivative)

    def constants(self) -> dict[str, float]:
        """Return height and width of the boxcar."""
        return {"height": self.slope, "width": 0.5 / self.slope}


@dataclass(frozen=True, eq=False)
class StraightThrough(Surrogate):
    """A constant everywhere: gradients pass as if the spike were the distance, times the slope.

    Source: Y. Bengio, N. Léonard and A. Courville, arXiv:1308.3432 (2013).

    Parameters
    ----------
    slope : float
        The constant.
    """

    slope: float = Parameter(1.0, above=0.0, scalar=True)

    @staticmethod
    def derivative(x: Any, slope: Any) -> Any:
        """Return the derivative."""
        return slope + 0.0 * x
