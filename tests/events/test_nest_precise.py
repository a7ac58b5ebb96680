"""Spike times off the grid are those of NEST's neurons with exact spike times (record_nest.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase import ms, mV, pA, pF

RECORDED = np.load(Path(__file__).with_name("nest_precise.npz"), allow_pickle=False)
COMMON = {"v_rest": -65 * mV, "v_reset": -65 * mV, "threshold": -50 * mV, "refractory": 2 * ms}
CURRENT = {**COMMON, "capacitance": 250 * pF, "drive": 300 * pA}
TWO = {"tau_syn_exc": 2 * ms, "tau_syn_inh": 5 * ms}
#: A model, and how far apart times may be, in seconds. For iaf_psc_delta_ps, which has a closed form: a step.
#: The others search for the crossing, from a state that they carry over steps of 0.1 ms.
CASES = {
    "exp": (rb.CurrentLIF(10 * ms, **TWO, **CURRENT), 2e-14),
    "lossless": (rb.CurrentLIF(10 * ms, 2 * ms, **CURRENT), 5e-14),
    "delta": (rb.LIF(10 * ms, drive=300 * pA * 10 * ms / (250 * pF), **COMMON), 1e-15),
}


@pytest.mark.parametrize("name", CASES)
def test_a_neuron_fires_when_it_does_in_nest(name):
    times, weights, spikes = (RECORDED[f"{name}_{what}"] for what in ("times", "weights", "spikes"))
    model, apart = CASES[name]
    net = rb.Network(seed=0)
    source = net.add(rb.SpikeSource(times.size, times=times * ms, ids=np.arange(times.size)))
    cell = net.add(rb.Population(1, model))
    of_sign = {"excitatory": weights > 0, "inhibitory": weights <= 0}
    for receptor, mine in of_sign.items() if name == "exp" else [(None, np.isfinite(weights))]:
        ids = np.flatnonzero(mine)
        pairs, unit = rb.explicit(ids, np.zeros_like(ids)), mV if name == "delta" else pA
        net.add(
            rb.Projection(source, cell, pairs, weight=weights[ids] * unit, delay=1 * ms, receptor=receptor)
        )
    probe = net.add(rb.Probe(cell))
    record = rb.Simulator(net, method="event", precision="float64").run(1.0)[probe]
    assert spikes.size > 40
    # NEST's other neurons fire on a grid of 0.1 ms.
    assert np.ptp(spikes / 0.1 - np.rint(spikes / 0.1)) > 0.9
    np.testing.assert_allclose(record.times, spikes * ms, rtol=0, atol=apart)
