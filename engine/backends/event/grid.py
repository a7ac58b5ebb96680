"""The machine that goes from event to event over the steps of a clocked run, and shares its snapshots.

For networks in which nothing happens to a neuron between two events, so that a step without one changes
nothing: see `engine/choice.py`. State and sums have the types that a clocked run has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..base import Feed, SpikeFeed, TimedFeed, listed
from . import loop
from .machine import EventMachine
from .synapses import DELAY, DELAYS, LEVEL, ROWS
from .trial import Trial

_KINDS = {"trials": np.int64, "steps": np.int64, "places": np.int64, "payloads": np.float64}


class GridMachine(EventMachine):
    """Runs a plan with a grid from event to event, if no neuron moves between events.

    Parameters
    ----------
    plan : Plan
        What to run; `choice.refused` finds nothing against it.
    threads : int, optional
        One is used.
    """

    def feed(self, source: str, feeds: Sequence[Feed]) -> None:
        """Give a source its spikes, one feed per trial."""
        super().feed(source, [_timed(feed) for feed in feeds])

    def take_tally(self) -> dict[str, np.ndarray]:
        """Return what a clocked run counts: neurons are up to date in all steps."""
        tally = super().take_tally()
        return {key: value for key, value in tally.items() if not key.startswith("updates/")}

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return all state, in the keys of every clocked backend."""
        out = {"now": np.array([self.now])}
        for name in self._trials[0].states:
            out |= {f"state/{name}/{key}": self.state(name, key) for key in self._trials[0].states[name]}
        flying = [self._in_flight(trial) for trial in self._trials]
        for k, (name, reach) in enumerate(self.plan.reach.items()):
            if reach:
                parts = [sent[sent[:, 1] == k][:, [0, 2, 3, 4]] for sent in flying]
                columns = np.concatenate(parts).T
                out |= {
                    f"flight/{name}/{key}": column.astype(kind)
                    for (key, kind), column in zip(_KINDS.items(), columns, strict=True)
                }
        return out

    def _in_flight(self, trial: Trial) -> np.ndarray:
        """Return spikes that have yet to arrive somewhere: trial, group, step, place and number, int64."""
        events = trial.pending()
        _, kinds, p, places = loop.parts_of(events[:, 1])
        arrives = kinds == loop.ARRIVAL
        p, places, times, at = (x[arrives] for x in (p, places, events[:, 0], events[:, 2]))
        sources = np.searchsorted(self._synapses.outgoing, p, side="right") - 1
        spikes = np.stack([p, sources, times - self._delays(p, at), places], axis=1)
        # A spike is one event of each projection; those of a train in one step are as many of each.
        each, numbers = np.unique(spikes, axis=0, return_counts=True)
        sent, which = np.unique(each[:, 1:], axis=0, return_inverse=True)
        most = np.zeros(len(sent), np.int64)
        np.maximum.at(most, which.reshape(-1), numbers)
        return np.column_stack([np.full(len(sent), trial.index), sent, most])

    def _delays(self, p: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return the delays of synapses of some projections, in steps."""
        delays: np.ndarray = self._synapses.projections[p, DELAY].copy()
        own = delays < 0
        delays[own] = self._synapses.delays[at[own] + self._synapses.projections[p[own], DELAYS]]
        return delays

    def restore(self, snapshot: dict[str, np.ndarray]) -> None:
        """Set all state from a snapshot of any clocked backend."""
        self.now = int(snapshot["now"][0])
        for k, trial in enumerate(self._trials):
            for name in trial.states:
                states = {key: snapshot[f"state/{name}/{key}"][k] for key in trial.states[name]}
                trial.set_state(name, states, self.now - 1)
            trial.set_pending(self._arrivals(snapshot, k), self.now)
            trial.begin_again(self.now)
        for record in self._records.values():
            record.forget()

    def _arrivals(self, snapshot: dict[str, np.ndarray], trial: int) -> np.ndarray:
        """Return the events (time, code, extra) of the spikes of a snapshot that have yet to arrive."""
        found = []
        outgoing = self._synapses.outgoing
        for k, name in enumerate(self.plan.groups):
            if f"flight/{name}/steps" not in snapshot:
                continue
            mine = snapshot[f"flight/{name}/trials"] == trial
            sent = [
                snapshot[f"flight/{name}/{key}"][mine].tolist() for key in ("steps", "places", "payloads")
            ]
            for step, place, payload in zip(*sent, strict=True):
                for p in range(outgoing[k], outgoing[k + 1]):
                    found += [self._next_arrival(p, step, place)] * int(payload)
        arrivals = [event for event in found if event is not None]
        return np.array(arrivals, np.int64).reshape(-1, 3)

    def _next_arrival(self, p: int, step: int, place: int) -> tuple[int, int, int] | None:
        """Return what a spike causes next by one projection, or None where it has arrived everywhere."""
        row = self._synapses.projections[p, ROWS] + place
        at = np.arange(self._synapses.starts[row], self._synapses.starts[row + 1])
        times = step + self._delays(np.full(at.size, p), at)
        later = np.flatnonzero(times >= self.now)
        if not later.size:
            return None
        level = self._synapses.projections[p, LEVEL]
        return int(times[later[0]]), int(loop.code_of(level, loop.ARRIVAL, p, place)), int(at[later[0]])


def _timed(feed: Feed) -> TimedFeed:
    """Return the spikes of a clocked run as a list."""
    spikes = listed(feed)
    assert isinstance(spikes, SpikeFeed)
    steps = spikes.start + np.repeat(np.arange(spikes.indptr.size - 1), np.diff(spikes.indptr))
    return TimedFeed(steps.astype(np.int64), spikes.places, spikes.counts)
