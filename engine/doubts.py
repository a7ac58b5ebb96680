"""What a description can hardly mean: times that seem to lack a prefix, or that steps cannot resolve.

None of it is impossible, so it is warned of, not refused. What nobody can mean, such as a membrane
at -65 V, is refused where a model is made: see `LARGEST` in `neurons/parameters.py`. The limits are
generous on purpose: a network that is stepped in units of its own, with dt = 1 and tau = 20, is none
of their business, nor is a read-out that integrates over many seconds in as many steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..neurons.model import NeuronModel
from .network import Network
from .profiles import ByDistance
from .sources import PoissonSource
from .tables import delays_in_seconds

#: Membranes, refractory times and delays of so many seconds, and as many steps, lack a prefix.
LONG_SECONDS, LONG_STEPS = 1.0, 1000
#: A step may be this many times longer than a time constant or a delay before it is said.
COARSE = 2.0
#: Beyond so many steps a single-precision decay is off by a tenth, and soon by all of itself.
SLOW_STEPS = 2**21
#: More spikes per second than this are no train, nor any sum of trains that a neuron gets.
FAST_HZ = 1e7


def doubts(network: Network, dt: float, *, single: bool) -> Iterator[str]:
    """Yield a sentence for everything that was hardly meant; `single` says that state is float32."""
    for population in network.populations:
        yield from _of_times(f"{population.label}.model", population.model, dt, single)
    for projection in network.projections:
        if projection.rule is not None:
            yield from _of_times(f"{projection.label}.rule", projection.rule, dt, single)
        if projection.delay is not None:
            delays, _ = delays_in_seconds(projection)
            yield from _long(f"{projection.label}.delay", float(np.max(delays, initial=0.0)), dt)
            # Of neurons that lie side by side, nobody expects more than a step.
            shortest = np.inf
            if not isinstance(projection.delay, ByDistance):
                shortest = float(np.min(delays, initial=np.inf, where=delays > 0))
            yield from _coarse(f"{projection.label}.delay", shortest, dt, "it becomes one step")
    for source in network.of(PoissonSource):
        if np.max(source.rate) > FAST_HZ:
            yield f"{source.label}.rate: {np.max(source.rate):g} Hz is no input that a neuron gets; use Hz"


def _of_times(label: str, described: Any, dt: float, single: bool) -> Iterator[str]:
    for name, value in _times(described):
        field = f"{label}.{name}"
        if name in ("tau", "refractory", "capacitance / g_leak"):
            yield from _long(field, float(np.max(value)), dt)
        if name == "refractory":
            continue
        yield from _coarse(field, float(np.min(value)), dt, "take a shorter dt to see what it does")
        stepped = isinstance(described, NeuronModel) and not described.at_rest_without_input
        if single and stepped and np.max(value) > SLOW_STEPS * dt:
            yield (
                f"{field}: {np.max(value):g} s are {np.max(value) / dt:.3g} steps of {dt:g} s, whose decay "
                "single precision cannot hold; take a longer dt, or precision='float64'"
            )


def _times(described: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and value of each time constant, and of the membrane's where it is a quotient."""
    for field in dataclasses.fields(described):
        limits, value = field.metadata.get("limits"), getattr(described, field.name)
        if limits is not None and limits.unit == "s" and value is not None:
            yield field.name, value
    if hasattr(described, "capacitance") and hasattr(described, "g_leak"):
        yield "capacitance / g_leak", np.divide(described.capacitance, described.g_leak)


def _long(field: str, seconds: float, dt: float) -> Iterator[str]:
    if seconds >= LONG_SECONDS and seconds >= LONG_STEPS * dt:
        yield f"{field}: {seconds:g} s, {seconds / dt:.4g} steps; were milliseconds meant: {seconds:g} * ms?"


def _coarse(field: str, seconds: float, dt: float, advice: str) -> Iterator[str]:
    if 0.0 < seconds * COARSE < dt:
        yield f"{field}: {seconds:g} s is shorter than a step of {dt:g} s; {advice}"
