"""The update kernel of a model: its three rules, bound in one loop over contiguous arrays.

The loop runs over chunks of neurons without a branch, so that the compiler vectorises it; events
are searched only in chunks in which something fired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ....neurons.model import NeuronModel, Rules
from ..draws import Draw
from .kernel import INTO_LOOP, Argument, Kernel, kernel_from_source
from .latch import split_latches
from .outcome import fault_lines, sent_lines
from .quiet import listed_lines, look_lines, skip_lines, waits
from .rules import Rule, constant_of, returned, rule_of


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
    at_rest : bool
        Whether neurons without input are passed over, as their model allows.
    bursts : bool
        Whether an event may count as several.
    takes : bool
        Whether an operator computes what stands in place of their input.
    watched : bool
        Whether an operator reads them.
    """

    arrays: frozenset[str]
    integers: frozenset[str]
    fixed: frozenset[str]
    floating: frozenset[str]
    noisy: frozenset[str]
    real: str
    at_rest: bool = False
    bursts: bool = False
    takes: bool = False
    watched: bool = False


#: Neurons whose updates are vectors of one loop, and whose events are then listed.
CHUNK = 1024

#: What a private Poisson source adds to the arguments: element type, and whether it is an array.
_NOISE = (
    ("key", "u8", False), ("delay", "i8", False), ("base", "i4", False), ("weight", "i4", False),
    ("thresholds", "u4", True), ("uppers", "i2", True), ("tail", "i4", False), ("counts", "i2", True),
    ("tally", "i8", True),
)  # fmt: skip


def update_kernel(model: NeuronModel, shape: Shape) -> Kernel:
    """Return the update kernel of a model's variant; equal variants share one."""
    states = tuple((state.name, state.kind == "integer") for state in model.used_states)
    return _kernel_of(model.rules, states, model.constant_names, model.receptors, model.payload, shape)


@lru_cache(maxsize=256)
def _kernel_of(
    rules: Rules,
    states: tuple[tuple[str, bool], ...],
    constants: tuple[str, ...],
    receptors: tuple[str, ...],
    payload: str,
    shape: Shape,
) -> Kernel:
    names = dict(states)
    integers = shape.integers | {"now"} | {name for name, whole in states if whole}
    moving = {name for rule in (rules.flow, rules.jump) for name in returned(rule, names)}
    still = {name for name, whole in states if whole} - moving
    fire, *latches = split_latches(rules.fire, names, still, {*constants, "now"})
    moves, latched = (
        tuple(rule_of(variant, names, integers) for variant in variants)
        for variants in ((rules.flow, rules.jump, fire), latches)
    )
    quiet = not shape.noisy and not shape.at_rest and not any(rule.draws for rule in moves)
    return _build(
        moves,
        latched,
        waits((rules.flow, rules.jump, fire), still) if quiet else None,
        states,
        constants,
        receptors,
        payload,
        shape,
    )


@lru_cache(maxsize=256)
def _build(
    rules: tuple[Rule, ...],
    latches: tuple[Rule, ...],
    waiting: frozenset[str] | None,
    states: tuple[tuple[str, bool], ...],
    constants: tuple[str, ...],
    receptors: tuple[str, ...],
    payload: str,
    shape: Shape,
) -> Kernel:
    """Return the kernel of prepared rules; `waiting` is as `quiet.waits` returns it, None to skip nothing."""
    written = [name for name, _ in states if any(name in rule.returned for rule in rules)]
    arguments = _arguments(states, constants, receptors, payload, shape)
    if waiting is not None:
        arguments += (Argument("still", "i1", True),)
        arguments += tuple(
            Argument(f"old_{a.name[2:]}", a.dtype, True)
            for a in arguments
            if a.name[2:] in written and a.name[:2] == "s_"
        )
    draws = sorted({draw for rule in rules for draw in rule.draws})
    lines = [f"def update(now, {', '.join(a.name for a in arguments)}):"]
    lines += _prologue(draws, shape)
    lines += [
        f"    for chunk in range(0, n, {CHUNK}):",
        f"        size = min({CHUNK}, n - chunk)",
        "        offset = np.uint32(low + chunk)",
    ]
    lines += [f"        {line}" for name in sorted(shape.noisy) for line in _noise(name)]
    lines += [
        f"        a_{a.name} = stretch({a.name}, chunk, size)"
        for a in arguments
        if a.array and _per_neuron(a)
    ]
    if waiting is not None:
        sums = [a.name for a in arguments if a.array and a.name[:2] in ("c_", "x_")]
        quiet = skip_lines(sums, written, CHUNK, woken=shape.takes, watched=shape.watched)
        lines += [f"        {line}" for line in quiet]
    lines += ["        some, bad = np.int8(0), np.int32(0)"]
    lines += [f"        drawn_{name} = np.int32(0)" for name in sorted(shape.noisy)]
    loop = ["for i in range(size):"]
    if shape.at_rest:
        loop = listed_lines([what for name in receptors for what in _come(name, shape)])
    lines += [f"        {line}" for line in loop]
    body = _body(rules, states, written, receptors, payload, shape, draws)
    lines += [f"            {line}" for line in body]
    # Only sums count of this tally: a place that no other part has, so that parts never share one.
    lines += [f"        noise_tally_{name}[low] += drawn_{name}" for name in sorted(shape.noisy)]
    if waiting is not None:
        lines += [f"        {line}" for line in look_lines(written, waiting)]
    lines += [f"        {line}" for line in sent_lines(latches, shape.arrays, payload, bursts=shape.bursts)]
    lines += [f"        {line}" for line in fault_lines(states)]
    lines += ["    ring_counts[now % length] = k - begin", "    return status"]
    return kernel_from_source(
        "update",
        "\n".join([*(f"{INTO_LOOP}\n{rule.source}" for rule in (*rules, *latches)), "", *lines]),
        arguments,
        {"REAL": shape.real, "f4": shape.real, "i4": "i4"},
    )


def _per_neuron(argument: Argument) -> bool:
    return argument.name[:2] in ("s_", "k_", "c_", "x_") or argument.name == "taken"


def _arguments(
    states: tuple[tuple[str, bool], ...], constants: tuple[str, ...], receptors: tuple[str, ...],
    payload: str, shape: Shape,
) -> tuple[Argument, ...]:  # fmt: skip
    out = [Argument(name, "i8", False) for name in ("n", "low", "total", "length", "group")]
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
        out += [Argument("close", "i1", True), Argument("close_ids", "i4", True)]
    out += [Argument("ring_ids", "i4", True), Argument("ring_counts", "i4", True)]
    out += [Argument("ring_payload", "i4" if payload != "real" else shape.real, True)]
    out += [Argument("tally", "i8", True), Argument("fault", "i8", True)]
    out += [Argument("fired", "i1", True), Argument("sent", shape.real, True)]
    if shape.at_rest:
        out.append(Argument("came", "i4", True))
    if shape.bursts:
        out.append(Argument("events_in", "i4", True))
    if shape.takes:
        out += [Argument("taken", shape.real, True), Argument("woken", "i1", True)]
    return tuple(out)


def _noise(receptor: str) -> list[str]:
    """Return what draws the private spikes of a chunk."""
    counts = f"noise_counts_{receptor}"
    tables = f"noise_uppers_{receptor}, noise_tail_{receptor}, noise_thresholds_{receptor}"
    scratch = f"pairs, lanes, stretch({counts}, at, 256), close, close_ids"
    return [
        f"if now >= noise_delay_{receptor}:",
        "    for at in range(0, size, 256):",
        f"        draw_counts(noise_step_{receptor}, low + chunk + at, {tables}, {scratch})",
        "else:",
        f"    {counts}[:] = 0",
    ]


def _prologue(draws: list[Draw], shape: Shape) -> list[str]:
    lines = [
        "    begin, status, step = (now % length) * total + low, 0, np.int32(now)",
        "    k = begin",
        "    prefetch_to_write(ring_ids.ctypes.data + 4 * begin)",
        "    prefetch_to_write(ring_counts.ctypes.data + 4 * (now % length))",
    ]
    for draw in draws:
        name = draw.argument
        lines.append(f"    bits_{name} = draw64(draw64(key, now), {draw.counter})")
        lines.append(f"    key_a_{name} = np.uint32(bits_{name} & np.uint64(0xFFFFFFFF))")
        lines.append(f"    key_b_{name} = np.uint32(bits_{name} >> np.uint64(32))")
    for name in sorted(shape.noisy):
        lines.append(f"    noise_step_{name} = draw64(noise_key_{name}, now - noise_delay_{name})")
        lines.append(f"    base_{name} = noise_base_{name} if now >= noise_delay_{name} else np.int32(0)")
    return lines


def _body(
    rules: tuple[Rule, ...],
    states: tuple[tuple[str, bool], ...],
    written: Sequence[str],
    receptors: tuple[str, ...],
    payload: str,
    shape: Shape,
    draws: list[Draw],
) -> list[str]:
    """Return the lines that update one neuron, the i-th of a chunk."""
    lines = [f"v_{name} = a_s_{name}[i]" for name, _ in states]
    for name in receptors:
        lines += _input(name, shape)
    for draw in draws:
        name, place = draw.argument, "np.uint32(np.uint32(i) + offset)"
        lines.append(f"{name} = {draw.word}_of(mix32({place}, key_a_{name}, key_b_{name}))")
    whole = dict(states)
    values = {name: f"v_{name}" for name in whole} | {name: f"in_{name}" for name in receptors}
    values |= {"now": "step", "taken": "a_taken[i]"}
    for rule in rules:
        given = [values.get(name) or constant_of(name, shape.arrays, "a_", "i") for name in rule.arguments]
        drawn = [draw.argument for draw in rule.draws]
        left = [*(["event"] if rule.name == "fire" else []), *(f"t_{name}" for name in rule.returned)]
        if left:
            lines.append(f"{', '.join(left)} = rule_{rule.name}({', '.join([*given, *drawn])})")
        lines += [f"v_{name} = {'np.int32' if whole[name] else 'REAL'}(t_{name})" for name in rule.returned]
    lines += [f"a_s_{name}[i] = v_{name}" for name in written]
    lines += ["flag = np.int8(event != 0)", "fired[i] = flag", "some = np.int8(some | flag)"]
    if payload != "unit":
        lines.append("sent[i] = REAL(event)")
    # A NaN in any variable makes the sum NaN; infinities may too, so what is found is looked at again.
    total = " + ".join(f"v_{name}" for name in written if not whole[name])
    if total:
        lines += [f"total_ = {total}", "bad = np.int32(1) if total_ != total_ else bad"]
    return lines


def _come(receptor: str, shape: Shape) -> list[str]:
    """Return what may have come to a receptor of the i-th neuron, as expressions."""
    come = [f"a_c_{receptor}[i]"] if receptor in shape.fixed else []
    if receptor in shape.floating:
        come.append(f"a_x_{receptor}[i]")
    if receptor in shape.noisy:
        come.append(f"noise_counts_{receptor}[i] + base_{receptor}")
    return come


def _input(receptor: str, shape: Shape) -> list[str]:
    """Return the lines that take what has arrived at a receptor of one neuron, and clear it."""
    name, lines = receptor, []
    if name in shape.noisy:
        lines += [
            f"count_{name} = np.int32(np.int32(noise_counts_{name}[i]) + base_{name})",
            f"drawn_{name} = np.int32(drawn_{name} + count_{name})",
        ]
    if name in shape.fixed:
        total = f"a_c_{name}[i]"
        if name in shape.noisy:
            total = f"np.int32({total} + np.int32(count_{name} * noise_weight_{name}))"
        lines += [f"in_{name} = REAL(REAL({total}) * step_{name})", f"a_c_{name}[i] = 0"]
        if name in shape.floating:
            lines.append(f"in_{name} = REAL(in_{name} + a_x_{name}[i])")
    else:
        lines.append(f"in_{name} = a_x_{name}[i]" if name in shape.floating else f"in_{name} = REAL(0)")
    if name in shape.floating:
        lines.append(f"a_x_{name}[i] = 0")
    return lines
