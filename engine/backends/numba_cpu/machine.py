"""The Numba machine: a plan bound to kernels, programs for every trial and part, and their running."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from ....neurons.errors import RunError, SpecError
from ...parts import Population
from ...plan import Plan
from ...workers import available_cores
from ..base import Feed, Machine, SpikeChunk, SpikeFeed, ValueFeeds, listed
from ..private import PrivateTally, drawn_events
from ..schedule import make_schedule, remembers, trials_held
from .bind import Binder
from .drive import Meeting, Program
from .memory import Ring, Trial, make_memory, make_rings
from .parts import Share

#: From this strip on, weights are read once for all trials; below it, a trial's own state stays in the cache.
_LONG_STRIP = 8
#: Below this many neurons a step is shorter than the threads' meeting: one thread is faster.
_WORTH_SHARING = 2000
_MOST_THREADS = 64


@dataclass(frozen=True)
class Crew:
    """Trials that run side by side, and the programs of the threads that share them."""

    trials: list[Trial]
    programs: list[Program]


class NumbaMachine(Machine):
    """Runs a plan by compiled kernels.

    Parameters
    ----------
    plan : Plan
        What to run.
    threads : int, optional
        One trial is shared out over threads by target; several trials are dealt to threads. By
        default every core is used where there is enough work. Results do not depend on it.
    """

    def __init__(self, plan: Plan, threads: int | None = None) -> None:
        self.plan = plan
        self.threads = _check_threads(plan, threads)
        self.now = 0
        self.halted = np.zeros(plan.trials, bool)
        # Between steps there is no input under way; a step that failed may have left some.
        self._amid_steps = False
        sharing = self.threads if plan.trials == 1 else 1
        self.share = Share(plan, sharing)
        schedule = make_schedule(plan)
        self.strip = schedule.strip
        self.binder = Binder(plan, self.share, schedule, self.threads)
        indices = _crews(plan.trials, schedule.strip, self.threads, trials_held(plan))
        self._workers = min(self.threads, len(indices))
        rings = [ring for k, crew in enumerate(indices) for ring in self._rings(k, len(crew))]
        self.memory = make_memory(plan, self.share, rings)
        self.trials = self.memory.trials
        self.crews = [
            self._crew([self.trials[i] for i in crew], sharing, k % self._workers)
            for k, crew in enumerate(indices)
        ]
        self.synapse_bytes, self.layout = self.binder.synapse_bytes, self.binder.layout()
        self._spikes: dict[str, list[SpikeChunk]] = {}
        self._private = PrivateTally(plan, self.binder.private)

    def _rings(self, k: int, n: int) -> list[dict[str, Ring]]:
        """Return the rings of the k-th crew; where no event outlives its strip, a worker's crews share."""
        plan, binder = self.plan, self.binder
        lengths = {name: reach + binder.schedule.strip for name, reach in binder.reach.items()}
        shared = k if remembers(plan) else k % self._workers
        return [
            binder.once(("rings", shared, place), lambda: make_rings(plan, self.share, lengths))
            for place in range(n)
        ]

    def _crew(self, trials: list[Trial], sharing: int, worker: int) -> Crew:
        programs = [self.binder.program(trials, thread, sharing, worker) for thread in range(sharing)]
        return Crew(trials, programs)

    def feed(self, source: str, feeds: Sequence[Feed]) -> None:
        if isinstance(feeds, ValueFeeds):
            self.binder.feed_values(source, feeds)
            return
        for trial, feed in zip(self.trials, feeds, strict=True):
            spikes = listed(feed)
            assert isinstance(spikes, SpikeFeed)
            self.binder.feed_spikes(trial, source, spikes)

    def advance(self, steps: int) -> None:
        self._advance(steps, watch=False)

    def watch_step(self) -> np.ndarray:
        self.binder.busy[:] = 0
        self._advance(1, watch=True)
        return np.asarray(self.binder.busy.any(axis=1))

    def halt(self, halted: np.ndarray) -> None:
        for trial in self.trials:
            if self.halted[trial.index] and not halted[trial.index]:
                self.binder.forget(trial)
        self.halted = halted.copy()
        self.binder.active[:-1] = ~halted

    def _advance(self, steps: int, *, watch: bool) -> None:
        stop = self.now + steps
        self.binder.clear_tally()
        self._amid_steps = True
        for trial in self.trials if self.plan.probes else ():
            self.binder.make_room(trial, self.now, stop)
        if self._workers > 1:
            with ThreadPoolExecutor(self._workers) as pool:
                for _ in pool.map(lambda k: self._run_shift(k, stop, watch=watch), range(self._workers)):
                    pass
        else:
            self._run_shift(0, stop, watch=watch)
        self.now = stop
        self._amid_steps = False

    def _run_shift(self, worker: int, stop: int, *, watch: bool) -> None:
        meeting, strip = Meeting(self.binder.active), self.binder.schedule.strip
        for crew in self.crews[worker :: self._workers]:
            now = self.now
            while now < stop:
                now = meeting.run(crew.programs, strip, now, stop, watch=watch)
                if self.memory.faults[[trial.index for trial in crew.trials], :, 0].any():
                    self._fail(next(trial for trial in crew.trials if trial.faults[:, 0].any()))
                for trial in crew.trials if self.plan.probes else ():
                    for probe, chunk in self.binder.drain_spikes(trial):
                        self._spikes.setdefault(probe, []).append(chunk)

    def _fail(self, trial: Trial) -> NoReturn:
        groups = list(self.plan.groups.values())
        met = [tuple(map(int, fault[1:])) for fault in trial.faults if fault[0]]
        place, variable, step, index = min(met, key=lambda m: (m[2], groups[m[3]].level, m[3], m[0]))
        group = groups[index]
        population = self.plan.population(group.name)
        states = population.model.used_states
        neuron = int(place if group.order is None else group.order[place])
        raise RunError(
            f"{group.name}: {states[variable].name} of neuron {neuron} became NaN in step {step} "
            f"(t = {step * self.plan.dt:g} s), trial {trial.index}; look at its input and parameters"
        )

    def take_spikes(self, probe: str) -> SpikeChunk:
        chunks = self._spikes.pop(probe, [])
        if len(chunks) == 1:
            return chunks[0]
        empty = np.zeros(0, np.int64)
        return SpikeChunk(
            *(
                np.concatenate([empty, *(getattr(c, name) for c in chunks)])
                for name in ("steps", "places", "trials")
            )
        )

    def take_samples(self, probe: str) -> np.ndarray:
        return np.stack([self.binder.take_samples(trial, probe) for trial in self.trials])

    def take_counts(self, probe: str) -> np.ndarray:
        return np.stack([self.binder.take_counts(trial, probe) for trial in self.trials])

    def take_tally(self) -> dict[str, np.ndarray]:
        tally = self.binder.take_tally()
        for name, plastic in self.binder.plastic.items():
            tally[f"changes/{name}"] = np.stack([plastic.take_changes(trial) for trial in self.trials])
        # Private sources are counted as they are delivered: move the count to where events are sent.
        self._private.correct(tally, self.now)
        return tally

    def state(self, group: str, variable: str) -> np.ndarray:
        return np.concatenate(self.memory.tables[group, variable], axis=1)

    def weights(self, projection: str) -> np.ndarray:
        return np.stack([self.binder.plastic[projection].weights(trial) for trial in self.trials])

    def learned(self, projection: str) -> dict[str, np.ndarray]:
        saved = [self.binder.plastic[projection].saved(trial) for trial in self.trials]
        return {key: np.stack([each[key] for each in saved]) for key in saved[0]}

    def snapshot(self) -> dict[str, np.ndarray]:
        saved = {"now": np.array([self.now], np.int64)}
        for group in self.plan.groups.values():
            if isinstance(group.part, Population):
                for state in group.part.model.used_states:
                    saved[f"state/{group.name}/{state.name}"] = self.state(group.name, state.name)
            elif (group.name, "value") in self.trials[0].states:
                for name in ("value", "last"):
                    saved[f"{name}/{group.name}"] = self.state(group.name, name)
            if self.binder.reach[group.name] > 0:
                saved |= self._flight(group.name)
        for name in self.binder.plastic:
            saved |= {f"weights/{name}": self.weights(name), **self.learned(name)}
        return saved

    def _flight(self, group: str) -> dict[str, np.ndarray]:
        found: list[list[np.ndarray]] = [[], [], [], []]
        for trial in self.trials:
            for step in range(max(self.now - self.binder.reach[group], 0), self.now):
                places, payloads = self._events(trial, group, step)
                for column, values in zip(
                    found,
                    (np.full(places.size, trial.index), np.full(places.size, step), places, payloads),
                    strict=True,
                ):
                    column.append(values)
        names = ("trials", "steps", "places", "payloads")
        kinds = (np.int64, np.int64, np.int64, np.float64)
        return {
            f"flight/{group}/{name}": np.concatenate([np.zeros(0, kind), *column]).astype(kind)
            for name, kind, column in zip(names, kinds, found, strict=True)
        }

    def _events(self, trial: Trial, group: str, step: int) -> tuple[np.ndarray, np.ndarray]:
        if group not in self.binder.private:
            return trial.rings[group].events(step)
        # A private source keeps no list: its events are drawn again from their counters.
        return drawn_events(self.plan, group, trial.index, step)

    def restore(self, snapshot: dict[str, np.ndarray]) -> None:
        self.now = int(snapshot["now"][0])
        self.memory.faults[:] = 0
        self.binder.forget_all(self.trials)
        for trial in self.trials if self._amid_steps else ():
            for cells in (*trial.fixed, *trial.floating):
                cells[:] = 0
        for rings in {id(trial.rings): trial.rings for trial in self.trials}.values():
            for ring in rings.values():
                ring.counts[:] = 0
        self._amid_steps = False
        self._restore_states(snapshot)
        flying = [group for group in self.plan.groups if f"flight/{group}/steps" in snapshot]
        for trial in self.trials:
            for group in flying:
                if group in self.binder.private:
                    continue
                ring = trial.rings[group]
                t, s, p, w = (
                    snapshot[f"flight/{group}/{name}"] for name in ("trials", "steps", "places", "payloads")
                )
                for step in np.unique(s[t == trial.index]):
                    here = (t == trial.index) & (s == step)
                    ring.put(int(step), p[here], w[here])
            for name, plastic in self.binder.plastic.items():
                keys = [f"weights/{name}", *plastic.saved(trial)]
                mine = {key: snapshot[key][trial.index] for key in keys}
                plastic.restore(trial, mine)
        self._spikes.clear()
        self._private.begin(self.now)

    def _restore_states(self, snapshot: dict[str, np.ndarray]) -> None:
        for (group, name), parts in self.memory.tables.items():
            neurons = isinstance(self.plan.groups[group].part, Population)
            key = f"state/{group}/{name}" if neurons else f"{name}/{group}"
            if key in snapshot:
                values = snapshot[key]
            elif name == "fresh":
                values = snapshot[f"value/{group}"][:, self.binder.operation(group).places]
            else:
                continue
            ends = np.cumsum([part.shape[1] for part in parts])
            for part, mine in zip(parts, np.split(values, ends[:-1], axis=1), strict=True):
                part[:] = mine


def _crews(trials: int, strip: int, threads: int, held: int) -> list[list[int]]:
    """Return which trials run side by side, at most `held`, in the order in which threads take crews.

    Where strips are short each trial runs alone.
    """
    size = min(-(-trials // min(threads, trials)), held) if strip >= _LONG_STRIP else 1
    return [list(range(first, min(first + size, trials))) for first in range(0, trials, size)]


def _check_threads(plan: Plan, threads: int | None) -> int:
    if threads is None:
        neurons = sum(group.n for group in plan.groups.values()) * plan.trials
        return min(available_cores(), _MOST_THREADS) if neurons >= _WORTH_SHARING else 1
    if threads > _MOST_THREADS:
        raise SpecError(f"Simulator.threads: got {threads}; allowed are 1 to {_MOST_THREADS}")
    return int(threads)
