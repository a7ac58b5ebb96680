"""A model's rules as source, and the lines of kernels that apply them to one neuron.

In these lines `v_` is a state variable, `k_` a constant, `in_` an input; `since` is the step as of which the
state is, `now` the one it is brought to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..numba_cpu.kernel import INLINE, INTO_LOOP, Argument
from ..numba_cpu.rules import Rule, constant_of


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
class Written:
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
        """Whether it may fire by itself."""
        return self.rule("crossing") is not None or self.rule("slope") is not None

    @property
    def changed(self) -> tuple[tuple[str, bool], ...]:
        """The state variables that an update changes whether or not the neuron fires."""
        found = {name for rule in (self.flow, self.jump, self.fire) for name in rule.returned}
        return tuple((name, whole) for name, whole in self.states if name in found and name != self.hold)

    def rule(self, name: str) -> Rule | None:
        """Return one of the rules of `neurons.exact`, or None."""
        return next((rule for rule in self.exact if rule.name == name), None)


def own_arguments(w: Written, form: Form) -> list[Argument]:
    """Return the arguments that hold what a population is: state and constants."""
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


def rule_functions(w: Written) -> list[list[str]]:
    """Return the rules, and `move`, which takes a state over some time, as functions of one neuron."""
    found = [[INTO_LOOP, rule.source] for rule in (*w.exact, w.flow, w.jump, w.fire)]
    found[0][1] = found[0][1].replace("def rule_mean_decay(", "def mean_decay(")
    return [*found, [INLINE, f"def move(elapsed, now, {neuron(w)}):", *indent(_move(w))]]


def indent(lines: Iterable[str]) -> list[str]:
    """Return lines one level further in."""
    return [f"    {line}" for line in lines]


def states(w: Written, prefix: str = "v_", suffix: str = "") -> str:
    """Return the state of one neuron, as a list of names."""
    return ", ".join(f"{prefix}{name}{suffix}" for name, _ in w.states)


def neuron(w: Written, prefix: str = "v_", suffix: str = "") -> str:
    """Return state and constants of one neuron, as arguments or parameters of a function."""
    return ", ".join([states(w, prefix, suffix), *(f"k_{name}" for name in w.constants)])


def call(w: Written, rule: Rule, prefix: str = "v_") -> str:
    """Return a call of a rule on one neuron's state and constants."""
    values = {name: f"{prefix}{name}" for name, _ in w.states} | {name: f"in_{name}" for name in w.receptors}
    values |= {name: name for name in ("now", "elapsed", "never", *w.propagators)}
    return f"rule_{rule.name}({', '.join(values.get(name, f'k_{name}') for name in rule.arguments)})"


def assign(w: Written, rule: Rule, *first: str) -> list[str]:
    """Return the lines that apply a rule to a neuron's state."""
    left = [*first, *(f"t_{name}" for name in rule.returned)]
    lines = [f"{', '.join(left)} = {call(w, rule)}"] if left else []
    return [*lines, *(f"v_{name} = {typed(w, name, f't_{name}')}" for name in rule.returned)]


def typed(w: Written, name: str, value: str) -> str:
    """Return a value of a state variable as what that variable is."""
    return f"{'np.int64' if dict(w.states)[name] else 'REAL'}({value})"


def _move(w: Written) -> list[str]:
    propagate = w.rule("propagate")
    lines = [] if propagate is None else [f"{', '.join(w.propagators)} = {call(w, propagate)}"]
    return [*lines, *assign(w, w.flow), f"return {states(w)},"]


def moved(w: Written, to: str) -> str:
    """Return the line that takes a neuron from `since` to a step."""
    return f"{states(w)}, = move(({to} - since) * tick, {to}, {neuron(w)})"


def held(w: Written, to: str | None = None) -> list[str]:
    """Return the lines that take a neuron through the time for which it is held, to a step at most."""
    if w.hold is None:
        return []
    until = f"v_{w.hold} - 1"
    return [
        f"rest = {until}" if to is None else f"rest = min({until}, {to})",
        "if since < rest:",
        f"    {moved(w, 'rest')}",
        "    since = rest",
    ]


def arrive(w: Written, to: str) -> list[str]:
    """Return the lines that take a neuron to a step, held for the first part of the time."""
    return [*held(w, to), f"if since < {to}:", f"    {moved(w, to)}"]


def own_constants(w: Written, form: Form) -> list[str]:
    """Return the lines that read the constants of the i-th neuron which others have with other values."""
    return [
        f"k_{name}_ = {constant_of(name, form.arrays, '', 'i')}"
        for name in w.constants
        if name in form.arrays
    ]


def loaded(w: Written, form: Form) -> list[str]:
    """Return the lines that read the i-th neuron."""
    return [*(f"v_{name} = s_{name}[i]" for name, _ in w.states), *own_constants(w, form)]


def per_neuron(form: Form, lines: list[str]) -> list[str]:
    """Return lines that name the constants of one neuron, where they are arrays of all."""
    names = "|".join(sorted(map(re.escape, form.arrays)))
    return [re.sub(rf"\bk_({names})\b(?!\[)", r"k_\1_", line) for line in lines] if names else lines
