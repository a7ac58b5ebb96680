"""ConductanceLIF: equal to its twin, of the stated order, and what closed forms say."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import rheobase as rb
from rheobase import ms, mV, nS, pA, pF
from rheobase.neurons.propagators import response, transfer

DT = 0.1 * ms
AMPA = rb.Receptor("ampa", 2 * ms, reversal=0.0)
GABA = rb.Receptor("gaba", 8 * ms, tau_rise=8 * ms, reversal=-75 * mV)
NMDA = rb.Receptor("nmda", 50 * ms, tau_rise=2 * ms, reversal=0.0, magnesium=1.2)
KINDS = {"plain": (AMPA, GABA), "all": (AMPA, GABA, NMDA)}


def of_twin(receptors):
    return [(r.tau, r.tau_rise, r.reversal, r.magnesium) for r in receptors]


def noise(receptors, steps, seed=1):
    """Input now and then: to each receptor the same, whichever others there are."""
    rng = np.random.default_rng(seed)
    given = {}
    for name, rate, most in (("ampa", 0.15, 12 * nS), ("gaba", 0.02, 5 * nS), ("nmda", 0.02, 6 * nS)):
        given[name] = rng.uniform(0.0, most, (steps, 1)) * (rng.random((steps, 1)) < rate)
    return {receptor.name: given[receptor.name] for receptor in receptors}


def twin_of(twins, inputs, receptors, threshold=-50 * mV, v_reset=-60 * mV, refractory=5 * ms, **firing):
    trigger = twins.neurons.Trigger(DT, threshold, v_reset=v_reset, refractory=refractory, **firing)
    columns = [[float(x) for x in inputs[receptor.name][:, 0]] for receptor in receptors]
    return twins.synapses.conductance_lif(trigger, columns, DT, receptors=of_twin(receptors))


@pytest.mark.parametrize("method", ["exponential", "rk4"])
@pytest.mark.parametrize("kind", KINDS)
def test_spikes_and_potential_are_those_of_the_solved_equation(step_alone, twins, kind, method):
    receptors, inputs = KINDS[kind], noise(KINDS[kind], 400)
    ours = step_alone(rb.ConductanceLIF(receptors, method=method), inputs, DT)
    sent, v, conductances = twin_of(twins, inputs, receptors)
    assert sum(sent) >= 3
    np.testing.assert_array_equal(ours.sent[:, 0], sent)
    # Of 60 mV; what a step of the method leaves out is some millionths of its motion.
    np.testing.assert_allclose(ours.v[:, 0], v, rtol=0, atol=(1e-6 if method == "exponential" else 1e-10))
    for receptor, g in zip(receptors, conductances, strict=True):
        np.testing.assert_allclose(getattr(ours, f"g_{receptor.name}")[:, 0], g, rtol=1e-11, atol=1e-24)


@pytest.mark.parametrize(
    "variant",
    [
        {"reset": reset, "strict": strict, "reset_delay": late, "refractory": refractory, "reset_by": 12 * mV}
        for reset, strict, late, refractory in itertools.product(
            ("hard", "soft", "none"), (False, True), (False, True), (0.0, 1 * ms)
        )
    ],
    ids=lambda v: "-".join(map(str, v.values())),
)
def test_every_variant_of_firing_is_that_of_the_twin(step_alone, twins, variant):
    inputs = {"ampa": np.zeros((60, 1)), "gaba": np.zeros((60, 1))}
    inputs["ampa"][::7], inputs["gaba"][30] = 12 * nS, 20 * nS
    receptors = KINDS["plain"]
    ours = step_alone(rb.ConductanceLIF(receptors, method="rk4", **variant), inputs, DT)
    sent, v, _ = twin_of(twins, inputs, receptors, **variant)
    assert sum(sent) > 0
    np.testing.assert_array_equal(ours.sent[:, 0], sent)
    np.testing.assert_allclose(ours.v[:, 0], v, rtol=0, atol=1e-9)


@pytest.mark.parametrize("reset", [{}, {"reset": "soft", "reset_by": 12 * mV}], ids=["hard", "soft"])
def test_each_spike_lifts_the_threshold_until_that_has_faded(step_alone, twins, reset):
    inputs = {"ampa": np.zeros((600, 1)), "gaba": np.zeros((600, 1))}
    inputs["ampa"][::7] = 12 * nS
    given = {"v_reset": -60 * mV, "refractory": 1 * ms, **reset}
    model = rb.ConductanceLIF(KINDS["plain"], method="rk4", tau_lift=15 * ms, lift_step=3 * mV, **given)
    ours = step_alone(model, inputs, DT)
    trigger = twins.neurons.LiftedTrigger(DT, -50 * mV, tau=15 * ms, step=3 * mV, **given)
    columns = [[float(x) for x in column[:, 0]] for column in inputs.values()]
    sent, v, _ = twins.synapses.conductance_lif(trigger, columns, DT, receptors=of_twin(KINDS["plain"]))
    unlifted, *_ = twin_of(twins, inputs, KINDS["plain"], **given)
    assert 3 < sum(sent) < sum(unlifted) - 3
    np.testing.assert_array_equal(ours.sent[:, 0], sent)
    np.testing.assert_allclose(ours.v[:, 0], v, rtol=0, atol=1e-9)
    assert ours.lift[-1, 0] == pytest.approx(trigger.lift, rel=1e-12)


@pytest.fixture(scope="module")
def solved(twins):
    """The potential after 10 ms from some state, by scipy at tight tolerance, for each kind."""
    from scipy.integrate import solve_ivp

    found = {}
    for kind, receptors in KINDS.items():
        space = {"receptors": of_twin(receptors), "capacitance": 200 * pF, "g_leak": 10 * nS}
        space |= {"v_rest": -60 * mV, "drive": 50 * pA}

        def slope(t, y, space=space, receptors=receptors):
            courses = [twins.synapses.time_course(r.tau, r.tau_rise, t) for r in receptors]
            conductances = [nS * g * course for g, course in zip((8, 12, 20), courses, strict=False)]
            return [twins.synapses.conductance_slope(y[0], conductances, **space)]

        solution = solve_ivp(slope, (0.0, 10 * ms), [-70 * mV], method="DOP853", rtol=1e-10, atol=1e-15)
        found[kind] = solution.y[0, -1]
    return found


@pytest.mark.parametrize(("method", "order"), [("exponential", 2), ("rk4", 4)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_order_is_the_stated_one(step_alone, solved, kind, method, order):
    receptors = KINDS[kind]
    model = rb.ConductanceLIF(receptors, method=method, drive=50 * pA, threshold=1.0)
    start = {"v": -70 * mV}
    start |= {f"{'rise' if r.tau_rise else 'g'}_{r.name}": g * nS
              for r, g in zip(receptors, (8, 12, 20), strict=False)}  # fmt: skip
    errors = []
    for steps in (10, 20, 40):
        inputs = {r.name: np.zeros((steps, 1)) for r in receptors}
        errors.append(step_alone(model, inputs, 10 * ms / steps, initial=start).v[-1, 0] - solved[kind])
    orders = np.log2(np.abs(errors[:-1]) / np.abs(errors[1:]))
    assert orders == pytest.approx([order, order], abs=0.35)
    assert abs(errors[-1]) < (2e-6 if order == 2 else 2e-9)


def test_without_input_it_is_a_leaky_neuron_exactly(step_alone):
    drive = 150 * pA
    model = rb.ConductanceLIF(drive=drive, threshold=1.0)
    v = step_alone(model, np.zeros((500, 1)), DT).v[:, 0]
    t = np.arange(1, 501) * DT
    expected = -60 * mV + drive / (10 * nS) * -np.expm1(-t / (20 * ms))
    np.testing.assert_allclose(v, expected, rtol=1e-12)


@pytest.mark.parametrize("method", ["exponential", "rk4"])
def test_a_lasting_conductance_leads_to_the_mean_of_the_reversals(step_alone, method):
    # 100 nS that hardly decay, beside 10 nS of leak: 0 and -60 mV in the ratio of 10 to 1.
    model = rb.ConductanceLIF([rb.Receptor("on", 1e6, reversal=0.0)], threshold=1.0, method=method)
    inputs = np.zeros((500, 1))
    inputs[0] = 100 * nS
    assert step_alone(model, inputs, DT).v[-1, 0] == pytest.approx(-60 * mV / 11, rel=1e-6)


def test_the_exponential_method_is_stable_however_large_conductances_are(step_alone):
    inputs = {"excitatory": np.full((50, 1), 1e-3), "inhibitory": np.full((50, 1), 3e-3)}
    v = step_alone(rb.ConductanceLIF(threshold=1.0), inputs, 1 * ms).v[:, 0]
    assert ((v > -80 * mV) & (v < 0.0)).all()


def test_magnesium_blocks_as_jahr_and_stevens_found(step_alone):
    for v, magnesium in itertools.product((-80 * mV, -40 * mV, 20 * mV), (0.0, 1.0)):
        # A membrane that hardly moves in a step: its first motion is the current.
        nmda = rb.Receptor("nmda", 1e9, reversal=0.0, magnesium=magnesium)
        model = rb.ConductanceLIF([nmda], capacitance=1.0, g_leak=1e-30, threshold=1.0)
        start = {"v": v, "g_nmda": 1 * nS}
        moved = step_alone(model, np.zeros((1, 1)), 1e3, initial=start).v[0, 0] - v
        block = 1 / (1 + magnesium / 3.57 * math.exp(-0.062 * v / mV))
        assert moved == pytest.approx(1e3 * 1 * nS * block * -v, rel=1e-4)


def test_per_neuron_receptors_act_per_neuron(step_alone):
    taus, reversals = np.array([1.0, 5.0, 20.0]) * ms, np.array([0.0, -20.0, -90.0]) * mV
    inputs = np.zeros((100, 3))
    inputs[3] = 4 * nS
    rises = 0.5 * taus
    together = rb.ConductanceLIF([rb.Receptor("a", taus, tau_rise=rises, reversal=reversals)])
    v = step_alone(together, inputs, DT).v
    for k in range(3):
        alone = rb.ConductanceLIF([rb.Receptor("a", taus[k], tau_rise=rises[k], reversal=reversals[k])])
        np.testing.assert_allclose(v[:, k], step_alone(alone, inputs[:, :1], DT).v[:, 0], rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rise", [None, 1.0, 0.999999, 0.2], ids=str)
def test_a_weight_is_the_peak_of_the_conductance(step_alone, rise, dtype):
    receptor = rb.Receptor("a", 5 * ms, tau_rise=None if rise is None else rise * 5 * ms, reversal=0.0)
    inputs = np.zeros((2000, 1))
    inputs[0] = 3 * nS
    g = step_alone(rb.ConductanceLIF([receptor]), inputs, 0.01 * ms, dtype).g_a[:, 0]
    assert g.max() == pytest.approx(3 * nS, rel=1e-6 if dtype is np.float64 else 1e-4)


def test_the_response_of_a_chain_is_the_corner_of_the_matrix_exponential():
    from scipy.linalg import expm

    for taus in ((1e-3, 2e-3, 1e-2), (5e-3, 5e-3, 5e-3), (5e-3, 5e-3 * (1 + 1e-9), 1e-2), (1e-2, 1e-3)):
        for elapsed in (1e-4, 1e-2):
            chain = -np.diag(1 / np.array(taus)) + np.eye(len(taus), k=-1)
            assert response(taus, elapsed) == pytest.approx(expm(chain * elapsed)[-1, 0], rel=1e-12)
    assert response((3e-3, 2e-2), 1e-2) == pytest.approx(2e-2 * transfer(2e-2, 3e-3, 1e-2), rel=1e-14)
    many = response((np.array([1e-3, 2e-3]), 5e-3, 5e-3), 1e-3)
    assert many == pytest.approx([response((tau, 5e-3, 5e-3), 1e-3) for tau in (1e-3, 2e-3)], rel=1e-14)
