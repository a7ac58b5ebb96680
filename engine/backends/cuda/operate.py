"""Operators: rows whose input changed are computed again, and what changed of their output is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .fields import G_N, G_N_PROBES, O_DONE, O_FRESH, O_LAST, O_VALUE, O_WIDTH, O_X
from .rings import ring_word
from .send import sample, send
from .source import NUMBER, separated
from .words import LANES, atomic_add, device, i4, post


def row_source(row: Callable[..., None]) -> str:
    """Return the function of an operator's kind over one row, `row__N`, as a device function."""
    return separated(row, f"row{NUMBER}")


@device
def differs(t: Any, m: Any, g: Any, row: Any, trial: Any) -> Any:
    """Return whether a row of the input changed, and take it over."""
    begin, changed = trial * t[g + G_N] + row * t[g + O_WIDTH], False
    for i in range(begin, begin + t[g + O_WIDTH]):
        if m.reals[t[g + O_X] + i] != m.reals[t[g + O_LAST] + i]:
            changed = True
        m.reals[t[g + O_LAST] + i] = m.reals[t[g + O_X] + i]
    if changed:
        atomic_add(m.longs, t[g + O_DONE], 1)
    return changed


@device
def change(t: Any, m: Any, g: Any, word: Any, trial: Any, lane: Any, run: Any) -> None:
    """Send by how much 32 numbers of the output differ from what they were."""
    n, now = t[g + G_N], run.begin
    for i in range(lane, 32, LANES):
        inside = word * 32 + i < n
        at = trial * n + min(word * 32 + i, n - 1)
        fresh = m.reals[t[g + O_FRESH] + at]
        step = fresh - m.reals[t[g + O_VALUE] + at]
        sent = inside and step != 0
        if sent:
            m.reals[t[g + O_VALUE] + at] = fresh
            send(t, m, g, trial, word * 32 + i, now, i4(1), step, run)
        post(m.bits, ring_word(t, g, trial, now, word), i, sent)
        if inside and t[g + G_N_PROBES] > 0:
            sample(t, m, g, 0, trial, word * 32 + i, now, fresh)
