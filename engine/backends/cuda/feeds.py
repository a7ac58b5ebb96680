"""What sources are fed with, put together for the card: a record for each trial, and the events or values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base import CountFeed, Feed, GridFeed, SpikeFeed, ValueFeed, on_grid
from . import fields as f

#: Vectors of `Memory` that hold feeds.
VECTORS = ("feeds", "feed_places", "feed_counts", "feed_values", "feed_bytes")


class Feeds:
    """The feeds of all sources, in the order in which these were bound.

    Parameters
    ----------
    sources
        Names of those that are fed.
    trials
        How many trials there are.
    real
        Type of values.

    Attributes
    ----------
    changed : bool
        Whether anything was given since the vectors were last asked for.
    """

    def __init__(self, sources: Sequence[str], trials: int, real: np.dtype) -> None:
        self._sources, self._trials, self._real = tuple(sources), trials, real
        self._given: dict[str, list[GridFeed]] = {}
        self.changed = True

    def give(self, source: str, feeds: Sequence[Feed]) -> None:
        """Take over the feeds of one source, one for each trial."""
        self._given[source] = [on_grid(feed) for feed in feeds]
        self.changed = True

    def pieces(self) -> dict[str, list[Any]]:
        """Return, for each vector, the arrays that follow one another in it; some may lie on the card."""
        self.changed = False
        records = np.zeros((len(self._sources), self._trials, f.FEED), np.int64)
        records[..., f.F_ROW_STEPS] = 1
        found: dict[str, list[Any]] = {name: [] for name in VECTORS}
        found["feeds"].append(records.reshape(-1))
        sizes = dict.fromkeys(VECTORS, 0) | {"feeds": records.size}
        for index, source in enumerate(self._sources):
            before: dict[int, np.ndarray] = {}
            for trial, feed in enumerate(self._given.get(source, [])):
                key = feed.values.ctypes.data if isinstance(feed, ValueFeed) else id(feed)
                if key in before:  # what all trials share lies there once
                    records[index, trial] = before[key]
                    continue
                before[key] = records[index, trial]
                _add(feed, records[index, trial], found, sizes, self._real)
        return found


def _add(
    feed: GridFeed, record: np.ndarray, found: dict[str, list[Any]], sizes: dict[str, int], real: np.dtype
) -> None:
    """Add a feed to the vectors, and fill in its record."""

    def put(vector: str, values: Any) -> int:
        found[vector].append(values)
        sizes[vector] += values.size
        return sizes[vector] - int(values.size)

    record[f.F_START] = feed.start
    if isinstance(feed, CountFeed):
        _, rows, n = feed.batch.shape
        if not any(batch is feed.batch for batch in found["feed_bytes"][-1:]):
            put("feed_bytes", feed.batch)
        begin = sizes["feed_bytes"] - feed.batch.size
        record[f.F_ROWS], record[f.F_AT] = rows, begin + feed.index * rows * n
        record[f.F_COUNTED] = 1
    elif isinstance(feed, SpikeFeed):
        begin = put("feed_places", feed.places)
        put("feed_counts", feed.counts)
        record[f.F_ROWS] = feed.indptr.size - 1
        record[f.F_AT] = put("feeds", feed.indptr.astype(np.int64) + begin)
    else:
        record[f.F_ROWS], record[f.F_AT] = len(feed.values), put("feed_values", feed.values.astype(real))
        record[f.F_ROW_STEPS], record[f.F_HOLD] = feed.row_steps, feed.hold
