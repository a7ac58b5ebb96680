"""Plastic projections: the weights of spikes that arrive are delivered, and the rule's functions run.

A warp looks at the events of 32 neurons and takes the rows of those that sent something. The functions of
the rules are generated; what is here walks over rows.
"""

from __future__ import annotations

from typing import Any

from .fields import (
    G_PAYLOAD,
    G_WORDS,
    K_CELL,
    K_DELAYS,
    K_MODULATOR,
    K_N,
    K_N_DELAYS,
    K_SOURCE,
    K_STARTS,
    K_STEP,
    K_TARGETS,
    K_WEIGHTS,
    REAL,
    UNIT,
)  # fmt: skip
from .rings import fixed_cells, payload_ring, ring_word
from .words import LANES, atomic_add, device, i4, i8, lowest, mul, parted, rounded, u4


@device
def arrivals(t: Any, m: Any, p: Any, slot: Any, word: Any, trial: Any, now: Any) -> Any:
    """Return which of 32 sources' events arrive now, after the slot-th delay of a projection."""
    sent = now - m.longs[t[p + K_DELAYS] + slot]
    return m.bits[ring_word(t, t[p + K_SOURCE], trial, sent, word)] if sent >= 0 else u4(0)


@device
def row_of(t: Any, m: Any, p: Any, place: Any, slot: Any) -> Any:
    """Return where the synapses of a source and delay begin and end."""
    key = t[p + K_STARTS] + place * t[p + K_N_DELAYS] + slot
    return m.longs[key], m.longs[key + 1]


@device
def arrive(t: Any, m: Any, p: Any, unit: Any, trial: Any, lane: Any, run: Any) -> None:
    """Add the weights of the spikes of 32 sources that arrive, rounded to the receptor's grid."""
    now = run.begin
    which, slot = parted(unit, t[p + K_N_DELAYS])
    first, word = which * 32, arrivals(t, m, p, slot, which, trial, now)
    g, step = t[p + K_SOURCE], m.reals[t[p + K_STEP]]
    cells = fixed_cells(t, run, trial, now) + t[p + K_CELL]
    while word != 0:
        place = first + lowest(word)
        word = u4(word & (word - u4(1)))
        payload = i8(1)
        if t[g + G_PAYLOAD] != UNIT:
            payload = i8(m.wholes[payload_ring(t, g, trial, now - m.longs[t[p + K_DELAYS] + slot]) + place])
        begin, end = row_of(t, m, p, place, slot)
        for k in range(begin + lane, end, LANES):
            weight = rounded(m.reals[t[p + K_WEIGHTS] + trial * t[p + K_N] + k] / step)
            atomic_add(m.wholes, cells + m.wholes[t[p + K_TARGETS] + k], i4(weight * payload))


@device
def carried(t: Any, m: Any, p: Any, trial: Any, now: Any, zero: Any, one: Any) -> Any:
    """Return the sum of what the events of a projection's modulator carry in this step; both are reals."""
    g, total = t[p + K_MODULATOR], zero
    if g >= 0:
        kind, ring = t[g + G_PAYLOAD], payload_ring(t, g, trial, now)
        for w in range(t[g + G_WORDS]):
            word = m.bits[ring_word(t, g, trial, now, w)]
            while word != 0:
                at = ring + w * 32 + lowest(word)
                word = u4(word & (word - u4(1)))
                if kind == UNIT:
                    total += one
                elif kind == REAL:
                    total += m.reals[at]
                else:
                    total += mul(one, m.wholes[at])
    return total
