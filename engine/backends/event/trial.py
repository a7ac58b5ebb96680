"""One trial of a network that runs from event to event: its state, its queue, and what its loop writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ....neurons.exact import ExactFlow
from ...compiled import compiled
from ...initial import initial_state
from ...parts import PoissonSource, Population, RateSource
from ...plan import Plan
from ...planned import GroupPlan
from ...random import stream_key
from ..base import TimedFeed
from ..numba_cpu.kernel import Block
from ..numba_cpu.words import invoke
from . import loop
from .marks import NEVER, marked, unmarked
from .neurons import Kernels, constants_of, kernels_of
from .queue import PENDING, fill, grown, listed, make_queue, push
from .synapses import Synapses
from .touch import LANES
from .written import Form

#: Events that a queue holds at first, beside some for each neuron, and events that are recorded at a time.
_PENDING, _RECORDED = 1024, 1 << 16
#: The first width of a bucket without a grid: a microsecond.
_SHIFT = 30


class Trial:
    """State and queue of one trial.

    Parameters
    ----------
    plan : Plan
        What runs.
    synapses : Synapses
        Its synapses.
    index : int
        Which trial it is.
    """

    def __init__(self, plan: Plan, synapses: Synapses, index: int) -> None:
        self.plan, self.index, self._synapses = plan, index, synapses
        self._groups = list(plan.groups.values())
        self.states: dict[str, dict[str, np.ndarray]] = {}
        self._last: dict[str, np.ndarray] = {}
        self._holds: dict[str, str | None] = {}
        self._kernels: dict[str, Kernels] = {}
        self._own: dict[str, dict[str, Any]] = {}
        self._blocks: list[Block] = []
        self._feeds: dict[str, TimedFeed] = {}
        sizes = [group.n for group in self._groups]
        self._first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.work = self._make_work(sizes)
        self.tables = self._make_tables()
        shift = _SHIFT if plan.gridless else 0
        self.queue = make_queue(_PENDING + 2 * int(self._first[-1]), shift=shift)
        for k, group in enumerate(self._groups):
            self._bind(k, group)
        for k, group in enumerate(self._groups):
            self._begin(k, group)

    def _make_work(self, sizes: list[int]) -> loop.Work:
        total, largest = int(self._first[-1]), max(sizes, default=1)
        receptors = max((len(group.receptors) for group in self._groups), default=0)
        rows = np.diff(self._synapses.starts).max(initial=1)
        words = np.zeros(9, np.int64)
        words[loop.BAD_GROUP] = -1
        return loop.Work(
            due=np.full(total, NEVER, np.int64),
            sums=np.zeros(sum(group.n * len(group.receptors) for group in self._groups)),
            touched=np.zeros(max(total, 1), np.int32),
            waiting=np.zeros(total, np.int32),
            n_touched=np.zeros(max(len(sizes), 1), np.int64),
            inputs=np.zeros((max(receptors, 1), largest + LANES)),
            fired=np.zeros(largest, np.int32),
            foreseen=np.zeros(largest, np.int32),
            found=np.zeros(3, np.int64),
            sent=np.zeros(total, np.int64),
            updates=np.zeros(max(len(sizes), 1), np.int64),
            spikes=np.zeros((_RECORDED, 3), np.int64),
            zeros=np.zeros(max(int(rows), largest) + LANES),
            words=words,
        )

    def _make_tables(self) -> loop.Tables:
        groups = np.zeros((len(self._groups), 8), np.int64)
        sources = np.zeros((len(self._groups), 4), np.int64)
        recorded = {p.group.label for p in self.plan.probes if p.variable in ("spikes", "counts")}
        since: list[np.ndarray] = []
        rates: list[np.ndarray] = []
        sums, pieces, bases = 0, 0, np.zeros(len(self._groups), np.int64)
        for k, group in enumerate(self._groups):
            groups[k, loop.G_LEVEL], groups[k, loop.G_SIZE] = group.level, group.n
            groups[k, loop.G_FIRST], groups[k, loop.G_RECEPTORS] = self._first[k], len(group.receptors)
            groups[k, loop.G_SUMS], groups[k, loop.G_RECORDED] = sums, group.name in recorded
            sums += group.n * len(group.receptors)
            if isinstance(group.part, PoissonSource | RateSource):
                times, rate = _rates(self.plan, group)
                key = stream_key(self.plan.network.seed, group.name, "intervals", self.index)
                sources[k] = loop.POISSON, pieces, times.size, key.view(np.int64)
                bases[k] = sum(r.size for r in rates)
                pieces += times.size
                since.append(times)
                rates.append(rate.reshape(-1))
        nothing = np.zeros(0, np.int32)
        return loop.Tables(
            groups, sources, np.zeros(0, np.int64), nothing, nothing,
            np.concatenate([np.zeros(0, np.int64), *since]), np.concatenate([np.zeros(0), *rates]), bases,
        )  # fmt: skip

    def _bind(self, k: int, group: GroupPlan) -> None:
        """Make the state and the kernel of a population."""
        if not isinstance(group.part, Population):
            return
        model, real = group.part.model, self.plan.real
        assert isinstance(model, ExactFlow)
        derived = model.derive(self.plan.dt)
        constants = {name: np.asarray(derived[name]) for name in constants_of(model)}
        whole = frozenset(name for name, value in constants.items() if value.dtype.kind in "iu")
        form = Form(
            frozenset(name for name, value in constants.items() if value.ndim),
            "f8" if real == np.float64 else "f4",
            model.fires_alone,
        )
        self._kernels[group.name] = kernels_of(model, form, whole)
        first = initial_state(self.plan, group, self.index)
        kinds = {s.name: np.int64 if s.kind == "integer" else real for s in model.used_states}
        self.states[group.name] = {name: np.empty(group.n, kind) for name, kind in kinds.items()}
        self._last[group.name] = np.empty(group.n, np.int64)
        self._holds[group.name] = model.hold if model.hold in kinds else None
        # Where there are steps, first values hold one step before the first: `flow` comes before all else.
        self.set_state(group.name, first, -self.plan.stride)
        own: dict[str, Any] = {"tick": self.plan.dt, "first": 0, "last": self._last[group.name]}
        own |= {f"s_{name}": value for name, value in self.states[group.name].items()}
        for name, value in constants.items():
            kept = np.minimum(value, NEVER // 2) if name in whole else value
            dtype = np.int64 if name in whole else real
            own[f"k_{name}"] = np.ascontiguousarray(group.stored(kept), dtype) if kept.ndim else kept
        self._own[group.name] = own
        nothing = np.zeros(0)
        block = self._kernels[group.name].touch.pack(
            who=np.zeros(0, np.int32),
            **{f"x_{name}": nothing for name in model.receptors},
            **own,
            **self._outcome(group.name),
            **self._kernels[group.name].room(),
        )
        self._blocks.append(block)
        self.tables.groups[k, [loop.G_KERNEL, loop.G_BLOCK]] = block.call

    def _outcome(self, name: str) -> dict[str, Any]:
        w = self.work
        return {"due": self.due(name), "fired": w.fired, "foreseen": w.foreseen, "found": w.found}

    def _begin(self, k: int, group: GroupPlan) -> None:
        """Queue what a group does first."""
        level, source = group.level, self.tables.sources[k]
        if isinstance(group.part, Population):
            who = np.arange(group.n, dtype=np.int32)
            kernel = self._kernels[group.name].foresee
            block = kernel.pack(who=who, **self._own[group.name], **self._outcome(group.name))
            _call(*block.call, 0)
            due = self.due(group.name)
            places = self.work.foreseen[: self.work.found[1]].astype(np.int64)
            times, kind = due[places], loop.ALONE
        elif source[loop.S_KIND] == loop.POISSON:
            places = np.arange(group.n)
            times = np.array([loop.poisson_step(self.tables, k, i, 0, -1) for i in places], np.int64)
            kind = loop.EMISSION
        else:
            return
        events = np.zeros((places.size, 3), np.int64)
        events[:, 0], events[:, 1] = times, loop.code_of(level, kind, k, 0) + places
        fill(self.queue, events[times < NEVER])

    def feed(self, source: str, feed: TimedFeed, now: int) -> None:
        """Give a source its spikes; those before `now` are left out."""
        k = next(i for i, group in enumerate(self._groups) if group.name == source)
        code = loop.code_of(self._groups[k].level, loop.EMISSION, k, 0)
        before = self._feeds.get(source)
        if before is not None and before.steps.size and before.steps[-1] >= now:
            events = listed(self.queue)
            self.set_pending(events[events[:, 1] != code], now)
        self._feeds[source] = feed
        first, parts = 0, []
        for i, group in enumerate(self._groups):
            given = self._feeds.get(group.name)
            if given is not None:
                self.tables.sources[i, :3] = loop.LISTED, first, given.steps.size
                first += given.steps.size
                parts.append(given)
        joined = [
            np.concatenate([getattr(part, name) for part in parts]) for name in ("steps", "places", "counts")
        ]
        self.tables = self.tables._replace(steps=joined[0], places=joined[1], counts=joined[2])
        self._queue_feed(k, feed, now)

    def _queue_feed(self, k: int, feed: TimedFeed, now: int) -> None:
        """Queue the first spikes of a source that are not before `now`."""
        code = loop.code_of(self._groups[k].level, loop.EMISSION, k, 0)
        at = int(np.searchsorted(feed.steps, now))
        if at < feed.steps.size:
            self._ensure(int(self.queue.words[PENDING]) + 1)
            push(self.queue, int(feed.steps[at]), code, at)

    def begin_again(self, now: int) -> None:
        """Queue what neurons, as they are now, and given spikes will cause, beside what is pending."""
        self._ensure(int(self.queue.words[PENDING] + self._first[-1]))
        self.work.due[:] = NEVER
        for k, group in enumerate(self._groups):
            self._begin(k, group)
            if group.name in self._feeds:
                self._queue_feed(k, self._feeds[group.name], now)

    def make_room(self) -> None:
        """Give the loop the room that it asked for."""
        self._ensure(int(self.work.words[loop.NEEDED]))
        largest = int(max(np.diff(self._synapses.starts).max(initial=0), self._first[-1], 256))
        if len(self.work.spikes) < largest:
            self.work = self.work._replace(spikes=np.zeros((2 * largest, 3), np.int64))

    def _ensure(self, needed: int) -> None:
        if needed > len(self.queue.heap):
            self.queue = grown(self.queue, 2 * needed, int(self.queue.words[2]))

    def take_spikes(self) -> np.ndarray:
        """Return, and forget, recorded events: (step, group, place)."""
        n = int(self.work.words[loop.RECORDED])
        self.work.words[loop.RECORDED] = 0
        return self.work.spikes[:n].copy()

    def take_tally(self) -> dict[str, np.ndarray]:
        """Return, and forget, events sent by each neuron, and updates of each population."""
        tally: dict[str, np.ndarray] = {}
        for k, group in enumerate(self._groups):
            tally[f"sent/{group.name}"] = self.work.sent[self._first[k] : self._first[k + 1]].copy()
            if isinstance(group.part, Population):
                tally[f"updates/{group.name}"] = self.work.updates[k : k + 1].copy()
        self.work.sent[:] = 0
        self.work.updates[:] = 0
        return tally

    def since(self, name: str) -> np.ndarray:
        """Return the step as of which each neuron of a population keeps its state."""
        return unmarked(self._last[name])

    def set_state(self, name: str, states: Mapping[str, np.ndarray], since: np.ndarray | int) -> None:
        """Set the state of a population, and the step as of which it is."""
        mine, hold = self.states[name], self._holds[name]
        for key, values in states.items():
            mine[key][:] = values
        last = np.broadcast_to(np.asarray(since, np.int64), self._last[name].shape)
        self._last[name][:] = marked(last, None if hold is None else mine[hold])

    def due(self, name: str) -> np.ndarray:
        """Return the step in which each neuron of a population will fire by itself."""
        k = next(i for i, group in enumerate(self._groups) if group.name == name)
        return self.work.due[self._first[k] : self._first[k + 1]]

    def look(self, name: str, who: np.ndarray, step: int) -> dict[str, np.ndarray]:
        """Return the state of some neurons in a step that no event of theirs has passed."""
        kernel = self._kernels[name].look
        seen = {key: np.zeros(who.size, value.dtype) for key, value in self.states[name].items()}
        block = kernel.pack(who=who, **self._own[name], **{f"o_{key}": value for key, value in seen.items()})
        _call(*block.call, step)
        return seen

    @property
    def bad(self) -> tuple[int, int, int]:
        """Group, place and step of a state that is not a number."""
        words = self.work.words
        return int(words[loop.BAD_GROUP]), int(words[loop.BAD_PLACE]), int(words[loop.NOW])

    def pending(self) -> np.ndarray:
        """Return all pending events in order: (time, code, extra)."""
        return listed(self.queue)

    def set_pending(self, events: np.ndarray, now: int) -> None:
        """Replace all pending events."""
        self.work.words[loop.BAD_GROUP], self.work.words[loop.OPEN] = -1, 0
        room = max(len(self.queue.heap), 2 * len(events))
        self.queue = make_queue(room, shift=_SHIFT if self.plan.gridless else 0, now=now)
        fill(self.queue, np.ascontiguousarray(events))


def _rates(plan: Plan, group: GroupPlan) -> tuple[np.ndarray, np.ndarray]:
    """Return from which step on which rates (per step) hold, and those, (pieces, n)."""
    part = group.part
    if isinstance(part, PoissonSource):
        times, rates = np.zeros(1, np.int64), np.asarray(part.rate)[None]
    else:
        assert isinstance(part, RateSource)
        times = np.floor(part.times / plan.dt + 0.5).astype(np.int64)
        rates = part.rates
    rates = rates.reshape(times.size, -1)
    return times, np.ascontiguousarray(group.stored(np.broadcast_to(rates, (times.size, group.n)) * plan.dt))


@compiled()
def _call(address: Any, block: Any, now: Any) -> Any:
    return invoke(address, block, now)
