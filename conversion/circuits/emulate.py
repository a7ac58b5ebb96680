"""A slow emulator of circuits: totals are computed anew in every sweep from all that has been told.

It is what runs on the engine are compared with: the same events, sweep for sweep. Within a sweep cells take
turns in order, so that one sweep leads through the whole depth.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ...neurons.errors import ConversionError
from .circuit import Cell, Circuit
from .codes import Events, aim, event_of, events_for, resting, tell, told_by, waits_of
from .evaluate import BATCH, Signals, function_of, totals_of, unfolded, units_of
from .pairs import pairs_of

Law = Literal["delta", "rate"]
Schedule = Literal["concurrent", "depth"]

#: A sweep without events comes before this one, or something is wrong.
FOREVER = 100_000


@dataclass(frozen=True, eq=False)
class Emulation:
    """What a circuit did with a batch of samples.

    Attributes
    ----------
    outputs : float32 array (sweeps, batch, n)
        The answer after each sweep.
    operations : int64 array (sweeps, batch)
        Additions that events caused: events times fan-out, and those that meet the other factor of a
        product of matrices; without the first layer's.
    first : int64 array (sweeps, batch)
        Multiplications of the input's values with weights.
    packets : dict
        Events sent by each cell, (sweeps, batch).
    by_term : dict
        (source, target) -> additions of the whole batch.
    evaluations : dict
        Kind of operator, or function of a cell -> numbers computed for the whole batch.
    silent : int64 array (batch,)
        How many sweeps had events.
    signals : Signals
        What has been told at the end: where the next samples may start.
    """

    outputs: np.ndarray
    operations: np.ndarray
    first: np.ndarray
    packets: Mapping[str, np.ndarray]
    by_term: Mapping[tuple[str, str], int]
    evaluations: Mapping[str, int]
    silent: np.ndarray
    signals: Signals


class Emulator:
    """A circuit under one law, with one alphabet and one schedule.

    Parameters
    ----------
    circuit : Circuit
        With codes; on grids, where sums are to be exact.
    law : "delta" or "rate"
        What counts mean: theta n, or theta n / t after t sweeps.
    events : "pow2", "unit" or "graded"
        What one event can tell. The input tells any number at once. Under "rate" all events are units.
    schedule : "concurrent" or "depth"
        One event for each neuron and sweep; or as many as it needs, so that one sweep settles all.

    Examples
    --------
    >>> from rheobase.conversion.circuits.circuit import Cell, Code, Term
    >>> term = Term("x", "linear", {"weight": np.array([[1.0, 1.0]])})
    >>> cells = (Cell("x", (2,), code=Code(np.ones(2, np.float32), 0, 15)), Cell("y", (1,), (term,)))
    >>> run = Emulator(Circuit({cell.name: cell for cell in cells})).run(np.array([[2.0, 3.0]]))
    >>> run.outputs[-1].tolist(), int(run.first.sum())
    ([[5.0]], 2)
    """

    def __init__(
        self,
        circuit: Circuit,
        *,
        law: Law = "delta",
        events: Events = "pow2",
        schedule: Schedule = "concurrent",
    ) -> None:
        for field, value, allowed in (
            ("law", law, ("delta", "rate")), ("events", events, ("pow2", "unit", "graded")),
            ("schedule", schedule, ("concurrent", "depth")),
        ):  # fmt: skip
            if value not in allowed:
                raise ConversionError(f"Emulator.{field}: got {value!r}; allowed is one of {[*allowed]}")
        if law == "rate" and schedule == "depth":
            raise ConversionError("Emulator.schedule: got 'depth' with law='rate', whose events never end")
        self.circuit, self.law, self.events, self.schedule = circuit, law, events, schedule
        #: Sweeps in which small events wait.
        self.waits = waits_of(circuit, events) if law == "delta" and schedule == "concurrent" else 0
        self.reach = reach_of(circuit)
        self.rest = resting(circuit, law == "delta")

    def run(self, x: np.ndarray, sweeps: int | None = None, start: Signals | None = None) -> Emulation:
        """Return what happens to a batch of samples.

        Parameters
        ----------
        x : array (batch, ...)
            Samples.
        sweeps : int, optional
            How many; until silence if left out (law "delta").
        start : Signals, optional
            Where an earlier run of as many samples has ended; at rest if left out.
        """
        if sweeps is None and self.law == "rate":
            raise ConversionError(
                "Emulator.run: got no number of sweeps with law='rate', whose events never end"
            )
        flat = unfolded(self.circuit, np.asarray(x, np.float32))
        runs = [
            _Run(self, flat[i : i + BATCH], start.part(slice(i, i + BATCH)) if start else None).all(sweeps)
            for i in range(0, len(flat), BATCH)
        ]
        return _joined(runs)


class _Run:
    """One batch on its way through the sweeps."""

    def __init__(self, emulator: Emulator, x: np.ndarray, start: Signals | None) -> None:
        self.emulator, self.circuit, self.x = emulator, emulator.circuit, x
        self.signals = start.copy() if start else emulator.rest.repeat(len(x))
        self.now = 0
        # Small events wait at the start of a simulation only.
        self.waits, self.before = (0, emulator.waits) if start else (emulator.waits, 0)
        self.changed: dict[str, np.ndarray] = {}
        self.outputs: list[np.ndarray] = []
        self.operations: list[np.ndarray] = []
        self.first: list[np.ndarray] = []
        self.packets: dict[str, list[np.ndarray]] = defaultdict(list)
        self.by_term: dict[tuple[str, str], int] = defaultdict(int)
        self.evaluations: dict[str, int] = defaultdict(int)
        self.silent = np.zeros(len(x), np.int64)

    def all(self, sweeps: int | None) -> Emulation:
        """Sweep so many times, or until nothing happens any more."""
        while self.now < (FOREVER if sweeps is None else sweeps):
            sent = self.sweep()
            self.silent[sent] = self.now
            if sweeps is None and not sent.any() and self.now > max(1, self.waits):
                self.now -= 1
                break
        last = slice(0, self.now)
        return Emulation(
            np.stack(self.outputs[last]), np.stack(self.operations[last]), np.stack(self.first[last]),
            {name: np.stack(counts[last]) for name, counts in self.packets.items()},
            self.by_term, self.evaluations, self.silent, self.signals,
        )  # fmt: skip

    def sweep(self) -> np.ndarray:
        """Let every cell have its turn; return which samples had events."""
        self.now += 1
        self.operations.append(np.zeros(len(self.x), np.int64))
        self.first.append(np.zeros(len(self.x), np.int64))
        sent = np.zeros(len(self.x), bool)
        for cell in self.circuit.cells.values():
            u = self.x if cell is self.circuit.input else self._total(cell)
            known = self.signals.totals.get(cell.name)
            fresh = np.ones(u.shape, bool) if known is None else u != known
            self.signals.totals[cell.name], self.changed[cell.name] = u, fresh
            if cell.code is not None:
                if cell.function not in ("identity", "relu", "one_hot"):
                    self.evaluations[cell.function] += int(fresh.sum())
                packets = self._emit(cell, u)
                sent |= packets.any(axis=1)
                self._count(cell, packets)
        self.outputs.append(self.signals.totals[self.circuit.output.name])
        return sent

    def _total(self, cell: Cell) -> np.ndarray:
        if cell.rows is not None:
            self._count_rows(cell)
        if self.emulator.law == "rate" and cell.step is not None:  # the bias enters in every step
            mean = totals_of(replace(cell, bias=None), self.signals, self.x) / np.float32(self.now)
            return np.asarray(mean + (0 if cell.bias is None else cell.bias.astype(np.float32)))
        return totals_of(cell, self.signals, self.x)

    def _emit(self, cell: Cell, u: np.ndarray) -> np.ndarray:
        """Let a cell tell what the law and the alphabet allow; return how many events that took."""
        told, events, code = self.signals.counts[cell.name], self.emulator.events, cell.code
        assert code is not None
        if cell is self.circuit.input:
            n = aim(cell, u) if self.emulator.law == "delta" else aim(cell, u) * np.float32(self.now)
            packets = n != told
        elif self.emulator.law == "rate":
            n = told_by(self.now, function_of(cell, u), told, code)
            packets = n != told
        elif self.emulator.schedule == "depth":
            n = aim(cell, u)
            packets = events_for(n - told, events)
        else:
            e = event_of(cell, u, told, events, self.now - 1 + self.before)
            n, packets = told + e, e != 0
        tell(cell, n, self.signals)
        if self.emulator.law == "rate":
            self.signals.values[cell.name] = self.signals.values[cell.name] / np.float32(self.now)
        return np.asarray(packets, np.int64)

    def _count(self, cell: Cell, packets: np.ndarray) -> None:
        """Count what the events of a cell cause at those that hear it, or that multiply what it tells."""
        self.packets[cell.name].append(packets.sum(axis=1))
        self.changed[cell.name] = self.changed[cell.name] | (packets != 0)
        into = self.first if cell is self.circuit.input else self.operations
        for target, fan_out in self.emulator.reach[cell.name].items():
            additions = packets @ fan_out
            into[-1] += additions
            self.by_term[cell.name, target] += int(additions.sum())

    def _count_rows(self, cell: Cell) -> None:
        """Count the numbers that an operator computes anew."""
        assert cell.rows is not None
        if cell.rows.dense:
            changed = (self.changed[name][:, places].any(axis=1) for name, _, places in cell.rows.reads)
            self.evaluations[cell.rows.kind] += int(np.any([*changed], axis=0).sum()) * cell.n
            return
        kind, units = units_of(cell.rows)
        if kind.spread is not None:
            return
        touched = np.zeros((len(self.x), units.n), bool)
        for (name, _, places), width, share in zip(cell.rows.reads, units.widths, units.shares, strict=True):
            blocks = self.changed[name][:, places.reshape(-1)].reshape(len(self.x), -1, width).any(axis=2)
            touched |= blocks.repeat(share, axis=1)
        self.evaluations[cell.rows.kind] += int(touched.sum()) * units.out


def reach_of(circuit: Circuit) -> dict[str, dict[str, np.ndarray]]:
    """Return how many additions an event of each neuron causes: source -> target -> int64 (n,).

    A term's event is added to every total that it reaches; that of one factor of a product of matrices is
    multiplied with the numbers of the other that it meets.
    """
    reach: dict[str, dict[str, np.ndarray]] = {name: {} for name in circuit.cells}

    def add(source: str, target: str, fan_out: np.ndarray) -> None:
        reach[source][target] = reach[source].get(target, 0) + fan_out

    for cell in circuit.cells.values():
        for term in cell.terms:
            ones = {name: np.ones_like(value) for name, value in term.values.items()}
            n = circuit.cells[term.source].n
            pairs = pairs_of(replace(term, values=ones), n)
            add(term.source, cell.name, np.bincount(pairs.sources, minlength=n))
        if cell.rows is not None and not cell.rows.dense:
            kind, units = units_of(cell.rows)
            for (source, _, places), meets in zip(
                cell.rows.reads, kind.spread(units) if kind.spread else (), strict=False
            ):
                n = circuit.cells[source].n
                add(source, cell.name, np.bincount(places.reshape(-1), minlength=n) * meets)
    return reach


def _joined(runs: list[Emulation]) -> Emulation:
    """Return what batches did as one: those that were silent earlier stay as they are."""
    sweeps = max(len(run.outputs) for run in runs)

    def padded(arrays: list[np.ndarray], mode: Literal["edge", "constant"]) -> np.ndarray:
        return np.concatenate(
            [np.pad(a, [(0, sweeps - len(a)), *[(0, 0)] * (a.ndim - 1)], mode) for a in arrays], axis=1
        )

    by_term, evaluations = Counter[tuple[str, str]](), Counter[str]()
    for run in runs:
        by_term.update(run.by_term)
        evaluations.update(run.evaluations)
    return Emulation(
        outputs=padded([run.outputs for run in runs], "edge"),
        operations=padded([run.operations for run in runs], "constant"),
        first=padded([run.first for run in runs], "constant"),
        packets={name: padded([run.packets[name] for run in runs], "constant") for name in runs[0].packets},
        by_term=by_term,
        evaluations=evaluations,
        silent=np.concatenate([run.silent for run in runs]),
        signals=Signals.joined([run.signals for run in runs]),
    )
