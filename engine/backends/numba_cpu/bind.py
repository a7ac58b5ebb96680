"""Binding: every step of the plan becomes a kernel and, for each trial and part, a block of arguments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ....neurons.model import steps_of
from ...clocked import probe_window
from ...connectivity import OneToOne
from ...layout import conv_kernel, dense_matrix, sparse_rows
from ...operators import kind_of
from ...parts import Population, Probe
from ...plan import GroupPlan, Plan, ProjectionPlan, Step
from ...poisson import count_table
from ...random import stream_key
from ...sources import PoissonSource, RateSource, SpikeSource
from ..base import Feed, SpikeChunk, SpikeFeed
from . import deliver, emit, operate, record
from .drive import Program
from .kernel import Block, compile_kernel
from .memory import Ring, Trial
from .parts import Share
from .schedule import Schedule
from .update import Shape, update_kernel

_PAYLOAD = {"unit": "i4", "integer": "i4"}
_SEGMENTS = 4096
_SPIKE_BUFFER = 1 << 16


class Binder:
    """What all trials of a machine share (synapses, kernels), and the blocks of each.

    Attributes
    ----------
    reach : dict
        Group -> how many steps back its events are read.
    private : dict
        Poisson sources that are fused into their target's update -> their only projection.
    """

    def __init__(self, plan: Plan, share: Share, schedule: Schedule) -> None:
        self.plan, self.share, self.schedule = plan, share, schedule
        self.real = "f8" if plan.real == np.float64 else "f4"
        self.private = {p.part.source.label: p for p in plan.projections.values() if _is_private(plan, p)}
        self.reach = {name: 0 for name in plan.groups}
        for p in plan.projections.values():
            self.reach[p.part.source.label] = max(self.reach[p.part.source.label], p.delays[-1])
        self.tallies: dict[tuple[int, str], np.ndarray] = {}
        self.plastic: dict[str, Any] = {}
        self.synapse_bytes = 0
        self._stored: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        self._blocks: dict[tuple[int, int, str], Block] = {}
        self._scratch: list[np.ndarray] = []
        for step in plan.steps:
            if step.kind == "deliver":
                self._store(step)
        plan.release()

    # Programs

    def program(self, trial: Trial, thread: int, threads: int) -> Program:
        """Return the program of one of the threads that share a trial."""
        words: list[int] = []
        segments: list[tuple[int, int, int]] = []
        mine = range(thread, self.share.n, threads)
        for phase in self.schedule.phases:
            for part in mine:
                first = len(words)
                for step in phase:
                    for block in self._bind(step, trial, part):
                        words += block.call
                segments.append((first, len(words), 0))
            segments[-1] = (*segments[-1][:2], int(threads > 1))
        return Program(np.array(words, np.int64), np.array(segments, np.int64).reshape(-1, 3))

    def _bind(self, step: Step, trial: Trial, part: int) -> list[Block]:
        name = step.names[0]
        if step.kind == "emit":
            block = None if name in self.private else self._emit(self.plan.groups[name], trial, part)
        elif step.kind == "deliver":
            if self.plan.projections[name].part.source.label in self.private:
                block = self._private(self.private[self.plan.projections[name].part.source.label], trial, part)
            elif name in self.plastic:
                return list(self.plastic[name].deliver(trial, part))
            else:
                block = self._deliver(step, trial, part)
        elif step.kind == "update":
            block = self._update(self.plan.groups[name], trial, part)
        elif step.kind == "operate":
            block = self._operate(self.plan.groups[name], trial) if part == 0 else None
        elif step.kind == "learn":
            return list(self.plastic[name].learn(trial, part))
        else:
            block = self._record(self.plan.probe(name), trial, part)
        if block is None:
            return []
        self._blocks[trial.index, part, f"{step.kind} {name}"] = block
        return [block]

    def tally(self, trial: Trial, group: str) -> np.ndarray:
        """Return the events sent per neuron of a group in a trial."""
        return self.tallies.setdefault((trial.index, group), np.zeros(self.plan.groups[group].n, np.int64))

    def ring(self, trial: Trial, group: str) -> dict[str, Any]:
        """Return the arguments by which kernels read a group's events."""
        ring: Ring = trial.rings[group]
        return {
            "ring_ids": ring.ids, "ring_counts": ring.counts, "ring_payload": ring.payload, "first": ring.first,
            "n": ring.n, "length": ring.length,
        }  # fmt: skip

    def _own(self, trial: Trial, part: int, group: str) -> dict[str, Any]:
        """Return the arguments by which kernels write a group's events."""
        arguments = self.ring(trial, group)
        del arguments["first"]
        low, high = self.share.stretch(group, part)
        return {**arguments, "low": low, "high": high, "part": part, "parts": self.share.n}

    def payload(self, group: GroupPlan) -> str:
        """Return the element type of a group's payloads."""
        return _PAYLOAD.get(group.part.payload, self.real)

    def keep(self, array: np.ndarray) -> np.ndarray:
        """Keep a scratch array alive."""
        self._scratch.append(array)
        return array

    # Sources

    def _emit(self, group: GroupPlan, trial: Trial, part: int) -> Block:
        own = {**self._own(trial, part, group.name), "tally": self.tally(trial, group.name)}
        source = group.part
        if isinstance(source, PoissonSource | RateSource):
            return self._emit_poisson(group, own, trial)
        if isinstance(source, SpikeSource):
            empty = np.zeros(0, np.int32)
            return compile_kernel(emit.emit_spikes).pack(
                start=0, indptr=np.zeros(1, np.int64), places=empty, counts=empty, **own
            )
        values = np.zeros(0, self.plan.real)
        return compile_kernel(emit.emit_values, real=self.real).pack(
            start=0, row_steps=1, rows=0, hold=0, values=values, **own
        )

    def _emit_poisson(self, group: GroupPlan, own: dict[str, Any], trial: Trial) -> Block:
        source = group.part
        if isinstance(source, PoissonSource):
            rates, starts = np.atleast_2d(source.rate), np.zeros(1, np.int64)
        else:
            assert isinstance(source, RateSource)
            rates, starts = source.rates.reshape(source.times.size, -1), steps_of(source.times, self.plan.dt)
        if rates.shape[1] > 1:
            rates = group.stored(rates)
        distinct, rows = np.unique(rates, return_inverse=True)
        table = count_table(group.name, distinct * self.plan.dt)
        return compile_kernel(emit.emit_poisson).pack(
            key=stream_key(self.plan.network.seed, group.name, "noise", trial.index), base=table.base,
            thresholds=table.thresholds, lengths=table.lengths, width=table.thresholds.shape[1],
            rows=rows.astype(np.int32), starts=starts, bits=self.keep(np.zeros(256, np.uint32)), **own,
        )  # fmt: skip

    def _private(self, p: ProjectionPlan, trial: Trial, part: int) -> Block:
        source, target = p.part.source, self.plan.group_of(p.part.target)
        low, high = self.share.stretch(target.name, part)
        start = self.share.start("fixed", part, target.name, p.part.receptor_name)
        table = count_table(source.label, np.atleast_1d(source.rate) * self.plan.dt)  # type: ignore[attr-defined]
        grid = self.plan.receptor(p).grid
        assert grid is not None
        return compile_kernel(emit.add_private_poisson).pack(
            key=stream_key(self.plan.network.seed, source.label, "noise", trial.index), delay=p.delays[0],
            base=int(table.base[0]), thresholds=table.thresholds[0, : table.lengths[0]].copy(),
            weight=int(grid.to_integers(np.asarray(p.part.weight))), low=low, n=high - low,
            cells=trial.fixed[part][start : start + high - low], tally=self.tally(trial, source.label), part=part,
            bits=self.keep(np.zeros(256, np.uint32)), counts=self.keep(np.zeros(256, np.int32)),
        )  # fmt: skip

    # Deliveries

    def _store(self, step: Step) -> None:
        """Lay out the synapses of a delivery, once for all trials."""
        p = self.plan.projections[step.names[0]]
        if p.part.source.label in self.private:
            return
        if p.part.rule is not None:
            from .plastic import Plastic

            self.plastic[p.name] = Plastic(self, p)
            return
        cells = self.share.cells[p.arithmetic]
        if p.storage == "sparse":
            stored = self._store_sparse(step)
        elif p.storage == "dense":
            stored = self._store_dense(p)
        else:
            kernel = conv_kernel(self.plan, p, cells)
            stored = [{"kernel": kernel, "weights": kernel.weights}] * self.share.n
        self._stored[step.names] = stored
        distinct = {id(a): a for tables in stored for a in tables.values() if isinstance(a, np.ndarray)}
        self.synapse_bytes += sum(a.nbytes for a in distinct.values())

    def _store_sparse(self, step: Step) -> list[dict[str, Any]]:
        p = self.plan.projections[step.names[0]]
        rows = sparse_rows(self.plan, step.names, self.share.cells[p.arithmetic])
        grids = [self.plan.receptor(self.plan.projections[name]).grid for name in step.names]
        if p.arithmetic == "fixed" and all(grid is not None and grid.bits == 16 for grid in grids):
            return [vars(table) for table in self.share.packed_tables(rows)]
        return [
            {k: v for k, v in vars(table).items() if k != "order"}
            for table in self.share.wide_tables(rows, p.arithmetic)
        ]

    def _store_dense(self, p: ProjectionPlan) -> list[dict[str, Any]]:
        """Return each part's columns, row after row, with a row of zeros at the end."""
        matrix = dense_matrix(self.plan, p, self.share.cells[p.arithmetic])
        stored = []
        for part in range(self.share.n):
            low, high = self._columns(p, part)
            slab = np.zeros((matrix.weights.shape[0] + 1, high - low), matrix.weights.dtype)
            slab[:-1] = matrix.weights[:, low:high]
            stored.append({"slab": slab, "first_row": matrix.first_row})
        return stored

    def _columns(self, p: ProjectionPlan, part: int) -> tuple[int, int]:
        """Return the columns of a dense projection that a part owns."""
        low, high = self.share.stretch(p.part.target.label, part)
        first, last = p.post_range
        start = min(max(low, first), last)
        return start - first, min(max(high, start), last) - first

    def _deliver(self, step: Step, trial: Trial, part: int) -> Block:
        p = self.plan.projections[step.names[0]]
        source = self.plan.group_of(p.part.source)
        stored = self._stored[step.names][part]
        cells = trial.fixed[part] if p.arithmetic == "fixed" else trial.floating[part]
        options = {
            "UNIT": source.part.payload == "unit", "PAYLOAD": self.payload(source),
            "CELL": "i4" if p.arithmetic == "fixed" else self.real,
        }  # fmt: skip
        arguments = self.ring(trial, source.name)
        if "synapses" in stored:
            due = np.zeros(_SEGMENTS, np.int64)
            return compile_kernel(deliver.deliver_packed, deliver._scatter, **options).pack(
                **arguments, **stored, cells=cells, due_start=self.keep(due), due_stop=self.keep(due.copy()),
                due_payload=self.keep(due.astype(np.int32)), synapse_address=stored["synapses"].ctypes.data,
            )  # fmt: skip
        if "targets" in stored:
            return compile_kernel(deliver.deliver_wide, real=self.real, **options).pack(
                **arguments, **stored, cells=cells
            )
        return self._deliver_shared(p, part, stored, cells, options, arguments)

    def _deliver_shared(
        self, p: ProjectionPlan, part: int, stored: dict[str, Any], cells: np.ndarray, options: dict[str, Any],
        arguments: dict[str, Any],
    ) -> Block:  # fmt: skip
        target = p.part.target.label
        low, high = self.share.stretch(target, part)
        start = self.share.start(p.arithmetic, part, target, p.part.receptor_name)
        if "slab" in stored:
            slab, column = stored["slab"], self._columns(p, part)[0]
            begin = start + max(p.post_range[0] + column - low, 0)
            due = np.zeros(arguments["n"] + 8, np.int64)
            return compile_kernel(deliver.deliver_dense, real=self.real, WIDTH=cells.itemsize, **options).pack(
                **arguments, delay=p.delays[0], weights=slab, columns=slab.shape[1], first_row=stored["first_row"],
                rows=slab.shape[0] - 1, cells=cells[begin : begin + slab.shape[1]], due_row=self.keep(due),
                due_payload=self.keep(due.astype(cells.dtype)), address=slab.ctypes.data,
            )  # fmt: skip
        kernel = stored["kernel"]
        geometry = [kernel.image[1], kernel.image[2], *kernel.weights.shape[1:3], *kernel.out, *kernel.stride,
                    *kernel.padding, *kernel.dilation, kernel.image[2] // kernel.groups]  # fmt: skip
        return compile_kernel(deliver.deliver_conv, real=self.real, **options).pack(
            **arguments, delay=p.delays[0], weights=kernel.weights, geometry=np.array(geometry, np.int64), low=low,
            high=high, cells=cells[start : start + high - low],
        )  # fmt: skip

    # Neurons and operators

    def _update(self, group: GroupPlan, trial: Trial, part: int) -> Block:
        assert isinstance(group.part, Population)
        model = group.part.model
        low, high = self.share.stretch(group.name, part)
        constants = {name: np.asarray(value) for name, value in model.constants(self.plan.dt).items()}
        whole = {name for name, value in constants.items() if value.dtype.kind in "iu"}
        receptors = {r.name: r for r in group.receptors}
        shape = Shape(
            arrays=frozenset(name for name, value in constants.items() if value.ndim),
            integers=frozenset(whole),
            fixed=frozenset(name for name, r in receptors.items() if r.grid is not None),
            floating=frozenset(name for name, r in receptors.items() if r.floating),
            real=self.real,
        )
        own = self._own(trial, part, group.name)
        arguments: dict[str, Any] = {
            "n": high - low, "low": low, "part": part, "parts": self.share.n, "total": group.n,
            "length": own["length"], "tally": self.tally(trial, group.name), "fault": trial.fault,
            "group": list(self.plan.groups).index(group.name),
            "key": stream_key(self.plan.network.seed, group.name, "uniform", trial.index),
            "sent": self.keep(np.zeros(256, self.plan.real)),
            **{name: own[name] for name in ("ring_ids", "ring_counts", "ring_payload")},
        }  # fmt: skip
        for state in model.used_states:
            arguments[f"s_{state.name}"] = trial.states[group.name, state.name][low:high]
        for name, value in constants.items():
            dtype = np.int32 if name in whole else self.plan.real
            arguments[f"k_{name}"] = group.stored(value).astype(dtype)[low:high] if value.ndim else value
        for name in shape.fixed:
            start = self.share.start("fixed", part, group.name, name)
            arguments[f"c_{name}"] = trial.fixed[part][start : start + high - low]
            arguments[f"step_{name}"] = receptors[name].grid.step  # type: ignore[union-attr]
        for name in shape.floating:
            start = self.share.start("float", part, group.name, name)
            arguments[f"x_{name}"] = trial.floating[part][start : start + high - low]
        return update_kernel(model, shape).pack(**arguments)

    def _operate(self, group: GroupPlan, trial: Trial) -> Block:
        operator = self.plan.operator(group.name)
        source = operator.inputs[0]
        variable = source.model.used_states[0].name
        ring = self.ring(trial, group.name)
        row = kind_of(operator).row
        kernel = compile_kernel(operate.operate, row, real=self.real, ROW=row.__name__)
        return kernel.pack(
            x=trial.states[source.label, variable], last=trial.states[group.name, "last"],
            fresh=self.keep(np.zeros(group.n, self.plan.real)), value=trial.states[group.name, "value"],
            width=operator.shape[-1], n=group.n, length=ring["length"], parts=self.share.n, ring_ids=ring["ring_ids"],
            ring_counts=ring["ring_counts"], ring_payload=ring["ring_payload"],
            tally=self.tally(trial, group.name), rows_done=self._rows(trial, group.name),
        )  # fmt: skip

    def _rows(self, trial: Trial, group: str) -> np.ndarray:
        return self.tallies.setdefault((trial.index, f"{group} rows"), np.zeros(1, np.int64))

    # Probes

    def _record(self, probe: Probe, trial: Trial, part: int) -> Block | None:
        group = self.plan.group_of(probe.group)
        window = probe_window(probe, self.plan.dt)
        if group.name in self.private:
            return None
        own = self._own(trial, part, group.name)
        low, high = own.pop("low"), own.pop("high")
        places = np.sort(group.places(probe.recorded()))
        options = {"PAYLOAD": self.payload(group)}
        counted = int(group.part.payload == "integer" and not isinstance(group.part, Population))
        if probe.variable == "spikes":
            chosen = np.zeros(group.n, np.uint8)
            chosen[places] = 1
            # A run stops between strips only: what is left must hold a whole strip.
            reserve = (high - low) * (group.payload_bound if counted else 1) * self.schedule.strip
            size = _SPIKE_BUFFER + reserve
            return compile_kernel(record.record_spikes, **options).pack(
                start=window.start, stop=window.stop, chosen=chosen, counted=counted, low=low,
                steps=np.empty(size, np.int64), places=np.empty(size, np.int32), filled=np.zeros(1, np.int64),
                reserve=reserve, **own,
            )  # fmt: skip
        if probe.variable == "counts":
            return compile_kernel(record.record_counts, **options).pack(
                start=window.start, stop=window.stop, counted=counted, low=low, counts=np.zeros(group.n, np.int64), **own
            )
        mine = places[(places >= low) & (places < high)]
        variable = trial.states[group.name, probe.variable]
        kernel = compile_kernel(record.record_trace, real=self.real, VARIABLE="i4" if variable.dtype == np.int32 else self.real)
        return kernel.pack(
            start=window.start, stop=window.stop, every=window.every, variable=variable, places=mine,
            samples=np.zeros(0, self.plan.real), filled=np.zeros(1, np.int64),
        )  # fmt: skip

    # What machines ask for

    def feed(self, trial: Trial, source: str, feed: Feed) -> None:
        """Give a source what it sends in one trial."""
        for part in range(self.share.n):
            block = self._blocks[trial.index, part, f"emit {source}"]
            if isinstance(feed, SpikeFeed):
                values: dict[str, Any] = {"start": feed.start, "indptr": feed.indptr, "places": feed.places, "counts": feed.counts}
            else:
                values = {
                    "start": feed.start, "row_steps": feed.row_steps, "rows": len(feed.values),
                    "hold": int(feed.hold), "values": np.ascontiguousarray(feed.values, dtype=self.plan.real),
                }  # fmt: skip
            for name, value in values.items():
                block.set(name, value)

    def make_room(self, trial: Trial, first: int, last: int) -> None:
        """Make room for the samples that probes will take in the steps [first, last)."""
        for block, probe in self._probes(trial):
            if probe.variable not in ("spikes", "counts"):
                n = probe_window(probe, self.plan.dt).samples(first, last).size
                block.set("samples", np.zeros(n * block.kept["places"].size, self.plan.real))
                block.kept["filled"][0] = 0

    def _probes(self, trial: Trial) -> Iterator[tuple[Block, Probe]]:
        for probe in self.plan.network.probes:
            for part in range(self.share.n):
                block = self._blocks.get((trial.index, part, f"record {probe.label}"))
                if block is not None:
                    yield block, probe

    def drain_spikes(self, trial: Trial) -> Iterator[tuple[str, SpikeChunk]]:
        """Return and forget what spike probes have buffered."""
        for block, probe in self._probes(trial):
            if probe.variable == "spikes":
                n = int(block.kept["filled"][0])
                block.kept["filled"][0] = 0
                steps, places = block.kept["steps"][:n].copy(), block.kept["places"][:n].astype(np.int64)
                yield probe.label, SpikeChunk(steps, places, np.full(n, trial.index, np.int64))

    def take_samples(self, trial: Trial, probe: str) -> np.ndarray:
        """Return the samples of one trial, (n_samples, n_recorded), ascending by place."""
        blocks = [block for block, p in self._probes(trial) if p.label == probe]
        return np.concatenate(
            [b.kept["samples"].reshape(-1, b.kept["places"].size) for b in blocks if b.kept["places"].size], axis=1
        )

    def take_counts(self, trial: Trial, probe: str) -> np.ndarray:
        """Return and forget the spike counts of one trial, (n_recorded,), ascending by place."""
        total = 0
        for block, p in self._probes(trial):
            if p.label == probe:
                group = self.plan.group_of(p.group)
                total = total + block.kept["counts"][np.sort(group.places(p.recorded()))]
                block.kept["counts"][:] = 0
        return np.asarray(total)

    def take_tally(self, trial: Trial) -> dict[str, np.ndarray]:
        """Return and forget the events sent per neuron in one trial."""
        taken = {}
        for (index, name), counts in self.tallies.items():
            if index == trial.index:
                taken[name] = counts.copy()
                counts[:] = 0
        for name, plastic in self.plastic.items():
            taken[f"{name} changes"] = plastic.take_changes(trial)
        return taken


def _is_private(plan: Plan, p: ProjectionPlan) -> bool:
    """Whether a source feeds one target each by one weight, and nobody else looks."""
    source = p.part.source
    others = [q for q in plan.projections.values() if q.part.source is source]
    return (
        isinstance(source, PoissonSource)
        and np.ndim(source.rate) == 0
        and isinstance(p.part.connectivity, OneToOne)
        and np.ndim(p.part.weight) == 0
        and isinstance(p.part.weight, float | int)
        and len(p.delays) == 1
        and p.part.rule is None
        and p.arithmetic == "fixed"
        and len(others) == 1
        and p.part.pre is source
        and p.part.post is p.part.target
        and plan.group_of(source).order is None
        and plan.group_of(p.part.target).order is None
        and not any(probe.group is source for probe in plan.network.probes)
    )
