"""Kernels of plastic projections, and their weights and traces by trial and part.

A part owns the synapses onto its own targets, and traces of its own: nothing is shared but the lists of
events, so learning needs no agreement among threads. `learn` is one function for every rule: the
generated module supplies `constants_of`, `fade_traces`, `apply_pre`, `apply_post`, `bump_pre` and
`bump_post`, written by `learning_source` from the rule's own functions.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ....learning.rule import PlasticityRule, Trace
from ....neurons.specialise import Variant
from ...layout import Rows
from ...plan import ProjectionPlan
from ...plastic import plastic_matrix, plastic_rows
from ..literals import as_float32
from .kernel import INLINE, Argument, Block, Kernel, compile_kernel, kernel_from_source
from .memory import Trial

if TYPE_CHECKING:
    from .bind import Binder

UNIT = DENSE = ROUNDED = REAL = CELL = True  # given by the options of the kernels
constants_of: Any = None  # these stand for the functions of the rule, for readers and type checkers
fade_traces = apply_pre = apply_post = bump_pre = bump_post = constants_of


def deliver_plastic(
    now, ring_ids: "i4[]", ring_counts: "i4[]", ring_payload: "payload[]", first: "i8[]", n: "i8", length: "i8",
    delays: "i8[]", row_start: "i8[]", offsets: "u4[]", targets: "u4[]", columns: "i8", first_row: "i8",
    rows: "i8", first_column: "i8", weights: "real[]", per_step: "real", cells: "cell[]",
):  # fmt: skip
    """Deliver weights as they are now; on a grid, each is rounded to it.

    Rows of a dense projection follow each other without a list of targets: row r of the weights
    belongs to source first_row + r, its columns to neighbouring targets from first_column.
    """
    for d in range(delays.size):
        slot = (now - delays[d]) % length
        for q in range(first.size):
            begin = slot * n + first[q]
            for j in range(ring_counts[slot * first.size + q]):
                source = np.int64(ring_ids[begin + j])
                payload = CELL(1) if UNIT else CELL(ring_payload[begin + j])
                if DENSE:
                    row = source - first_row
                    start = row * columns
                    stop = start + columns if 0 <= row < rows else start
                else:
                    at = source * (delays.size + 1) + d
                    start, stop = row_start[source] + offsets[at], row_start[source] + offsets[at + 1]
                for k in range(stop - start):
                    weight = weights[np.uint64(start + k)]
                    target = (
                        np.uint64(first_column + k) if DENSE else np.uint64(targets[np.uint64(start + k)])
                    )
                    if ROUNDED:
                        cells[target] += CELL(CELL(np.rint(REAL(weight * per_step))) * payload)
                    else:
                        cells[target] += CELL(weight * payload)
    return 0


def learn(
    now, ring_ids: "i4[]", ring_counts: "i4[]", first: "i8[]", n: "i8", length: "i8", post_ids: "i4[]",
    post_counts: "i4[]", post_n: "i8", post_length: "i8", low: "i8", part: "i8", delays: "i8[]",
    row_start: "i8[]", offsets: "u4[]", targets: "u4[]", columns: "i8", first_row: "i8", rows: "i8",
    first_column: "i8", in_start: "i8[]", in_synapse: "i8[]", in_trace: "i8[]", weights: "real[]", x: "real[]",
    y: "real[]", own: "i8", constants: "real[]", changes: "i8[]",
):  # fmt: skip
    """Let traces decay, learn from what arrived, then from what fired, and let the traces take both.

    Trace t of the source side is x[t * n * delays.size + d * n + source] for the d-th delay; trace t of
    the target side is y[t * own + target], with targets counted from the part's first.
    """
    k, width, parts, changed = constants_of(constants), n * delays.size, first.size, 0
    fade_traces(x, width, y, own, k)
    for d in range(delays.size):
        slot = (now - delays[d]) % length
        for q in range(parts):
            begin = slot * n + first[q]
            for j in range(ring_counts[slot * parts + q]):
                source = np.int64(ring_ids[begin + j])
                if DENSE:
                    row = source - first_row
                    start = row * columns
                    stop = start + columns if 0 <= row < rows else start
                else:
                    at = source * (delays.size + 1) + d
                    start, stop = row_start[source] + offsets[at], row_start[source] + offsets[at + 1]
                trace, changed = d * n + source, changed + np.int64(stop - start)
                for i in range(stop - start):
                    s = np.uint64(start + i)
                    target = first_column + i if DENSE else np.int64(targets[s])
                    weights[s] = apply_pre(weights[s], x, width, trace, y, own, target, k)
    slot = now % post_length
    fired, n_fired = slot * post_n + low, post_counts[slot * parts + part]
    for j in range(n_fired):
        target = post_ids[fired + j] - low
        if DENSE:
            column = target - first_column
            if 0 <= column < columns:
                changed += rows
                for row in range(rows):
                    s = np.uint64(row * columns + column)
                    weights[s] = apply_post(weights[s], x, width, first_row + row, y, own, target, k)
        else:
            changed += in_start[target + 1] - in_start[target]
            for i in range(in_start[target], in_start[target + 1]):
                s = np.uint64(in_synapse[i])
                weights[s] = apply_post(weights[s], x, width, in_trace[i], y, own, target, k)
    for d in range(delays.size):
        slot = (now - delays[d]) % length
        for q in range(parts):
            begin = slot * n + first[q]
            for j in range(ring_counts[slot * parts + q]):
                bump_pre(x, width, d * n + ring_ids[begin + j])
    for j in range(n_fired):
        bump_post(y, own, post_ids[fired + j] - low)
    changes[0] += changed
    return 0


def learning_source(rule: PlasticityRule) -> str:
    """Return the functions that `learn` calls, made from those of a rule."""
    names = [*rule.constant_names, *(f"decay_{t.name}" for t in rule.traces)]
    sides: dict[str, list[Trace]] = {
        side: [t for t in rule.traces if t.side == side] for side in ("pre", "post")
    }
    values = {name: f"k[{i}]" for i, name in enumerate(names)} | {"weight": "weight"}
    values |= {t.name: f"x[np.uint64({i} * width + trace)]" for i, t in enumerate(sides["pre"])}
    values |= {t.name: f"y[np.uint64({i} * own + target)]" for i, t in enumerate(sides["post"])}
    functions = []

    def write(head: str, *lines: str) -> None:
        functions.append("\n    ".join([f"{INLINE}\ndef {head}:", *(lines or ("pass",))]))

    for variant, name in ((rule.rules.on_pre, "pre"), (rule.rules.on_post, "post")):
        functions.append(_function(variant, f"rule_{name}"))
        call = f"rule_{name}({', '.join(values[argument] for argument in variant.arguments)})"
        write(f"apply_{name}(weight, x, width, trace, y, own, target, k)", f"return REAL({call})")
    for t in rule.traces:
        functions += [_function(t.fade, f"fade_{t.name}"), _function(t.bump, f"bump_{t.name}")]
    fading = []
    for side, array, size in (("pre", "x", "width"), ("post", "y", "own")):
        bumps = []
        for i, t in enumerate(sides[side]):
            entry = f"{array}[np.uint64({i} * {size} + i)]"
            fading += [f"for i in range({size}):"]
            fading += [f"    {entry} = REAL(fade_{t.name}({entry}, {values[f'decay_{t.name}']}))"]
            bumps.append(f"{entry} = REAL(bump_{t.name}({entry}))")
        write(f"bump_{side}({array}, {size}, i)", *bumps)
    write("fade_traces(x, width, y, own, k)", *fading)
    constants = "".join(f"constants[{i}], " for i in range(len(names))) or "constants[0],"
    write("constants_of(constants)", f"return ({constants})")
    return "\n\n".join(functions)


def _function(variant: Variant, name: str) -> str:
    narrowed = Variant(
        variant.name, as_float32(variant.tree), variant.arguments, variant.n_returned, variant.words
    )
    return f"{INLINE}\n{narrowed.source(name)}"


def learning_kernel(rule: PlasticityRule, real: str, dense: bool) -> Kernel:
    """Return the learning kernel of a rule; equal variants share one."""
    return _learning_kernel(learning_source(rule), real, dense)


@lru_cache(maxsize=64)
def _learning_kernel(rule: str, real: str, dense: bool) -> Kernel:
    body = f"{INLINE}\n{inspect.getsource(learn)}"
    constants = {"REAL": real, "f4": real, "DENSE": dense}
    return kernel_from_source("learn", f"{rule}\n\n{body}", _arguments_of(learn, real), constants)


def _arguments_of(function: Callable[..., Any], real: str) -> tuple[Argument, ...]:
    annotations = {name: text.strip("\"'") for name, text in inspect.get_annotations(function).items()}
    return tuple(
        Argument(name, real if text.startswith("real") else text.removesuffix("[]"), text.endswith("[]"))
        for name, text in annotations.items()
    )


@dataclass(frozen=True)
class Table:
    """The synapses onto one part: where each lies among those of the layout, and what kernels read."""

    place: np.ndarray
    arguments: dict[str, Any]
    incoming: dict[str, np.ndarray]
    n_bytes: int


@dataclass
class Learned:
    """What one part of one trial has learned."""

    weights: np.ndarray
    x: np.ndarray
    y: np.ndarray
    changes: np.ndarray


class Plastic:
    """One plastic projection of a machine."""

    def __init__(self, binder: Binder, p: ProjectionPlan) -> None:
        assert p.part.rule is not None
        self.binder, self.p, self.rule = binder, p, p.part.rule
        plan, share = binder.plan, binder.share
        self.target, self.receptor = p.part.target.label, p.part.receptor_name
        self.dense = p.storage == "dense"
        cells = share.cells[p.arithmetic]
        if self.dense:
            matrix = plastic_matrix(plan, p, cells)
            self.initial = matrix.weights.reshape(-1)
            self.delays = np.array(p.delays[:1], np.int64)
            self.tables = [self._dense_table(part, matrix.weights.shape) for part in range(share.n)]
        else:
            rows = plastic_rows(plan, p, cells)
            self.initial, self.delays = rows.weights, np.unique(rows.delays).astype(np.int64)
            self.tables = self._sparse_tables(rows)
        self.sides = [[t.name for t in self.rule.traces if t.side == side] for side in ("pre", "post")]
        constants = self.rule.constants(plan.dt)
        self.constants = np.array([*constants.values(), 0.0], plan.real)
        self._learned: dict[tuple[int, int], Learned] = {}
        self._blocks: list[Block] = []  # programs hold only their addresses
        binder.synapse_bytes += plan.trials * self.initial.nbytes + sum(
            table.n_bytes for table in self.tables
        )

    def _dense_table(self, part: int, shape: tuple[int, int]) -> Table:
        low, high = self.binder.share.stretch(self.target, part)
        first, last = self.p.post_range
        begin = min(max(low, first), high)
        end = max(min(high, last), begin)
        none, rows = np.zeros(0, np.int64), np.arange(shape[0]) * shape[1]
        arguments = {
            "delays": self.delays, "row_start": none, "offsets": np.zeros(0, np.uint32),
            "targets": np.zeros(0, np.uint32), "columns": end - begin, "first_row": self.p.pre_range[0],
            "rows": shape[0], "first_column": begin - low,
        }  # fmt: skip
        place = (rows[:, None] + np.arange(begin - first, end - first)).reshape(-1)
        return Table(place, arguments, {"in_start": none, "in_synapse": none, "in_trace": none}, 0)

    def _sparse_tables(self, rows: Rows) -> list[Table]:
        share, tables = self.binder.share, []
        position = np.argsort(rows.order)
        n_source = rows.indptr.size - 1
        for part, wide in enumerate(share.wide_tables(rows, self.p.arithmetic)):
            low, high = share.stretch(self.target, part)
            start = share.start(self.p.arithmetic, part, self.target, self.receptor)
            place = position[wide.order]
            targets = wide.targets.astype(np.int64) - start
            slots = np.searchsorted(self.delays, rows.delays[place])
            synapse = np.argsort(targets, kind="stable")
            in_start = np.zeros(high - low + 1, np.int64)
            np.cumsum(np.bincount(targets, minlength=high - low), out=in_start[1:])
            in_trace = (slots * n_source + rows.sources()[place])[synapse]
            arguments = {
                "delays": self.delays, "row_start": wide.row_start, "offsets": wide.offsets,
                "targets": targets.astype(np.uint32), "columns": 0, "first_row": 0, "rows": 0, "first_column": 0,
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
            x, y = (np.zeros(len(s) * size, plan.real) for s, size in zip(self.sides, sizes, strict=True))
            weights = self.initial[self.tables[part].place].copy()
            self._learned[trial.index, part] = Learned(weights, x, y, np.zeros(1, np.int64))
        return self._learned[trial.index, part]

    def deliver(self, trial: Trial, part: int) -> list[Block]:
        """Return the blocks that deliver the weights onto one part."""
        p, binder = self.p, self.binder
        source = binder.plan.group_of(p.part.source)
        fixed = p.arithmetic == "fixed"
        kernel = compile_kernel(
            deliver_plastic, real=binder.real, UNIT=source.part.payload == "unit", PAYLOAD=binder.payload(source),
            CELL="i4" if fixed else binder.real, DENSE=self.dense, ROUNDED=fixed,
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
            **ring, post_ids=post.ids, post_counts=post.counts, post_n=post.n, post_length=post.length, low=low,
            part=part, **table.arguments, **table.incoming, weights=mine.weights, x=mine.x, y=mine.y,
            own=high - low, constants=self.constants, changes=mine.changes,
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
        """Return the traces of one trial: (n_delays, n_sources) of arrivals, (n_targets,) of the targets."""
        parts = [self.learned(trial, part) for part in range(len(self.tables))]
        pre, post = self.sides
        x = parts[0].x.reshape(len(pre), self.delays.size, -1) if pre else ()
        y = np.concatenate([mine.y.reshape(len(post), -1) for mine in parts], axis=1) if post else ()
        found = {**dict(zip(pre, x, strict=True)), **dict(zip(post, y, strict=True))}
        return {f"trace/{self.p.name}/{name}": values.copy() for name, values in found.items()}

    def restore(self, trial: Trial, snapshot: dict[str, np.ndarray]) -> None:
        """Set weights and traces of one trial."""
        pre, post = self.sides
        for part, table in enumerate(self.tables):
            mine = self.learned(trial, part)
            low, high = self.binder.share.stretch(self.target, part)
            mine.weights[:] = snapshot[f"weights/{self.p.name}"][table.place]
            for i, name in enumerate(pre):
                mine.x.reshape(len(pre), -1)[i] = snapshot[f"trace/{self.p.name}/{name}"].reshape(-1)
            for i, name in enumerate(post):
                mine.y.reshape(len(post), -1)[i] = snapshot[f"trace/{self.p.name}/{name}"][low:high]
