"""From the events that a machine tallied to the counts of a run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..neurons import counting
from .counts import Arithmetic, Counts, OperatorCounts, PopulationCounts, ProjectionCounts
from .layout import fan_out
from .operators import kind_of
from .parts import Operator, Population
from .plan import GroupPlan, Plan, ProjectionPlan
from .tables import weight_table


class Accountant:
    """Knows how many synapses each neuron's events reach, and so what a tally means.

    Parameters
    ----------
    plan : Plan
        What runs; its synapses are drawn, so make it before they are released.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._fan_out = {name: fan_out(plan, p) for name, p in plan.projections.items()}
        self._n_synapses = {name: int(reached.sum()) for name, reached in self._fan_out.items()}
        self._updates = {
            p.label: (counting.operations(p.model), counting.state_words(p.model))
            for p in plan.network.populations
        }

    @property
    def n_synapses(self) -> int:
        """Connections of the whole network."""
        return sum(self._n_synapses.values())

    def counts(self, tally: Mapping[str, np.ndarray], steps: int) -> Counts:
        """Return the counts of a stretch of `steps` steps.

        Parameters
        ----------
        tally
            What `Machine.take_tally` returned.
        steps
            Steps of the stretch.
        """
        groups, plan = self.plan.groups.values(), self.plan
        return Counts(
            steps=steps,
            trials=plan.trials,
            dt=plan.dt,
            populations=tuple(
                self._population(g, tally, steps) for g in groups if not isinstance(g.part, Operator)
            ),
            projections=tuple(self._projection(p, tally, steps) for p in plan.projections.values()),
            operators=tuple(_operator(o, tally) for o in plan.network.operators),
        )

    def _population(self, group: GroupPlan, tally: Mapping[str, np.ndarray], steps: int) -> PopulationCounts:
        spikes = int(tally[group.name].sum())
        if not isinstance(group.part, Population):
            return PopulationCounts(name=group.name, kind=type(group.part).__name__, n=group.n, spikes=spikes)
        operations, words = self._updates[group.name]
        return PopulationCounts(
            name=group.name,
            kind=type(group.part.model).__name__,
            n=group.n,
            spikes=spikes,
            updates=group.n * steps * self.plan.trials,
            operations=dict(operations),
            state_words=words,
        )

    def _projection(self, p: ProjectionPlan, tally: Mapping[str, np.ndarray], steps: int) -> ProjectionCounts:
        part, n_synapses = p.part, self._n_synapses[p.name]
        n_weights, bits = self._stored(p, n_synapses)
        changes = tally.get(f"{p.name} changes", np.zeros(1, np.int64))
        return ProjectionCounts(
            name=p.name,
            pre=part.source.label,
            post=part.target.label,
            kind="one_to_one" if part.connectivity.kind == "one_to_one" else p.storage,
            n_synapses=n_synapses,
            n_weights=n_weights,
            weight_bits=bits,
            events=int(np.dot(tally[part.source.label], self._fan_out[p.name])),
            dense_events=n_synapses * steps * self.plan.trials,
            arithmetic=_arithmetic(p),
            plastic=part.rule is not None,
            weight_updates=int(changes.sum()),
        )

    def _stored(self, p: ProjectionPlan, n_synapses: int) -> tuple[int, int]:
        """Return how many weights are stored, and the bits of one."""
        grid = self.plan.receptor(p).grid
        fixed = p.arithmetic == "fixed" and p.part.rule is None and grid is not None
        bits = grid.bits if fixed and grid is not None else 8 * self.plan.real.itemsize
        if p.storage in ("sparse", "dense"):
            return n_synapses, bits
        return int(np.size(weight_table(p.part)[0])), bits


def _arithmetic(p: ProjectionPlan) -> Arithmetic:
    """Say whether an event also needs a multiplication; each spike of a source is an event by itself."""
    payload = p.part.source.payload
    graded = payload == "integer" and isinstance(p.part.source, Population)
    return "mac" if payload == "real" or graded else "ac"


def _operator(operator: Operator, tally: Mapping[str, np.ndarray]) -> OperatorCounts:
    rows = int(tally[f"{operator.label} rows"].sum())
    elements = rows * operator.shape[-1]
    return OperatorCounts(
        name=operator.label,
        kind=operator.kind,
        rows=rows,
        spikes=int(tally[operator.label].sum()),
        evaluations={kind: number * elements for kind, number in kind_of(operator).evaluations.items()},
    )
