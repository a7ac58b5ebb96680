"""Delivery kernels: they bring the events that are due in this step to the cells of one part.

Names in capitals are constants of the generated module (see `kernel.py`). Events of a group lie in a
ring of steps: `ring_ids[slot * n + first[q] + j]` for the j-th event of the group's q-th part, of which
there are `ring_counts[slot * parts + q]`; `ring_payload` lies beside the ids.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .types_of_kernels import I8, Cells, I4s, I8s, Payloads, Synapses, U4s

UNIT: Any = None  # these are given by the options of compile_kernel
ONE_WEIGHT: Any = None
BYTES: Any = None
REAL: Any = None
CELL: Any = None
AHEAD: Any = None
TILE: Any = None
add_wide_rows: Any = None  # these stand for the functions of rows.py
add_scaled_wide_rows = add_narrow_rows = add_scaled_narrow_rows = add_wide_rows


def prefetch(address: Any) -> None:
    """Stand for the intrinsic, for readers and type checkers."""


def load_word(address: Any) -> None:
    """Stand for the intrinsic, for readers and type checkers."""


def deliver_packed(
    now: I8, ring_ids: I4s, ring_counts: I4s, ring_payload: Payloads, first: I8s, n: I8, length: I8,
    delays: I8s, row_start: I8s, offsets: U4s, n_blocks: I8, block: I8, synapses: Synapses,
    row_weight: I4s, cells: I4s, due_start: I8s, due_stop: I8s, due_factor: I4s, ahead: I8, address: I8,
) -> int:  # fmt: skip
    """Deliver rows of packed synapses: 16 bits of target within a block of cells, 16 bits of weight.

    Where all synapses of a row have one weight, it stands in `row_weight` and a synapse is its target
    alone. The rows' segments that are due are listed first, then read in the order of the list.
    """
    parts, width, capacity, slot_now = first.size, n_blocks * delays.size + 1, due_start.size, now % length
    for k in range(n_blocks):
        base, listed = np.uint64(k * block), np.int64(0)
        for d in range(delays.size):
            slot = _slot_before(slot_now, delays[d], length)
            for q in range(parts):
                begin = slot * n + first[q]
                for i in range(begin, begin + ring_counts[slot * parts + q]):
                    source = np.uint64(ring_ids[np.uint64(i)])
                    at = source * np.uint64(width) + np.uint64(k * delays.size + d)
                    low, high = np.uint64(offsets[at]), np.uint64(offsets[at + np.uint64(1)])
                    start, entry = np.uint64(row_start[source]), np.uint64(listed)
                    due_start[entry], due_stop[entry] = np.int64(start + low), np.int64(start + high)
                    if ONE_WEIGHT and UNIT:
                        due_factor[entry] = row_weight[source]
                    elif ONE_WEIGHT:
                        due_factor[entry] = np.int32(row_weight[source] * ring_payload[np.uint64(i)])
                    elif not UNIT:
                        due_factor[entry] = ring_payload[np.uint64(i)]
                    listed += np.int64(high > low)
                    if listed == capacity:
                        _scatter(
                            due_start, due_stop, due_factor, listed, ahead, synapses, cells, base, address
                        )
                        listed = np.int64(0)
        if listed > 0:
            _scatter(due_start, due_stop, due_factor, listed, ahead, synapses, cells, base, address)
    return 0


def _slot_before(slot: I8, delay: I8, length: I8) -> Any:
    """Return the slot of the ring `delay` steps before another one; a division would take longer."""
    return slot - delay if slot >= delay else slot - delay + length


def _ask(due_start: I8s, due_stop: I8s, i: I8, address: I8) -> None:
    """Ask for the cache lines of listed segment i."""
    line = (address + due_start[i] * BYTES) & -64
    end = address + due_stop[i] * BYTES
    # Most segments are short: three lines are asked for without a branch that would be guessed wrong.
    prefetch(line)
    prefetch(line + 64)
    prefetch(line + 128)
    line += 192
    while line < end:
        prefetch(line)
        line += 64


def _scatter(
    due_start: I8s, due_stop: I8s, due_factor: I4s, listed: I8, ahead: I8, synapses: Synapses, cells: I4s,
    base: I8, address: I8,
) -> None:  # fmt: skip
    """Add listed segments to a block of cells, asking for each some segments before its turn."""
    for i in range(min(ahead, listed)):
        _ask(due_start, due_stop, np.uint64(i), address)
    for i in range(listed):
        if i + ahead < listed:
            _ask(due_start, due_stop, np.uint64(i + ahead), address)
        at, stop = np.uint64(due_start[np.uint64(i)]), np.uint64(due_stop[np.uint64(i)])
        factor = np.int32(1) if UNIT and not ONE_WEIGHT else due_factor[np.uint64(i)]
        while at < stop:
            synapse = synapses[at]
            if ONE_WEIGHT:
                cells[base + np.uint64(synapse)] += factor
            else:
                weight = np.int32(np.int32(synapse) >> np.int32(16))
                if not UNIT:
                    weight = np.int32(weight * factor)
                cells[base + np.uint64(synapse & np.uint32(0xFFFF))] += weight
            at += np.uint64(1)


def deliver_wide(
    now: I8, ring_ids: I4s, ring_counts: I4s, ring_payload: Payloads, first: I8s, n: I8, length: I8,
    delays: I8s, row_start: I8s, offsets: U4s, targets: U4s, weights: Cells, cells: Cells,
) -> int:  # fmt: skip
    """Deliver rows of separate targets and weights: 32-bit integers or real numbers, in a fixed order."""
    parts, slot_now = first.size, now % length
    for d in range(delays.size):
        slot = _slot_before(slot_now, delays[d], length)
        for q in range(parts):
            begin = slot * n + first[q]
            for j in range(ring_counts[slot * parts + q]):
                source = np.uint64(ring_ids[begin + j])
                at = source * np.uint64(delays.size + 1) + np.uint64(d)
                start = np.uint64(row_start[source])
                payload = CELL(1) if UNIT else CELL(ring_payload[begin + j])
                for k in range(start + np.uint64(offsets[at]), start + np.uint64(offsets[at + np.uint64(1)])):
                    if UNIT:
                        cells[np.uint64(targets[k])] += weights[k]
                    else:
                        cells[np.uint64(targets[k])] += CELL(weights[k] * payload)
    return 0


def deliver_dense(
    now: I8, ring_ids: I4s, ring_counts: I4s, ring_payload: Payloads, first: I8s, n: I8, length: I8,
    delay: I8, weights: Cells, columns: I8, first_row: I8, rows: I8, cells: Cells, clock: I8s,
    sums: Cells, width: I8, spans: I8s, address: I8,
) -> int:  # fmt: skip
    """Add the weight rows of all events, ascending by source, to the columns of this part.

    With AHEAD nothing else has been added to these cells in any step, and all events of a strip are
    there at its first step (`clock` says when it begins and ends): then all its sums are made at once,
    tile after tile, `width` apart, and each step takes its own.
    """
    parts, tile, k, used = first.size, TILE // weights.itemsize, 0, 0
    start, stop = (clock[0], clock[1]) if AHEAD else (now, now + 1)
    if now == start:
        for step in range(start, stop):
            slot = (step - delay) % length
            for q in range(parts):
                begin = slot * n + first[q]
                end = begin + ring_counts[slot * parts + q]
                while begin < end and ring_ids[begin] < first_row:
                    begin += 1
                while begin < end and ring_ids[end - 1] >= first_row + rows:
                    end -= 1
                spans[2 * k], spans[2 * k + 1] = begin, end
                used += end - begin
                k += 1
        if AHEAD:
            sums[: (stop - start) * width] = 0
        for column in range(0, columns, tile):
            here = weights[column * rows :]
            # The padding of a last tile would lie over the cells of others: it is summed apart.
            apart = not AHEAD and column + tile > columns
            if apart:
                for i in range(columns - column):
                    sums[i] = cells[column + i]
            if used >= rows:
                # Most rows will be used: read in order, they come in at the full speed of the memory.
                tile_start = address + column * rows * weights.itemsize
                for line in range(tile_start, tile_start + rows * TILE, 64):
                    load_word(line)
            for k in range((stop - start) * parts):
                begin, end = spans[2 * k], spans[2 * k + 1]
                at = 0 if apart else k // parts * width + column
                target = sums if AHEAD or apart else cells
                if TILE == 128 and UNIT:
                    add_wide_rows(target, at, here, ring_ids, begin, end, first_row, tile, 0, ring_ids)
                elif TILE == 128:
                    add_scaled_wide_rows(
                        target, at, here, ring_ids, begin, end, first_row, tile, 0, ring_payload
                    )
                elif UNIT:
                    add_narrow_rows(target, at, here, ring_ids, begin, end, first_row, tile, 0, ring_ids)
                else:
                    add_scaled_narrow_rows(
                        target, at, here, ring_ids, begin, end, first_row, tile, 0, ring_payload
                    )
            if apart:
                for i in range(columns - column):
                    cells[column + i] = sums[i]
    if AHEAD:
        for i in range(columns):
            cells[i] = sums[np.uint64((now - start) * width + i)]
    return 0
