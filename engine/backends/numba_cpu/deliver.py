"""Delivery kernels: they bring the events that are due in this step to the cells of one part.

Names in capitals are constants of the generated module (see `kernel.py`). Events of a group lie in a
ring of steps: `ring_ids[slot * n + first[q] + j]` for the j-th event of the group's q-th part, of which
there are `ring_counts[slot * parts + q]`; `ring_payload` lies beside the ids.
"""

from __future__ import annotations

from typing import Any

import numpy as np

UNIT = REAL = CELL = True  # given by the options of compile_kernel


def prefetch(address: Any) -> None:
    """Stand for the intrinsic, for readers and type checkers."""


def deliver_packed(
    now, ring_ids: "i4[]", ring_counts: "i4[]", ring_payload: "payload[]", first: "i8[]", n: "i8", length: "i8",
    delays: "i8[]", row_start: "i8[]", offsets: "u4[]", n_blocks: "i8", synapses: "u4[]", cells: "i4[]",
    due_start: "i8[]", due_stop: "i8[]", due_payload: "i4[]", synapse_address: "i8",
):  # fmt: skip
    """Deliver rows of 4-byte synapses: 16 bits of target within a block of cells, 16 bits of weight.

    The rows' segments that are due are listed first, then read in the order of the list, with the
    cache lines of later segments asked for in advance.
    """
    parts, width, capacity = first.size, n_blocks * delays.size + 1, due_start.size - 8
    for block in range(n_blocks):
        base, listed = np.uint64(block * 65536), 0
        for d in range(delays.size):
            slot = (now - delays[d]) % length
            for q in range(parts):
                begin, count = slot * n + first[q], ring_counts[slot * parts + q]
                j = 0
                while j < count:
                    stop = min(count, j + capacity - listed)
                    for i in range(j, stop):
                        source = np.uint64(ring_ids[np.uint64(begin + i)])
                        at = source * np.uint64(width) + np.uint64(block * delays.size + d)
                        low, high = np.uint64(offsets[at]), np.uint64(offsets[at + np.uint64(1)])
                        start = np.uint64(row_start[source])
                        slot_listed = np.uint64(listed)
                        due_start[slot_listed] = np.int64(start + low)
                        due_stop[slot_listed] = np.int64(start + high)
                        if not UNIT:
                            due_payload[slot_listed] = ring_payload[np.uint64(begin + i)]
                        if high > low:
                            listed += 1
                    j = stop
                    if listed == capacity:
                        _scatter(due_start, due_stop, due_payload, listed, synapses, cells, base, synapse_address)
                        listed = 0
        if listed > 0:
            _scatter(due_start, due_stop, due_payload, listed, synapses, cells, base, synapse_address)
    return 0


def _scatter(due_start, due_stop, due_payload, listed, synapses, cells, base, synapse_address):
    """Add listed segments to a block of cells."""
    for i in range(listed):
        if i + 5 < listed:
            ahead, end = due_start[np.uint64(i + 5)] * 4, due_stop[np.uint64(i + 5)] * 4
            end = min(end, ahead + 1024)
            while ahead < end:
                prefetch(synapse_address + ahead)
                ahead += 64
        payload = np.int32(1) if UNIT else due_payload[np.uint64(i)]
        for k in range(np.uint64(due_start[np.uint64(i)]), np.uint64(due_stop[np.uint64(i)])):
            synapse = synapses[k]
            weight = np.int32(np.int32(synapse) >> np.int32(16))
            if not UNIT:
                weight = np.int32(weight * payload)
            cells[base + np.uint64(synapse & np.uint32(0xFFFF))] += weight


def deliver_wide(
    now, ring_ids: "i4[]", ring_counts: "i4[]", ring_payload: "payload[]", first: "i8[]", n: "i8", length: "i8",
    delays: "i8[]", row_start: "i8[]", offsets: "u4[]", targets: "u4[]", weights: "cell[]", cells: "cell[]",
):  # fmt: skip
    """Deliver rows of separate targets and weights: 32-bit integers or real numbers, in a fixed order."""
    parts = first.size
    for d in range(delays.size):
        slot = (now - delays[d]) % length
        for q in range(parts):
            begin = slot * n + first[q]
            for j in range(ring_counts[slot * parts + q]):
                source = np.uint64(ring_ids[begin + j])
                at = source * np.uint64(delays.size + 1) + np.uint64(d)
                start = np.uint64(row_start[source])
                payload = CELL(ring_payload[begin + j])
                for k in range(start + np.uint64(offsets[at]), start + np.uint64(offsets[at + np.uint64(1)])):
                    if UNIT:
                        cells[np.uint64(targets[k])] += weights[k]
                    else:
                        cells[np.uint64(targets[k])] += CELL(weights[k] * payload)
    return 0


def deliver_dense(
    now, ring_ids: "i4[]", ring_counts: "i4[]", ring_payload: "payload[]", first: "i8[]", n: "i8", length: "i8",
    delay: "i8", weights: "cell[]", columns: "i8", first_row: "i8", rows: "i8", low: "i8", high: "i8",
    cells: "cell[]", due_row: "i8[]", due_payload: "cell[]",
):  # fmt: skip
    """Add the weight rows of all events, ascending by source, to the columns of this part.

    Four rows are added in one pass, one after the other within each column, so the sums are those of
    adding row by row.
    """
    parts, slot, listed, plain = first.size, (now - delay) % length, 0, True
    for q in range(parts):
        begin = slot * n + first[q]
        for j in range(ring_counts[slot * parts + q]):
            row = ring_ids[begin + j] - first_row
            if 0 <= row < rows:
                due_row[listed] = row
                payload = CELL(1) if UNIT else CELL(ring_payload[begin + j])
                due_payload[listed] = payload
                plain = plain and payload == CELL(1)
                listed += 1
    wide = 2048
    for start in range(low, high, wide):
        size = min(wide, high - start)
        out = cells[start - low : start - low + size]
        i = 0
        while i + 4 <= listed:
            a, b = due_row[i] * columns + start, due_row[i + 1] * columns + start
            c, d = due_row[i + 2] * columns + start, due_row[i + 3] * columns + start
            w0, w1, w2, w3 = weights[a : a + size], weights[b : b + size], weights[c : c + size], weights[d : d + size]
            if plain:
                for k in range(size):
                    out[k] = CELL(CELL(CELL(CELL(out[k] + w0[k]) + w1[k]) + w2[k]) + w3[k])
            else:
                p0, p1, p2, p3 = due_payload[i], due_payload[i + 1], due_payload[i + 2], due_payload[i + 3]
                for k in range(size):
                    x = CELL(CELL(out[k] + CELL(w0[k] * p0)) + CELL(w1[k] * p1))
                    out[k] = CELL(CELL(x + CELL(w2[k] * p2)) + CELL(w3[k] * p3))
            i += 4
        while i < listed:
            a = due_row[i] * columns + start
            w0, p0 = weights[a : a + size], due_payload[i]
            for k in range(size):
                out[k] = CELL(out[k] + CELL(w0[k] * p0))
            i += 1
    return 0


def deliver_conv(
    now, ring_ids: "i4[]", ring_counts: "i4[]", ring_payload: "payload[]", first: "i8[]", n: "i8", length: "i8",
    delay: "i8", weights: "cell[]", geometry: "i8[]", low: "i8", high: "i8", cells: "cell[]",
):  # fmt: skip
    """Scatter events over an image stored channel last: each touches a window of the output.

    `geometry` holds the source's width and channels, kh, kw, the target's height, width and channels,
    stride, padding, dilation (each for y, x) and the input channels per group. Only the places
    [low, high) of the target belong to this part.
    """
    width, c_in, kh, kw, oh, ow, c_out = (
        geometry[0], geometry[1], geometry[2], geometry[3], geometry[4], geometry[5], geometry[6],
    )  # fmt: skip
    sy, sx, py, px, dy, dx = geometry[7], geometry[8], geometry[9], geometry[10], geometry[11], geometry[12]
    in_group = geometry[13]
    out_group = c_out // (c_in // in_group)
    parts, slot = first.size, (now - delay) % length
    for q in range(parts):
        begin = slot * n + first[q]
        for j in range(ring_counts[slot * parts + q]):
            place = np.int64(ring_ids[begin + j])
            payload = CELL(1) if UNIT else CELL(ring_payload[begin + j])
            channel = place % c_in
            iy, ix = place // c_in // width, place // c_in % width
            group = channel // in_group
            for ky in range(kh):
                y = iy + py - ky * dy
                if y < 0 or y % sy != 0 or y // sy >= oh:
                    continue
                for kx in range(kw):
                    x = ix + px - kx * dx
                    if x < 0 or x % sx != 0 or x // sx >= ow:
                        continue
                    start = (y // sy * ow + x // sx) * c_out + group * out_group
                    begin_w = ((channel * kh + ky) * kw + kx) * out_group
                    skip = max(low - start, 0)
                    size = min(high, start + out_group) - start - skip
                    if size <= 0:
                        continue
                    w = weights[begin_w + skip : begin_w + skip + size]
                    out = cells[start + skip - low : start + skip - low + size]
                    if UNIT:
                        for k in range(size):
                            out[k] += w[k]
                    else:
                        for k in range(size):
                            out[k] += CELL(w[k] * payload)
    return 0
