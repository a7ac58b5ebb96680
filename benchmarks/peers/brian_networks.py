"""The recurrent workloads in Brian2's C++ standalone mode: `python brian_networks.py cuba`.

One compiled program in float64, which every repetition runs afresh from the same seed; its wall
time is the one that the program itself takes around its last main loop, so that neither compiling
nor building the network nor its warm-up counts. All spikes are recorded, except those of the
microcircuit, which are only counted.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from typing import Any

import numpy as np
from brian_models import STEP_MS, WORKLOADS, Model
from protocol import Prepared, answer, options, spike_facts


def main() -> None:
    """Time Brian2 on one network."""
    answer("brian2", options(tuple(WORKLOADS), seconds=1.0), prepare)


def prepare(args: argparse.Namespace) -> Prepared:
    """Generate and compile the program, and return how to run it."""
    import brian2 as b

    began = time.perf_counter()
    folder = tempfile.mkdtemp(prefix="brian-")
    b.set_device("cpp_standalone", build_on_run=False, directory=folder)
    b.prefs.devices.cpp_standalone.openmp_threads = args.threads if args.threads > 1 else 0
    b.defaultclock.dt = STEP_MS * b.ms
    b.seed(args.seed)
    options = {"rule": args.rule} if args.workload == "stdp" else {}
    model = WORKLOADS[args.workload](b, args.scale, args.seed, **options)
    network = b.Network(model.neurons, model.synapses, model.others)
    if args.warmup:
        network.run(args.warmup * b.second)
    # It joins after the warm-up, and so sees the timed run alone.
    monitor = b.SpikeMonitor(model.neurons, record=model.record)
    network.add(monitor)
    network.run(args.seconds * b.second)
    b.device.build(directory=folder, run=False, compile=True, with_output=False)
    built = time.perf_counter() - began

    def run() -> float:
        b.device.run(folder, with_output=False, run_args=[])
        return float(b.device._last_run_time)

    def facts() -> dict[str, Any]:
        found = _facts(b, model, monitor, args.seconds) | model.more()
        shutil.rmtree(folder, ignore_errors=True)
        return found

    mode = "C++ standalone, float64, " + (f"OpenMP {args.threads}" if args.threads > 1 else "one thread")
    return Prepared(b.__version__, built, run, facts, {"peer_mode": mode})


def _facts(b: Any, model: Model, monitor: Any, seconds: float) -> dict[str, Any]:
    n = len(model.neurons)
    starts = [getattr(s.source, "start", 0) for s in model.synapses]
    fan_out = np.zeros(n, dtype=np.int64)
    for synapses, start in zip(model.synapses, starts, strict=True):
        if getattr(synapses.source, "source", synapses.source).name == model.neurons.name:
            fan_out += np.bincount(np.asarray(synapses.i) + start, minlength=n)
    if model.record:
        return spike_facts(np.asarray(monitor.t / b.second), np.asarray(monitor.i), n, seconds, fan_out)
    counts = np.asarray(monitor.count)
    cuts = np.cumsum([*model.populations.values()])[:-1]
    means = (part.mean() / seconds for part in np.split(counts, cuts))
    return {
        "rate_hz": float(counts.mean()) / seconds,
        "rates_hz": dict(zip(model.populations, map(float, means), strict=True)),
        "spikes": int(counts.sum()),
        "synaptic_events": int(fan_out @ counts),
    }


if __name__ == "__main__":
    main()
