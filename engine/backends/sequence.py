"""Many steps of a population at once, and the way back: what training needs of a model's rules, as source.

Where nothing that neurons send comes back to them, all of their input is known beforehand. One kernel then
runs each neuron through all steps; another goes back from gradients of what was sent, by the adjoints of the
same rules (`neurons/adjoint.py`). Here is what both do to one neuron in one step, over numbers with names;
a backend says where these are read and written, and what rules are called by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from ...neurons.adjoint import adjoint
from ...neurons.model import NeuronModel
from ...neurons.specialise import Variant


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
        State variables that are asked for of every step; those that are real numbers have gradients then.
    apart : tuple of str
        State variables whose gradients do not pass the spike.
    surrogate : Variant
        The derivative of a spike.
    trained : tuple of str
        Constants that have gradients.
    detached : bool
        Whether no gradient passes from a step's state to the steps before.
    """

    arrays: frozenset[str]
    integers: frozenset[str]
    arriving: tuple[str, ...]
    wanted: tuple[str, ...]
    apart: tuple[str, ...]
    surrogate: Variant | None
    trained: tuple[str, ...] = ()
    detached: bool = False

    @property
    def slopes(self) -> tuple[str, ...]:
        """What the surrogate takes besides the distance, as the kernel's arguments."""
        assert self.surrogate is not None
        return tuple(f"surrogate_{name}" for name in self.surrogate.arguments if name != "x")


@dataclass(frozen=True)
class Passage:
    """One neuron's way through a step, and back, for a model and a form.

    Lines name what they read and write: constants `p_`, state before the step `v0_`, after each rule `v1_`,
    `v2_` and `v3_`, inputs `in_`, the step `step`, what is sent `event`; on the way back gradients of the
    state `g_` and of what is sent `g_event`, those of inputs `gx_` and of trained constants `gp_`. They cast
    by `f4`, `i4`.

    Attributes
    ----------
    rules : tuple of Variant
        Flow, jump and fire.
    states : tuple of (name, whole)
        State variables, and whether they are whole numbers.
    constants, receptors : tuple of str
        What else rules take.
    written : tuple of tuple of str
        The state variables that each rule writes.
    form : Form
        The form.
    """

    rules: tuple[Variant, Variant, Variant]
    states: tuple[tuple[str, bool], ...]
    constants: tuple[str, ...]
    receptors: tuple[str, ...]
    written: tuple[tuple[str, ...], ...]
    form: Form

    @staticmethod
    def of(model: NeuronModel, form: Form) -> Passage:
        """Return that of a model."""
        rules = model.rules.flow, model.rules.jump, model.rules.fire
        states = tuple((state.name, state.kind == "integer") for state in model.used_states)
        written = tuple(model.written(rule) for rule in rules)
        return Passage(rules, states, model.constant_names, model.receptors, written, form)

    def there(self) -> Passage:
        """Return the passage as the way there has it: what differs in gradients alone shares a kernel."""
        form = replace(self.form, wanted=(), apart=(), surrogate=None, trained=(), detached=False)
        return replace(self, form=form)

    @property
    def real(self) -> tuple[str, ...]:
        """State variables that are real numbers."""
        return tuple(name for name, whole in self.states if not whole)

    @property
    def integers(self) -> frozenset[str]:
        """What rules take that is a whole number."""
        return self.form.integers | {"now"} | {name for name, whole in self.states if whole}

    @cached_property
    def adjoints(self) -> tuple[Variant, ...]:
        """The adjoints of the three rules."""
        return tuple(one.variant for one in self._backs)

    @cached_property
    def kept(self) -> tuple[str, ...]:
        """The names of what adjoints read of each step: all that the way back is given of the way there."""
        known = {*dict(self.states), *self.form.arriving}
        names = (
            self._given(name, self._unchanged(name, k))
            for k, one in enumerate(self._backs)
            for name in one.variant.arguments
            if name in known
        )
        return tuple(dict.fromkeys(names))

    @cached_property
    def totals(self) -> tuple[str, ...]:
        """Receptors whose sums the way back reads."""
        return tuple(name for name in self.form.arriving if f"in_{name}" in self.kept)

    @cached_property
    def traced(self) -> tuple[str, ...]:
        """The names of what the way there writes of each step: states wanted, and those that are kept."""
        wanted = (f"v3_{name}" for name in self.form.wanted)
        return tuple(dict.fromkeys([*wanted, *(name for name in self.kept if name.startswith("v"))]))

    def given(self) -> list[tuple[str, str, bool]]:
        """Return the arguments of the way there, each with its type and whether it is an array.

        They are constants `k_`, inputs `x_` [steps, total] (all samples' neurons side by side), and states
        `s_` [total], those before the first step, which become those after the last; what is written of
        each step is `o_` [steps, total], as `v3_v` for v after the third rule, and what is sent, `y`.
        """
        return [
            *self._constants(),
            *((f"x_{name}", "f4", True) for name in self.form.arriving),
            *((f"s_{name}", "i4" if whole else "f4", True) for name, whole in self.states),
            *((f"o_{name}", self._type(name), True) for name in self.traced),
            ("y", "f4", True),
        ]

    def given_back(self) -> list[tuple[str, str, bool]]:
        """Return the arguments of the way back.

        They are constants, what is kept, numbers of the surrogate, gradients of what was sent, `dy`, and of
        states, `do_` [steps, total], those of the last state, `d_` [total], which become those of the first,
        and those of inputs, `dx_` [steps, total], and of constants, `dk_` [total].
        """
        form = self.form
        arrays = ["dy", *(f"do_{n}" for n in self.watched), *(f"d_{n}" for n in self.real)]
        arrays += [*(f"dx_{n}" for n in form.arriving), *(f"dk_{n}" for n in form.trained)]
        return [
            *self._constants(),
            *((f"o_{name}", self._type(name), True) for name in self.kept),
            *((name, "f4", False) for name in form.slopes),
            *((name, "f4", True) for name in arrays),
        ]

    def forward(self, rules: int = 3) -> list[str]:
        """Return the lines that run the first rules: state variables `v0_` become `v1_`, `v2_`, `v3_`."""
        whole = dict(self.states)
        lines = [f"in_{name} = f4(0.0)" for name in self.receptors if name not in self.form.arriving]
        for k, (rule, written) in enumerate(zip(self.rules[:rules], self.written, strict=False)):
            left = [*(["event"] if k == 2 else []), *(f"t_{name}" for name in written)]
            if left:
                given = ", ".join(self._given(name, k) for name in rule.arguments)
                lines.append(f"{', '.join(left)} = rule_{rule.name}({given})")
            for name in whole:
                value = f"v{k}_{name}"
                if name in written:
                    value = f"{'i4' if whole[name] else 'f4'}(t_{name})"
                lines.append(f"v{k + 1}_{name} = {value}")
        return lines

    def back(self) -> list[str]:
        """Return the lines that take gradients back through one step, from what is kept of it."""
        form = self.form
        lines = self.forward(0) + [f"gx_{name} = f4(0.0)" for name in form.arriving]
        lines += [f"gp_{name} = f4(0.0)" for name in form.trained]
        for k in (2, 1, 0):
            one = self._backs[k]
            left = ", ".join(f"n_{name}" for name in one.wrt)
            if left:
                given = ", ".join(
                    one.seeds.get(name) or self._given(name, self._unchanged(name, k))
                    for name in one.variant.arguments
                )
                lines.append(f"{left} = rule_{one.variant.name}({given})")
            for name in self.real:
                # What a rule takes and does not return stays as it was: its gradient goes on too.
                passed = [] if name in self.written[k] else [f"g_{name}"]
                terms = [*passed, *([f"n_{name}"] if name in one.wrt else [])]
                lines.append(f"g_{name} = f4({' + '.join(terms) or '0.0'})")
            for prefix, names in (("gx", form.arriving), ("gp", form.trained)):
                found = [name for name in names if name in one.wrt]
                lines += [f"{prefix}_{name} = f4({prefix}_{name} + n_{name})" for name in found]
        return lines + [f"g_{name} = f4(0.0)" for name in self.real if form.detached]

    @property
    def watched(self) -> tuple[str, ...]:
        """State variables that have gradients in every step."""
        return tuple(name for name in self.form.wanted if name in self.real)

    @cached_property
    def _backs(self) -> tuple[_Back, ...]:
        return tuple(_Back.of(k, self) for k in range(3))

    def _unchanged(self, name: str, k: int) -> int:
        """Return after how many rules a state variable is at last still as it is after k of them."""
        while k < 3 and name not in self.written[k]:
            k += 1
        return k

    def _constants(self) -> list[tuple[str, str, bool]]:
        whole, arrays = self.integers, self.form.arrays
        return [(f"k_{n}", "i4" if n in whole else "f4", n in arrays) for n in self.constants]

    def _type(self, value: str) -> str:
        """Return the type of a value of a step, such as `v3_v`."""
        return "i4" if dict(self.states).get(value.partition("_")[2]) else "f4"

    def _given(self, name: str, k: int) -> str:
        """Return what the k-th rule takes under a name."""
        if name in dict(self.states):
            return f"v{k}_{name}"
        if name in self.receptors:
            return f"in_{name}"
        if self.form.surrogate is not None and name in self.form.slopes:
            return name
        return "step" if name == "now" else f"p_{name}"


@dataclass(frozen=True)
class _Back:
    """The adjoint of one rule, what it gives gradients of, and what it takes for its `d_`."""

    variant: Variant
    wrt: tuple[str, ...]
    seeds: Mapping[str, str]

    @staticmethod
    def of(k: int, passage: Passage) -> _Back:
        """Return that of the k-th rule, for real state variables and receptors to which something comes."""
        form, rule, written, sent = passage.form, passage.rules[k], passage.written[k], k == 2
        before = () if k == 0 and form.detached else passage.real
        known = {*before, *form.arriving, *form.trained}
        wrt = tuple(name for name in rule.arguments if name in known)
        places = {name: place + sent for place, name in enumerate(written) if name in passage.real}
        seeds = {f"d_{place}": f"g_{name}" for name, place in places.items()}
        if sent:
            seeds["d_0"] = "g_event"
        apart = tuple(place for name, place in places.items() if sent and name in form.apart)
        returned = (*([0] if sent else []), *places.values())
        assert form.surrogate is not None
        return _Back(adjoint(rule, wrt, returned, form.surrogate, apart), wrt, seeds)
