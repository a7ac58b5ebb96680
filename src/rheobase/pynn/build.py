"""From what a PyNN script has described to a network of ours, and on through its runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from pyNN import common

from ..engine.connectivity import explicit
from ..engine.groups import Group
from ..engine.network import Network
from ..engine.parts import Population, Probe, Projection
from ..engine.simulator import Simulator
from ..neurons.errors import SpecError
from ..neurons.units import ms
from .cells import Neuron, SpikeSourceArray

if TYPE_CHECKING:
    from .simulator import State


class Built:
    """A network in the middle of its simulation.

    Parameters
    ----------
    state : State
        What the script has described.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.network = Network(seed=state.seed + state.segment_counter)
        self._groups = {p.name: self.network.add(_group(p, state)) for p in state.populations}
        #: The parts of each projection: which of its synapses, and the projection of ours that they are.
        self._parts = {p.name: [*self._projections(p)] for p in state.projections}
        for population in state.populations:
            self._probe(population)
        self.simulator = Simulator(self.network, dt=state.dt * ms, **state.options)

    def _probe(self, population: Any) -> None:
        recorder = population.recorder
        group, dt = self._groups[population.name], self._state.dt * ms
        for variable in recorder.variables:
            name, ids = f"{population.name}: {variable}", recorder.ids_of(variable)
            if variable == "spikes":
                self.network.add(Probe(group, name=name, ids=ids))
                continue
            ours = population.celltype.variables[variable].name
            # Sample k is of the time k * every, the end of step k * every - 1.
            start = (recorder.every - 1) * dt
            self.network.add(Probe(group, ours, name=name, ids=ids, every=recorder.every * dt, start=start))

    def _projections(self, projection: Any) -> Any:
        """Yield which synapses of a projection join two populations, and the projection of ours."""
        values, rows = projection.attributes(), np.arange(len(projection))
        for pre, pre_rows, pre_ids in _split(projection.pre, projection.pre_indices):
            for post, post_rows, post_ids in _split(projection.post, projection.post_indices):
                here = rows[pre_rows & post_rows]
                if not here.size:
                    continue
                name = f"{projection.name}: {pre.name} to {post.name}"
                cell, group = post.celltype, self._groups[post.name]
                unit = cell.weight_unit
                mine = {key: array[here] for key, array in values.items()}
                part = Projection(
                    self._groups[pre.name], group, explicit(pre_ids[here], post_ids[here]), name=name,
                    weight=_simple(mine["weight"] * unit), delay=_simple(mine["delay"] * ms),
                    receptor=cell.receptors[projection.receptor_type],
                    rule=projection.synapse_type.rule(str(projection.label), mine, unit),
                )  # fmt: skip
                yield here, self.network.add(part), unit

    def advance(self, until: int) -> None:
        """Run up to a step, and hand what was recorded to the recorders.

        Injected currents are a part of the cells' constant currents, so each change of them ends a run.
        """
        state = self._state
        while (now := state.steps) < until:
            for population in state.populations:
                if isinstance(population.celltype, Neuron) and state.current_sources:
                    self.update(population)
            steps = (
                int(min([until, *(one.next_change(now, state.dt) for one in state.current_sources)])) - now
            )
            result = self.simulator.run(steps * state.dt * ms, inputs=self._inputs(steps))
            for population in state.populations:
                population.recorder.take(result)
            state.steps += steps

    def update(self, population: Any) -> None:
        """Give the cells of a population, or its sources, the parameters that it has now."""
        now, old = _group(population, self._state), self._groups[population.name]
        before, after = (vars(g.model if isinstance(g, Population) else g) for g in (old, now))
        # Compared as they are described, since cached properties of models lie among them.
        names = dataclasses.fields(now.model if isinstance(now, Population) else now)
        changed = {f.name: after[f.name] for f in names if not np.array_equal(before[f.name], after[f.name])}
        if changed:
            self.simulator.set(population.name, **changed)
            self._groups[population.name] = now

    def set_weights(self, projection: Any, weights: np.ndarray) -> None:
        """Give a projection other weights, in PyNN's unit, one for each synapse."""
        for rows, part, unit in self._parts[projection.name]:
            self.simulator.set(part.name, weight=weights[rows] * unit)

    def _inputs(self, steps: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return the spikes that each array of them has in the next steps, from the beginning of these.

        A spike at t is sent in the step that ends at t: what it does is seen after its delay.
        """
        dt, now = self._state.dt, self._state.steps
        inputs = {}
        for population in self._state.populations:
            if isinstance(population.celltype, SpikeSourceArray):
                trains = [
                    np.asarray(one.value, dtype=np.float64) for one in population._parameters["spike_times"]
                ]
                ids = np.repeat(np.arange(len(trains)), [train.size for train in trains])
                step = np.rint(np.concatenate([np.zeros(0), *trains]) / dt).astype(np.int64) - 1 - now
                if now == 0 and np.any(step < 0):
                    raise SpecError(
                        f"{population.label}.spike_times: got a spike before {dt:g} ms; the first that can "
                        "be sent ends the first step"
                    )
                kept = (step >= 0) & (step < steps)
                step, ids = step[kept], ids[kept]
                order = np.lexsort((ids, step))
                inputs[population.name] = (step[order] * (dt * ms), ids[order])
        return inputs

    def weights(self, projection: Any) -> np.ndarray:
        """Return the weights of a projection as they are now, in PyNN's unit, one for each synapse."""
        found = np.empty(len(projection))
        for rows, part, unit in self._parts[projection.name]:
            found[rows] = self.simulator.weights(part.name) / unit
        return found


def _group(population: Any, state: State) -> Group:
    """Return a population as it is described now, with what is injected in the next step."""
    cell, n = population.celltype, population.size
    parameters = {name: _simple(values) for name, values in population._parameters.items()}
    if not isinstance(cell, Neuron):
        return cell.source(parameters, n, population.name, state.dt)  # type: ignore[no-any-return]
    injected = np.array(population._parameters["i_offset"], dtype=np.float64)
    for source in state.current_sources:
        source.add(population, state.steps, state.dt, injected)
    parameters["i_offset"] = _simple(injected)
    initial = {
        cell.variables[name].name: _simple(values) * cell.variables[name].unit
        for name, values in population._initial.items()
    }
    return Population(n, cell.neurons(parameters), name=population.name, initial=initial)


def _simple(values: np.ndarray) -> Any:
    """Return one number where all are the same."""
    same = values.dtype.kind == "f" and values.size > 0 and bool(np.all(values == values[0]))
    return float(values[0]) if same else values


def _split(end: Any, indices: np.ndarray) -> list[tuple[Any, np.ndarray, np.ndarray]]:
    """Return each population of one end, which indices are its own, and which of its cells they are."""
    parts = end.populations if isinstance(end, common.Assembly) else [end]
    found, first = [], 0
    for part in parts:
        own = (indices >= first) & (indices < first + part.size)
        local = np.where(own, indices - first, 0)
        view = isinstance(part, common.PopulationView)
        ids = np.asarray(part.index_in_grandparent(local)) if view else local
        found.append((part.grandparent if view else part, own, ids))
        first += part.size
    return found
