"""One pass through a circuit: totals from what cells tell, and what they tell from their totals."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from ...engine.operators import KINDS, OperatorKind, Units
from ...neurons.errors import ConversionError
from ...neurons.scalars import SCALARS
from ..graphs.maps import apply
from .circuit import Cell, Circuit, Rows, Term

#: So many samples are evaluated together: more would leave the cache.
BATCH = 64


@dataclass
class Signals:
    """What a batch of samples makes of a circuit so far.

    Attributes
    ----------
    totals : dict
        u of each cell, [batch, n].
    values : dict
        What it tells.
    counts : dict
        The same as whole numbers, where it has a code.
    """

    totals: dict[str, np.ndarray] = field(default_factory=dict)
    values: dict[str, np.ndarray] = field(default_factory=dict)
    counts: dict[str, np.ndarray] = field(default_factory=dict)

    def part(self, samples: slice | np.ndarray) -> Signals:
        """Return those of some samples."""
        views = ({name: a[samples] for name, a in kind.items()}
                 for kind in (self.totals, self.values, self.counts))  # fmt: skip
        return Signals(*views)

    def copy(self) -> Signals:
        """Return them such that a change of these changes no other."""
        return Signals({**self.totals}, {**self.values}, {**self.counts})

    def repeat(self, n: int) -> Signals:
        """Return those of one sample for a batch of n."""
        kinds = (self.totals, self.values, self.counts)
        return Signals(*({name: a.repeat(n, axis=0) for name, a in kind.items()} for kind in kinds))

    @staticmethod
    def joined(batches: Sequence[Signals]) -> Signals:
        """Return those of all samples of several batches."""
        return Signals(*(
            {name: np.concatenate([getattr(batch, kind)[name] for batch in batches]) for name in first}
            for kind, first in vars(batches[0]).items()
        ))  # fmt: skip


def function_of(cell: Cell, u: np.ndarray) -> np.ndarray:
    """Return f of a cell's totals, in their precision."""
    if cell.function == "one_hot":
        return u
    return np.asarray(SCALARS[cell.function](u, *map(u.dtype.type, cell.parameters)), u.dtype)


def totals_of(cell: Cell, signals: Signals, like: np.ndarray) -> np.ndarray:
    """Return u of a cell that is no input, [batch, n], in the precision of `like`, a batch."""
    if cell.rows is not None:
        return rows_of(cell.rows, signals)
    u = np.zeros((len(like), cell.n), like.dtype)
    for term in cell.terms:
        told = (signals.values if cell.step is None else signals.counts)[term.source]
        u += heard(term, told)
    return u if cell.bias is None else u + cell.bias.astype(u.dtype)


def heard(term: Term, told: np.ndarray) -> np.ndarray:
    """Return what a term of a circuit makes of what its source tells, [batch, n]."""
    index = term.index
    if index is not None:
        picked = told[:, index]
        told = picked if (index >= 0).all() else np.where(index >= 0, picked, told.dtype.type(0))
    return apply(term.op, term.values, term.options, told)


def rows_of(rows: Rows, signals: Signals) -> np.ndarray:
    """Return what an operator computes of what it reads, [batch, n].

    The engine's own row function computes it, for all rows at a time.
    """
    if rows.dense:
        reads = [(signals.totals if what == "total" else signals.values)[cell][:, places]
                 for cell, what, places in rows.reads]  # fmt: skip
        return np.asarray(rows.options["call"](reads))
    kind, units = units_of(rows)
    arguments: dict[str, Any] = {**units.sizes}
    n = 0
    for name, (cell, what, places), width, share in zip(
        kind.arguments, rows.reads, units.widths, units.shares, strict=True
    ):
        read = (signals.totals if what == "total" else signals.values)[cell][:, places.reshape(-1)]
        n = len(read)
        units_first = read.reshape(n, -1, width).repeat(share, axis=1)
        arguments[name] = np.ascontiguousarray(units_first.reshape(-1, width).T)
    y = np.empty((units.out, n * units.n), read.dtype)
    options = {**kind.options, **rows.options}
    if "function" in options:
        options["function"] = _bound(options["function"], tuple(options.pop("parameters", ())), y.dtype.type)
    named = {**arguments, **options, "y": y}
    kind.row(**{name: named[name] for name in _names(kind.row)})
    return np.ascontiguousarray(y.T).reshape(n, -1)


def units_of(rows: Rows) -> tuple[OperatorKind, Units]:
    """Return what an operator is, and how its work falls into rows."""
    kind = KINDS[rows.kind]
    units = kind.units([places.shape for _, _, places in rows.reads], rows.options)
    assert not isinstance(units, str), f"{rows.kind} reads {units}"
    return kind, units


def _bound(function: str, parameters: tuple[float, ...], real: Any) -> Callable[[Any], Any]:
    scalar, numbers = SCALARS[function], [real(value) for value in parameters]
    return lambda x: scalar(x, *numbers)


@cache
def _names(row: Callable[..., None]) -> tuple[str, ...]:
    return tuple(inspect.signature(row).parameters)


def unfolded(circuit: Circuit, x: np.ndarray) -> np.ndarray:
    """Return samples as the input cell has them, [batch, n]: one neuron for each value, or for each index."""
    flat = x.reshape(len(x), -1)
    if circuit.input.function != "one_hot":
        return flat
    vocabulary = int(circuit.input.parameters[0])
    if flat.min() < 0 or flat.max() >= vocabulary or np.any(flat != np.floor(flat)):
        raise ConversionError(
            f"x: got indices from {flat.min():g} to {flat.max():g}; allowed are whole numbers from 0 to "
            f"{vocabulary - 1}"
        )
    return np.eye(vocabulary, dtype=np.float32)[flat.astype(np.int64)].reshape(len(x), -1)


def exact(circuit: Circuit, x: np.ndarray) -> np.ndarray:
    """Return the answer if every cell told f(u) as it is: what the trained network computes.

    Parameters
    ----------
    circuit : Circuit
        With or without codes.
    x : array (batch, ...)
        Samples; single or double precision, which is that of the answer.

    Returns
    -------
    array (batch, n)
    """
    flat = unfolded(circuit, x)
    return np.concatenate([_exact(circuit, part).totals[circuit.output.name] for part in batches(flat)])


def exact_signals(circuit: Circuit, x: np.ndarray) -> Signals:
    """Return all signals of the trained network for samples as the input cell has them."""
    return Signals.joined([_exact(circuit, part) for part in batches(x)])


def batches(x: np.ndarray) -> Iterator[np.ndarray]:
    """Split samples."""
    return (x[i : i + BATCH] for i in range(0, len(x), BATCH))


def _exact(circuit: Circuit, x: np.ndarray) -> Signals:
    signals = Signals()
    for cell in circuit.cells.values():
        u = x if cell is circuit.input else totals_of(cell, signals, x)
        signals.totals[cell.name] = u
        signals.values[cell.name] = u if cell is circuit.input else function_of(cell, u)
    return signals
