"""Thetas for one-bit codes: under the law "rate" a spike stands for theta, and theta n / t for the value.

Cells are taken in order, and each is simulated upon the spikes that those before it send on the sample: a
theta that would round best what the trained network has does not round best what arrives spike by spike.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .circuit import Cell, Circuit, Code
from .codes import Grain, aim, classes, input_code, never_negative, told_by, trained_code
from .evaluate import Signals, exact_signals, function_of, unfolded
from .thresholds import least_error, totals_by_batch

#: Candidates, as parts of the largest magnitude that the sample shows.
CANDIDATES = np.geomspace(0.1, 1.05, 28)
#: So many values, of all cells together, are held for each step.
HELD = 4_000_000
#: So many values of one cell are enough to judge a candidate.
ENOUGH = 400_000


def calibrate_rates(
    circuit: Circuit,
    sample: np.ndarray,
    *,
    horizon: int = 8,
    grain: Grain = "neuron",
    input_bits: int = 8,
    signed: bool = False,
) -> Circuit:
    """Return the circuit with codes for the law "rate".

    A neuron that spikes in every step stands for its theta, so values above it are clipped: a large theta
    clips less, a small one tells sooner. Of each class of neurons, theta is the candidate with the smallest
    sum of (theta n / t - v)^2 over the sample after half the horizon, the horizon and twice as many steps,
    where v is what the trained network has there. Sums start at half a theta, so that they are rounded.

    Parameters
    ----------
    circuit : Circuit
        Of `fuse`.
    sample : array (batch, ...)
        Some hundred inputs.
    horizon : int
        After about how many steps answers are wanted.
    grain : "neuron", "channel" or "tensor"
        What shares a theta; neurons whose readers multiply them by the same weights always do.
    input_bits : int
        Of the input, which tells its value in every step.
    signed : bool
        Whether spikes may be taken back by negative ones also where values are never negative.
    """
    neurons = sum(cell.n for cell in circuit.cells.values())
    x = unfolded(circuit, np.asarray(sample, np.float32))[: max(64, HELD // neurons)]
    wanted = exact_signals(circuit, x).values
    course = _Course(circuit, x, 2 * horizon)
    looks = -(-horizon // 2), horizon, 2 * horizon
    for cell in circuit.cells.values():
        totals = course.totals(cell)
        if cell is circuit.input:
            cell = replace(cell, code=input_code(circuit, x, input_bits))
        elif cell.name in circuit.told:
            trained = trained_code(cell)
            positive = never_negative(course.circuit, replace(cell, code=trained))
            low = 0 if positive and not signed else -1
            if trained is not None:  # a spike in every step stands for the trained threshold
                theta = trained.theta * np.float32(trained.high)
            else:
                few = slice(max(64, ENOUGH // cell.n))
                values = [function_of(cell, u[few]) for u in totals]
                group = classes(circuit, cell, grain)
                theta = _searched(values, wanted[cell.name][few], group, low, looks)
            cell = replace(cell, code=Code(theta, low, 1))
        course.add(cell, totals)
    return course.circuit


def _searched(
    values: list[np.ndarray], wanted: np.ndarray, group: np.ndarray, low: int, looks: tuple[int, ...]
) -> np.ndarray:
    """Return the thetas with the smallest squared error of what has been told after some steps."""
    top = float(np.abs(wanted).max()) or 1.0

    def error_of(part: slice, theta: np.ndarray) -> np.ndarray:
        code, n, total = Code(theta, low, 1), np.zeros_like(wanted[part]), np.zeros(wanted.shape[1])
        for t, value in enumerate(values, 1):
            n = told_by(t, value[part], n, code)
            if t in looks:
                error = n * (theta / np.float32(t)) - wanted[part]
                total += np.einsum("ij,ij->j", error, error)
        return np.bincount(group, total)

    return np.asarray(least_error(CANDIDATES * top, error_of)[1][group], np.float32)


class _Course:
    """What a sample makes of the cells that have a code already, after each step."""

    def __init__(self, circuit: Circuit, x: np.ndarray, steps: int) -> None:
        self.circuit, self.x = circuit, x
        self.signals = [Signals() for _ in range(steps)]
        rows = [cell.rows for cell in circuit.cells.values() if cell.rows is not None]
        self.read = {name for row in rows for name, what, _ in row.reads if what == "total"}
        #: Cells that get the same in every step, since they hear nothing but the input.
        self.steady = {(circuit.input.name, "total"), (circuit.input.name, "told")}

    def totals(self, cell: Cell) -> list[np.ndarray]:
        """Return the mean totals of a cell after each step."""
        if cell is self.circuit.input:
            return [self.x] * len(self.signals)
        reads = [] if cell.rows is None else [(name, what) for name, what, _ in cell.rows.reads]
        if self.steady.issuperset([*reads, *((term.source, "told") for term in cell.terms)]):
            self.steady.add((cell.name, "total"))
            return [totals_by_batch(cell, self.signals[0], self.x)] * len(self.signals)
        return [totals_by_batch(cell, signals, self.x) for signals in self.signals]

    def add(self, cell: Cell, totals: list[np.ndarray]) -> None:
        """Take a cell with its code, and let it tell what it has come to."""
        self.circuit = Circuit({**self.circuit.cells, cell.name: cell})
        n = np.zeros_like(totals[0])
        for t, (u, signals) in enumerate(zip(totals, self.signals, strict=True), 1):
            if cell.name in self.read:
                signals.totals[cell.name] = u
            if cell.code is None:
                continue
            if cell.name == self.circuit.input.name:
                signals.values[cell.name] = aim(cell, u) * cell.code.theta
            else:
                n = told_by(t, function_of(cell, u), n, cell.code)
                signals.values[cell.name] = n * (cell.code.theta / np.float32(t))
