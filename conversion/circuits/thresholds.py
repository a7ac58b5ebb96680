"""Thetas by the smallest squared error on a sample, cell after cell, each upon inputs quantised already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from .circuit import Cell, Circuit, Code
from .codes import (
    Events,
    Grain,
    aim,
    classes,
    counted,
    events_for,
    input_code,
    mean_code,
    range_of,
    tell,
    trained_code,
)
from .evaluate import BATCH, Signals, function_of, totals_of, unfolded

#: Parts of the theta that is best for all neurons together, below which none of a class may lie. Which of
#: them serves is seen on the half of the sample that did not choose the thetas: a neuron that the sample
#: hardly moves would otherwise be clipped wherever another input moves it more.
FLOORS = (0.1, 0.2, 0.35, 0.6, 1.0)
#: Candidates, as parts of the theta by which the largest value of the sample is just not clipped.
CANDIDATES = np.geomspace(0.02, 1.1, 60)
#: So many values are enough to judge a candidate.
ENOUGH = 400_000


def calibrate(
    circuit: Circuit,
    sample: np.ndarray,
    *,
    bits: int | Mapping[str, int] = 4,
    grain: Grain = "neuron",
    input_bits: int = 8,
    correct: bool = True,
    rest: bool = True,
) -> Circuit:
    """Return the circuit with codes for the law "delta".

    Cells are taken in order; each sees what those before tell with their codes. Of each class of neurons,
    theta is the candidate with the smallest mean of (clip(round(f(u) / theta)) theta - v)^2, where v is
    what the trained network has there.

    Parameters
    ----------
    circuit : Circuit
        Of `fuse`.
    sample : array (batch, ...)
        Some hundred inputs.
    bits : int or mapping
        Of each cell that was not trained in steps, and one more where others only add up what it tells, as on
        a residual stream, since its events reach few; or of each cell by name ("" stands for all others).
    grain : "neuron", "channel" or "tensor"
        What shares a theta; neurons whose readers multiply them by the same weights always do.
    input_bits : int
        Of the input.
    correct : bool
        Whether to take the mean error of totals back by the biases.
    rest : bool
        Whether cells may start where fewer events lead to most samples than from zero.
    """
    x = unfolded(circuit, np.asarray(sample, np.float32))
    original, settling = Signals(), Signals()
    cells: dict[str, Cell] = {}
    for cell in circuit.cells.values():
        first = cell is circuit.input
        wanted, u = (
            (x, x) if first else (totals_by_batch(cell, original, x), totals_by_batch(cell, settling, x))
        )
        if correct and cell.terms:
            error = (wanted - u).mean(axis=0, dtype=np.float64)
            cell = replace(cell, bias=error + (0.0 if cell.bias is None else cell.bias))
            u = u + error.astype(u.dtype)
        original.totals[cell.name], settling.totals[cell.name] = wanted, u
        original.values[cell.name] = x if first else function_of(cell, wanted)
        if cell.name in circuit.told:
            # What is never negative stays so: a bias that takes an error back asks for no sign.
            known = Circuit({**circuit.cells, **cells})
            width = bits + _only_added(circuit, cell) if isinstance(bits, int) else _by_name(bits, cell)
            code = input_code(circuit, x, input_bits) if first else trained_code(cell)
            code = mean_code(known, known.cells[cell.name], width) if code is None else code
            if code is None:
                values, trained = function_of(cell, u), original.values[cell.name]
                code = _searched(known, known.cells[cell.name], values, trained, width, grain)
            cell = replace(cell, code=code)
            tell(cell, n := aim(cell, u), settling)
            if rest:
                cell = replace(cell, code=replace(code, rest=_rest(n, graded=first)))
        cells[cell.name] = cell
    return Circuit(cells)


def _by_name(bits: Mapping[str, int], cell: Cell) -> int:
    return bits.get(cell.name, bits.get("", 4))


def _only_added(circuit: Circuit, cell: Cell) -> bool:
    """Whether what a cell tells meets no weights that many share, and no other factor."""
    cells = circuit.cells.values()
    terms = all(term.op == "wire" for other in cells for term in other.terms if term.source == cell.name)
    reads = (read for other in cells if other.rows is not None for read in other.rows.reads)
    return terms and not any(name == cell.name and what == "told" for name, what, _ in reads)


def totals_by_batch(cell: Cell, signals: Signals, x: np.ndarray) -> np.ndarray:
    """Return u of a cell for a whole sample, batch by batch."""
    parts = [slice(i, i + BATCH) for i in range(0, len(x), BATCH)]
    return np.concatenate([totals_of(cell, signals.part(part), x[part]) for part in parts])


def _rest(n: np.ndarray, graded: bool) -> np.ndarray:
    """Return the counts from which fewer events lead to those of a sample: zero or the median of each."""
    median = np.floor(np.median(n, axis=0))
    events: Events = "graded" if graded else "pow2"
    fewer = events_for(n - median, events).sum(axis=0) < events_for(n, events).sum(axis=0)
    return np.where(fewer, median, 0).astype(np.float32)


def _searched(
    circuit: Circuit, cell: Cell, values: np.ndarray, wanted: np.ndarray, bits: int, grain: Grain
) -> Code:
    """Return the code with the smallest squared error."""
    group = classes(circuit, cell, grain)
    few = max(64, ENOUGH // cell.n)
    values, wanted = values[:few], wanted[:few]
    found = [
        _best(values, wanted, group, low, high)
        for low, high in _ranges(circuit, cell, bits, float(values.min()), float(values.max()))
    ]
    theta, low, high = min(found, key=lambda one: one[0])[1:]
    return Code(theta[group].astype(np.float32), low, high)


def _ranges(circuit: Circuit, cell: Cell, bits: int, least: float, most: float) -> list[tuple[int, int]]:
    """Return the ranges worth a try: of values that are hardly negative, most is above zero."""
    low, high = range_of(circuit, cell, bits)
    if low == 0 or cell.function == "identity" or least >= 0 or most <= 0:
        return [(low, high)]
    span, share = high - low, -least / (most - least)
    lows = {int(np.clip(round(share * span * part), 1, -low)) for part in (0.5, 1.0, 1.5, 2.0, 3.0)}
    return [(-k, 2**bits - 1 - k) for k in sorted(lows)]


def _best(
    values: np.ndarray, wanted: np.ndarray, group: np.ndarray, low: int, high: int
) -> tuple[float, np.ndarray, int, int]:
    """Return the squared error that thetas of classes have on what did not choose them, and these."""
    top = max(float(values.max()) / max(high, 1), float(values.min()) / min(low, -1))
    if top <= 0:
        return 0.0, np.ones(int(group.max()) + 1), low, high

    def error_of(part: slice, theta: np.ndarray) -> np.ndarray:
        error = counted(values[part], theta, low, high) * theta - wanted[part]
        return np.bincount(group, np.einsum("ij,ij->j", error, error))

    return *least_error(CANDIDATES * top, error_of), low, high


def least_error(
    thetas: np.ndarray, error_of: Callable[[slice, np.ndarray], np.ndarray]
) -> tuple[float, np.ndarray]:
    """Return the squared error that thetas of classes have on what did not choose them, and these.

    Parameters
    ----------
    thetas : array (candidates,)
        In ascending order.
    error_of : callable
        (samples, float32 theta) -> squared error of each class, if all its neurons have this theta.
    """
    halves = np.array(
        [[error_of(slice(half, None, 2), theta) for theta in thetas.astype(np.float32)] for half in (0, 1)]
    )
    shared, all_classes = thetas[halves.sum(axis=(0, 2)).argmin()], range(halves.shape[2])
    seen = [
        sum(halves[1 - half][_chosen(halves[half], thetas, floor * shared), all_classes].sum()
            for half in (0, 1))
        for floor in FLOORS
    ]  # fmt: skip
    best = int(np.argmin(seen))
    chosen = _chosen(halves.sum(axis=0), thetas, FLOORS[best] * shared)
    return float(seen[best]), thetas[chosen]


def _chosen(errors: np.ndarray, thetas: np.ndarray, floor: float) -> np.ndarray:
    """Return which candidate, none below the floor, has the smallest error in each class."""
    lowest = min(int(np.searchsorted(thetas, floor * (1 - 1e-9))), len(thetas) - 1)
    return np.asarray(errors[lowest:].argmin(axis=0) + lowest)
