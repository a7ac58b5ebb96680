"""Record what NEST's networks look like, for `tests/statistics`.

`python record_nest_statistics.py [cuba] [brunel] [microcircuit] [--seeds 10] [--out DIR]`, one thread,
about a quarter of an hour. CUBA and Brunel join a pair at most once and no neuron to itself: CUBA joins
each pair with probability 0.02, Brunel draws fixed in-degrees of 1,000 and 250. The microcircuit has a
tenth of its neurons and of the synapses onto each.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import nest_networks
import numpy as np

TESTS = Path(__file__).parents[2] / "tests" / "statistics"
sys.path.insert(0, str(TESTS))
from spike_statistics import describe, describe_each  # noqa: E402

# Windows start after a warm-up and are as short as the figures allow, since the tests run them too.
PLANS = {
    "cuba": {"start": 0.5, "stop": 3.5, "bin_s": 0.02, "min_spikes": 10, "cv_every": 4, "pairs_every": 40},
    "brunel": {"start": 0.2, "stop": 1.2, "bin_s": 0.01, "min_spikes": 5, "cv_every": 10, "pairs_every": 125},
    "microcircuit": {"start": 0.5, "stop": 5.5, "bin_s": 0.02, "min_spikes": 5, "cv_every": 4, "cells": 30},
}
SCALES = {"microcircuit": 0.1}


def main() -> None:
    """Run the seeds and write one file per network."""
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", nargs="*", default=[*PLANS], help=f"of {[*PLANS]}")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=TESTS)
    args = parser.parse_args()
    for name in args.networks:
        record(name, args.seeds, args.out / f"nest_{name}.npz")


def record(name: str, seeds: int, path: Path) -> None:
    """Run one network with several seeds and write what `describe` returns, stacked by seed."""
    plan, scale = PLANS[name], SCALES.get(name, 1.0)
    found = []
    for seed in range(seeds):
        network = nest_networks.build(name, seed=seed, scale=scale)
        nest, n, n_exc = network["nest"], network["n"], network["n_exc"]
        sizes = {key: len(group) for key, group in network["model"].populations.items()}
        recorder = network.get("recorder") or nest.Create("spike_recorder")
        if "recorder" not in network:
            nest.Connect(network["neurons"], recorder)
        nest.Simulate(plan["stop"] * 1e3)
        times, ids = recorder.events["times"] * 1e-3, np.asarray(recorder.events["senders"]) - 1
        if sizes:
            found.append(describe_each(times, ids, sizes=sizes, plan=plan))
        else:
            found.append(describe(times, ids, n_exc=n_exc, n_inh=n - n_exc, plan=plan))
        print(name, seed, {k: float(v) for k, v in found[-1].items() if v.ndim == 0}, file=sys.stderr)
    facts = {"simulator": "NEST", "version": nest.__version__, "network": name, "plan": plan, "seeds": seeds}
    facts |= {"sizes": sizes, "scale": scale} if sizes else {"n_exc": n_exc, "n_inh": n - n_exc}
    facts |= {"dt_s": nest_networks.STEP_MS * 1e-3}
    stacked = {key: np.stack([run[key] for run in found]) for key in found[0]}
    np.savez_compressed(path, metadata=np.array(json.dumps(facts)), **stacked)


if __name__ == "__main__":
    main()
