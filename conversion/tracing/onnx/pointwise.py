"""Operators of ONNX that compute one number of one, or of several."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from .. import compose, pointwise
from ..compose import Operand, Unsupported, mapped, scaled
from ..draft import Draft, Value
from ..pointwise import numbers, operand


def power(draft: Draft, x: Any, exponent: Any) -> Value:
    """Return x to a power, one of the two constant."""
    if isinstance(exponent, np.ndarray) and exponent.size == 1:
        return pointwise.power(draft, x, exponent.reshape(()))
    return pointwise.power(draft, x, exponent)


def several(join: Callable[[Draft, Operand, Operand], Value]) -> Callable[..., Value]:
    """Return the handler that joins any number of inputs, two by two."""

    def handler(draft: Draft, *inputs: Any) -> Value:
        first, *rest = sorted(map(operand, inputs), key=lambda x: not isinstance(x, Value))
        assert isinstance(first, Value)
        return reduce(lambda a, b: join(draft, a, b), rest, first)

    return handler


def mean(draft: Draft, *inputs: Any) -> Value:
    """Return the mean of several."""
    return scaled(draft, several(compose.added)(draft, *inputs), 1 / len(inputs))


def where(draft: Draft, condition: Any, a: Any, b: Any) -> Value:
    """Return a where a constant condition holds, else b."""
    if isinstance(a, Value) and isinstance(b, Value) and isinstance(condition, np.ndarray):
        shape = np.broadcast_shapes(condition.shape, a.shape, b.shape)
        a, b = a.expanded(shape), b.expanded(shape)
    return pointwise.where(draft, condition, a, b)


def clip(
    draft: Draft, x: Value, low: Any = None, high: Any = None, *, min: float | None = None,
    max: float | None = None,
) -> Value:  # fmt: skip
    """Return the nearest number within bounds: inputs, or attributes before opset 11."""
    bounds = [given if given is not None else early for given, early in ((low, min), (high, max))]
    if any(isinstance(one, Value) for one in bounds):
        raise Unsupported("its bounds depend on the sample; use Max and Min")
    far = float(np.finfo(np.float32).max)
    first, last = (None if one is None or abs(float(one)) >= far else float(one) for one in bounds)
    return x if first is None and last is None else pointwise.clamp(draft, x, first, last)


def prelu(draft: Draft, x: Value, slope: Any) -> Value:
    """Return x, and slope x below zero, slopes broadcast to x."""
    if isinstance(slope, Value):
        raise Unsupported("its slope depends on the sample; only trained ones can be converted")
    return pointwise.parametric(draft, x, slope)


def selu(draft: Draft, x: Value, *, alpha: float, gamma: float) -> Value:
    """Return gamma times ELU."""
    return pointwise.elu(draft, x, alpha, gamma)


def celu(draft: Draft, x: Value, *, alpha: float) -> Value:
    """Return alpha elu(x / alpha)."""
    return pointwise.celu(draft, x, alpha)


def gelu(draft: Draft, x: Value, *, approximate: str) -> Value:
    """Return x times the normal distribution at x, or its approximation by tanh."""
    return pointwise.gelu(draft, x, approximate)


def swish(draft: Draft, x: Value, *, alpha: float) -> Value:
    """Return x / (1 + e^(-alpha x))."""
    if alpha == 1:
        return mapped(draft, x, "silu")
    return scaled(draft, mapped(draft, scaled(draft, x, alpha), "silu"), 1 / alpha)


def hard_sigmoid(draft: Draft, x: Value, *, alpha: float, beta: float) -> Value:
    """Return alpha x + beta, from 0 to 1."""
    if beta == 0.5 and np.float32(alpha) == np.float32(1 / 6):
        return mapped(draft, x, "hard_sigmoid")
    return mapped(draft, scaled(draft, x, alpha, beta), "clamp", 0.0, 1.0)


def softsign(draft: Draft, x: Value) -> Value:
    """Return x / (1 + |x|)."""
    return compose.divided(draft, x, scaled(draft, mapped(draft, x, "abs"), 1.0, numbers(1.0)))
