"""In what order segments run: phases that follow one another, each over a strip of several steps.

Within a strip a phase runs all its steps before the next phase starts. That is exact as long as
every event a phase reads was sent in an earlier strip or by an earlier phase: projections that lead
backwards, or stay within a phase, must have a delay of at least a strip.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..parts import Operator, Probe
from ..plan import Plan
from ..planned import Step
from ..sources import Source

_LONGEST_STRIP = 128
#: Trials that run side by side where the next ones can take over their memory.
CREW = 32
#: Events kept for a strip: this many neurons times steps, so that long strips stay in the cache, and so
#: many for all trials together, of 8 bytes each.
_STRIP_EVENTS, _ALL_EVENTS = 1 << 21, 1 << 26


@dataclass(frozen=True)
class Schedule:
    """The phases of a strip.

    Attributes
    ----------
    strip : int
        Steps in a strip.
    phases : tuple of tuple of Step
        What each phase does in every step.
    """

    strip: int
    phases: tuple[tuple[Step, ...], ...]


def make_schedule(plan: Plan) -> Schedule:
    """Return the phases of a plan, and the longest strip that they allow."""
    apart = longest_strip(plan, min(_STRIP_EVENTS, _ALL_EVENTS // trials_held(plan)))
    if apart == 1:
        return Schedule(1, _phases(plan, sources_first=False))
    return Schedule(apart, _phases(plan, sources_first=True))


def remembers(plan: Plan) -> bool:
    """Whether some event outlives the strip in which it was sent."""
    return any(p.delays[-1] > 0 for p in plan.projections.values())


def trials_held(plan: Plan) -> int:
    """Return for how many trials a thread must hold events at a time: all, or those of one crew."""
    return plan.trials if remembers(plan) else min(plan.trials, CREW)


def longest_strip(plan: Plan, events: int) -> int:
    """Return the longest strip that a plan allows where sources send theirs before all else.

    Parameters
    ----------
    plan
        What runs.
    events
        Neurons times steps whose events may be kept.
    """
    if any(p.rule is not None for p in plan.projections.values()) or plan.network.of(Operator):
        return 1  # learning and operators look at all groups after every step
    neurons = max(sum(group.n for group in plan.groups.values()), 1)
    longest = min(_LONGEST_STRIP, max(events // neurons, 1))
    for p in plan.projections.values():
        source, target = plan.group_of(p.part.source), plan.group_of(p.part.target)
        if source.level >= target.level and not isinstance(source.part, Source):
            longest = min(longest, p.delays[0])
    return longest


def _phases(plan: Plan, *, sources_first: bool) -> tuple[tuple[Step, ...], ...]:
    """Cut the plan's steps into phases; probes record in the phase of what they look at."""
    keyed: dict[int, list[Step]] = {}
    for step in plan.steps:
        if step.kind == "emit" and sources_first:
            key = -1
        elif step.kind == "record":
            key = _phase_of_probe(plan, plan.probe(step.names[0]), sources_first)
        elif step.kind == "learn":
            key = plan.n_levels
        else:
            key = step.level
        keyed.setdefault(key, []).append(step)
    return tuple(tuple(keyed[key]) for key in sorted(keyed))


def _phase_of_probe(plan: Plan, probe: Probe, sources_first: bool) -> int:
    group = plan.group_of(probe.group)
    return -1 if sources_first and isinstance(group.part, Source) else group.level
