"""Operators of torch that compute one number of one, or of two."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import compose
from .compose import Operand, Unsupported, mapped, scaled
from .draft import Draft, Value
from .refusals import ROUNDS


def numbers(array: Any) -> np.ndarray:
    """Return a constant as single precision."""
    return np.asarray(array, np.float32)


def operand(x: Any) -> Operand:
    """Return a `Value` as it is, a constant as an array."""
    return x if isinstance(x, Value) else numbers(x)


def clamp(draft: Draft, x: Value, low: Any = None, high: Any = None) -> Value:
    """Return the nearest number within bounds."""
    if isinstance(low, (Value, np.ndarray)) or isinstance(high, (Value, np.ndarray)):
        x = x if low is None else compose.larger(draft, x, operand(low))
        return x if high is None else compose.smaller(draft, x, operand(high))
    largest = float(np.finfo(np.float32).max)
    if (low, high) == (0, None):
        return mapped(draft, x, "relu")
    return mapped(
        draft, x, "clamp", -largest if low is None else float(low), largest if high is None else float(high)
    )


def add(draft: Draft, a: Any, b: Any, alpha: float = 1) -> Value:
    """Return a + alpha b."""
    return compose.added(draft, operand(a), times(draft, operand(b), alpha))


def sub(draft: Draft, a: Any, b: Any, alpha: float = 1) -> Value:
    """Return a - alpha b."""
    return compose.added(draft, operand(a), times(draft, operand(b), -alpha))


def times(draft: Draft, x: Operand, factor: float) -> Operand:
    """Return a number of times x."""
    return scaled(draft, x, factor) if isinstance(x, Value) else x * np.float32(factor)


def mul(draft: Draft, a: Any, b: Any) -> Value:
    """Return a b."""
    return compose.multiplied(draft, operand(a), operand(b))


def div(draft: Draft, a: Any, b: Any, rounding_mode: Any = None) -> Value:
    """Return a / b."""
    if rounding_mode is not None:
        raise Unsupported(f"it rounds; {ROUNDS}")
    return compose.divided(draft, operand(a), operand(b))


def power(draft: Draft, x: Any, exponent: Any) -> Value:
    """Return x to a power, one of the two constant."""
    if isinstance(x, Value) and not isinstance(exponent, Value) and np.ndim(exponent) == 0:
        return compose.powered(draft, x, float(exponent))
    if isinstance(exponent, Value) and np.all(numbers(x) > 0):
        return mapped(draft, scaled(draft, exponent, np.log(numbers(x))), "exp")
    raise Unsupported("only powers with a constant exponent, or of a constant above zero, can be converted")


def leaky_relu(draft: Draft, x: Value, slope: float = 0.01) -> Value:
    """Return x, and slope x below zero."""
    return mapped(draft, x, "leaky_relu", slope)


def prelu(draft: Draft, x: Value, weight: np.ndarray) -> Value:
    """Return x, and below zero x times a slope for all or for each channel."""
    return parametric(draft, x, weight.reshape(-1, *[1] * (len(x.shape) - 2)))


def parametric(draft: Draft, x: Value, slope: np.ndarray) -> Value:
    """Return relu(x) - slope relu(-x), slopes broadcast to x."""
    if slope.size == 1:
        return leaky_relu(draft, x, float(slope.reshape(-1)[0]))
    below = mapped(draft, scaled(draft, x, -1.0), "relu")
    return compose.added(draft, mapped(draft, x, "relu"), scaled(draft, below, -slope))


def elu(draft: Draft, x: Value, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Value:
    """Return scale x, and scale alpha (e^x - 1) below zero."""
    if input_scale != 1:
        raise Unsupported("its input_scale is not 1")
    return scaled(draft, mapped(draft, x, "elu", alpha), scale)


def selu(draft: Draft, x: Value) -> Value:
    """Return ELU with the numbers that keep mean and variance."""
    return elu(draft, x, 1.6732632423543772, 1.0507009873554805)


def celu(draft: Draft, x: Value, alpha: float = 1.0) -> Value:
    """Return alpha elu(x / alpha)."""
    return scaled(draft, mapped(draft, scaled(draft, x, 1 / alpha), "elu", 1.0), alpha)


def gelu(draft: Draft, x: Value, approximate: str = "none") -> Value:
    """Return x times the normal distribution at x, or its approximation by tanh."""
    return mapped(draft, x, "gelu" if approximate == "none" else "gelu_tanh")


def softplus(draft: Draft, x: Value, beta: float = 1, threshold: float = 20) -> Value:
    """Return log(1 + e^(beta x)) / beta."""
    return scaled(draft, mapped(draft, scaled(draft, x, beta), "softplus"), 1 / beta)


def log_sigmoid(draft: Draft, x: Value) -> Value:
    """Return -log(1 + e^-x)."""
    return scaled(draft, mapped(draft, scaled(draft, x, -1.0), "softplus"), -1.0)


def glu(draft: Draft, x: Value, axis: int = -1) -> Value:
    """Return the first half of an axis times the sigmoid of the second."""
    half = x.shape[axis] // 2
    a, b = (Value(part) for part in np.split(x.places, [half], axis=axis))
    return compose.multiplied(draft, a, mapped(draft, b, "sigmoid"))


def masked_fill(draft: Draft, x: Value, mask: Any, value: Any) -> Value:
    """Return x, and a constant where the mask is set."""
    return where(draft, mask, value, x)


def where(draft: Draft, condition: Any, a: Any, b: Any) -> Value:
    """Return a where the condition holds, else b."""
    if isinstance(condition, Value):
        raise Unsupported("it chooses by a value of the sample; use relu, clamp or a product with sigmoid")
    if isinstance(a, Value) and isinstance(b, Value):
        return Value(np.where(condition, a.places, b.places))
    kept, constant = (a, b) if isinstance(a, Value) else (b, a)
    keep = condition if isinstance(a, Value) else np.logical_not(condition)
    return scaled(
        draft, kept, keep, np.where(keep, np.float32(0), np.maximum(numbers(constant), compose.FAR_BELOW))
    )


def rational(draft: Draft, x: Value, above: Any, below: Any) -> Value:
    """Return a quotient of polynomials; the magnitudes of `below` are meant."""
    if isinstance(above, Value) or isinstance(below, Value):
        raise Unsupported("its coefficients depend on the sample; only trained ones can be converted")
    return mapped(draft, x, "rational", *above.tolist(), *np.abs(below).tolist())


def staircase(draft: Draft, x: Value, threshold: Any, levels: int, low: int) -> Value:
    """Return x rounded to steps of a trained threshold over a number of them."""
    if isinstance(threshold, Value) or np.size(threshold) != 1:
        raise Unsupported(
            "its threshold depends on the sample, or is several; only one number can be converted"
        )
    step = float(numbers(threshold).reshape(()) / np.float32(levels))
    if not 0 < step < np.inf:
        raise Unsupported(f"its threshold is {step * levels:.3g}; train it anew such that it stays above 0")
    return mapped(draft, x, "staircase", step, low, levels)
