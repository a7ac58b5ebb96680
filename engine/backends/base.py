"""What every backend is: something that binds a plan and runs its steps.

A machine keeps all state of one simulation. The driver (`engine/clocked.py`) feeds its sources, lets
it advance, and takes what its probes recorded; everything crosses in the order of storage.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from ...neurons.errors import RunError
from ..plan import Plan

#: A step that never comes.
NEVER = 2**62


@dataclass(frozen=True)
class SpikeFeed:
    """Given spikes of one source in one trial.

    Attributes
    ----------
    start : int
        The simulation's step that row 0 belongs to.
    indptr : int64 (steps + 1,)
        Where the events of each step start; silence before and after.
    places : int32 (k,)
        Source places, ascending within a step, each at most once.
    counts : int32 (k,)
        Number of spikes of each event.
    """

    start: int
    indptr: np.ndarray
    places: np.ndarray
    counts: np.ndarray

    @property
    def end(self) -> int:
        """The step from which on it is silent."""
        return self.start + self.indptr.size - 1


@dataclass(frozen=True)
class CountFeed:
    """Given numbers of spikes of one source in one trial, as an array; silence after its last row.

    Attributes
    ----------
    start : int
        The simulation's step that row 0 belongs to.
    batch : uint8 (trials, steps, n)
        How many spikes each place sends, of all trials; on a GPU if the user's array was there.
    index : int
        Which of them is meant.
    """

    start: int
    batch: Any
    index: int

    @property
    def end(self) -> int:
        """The step from which on it is silent."""
        return self.start + int(self.batch.shape[1])

    def listed(self) -> SpikeFeed:
        """Return the same spikes as a list, in the processor's memory."""
        given = self.batch[self.index]
        given = given.get() if hasattr(given, "get") else given
        steps, places = np.nonzero(given)
        indptr = np.searchsorted(steps, np.arange(len(given) + 1))
        counts = given[steps, places].astype(np.int32)
        return SpikeFeed(self.start, indptr.astype(np.int64), places.astype(np.int32), counts)


@dataclass(frozen=True)
class ValueFeed:
    """Given values of one source in one trial, sent in every step, zeros skipped.

    Attributes
    ----------
    start : int
        The simulation's step at which row 0 begins.
    row_steps : int
        Steps for which each row holds.
    values : real (rows, n)
        The values.
    hold : bool
        Whether the last row holds for ever (else zero follows it).
    """

    start: int
    row_steps: int
    values: np.ndarray
    hold: bool

    @property
    def end(self) -> int:
        """The step from which on it is silent."""
        if self.hold and self.values[-1].any():
            return NEVER
        return self.start + self.row_steps * len(self.values)

    def row(self, now: int) -> int | None:
        """Return the row of a step, or None where nothing is sent."""
        row = (now - self.start) // self.row_steps
        if row < 0 or (row >= len(self.values) and not self.hold):
            return None
        return min(row, len(self.values) - 1)


@dataclass(frozen=True, eq=False)
class ValueFeeds(Sequence[ValueFeed]):
    """Given values of one source in all trials: the feed of each, and all as one array.

    Attributes
    ----------
    start, row_steps, hold
        As of `ValueFeed`.
    values : real (trials, rows, n)
        Those of a trial lie together.
    """

    start: int
    row_steps: int
    values: np.ndarray
    hold: bool

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> ValueFeed: ...

    @overload
    def __getitem__(self, index: slice) -> list[ValueFeed]: ...

    def __getitem__(self, index: int | slice) -> ValueFeed | list[ValueFeed]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return ValueFeed(self.start, self.row_steps, self.values[index], self.hold)


@dataclass(frozen=True)
class TimedFeed:
    """Given spikes of one source in one trial, where there is no grid to list them by.

    Attributes
    ----------
    steps : int64 (k,)
        The simulation's step of each event, ascending.
    places : int32 (k,)
        Source places, ascending within a step, each at most once.
    counts : int32 (k,)
        Number of spikes of each event.
    """

    steps: np.ndarray
    places: np.ndarray
    counts: np.ndarray

    @property
    def end(self) -> int:
        """The step from which on it is silent."""
        return int(self.steps[-1]) + 1 if self.steps.size else 0


ListedFeed = SpikeFeed | ValueFeed
GridFeed = ListedFeed | CountFeed
Feed = GridFeed | TimedFeed


def on_grid(feed: Feed) -> GridFeed:
    """Return a feed of a plan with a grid, for machines that run no other."""
    assert not isinstance(feed, TimedFeed)
    return feed


def listed(feed: Feed) -> ListedFeed:
    """Return a feed whose spikes are listed, for machines that do not read counts."""
    feed = on_grid(feed)
    return feed.listed() if isinstance(feed, CountFeed) else feed


@dataclass(frozen=True)
class SpikeChunk:
    """Recorded spikes of one probe: steps, places of storage and trials, int64, in no promised order."""

    steps: np.ndarray
    places: np.ndarray
    trials: np.ndarray


@dataclass(frozen=True)
class Window:
    """When and how often a probe records, in steps: from `start` to before `stop`, every `every`-th."""

    start: int
    stop: int
    every: int

    def samples(self, first: int, last: int) -> np.ndarray:
        """Return the steps of [first, last) at which a sample is taken."""
        return np.arange(self.due(first), min(last, self.stop), self.every, dtype=np.int64)

    def due(self, now: int) -> int:
        """Return the first step from `now` on at which a sample would be taken, stopped or not."""
        low = max(now, self.start)
        return low + (self.start - low) % self.every


class Machine(ABC):
    """A plan bound to a backend.

    Attributes
    ----------
    plan : Plan
        What is run.
    threads : int
        Threads in use.
    now : int
        The next step.
    synapse_bytes : int
        Memory that the synapses take.
    strip : int
        Steps that it runs as one piece; it is best asked for multiples.
    device : str
        The name of what it runs on, where that is not the processor.
    halted : bool (trials,)
        Which trials stand still.
    """

    plan: Plan
    threads: int
    now: int
    synapse_bytes: int
    #: How synapses lie in memory, a line each, for readers.
    layout: Sequence[str] = ()
    strip: int = 1
    device: str = ""
    halted: np.ndarray

    @abstractmethod
    def feed(self, source: str, feeds: Sequence[Feed]) -> None:
        """Give a source its events or values, one feed per trial; they replace earlier ones."""

    @abstractmethod
    def advance(self, steps: int) -> None:
        """Run some steps.

        Raises
        ------
        RunError
            If a state variable becomes NaN; the message names neuron and step.
        """

    def watch_step(self) -> np.ndarray:
        """Run one step, and return in which trials something was sent, bool (trials,)."""
        raise RunError("this machine does not look at single steps")

    def halt(self, halted: np.ndarray) -> None:
        """Let some trials, bool (trials,), stand still from the next step on, and no others.

        No event may be under way between steps. Samples of the state of trials that stand still are left
        open: it does not change.
        """
        raise RunError("trials of this machine cannot stand still")

    @abstractmethod
    def take_spikes(self, probe: str) -> SpikeChunk:
        """Return, and forget, the spikes that a probe has recorded."""

    @abstractmethod
    def take_samples(self, probe: str) -> np.ndarray:
        """Return, and forget, the samples of a probe: real (trials, n_samples, n_recorded)."""

    @abstractmethod
    def take_counts(self, probe: str) -> np.ndarray:
        """Return, and forget, the spike counts of a probe: int64 (trials, n_recorded)."""

    @abstractmethod
    def take_tally(self) -> dict[str, np.ndarray]:
        """Return, and forget, what was counted, as int64 arrays by key; they hold until the next step.

        Keys: "sent/GROUP", the events sent by each neuron in each trial, (trials, n); "rows/OPERATOR", the
        rows recomputed, "reads/OPERATOR", how often numbers changed of each of the groups that it reads, and
        "changes/PROJECTION", the weight changes of a plastic projection, which add up.
        """

    @abstractmethod
    def state(self, group: str, variable: str) -> np.ndarray:
        """Return a state variable: (trials, n)."""

    @abstractmethod
    def weights(self, projection: str) -> np.ndarray:
        """Return the weights of a plastic projection, (trials, n_synapses), in the order of its layout."""

    @abstractmethod
    def learned(self, projection: str) -> dict[str, np.ndarray]:
        """Return what else a plastic projection remembers, by its keys in a snapshot."""

    @abstractmethod
    def snapshot(self) -> dict[str, np.ndarray]:
        """Return all state, events in flight included, as arrays by name; the same keys on every backend.

        Keys: "now" (int64, 1); "state/GROUP/VARIABLE" (trials, n); for each group with delayed
        projections "flight/GROUP/{trials,steps,places,payloads}"; "value/OPERATOR"; for plastic projections
        "weights/PROJECTION" and, with NAME, "trace/PROJECTION/" (trials, n_delays, n) of arrivals,
        (trials, n) of the targets, (trials, 1) of a modulator, "synapse/PROJECTION/" (trials, n_synapses),
        "shared/PROJECTION/" (trials, 1).
        """

    @abstractmethod
    def restore(self, snapshot: dict[str, np.ndarray]) -> None:
        """Set all state from a snapshot."""
