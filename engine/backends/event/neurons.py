"""The kernels of a model: bring neurons up to date, let them take their input, foresee when they fire.

Written from the model's own rules. Neurons keep their state as of the step in which something last
happened to them; `flow` takes it from there to any later one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from ....neurons.exact import ExactFlow
from ....neurons.model import NeuronModel
from ..numba_cpu.kernel import INLINE, Argument, Kernel, kernel_from_source
from ..numba_cpu.rules import Rule, constant_of, rule_of

#: The step of what never happens.
NEVER = 2**62
#: The most by which rounding may be off when a neuron is foreseen to fire, in doublings of a step.
_DOUBLINGS = 40


@dataclass(frozen=True)
class Form:
    """What decides which kernels a population needs.

    Attributes
    ----------
    arrays : frozenset of str
        Constants with one value per neuron.
    real : "f4" or "f8"
        Type of state and constants.
    foresees : bool
        Whether a neuron may fire without an input at that moment.
    """

    arrays: frozenset[str]
    real: str
    foresees: bool


@dataclass(frozen=True)
class _Written:
    """A model's rules as source, and what they read and write."""

    flow: Rule
    jump: Rule
    fire: Rule
    exact: tuple[Rule, ...]
    states: tuple[tuple[str, bool], ...]
    constants: tuple[str, ...]
    integers: frozenset[str]
    receptors: tuple[str, ...]
    propagators: tuple[str, ...]
    hold: str | None

    @property
    def can_fire(self) -> bool:
        return self.rule("crossing") is not None or self.rule("slope") is not None

    def rule(self, name: str) -> Rule | None:
        return next((rule for rule in self.exact if rule.name == name), None)


@dataclass(frozen=True)
class Kernels:
    """The kernels of one population's model, compiled when first asked for."""

    written: _Written
    form: Form

    @cached_property
    def touch(self) -> Kernel:
        """Bring some neurons to a step, add their input, let them fire."""
        arguments = [
            *_ends(self.written), *_own(self.written, self.form), *_outcome(), *_scratch(self.written),
        ]  # fmt: skip
        return self._kernel("touch", arguments, _touch(self.written, self.form))

    @cached_property
    def foresee(self) -> Kernel:
        """Say when some neurons will fire, as they are."""
        arguments = [_WHO, *_own(self.written, self.form), *_outcome()]
        return self._kernel("foresee", arguments, _foresee(self.written, self.form))

    @cached_property
    def look(self) -> Kernel:
        """Return the state of some neurons in a step, without a change."""
        arguments = [_WHO, *_own(self.written, self.form), *_seen(self.written, self.form)]
        return self._kernel("look", arguments, _look(self.written, self.form))

    def _kernel(self, name: str, arguments: list[Argument], lines: list[str]) -> Kernel:
        functions = "\n\n".join("\n".join(found) for found in _functions(self.written))
        head = f"def {name}(now, {', '.join(a.name for a in arguments)}):"
        source = "\n".join([functions, "", INLINE, head, *(f"    {line}" for line in lines)])
        constants = {"REAL": self.form.real, "f4": self.form.real, "i4": "i8"}
        return kernel_from_source(name, source, tuple(arguments), constants)


def constants_of(model: NeuronModel) -> tuple[str, ...]:
    """Return the constants of `derive` that the kernels read: all but those that depend on elapsed time."""
    assert isinstance(model, ExactFlow)
    found = model.exact_rules
    rules = [found.propagate, found.crossing, found.slope, found.pieces]
    known = {state.name for state in model.states} | {"elapsed", "never", *model.propagators}
    more = [name for rule in rules if rule is not None for name in rule.arguments if name not in known]
    return tuple(dict.fromkeys([*(n for n in model.constant_names if n not in known), *more]))


def kernels_of(model: NeuronModel, form: Form, integers: frozenset[str]) -> Kernels:
    """Return the kernels of a model's variant; equal variants share theirs.

    Parameters
    ----------
    model
        A model with an exact flow.
    form
        What else decides about them.
    integers
        Constants that are whole numbers.
    """
    assert isinstance(model, ExactFlow)
    rules, exact = model.rules, model.exact_rules
    states = tuple((state.name, state.kind == "integer") for state in model.used_states)
    names, whole = dict(states), integers | {"now"} | {name for name, integer in states if integer}
    flow, jump, fire = (rule_of(rule, names, whole) for rule in (rules.flow, rules.jump, rules.fire))
    written = _Written(
        flow, jump, fire,
        tuple(
            rule_of(rule, (), whole)
            for rule in (exact.transfer, exact.propagate, exact.crossing, exact.slope, exact.pieces)
            if rule is not None
        ),
        states, constants_of(model), integers, model.receptors, model.propagators,
        model.hold if model.hold in names else None,
    )  # fmt: skip
    return _kernels(written, form)


@lru_cache(maxsize=256)
def _kernels(written: _Written, form: Form) -> Kernels:
    return Kernels(written, form)


_WHO = Argument("who", "i4", True)


def _ends(w: _Written) -> list[Argument]:
    """Return the arguments that change from call to call, which come first: neurons, and their inputs."""
    return [_WHO, *(Argument(f"x_{name}", "f8", True) for name in w.receptors)]


def _own(w: _Written, form: Form) -> list[Argument]:
    return [
        Argument("tick", "f8", False),
        Argument("first", "i8", False),
        *(Argument(f"s_{name}", "i8" if whole else form.real, True) for name, whole in w.states),
        Argument("last", "i8", True),
        *(
            Argument(f"k_{name}", "i8" if name in w.integers else form.real, name in form.arrays)
            for name in w.constants
        ),
    ]


def _outcome() -> list[Argument]:
    return [
        Argument("due", "i8", True),
        Argument("fired", "i4", True),
        Argument("foreseen", "i4", True),
        Argument("found", "i8", True),
    ]


def _scratch(w: _Written) -> list[Argument]:
    """Return room for what depends on elapsed time, for all neurons of a call."""
    return [Argument(name, "f8", True) for name in ("passed", *(f"p_{name}" for name in w.propagators))]


def _seen(w: _Written, form: Form) -> list[Argument]:
    return [Argument(f"o_{name}", "i8" if whole else form.real, True) for name, whole in w.states]


def _functions(w: _Written) -> list[list[str]]:
    """Return the rules and what is made of them, as functions of one neuron."""
    found = [[INLINE, rule.source] for rule in (*w.exact, w.flow, w.jump, w.fire)]
    found[0][1] = found[0][1].replace("def rule_transfer(", "def transfer(")
    found.append([INLINE, f"def move(elapsed, now, {_all(w)}):", *_indent(_move(w))])
    if w.can_fire:
        found.append([INLINE, f"def alone({_all(w)}):", *_indent(_alone(w))])
    return [*found, [INLINE, f"def ahead(now, tick, first, {_all(w)}):", *_indent(_ahead(w))]]


def _all(w: _Written, prefix: str = "v_") -> str:
    """Return state and constants of one neuron, as arguments or parameters of a function."""
    return ", ".join([*(f"{prefix}{name}" for name, _ in w.states), *(f"k_{name}" for name in w.constants)])


def _states(w: _Written, prefix: str = "v_") -> str:
    return ", ".join(f"{prefix}{name}" for name, _ in w.states)


def _indent(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _call(w: _Written, rule: Rule, prefix: str = "v_") -> str:
    """Return a call of a rule on one neuron's state and constants."""
    values = {name: f"{prefix}{name}" for name, _ in w.states} | {name: f"in_{name}" for name in w.receptors}
    values |= {name: name for name in ("now", "elapsed", "never", *w.propagators)}
    return f"rule_{rule.name}({', '.join(values.get(name, f'k_{name}') for name in rule.arguments)})"


def _assign(w: _Written, rule: Rule, *first: str) -> list[str]:
    """Return the lines that apply a rule to a neuron's state."""
    left = [*first, *(f"t_{name}" for name in rule.returned)]
    whole = dict(w.states)
    lines = [f"{', '.join(left)} = {_call(w, rule)}"] if left else []
    return [*lines, *(f"v_{n} = {'np.int64' if whole[n] else 'REAL'}(t_{n})" for n in rule.returned)]


def _move(w: _Written) -> list[str]:
    propagate = w.rule("propagate")
    lines = [] if propagate is None else [f"{', '.join(w.propagators)} = {_call(w, propagate)}"]
    return [*lines, *_assign(w, w.flow), f"return {_states(w)},"]


def _moved(w: _Written, since: str, to: str) -> str:
    return f"{_states(w)}, = move(({to} - {since}) * tick, {to}, {_all(w)})"


def _hold(w: _Written, since: str, to: str) -> list[str]:
    """Return the lines that take a neuron through the first part of a time, for which it is held."""
    lines = []
    if w.hold is not None:
        lines += [
            f"rest = min(v_{w.hold} - 1, {to})",
            f"if {since} < rest:",
            f"    {_moved(w, since, 'rest')}",
            f"    {since} = rest",
        ]
    return lines


def _arrive(w: _Written, since: str, to: str) -> list[str]:
    """Return the lines that take a neuron from one step to another, held for the first part of it."""
    return [*_hold(w, since, to), f"if {since} < {to}:", f"    {_moved(w, since, to)}"]


def _foreknown(w: _Written, form: Form) -> list[str]:
    """Return the loops that find what depends on elapsed time for all neurons of a call.

    One gathers, the other is plain arithmetic over contiguous arrays, which compilers do for several at once.
    """
    propagate = w.rule("propagate")
    if propagate is None:
        return []
    held = [] if w.hold is None else [f"since = max(since, min(s_{w.hold}[i] - 1, now))"]
    own = _loaded(w, form)[1 + len(w.states) :]
    needs_neuron = any(line.startswith(f"k_{name}_ ") for line in own for name in propagate.arguments)
    found = ", ".join(f"p_{name}[k]" for name in w.propagators)
    lines = ["elapsed = passed[k]", f"{found} = {_call(w, propagate)}"]
    return [
        "for k in range(who.size):",
        *_indent(["i = who[k]", "since = last[i]", *held, "passed[k] = (now - since) * tick"]),
        "for k in range(who.size):",
        *_indent([*(["i = who[k]", *own] if needs_neuron else []), *_per_neuron(form, lines)]),
    ]


def _flown(w: _Written) -> list[str]:
    """Return the lines that take a neuron to this step, by what is known of the time since it was held."""
    return [
        *_hold(w, "since", "now"),
        "if since < now:",
        *_indent([f"{name} = p_{name}[k]" for name in w.propagators]),
        *_indent(["elapsed = (now - since) * tick"]),
        *_indent(_assign(w, w.flow) or ["pass"]),
    ]


def _alone(w: _Written) -> list[str]:
    """Return the lines that find the seconds until a neuron that moves freely reaches its threshold."""
    crossing = w.rule("crossing")
    if crossing is not None:
        return ["never = np.inf", f"return {_call(w, crossing)}"]
    slope, pieces = w.rule("slope"), w.rule("pieces")
    assert slope is not None
    assert pieces is not None
    after = f"{_states(w, 'b_')}, = move(at, NEVER, {_all(w)})"
    distance, steepness = "b_v - k_threshold", _call(w, slope, "b_")
    return [
        f"NEVER = {NEVER}",
        "if v_v >= k_threshold:",
        "    return 0.0",
        f"turn, end, falling = {_call(w, pieces)}",
        "low, below, rising = 0.0, v_v - k_threshold, " + _call(w, slope),
        "for piece in range(2):",
        "    high = min(turn, end) if piece == 0 else end",
        "    if high <= low:",
        "        continue",
        "    falls = (falling >= 0.0) == (piece == 0)",
        "    if falls and rising > 0.0 and below + rising >= 0.0:",
        # Concave while it rises: Newton's steps from below never pass the threshold, and where
        # they leave the rising part there is none to pass.
        "        at, gap, rise = low, below, rising",
        "        while rise > 0.0 and at < high:",
        "            further = -gap * k_tau / rise",
        "            if at + further == at:",
        "                return at",
        "            at += further",
        "            if at >= high:",
        "                break",
        f"            {after}",
        f"            gap, rise = {distance}, {steepness}",
        "            if gap >= 0.0:",
        "                return at",
        "    if falls and high >= end:",
        "        break",
        "    at = high",
        f"    {after}",
        f"    above, later = {distance}, {steepness}",
        "    if above >= 0.0:",
        # One crossing lies between, since v falls at most before it rises: Newton's steps within
        # a bracket, halved where they leave it.
        "        while True:",
        "            at = high - above * k_tau / later if later > 0.0 else low",
        "            if not low < at < high:",
        "                at = 0.5 * (low + high)",
        "            if not low < at < high:",
        "                return high",
        f"            {after}",
        f"            gap, rise = {distance}, {steepness}",
        "            if gap >= 0.0:",
        "                if high - at < 1e-17:",
        "                    return at",
        "                high, above, later = at, gap, rise",
        "            else:",
        "                low = at",
        "    low, below, rising = high, above, later",
        "return np.inf",
    ]


def _ahead(w: _Written) -> list[str]:
    """Return the lines that find the step in which a neuron will fire; its `fire` has the last word."""
    if not w.can_fire:
        return [f"return {NEVER}"]
    lines = ["since = now"]
    if w.hold is not None:
        lines += [
            f"rest = v_{w.hold} - 1",
            "if since < rest:",
            f"    {_moved(w, 'since', 'rest')}",
            "    since = rest",
        ]
    event = ["event", *(f"_{name}" for name in w.fire.returned)]
    kept = ", ".join(f"h_{name}" for name, _ in w.states)
    return [
        *lines,
        f"seconds = alone({_all(w)})",
        f"if not seconds < {NEVER} * tick:",
        f"    return {NEVER}",
        "now = max(since + max(np.int64(np.ceil(seconds / tick)), 1), first)",
        f"{kept}, more = {_states(w)}, 1",
        f"for _ in range({_DOUBLINGS}):",
        f"    {_states(w)}, = move((now - since) * tick, now, {_all(w, 'h_')})",
        f"    {', '.join(event)} = {_call(w, w.fire)}"
        if len(event) > 1
        else f"    event = {_call(w, w.fire)}",
        "    if event != 0:",
        "        return now",
        "    now, more = now + more, more * 2",
        f"return {NEVER}",
    ]


def _loaded(w: _Written, form: Form) -> list[str]:
    """Return the lines that read one neuron."""
    arrays = [
        f"k_{name}_ = {constant_of(name, form.arrays, '', 'i')}"
        for name in w.constants
        if name in form.arrays
    ]
    return ["i = who[k]", *(f"v_{name} = s_{name}[i]" for name, _ in w.states), *arrays]


def _per_neuron(form: Form, lines: list[str]) -> list[str]:
    """Return lines that name the constants of one neuron, where they are arrays of all."""
    names = "|".join(sorted(map(re.escape, form.arrays)))
    return [re.sub(rf"\bk_({names})\b(?!\[)", r"k_\1_", line) for line in lines] if names else lines


def _touch(w: _Written, form: Form) -> list[str]:
    body = [
        "since = last[i]",
        *_flown(w),
        *(f"in_{name} = REAL(x_{name}[k])" for name in w.receptors),
        *_assign(w, w.jump),
        *_assign(w, w.fire, "event"),
        *(f"s_{name}[i] = v_{name}" for name, _ in w.states),
        "last[i] = now",
        "if event != 0:",
        "    fired[n_fired] = i",
        "    n_fired += 1",
    ]
    if form.foresees:
        body += _note(w)
    lines = [*_foreknown(w, form), "n_fired, n_foreseen, bad = 0, 0, -1", "for k in range(who.size):"]
    lines += _indent([*_loaded(w, form), *_per_neuron(form, body), *_bad(w)])
    return [*lines, "found[0], found[1], found[2] = n_fired, n_foreseen, bad", "return 0"]


def _bad(w: _Written) -> list[str]:
    total = " + ".join(f"v_{name}" for name, whole in w.states if not whole)
    return [f"total = {total}", "bad = i if total != total else bad"]


def _note(w: _Written) -> list[str]:
    return [
        f"at = ahead(now, tick, first, {_all(w)})",
        f"if at != {NEVER} and at != due[i]:",
        "    foreseen[n_foreseen] = i",
        "    n_foreseen += 1",
        "due[i] = at",
    ]


def _foresee(w: _Written, form: Form) -> list[str]:
    lines = ["n_foreseen = 0", "for k in range(who.size):"]
    lines += _indent([*_loaded(w, form), *_per_neuron(form, ["now = last[i]", *_note(w)])])
    return [*lines, "found[0], found[1], found[2] = 0, n_foreseen, -1", "return 0"]


def _look(w: _Written, form: Form) -> list[str]:
    body = ["since = last[i]", *_arrive(w, "since", "now")]
    body += [f"o_{name}[k] = v_{name}" for name, _ in w.states]
    return [
        "for k in range(who.size):",
        *_indent([*_loaded(w, form), *_per_neuron(form, body)]),
        "return 0",
    ]
