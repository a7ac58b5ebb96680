"""Delivery kernels: they bring the events that are due in this step to the cells of one part.

Names in capitals are constants of the generated module (see `kernel.py`). Events of a group lie in a
ring of steps: `ring_ids[slot * n + first[q] + j]` for the j-th event of the group's q-th part, of which
there are `ring_counts[q * length + slot]`; `ring_payload` lies beside the ids.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .types_of_kernels import I8, Cells, I4s, I8s, Payloads, U4s

UNIT: Any = None  # these are given by the options of compile_kernel
REAL: Any = None
CELL: Any = None
AHEAD: Any = None
TILE: Any = None
EVENTS_AHEAD: Any = None
add_wide_rows: Any = None  # these stand for the functions of rows.py
add_scaled_wide_rows = add_narrow_rows = add_scaled_narrow_rows = add_wide_rows


def load_word(address: Any) -> None:
    """Stand for the intrinsic, for readers and type checkers."""


def prefetch(address: Any) -> None:
    """Stand for the intrinsic, for readers and type checkers."""


def _slot_before(slot: I8, delay: I8, length: I8) -> Any:
    """Return the slot of the ring `delay` steps before another one; a division would take longer."""
    return slot - delay if slot >= delay else slot - delay + length


def _ask_wide(
    source: Any, d: Any, n: Any, row_start: I8s, offsets: U4s, targets: U4s, weights: Cells
) -> None:
    """Ask for the first lines of the targets and weights that an event reaches after the d-th of n delays."""
    at = source * np.uint64(n + 1) + np.uint64(d)
    start = row_start[source] + np.int64(offsets[at])
    if offsets[at] < offsets[at + np.uint64(1)]:
        for byte in (0, 64):
            prefetch(targets.ctypes.data + targets.itemsize * start + byte)
            prefetch(weights.ctypes.data + weights.itemsize * start + byte)


def deliver_wide(
    now: I8, ring_ids: I4s, ring_counts: I4s, ring_payload: Payloads, first: I8s, n: I8, length: I8,
    delays: I8s, row_start: I8s, offsets: U4s, targets: U4s, weights: Cells, cells: Cells,
) -> int:  # fmt: skip
    """Deliver rows of separate targets and weights: 32-bit integers or real numbers, in a fixed order."""
    parts, slot_now = first.size, now % length
    for d in range(delays.size):
        slot = _slot_before(slot_now, delays[d], length)
        for q in range(parts):
            begin, sent = slot * n + first[q], ring_counts[q * length + slot]
            ahead = min(EVENTS_AHEAD, sent)
            for j in range(-ahead, sent):
                if j + ahead < sent:
                    later = np.uint64(ring_ids[begin + j + ahead])
                    _ask_wide(later, d, delays.size, row_start, offsets, targets, weights)
                if j < 0:
                    continue
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
                end = begin + ring_counts[q * length + slot]
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
