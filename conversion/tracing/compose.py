"""The operations of a graph for values of any shape: broadcast, along any axis, with constants or without.

What reads a file or a traced module says what it found in these words. Operands are `Value`s, which depend on
the sample, or arrays, which do not; at least one of them is a `Value`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .draft import Draft, Value

Operand = Value | np.ndarray

#: What stands for minus infinity in masks: its exponential is zero too, and it stays finite in sums.
FAR_BELOW = -1e30


class Unsupported(Exception):
    """An operation has no counterpart; the message says what to use instead."""


def mapped(draft: Draft, x: Value, function: str, *parameters: float) -> Value:
    """Return f(x) for one of `neurons/scalars.py`."""
    numbers = tuple(float(p) for p in parameters)
    return draft.add("map", [x], x.shape, function=function, parameters=numbers)


def scaled(draft: Draft, x: Value, gain: Any = 1.0, shift: Any = 0.0) -> Value:
    """Return gain x + shift, broadcast."""
    gain, shift = np.asarray(gain, np.float32), np.asarray(shift, np.float32)
    shape = np.broadcast_shapes(x.shape, gain.shape, shift.shape)
    wide = x.expanded(shape)
    if np.all(gain == 1) and not shift.any():
        return wide
    gain, shift = (np.broadcast_to(array, shape).reshape(-1) for array in (gain, shift))
    return draft.add("scale", [wide], shape, {"gain": gain, "shift": np.maximum(shift, FAR_BELOW)})


def added(draft: Draft, a: Operand, b: Operand) -> Value:
    """Return a + b."""
    if not isinstance(a, Value):
        a, b = b, a
    assert isinstance(a, Value)
    if not isinstance(b, Value):
        return scaled(draft, a, shift=b)
    shape = np.broadcast_shapes(a.shape, b.shape)
    return draft.add("add", [a.expanded(shape), b.expanded(shape)], shape)


def multiplied(draft: Draft, a: Operand, b: Operand) -> Value:
    """Return a b."""
    if not isinstance(a, Value):
        a, b = b, a
    assert isinstance(a, Value)
    if not isinstance(b, Value):
        return scaled(draft, a, gain=b)
    shape = np.broadcast_shapes(a.shape, b.shape)
    a, b = a.expanded(shape), b.expanded(shape)
    if np.array_equal(a.places, b.places):
        return mapped(draft, a, "square")
    return draft.add("product", [a, b], shape)


def negated(draft: Draft, x: Operand) -> Operand:
    """Return -x."""
    return scaled(draft, x, -1.0) if isinstance(x, Value) else -x


def divided(draft: Draft, a: Operand, b: Operand) -> Value:
    """Return a / b."""
    if not isinstance(b, Value):
        return multiplied(draft, a, 1.0 / np.asarray(b, np.float32))
    return multiplied(draft, a, mapped(draft, b, "reciprocal"))


def powered(draft: Draft, x: Value, exponent: float) -> Value:
    """Return x^exponent."""
    named = {2.0: "square", 0.5: "sqrt", -0.5: "rsqrt", -1.0: "reciprocal"}
    if exponent in named:
        return mapped(draft, x, named[exponent])
    if exponent == 1:
        return x
    if exponent in range(3, 9):
        half = powered(draft, x, exponent // 2)
        whole = multiplied(draft, half, half)
        return multiplied(draft, whole, x) if exponent % 2 else whole
    # Numbers above zero, as the author must have meant: others have no such power.
    return mapped(draft, scaled(draft, mapped(draft, x, "log"), exponent), "exp")


def larger(draft: Draft, a: Operand, b: Operand) -> Value:
    """Return max(a, b), as a + relu(b - a)."""
    if not isinstance(a, Value):
        a, b = b, a
    difference = added(draft, b, negated(draft, a))
    return added(draft, a, mapped(draft, difference, "relu"))


def smaller(draft: Draft, a: Operand, b: Operand) -> Value:
    """Return min(a, b)."""
    return scaled(draft, larger(draft, negated(draft, a), negated(draft, b)), -1.0)


def linear(draft: Draft, x: Value, weight: np.ndarray, bias: np.ndarray | None = None) -> Value:
    """Return weight x + bias along the last axis of x."""
    if bias is None:
        bias = np.zeros(len(weight), np.float32)
    return draft.add("linear", [x], (*x.shape[:-1], len(weight)), {"weight": weight, "bias": bias})


def matmul(draft: Draft, a: Operand, b: Operand) -> Value:
    """Return the matrix product, with the rules of `numpy.matmul` for stacks and vectors."""
    if len(a.shape) == 1:
        return _without(
            matmul(draft, a.reshape(1, -1) if isinstance(a, np.ndarray) else a.reshaped(1, -1), b), -2
        )
    if len(b.shape) == 1:
        return _without(
            matmul(draft, a, b.reshape(-1, 1) if isinstance(b, np.ndarray) else b.reshaped(-1, 1)), -1
        )
    if isinstance(a, Value) and isinstance(b, Value):
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        (m, k), n = a.shape[-2:], b.shape[-1]
        pair = [a.expanded((*stack, m, k)), b.expanded((*stack, k, n))]
        return draft.add("matmul", pair, (*stack, m, n), batch=math.prod(stack), m=m, k=k, n=n)
    if isinstance(b, Value):
        assert isinstance(a, np.ndarray)
        return matmul(draft, b.moved(-1, -2), np.swapaxes(a, -1, -2)).moved(-1, -2)
    assert isinstance(a, Value)
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if math.prod(b.shape[:-2]) == 1:
        return linear(draft, a.expanded((*stack, *a.shape[-2:])), b.reshape(b.shape[-2:]).T)
    a, b = a.expanded((*stack, *a.shape[-2:])), np.broadcast_to(b, (*stack, *b.shape[-2:]))
    made = [linear(draft, Value(a.places[at]), b[at].T).places for at in np.ndindex(stack)]
    return Value(np.stack(made).reshape(*stack, a.shape[-2], b.shape[-1]))


def _without(x: Value, axis: int) -> Value:
    return Value(np.squeeze(x.places, axis))


def rows_last(x: Value, axes: Sequence[int]) -> tuple[Value, tuple[int, ...]]:
    """Return x with axes moved to the end and joined, and which they are."""
    axes = tuple(sorted(axis % len(x.shape) for axis in axes))
    moved = x.moved(axes, range(len(x.shape) - len(axes), len(x.shape)))
    return moved.reshaped(*moved.shape[: len(x.shape) - len(axes)], -1), axes


def _reduced(x: Value, axes: Sequence[int], keepdims: bool, reduce: Callable[[Value], Value]) -> Value:
    """Return what `reduce` makes of rows, (..., width) -> (..., 1), in place of axes."""
    rows, axes = rows_last(x, axes if len(axes) else range(len(x.shape)))
    kept = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    shape = kept if keepdims else [size for axis, size in enumerate(x.shape) if axis not in axes]
    return reduce(rows).reshaped(*shape)


def mean(draft: Draft, x: Value, axes: Sequence[int], keepdims: bool = False) -> Value:
    """Return the mean over axes (all where there is none)."""
    return _reduced(
        x, axes, keepdims, lambda rows: linear(draft, rows, np.full((1, rows.shape[-1]), 1 / rows.shape[-1]))
    )


def total(draft: Draft, x: Value, axes: Sequence[int], keepdims: bool = False) -> Value:
    """Return the sum over axes (all where there is none)."""
    return _reduced(x, axes, keepdims, lambda rows: linear(draft, rows, np.ones((1, rows.shape[-1]))))


def largest(draft: Draft, x: Value, axes: Sequence[int], keepdims: bool = False) -> Value:
    """Return the maximum over axes (all where there is none)."""

    def pooled(rows: Value) -> Value:
        count, width = math.prod(rows.shape[:-1]), rows.shape[-1]
        shape = (1, 1, count, width)
        return max_pool(draft, rows.reshaped(*shape), (1, width), (1, width)).reshaped(*rows.shape[:-1], 1)

    return _reduced(x, axes, keepdims, pooled)


def variance(
    draft: Draft, x: Value, axes: Sequence[int], keepdims: bool = False, correction: float = 1
) -> Value:
    """Return the variance over axes, as the mean square of what lies off the mean."""
    off = added(draft, x, scaled(draft, mean(draft, x, axes, True), -1.0))
    n = math.prod(x.shape[axis] for axis in axes) if len(axes) else math.prod(x.shape)
    return scaled(draft, mean(draft, mapped(draft, off, "square"), axes, keepdims), n / (n - correction))


def softmax(draft: Draft, x: Value, axis: int) -> Value:
    """Return e^x over its sum along an axis."""
    rows = x.moved(axis, -1)
    return draft.add("softmax", [rows], rows.shape, width=rows.shape[-1]).moved(-1, axis)


def normalised(draft: Draft, x: Value, eps: float, centred: bool = True) -> Value:
    """Return rows along the last axis without their mean, over their root mean square."""
    return draft.add("normalise", [x], x.shape, width=x.shape[-1], eps=float(eps), centred=centred)


def group_norm(
    draft: Draft, x: Value, groups: int, gain: np.ndarray | None, shift: np.ndarray | None, eps: float
) -> Value:
    """Return (batch, channels, ...) normalised in groups of channels, times and plus a number a channel."""
    rows = normalised(draft, x.reshaped(x.shape[0], groups, -1), eps).reshaped(*x.shape)
    return by_channel(draft, rows, gain, shift)


def by_channel(draft: Draft, x: Value, gain: np.ndarray | None, shift: np.ndarray | None) -> Value:
    """Return gain x + shift, with a number for each channel of (batch, channels, ...)."""
    shape = (-1, *[1] * (len(x.shape) - 2))
    return scaled(
        draft,
        x,
        1.0 if gain is None else gain.reshape(shape),
        0.0 if shift is None else shift.reshape(shape),
    )


Pair = tuple[int, int]
Border = tuple[Pair, Pair]
NO_BORDER: Border = ((0, 0), (0, 0))


def _as_image(x: Value) -> tuple[Value, tuple[int, int, int]]:
    """Return a signal or image with a batch of one as an image, and its channels, height and width."""
    if len(x.shape) == 3:
        x = x.reshaped(x.shape[0], x.shape[1], 1, x.shape[2])
    if len(x.shape) != 4 or x.shape[0] != 1:
        raise Unsupported(
            f"its input has shape {x.shape}; signals (batch, channels, length) and images (batch, channels, "
            "height, width) can be converted"
        )
    return x, (x.shape[1], x.shape[2], x.shape[3])


def _windows(image: Sequence[int], span: Sequence[int], stride: Pair, padding: Border) -> Pair:
    """Return how many windows fit, from top to bottom and from left to right."""
    down, across = (
        (size + sum(border) - extent) // step + 1
        for size, border, extent, step in zip(image[1:], padding, span, stride, strict=True)
    )
    return down, across


def conv(
    draft: Draft, x: Value, weight: np.ndarray, bias: np.ndarray | None, *, stride: Pair, padding: Border,
    dilation: Pair, groups: int,
) -> Value:  # fmt: skip
    """Return the cross-correlation of an image, or of a signal with a weight of three axes."""
    flat = len(x.shape) == 3
    x, image = _as_image(x)
    weight = weight[:, :, None] if weight.ndim == 3 else weight
    span = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
    shape = (1, len(weight), *_windows(image, span, stride, padding))
    values = {"weight": weight, "bias": np.zeros(len(weight)) if bias is None else bias}
    made = draft.add(
        "conv", [x], shape, values, image=image, stride=stride, padding=padding, dilation=dilation,
        groups=groups,
    )  # fmt: skip
    return made.reshaped(1, shape[1], shape[3]) if flat else made


def conv_transpose(
    draft: Draft, x: Value, weight: np.ndarray, bias: np.ndarray | None, *, stride: Pair, padding: Border,
    output_padding: Pair, dilation: Pair, groups: int,
) -> Value:  # fmt: skip
    """Return the transposed convolution of an image, or of a signal with a weight of three axes."""
    flat = len(x.shape) == 3
    x, image = _as_image(x)
    weight = weight[:, :, None] if weight.ndim == 3 else weight
    sizes = [
        (size - 1) * s - sum(p) + d * (k - 1) + o + 1
        for size, s, p, d, k, o in zip(
            image[1:], stride, padding, dilation, weight.shape[2:], output_padding, strict=True
        )
    ]
    shape = (1, weight.shape[1] * groups, *sizes)
    values = {"weight": weight, "bias": np.zeros(shape[1]) if bias is None else bias}
    made = draft.add(
        "conv_transpose", [x], shape, values, image=image, stride=stride, padding=padding,
        output_padding=output_padding, dilation=dilation, groups=groups,
    )  # fmt: skip
    return made.reshaped(1, shape[1], shape[3]) if flat else made


def max_pool(
    draft: Draft, x: Value, size: Pair, stride: Pair, padding: Border = NO_BORDER, dilation: Pair = (1, 1)
) -> Value:
    """Return the maximum of each window."""
    flat = len(x.shape) == 3
    x, image = _as_image(x)
    span = [d * (k - 1) + 1 for d, k in zip(dilation, size, strict=True)]
    shape = (1, image[0], *_windows(image, span, stride, padding))
    made = draft.add(
        "max_pool", [x], shape, image=image, size=size, stride=stride, padding=padding, dilation=dilation
    )
    return made.reshaped(1, shape[1], shape[3]) if flat else made


def mean_pool(
    draft: Draft, x: Value, size: Pair, stride: Pair, padding: Border = NO_BORDER, count_padding: bool = False
) -> Value:
    """Return the mean of each window."""
    flat = len(x.shape) == 3
    x, image = _as_image(x)
    shape = (1, image[0], *_windows(image, size, stride, padding))
    counted = count_padding or padding == NO_BORDER
    made = draft.add(
        "mean_pool", [x], shape, image=image, size=size, stride=stride, padding=padding, count_padding=counted
    )
    return made.reshaped(1, shape[1], shape[3]) if flat else made


def probed(draft: Draft, x: Value, spatial: int, f: Callable[[np.ndarray], np.ndarray]) -> Value:
    """Return a linear map of the last `spatial` axes, the same for all before them, found by asking it.

    Parameters
    ----------
    draft
        Where to.
    x
        Of shape (batch, channels, ...).
    spatial
        How many axes it maps.
    f : function
        The map, for arrays (n, 1, ...).
    """
    before, sizes = x.shape[: len(x.shape) - spatial], x.shape[len(x.shape) - spatial :]
    n = math.prod(sizes)
    found = np.asarray(f(np.eye(n, dtype=np.float32).reshape(n, 1, *sizes)))
    made = linear(draft, x.reshaped(*before, n), found.reshape(n, -1).T)
    return made.reshaped(*before, *found.shape[2:])
