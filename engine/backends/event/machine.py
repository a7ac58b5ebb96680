"""The machine that goes from event to event: state, queue and records of every trial of one network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ....neurons.errors import RunError
from ...clocked import probe_window
from ...parts import Population, Probe
from ...plan import Plan
from ...planned import GroupPlan
from ..base import Feed, Machine, SpikeChunk, TimedFeed
from .loop import BAD, DONE, advance
from .restore import check_queue
from .synapses import make_synapses
from .trial import Trial

#: Steps (of a femtosecond) that the driver asks for at least.
_STRIP = 10**11


class EventMachine(Machine):
    """Runs a plan from event to event.

    Parameters
    ----------
    plan : Plan
        What to run: without a grid, or with one if no neuron moves between events.
    threads : int, optional
        One is used.
    """

    def __init__(self, plan: Plan, threads: int | None = None) -> None:
        self.plan, self.threads, self.now = plan, 1, 0
        self.halted = np.zeros(plan.trials, bool)
        self.strip = _STRIP if plan.gridless else 1
        self._synapses = make_synapses(plan)
        self.synapse_bytes = sum(x.nbytes for x in self._synapses[1:5])
        self._trials = [Trial(plan, self._synapses, index) for index in range(plan.trials)]
        self._records = {probe.label: _Recording(plan, probe) for probe in plan.probes}
        own = sum(int(delay) < 0 for delay in self._synapses.projections[:, 3])
        self.layout = (
            f"from event to event: {self._synapses.targets.size} synapses by source and delay, "
            f"{own} projection(s) with a delay for each",
        )

    def feed(self, source: str, feeds: Sequence[Feed]) -> None:
        """Give a source its spikes, one feed per trial."""
        for trial, feed in zip(self._trials, feeds, strict=True):
            assert isinstance(feed, TimedFeed)
            trial.feed(source, feed, self.now)

    def advance(self, steps: int) -> None:
        """Work off the events of some steps, and take samples where they are due."""
        end = self.now + steps
        for at, probes in self._samples(end):
            self._advance_to(at + 1)
            for record in probes:
                record.take_sample(self._trials, at)
        self._advance_to(end)
        self.now = end

    def _samples(self, end: int) -> Iterator[tuple[int, list[_Recording]]]:
        """Yield each step in which samples are due, with what takes them."""
        sampling = [record for record in self._records.values() if record.samples_state]
        times = [record.window.samples(self.now, end) for record in sampling]
        for at in np.unique(np.concatenate([np.zeros(0, np.int64), *times])).tolist():
            yield at, [record for record in sampling if record.is_due(at)]

    def _advance_to(self, until: int) -> None:
        for trial in self._trials:
            while True:
                status = advance(trial.queue, self._synapses, trial.tables, trial.work, until)
                spikes = trial.take_spikes()
                for record in self._records.values():
                    record.note(trial.index, spikes)
                if status == BAD:
                    raise self._failure(trial)
                if status == DONE:
                    break
                trial.make_room()

    def _failure(self, trial: Trial) -> RunError:
        group, place, now = trial.bad
        planned = list(self.plan.groups.values())[group]
        neuron = place if planned.order is None else int(planned.order[place])
        when = f"{now * self.plan.dt:g} s" if self.plan.gridless else f"step {now}"
        return RunError(
            f"{planned.name}: the state of neuron {neuron} became NaN at {when} (trial {trial.index}); look "
            "for weights or parameters that are too large"
        )

    def take_spikes(self, probe: str) -> SpikeChunk:
        """Return, and forget, the spikes that a probe has recorded."""
        return self._records[probe].take_spikes()

    def take_samples(self, probe: str) -> np.ndarray:
        """Return, and forget, the samples of a probe."""
        return self._records[probe].take_samples()

    def take_counts(self, probe: str) -> np.ndarray:
        """Return, and forget, the spike counts of a probe."""
        return self._records[probe].take_counts()

    def take_tally(self) -> dict[str, np.ndarray]:
        """Return, and forget, events sent by each neuron, and updates of each population."""
        taken = [trial.take_tally() for trial in self._trials]
        return {key: np.stack([tally[key] for tally in taken]) for key in taken[0]}

    def state(self, group: str, variable: str) -> np.ndarray:
        """Return a state variable as it is at the end of the last step: (trials, n)."""
        n = self.plan.groups[group].n
        everyone = np.arange(n, dtype=np.int32)
        return np.stack([t.look(group, everyone, self.now - 1)[variable] for t in self._trials])

    def weights(self, projection: str) -> np.ndarray:
        """Refuse: nothing learns."""
        raise RunError(f"{projection}: no weights change from event to event")

    def learned(self, projection: str) -> dict[str, np.ndarray]:
        """Refuse: nothing learns."""
        raise RunError(f"{projection}: no weights change from event to event")

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return all state.

        Keys: "now"; "state/GROUP/VARIABLE" as of the step "last/GROUP", and "due/GROUP", in which a neuron
        will fire by itself; "queue/{trials,times,codes,extras}".
        """
        out = {"now": np.array([self.now])}
        for name in self._trials[0].states:
            for key in self._trials[0].states[name]:
                out[f"state/{name}/{key}"] = np.stack([t.states[name][key] for t in self._trials])
            out[f"last/{name}"] = np.stack([t.since(name) for t in self._trials])
            out[f"due/{name}"] = np.stack([t.due(name) for t in self._trials])
        pending = [trial.pending() for trial in self._trials]
        sizes = [len(events) for events in pending]
        events = np.concatenate(pending)
        out["queue/trials"] = np.repeat(np.arange(len(pending)), sizes)
        for k, column in enumerate(("times", "codes", "extras")):
            out[f"queue/{column}"] = np.ascontiguousarray(events[:, k])
        return out

    def restore(self, snapshot: dict[str, np.ndarray]) -> None:
        """Set all state from a snapshot.

        Raises
        ------
        FormatError
            If its events are none of this network.
        """
        events = np.stack([snapshot[f"queue/{name}"] for name in ("times", "codes", "extras")], axis=1)
        self.now = int(snapshot["now"][0])
        check_queue(self._trials, self._synapses, events, snapshot["queue/trials"], self.now)
        for k, trial in enumerate(self._trials):
            for name in trial.states:
                states = {key: snapshot[f"state/{name}/{key}"][k] for key in trial.states[name]}
                trial.set_state(name, states, snapshot[f"last/{name}"][k])
                trial.due(name)[:] = snapshot[f"due/{name}"][k]
            trial.set_pending(events[snapshot["queue/trials"] == k], self.now)
        for record in self._records.values():
            record.forget()


class _Recording:
    """What one probe has recorded and not yet given away."""

    def __init__(self, plan: Plan, probe: Probe) -> None:
        self.window = probe_window(probe, plan.dt, plan.stride)
        self.samples_state = probe.variable not in ("spikes", "counts")
        group: GroupPlan = plan.group_of(probe.group)
        self._variable, self._name, self._trials = probe.variable, group.name, plan.trials
        self._group = list(plan.groups).index(group.name)
        self._who = np.sort(group.places(probe.recorded())).astype(np.int32)
        whole = [s for s in group.part.model.used_states] if isinstance(group.part, Population) else []
        integer = any(s.name == probe.variable and s.kind == "integer" for s in whole)
        self._real = np.dtype(np.int64) if integer else plan.real
        self._wanted = np.zeros(group.n, bool)
        self._wanted[self._who] = True
        self.forget()

    def forget(self) -> None:
        self._spikes: list[tuple[int, np.ndarray]] = []
        self._samples: list[list[np.ndarray]] = []
        self._counts = np.zeros((self._trials, self._who.size), np.int64)

    def is_due(self, step: int) -> bool:
        return self.window.samples(step, step + 1).size > 0

    def take_sample(self, trials: list[Trial], step: int) -> None:
        self._samples.append([t.look(self._name, self._who, step)[self._variable] for t in trials])

    def note(self, trial: int, spikes: np.ndarray) -> None:
        """Take what it wants of some recorded events: (step, group, place)."""
        if self.samples_state or not len(spikes):
            return
        inside = (spikes[:, 0] >= self.window.start) & (spikes[:, 0] < self.window.stop)
        mine = spikes[(spikes[:, 1] == self._group) & inside]
        mine = mine[self._wanted[mine[:, 2]]]
        if self._variable == "counts":
            np.add.at(self._counts[trial], np.searchsorted(self._who, mine[:, 2]), 1)
        else:
            self._spikes.append((trial, mine))

    def take_spikes(self) -> SpikeChunk:
        parts, self._spikes = self._spikes, []
        steps = [part[:, 0] for _, part in parts]
        places = [part[:, 2] for _, part in parts]
        trials = [np.full(len(part), trial) for trial, part in parts]
        none = np.zeros(0, np.int64)
        return SpikeChunk(*(np.concatenate([none, *x]) for x in (steps, places, trials)))

    def take_samples(self) -> np.ndarray:
        rows, self._samples = self._samples, []
        if not rows:
            return np.zeros((self._trials, 0, self._who.size), self._real)
        return np.array(rows).transpose(1, 0, 2)

    def take_counts(self) -> np.ndarray:
        counts, self._counts = self._counts, np.zeros_like(self._counts)
        return counts
