"""What a network must be to run without a grid, and what its time is then.

Without a grid a step is a femtosecond, and only steps in which something happens are computed. So spike
times are whole numbers: times that a user writes in decimals add up exactly, and events that meet in the
paper's arithmetic meet in ours.
"""

from __future__ import annotations

from ..neurons.errors import PlanError, SpecError
from ..neurons.exact import ExactFlow
from ..neurons.vocabulary import DRAWS
from .network import Network
from .parts import CurrentSource, FrameSource, Operator, Population, Probe

#: Seconds per step without a grid.
TICK = 1e-15
#: No simulation without a grid is longer, in steps: 77 minutes.
MOST_TICKS = 2**62
_SOURCES = "PoissonSource, RateSource or SpikeSource"


def refuse_without_grid(network: Network, stride: int) -> None:
    """Raise PlanError if something in a network needs steps; the message names it and what to use instead.

    Parameters
    ----------
    network
        The network.
    stride
        Ticks of a delay that was left out, and between samples where a probe does not say; 0 if there is no
        such thing.
    """
    for part in network:
        if isinstance(part, Population):
            _refuse_model(part)
        elif isinstance(part, CurrentSource | FrameSource):
            raise _needs_grid(
                part.label,
                f"a {type(part).__name__} sends in every step",
                f"a model's drive, or a {_SOURCES}",
            )
        elif isinstance(part, Operator):
            raise _needs_grid(part.label, "an Operator is computed step by step", "method='clocked'")
        elif isinstance(part, Probe) and not stride:
            if part.variable not in ("spikes", "counts") and part.every is None:
                raise SpecError(
                    f"{part.label}.every: left out, which means one step; there are none without dt: give "
                    "seconds between samples"
                )
    for p in network.projections:
        if p.rule is not None:
            raise _needs_grid(p.label, f"{type(p.rule).__name__} learns step by step", "method='clocked'")
        if p.delay is None and not stride:
            raise SpecError(
                f"{p.label}.delay: left out, which means one step; there are none without dt: give seconds, "
                "or 0.0 where no cycle results"
            )


def _refuse_model(population: Population) -> None:
    model, kind = population.model, type(population.model).__name__
    if not isinstance(model, ExactFlow):
        raise _needs_grid(
            population.label, f"{kind} has no exact flow", "method='clocked', or IF, LI, LIF or CurrentLIF"
        )
    reason = model.needs_grid()
    if reason:
        raise PlanError(f"{population.label}: {kind} cannot run without a grid as it is: {reason}")
    rules = (model.rules.flow, model.rules.jump, model.rules.fire)
    if any(rule.words.intersection(DRAWS) for rule in rules):
        raise _needs_grid(population.label, f"{kind} draws numbers in every step", "method='clocked'")


def _needs_grid(label: str, why: str, instead: str) -> PlanError:
    return PlanError(f"{label}: cannot run without a grid: {why}; use {instead}")
