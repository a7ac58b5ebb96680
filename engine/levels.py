"""Levels of zero delay: in which order groups are updated within one step."""

from __future__ import annotations

from ..neurons.errors import PlanError
from .network import Network
from .parts import Group, Operator
from .planned import ProjectionPlan


def assign_levels(network: Network, projections: dict[str, ProjectionPlan]) -> dict[str, int]:
    """Return each group's depth: one more than what it hears, reads, or is written by in the same step.

    Raises
    ------
    PlanError
        If zero delays form a cycle; the message names the groups on it.
    """
    before: dict[str, set[str]] = {group.label: set() for group in network.of(Group)}
    for p in projections.values():
        if p.zero_delay:
            before[p.part.target.label].add(p.part.source.label)
    for operator in network.of(Operator):
        before[operator.label].update(group.label for group in operator.sources)
        if operator.output is not None:
            before[operator.output.label].add(operator.label)
    levels: dict[str, int] = {}
    while len(levels) < len(before):
        ready = [name for name in before if name not in levels and before[name] <= levels.keys()]
        if not ready:
            raise PlanError(
                f"projections with zero delay form a cycle: {_find_cycle(before, set(levels))}; "
                "give one of them a delay of at least one step"
            )
        for name in ready:
            levels[name] = 1 + max((levels[other] for other in before[name]), default=-1)
    return levels


def _find_cycle(before: dict[str, set[str]], done: set[str]) -> str:
    path = [next(name for name in before if name not in done)]
    while True:
        earlier = next(name for name in sorted(before[path[-1]]) if name not in done)
        if earlier in path:
            return " -> ".join(reversed([*path[path.index(earlier) :], earlier]))
        path.append(earlier)
