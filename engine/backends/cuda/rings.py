"""Where the events and the input of a step lie: rings of steps, for each trial one after the other."""

from __future__ import annotations

from typing import Any, NamedTuple

from .fields import (
    FIXED_AT,
    FIXED_CELLS,
    FIXED_SLOTS,
    FLOAT_AT,
    FLOAT_CELLS,
    G_BITS,
    G_LAST_SLOT,
    G_N,
    G_PAYLOADS,
    G_WORDS,
    HALTED,
    SOME_HALTED,
    TRIALS,
)  # fmt: skip
from .words import device


class Run(NamedTuple):
    """Where a run stands.

    Attributes
    ----------
    first : int
        The first step of this launch.
    begin, end : int
        The steps of this strip, from one to before the other.
    slot : int
        Slot of step `begin` in the ring of cells in fixed point.
    parity : int
        Which of its two counters a list of spikes uses in this strip.
    """

    first: Any
    begin: Any
    end: Any
    slot: Any
    parity: Any


@device
def goes_on(t: Any, m: Any, trial: Any) -> Any:
    """Return whether a trial does not stand still."""
    return t[SOME_HALTED] == 0 or m.longs[t[HALTED] + trial] == 0


@device
def ring_word(t: Any, g: Any, trial: Any, now: Any, word: Any) -> Any:
    """Return where a word of 32 neurons' events of one step lies; such rings have a power of two of slots."""
    return t[g + G_BITS] + ((now & t[g + G_LAST_SLOT]) * t[TRIALS] + trial) * t[g + G_WORDS] + word


@device
def payload_ring(t: Any, g: Any, trial: Any, now: Any) -> Any:
    """Return where the payloads of one step lie."""
    return t[g + G_PAYLOADS] + ((now & t[g + G_LAST_SLOT]) * t[TRIALS] + trial) * t[g + G_N]


@device
def slot_of(t: Any, run: Any, now: Any) -> Any:
    """Return the slot of a step of this strip in the ring of cells in fixed point."""
    slot = run.slot + now - run.begin
    return slot - t[FIXED_SLOTS] if slot >= t[FIXED_SLOTS] else slot


@device
def fixed_cells(t: Any, run: Any, trial: Any, now: Any) -> Any:
    """Return where the cells in fixed point of a step of this strip begin."""
    return t[FIXED_AT] + (slot_of(t, run, now) * t[TRIALS] + trial) * t[FIXED_CELLS]


@device
def float_cells(t: Any, run: Any, trial: Any, now: Any) -> Any:
    """Return where the cells of real sums of a step of this strip begin."""
    return t[FLOAT_AT] + ((now - run.begin) * t[TRIALS] + trial) * t[FLOAT_CELLS]
