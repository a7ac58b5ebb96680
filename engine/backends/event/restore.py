"""Whether the pending events of a checkpoint are some that this network can have: files are not trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....neurons.errors import FormatError
from . import loop
from .marks import NEVER
from .synapses import DELAY, GROUP, LEVEL, ROWS, Synapses

if TYPE_CHECKING:
    from .trial import Trial


def check_queue(
    trials: list[Trial], synapses: Synapses, events: np.ndarray, owners: np.ndarray, now: int
) -> None:
    """Raise FormatError unless events (time, code, extra) of some trials can be pending."""
    if owners.size != len(events) or not np.isin(owners, np.arange(len(trials))).all():
        raise FormatError("its pending events belong to no trial of this network")
    for k, trial in enumerate(trials):
        if not _possible(trial, synapses, events[owners == k], now):
            raise FormatError("its pending events are none that this network can have")


def _possible(trial: Trial, synapses: Synapses, events: np.ndarray, now: int) -> bool:
    times, codes, extras = events.T
    levels, kinds, indices, places = loop.parts_of(codes)
    groups, sources = trial.tables.groups, trial.tables.sources
    if not ((times >= now) & (times < 2 * NEVER) & (codes >= 0)).all():
        return False
    arrives, sends = kinds == loop.ARRIVAL, kinds == loop.EMISSION
    limit = np.where(arrives, len(synapses.projections), len(groups))
    if not ((kinds <= loop.EMISSION) & (indices < limit)).all():
        return False
    p, row = indices[arrives], places[arrives]
    table = synapses.projections[p]
    rows = np.append(synapses.projections[:, ROWS], synapses.starts.size)
    if not (table[:, ROWS] + row + 1 < rows[p + 1]).all():
        return False
    begin, end = synapses.starts[table[:, ROWS] + row], synapses.starts[table[:, ROWS] + row + 1]
    at, own = extras[arrives], table[:, DELAY] < 0
    inside = (at >= begin) & (at < end) & (own | (at == begin)) & (levels[arrives] == table[:, LEVEL])
    others = indices[~arrives]
    place = places[~arrives] < groups[others, loop.G_SIZE]
    level = levels[~arrives] == groups[others, loop.G_LEVEL]
    alone = (groups[others, loop.G_BLOCK] != 0) | sends[~arrives]
    kind, size = sources[indices[sends], loop.S_KIND], sources[indices[sends], loop.S_SIZE]
    numbered = (kind != 0) & (extras[sends] >= 0) & ((kind != loop.LISTED) | (extras[sends] < size))
    targets = groups[table[:, GROUP], loop.G_BLOCK] != 0
    return bool(
        inside.all() and place.all() and level.all() and alone.all() and numbered.all() and targets.all()
    )
