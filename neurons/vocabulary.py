"""The words a neuron's rule may use beyond arithmetic, with their NumPy meaning.

A rule imports these names and calls them; every backend binds the same rule to its own meaning of
the words (a NumPy function, a compiled scalar function, a CUDA device function, a counting number),
so a rule is written once. Called directly, a rule simply runs on NumPy arrays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

#: Every word a rule may call. Backends must supply each of them.
WORDS = (
    "exp", "sqrt", "where", "minimum", "maximum", "floor", "nearest_pow2", "spike", "uniform", "normal",
)  # fmt: skip
#: Those of them that draw a random number.
DRAWS = ("uniform", "normal")

WIDE_LOG2_E = 1.4426950408889634
_LOG2_E = np.float32(WIDE_LOG2_E)
_LN2_HIGH = np.float32(0.693359375)
_LN2_LOW = np.float32(-2.12194440e-4)
#: Coefficients of the polynomial for exp(r) - 1 - r, divided by r squared, on |r| <= ln(2) / 2.
EXP_COEFFICIENTS = tuple(
    np.float32(c)
    for c in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)
)
#: The same in double precision: the Taylor series, whose next term is below 1e-17 there.
WIDE_EXP_COEFFICIENTS = tuple(1.0 / math.factorial(n) for n in range(13, 1, -1))
WIDE_LN2_HIGH, WIDE_LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10


def exp(x: Any) -> Any:
    """Return e to the power x: one polynomial, the same operations on every backend.

    The range is reduced by powers of two (Cody and Waite), then a polynomial of degree seven is
    evaluated, of degree thirteen in double precision; the relative error is below 2e-7, and 4e-16.
    Arguments are clipped to -87 .. 88, and -708 .. 709, so that nothing overflows.
    """
    x = np.asarray(x)
    wide = x.dtype == np.float64
    real: Any = np.float64 if wide else np.float32
    x = np.clip(x.astype(real), real(-708.0 if wide else -87.0), real(709.0 if wide else 88.0))
    high, low = (WIDE_LN2_HIGH, WIDE_LN2_LOW) if wide else (_LN2_HIGH, _LN2_LOW)
    coefficients = WIDE_EXP_COEFFICIENTS if wide else EXP_COEFFICIENTS
    k = np.floor(x * real(WIDE_LOG2_E if wide else _LOG2_E) + real(0.5))
    r = (x - k * real(high)) - k * real(low)
    p = np.full_like(r, coefficients[0])
    for c in coefficients[1:]:
        p = p * r + real(c)
    y = p * (r * r) + r + real(1.0)
    with np.errstate(invalid="ignore"):  # NaN has no exponent; it stays NaN through y
        return np.ldexp(y, k.astype(np.int32))


def sqrt(x: Any) -> Any:
    """Return the square root, correctly rounded, so it is the same on every backend."""
    return np.sqrt(x)


def where(condition: Any, chosen: Any, otherwise: Any) -> Any:
    """Return `chosen` where the condition holds (is not zero), else `otherwise`."""
    return np.where(condition, chosen, otherwise)


def minimum(a: Any, b: Any) -> Any:
    """Return the smaller of two numbers."""
    return np.minimum(a, b)


def maximum(a: Any, b: Any) -> Any:
    """Return the larger of two numbers."""
    return np.maximum(a, b)


def floor(x: Any) -> Any:
    """Return the largest whole number not above x (as a float)."""
    return np.floor(x)


def nearest_pow2(x: Any) -> Any:
    """Return the signed power of two nearest to x (ties go up in magnitude), and zero for zero.

    Distances are linear, so 3 goes to 4 and the remainder is never above a third of x.
    """
    mantissa, exponent = np.frexp(x)
    magnitude = np.abs(mantissa)
    power = np.ldexp(np.ones_like(mantissa), exponent - (magnitude < 0.75))
    return np.where(magnitude > 0, np.copysign(power, mantissa), np.zeros_like(mantissa))


def spike(distance: Any) -> Any:
    """Return 1.0 where the distance above threshold is not negative, else 0.0.

    Training backends replace its derivative by a surrogate.
    """
    return np.where(np.asarray(distance) >= 0, np.float32(1.0), np.float32(0.0))


def uniform(draw: int) -> Any:
    """Return this neuron's uniform number in [0, 1) for this step; `draw` numbers the draws of one step.

    Only a backend can supply it: the number is keyed by seed, population, neuron, trial and step. It is
    a multiple of 2**-24.
    """
    raise RuntimeError("uniform() has a meaning only inside a run; call the rule through a backend")


def normal(draw: int) -> Any:
    """Return this neuron's standard normal number for this step; `draw` numbers the draws of one step.

    As `uniform`, with which it shares no random bits: `normal(0)` and `uniform(0)` are independent. It is
    the quantile of a place with 32 bits, so it reaches to 6.338 on either side, and it is the same number
    in single and in double precision.
    """
    raise RuntimeError("normal() has a meaning only inside a run; call the rule through a backend")
