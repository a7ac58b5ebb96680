"""Private Poisson sources: drawn where their events arrive, so that nobody lists or keeps these.

A source that feeds each target by one synapse of one weight, unseen by any probe, can be drawn inside
its target's update, for the step that lies a delay before. What was sent is then known only as it
arrives; whoever asks for events in flight draws them again, from the counters of their steps.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..connectivity import OneToOne
from ..plan import Plan
from ..planned import ProjectionPlan
from ..poisson import count_table
from ..random import draw64, paired_bits_array, stream_key
from ..relays import is_feed
from ..sources import PoissonSource


def private_sources(plan: Plan) -> dict[str, ProjectionPlan]:
    """Return the Poisson sources that are drawn inside their target's update, with their only projection.

    At most one for each receptor: any others emit events as all sources do.
    """
    found: dict[tuple[str, str], ProjectionPlan] = {}
    for p in plan.projections.values():
        if _is_private(plan, p):
            found.setdefault((p.part.target.label, p.part.receptor_name), p)
    return {p.part.source.label: p for p in found.values()}


def _is_private(plan: Plan, p: ProjectionPlan) -> bool:
    """Whether a source feeds one target each by one weight, and nobody else looks."""
    source = p.part.source
    return (
        isinstance(source, PoissonSource)
        and np.ndim(source.rate) == 0
        and isinstance(p.part.connectivity, OneToOne)
        and isinstance(p.part.weight, float | int)
        and len(p.delays) == 1
        and p.rule is None
        and p.arithmetic == "fixed"
        and sum(q.part.source is source for q in plan.projections.values()) == 1
        and not any(q.part.modulator is source for q in plan.projections.values())
        and p.part.pre is source
        and p.part.post is p.part.target
        and plan.group_of(source).order is None
        and plan.group_of(p.part.target).order is None
        and not any(probe.group is source for probe in plan.probes)
        and not is_feed(p.part)  # whose counts ask which neuron sent
    )


def drawn_events(plan: Plan, group: str, trial: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what a private source sends in a step of a trial: places (int64) and counts (int32)."""
    part = plan.groups[group].part
    assert isinstance(part, PoissonSource)
    table = count_table(group, np.atleast_1d(part.rate) * plan.dt)
    key = stream_key(plan.network.seed, group, "noise", trial)
    counts = table.counts(paired_bits_array(draw64(key, step), np.arange(part.n)), 0)
    places = np.flatnonzero(counts)
    return places, counts[places]


def drawn_flight(plan: Plan, group: str, now: int) -> dict[str, np.ndarray]:
    """Return what a private source has sent before step `now` and is under way, in the keys of a snapshot."""
    reach = plan.reach[group]
    columns: list[list[np.ndarray]] = [[], [], [], []]
    for trial in range(plan.trials):
        for step in range(max(now - reach, 0), now):
            places, counts = drawn_events(plan, group, trial, step)
            events = (np.full(places.size, trial), np.full(places.size, step), places, counts)
            for column, part in zip(columns, events, strict=True):
                column.append(part)
    kinds = {"trials": np.int64, "steps": np.int64, "places": np.int64, "payloads": np.float64}
    return {
        f"flight/{group}/{name}": np.concatenate([np.zeros(0, kind), *column]).astype(kind)
        for (name, kind), column in zip(kinds.items(), columns, strict=True)
    }


class PrivateTally:
    """Corrects what a machine counted of its private sources: from events that arrived to events sent.

    Parameters
    ----------
    plan : Plan
        The plan.
    sources : mapping
        Private sources and their projections: `private_sources`, or some of them.
    """

    def __init__(self, plan: Plan, sources: Mapping[str, ProjectionPlan]) -> None:
        self._plan, self._delays = plan, {name: p.delays[0] for name, p in sources.items()}
        self._counted = {name: np.zeros(plan.trials, np.int64) for name in sources}

    def correct(self, tally: Mapping[str, np.ndarray], now: int) -> None:
        """Add to a tally of what arrived since the last one, step `now` not included, what came on its way.

        Only the sum over a source's neurons becomes right: nobody asks for more.
        """
        for name, before in self._counted.items():
            self._counted[name] = self._in_flight(name, now)
            tally[f"sent/{name}"][:, 0] += self._counted[name] - before

    def begin(self, now: int) -> None:
        """Begin to count at a step: what is in flight then was counted before."""
        self._counted = {name: self._in_flight(name, now) for name in self._delays}

    def _in_flight(self, name: str, now: int) -> np.ndarray:
        """Return how many events a source has sent that have not arrived, int64 (trials,)."""
        steps = range(max(now - self._delays[name], 0), now)
        return np.array(
            [
                sum(int(drawn_events(self._plan, name, trial, step)[1].sum()) for step in steps)
                for trial in range(self._plan.trials)
            ],
            np.int64,
        )
