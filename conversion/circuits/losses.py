"""What quantising costs: the error of each cell, and bits where they are worth most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...neurons.errors import ConversionError
from .circuit import Circuit
from .codes import quantised, settled, trained_code
from .emulate import Emulator
from .evaluate import exact, exact_signals, unfolded
from .thresholds import calibrate

#: So many samples are enough to see what a bit more or less of one cell does.
FEW = 64


def losses(original: Circuit, coded: Circuit, sample: np.ndarray) -> dict[str, float]:
    """Return the error of each cell at silence, relative to the variance of its values.

    Parameters
    ----------
    original, coded : Circuit
        The trained network's (`fuse`), and with codes.
    sample : array (batch, ...)
        Samples.

    Returns
    -------
    dict
        Cell -> mean of (value - trained value)^2 / variance of the trained values over samples, all neurons
        together; of what is told, or of totals where nothing is. Constant cells have 0.

    Examples
    --------
    >>> from rheobase.conversion.circuits.circuit import Cell, Code, Term
    >>> cells = {"x": Cell("x", (1,)), "y": Cell("y", (1,), (Term("x", "linear", {"weight": np.eye(1)}),))}
    >>> coded = {**cells, "x": Cell("x", (1,), code=Code(np.ones(1, np.float32), 0, 3))}
    >>> found = losses(Circuit(cells), Circuit(coded), np.array([[0.5], [1.5]]))
    >>> {name: float(error) for name, error in found.items()}
    {'x': 1.0, 'y': 1.0}
    """
    x = unfolded(original, np.asarray(sample, np.float32))
    wanted, found = exact_signals(original, x), settled(coded, x)
    result = {}
    for name, cell in coded.cells.items():
        kind = "totals" if cell.code is None else "values"
        values = getattr(wanted, kind)[name].astype(np.float64)
        variance = ((values - values.mean(axis=0)) ** 2).mean()
        error = ((getattr(found, kind)[name] - values) ** 2).mean()
        result[name] = float(error / variance) if variance > 0 else 0.0
    return result


@dataclass(frozen=True)
class _Change:
    """Another width of one cell: how the answer's error and the operations change."""

    cell: str
    bits: int
    error: float
    operations: float


def mixed_bits(
    circuit: Circuit, sample: np.ndarray, *, bits: int = 4, budget: float | None = None, **options: Any
) -> dict[str, int]:
    """Return bits for each cell that tell more where it matters and less where it does not.

    Of each cell alone, one bit less and one more are tried, and what that does to the answer's error and to
    the operations is taken to add up. Then each cell has the width that is best at one price of an operation:
    the price that leaves the smallest error within the budget, once what is left of that has been spent.

    Parameters
    ----------
    circuit : Circuit
        Of `fuse`.
    sample : array (batch, ...)
        Inputs; the first 64 serve.
    bits : int
        Where to start.
    budget : float, optional
        Operations of one sample in order of depth, without the first layer's; those with `bits` everywhere
        if left out.
    **options
        Of `calibrate`.

    Raises
    ------
    ConversionError
        If no choice keeps to the budget.
    """
    x = np.asarray(sample)[:FEW]
    wanted = exact(circuit, np.asarray(x, np.float32))
    free = (circuit.cells[name] for name in circuit.told if name != circuit.input.name)
    widths = {cell.name: bits for cell in free if trained_code(cell) is None}

    def measured(widths: Mapping[str, int]) -> tuple[float, float]:
        coded = calibrate(circuit, x, bits=widths, **options)
        run = Emulator(coded, schedule="depth").run(x)
        return float(((quantised(coded, x) - wanted) ** 2).mean()), float(run.operations.sum() / len(x))

    error, operations = measured(widths)
    limit = operations if budget is None else budget
    changes = []
    for name in sorted(widths):
        for width in (bits - 1, bits + 1):
            if width >= 2:
                e, o = measured({**widths, name: width})
                changes.append(_Change(name, width, e - error, o - operations))
    return _chosen(widths, changes, operations, limit)


def _chosen(
    widths: Mapping[str, int], changes: list[_Change], operations: float, limit: float
) -> dict[str, int]:
    """Return the widths with the smallest error within a budget, for one of all prices of an operation."""
    options = [
        [_Change(name, width, 0.0, 0.0), *(c for c in changes if c.cell == name)]
        for name, width in widths.items()
    ]
    prices = [abs(c.error / c.operations) for c in changes if c.operations]
    best, least = None, operations
    for price in [0.0, *(slightly * p for p in prices for slightly in (0.999, 1.001))]:
        cheapest = [min(of, key=lambda c: c.error + price * c.operations) for of in options]
        picked = _filled(cheapest, options, limit - operations)
        total = operations + sum(c.operations for c in picked)
        error, least = sum(c.error for c in picked), min(least, total)
        if total <= limit and (best is None or error < best[0]):
            best = error, {c.cell: c.bits for c in picked}
    if best is None:
        raise ConversionError(
            f"mixed_bits.budget: got {limit:.0f}; with a bit less wherever it saves it is {least:.0f}, so "
            "allowed is that or more, or start from fewer bits"
        )
    return best[1]


def _filled(picked: list[_Change], options: list[list[_Change]], budget: float) -> list[_Change]:
    """Spend what a price leaves of a budget, cell by cell, each time where it takes most error away."""
    while True:
        left = budget - sum(change.operations for change in picked)
        better = [
            (other.error - change.error, k, other)
            for k, (change, of) in enumerate(zip(picked, options, strict=True))
            for other in of
            if other.error < change.error and other.operations - change.operations <= left
        ]
        if not better:
            return picked
        _, k, other = min(better, key=lambda found: found[:2])
        picked = [*picked[:k], other, *picked[k + 1 :]]
