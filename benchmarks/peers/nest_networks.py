"""The CUBA and Brunel networks in NEST: `python nest_networks.py cuba --seconds 1 --threads 1`.

One build, then consecutive stretches of model time: the first, which also sorts NEST's connections
and holds the start's transient, is not timed. All spikes are recorded.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from protocol import Prepared, answer, options, spike_facts

STEP_MS = 0.1
#: Neurons whose connections are looked at together.
_HANDLED = 250


def main() -> None:
    """Time NEST on one network."""
    answer("nest", options(("cuba", "brunel"), seconds=1.0), prepare)


def prepare(args: argparse.Namespace) -> Prepared:
    """Build the network and return how to run it."""
    began = time.perf_counter()
    network = build(args.workload, seed=args.seed, scale=args.scale, threads=args.threads)
    built = time.perf_counter() - began
    nest, recorder, n = network["nest"], network["recorder"], network["n"]

    def run() -> float:
        recorder.n_events = 0
        start = time.perf_counter()
        nest.Simulate(args.seconds * 1e3)
        return time.perf_counter() - start

    def facts() -> dict[str, Any]:
        events, neurons = recorder.events, network["neurons"]
        fan_out = np.zeros(n, np.int64)
        # Some at a time: a handle to a connection takes more than a kilobyte.
        for first in range(0, n, _HANDLED):
            connections = nest.GetConnections(neurons[first : first + _HANDLED], neurons)
            fan_out += np.bincount(np.asarray(connections.get("source")) - 1, minlength=n)
        return spike_facts(events["times"] * 1e-3, events["senders"] - 1, n, args.seconds, fan_out)

    return Prepared(nest.__version__, built, run, facts, {"peer_mode": "static_synapse_hpc"})


def build(workload: str, *, seed: int, scale: float = 1.0, threads: int = 1) -> dict[str, Any]:
    """Build one of the two networks on a fresh kernel; neurons have ids 1..n, excitatory first."""
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(resolution=STEP_MS, local_num_threads=threads, rng_seed=seed + 1, print_time=False)
    neurons, n_exc = {"cuba": _cuba, "brunel": _brunel}[workload](nest, scale)
    recorder = nest.Create("spike_recorder")
    nest.Connect(neurons, recorder)
    return {"nest": nest, "neurons": neurons, "recorder": recorder, "n": len(neurons), "n_exc": n_exc}


def _cuba(nest: Any, scale: float) -> tuple[Any, int]:
    """Brette et al. 2007, benchmark 2; C = tau_m in pF makes a current of 1 pA worth 1 mV."""
    n_exc, n_inh = round(3200 * scale), round(800 * scale)
    model = {"C_m": 20.0, "tau_m": 20.0, "tau_syn_ex": 5.0, "tau_syn_in": 10.0, "t_ref": 5.0}
    model |= {"E_L": -49.0, "V_th": -50.0, "V_reset": -60.0}
    neurons = nest.Create("iaf_psc_exp", n_exc + n_inh, params=model)
    neurons.V_m = nest.random.uniform(-60.0, -50.0)
    rule = {"rule": "pairwise_bernoulli", "p": min(1.0, 0.02 / scale), "allow_autapses": False}
    for sources, weight in ((neurons[:n_exc], 1.62), (neurons[n_exc:], -9.0)):
        synapse = {"synapse_model": "static_synapse_hpc", "weight": weight, "delay": STEP_MS}
        nest.Connect(sources, neurons, rule, synapse)
    return neurons, n_exc


def _brunel(nest: Any, scale: float) -> tuple[Any, int]:
    """Brunel's sparse network with fixed in-degrees, no pair joined twice, none to itself."""
    n_exc, n_inh = round(10_000 * scale), round(2_500 * scale)
    k_exc, k_inh = min(1000, n_exc // 10), min(250, n_inh // 10)
    weight, tau, threshold = 0.2, 20.0, 20.0
    drive_hz = 2.0 * threshold / (weight * tau) * 1e3
    model = {"C_m": 1.0, "tau_m": tau, "E_L": 0.0, "V_th": threshold, "V_reset": 10.0, "t_ref": 2.0}
    neurons = nest.Create("iaf_psc_delta", n_exc + n_inh, params=model)
    neurons.V_m = nest.random.uniform(0.0, 20.0)
    synapse = {"synapse_model": "static_synapse_hpc", "delay": 1.5}
    for sources, k, w in ((neurons[:n_exc], k_exc, weight), (neurons[n_exc:], k_inh, -6.0 * weight)):
        rule = {"rule": "fixed_indegree", "indegree": k, "allow_multapses": False, "allow_autapses": False}
        nest.Connect(sources, neurons, rule, synapse | {"weight": w})
    noise = nest.Create("poisson_generator", params={"rate": drive_hz})
    nest.Connect(noise, neurons, "all_to_all", synapse | {"weight": weight})
    return neurons, n_exc


if __name__ == "__main__":
    main()
