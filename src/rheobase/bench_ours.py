"""Our side of `rheobase bench`: the workloads, how one of them is run, and what its run did."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .bench_device import device_figures
from .bench_limits import measure_limits, of_limit
from .engine.connectivity import OneToOne
from .engine.counts import Counts
from .engine.network import Network
from .engine.peak import peak_mb
from .engine.planned import ProjectionPlan
from .engine.records import SpikeRecord
from .engine.result import Result
from .engine.simulator import Simulator
from .engine.sources import PoissonSource
from .models.adapting import adex
from .models.benchmarks import brunel, coba, conv, cuba, mlp, sparse, stdp
from .models.microcircuit import microcircuit
from .models.paced import paced

#: A run of this length needs no other before it; runs of a turn that are counted last at least this long.
_LONG_S, _TURN_S = 2.0, 0.5


@dataclass(frozen=True)
class Workload:
    """A network to time: how to build it, its step, how long to run it, and what comes before.

    `warmup` seconds of model time pass untimed before the timed ones; `fed` networks get samples.
    """

    build: Callable[..., Network]
    dt: float
    seconds: float
    warmup: float = 0.0
    fed: bool = False


def _unrecorded_microcircuit(seed: int, scale: float) -> Network:
    """Build it as it is timed by everybody: without recording."""
    return microcircuit(seed, scale, record=False)


WORKLOADS: dict[str, Workload] = {
    "cuba": Workload(cuba, dt=1e-4, seconds=1.0),
    "coba": Workload(coba, dt=1e-4, seconds=1.0, warmup=0.2),
    "adex": Workload(adex, dt=1e-4, seconds=1.0),
    "brunel": Workload(brunel, dt=1e-4, seconds=1.0),
    "microcircuit": Workload(_unrecorded_microcircuit, dt=1e-4, seconds=1.0, warmup=0.5),
    "sparse": Workload(sparse, dt=1e-4, seconds=1.0, warmup=0.2),
    "stdp": Workload(stdp, dt=1e-4, seconds=10.0),
    "mlp": Workload(mlp, dt=1e-3, seconds=0.1, fed=True),
    "conv": Workload(conv, dt=1e-3, seconds=0.1, fed=True),
    "event": Workload(paced, dt=1e-4, seconds=1.0),
}


def turn(run: Callable[[], float]) -> float:
    """Return the wall seconds of a run: the mean of several where they are short, without the first."""
    wall = run()
    if wall >= _LONG_S:
        return wall
    walls = [run()]
    while sum(walls) < _TURN_S:
        walls.append(run())
    return statistics.fmean(walls)


class Ours:
    """A simulator that is reset and warmed up before every run, and its inputs, drawn once."""

    def __init__(
        self, build: Callable[[], Simulator], workload: Workload, inputs: Mapping[Any, Any], seconds: float
    ) -> None:
        self.workload, self.inputs, self.seconds = workload, inputs, seconds
        # Whatever has to be compiled is compiled by a simulator that is thrown away.
        build().run(seconds if workload.fed else workload.dt, inputs=inputs)
        began = time.perf_counter()
        self.simulator = build()
        self.build_s = time.perf_counter() - began
        self.run()

    def run(self) -> float:
        """Start afresh, warm up, run once, and return the wall seconds of the run alone."""
        self.simulator.reset()
        if self.workload.warmup:
            _whole(self.simulator.run(self.workload.warmup))
        began = time.perf_counter()
        self.result = self.simulator.run(self.seconds, inputs=self.inputs)
        wall_s = time.perf_counter() - began
        _whole(self.result)
        return wall_s

    def figures(self, walls: list[float]) -> dict[str, Any]:
        """Return what a run did and how long the runs took; all runs do the same."""
        counts, info, wall = self.result.counts, self.result.info, statistics.median(walls)
        network = self.simulator.plan.network
        drive = _drive_events(network, counts)
        events = counts.synaptic_events - drive
        line: dict[str, Any] = {"n_neurons": counts.n_neurons, "n_synapses": counts.n_synapses}
        line |= {"bio_s": self.seconds, "wall_s": wall, "wall_min_s": min(walls), "wall_max_s": max(walls)}
        line |= {"rtf": wall / self.seconds, "build_s": self.build_s, "peak_mb": peak_mb()}
        line |= {"spikes": counts.spikes, "synaptic_events": events, "drive_events": drive}
        line["rate_hz"] = counts.spikes / counts.n_neurons / counts.trials / self.seconds
        line["cv"] = _mean_cv(self.result)
        line["ns_per_event"] = wall * 1e9 / events if events else None
        line["ns_per_update"] = wall * 1e9 / counts.updates
        line["bytes_per_synapse"] = info.synapse_bytes / counts.n_synapses
        if self.workload.fed:
            line["samples_per_s"] = counts.trials / wall
        else:
            line |= _population_rates(counts, self.seconds) | self._learned(wall)
        return line | self._of_limits(events, wall)

    def _of_limits(self, events: int, wall: float) -> dict[str, Any]:
        """Return what the processor or the GPU can do, and how near the run came to it."""
        plan, counts, info = self.simulator.plan, self.result.counts, self.result.info
        if info.backend == "cuda":
            return device_figures(plan, counts, events, wall, self.simulator.device)
        limits = measure_limits(info.threads)
        share = of_limit(plan, counts, events, wall, info.threads, limits)
        return {"of_limit": share, "limits": limits}

    def _learned(self, wall: float) -> dict[str, Any]:
        """Return how often rules were applied, and where the weights are now, as shares of their bounds."""
        plastic = [p for p in self.simulator.plan.projections.values() if p.rule is not None]
        if not plastic:
            return {}
        applied = sum(p.weight_updates for p in self.result.counts.projections)
        line: dict[str, Any] = {"weight_updates": applied}
        line["ns_per_plastic_event"] = wall * 1e9 / applied if applied else None
        shares = np.concatenate([self._shares(projection) for projection in plastic])
        return line | {"weight_mean": float(shares.mean()), "weight_sd": float(shares.std())}

    def _shares(self, projection: ProjectionPlan) -> np.ndarray:
        assert projection.rule is not None
        low, high = projection.rule.bounds
        weights = np.asarray(self.simulator.weights(projection.name), dtype=np.float64)
        return (weights.ravel() - low) / (high - low)


def _whole(result: Result) -> None:
    """Raise KeyboardInterrupt if a run was interrupted: part of a run is no figure."""
    if result.info.interrupted:
        raise KeyboardInterrupt


def _drive_events(network: Network, counts: Counts) -> int:
    """Return the events of private Poisson sources, which cross no stored synapse."""
    private = {
        p.label
        for p in network.projections
        if isinstance(p.source, PoissonSource) and isinstance(p.connectivity, OneToOne)
    }
    return sum(p.events for p in counts.projections if p.name in private)


def _population_rates(counts: Counts, seconds: float) -> dict[str, Any]:
    """Return the rate of each population in hertz, where there are several."""
    populations = [p for p in counts.populations if not p.is_source]
    if len(populations) < 2:
        return {}
    return {"rates_hz": {p.name: p.spikes / p.n / counts.trials / seconds for p in populations}}


def _mean_cv(result: Result) -> float | None:
    """Return the mean coefficient of variation of intervals of recorded neurons, None if there is none."""
    found = [record.cv() for record in result.records.values() if isinstance(record, SpikeRecord)]
    values = np.concatenate(found) if found else np.array([])
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else None
