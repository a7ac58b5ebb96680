"""The vocabulary of rules as compiled scalar functions: the same operations as the NumPy words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from ....neurons.vocabulary import (
    EXP_COEFFICIENTS,
    WIDE_EXP_COEFFICIENTS,
    WIDE_LN2_HIGH,
    WIDE_LN2_LOW,
    WIDE_LOG2_E,
)
from ...compiled import inlined
from .words import bits_of, float64_of, float_from, wide_bits_of

__all__ = [
    "absolute", "exp", "expm1", "f4", "floor", "log", "maximum", "minimum", "nearest_pow2", "spike", "sqrt",
    "where",
]  # fmt: skip

f4 = np.float32
_LOG2_E = np.float32(1.4426950408889634)
_LN2_HIGH = np.float32(0.693359375)
_LN2_LOW = np.float32(-2.12194440e-4)
_C0, _C1, _C2, _C3, _C4, _C5 = EXP_COEFFICIENTS
_WIDE = WIDE_EXP_COEFFICIENTS


def _exp(x: Any) -> Any:
    """Stand for exp; compiled below, by the type of its argument."""
    raise NotImplementedError


@overload(_exp)
def _overload_exp(x: Any) -> Any:
    def wide(x: Any) -> Any:
        return _exp64(x)

    def narrow(x: Any) -> Any:
        return _exp32(np.float32(x))

    return wide if x == types.float64 else narrow


@inlined
def exp(x: Any) -> Any:
    """Return e to the power x."""
    return _exp(x)


@inlined
def _exp32(x: Any) -> Any:
    x = min(max(x, np.float32(-87.0)), np.float32(88.0))
    k = np.floor(x * _LOG2_E + np.float32(0.5))
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    p = _C0
    p = p * r + _C1
    p = p * r + _C2
    p = p * r + _C3
    p = p * r + _C4
    p = p * r + _C5
    y = p * (r * r) + r + np.float32(1.0)
    # y lies in [0.7, 1.5) and k in [-126, 127]: adding k to the exponent's bits scales by 2**k.
    return float_from(np.int32(bits_of(y) + np.int32(np.int32(k) << np.int32(23))))


@inlined
def _reduced64(x: Any) -> Any:
    """Return k and e to the power r, less 1, where x is r + k ln(2)."""
    x = min(max(x, -708.0), 709.0)
    k = np.floor(x * WIDE_LOG2_E + 0.5)
    r = (x - k * WIDE_LN2_HIGH) - k * WIDE_LN2_LOW
    p = _WIDE[0]
    for i in range(1, len(_WIDE)):
        p = p * r + _WIDE[i]
    return k, p * (r * r) + r


@inlined
def _exp64(x: Any) -> Any:
    k, y = _reduced64(x)
    # As above, with 52 bits of mantissa: y + 1 in [0.7, 1.5), k in [-1022, 1023].
    return float64_of(np.int64(wide_bits_of(y + 1.0) + (np.int64(k) << np.int64(52))))


@inlined
def sqrt(x: Any) -> Any:
    """Return the square root."""
    return np.sqrt(x)


@inlined
def where(condition: Any, chosen: Any, otherwise: Any) -> Any:
    """Return one or the other."""
    return chosen if condition else otherwise


@inlined
def minimum(a: Any, b: Any) -> Any:
    """Return the smaller."""
    return a if a < b else b


@inlined
def maximum(a: Any, b: Any) -> Any:
    """Return the larger."""
    return a if a > b else b


@inlined
def floor(x: Any) -> Any:
    """Return the largest whole number not above x, as a float."""
    return np.floor(x)


@inlined
def absolute(x: Any) -> Any:
    """Return the magnitude of x."""
    return abs(x)


@inlined
def expm1(x: Any) -> Any:
    """Return e to the power x, less 1: as `exp`, with the 1 taken off where nothing is lost."""
    k, y = _reduced64(x)
    scale = float64_of((np.int64(k) + np.int64(1023)) << np.int64(52))
    return scale * y + (scale - 1.0)


@inlined
def log(x: Any) -> Any:
    """Return the natural logarithm of x, which is above zero."""
    return math.log(x)


@inlined
def spike(distance: Any) -> Any:
    """Return 1 where the distance is not negative, else 0."""
    return np.float32(1.0) if distance >= 0 else np.float32(0.0)


@inlined
def nearest_pow2(x: Any) -> Any:
    """Return the nearest signed power of two: half a mantissa is added and the mantissa cut off."""
    bits = np.int32(np.int32(bits_of(np.float32(x)) + np.int32(0x00400000)) & np.int32(-8388608))
    return float_from(bits) if x != 0 else np.float32(0.0)
