"""LIF and CurrentLIF do what NEST's iaf_psc_delta and iaf_psc_exp did on the same input (record_nest.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase import ms, mV, pA, pF

RECORDED = np.load(Path(__file__).with_name("nest_neurons.npz"), allow_pickle=False)
COMMON = {"v_rest": -65 * mV, "v_reset": -65 * mV, "threshold": -50 * mV, "refractory": 2 * ms}
CURRENT = {**COMMON, "capacitance": 250 * pF, "drive": 100 * pA}
MODELS = {
    "one": rb.CurrentLIF(10 * ms, 0.5 * ms, **CURRENT),
    "two": rb.CurrentLIF(10 * ms, tau_syn_exc=2 * ms, tau_syn_inh=5 * ms, **CURRENT),
    "delta": rb.LIF(10 * ms, drive=100 * pA * 10 * ms / (250 * pF), **COMMON),
}


@pytest.mark.parametrize("name", MODELS)
def test_spikes_and_potential_are_those_of_nest(step_alone, name):
    weights, spikes, v = (RECORDED[f"{name}_{what}"] for what in ("weights", "spikes", "v"))
    # An event sent at the end of step k arrives one step later, and its input counts from there on.
    arriving = np.concatenate([[0.0], weights])[:, None] * (mV if name == "delta" else pA)
    by_receptor = {
        "one": {"input": arriving},
        "two": {"excitatory": np.maximum(arriving, 0), "inhibitory": np.minimum(arriving, 0)},
        "delta": {"input": arriving},
    }
    ours = step_alone(MODELS[name], by_receptor[name], 0.1 * ms)
    assert spikes.size >= 15
    np.testing.assert_array_equal(np.flatnonzero(ours.sent[:, 0]), spikes[spikes < arriving.size])
    np.testing.assert_allclose(ours.v[: v.size, 0], v * mV, rtol=0, atol=1e-12)
