"""Pair STDP against its closed form and against a twin that sums over pairs of spikes."""

import itertools

import numpy as np
import pytest

import rheobase as rb

DT = 1e-3
RULE = {"a_pre": 0.03, "a_post": -0.02, "w_min": -0.5, "w_max": 1.0}
FORMS = list(itertools.product(("additive", "multiplicative"), ("all", "nearest")))


def train(steps, *spikes):
    spiked = np.zeros((steps, 1), dtype=bool)
    spiked[list(spikes)] = True
    return spiked


@pytest.mark.parametrize("lag", [-40, -7, -1, 1, 7, 40])
def test_one_pair_changes_the_weight_by_the_exponential_of_its_lag(learn, lag):
    rule = rb.STDP(17e-3, 31e-3, **RULE)
    weights = learn(rule, train(100, 50), train(100, 50 + lag), [0.25], DT)
    expected = 0.03 * np.exp(-lag * DT / 17e-3) if lag > 0 else -0.02 * np.exp(lag * DT / 31e-3)
    assert weights[-1, 0] - 0.25 == pytest.approx(expected, rel=1e-12)


def test_spikes_of_the_same_step_do_not_pair_with_each_other(learn):
    weights = learn(rb.STDP(20e-3, 20e-3, **RULE), train(10, 5), train(10, 5), [0.25], DT)
    assert weights[-1, 0] == 0.25


@pytest.mark.parametrize(("lag", "fraction"), [(1, 0.03 * (1.0 - 0.25)), (-1, -0.02 * (0.25 + 0.5))])
def test_a_multiplicative_change_scales_with_the_way_left_to_its_bound(learn, lag, fraction):
    rule = rb.STDP(20e-3, 20e-3, **RULE, dependence="multiplicative")
    weights = learn(rule, train(10, 5), train(10, 5 + lag), [0.25], DT)
    assert weights[-1, 0] - 0.25 == pytest.approx(fraction * np.exp(-1 / 20), rel=1e-12)


def test_nearest_pairs_a_spike_with_only_the_last_one_of_the_other_neuron(learn):
    pre, post = train(30, 5, 10), train(30, 20)
    change = {
        pairing: learn(rb.STDP(20e-3, 20e-3, **RULE, pairing=pairing), pre, post, [0.0], DT)[-1, 0]
        for pairing in ("all", "nearest")
    }
    assert change["nearest"] == pytest.approx(0.03 * np.exp(-10 / 20), rel=1e-12)
    assert change["all"] == pytest.approx(0.03 * (np.exp(-10 / 20) + np.exp(-15 / 20)), rel=1e-12)


@pytest.mark.parametrize(("dependence", "pairing"), FORMS)
@pytest.mark.parametrize("signs", [(1, 1), (-1, -1)])
def test_random_trains_give_the_weights_of_the_twin(learn, twins, dependence, pairing, signs):
    rng = np.random.default_rng(3)
    pre, post = rng.random((400, 20)) < 0.1, rng.random((400, 20)) < 0.08
    start = rng.uniform(-0.5, 1.0, 20)
    values = {**RULE, "a_pre": 0.3 * signs[0], "a_post": -0.2 * signs[1]}
    rule = rb.STDP(17e-3, 31e-3, **values, dependence=dependence, pairing=pairing)
    expected = [
        twins.plasticity.pair_stdp(
            np.flatnonzero(pre[:, i]), np.flatnonzero(post[:, i]), start[i], dt=DT,
            tau_pre=17e-3, tau_post=31e-3, dependence=dependence, pairing=pairing, **values,
        )
        for i in range(20)
    ]  # fmt: skip
    np.testing.assert_allclose(learn(rule, pre, post, start, DT)[-1], expected, rtol=0, atol=1e-12)
    single = learn(rule, pre, post, start, DT, np.float32)[-1]
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("dependence", "pairing"), FORMS)
def test_weights_reach_but_never_leave_their_bounds(learn, dependence, pairing):
    rng = np.random.default_rng(4)
    pre, post = rng.random((300, 50)) < 0.3, rng.random((300, 50)) < 0.3
    values = {**RULE, "a_pre": 2.0, "a_post": -2.0}
    rule = rb.STDP(20e-3, 20e-3, **values, dependence=dependence, pairing=pairing)
    weights = learn(rule, pre, post, rng.uniform(-0.5, 1.0, 50), DT, np.float32)
    assert weights.min() == -0.5
    assert weights.max() == 1.0


def test_the_rule_of_the_benchmark_drifts_as_the_area_under_its_window(learn):
    """Independent Poisson trains: dw/dt = r_pre r_post (a_pre tau_pre + a_post tau_post), in steps."""
    rng = np.random.default_rng(5)
    steps, synapses, dt, rate = 4000, 2000, 1e-3, 20.0
    pre, post = rng.random((2, steps, synapses)) < rate * dt
    rule = rb.STDP(20e-3, 20e-3, a_pre=0.01, a_post=-1.05 * 0.01, w_min=-100.0, w_max=100.0)
    weights = learn(rule, pre, post, np.zeros(synapses), dt)
    memory = rate * dt / np.expm1(dt / 20e-3)  # what a trace is on average just before a spike
    drift = steps * dt * rate * memory * (0.01 - 0.0105)
    spread = weights[-1].std() / np.sqrt(synapses)
    assert abs(weights[-1].mean() - drift) < 3.3 * spread  # one false alarm in a thousand
    assert abs(drift) > 2 * spread


def test_a_trace_without_spikes_ends_at_zero_and_not_among_the_subnormal_numbers(learn):
    trace = rb.STDP(20e-3, 20e-3, **RULE).traces[0]
    value = np.float32(1.0)
    fade = trace.fade.bind({"where": np.where})
    seen = []
    for _ in range(200):
        value = np.float32(fade(value, np.float32(0.5)))
        seen.append(float(value))
    assert seen[-1] == 0.0
    assert min(v for v in seen if v > 0) > np.finfo(np.float32).tiny


def test_traces_that_users_see_are_the_memories_of_spikes_and_follow_slices_and_delays():
    net = rb.Network(seed=1)
    source = net.add(rb.PoissonSource(9, rate=100.0))
    out = net.add(rb.Population(6, rb.LIF(10e-3)))
    ends, rule = (source[1:8:2], out[2:5]), rb.STDP(20e-3, 30e-3, **RULE)
    net.add(rb.Projection(*ends, rb.dense(), weight=0.5, delay=2 * DT, rule=rule, name="one"))
    pairs = rb.explicit([3, 0, 1, 2, 0], [0, 1, 2, 2, 2])
    delays = np.array([3, 1, 5, 1, 3]) * DT
    net.add(rb.Projection(*ends, pairs, weight=0.9, delay=delays, rule=rule, name="three"))
    probes = [net.add(rb.Probe(part)) for part in (source, out)]
    sim = rb.Simulator(net, DT, backend="reference", precision="float64")
    result = sim.run(0.1)
    arrivals, fired = (result[probe] for probe in probes)

    def remembered(record, ids, tau, delay):
        steps, of = np.unique([record.steps, record.ids], axis=1)  # two spikes of a step are one event
        ages = 99 - (steps + delay)
        shares = np.where(ages >= 0, np.exp(-ages * DT / tau), 0.0)
        return np.bincount(of, shares, minlength=9)[ids]

    expected = np.array([remembered(arrivals, [1, 3, 5, 7], 20e-3, d) for d in (1, 2, 3, 5)])
    assert len(fired) > 10
    for name, x in (("one", expected[1]), ("three", expected[[0, 2, 3]])):
        state = sim.state(name)
        np.testing.assert_allclose(state["x"], x, rtol=1e-12)
        np.testing.assert_allclose(state["y"], remembered(fired, [2, 3, 4], 30e-3, 0), rtol=1e-12)


def test_rules_of_spikes_refuse_what_sends_numbers_at_either_end():
    cells, graded = rb.Population(2, rb.IF()), rb.Population(2, rb.EventNeuron(0.5), name="graded")
    for ends in ((rb.CurrentSource(2), cells), (graded, cells), (cells, graded)):
        with pytest.raises(rb.SpecError, match=r"p\.rule: STDP takes spikes, and .* sends numbers"):
            rb.Projection(*ends, rb.dense(), weight=0.0, rule=rb.STDP(20e-3, 20e-3, **RULE), name="p")
