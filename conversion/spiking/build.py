"""From a circuit to a network: cells become populations or operators, terms projections without delay."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ...engine.connectivity import one_to_one
from ...engine.network import Network
from ...engine.parts import (
    CurrentSource,
    FrameSource,
    Group,
    Operator,
    Population,
    Projection,
    Read,
)
from ...neurons import EventNeuron
from ...neurons.errors import ConversionError
from ..circuits.circuit import Cell, Circuit
from ..circuits.codes import Events
from .patterns import synapses_of
from .populations import MODELS, WHOLE, Law, Models, Schedule, worth

#: The source of the sample.
FRAME = "frame"


def frame_of(cell: Cell) -> str:
    """Return the name of the source of what a cell that was left dense has come to."""
    return f"{FRAME} of {cell.name}"


def build(
    circuit: Circuit, *, law: Law = "delta", events: Events = "pow2", schedule: Schedule = "depth",
    spikes_in: bool = False, held: bool = False,
) -> Network:  # fmt: skip
    """Return the network that a circuit is.

    Parameters
    ----------
    circuit : Circuit
        With codes. Under "delta" its weights times the thetas of their sources lie on grids: see
        `Circuit.on_grid`.
    law : "delta", "rate", "ttfs" or "value"
        What events mean: see `EventNeuron`, and `FirstSpike` for "ttfs". Under "rate" a spike stands for the
        largest value that a neuron can tell.
    events : "pow2", "unit" or "graded"
        Under "delta", the alphabet of all cells but the input, which tells its changes at once.
    schedule : "depth" or "concurrent"
        Under "delta", whether a neuron sends all its events in one step, so that cells settle one behind the
        other in a single sweep, or one event in each sweep.
    spikes_in : bool
        Whether the input is told in spikes, too. If not, it is there as a current in every step under "rate",
        and told at once, in whole numbers, under "ttfs".
    held : bool
        Whether, under "delta", cells have a dead band, for now of nothing: `hold` of their neurons.

    Returns
    -------
    Network
        A population (or an operator, where nobody hears it) for each cell, by the cell's name, in the shape
        that the trained network's author sees. Its source "frame" takes, under "delta", the changes of the
        input's whole numbers, and under "ttfs" these numbers (once); else the input itself, in every step.
        What an operation that was left dense has come to stands in its population, or is fed in every step:
        see `between.py`.

    Raises
    ------
    ConversionError
        If a cell hears one without a code.
    """
    untold = [
        (cell, t) for cell in circuit.cells.values() for t in cell.terms if not circuit.cells[t.source].code
    ]
    if untold:
        cell, term = untold[0]
        raise ConversionError(f"{cell.name}: hears {term.source}, which tells nothing; give it a code")
    net = Network()
    models = MODELS[law](circuit, events, schedule, spikes_in, held)
    for cell in circuit.cells.values():
        if cell is circuit.input:
            _add_input(net, cell, law, models, spikes_in)
        elif cell.rows is not None and cell.rows.dense:
            _add_dense(net, cell, law, models)
        elif cell.rows is not None:
            _add_operator(net, circuit, cell, models)
        else:
            population = net.add(models.population(cell))
            _add_terms(net, circuit, cell, population, law)
    return net


def _add_input(net: Network, cell: Cell, law: Law, models: Models, spikes_in: bool) -> None:
    source: CurrentSource | FrameSource
    if law in WHOLE:
        source = net.add(CurrentSource(cell.n, name=FRAME))
        weight = cell.code.theta if cell.code is not None else 1.0
        population = net.add(models.input(cell))
    else:
        source, weight = net.add(FrameSource(cell.shape, name=FRAME)), 1.0
        as_it_is = Population(cell.shape, EventNeuron(law="value", f="identity"), name=cell.name)
        population = net.add(models.input(cell) if spikes_in else as_it_is)
    name = f"{FRAME}->{cell.name}"
    net.add(Projection(source, population, one_to_one(), weight=weight, delay=0.0, name=name))


def _add_dense(net: Network, cell: Cell, law: Law, models: Models) -> None:
    """Add the neurons that tell what an operation outside of the network computes."""
    population = net.add(models.population(cell))
    if law != "delta":
        source = net.add(FrameSource(cell.shape, name=frame_of(cell)))
        name = f"{source.name}->{cell.name}"
        net.add(Projection(source, population, one_to_one(), weight=1.0, delay=0.0, name=name))


def _add_operator(net: Network, circuit: Circuit, cell: Cell, models: Models) -> None:
    """Add an operator, and the neurons whose state it computes if they tell it."""
    assert cell.rows is not None
    reads = []
    for name, what, places in cell.rows.reads:
        group = net[name]
        assert isinstance(group, (Population, Operator))
        # Neurons that only add up hold their total as their potential, and an operator its value.
        reads.append(Read(group, what if what in group.readable else None, places))
    options = dict(cell.rows.options)
    if cell.code is None:
        net.add(Operator(cell.rows.kind, tuple(reads), options=options, name=cell.name))
        return
    output = net.add(models.population(cell))
    name = f"{cell.rows.kind} of {cell.name}"
    net.add(Operator(cell.rows.kind, tuple(reads), output=output, options=options, name=name))


def _add_terms(net: Network, circuit: Circuit, cell: Cell, population: Population, law: Law) -> None:
    names = Counter[str]()
    for term in cell.terms:
        source, name = circuit.cells[term.source], f"{term.source}->{cell.name}"
        names[name] += 1
        pattern, weight = synapses_of(term, source, cell, _worth(net, source, cell, law))
        pre: Group = net[term.source]  # type: ignore[assignment]
        label = name if names[name] == 1 else f"{name} {names[name]}"
        net.add(Projection(pre, population, pattern, weight=weight, delay=0.0, name=label))


def _worth(net: Network, source: Cell, target: Cell, law: Law) -> np.ndarray:
    """Return what one event of each neuron of a source stands for, beside the weights of a target."""
    assert source.code is not None
    told = np.asarray(source.code.theta, np.float64)
    if getattr(getattr(net[source.name], "model", None), "law", "") == "value":
        told = np.ones(())
    elif law == "rate":
        told = worth(source.code)
    elif target.step is not None:  # weights have the thetas of their sources in them already
        told = np.ones(())
    return np.broadcast_to(told, (source.n,))
