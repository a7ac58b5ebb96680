"""Sums of linear maps of what cells tell: what fusing a graph calculates with.

A form is a vector: for each of its parts, a linear operation of an atom's values, rearranged; plus a bias. An
atom is what one cell tells: a function of the totals that a base, a node of the graph, stands for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..graphs.graph import Node
from ..graphs.maps import Options, Values, apply
from .circuit import Term


@dataclass(frozen=True)
class Atom:
    """What a cell tells: f of the totals of a base.

    Attributes
    ----------
    base : str
        Name of a node.
    function : str
        f.
    parameters : tuple of float
        Its numbers.
    """

    base: str
    function: str = "identity"
    parameters: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Part:
    """One linear operation of an atom's values; `out[k]` is which of its results stands at k.

    Attributes
    ----------
    atom : Atom
        Whose values.
    op, values, options, index
        As of a `Term`.
    out : int64 array or None
        A permutation; None if results stand in their order.
    place : str
        Where it comes from.
    """

    atom: Atom
    op: str = "wire"
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    index: np.ndarray | None = None
    out: np.ndarray | None = None
    place: str = ""

    def term(self, source: str, index: np.ndarray | None) -> Term:
        """Return it as a term that hears a cell, whose values stand at `index`."""
        return Term(source, self.op, self.values, self.options, index, self.place)


@dataclass(frozen=True, eq=False)
class Form:
    """A sum of parts and a bias.

    Attributes
    ----------
    parts : tuple of Part
        All parts.
    bias : float64 array (n,)
        What does not depend on the input.
    places : tuple of str
        The operations that led here from the atoms.
    """

    parts: tuple[Part, ...]
    bias: np.ndarray
    places: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Number of values."""
        return len(self.bias)

    @property
    def wired(self) -> bool:
        """Whether each value is at most one value that a cell tells, times a weight, plus a constant."""
        if any(part.op != "wire" for part in self.parts):
            return False
        return bool((sum(_present(part, self.n) for part in self.parts) <= np.ones(self.n)).all())

    @property
    def plain(self) -> bool:
        """Whether all values are exactly what one cell tells, in any order."""
        if len(self.parts) != 1 or not self.wired or self.bias.any():
            return False
        part = self.parts[0]
        return not part.values and (part.index is None or bool((part.index >= 0).all()))

    def places_of(self) -> np.ndarray:
        """Return where each value of a plain form stands in its atom."""
        index = self.parts[0].index
        return np.arange(self.n) if index is None else index


def told(atom: Atom, n: int) -> Form:
    """Return the form that is an atom's values."""
    return Form((Part(atom),), np.zeros(n))


def constant(value: np.ndarray) -> Form:
    """Return a form without parts."""
    return Form((), np.asarray(value, np.float64).reshape(-1))


def total_of(forms: Sequence[Form]) -> Form | None:
    """Return the sum; None where linear operations leave their results in different orders.

    Wires can follow any order, so only parts that are none must agree.
    """
    orders = [part.out for form in forms for part in form.parts if part.op != "wire"]
    if any(not _same(order, orders[0]) for order in orders):
        return None
    bias = np.sum([form.bias for form in forms], axis=0)
    places = tuple(dict.fromkeys(place for form in forms for place in form.places))
    return Form(tuple(part for form in forms for part in form.parts), bias, places)


def gather(form: Form, index: np.ndarray) -> Form | None:
    """Return the values at `index` (-1: zero); None where an operation's results cannot be picked so."""
    parts = [_picked(part, index, form.n) for part in form.parts]
    if any(part is None for part in parts):
        return None
    return Form(tuple(p for p in parts if p is not None), _at(form.bias, index, 0.0), form.places)


def join(forms: Sequence[Form], index: np.ndarray) -> Form | None:
    """Return what stands at `index` of all forms, one behind the other; None where that cannot be said."""
    ends = np.cumsum([form.n for form in forms])
    pieces = []
    for form, end in zip(forms, ends, strict=True):
        here = np.where((index >= end - form.n) & (index < end), index - (end - form.n), -1)
        if (here >= 0).any():
            pieces.append(gather(form, here))
    kept = [piece for piece in pieces if piece is not None]
    return total_of(kept) if kept and len(kept) == len(pieces) else None


def scaled(form: Form, gain: np.ndarray, shift: np.ndarray) -> Form | None:
    """Return gain * form + shift; None where weights that are shared would need different gains."""
    parts = [_louder(part, gain) for part in form.parts]
    if any(part is None for part in parts):
        return None
    return Form(tuple(p for p in parts if p is not None), gain * form.bias + shift, form.places)


def mapped(form: Form, node: Node) -> Form | None:
    """Return a linear operation of a wired form; None where its weights would need different gains."""
    options = dict(node.options)
    values = {name: array for name, array in node.values.items() if name != "bias"}
    bias = apply(node.op, values, options, form.bias[None])[0]
    if "bias" in node.values:
        bias = bias + _by_output(node, len(bias))
    parts = []
    for part in form.parts:
        own = values
        if "weight" in part.values:
            gains = np.where(_present(part, form.n), part.values["weight"], np.nan)
            taken = taking(node.op, node.values, node.options, gains)
            if taken is None:
                return None
            own = taken
        parts.append(Part(part.atom, node.op, own, options, part.index, None, node.label))
    return Form(tuple(parts), bias, (*form.places, node.label))


def _by_output(node: Node, n: int) -> np.ndarray:
    """Return the bias of each result: a linear operation's by column, a convolution's by channel."""
    bias = np.asarray(node.values["bias"], np.float64).reshape(-1)
    return np.tile(bias, n // len(bias)) if node.op == "linear" else np.repeat(bias, n // len(bias))


def _present(part: Part, n: int) -> np.ndarray:
    return np.ones(n, bool) if part.index is None else part.index >= 0


def _at(values: np.ndarray, index: np.ndarray, outside: float) -> np.ndarray:
    return np.where(index >= 0, values[index], outside)


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))


def _picked(part: Part, index: np.ndarray, n: int) -> Part | None:
    if part.op == "wire":
        places = np.arange(n) if part.index is None else part.index
        values = {name: _at(value, index, 0.0) for name, value in part.values.items()}
        return replace(part, index=_at(places, index, -1), values=values)
    out = index if part.out is None else _at(part.out, index, -1)
    if len(index) == n and np.array_equal(np.sort(out), np.arange(n)):
        return replace(part, out=None if np.array_equal(out, np.arange(n)) else out)
    return _sliced(part, out, n) if part.out is None else None


def by_unit(op: str, units: int, values: np.ndarray) -> np.ndarray:
    """Return values as [place, unit]: columns of a linear operation, channels of an image."""
    return values.reshape(-1, units) if op == "linear" else values.reshape(units, -1).T


def _sliced(part: Part, out: np.ndarray, n: int) -> Part | None:
    """Return a part that computes some columns (or channels) of its results, at every place; else None."""
    if (out < 0).any() or part.op not in ("linear", "conv") or part.options.get("groups", 1) != 1:
        return None
    weight = part.values["weight"]
    places = n // len(weight)
    if len(out) % places:
        return None
    results = by_unit(part.op, len(weight), np.arange(n))
    wanted = by_unit(part.op, len(out) // places, out)
    unit_of = np.empty(n, np.int64)
    unit_of[results] = np.arange(len(weight))
    units = unit_of[wanted[0]]
    if not np.array_equal(results[:, units], wanted):
        return None
    return replace(part, values={**part.values, "weight": weight[units]})


def _louder(part: Part, gain: np.ndarray) -> Part | None:
    """Return a part times a gain for each result; None where weights that are shared would differ."""
    if part.op == "wire":
        return replace(part, values={"weight": gain * part.values.get("weight", 1.0)})
    if "weight" not in part.values:
        return None
    natural = gain
    if part.out is not None:
        natural = np.empty_like(gain)
        natural[part.out] = gain
    weight, groups = part.values["weight"], part.options.get("groups", 1)
    units = weight.shape[1] * groups if part.op == "conv_transpose" else len(weight)
    factors = shared(by_unit(part.op, units, natural))
    if factors is None:
        return None
    if part.op == "conv_transpose":
        louder = weight.reshape(groups, -1, *weight.shape[1:]) * factors.reshape(groups, 1, -1, 1, 1)
    else:
        louder = weight * factors.reshape(-1, *[1] * (weight.ndim - 1))
    return replace(part, values={**part.values, "weight": louder.reshape(weight.shape)})


def taking(op: str, values: Values, options: Options, gain: np.ndarray) -> dict[str, np.ndarray] | None:
    """Return the weights of an operation whose argument is multiplied by gains before.

    Parameters
    ----------
    op, values, options
        As of a `Term`.
    gain : array (n,)
        For each value that it reads; NaN where any will do.

    Returns
    -------
    dict or None
        None where weights that are shared would need different gains.

    Examples
    --------
    >>> weight = np.array([[1.0, 2.0]])
    >>> taking("linear", {"weight": weight}, {}, np.array([3.0, 4.0, np.nan, 4.0]))
    {'weight': array([[3., 8.]])}
    >>> taking("linear", {"weight": weight}, {}, np.array([3.0, 4.0, 5.0, 4.0])) is None
    True
    """
    if op == "wire":
        return {"weight": gain * values.get("weight", 1.0)}
    if "weight" not in values:
        return None
    weight, groups = np.asarray(values["weight"], np.float64), options.get("groups", 1)
    factors = shared(by_unit(op, weight.shape[1] if op == "linear" else options["image"][0], gain))
    if factors is None:
        return None
    if op == "conv":
        louder = weight.reshape(groups, -1, *weight.shape[1:]) * factors.reshape(groups, 1, -1, 1, 1)
    else:
        louder = weight * factors.reshape((-1, 1, 1, 1) if op == "conv_transpose" else -1)
    return {"weight": louder.reshape(weight.shape)}


def shared(values: np.ndarray) -> np.ndarray | None:
    """Return the one number of each unit (NaN: any number), or None where a unit has several."""
    known = ~np.isnan(values)
    factors = values[known.argmax(axis=0), np.arange(values.shape[1])]
    factors = np.where(known.any(axis=0), factors, 0.0)
    return None if (known & (values != factors)).any() else factors
