"""Hebb, Oja and BCM against a twin, the eigenvector of their input, and the theory of selectivity."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning import Trace

DT = 1e-3
BOUNDS = {"w_min": -0.5, "w_max": 1.5}
RULES = {
    "Hebb": rb.Hebb(20e-3, lr=0.1, offset=0.4, **BOUNDS),
    "Oja": rb.Oja(30e-3, lr=0.05, norm=0.7, **BOUNDS),
    "BCM": rb.BCM(30e-3, 0.1, lr=0.1, rate=50.0, **BOUNDS),
}


@pytest.mark.parametrize("kind", RULES)
def test_random_trains_give_the_weights_of_the_twin(learn, twins, kind):
    rng = np.random.default_rng(8)
    pre, post = rng.random((200, 12)) < 0.06, rng.random((200, 12)) < 0.06
    start, rule = rng.uniform(-0.4, 1.4, 12), RULES[kind]
    left_out = ("dependence", "pairing", "homeostasis")
    values = {name: value for name, value in rule.to_dict().items() if name not in left_out}
    expected = [
        twins.plasticity.hebbian(kind, np.flatnonzero(a), np.flatnonzero(b), w, dt=DT, **values)
        for a, b, w in zip(pre.T, post.T, start, strict=True)
    ]
    assert np.abs(np.subtract(expected, start)).max() > 0.1
    np.testing.assert_allclose(learn(rule, pre, post, start, DT)[-1], expected, rtol=0, atol=1e-12)


def test_hebb_scales_with_the_way_left_and_pairs_with_the_last_spike_if_asked(learn):
    spiked = np.zeros((40, 1), bool)
    pre, post = spiked.copy(), spiked.copy()
    pre[[5, 10]], post[[14, 30]] = True, True
    options = {"lr": 0.1, "offset": 0.5, "dependence": "multiplicative", "pairing": "nearest", **BOUNDS}
    weights = learn(rb.Hebb(20e-3, **options), pre, post, [0.5], DT)[:, 0]
    first = 0.5 + 0.1 * (np.exp(-4 / 20) - 0.5) * (1.5 - 0.5)
    assert weights[20] == pytest.approx(first, rel=1e-12)
    assert weights[-1] == pytest.approx(first + 0.1 * (np.exp(-20 / 20) - 0.5) * (first + 0.5), rel=1e-12)


def test_a_trace_that_adds_another_takes_its_value_before_the_spike_on_every_side(learn):
    class Both(rb.Hebb):
        @property
        def traces(self):
            return (Trace("x", "pre", 20e-3), Trace("twice", "pre", 50e-3, adds="x"))

        @staticmethod
        def on_post(weight, twice):
            return weight + twice

    pre, post = np.zeros((30, 1), bool), np.zeros((30, 1), bool)
    pre[[2, 7, 12]], post[20] = True, True
    found = learn(Both(20e-3, lr=1.0, w_max=9.0), pre, post, [0.0], DT)[-1, 0]
    second, third = np.exp(-5 / 20), np.exp(-5 / 20) + np.exp(-10 / 20)
    assert found == pytest.approx(second * np.exp(-13 / 50) + third * np.exp(-8 / 50), rel=1e-12)


def test_a_trace_can_add_only_a_plain_one_of_its_own_side():
    for side, adds in (("pre", "y"), ("post", "squares"), ("post", "nobody")):

        class Wrong(rb.BCM):
            @property
            def traces(self, side=side, adds=adds):
                return (Trace("squares", side, 1.0, adds=adds), Trace("y", "post", 0.1))

        with pytest.raises(rb.SpecError, match=rf"Wrong\.traces: squares adds '{adds}'; allowed is"):
            Wrong(50e-3, 5.0, lr=0.1, rate=10.0, w_max=1.0)


def taught(rule, rates, weights, seconds, hold, seed):
    """Let a neuron that fires at the sum of its inputs learn; rates [pattern, input] are drawn each hold.

    Returns its weights, and how often the neuron and its inputs fired in each hold of the second half.
    """
    rng = np.random.default_rng(seed)
    holds = round(seconds / hold)
    shown = rng.integers(len(rates), size=holds)
    net = rb.Network(seed=seed)
    source = net.add(rb.RateSource(len(weights), np.arange(holds) * hold, rates[shown], name="in"))
    cell = net.add(rb.Population(1, rb.IF(threshold=1.0, reset="soft"), name="out"))
    learns = net.add(rb.Projection(source, cell, rb.dense(), weight=weights[None], delay=0.0, rule=rule))
    probes = [net.add(rb.Probe(group, start=seconds / 2)) for group in (source, cell)]
    sim = rb.Simulator(net, dt=DT)
    result = sim.run(seconds)
    counts = [np.zeros((holds, group.n)) for group in (source, cell)]
    for probe, counted in zip(probes, counts, strict=True):
        np.add.at(counted, ((result[probe].times / hold + 1e-6).astype(int), result[probe].ids), 1)
    half = holds // 2
    return sim.weights(learns)[0], shown[half:], counts[0][half:], counts[1][half:, 0]


def test_weights_of_oja_turn_to_the_first_principal_component_of_the_input():
    """Within 5 degrees of numpy's eigenvector, of length 1 within 5 %, from about 30 degrees away."""
    rng = np.random.default_rng(1)
    rates = rng.uniform(0.0, 1.0, (40, 1)) * [90, 80, 70, 60, 5, 5, 5, 5]
    rates += rng.uniform(0.0, 1.0, (40, 1)) * [0, 0, 0, 20, 30, 30, 30, 40]
    start = np.full(8, 0.3)
    rule = rb.Oja(100e-3, lr=3e-4, w_max=2.0)
    weights, _, inputs, _ = taught(rule, rates, start, 200.0, 0.5, seed=2)
    values, vectors = np.linalg.eigh(inputs.T @ inputs)
    first = np.abs(vectors[:, -1])
    angle = lambda w: np.degrees(np.arccos(w @ first / np.linalg.norm(w)))  # noqa: E731
    assert values[-1] > 2 * values[-2]
    assert angle(start) > 20
    assert angle(weights) < 5
    assert np.linalg.norm(weights) == pytest.approx(1.0, abs=0.05)


def test_a_neuron_with_bcm_answers_one_of_two_patterns_at_twice_its_rate():
    """theta = <r^2> / rate: where a pattern is there half the time, r = theta is twice the rate."""
    rates = np.array([[40.0] * 6 + [4.0] * 6, [4.0] * 6 + [40.0] * 6])
    winners = set()
    for seed in (0, 1, 2):
        rule = rb.BCM(50e-3, 4.0, lr=2e-4, rate=20.0, w_max=2.0)
        start = np.random.default_rng(seed).uniform(0.05, 0.1, 12)
        _, shown, _, fired = taught(rule, rates, start, 300.0, 0.5, seed)
        answers = np.array([fired[shown == pattern].mean() / 0.5 for pattern in (0, 1)])
        assert answers.max() == pytest.approx(40.0, rel=0.15)
        assert answers.min() < 0.15 * answers.max()
        winners.add(int(answers.argmax()))
    assert winners == {0, 1}
