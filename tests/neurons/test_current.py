"""CurrentLIF: equal to its twin in every variant, and to closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import rheobase as rb
from rheobase import ms, mV, pA, pF

DT = 0.1 * ms
MICROCIRCUIT = {
    "capacitance": 250 * pF,
    "v_rest": -65 * mV,
    "v_reset": -65 * mV,
    "threshold": -50 * mV,
    "refractory": 2 * ms,
}
VARIANTS = [
    dict(zip(("reset", "strict", "reset_delay", "refractory", "reset_by"), values, strict=True))
    for values in itertools.product(
        ("hard", "soft", "none"), (False, True), (False, True), (0.0, 1 * ms), (None, 0.4)
    )
    if values[0] == "soft" or values[4] is None
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(f"{k}={x}" for k, x in v.items()))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_current_equals_its_twin_in_every_variant(step_alone, twins, variant, dtype):
    inputs = np.random.default_rng(4).normal(0.6, 1.5, (200, 3)).astype(np.float32)
    both = {"tau": 10 * ms, "v_rest": 0.1, "drive": 0.3, "v_reset": -0.2, "threshold": 0.8, **variant}
    ours = step_alone(rb.CurrentLIF(tau_syn=3 * ms, **both), inputs, 5 * DT, dtype)
    assert ours.sent.sum() > 20
    tight = {"rtol": 1e-11, "atol": 1e-12} if dtype is np.float64 else {"rtol": 1e-4, "atol": 2e-5}
    for k in range(3):
        sent, v, (i,) = twins.neurons.current_lif(
            [[float(x) for x in inputs[:, k]]], 5 * DT, tau_syn=[3 * ms], **both
        )
        np.testing.assert_array_equal(ours.sent[:, k], sent)
        np.testing.assert_allclose(ours.v[:, k], v, **tight)
        np.testing.assert_allclose(ours.i[:, k], i, **tight)


@pytest.mark.parametrize(
    "variant", [{}, {"reset": "soft"}, {"reset_delay": True}, {"reset": "soft", "reset_delay": True}], ids=str
)
def test_two_currents_of_the_cuba_network_equal_their_twin(step_alone, twins, variant):
    rng = np.random.default_rng(5)
    exc, inh = 1.62 * mV * rng.poisson(0.3, (2000, 2)), -9 * mV * rng.poisson(0.02, (2000, 2))
    both = {
        "tau": 20 * ms,
        "v_rest": -49 * mV,
        "threshold": -50 * mV,
        "v_reset": -60 * mV,
        "refractory": 5 * ms,
    }
    both |= {"reset_by": 10 * mV, **variant}
    model = rb.CurrentLIF(tau_syn_exc=5 * ms, tau_syn_inh=10 * ms, **both)
    ours = step_alone(model, {"excitatory": exc, "inhibitory": inh}, DT, initial={"v": -60 * mV})
    assert ours.sent.sum() > 10
    for k in range(2):
        sent, v, (ge, gi) = twins.neurons.current_lif(
            [exc[:, k], inh[:, k]], DT, tau_syn=[5 * ms, 10 * ms], v=-60 * mV, **both
        )
        np.testing.assert_array_equal(ours.sent[:, k], sent)
        np.testing.assert_allclose(ours.v[:, k], v, rtol=1e-11)
        np.testing.assert_allclose(ours.i_excitatory[:, k], ge, rtol=1e-11)
        np.testing.assert_allclose(ours.i_inhibitory[:, k], gi, rtol=1e-11)


def test_published_current_of_the_microcircuit_gives_its_published_potential(step_alone):
    inputs = np.zeros((4000, 1))
    inputs[0] = 87.81 * pA
    model = rb.CurrentLIF(10 * ms, 0.5 * ms, **MICROCIRCUIT)
    v = step_alone(model, inputs, 0.001 * ms).v[:, 0]
    assert v.max() + 65 * mV == pytest.approx(0.15 * mV, rel=1e-4)
    rise = math.log(10 / 0.5) * 10 * 0.5 / (10 - 0.5) * ms
    assert v.argmax() * 0.001 * ms == pytest.approx(rise, abs=0.002 * ms)


@pytest.mark.parametrize("tau_syn", [10 * ms, 10 * ms * (1 + 1e-9), 10 * ms * (1 - 1e-12)])
def test_equal_time_constants_give_the_alpha_function(step_alone, tau_syn):
    inputs = np.zeros((400, 1))
    inputs[0] = 50 * pA
    v = step_alone(rb.CurrentLIF(10 * ms, tau_syn, capacitance=250 * pF, threshold=1.0), inputs, DT).v[:, 0]
    t = np.arange(400) * DT
    np.testing.assert_allclose(v, 50 * pA / (250 * pF) * t * np.exp(-t / (10 * ms)), rtol=1e-7, atol=1e-18)


def test_very_long_and_very_unequal_steps_stay_finite(step_alone):
    for tau, tau_syn in ((1e-6, 1.0), (1.0, 1e-6)):
        inputs = np.array([[1.0], [0.0], [0.0]])
        v = step_alone(rb.CurrentLIF(tau, tau_syn, threshold=1e9), inputs, 10 * ms).v
        assert np.isfinite(v).all()
    # With an instant membrane v follows the current at the end of the step.
    v = step_alone(rb.CurrentLIF(1e-6, 1.0, threshold=1e9), inputs, 10 * ms).v[:, 0]
    np.testing.assert_allclose(v[1:], np.exp([-0.01, -0.02]), rtol=1e-5)


@pytest.mark.parametrize("tau_syn", [2 * ms, 10 * ms, 40 * ms])
def test_one_long_step_equals_ten_short_ones(step_alone, tau_syn):
    model = rb.CurrentLIF(10 * ms, tau_syn, v_rest=-0.3, drive=0.2, threshold=50.0)
    start = {"v": 0.4, "i": 3.0}
    short = step_alone(model, np.zeros((10, 1)), 1 * ms, initial=start)
    long = step_alone(model, np.zeros((1, 1)), 10 * ms, initial=start)
    np.testing.assert_allclose(long.v[-1], short.v[-1], rtol=1e-13)
    np.testing.assert_allclose(long.i[-1], short.i[-1], rtol=1e-13)


def test_input_acts_on_the_potential_from_the_next_step_on(step_alone):
    inputs = np.array([[1.0], [0.0]])
    ours = step_alone(rb.CurrentLIF(10 * ms, 5 * ms), inputs, DT)
    assert ours.v[0, 0] == 0.0
    assert ours.i[0, 0] == 1.0
    assert ours.v[1, 0] > 0.0


def test_potential_is_held_while_refractory_and_the_current_goes_on(step_alone):
    model = rb.CurrentLIF(10 * ms, 5 * ms, v_reset=-0.5, refractory=5 * DT)
    ours = step_alone(model, np.zeros((20, 1)), DT, initial={"v": 2.0, "i": 8.0})
    assert ours.sent[:, 0].tolist() == [1.0] + [0.0] * 19
    np.testing.assert_array_equal(ours.v[:6, 0], -0.5)
    assert ours.v[6, 0] > -0.5
    np.testing.assert_allclose(ours.i[:, 0], 8.0 * np.exp(-np.arange(1, 21) * DT / (5 * ms)), rtol=1e-12)


def test_interval_in_constant_drive_is_the_closed_form(step_alone):
    drive = 500 * pA
    model = rb.CurrentLIF(10 * ms, 0.5 * ms, drive=drive, **MICROCIRCUIT)
    spikes = np.flatnonzero(step_alone(model, np.zeros((3000, 1)), DT).sent[:, 0])
    lift = drive * 10 * ms / (250 * pF)
    rising = math.ceil(10 * ms * math.log(lift / (lift - 15 * mV)) / DT)
    assert set(np.diff(spikes)) == {20 + rising}


@pytest.mark.parametrize(
    "constants",
    [{}, {"tau_syn": 1e-3, "tau_syn_exc": 1e-3}, {"tau_syn_exc": 1e-3}, {"tau_syn_inh": 1e-3}],
    ids=str,
)
def test_any_other_choice_of_synaptic_constants_is_refused(constants):
    with pytest.raises(rb.SpecError, match=r"CurrentLIF\.tau_syn: got .*allowed is tau_syn alone"):
        rb.CurrentLIF(10 * ms, **constants)
