"""Reward: integrals of eligibility and modulator, NEST's synapse, and a synapse that is reinforced."""

import math
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning import Normalise

DT = 1e-3
NEST = np.load(Path(__file__).with_name("nest_dopamine.npz"))
RULE = {"a_pre": 0.1, "a_post": -0.15, "w_max": 4.0}


def source_of(net, steps, name):
    return net.add(rb.SpikeSource(1, times=np.asarray(steps) * DT, ids=np.zeros(len(steps), int), name=name))


def one_synapse(pre, post, reward, rule, conn):
    """A synapse whose neurons fire in given steps, with a modulator that sends in others."""
    net = rb.Network(seed=0)
    cell = net.add(rb.Population(1, rb.IF(threshold=1e3, reset="hard"), name="cell"))
    modulator = source_of(net, reward, "reward")
    ends = {"rule": rule, "modulator": modulator, "name": "p", "delay": 0.0}
    net.add(rb.Projection(source_of(net, pre, "pre"), cell, conn, weight=1.0, **ends))
    net.add(rb.Projection(source_of(net, post, "post"), cell, rb.one_to_one(), weight=2e3, delay=0.0))
    return net


@pytest.mark.parametrize("every", [1e-3, 10e-3, 0.25])
@pytest.mark.parametrize("conn", [rb.one_to_one(), rb.dense()], ids=["sparse", "dense"])
def test_a_reward_turns_what_is_left_of_a_pair_into_weight(conn, every):
    """The integral of c d from the reward to the end, whatever the time between updates."""
    rule = rb.RewardSTDP(20e-3, 25e-3, 1.0, 0.2, every=every, **RULE)
    sim = rb.Simulator(
        one_synapse([20], [30], [250, 400], rule, conn), DT, backend="reference", precision="float64"
    )
    expected = 1.0
    sim.run(1.0)
    for reward in (0.25, 0.4):
        left = 0.1 * math.exp(-10 / 20) * math.exp(-(reward - 0.03) / 1.0)
        rate = 1 / 1.0 + 1 / 0.2
        expected += left * (1 - math.exp(-(1.0 - reward) * rate)) / rate
    assert sim.weights("p").item() == pytest.approx(expected, rel=1e-12)
    assert expected > 1.01


def test_a_pair_after_the_reward_earns_only_what_is_left_of_it():
    rule = rb.RewardSTDP(20e-3, 25e-3, 1.0, 0.2, baseline=0.1, **RULE)
    net = one_synapse([137], [130], [100], rule, rb.one_to_one())
    sim = rb.Simulator(net, DT, backend="reference", precision="float64")
    sim.run(0.5)
    c, d, rate, span = -0.15 * math.exp(-7 / 25), math.exp(-37 / 200), 1 / 1.0 + 1 / 0.2, 0.5 - 0.137
    expected = c * d * (1 - math.exp(-span * rate)) / rate - 0.1 * c * (1 - math.exp(-span))
    assert sim.weights("p").item() - 1.0 == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("every", [10e-3, 70e-3])
@pytest.mark.parametrize("conn", [rb.all_to_all(), rb.explicit([0, 1], [0, 0])], ids=["dense", "sparse"])
def test_normalisation_scales_weights_that_are_up_to_date_and_leaves_eligibilities(conn, every):
    """Closed form from one normalisation to the next, wherever updates lie between them."""
    net = rb.Network()
    pre = net.add(rb.SpikeSource(2, times=[20 * DT, 25 * DT], ids=[0, 1]))
    cell = net.add(rb.Population(1, rb.IF(threshold=1e3, reset="hard")))
    rewards = (0.25, 0.4)
    reward = source_of(net, [250, 400], "reward")
    balance = Normalise(2.0, every=0.1)
    rule = rb.RewardSTDP(20e-3, 25e-3, 1.0, 0.2, every=every, baseline=0.1, homeostasis=balance, **RULE)
    ends = {"rule": rule, "modulator": reward, "name": "p", "delay": 0.0}
    net.add(rb.Projection(pre, cell, conn, weight=1.0, **ends))
    net.add(rb.Projection(source_of(net, [30], "post"), cell, rb.one_to_one(), weight=2e3, delay=0.0))
    net.add(rb.Probe(net["p"], "c", name="c"))
    sim = rb.Simulator(net, DT, backend="reference", precision="float64")
    weights, raised, rate = np.ones(2), 0.1 * np.exp([-10 / 20, -5 / 20]), 1 / 1.0 + 1 / 0.2
    for k in range(1, 8):
        record = sim.run(0.1)["c"]
        begin, end = max((k - 1) / 10, 0.03), k / 10
        earned = -0.1 * (math.exp(0.03 - begin) - math.exp(0.03 - end))
        for at in (at for at in rewards if at < end):
            spans = np.exp(-(np.array([max(begin, at), end]) - at) * rate)
            earned += math.exp(0.03 - at) * (spans[0] - spans[1]) / rate
        weights = weights + raised * earned
        weights *= 2.0 / weights.sum()
        np.testing.assert_allclose(sim.weights("p").reshape(-1), weights, rtol=1e-12)
        eligible = raised * math.exp(0.03 - end)
        np.testing.assert_allclose(sim.state("p")["c"].reshape(-1), eligible, rtol=1e-12)
        np.testing.assert_array_equal(record.values[-1], sim.state("p")["c"].reshape(-1))
        fading = np.exp(-(record.times[-1] - record.times))[:, None]
        np.testing.assert_allclose(record.values[-30:] * fading[-30:], np.tile(eligible, (30, 1)), rtol=1e-12)
    assert abs(weights[0] - weights[1]) > 1e-3


def test_a_synapse_of_nest_has_the_same_weight_at_each_of_its_spikes():
    """Per ms there; each spike of its modulator adds 1 / tau_n, ours 1."""
    scale, tau_n = 1000.0, 80.0
    rule = rb.RewardSTDP(
        20e-3, 25e-3, 300e-3, tau_n * 1e-3, a_pre=0.02 * scale / tau_n, a_post=-0.03 * scale / tau_n,
        baseline=0.002 * tau_n, every=DT, w_min=-50.0, w_max=50.0,
    )  # fmt: skip
    net = one_synapse(NEST["pre"], NEST["post"], NEST["dopamine"], rule, rb.one_to_one())
    net.add(rb.Probe(net["p"], "weight", name="weights"))
    result = rb.Simulator(net, DT, backend="reference", precision="float64").run(2.1)
    # What a step ends with is what the next one begins with.
    np.testing.assert_allclose(
        result["weights"].values[NEST["pre"] - 1, 0], NEST["weights"], rtol=0, atol=1e-10
    )
    assert np.ptp(NEST["weights"]) > 0.1


def test_without_events_of_the_modulator_nothing_is_learned_and_bounds_hold():
    rule = rb.RewardSTDP(20e-3, 20e-3, 1.0, 0.2, **RULE)
    pre = np.arange(5, 300, 60)
    for reward, expected in (([], 1.0), (np.arange(0, 500, 2), 4.0)):
        net = one_synapse(pre, pre + 2, reward, rule, rb.dense())
        sim = rb.Simulator(net, DT, backend="reference")
        sim.run(0.5)
        assert sim.weights("p").item() == expected


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "chosen"), [(1, 7), (2, 7), (3, 12)])
def test_the_synapse_that_is_rewarded_wins_although_rewards_come_a_second_late(seed, chosen):
    """The first experiment of the paper in small: one synapse is paid for each spike that it leads to.

    Some others that arrive together with it may grow too, as accomplices.
    """
    net = rb.Network(seed=seed)
    inputs = net.add(rb.PoissonSource(20, rate=3.0, name="inputs"))
    cell = net.add(rb.Population(1, rb.LIF(10e-3, refractory=5e-3), name="cell"))
    reward = net.add(rb.CurrentSource(1, name="reward"))
    rule = rb.RewardSTDP(20e-3, 20e-3, 1.0, 0.2, a_pre=0.2, a_post=-0.3, w_max=1.0)
    p = net.add(rb.Projection(inputs, cell, rb.dense(), weight=0.5, rule=rule, modulator=reward))
    probes = [net.add(rb.Probe(group)) for group in (inputs, cell)]
    sim = rb.Simulator(net, DT)
    chunk, late = 500, 1000
    owed = np.zeros((800 * chunk + late, 1))
    for first in range(0, 800 * chunk, chunk):
        result = sim.run(chunk * DT, inputs={reward: owed[first : first + chunk]})
        record, fired = (result[probe] for probe in probes)
        arrived = record.steps[record.ids == chosen] + 1
        for step in fired.steps:
            owed[step + late] += 0.5 * np.any((arrived <= step) & (arrived > step - 10))
    weights = sim.weights(p)[0]
    others = np.delete(weights, chosen)
    assert weights[chosen] > 0.85
    assert weights[chosen] > 2 * others.mean()
    assert np.mean(others < weights[chosen]) > 0.8


@pytest.mark.parametrize(
    ("modulator", "rule", "message"),
    [
        (False, rb.RewardSTDP(20e-3, 20e-3, 1.0, 0.2, **RULE), r"p\.modulator: got None; .* RewardSTDP is a"),
        (True, rb.STDP(20e-3, 20e-3, **RULE), r"p\.modulator: got .*; allowed for STDP is None"),
        (True, None, r"p\.modulator: there is no rule that listens"),
    ],
)  # fmt: skip
def test_a_modulator_stands_only_where_a_rule_listens_to_it(modulator, rule, message):
    a, b = rb.PoissonSource(2, rate=1.0), rb.Population(2, rb.IF())
    with pytest.raises(rb.SpecError, match=message):
        rb.Projection(a, b, rb.dense(), rule=rule, modulator=b if modulator else None, name="p")
    with pytest.raises(rb.SpecError, match=r"p\.modulator: got .*; allowed is a whole group"):
        rb.Projection(a, b, rb.dense(), rule=rule, modulator=b[:1], name="p")


def test_a_modulator_must_be_of_the_network_and_follows_its_parts():
    a, b = rb.PoissonSource(2, rate=1.0, name="a"), rb.Population(2, rb.IF(), name="b")
    rule = rb.RewardSTDP(20e-3, 20e-3, 1.0, 0.2, **RULE)
    reward = rb.PoissonSource(1, rate=1.0, name="reward")
    net = rb.Network()
    net.add(a), net.add(b)
    p = rb.Projection(a, b, rb.dense(), rule=rule, modulator=reward, name="p")
    with pytest.raises(rb.SpecError, match="refers to reward, which this network does not hold"):
        net.add(p)
    net.add(reward), net.add(p)
    sim = rb.Simulator(net, DT, backend="reference")
    sim.set(reward, rate=500.0)
    assert sim.plan.network["p"].modulator.rate == 500.0
