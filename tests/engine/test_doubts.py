"""Values that are hardly meant are warned of; those that cannot be meant are refused; no others are."""

import warnings

import numpy as np
import pytest

import rheobase as rb
from rheobase.neurons.errors import UnitWarning


def network(model=None, *, weight=0.1, delay=None, rate=100.0):
    net = rb.Network()
    cells = net.add(rb.Population(2, model or rb.LIF(20e-3), name="cells"))
    noise = net.add(rb.PoissonSource(2, rate=rate, name="noise"))
    net.add(rb.Projection(noise, cells, rb.one_to_one(), weight=weight, delay=delay, name="in"))
    return net


@pytest.mark.parametrize(
    ("changes", "dt", "words"),
    [
        ({"model": rb.LIF(20.0)}, 1e-3, r"cells\.model\.tau: 20 s, 2e\+04 steps; were milliseconds meant"),
        ({"model": rb.LIF(20e-3, refractory=2.0)}, 1e-4, r"cells\.model\.refractory: 2 s"),
        ({"model": rb.CurrentLIF(10e-3, 0.1e-3)}, 1e-3, r"tau_syn: 0\.0001 s is shorter than a step"),
        ({"delay": 1.5}, 1e-3, r"in\.delay: 1\.5 s, 1500 steps"),
        ({"delay": 0.1e-3}, 1e-3, r"in\.delay: 0\.0001 s is shorter than a step"),
        ({"delay": rb.uniform(1e-4, 5e-4)}, 1e-3, r"in\.delay: .* is shorter than a step"),
        ({"rate": 2e7}, 1e-4, r"noise\.rate: 2e\+07 Hz"),
        ({"model": rb.CurrentLIF(20e-3, tau_syn=300.0)}, 1e-4, "single precision cannot hold"),
    ],
)
def test_what_is_hardly_meant_is_warned_of_by_name(changes, dt, words):
    with pytest.warns(UnitWarning, match=words):
        rb.Simulator(network(**changes), dt=dt, backend="reference")


@pytest.mark.parametrize(
    ("changes", "dt"),
    [
        ({}, 1e-4),
        ({"model": rb.LIF(20.0, refractory=5.0), "delay": 2.0}, 1.0),  # units of its own
        ({"model": rb.LI(2000.0)}, 10.0),
        ({"model": rb.LIF(0.5)}, 1e-4),  # a slow membrane
        ({"model": rb.LIF(1e-3), "delay": 1e-3}, 1e-3),  # as long as a step
        ({"model": rb.LIF(np.array([10e-3, 30e-3]))}, 1e-4),
        ({"rate": 50_000.0}, 1e-4),  # the sum of many inputs
        ({"model": rb.CurrentLIF(10e-3, tau_syn=100.0)}, 1e-3),
    ],
)
def test_what_can_be_meant_passes_in_silence(changes, dt):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rb.Simulator(network(**changes), dt=dt, backend="reference")


def test_a_capacitance_without_its_prefix_cannot_be_meant():
    with pytest.raises(rb.SpecError, match=r"capacitance: got 250.0, which cannot be meant in F.*\* pF"):
        rb.CurrentLIF(10e-3, 0.5e-3, capacitance=250.0)
    assert rb.CurrentLIF(10e-3, 0.5e-3, capacitance=1.0).capacitance == 1.0


def test_a_rate_of_a_gigahertz_is_an_error():
    with pytest.raises(rb.PlanError, match="noise"):
        rb.Simulator(network(rate=1e9), dt=1e-3, backend="reference")
