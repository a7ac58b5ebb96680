"""CUBA and Brunel look as in NEST, COBA and AdEx as in Brian2: ten seeds here against ten recorded there.

The recordings were made by `record_nest_statistics.py` and `record_brian_statistics.py` in
`benchmarks/peers`; both sides go through `spike_statistics.describe` over the same window. False alarms, if
both draw from one law:

* rates: a mean over seeds may differ by 3 standard errors of the difference; with ten seeds a side
  (Student's t, 18 degrees of freedom) one comparison fails in 0.8 % of cases, the eight in about 6 %;
* distributions: Kolmogorov-Smirnov distances, whose p-values come from dealing whole seeds out anew,
  because neurons of one seed share their input. Eight tests at 0.125 % each: 1 % for the family.

Seeds are fixed, so the outcome is the same on every machine.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.bench_ours import WORKLOADS

FAMILY = 0.01
PEERS = {
    "cuba": ("NEST", "3.10.0"),
    "brunel": ("NEST", "3.10.0"),
    "coba": ("Brian2", "2.9.0"),
    "adex": ("Brian2", "2.9.0"),
}
FILES = {"NEST": "nest", "Brian2": "brian"}
TESTS = [(name, what) for name in PEERS for what in ("cv", "correlations")]
DT = 1e-4


@pytest.fixture(scope="module")
def theirs():
    """What a peer showed: arrays by seed, and the plan of the recording."""
    recordings = {}
    for name, (peer, _) in PEERS.items():
        path = Path(__file__).with_name(f"{FILES[peer]}_{name}.npz")
        with np.load(path, allow_pickle=False) as archive:
            recordings[name] = dict(archive)
        recordings[name]["facts"] = json.loads(str(recordings[name].pop("metadata")))
    return recordings


@pytest.fixture(scope="module")
def ours(measure, theirs):
    """The same from our side, one run per seed, each network simulated when it is first asked for."""
    found = {}

    def runs(name):
        if name not in found:
            found[name] = [simulate(measure, name, theirs[name]["facts"], seed) for seed in range(10)]
        return found[name]

    return runs


def simulate(measure, name, facts, seed):
    net = WORKLOADS[name].build(seed=seed, scale=1.0)
    result = rb.Simulator(net, dt=DT, threads=1).run(facts["plan"]["stop"])
    record = result["spikes"]
    sizes = {"n_exc": facts["n_exc"], "n_inh": facts["n_inh"]}
    return measure.describe(record.times, record.ids, **sizes, plan=facts["plan"])


@pytest.mark.parametrize("population", ["exc", "inh"])
@pytest.mark.parametrize("name", PEERS)
def test_rates_agree_within_three_standard_errors(measure, theirs, ours, name, population):
    key = f"rate_{population}"
    rates = np.array([run[key] for run in ours(name)])
    assert abs(measure.welch(rates, theirs[name][key])) < 3.0, (rates.mean(), theirs[name][key].mean())


@pytest.mark.parametrize(("name", "what"), TESTS)
def test_distributions_agree(measure, theirs, ours, name, what):
    distance, p = measure.kolmogorov_smirnov_by_run(
        [run[what] for run in ours(name)], list(theirs[name][what])
    )
    assert p > FAMILY / len(TESTS), f"{name} {what}: distance {distance:.4f}, p {p:.4f}"


@pytest.mark.parametrize(("name", "what"), TESTS)
def test_a_small_change_of_the_distribution_would_be_noticed(measure, theirs, name, what):
    recorded = list(theirs[name][what])
    spread = np.nanstd(np.concatenate(recorded))
    shift = (0.3 if name == "coba" else 0.15) * spread  # COBA bursts, by which runs differ more
    distance, p = measure.kolmogorov_smirnov_by_run([run + shift for run in recorded], recorded)
    assert p < FAMILY / len(TESTS), f"{name} {what}: distance {distance:.4f}, p {p:.4f}"


def test_the_recordings_say_where_they_come_from(theirs):
    for name, recording in theirs.items():
        facts = recording["facts"]
        assert (facts["simulator"], facts["version"], facts["network"]) == (*PEERS[name], name)
        assert len(recording["rate_exc"]) == facts["seeds"] == 10
        assert facts["dt_s"] == DT
