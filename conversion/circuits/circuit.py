"""A trained network as cells that tell each other whole numbers: what codes, emulation and lowering share.

Each cell has totals u, one for each of its neurons. They are either sums over what other cells have told
(plus a constant that enters once), or computed by an operator from other cells' totals or told values. A
cell that is coded tells theta * n, where n aims at round(f(u) / theta) within its range; one that is not is
only read by operators, or is the answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Term:
    """What one cell adds to the totals of another: a linear map of what it has told.

    Attributes
    ----------
    source : str
        The cell that tells.
    op : "linear", "conv", "conv_transpose", "mean_pool" or "wire"
        As in `graph.OPERATIONS`; "wire" adds values as they are, or each times its `weight`.
    values, options : mapping
        As there, without a bias; of "wire", {} or {"weight": array (n,)}.
    index : int64 array or None
        Where each value that `op` reads stands in the source, -1 for none (a zero); None if all are read as
        they are.
    place : str
        Where it comes from.
    """

    source: str
    op: str
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    index: np.ndarray | None = None
    place: str = ""


@dataclass(frozen=True, eq=False)
class Rows:
    """What an operator computes from other cells, anew wherever something it reads has changed.

    Attributes
    ----------
    kind : str
        "softmax", "normalise", "max", "product", "matmul", "scan", ...: see `engine/operators.py`; or
        "dense": what has no counterpart, computed by its option `call` (`tracing/dense.py`).
    reads : tuple of (str, str, int64 array)
        For each argument: the cell; "total" (its u) or "told" (theta * n); where each value stands in it, in
        the order of rows.
    options : mapping
        As of the kind.
    """

    kind: str
    reads: tuple[tuple[str, str, np.ndarray], ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dense(self) -> bool:
        """Whether the operation was left as it is, and the engine has no part in it."""
        return self.kind == "dense"


@dataclass(frozen=True, eq=False)
class Code:
    """How a cell tells its value.

    Attributes
    ----------
    theta : array (n,)
        The value of one unit.
    low, high : int
        The range of n.
    rest : float32 array (n,) or None
        n before the first sample, which others have heard already: whole numbers near which most samples
        are, so that fewer events are needed. None: zeros.
    """

    theta: np.ndarray
    low: int
    high: int
    rest: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Cell:
    """Neurons that stand for one vector of the network.

    Attributes
    ----------
    name : str
        Name of the population that it becomes.
    shape : tuple of int
        As the network's author sees it.
    terms : tuple of Term
        What adds up to u; empty where `rows` is given, and for the input.
    bias : array (n,)
        The constant part of u.
    rows : Rows or None
        What computes u instead.
    function : str
        f: "identity", "relu", "gelu", ...
    parameters : tuple of float
        Its numbers.
    code : Code or None
        How it tells its value; None if it tells nothing.
    places : tuple of str
        The operations of the trained network that it stands for.
    step : float or None
        If given, a power of two: `terms` weigh whole numbers n instead of values, and all weights and biases
        are multiples of it, such that u is exact in single precision.
    """

    name: str
    shape: tuple[int, ...]
    terms: tuple[Term, ...] = ()
    bias: np.ndarray | None = None
    rows: Rows | None = None
    function: str = "identity"
    parameters: tuple[float, ...] = ()
    code: Code | None = None
    places: tuple[str, ...] = ()
    step: float | None = None

    @property
    def n(self) -> int:
        """Number of neurons."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Circuit:
    """All cells, each behind those that it hears or reads; the first is the input, the last the answer.

    Attributes
    ----------
    cells : mapping
        By name, in order.
    """

    cells: Mapping[str, Cell]

    @property
    def input(self) -> Cell:
        """The cell that tells the sample."""
        return next(iter(self.cells.values()))

    @property
    def output(self) -> Cell:
        """The cell whose totals are the answer."""
        return [*self.cells.values()][-1]

    @property
    def told(self) -> frozenset[str]:
        """Names of the cells whose values others need as events: those that are to have a code."""
        heard = {term.source for cell in self.cells.values() for term in cell.terms}
        rows = [cell.rows for cell in self.cells.values() if cell.rows is not None]
        return frozenset(heard | {name for row in rows for name, what, _ in row.reads if what == "told"})

    @property
    def dense(self) -> tuple[Cell, ...]:
        """The cells whose totals are computed by operations that were left dense, in order."""
        return tuple(cell for cell in self.cells.values() if cell.rows is not None and cell.rows.dense)

    def on_grid(self) -> Circuit:
        """Return it with weights and biases on grids, such that totals are exact: see `gridded.on_grid`."""
        from .gridded import on_grid

        return on_grid(self)
