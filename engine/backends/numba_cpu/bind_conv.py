"""Binding convolutions and pooling: tables, scratch, and how many events are delivered in which way."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import layout
from . import deliver_conv as conv
from .image_rows import PIXELS, TILE_BYTES
from .kernel import Kernel, compile_kernel
from .memory import copied, zeros

#: Share of a source's neurons that must fire in a step for all inputs to be evaluated. On one core with
#: AVX-512 the layers of the benchmark cross at 49, 49 and 56 %; where payloads are not all 1, so that each
#: takes a product and a sum, at 50 to 60 %; with integer sums at 55 to 66 %.
BUSY_SHARE = 0.5
#: Events a pixel of the source that must be sent in a step for them to be gathered by windows of the target;
#: with fewer, most windows are empty. The layers of the benchmark cross at 0.1 to 0.2.
EVENTS_A_PIXEL = 0.2


def store_conv(kernel: layout.Kernel) -> dict[str, Any]:
    """Return a kernel as it is stored for all parts and trials, twice if inputs may be evaluated as a whole.

    They may not where the channels of a group fill no vector, as in pooling, nor where a weight is not
    finite, since 0 times it would not be 0. Stride, padding, dilation and groups may be any.
    """
    weights, size = kernel.weights, kernel.weights.itemsize
    c_in, kh, kw, out_group = weights.shape
    stored = {"kernel": kernel, "weights": copied(weights.transpose(1, 2, 0, 3), weights.dtype)}
    if out_group * size < TILE_BYTES or not np.isfinite(weights).all():
        return stored
    lanes = TILE_BYTES // size
    tiles, in_group = -(-out_group // lanes), c_in // kernel.groups
    panels = zeros(tiles * lanes * weights.size // out_group, weights.dtype)
    panels = panels.reshape(kernel.groups, tiles, kh, kw, in_group, lanes)
    rows = weights.reshape(kernel.groups, in_group, kh, kw, out_group).transpose(0, 2, 3, 1, 4)
    for k in range(tiles):
        mine = rows[..., k * lanes : (k + 1) * lanes]
        panels[:, k, ..., : mine.shape[-1]] = mine
    return stored | {"panels": panels, "busy": int(np.ceil(BUSY_SHARE * np.prod(kernel.image)))}


def describe_conv(stored: dict[str, Any]) -> str:
    """Say in words how a kernel lies in memory."""
    weights = stored["weights"]
    text = f"a kernel of {weights.size:,} weights of {weights.itemsize} bytes, without indices"
    if "busy" not in stored:
        return text
    return f"{text}; in tiles of {TILE_BYTES} bytes too, for steps of {stored['busy']:,} events or more"


def compile_conv(stored: dict[str, Any], real: str, options: dict[str, Any]) -> Kernel:
    """Return the compiled kernel for a convolution as it is stored."""
    kernel = stored["kernel"]
    if kernel.groups == kernel.image[2] == kernel.out[2]:
        return compile_kernel(conv.scatter_apart, real=real, **options)
    if _only_scattered(stored):
        return compile_kernel(conv.scatter_conv, real=real, **options)
    return compile_kernel(
        conv.deliver_conv, conv.scatter_conv, conv._count_before, conv._gather, conv._draw, conv._evaluate,
        conv._add_tile, conv._copy_sums, real=real, PIXELS=PIXELS, **options,
    )  # fmt: skip


def _only_scattered(stored: dict[str, Any]) -> bool:
    return stored["kernel"].groups > 1 and "panels" not in stored


def conv_arguments(
    stored: dict[str, Any], low: int, high: int, cells: np.ndarray, payload: np.ndarray
) -> dict[str, Any]:
    """Return the arguments that lead through a stored kernel to the places [low, high) of the target.

    Scratch has the types of `cells` and `payload`.
    """
    kernel = stored["kernel"]
    (height, width, c_in), (_, out_width, c_out) = kernel.image, kernel.out
    kh, kw, out_group = kernel.weights.shape[1:]
    geometry = [
        width, c_in, kh, kw, out_width, c_out, c_in // kernel.groups, out_group, height, *kernel.stride,
        *kernel.padding, *kernel.dilation,
    ]  # fmt: skip
    arguments = {"weights": stored["weights"], "geometry": np.array(geometry, np.int64)}
    # Of the rows only those that this part owns some of: most events of others end there.
    rows = range(low // (out_width * c_out), -(-high // (out_width * c_out)))
    for axis, name, size, out in ((0, "y", height, rows), (1, "x", width, range(out_width))):
        first, tap, reached = kernel.taps(axis, size, out)
        arguments |= {f"{name}_first": first, f"{name}_tap": tap, f"{name}_out": reached}
    if _only_scattered(stored):
        return arguments
    windows, size = _windows(kernel, np.arange(low // c_out, -(-high // c_out)), rows)
    n, panels = height * width * c_in, stored.get("panels", zeros(0, cells.dtype))
    never = n + 1
    return {
        **arguments, **windows, "panels": panels, "busy": stored.get("busy", never),
        "some": int(np.ceil(EVENTS_A_PIXEL * height * width)) if kernel.groups == 1 else never,
        "ids": zeros(n, np.int32), "payload": zeros(n if payload.size > 1 else 1, payload.dtype),
        "before": zeros(height * width + 1, np.int32),
        "image": zeros(size if panels.size else 0, cells.dtype),
        "sums": zeros(PIXELS * TILE_BYTES // cells.itemsize, cells.dtype),
    }  # fmt: skip


def _windows(kernel: layout.Kernel, pixels: np.ndarray, rows: range) -> tuple[dict[str, Any], int]:
    """Return where the windows of output pixels lie in an image with a frame of zeros, and its size.

    It shows what the given rows of the output look at. A window is a number of runs of neighbouring
    inputs: whole rows of it where the kernel takes all channels of neighbouring pixels.
    """
    (height, width, c_in), out_width = kernel.image, kernel.out[1]
    kh, kw = kernel.weights.shape[1:3]
    (sy, sx), (py, px), (dy, dx) = kernel.stride, kernel.padding, kernel.dilation
    row, pitch = width * c_in, (width + 2 * px) * c_in
    top = rows.start * sy - py
    bottom = top + max(len(rows) - 1, 0) * sy + (kh - 1) * dy + 1
    first, last = max(top, 0), min(bottom, height)
    frame = [first * row, last * row, row, pitch - row, (first - top) * pitch + px * c_in]
    y, x = np.divmod(pixels, out_width)
    windows = (y - rows.start) * sy * pitch + x * sx * c_in
    down, across = np.arange(kh) * dy * pitch, np.arange(kw) * dx * c_in
    whole = kernel.groups == 1 and dx == 1
    return {
        "frame": np.array(frame, np.int64),
        # The last tile may reach beyond the last pixel: what it adds there is dropped.
        "windows": np.append(windows, np.zeros(-windows.size % PIXELS, np.int64)),
        "runs": down if whole else np.add.outer(down, across).reshape(-1),
        "run": kw * c_in if whole else c_in // kernel.groups,
    }, (bottom - top) * pitch  # fmt: skip
