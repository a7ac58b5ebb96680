"""Neurons with any number of receptors do the same, bit for bit, on every backend."""

import numpy as np
import pytest

import rheobase as rb
from rheobase import ms, mV, nS, pA, pF

N = 70
DECAYS = np.linspace(4 * ms, 12 * ms, N)
SHAPED = [
    rb.Receptor("fast", 2 * ms),
    rb.Receptor("alpha", 4 * ms, tau_rise=4 * ms),
    rb.Receptor("own", DECAYS, tau_rise=0.25 * DECAYS),
]
DRIVEN = [
    rb.Receptor("fast", 2 * ms, reversal=0.0),
    rb.Receptor("alpha", DECAYS, tau_rise=4 * ms, reversal=-75 * mV),
    rb.Receptor("nmda", 50 * ms, tau_rise=2 * ms, reversal=0.0, magnesium=np.linspace(0.5, 2.0, N)),
]
VOLTS = {"v_rest": -65 * mV, "v_reset": -65 * mV, "threshold": -50 * mV}
MODELS = {
    "currents": (rb.CurrentLIF(10 * ms, synapses=SHAPED, capacitance=250 * pF, **VOLTS), 60 * pA),
    "conductances": (rb.ConductanceLIF(DRIVEN, drive=40 * pA), 1.5 * nS),
    "rk4": (rb.ConductanceLIF(DRIVEN[::2], method="rk4", reset_delay=True), 1 * nS),
}


def network(name):
    model, weight = MODELS[name]
    net = rb.Network(seed=5)
    noise = net.add(rb.PoissonSource(40, rate=150.0))
    cells = net.add(rb.Population(N, model, name="cells"))
    for k, receptor in enumerate(model.receptors):
        net.add(rb.Projection(noise, cells, rb.random(p=0.5), weight=weight, receptor=receptor, delay=1 * ms))
        options = {"weight": rb.uniform(0.0, weight), "receptor": receptor, "delay": (2 + k) * ms}
        net.add(rb.Projection(cells, cells, rb.fixed_in(8), **options))
    net.add(rb.Probe(cells, name="spikes"))
    net.add(rb.Probe(cells, "v", every=1 * ms, name="v"))
    net.add(rb.Probe(cells, f"rise_{model.receptors[-1]}", every=5 * ms, name="rise"))
    return net


@pytest.mark.parametrize("name", MODELS)
def test_spikes_and_state_are_those_of_the_reference(compiled, name):
    expected, got = (
        rb.Simulator(network(name), 0.1 * ms, backend=backend).run(30 * ms)
        for backend in ("reference", compiled)
    )
    assert len(expected["spikes"]) > 20
    assert expected["rise"].values.any()
    np.testing.assert_array_equal(got["spikes"].steps, expected["spikes"].steps)
    np.testing.assert_array_equal(got["spikes"].ids, expected["spikes"].ids)
    for probe in ("v", "rise"):
        np.testing.assert_array_equal(got[probe].values, expected[probe].values)
