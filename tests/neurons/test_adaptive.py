"""ALIF: equal to its twin in every variant, to closed forms, and to the discrete neuron it is known as."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import brentq

import rheobase as rb
from rheobase import ms, mV, nS, pA, pF

DT = 0.5 * ms
LIFT = {"tau_lift": 60 * ms, "lift_step": 0.3}
CURRENT = {"tau_w": 80 * ms, "b": 0.2}
COUPLED = {"tau_w": 15 * ms, "a": 1.5, "b": 0.2}
ADAPTS = {"lift": LIFT, "current": CURRENT, "coupled": COUPLED, "both": {**LIFT, **COUPLED}}
VARIANTS = [
    dict(zip(("reset", "strict", "reset_delay", "refractory", "reset_by"), values, strict=True))
    for values in itertools.product(
        ("hard", "soft", "none"), (False, True), (False, True), (0.0, 2 * ms), (None, 0.6)
    )
    # A soft reset by a threshold that moves cannot be delayed.
    if (values[0] == "soft" and (values[4] or not values[2])) or (values[0] != "soft" and values[4] is None)
]


CASES = [("both", variant) for variant in VARIANTS]
CASES += [(name, variant) for name in ADAPTS for variant in ({}, {"refractory": 2 * ms}, {"reset": "soft"})]


@pytest.mark.parametrize(("name", "variant"), CASES, ids=str)
def test_every_variant_equals_its_twin(step_alone, twins, name, variant):
    rng = np.random.default_rng(6)
    inputs, currents = rng.normal(0.1, 0.3, (150, 2)), rng.normal(1.0, 0.5, (150, 2))
    both = {"tau": 10 * ms, "v_rest": -0.1, "drive": 0.4, "v_reset": -0.3, "threshold": 0.8, **ADAPTS[name]}
    ours = step_alone(rb.ALIF(**both, **variant), {"input": inputs, "current": currents}, DT)
    assert ours.sent.sum() > 10
    for k in range(2):
        sent, v, w, lift = twins.neurons.adaptive_lif(inputs[:, k], currents[:, k], DT, **both, **variant)
        np.testing.assert_array_equal(ours.sent[:, k], sent)
        np.testing.assert_allclose(ours.v[:, k], v, rtol=1e-9, atol=1e-11)
        if "tau_w" in both:
            np.testing.assert_allclose(ours.w[:, k], w, rtol=1e-9, atol=1e-11)
        if "tau_lift" in both:
            np.testing.assert_allclose(ours.lift[:, k], lift, rtol=1e-9, atol=1e-11)


def test_biophysical_units_and_arrays_equal_the_twin(step_alone, twins):
    cells = {
        "tau": np.array([20, 10, 15]) * ms,
        "tau_w": np.array([100, 30, 144]) * ms,
        "a": np.array([4, -2, 0]) * nS,
        "b": np.array([80, 0, 40]) * pA,
        "capacitance": np.array([281, 150, 200]) * pF,
    }
    common = {"threshold": -50 * mV, "v_rest": -70 * mV, "v_reset": -65 * mV, "refractory": 2 * ms}
    inputs = np.random.default_rng(7).normal(0.2 * mV, 1 * mV, (2000, 3))
    currents = np.full((2000, 3), 600 * pA)
    ours = step_alone(rb.ALIF(**cells, **common), {"input": inputs, "current": currents}, 0.1 * ms)
    assert (ours.sent.sum(axis=0) >= 3).all()
    for k in range(3):
        one = {name: values[k] for name, values in cells.items()} | common
        sent, v, w, _ = twins.neurons.adaptive_lif(inputs[:, k], currents[:, k], 0.1 * ms, **one)
        np.testing.assert_array_equal(ours.sent[:, k], sent)
        np.testing.assert_allclose(ours.v[:, k], v, rtol=1e-10)
        np.testing.assert_allclose(ours.w[:, k], w, rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("a", [-0.9, 0.0, 0.2, 30.0])
@pytest.mark.parametrize("tau_w", [5 * ms, 20 * ms, 20 * ms * (1 + 1e-12), 300 * ms])
def test_one_long_step_equals_ten_short_ones(step_alone, a, tau_w):
    model = rb.ALIF(20 * ms, tau_w=tau_w, a=a, tau_lift=70 * ms, v_rest=-0.3, drive=0.2, threshold=50.0)
    start = {"v": 0.4, "w": -0.7, "lift": 0.5}
    current = {"current": np.full((10, 1), 0.8)}
    short = step_alone(model, current, 1 * ms, initial=start)
    long = step_alone(model, {"current": current["current"][:1]}, 10 * ms, initial=start)
    for name in ("v", "w", "lift"):
        np.testing.assert_allclose(
            getattr(long, name)[-1], getattr(short, name)[-1], rtol=1e-12, atol=1e-14, err_msg=name
        )


def test_very_long_steps_stay_finite_and_end_where_a_constant_current_leads(step_alone):
    for tau, tau_w, a in ((1e-6, 1.0, 2.0), (1.0, 1e-6, 2.0), (1e-6, 1e-6, 1e3)):
        model = rb.ALIF(tau, tau_w=tau_w, a=a, drive=0.5, threshold=1e9)
        ours = step_alone(model, np.zeros((3, 1)), 1e4, initial={"v": 7.0, "w": 3.0})
        np.testing.assert_allclose(ours.v[:, 0], 0.5 / (1 + a), rtol=1e-9)
        np.testing.assert_allclose(ours.w[:, 0], a * 0.5 / (1 + a), rtol=1e-9)


def intervals(sent, dt):
    return np.diff(np.flatnonzero(sent)) * dt


def test_steady_rate_with_a_lifted_threshold_is_the_closed_form(step_alone):
    tau, tau_lift, step, drive = 20 * ms, 100 * ms, 0.4, 3.0
    model = rb.ALIF(tau, tau_lift=tau_lift, lift_step=step, drive=drive)
    found = intervals(step_alone(model, np.zeros((7000, 1)), 0.1 * ms).sent[:, 0], 0.1 * ms)

    def over(t):
        """How far v is above threshold after t, where each interval is t."""
        left = math.exp(-t / tau_lift)
        return drive * (1 - math.exp(-t / tau)) - 1.0 - step * left / (1 - left)

    steady = brentq(over, 1e-4, 1.0)
    assert np.mean(found[-4:]) == pytest.approx(steady, abs=0.11 * ms)
    assert found[0] < 0.5 * steady
    assert (np.diff(found) > -0.15 * ms).all()


def test_steady_rate_with_an_adaptation_current_is_the_closed_form(step_alone):
    tau, tau_w, b, drive, v_reset = 20 * ms, 150 * ms, 0.3, 2.5, -0.2
    model = rb.ALIF(tau, tau_w=tau_w, b=b, drive=drive, v_reset=v_reset)
    found = intervals(step_alone(model, np.zeros((9000, 1)), 0.1 * ms).sent[:, 0], 0.1 * ms)

    def over(t):
        fast, slow = math.exp(-t / tau), math.exp(-t / tau_w)
        held_back = b / (1 - slow) * tau_w / (tau_w - tau) * (slow - fast)
        return drive + (v_reset - drive) * fast - held_back - 1.0

    assert np.mean(found[-4:]) == pytest.approx(brentq(over, 1e-3, 1.0), abs=0.11 * ms)
    assert found[0] < 0.5 * found[-1]


@pytest.mark.parametrize(("a", "fires"), [(0.0, True), (0.9, True), (1.1, False)])
def test_subthreshold_coupling_lifts_the_least_sufficient_drive(step_alone, a, fires):
    # The fixed point lies at drive / (1 + a), the threshold at 1; slow w is approached from above.
    model = rb.ALIF(20 * ms, tau_w=20 * ms, a=a, drive=2.0)
    start = {"v": 2.0 / (1 + a) - 0.01, "w": a * 2.0 / (1 + a)}
    sent = step_alone(model, np.zeros((400, 1)), DT, initial=start).sent
    assert (sent.sum() > 0) == fires


def test_it_is_the_adaptive_neuron_of_long_short_term_memory_networks(step_alone):
    alpha, rho, beta, threshold = math.exp(-1 / 20), math.exp(-1 / 200), 1.7, 0.5
    currents = np.random.default_rng(3).normal(1.2, 1.0, 500)
    v, b, expected = 0.0, 0.0, []
    for current in currents:
        v, b = alpha * v + (1 - alpha) * current, rho * b
        level = threshold + beta * b
        z = float(v >= level)
        expected.append(z)
        v, b = v - z * level, b + (1 - rho) * z
    model = rb.ALIF(20 * ms, tau_lift=200 * ms, lift_step=beta * (1 - rho), threshold=threshold, reset="soft")
    ours = step_alone(model, {"current": currents[:, None]}, 1 * ms)
    assert 20 < sum(expected) < 200
    np.testing.assert_array_equal(ours.sent[:, 0], expected)


def test_state_is_held_and_w_goes_on_while_refractory(step_alone):
    model = rb.ALIF(10 * ms, tau_w=20 * ms, a=0.5, b=0.1, v_reset=-0.4, refractory=5 * DT)
    ours = step_alone(
        model, {"input": np.full((6, 1), 0.2), "current": np.ones((6, 1))}, DT, initial={"v": 2.0}
    )
    assert ours.sent[:, 0].tolist() == [1.0] + [0.0] * 5
    np.testing.assert_array_equal(ours.v[:, 0], -0.4)
    end = 0.5 * -0.4
    expected = end + (ours.w[0, 0] - end) * np.exp(-np.arange(6) * DT / (20 * ms))
    np.testing.assert_allclose(ours.w[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"ALIF\.tau_lift: got neither tau_lift nor tau_w.*LIF"),
        ({"tau_w": 0.1, "lift_step": 0.1}, r"ALIF\.lift_step: got 0\.1 without tau_lift"),
        ({"tau_lift": 0.1, "b": 0.1}, r"ALIF\.b: got 0\.1 without tau_w"),
        ({"tau_lift": 0.1, "a": 0.1}, r"ALIF\.a: got 0\.1 without tau_w"),
        ({"tau_w": 0.1, "a": -1.0}, r"ALIF\.a: got -1\.0; allowed is where 1 \+ R a > 0"),
        ({"tau_lift": 0.1, "reset": "soft", "reset_delay": True}, r"ALIF\.reset_delay: got True"),
        ({"tau_lift": 0.1, "v_reset": 2.0}, r"ALIF\.v_reset: got 2\.0"),
        ({"tau_lift": -0.1}, r"ALIF\.tau_lift: got -0\.1"),
    ],
    ids=str,
)
def test_parameters_that_contradict_each_other_are_refused(given, message):
    with pytest.raises(rb.SpecError, match=message):
        rb.ALIF(20 * ms, **given)
