"""An operator as it runs: where the numbers that it reads lie, and where its output goes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from ..neurons.model import Value, reading_of
from ..neurons.specialise import Variant
from .operators import Units, elements_of, kind_of, units_of
from .parts import Operator, Population
from .plan import Plan


@dataclass(frozen=True)
class Gather:
    """Numbers of one group that become a part of one argument of an operator.

    Attributes
    ----------
    group : str
        The group.
    rule : Variant
        What is read of one neuron; its arguments are state variables (of an operator `value`), constants, and
        `now`.
    constants : dict
        The constants that it names, in the user's order.
    argument : int
        The argument, counted from 0.
    index : int64 array (rows, width)
        Places of storage, -1 for a zero.
    start, columns : int
        Where the first row begins in the vector of all that the operator reads, and how far apart rows are.
    """

    group: str
    rule: Variant
    constants: dict[str, Value]
    argument: int
    index: np.ndarray
    start: int
    columns: int

    def into(self) -> np.ndarray:
        """Return where each number goes in the vector of all that the operator reads, (rows, width)."""
        rows, width = self.index.shape
        return self.start + self.columns * np.arange(rows)[:, None] + np.arange(width)


@dataclass(frozen=True)
class Operation:
    """An operator of a plan.

    Attributes
    ----------
    operator : Operator
        The description.
    units : Units
        How its work is divided.
    gathers : tuple of Gather
        What fills the vector of all that it reads.
    starts : tuple of int
        Where each argument begins in it, and its end.
    elements : int64 array (n,)
        Which element of the output each place of storage holds.
    """

    operator: Operator
    units: Units
    gathers: tuple[Gather, ...]
    starts: tuple[int, ...]
    elements: np.ndarray

    @property
    def size(self) -> int:
        """How many numbers it reads."""
        return self.starts[-1]

    @property
    def together(self) -> int:
        """How many units that follow one another are not to be parted: they share what they read, or rows."""
        rows = self.operator.arguments[0].shape[-1] if kind_of(self.operator).elementwise else 1
        return math.lcm(rows, *self.units.shares)

    @property
    def in_order(self) -> bool:
        """Whether elements lie in storage one behind the other."""
        return bool((self.elements == np.arange(self.elements.size)).all())

    @property
    def places(self) -> np.ndarray:
        """Where each element of the output is stored, int64 (n,)."""
        places = np.empty_like(self.elements)
        places[self.elements] = np.arange(places.size)
        return places


def operation_of(plan: Plan, name: str) -> Operation:
    """Return how the operator of this name runs."""
    operator, gathers = plan.operator(name), []
    arguments = operator.arguments
    starts = tuple(accumulate((int(np.prod(a.shape)) for a in arguments), initial=0))
    for k, argument in enumerate(arguments):
        columns, start = argument.shape[-1], starts[k]
        for read, places in zip(argument.reads, argument.places, strict=True):
            rule, constants = _reading(plan, read.group.label, read.name)
            width = places.shape[-1]
            stored = plan.groups[read.group.label].places(np.maximum(places, 0))
            index = np.where(places < 0, -1, stored).reshape(-1, width)
            gathers.append(Gather(read.group.label, rule, constants, k, index, start, columns))
            start += width
    elements = plan.groups[name].stored(elements_of(operator))
    return Operation(operator, units_of(operator), tuple(gathers), starts, elements)


def _reading(plan: Plan, group: str, variable: str) -> tuple[Variant, dict[str, Value]]:
    part = plan.groups[group].part
    if not isinstance(part, Population):
        return reading_of(variable), {}
    rule = part.model.reading(variable)
    states = {state.name for state in part.model.used_states}
    names = [name for name in rule.arguments if name not in states and name != "now"]
    return rule, part.model.constants(plan.dt, names)
