"""A plastic projection bound to its kernels: weights and traces by trial and part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...layout import Rows
from ...planned import ProjectionPlan
from ...plastic import plastic_matrix, plastic_rows
from .kernel import Block, compile_kernel
from .learn import deliver_plastic, learning_kernel, settling_kernel
from .memory import Trial, copied, zeros

if TYPE_CHECKING:
    from .bind import Binder


@dataclass(frozen=True)
class _Rows:
    """The synapses onto one part, in rows by source and delay."""

    row_start: np.ndarray
    offsets: np.ndarray
    targets: np.ndarray
    order: np.ndarray


@dataclass(frozen=True)
class Table:
    """The synapses onto one part: where each lies among those of the layout, and what kernels read."""

    place: np.ndarray
    arguments: dict[str, Any]
    incoming: dict[str, np.ndarray]
    n_bytes: int


@dataclass
class Learned:
    """What one part of one trial has learned; `learn.py` says how the arrays are laid out."""

    weights: np.ndarray
    kept: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    changes: np.ndarray


class Plastic:
    """One plastic projection of a machine."""

    def __init__(self, binder: Binder, p: ProjectionPlan) -> None:
        assert p.rule is not None
        self.binder, self.p, self.rule = binder, p, p.rule
        plan, share = binder.plan, binder.share
        self.target, self.receptor = p.part.target.label, p.part.receptor_name
        self.dense = p.storage == "dense"
        cells = share.cells[p.arithmetic]
        self._first_cell = cells.offsets[self.target, self.receptor]
        if self.dense:
            matrix = plastic_matrix(plan, p, cells)
            self.initial = matrix.weights.reshape(-1)
            self.delays = np.array(p.delays[:1], np.int64)
            self.tables = [self._dense_table(part, matrix.weights.shape) for part in range(share.n)]
        else:
            rows = plastic_rows(plan, p, cells)
            self.initial, self.delays = rows.weights, rows.distinct_delays()
            self.tables = self._sparse_tables(rows)
        sides = ("pre", "post", "modulator")
        self.sides = [[t.name for t in self.rule.memories if t.side == side] for side in sides]
        self.every, self.balance = self.rule.sweep_steps(plan.dt), self.rule.balance_steps(plan.dt)
        constants = self.rule.constants(plan.dt)
        self.constants = np.array([*constants.values(), 0.0], plan.real)
        self._learned: dict[tuple[int, int], Learned] = {}
        self._blocks: list[Block] = []  # programs hold only their addresses
        each = plan.trials * self.initial.nbytes * (1 + len(self.rule.synaptic))
        binder.synapse_bytes += each + sum(table.n_bytes for table in self.tables)

    def _dense_table(self, part: int, shape: tuple[int, int]) -> Table:
        low, high = self.binder.share.stretch(self.target, part)
        first, last = self.p.post_range
        begin = min(max(low, first), high)
        end = max(min(high, last), begin)
        none, rows = np.zeros(0, np.int64), np.arange(shape[0]) * shape[1]
        arguments = {
            "delays": self.delays, "row_start": none, "offsets": np.zeros(0, np.uint32),
            "targets": np.zeros(0, np.uint32), "columns": end - begin, "first_row": int(self.p.pre_ids[0]),
            "rows": shape[0], "first_column": begin - low,
        }  # fmt: skip
        place = (rows[:, None] + np.arange(begin - first, end - first)).reshape(-1)
        return Table(place, arguments, {"in_start": none, "in_synapse": none, "in_trace": none}, 0)

    def _sparse_tables(self, rows: Rows) -> list[Table]:
        share, tables = self.binder.share, []
        position = np.argsort(rows.order)
        n_source = rows.indptr.size - 1
        for part in range(share.n):
            low, high = share.stretch(self.target, part)
            wide = _rows_of_part(rows, self._first_cell + low, self._first_cell + high)
            place, targets = position[wide.order], wide.targets
            slots = np.searchsorted(self.delays, rows.delays[place])
            synapse = np.argsort(targets, kind="stable")
            in_start = np.zeros(high - low + 1, np.int64)
            np.cumsum(np.bincount(targets, minlength=high - low), out=in_start[1:])
            in_trace = (slots * n_source + rows.sources()[place])[synapse]
            arguments = {
                "delays": self.delays, "row_start": wide.row_start, "offsets": wide.offsets,
                "targets": targets.astype(np.uint32), "columns": 0, "first_row": 0, "rows": 0,
                "first_column": 0,
            }  # fmt: skip
            incoming = {"in_start": in_start, "in_synapse": synapse, "in_trace": in_trace}
            n_bytes = sum(
                a.nbytes for a in (*arguments.values(), *incoming.values()) if isinstance(a, np.ndarray)
            )
            tables.append(Table(place, arguments, incoming, n_bytes))
        return tables

    def learned(self, trial: Trial, part: int) -> Learned:
        """Return the weights and traces of one part of one trial."""
        if (trial.index, part) not in self._learned:
            plan = self.binder.plan
            low, high = self.binder.share.stretch(self.target, part)
            sizes = (self.delays.size * plan.group_of(self.p.part.source).n, high - low)
            x, y = (zeros(len(s) * size, plan.real) for s, size in zip(self.sides[:2], sizes, strict=True))
            weights = copied(self.initial[self.tables[part].place], plan.real)
            kept = zeros(len(self.rule.synaptic) * weights.size, plan.real)
            z = copied(np.array([*(0.0 for _ in self.sides[2]), *self.rule.shared.values()]), plan.real)
            self._learned[trial.index, part] = Learned(weights, kept, x, y, z, np.zeros(1, np.int64))
        return self._learned[trial.index, part]

    def deliver(self, trial: Trial, part: int) -> list[Block]:
        """Return the blocks that deliver the weights onto one part."""
        p, binder = self.p, self.binder
        source = binder.plan.group_of(p.part.source)
        fixed = p.arithmetic == "fixed"
        kernel = compile_kernel(
            deliver_plastic, real=binder.real, UNIT=source.part.payload == "unit", DENSE=self.dense,
            PAYLOAD=binder.payload(source), CELL="i4" if fixed else binder.real, ROUNDED=fixed,
        )  # fmt: skip
        low, high = binder.share.stretch(self.target, part)
        start = binder.share.start(p.arithmetic, part, self.target, self.receptor)
        cells = (trial.fixed if fixed else trial.floating)[part][start : start + high - low]
        grid = binder.plan.receptor(p).grid
        per_step = 1.0 / grid.step if fixed and grid is not None else 1.0
        block = kernel.pack(
            **binder.ring(trial, source.name), **self.tables[part].arguments, per_step=per_step, cells=cells,
            weights=self.learned(trial, part).weights,
        )  # fmt: skip
        return self._keep(block)

    def learn(self, trial: Trial, part: int) -> list[Block]:
        """Return the blocks that change the weights onto one part."""
        binder, mine = self.binder, self.learned(trial, part)
        ring = binder.ring(trial, self.p.part.source.label)
        del ring["ring_payload"]
        post = trial.rings[self.target]
        low, high = binder.share.stretch(self.target, part)
        table = self.tables[part]
        kernel = learning_kernel(self.rule, binder.real, self.dense)
        block = kernel.pack(
            **ring, post_ids=post.ids, post_counts=post.sent(part), post_n=post.n, post_length=post.length,
            low=low, **table.arguments, **table.incoming, weights=mine.weights, kept=mine.kept, x=mine.x,
            y=mine.y, z=mine.z, own=high - low, constants=self.constants, every=self.every,
            balance=self.balance, changes=mine.changes,
        )  # fmt: skip
        return [*self._keep(block), *self._settle(trial, part)]

    def _settle(self, trial: Trial, part: int) -> list[Block]:
        """Return the blocks that end the step of a rule with a modulator or sweeps."""
        binder, mine, table = self.binder, self.learned(trial, part), self.tables[part].arguments
        if not (self.every or self.balance or self.rule.modulated):
            return []
        group = binder.plan.group_of(self.p.part.modulator or self.p.part.source)
        ring = binder.ring(trial, group.name)
        if self.p.part.modulator is None:
            ring["first"] = np.zeros(0, np.int64)
        low, high = binder.share.stretch(self.target, part)
        shape = {"columns": table["columns"], "rows": table["rows"], "first_column": table["first_column"]}
        if not self.dense:
            shape = {"columns": mine.weights.size, "rows": 1, "first_column": 0}
        kernel = settling_kernel(
            self.rule, binder.real, self.dense, binder.payload(group), group.part.payload == "unit"
        )
        block = kernel.pack(
            **ring, targets=table["targets"], **shape, weights=mine.weights, kept=mine.kept, y=mine.y,
            z=mine.z, own=high - low, constants=self.constants, every=self.every, balance=self.balance,
            totals=zeros(high - low, binder.plan.real), changes=mine.changes,
        )  # fmt: skip
        return self._keep(block)

    def _keep(self, block: Block) -> list[Block]:
        self._blocks.append(block)
        return [block]

    def weights(self, trial: Trial) -> np.ndarray:
        """Return the weights of one trial in the order of the layout."""
        out = np.empty_like(self.initial)
        for part, table in enumerate(self.tables):
            out[table.place] = self.learned(trial, part).weights
        return out

    def take_changes(self, trial: Trial) -> np.ndarray:
        """Return, and forget, how often a function was applied to a synapse in one trial."""
        parts = [self.learned(trial, part).changes for part in range(len(self.tables))]
        total = np.sum(parts, axis=0)
        for changes in parts:
            changes[:] = 0
        return np.asarray(total)

    def saved(self, trial: Trial) -> dict[str, np.ndarray]:
        """Return traces of one trial, and what its synapses keep and have in common, as in a snapshot.

        Traces are (n_delays, n_sources) of arrivals, (n_targets,) of the targets, (1,) of a modulator.
        """
        parts = [self.learned(trial, part) for part in range(len(self.tables))]
        (pre, post, _), name = self.sides, self.p.name
        x = parts[0].x.reshape(len(pre), self.delays.size, -1) if pre else ()
        y = np.concatenate([mine.y.reshape(len(post), -1) for mine in parts], axis=1) if post else ()
        traces = {**dict(zip(pre, x, strict=True)), **dict(zip(post, y, strict=True))}
        found = {f"trace/{name}/{key}": values.copy() for key, values in traces.items()}
        found |= {key: parts[0].z[i : i + 1].copy() for i, key in enumerate(self._common())}
        for i, key in enumerate(self.rule.synaptic):
            found[f"synapse/{name}/{key}"] = values = np.empty_like(self.initial)
            for mine, table in zip(parts, self.tables, strict=True):
                values[table.place] = mine.kept[i * table.place.size : (i + 1) * table.place.size]
        return found

    def _common(self) -> list[str]:
        """Return the keys in a snapshot of what all synapses have in common, in the order of z."""
        kinds = [("trace", self.sides[2]), ("shared", [*self.rule.shared])]
        return [f"{kind}/{self.p.name}/{name}" for kind, names in kinds for name in names]

    def restore(self, trial: Trial, snapshot: dict[str, np.ndarray]) -> None:
        """Set weights and traces of one trial, and what its synapses keep and have in common."""
        pre, post, _ = self.sides
        for part, table in enumerate(self.tables):
            mine = self.learned(trial, part)
            low, high = self.binder.share.stretch(self.target, part)
            mine.weights[:] = snapshot[f"weights/{self.p.name}"][table.place]
            for i, name in enumerate(pre):
                mine.x.reshape(len(pre), -1)[i] = snapshot[f"trace/{self.p.name}/{name}"].reshape(-1)
            for i, name in enumerate(post):
                mine.y.reshape(len(post), -1)[i] = snapshot[f"trace/{self.p.name}/{name}"][low:high]
            for i, key in enumerate(self._common()):
                mine.z[i : i + 1] = snapshot[key]
            for i, name in enumerate(self.rule.synaptic):
                kept = mine.kept.reshape(len(self.rule.synaptic), -1)
                kept[i] = snapshot[f"synapse/{self.p.name}/{name}"][table.place]


def _rows_of_part(rows: Rows, first: int, last: int) -> _Rows:
    """Return the synapses onto the cells from `first` to before `last`, and their targets among these."""
    delays = rows.distinct_delays()
    mine = np.flatnonzero((rows.cells >= first) & (rows.cells < last))
    n_rows, width = rows.indptr.size - 1, delays.size
    key = rows.sources()[mine] * width + np.searchsorted(delays, rows.delays[mine])
    ends = np.concatenate([[0], np.cumsum(np.bincount(key, minlength=n_rows * width))])
    row_start = np.ascontiguousarray(ends[:-1:width][:n_rows]).astype(np.int64)
    within = np.empty((n_rows, width + 1), np.uint32)
    within[:, :-1] = ends[:-1].reshape(n_rows, width) - row_start[:, None]
    within[:, -1] = ends[width::width][:n_rows] - row_start
    return _Rows(row_start, within.reshape(-1), rows.cells[mine] - first, rows.order[mine])
