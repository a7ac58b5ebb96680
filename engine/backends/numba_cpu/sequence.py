"""Many steps of a population at once, and the way back: what training needs of a model's rules.

Where nothing that neurons send comes back to them, all of their input is known beforehand. One kernel then
runs through all steps, a chunk of neurons at a time, whose state stays in cache; another goes back from
gradients of what was sent, by the adjoints of the same rules (`neurons/adjoint.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from ....neurons.adjoint import adjoint
from ....neurons.model import NeuronModel
from ....neurons.specialise import Variant
from .kernel import INTO_LOOP, Argument, Kernel, kernel_from_source
from .rules import Rule, constant_of, rule_of

#: Neurons that run through all steps together: their state and gradients stay in a core's own cache.
CHUNK = 2048


@dataclass(frozen=True)
class Form:
    """What decides which kernels a population needs, beside its model's rules.

    Attributes
    ----------
    arrays : frozenset of str
        Constants with one value per neuron.
    integers : frozenset of str
        Constants that are whole numbers.
    arriving : tuple of str
        Receptors to which something comes.
    wanted : tuple of str
        State variables of which there are gradients in every step.
    apart : tuple of str
        State variables whose gradients do not pass the spike.
    surrogate : Variant
        The derivative of a spike.
    trained : tuple of str
        Constants that have gradients.
    """

    arrays: frozenset[str]
    integers: frozenset[str]
    arriving: tuple[str, ...]
    wanted: tuple[str, ...]
    apart: tuple[str, ...]
    surrogate: Variant | None
    trained: tuple[str, ...] = ()

    @property
    def slopes(self) -> tuple[str, ...]:
        """What the surrogate takes besides the distance, as the kernel's arguments."""
        assert self.surrogate is not None
        return tuple(f"surrogate_{name}" for name in self.surrogate.arguments if name != "x")


def forward_kernel(model: NeuronModel, form: Form) -> Kernel:
    """Return the kernel that runs through all steps.

    Its arguments are `steps`, `first`, `last` and `total` (of the neurons, all samples side by side, those
    from `first` to before `last`), constants `k_`, inputs `x_` [steps, total], first states `s_` [total]; it
    writes what is sent, `y`, and states at the end of each step, `o_` [steps, total]. `now` is the number of
    the first step.
    """
    # Gradients are none of its business: what differs in them alone shares a kernel.
    return _forward(_Parts.of(model), replace(form, wanted=(), apart=(), surrogate=None, trained=()))


def backward_kernel(model: NeuronModel, form: Form) -> Kernel:
    """Return the kernel that goes back through all steps.

    Beside those of the other, which it reads, its arguments are numbers of the surrogate, gradients of what
    was sent, `dy`, and of states, `do_` [steps, total]; it turns gradients of the last state into those of
    the first, `d_` [total], writes those of inputs, `dx_` [steps, total], and adds up those of constants,
    `dk_` [total].
    """
    return _backward(_Parts.of(model), form)


@dataclass(frozen=True)
class _Parts:
    """What of a model is source: its rules, and which of their arguments is what."""

    rules: tuple[Variant, Variant, Variant]
    states: tuple[tuple[str, bool], ...]
    constants: tuple[str, ...]
    receptors: tuple[str, ...]
    written: tuple[tuple[str, ...], ...]

    @staticmethod
    def of(model: NeuronModel) -> _Parts:
        rules = model.rules.flow, model.rules.jump, model.rules.fire
        states = tuple((state.name, state.kind == "integer") for state in model.used_states)
        written = tuple(model.written(rule) for rule in rules)
        return _Parts(rules, states, model.constant_names, model.receptors, written)

    @property
    def real(self) -> tuple[str, ...]:
        """State variables that are real numbers."""
        return tuple(name for name, whole in self.states if not whole)

    def integers(self, form: Form) -> frozenset[str]:
        """Return what rules take that is a whole number."""
        return form.integers | {"now"} | {name for name, whole in self.states if whole}


def _arguments(parts: _Parts, form: Form) -> list[Argument]:
    out = [Argument(name, "i8", False) for name in ("steps", "first", "last", "total")]
    out += [
        Argument(f"k_{name}", "i4" if name in form.integers else "f4", name in form.arrays)
        for name in parts.constants
    ]
    out += [Argument(f"x_{name}", "f4", True) for name in form.arriving]
    for kind in ("s", "o"):
        out += [Argument(f"{kind}_{name}", "i4" if whole else "f4", True) for name, whole in parts.states]
    return out


def _begin(parts: _Parts, form: Form, order: str) -> list[str]:
    """Return the loops over chunks and steps, with what both kernels read."""
    lines = [
        f"    for chunk in range(first, last, {CHUNK}):",
        f"        size = min({CHUNK}, last - chunk)",
        f"        for t in range({order}):",
        "            here = t * total + chunk",
        "            step = np.int32(now + t)",
    ]
    more = [f"a_k_{name} = stretch(k_{name}, chunk, size)" for name in parts.constants if name in form.arrays]
    more += [f"a_x_{name} = stretch(x_{name}, here, size)" for name in form.arriving]
    for name, _ in parts.states:
        before = f"stretch(o_{name}, here - total, size)"
        more.append(f"b_{name} = stretch(s_{name}, chunk, size) if t == 0 else {before}")
    return lines + [f"            {line}" for line in more]


def _move(parts: _Parts, form: Form, rules: tuple[Rule, ...]) -> list[str]:
    """Return the lines that run rules on the i-th neuron: state variables `v0_` become `v1_`, `v2_`, ..."""
    whole = dict(parts.states)
    lines = [f"v0_{name} = b_{name}[i]" for name in whole]
    lines += [f"in_{name} = {_input(name, form)}" for name in parts.receptors]
    for k, (rule, written) in enumerate(zip(rules, parts.written, strict=False)):
        left = [*(["event"] if k == 2 else []), *(f"t_{name}" for name in written)]
        given = ", ".join(_given(name, k, parts, form) for name in rule.arguments)
        if left:
            lines.append(f"{', '.join(left)} = rule_{rule.name}({given})")
        for name in whole:
            value = f"v{k}_{name}"
            if name in written:
                value = f"{'np.int32' if whole[name] else 'f4'}(t_{name})"
            lines.append(f"v{k + 1}_{name} = {value}")
    return lines


def _input(receptor: str, form: Form) -> str:
    return f"a_x_{receptor}[i]" if receptor in form.arriving else "f4(0.0)"


def _given(name: str, k: int, parts: _Parts, form: Form) -> str:
    """Return what the k-th rule takes under a name."""
    if name in dict(parts.states):
        return f"v{k}_{name}"
    if name in parts.receptors:
        return f"in_{name}"
    return "step" if name == "now" else constant_of(name, form.arrays, "a_", "i")


@lru_cache(maxsize=256)
def _forward(parts: _Parts, form: Form) -> Kernel:
    names = [name for name, _ in parts.states]
    rules = tuple(rule_of(rule, names, parts.integers(form)) for rule in parts.rules)
    arguments = (*_arguments(parts, form), Argument("y", "f4", True))
    lines = [f"def forward(now, {', '.join(a.name for a in arguments)}):"]
    lines += _begin(parts, form, "steps")
    lines += [f"            c_{name} = stretch(o_{name}, here, size)" for name in names]
    lines += ["            a_y = stretch(y, here, size)", "            for i in range(size):"]
    body = [*_move(parts, form, rules), *(f"c_{name}[i] = v3_{name}" for name in names), "a_y[i] = f4(event)"]
    lines += [f"                {line}" for line in body]
    return _kernel("forward", [*rules], [*lines, "    return 0"], arguments)


@lru_cache(maxsize=256)
def _backward(parts: _Parts, form: Form) -> Kernel:
    names = [name for name, _ in parts.states]
    rules = tuple(rule_of(rule, names, parts.integers(form)) for rule in parts.rules[:2])
    back = [_Back.of(k, parts, form) for k in range(3)]
    arguments = [
        *_arguments(parts, form),
        *(Argument(name, "f4", False) for name in form.slopes),
        Argument("dy", "f4", True),
        *(Argument(f"do_{name}", "f4", True) for name in form.wanted),
        *(Argument(f"d_{name}", "f4", True) for name in parts.real),
        *(Argument(f"dx_{name}", "f4", True) for name in form.arriving),
        *(Argument(f"dk_{name}", "f4", True) for name in form.trained),
    ]
    lines = [f"def backward(now, {', '.join(a.name for a in arguments)}):"]
    lines += _begin(parts, form, "steps - 1, -1, -1")
    read = {"a_dy": "dy", **{f"a_do_{n}": f"do_{n}" for n in form.wanted}}
    read |= {f"a_dx_{n}": f"dx_{n}" for n in form.arriving}
    lines += [f"            {here} = stretch({array}, here, size)" for here, array in read.items()]
    lines += [f"            a_d_{name} = stretch(d_{name}, chunk, size)" for name in parts.real]
    lines += [f"            a_dk_{name} = stretch(dk_{name}, chunk, size)" for name in form.trained]
    lines.append("            for i in range(size):")
    lines += [f"                {line}" for line in _go_back(parts, form, rules, back)]
    sources = [*rules, *(one.rule for one in back)]
    return _kernel("backward", sources, [*lines, "    return 0"], tuple(arguments))


@dataclass(frozen=True)
class _Back:
    """The adjoint of one rule, and what it takes and gives."""

    rule: Rule
    wrt: tuple[str, ...]
    seeds: Mapping[str, str]

    @staticmethod
    def of(k: int, parts: _Parts, form: Form) -> _Back:
        """Return that of the k-th rule, for real state variables and receptors to which something comes."""
        rule, written, sent = parts.rules[k], parts.written[k], k == 2
        known = {*parts.real, *form.arriving, *form.trained}
        wrt = tuple(name for name in rule.arguments if name in known)
        places = {name: place + sent for place, name in enumerate(written) if name in parts.real}
        seeds = {f"d_{place}": f"g_{name}" for name, place in places.items()} | (
            {"d_0": "a_dy[i]"} if sent else {}
        )
        apart = tuple(place for name, place in places.items() if sent and name in form.apart)
        returned = (*([0] if sent else []), *places.values())
        assert form.surrogate is not None
        variant = adjoint(rule, wrt, returned, form.surrogate, apart)
        return _Back(rule_of(variant, (), parts.integers(form)), wrt, seeds)


def _go_back(parts: _Parts, form: Form, rules: tuple[Rule, ...], back: list[_Back]) -> list[str]:
    """Return the lines that take one neuron's gradients back through one step."""
    lines = _move(parts, form, rules)
    for name in parts.real:
        trace = f" + a_do_{name}[i]" if name in form.wanted else ""
        lines.append(f"g_{name} = a_d_{name}[i]{trace}")
    lines += [f"gx_{name} = f4(0.0)" for name in form.arriving]
    for k in (2, 1, 0):
        one = back[k]
        given = [
            one.seeds.get(name) or (name if name in form.slopes else _given(name, k, parts, form))
            for name in one.rule.arguments
        ]
        left = ", ".join(f"n_{name}" for name in one.wrt)
        if left:
            lines.append(f"{left} = rule_{one.rule.name}({', '.join(given)})")
        for name in parts.real:
            # What a rule takes and does not return stays as it was: its gradient goes on too.
            passed = [] if name in parts.written[k] else [f"g_{name}"]
            terms = [*passed, *([f"n_{name}"] if name in one.wrt else [])]
            lines.append(f"g_{name} = f4({' + '.join(terms) or '0.0'})")
        lines += [f"gx_{name} = f4(gx_{name} + n_{name})" for name in form.arriving if name in one.wrt]
        lines += [f"a_dk_{name}[i] += f4(n_{name})" for name in form.trained if name in one.wrt]
    lines += [f"a_d_{name}[i] = g_{name}" for name in parts.real]
    return lines + [f"a_dx_{name}[i] = gx_{name}" for name in form.arriving]


def _kernel(name: str, rules: list[Rule], lines: list[str], arguments: tuple[Argument, ...]) -> Kernel:
    source = "\n".join([*(f"{INTO_LOOP}\n{rule.source}" for rule in rules), "", *lines])
    return kernel_from_source(name, source, arguments, {"REAL": "f4", "f4": "f4", "i4": "i4"})
