"""The sparse and the plastic benchmark network have their parameters, and do as in NEST and Brian2."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.models import benchmarks
from rheobase.neurons.units import mV

PEERS = Path(__file__).resolve().parents[2] / "benchmarks" / "peers"


def test_the_sparse_network_has_a_hundred_million_synapses_of_its_parameters():
    net = benchmarks.sparse()
    neurons, exc, inh = net["neurons"], net["exc"], net["inh"]
    assert (exc.pre.n, inh.pre.n) == (80_000, 20_000)
    assert (exc.connectivity.k, inh.connectivity.k) == (800, 200)
    assert (exc.weight, inh.weight) == pytest.approx((0.1 * mV, -0.5 * mV))
    for p in (exc, inh):
        assert p.target is neurons
        assert not p.connectivity.multiple
        assert not p.connectivity.self_connections
        assert (p.delay.low, p.delay.high) == (1e-3, 10e-3)
    model = neurons.model
    assert (model.tau, model.threshold, model.v_reset, model.refractory) == (0.02, 0.02, 0.01, 2e-3)
    assert (neurons.initial["v"].low, neurons.initial["v"].high) == (0.0, 0.02)
    drive = model.drive / mV
    assert drive.shape == (100_000,)
    assert (drive.min(), drive.max()) == pytest.approx((8.0, 20.2), abs=0.01)
    # The mean of 100,000 numbers from U(8, 20.2), four standard errors either way.
    assert drive.mean() == pytest.approx(14.1, abs=4 * 12.2 / np.sqrt(12 * 100_000))


def test_the_sparse_network_keeps_its_in_degrees_down_to_a_twentieth():
    assert [benchmarks.sparse(scale=0.05)[p].connectivity.k for p in ("exc", "inh")] == [800, 200]
    assert [benchmarks.sparse(scale=0.01)[p].connectivity.k for p in ("exc", "inh")] == [160, 40]


def test_peers_drive_the_sparse_network_alike(monkeypatch):
    monkeypatch.syspath_prepend(str(PEERS))
    draws = importlib.import_module("draws")
    monkeypatch.delitem(sys.modules, "draws")
    ours = benchmarks.sparse(seed=3, scale=0.01)["neurons"].model.drive / mV
    np.testing.assert_allclose(ours, draws.sparse_drives(3, 1000), rtol=1e-12)


@pytest.mark.parametrize(("seed", "nest", "brian"), [(0, 0.909, 0.950), (1, 0.825, 0.893)])
def test_the_sparse_network_fires_as_in_nest_and_brian(seed, nest, brian):
    # NEST 3.10 from 1.2 to 2.2 s, Brian2 2.9 from 0.2 to 1.2 s, with the same drives. Connections and
    # potentials are drawn anew, which moves the rate by a twentieth to a tenth.
    sim = rb.Simulator(benchmarks.sparse(seed=seed, scale=0.1), dt=1e-4, threads=1)
    sim.run(0.2)
    result = sim.run(1.0)
    assert result["spikes"].rate() == pytest.approx((nest + brian) / 2, rel=0.12)
    # Both peers: 0.29 to 0.33.
    assert 0.27 < np.nanmean(result["spikes"].cv()) < 0.35


def test_the_network_with_conductances_has_its_parameters():
    net = benchmarks.coba()
    exc, inh, model = net["exc"], net["inh"], net["neurons"].model
    assert (exc.pre.n, inh.pre.n, net["neurons"].n) == (3200, 800, 4000)
    assert (exc.weight, inh.weight) == pytest.approx((6e-9, 67e-9))
    assert (exc.receptor, inh.receptor) == ("excitatory", "inhibitory")
    assert {p.connectivity for p in (exc, inh)} == {rb.random(p=0.02, self_connections=False)}
    assert (exc.delay, inh.delay) == (None, None)
    assert (model.capacitance, model.g_leak, model.refractory) == pytest.approx((200e-12, 10e-9, 5e-3))
    assert (model.v_rest, model.threshold, model.v_reset) == pytest.approx((-60e-3, -50e-3, -60e-3))
    assert [(r.tau, r.reversal) for r in model.synapses] == [(5e-3, 0.0), (10e-3, -80e-3)]
    assert all(r.tau_rise is None and r.magnesium is None for r in model.synapses)


def test_peers_start_the_network_with_conductances_alike(monkeypatch):
    monkeypatch.syspath_prepend(str(PEERS))
    starts = importlib.import_module("draws").coba_starts()
    monkeypatch.delitem(sys.modules, "draws")
    initial, rng = benchmarks.coba()["neurons"].initial, np.random.default_rng(0)
    for name, (mean, sd) in starts.items():
        drawn = np.exp(mean + sd * rng.standard_normal(200_000)) * 1e-9
        ours = initial[f"g_{name}"].quantile(np.linspace(0.05, 0.95, 19))
        np.testing.assert_allclose(np.quantile(drawn, np.linspace(0.05, 0.95, 19)), ours, rtol=0.02)


def test_the_plastic_network_has_its_parameters():
    net = benchmarks.stdp()
    learning, neurons, rule = net["learning"], net["neurons"], net["learning"].rule
    assert (learning.source.n, learning.source.rate, neurons.n) == (1000, 15.0, 100)
    assert learning.connectivity == rb.all_to_all()
    assert (neurons.model.tau, neurons.model.tau_syn) == (0.02, 0.005)
    assert (neurons.model.threshold, neurons.model.v_reset, neurons.model.refractory) == (0.02, 0.0, 2e-3)
    assert (rule.tau_pre, rule.tau_post, rule.dependence, rule.pairing) == (0.02, 0.02, "additive", "all")
    assert (rule.w_min, rule.w_max) == (0.0, 0.5 * mV)
    assert (rule.a_pre, rule.a_post) == pytest.approx((0.005 * mV, -0.00525 * mV))
    assert (learning.weight.low, learning.weight.high) == (0.0, 0.5 * mV)
    # Smaller, the drive of each neuron stays.
    assert (benchmarks.stdp(scale=0.1)["neurons"].n, benchmarks.stdp(scale=0.1)["inputs"].n) == (10, 1000)


def test_the_plastic_network_ends_where_peers_do():
    found = []
    for seed in range(12):
        sim = rb.Simulator(benchmarks.stdp(seed=seed), dt=1e-4, threads=1)
        rate = sim.run(10.0)["spikes"].rate()
        shares = sim.weights("learning").ravel() / (0.5 * mV)
        found.append((rate, shares.mean(), shares.std()))
    rate, mean, sd = np.mean(found, axis=0)
    # NEST 3.10, 14 seeds: 3.34 Hz with a spread of 0.38 between them; three standard errors of the
    # difference. Brian2 2.9, seeds 0 and 1: 3.29 and 3.50 Hz.
    assert rate == pytest.approx(3.34, abs=0.45)
    # NEST: mean 0.5006, which lacks some 0.0007 of growth that it applies when the next input comes,
    # spread 0.0011; sd 0.2922. Brian2: 0.5017, sd 0.2928. A rule without its surplus of 5 % on the
    # weakening side would end 0.005 higher.
    assert mean == pytest.approx(0.5015, abs=0.0015)
    assert sd == pytest.approx(0.2924, abs=0.0006)


def test_learning_leaves_its_mark_on_the_plastic_network():
    sim = rb.Simulator(benchmarks.stdp(seed=0, scale=0.1), dt=1e-4, threads=1)
    before = sim.weights("learning").ravel().copy()
    sim.run(10.0)
    moved = (sim.weights("learning").ravel() - before) / (0.5 * mV)
    # About 33 output spikes, each pairing with every input's trace of 0.3 on the average: steps of
    # some thousandths, up and down, of which the downward ones are a twentieth larger.
    assert 0.005 < moved.std() < 0.05
    assert abs(moved.mean()) < 0.02
