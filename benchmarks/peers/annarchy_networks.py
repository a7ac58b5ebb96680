"""The `cuba` workload in ANNarchy 5: `python annarchy_networks.py cuba`.

One compiled program, whose neurons are set back before every repetition. Of the ways tried, compressed
rows, float32 and exponential integration were fastest together. All spikes are recorded.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from typing import Any

import numpy as np
from protocol import Prepared, answer, options, spike_facts

STEP_MS = 0.1
#: Linear equations one by one, each exact while the other variables stand still.
EQUATIONS = """
20.0 * dv/dt = g_exc + g_inh - (v + 49.0) : exponential
5.0 * dg_exc/dt = -g_exc : exponential
10.0 * dg_inh/dt = -g_inh : exponential
"""


def main() -> None:
    """Time ANNarchy on its network."""
    answer("annarchy", options(("cuba",), seconds=1.0), prepare)


def prepare(args: argparse.Namespace) -> Prepared:
    """Generate and compile the program, and return how to run it."""
    # CMake takes the headers that it compiles against from an activated environment, or else from the
    # first Python on the path: both must be this one, whoever has started us.
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    os.environ["VIRTUAL_ENV"] = sys.prefix
    import ANNarchy

    began = time.perf_counter()
    network = ANNarchy.Network(dt=STEP_MS, seed=args.seed)
    network.config(num_threads=args.threads, dtype=ANNarchy.float32, sparse_matrix_format="csr")
    neurons, projections = _cuba(ANNarchy, network, args.scale)
    monitor = network.monitor(neurons, "spike")
    with tempfile.TemporaryDirectory(prefix="annarchy-") as folder:
        network.compile(directory=folder, silent=True)
    start_v = np.random.default_rng(args.seed).uniform(-60.0, -50.0, neurons.size)
    built = time.perf_counter() - began

    def run() -> float:
        network.reset()
        neurons.v = start_v
        if args.warmup:
            network.simulate(args.warmup * 1e3)
            monitor.reset()
        start = time.perf_counter()
        network.simulate(args.seconds * 1e3)
        return time.perf_counter() - start

    def facts() -> dict[str, Any]:
        times, ids = monitor.raster_plot()
        return spike_facts(
            times * 1e-3, ids.astype(int), neurons.size, args.seconds, _fan_out(projections, neurons.size)
        )

    threads = f"{args.threads} threads" if args.threads > 1 else "one thread"
    return Prepared(
        ANNarchy.__release__, built, run, facts, {"peer_mode": f"C++, float32, compressed rows, {threads}"}
    )


def _cuba(annarchy: Any, network: Any, scale: float) -> tuple[Any, list[Any]]:
    """Brette et al. 2007, benchmark 2; return its neurons, excitatory first, and its projections."""
    n_exc, n_inh = round(3200 * scale), round(800 * scale)
    model = annarchy.Neuron(equations=EQUATIONS, spike="v > -50.0", reset="v = -60.0", refractory=5.0)
    neurons = network.create(n_exc + n_inh, model)
    projections = []
    for sources, target, weight in ((neurons[:n_exc], "exc", 1.62), (neurons[n_exc:], "inh", -9.0)):
        # From a part to the whole, ANNarchy also joins neurons to themselves: 80 synapses of 320,000.
        projections.append(network.connect(sources, neurons, target))
        projections[-1].fixed_probability(min(1.0, 0.02 / scale), weights=weight)
    return neurons, projections


def _fan_out(projections: list[Any], n: int) -> np.ndarray:
    """Return how many synapses each neuron sends."""
    pre = [dendrite.pre_ranks for projection in projections for dendrite in projection.dendrites]
    return np.bincount(np.concatenate(pre), minlength=n)


if __name__ == "__main__":
    main()
