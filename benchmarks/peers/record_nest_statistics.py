"""Record what NEST's CUBA and Brunel networks look like, for `tests/statistics`.

`python record_nest_statistics.py [cuba] [brunel] [--seeds 10] [--out DIR]`, one thread, about ten
minutes. Both networks join a pair at most once and no neuron to itself: CUBA joins each pair with
probability 0.02, Brunel draws fixed in-degrees of 1,000 and 250.
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
from spike_statistics import describe  # noqa: E402

# Windows start after a warm-up and are as short as the figures allow, since the tests run them too.
PLANS = {
    "cuba": {"start": 0.5, "stop": 3.5, "bin_s": 0.02, "min_spikes": 10, "cv_every": 4, "pairs_every": 40},
    "brunel": {"start": 0.2, "stop": 1.2, "bin_s": 0.01, "min_spikes": 5, "cv_every": 10, "pairs_every": 125},
}


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
    plan = PLANS[name]
    found = []
    for seed in range(seeds):
        network = nest_networks.build(name, seed=seed)
        network["nest"].Simulate(plan["stop"] * 1e3)
        events, n, n_exc = network["recorder"].events, network["n"], network["n_exc"]
        ids = np.asarray(events["senders"]) - 1
        found.append(describe(events["times"] * 1e-3, ids, n_exc=n_exc, n_inh=n - n_exc, plan=plan))
        print(name, seed, found[-1]["rate_exc"], float(np.nanmean(found[-1]["cv"])), file=sys.stderr)
    facts = {"simulator": "NEST", "version": network["nest"].__version__, "network": name, "plan": plan}
    facts |= {"n_exc": n_exc, "n_inh": n - n_exc, "seeds": seeds, "dt_s": nest_networks.STEP_MS * 1e-3}
    stacked = {key: np.stack([run[key] for run in found]) for key in found[0]}
    np.savez_compressed(path, metadata=np.array(json.dumps(facts)), **stacked)


if __name__ == "__main__":
    main()
