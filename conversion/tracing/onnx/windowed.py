"""Operators of ONNX that gather several numbers into one: along axes, or in windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import compose, windowed
from ..compose import Border, Pair, Unsupported, mapped
from ..draft import Draft, Value


@dataclass(frozen=True)
class Windows:
    """Settings of windows and kernels, for both axes of an image."""

    size: Pair
    stride: Pair
    dilation: Pair
    border: Border

    @classmethod
    def of(
        cls, x: Value, kernel: Sequence[int], *, strides: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None, pads: Sequence[int] | None = None, auto_pad: str = "NOTSET",
    ) -> Windows:  # fmt: skip
        """Return them as a graph writes them; of a signal, the axis that it lacks is one high."""
        n = len(kernel)
        if n not in (1, 2) or len(x.shape) != n + 2:
            raise Unsupported(
                f"it has {n} axes; signals (batch, channels, length) and images (batch, channels, height, "
                "width) can be converted"
            )
        strides, dilations = strides or [1] * n, dilations or [1] * n
        spans = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            pads = _same(x.shape[2:], spans, strides, upper=auto_pad == "SAME_UPPER")
        elif auto_pad == "VALID" or not pads:
            pads = [0] * (2 * n)
        border = [(int(a), int(b)) for a, b in zip(pads[:n], pads[n:], strict=True)]
        ones, none = [1] * (2 - n), [(0, 0)] * (2 - n)
        return cls(
            _pair([*ones, *kernel]), _pair([*ones, *strides]), _pair([*ones, *dilations]),
            _border([*none, *border]),
        )  # fmt: skip

    @property
    def span(self) -> Pair:
        """From the first to the last pixel that a window sees."""
        (down, across), (high, wide) = self.dilation, self.size
        return down * (high - 1) + 1, across * (wide - 1) + 1

    def beyond(self, x: Value) -> Border:
        """Return the border with what ceil_mode adds."""
        sizes = (1, x.shape[-1]) if len(x.shape) == 3 else x.shape[2:]
        return windowed.beyond(sizes, self.span, self.stride, self.border)


def _same(sizes: Sequence[int], spans: Sequence[int], strides: Sequence[int], *, upper: bool) -> list[int]:
    """Return the pads that make as many windows as there are strides; the odd one behind, or in front."""
    whole = [
        max((math.ceil(size / step) - 1) * step + span - size, 0)
        for size, span, step in zip(sizes, spans, strides, strict=True)
    ]
    small, large = [n // 2 for n in whole], [n - n // 2 for n in whole]
    return [*small, *large] if upper else [*large, *small]


def _pair(both: Sequence[int]) -> Pair:
    down, across = both
    return int(down), int(across)


def _border(both: Sequence[Pair]) -> Border:
    down, across = both
    return down, across


def max_pool(
    draft: Draft, x: Value, *, kernel_shape: Sequence[int], ceil_mode: int = 0, storage_order: int = 0,
    **settings: Any,
) -> tuple[Value, None]:  # fmt: skip
    """Return the maximum of each window; its place is not known."""
    w = Windows.of(x, kernel_shape, **settings)
    border = w.beyond(x) if ceil_mode else w.border
    return compose.max_pool(draft, x, w.size, w.stride, border, w.dilation), None


def average_pool(
    draft: Draft, x: Value, *, kernel_shape: Sequence[int], ceil_mode: int = 0, count_include_pad: int = 0,
    **settings: Any,
) -> Value:  # fmt: skip
    """Return the mean of each window."""
    w = Windows.of(x, kernel_shape, **settings)
    if w.dilation != (1, 1):
        raise Unsupported("its windows are dilated; use MaxPool, or a convolution")
    border = w.beyond(x) if ceil_mode else w.border
    return windowed.mean_of(draft, x, w.size, w.stride, (w.border, border), bool(count_include_pad))


def _whole(x: Value) -> tuple[Value, Pair]:
    """Return a signal or an image of any number of axes as one, and its height and width."""
    rows = x if len(x.shape) == 4 else x.reshaped(*x.shape[:2], 1, math.prod(x.shape[2:]))
    return rows, (rows.shape[2], rows.shape[3])


def global_average_pool(draft: Draft, x: Value) -> Value:
    """Return the mean of each channel."""
    rows, size = _whole(x)
    return compose.mean_pool(draft, rows, size, size).reshaped(*x.shape[:2], *[1] * (len(x.shape) - 2))


def global_max_pool(draft: Draft, x: Value) -> Value:
    """Return the maximum of each channel."""
    rows, size = _whole(x)
    return compose.max_pool(draft, rows, size, size).reshaped(*x.shape[:2], *[1] * (len(x.shape) - 2))


def softmax(draft: Draft, x: Value, *, axis: int) -> Value:
    """Return e^x over its sum along an axis."""
    return compose.softmax(draft, x, axis)


def log_softmax(draft: Draft, x: Value, *, axis: int) -> Value:
    """Return the logarithm of the softmax."""
    return mapped(draft, compose.softmax(draft, x, axis), "log")


def flat_softmax(draft: Draft, x: Value, *, axis: int) -> Value:
    """Return e^x over its sum along an axis and all that follow."""
    before = x.shape[: axis % len(x.shape)]
    return compose.softmax(draft, x.reshaped(*before, -1), -1).reshaped(*x.shape)


def flat_log_softmax(draft: Draft, x: Value, *, axis: int) -> Value:
    """Return the logarithm of the flat softmax."""
    return mapped(draft, flat_softmax(draft, x, axis=axis), "log")


def reduced(name: str, *order: float) -> Callable[..., Value]:
    """Return the handler of a reduction: axes are an input, or an attribute in earlier opsets."""
    reduction = getattr(windowed, name)

    def handler(
        draft: Draft, x: Value, given: Any = None, *, axes: Sequence[int] | None = None, keepdims: int = 1,
        noop_with_empty_axes: int = 0,
    ) -> Value:  # fmt: skip
        if isinstance(given, Value):
            raise Unsupported("its axes depend on the sample")
        over = tuple(int(axis) for axis in (axes or () if given is None else given))
        if not over and noop_with_empty_axes:
            raise Unsupported("it reduces no axis; leave it out")
        made: Value = reduction(draft, x, *order, over, bool(keepdims))
        return made

    return handler


def cumsum(draft: Draft, x: Value, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Value:
    """Return the sum of all up to each place, or from it."""
    if isinstance(axis, Value) or exclusive:
        raise Unsupported("it is exclusive, or its axis depends on the sample")
    along = int(axis)
    flipped = Value(np.flip(x.places, along)) if reverse else x
    made = windowed.cumsum(draft, flipped, along)
    return Value(np.flip(made.places, along)) if reverse else made
