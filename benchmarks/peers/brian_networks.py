"""The CUBA and Brunel networks in Brian2's C++ standalone mode: `python brian_networks.py cuba`.

One compiled program in float64, which every repetition runs afresh from the same seed; its wall
time is the one that the program itself takes around its main loop, so that neither compiling nor
building the network counts. All spikes are recorded.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from typing import Any

import numpy as np
from protocol import Prepared, answer, options, spike_facts


def main() -> None:
    """Time Brian2 on one network."""
    answer("brian2", options(("cuba", "brunel"), seconds=1.0), prepare)


def prepare(args: argparse.Namespace) -> Prepared:
    """Generate and compile the program, and return how to run it."""
    import brian2 as b

    began = time.perf_counter()
    folder = tempfile.mkdtemp(prefix="brian-")
    b.set_device("cpp_standalone", build_on_run=False, directory=folder)
    b.prefs.devices.cpp_standalone.openmp_threads = args.threads if args.threads > 1 else 0
    b.defaultclock.dt = 0.1 * b.ms
    b.seed(args.seed)
    neurons, synapses, noise = {"cuba": _cuba, "brunel": _brunel}[args.workload](
        b, args.scale, np.random.default_rng(args.seed)
    )
    monitor = b.SpikeMonitor(neurons)
    network = b.Network(neurons, synapses, noise, monitor)
    network.run(args.seconds * b.second)
    b.device.build(directory=folder, run=False, compile=True, with_output=False)
    built = time.perf_counter() - began

    def run() -> float:
        b.device.run(folder, with_output=False, run_args=[])
        return float(b.device._last_run_time)

    def facts() -> dict[str, Any]:
        times, ids, n = np.asarray(monitor.t / b.second), np.asarray(monitor.i), len(neurons)
        fan_out = np.sum(
            [np.bincount(np.asarray(s.i) + s.source.start, minlength=n) for s in synapses], axis=0
        )
        found = spike_facts(times, ids, n, args.seconds, fan_out)
        shutil.rmtree(folder, ignore_errors=True)
        return found

    mode = "C++ standalone, float64, " + (f"OpenMP {args.threads}" if args.threads > 1 else "one thread")
    return Prepared(b.__version__, built, run, facts, {"peer_mode": mode})


def _cuba(b: Any, scale: float, rng: np.random.Generator) -> tuple[Any, list[Any], list[Any]]:
    """Brette et al. 2007, benchmark 2."""
    n_exc, n_inh = round(3200 * scale), round(800 * scale)
    space = {"tau_m": 20 * b.ms, "tau_e": 5 * b.ms, "tau_i": 10 * b.ms, "rest": -49 * b.mV}
    equations = """
    dv/dt = (ge + gi - (v - rest)) / tau_m : volt (unless refractory)
    dge/dt = -ge / tau_e : volt
    dgi/dt = -gi / tau_i : volt
    """
    neurons = b.NeuronGroup(
        n_exc + n_inh, equations, threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * b.ms,
        method="exact", namespace=space,
    )  # fmt: skip
    neurons.v = "-60*mV + rand()*10*mV"
    synapses = []
    for sources, jump in ((neurons[:n_exc], "ge_post += 1.62*mV"), (neurons[n_exc:], "gi_post += -9*mV")):
        # No delay: Brian delivers after a step's update, so that a spike acts from the next step on.
        synapses.append(b.Synapses(sources, neurons, on_pre=jump))
        synapses[-1].connect(condition=f"i + {sources.start} != j", p=min(1.0, 0.02 / scale))
    return neurons, synapses, []


def _brunel(b: Any, scale: float, rng: np.random.Generator) -> tuple[Any, list[Any], list[Any]]:
    """Brunel's sparse network with fixed in-degrees, no pair joined twice, none to itself."""
    n_exc, n_inh = round(10_000 * scale), round(2_500 * scale)
    k_exc, k_inh = min(1000, n_exc // 10), min(250, n_inh // 10)
    weight, tau, threshold = 0.2, 20e-3, 20.0
    drive_hz = 2.0 * threshold / (weight * tau)
    neurons = b.NeuronGroup(
        n_exc + n_inh, "dv/dt = -v / (20*ms) : volt (unless refractory)", threshold="v > 20*mV",
        reset="v = 10*mV", refractory=2 * b.ms, method="exact",
    )  # fmt: skip
    neurons.v = "rand()*20*mV"
    synapses = []
    for sources, jump, k in ((neurons[:n_exc], weight, k_exc), (neurons[n_exc:], -6.0 * weight, k_inh)):
        synapses.append(b.Synapses(sources, neurons, on_pre=f"v_post += {jump}*mV", delay=1.5 * b.ms))
        synapses[-1].connect(**_fixed_in(rng, sources.start, len(sources), len(neurons), k))
    # One binomial number per neuron and step stands for its thousand external synapses.
    noise = b.PoissonInput(neurons, "v", 1000, drive_hz / 1000 * b.Hz, weight=weight * b.mV)
    return neurons, synapses, [noise]


def _fixed_in(rng: np.random.Generator, start: int, n_pre: int, n_post: int, k: int) -> dict[str, np.ndarray]:
    """Draw k sources for every target, sorted by source.

    That order lets Brian read a spike's synapses in one piece: with its own generator syntax, which
    goes target by target, delivery took 1.7 times as long.
    """
    pre = np.empty((n_post, k), dtype=np.min_scalar_type(n_pre))
    for target in range(n_post):
        own = target - start
        inside = 0 <= own < n_pre
        drawn = rng.choice(n_pre - inside, k, replace=False, shuffle=False)
        pre[target] = drawn + (drawn >= own) if inside else drawn
    order = np.argsort(pre.ravel(), kind="stable")
    post = np.repeat(np.arange(n_post, dtype=np.int32), k)
    return {"i": pre.ravel()[order].astype(np.int32), "j": post[order]}


if __name__ == "__main__":
    main()
