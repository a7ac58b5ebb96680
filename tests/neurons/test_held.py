"""Input as a current held over a step: IF, LIF, LI, CubaLIF and CubaLI against a solver and snnTorch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import rheobase as rb

DT, TAU, TAU_SYN, R, REST = 1e-3, 8e-3, 5e-3, 2.5, 0.3
VARIANTS = [
    dict(zip(("reset", "strict", "reset_delay", "refractory"), values, strict=True))
    for values in itertools.product(("hard", "soft", "none"), (False, True), (False, True), (0.0, 3e-3))
]


def currents(seed=1, steps=60, n=3, mean=0.5):
    return np.random.default_rng(seed).normal(mean, 1.0, (steps, n)).astype(np.float32)


def solved(slope, inputs, y, dt=DT):
    """Integrate y' = slope(y, input) with each input held for dt; return the states after each step."""
    trace = []
    for x in inputs:
        y = solve_ivp(lambda _, y, x=float(x): slope(y, x), (0, dt), y, rtol=1e-11, atol=1e-13).y[:, -1]
        trace.append(y)
    return np.array(trace)


@pytest.mark.parametrize(
    ("model", "slope"),
    [
        (rb.LI(TAU, resistance=R, v_rest=REST), lambda v, x: (REST - v + R * x) / TAU),
        (rb.LIF(TAU, resistance=R, v_rest=REST, threshold=1e6), lambda v, x: (REST - v + R * x) / TAU),
        (rb.LI(resistance=R, v_rest=REST), lambda v, x: R * x),
        (rb.IF(resistance=R, threshold=1e6), lambda v, x: R * x),
    ],
    ids=["LI", "LIF", "LI without leak", "IF"],
)
def test_a_held_current_moves_v_as_a_solver_says(step_alone, model, slope):
    inputs = currents(n=1)
    start = [float(model.initial().get("v", 0.0))]
    expected = solved(lambda v, x: [slope(v[0], x)], inputs[:, 0], start)
    np.testing.assert_allclose(step_alone(model, inputs, DT).v, expected, rtol=1e-8, atol=1e-10)


def test_the_two_stages_of_a_cuba_neuron_approach_the_equations_as_steps_shrink(step_alone):
    def slope(y, x):
        return [(REST - y[0] + R * y[1]) / TAU, (0.7 * x - y[1]) / TAU_SYN]

    inputs = currents(n=1, steps=20)
    truth = solved(slope, inputs[:, 0], [REST, 0.0])
    errors = []
    for parts in (10, 20):
        model = rb.CubaLI(TAU, TAU_SYN, w_in=0.7, resistance=R, v_rest=REST)
        fine = step_alone(model, np.repeat(inputs, parts, axis=0), DT / parts)
        np.testing.assert_allclose(fine.i[parts - 1 :: parts, 0], truth[:, 1], rtol=1e-8)
        errors.append(np.abs(fine.v[parts - 1 :: parts, 0] - truth[:, 0]).max())
    assert errors[0] < 0.02
    assert errors[0] / errors[1] == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("euler", [False, True])
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(f"{k}={x}" for k, x in v.items()))
def test_every_variant_of_cuba_lif_equals_its_twin(step_alone, twins, variant, euler):
    inputs = currents(mean=1.0, steps=120)
    both = {"tau": TAU, "tau_syn": TAU_SYN, "w_in": 0.7, "resistance": R, "v_rest": REST, "threshold": 0.9}
    both |= variant | {"v_reset": -0.1}
    ours = step_alone(rb.CubaLIF(integration="euler" if euler else "exact", **both), inputs, DT)
    assert ours.sent.sum() > 20
    for k in range(inputs.shape[1]):
        sent, v, i = twins.neurons.cuba_lif([float(x) for x in inputs[:, k]], DT, euler=euler, **both)
        np.testing.assert_array_equal(ours.sent[:, k], sent)
        np.testing.assert_allclose(ours.v[:, k], v, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(ours.i[:, k], i, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("reset", ["soft", "hard"])
@pytest.mark.parametrize("reset_delay", [True, False])
def test_euler_steps_of_a_lif_are_those_of_leaky(step_alone, reset, reset_delay):
    # beta = 1 - dt / tau and R = tau / dt: exact in binary, so nothing may differ.
    inputs = currents(steps=200)
    firing = {"reset": reset, "reset_delay": reset_delay, "strict": True, "threshold": 0.9}
    ours = step_alone(rb.LIF(4.0, resistance=4.0, integration="euler", **firing), inputs, 1.0)
    peer = step_alone(rb.Leaky(0.75, **firing), inputs, 1.0)
    assert peer.sent.sum() > 20
    np.testing.assert_array_equal(ours.sent, peer.sent)
    np.testing.assert_array_equal(ours.v, peer.v)


@pytest.mark.parametrize(("reset", "name"), [("soft", "subtract"), ("none", "none")])
def test_cuba_lif_is_snntorchs_synaptic(step_alone, reset, name):
    # Not with "zero": there Synaptic, unlike Leaky, also discards the input of the step of the reset.
    torch = pytest.importorskip("torch")
    snntorch = pytest.importorskip("snntorch")
    inputs = currents(steps=300, n=20, mean=0.1)
    neuron = snntorch.Synaptic(alpha=0.5, beta=0.75, threshold=0.8, reset_mechanism=name)
    syn, mem = neuron.reset_mem()
    sent, trace = [], []
    with torch.no_grad():
        for x in torch.from_numpy(inputs):
            spikes, syn, mem = neuron(x, syn, mem)
            sent.append(spikes.numpy().copy())
            trace.append(mem.numpy().copy())
    model = rb.CubaLIF(4.0, 2.0, w_in=2.0, resistance=4.0, integration="euler", threshold=0.8, reset=reset,
                       reset_delay=True, strict=True)  # fmt: skip
    ours = step_alone(model, inputs, 1.0, np.float32)
    assert np.sum(sent) > 500
    np.testing.assert_array_equal(ours.sent, sent)
    np.testing.assert_array_equal(ours.v, trace)


@pytest.mark.parametrize(
    "model", [rb.LI(TAU, graded=True), rb.LI(graded=True), rb.CubaLI(TAU, TAU_SYN, graded=True)]
)
def test_a_graded_integrator_sends_its_potential(step_alone, model):
    ours = step_alone(model, currents())
    assert model.payload == "real"
    np.testing.assert_array_equal(ours.sent, ours.v)


@pytest.mark.parametrize(
    "model",
    [rb.LIF(0.5e-3, integration="euler"), rb.LI(0.5e-3, integration="euler"),
     rb.CubaLIF(1e-2, 0.5e-3, integration="euler")],
    ids=lambda m: type(m).__name__,
)  # fmt: skip
def test_euler_steps_longer_than_a_time_constant_are_refused(model):
    with pytest.raises(rb.SpecError, match="take a smaller dt, or integration='exact'"):
        model.derive(DT)
