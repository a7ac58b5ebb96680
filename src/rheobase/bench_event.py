"""`rheobase bench event`: the same events step by step and from event to event, at several rates.

Which of the two is faster depends on how often something happens to a neuron: a step costs the same whether
or not anything does, an event costs the same whenever it comes.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from .bench_ours import WORKLOADS, Ours, Workload, turn
from .engine.backends.registry import event_backend
from .engine.simulator import Simulator
from .models.paced import paced
from .neurons.errors import SpecError

#: Events per neuron and second.
RATES = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
MODELS = ("LIF", "CurrentLIF")


def compare_methods(
    seconds: float,
    repeats: int,
    options: Mapping[str, Any],
    *,
    seed: int,
    scale: float,
    rates: Sequence[float] = RATES,
    model: str = "LIF",
) -> dict[str, Any]:
    """Time a network with both methods, in turns, at several rates.

    Parameters
    ----------
    seconds, repeats, seed, scale
        As for `run_benchmark`.
    options : mapping
        Arguments of both simulators: backend, threads, batch.
    rates : sequence of float
        Events per neuron and second to aim at.
    model : "LIF" or "CurrentLIF"
        The neurons: see `rheobase.models.paced.paced`.

    Returns
    -------
    dict
        Lists have one entry for each rate, ascending: `events_per_neuron_hz` as counted without steps,
        medians `clocked_wall_s` and `event_wall_s`, their `ratio` (above 1 where going from event to event
        is faster), and both times per synaptic event. `crossover_hz` is where the ratio is 1, None if that
        is not between the rates.

    Raises
    ------
    SpecError
        If a rate or the model is not allowed, or the backend has steps only.
    """
    if not rates or not all(0 < rate < math.inf for rate in rates):
        raise SpecError(f"bench.rate: got {rates!r}; allowed are finite numbers above 0, in hertz")
    if model not in MODELS:
        raise SpecError(f"bench.model: got {model!r}; allowed is one of {MODELS}")
    event_backend(options["backend"])
    line: dict[str, Any] = {"model": model, "bio_s": seconds}
    rows = [
        _at_rate(rate, seconds, repeats, options, seed=seed, scale=scale, model=model)
        for rate in sorted(rates)
    ]
    for key in rows[0]:
        values = [row[key] for row in rows]
        line[key] = values[0] if key.startswith("n_") else values
    line["crossover_hz"] = crossover(line["events_per_neuron_hz"], line["ratio"])
    return line


def _at_rate(
    rate: float, seconds: float, repeats: int, options: Mapping[str, Any], **built: Any
) -> dict[str, Any]:
    """Return the figures of both methods at one rate."""
    workload: Workload = WORKLOADS["event"]
    network = paced(rate=rate, seconds=seconds, **built)
    sides = {
        method: Ours(partial(_simulator, network, workload, method, options), workload, {}, seconds)
        for method in ("clocked", "event")
    }
    walls: dict[str, list[float]] = {method: [] for method in sides}
    for _ in range(repeats):
        for method, side in sides.items():
            walls[method].append(turn(side.run))
    counts = sides["event"].result.counts
    per_neuron = counts.trials * counts.n_neurons * seconds
    row: dict[str, Any] = {"n_neurons": counts.n_neurons, "n_synapses": counts.n_synapses}
    row["events_per_neuron_hz"] = counts.synaptic_events / per_neuron
    row["rate_hz"] = counts.spikes / per_neuron
    for method, mine in walls.items():
        wall = statistics.median(mine)
        row |= {
            f"{method}_wall_s": wall,
            f"{method}_wall_min_s": min(mine),
            f"{method}_wall_max_s": max(mine),
        }
        events = counts.synaptic_events
        row[f"{method}_ns_per_event"] = wall * 1e9 / events if events else None
    row["ratio"] = row["clocked_wall_s"] / row["event_wall_s"]
    return row


def _simulator(network: Any, workload: Workload, method: Any, options: Mapping[str, Any]) -> Simulator:
    return Simulator(network, workload.dt if method == "clocked" else None, method=method, **options)


def crossover(rates: Sequence[float], ratios: Sequence[float]) -> float | None:
    """Return the rate at which a ratio that is known at some rates is 1, a straight line between logarithms.

    Examples
    --------
    >>> round(crossover([10.0, 100.0, 1000.0], [8.0, 2.0, 0.5]), 3)
    316.228
    >>> crossover([10.0, 100.0], [8.0, 2.0]) is None
    True
    """
    points = [(math.log(rate), math.log(ratio)) for rate, ratio in zip(rates, ratios, strict=True) if rate]
    for (x, above), (next_x, below) in pairwise(points):
        if above >= 0 > below:
            return math.exp(x + (next_x - x) * above / (above - below))
    return None


def in_words(line: Mapping[str, Any]) -> str:
    """Return how much faster it is to go from event to event, at each rate."""
    pairs = zip(line["ratio"], line["events_per_neuron_hz"], strict=True)
    said = ", ".join(f"{ratio:.3g} at {rate:.3g} Hz" for ratio, rate in pairs)
    equal = "no rate" if line["crossover_hz"] is None else f"{line['crossover_hz']:.3g} Hz"
    return f"clocked over event-driven time {said} of events per neuron; equal at {equal}"
