"""Pushing spikes: a warp takes a stretch of a spike's row and adds it to the cells of the steps to come.

Cells are whole numbers on the receptor's grid, so no order in which warps add changes a sum.
"""

from __future__ import annotations

from typing import Any

from .fields import (
    E_LEAST,
    E_PAYLOAD,
    E_ROW,
    E_SLOT,
    E_TRIAL,
    ENTRY,
    FIXED_AT,
    FIXED_CELLS,
    FIXED_SLOTS,
    P_COUNTS,
    P_ENTRIES,
    P_SEGMENTS,
    P_WIDE,
    TRIALS,
)  # fmt: skip
from .words import LANES, atomic_add, device, i4, i8, parted

#: Synapses that one lane asks for before it adds the first; a warp takes as many for each lane.
AT_ONCE = 4
SEGMENT = AT_ONCE * LANES


@device
def push(t: Any, m: Any, rows: Any, warp: Any, warps: Any, lane: Any, parity: Any) -> None:
    """Push the spikes that a list holds."""
    segments, wide = t[rows + P_SEGMENTS], t[rows + P_WIDE]
    entries, slots = t[rows + P_ENTRIES], t[FIXED_SLOTS]
    index, stop = warp, m.longs[t[rows + P_COUNTS] + parity] * segments
    while index < stop:
        spike, segment = parted(index, segments)
        entry = entries + spike * ENTRY
        row, payload = m.longs[entry + E_ROW], m.longs[entry + E_PAYLOAD]
        begin = m.longs[row] + segment * SEGMENT + lane
        end = m.longs[row + 1]
        if begin < end:
            ring = (m.longs[entry + E_SLOT], slots, m.longs[entry + E_LEAST], t[TRIALS] * t[FIXED_CELLS])
            first = t[FIXED_AT] + m.longs[entry + E_TRIAL] * t[FIXED_CELLS]
            push_lane(m, begin, end, payload, ring, first, wide)
        index += warps


@device
def push_lane(m: Any, begin: Any, end: Any, payload: Any, ring: Any, first: Any, wide: Any) -> None:
    """Add one lane's share of a segment: all of it is asked for before any is added."""
    k1, k2, k3 = begin + LANES, begin + 2 * LANES, begin + 3 * LANES
    s0 = m.synapses[begin]
    s1 = m.synapses[k1] if k1 < end else 0
    s2 = m.synapses[k2] if k2 < end else 0
    s3 = m.synapses[k3] if k3 < end else 0
    push_one(m, s0, begin, payload, ring, first, wide)
    if k1 < end:
        push_one(m, s1, k1, payload, ring, first, wide)
    if k2 < end:
        push_one(m, s2, k2, payload, ring, first, wide)
    if k3 < end:
        push_one(m, s3, k3, payload, ring, first, wide)


@device
def push_one(m: Any, synapse: Any, k: Any, payload: Any, ring: Any, first: Any, wide: Any) -> None:
    """Add one synapse: its cell stands in the lower 32 bits, then its delay, then its weight of 16 bits.

    `ring` is the slot of the step in which the spike was sent, how many slots there are, the least delay
    that still lies ahead, and the cells of a slot.
    """
    delay = (synapse >> 32) & 0xFFFF
    if delay >= ring[2]:
        weight = synapse >> 48
        if wide != 0:
            weight = i8(m.wide[k])
        slot = ring[0] + delay
        if slot >= ring[1]:
            slot -= ring[1]
        atomic_add(m.wholes, first + slot * ring[3] + (synapse & 0xFFFFFFFF), i4(weight * payload))
