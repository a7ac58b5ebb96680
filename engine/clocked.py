"""The clocked driver: advances a machine step after step and collects what its probes see."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..neurons.model import steps_of
from .backends.base import NEVER, Machine, Window
from .ending import Ending
from .interrupt import CtrlC
from .parts import Population, Probe
from .plan import Plan
from .progress import Progress
from .records import CountRecord, Record, SpikeRecord, TraceRecord
from .spool import Spool

#: Steps of the first chunk, or a strip if that is longer: nobody knows yet how long they take.
_FIRST_CHUNK = 16
#: A chunk of steps should take about this long: short enough to interrupt, long enough to cost nothing.
_CHUNK_SECONDS = 0.25
#: The most by which a chunk is longer than the one before.
_GROWTH = 8.0


def probe_window(probe: Probe, dt: float, stride: int = 1) -> Window:
    """Return when a probe records, in steps of dt seconds; all its times are rounded to whole steps.

    Where it does not say how often, a sample is taken every `stride` steps.
    """
    start = int(steps_of(probe.start, dt))
    stop = NEVER if probe.stop is None else max(int(steps_of(probe.stop, dt)), start)
    every = max(stride, 1) if probe.every is None else max(int(steps_of(probe.every, dt)), 1)
    return Window(start, stop, every)


#: What a probe of a projection sees: values by trial, and which synapses or neurons they are of.
Sample = Callable[[Probe], tuple[np.ndarray, np.ndarray]]
#: Spikes as (steps, ids, trials).
Columns = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass
class _Collected:
    """What one probe has recorded so far in this run, in the order of storage."""

    spikes: list[Columns] = field(default_factory=list)
    samples: list[np.ndarray] = field(default_factory=list)
    counts: Any = 0


class Collector:
    """Takes what probes recorded from a machine and turns it into records by the user's indices.

    Parameters
    ----------
    plan : Plan
        What runs.
    start, stop : int
        The steps of this run; it may end earlier.
    batched : bool
        Whether records have an axis of trials.
    sample : function
        What a probe of a projection sees now: probe -> real (trials, k) and the ids of these k.

    Attributes
    ----------
    ran : int64 (trials,)
        Steps that each trial has run.
    """

    def __init__(self, plan: Plan, start: int, stop: int, batched: bool, sample: Sample) -> None:
        self.plan, self.start, self.stop, self.batched = plan, start, stop, batched
        self._sample = sample
        self.ran = np.zeros(plan.trials, np.int64)
        self._synaptic: dict[str, list[np.ndarray]] = {probe.label: [] for probe in plan.synaptic_probes}
        self._collected = {probe.label: _Collected() for probe in plan.probes}
        self._spools = {
            probe.label: Spool(probe.spool, fresh=start == 0)
            for probe in plan.probes
            if probe.spool is not None
        }

    def steps_to_sample(self, now: int) -> int:
        """Return after how many steps from `now` on the next sample of a projection is due."""
        windows = [probe_window(probe, self.plan.dt) for probe in self.plan.synaptic_probes]
        due = [window.due(now) + 1 - now for window in windows if window.due(now) < window.stop]
        return min(due, default=NEVER)

    def take(self, machine: Machine) -> None:
        """Take what has been recorded since the last time, and samples of projections that are due now."""
        for probe in self.plan.synaptic_probes:
            if probe_window(probe, self.plan.dt).samples(machine.now - 1, machine.now).size:
                self._synaptic[probe.label].append(self._sample(probe)[0])
        for probe in self.plan.probes:
            name, collected = probe.label, self._collected[probe.label]
            if probe.variable == "counts":
                collected.counts = collected.counts + machine.take_counts(name)
            elif probe.variable != "spikes":
                collected.samples.append(self._samples(machine, probe))
            elif name in self._spools:
                self._spools[name].append(*self._spikes(machine, probe))
            else:
                collected.spikes.append(self._spikes(machine, probe))

    def _samples(self, machine: Machine, probe: Probe) -> np.ndarray:
        """Return new samples of a state variable; what stands still has its last value in all of them."""
        samples, halted = machine.take_samples(probe.label), machine.halted
        if halted.any():
            group = self.plan.group_of(probe.group)
            now = machine.state(group.name, probe.variable)[halted]
            samples[halted] = now[:, None, np.sort(group.places(probe.recorded()))]
        return samples

    def _spikes(self, machine: Machine, probe: Probe) -> Columns:
        """Return new spikes as (steps, ids, trials), ordered by trial, step and id."""
        chunk, group = machine.take_spikes(probe.label), self.plan.group_of(probe.group)
        ids = chunk.places if group.order is None else group.order[chunk.places]
        if self.plan.gridless:  # a key of one number would overflow
            if _ascends(chunk.trials, chunk.steps, ids):
                return chunk.steps, ids, chunk.trials
            order = np.lexsort((ids, chunk.steps, chunk.trials))
            return chunk.steps[order], ids[order], chunk.trials[order]
        key = (chunk.steps - self.start) * group.n + ids
        if self.plan.trials > 1:
            key += chunk.trials * ((self.stop - self.start) * group.n)
        return _in_order(key, (chunk.steps, ids, chunk.trials))

    def close(self) -> None:
        """Close the files that spikes were spooled to."""
        for spool in self._spools.values():
            spool.close()

    def records(self, steps: int) -> dict[str, Record]:
        """Return the record of every probe over the steps that were done."""
        self.close()
        self.stop = self.start + steps
        return {
            probe.label: self._of_synapses(probe) if probe.label in self._synaptic else self._record(probe)
            for probe in self.plan.network.probes
        }

    def _of_synapses(self, probe: Probe) -> Record:
        values, ids = self._sample(probe)
        taken = np.array([*self._synaptic[probe.label], values])[:-1]
        times = probe_window(probe, self.plan.dt).samples(self.start, self.stop) * self.plan.dt
        return TraceRecord(
            times=times, values=self._trials(taken.swapaxes(0, 1)), ids=ids, variable=probe.variable,
            group=probe.subject.label,
        )  # fmt: skip

    def _record(self, probe: Probe) -> Record:
        dt = self.plan.dt
        window = probe_window(probe, dt, self.plan.stride)
        start, stop = max(self.start, window.start), min(self.stop, window.stop)
        stop = max(stop, start)
        ids = probe.recorded()
        if probe.variable == "spikes":
            steps, spiking, trials = self._all_spikes(probe)
            return SpikeRecord(
                steps=steps, ids=spiking, trials=trials, dt=dt, n=ids.size, n_trials=self.plan.trials,
                start=start * dt, stop=stop * dt, neurons=ids, group=probe.group.label,
            )  # fmt: skip
        if probe.variable == "counts":
            counts = self._by_user(probe, self._collected[probe.label].counts)
            counts = self._trials(counts)
            return CountRecord(counts=counts, ids=ids, seconds=(stop - start) * dt, group=probe.group.label)
        values = self._by_user(probe, np.concatenate(self._collected[probe.label].samples, axis=1))
        times = window.samples(self.start, self.stop) * dt
        unit = probe.group.model.unit_of(probe.variable) if isinstance(probe.group, Population) else "1"
        return TraceRecord(
            times=times, values=self._trials(values), ids=ids, variable=probe.variable, unit=unit,
            group=probe.group.label,
        )  # fmt: skip

    def _all_spikes(self, probe: Probe) -> Columns:
        if probe.label in self._spools:
            return self._spools[probe.label].columns()
        parts = self._collected[probe.label].spikes
        steps, ids, trials = (np.concatenate(part) for part in zip(*parts, strict=True))
        # Chunks are in order already; only trials that ran side by side must be put one after the other.
        return _in_order(trials, (steps, ids, trials))

    def _by_user(self, probe: Probe, values: np.ndarray) -> np.ndarray:
        """Return columns that ascend by place of storage in the order of the probe's ids."""
        group = self.plan.group_of(probe.group)
        out = np.empty_like(values)
        out[..., np.argsort(group.places(probe.recorded()))] = values
        part = group.part
        whole = isinstance(part, Population) and any(
            state.name == probe.variable and state.kind == "integer" for state in part.model.used_states
        )
        return out.astype(np.int64) if whole else out

    def _trials(self, values: np.ndarray) -> np.ndarray:
        return values if self.batched else values[0]


def _ascends(*columns: np.ndarray) -> bool:
    """Return whether rows are in ascending order, by the first column, where that is equal by the next."""
    ascends = np.ones(max(columns[0].size - 1, 0), bool)
    for column in reversed(columns):
        ascends = (column[1:] > column[:-1]) | ((column[1:] == column[:-1]) & ascends)
    return bool(ascends.all())


def _in_order(key: np.ndarray, columns: Columns) -> Columns:
    """Return columns in ascending order of a key; as they are where that is theirs already.

    Machines deliver sorted runs, one for each part and trial: a stable sort merges these, but even that
    costs several times as much as a look at whether there is but one.
    """
    if bool((key[1:] >= key[:-1]).all()):
        return columns
    order = np.argsort(key, kind="stable")
    steps, ids, trials = (column[order] for column in columns)
    return steps, ids, trials


def run_clocked(
    machine: Machine,
    steps: int,
    collector: Collector,
    progress: bool | None,
    ctrl_c: CtrlC,
    ending: Ending | None = None,
) -> int:
    """Advance a machine in chunks, taking what its probes recorded after each; return the steps done.

    Parameters
    ----------
    machine
        What runs.
    steps
        Steps to advance.
    collector
        Where records go.
    progress
        Whether to show a progress bar; on a terminal only if None.
    ctrl_c
        Asked after every chunk: an interrupt ends the run there.
    ending
        Asked after every step, if there is one: the run ends where all trials are done.
    """
    bar = Progress(steps * machine.plan.dt, progress)
    done, chunk = 0, _whole_strips(_FIRST_CHUNK, machine.strip)
    try:
        while done < steps and not (done and (ctrl_c.met or (ending and ending.done.all()))):
            chunk = min(chunk, steps - done, collector.steps_to_sample(machine.now))
            began = time.perf_counter()
            if ending is None:
                machine.advance(chunk)
            else:
                chunk = 1
                ending.advance()
            collector.ran += chunk * ~machine.halted
            collector.take(machine)
            if ending is not None:
                ending.look()
            done += chunk
            bar.add(chunk * machine.plan.dt)
            chunk = _next_chunk(chunk, time.perf_counter() - began, machine.strip)
    finally:
        bar.close()
    return done


def _next_chunk(chunk: int, seconds: float, strip: int) -> int:
    """Return the length of the next chunk, where the last one took some seconds."""
    pace = _CHUNK_SECONDS / max(seconds, 1e-9)
    return _whole_strips(int(chunk * min(pace, _GROWTH)), strip)


def _whole_strips(steps: int, strip: int) -> int:
    return max(steps // strip, 1) * strip
