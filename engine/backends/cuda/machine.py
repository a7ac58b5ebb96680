"""The CUDA machine: a plan bound to one kernel and to memory on a card, and their running."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....neurons.errors import RunError
from ...plan import Plan
from ...workers import available_cores
from ..base import Feed, Machine, SpikeChunk
from ..private import PrivateTally
from . import fields as f
from .bind import Binder
from .capacity import refuse_if_too_big
from .card import Card, Vector, open_card, simulated
from .feeds import Feeds
from .generate import kernel_source
from .kernel import Memory, block_of, load_kernel, memory_dtypes, signature
from .recorder import Recorder
from .snapshot import put_snapshot, take_snapshot
from .store import Place

#: Fields of the table that each block keeps close by, at least, and at most.
_LEAST_HOT, _HOT = 256, 4096


@dataclass(frozen=True)
class _Launched:
    """A stretch of steps that is running, or has run: what to wait for, and where it recorded."""

    event: Any
    memory: Memory
    first: int
    last: int


class CudaMachine(Machine):
    """Runs a plan on a CUDA device, or on Numba's simulator of one.

    Parameters
    ----------
    plan : Plan
        What to run.
    threads : int, optional
        Threads of the host that draw synapses; by default one for each core. Results do not depend on it.

    Raises
    ------
    MissingExtra
        If numba-cuda or CuPy is not installed.
    RunError
        If there is no device.
    PlanError
        If the network does not fit into its memory.
    """

    def __init__(self, plan: Plan, threads: int | None = None) -> None:
        self.plan, self.now = plan, 0
        self.halted = np.zeros(plan.trials, bool)
        self.card: Card = open_card()
        self.device = self.card.name
        refuse_if_too_big(plan, self.card)
        self.threads = threads or available_cores()
        self.binder = binder = Binder(plan, self.threads)
        self.strip, self.synapse_bytes = binder.strip, binder.synapse_bytes
        self.recorder = Recorder(binder)
        self.feeds = Feeds(binder.fed, plan.trials, plan.real)
        kinds = binder.kinds()
        block, registers = block_of(kinds.tasks)
        self.kernel = load_kernel(kernel_source(kinds, plan.real, self._room_of_table()), registers)
        self._dtypes = memory_dtypes(plan.real)
        self._vectors: dict[str, Vector] = binder.store.load(self.card)
        self._buffers = [self.recorder.buffers(self.card) for _ in range(2)]
        self.blocks, self.block_threads = self.card.shape(
            self.kernel, signature(plan.real), block, binder.parallel()
        )
        self.layout = self._describe(binder.store.n_bytes)
        self._private = PrivateTally(plan, binder.private)

    def _room_of_table(self) -> int:
        """Return how many fields of the table each block keeps close by, and make it as long; 0 if too many.

        Few lengths occur, so that networks of one kind share a kernel. Simulated threads use the table
        itself: the simulator may give each of two that ask at a time a copy of its own.
        """
        table = self.binder.store.table
        room = max(_LEAST_HOT, 1 << (len(table) - 1).bit_length())
        if room > _HOT or simulated():
            return 0
        table.extend([0] * (room - len(table)))
        return room

    def _describe(self, n_bytes: int) -> list[str]:
        kinds, meetings = len(self.binder.used), self.binder.meetings
        return [
            f"one kernel of {self.blocks} blocks of {self.block_threads} threads, strips of {self.strip} "
            f"step(s): {kinds} kinds of tasks, all threads meet {meetings} times",
            f"{n_bytes / 1e6:.4g} MB on the card, {self.synapse_bytes / 1e6:.4g} MB of them synapses",
        ]

    def feed(self, source: str, feeds: Sequence[Feed]) -> None:
        self.feeds.give(source, feeds)

    def advance(self, steps: int) -> None:
        if self.feeds.changed:
            self._load_feeds()
        stop, running = self.now + steps, None
        now, number = self.now, 0
        while now < stop:
            last = min(now + self.recorder.stretch, stop)
            launched = self._launch(now, last, number % 2)
            if running is not None:
                self._drain(running)
            running, now, number = launched, last, number + 1
        if running is not None:
            self._drain(running)
        self.now = stop

    def watch_step(self) -> np.ndarray:
        busy = self.binder.places["trials", "", "busy"]
        self.clear(busy)
        self._set(f.WATCHED, 1)
        self.advance(1)
        self._set(f.WATCHED, 0)
        return np.asarray(self.read(busy) != 0)

    def halt(self, halted: np.ndarray) -> None:
        self.halted = halted.copy()
        self.write(self.binder.places["trials", "", "halted"], halted)
        self._set(f.SOME_HALTED, int(halted.any()))

    def _set(self, field: int, value: int) -> None:
        """Set a field of the header."""
        self.card.write(self._vectors["table"], self.binder.header + field, np.array([value], np.int64))

    def _load_feeds(self) -> None:
        """Bring what sources are fed with to the card; there is room for as much as was needed before."""
        for name, pieces in self.feeds.pieces().items():
            needed = sum(piece.size for piece in pieces)
            if needed > self._vectors[name].size:
                self._vectors[name] = self.card.zeros(needed, self._dtypes[name])
            begin = 0
            for piece in pieces:
                self.card.write(self._vectors[name], begin, piece.reshape(-1))
                begin += piece.size

    def _memory(self, buffers: dict[str, Vector]) -> Memory:
        return Memory(**{name: vector.taken for name, vector in (self._vectors | buffers).items()})

    def _launch(self, first: int, last: int, number: int) -> _Launched:
        buffers = self._buffers[number]
        memory = self._memory(buffers)
        event = self.card.launch(
            self.kernel, self.blocks, self.block_threads, memory, np.int64(first), np.int64(last)
        )
        return _Launched(event, Memory(**(self._vectors | buffers)), first, last)

    def _drain(self, launched: _Launched) -> None:
        """Take what one stretch recorded, while the next one runs."""
        marks = self.card.read_behind(launched.event, launched.memory.marks, f.MARKS)
        if marks[f.M_FAULT] != f.NO_FAULT:
            self._refuse_nan(int(marks[f.M_FAULT]), launched.first)
        self.recorder.take(self.card, launched.event, launched.memory, launched.first, launched.last, marks)

    def _refuse_nan(self, fault: int, first: int) -> None:
        table, places = self.binder.store.table, self.binder.place_bits
        rest, place = fault >> places, fault & ((1 << places) - 1)
        rest, trial = rest >> table[f.TRIAL_BITS], rest & ((1 << table[f.TRIAL_BITS]) - 1)
        rest, variable = rest >> f.STATE_BITS, rest & ((1 << f.STATE_BITS) - 1)
        step, number = divmod(rest, len(self.plan.groups))
        group, step = list(self.plan.groups.values())[number], first + step
        state = self.plan.population(group.name).model.used_states[variable]
        neuron = place if group.order is None else int(group.order[place])
        raise RunError(
            f"{group.name}: {state.name} of neuron {neuron} became NaN in step {step} "
            f"(t = {step * self.plan.dt:g} s), trial {trial}; look at its input and parameters"
        )

    # What probes recorded, and what was counted.

    def take_spikes(self, probe: str) -> SpikeChunk:
        return self.recorder.take_spikes(probe)

    def take_samples(self, probe: str) -> np.ndarray:
        return self.recorder.take_samples(probe)

    def take_counts(self, probe: str) -> np.ndarray:
        place = self.binder.probes[probe].counts
        assert place is not None
        return self._taken(place)

    def read(self, place: Place) -> np.ndarray:
        """Return an array of the card's memory."""
        return self.card.read(self._vectors[place.vector], place.start, place.size).reshape(place.shape)

    def write(self, place: Place, values: Any) -> None:
        """Set an array of the card's memory."""
        array = np.broadcast_to(np.asarray(values, self._dtypes[place.vector]), place.shape)
        if place.size:
            self.card.write(self._vectors[place.vector], place.start, np.ascontiguousarray(array).reshape(-1))

    def clear(self, place: Place) -> None:
        """Set an array of the card's memory to zero."""
        self.card.clear(self._vectors[place.vector], place.start, place.size)

    def _taken(self, place: Place) -> np.ndarray:
        """Return counts, and set them to zero."""
        counts = self.read(place)
        self.clear(place)
        return counts

    def take_tally(self) -> dict[str, np.ndarray]:
        tally = {f"sent/{name}": self._taken(place) for name, place in self.binder.tally.items()}
        for (kind, owner, name), place in self.binder.places.items():
            if _is_count(kind, name):
                counted = {"done": "rows", "reads": "reads"}.get(name, kind)
                tally[f"{counted}/{owner}"] = self._taken(place)
        self._private.correct(tally, self.now)
        return tally

    # State between steps.

    def state(self, group: str, variable: str) -> np.ndarray:
        kind = "state" if ("state", group, variable) in self.binder.places else "operator"
        return self.read(self.binder.places[kind, group, variable])

    def weights(self, projection: str) -> np.ndarray:
        return self.read(self.binder.places["weights", projection, ""])

    def learned(self, projection: str) -> dict[str, np.ndarray]:
        return {
            f"{kind}/{owner}/{name}": self.read(place)
            for (kind, owner, name), place in self.binder.places.items()
            if kind in ("trace", "shared", "synapse") and owner == projection
        }

    def snapshot(self) -> dict[str, np.ndarray]:
        return take_snapshot(self)

    def restore(self, snapshot: dict[str, np.ndarray]) -> None:
        put_snapshot(self, snapshot)

    def forget(self) -> None:
        """Drop what was recorded and counted, and count private events from this step on."""
        self.recorder.forget()
        kept = [place for (kind, _, name), place in self.binder.places.items() if _is_count(kind, name)]
        for bound in self.binder.probes.values():
            kept += [bound.counts] if bound.counts is not None else []
        for place in (*kept, *self.binder.tally.values()):
            self.clear(place)
        self._private.begin(self.now)

    def push(self) -> None:
        """Push the spikes that the lists hold."""
        memory = self._memory(self._buffers[0])
        self.card.launch(self.kernel, self.blocks, self.block_threads, memory, np.int64(0), np.int64(0))


def _is_count(kind: str, name: str) -> bool:
    """Whether a place counts what an operator did, or the changes of weights."""
    return kind == "changes" or (kind == "operator" and name in ("done", "reads"))
