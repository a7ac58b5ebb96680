"""What operators compute: one function over one row, written once for every backend.

A row function takes the row's input values, the row's output and the row's length, all float32, and
uses loops, arithmetic and the words of the neurons' vocabulary. A new operator is one function and
one line in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..neurons.errors import SpecError
from ..neurons.vocabulary import exp, maximum

if TYPE_CHECKING:
    from .parts import Operator


@dataclass(frozen=True)
class OperatorKind:
    """One kind of operator.

    Attributes
    ----------
    name : str
        How users call it.
    row : function
        `row(x, y, n)` reads x[0..n) and writes y[0..n).
    evaluations : dict
        Scalar functions evaluated per element, for the counts.
    """

    name: str
    row: Callable[..., None]
    evaluations: dict[str, int]


def softmax(x: Any, y: Any, n: Any) -> None:
    """Write exp(x_i - max x) / sum_j exp(x_j - max x), summed in ascending order."""
    top = x[0]
    for i in range(1, n):
        top = maximum(top, x[i])
    total = x[0] - x[0]
    for i in range(n):
        y[i] = exp(x[i] - top)
        total = total + y[i]
    for i in range(n):
        y[i] = y[i] / total


KINDS = {kind.name: kind for kind in (OperatorKind("softmax", softmax, {"exp": 1, "add": 2, "divide": 1}),)}


def kind_of(operator: Operator) -> OperatorKind:
    """Return the kind that an operator names, or raise SpecError."""
    try:
        return KINDS[operator.kind]
    except KeyError:
        raise SpecError(f"{operator.label}.kind: got {operator.kind!r}; there are {sorted(KINDS)}") from None


def operator_shape(operator: Operator) -> tuple[int, ...]:
    """Return the shape of an operator's output, after checking what it reads."""
    kind_of(operator)
    if len(operator.inputs) != 1:
        raise SpecError(
            f"{operator.label}.inputs: {operator.kind} reads one population, got {len(operator.inputs)}"
        )
    shape: tuple[int, ...] = operator.inputs[0].shape
    axis = -1 if operator.axis is None else operator.axis
    if not -len(shape) <= axis < len(shape):
        raise SpecError(f"{operator.label}.axis: got {operator.axis}; its input has {len(shape)} axes")
    if axis % len(shape) != len(shape) - 1:
        raise SpecError(f"{operator.label}.axis: got {operator.axis}; rows run along the last axis")
    return shape
