"""How much of a card's memory a plan will need, and refusing what cannot fit before anything is drawn."""

from __future__ import annotations

from ....neurons.errors import PlanError
from ...memory import largest_of
from ...parts import Population
from ...plan import Plan
from ..schedule import longest_strip
from . import fields as f
from .card import Card

#: Bytes of a synapse that is pushed, by the bits of its weight, and of one that is listed beside its weight.
_PUSHED, _LISTED = {16: 8, 32: 12}, 12
#: Bytes that the buffers of records take, at most, unless single steps need more.
_BUFFERS = 256 << 20


#: Neurons times trials times steps whose events are kept for a strip.
_STRIP_EVENTS = 1 << 25


def strip_of(plan: Plan) -> int:
    """Return how many steps a card runs as one piece."""
    return longest_strip(plan, _STRIP_EVENTS // plan.trials)


def estimate_bytes(plan: Plan) -> float:
    """Return the bytes of a card's memory that a plan will need, roughly."""
    real, total = plan.real.itemsize, float(_BUFFERS)
    strip = strip_of(plan)
    for p in plan.projections.values():
        grid = plan.receptor(p).grid
        if p.rule is not None:
            each_trial = real * (1 + len(p.rule.synaptic))
            total += p.expected * (plan.trials * each_trial + _LISTED + 4)
        elif p.storage == "sparse":
            total += p.expected * (_PUSHED[grid.bits] if p.arithmetic == "fixed" and grid else real + _LISTED)
        elif p.storage == "dense":
            total += p.expected * (real if p.arithmetic == "float" else 4)
    for name, group in plan.groups.items():
        states = len(group.part.model.used_states) if isinstance(group.part, Population) else 1
        payload = 4.0 if group.part.payload != "unit" else 0.0
        kept = plan.reach[name] + strip
        each = states * real + 8 + 2 * kept * (payload + 1 / 8) + 8 * strip * f.ENTRY
        total += plan.trials * group.n * each
        total += plan.trials * group.n * len(group.receptors) * 4 * (plan.max_delay + strip)
    return total


def refuse_if_too_big(plan: Plan, card: Card) -> None:
    """Raise PlanError if the network will not fit into the memory that a card has left."""
    needed, left = estimate_bytes(plan), card.free_bytes()
    if needed > left:
        raise PlanError(
            f"the network needs about {needed / 1e9:.3g} GB of the card's memory and {left / 1e9:.3g} GB are "
            f"free on {card.name}{largest_of(plan.projections)}; make it smaller, run fewer trials at once, "
            "or use backend='numba'"
        )
