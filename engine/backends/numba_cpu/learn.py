"""Kernels of plastic projections: one that delivers weights as they are now, and two that change them.

`learn` and `settle` are the same for every rule: the generated module supplies what they call, such as
`apply_pre`, written by `learning_source` from the rule's own functions. A part owns the synapses onto its own
targets and traces of its own; nothing is shared but the lists of events, so learning needs no agreement
among threads.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from ....learning.rules.rule import PlasticityRule, Trace
from ....neurons.specialise import Variant
from ..literals import as_float32
from .kernel import INLINE, Kernel, arguments_of, kernel_from_source
from .types_of_kernels import I8, Cells, I4s, I8s, Payloads, Real, Reals, U4s

UNIT: Any = None  # these are given by the options of the kernels
DENSE: Any = None
ROUNDED: Any = None
TOTALS: Any = None
SWEEPS: Any = None
BALANCES: Any = None
REAL: Any = None
CELL: Any = None
constants_of: Any = None  # these stand for the functions of the rule, for readers and type checkers
fade_traces = apply_pre = apply_post = bump_pre = bump_post = constants_of
begin_anew = bump_modulator = pass_step = apply_all = sweep_all = balance_all = constants_of


def deliver_plastic(
    now: I8, ring_ids: I4s, ring_counts: I4s, ring_payload: Payloads, first: I8s, n: I8,
    length: I8, delays: I8s, row_start: I8s, offsets: U4s, targets: U4s, columns: I8,
    first_row: I8, rows: I8, first_column: I8, weights: Reals, per_step: Real, cells: Cells,
) -> int:  # fmt: skip
    """Deliver weights as they are now; on a grid, each is rounded to it.

    Rows of a dense projection follow each other without a list of targets: row r of the weights
    belongs to source first_row + r, its columns to neighbouring targets from first_column.
    """
    for d in range(delays.size):
        slot = (now - delays[d]) % length
        for q in range(first.size):
            begin = slot * n + first[q]
            for j in range(ring_counts[q * length + slot]):
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
    now: I8, ring_ids: I4s, ring_counts: I4s, first: I8s, n: I8, length: I8, post_ids: I4s,
    post_counts: I4s, post_n: I8, post_length: I8, low: I8, delays: I8s,
    row_start: I8s, offsets: U4s, targets: U4s, columns: I8, first_row: I8, rows: I8,
    first_column: I8, in_start: I8s, in_synapse: I8s, in_trace: I8s, weights: Reals, kept: Reals,
    x: Reals, y: Reals, z: Reals, own: I8, constants: Reals, every: I8, balance: I8, changes: I8s,
) -> int:  # fmt: skip
    """Let traces decay, learn from what arrived, then from what fired, and let the traces take both.

    Trace t of the source side is x[t * n * delays.size + d * n + source] for the d-th delay; trace t of
    the target side is y[t * own + target], with targets counted from the part's first. What all synapses have
    in common is z, traces of the modulator first; the i-th number of a synapse is kept[i * synapses + s].
    """
    k, width, parts, changed = constants_of(constants), n * delays.size, first.size, 0
    if due(now, every) or due(now, balance):
        begin_anew(z)
    fade_traces(x, width, y, own, k)
    for d in range(delays.size):
        slot = (now - delays[d]) % length
        for q in range(parts):
            begin = slot * n + first[q]
            for j in range(ring_counts[q * length + slot]):
                source = np.int64(ring_ids[begin + j])
                if DENSE:
                    row = source - first_row
                    start = row * columns
                    stop = start + columns if 0 <= row < rows else start
                else:
                    at = source * (delays.size + 1) + d
                    start, stop = row_start[source] + offsets[at], row_start[source] + offsets[at + 1]
                trace, changed = d * n + source, changed + int(stop - start)
                for i in range(stop - start):
                    s = np.uint64(start + i)
                    target = first_column + i if DENSE else np.int64(targets[s])
                    apply_pre(weights, kept, s, x, width, trace, y, own, target, z, k)
    slot = now % post_length
    fired, n_fired = slot * post_n + low, post_counts[slot]
    for j in range(n_fired):
        target = post_ids[fired + j] - low
        if DENSE:
            column = target - first_column
            if 0 <= column < columns:
                changed += rows
                for row in range(rows):
                    s = np.uint64(row * columns + column)
                    apply_post(weights, kept, s, x, width, first_row + row, y, own, target, z, k)
        else:
            changed += in_start[target + 1] - in_start[target]
            for i in range(in_start[target], in_start[target + 1]):
                s = np.uint64(in_synapse[i])
                apply_post(weights, kept, s, x, width, in_trace[i], y, own, target, z, k)
    for d in range(delays.size):
        slot = (now - delays[d]) % length
        for q in range(parts):
            begin = slot * n + first[q]
            for j in range(ring_counts[q * length + slot]):
                bump_pre(x, width, d * n + ring_ids[begin + j])
    for j in range(n_fired):
        bump_post(y, own, post_ids[fired + j] - low)
    changes[0] += changed
    return 0


def settle(
    now: I8, ring_ids: I4s, ring_counts: I4s, ring_payload: Payloads, first: I8s, n: I8, length: I8,
    targets: U4s, columns: I8, rows: I8, first_column: I8, weights: Reals, kept: Reals, y: Reals, z: Reals,
    own: I8, constants: Reals, every: I8, balance: I8, totals: Reals, changes: I8s,
) -> int:  # fmt: skip
    """Take the modulator's events, let time pass until the next step, go over all synapses if it is time."""
    k, slot, added = constants_of(constants), now % length, REAL(0.0)
    for q in range(first.size):
        begin = slot * n + first[q]
        for j in range(ring_counts[q * length + slot]):
            added += REAL(1.0) if UNIT else REAL(ring_payload[begin + j])
    bump_modulator(z, added)
    pass_step(z, k)
    balances = due(now + 1, balance)
    if SWEEPS and (balances or due(now + 1, every)):
        sweep_all(weights, kept, targets, columns, rows, first_column, y, own, z, totals, k)
        changes[0] += weights.size
    if BALANCES and balances:
        balance_all(weights, kept, targets, columns, rows, first_column, y, own, z, totals, k)
        changes[0] += weights.size
    return 0


def due(steps: Any, every: Any) -> Any:
    """Return whether a whole number of intervals has passed; there are none where it is 0."""
    return every > 0 and steps % every == 0


def go_over(
    weights: Any, kept: Any, targets: Any, columns: Any, rows: Any, first_column: Any, y: Any, own: Any,
    z: Any, totals: Any, k: Any,
) -> None:  # fmt: skip
    """Apply a function to all synapses, after adding up their weights; sparse synapses are one row."""
    if TOTALS:
        totals[:] = REAL(0.0)
        for row in range(rows):
            for i in range(columns):
                s = np.uint64(row * columns + i)
                totals[np.uint64(first_column + i) if DENSE else np.uint64(targets[s])] += weights[s]
    for row in range(rows):
        for i in range(columns):
            s = np.uint64(row * columns + i)
            target = first_column + i if DENSE else np.int64(targets[s])
            apply_all(weights, kept, s, y, own, target, z, totals, k)


def learning_source(rule: PlasticityRule) -> str:
    """Return the functions that `learn` calls, made from those of a rule."""
    names = [*rule.constant_names, *(f"decay_{t.name}" for t in rule.memories)]
    sides: dict[str, list[Trace]] = {
        side: [t for t in rule.memories if t.side == side] for side in ("pre", "post", "modulator")
    }
    values = {name: f"k[{i}]" for i, name in enumerate(names)}
    values |= {t.name: f"x[np.uint64({i} * width + trace)]" for i, t in enumerate(sides["pre"])}
    values |= {t.name: f"y[np.uint64({i} * own + target)]" for i, t in enumerate(sides["post"])}
    common = [*(t.name for t in sides["modulator"]), *rule.shared]
    values |= {name: f"z[{i}]" for i, name in enumerate(common)} | {"total": "totals[np.uint64(target)]"}
    kept = {name: f"kept[np.uint64({i} * weights.size) + s]" for i, name in enumerate(rule.synaptic)}
    kept = {"weight": "weights[s]", **kept}
    values |= kept
    functions = []

    def write(head: str, *lines: str) -> None:
        functions.append("\n    ".join([f"{INLINE}\ndef {head}:", *(lines or ("pass",))]))

    def assign(variant: Variant, entries: Iterable[str]) -> list[str]:
        """Return the lines that call a function and keep what it returns."""
        functions.append(_function(variant, f"rule_{variant.name}"))
        left = [f"new_{i}" for i, _ in enumerate(entries)]
        call = f"rule_{variant.name}({', '.join(values[argument] for argument in variant.arguments)})"
        lines = [f"{', '.join(left)} = {call}"]
        return [*lines, *(f"{e} = REAL({new})" for e, new in zip(entries, left, strict=True))]

    common_arguments = "y, own, target, z"
    for acting, name in ((rule.rules.on_pre, "pre"), (rule.rules.on_post, "post")):
        lines = assign(acting, kept.values())
        write(f"apply_{name}(weights, kept, s, x, width, trace, {common_arguments}, k)", *lines)
    sweep, balance = rule.rules.on_sweep, rule.rules.on_balance
    for variant, name, entries in ((sweep, "sweep", kept), (balance, "balance", {"weight": kept["weight"]})):
        lines = [] if variant is None else assign(variant, entries.values())
        write(f"apply_{name}(weights, kept, s, {common_arguments}, totals, k)", *lines)
    begun = {} if sweep is None else rule.shared
    write("begin_anew(z)", *(f"{values[name]} = REAL({first!r})" for name, first in begun.items()))
    passing = []
    if rule.rules.on_step is not None:
        passing += assign(rule.rules.on_step, [values[name] for name in rule.shared])
    for t in sides["modulator"]:
        passing.append(
            f"{values[t.name]} = REAL(fade_{t.name}({values[t.name]}, {values[f'decay_{t.name}']}))"
        )
    write("pass_step(z, k)", *passing)
    bumping = [f"{values[t.name]} = REAL(bump_{t.name}({values[t.name]}, added))" for t in sides["modulator"]]
    write("bump_modulator(z, added)", *bumping)
    for t in rule.memories:
        functions += [_function(t.fade, f"fade_{t.name}"), _function(t.bump, f"bump_{t.name}")]
    fading = []
    for side, array, size in (("pre", "x", "width"), ("post", "y", "own")):
        entries = {t.name: f"{array}[np.uint64({i} * {size} + i)]" for i, t in enumerate(sides[side])}
        for name, entry in entries.items():
            fading += [f"for i in range({size}):"]
            fading += [f"    {entry} = REAL(fade_{name}({entry}, {values[f'decay_{name}']}))"]
        bumps = []
        for t in (t for t in rule.bumped if t.side == side):
            taken = ", ".join(entries[name] for name in (t.name, t.adds) if name is not None)
            bumps.append(f"{entries[t.name]} = REAL(bump_{t.name}({taken}))")
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
    return _kernel_of(learn, learning_source(rule), (("REAL", real), ("f4", real), ("DENSE", dense)))


def settling_kernel(rule: PlasticityRule, real: str, dense: bool, payload: str, unit: bool) -> Kernel:
    """Return the kernel that ends the step of a rule with a modulator or sweeps."""
    sweep, balance = rule.rules.on_sweep, rule.rules.on_balance
    totals = any(v is not None and "total" in v.arguments for v in (sweep, balance))
    options = (("REAL", real), ("f4", real), ("DENSE", dense), ("PAYLOAD", payload), ("UNIT", unit))
    there = (("TOTALS", totals), ("SWEEPS", sweep is not None), ("BALANCES", balance is not None))
    walks = [
        f"{INLINE}\n{inspect.getsource(go_over)}".replace("go_over", f"{name}_all").replace(
            "apply_all", f"apply_{name}"
        )
        for name, variant in (("sweep", sweep), ("balance", balance))
        if variant is not None
    ]
    return _kernel_of(settle, "\n\n".join([learning_source(rule), *walks]), (*options, *there))


@lru_cache(maxsize=64)
def _kernel_of(function: Callable[..., int], rule: str, options: tuple[tuple[str, Any], ...]) -> Kernel:
    helper, kernel = (inspect.getsource(f) for f in (due, function))
    source, constants = f"{INLINE}\n{helper}\n\n{rule}\n\n{kernel}", dict(options)
    return kernel_from_source(function.__name__, source, arguments_of(function, constants), constants)
