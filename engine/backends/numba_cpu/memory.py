"""All state of one trial: arrays that kernels of every part read and write."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from ...initial import initial_state
from ...operation import operation_of
from ...parts import Operator, Population
from ...plan import Plan
from ...planned import GroupPlan
from .parts import LINE_BYTES, PAGE_BYTES, Share, room_of

#: Where within a page the next large array starts: see `zeros`.
_QUARTERS = itertools.cycle(range(0, PAGE_BYTES, PAGE_BYTES // 4))


def zeros(size: int, dtype: DTypeLike) -> np.ndarray:
    """Return zeros on cache lines of their own; large ones start at a quarter of a page, each at the next.

    NumPy's own arrays start 16 bytes behind a line, so that half of all vectors would lie across two, and
    small ones of several threads share a line, which then goes to and fro between the cores.
    And a processor that reads one array while it writes another compares places within a page alone:
    where these are a few lines apart, it waits for writes that have nothing to do with what it reads.
    """
    dtype = np.dtype(dtype)
    n_bytes = size * dtype.itemsize
    large = n_bytes >= PAGE_BYTES
    room = np.zeros(n_bytes + 2 * (PAGE_BYTES if large else LINE_BYTES), np.uint8)
    start = -room.ctypes.data % (PAGE_BYTES if large else LINE_BYTES)
    start += next(_QUARTERS) if large else 0
    return room[start : start + n_bytes].view(dtype)


def copied(values: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """Return a flat copy of an array that starts on a cache line."""
    out = zeros(values.size, dtype)
    out[:] = values.reshape(-1)
    return out


@dataclass
class Ring:
    """The events of one group over its last steps, by part."""

    n: int
    length: int
    first: np.ndarray
    ids: np.ndarray
    counts: np.ndarray
    payload: np.ndarray
    unit: bool

    def sent(self, part: int) -> np.ndarray:
        """Return how many events one part sent in each slot; those of a part lie together."""
        return self.counts[part * self.length : (part + 1) * self.length]

    def events(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return places (int64) and payloads of one step's events."""
        slot, parts = step % self.length, self.first.size
        places, payloads = [], []
        for part in range(parts):
            begin = slot * self.n + int(self.first[part])
            stop = begin + int(self.sent(part)[slot])
            places.append(self.ids[begin:stop])
            payloads.append(np.ones(stop - begin) if self.unit else self.payload[begin:stop])
        return np.concatenate(places).astype(np.int64), np.concatenate(payloads)

    def put(self, step: int, places: np.ndarray, payloads: np.ndarray) -> None:
        """Write one step's events, ascending by place."""
        slot, parts = step % self.length, self.first.size
        ends = [*self.first[1:], self.n]
        for part in range(parts):
            low = int(self.first[part])
            chosen = (places >= low) & (places < ends[part])
            begin, k = slot * self.n + low, int(chosen.sum())
            self.ids[begin : begin + k] = places[chosen]
            if not self.unit:
                self.payload[begin : begin + k] = payloads[chosen]
            self.sent(part)[slot] = k


@dataclass(frozen=True)
class Variable:
    """One variable of a group: an array for each part.

    Attributes
    ----------
    parts : list of array
        Values of each part's stretch.
    whole : array (n,), or None
        All values, where something reads them in one piece.
    """

    parts: list[np.ndarray]
    whole: np.ndarray | None = None


@dataclass
class Trial:
    """One trial's state.

    Attributes
    ----------
    index : int
        Which trial.
    states : dict
        (group, variable) -> Variable; operators have "value", the output as it is stored, "fresh", the same
        unit by unit, and "last", all that they read.
    rings : dict
        Group -> its recent events.
    fixed, floating : list
        Cells of each part.
    faults : int64 (parts, 5)
        Whether a part met a NaN, and the place, variable, step and group of the first.
    """

    index: int
    states: dict[tuple[str, str], Variable]
    rings: dict[str, Ring]
    fixed: list[np.ndarray]
    floating: list[np.ndarray]
    faults: np.ndarray


@dataclass(frozen=True)
class Memory:
    """The state of all trials.

    Attributes
    ----------
    trials : list of Trial
        Each one's.
    tables : dict
        (group, variable) -> for each part an array, (trials, size): those of `Trial.states`, side by side.
    faults : int64 (trials, parts, 5)
        Those of the trials.
    """

    trials: list[Trial]
    tables: dict[tuple[str, str], list[np.ndarray]]
    faults: np.ndarray


def make_memory(plan: Plan, share: Share, rings: list[dict[str, Ring]]) -> Memory:
    """Return the state of all trials at step 0, whose events go to the given rings."""
    n = plan.trials
    apart: dict[tuple[str, str], np.ndarray] = {}
    joined: dict[tuple[str, str], np.ndarray] = {}
    in_one_piece = {group.label for o in plan.network.of(Operator) for group in (o, *o.sources)}
    for group in plan.groups.values():
        if isinstance(group.part, Population):
            first = [initial_state(plan, group, index) for index in range(n)]
            found = {(group.name, name): np.stack([f[name] for f in first]) for name in first[0]}
            (joined if group.name in in_one_piece else apart).update(found)
        elif isinstance(group.part, Operator):
            size = operation_of(plan, group.name).size
            joined[group.name, "value"] = joined[group.name, "fresh"] = np.zeros((n, group.n), plan.real)
            joined[group.name, "last"] = np.full((n, size), np.nan, plan.real)
    whole = {key: _rows(values) for key, values in joined.items()}
    tables = _apart(share, apart)
    for key, rows in whole.items():
        tables[key] = np.split(rows, share.bounds[key[0]][1:-1], axis=1)
    faults = np.zeros((n, share.n, 5), np.int64)
    trials = [
        Trial(
            index=index,
            states={
                key: Variable([part[index] for part in parts], whole[key][index] if key in whole else None)
                for key, parts in tables.items()
            },
            rings=rings[index],
            fixed=[zeros(size, np.int32) for size in share.sizes["fixed"]],
            floating=[zeros(size, plan.real) for size in share.sizes["float"]],
            faults=faults[index],
        )
        for index in range(n)
    ]
    return Memory(trials, tables, faults)


def _rows(values: np.ndarray) -> np.ndarray:
    """Return a copy of a table, each row on cache lines of its own."""
    width = room_of(values[0].nbytes) // values.itemsize
    rows = zeros(len(values) * width, values.dtype).reshape(len(values), width)[:, : values.shape[1]]
    rows[:] = values
    return rows


def _apart(
    share: Share, initial: dict[tuple[str, str], np.ndarray]
) -> dict[tuple[str, str], list[np.ndarray]]:
    """Return tables of these values, (trials, n), by part: those of a part and trial lie far from others.

    A core that reads an array to its end asks for some of what lies behind it, in case that is wanted
    too. If another core writes there, it waits in every step until it has its own lines back.
    """
    tables: dict[tuple[str, str], list[np.ndarray]] = {key: [] for key in initial}
    for part in range(share.n):
        mine = {key: values[:, slice(*share.stretch(key[0], part))] for key, values in initial.items()}
        sizes = [room_of(values.shape[1] * values.itemsize) for values in mine.values()]
        trials = max((len(values) for values in mine.values()), default=1)
        arena = zeros(trials * sum(sizes), np.uint8).reshape(trials, -1)
        starts = itertools.accumulate(sizes, initial=0)
        for (key, values), start in zip(mine.items(), starts, strict=False):
            table = arena[:, start : start + values.shape[1] * values.itemsize].view(values.dtype)
            table[:] = values
            tables[key].append(table)
    return tables


def make_rings(plan: Plan, share: Share, lengths: dict[str, int]) -> dict[str, Ring]:
    """Return rings for one trial; `lengths` is for how many steps each group's events are kept."""
    return {name: _ring(plan, share, group, lengths[name]) for name, group in plan.groups.items()}


def _ring(plan: Plan, share: Share, group: GroupPlan, length: int) -> Ring:
    kind = group.part.payload
    payload = zeros(1 if kind == "unit" else group.n * length, plan.real if kind == "real" else np.int32)
    return Ring(
        n=group.n,
        length=length,
        first=share.bounds[group.name][:-1].copy(),
        ids=zeros(group.n * length, np.int32),
        counts=zeros(length * share.n, np.int32),
        payload=payload,
        unit=kind == "unit",
    )
