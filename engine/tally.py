"""From the events that a machine tallied to the counts of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..neurons import counting
from .counts import Arithmetic, Counts, PopulationCounts, ProjectionCounts
from .groups import ids_of
from .layout import fan_out
from .operated import Operated
from .parts import Operator, Population
from .plan import Plan
from .planned import GroupPlan, ProjectionPlan
from .relays import Relay, is_feed, is_relayed, origin, sender
from .tables import weight_table

#: What an event of each neuron counts for: synaptic events, whether it is sent, and as a packet.
Worth = tuple[int | np.ndarray, int | np.ndarray, int | np.ndarray]


class Accountant:
    """Knows how many synapses each neuron's events reach, and so what a tally means.

    Parameters
    ----------
    plan : Plan
        What runs; recipes of its synapses are made, so make it before they are released.
    threads : int
        Threads to make them with.
    """

    def __init__(self, plan: Plan, threads: int = 1) -> None:
        self.plan = plan
        self._worth: dict[str, Worth] = plan.once("worth", lambda: _worth_of_events(plan, threads))
        projections = [plan.projections[name] for name in self._worth]
        # What a count says of a part whatever happens, as arguments of its class.
        self._projections = {p.name: self._describe_projection(p) for p in projections}
        self._groups = {
            group.name: _describe_group(group)
            for group in plan.groups.values()
            if not isinstance(group.part, Operator | Relay)
        }
        self._operators = [Operated(plan, operator.label) for operator in plan.network.operators]

    @property
    def n_synapses(self) -> int:
        """Connections of the whole network."""
        return sum(int(described["n_synapses"]) for described in self._projections.values())

    def counts(self, tally: Mapping[str, np.ndarray], steps: int, ran: np.ndarray) -> Counts:
        """Return the counts of a stretch of `steps` steps.

        Parameters
        ----------
        tally
            What `Machine.take_tally` returned.
        steps
            Steps of the stretch.
        ran
            Those that each trial took part in, int64 (trials,).
        """
        together = int(ran.sum())
        sent = {name: tally[f"sent/{name}"].sum(axis=1) for name in self.plan.groups}
        return Counts(
            steps=steps,
            trials=self.plan.trials,
            dt=self.plan.dt,
            gridless=self.plan.gridless,
            populations=tuple(self._population(name, sent[name], tally, together) for name in self._groups),
            projections=tuple(self._projection(name, tally, sent, together) for name in self._projections),
            operators=tuple(found.counts(tally) for found in self._operators),
        )

    def _population(
        self, name: str, sent: np.ndarray, tally: Mapping[str, np.ndarray], steps: int
    ) -> PopulationCounts:
        group = self.plan.groups[name]
        updates = group.n * steps if isinstance(group.part, Population) else 0
        if f"updates/{name}" in tally:
            updates = int(tally[f"updates/{name}"].sum())
        by_trial = tuple(sent.tolist())
        return PopulationCounts(
            **self._groups[name], spikes=sum(by_trial), updates=updates, spikes_by_trial=by_trial
        )

    def _projection(
        self, name: str, tally: Mapping[str, np.ndarray], sent: Mapping[str, np.ndarray], steps: int
    ) -> ProjectionCounts:
        described, part = self._projections[name], self.plan.projections[name].part
        pre, changes = described["pre"], tally.get(f"changes/{name}")
        by_trial = [
            sent[pre] * worth if isinstance(worth, int) else tally[f"sent/{pre}"] @ worth
            for worth in self._worth[name]
        ]
        events, carried, packets = (int(count.sum()) for count in by_trial)
        return ProjectionCounts(
            **described,
            sent=carried,
            packets=packets,
            events=events,
            events_by_trial=tuple(by_trial[0].tolist()),
            dense_events=None if self.plan.gridless else described["n_synapses"] * steps,
            weight_updates=carried * is_relayed(part) if changes is None else int(changes.sum()),
        )

    def _describe_projection(self, p: ProjectionPlan) -> dict[str, Any]:
        part, group = p.part, sender(p.part)
        n_synapses, senders = (
            group.n * worth if isinstance(worth, int) else int(worth.sum())
            for worth in self._worth[p.name][:2]
        )
        n_weights, bits = self._stored(p, n_synapses)
        return {
            "name": p.name,
            "pre": group.label,
            "post": part.target.label,
            "kind": "one_to_one" if part.connectivity.kind == "one_to_one" else p.storage,
            "senders": senders,
            "n_synapses": n_synapses,
            "n_weights": n_weights,
            "weight_bits": bits,
            "arithmetic": _arithmetic(p),
            "plastic": p.rule is not None,
        }

    def _stored(self, p: ProjectionPlan, n_synapses: int) -> tuple[int, int]:
        """Return how many weights are stored, and the bits of one."""
        grid = self.plan.receptor(p).grid
        fixed = p.arithmetic == "fixed" and p.rule is None and grid is not None
        bits = grid.bits if fixed and grid is not None else 8 * self.plan.real.itemsize
        if p.storage in ("sparse", "dense"):
            return n_synapses, bits
        return int(np.size(weight_table(p.part)[0])), bits


def _worth_of_events(plan: Plan, threads: int) -> dict[str, Worth]:
    """Return what events count for, by projection."""
    worth: dict[str, Worth] = {}
    reached: dict[tuple[str, str], np.ndarray] = {}
    for p in plan.projections.values():
        if is_feed(p.part):
            continue
        synapses, ends = _reached(plan, p, threads), (sender(p.part).label, p.part.target.label)
        before = reached.get(ends, np.zeros(synapses.size, bool))
        worth[p.name] = _short(synapses), _short(synapses > 0), _short((synapses > 0) & ~before)
        reached[ends] = before | (synapses > 0)
    return worth


def _reached(plan: Plan, p: ProjectionPlan, threads: int) -> np.ndarray:
    """Return how many synapses a spike of each sender reaches, by place of storage."""
    reached, group = fan_out(plan, p, threads), plan.group_of(sender(p.part))
    if not is_relayed(p.part):
        return reached
    by_user = np.zeros(group.n, np.int64)
    by_user[ids_of(origin(p.part.pre))] = plan.group_of(p.part.source).unstored(reached)
    return group.stored(by_user)


def _short(worth: np.ndarray) -> int | np.ndarray:
    """Return one number where it is that of all."""
    worth = worth.astype(np.int64)
    return int(worth[0]) if (worth == worth[0]).all() else worth


def _describe_group(group: GroupPlan) -> dict[str, Any]:
    if not isinstance(group.part, Population):
        return {"name": group.name, "kind": type(group.part).__name__, "n": group.n}
    model = group.part.model
    return {
        "name": group.name,
        "kind": type(model).__name__,
        "n": group.n,
        "operations": counting.operations(model),
        "state_words": counting.state_words(model),
    }


def _arithmetic(p: ProjectionPlan) -> Arithmetic:
    """Say whether an event also needs a multiplication; each spike of a source is an event by itself."""
    source = p.part.source
    multiplies = source.model.multiplies if isinstance(source, Population) else source.payload == "real"
    return "mac" if multiplies else "ac"
