"""What becomes of an event: it is counted, kept for who reads it later, listed to be pushed, and recorded."""

from __future__ import annotations

from typing import Any

from .fields import (
    B_EVERY,
    B_KIND,
    B_N,
    B_NUMBER,
    B_OUT,
    B_PLACES,
    B_SLOTS,
    B_START,
    B_STOP,
    B_VARIABLE,
    BUSY,
    COUNTS,
    E_LEAST,
    E_PAYLOAD,
    E_ROW,
    E_SLOT,
    E_TRIAL,
    ENTRY,
    G_EVENTS_IN,
    G_LINKS,
    G_MANY,
    G_N,
    G_N_LINKS,
    G_N_PROBES,
    G_NUMBER,
    G_PAYLOAD,
    G_PROBES,
    G_TALLY,
    L_LIST,
    L_ROWS,
    LINK,
    M_FAULT,
    M_SPIKED,
    N_GROUPS,
    P_COUNTS,
    P_ENTRIES,
    PLACE_BITS,
    PROBE,
    SAMPLES,
    STATE_BITS,
    STEP_BITS,
    TRIAL_BITS,
    TRIALS,
    WATCHED,
    WHOLE,
)  # fmt: skip
from .rings import payload_ring, slot_of
from .words import atomic_add, atomic_min, device, parted


@device
def send(t: Any, m: Any, g: Any, trial: Any, place: Any, now: Any, amount: Any, value: Any, run: Any) -> None:
    """Send one event of a group.

    Its payload is `amount`, or `value` where it is real.
    """
    if t[WATCHED] != 0:
        m.longs[t[BUSY] + trial] = 1
    many = amount if t[g + G_MANY] != 0 else 1
    counted = many
    if t[g + G_EVENTS_IN] >= 0:
        counted = m.wholes[t[g + G_EVENTS_IN] + max(amount, -amount)]
    m.longs[t[g + G_TALLY] + trial * t[g + G_N] + place] += counted
    kind = t[g + G_PAYLOAD]
    at = payload_ring(t, g, trial, now) + place
    if kind == WHOLE:
        m.wholes[at] = amount
    elif kind > WHOLE:
        m.reals[at] = value
    for k in range(t[g + G_N_LINKS]):
        link = t[g + G_LINKS] + k * LINK
        rows = t[link + L_LIST]
        at = t[rows + P_ENTRIES] + ENTRY * atomic_add(m.longs, t[rows + P_COUNTS] + run.parity, 1)
        m.longs[at + E_ROW] = t[link + L_ROWS] + place
        m.longs[at + E_PAYLOAD] = amount
        m.longs[at + E_SLOT] = slot_of(t, run, now)
        m.longs[at + E_TRIAL] = trial
        m.longs[at + E_LEAST] = 0
    for k in range(t[g + G_N_PROBES]):
        probe = t[g + G_PROBES] + k * PROBE
        if t[probe + B_KIND] != SAMPLES and t[probe + B_START] <= now and now < t[probe + B_STOP]:
            note(t, m, probe, trial, place, now, many, run.first)


@device
def who(t: Any, what: Any, trial: Any, place: Any) -> Any:
    """Return one number for what happened, in which trial, and to which neuron: they sort in this order."""
    return (((what << t[TRIAL_BITS]) + trial) << t[PLACE_BITS]) + place


@device
def note(t: Any, m: Any, probe: Any, trial: Any, place: Any, now: Any, many: Any, first: Any) -> None:
    """Record or count `many` spikes of a neuron, if the probe looks at it."""
    at = place if t[probe + B_PLACES] < 0 else m.wholes[t[probe + B_PLACES] + place]
    if at < 0:
        return
    if t[probe + B_KIND] == COUNTS:
        atomic_add(m.longs, t[probe + B_OUT] + trial * t[probe + B_N] + at, many)
        return
    code = who(t, (t[probe + B_NUMBER] << STEP_BITS) + now - first, trial, place)
    begin = atomic_add(m.marks, M_SPIKED, many)
    for j in range(many):
        m.spiked[begin + j] = code


@device
def sampled(t: Any, probe: Any, variable: Any, now: Any) -> Any:
    """Return whether a probe takes a sample of a state variable in this step."""
    return (
        t[probe + B_KIND] == SAMPLES
        and t[probe + B_VARIABLE] == variable
        and t[probe + B_START] <= now
        and now < t[probe + B_STOP]
        and parted(now - t[probe + B_START], t[probe + B_EVERY])[1] == 0
    )


@device
def sample(t: Any, m: Any, g: Any, variable: Any, trial: Any, place: Any, now: Any, value: Any) -> None:
    """Write a state variable of one neuron for the probes that take a sample in this step."""
    for k in range(t[g + G_N_PROBES]):
        probe = t[g + G_PROBES] + k * PROBE
        if sampled(t, probe, variable, now):
            at = place if t[probe + B_PLACES] < 0 else m.wholes[t[probe + B_PLACES] + place]
            if at >= 0:
                number = parted(now - t[probe + B_START], t[probe + B_EVERY])[0]
                slot = parted(number, t[probe + B_SLOTS])[1]
                m.samples[t[probe + B_OUT] + (slot * t[TRIALS] + trial) * t[probe + B_N] + at] = value


@device
def refuse(t: Any, m: Any, g: Any, variable: Any, trial: Any, place: Any, now: Any, first: Any) -> None:
    """Note that a state variable became NaN; the first in time, then by group and neuron, is kept."""
    order = ((now - first) * t[N_GROUPS] + t[g + G_NUMBER] << STATE_BITS) + variable
    atomic_min(m.marks, M_FAULT, who(t, order, trial, place))
