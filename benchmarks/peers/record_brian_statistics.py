"""Record what Brian2's networks with conductances look like, for `tests/statistics`.

`python record_brian_statistics.py coba [--runs 10] [--out DIR]`, or `adex`; one thread, some minutes. The
program is compiled once; each run of it draws connections and the start anew, from a seed of the operating
system's.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import brian2 as b
import numpy as np
from brian_models import STEP_MS, WORKLOADS

TESTS = Path(__file__).parents[2] / "tests" / "statistics"
sys.path.insert(0, str(TESTS))
from spike_statistics import describe  # noqa: E402

# Windows start after a warm-up and are as short as the figures allow, since the tests run them too.
PLANS = {
    "coba": {"start": 0.5, "stop": 3.5, "bin_s": 0.02, "min_spikes": 10, "cv_every": 4, "pairs_every": 40},
    "adex": {"start": 0.4, "stop": 1.9, "bin_s": 0.01, "min_spikes": 5, "cv_every": 4, "pairs_every": 40},
}
N_EXC, N_INH = 3200, 800


def main() -> None:
    """Run and write what `describe` returns, stacked by run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=PLANS)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--out", type=Path, default=TESTS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = record(args.network, folder, args.runs)
    facts = {"simulator": "Brian2", "version": b.__version__, "network": args.network}
    facts |= {"plan": PLANS[args.network], "seeds": args.runs, "dt_s": STEP_MS * 1e-3}
    facts |= {"n_exc": N_EXC, "n_inh": N_INH}
    stacked = {key: np.stack([run[key] for run in found]) for key in found[0]}
    path = args.out / f"brian_{args.network}.npz"
    np.savez_compressed(path, metadata=np.array(json.dumps(facts)), **stacked)


def record(network: str, folder: str, runs: int) -> list[dict[str, np.ndarray]]:
    """Compile once, run so often, and return the description of each run."""
    plan = PLANS[network]
    b.set_device("cpp_standalone", build_on_run=False, directory=folder)
    b.defaultclock.dt = STEP_MS * b.ms
    model = WORKLOADS[network](b, 1.0, 0)
    monitor = b.SpikeMonitor(model.neurons)
    b.Network(model.neurons, model.synapses, monitor).run(plan["stop"] * b.second)
    b.device.build(directory=folder, run=False, compile=True, with_output=False)
    found = []
    for _ in range(runs):
        b.device.run(folder, with_output=False, run_args=[])
        times, ids = np.asarray(monitor.t / b.second), np.asarray(monitor.i)
        found.append(describe(times, ids, n_exc=N_EXC, n_inh=N_INH, plan=plan))
        print({key: float(v) for key, v in found[-1].items() if v.ndim == 0}, file=sys.stderr)
    return found


if __name__ == "__main__":
    main()
