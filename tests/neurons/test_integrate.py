"""IF, LI, LIF and Leaky: equal to their twins in every variant, and to what can be worked out on paper."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import rheobase as rb

DT = 1e-3
VARIANTS = [
    dict(zip(("reset", "strict", "reset_delay", "refractory", "reset_by"), values, strict=True))
    for values in itertools.product(
        ("hard", "soft", "none"), (False, True), (False, True), (0.0, 3e-3), (None, 0.7)
    )
    if values[0] == "soft" or values[4] is None
]
NAMES = ["-".join(f"{key}={value}" for key, value in variant.items()) for variant in VARIANTS]
MODELS = {
    "if": (rb.IF, "integrate_and_fire", {"drive": 0.05}),
    "lif": (rb.LIF, "lif", {"tau": 10e-3, "v_rest": -0.2, "drive": 0.4}),
    "decay": (rb.Leaky, "leaky", {"beta": 0.9, "leak": "decay"}),
    "decay and drive": (rb.Leaky, "leaky", {"beta": 0.9, "leak": "decay", "drive": 0.03}),
    "relax": (rb.Leaky, "leaky", {"beta": 0.75, "leak": "relax", "drive": 0.5}),
    "blend": (rb.Leaky, "leaky", {"beta": 0.75, "leak": "blend", "drive": 0.5}),
}


def noise(seed, steps=100, n=4, mean=0.12, sd=0.35):
    return np.random.default_rng(seed).normal(mean, sd, (steps, n))


@pytest.mark.parametrize("variant", VARIANTS, ids=NAMES)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_variant_equals_its_twin(step_alone, twins, name, variant, dtype):
    make, twin, parameters = MODELS[name]
    both = {**parameters, **variant, "threshold": 0.9, "v_reset": -0.1}
    inputs = noise(3) * (1.0 if make is not rb.Leaky or name.startswith("decay") else 4.0)
    inputs = inputs.astype(np.float32)
    ours = step_alone(make(**both), inputs, DT, dtype)
    assert ours.sent.sum() > 20
    for k in range(inputs.shape[1]):
        sent, v = getattr(twins.neurons, twin)([float(x) for x in inputs[:, k]], DT, **both)
        np.testing.assert_array_equal(ours.sent[:, k], sent)
        tight = {"rtol": 1e-12, "atol": 1e-13} if dtype is np.float64 else {"rtol": 1e-4, "atol": 1e-5}
        np.testing.assert_allclose(ours.v[:, k], v, **tight)


def test_li_equals_its_twin_and_never_fires(step_alone, twins):
    inputs = noise(5)
    ours = step_alone(rb.LI(10e-3, v_rest=0.3, drive=2.0), inputs, DT)
    for k in range(inputs.shape[1]):
        _, v = twins.neurons.leaky_integrator(inputs[:, k], DT, tau=10e-3, v_rest=0.3, drive=2.0)
        np.testing.assert_allclose(ours.v[:, k], v, rtol=1e-12)
    assert not ours.sent.any()


def test_arrays_give_each_neuron_its_own_parameters(step_alone, twins):
    tau, threshold, refractory = np.array([5e-3, 20e-3]), np.array([0.5, 1.0]), np.array([0.0, 4e-3])
    inputs = noise(7, n=2)
    ours = step_alone(rb.LIF(tau, threshold=threshold, refractory=refractory), inputs, DT)
    for k in range(2):
        sent, _ = twins.neurons.lif(
            inputs[:, k], DT, tau=tau[k], threshold=threshold[k], refractory=refractory[k]
        )
        np.testing.assert_array_equal(ours.sent[:, k], sent)


@pytest.mark.parametrize("refractory", [0.0, 2e-3])
@pytest.mark.parametrize("drive", [1.05, 1.5, 4.0])
def test_interval_in_constant_drive_is_the_closed_form(step_alone, drive, refractory):
    dt, tau = 1e-4, 20e-3
    model = rb.LIF(tau, drive=drive, refractory=refractory)
    spikes = np.flatnonzero(step_alone(model, np.zeros((8000, 1)), dt).sent[:, 0])
    rising = math.ceil(tau * math.log(drive / (drive - 1.0)) / dt)
    assert spikes.size > 5
    assert set(np.diff(spikes)) == {round(refractory / dt) + rising}


def test_rate_follows_the_closed_curve_as_the_step_shrinks(step_alone):
    tau, refractory, drives = 20e-3, 5e-3, np.array([1.2, 1.5, 2.0, 3.0])
    model = rb.LIF(tau, drive=drives, refractory=refractory)
    sent = step_alone(model, np.zeros((25_000, 4)), 2e-5).sent
    interval = np.array([np.diff(np.flatnonzero(train)).mean() * 2e-5 for train in sent.T])
    np.testing.assert_allclose(
        1 / interval, 1 / (refractory + tau * np.log(drives / (drives - 1))), rtol=2e-3
    )


def test_no_spike_below_the_least_sufficient_drive(step_alone):
    model = rb.LIF(20e-3, drive=np.array([0.99, 1.01]))
    sent = step_alone(model, np.zeros((2000, 2)), DT).sent
    assert sent[:, 0].sum() == 0
    assert sent[:, 1].sum() > 5


def test_free_decay_is_exponential(step_alone):
    v = step_alone(rb.LIF(20e-3, v_rest=-0.5), np.zeros((50, 1)), DT, initial={"v": 0.8}).v[:, 0]
    np.testing.assert_allclose(v, -0.5 + 1.3 * np.exp(-np.arange(1, 51) * DT / 20e-3), rtol=1e-12)


def test_one_long_step_equals_ten_short_ones(step_alone):
    model = rb.LIF(20e-3, v_rest=-0.5, drive=0.4)
    short = step_alone(model, np.zeros((10, 1)), DT, initial={"v": 0.8}).v[-1]
    long = step_alone(model, np.zeros((1, 1)), 10 * DT, initial={"v": 0.8}).v[-1]
    np.testing.assert_allclose(long, short, rtol=1e-13)


def test_input_while_refractory_is_discarded(step_alone):
    inputs = np.zeros((8, 1))
    inputs[0], inputs[1:4] = 2.0, 0.9
    v = step_alone(rb.IF(reset="hard", refractory=3 * DT), inputs, DT).v[:, 0]
    np.testing.assert_array_equal(v, np.zeros(8))


def test_threshold_itself_fires_unless_strict(step_alone):
    at_threshold = np.full((1, 1), 1.0)
    assert step_alone(rb.IF(), at_threshold).sent.sum() == 1
    assert step_alone(rb.IF(strict=True), at_threshold).sent.sum() == 0


def test_soft_reset_loses_nothing(step_alone):
    inputs = np.random.default_rng(2).integers(0, 64, (500, 5)) / 64.0
    ours = step_alone(rb.IF(), inputs)
    np.testing.assert_array_equal(inputs.sum(axis=0), ours.sent.sum(axis=0) + ours.v[-1])
