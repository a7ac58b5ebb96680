"""What became of each operation of a trained network, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..circuits.circuit import Cell, Circuit

#: Why an operator is no sum of events: what it remembers, and when it computes.
_ROWS = {
    "softmax": "a row is computed anew where a total of it changed",
    "top_k": "the largest of a row, chosen anew where a total of it changed",
    "normalise": "a row is computed anew where a total of it changed",
    "max": "the largest total of a window, computed anew where one changed",
    "product": "computed anew where a factor changed",
    "matmul": "computed anew where a factor changed",
    "scan": "a head is computed anew where something it reads changed",
    "map": "computed anew where its total changed",
}


@dataclass(frozen=True)
class Became:
    """What became of some operations.

    Attributes
    ----------
    name : str
        The population or operator.
    places : tuple of str
        The operations of the trained network.
    kind : "spiking", "stateful" or "dense"
        Sums of events; something that computes from what it remembers; or neither.
    reason : str
        Why.
    neurons : int
        How many.
    bits : int or None
        Bits of what it tells; None if it tells nothing.
    step : tuple of float or None
        Smallest and largest theta.
    error : float or None
        Root mean square error on the calibration sample, as a part of the signal's standard deviation; None
        if unknown.
    """

    name: str
    places: tuple[str, ...]
    kind: Literal["spiking", "stateful", "dense"]
    reason: str
    neurons: int
    bits: int | None
    step: tuple[float, float] | None
    error: float | None


def became(circuit: Circuit, errors: Mapping[str, float]) -> tuple[Became, ...]:
    """Return what each cell of a circuit is."""
    return tuple(_became(circuit, cell, errors.get(cell.name)) for cell in circuit.cells.values())


def _became(circuit: Circuit, cell: Cell, error: float | None) -> Became:
    bits = step = None
    if cell.code is not None:
        span = max(cell.code.high, -cell.code.low)
        bits = span.bit_length() + (cell.code.low < 0)
        step = float(np.min(cell.code.theta)), float(np.max(cell.code.theta))
    if cell.rows is not None and cell.rows.dense:
        name = cell.rows.options["call"].name
        reason = f"{name}: computed by torch after each sweep that changed what it reads, and in no energy"
        kind = "dense"
    elif cell.rows is not None:
        reason, kind = (
            f"{cell.rows.kind}: {_ROWS.get(cell.rows.kind, 'computed where it changed')}",
            "stateful",
        )
    elif cell is circuit.input:
        reason, kind = "tells the sample in whole numbers", "spiking"
    elif cell is circuit.output:
        reason, kind = "its totals are the answer", "spiking"
    else:
        reason, kind = "adds up events", "spiking"
    if cell.function not in ("identity", "relu", "one_hot"):
        reason += f"; {cell.function} is evaluated where a total changed"
    return Became(cell.name, tuple(map(shown, cell.places)), kind, reason, cell.n, bits, step, error)  # type: ignore[arg-type]


def shown(place: str) -> str:
    """Return where an operation comes from as its author knows it, of a label with its name.

    Examples
    --------
    >>> shown("linear_3 (blocks.2.fc1 (Linear))"), shown("x")
    ('blocks.2.fc1 (Linear)', 'x')
    """
    name, _, rest = place.partition(" (")
    return rest[:-1] if rest else name


def table(rows: Sequence[Became]) -> str:
    """Return them as text."""
    head = ("name", "became", "neurons", "bits", "step", "error", "stands for", "why")
    lines = [head]
    for row in rows:
        told = "-" if row.bits is None else str(row.bits)
        places = ", ".join(row.places) or "-"
        lines.append(
            (
                row.name,
                row.kind,
                f"{row.neurons:,}",
                told,
                _span(row.step),
                share(row.error),
                places,
                row.reason,
            )
        )
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def share(value: float | None) -> str:
    """Return a share as text, "-" if it is not known.

    Examples
    --------
    >>> share(0.125), share(None)
    ('12.50%', '-')
    """
    return "-" if value is None else f"{value:.2%}"


def _span(step: tuple[float, float] | None) -> str:
    if step is None:
        return "-"
    low, high = step
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
