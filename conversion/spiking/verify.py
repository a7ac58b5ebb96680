"""Proof by example: what a converted network settles to is the quantised network, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...neurons.errors import ConversionError
from ..circuits.codes import settled
from ..circuits.evaluate import Signals, unfolded
from .populations import WHOLE, Schedule

if TYPE_CHECKING:
    from ..circuits.circuit import Cell
    from .converted import Converted
    from .sweeps import Sweeps

SCHEDULES: tuple[Schedule, ...] = ("depth", "concurrent")


@dataclass(frozen=True)
class Verification:
    """What was found to be equal.

    Attributes
    ----------
    n_inputs : int
        Inputs.
    cells : int
        Cells whose totals, and whole numbers told, were compared.
    values : int
        Numbers that were compared in each run.
    sweeps : dict
        (backend, schedule) -> sweeps until silence.
    """

    n_inputs: int
    cells: int
    values: int
    sweeps: dict[tuple[str, str], int]

    def __str__(self) -> str:
        runs = ", ".join(f"{backend} {schedule} ({n})" for (backend, schedule), n in self.sweeps.items())
        return (
            f"equal bit for bit to the quantised network: {self.values:,} numbers of {self.cells} cells for "
            f"{self.n_inputs} inputs, in each of these runs (sweeps until silence): {runs}"
        )


def verify(
    converted: Converted, batch: np.ndarray, backends: Sequence[str], threads: int | None
) -> Verification:
    """Compare runs to silence with one pass through the circuit: see `Converted.verify`."""
    circuit = converted.circuit
    if converted.law not in WHOLE:
        raise ConversionError(
            f"verify: got law={converted.law!r}; allowed is 'delta' or 'ttfs', since others do not settle"
        )
    schedules = SCHEDULES if converted.law == "delta" else (converted.schedule,)
    signals = settled(circuit, unfolded(circuit, batch))
    sweeps_taken: dict[tuple[str, str], int] = {}
    values = 0
    for backend in backends:
        for schedule in schedules:
            sweeps = converted.sweeps(len(batch), schedule=schedule, backend=backend, threads=threads)
            sweeps.feed(converted.whole(batch))
            found = sweeps.settle(None, None)
            where = f"verify: on {backend}, {schedule}"
            if sweeps.sweep().counts.spikes:
                raise ConversionError(f"{where}: something is told after {len(found.over_time)} sweeps")
            values = sum(_compare(where, cell, sweeps, signals) for cell in circuit.cells.values())
            sweeps_taken[backend, schedule] = len(found.over_time)
    return Verification(len(batch), len(circuit.cells), values, sweeps_taken)


def _compare(where: str, cell: Cell, sweeps: Sweeps, signals: Signals) -> int:
    """Return how many numbers of a cell are equal, or raise ConversionError at the first that is not."""
    state = sweeps.simulator.state(cell.name)
    checked = {}
    if cell is not sweeps.circuit.input:
        checked["total"] = sweeps.totals(cell.name), signals.totals[cell.name]
    if cell.code is not None:
        checked["whole number told"] = state["n"], signals.counts[cell.name]
    for what, (got, expected) in checked.items():
        if not np.array_equal(got, expected):
            sample, neuron = (int(k[0]) for k in np.nonzero(got != expected))
            raise ConversionError(
                f"{where}: input {sample}, neuron {neuron} of {cell.name}: its {what} is "
                f"{got[sample, neuron]}, of the quantised network {expected[sample, neuron]}"
            )
    return sum(got.size for got, _ in checked.values())
