"""Time to first spike: which circuits can tell their values by one spike each, and when each cell does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...neurons.errors import ConversionError
from .circuit import Cell, Circuit

#: Operators whose result at the end of a window is what it is for the totals that its inputs end with.
_OPERATORS = ("max", "map")


@dataclass(frozen=True)
class Windows:
    """When the cells of a circuit tell their values; times are in steps.

    Attributes
    ----------
    length : int
        Steps of a window: the largest number that any cell tells.
    origin : int
        When the first window of that length opens; the input has been told by then.
    starts : dict
        Cell that tells something -> when its window opens. The input's own number opens in step 0, and is
        told in this step, or where it is told by spikes in the window that follows.
    steps : int
        From the input to the answer.
    """

    length: int
    origin: int
    starts: dict[str, int]
    steps: int


def windows_of(circuit: Circuit, spikes_in: bool) -> Windows:
    """Return when each cell tells its value: as soon as all that it hears have.

    Parameters
    ----------
    circuit : Circuit
        With codes.
    spikes_in : bool
        Whether the input is told by spikes, in a window of its own; if not, at once.

    Examples
    --------
    >>> import numpy as np
    >>> from rheobase.conversion.circuits.circuit import Code, Term
    >>> cells = [Cell("x", (1,), code=Code(np.ones(1), 0, 255)),
    ...          Cell("a", (1,), (Term("x", "wire"),), function="relu", code=Code(np.ones(1), 0, 15)),
    ...          Cell("y", (1,), (Term("a", "wire"), Term("x", "wire")))]
    >>> windows_of(Circuit({cell.name: cell for cell in cells}), spikes_in=True)
    Windows(length=15, origin=256, starts={'x': 1, 'a': 256}, steps=271)
    """
    codes = {name: cell.code for name, cell in circuit.cells.items() if cell.code is not None}
    first = circuit.input.name
    length = max((code.high for name, code in codes.items() if name != first), default=1)
    origin = 1 + (codes[first].high if spikes_in and first in codes else 0)
    starts, told, ready = {first: int(spikes_in)}, {first: origin}, {first: 1}
    for cell in [*circuit.cells.values()][1:]:
        ready[cell.name] = max(_waits(cell, ready, told), default=1)
        if cell.code is not None:
            starts[cell.name] = ready[cell.name]
            told[cell.name] = ready[cell.name] + length
    return Windows(length, origin, starts, max(*ready.values(), *told.values()))


def _waits(cell: Cell, ready: dict[str, int], told: dict[str, int]) -> Iterator[int]:
    yield from (told[term.source] for term in cell.terms)
    if cell.rows is not None:
        yield from ((told if what == "told" else ready)[name] for name, what, _ in cell.rows.reads)


def require_first_spikes(circuit: Circuit, spikes_in: bool) -> None:
    """Raise ConversionError where a value cannot be told by the time of one spike: all such are named.

    Parameters
    ----------
    circuit : Circuit
        With codes.
    spikes_in : bool
        Whether the input is to be told so, too.
    """
    wrong = [
        f"{', '.join(cell.places) or cell.name}: {reason}"
        for cell in circuit.cells.values()
        if (reason := _reason(circuit, cell, spikes_in))
    ]
    if wrong:
        raise ConversionError(
            "convert.law: got 'ttfs', by which a neuron spikes once and tells what a ReLU lets through. It "
            "has no time for\n  "
            + "\n  ".join(wrong)
            + "\nuse law='delta', under which all of them can be told"
        )


def _reason(circuit: Circuit, cell: Cell, spikes_in: bool) -> str:
    signed = cell.code is not None and cell.code.low < 0
    if cell is circuit.input:
        wrong = signed and spikes_in
        return "an input with values below zero; with input='current' it needs no time" if wrong else ""
    if cell.rows is not None and cell.rows.kind not in _OPERATORS:
        return f"{cell.rows.kind}, an operator that is no ReLU"
    if cell.rows is not None and cell.rows.options.get("function", "identity") not in ("identity", "relu"):
        return f"{cell.rows.options['function']}, a function that is no ReLU"
    if cell.code is not None and cell.function not in ("identity", "relu"):
        return f"{cell.function}, a function that is no ReLU"
    return "values of both signs that others hear; put a ReLU behind them" if signed else ""
