"""The update kernel of a model: its three rules, bound in one loop over contiguous arrays.

The loop runs over chunks of 256 neurons without a branch, so that the compiler vectorises it; events
are searched only in chunks in which something fired.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import lru_cache

from ....neurons.model import NeuronModel
from ....neurons.specialise import Variant
from ..literals import as_float32
from .kernel import INLINE, Argument, Kernel, kernel_from_source


@dataclass(frozen=True)
class Shape:
    """What decides which update kernel a population needs, beside its model's rules.

    Attributes
    ----------
    arrays : frozenset of str
        Constants with one value per neuron.
    integers : frozenset of str
        Constants that are whole numbers.
    fixed, floating : frozenset of str
        Receptors with an integer sum, and with a real one.
    noisy : frozenset of str
        Receptors with a private Poisson source, whose counts are drawn here.
    real : str
        "f4" or "f8".
    """

    arrays: frozenset[str]
    integers: frozenset[str]
    fixed: frozenset[str]
    floating: frozenset[str]
    noisy: frozenset[str]
    real: str


#: What a private Poisson source adds to the arguments: element type, and whether it is an array.
_NOISE = (
    ("key", "u8", False), ("delay", "i8", False), ("base", "i4", False), ("weight", "i4", False),
    ("thresholds", "u4", True), ("uppers", "i2", True), ("counts", "i2", True), ("tally", "i8", True),
)  # fmt: skip


def update_kernel(model: NeuronModel, shape: Shape) -> Kernel:
    """Return the update kernel of a model's variant; equal variants share one."""
    rules = model.rules
    integers = shape.integers | {"now"} | {s.name for s in model.used_states if s.kind == "integer"}
    functions = []
    for variant in (rules.flow, rules.jump, rules.fire):
        functions.append((variant.name, _source(variant, integers), variant.arguments, variant.n_returned))
    states = tuple((state.name, state.kind == "integer") for state in model.used_states)
    return _build(tuple(functions), states, model.constant_names, model.receptors, model.payload, shape)


def _source(variant: Variant, integers: frozenset[str]) -> str:
    whole = [name for name in variant.arguments if name in integers]
    tree = ast.fix_missing_locations(_Whole(whole).visit(as_float32(variant.tree, whole)))
    draws = "".join(f", {name}" for name in _draws(variant))
    text = re.sub(r"\buniform\((\d+)\)", r"draw_\1", Variant(
        variant.name, tree, variant.arguments, variant.n_returned, variant.words
    ).source(f"rule_{variant.name}"))  # fmt: skip
    return re.sub(r"\):", f"{draws}):", text, count=1)


class _Whole(ast.NodeTransformer):
    """Keeps sums of whole numbers in 32 bits: wider ones would halve what a vector holds."""

    def __init__(self, integers: list[str]) -> None:
        self.integers = integers

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if self._is_whole(node.left) and self._is_whole(node.right):
            return ast.Call(ast.Name("i4", ast.Load()), [node], [])
        return node

    def _is_whole(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call):
            return isinstance(node.func, ast.Name) and node.func.id == "i4"
        if isinstance(node, ast.Constant):
            return type(node.value) is int
        return isinstance(node, ast.Name) and node.id in self.integers


def _draws(variant: Variant) -> list[str]:
    return sorted({f"draw_{k}" for k in re.findall(r"\buniform\((\d+)\)", variant.source())})


@lru_cache(maxsize=256)
def _build(
    functions: tuple[tuple[str, str, tuple[str, ...], int], ...],
    states: tuple[tuple[str, bool], ...],
    constants: tuple[str, ...],
    receptors: tuple[str, ...],
    payload: str,
    shape: Shape,
) -> Kernel:
    arguments = _arguments(states, constants, receptors, payload, shape)
    rules = "\n".join(f"{INLINE}\n{source}" for _, source, _, _ in functions)
    draws = sorted({name for _, source, _, _ in functions for name in re.findall(r"\bdraw_\d+\b", source)})
    lines = [INLINE, f"def update(now, {', '.join(a.name for a in arguments)}):"]
    lines += _prologue(draws, shape)
    lines += [f"        {line}" for name in sorted(shape.noisy) for line in _noise(name)]
    lines += [
        f"        a_{a.name} = {a.name}[chunk : chunk + size]"
        for a in arguments
        if a.array and _per_neuron(a)
    ]
    lines += ["        some, bad = np.int32(0), np.int32(0)", "        for i in range(size):"]
    lines += [f"            {line}" for line in _body(functions, states, receptors, shape, draws)]
    lines += _epilogue(states, payload)
    return kernel_from_source(
        "update",
        rules + "\n\n" + "\n".join(lines),
        arguments,
        {"REAL": shape.real, "f4": shape.real, "i4": "i4"},
    )


def _per_neuron(argument: Argument) -> bool:
    return argument.name[:2] in ("s_", "k_", "c_", "x_")


def _arguments(
    states: tuple[tuple[str, bool], ...], constants: tuple[str, ...], receptors: tuple[str, ...],
    payload: str, shape: Shape,
) -> tuple[Argument, ...]:  # fmt: skip
    out = [Argument(name, "i8", False) for name in ("n", "low", "part", "parts", "total", "length", "group")]
    out += [Argument("key", "u8", False)]
    out += [Argument(f"s_{name}", "i4" if whole else shape.real, True) for name, whole in states]
    out += [
        Argument(f"k_{name}", "i4" if name in shape.integers else shape.real, name in shape.arrays)
        for name in constants
    ]
    for name in receptors:
        if name in shape.fixed:
            out += [Argument(f"c_{name}", "i4", True), Argument(f"step_{name}", shape.real, False)]
        if name in shape.floating:
            out.append(Argument(f"x_{name}", shape.real, True))
        if name in shape.noisy:
            out += [Argument(f"noise_{what}_{name}", dtype, array) for what, dtype, array in _NOISE]
    if shape.noisy:
        out += [Argument("pairs", "u4", True), Argument("lanes", "i2", True)]
        out += [Argument("close", "i2", True), Argument("close_ids", "i4", True)]
    out += [Argument("ring_ids", "i4", True), Argument("ring_counts", "i4", True)]
    out += [Argument("ring_payload", "i4" if payload != "real" else shape.real, True)]
    out += [Argument("tally", "i8", True), Argument("fault", "i8", True), Argument("sent", shape.real, True)]
    return tuple(out)


def _noise(receptor: str) -> list[str]:
    """Return what draws the private spikes of a chunk."""
    counts = f"noise_counts_{receptor}"
    drawn = f"noise_uppers_{receptor}, noise_thresholds_{receptor}, pairs, lanes, {counts}, close, close_ids"
    total = f"sum_of({counts}, size) + np.int64(base_{receptor}) * size"
    return [
        f"if now >= noise_delay_{receptor}:",
        f"    draw_counts(noise_step_{receptor}, low + chunk, {drawn})",
        # Only sums count of this tally: a place that no other part has, so that parts never share one.
        f"    noise_tally_{receptor}[low] += {total}",
        "else:",
        "    for i in range(256):",
        f"        {counts}[i] = 0",
    ]


def _prologue(draws: list[str], shape: Shape) -> list[str]:
    lines = [
        "    begin, status, step = (now % length) * total + low, 0, np.int32(now)",
        "    k = begin",
    ]
    for name in draws:
        number = name.removeprefix("draw_")
        lines.append(f"    bits_{number} = draw64(draw64(key, now), {number})")
        lines.append(f"    key_a_{number} = np.uint32(bits_{number} & np.uint64(0xFFFFFFFF))")
        lines.append(f"    key_b_{number} = np.uint32(bits_{number} >> np.uint64(32))")
    for name in sorted(shape.noisy):
        lines.append(f"    noise_step_{name} = draw64(noise_key_{name}, now - noise_delay_{name})")
        lines.append(f"    base_{name} = noise_base_{name} if now >= noise_delay_{name} else np.int32(0)")
    return [
        *lines,
        "    for chunk in range(0, n, 256):",
        "        size = min(256, n - chunk)",
        "        offset = np.uint32(low + chunk)",
    ]


def _body(
    functions: tuple[tuple[str, str, tuple[str, ...], int], ...],
    states: tuple[tuple[str, bool], ...],
    receptors: tuple[str, ...],
    shape: Shape,
    draws: list[str],
) -> list[str]:
    lines = [f"v_{name} = a_s_{name}[i]" for name, _ in states]
    for name in receptors:
        if name in shape.fixed:
            total = f"a_c_{name}[i]"
            if name in shape.noisy:
                count = f"np.int32(np.int32(noise_counts_{name}[i]) + base_{name})"
                total = f"np.int32({total} + np.int32({count} * noise_weight_{name}))"
            lines += [f"in_{name} = REAL(REAL({total}) * step_{name})", f"a_c_{name}[i] = 0"]
            if name in shape.floating:
                lines.append(f"in_{name} = REAL(in_{name} + a_x_{name}[i])")
        else:
            lines.append(f"in_{name} = a_x_{name}[i]" if name in shape.floating else f"in_{name} = REAL(0)")
        if name in shape.floating:
            lines.append(f"a_x_{name}[i] = 0")
    for name in draws:
        number = name.removeprefix("draw_")
        place = "np.uint32(np.uint32(i) + offset)"
        lines.append(f"{name} = uniform_bits(mix32({place}, key_a_{number}, key_b_{number}))")
    names = {name for name, _ in states}
    whole = {name for name, is_whole in states if is_whole}

    def value(name: str) -> str:
        if name in names:
            return f"v_{name}"
        if name in receptors:
            return f"in_{name}"
        if name == "now":
            return "step"
        return f"a_k_{name}[i]" if name in shape.arrays else f"k_{name}"

    for rule, source, arguments, n_returned in functions:
        given = [value(name) for name in arguments] + sorted(set(re.findall(r"\bdraw_\d+\b", source)))
        taken = [name for name in arguments if name in names]
        returned = taken[: n_returned - (rule == "fire")]
        left = ", ".join([*(["event"] if rule == "fire" else []), *(f"t_{name}" for name in returned)])
        if left:
            lines.append(f"{left} = rule_{rule}({', '.join(given)})")
        lines += [f"v_{name} = {'np.int32' if name in whole else 'REAL'}(t_{name})" for name in returned]
    lines += [f"a_s_{name}[i] = v_{name}" for name, _ in states]
    lines += ["sent[i] = REAL(event)", "some = np.int32(some | np.int32(event != 0))"]
    # A NaN in any variable makes the sum NaN; infinities may too, so what is found is looked at again.
    total = " + ".join(f"v_{name}" for name, is_whole in states if not is_whole)
    return (
        [*lines, f"total_ = {total}", "bad = np.int32(bad | np.int32(total_ != total_))"] if total else lines
    )


def _epilogue(states: tuple[tuple[str, bool], ...], payload: str) -> list[str]:
    lines = [
        "        if some != 0:",
        "            listed = list_set(sent, size, low + chunk, ring_ids, k)",
        "            for j in range(k, listed):",
        "                place = np.uint64(ring_ids[np.uint64(j)])",
        "                tally[place] += 1",
    ]
    if payload != "unit":
        value = "sent[place - np.uint64(low + chunk)]"
        value = f"np.int32({value})" if payload == "integer" else value
        lines.append(f"                ring_payload[np.uint64(j)] = {value}")
    lines += [
        "            k = listed",
        "        if bad != 0 and (fault[0] == 0 or now < fault[3]):",
        "            for i in range(size):",
    ]
    for index, (name, whole) in enumerate(states):
        if not whole:
            lines += [
                f"                if a_s_{name}[i] != a_s_{name}[i] and (fault[0] == 0 or now < fault[3]):",
                f"                    fault[0], fault[1], fault[2] = 1, low + chunk + i, {index}",
                "                    fault[3], fault[4] = now, group",
                "                    status = 1",
            ]
    return [*lines, "    ring_counts[(now % length) * parts + part] = k - begin", "    return status"]
