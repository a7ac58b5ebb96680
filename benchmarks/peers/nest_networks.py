"""The recurrent workloads in NEST: `python nest_networks.py cuba --seconds 1 --threads 1`.

One build, a warm-up where one is asked for, then consecutive stretches of model time: the first,
which also sorts NEST's connections and holds the start's transient, is not timed. Where synapses
learn, each run is of a network built anew. All spikes are recorded, except those of the
microcircuit: these are only counted while time is taken, and its populations' rates are those of
one more stretch.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from nest_models import STEP_MS, WORKLOADS, Model
from protocol import Prepared, answer, options, spike_facts

#: Neurons whose connections are looked at together.
_HANDLED = 250


def main() -> None:
    """Time NEST on one network."""
    answer("nest", options(tuple(WORKLOADS), seconds=1.0), prepare)


def prepare(args: argparse.Namespace) -> Prepared:
    """Build the network and return how to run it."""
    settings = {"seed": args.seed, "scale": args.scale, "threads": args.threads}
    settings |= {"rule": args.rule} if args.workload == "stdp" else {}
    began = time.perf_counter()
    network = build(args.workload, **settings)
    built = time.perf_counter() - began
    nest, model = network["nest"], network["model"]
    if args.warmup:
        nest.Simulate(args.warmup * 1e3)

    def run() -> float:
        if model.learns:
            network.update(build(args.workload, **settings))
            # One step, which sorts the connections.
            nest.Simulate(STEP_MS)
        if model.record:
            network["recorder"].n_events = 0
        start = time.perf_counter()
        nest.Simulate(args.seconds * 1e3)
        return time.perf_counter() - start

    def facts() -> dict[str, Any]:
        return _facts(network, args.seconds)

    return Prepared(nest.__version__, built, run, facts, {"peer_mode": model.synapse})


def build(
    workload: str, *, seed: int, scale: float = 1.0, threads: int = 1, **options: str
) -> dict[str, Any]:
    """Build a network on a fresh kernel; neurons have ids 1..n, excitatory first."""
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(resolution=STEP_MS, local_num_threads=threads, rng_seed=seed + 1, print_time=False)
    model = WORKLOADS[workload](nest, scale, seed, **options)
    network = {"nest": nest, "model": model, "neurons": model.neurons}
    network |= {"n": len(model.neurons), "n_exc": model.n_exc}
    if model.record:
        network["recorder"] = nest.Create("spike_recorder")
        nest.Connect(model.neurons, network["recorder"])
    return network


def _facts(network: dict[str, Any], seconds: float) -> dict[str, Any]:
    nest, model, n = network["nest"], network["model"], network["n"]
    if not model.record:
        return _counted(nest, model, seconds)
    events = network["recorder"].events
    fan_out = _fan_out(nest, model.neurons) if model.fan_out is None else model.fan_out
    found = spike_facts(events["times"] * 1e-3, events["senders"] - 1, n, seconds, fan_out)
    return found | model.more(found["spikes"])


def _counted(nest: Any, model: Model, seconds: float) -> dict[str, Any]:
    """Count the spikes of each population during one more stretch, since those timed were not told apart."""
    recorders = [nest.Create("spike_recorder") for _ in model.populations]
    for group, recorder in zip(model.populations.values(), recorders, strict=True):
        nest.Connect(group, recorder)
    nest.Simulate(seconds * 1e3)
    counts = [recorder.n_events for recorder in recorders]
    sizes = [len(group) for group in model.populations.values()]
    first = np.cumsum([0, *sizes])[:-1]
    rates = (count / size / seconds for count, size in zip(counts, sizes, strict=True))
    return {
        "rate_hz": sum(counts) / sum(sizes) / seconds,
        "rates_hz": dict(zip(model.populations, rates, strict=True)),
        "spikes": sum(counts),
        "synaptic_events": round(float(np.dot(counts, model.fan_out[first]))),
    }


def _fan_out(nest: Any, neurons: Any) -> np.ndarray:
    """Return how many synapses each neuron sends, some at a time: a handle takes more than a kilobyte."""
    n = len(neurons)
    fan_out = np.zeros(n, np.int64)
    for first in range(0, n, _HANDLED):
        connections = nest.GetConnections(neurons[first : min(first + _HANDLED, n)], neurons)
        if len(connections):
            fan_out += np.bincount(np.asarray(connections.get("source")) - 1, minlength=n)
    return fan_out


if __name__ == "__main__":
    main()
