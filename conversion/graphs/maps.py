"""What the linear operations of a graph compute, for a batch of flat vectors.

The same functions serve a network's values and whole numbers: sums of whole numbers are exact in single
precision as long as they stay below 2^24, whatever their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Values = Mapping[str, np.ndarray]
Options = Mapping[str, Any]


def apply(op: str, values: Values, options: Options, x: np.ndarray) -> np.ndarray:
    """Return a linear operation of every row of x, without its bias, in the precision of x.

    Parameters
    ----------
    op : str
        "linear", "conv", "conv_transpose", "mean_pool" or "wire" (x as it is, or times its `weight`).
    values, options : mapping
        As in `graph.OPERATIONS`.
    x : array (batch, n)
        Flat vectors.

    Returns
    -------
    array (batch, n_out)

    Examples
    --------
    >>> x = np.arange(4, dtype=np.float32).reshape(1, 4)
    >>> apply("linear", {"weight": np.ones((1, 2))}, {}, x)
    array([[1., 5.]], dtype=float32)
    """
    return LINEAR[op](values, options, x)


def _wire(values: Values, options: Options, x: np.ndarray) -> np.ndarray:
    return x * values["weight"].astype(x.dtype) if "weight" in values else x


def _linear(values: Values, options: Options, x: np.ndarray) -> np.ndarray:
    weight = values["weight"].astype(x.dtype, copy=False)
    rows = x.reshape(-1, weight.shape[1])
    return np.asarray(rows @ weight.T).reshape(len(x), -1)


def _conv(values: Values, options: Options, x: np.ndarray) -> np.ndarray:
    weight, groups = values["weight"].astype(x.dtype, copy=False), options["groups"]
    views = windows(x, options, weight.shape[2:], options["dilation"])
    batch, channels, height, width, kh, kw = views.shape
    columns = views.transpose(1, 4, 5, 0, 2, 3).reshape(groups, channels // groups * kh * kw, -1)
    sums = weight.reshape(groups, len(weight) // groups, -1) @ columns
    by_sample = sums.reshape(len(weight), batch, height * width).transpose(1, 0, 2)
    return np.ascontiguousarray(by_sample).reshape(batch, -1)


def _mean_pool(values: Values, options: Options, x: np.ndarray) -> np.ndarray:
    size = tuple(options["size"])
    sums = windows(x, options, size, (1, 1)).sum(axis=(4, 5), dtype=x.dtype)
    if options["count_padding"]:
        return np.asarray(sums / x.dtype.type(size[0] * size[1])).reshape(len(x), -1)
    ones = np.ones((1, x.shape[1]), x.dtype)
    held = windows(ones, options, size, (1, 1)).sum(axis=(4, 5), dtype=x.dtype)
    return np.asarray(sums / held).reshape(len(x), -1)


def _conv_transpose(values: Values, options: Options, x: np.ndarray) -> np.ndarray:
    weight, groups = values["weight"].astype(x.dtype, copy=False), options["groups"]
    (c_in, height, width), (c_out, kh, kw) = options["image"], weight.shape[1:]
    kernels = weight.reshape(groups, c_in // groups, c_out * kh * kw).transpose(0, 2, 1)
    pixels = x.reshape(len(x), groups, c_in // groups, height * width)
    stamps = (kernels @ pixels).reshape(len(x), groups * c_out, kh, kw, height, width)
    (sh, sw), (dh, dw), (oh, ow) = options["stride"], options["dilation"], options["output_padding"]
    full = ((height - 1) * sh + dh * (kh - 1) + 1 + oh, (width - 1) * sw + dw * (kw - 1) + 1 + ow)
    image = np.zeros((len(x), groups * c_out, *full), x.dtype)
    for i in range(kh):
        for j in range(kw):
            reached = (slice(i * dh, i * dh + height * sh, sh), slice(j * dw, j * dw + width * sw, sw))
            image[:, :, reached[0], reached[1]] += stamps[:, :, i, j]
    (top, bottom), (left, right) = options["padding"]
    return image[:, :, top : full[0] - bottom, left : full[1] - right].reshape(len(x), -1)


def windows(
    x: np.ndarray, options: Options, size: tuple[int, ...], dilation: tuple[int, int], outside: float = 0
) -> np.ndarray:
    """Return what each window of an image sees, [batch, channels, height, width, size]; `outside` around it.

    Examples
    --------
    >>> options = {"image": (1, 2, 2), "padding": ((0, 1), (0, 0)), "stride": (1, 1)}
    >>> windows(np.arange(4).reshape(1, 4), options, (2, 1), (1, 1), outside=-1)[0, 0, :, 0, :, 0]
    array([[ 0,  2],
           [ 2, -1]])
    """
    image = x.reshape(len(x), *options["image"])
    padded = np.pad(image, ((0, 0), (0, 0), *options["padding"]), constant_values=outside)
    span = tuple(d * (k - 1) + 1 for d, k in zip(dilation, size, strict=True))
    (sh, sw), (dh, dw) = options["stride"], dilation
    return np.asarray(sliding_window_view(padded, span, axis=(2, 3))[:, :, ::sh, ::sw, ::dh, ::dw])


LINEAR: Mapping[str, Callable[[Values, Options, np.ndarray], np.ndarray]] = {
    "wire": _wire,
    "linear": _linear,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "mean_pool": _mean_pool,
}
