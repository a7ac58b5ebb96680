"""From a circuit to a network: cells become populations, terms projections without delay.

A coded cell becomes a population of `EventNeuron`, whose outgoing weights are multiplied by its theta; one
that is not coded becomes neurons that only add up. The sample enters as changes of whole numbers, sent by
the source "frame" to the population of the input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from ..engine.connectivity import Connectivity, conv2d, dense, explicit, one_to_one
from ..engine.network import Network
from ..engine.parts import CurrentSource, Population, Projection
from ..neurons import IF, EventNeuron
from ..neurons.errors import ConversionError
from ..neurons.model import NeuronModel
from .circuit import Cell, Circuit, Term
from .pairs import pairs_of

Events = Literal["pow2", "unit", "graded"]

#: Cells that tell nothing only add up: no input lifts them to this threshold.
NEVER = 1e30
#: The source of the sample.
FRAME = "frame"


def build(circuit: Circuit, *, events: Events = "pow2") -> Network:
    """Return the network that a circuit is, under the law "delta".

    Parameters
    ----------
    circuit : Circuit
        Its weights times the thetas of their sources lie on grids: see `Circuit.on_grid`.
    events : "pow2", "unit" or "graded"
        The alphabet of all cells but the input, which tells its changes at once.

    Returns
    -------
    Network
        A population for each cell, by the cell's name, in the shape that the trained network's author sees;
        the source "frame" takes changes of the input's whole numbers, in units of its theta.
    """
    net = Network()
    frame = net.add(CurrentSource(circuit.input.n, name=FRAME))
    for cell in circuit.cells.values():
        population = net.add(_population(cell, events if cell is not circuit.input else "graded"))
        if cell is circuit.input:
            net.add(Projection(frame, population, one_to_one(), delay=0.0, name=f"{FRAME}->{cell.name}"))
        names = Counter[str]()
        for term in cell.terms:
            name = f"{term.source}->{cell.name}"
            names[name] += 1
            source, told = circuit.cells[term.source], net[term.source]
            pattern, weight = synapses_of(term, source, cell)
            label = name if names[name] == 1 else f"{name} {names[name]}"
            net.add(Projection(told, population, pattern, weight=weight, delay=0.0, name=label))  # type: ignore[arg-type]
    return net


def _population(cell: Cell, events: Events) -> Population:
    bias = np.zeros(cell.n) if cell.bias is None else np.asarray(cell.bias, np.float64).reshape(-1)
    if cell.code is None:
        return Population(cell.shape, IF(threshold=NEVER), initial={"v": bias}, name=cell.name)
    return Population(cell.shape, _coded(cell, bias, events), name=cell.name)


def _coded(cell: Cell, bias: np.ndarray, events: Events) -> NeuronModel:
    assert cell.code is not None
    low, high = cell.code.low, cell.code.high
    f, bits = ("relu", high.bit_length()) if low == 0 else ("identity", high.bit_length() + 1)
    return EventNeuron(1.0 if not cell.terms else cell.code.theta, events=events, bits=bits, f=f, bias=bias)


def synapses_of(term: Term, source: Cell, target: Cell) -> tuple[Connectivity, Any]:
    """Return how a term connects two populations, and the weights, with the source's theta in them.

    Weights that many neurons share are stored once where the engine has a pattern for it (a matrix, a
    convolution), and where what they are multiplied by is shared too; else every connection is listed.
    """
    if source.code is None:
        raise ConversionError(f"{target.name}: hears {source.name}, which tells nothing; give it a code")
    theta = np.broadcast_to(np.asarray(source.code.theta, np.float64), (source.n,))
    compact = _COMPACT.get(term.op)
    found = compact(term, source, target, theta) if compact and _in_order(term, source.n) else None
    if found is not None:
        return found
    pairs = pairs_of(term, source.n)
    return explicit(pairs.sources, pairs.targets), pairs.weights * theta[pairs.sources]


def _in_order(term: Term, n: int) -> bool:
    return term.index is None or np.array_equal(np.asarray(term.index).reshape(-1), np.arange(n))


def _linear(term: Term, source: Cell, target: Cell, theta: np.ndarray) -> tuple[Connectivity, Any] | None:
    weight = np.asarray(term.values["weight"], np.float64)
    return (dense(), weight * theta) if weight.shape == (target.n, source.n) else None


def _wire(term: Term, source: Cell, target: Cell, theta: np.ndarray) -> tuple[Connectivity, Any]:
    return one_to_one(), theta


def _conv(term: Term, source: Cell, target: Cell, theta: np.ndarray) -> tuple[Connectivity, Any] | None:
    weight, options = np.asarray(term.values["weight"], np.float64), term.options
    groups = options["groups"]
    by_channel = _per_channel(source, options, theta)
    if by_channel is None or not _fits(source, target, options, len(weight)):
        return None
    by_group = by_channel.reshape(groups, 1, -1, 1, 1)
    kernels = (weight.reshape(groups, -1, *weight.shape[1:]) * by_group).reshape(weight.shape)
    padding = tuple(before for before, _ in options["padding"])
    return conv2d(options["stride"], padding, options["dilation"], groups), kernels


def _mean_pool(term: Term, source: Cell, target: Cell, theta: np.ndarray) -> tuple[Connectivity, Any] | None:
    """Average as a convolution of each channel with itself, since each has a theta of its own."""
    options, size = term.options, term.options["size"]
    padded = any(side for axis in options["padding"] for side in axis)
    if padded and not options["count_padding"]:
        return None
    kernel = np.full((options["image"][0], 1, *size), 1.0 / np.prod(size))
    as_conv = {**options, "dilation": (1, 1), "groups": options["image"][0]}
    return _conv(Term(term.source, "conv", {"weight": kernel}, as_conv), source, target, theta)


def _per_channel(source: Cell, options: Any, theta: np.ndarray) -> np.ndarray | None:
    """Return the theta of each channel of an image; None where a channel has several."""
    by_channel = theta.reshape(options["image"][0], -1)
    return by_channel[:, 0] if (by_channel == by_channel[:, :1]).all() else None


def _fits(source: Cell, target: Cell, options: Any, c_out: int) -> bool:
    """Whether populations have the shapes of the images, and padding is the same on both sides."""
    even = all(before == after for before, after in options["padding"])
    images = tuple(options["image"]) == source.shape and len(target.shape) == 3 and target.shape[0] == c_out
    return even and images


_COMPACT: dict[str, Callable[[Term, Cell, Cell, np.ndarray], tuple[Connectivity, Any] | None]] = {
    "linear": _linear,
    "conv": _conv,
    "mean_pool": _mean_pool,
    "wire": _wire,
}
