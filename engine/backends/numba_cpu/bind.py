"""Binding: every step of the plan becomes a kernel and, for each trial and part, a block of arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from ...clocked import probe_window
from ...operation import Operation, operation_of
from ...parts import Probe
from ...plan import Plan
from ...planned import GroupPlan, ProjectionPlan, Step
from ..base import SpikeChunk, SpikeFeed, ValueFeeds
from ..private import private_sources
from ..schedule import Schedule
from .bind_deliveries import (
    NEVER,
    deliver_block,
    deliver_row_blocks,
    describe_stored,
    store,
    store_rows,
)
from .bind_neurons import record_block, update_block, watch_block
from .bind_operators import operate_blocks
from .bind_pairs import deliver_pair_block, in_pairs
from .bind_sources import emit_block
from .drive import Program
from .kernel import Block
from .memory import Ring, Trial, copied, zeros
from .merge import by_first_name, merged, reach_of, sums_ahead
from .parts import Share, room_of
from .update import CHUNK

_PAYLOAD = {"unit": "i4", "integer": "i4"}


class Binder:
    """What all trials of a machine share (synapses, kernels), and the blocks of each.

    Attributes
    ----------
    reach : dict
        Group -> how many steps back its events are read.
    private : dict
        Poisson sources that are fused into their target's update -> their only projection.
    clock : int64 (2,)
        That of the program whose blocks are being bound.
    active : int64 (trials + 1,)
        Which trials do not stand still; the last is for what is done for all that do not.
    busy : int64 (trials, parts)
        Set where something is sent in a step that is watched.
    """

    def __init__(self, plan: Plan, share: Share, schedule: Schedule, threads: int) -> None:
        self.plan, self.share, self.schedule, self.threads = plan, share, schedule, threads
        self.real = "f8" if plan.real == np.float64 else "f4"
        self.private = private_sources(plan)
        deliveries = plan.once(("deliveries", *self.private), lambda: merged(plan, self.private))
        self._sparse = by_first_name(deliveries)
        self.reach = reach_of(plan, deliveries)
        self._tallies: dict[str, np.ndarray] = {}
        self._still: dict[str, np.ndarray] = {}
        self._taken = False
        self.clock = zeros(2, np.int64)
        self.active = copied(np.ones(plan.trials + 1), np.int64)
        self.busy = zeros(plan.trials * share.n, np.int64).reshape(plan.trials, share.n)
        self.plastic: dict[str, Any] = {}
        self.synapse_bytes = 0
        self.stored: dict[tuple[str, ...], list[list[dict[str, Any]]]] = {}
        self.tabled: dict[tuple[str, str], np.ndarray] = {}
        self._fed: dict[str, np.ndarray] = {}
        self._kept: dict[int, list[Block]] = {}
        self._blocks: dict[tuple[int, int, str], Block] = {}
        self._shared: dict[tuple[Any, ...], Any] = {}
        self._scratch: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._scratches: dict[tuple[int, int], dict[tuple[Any, ...], dict[str, Any]]] = {}
        self._ahead = sums_ahead(plan, deliveries) if schedule.strip > 1 else set()
        for step in plan.steps:
            if step.kind == "deliver":
                store(self, step)
        for delivery in deliveries:
            store_rows(self, delivery)
        plan.release()

    # Programs

    def program(self, trials: list[Trial], thread: int, threads: int, worker: int) -> Program:
        """Return what one of the threads does that share some trials, for one of those that run crews.

        Trials follow each other within a phase and part, so that they use weights while these are in
        the cache, and scratch of the same kernel.
        """
        self.clock = zeros(2, np.int64)
        self._scratch = self._scratches.setdefault((worker, thread), {})
        words: list[int] = []
        segments: list[tuple[int, int, int, int]] = []
        watching: list[tuple[int, int, int, int]] = []
        parts = range(thread, self.share.n, threads)
        for phase in self.schedule.phases:
            for part in parts:
                first = len(words)
                for block in self._bind_together(phase, trials, part):
                    words += block.call
                segments.append((first, len(words), 0, self.plan.trials))
                for trial in trials:
                    first = len(words)
                    for step in phase:
                        for block in self._bind(step, trial, part, len(trials)):
                            words += block.call
                    segments.append((first, len(words), 0, trial.index))
            first, last, _, index = segments[-1]
            segments[-1] = (first, last, int(threads > 1), index)
        for part in parts:
            for trial in trials:
                words += self._keep(trial, watch_block(self, trial, part)).call
                watching.append((len(words) - 2, len(words), 0, trial.index))
        arrays = [np.array(given, np.int64).reshape(-1, 4) for given in (segments, watching)]
        return Program(np.array(words, np.int64), arrays[0], arrays[1], self.clock)

    def _bind_together(self, phase: tuple[Step, ...], trials: list[Trial], part: int) -> list[Block]:
        """Return what is done for all trials of a crew at once."""
        if len(trials) == 1:
            return []
        steps = [self.plan.projections[step.names[0]] for step in phase if step.kind == "deliver"]
        return [
            self._keep(trials[0], deliver_pair_block(self, p, trials, part, crew=len(trials)))
            for p in steps
            if in_pairs(self, p)
        ]

    def _bind(self, step: Step, trial: Trial, part: int, crew: int) -> list[Block]:
        name = step.names[0]
        if step.kind == "emit":
            block = None if name in self.private else emit_block(self, self.plan.groups[name], trial, part)
        elif step.kind == "deliver":
            if name in self.plastic:
                return list(self.plastic[name].deliver(trial, part))
            if name in self._sparse:
                blocks = deliver_row_blocks(self, self._sparse[name], trial, part)
                return [self._keep(trial, block) for block in blocks]
            block = deliver_block(self, step, trial, part, crew) if step.names in self.stored else None
        elif step.kind == "update":
            block = update_block(self, self.plan.groups[name], trial, part)
        elif step.kind == "operate":
            blocks = operate_blocks(self, self.plan.groups[name], trial, part)
            return [self._keep(trial, block) for block in blocks]
        elif step.kind == "learn":
            return list(self.plastic[name].learn(trial, part))
        else:
            block = record_block(self, self.plan.probe(name), trial, part)
        if block is None:
            return []
        self._blocks[trial.index, part, f"{step.kind} {name}"] = self._keep(trial, block)
        return [block]

    def _keep(self, trial: Trial, block: Block) -> Block:
        """Keep a block, of which programs hold only the address."""
        self._kept.setdefault(trial.index, []).append(block)
        return block

    def tally(self, trial: Trial, group: str) -> np.ndarray:
        """Return the events sent per neuron of a group in a trial."""
        return self._tally(trial, f"sent/{group}", self.plan.groups[group].n)

    def ring(self, trial: Trial, group: str) -> dict[str, Any]:
        """Return the arguments by which kernels read a group's events."""
        ring: Ring = trial.rings[group]
        return {
            "ring_ids": ring.ids, "ring_counts": ring.counts, "ring_payload": ring.payload,
            "first": ring.first, "n": ring.n, "length": ring.length,
        }  # fmt: skip

    def own(self, trial: Trial, part: int, group: str) -> dict[str, Any]:
        """Return the arguments by which kernels write the events of one part of a group."""
        arguments = self.ring(trial, group)
        del arguments["first"]
        low, high = self.share.stretch(group, part)
        return {**arguments, "ring_counts": trial.rings[group].sent(part), "low": low, "high": high}

    def payload(self, group: GroupPlan) -> str:
        """Return the element type of a group's payloads."""
        return _PAYLOAD.get(group.part.payload, self.real)

    def rows_done(self, trial: Trial, group: str, part: int) -> np.ndarray:
        """Return how many rows a part of an operator has computed in a trial, as an array of one."""
        return self._tally(trial, f"rows/{group}", self.share.n)[part : part + 1]

    def reads(self, trial: Trial, group: str, part: int, k: int) -> np.ndarray:
        """Return how often what a part of an operator reads of its k-th group changed, as an array of one."""
        n = len(self.operation(group).gathers)
        at = part * n + k
        return self._tally(trial, f"reads/{group}", self.share.n * n)[at : at + 1]

    def operation(self, name: str) -> Operation:
        """Return how an operator runs."""
        found: Operation = self.once(("operation", name), lambda: operation_of(self.plan, name))
        return found

    @cached_property
    def watched(self) -> frozenset[str]:
        """The groups that operators read."""
        return frozenset(group.label for o in self.plan.network.operators for group in o.sources)

    def still(self, trial: Trial, group: str, part: int) -> np.ndarray:
        """Return whether nothing has changed in this step, by chunk of a part of a group."""
        ends: np.ndarray = self.once(
            ("chunks", group), lambda: np.cumsum([0, *(-(-np.diff(self.share.bounds[group]) // CHUNK))])
        )
        if group not in self._still:
            trials, room = self.plan.trials, room_of(int(ends[-1]))
            self._still[group] = zeros(trials * room, np.int8).reshape(trials, room)[:, : ends[-1]]
        return np.asarray(self._still[group][trial.index, ends[part] : ends[part + 1]])

    def at_rest(self, trial: Trial, group: str) -> np.ndarray:
        """Return the same of all parts of a group that is bound already; a zero where nothing says so."""
        return np.asarray(self._still[group][trial.index]) if group in self._still else zeros(1, np.int8)

    def kept(self, trial: Trial, key: tuple[Any, ...], size: int, dtype: Any) -> np.ndarray:
        """Return an array that several blocks of a trial share, of zeros at first."""
        array: np.ndarray = self.once(("kept", trial.index, *key), lambda: zeros(size, dtype))
        return array

    def _tally(self, trial: Trial, name: str, size: int) -> np.ndarray:
        if name not in self._tallies:
            trials, room = self.plan.trials, room_of(8 * size) // 8
            self._tallies[name] = zeros(trials * room, np.int64).reshape(trials, room)[:, :size]
        return np.asarray(self._tallies[name][trial.index])

    def scratch(self, key: tuple[Any, ...], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return arrays that the trials of one thread share: each is done with a strip before the next."""
        if key not in self._scratch:
            self._scratch[key] = make()
        return self._scratch[key]

    def sums_ahead(self, p: ProjectionPlan) -> bool:
        """Whether a dense projection may be summed for a whole strip at its first step."""
        return p.name in self._ahead

    def in_table(self, key: tuple[str, str], block: Block, trial: Trial, part: int) -> Block:
        """Return a block whose words are a row of a table of all trials and parts, to change all at once."""
        shape = (self.plan.trials * self.share.n, block.words.size)
        table = self.tabled.setdefault(key, zeros(shape[0] * shape[1], np.int64).reshape(shape))
        row = table[trial.index * self.share.n + part]
        row[:] = block.words
        return Block(block.kernel, row, block.kept)

    def once(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """Return what is made but once, when first asked for."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]

    # What machines ask for

    def layout(self) -> list[str]:
        """Say how the synapses of each delivery lie in memory, a line each."""
        lines = []
        for names, parts in self.stored.items():
            shared = f"{names[0]} and {len(names) - 1} more" if len(names) > 2 else " and ".join(names)
            lines.append(f"{shared}: {describe_stored(parts)}")
        return lines

    def feed_spikes(self, trial: Trial, source: str, feed: SpikeFeed) -> None:
        """Give a source the spikes that it sends in one trial."""
        for part in range(self.share.n):
            block = self._blocks[trial.index, part, f"emit {source}"]
            for name in ("start", "indptr", "places", "counts"):
                block.set(name, getattr(feed, name))

    def feed_values(self, source: str, feeds: ValueFeeds) -> None:
        """Give a source the values that it sends, in all trials at once."""
        table, block = self.tabled["emit", source], self._blocks[0, 0, f"emit {source}"]
        values, parts = np.asarray(feeds.values, dtype=self.plan.real), self.share.n
        each = values.strides[0] * np.arange(self.plan.trials, dtype=np.int64)
        size = values.shape[1] * values.shape[2]
        columns: dict[str, tuple[Any, ...]] = {
            "start": (feeds.start,), "row_steps": (feeds.row_steps,), "rows": (values.shape[1],),
            "hold": (int(feeds.hold),), "values": (np.repeat(values.ctypes.data + each, parts), size),
        }  # fmt: skip
        for name, words in columns.items():
            at = block.kernel.places[name][0]
            for k, word in enumerate(words):
                table[:, at + k] = word
        self._fed[source] = values

    def make_room(self, trial: Trial, first: int, last: int) -> None:
        """Make room for the samples that probes will take in the steps [first, last)."""
        for block, probe in self._probes(trial):
            if probe.variable not in ("spikes", "counts"):
                n = probe_window(probe, self.plan.dt).samples(first, last).size
                block.set("samples", np.zeros(n * block.kept["places"].size, self.plan.real))
                block.kept["filled"][0] = 0

    def _probes(self, trial: Trial) -> list[tuple[Block, Probe]]:
        """Return the blocks that record in one trial, by probe and part."""

        def found() -> list[tuple[Block, Probe]]:
            keys = [
                ((trial.index, part, f"record {probe.label}"), probe)
                for probe in self.plan.probes
                for part in range(self.share.n)
            ]
            return [(self._blocks[key], probe) for key, probe in keys if key in self._blocks]

        blocks: list[tuple[Block, Probe]] = self.once(("probes", trial.index), found)
        return blocks

    def drain_spikes(self, trial: Trial) -> Iterator[tuple[str, SpikeChunk]]:
        """Return and forget what spike probes have buffered."""
        for block, probe in self._probes(trial):
            if probe.variable == "spikes":
                n = int(block.kept["filled"][0])
                block.kept["filled"][0] = 0
                steps, places = block.kept["steps"][:n].copy(), block.kept["places"][:n].astype(np.int64)
                if block.kept["times"].size > 1:
                    times = block.kept["times"][:n]
                    steps, places = np.repeat(steps, times), np.repeat(places, times)
                yield probe.label, SpikeChunk(steps, places, np.full(steps.size, trial.index, np.int64))

    def forget(self, trial: Trial) -> None:
        """Drop what probes have recorded in one trial, and what kernels know of earlier steps."""
        for flags in self._still.values():
            flags[trial.index] = 0
        self._forget_others(trial)

    def forget_all(self, trials: list[Trial]) -> None:
        """Do so in all trials."""
        for flags in self._still.values():
            flags[:] = 0
        for trial in trials:
            self._forget_others(trial)

    def _forget_others(self, trial: Trial) -> None:
        for array, value in self.once(("forgotten", trial.index), lambda: self._forgotten(trial)):
            array[:] = value

    def _forgotten(self, trial: Trial) -> list[tuple[np.ndarray, int]]:
        """Return what is to be forgotten of one trial, and what takes its place."""
        known = {"marks": NEVER, "seen": 0}
        blocks = [(block, known) for block in self._kept.get(trial.index, ())]
        blocks += [(block, {"filled": 0, "counts": 0}) for block, _ in self._probes(trial)]
        return [
            (block.kept[name], value)
            for block, fresh in blocks
            for name, value in fresh.items()
            if name in block.kept
        ]

    def take_samples(self, trial: Trial, probe: str) -> np.ndarray:
        """Return the samples of one trial, (n_samples, n_recorded), ascending by place."""
        blocks = [block for block, p in self._probes(trial) if p.label == probe]
        return np.concatenate(
            [b.kept["samples"].reshape(-1, b.kept["places"].size) for b in blocks if b.kept["places"].size],
            axis=1,
        )

    def take_counts(self, trial: Trial, probe: str) -> np.ndarray:
        """Return and forget the spike counts of one trial, (n_recorded,), ascending by place."""
        described = self.plan.probe(probe)
        group = self.plan.group_of(described.group)
        places = self.once(("counted", probe), lambda: np.sort(group.places(described.recorded())))
        total = np.zeros(group.n, np.int64)
        for block, other in self._probes(trial):
            if other is described:
                total += block.kept["counts"]
                block.kept["counts"][:] = 0
        return np.asarray(total[places])

    def take_tally(self) -> dict[str, np.ndarray]:
        """Return what was counted, but for weight changes, by the keys of `Machine.take_tally`.

        These are the arrays themselves: they hold until `clear_tally`, which comes before the next step.
        """
        self.clear_tally()
        self._taken = True
        return dict(self._tallies)

    def clear_tally(self) -> None:
        """Forget what was taken, before anything is counted again."""
        if self._taken:
            for counts in self._tallies.values():
                counts[:] = 0
        self._taken = False
