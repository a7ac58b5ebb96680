"""The cortical microcircuit: a tenth of it as in NEST 3.10, and the whole at its published rates.

The recording was made by `benchmarks/peers/record_nest_statistics.py`; both sides go through
`spike_statistics.describe_each` over the same window, ten seeds each. False alarms, if both simulators
draw from one law: 1 % for all 24 comparisons together.

* rates: a mean over seeds may differ by 4.4 standard errors of the difference (Student's t, 18 degrees
  of freedom: 0.035 % of cases each);
* distributions: Kolmogorov-Smirnov distances, whose p-values come from dealing whole seeds out anew.

Seeds are fixed, so the outcome is the same on every machine.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.models.microcircuit import POPULATIONS, REFERENCE_RATES, microcircuit

FAMILY, COMPARISONS = 0.01, 24
DT = 1e-4


@pytest.fixture(scope="module")
def nest():
    """What NEST showed: arrays by seed, and the plan of the recording."""
    with np.load(Path(__file__).with_name("nest_microcircuit.npz"), allow_pickle=False) as archive:
        recording = dict(archive)
    recording["facts"] = json.loads(str(recording.pop("metadata")))
    return recording


@pytest.fixture(scope="module")
def ours(measure, nest):
    """The same from our side, one run per seed."""
    facts = nest["facts"]
    return [simulate(measure, facts, seed) for seed in range(facts["seeds"])]


def simulate(measure, facts, seed):
    net = microcircuit(seed=seed, scale=facts["scale"])
    assert {name: net[name].n for name in POPULATIONS} == facts["sizes"]
    result = rb.Simulator(net, dt=DT, threads=1).run(facts["plan"]["stop"])
    records = [result[f"spikes {name}"] for name in POPULATIONS]
    first = np.cumsum([0, *facts["sizes"].values()])
    times = np.concatenate([record.times for record in records])
    ids = np.concatenate([record.ids + low for record, low in zip(records, first[:-1], strict=True)])
    return measure.describe_each(times, ids, sizes=facts["sizes"], plan=facts["plan"])


@pytest.mark.parametrize("population", POPULATIONS)
def test_rates_agree_with_nest(measure, nest, ours, population):
    rates = np.array([run[f"rate {population}"] for run in ours])
    theirs = nest[f"rate {population}"]
    assert abs(measure.welch(rates, theirs)) < 4.4, (rates.mean(), theirs.mean())


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("what", ["cv", "correlations"])
def test_distributions_agree_with_nest(measure, nest, ours, what, population):
    key = f"{what} {population}"
    distance, p = measure.kolmogorov_smirnov_by_run([run[key] for run in ours], list(nest[key]))
    assert p > FAMILY / COMPARISONS, f"{key}: distance {distance:.4f}, p {p:.4f}"


@pytest.mark.parametrize("population", ["L4E", "L6I"])
@pytest.mark.parametrize("what", ["cv", "correlations"])
def test_a_small_change_of_a_distribution_would_be_noticed(measure, nest, what, population):
    recorded = list(nest[f"{what} {population}"])
    shift = 0.3 * np.nanstd(np.concatenate(recorded))
    _, p = measure.kolmogorov_smirnov_by_run([run + shift for run in recorded], recorded)
    assert p < FAMILY / COMPARISONS


def test_the_recording_says_where_it_comes_from(nest):
    facts = nest["facts"]
    assert (facts["simulator"], facts["version"], facts["network"]) == ("NEST", "3.10.0", "microcircuit")
    assert len(nest["rate L4E"]) == facts["seeds"] == 10
    assert facts["dt_s"] == DT


def test_the_whole_circuit_fires_at_its_published_rates():
    """Ten seconds after half a second of warm-up, every population within 5 % of the reference."""
    simulator = rb.Simulator(microcircuit(seed=0, record=False), dt=DT)
    simulator.run(0.5)
    counts = simulator.run(10.0).counts
    spikes = {p.name: p.spikes / p.n / 10.0 for p in counts.populations}
    rates = np.array([spikes[name] for name in POPULATIONS])
    np.testing.assert_allclose(rates, REFERENCE_RATES, rtol=0.05)
    assert counts.n_synapses > 298.8e6
