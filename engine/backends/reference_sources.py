"""How the reference draws random numbers and sends what sources send."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...neurons.model import steps_of
from ..plan import Plan
from ..planned import GroupPlan
from ..poisson import count_table
from ..random import (
    FIRST_DRAW,
    bits_array,
    draw64,
    normal_of,
    paired_bits_array,
    plain,
    stream_key,
    uniform_of,
)
from ..sources import PoissonSource, RateSource
from .base import ListedFeed, SpikeFeed
from .reference_deliver import Events


class Draws:
    """What the words that draw mean: numbers of one group, keyed by trial, step and draw."""

    def __init__(self, plan: Plan, group: GroupPlan) -> None:
        self._keys = [
            stream_key(plan.network.seed, group.name, "uniform", trial) for trial in range(plan.trials)
        ]
        self._places = np.arange(group.n)
        self._real = plan.real.type
        self._now = np.uint64(0)

    def begin(self, trial: int, now: int) -> None:
        """Begin a step."""
        self._now = np.uint64(draw64(self._keys[trial], now))

    def uniform(self, draw: int) -> np.ndarray:
        """Return every neuron's uniform number of one draw of this step."""
        return self._numbers("uniform", draw, uniform_of)

    def normal(self, draw: int) -> np.ndarray:
        """Return every neuron's normal number of one draw of this step."""
        return self._numbers("normal", draw, normal_of)

    def _numbers(self, word: str, draw: int, number_of: Any) -> np.ndarray:
        bits = bits_array(draw64(self._now, FIRST_DRAW[word] + draw), self._places)
        return np.asarray(plain(number_of)(bits).astype(self._real))


class Noise:
    """Poisson counts of a source, whose rates may change at given steps."""

    def __init__(self, plan: Plan, group: GroupPlan) -> None:
        part = group.part
        assert isinstance(part, PoissonSource | RateSource)
        if isinstance(part, PoissonSource):
            rates, self._starts = np.atleast_2d(part.rate), np.zeros(1, np.int64)
        else:
            rates, self._starts = part.rates.reshape(part.times.size, -1), steps_of(part.times, plan.dt)
        rates = np.broadcast_to(rates, (len(rates), group.n))
        unique, rows = np.unique(rates, return_inverse=True)
        self._table = count_table(group.name, unique * plan.dt)
        self._rows = group.stored(rows.reshape(rates.shape))
        self._keys = [
            stream_key(plan.network.seed, group.name, "noise", trial) for trial in range(plan.trials)
        ]
        self._places = np.arange(group.n)

    def events(self, trial: int, now: int) -> Events:
        """Return what is sent in a step."""
        stretch = np.flatnonzero(self._starts <= now)[-1]
        bits = paired_bits_array(draw64(self._keys[trial], now), self._places)
        counts = self._table.counts(bits, self._rows[stretch])
        places = np.flatnonzero(counts)
        return places, counts[places]


def fed_events(feed: ListedFeed | None, now: int, real: np.dtype) -> Events:
    """Return what a fed source sends in a step; nothing without a feed."""
    if isinstance(feed, SpikeFeed):
        row = now - feed.start
        if 0 <= row < feed.indptr.size - 1:
            chosen = slice(feed.indptr[row], feed.indptr[row + 1])
            return feed.places[chosen].astype(np.int64), feed.counts[chosen].astype(np.int32)
    elif feed is not None and (row_of := feed.row(now)) is not None:
        values = feed.values[row_of]
        places = np.flatnonzero(values)
        return places, values[places].astype(real)
    return np.zeros(0, np.int64), np.zeros(0, np.int32)
