"""What whole numbers stand for: which neurons share a theta, what range they have, and what they aim at."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ...neurons.alphabet import events_in, span_of
from ...neurons.event import EventNeuron
from ...neurons.scalars import SCALARS
from .circuit import Cell, Circuit, Code, Term
from .evaluate import Signals, batches, function_of, totals_of, unfolded
from .forms import by_unit

Grain = Literal["neuron", "channel", "tensor"]
Events = Literal["pow2", "unit", "graded"]


#: Of cells that tell one event in each sweep, the smallest of the first sweep; half of it in the next, and so
#: on. On the reference networks this takes fewer events to silence, and far fewer to most answers.
COARSE = 4


def aim(cell: Cell, u: np.ndarray) -> np.ndarray:
    """Return the whole numbers that a coded cell with totals u aims at: clip(round(f(u) / theta))."""
    code = cell.code
    assert code is not None
    return counted(function_of(cell, u), code.theta.astype(u.dtype), code.low, code.high)


def event_of(cell: Cell, u: np.ndarray, told: np.ndarray, events: Events, sweeps: int) -> np.ndarray:
    """Return the one event by which a coded cell that has told so much comes nearer to its aim.

    Parameters
    ----------
    sweeps : int
        How many came before: in the first ones, small events wait.
    """
    code = cell.code
    assert code is not None
    theta, how = code.theta.astype(u.dtype), {"coarse": coarse_of(code, events), "now": sweeps}
    return fired(function_of(cell, u), told, theta, code.low, code.high, events, **how)


def coarse_of(code: Code, events: Events) -> int:
    """Return the smallest event of the first sweep, where cells tell one event in each: see `EventNeuron`."""
    return 1 if events == "unit" else min(COARSE, 2 ** int(math.log2(max(code.high, -code.low))))


def counted(values: np.ndarray, theta: Any, low: int, high: int) -> np.ndarray:
    """Return clip(round(values / theta)); ties go up, as neurons round."""
    return fired(values, values.dtype.type(0), theta, low, high, "graded")


def waits_of(circuit: Circuit, events: Events) -> int:
    """Return how many sweeps there are in which small events wait."""
    codes = [cell.code for cell in circuit.cells.values() if cell.code is not None]
    return max(coarse_of(code, events).bit_length() - 1 for code in codes)


def fired(
    values: np.ndarray, n: Any, theta: Any, low: int, high: int, events: Events, coarse: int = 1, now: int = 0
) -> np.ndarray:
    """Return the event by which neurons that have told n come nearer to values: the rule of `EventNeuron`.

    Examples
    --------
    >>> fired(np.array([-3.0, 0.0, 11.0]), 0.0, 1.0, -15, 15, "pow2").tolist()
    [-4.0, 0.0, 8.0]
    """
    event, _, _ = EventNeuron.fire(
        values, n, theta, low, high, band=np.float32(coarse), hold=None, now=np.float32(now), law="delta",
        f=lambda u: u, straight=True, rectified=False, events=events, burst=False, rounding="nearest",
        signed=True, banded="at first" if coarse > 1 else "never", held=False,
    )  # fmt: skip
    return np.asarray(event)


def told_by(t: int, values: np.ndarray, told: np.ndarray, code: Code) -> np.ndarray:
    """Return how many spikes, negative ones taken off, neurons have sent after t steps of the law "rate".

    Parameters
    ----------
    t : int
        Steps, with this one.
    values : array (batch, n)
        f of the mean of their totals.
    told : array (batch, n)
        The same after the step before.
    code : Code
        Its range bounds what one step can tell.
    """
    missing = values * values.dtype.type(t) - told * code.theta
    return np.asarray(told + counted(missing, code.theta, code.low, code.high))


def tell(cell: Cell, n: np.ndarray, signals: Signals) -> None:
    """Note what a coded cell has told."""
    assert cell.code is not None
    signals.counts[cell.name] = n
    signals.values[cell.name] = n * cell.code.theta.astype(n.dtype)


def quantised(circuit: Circuit, x: np.ndarray) -> np.ndarray:
    """Return the answers of the quantised network: what a circuit has settled to when it is silent.

    Parameters
    ----------
    circuit : Circuit
        With codes; on grids, the answer is exact.
    x : array (batch, ...)
        Samples.

    Returns
    -------
    float32 array (batch, n)
    """
    flat = unfolded(circuit, np.asarray(x, np.float32))
    return np.concatenate([settled(circuit, part).totals[circuit.output.name] for part in batches(flat)])


def settled(circuit: Circuit, x: np.ndarray) -> Signals:
    """Return all signals of a circuit at silence, for a batch as the input cell has it."""
    signals = Signals()
    for cell in circuit.cells.values():
        u = x if cell is circuit.input else totals_of(cell, signals, x)
        signals.totals[cell.name] = u
        if cell.code is not None:
            tell(cell, aim(cell, u), signals)
    return signals


def events_for(missing: np.ndarray, events: Events) -> np.ndarray:
    """Return how many events it takes to tell each difference.

    Examples
    --------
    >>> events_for(np.array([-3.0, 0.0, 11.0]), "pow2").tolist()
    [2, 0, 3]
    """
    sizes = np.abs(missing).astype(np.int64)
    return np.asarray(events_in(events, int(sizes.max(initial=0))).astype(np.int64)[sizes])


def resting(circuit: Circuit, told: bool = True) -> Signals:
    """Return all signals before the first sample, for a batch of one; with nothing told unless `told`."""
    signals = Signals()
    x = np.zeros((1, circuit.input.n), np.float32)
    for cell in circuit.cells.values():
        signals.totals[cell.name] = x if cell is circuit.input else totals_of(cell, signals, x)
        if cell.code is not None:
            rest = cell.code.rest if told else None
            tell(cell, np.zeros((1, cell.n), np.float32) if rest is None else rest[None], signals)
    return signals


def classes(circuit: Circuit, cell: Cell, grain: Grain) -> np.ndarray:
    """Return which class of neurons with one theta each neuron of a cell belongs to, int64 (n,).

    Parameters
    ----------
    grain : "neuron", "channel" or "tensor"
        What shares a theta. Neurons that a reader multiplies by the same weights always do.
    """
    n = cell.n
    if grain == "tensor":
        return np.zeros(n, np.int64)
    groups = [_read_alike(term, n) for other in circuit.cells.values() for term in other.terms
              if term.source == cell.name]  # fmt: skip
    if grain == "channel" and len(cell.shape) > 1:
        axis = 0 if len(cell.shape) == 3 and _is_image(circuit, cell) else len(cell.shape) - 1
        groups.append((np.arange(n), np.indices(cell.shape)[axis].reshape(-1)))
    sources, labels, start = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], n
    for places, units in groups:
        kept = places >= 0
        sources.append(places[kept])
        labels.append(units[kept] + start)
        start += int(units.max(initial=-1)) + 1
    ends = np.concatenate(sources), np.concatenate(labels)
    links = coo_array((np.ones(len(ends[0])), ends), shape=(start, start))
    found = connected_components(links, directed=False)[1][:n]
    return np.unique(found, return_inverse=True)[1]


def _read_alike(term: Term, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places that a term reads, and by which of its weights each is multiplied."""
    places = np.arange(n) if term.index is None else term.index
    if term.op == "wire":
        return places, np.arange(len(places))
    units = term.values["weight"].shape[1] if term.op == "linear" else term.options["image"][0]
    numbers = by_unit(term.op, units, np.arange(len(places)))
    unit = np.empty(len(places), np.int64)
    unit[numbers] = np.arange(units)
    return places, unit


def _is_image(circuit: Circuit, cell: Cell) -> bool:
    heard = [
        *cell.terms,
        *(t for other in circuit.cells.values() for t in other.terms if t.source == cell.name),
    ]
    return any("image" in term.options for term in heard)


def range_of(circuit: Circuit, cell: Cell, bits: int) -> tuple[int, int]:
    """Return the range of a cell's whole numbers: without a sign if its value is never negative."""
    return span_of(bits, positive=never_negative(circuit, cell))


def never_negative(circuit: Circuit, cell: Cell) -> bool:
    """Whether what a cell tells cannot be below zero, for any input, or by its code."""
    if cell.code is not None:
        return cell.code.low >= 0
    if SCALARS[cell.function].positive:
        return True
    if cell.function != "identity":
        return False
    if cell.rows is not None:
        return cell.rows.kind in ("softmax", "top_k")
    sums = all(
        np.all(np.asarray(term.values.get("weight", 0)) >= 0)
        and never_negative(circuit, circuit.cells[term.source])
        for term in cell.terms
    )
    return sums and (cell.bias is None or bool((cell.bias >= 0).all()))


def trained_code(cell: Cell) -> Code | None:
    """Return the code that a cell was trained with, if its function is a staircase: nothing is chosen then.

    Examples
    --------
    >>> trained_code(Cell("a", (2,), function="staircase", parameters=(0.25, 0.0, 4.0)))
    Code(theta=array([0.25, 0.25], dtype=float32), low=0, high=4, rest=None)
    """
    if cell.function != "staircase":
        return None
    step, low, high = cell.parameters
    return Code(np.full(cell.n, step, np.float32), int(low), int(high))


def mean_code(circuit: Circuit, cell: Cell, bits: int) -> Code | None:
    """Return the code that tells means of trained steps as they are, if so many bits have room for it.

    The mean of k whole numbers of steps is a whole number of k-ths of a step.
    """
    if cell.function != "identity" or len(cell.terms) != 1 or cell.terms[0].op != "mean_pool":
        return None
    term, trained = cell.terms[0], trained_code(circuit.cells[cell.terms[0].source])
    size, padded = math.prod(term.options["size"]), any(sum(term.options["padding"], ()))
    plain = term.options["count_padding"] or not padded
    if trained is None or not plain or not size * max(trained.high, -2 * trained.low) < 2**bits:
        return None
    theta = np.full(cell.n, trained.theta[0] / np.float32(size), np.float32)
    return Code(theta, size * trained.low, size * trained.high)


def without_staircases(circuit: Circuit) -> Circuit:
    """Return a circuit in which codes alone make steps of what was trained so, since neurons round anyway."""
    cells = {
        name: replace(cell, function="relu" if cell.code.low >= 0 else "identity", parameters=())
        if cell.code is not None and cell.function == "staircase"
        else cell
        for name, cell in circuit.cells.items()
    }
    return replace(circuit, cells=cells)


def input_code(circuit: Circuit, sample: np.ndarray, bits: int) -> Code:
    """Return the code of the input: as many bits as asked for over the range of the sample."""
    cell = circuit.input
    if cell.function == "one_hot":
        return Code(np.ones(cell.n, np.float32), 0, 1)
    low, high = span_of(bits, positive=bool(sample.min() >= 0))
    top = float(np.abs(sample).max()) or 1.0
    return Code(np.full(cell.n, top / high, np.float32), low, high)
