"""What a neuron is: data about its state and parameters, and three pure functions over scalars.

A model is a frozen dataclass. Its fields are its parameters; its functions say how it moves:

* `derive(elapsed)` turns parameters into the constants of one step (in float64, once);
* `flow` lets time pass, `jump` takes the input, `fire` compares with the threshold and resets.

The functions name what they need as arguments: state variables, constants of `derive`, receptors
(their summed input in this step), `now` (the step's number), or static options, which are folded
away before any backend sees the function. `flow` and `jump` return the first state variables they
take, in that order; `fire` returns what is sent and then the first state variables it takes. One that a
variant returns as it was given costs nothing.

A model may also say what operators read of it and write into it, by rules like the others: `total`, what its
input adds up to; `told`, the value that its events have told the world; `take`, its state once `taken`, which
an operator computed, stands in place of all input. `take` follows `jump` in every step.
"""

from __future__ import annotations

import ast
import copy
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np

from .chain import chain
from .errors import SpecError
from .parameters import Parameter, Parameterised
from .specialise import Variant, specialise

__all__ = [
    "MOST_STEPS",
    "SIGNALS",
    "NeuronModel",
    "Parameter",
    "Payload",
    "Rules",
    "State",
    "Value",
    "decay_of",
    "steps_of",
]

#: No simulation is longer, in steps: so that inside neurons the sum of two step numbers fits 32 bits.
MOST_STEPS = 2**30

#: What operators read of a model that has such a rule.
SIGNALS = ("total", "told")

Value = float | np.ndarray
Payload = Literal["unit", "integer", "real"]


@dataclass(frozen=True)
class State:
    """One state variable of a neuron.

    Attributes
    ----------
    name
        How the model's functions call it.
    initial
        Value at the start, unless the population gives another.
    kind
        "float", or "integer" for counters and step numbers (32 bits).
    unit
        Its unit, "1" where dimensionless.
    low, high
        The least and the largest value that it may be given, where there are such.
    """

    name: str
    initial: float = 0.0
    kind: Literal["float", "integer"] = "float"
    unit: str = "1"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Rules:
    """The three functions of one variant of a model, with their options folded."""

    flow: Variant
    jump: Variant
    fire: Variant


@dataclass(frozen=True, eq=False)
class NeuronModel(Parameterised):
    """Base class of every neuron model; see the module's text for how to write one.

    Attributes
    ----------
    states : tuple of State
        All state variables; those that a variant does not use are dropped. A class attribute, or a
        property where they depend on parameters.
    receptors : tuple of str
        Names under which input arrives; a projection without a receptor goes to the first.
    payload : "unit", "integer" or "real"
        What a spike carries.
    at_rest_without_input : bool
        Whether a neuron that gets no input in a step stays as it is and sends nothing, so that backends may
        pass it over.
    tells_at_once : bool
        Whether a neuron that gets no input in a step sends nothing, if it was updated in the step before.
    waits : int
        First steps of a simulation in which something may be kept back although nothing is sent.
    """

    at_rest_without_input: ClassVar[bool] = False
    #: Whether an operator computes what stands in place of its input: see `taking`.
    takes: ClassVar[bool] = False
    flow: ClassVar[Callable[..., Any]]
    jump: ClassVar[Callable[..., Any]]
    fire: ClassVar[Callable[..., Any]]

    def __post_init__(self) -> None:
        self.check_fields(type(self).__name__)
        self.per_neuron()
        self.check()

    def check(self) -> None:
        """Raise SpecError where parameters contradict each other; models override it."""

    @property
    def states(self) -> tuple[State, ...]:
        """All state variables that any variant may use."""
        return (State("v"),)

    @property
    def receptors(self) -> tuple[str, ...]:
        """Names under which input arrives."""
        return ("input",)

    @property
    def payload(self) -> Payload:
        """What an event of this model carries: 1, an integer, or a real number."""
        return "unit"

    @property
    def payload_bound(self) -> int:
        """Largest magnitude of an integer payload (1 for unit spikes)."""
        return 1

    @property
    def multiplies(self) -> bool:
        """Whether synapses must multiply their weight by what an event carries, not just add it."""
        return self.payload != "unit"

    @property
    def tells_at_once(self) -> bool:
        """Whether nothing is kept back for a later step."""
        return self.at_rest_without_input

    @property
    def waits(self) -> int:
        """First steps of a simulation in which something may be kept back although nothing is sent."""
        return 0

    @property
    def events_in(self) -> np.ndarray | None:
        """How many events an integer payload stands for, by magnitude up to the bound; None if always one."""
        return None

    def least_weight(self, receptor: str) -> float:
        """Return the smallest weight that a receptor can take: minus infinity, or 0 for conductances."""
        return -np.inf

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step of `elapsed` seconds, as numbers or one array per neuron.

        Whole numbers (NumPy integers) stay integers on every backend; all else becomes a float.
        """
        return {}

    def functions(self) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
        """Return (flow, jump, fire); a model with several forms may choose here."""
        cls = type(self)
        return cls.flow, cls.jump, cls.fire

    def after_flow(self) -> tuple[Callable[..., Any], ...]:
        """Return rules that follow `flow`, as parts of it: what a base class does to every model's state."""
        return ()

    def signals(self) -> dict[str, Callable[..., Any]]:
        """Return the rules by which operators read ("total", "told") and write ("take")."""
        rules = {name: getattr(type(self), name, None) for name in (*SIGNALS, "take")}
        return {name: rule for name, rule in rules.items() if rule is not None}

    def taking(self) -> Self:
        """Return this model with its input replaced by what an operator computes."""
        model = copy.copy(self)
        for name in ("rules", "used_states", "constant_names"):
            model.__dict__.pop(name, None)
        object.__setattr__(model, "takes", True)
        return model

    @cached_property
    def readable(self) -> tuple[str, ...]:
        """What operators can read of a neuron: its state variables, the first one first, and its signals."""
        return (*(state.name for state in self.used_states), *(s for s in SIGNALS if s in self.signals()))

    def reading(self, variable: str) -> Variant:
        """Return the rule of one of `readable`, whose arguments are state variables, constants, and `now`."""
        if variable in self.signals():
            return specialise(self.signals()[variable], self.options(), [s.name for s in self.states])
        return reading_of(variable)

    def initial(self) -> dict[str, Value]:
        """Return initial values that differ from the declared ones, by state variable."""
        return {}

    @cached_property
    def rules(self) -> Rules:
        """The three functions with this model's options folded."""
        options, names = self.options(), tuple(state.name for state in self.states)
        flow, jump, fire = (specialise(function, options, names) for function in self.functions())
        for function in self.after_flow():
            flow = chain(flow, specialise(function, options, names), names)
        if self.takes:
            jump = chain(jump, specialise(self.signals()["take"], options, names), names)
        rules = Rules(flow, jump, fire)
        for rule, first in ((rules.flow, ""), (rules.jump, ""), (rules.fire, "what is sent and then ")):
            states = self._states_of(rule)
            if rule.n_returned - bool(first) > len(states):
                raise SpecError(
                    f"{type(self).__name__}.{rule.name}: returns {rule.n_returned} values, its state "
                    f"variables are {states}; allowed is to return {first}the first of those"
                )
        return rules

    def _states_of(self, rule: Variant) -> tuple[str, ...]:
        names = {state.name for state in self.states}
        return tuple(name for name in rule.arguments if name in names)

    def written(self, rule: Variant) -> tuple[str, ...]:
        """Return the state variables that one of this model's rules returns, in the order returned."""
        sent = 1 if rule is self.rules.fire else 0
        return self._states_of(rule)[: rule.n_returned - sent]

    @cached_property
    def used_states(self) -> tuple[State, ...]:
        """The state variables that this variant reads or writes, in the declared order."""
        rules = self.rules
        used = {*rules.flow.arguments, *rules.jump.arguments, *rules.fire.arguments}
        return tuple(state for state in self.states if state.name in used)

    @cached_property
    def constant_names(self) -> tuple[str, ...]:
        """The constants of `derive` that this variant reads, in order of first use."""
        rules = self.rules
        known = {state.name for state in self.states} | set(self.receptors) | {"now", "taken"}
        names = [*rules.flow.arguments, *rules.jump.arguments, *rules.fire.arguments]
        return tuple(dict.fromkeys(name for name in names if name not in known))

    def constants(self, elapsed: float, names: Collection[str] | None = None) -> dict[str, Value]:
        """Return the derived constants that this variant reads, or those of these names.

        Raises
        ------
        SpecError
            If a function names something that nobody supplies.
        """
        derived = self.derive(elapsed)
        names = self.constant_names if names is None else names
        missing = [name for name in names if name not in derived]
        if missing:
            raise SpecError(
                f"{type(self).__name__}: its functions take {missing}, which are neither state variables, "
                f"receptors, options, `now`, nor constants of derive() ({sorted(derived)})"
            )
        return {name: _short(derived[name]) for name in names}

    def unit_of(self, variable: str) -> str:
        """Return the unit of a state variable, "1" where it has none."""
        return next((state.unit for state in self.states if state.name == variable), "1")

    def per_neuron(self) -> int | None:
        """Return how many neurons array-valued parameters describe, or None if all are scalars.

        Raises
        ------
        SpecError
            If two arrays differ in size.
        """
        sizes = {name: array.size for name, array in self.arrays().items()}
        if len(set(sizes.values())) > 1:
            raise SpecError(f"{type(self).__name__}: per-neuron arrays have different sizes {sizes}")
        return next(iter(sizes.values()), None)


def reading_of(variable: str) -> Variant:
    """Return the rule that reads a variable as it is."""
    tree = ast.parse(f"def read({variable}):\n    return {variable}").body[0]
    assert isinstance(tree, ast.FunctionDef)
    return Variant("read", tree, (variable,), 1, frozenset())


def _short(value: Value) -> Value:
    """Return a constant for rules that count steps in 32 bits: whole numbers beyond every run are cut off."""
    whole = isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "iu"
    return np.clip(value, 1 - MOST_STEPS, MOST_STEPS - 1) if whole else value


def steps_of(duration: float | np.ndarray, elapsed: float) -> Any:
    """Return a duration as a whole number of steps, rounded to the nearest (ties up), 2**62 at most."""
    with np.errstate(over="ignore"):
        steps = np.floor(np.asarray(duration, dtype=np.float64) / elapsed + 0.5)
    return np.minimum(steps, 2.0**62).astype(np.int64)


def decay_of(tau: Value, elapsed: float) -> Any:
    """Return exp(-elapsed / tau): what is left of an exponential after one step."""
    return np.exp(-elapsed / np.asarray(tau)) if isinstance(tau, np.ndarray) else math.exp(-elapsed / tau)
