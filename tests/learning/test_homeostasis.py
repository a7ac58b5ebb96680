"""Weights that keep their sum, and neurons that keep their rate, while their synapses learn."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning import Normalise, Scale

DT = 1e-3
PAIR = {"a_pre": 0.05, "a_post": -0.03}


def network(conn, homeostasis, *, w_max=2.0, rate=40.0, pre=slice(None), post=slice(None), **change):
    net = rb.Network(seed=2)
    source = net.add(rb.PoissonSource(15, rate=rate, name="in"))
    out = net.add(rb.Population(6, rb.LIF(10e-3), name="out"))
    rule = rb.STDP(20e-3, 20e-3, **{**PAIR, **change}, w_max=w_max, homeostasis=homeostasis)
    p = rb.Projection(source[pre], out[post], conn, weight=rb.uniform(0.1, 0.5), rule=rule, name="p")
    net.add(p)
    return net


def sums(sim):
    found = sim.synapses("p")
    return np.bincount(found.post, weights=found.weight, minlength=6)


CASES = {
    "sparse": (rb.fixed_in(5), {}),
    "dense": (rb.dense(), {}),
    "slices": (rb.dense(), {"pre": slice(3, 12), "post": slice(1, 5)}),
}


@pytest.mark.parametrize("case", CASES)
def test_weights_onto_each_neuron_add_up_to_the_total_at_each_interval(case):
    conn, ends = CASES[case]
    net = network(conn, Normalise(1.75, every=7e-3), rate=120.0, **ends)
    sim = rb.Simulator(net, DT, backend="reference")
    hit = np.isin(np.arange(6), sim.synapses("p").post)
    seen = []
    for _ in range(20):
        sim.run(7e-3)
        np.testing.assert_allclose(sums(sim)[hit], 1.75, rtol=1e-6)
        assert np.all(sums(sim)[~hit] == 0)
        sim.run(3e-3)
        seen.append(sums(sim)[hit])
        sim.run(4e-3)
    assert np.ptp(seen) > 0.02  # in between it learns


def test_normalised_weights_keep_their_proportions_and_bounds():
    net = network(rb.dense(), Normalise(3.0, every=5e-3), rate=0.0, w_max=0.3)
    sim = rb.Simulator(net.with_weights({"p": np.full((6, 15), 0.1)}), DT, backend="reference")
    sim.run(4e-3)
    assert np.all(sim.weights("p") == np.float32(0.1))
    sim.run(1e-3)
    np.testing.assert_allclose(sim.weights("p"), 0.2, rtol=1e-6)
    start = np.random.default_rng(0).uniform(0.01, 0.2, (6, 15))
    sim = rb.Simulator(net.with_weights({"p": start}), DT, backend="reference")
    sim.run(5e-3)
    expected = np.minimum(start * 3.0 / start.sum(axis=1, keepdims=True), 0.3)
    assert (expected == 0.3).any()
    np.testing.assert_allclose(sim.weights("p"), expected, rtol=1e-6)


def test_weights_of_a_silent_neuron_grow_in_the_time_constant_of_scaling():
    net = network(rb.dense(), Scale(rate=5.0, tau=1.0, tau_scale=2.0, every=20e-3), rate=0.0)
    sim = rb.Simulator(net, DT, backend="reference", precision="float64")
    start = sim.weights("p")
    sim.run(0.2)
    np.testing.assert_allclose(sim.weights("p"), start * (1 + 0.02 / 2.0) ** 10, rtol=1e-12)


def test_scaling_takes_off_what_spikes_say_to_be_too_much():
    """Two spikes of a target, known to the trace with what has decayed of them."""
    net = rb.Network()
    train = net.add(rb.SpikeSource(1, times=[2e-3, 5e-3], ids=[0, 0]))
    cell = net.add(rb.Population(1, rb.IF(threshold=1.0, reset="hard")))
    rule = rb.STDP(20e-3, 20e-3, a_pre=0.0, a_post=0.0, w_max=9.0,
                   homeostasis=Scale(rate=50.0, tau=0.1, tau_scale=0.05, every=10e-3))  # fmt: skip
    net.add(rb.Projection(train, cell, rb.one_to_one(), weight=2.0, delay=0.0, rule=rule, name="p"))
    sim = rb.Simulator(net, DT, backend="reference", precision="float64")
    sim.run(10e-3)
    activity = np.exp(-7 / 100) + np.exp(-4 / 100)
    assert sim.weights("p")[0] == pytest.approx(2.0 * (1 + 0.2 * (1 - activity / (0.1 * 50.0))), rel=1e-12)


def test_scaled_neurons_come_to_their_rate_from_both_sides():
    for rate in (30.0, 200.0):
        scale = Scale(rate=25.0, tau=0.4, tau_scale=0.6, every=50e-3)
        net = network(rb.fixed_in(8), scale, rate=rate, w_max=9.0, a_pre=0.0, a_post=0.0)
        counts = net.add(rb.Probe(net["out"], "counts", start=5.0))
        result = rb.Simulator(net, 5e-3, backend="reference").run(10.0)
        assert result[counts].counts.mean() / 5.0 == pytest.approx(25.0, rel=0.1)


def test_a_threshold_that_grows_with_each_spike_and_hardly_falls_is_that_of_alif():
    """Homeostasis of P. U. Diehl and M. Cook: a lift of 0.05 a spike, which takes 10,000 s to fade."""
    net = rb.Network()
    train = net.add(rb.SpikeSource(1, times=np.arange(50) * 2e-3, ids=np.zeros(50, int)))
    cell = net.add(rb.Population(1, rb.ALIF(100e-3, tau_lift=1e4, lift_step=0.05), name="cell"))
    net.add(rb.Projection(train, cell, rb.one_to_one(), weight=0.6))
    spikes = net.add(rb.Probe(cell))
    sim = rb.Simulator(net, DT, backend="reference", precision="float64")
    steps = sim.run(0.1)[spikes].steps
    assert sim.state(cell)["lift"][0] == pytest.approx(0.05 * steps.size, rel=1e-5)
    assert np.diff(steps)[-1] > np.diff(steps)[0]


def test_a_wrong_homeostasis_is_refused_by_name():
    with pytest.raises(rb.SpecError, match=r"Normalise\.total: got 0"):
        Normalise(0.0, every=0.1)
    with pytest.raises(rb.SpecError, match=r"Scale\.every"):
        Scale(5.0, 1.0, 10.0, every=-1.0)
    with pytest.raises(rb.SpecError, match=r"STDP\.homeostasis: got 3\.0; allowed is Normalise"):
        rb.STDP(20e-3, 20e-3, **PAIR, w_max=1.0, homeostasis=3.0)


@pytest.mark.slow
def test_neurons_that_compete_learn_digits_without_labels(tmp_path):
    """Seeds 0, 1 and 2 name 63, 68 and 65 % of new images right; chance is 10 %."""
    script = Path(__file__).resolve().parents[2] / "examples" / "16_unsupervised_digits.py"
    run = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=True
    )
    lifts = [float(found) for found in re.findall(r"lifted by ([\d.]+) mV", run.stdout)]
    assert len(lifts) == 3
    assert np.all(np.diff(lifts) > 2.0)
    assert float(re.findall(r"new images: ([\d.]+)%", run.stdout)[0]) > 55.0


def test_a_homeostasis_may_not_take_the_name_of_what_its_rule_reads():
    class Other(Normalise):
        def derive(self, elapsed):
            return {"a_pre": self.total}

    net = network(rb.dense(), Other(1.0, every=0.1))
    with pytest.raises(rb.SpecError, match=r"Other\.derive: returns 'a_pre', which STDP has too"):
        rb.Simulator(net, DT, backend="reference")
