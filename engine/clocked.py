"""The clocked driver: advances a machine step after step and collects what its probes see."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..neurons.model import steps_of
from .backends.base import Machine, Window
from .parts import Population, Probe
from .plan import Plan
from .records import CountRecord, Record, SpikeRecord, TraceRecord
from .spool import Spool

#: Where a probe without an end stops.
_NEVER = 2**62
#: Fewer steps are not worth a chunk of their own: backends keep weights in the cache over many steps.
_SHORTEST_CHUNK = 256
#: A chunk of steps should take about this long: short enough to interrupt, long enough to cost nothing.
_CHUNK_SECONDS = 0.25


def probe_window(probe: Probe, dt: float) -> Window:
    """Return when a probe records, in steps of dt seconds; all its times are rounded to whole steps."""
    start = int(steps_of(probe.start, dt))
    stop = _NEVER if probe.stop is None else max(int(steps_of(probe.stop, dt)), start)
    every = 1 if probe.every is None else max(int(steps_of(probe.every, dt)), 1)
    return Window(start, stop, every)


@dataclass
class _Collected:
    """What one probe has recorded so far in this run, in the order of storage."""

    spikes: list[tuple[np.ndarray, ...]] = field(default_factory=list)
    samples: list[np.ndarray] = field(default_factory=list)
    counts: Any = 0


class Collector:
    """Takes what probes recorded from a machine and turns it into records by the user's indices.

    Parameters
    ----------
    plan : Plan
        What runs.
    start, stop : int
        The steps of this run.
    batched : bool
        Whether records have an axis of trials.
    """

    def __init__(self, plan: Plan, start: int, stop: int, batched: bool) -> None:
        self.plan, self.start, self.stop, self.batched = plan, start, stop, batched
        self._collected = {probe.label: _Collected() for probe in plan.probes}
        self._spools = {
            probe.label: Spool(probe.spool, fresh=start == 0)
            for probe in plan.probes
            if probe.spool is not None
        }

    def take(self, machine: Machine) -> None:
        """Take what has been recorded since the last time."""
        for probe in self.plan.probes:
            name, collected = probe.label, self._collected[probe.label]
            if probe.variable == "counts":
                collected.counts = collected.counts + machine.take_counts(name)
            elif probe.variable != "spikes":
                collected.samples.append(machine.take_samples(name))
            elif name in self._spools:
                self._spools[name].append(*self._spikes(machine, probe))
            else:
                collected.spikes.append(self._spikes(machine, probe))

    def _spikes(self, machine: Machine, probe: Probe) -> tuple[np.ndarray, ...]:
        """Return new spikes as (steps, ids, trials), ordered by trial, step and id."""
        chunk, group = machine.take_spikes(probe.label), self.plan.group_of(probe.group)
        ids = chunk.places if group.order is None else group.order[chunk.places]
        # Machines deliver sorted runs, one for each part and trial: a stable sort merges these.
        key = (chunk.trials * (self.stop - self.start) + chunk.steps - self.start) * group.n + ids
        order = np.argsort(key, kind="stable")
        return chunk.steps[order], ids[order], chunk.trials[order]

    def records(self) -> dict[str, Record]:
        """Return the record of every probe."""
        for spool in self._spools.values():
            spool.close()
        return {probe.label: self._record(probe) for probe in self.plan.probes}

    def _record(self, probe: Probe) -> Record:
        window, dt = probe_window(probe, self.plan.dt), self.plan.dt
        start, stop = max(self.start, window.start), min(self.stop, window.stop)
        stop = max(stop, start)
        ids = probe.recorded()
        if probe.variable == "spikes":
            steps, spiking, trials = self._all_spikes(probe)
            return SpikeRecord(
                steps=steps, ids=spiking, trials=trials, dt=dt, n=ids.size, n_trials=self.plan.trials,
                start=start * dt, stop=stop * dt, neurons=ids,
            )  # fmt: skip
        if probe.variable == "counts":
            counts = self._by_user(probe, self._collected[probe.label].counts)
            return CountRecord(counts=self._trials(counts), ids=ids, seconds=(stop - start) * dt)
        values = self._by_user(probe, np.concatenate(self._collected[probe.label].samples, axis=1))
        times = window.samples(self.start, self.stop) * dt
        return TraceRecord(times=times, values=self._trials(values), ids=ids, variable=probe.variable)

    def _all_spikes(self, probe: Probe) -> tuple[np.ndarray, ...]:
        if probe.label in self._spools:
            return self._spools[probe.label].columns()
        parts = self._collected[probe.label].spikes
        steps, ids, trials = (np.concatenate(part) for part in zip(*parts, strict=True))
        # Chunks are in order already; only trials that ran side by side must be put one after the other.
        order = np.argsort(trials, kind="stable")
        return steps[order], ids[order], trials[order]

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


def run_clocked(machine: Machine, steps: int, collector: Collector, progress: bool | None) -> None:
    """Advance a machine in chunks, taking what its probes recorded after each.

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
    """
    bar = _progress_bar(steps * machine.plan.dt, progress)
    done, chunk = 0, max(steps // 16, _SHORTEST_CHUNK)
    try:
        while done < steps:
            chunk = min(chunk, steps - done)
            began = time.perf_counter()
            machine.advance(chunk)
            collector.take(machine)
            done += chunk
            if bar is not None:
                bar.update(chunk * machine.plan.dt)
            seconds = time.perf_counter() - began
            if seconds < _CHUNK_SECONDS / 2:
                chunk *= 4
            elif seconds > 2 * _CHUNK_SECONDS:
                chunk = max(chunk // 2, 1)
    finally:
        if bar is not None:
            bar.close()


def _progress_bar(seconds: float, progress: bool | None) -> Any:
    if not (sys.stderr.isatty() if progress is None else progress):
        return None
    from tqdm import tqdm

    style = "{percentage:3.0f}%|{bar}| {n:.4g} of {total:.4g} s of model time [{elapsed}<{remaining}]"
    return tqdm(total=seconds, bar_format=style)
