"""What sources are fed with, put together for the card: records by trial, and the events or values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..base import Feed, SpikeFeed
from . import fields as f


class Feeds:
    """The feeds of all sources, in the order in which these were bound."""

    def __init__(self, sources: Sequence[str], trials: int, real: np.dtype) -> None:
        self._sources, self._trials, self._real = tuple(sources), trials, real
        self._given: dict[str, list[Feed]] = {}
        self.changed = True

    def give(self, source: str, feeds: list[Feed]) -> None:
        """Take over the feeds of one source, one for each trial."""
        self._given[source] = feeds
        self.changed = True

    def vectors(self) -> dict[str, np.ndarray]:
        """Return the vectors that hold all feeds, by their names in `Memory`."""
        self.changed = False
        records = np.zeros((len(self._sources), self._trials, f.FEED), np.int64)
        indptr: list[np.ndarray] = []
        places, counts, values = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)], [np.zeros(0, self._real)]
        at, events, n_values = records.size, 0, 0
        records[..., f.F_ROW_STEPS] = 1
        for index, source in enumerate(self._sources):
            for trial, feed in enumerate(self._given.get(source, [])):
                record = records[index, trial]
                record[f.F_START] = feed.start
                if isinstance(feed, SpikeFeed):
                    record[f.F_ROWS], record[f.F_AT] = feed.indptr.size - 1, at
                    indptr.append(feed.indptr.astype(np.int64) + events)
                    places.append(feed.places)
                    counts.append(feed.counts)
                    at, events = at + feed.indptr.size, events + feed.places.size
                else:
                    record[f.F_ROWS], record[f.F_AT] = len(feed.values), n_values
                    record[f.F_ROW_STEPS], record[f.F_HOLD] = feed.row_steps, feed.hold
                    values.append(feed.values.astype(self._real).reshape(-1))
                    n_values += feed.values.size
        return {
            "feeds": np.concatenate([records.reshape(-1), *indptr]),
            "feed_places": np.concatenate(places).astype(np.int32),
            "feed_counts": np.concatenate(counts).astype(np.int32),
            "feed_values": np.concatenate(values),
        }
