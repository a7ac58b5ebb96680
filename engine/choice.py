"""Whether `method="auto"` goes from event to event: where it changes no result, and if it pays.

Results are the same, to the last bit, where a step in which nothing arrives changes no neuron, input is
summed in fixed point, and all sources send spikes that were given. What pays is estimated from the
description alone: how many events each population can receive at most, and what they cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..neurons.integrate import IF
from .backends.registry import GRID_EVENT_BACKENDS
from .connectivity import Pool2d
from .parts import Operator, Population, Probe, Projection
from .plan import Plan
from .planned import ProjectionPlan
from .sources import Source, SpikeSource
from .tables import weight_table

#: Nanoseconds of what `Load.by_clock` and `Load.by_event` count, of which only ratios matter: measured and
#: fitted by `benchmarks/event_costs.py`, on two x86 cores with nothing else running.
CLOCK_COSTS = (170.0, 0.07, 13.0, 0.52, 2.9)
EVENT_COSTS = (27.5, 6.2, 30_000.0, 3.2)
#: From event to event must be cheaper by this factor, since an estimate may be wrong.
MARGIN = 1.5
#: The most rounds in which rates of populations that excite each other are followed.
_ROUNDS = 1000


@dataclass(frozen=True)
class Choice:
    """How a simulation goes, and why.

    Attributes
    ----------
    method : "clocked" or "event"
        What was chosen.
    why : str
        What it follows from, for readers; empty where it was not a choice.
    """

    method: Literal["clocked", "event"]
    why: str = ""


def choose(plan: Plan, backend: str) -> Choice:
    """Return how a planned network with a grid is to run on a backend.

    Examples
    --------
    >>> import rheobase as rb
    >>> net = rb.Network()
    >>> source = net.add(rb.SpikeSource(100, times=[0.0, 9.0], ids=[0, 1], name="in"))
    >>> cells = net.add(rb.Population(1000, rb.IF(), name="cells"))
    >>> p = net.add(rb.Projection(source, cells, rb.fixed_out(100), weight=0.1))
    >>> sim = rb.Simulator(net, 1e-4, method="auto")
    >>> sim.run(1.0).info.method
    'event'
    """
    reason = refused(plan, backend)
    return Choice("clocked", reason) if reason else _cheaper(plan)


def refused(plan: Plan, backend: str) -> str:
    """Say why a run from event to event might not be that of the clock; empty if it is."""
    if backend not in GRID_EVENT_BACKENDS:
        return f"the backend {backend!r} goes step by step only"
    reasons = [_of_part(part) for part in plan.network]
    reasons += [
        f"{p.name} sums in floating point, so that order matters"
        for p in plan.projections.values()
        if p.arithmetic != "fixed"
    ]
    return next(filter(None, reasons), "")


def _of_part(part: object) -> str:
    """Say what about a part of a network needs the clock; empty if nothing."""
    if isinstance(part, Population):
        return _of_model(part)
    if isinstance(part, Source) and not isinstance(part, SpikeSource):
        draws = part.payload == "integer"
        return f"{part.label} {'draws spikes' if draws else 'sends values'} step by step"
    if isinstance(part, SpikeSource) and part.times is None:
        return f"{part.label} is fed by runs, so that nobody knows how often"
    if isinstance(part, Operator):
        return f"{part.label} is computed step by step"
    if isinstance(part, Projection) and part.rule is not None:
        return f"{part.label}: {type(part.rule).__name__} learns step by step"
    if isinstance(part, Probe) and isinstance(part.target, Projection):
        return f"{part.label} records synapses step by step"
    return ""


def _of_model(population: Population) -> str:
    model, name = population.model, population.label
    if type(model) is not IF:
        return f"{name}: {type(model).__name__} may move between events; only IF stands still"
    if model.options()["escapes"]:
        return f"{name} fires by chance in every step"
    reason = model.needs_grid()
    return f"{name}: {reason}" if reason else ""


@dataclass(frozen=True)
class Load:
    """What a second of a simulation holds.

    Attributes
    ----------
    neurons : int
        Neurons.
    steps : float
        Steps.
    sent, arrivals, events : float
        Spikes sent; times at which one of them arrives by a projection; synapses that they reach.
    samples, sampled : float
        Samples of state, and values in all of these.
    """

    neurons: int
    steps: float
    sent: float
    arrivals: float
    events: float
    samples: float
    sampled: float

    @property
    def by_clock(self) -> np.ndarray:
        """How much there is to do step by step: steps, updates, spikes, events, and values sampled."""
        return np.array([self.steps, self.steps * self.neurons, self.sent, self.events, self.sampled])

    @property
    def by_event(self) -> np.ndarray:
        """How much there is to do from event to event: spikes and arrivals, events, samples, their values."""
        return np.array([self.sent + self.arrivals, self.events, self.samples, self.sampled])


def load_of(plan: Plan) -> Load:
    """Return what a second of a planned network holds at most."""
    rates = most_rates(plan)
    carried = [(p, rates[p.part.source.label]) for p in plan.projections.values()]
    probes = [probe for probe in plan.probes if probe.variable not in ("spikes", "counts")]
    samples = [1.0 / max(plan.dt, probe.every or 0.0) for probe in probes]
    return Load(
        neurons=sum(group.n for group in plan.populations),
        steps=1.0 / plan.dt,
        sent=sum(group.n * rates[group.name] for group in plan.groups.values()),
        arrivals=sum(min(p.expected, p.part.source.n * len(p.delays)) * rate for p, rate in carried),
        events=sum(p.expected * rate for p, rate in carried),
        samples=sum(samples),
        sampled=sum(k * probe.recorded().size for k, probe in zip(samples, probes, strict=True)),
    )


def _cheaper(plan: Plan) -> Choice:
    """Return what costs less, by the events that can be expected at most."""
    load = load_of(plan)
    clocked = float(load.by_clock @ CLOCK_COSTS)
    event = float(load.by_event @ EVENT_COSTS)
    why = (
        f"at most {load.events / max(load.neurons, 1):.3g} events per neuron and second would take "
        f"{event * 1e-9:.2g} s from event to event, and {clocked * 1e-9:.2g} s by the clock, for each second"
    )
    return Choice("event" if MARGIN * event < clocked else "clocked", why)


def most_rates(plan: Plan) -> dict[str, float]:
    """Return how many spikes a neuron of each group sends in a second on average, at most.

    A spike takes a distance off v that only positive input can have given. So a population sends no more
    spikes than the sum of its positive input over that distance, which is followed around loops until it
    settles, or comes to what refractory times allow. (What first values hold beyond that is left out.)
    """
    rates = {group.name: _given(group.part, plan.dt) for group in plan.groups.values()}
    into = [(p.part.source.label, p.part.target.label, _gain(p)) for p in plan.projections.values()]
    bounds = {
        group.name: _bounds(group.part.model, plan.dt)
        for group in plan.groups.values()
        if isinstance(group.part, Population) and isinstance(group.part.model, IF)
    }
    for _ in range(_ROUNDS):
        drive = dict.fromkeys(bounds, 0.0)
        for source, target, gain in into:
            drive[target] += gain * rates[source]
        later = {name: min(drive[name] / cost, most) for name, (cost, most) in bounds.items()}
        settled = all(later[name] <= rates[name] * (1 + 1e-6) for name in later)
        rates |= later
        if settled:
            break
    return rates


def _given(part: object, dt: float) -> float:
    """Return how often each train of a source spikes in a second, up to its last spike."""
    if not isinstance(part, SpikeSource) or part.times is None or not part.times.size:
        return 0.0
    return part.times.size / part.n / max(float(part.times[-1]), dt)


def _gain(p: ProjectionPlan) -> float:
    """Return the positive weight that a target receives on average, where each source sends one spike."""
    weights, _ = weight_table(p.part)
    share = p.part.connectivity.share if isinstance(p.part.connectivity, Pool2d) else 1.0
    mean = float(np.maximum(weights, 0.0).mean()) if weights.size else 0.0
    return mean * share * p.expected / max(p.part.target.n, 1)


def _bounds(model: IF, dt: float) -> tuple[float, float]:
    """Return the least that a spike takes off v, and the most spikes that a neuron can send in a second."""
    derived = model.derive(dt)
    taken = derived["reset_by"]
    if model.reset == "hard":
        taken = np.subtract(derived["threshold"], derived["v_reset"])
    most = 1.0 / (dt * (1.0 + float(np.min(derived["silent_steps"]))))
    return max(float(np.min(taken)), np.finfo(np.float64).tiny), most
