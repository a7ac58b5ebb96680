"""Thetas for one-bit codes: under the law "rate" a spike stands for theta, and theta n / t for the value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .circuit import Cell, Circuit, Code
from .codes import Grain, classes, input_code, never_negative
from .evaluate import exact_signals, unfolded

#: No theta lies below this part of its cell's largest: a neuron that the sample hardly moves would otherwise
#: spike in every step for an input that the sample does not hold.
FLOOR = 0.1


def calibrate_rates(
    circuit: Circuit,
    sample: np.ndarray,
    *,
    percentile: float = 99.9,
    grain: Grain = "neuron",
    input_bits: int = 8,
    signed: bool = False,
) -> Circuit:
    """Return the circuit with codes for the law "rate".

    A neuron that spikes in every step stands for its theta, so values above it are clipped. The sums that are
    rounded start at half a theta, which is the half-threshold start of integrate-and-fire neurons.

    Parameters
    ----------
    circuit : Circuit
        Of `fuse`.
    sample : array (batch, ...)
        Some hundred inputs.
    percentile : float
        Theta lies at this percentile of the magnitude of values.
    grain : "neuron", "channel" or "tensor"
        What shares a theta; neurons whose readers multiply them by the same weights always do.
    input_bits : int
        Of the input, which tells its value in every step.
    signed : bool
        Whether spikes may be taken back by negative ones also where values are never negative.
    """
    x = unfolded(circuit, np.asarray(sample, np.float32))
    values = exact_signals(circuit, x).values
    cells: dict[str, Cell] = {}
    for cell in circuit.cells.values():
        if cell.name in circuit.told:
            known = Circuit({**circuit.cells, **cells})
            if cell is circuit.input:
                code = input_code(circuit, x, input_bits)
            else:
                theta = _reached(np.abs(values[cell.name]), classes(circuit, cell, grain), percentile)
                code = Code(theta, 0 if never_negative(known, cell) and not signed else -1, 1)
            cell = replace(cell, code=code)
        cells[cell.name] = cell
    return Circuit(cells)


def _reached(values: np.ndarray, group: np.ndarray, percentile: float) -> np.ndarray:
    """Return the percentile of each class, of each neuron, not below the floor."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(1, group.max() + 1))
    parts = np.split(values[:, order], starts, axis=1)
    theta = np.array([np.percentile(part, percentile) for part in parts])
    top = float(theta.max()) or 1.0
    return np.asarray(np.maximum(theta, FLOOR * top)[group], np.float32)
