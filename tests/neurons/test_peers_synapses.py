"""Neurons with shaped currents and conductances do what NEST's and Brian2's did on the same input.

Recorded by record_nest_synapses.py and record_brian_nmda.py. Currents are exact on both sides.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase import ms, mV, nS, pA, pF

HERE = Path(__file__).parent
NEST = np.load(HERE / "nest_synapses.npz", allow_pickle=False)
BRIAN = np.load(HERE / "brian_nmda.npz", allow_pickle=False)
CURRENT = {
    "capacitance": 250 * pF, "v_rest": -65 * mV, "v_reset": -65 * mV, "threshold": -50 * mV,
    "refractory": 2 * ms, "drive": 100 * pA,
}  # fmt: skip


def pair(exc, inh):
    """Receptors of NEST's neurons with conductances, from (tau, tau_rise) in ms."""
    rises = [None if rise is None else rise * ms for _, rise in (exc, inh)]
    return [
        rb.Receptor("excitatory", exc[0] * ms, tau_rise=rises[0], reversal=0.0),
        rb.Receptor("inhibitory", inh[0] * ms, tau_rise=rises[1], reversal=-80 * mV),
    ]


CONDUCTANCES = {
    "cond_exp": pair((5, None), (10, None)),
    "cond_alpha": pair((2, 2), (5, 5)),
    "cond_beta": pair((5, 0.5), (10, 2)),
}


def two_signs(weights, unit):
    """Input by receptor: what is sent at the end of step k arrives one step later, inhibiting if negative."""
    arriving = np.concatenate([[0.0], weights])[:, None] * unit
    return {"excitatory": np.maximum(arriving, 0), "inhibitory": np.minimum(arriving, 0)}


def assert_alike(ours, spikes, v, tolerance, late=0):
    """Spikes are the same but for `late` steps, and so is the potential up to the first that is not."""
    sent = np.flatnonzero(ours.sent[:, 0])
    assert spikes.size >= 10
    np.testing.assert_allclose(sent, spikes[spikes < len(ours.v)], rtol=0, atol=late)
    moved = np.flatnonzero(sent != spikes)
    until = sent[moved[0]] - late if moved.size else v.size
    assert until > 200
    np.testing.assert_allclose(ours.v[:until, 0], v[:until] * mV, rtol=0, atol=tolerance)


def assert_as_nest(ours, name, *tolerances):
    assert_alike(ours, NEST[f"{name}_spikes"], NEST[f"{name}_v"], *tolerances)


def test_alpha_currents_are_those_of_nest(step_alone):
    model = rb.AlphaLIF(10 * ms, tau_syn_exc=2 * ms, tau_syn_inh=5 * ms, **CURRENT)
    ours = step_alone(model, two_signs(NEST["psc_alpha_weights"], pA), 0.1 * ms)
    assert_as_nest(ours, "psc_alpha", 1e-12)


def test_many_receptors_are_those_of_nest(step_alone):
    receptors = [rb.Receptor(name, tau * ms) for name, tau in (("a", 0.5), ("b", 2.0), ("c", 20.0))]
    arriving = np.concatenate([[0.0], NEST["multisynapse_weights"]])[:, None] * pA
    inputs = {receptor.name: np.zeros_like(arriving) for receptor in receptors}
    for k, column in enumerate(inputs.values()):
        column[1 + k :: 3] = arriving[1 + k :: 3]
    ours = step_alone(rb.CurrentLIF(10 * ms, synapses=receptors, **CURRENT), inputs, 0.1 * ms)
    assert_as_nest(ours, "multisynapse", 1e-12)


# Peers solve to ten digits, as rk4 does; the other method leaves out some microvolts, the more the faster
# a conductance rises, which can move a spike by a step.
METHODS = [("exponential", (8e-6, 1)), ("rk4", (2e-9, 0))]


@pytest.mark.parametrize(("method", "tolerances"), METHODS)
@pytest.mark.parametrize("name", CONDUCTANCES)
def test_conductances_are_those_of_nest(step_alone, name, method, tolerances):
    inputs = two_signs(NEST[f"{name}_weights"], nS)
    inputs["inhibitory"] = -inputs["inhibitory"]
    model = rb.ConductanceLIF(CONDUCTANCES[name], drive=20 * pA, method=method)
    assert_as_nest(step_alone(model, inputs, 0.1 * ms), name, *tolerances)


@pytest.mark.parametrize(("method", "tolerances"), METHODS)
def test_nmda_behind_magnesium_is_that_of_brian(step_alone, method, tolerances):
    receptors = [
        rb.Receptor("ampa", 2 * ms, reversal=0.0),
        rb.Receptor("gaba", 8 * ms, reversal=-75 * mV),
        rb.Receptor("nmda", 50 * ms, tau_rise=2 * ms, reversal=0.0, magnesium=1.0),
    ]
    # Brian2 moves v again in the step in which the refractory time ends, we and NEST in the one after it.
    model = rb.ConductanceLIF(receptors, v_rest=-70 * mV, refractory=2.9 * ms, method=method)
    inputs = {}
    for receptor, name in (("ampa", "ampa"), ("gaba", "gaba"), ("nmda", "rise")):
        inputs[receptor] = np.zeros((BRIAN["v"].size, 1))
        inputs[receptor][BRIAN[f"{name}_steps"], 0] = BRIAN[f"{name}_weights"] * nS
    assert_alike(step_alone(model, inputs, 0.1 * ms), BRIAN["spikes"], BRIAN["v"], *tolerances)
