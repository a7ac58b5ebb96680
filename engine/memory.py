"""How much memory a plan will need, and refusing what cannot fit before anything is allocated."""

from __future__ import annotations

import os

from ..neurons.errors import PlanError
from .connectivity import Distance, FixedOut, FixedTotal, Random
from .parts import Population
from .planned import GroupPlan, ProjectionPlan

#: Bytes per sparse synapse: when it is stored, and while those that are not drawn row by row are listed
#: (targets, order, and lists that are turned round).
_STORED, _LISTED = {"fixed": 4, "float": 8}, 4 + 4 + 8
#: Trials whose events are held at a time where none lasts, and events of a stretch of steps at most.
_HELD, _STRETCH = 64, 1 << 26
#: Without a grid: bytes per synapse when it is stored, with a delay of its own, and while they are sorted;
#: bytes per neuron, beside its state variables.
_EXACT_STORED, _EXACT_DELAY, _EXACT_LISTED, _EXACT_NEURON = 12, 8, 56, 200


def estimate_bytes(
    groups: dict[str, GroupPlan],
    projections: dict[str, ProjectionPlan],
    trials: int,
    *,
    float64: bool = False,
) -> float:
    """Return the bytes that building and running will need, roughly."""
    total = 0.0
    for p in projections.values():
        c = p.part.connectivity
        if isinstance(c, FixedTotal) and not c.multiple:
            total += p.part.pre.n * p.part.post.n  # which pairs are taken
        if p.storage == "sparse":
            by_row = isinstance(c, Random | FixedOut | Distance) or (isinstance(c, FixedTotal) and c.multiple)
            listed = 0 if by_row else _LISTED
            total += p.expected * (listed + _STORED[p.arithmetic] * (2 if float64 else 1))
        elif p.storage == "dense":
            total += p.expected * (16 if float64 else 8)  # the matrix, and its tiles
    held = trials if any(p.delays[-1] for p in projections.values()) else min(trials, _HELD)
    delays_of: dict[str, list[tuple[int, ...]]] = {name: [] for name in groups}
    for p in projections.values():
        delays_of[p.part.source.label].append(p.delays)
    for group in groups.values():
        # Where each delay's synapses of a source start, and again while they are being placed.
        mine = delays_of[group.name]
        total += group.n * max(map(len, mine), default=0) * 8
        width = len(group.part.model.used_states) if isinstance(group.part, Population) else 1
        longest = max((delays[-1] for delays in mine), default=1)
        total += trials * group.n * (width + 2 * len(group.receptors)) * (8 if float64 else 4)
        total += held * group.n * 8 * (longest + 1)
    # Some backends keep the events of a stretch of steps.
    total += 8 * min(held * 128 * sum(group.n for group in groups.values()), _STRETCH)
    return total


def estimate_gridless_bytes(
    groups: dict[str, GroupPlan], projections: dict[str, ProjectionPlan], trials: int
) -> float:
    """Return the same for a network that runs from event to event: each synapse is listed."""
    stored = sum(
        p.expected * (_EXACT_STORED + (_EXACT_DELAY if len(p.delays) > 1 else 0)) + 8.0 * p.part.source.n
        for p in projections.values()
    )
    listed = max((p.expected * _EXACT_LISTED for p in projections.values()), default=0.0)
    return stored + listed + _EXACT_NEURON * trials * sum(group.n for group in groups.values())


def available_bytes() -> float:
    """Return the memory that the machine has left, in bytes; infinite where it does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return float(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return float("inf")


def largest_of(projections: dict[str, ProjectionPlan]) -> str:
    """Say which projection is the largest, for a message; nothing where there is none."""
    largest = max(projections.values(), key=lambda p: p.expected, default=None)
    if largest is None:
        return ""
    return f"; the largest projection is {largest.name} with {largest.expected:.3g} synapses"


def refuse_if_too_big(
    groups: dict[str, GroupPlan],
    projections: dict[str, ProjectionPlan],
    trials: int,
    *,
    float64: bool = False,
    gridless: bool = False,
) -> None:
    """Raise PlanError if the network will not fit into the memory that is left."""
    left = available_bytes()
    if gridless:
        needed = estimate_gridless_bytes(groups, projections, trials)
    else:
        needed = estimate_bytes(groups, projections, trials, float64=float64)
    if needed > left:
        raise PlanError(
            f"the network needs about {needed / 1e9:.3g} GB and {left / 1e9:.3g} GB are "
            f"available{largest_of(projections)}; make it smaller, or run fewer trials at once"
        )
