"""Measure what `method="auto"` reckons with (engine/choice.py): `python benchmarks/event_costs.py`.

Networks of one source and one population that never fires, so that all rates are known, run both ways in
turns in one process; costs follow from the medians by least squares of relative errors, those of samples
from what runs with samples take beyond the others.
"""

from __future__ import annotations

import os
import statistics
import sys

import numpy as np
from scipy.optimize import nnls

import rheobase as rb
from rheobase.engine import choice

DT = 1e-4
SECONDS = 1.0
TURNS = 5


def network(n: int, fan_out: int, rate: float, every: float | None) -> rb.Network:
    """Return 100 trains of `rate` hertz onto n neurons that never fire, whose v is recorded or not."""
    rng = np.random.default_rng(0)
    number = int(100 * rate * SECONDS)
    net = rb.Network(seed=0)
    times = np.sort(rng.uniform(0.0, SECONDS, number))
    source = net.add(rb.SpikeSource(100, times=times, ids=rng.integers(0, 100, number)))
    cells = net.add(rb.Population(n, rb.IF(threshold=1e9)))
    net.add(rb.Projection(source, cells, rb.fixed_out(fan_out), weight=0.1, delay=1e-3))
    if every is not None:
        net.add(rb.Probe(cells, "v", every=every))
    return net


def measured(net: rb.Network) -> tuple[float, float]:
    """Return the medians of seconds by the clock and from event to event, in turns."""
    choice.MARGIN = 0.0
    sims = [rb.Simulator(net, DT, method=method, threads=1) for method in ("clocked", "auto")]
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(TURNS + 1):
        for sim, found in zip(sims, times, strict=True):
            sim.reset()
            wall = sim.run(SECONDS).info.wall_s
            if turn:  # the first one compiles
                found.append(wall)
    return statistics.median(times[0]), statistics.median(times[1])


def main() -> None:
    """Print what was measured, and the costs that follow."""
    rows: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    print(f"{sys.platform}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    cases = [
        (n, fan_out, rate, every)
        for n in (200, 2000, 20000)
        for fan_out, rate in ((1, 10.0), (1, 1000.0), (100, 10.0), (100, 1000.0))
        for every in (None, 1e-3)
    ]
    for n, fan_out, rate, every in cases:
        net = network(n, fan_out, rate, every)
        load = choice.load_of(rb.Simulator(net, DT, backend="reference").plan)
        clocked, event = measured(net)
        print(
            f"n {n}, fan-out {fan_out}, {rate:g} Hz, every {every}: clocked {clocked:.4f}, event {event:.4f}"
        )
        rows[0].append(load.by_clock / (clocked * 1e9))
        rows[1].append(load.by_event / (event * 1e9))
    for name, found in zip(("CLOCK_COSTS", "EVENT_COSTS"), rows, strict=True):
        print(name, fitted(np.array(found)).round(2).tolist())


def fitted(loads: np.ndarray) -> np.ndarray:
    """Return the costs by which loads, each divided by what it took, come nearest to 1."""
    sampled = loads[:, -1] > 0
    first = (loads[~sampled] > 0).any(axis=0)
    costs = np.zeros(loads.shape[1])
    costs[first], _ = nnls(loads[~sampled][:, first], np.ones((~sampled).sum()))
    left = 1.0 - loads[sampled] @ costs
    costs[~first], _ = nnls(loads[sampled][:, ~first], left)
    return costs


if __name__ == "__main__":
    main()
