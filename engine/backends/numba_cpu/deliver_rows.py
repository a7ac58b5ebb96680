"""Delivery of packed rows: an event in flight has a running position in its row of synapses.

A row is ordered by delay, so an event that is due in one step after another reads its row from left to
right, a segment at a time. A queue holds these events, oldest first: each step appends those that are
due for the first time, reads the segment of every entry, and drops those whose rows are at their end.
`deliver.py` explains names in capitals, and how a ring of events is read.

All sources of a delivery share one queue: most have few events in flight, and a kernel for each would
take longer to begin than to end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .types_of_kernels import I8, I4s, I8s, Lengths, Positions, Synapses

UNIT: Any = None  # these are given by the options of compile_kernel
ONE_WEIGHT: Any = None
BYTES: Any = None
DROPPED: Any = None
RING: Any = None
NEVER: Any = None


def prefetch(address: Any) -> None:
    """Stand for the intrinsic, for readers and type checkers."""


def load_int32(address: Any) -> Any:
    """Stand for the intrinsic, for readers and type checkers."""


def deliver_rows(
    now: I8, rings: I8s, delay: I8, steps: I8, starts: Positions, lengths: Lengths, n_blocks: I8, block: I8,
    synapses: Synapses, row_weight: I4s, cells: I4s, marks: I8s, arrived: I4s, at: Positions,
    positions: Positions, factors: I4s, ahead: I8,
) -> int:  # fmt: skip
    """Deliver rows of packed synapses: 16 bits of target within a block of cells, 16 bits of weight.

    Where all synapses of a row have one weight, it stands in `row_weight` and a synapse is its target
    alone. The delays are the `steps` ones from `delay` on; `starts` and `lengths` say where a row begins
    in each block, and how many synapses each delay has there. `rings` has RING words for each part of
    each source: the addresses of its first ids, payloads and counts, how many events lie between the
    slots, how many slots there are, the row of the source's first neuron, and the slot that is due.

    Of an entry of the queue, `at` is the place of its next length in the first block, `positions` are
    those of its next synapse in all of them, and `factors` what its weights are multiplied by. `marks`
    are the step that the queue is of, its first entry and the one after its last; `arrived` says how many
    entries each step appended. The queue of any but the last step is of no use: it is filled from the
    rings again. So is one that overflowed.
    """
    capacity, head, tail, oldest = at.size, marks[1], marks[2], np.int64(0)
    marks[0], continued = now, marks[0] == now - 1
    for r in range(0, rings.size, RING):
        slot = rings[r + 6] + 1 if continued else (now - delay) % rings[r + 4]
        slot = 0 if slot == rings[r + 4] else slot
        rings[r + 6] = slot
        # Other threads have written these: ask for all of them, then wait for them together.
        prefetch(rings[r + 2] + 4 * slot)
        prefetch(rings[r] + 4 * slot * rings[r + 3])
    if continued:
        head += arrived[now % steps]
        if head == tail:
            head, tail = np.int64(0), np.int64(0)
        elif head > DROPPED and (2 * head >= tail or 2 * tail > capacity):
            _move_to_front(head, tail, at, positions, factors, n_blocks)
            head, tail = np.int64(0), tail - head
    else:
        head, tail, oldest = np.int64(0), np.int64(0), min(steps - 1, now - delay)
        arrived[:] = 0
    for age in range(oldest, -1, -1):
        count = 0
        for r in range(0, rings.size, RING):
            slot = rings[r + 6] if age == 0 else (now - delay - age) % rings[r + 4]
            n = load_int32(rings[r + 2] + 4 * slot)
            for i in range(slot * rings[r + 3], slot * rings[r + 3] + n):
                if tail == capacity:
                    _read(
                        head, tail, at, positions, factors, lengths, steps, n_blocks, block, synapses, cells,
                        ahead,
                    )  # fmt: skip
                    head, tail, marks[0] = np.int64(0), np.int64(0), np.int64(NEVER)
                row, entry = np.uint64(rings[r + 5] + load_int32(rings[r] + 4 * i)), np.uint64(tail)
                begins = row * np.uint64(n_blocks)
                for k in range(n_blocks):
                    place = (begins + np.uint64(k)) * np.uint64(steps)
                    prefetch(lengths.ctypes.data + np.int64(place) * lengths.itemsize)
                    position = np.uint64(starts[begins + np.uint64(k)])
                    for passed in range(age):
                        position += np.uint64(lengths[place + np.uint64(passed)])
                    positions[np.uint64(k * capacity) + entry] = position
                at[entry] = begins * np.uint64(steps) + np.uint64(age)
                if ONE_WEIGHT and UNIT:
                    factors[entry] = row_weight[row]
                elif ONE_WEIGHT:
                    factors[entry] = np.int32(row_weight[row] * load_int32(rings[r + 1] + 4 * i))
                elif not UNIT:
                    factors[entry] = load_int32(rings[r + 1] + 4 * i)
                tail += 1
                count += 1
        arrived[(now - age) % steps] = count
    _read(head, tail, at, positions, factors, lengths, steps, n_blocks, block, synapses, cells, ahead)
    marks[1], marks[2] = head, tail
    return 0


def _move_to_front(
    head: I8, tail: I8, at: Positions, positions: Positions, factors: I4s, n_blocks: I8
) -> None:
    """Move the entries of a queue to its front, over those that were dropped."""
    for k in range(n_blocks):
        begin = k * at.size
        for j in range(tail - head):
            positions[np.uint64(begin + j)] = positions[np.uint64(begin + head + j)]
    for j in range(tail - head):
        at[np.uint64(j)] = at[np.uint64(head + j)]
    if ONE_WEIGHT or not UNIT:
        for j in range(tail - head):
            factors[np.uint64(j)] = factors[np.uint64(head + j)]


def _ask(
    entry: Any, begin: Any, shift: Any, at: Positions, positions: Positions, lengths: Lengths, address: I8
) -> None:
    """Ask for the cache lines of an entry's next segment."""
    start, size = np.uint64(positions[begin + entry]), np.uint64(lengths[np.uint64(at[entry]) + shift])
    line = (address + np.int64(start) * BYTES) & -64
    end = address + np.int64(start + size) * BYTES
    # Most segments are short: three lines are asked for without a branch that would be guessed wrong.
    for _ in range(3):
        prefetch(line)
        line += 64
    while line < end:
        prefetch(line)
        line += 64


def _read(
    head: I8, tail: I8, at: Positions, positions: Positions, factors: I4s, lengths: Lengths, steps: I8,
    n_blocks: I8, block: I8, synapses: Synapses, cells: I4s, ahead: I8,
) -> None:  # fmt: skip
    """Add the next segment of every entry to the cells, asking for it some entries before its turn."""
    address, last = synapses.ctypes.data, n_blocks - 1
    for k in range(n_blocks):
        base, shift, begin = np.uint64(k * block), np.uint64(k * steps), np.uint64(k * at.size)
        for j in range(head, min(head + ahead, tail)):
            _ask(np.uint64(j), begin, shift, at, positions, lengths, address)
        for j in range(head, tail):
            if j + ahead < tail:
                _ask(np.uint64(j + ahead), begin, shift, at, positions, lengths, address)
            entry = np.uint64(j)
            place, position = np.uint64(at[entry]), np.uint64(positions[begin + entry])
            stop = position + np.uint64(lengths[place + shift])
            positions[begin + entry] = stop
            if k == last:
                at[entry] = place + np.uint64(1)
            factor = np.int32(1) if UNIT and not ONE_WEIGHT else factors[entry]
            while position < stop:
                synapse = synapses[position]
                if ONE_WEIGHT:
                    cells[base + np.uint64(synapse)] += factor
                else:
                    weight = np.int32(np.int32(synapse) >> np.int32(16))
                    if not UNIT:
                        weight = np.int32(weight * factor)
                    cells[base + np.uint64(synapse & np.uint32(0xFFFF))] += weight
                position += np.uint64(1)
