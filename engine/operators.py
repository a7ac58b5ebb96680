"""What operators compute: one function over one row, written once for every backend.

A row function names what it needs: its arguments and its output `y` (arrays of real numbers, read and
written by index), sizes (whole numbers, such as the width `n`), options, and the words of the neurons'
vocabulary; `function(x)` is a function of `neurons/scalars.py` that an option names. It is made of loops over
ranges, assignments and arithmetic. Elements may be whole vectors: it computes many rows at a time where NumPy
runs it. A new operator is one function and one line in `KINDS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..neurons.errors import SpecError, nearest
from ..neurons.scalars import SCALARS
from ..neurons.vocabulary import exp, maximum, sqrt, where

if TYPE_CHECKING:
    from .parts import Operator

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Units:
    """How an operator's work falls into units, each a call of its row function.

    Attributes
    ----------
    shape : tuple of int
        Shape of the output; that of one unit follows that of the one before.
    n : int
        How many.
    widths : tuple of int
        How many numbers of each argument one reads.
    shares : tuple of int
        How many units that follow one another read the same ones.
    out : int
        How many numbers it writes.
    sizes : dict
        The sizes that the row function names; an option of the same name is then a whole number.
    """

    shape: Shape
    n: int
    widths: tuple[int, ...]
    shares: tuple[int, ...]
    out: int
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class OperatorKind:
    """One kind of operator.

    Attributes
    ----------
    name : str
        How users call it.
    row : function
        Computes one unit; see the module's text.
    arguments : tuple of str
        What its arguments are called.
    options : dict
        Name -> default: a number or a truth value. "function" names a function of one number; None: must be
        given.
    units : function
        (shapes of the arguments, options) -> Units, or an error's text.
    elementwise : bool
        Whether it computes each number of the output from those at the same place of its arguments.
    spread : function, optional
        (units) -> how many products each number of each argument is part of, where the count is of events
        that meet what the other argument has told instead of rows computed.
    """

    name: str
    row: Callable[..., None]
    arguments: tuple[str, ...] = ("x",)
    options: Mapping[str, Any] = field(default_factory=dict)
    units: Callable[[Sequence[Shape], Mapping[str, Any]], Units | str] = field(
        default_factory=lambda: rows_alike
    )
    elementwise: bool = False
    spread: Callable[[Units], tuple[int, ...]] | None = None


# Units


def rows_alike(shapes: Sequence[Shape], options: Mapping[str, Any]) -> Units | str:
    """Return units of one row each, as wide as the output's."""
    if len(set(shapes)) > 1:
        return "arguments of one shape"
    *rows, n = shapes[0]
    return Units(shapes[0], math.prod(rows), (n,) * len(shapes), (1,) * len(shapes), n, {"n": n})


def rows_to_numbers(shapes: Sequence[Shape], options: Mapping[str, Any]) -> Units | str:
    """Return units that make one number of a row."""
    units = rows_alike(shapes, options)
    if isinstance(units, str):
        return units
    return Units(shapes[0][:-1] or (1,), units.n, units.widths, units.shares, 1, units.sizes)


def rows_of_largest(shapes: Sequence[Shape], options: Mapping[str, Any]) -> Units | str:
    """Return units of one row each, of which k numbers stay."""
    units, k = rows_alike(shapes, options), options["k"]
    if isinstance(units, str):
        return units
    if k != int(k) or k < 1:
        return f"a whole number k from 1, but k is {k:g}"
    return replace(units, sizes={**units.sizes, "k": min(int(k), shapes[0][-1])})


def numbers_alike(shapes: Sequence[Shape], options: Mapping[str, Any]) -> Units | str:
    """Return units of one number each."""
    if len(set(shapes)) > 1:
        return "arguments of one shape"
    ones = (1,) * len(shapes)
    return Units(shapes[0], math.prod(shapes[0]), ones, ones, 1, {"n": 1})


def rows_by_columns(shapes: Sequence[Shape], options: Mapping[str, Any]) -> Units | str:
    """Return units of one row of a product of matrices."""
    a, b = shapes
    if len(a) < 2 or len(b) < 2 or a[:-2] != b[:-2] or a[-1] != b[-2]:
        return "(..., m, k) and (..., k, n), alike in what stands before"
    m, k, n = a[-2], a[-1], b[-1]
    sizes = {"k": k, "n": n}
    return Units((*a[:-1], n), math.prod(a[:-1]), (k, k * n), (1, m), n, sizes)


def heads(shapes: Sequence[Shape], options: Mapping[str, Any]) -> Units | str:
    """Return units of one head of a recurrence over tokens."""
    q, k, v, a = shapes
    if not (q == k == a and len(q) == len(v) > 1 and q[:-1] == v[:-1]):
        return "q, k and a (..., tokens, d_k) and v (..., tokens, d_v), alike in what stands before"
    tokens, d_k, d_v = q[-2], q[-1], v[-1]
    widths = (tokens * d_k, tokens * d_k, tokens * d_v, tokens * d_k)
    sizes = {"tokens": tokens, "d_k": d_k, "d_v": d_v}
    return Units(v, math.prod(q[:-2]), widths, (1,) * 4, tokens * d_v, sizes)


# Row functions


def softmax(x: Any, y: Any, n: Any) -> None:
    """Write exp(x_i - max x) / sum_j exp(x_j - max x), summed in ascending order."""
    top = x[0]
    for i in range(1, n):
        top = maximum(top, x[i])
    total = 0.0
    for i in range(n):
        y[i] = exp(x[i] - top)
        total = total + y[i]
    for i in range(n):
        y[i] = y[i] / total


def normalise(x: Any, y: Any, n: Any, eps: Any, centred: Any) -> None:
    """Write (x_i - m) / sqrt(mean_j (x_j - m)^2 + eps), m the mean of x, or 0 where it is not centred."""
    mean = 0.0
    if centred != 0:
        for i in range(n):
            mean = mean + x[i]
        mean = mean / n
    square = 0.0
    for i in range(n):
        y[i] = x[i] - mean
        square = square + y[i] * y[i]
    spread = sqrt(square / n + eps)
    for i in range(n):
        y[i] = y[i] / spread


def largest(x: Any, y: Any, n: Any) -> None:
    """Write the largest x_i."""
    top = x[0]
    for i in range(1, n):
        top = maximum(top, x[i])
    y[0] = top


def leading(x: Any, y: Any, n: Any, k: Any) -> None:
    """Write the k largest x_i that are above 0, of equal ones the first, and 0 for all others."""
    for i in range(n):
        y[i] = 0.0
    for _turn in range(k):
        top = 0.0
        for i in range(n):
            top = maximum(top, where(y[i] > 0.0, 0.0, x[i]))
        free = 1.0
        for i in range(n):
            taken = where(y[i] > 0.0, 0.0, where(x[i] >= top, free, 0.0))
            y[i] = where(taken > 0.0, x[i], y[i])
            free = free - taken


def mapped(x: Any, y: Any, n: Any, function: Any) -> None:
    """Write f(x_i)."""
    for i in range(n):
        y[i] = function(x[i])


def product(a: Any, b: Any, y: Any, n: Any, function: Any) -> None:
    """Write f(a_i) b_i."""
    for i in range(n):
        y[i] = function(a[i]) * b[i]


def added(a: Any, b: Any, y: Any, n: Any) -> None:
    """Write a_i + b_i."""
    for i in range(n):
        y[i] = a[i] + b[i]


def matmul(a: Any, b: Any, y: Any, k: Any, n: Any) -> None:
    """Write sum_l a_l b_lj for each column j, in ascending order of l."""
    for j in range(n):
        y[j] = 0.0
    for l in range(k):  # noqa: E741
        for j in range(n):
            y[j] = y[j] + a[l] * b[l * n + j]


def scan(q: Any, k: Any, v: Any, a: Any, y: Any, tokens: Any, d_k: Any, d_v: Any, backward: Any) -> None:
    """Write o_t = q_t S_t, where S_t = diag(a_t) S_(t-1) + k_t^T v_t, token by token from S = 0."""
    for i in range(tokens * d_v):
        y[i] = 0.0
    for i in range(d_k):
        for j in range(d_v):
            state = 0.0
            for step in range(tokens):
                t = step + backward * (tokens - 1 - 2 * step)
                state = a[t * d_k + i] * state + k[t * d_k + i] * v[t * d_v + j]
                y[t * d_v + j] = y[t * d_v + j] + q[t * d_k + i] * state


def _meetings(units: Units) -> tuple[int, ...]:
    """Return what a number of each factor of a product of matrices is multiplied with."""
    return units.sizes["n"], units.shares[1]


KINDS = {
    kind.name: kind
    for kind in (
        OperatorKind("softmax", softmax),
        OperatorKind("normalise", normalise, options={"eps": 1e-5, "centred": True}),
        OperatorKind("max", largest, units=rows_to_numbers),
        OperatorKind("top_k", leading, options={"k": None}, units=rows_of_largest),
        OperatorKind("map", mapped, ("x",), {"function": None}, numbers_alike, elementwise=True),
        OperatorKind(
            "product", product, ("a", "b"), {"function": "identity"}, numbers_alike, elementwise=True
        ),
        OperatorKind("add", added, ("a", "b"), units=numbers_alike, elementwise=True),
        OperatorKind("matmul", matmul, ("a", "b"), units=rows_by_columns, spread=_meetings),
        OperatorKind("scan", scan, ("q", "k", "v", "a"), {"backward": False}, heads),
    )
}


def kind_of(operator: Operator) -> OperatorKind:
    """Return the kind that an operator names, or raise SpecError."""
    try:
        return KINDS[operator.kind]
    except (KeyError, TypeError):
        raise SpecError(f"{operator.label}.kind: got {operator.kind!r}; there are {sorted(KINDS)}") from None


def checked_options(operator: Operator) -> dict[str, Any]:
    """Return an operator's options with their defaults, or raise SpecError."""
    kind, given = kind_of(operator), operator.options
    known = [*kind.options, *(["parameters"] if "function" in kind.options else [])]
    if not isinstance(given, Mapping):
        raise SpecError(f"{operator.label}.options: got {given!r}; allowed is a dict from names to values")
    for name in given:
        if name not in known:
            near = nearest(str(name), known)
            raise SpecError(
                f"{operator.label}.options: got {name!r}{near}; {operator.kind} has {known or 'none'}"
            )
    options = {name: _checked(operator, name, given.get(name, kind.options[name])) for name in kind.options}
    if "function" in kind.options:
        options["parameters"] = _parameters(operator, options["function"], given.get("parameters", ()))
    return options


def _checked(operator: Operator, name: str, value: Any) -> Any:
    default = kind_of(operator).options[name]
    if name == "function":
        if not isinstance(value, str) or value not in SCALARS:
            near = nearest(str(value), SCALARS)
            allowed = f"{near}; allowed is one of {[*SCALARS]}"
            raise SpecError(f"{operator.label}.options[{name!r}]: got {value!r}{allowed}")
        return value
    truth = isinstance(default, bool)
    good = isinstance(value, bool) if truth else isinstance(value, (int, float)) and math.isfinite(value)
    if not good or (isinstance(value, bool) and not truth):
        allowed = "True or False" if truth else "a finite number"
        raise SpecError(f"{operator.label}.options[{name!r}]: got {value!r}; allowed is {allowed}")
    return value if truth else float(value)


def _parameters(operator: Operator, function: str, given: Any) -> tuple[float, ...]:
    names = SCALARS[function].parameters
    try:
        values = tuple(float(value) for value in given)
    except (TypeError, ValueError):
        values = (math.nan,)
    if len(values) != len(names) or not all(map(math.isfinite, values)):
        raise SpecError(
            f"{operator.label}.options['parameters']: got {given!r}; {function} takes {len(names)} finite "
            f"numbers{': ' + ', '.join(names) if names else ''}"
        )
    return values


def units_of(operator: Operator) -> Units:
    """Return the units of an operator, or raise SpecError where its arguments do not fit."""
    kind, shapes = kind_of(operator), [argument.shape for argument in operator.arguments]
    if len(shapes) != len(kind.arguments):
        names = ", ".join(kind.arguments)
        raise SpecError(
            f"{operator.label}.inputs: {kind.name} reads {len(kind.arguments)} ({names}), got {len(shapes)}"
        )
    units = kind.units(shapes, operator.options)
    if isinstance(units, str):
        raise SpecError(f"{operator.label}.inputs: got shapes {shapes}; {kind.name} reads {units}")
    return units


def operator_shape(operator: Operator) -> Shape:
    """Return the shape of an operator's output, with its rows where those of its inputs are."""
    shape = units_of(operator).shape
    if operator.axis is None or len(shape) != len(operator.arguments[0].shape):
        return shape
    rows = list(shape[:-1])
    rows.insert(operator.axis % len(shape), shape[-1])
    return tuple(rows)


def elements_of(operator: Operator) -> np.ndarray:
    """Return which element of the output, unit by unit, each of an operator's neurons is, int64."""
    shape = units_of(operator).shape
    elements = np.arange(operator.n).reshape(shape)
    if operator.shape != shape:
        assert operator.axis is not None
        elements = np.moveaxis(elements, -1, operator.axis)
    return elements.reshape(-1)


def check_output(operator: Operator) -> None:
    """Raise SpecError unless what an operator writes to can take it."""
    output, label = operator.output, operator.label
    if output is None:
        return
    model = getattr(output, "model", None)
    if model is None or "take" not in model.signals():
        raise SpecError(
            f"{label}.output: got {output!r}; allowed is a Population of a model that takes what an operator "
            "computes, such as EventNeuron or ReLU"
        )
    if output.n != operator.n:
        raise SpecError(f"{label}.output: {output.label} has {output.n} neurons; allowed are {operator.n}")
