"""Escape noise: neurons that fire by chance, held to the laws of a renewal process."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import rheobase as rb
from rheobase.neurons import vocabulary

DT = 1e-4
#: Where v is held, by a reset to where it rests: hazards from 2.5 Hz to 148 Hz at a width of 0.25.
HELD = np.array([-0.5, -0.25, 0.0, 0.25, 0.5])
HAZARD = 20.0 * np.exp(HELD / 0.25)
EACH = 400


@pytest.fixture(scope="module")
def record():
    """Two seconds of neurons with v held at each of five values, and silent for 3 ms after a spike."""
    v = np.repeat(HELD, EACH)
    options = {"threshold": 0.0, "v_rest": v, "v_reset": v, "refractory": 3e-3}
    net = rb.Network(seed=4)
    cells = net.add(rb.Population(v.size, rb.LIF(10e-3, escape=0.25, escape_rate=20.0, **options)))
    spikes = net.add(rb.Probe(cells))
    return rb.Simulator(net, DT).run(2.0)[spikes]


def intervals(record, k):
    return np.concatenate([np.diff(record.train(i)) for i in range(k * EACH, (k + 1) * EACH)])


@pytest.mark.parametrize("k", range(HELD.size))
def test_rate_at_a_held_potential_is_that_of_its_hazard(record, k):
    count = record.counts()[0, k * EACH : (k + 1) * EACH].sum()
    # A renewal process: the mean interval is t_ref + 1 / hazard, the variance that of the exponential part.
    # Within a step the chance is 1 - exp(-hazard dt): time is counted in steps.
    chance = -np.expm1(-HAZARD[k] * DT)
    mean, variance = 30 + 1 / chance, (1 - chance) / chance**2
    expected = 20_000 * EACH / mean
    # That starts with no refractory time behind it: its count is ahead by a constant.
    expected += EACH * (variance - mean**2 + mean * (2 * 30 + 1)) / (2 * mean**2)
    # Four standard errors: over five values, one false alarm in 3,000 seeds.
    assert abs(count - expected) < 4 * np.sqrt(20_000 * EACH * variance / mean**3)
    assert expected / (2.0 * EACH) == pytest.approx(HAZARD[k] / (1 + HAZARD[k] * 3e-3), rel=0.02)


def test_intervals_are_a_refractory_time_and_an_exponential_time(record):
    waits = intervals(record, 3) - 3e-3
    # Steps round up: the continuous law is that of a time spread over the step before.
    spread = waits - DT * np.random.default_rng(1).random(waits.size)
    assert waits.size > 20_000
    assert waits.min() > 0
    # A right process fails these for one seed in a thousand each.
    assert stats.kstest(spread, stats.expon(scale=1 / HAZARD[3]).cdf).pvalue > 1e-3
    first, second = waits[:-1], waits[1:]
    assert abs(np.corrcoef(first, second)[0, 1]) < 3.3 / np.sqrt(waits.size)


def chance_of(model, v, uniform):
    words = {word: getattr(vocabulary, word) for word in vocabulary.WORDS} | {"uniform": lambda _: uniform}
    constants = {name: np.float64(value) for name, value in model.constants(1e-3).items()}
    fire = model.rules.fire
    known = {**constants, "v": np.float64(v), "now": 10, "ready": 0}
    return float(fire.bind(words)(*(known[name] for name in fire.arguments))[0])


@pytest.mark.parametrize(("v", "uniform", "sent"), [
    (1.0, 0.63, 1.0), (1.0, 0.64, 0.0),  # at the threshold: 1 - exp(-1)
    (2.0, 0.999, 1.0), (-30.0, 0.0, 0.0),  # exp(-31) is no chance, even where the number is 0
    (1e30, 1 - 2.0**-24, 1.0), (-1e30, 0.0, 0.0),
])  # fmt: skip
def test_chance_of_a_step_is_the_integrated_hazard(v, uniform, sent):
    assert chance_of(rb.LIF(10e-3, escape=0.5 if v == 2.0 else 1.0), v, uniform) == sent


@pytest.mark.parametrize("model", [
    lambda **o: rb.LIF(10e-3, refractory=2e-3, **o),
    lambda **o: rb.IF(**o),
    lambda **o: rb.Leaky(0.9, strict=False, **o),
    lambda **o: rb.CurrentLIF(10e-3, 5e-3, reset="soft", **o),
    lambda **o: rb.ALIF(10e-3, tau_lift=50e-3, lift_step=0.2, **o),
])  # fmt: skip
def test_a_narrow_threshold_is_a_sharp_one(model):
    def spikes(**options):
        net = rb.Network(seed=2)
        drive = net.add(rb.PoissonSource(20, rate=500.0))
        cells = net.add(rb.Population(20, model(**options), name="cells"))
        net.add(rb.Projection(drive, cells, rb.one_to_one(), weight=0.4))
        probe = net.add(rb.Probe(cells))
        return rb.Simulator(net, 1e-3, backend="reference").run(0.3)[probe]

    sharp, narrow = spikes(), spikes(escape=1e-9, escape_rate=1e9)
    assert sharp.ids.size > 50
    assert (sharp.steps.tolist(), sharp.ids.tolist()) == (narrow.steps.tolist(), narrow.ids.tolist())


def test_a_sharp_threshold_has_no_code_for_chance():
    assert "uniform" not in rb.LIF(10e-3).rules.fire.words
    assert rb.LIF(10e-3) == rb.LIF(10e-3, escape=0.0)


def test_a_width_for_some_neurons_only_is_refused():
    with pytest.raises(rb.SpecError, match=r"LIF\.escape: got an array with zeros .*two populations"):
        rb.LIF(10e-3, escape=np.array([0.0, 0.1]))


def test_a_reset_above_a_soft_threshold_is_allowed():
    assert rb.LIF(10e-3, escape=0.1, v_reset=2.0).v_reset == 2.0
    with pytest.raises(rb.SpecError, match="v_reset"):
        rb.LIF(10e-3, v_reset=2.0)
