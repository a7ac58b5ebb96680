"""Triplet STDP against closed forms, a twin that sums over spikes, NEST's synapse and published pairings."""

from pathlib import Path

import numpy as np
import pytest

import rheobase as rb

DT = 1e-3
NEST = np.load(Path(__file__).with_name("nest_triplet.npz"))
FITS = sorted(rb.TripletSTDP.PRESETS)
RULE = {"a2_plus": 0.02, "a3_plus": 0.05, "a2_minus": 0.03, "a3_minus": 0.01, "w_min": -1.0, "w_max": 2.0}
TIMES = {"tau_plus": 17e-3, "tau_minus": 34e-3, "tau_x": 100e-3, "tau_y": 120e-3}
# Change of a synapse of visual cortex by 60 pairs at these rates, and its standard error: P. J. Sjöström,
# G. G. Turrigiano, S. B. Nelson, Neuron 32 (2001) 1149, as in the paper of the rule.
RATES = (0.1, 10.0, 20.0, 40.0, 50.0)
MEASURED = {
    10: ((-0.04, 0.14, 0.29, 0.53, 0.56), (0.05, 0.10, 0.14, 0.11, 0.26)),
    -10: ((-0.29, -0.41, -0.34, 0.56, 0.75), (0.08, 0.11, 0.10, 0.32, 0.19)),
}


def train(steps, spikes):
    spiked = np.zeros((steps, 1), dtype=bool)
    spiked[list(spikes)] = True
    return spiked


def twin_of(rule, pre, post, weight, twins):
    """Return the twin's last weight for trains in steps of 1 ms."""
    left_out = ("dependence", "scale", "homeostasis")
    values = {name: value for name, value in rule.to_dict().items() if name not in left_out}
    values |= {name: value * rule.scale for name, value in values.items() if name.startswith("a")}
    return twins.plasticity.triplet_stdp(np.asarray(pre) * DT, np.asarray(post) * DT, weight, **values)


def test_a_second_spike_of_the_target_adds_its_triplet_to_its_pair(learn):
    rule = rb.TripletSTDP(**TIMES, **RULE)
    weights = learn(rule, train(80, [20]), train(80, [30, 45]), [0.5], DT)
    first = 0.02 * np.exp(-10 / 17)
    second = np.exp(-25 / 17) * (0.02 + 0.05 * np.exp(-15 / 120))
    assert weights[-1, 0] - 0.5 == pytest.approx(first + second, rel=1e-12)


def test_a_second_arrival_subtracts_its_triplet_with_its_pair(learn):
    rule = rb.TripletSTDP(**TIMES, **RULE, scale=2.0)
    weights = learn(rule, train(80, [30, 45]), train(80, [20]), [0.5], DT)
    first = 0.03 * np.exp(-10 / 34)
    second = np.exp(-25 / 34) * (0.03 + 0.01 * np.exp(-15 / 100))
    assert weights[-1, 0] - 0.5 == pytest.approx(-2.0 * (first + second), rel=1e-12)


def test_a_multiplicative_change_scales_with_the_way_left_to_its_bound(learn):
    rule = rb.TripletSTDP(**TIMES, **RULE, dependence="multiplicative")
    up = learn(rule, train(30, [5]), train(30, [9]), [0.5], DT)[-1, 0]
    down = learn(rule, train(30, [9]), train(30, [5]), [0.5], DT)[-1, 0]
    assert up - 0.5 == pytest.approx(1.5 * 0.02 * np.exp(-4 / 17), rel=1e-12)
    assert down - 0.5 == pytest.approx(-1.5 * 0.03 * np.exp(-4 / 34), rel=1e-12)


@pytest.mark.parametrize("pairing", ["all", "nearest"])
def test_random_trains_give_the_weights_of_the_twin(learn, twins, pairing):
    rng = np.random.default_rng(6)
    pre, post = rng.random((300, 12)) < 0.06, rng.random((300, 12)) < 0.05
    rule = rb.TripletSTDP(**TIMES, **RULE, pairing=pairing)
    expected = [
        twin_of(rule, np.flatnonzero(a), np.flatnonzero(b), 0.5, twins)
        for a, b in zip(pre.T, post.T, strict=True)
    ]
    assert np.abs(np.subtract(expected, 0.5)).min() > 0.01
    np.testing.assert_allclose(learn(rule, pre, post, [0.5] * 12, DT)[-1], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", ["visual_cortex", "hippocampus", "bounded"])
def test_a_synapse_of_nest_has_the_same_weight_at_each_of_its_spikes(learn, case):
    changed = {
        "visual_cortex": {},
        "hippocampus": rb.TripletSTDP.PRESETS["hippocampus"],
        "bounded": {"a2_plus": 0.1, "a3_plus": 0.04, "a2_minus": 0.15, "a3_minus": 0.05},
    }[case]
    rule = rb.TripletSTDP.preset("visual cortex", **{**changed, "w_max": 2.0})
    pre, post, recorded = (NEST[f"{case}_{name}"] for name in ("pre", "post", "weights"))
    steps = max(pre.max(), post.max()) + 1
    weights = learn(rule, train(steps, pre), train(steps, post), [1.0], DT)[pre, 0]
    assert recorded.size > 30
    assert np.abs(np.diff(recorded)).max() > 1e-3
    np.testing.assert_allclose(weights, recorded, rtol=0, atol=1e-12)
    if case == "bounded":
        assert recorded.min() == 0.0


def sixty_pairs(name, rate, lag, learn, dt=5e-3):
    """Return by how much 60 pairs change a weight of 1, lag ms from arrival to spike."""
    first = np.rint(np.arange(60) / (rate * dt)).astype(int) + 2
    steps = first[-1] + 4
    rule = rb.TripletSTDP.preset(name, w_min=-9.0, w_max=9.0)
    second = first + round(lag * 1e-3 / dt)
    return learn(rule, train(steps, first), train(steps, second), [1.0], dt)[-1, 0] - 1.0


@pytest.mark.parametrize("name", [name for name in FITS if name.startswith("visual")])
def test_pairs_at_higher_rates_do_what_was_measured_in_visual_cortex(learn, name):
    misfit = []
    for lag, (change, error) in MEASURED.items():
        found = [sixty_pairs(name, rate, lag, learn) for rate in RATES[1:]]
        misfit += list((np.array(found) - change[1:]) / error[1:])
        # More pairs in a second strengthen more, and turn weakening into strengthening.
        assert np.all(np.diff(found[-3:]) > 0)
        assert (found[0] < -0.3) == (lag < 0)
        assert found[-1] > 0.5
    assert np.abs(misfit).max() < 1.5


@pytest.mark.parametrize("name", FITS)
def test_each_published_fit_pairs_as_its_twin_does_from_slow_to_fast(learn, twins, name):
    for rate, lag in [(10.0, 10), (10.0, -10), (50.0, 10), (50.0, -10)]:
        first = np.rint(np.arange(60) / (rate * DT)).astype(int) + 20
        rule = rb.TripletSTDP.preset(name, w_min=-9.0, w_max=9.0)
        expected = twin_of(rule, first, first + lag, 1.0, twins) - 1.0
        assert sixty_pairs(name, rate, lag, learn) == pytest.approx(expected, rel=1e-9)


def test_a_slow_pair_strengthens_and_weakens_a_synapse_of_hippocampus(learn):
    """Pairs each second, as G. Bi and M. Poo measured them: the order of the spikes alone decides."""
    for name in (name for name in FITS if name.startswith("hippocampus")):
        assert 0.1 < sixty_pairs(name, 1.0, 10, learn, 10e-3) < 0.3, name
        assert -0.25 < sixty_pairs(name, 1.0, -10, learn, 10e-3) < -0.05, name


@pytest.mark.parametrize("field", ["tau_x", "a2_plus", "a3_minus", "scale", "pairing", "dependence"])
def test_a_wrong_parameter_is_refused_by_name(field):
    with pytest.raises(rb.SpecError, match=rf"TripletSTDP\.{field}"):
        rb.TripletSTDP(**{**TIMES, **RULE, field: -1.0})


def test_an_unknown_fit_is_refused_with_those_that_there_are():
    with pytest.raises(rb.SpecError, match=r"'visual'; there are .*'visual cortex, minimal'"):
        rb.TripletSTDP.preset("visual", w_max=1.0)
