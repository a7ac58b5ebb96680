"""Operators of torch that gather several numbers into one: along axes, or in windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import compose
from .compose import Border, Pair, Unsupported, mapped, scaled
from .draft import Draft, Value
from .settings import border_of, plane


def softmax(draft: Draft, x: Value, axis: int, *_: Any) -> Value:
    """Return e^x over its sum along an axis."""
    return compose.softmax(draft, x, axis)


def top_k(draft: Draft, x: Value, k: int) -> Value:
    """Return the k largest numbers along the last axis that are above zero, and zero for all others."""
    return draft.add("top_k", [x], x.shape, width=x.shape[-1], k=k)


def log_softmax(draft: Draft, x: Value, axis: int, *_: Any) -> Value:
    """Return the logarithm of the softmax."""
    return mapped(draft, compose.softmax(draft, x, axis), "log")


def log_sum_exp(draft: Draft, x: Value, over: Any, keepdim: bool = False) -> Value:
    """Return log(sum e^x)."""
    powers = compose.total(draft, mapped(draft, x, "exp"), axes(over), keepdim)
    return mapped(draft, powers, "log")


def axes(axes: Any) -> Sequence[int]:
    """Return one axis or several, or none, as a sequence."""
    return () if axes is None else ((axes,) if isinstance(axes, int) else tuple(axes))


def mean(draft: Draft, x: Value, over: Any = None, keepdim: bool = False, dtype: Any = None) -> Value:
    """Return the mean over axes."""
    return compose.mean(draft, x, axes(over), keepdim)


def sum_over(draft: Draft, x: Value, over: Any = None, keepdim: bool = False, dtype: Any = None) -> Value:
    """Return the sum over axes."""
    return compose.total(draft, x, axes(over), keepdim)


def amax(draft: Draft, x: Value, over: Any = None, keepdim: bool = False) -> Value:
    """Return the maximum over axes."""
    return compose.largest(draft, x, axes(over), keepdim)


def amin(draft: Draft, x: Value, over: Any = None, keepdim: bool = False) -> Value:
    """Return the minimum over axes."""
    return scaled(draft, compose.largest(draft, scaled(draft, x, -1.0), axes(over), keepdim), -1.0)


def max_over(draft: Draft, x: Value, axis: Any = None, keepdim: bool = False) -> Any:
    """Return the maximum of two, of all, or over an axis (without its places)."""
    if isinstance(axis, (Value, np.ndarray)):
        return compose.larger(draft, x, axis)
    made = amax(draft, x, axis, keepdim)
    return made if axis is None else (made, None)


def min_over(draft: Draft, x: Value, axis: Any = None, keepdim: bool = False) -> Any:
    """Return the minimum of two, of all, or over an axis (without its places)."""
    if isinstance(axis, (Value, np.ndarray)):
        return compose.smaller(draft, x, axis)
    made = amin(draft, x, axis, keepdim)
    return made if axis is None else (made, None)


def variance(
    draft: Draft, x: Value, over: Any = None, unbiased: bool = True, keepdim: bool = False,
    *, correction: float | None = None,
) -> Value:  # fmt: skip
    """Return the variance over axes."""
    if isinstance(over, bool):
        over, unbiased = None, over
    less = float(unbiased) if correction is None else correction
    return compose.variance(draft, x, axes(over), keepdim, less)


def deviation(draft: Draft, *args: Any, **kwargs: Any) -> Value:
    """Return the standard deviation over axes."""
    return mapped(draft, variance(draft, *args, **kwargs), "sqrt")


def norm(
    draft: Draft, x: Value, order: float = 2, over: Any = None, keepdim: bool = False, dtype: Any = None
) -> Value:
    """Return the sum of magnitudes, or the root of the sum of squares, over axes."""
    if order == 1:
        return compose.total(draft, mapped(draft, x, "abs"), axes(over), keepdim)
    if order != 2:
        raise Unsupported(f"its order is {order}; 1 and 2 can be converted")
    return mapped(draft, compose.total(draft, mapped(draft, x, "square"), axes(over), keepdim), "sqrt")


def cumsum(draft: Draft, x: Value, axis: int, dtype: Any = None) -> Value:
    """Return the sum of all up to each place."""
    rows = x.moved(axis, -1)
    n = rows.shape[-1]
    return compose.linear(draft, rows, np.tril(np.ones((n, n)))).moved(-1, axis)


def beyond(sizes: Sequence[int], spans: Pair, stride: Pair, border: Border) -> Border:
    """Return the border with what ceil_mode adds behind: windows that begin in the image or its border."""
    made = []
    for size, span, step, (before, behind) in zip(sizes, spans, stride, border, strict=True):
        count = -(-(size + before + behind - span) // step) + 1
        if (count - 1) * step >= size + before:
            count -= 1
        made.append((before, max(behind, (count - 1) * step + span - size - before)))
    return made[0], made[1]


def max_pool(
    draft: Draft,
    x: Value,
    size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Value:
    """Return the maximum of each window."""
    ndim = len(x.shape)
    window, steps = plane(size, ndim, 1), plane(dilation, ndim, 1)
    jump, border = plane(stride, ndim, 1, size), border_of(padding, ndim)
    if ceil_mode:
        spans = (steps[0] * (window[0] - 1) + 1, steps[1] * (window[1] - 1) + 1)
        border = beyond((1, x.shape[-1]) if ndim == 3 else x.shape[2:], spans, jump, border)
    return compose.max_pool(draft, x, window, jump, border, steps)


def max_pool_with_places(draft: Draft, *args: Any, **kwargs: Any) -> tuple[Value, None]:
    """Return the maximum of each window; its place is not known."""
    return max_pool(draft, *args, **kwargs), None


def avg_pool(
    draft: Draft, x: Value, size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_padding: bool = True, divisor: Any = None,
) -> Value:  # fmt: skip
    """Return the mean of each window."""
    ndim = len(x.shape)
    window, jump, border = plane(size, ndim, 1), plane(stride, ndim, 1, size), border_of(padding, ndim)
    wider = border
    if ceil_mode:
        wider = beyond((1, x.shape[-1]) if ndim == 3 else x.shape[2:], window, jump, border)
    made = mean_of(draft, x, window, jump, (border, wider), count_padding)
    return made if divisor is None else scaled(draft, made, window[0] * window[1] / divisor)


def mean_of(
    draft: Draft, x: Value, window: Pair, jump: Pair, borders: tuple[Border, Border], count_padding: bool
) -> Value:
    """Return the mean of each window; borders: what the author asks for, and with what ceil_mode adds."""
    border, wider = borders
    if count_padding and wider != border:
        raise Unsupported("ceil_mode counts a part of the border here; use count_include_pad=False")
    return compose.mean_pool(draft, x, window, jump, wider, count_padding)


def adaptive_avg_pool(draft: Draft, x: Value, size: Any) -> Value:
    """Return the means of as many windows as asked."""
    ndim = len(x.shape)
    sizes = (1, x.shape[-1]) if ndim == 3 else x.shape[-2:]
    into = plane(size, ndim, 1)
    if all(n % k == 0 for n, k in zip(sizes, into, strict=True)):
        window = (sizes[0] // into[0], sizes[1] // into[1])
        return compose.mean_pool(draft, x, window, window)
    down, across = (_bins(n, k) for n, k in zip(sizes, into, strict=True))
    weight = np.kron(down, across)
    rows = x.reshaped(*x.shape[:2], math.prod(sizes))
    made = compose.linear(draft, rows, weight)
    return made if ndim == 3 else made.reshaped(*x.shape[:2], *into)


def _bins(n: int, k: int) -> np.ndarray:
    """Return the matrix of means of torch's k adaptive bins over n values."""
    weight = np.zeros((k, n), np.float32)
    for i in range(k):
        first, end = i * n // k, -(-(i + 1) * n // k)
        weight[i, first:end] = 1 / (end - first)
    return weight


def adaptive_max_pool(draft: Draft, x: Value, size: Any) -> tuple[Value, None]:
    """Return the maxima of as many windows as asked; their places are not known."""
    ndim = len(x.shape)
    sizes = (1, x.shape[-1]) if ndim == 3 else x.shape[-2:]
    into = plane(size, ndim, 1)
    if any(n % k for n, k in zip(sizes, into, strict=True)):
        raise Unsupported(f"{sizes} does not divide into {into} equal windows; choose a size that does")
    window = (sizes[0] // into[0], sizes[1] // into[1])
    return compose.max_pool(draft, x, window, window), None


def pad(draft: Draft, x: Value, pads: Sequence[int], value: float = 0) -> Value:
    """Return x with a border of a constant."""
    around = [(0, 0)] * len(x.shape)
    for i in range(len(pads) // 2):
        around[len(x.shape) - 1 - i] = (int(pads[2 * i]), int(pads[2 * i + 1]))
    inner = tuple(
        slice(max(0, -low), size - max(0, -high)) for (low, high), size in zip(around, x.shape, strict=True)
    )
    outer = [(max(0, low), max(0, high)) for low, high in around]
    places = np.pad(x.places[inner], outer)
    if not value:
        return Value(places)
    filled = draft.constant(np.full(1, value, np.float32)).places[0]
    return Value(np.pad(x.places[inner], outer, constant_values=filled))
