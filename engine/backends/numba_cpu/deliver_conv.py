"""Delivery kernels for convolutions and pooling, over images stored channel last.

There are three loops for the same sums in the same order: over events, over the events of each window,
and over all inputs of each window. Weights are (kh, kw, channels in, channels out of a group).
`geometry` holds the source's width and channels, kh, kw, the target's width and channels, the channels
per group of both, the source's height, and stride, padding and dilation, each down and across.
For names in capitals and the ring of events see `deliver.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .types_of_kernels import I8, Cells, I4s, I8s, Payloads

UNIT: Any = None  # these are given by the options of compile_kernel
CELL: Any = None
PIXELS: Any = None
add_rows: Any = None  # these stand for the functions of rows.py and image_rows.py
add_scaled_rows = add_tile = add_scaled_tile = add_rows


def scatter_conv(
    now: I8, ring_ids: I4s, ring_counts: I4s, ring_payload: Payloads, first: I8s, n: I8, length: I8,
    delay: I8, weights: Cells, geometry: I8s, y_first: I4s, y_tap: I4s, y_out: I4s, x_first: I4s,
    x_tap: I4s, x_out: I4s, low: I8, high: I8, cells: Cells,
) -> int:  # fmt: skip
    """Scatter events: each touches a window of the output.

    An event at row y goes through the kernel rows y_tap[k] to the output
    rows y_out[k], k from y_first[y] to before y_first[y + 1], and columns alike. Only the places
    [low, high) of the target belong to this part.
    """
    width, c_in, kw = np.int32(geometry[0]), np.int32(geometry[1]), geometry[3]
    out_width, c_out, in_group, out_group = geometry[4], geometry[5], geometry[6], geometry[7]
    parts, slot, stride = first.size, (now - delay) % length, out_group
    for q in range(parts):
        begin = slot * n + first[q]
        stop = begin + ring_counts[q * length + slot]
        while begin < stop:
            pixel = np.int32(ring_ids[np.uint64(begin)] // c_in)
            base = np.int64(pixel) * c_in
            group = (ring_ids[np.uint64(begin)] - base) // in_group
            # All events of a pixel (and of one group of channels) go to the same sums.
            end, beyond = begin + 1, base + (group + 1) * in_group
            while end < stop and ring_ids[np.uint64(end)] < beyond:
                end += 1
            iy = np.int32(pixel // width)
            ix = np.int32(pixel - iy * width)
            for y in range(y_first[iy], y_first[iy + 1]):
                for x in range(x_first[ix], x_first[ix + 1]):
                    start = (y_out[y] * out_width + x_out[x]) * c_out + group * out_group
                    skip = max(low - start, 0)
                    size = min(high, start + out_group) - start - skip
                    at, shift = start + skip - low, (y_tap[y] * kw + x_tap[x]) * c_in * out_group + skip
                    if UNIT:
                        add_rows(cells, at, weights, ring_ids, begin, end, base, stride, shift, size)
                    else:
                        add_scaled_rows(
                            cells, at, weights, ring_ids, begin, end, base, stride, shift, size, ring_payload
                        )
            begin = end
    return 0


def scatter_apart(
    now: I8, ring_ids: I4s, ring_counts: I4s, ring_payload: Payloads, first: I8s, n: I8, length: I8,
    delay: I8, weights: Cells, geometry: I8s, y_first: I4s, y_tap: I4s, y_out: I4s, x_first: I4s,
    x_tap: I4s, x_out: I4s, low: I8, high: I8, cells: Cells,
) -> int:  # fmt: skip
    """Scatter events where each channel has a kernel of its own, as in pooling: see `scatter_conv`."""
    width, c_in, kw, out_width = np.int32(geometry[0]), np.int32(geometry[1]), geometry[3], geometry[4]
    parts, slot = first.size, (now - delay) % length
    for q in range(parts):
        begin = slot * n + first[q]
        stop = begin + ring_counts[q * length + slot]
        while begin < stop:
            pixel = np.int32(ring_ids[np.uint64(begin)] // c_in)
            base = np.int64(pixel) * c_in
            end = begin + 1
            while end < stop and ring_ids[np.uint64(end)] < base + c_in:
                end += 1
            iy = np.int32(pixel // width)
            ix = np.int32(pixel - iy * width)
            for y in range(y_first[iy], y_first[iy + 1]):
                for x in range(x_first[ix], x_first[ix + 1]):
                    start = (y_out[y] * out_width + x_out[x]) * c_in - low
                    inside = start >= 0 and start + c_in <= high - low
                    shift = (y_tap[y] * kw + x_tap[x]) * c_in - base
                    for j in range(begin, end):
                        place = np.int64(ring_ids[np.uint64(j)])
                        at = start + place - base
                        if inside or 0 <= at < high - low:
                            weight = weights[np.uint64(shift + place)]
                            if not UNIT:
                                weight = CELL(weight * CELL(ring_payload[np.uint64(j)]))
                            cells[np.uint64(at)] += weight
            begin = end
    return 0


def deliver_conv(
    now: I8, ring_ids: I4s, ring_counts: I4s, ring_payload: Payloads, first: I8s, n: I8, length: I8,
    delay: I8, weights: Cells, geometry: I8s, y_first: I4s, y_tap: I4s, y_out: I4s, x_first: I4s,
    x_tap: I4s, x_out: I4s, low: I8, high: I8, cells: Cells, some: I8, ids: I4s, payload: Payloads,
    before: I4s, busy: I8, panels: Cells, frame: I8s, windows: I8s, runs: I8s, run: I8, image: Cells,
    sums: Cells,
) -> int:  # fmt: skip
    """Scatter the events of a step, from `some` of them on gather them, from `busy` on evaluate all inputs.

    Cells get the same bits in each way. A sum takes its terms ascending by source: down the rows of its
    window, along each, channel by channel. A silent input adds zeros, which changes no sum as long as
    weights are finite: sums start from +0.0, so that none is -0.0. `frame` holds the first source that
    this part looks at and the one after its last, and three numbers for `_draw`.
    """
    parts, slot, events = first.size, (now - delay) % length, 0
    for q in range(parts):
        events += ring_counts[q * length + slot]
    if events < min(some, busy):
        return scatter_conv(
            now, ring_ids, ring_counts, ring_payload, first, n, length, delay, weights, geometry, y_first,
            y_tap, y_out, x_first, x_tap, x_out, low, high, cells,
        )  # fmt: skip
    listed, ones = 0, True
    for q in range(parts):
        begin = slot * n + first[q]
        end = begin + ring_counts[q * length + slot]
        while begin < end and ring_ids[np.uint64(begin)] < frame[0]:
            begin += 1
        while begin < end and ring_ids[np.uint64(begin)] < frame[1]:
            ids[np.uint64(listed)] = ring_ids[np.uint64(begin)]
            if not UNIT:
                payload[np.uint64(listed)] = ring_payload[np.uint64(begin)]
                ones &= payload[np.uint64(listed)] == 1
            begin += 1
            listed += 1
    if events < busy:
        _count_before(ids, listed, geometry[1], frame, before)
        _gather(ones, ids, payload, before, weights, geometry, low, high, cells)
    else:
        _draw(ids, payload, listed, frame, image)
        _evaluate(ones, panels, geometry, windows, runs, run, low, high, image, sums, cells)
    return 0


def _count_before(ids: I4s, listed: I8, c_in: I8, frame: I8s, before: I4s) -> None:
    """Write how many of the listed events come before each pixel of the frame, and before its end."""
    pixel, beyond = frame[0] // c_in, frame[0]
    for k in range(listed):
        while ids[np.uint64(k)] >= beyond:
            before[np.uint64(pixel)] = k
            pixel += 1
            beyond += c_in
    while beyond <= frame[1]:
        before[np.uint64(pixel)] = listed
        pixel += 1
        beyond += c_in


def _gather(
    ones: Any, ids: I4s, payload: Payloads, before: I4s, weights: Cells, geometry: I8s, low: I8, high: I8,
    cells: Cells,
) -> None:  # fmt: skip
    """Add to each pixel of the target the events of its window, a run of pixels at a time.

    There must be one group; `ones` says that all payloads are 1.
    """
    width, c_in, kh, kw, out_width, c_out = geometry[:6]
    height, sy, sx, py, px, dy, dx = geometry[8:15]
    y, x, along = low // c_out // out_width, low // c_out % out_width, kw if dx == 1 else 1
    for start in range(low // c_out * c_out, high, c_out):
        skip = max(low - start, 0)
        at, size = start + skip - low, min(high, start + c_out) - start - skip
        for ky in range(kh):
            iy = y * sy - py + ky * dy
            if 0 <= iy < height:
                for kx in range(0, kw, along):
                    ix = x * sx - px + kx * dx
                    begin = np.int64(before[np.uint64(iy * width + min(max(ix, 0), width))])
                    end = np.int64(before[np.uint64(iy * width + min(max(ix + along, 0), width))])
                    base = (iy * width + ix - ky * kw - kx) * c_in
                    if begin < end and (UNIT or ones):
                        add_rows(cells, at, weights, ids, begin, end, base, c_out, skip, size)
                    elif begin < end:
                        add_scaled_rows(cells, at, weights, ids, begin, end, base, c_out, skip, size, payload)
        x += 1
        if x == out_width:
            x, y = 0, y + 1


def _draw(ids: I4s, payload: Payloads, listed: I8, frame: I8s, image: Cells) -> None:
    """Draw the listed events into an image of all inputs.

    Besides what this part looks at, `frame` holds how many sources make a row, by how much rows are
    longer in the image, and where the first source lies in it.
    """
    image[:] = 0
    row, longer, shift = frame[2], frame[3], frame[4] - frame[0]
    beyond = frame[0] + row
    for k in range(listed):
        at = np.int64(ids[np.uint64(k)])
        while at >= beyond:
            beyond += row
            shift += longer
        image[np.uint64(at + shift)] = CELL(1) if UNIT else CELL(payload[np.uint64(k)])


def _evaluate(
    ones: Any, panels: Cells, geometry: I8s, windows: I8s, runs: I8s, run: I8, low: I8, high: I8,
    image: Cells, sums: Cells, cells: Cells,
) -> None:  # fmt: skip
    """Add the windows of an image, times the kernel, to the places [low, high) of the target.

    A panel has a row of weights for each input of a window, for as many channels as a tile has.
    `windows` says where the window of each pixel begins, from the first of which a place is ours.
    """
    c_out, in_group, out_group = geometry[5], geometry[6], geometry[7]
    lanes, base, row = sums.size // PIXELS, low // c_out * c_out - low, 0
    for group in range(c_out // out_group):
        inputs = image[group * in_group :]
        for channel in range(0, out_group, lanes):
            used = min(lanes, out_group - channel)
            for window in range(0, windows.size, PIXELS):
                at = base + window * c_out + group * out_group + channel
                if at >= 0 and used == lanes and at + (PIXELS - 1) * c_out + lanes <= cells.size:
                    _add_tile(ones, cells, at, c_out, panels, row, inputs, windows, window, runs, run)
                else:
                    # Of a tile at the edge some sums are another part's, or none at all: it is summed apart.
                    sums[:] = 0
                    _copy_sums(cells, at, c_out, used, sums, lanes, False)
                    _add_tile(ones, sums, 0, lanes, panels, row, inputs, windows, window, runs, run)
                    _copy_sums(cells, at, c_out, used, sums, lanes, True)
            row += runs.size * run * lanes


def _add_tile(
    ones: Any, target: Cells, at: I8, pitch: I8, panels: Cells, row: I8, inputs: Cells, windows: I8s,
    window: I8, runs: I8s, run: I8,
) -> None:  # fmt: skip
    """Add to one tile of sums; `ones` says that all inputs are 0 or 1."""
    if UNIT or ones:
        add_tile(target, at, pitch, panels, row, inputs, windows, window, runs, run)
    else:
        add_scaled_tile(target, at, pitch, panels, row, inputs, windows, window, runs, run)


def _copy_sums(cells: Cells, at: I8, pitch: I8, used: I8, sums: Cells, lanes: I8, back: bool) -> None:
    """Copy what there is of a tile's cells into its sums, or back."""
    for i in range(PIXELS):
        here = at + i * pitch
        for k in range(max(-here, 0), min(cells.size - here, used)):
            if back:
                cells[here + k] = sums[i * lanes + k]
            else:
                sums[i * lanes + k] = cells[here + k]
