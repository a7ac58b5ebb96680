"""The reference backend: plain NumPy, one trial after another, one step after another, no tricks.

Every step of the plan is done as it reads. Slow and obvious; other backends are compared with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...neurons.errors import RunError
from ..clocked import probe_window
from ..initial import initial_state
from ..layout import cells_of
from ..parts import Population
from ..plan import Plan
from ..planned import Step
from ..sources import PoissonSource, RateSource, Source
from .base import Feed, Machine, SpikeChunk, listed
from .reference_deliver import Events, Table, make_table
from .reference_sources import Noise, fed_events
from .reference_trial import Recording, Trial, flight, landed
from .reference_update import Neurons, OperatorRows

if TYPE_CHECKING:
    from .reference_plastic import PlasticSynapses


class ReferenceMachine(Machine):
    """A plan run by NumPy.

    Parameters
    ----------
    plan : Plan
        What to run.
    threads : int, optional
        Ignored: there is one.
    """

    def __init__(self, plan: Plan, threads: int | None = None) -> None:
        self.plan, self.threads, self.now = plan, 1, 0
        self.halted = np.zeros(plan.trials, bool)
        self._busy = np.zeros(plan.trials, bool)
        cells = {kind: cells_of(plan, kind) for kind in ("fixed", "float")}
        self._cells = cells
        self._tables: dict[tuple[str, ...], Table] = {}
        self._plastic: dict[str, PlasticSynapses] = {}
        for step in plan.steps:
            if step.kind == "deliver":
                self._add_delivery(step)
        self._neurons = {group.name: Neurons(plan, group) for group in plan.populations}
        self._noise = {
            name: Noise(plan, group)
            for name, group in plan.groups.items()
            if isinstance(group.part, PoissonSource | RateSource)
        }
        self._reach = plan.reach
        self._trials = [self._trial(k) for k in range(plan.trials)]
        self._recordings = {probe.label: self._recording(probe.label) for probe in plan.probes}
        self._tally = {n: np.zeros((plan.trials, group.n), np.int64) for n, group in plan.groups.items()}
        self.synapse_bytes = sum(t.n_bytes for t in self._tables.values())
        self.synapse_bytes += sum(synapses.n_bytes for synapses in self._plastic.values())

    def _add_delivery(self, step: Step) -> None:
        if self.plan.projections[step.names[0]].rule is None:
            self._tables[step.names] = make_table(self.plan, step, self._cells)
            return
        from .reference_plastic import PlasticSynapses

        (name,) = step.names
        p = self.plan.projections[name]
        self._plastic[name] = PlasticSynapses(self.plan, p, self._cells[p.arithmetic])

    def _trial(self, index: int) -> Trial:
        plan = self.plan
        types = {"fixed": np.dtype(np.int32), "float": plan.real}
        return Trial(
            states={group.name: initial_state(plan, group, index) for group in plan.populations},
            operators={o.label: OperatorRows(plan, o) for o in plan.network.operators},
            cells={kind: np.zeros(self._cells[kind].size, dtype) for kind, dtype in types.items()},
            sent={name: {} for name in plan.groups},
        )

    def _recording(self, name: str) -> Recording:
        probe = self.plan.probe(name)
        group = self.plan.group_of(probe.group)
        places = np.sort(group.places(probe.recorded()))
        chosen = np.zeros(group.n, bool)
        chosen[places] = True
        counts = np.zeros((self.plan.trials, group.n), np.int64)
        samples: list[list[np.ndarray]] = [[] for _ in range(self.plan.trials)]
        return Recording(probe_window(probe, self.plan.dt), places, chosen, [], samples, counts)

    def feed(self, source: str, feeds: Sequence[Feed]) -> None:
        """Give a source its events or values."""
        for trial, given in zip(self._trials, feeds, strict=True):
            trial.feeds[source] = listed(given)

    def advance(self, steps: int) -> None:
        """Run some steps."""
        with np.errstate(all="ignore"):  # NaN is reported by name; infinities are the model's business
            for index in range(self.plan.trials):
                for now in range(self.now, self.now + steps):
                    for step in self.plan.steps:
                        if step.kind == "record" or not self.halted[index]:
                            getattr(self, f"_{step.kind}")(step, index, now)
                    self._forget(index, now)
        self.now += steps

    def watch_step(self) -> np.ndarray:
        """Run one step, and return in which trials something was sent."""
        self._busy[:] = False
        self.advance(1)
        return self._busy.copy()

    def halt(self, halted: np.ndarray) -> None:
        """Let some trials stand still."""
        self.halted = halted.copy()

    def _send(self, name: str, index: int, now: int, events: Events) -> None:
        self._trials[index].sent[name][now] = events
        places, payloads = events
        self._busy[index] |= places.size > 0
        part, counted = self.plan.groups[name].part, np.ones(1, np.int64)
        if isinstance(part, Source) and payloads.dtype.kind == "i":
            counted = payloads
        elif isinstance(part, Population) and part.model.events_in is not None:
            counted = part.model.events_in[np.abs(payloads)]
        self._tally[name][index, places] += counted

    def _emit(self, step: Step, index: int, now: int) -> None:
        (name,) = step.names
        if name in self._noise:
            events = self._noise[name].events(index, now)
        else:
            events = fed_events(self._trials[index].feeds.get(name), now, self.plan.real)
        self._send(name, index, now, events)

    def _deliver(self, step: Step, index: int, now: int) -> None:
        if step.names[0] in self._plastic:
            p = self.plan.projections[step.names[0]]
            cells = self._trials[index].cells[p.arithmetic]
            self._plastic[p.name].deliver(index, self._arriving(p.name, index, now), cells)
            return
        table, trial = self._tables[step.names], self._trials[index]
        for delay in table.delays:
            cells = trial.cells["fixed" if table.fixed else "float"]
            table.add(cells, trial.events(table.source, now - delay), delay)

    def _arriving(self, projection: str, index: int, now: int) -> dict[int, Events]:
        """Return, by delay, the events that arrive in this step."""
        p = self.plan.projections[projection]
        return {d: self._trials[index].events(p.part.source.label, now - d) for d in p.delays}

    def _update(self, step: Step, index: int, now: int) -> None:
        (name,) = step.names
        trial = self._trials[index]
        events = self._neurons[name].update(trial.states[name], self._inputs(name, trial), index, now)
        for variable, values in trial.states[name].items():
            if values.dtype.kind == "f" and np.isnan(values).any():
                self._refuse_nan(name, variable, int(np.argmax(np.isnan(values))), index, now)
        self._send(name, index, now, events)

    def _inputs(self, name: str, trial: Trial) -> dict[str, np.ndarray]:
        """Return the input of every receptor and empty its cells."""
        group, real = self.plan.groups[name], self.plan.real
        inputs: dict[str, np.ndarray] = {}
        for receptor in group.receptors:
            total = np.zeros(group.n, real)
            for kind, step in (("fixed", receptor.grid.step if receptor.grid else 0.0), ("float", 1.0)):
                first = self._cells[kind].offsets.get((name, receptor.name))
                if first is not None:
                    cells = trial.cells[kind][first : first + group.n]
                    total = total + cells.astype(real) * real.type(step)
                    cells[:] = 0
            inputs[receptor.name] = total
        if name in self.plan.written:
            inputs["taken"] = trial.operators[self.plan.written[name]].value
        return inputs

    def _refuse_nan(self, name: str, variable: str, place: int, index: int, now: int) -> None:
        order = self.plan.groups[name].order
        neuron = place if order is None else int(order[place])
        raise RunError(
            f"{name}: {variable} of neuron {neuron} became NaN in step {now} (t = {now * self.plan.dt:g} s), "
            f"trial {index}; look at its input and parameters"
        )

    def _operate(self, step: Step, index: int, now: int) -> None:
        (name,) = step.names
        trial = self._trials[index]
        values = {operator: {"value": rows.value} for operator, rows in trial.operators.items()}
        self._send(name, index, now, trial.operators[name].update({**trial.states, **values}, now))

    def _learn(self, step: Step, index: int, now: int) -> None:
        (name,) = step.names
        part, trial = self.plan.projections[name].part, self._trials[index]
        fired, _ = trial.events(part.target.label, now)
        payloads = np.zeros(0) if part.modulator is None else trial.events(part.modulator.label, now)[1]
        self._plastic[name].learn(index, now, self._arriving(name, index, now), fired, payloads)

    def _record(self, step: Step, index: int, now: int) -> None:
        (name,) = step.names
        probe, recording, trial = self.plan.probe(name), self._recordings[name], self._trials[index]
        if not recording.window.start <= now < recording.window.stop:
            return
        if probe.variable not in ("spikes", "counts"):
            if (now - recording.window.start) % recording.window.every == 0:
                values = self._variable(probe.group.label, probe.variable, trial)
                recording.samples[index].append(values[recording.places].astype(self.plan.real))
            return
        places, payloads = trial.events(probe.group.label, now)
        counted = isinstance(probe.group, Source) and payloads.dtype.kind == "i"
        places = np.repeat(places, payloads) if counted else places
        places = places[recording.chosen[places]]
        if probe.variable == "counts":
            recording.counts[index] += np.bincount(places, minlength=recording.chosen.size)
        else:
            recording.spikes.append((np.full(places.size, now), places, np.full(places.size, index)))

    def _variable(self, group: str, variable: str, trial: Trial) -> np.ndarray:
        return trial.operators[group].value if group in trial.operators else trial.states[group][variable]

    def _forget(self, index: int, now: int) -> None:
        """Forget events that no projection will deliver any more."""
        for name, sent in self._trials[index].sent.items():
            sent.pop(now - self._reach[name], None)

    def take_spikes(self, probe: str) -> SpikeChunk:
        """Return, and forget, the spikes that a probe has recorded."""
        taken, self._recordings[probe].spikes = self._recordings[probe].spikes, []
        parts = list(zip(*taken, strict=True)) or [(np.zeros(0, np.int64),)] * 3
        steps, places, trials = (np.concatenate(part).astype(np.int64) for part in parts)
        return SpikeChunk(steps, places, trials)

    def take_samples(self, probe: str) -> np.ndarray:
        """Return, and forget, the samples of a probe."""
        recording = self._recordings[probe]
        taken = recording.samples
        recording.samples = [[] for _ in taken]
        shape = (len(taken), len(taken[0]), recording.places.size)
        return np.array(taken, dtype=self.plan.real).reshape(shape)

    def take_counts(self, probe: str) -> np.ndarray:
        """Return, and forget, the spike counts of a probe."""
        recording = self._recordings[probe]
        counts = recording.counts[:, recording.places]
        recording.counts[:] = 0
        return counts

    def take_tally(self) -> dict[str, np.ndarray]:
        """Return, and forget, the events sent per neuron, the rows recomputed and the weights changed."""
        tally = {f"sent/{name}": counts.copy() for name, counts in self._tally.items()}
        for counts in self._tally.values():
            counts[:] = 0
        for name in self._trials[0].operators:
            rows = [trial.operators[name] for trial in self._trials]
            tally[f"rows/{name}"] = np.array([sum(r.recomputed for r in rows)])
            tally[f"reads/{name}"] = np.sum([r.changes for r in rows], axis=0)
            for r in rows:
                r.recomputed = 0
                r.changes[:] = 0
        for name, synapses in self._plastic.items():
            tally[f"changes/{name}"] = np.array([synapses.changes])
            synapses.changes = 0
        return tally

    def state(self, group: str, variable: str) -> np.ndarray:
        """Return a state variable: (trials, n)."""
        return np.stack([self._variable(group, variable, trial) for trial in self._trials])

    def weights(self, projection: str) -> np.ndarray:
        """Return the weights of a plastic projection, (trials, n_synapses)."""
        return self._plastic[projection].weights.copy()

    def learned(self, projection: str) -> dict[str, np.ndarray]:
        """Return what else a plastic projection remembers."""
        kept = self._plastic[projection].kept(projection).items()
        return {key: values.copy() for key, values in kept if key != f"weights/{projection}"}

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return all state, events in flight included."""
        taken: dict[str, np.ndarray] = {"now": np.array([self.now])}
        for name, states in self._trials[0].states.items():
            taken |= {f"state/{name}/{variable}": self.state(name, variable) for variable in states}
        for name in self._trials[0].operators:
            operators = [trial.operators[name] for trial in self._trials]
            taken[f"value/{name}"] = np.stack([operator.value for operator in operators])
            taken[f"last/{name}"] = np.stack([operator.last for operator in operators])
        for name, reach in self._reach.items():
            if reach:
                taken |= flight(name, [trial.sent[name] for trial in self._trials])
        for name, synapses in self._plastic.items():
            taken |= {key: values.copy() for key, values in synapses.kept(name).items()}
        return taken

    def restore(self, snapshot: dict[str, np.ndarray]) -> None:
        """Set all state from a snapshot."""
        self.now = int(snapshot["now"][0])
        for recording in self._recordings.values():
            recording.forget()
        for index, trial in enumerate(self._trials):
            for cells in trial.cells.values():
                cells[:] = 0  # a step that failed may have left some
            for name, states in trial.states.items():
                for variable, values in states.items():
                    values[:] = snapshot[f"state/{name}/{variable}"][index]
            for name, operator in trial.operators.items():
                operator.value = snapshot[f"value/{name}"][index].copy()
                operator.last = snapshot[f"last/{name}"][index].copy()
            for name, reach in self._reach.items():
                kind = self.plan.real if self.plan.groups[name].part.payload == "real" else np.dtype(np.int32)
                trial.sent[name] = landed(snapshot, name, index, kind) if reach else {}
        for name, synapses in self._plastic.items():
            for key, values in synapses.kept(name).items():
                values[:] = snapshot[key]
