"""The kernels of a model: bring neurons up to date, let them take their input, foresee when they fire.

Written from the model's own rules. Neurons keep their state as of the step in which something last
happened to them; `flow` takes it from there to any later one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ....neurons.exact import ExactFlow
from ....neurons.model import NeuronModel
from ..numba_cpu.kernel import Argument, Kernel, kernel_from_source
from ..numba_cpu.memory import zeros
from ..numba_cpu.rules import rule_of
from .ahead import foresight, note
from .marks import FREE, HELD
from .touch import Touch
from .written import Form, Written, arrive, indent, loaded, own_arguments, per_neuron, rule_functions

_WHO = Argument("who", "i4", True)


@dataclass(frozen=True)
class Kernels:
    """The kernels of one population's model, compiled when first asked for."""

    written: Written
    form: Form

    @cached_property
    def touch(self) -> Kernel:
        """Bring some neurons to a step, add their input, let them fire.

        The arguments that change from call to call come first: neurons, and their inputs, of which there
        must be some more than neurons (`touch.LANES`).
        """
        touch = Touch(self.written, self.form)
        inputs = [Argument(f"x_{name}", "f8", True) for name in self.written.receptors]
        room = [Argument("reals", self.form.real, True), Argument("wholes", "i8", True)]
        arguments = [_WHO, *inputs, *self._own, *_outcome(), *room]
        return self._kernel("touch", arguments, touch.lines(), touch.functions())

    def room(self) -> dict[str, np.ndarray]:
        """Return what `touch` needs to work in, by argument."""
        sizes = Touch(self.written, self.form).room
        kinds = {"reals": "f8" if self.form.real == "f8" else "f4", "wholes": "i8"}
        return {name: zeros(size, kinds[name]) for name, size in sizes.items()}

    @cached_property
    def foresee(self) -> Kernel:
        """Say when some neurons will fire, as they are."""
        lines = [*self._read(), *per_neuron(self.form, ["now = since", *note(self.written)])]
        lines = ["n_foreseen = 0", "for k in range(who.size):", *indent(lines)]
        lines += ["found[0], found[1], found[2] = 0, n_foreseen, -1", "return 0"]
        return self._kernel("foresee", [_WHO, *self._own, *_outcome()], lines)

    @cached_property
    def look(self) -> Kernel:
        """Return the state of some neurons in a step, without a change."""
        w = self.written
        seen = [Argument(f"o_{name}", "i8" if whole else self.form.real, True) for name, whole in w.states]
        body = [*arrive(w, "now"), *(f"o_{name}[k] = v_{name}" for name, _ in w.states)]
        lines = ["for k in range(who.size):", *indent([*self._read(), *per_neuron(self.form, body)])]
        return self._kernel("look", [_WHO, *self._own, *seen], [*lines, "return 0"])

    @property
    def _own(self) -> list[Argument]:
        return own_arguments(self.written, self.form)

    def _read(self) -> list[str]:
        """Return the lines that read the k-th of some neurons, and the step as of which it is."""
        since = ["since = last[i]", f"since = since - {HELD} if since < {FREE} else since"]
        return ["i = who[k]", *since, *loaded(self.written, self.form)]

    def _kernel(
        self, name: str, arguments: list[Argument], lines: list[str], more: list[list[str]] | None = None
    ) -> Kernel:
        written = [*rule_functions(self.written), *foresight(self.written), *(more or [])]
        functions = "\n\n".join("\n".join(found) for found in written)
        head = f"def {name}(now, {', '.join(a.name for a in arguments)}):"
        source = "\n".join([functions, "", head, *indent(lines)])
        constants = {"REAL": self.form.real, "f4": self.form.real, "i4": "i8"}
        return kernel_from_source(name, source, tuple(arguments), constants)


def _outcome() -> list[Argument]:
    return [
        Argument("due", "i8", True),
        Argument("fired", "i4", True),
        Argument("foreseen", "i4", True),
        Argument("found", "i8", True),
    ]


def constants_of(model: NeuronModel) -> tuple[str, ...]:
    """Return the constants of `derive` that the kernels read: all but those that depend on elapsed time."""
    assert isinstance(model, ExactFlow)
    found = model.exact_rules
    rules = [found.propagate, found.crossing, found.slope, found.pieces, found.ceiling]
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
    more = (exact.mean_decay, exact.propagate, exact.crossing, exact.slope, exact.pieces, exact.ceiling)
    written = Written(
        flow, jump, fire,
        tuple(rule_of(rule, (), whole) for rule in more if rule is not None),
        states, constants_of(model), integers, model.receptors, model.propagators,
        model.hold if model.hold in names else None,
    )  # fmt: skip
    return _kernels(written, form)


@lru_cache(maxsize=256)
def _kernels(written: Written, form: Form) -> Kernels:
    return Kernels(written, form)
