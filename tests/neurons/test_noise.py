"""Noise currents: the exact law of a step, the statistics that they promise, and published firing rates."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from scipy import integrate, linalg, special

import rheobase as rb
from rheobase.neurons.chain import chain
from rheobase.neurons.noise import new_in_a_step
from rheobase.neurons.specialise import specialise
from rheobase.neurons.vocabulary import normal

TAU = 20e-3
TIMES = list(itertools.product((TAU,), (0.5e-3, 5e-3, TAU, 0.3), (0.1e-3, 1e-3, 20e-3, 0.5)))


def law_of(tau, noise_tau, dt):
    """Return propagator and covariance of (eta, v) over a step, by the matrix exponential of Van Loan."""
    a = np.array([[-1 / noise_tau, 0.0], [1 / tau, -1 / tau]])
    q = np.array([[2 / noise_tau, 0.0], [0.0, 0.0]])
    block = linalg.expm(np.block([[-a, q], [np.zeros((2, 2)), a.T]]) * dt)
    propagator = block[2:, 2:].T
    return propagator, propagator @ block[:2, 2:]


@pytest.mark.parametrize(("tau", "noise_tau", "dt"), TIMES)
def test_what_is_new_in_a_step_has_the_covariance_of_the_equations(tau, noise_tau, dt):
    # Where a step is many time constants long, Van Loan's block overflows: it is what is left in the end.
    kick, shared, own = new_in_a_step(tau, noise_tau, dt)
    ours = np.array([[kick * kick, kick * shared], [kick * shared, shared * shared + own * own]])
    if dt < 15 * min(tau, noise_tau):
        np.testing.assert_allclose(ours, law_of(tau, noise_tau, dt)[1], rtol=1e-7)
    else:
        a = noise_tau / (tau + noise_tau)
        np.testing.assert_allclose(ours, [[1.0, a], [a, a]], rtol=2 * math.exp(-dt / max(tau, noise_tau)))


@pytest.mark.parametrize("dt", [1e-9, 1e-7, 1e-5])
def test_short_steps_lose_no_digits(dt):
    kick, shared, own = new_in_a_step(TAU, 5e-3, dt)
    # The first terms of the expansion: v gains the integral of what eta gains.
    assert kick == pytest.approx(math.sqrt(2 * dt / 5e-3), rel=2 * dt / 5e-3 + 1e-13)
    assert shared == pytest.approx(kick * dt / 2 / TAU, rel=2 * dt / 5e-3 + 1e-13)
    assert own == pytest.approx(kick * dt / math.sqrt(12) / TAU, rel=2 * dt / 5e-3 + 1e-13)


@pytest.mark.parametrize("noise_tau", [0.0, 4e-3])
def test_ten_short_steps_have_the_law_of_a_long_one(noise_tau):
    model = rb.LI(TAU, noise=0.7, noise_tau=noise_tau)

    def law(dt):
        c = {name: float(value) for name, value in model.constants(dt).items()}
        if not noise_tau:
            return np.array([[c["decay"]]]), np.array([[c["noise_kick"] ** 2]])
        new = np.array([[c["noise_kick"], 0.0], [c["noise_shared"], c["noise_own"]]])
        return np.array([[c["noise_decay"], 0.0], [c["noise_gain"], c["decay"]]]), new @ new.T

    step, new = law(1e-3)
    total = np.zeros_like(new)
    for _ in range(10):
        total = step @ total @ step.T + new
    np.testing.assert_allclose(np.linalg.matrix_power(step, 10), law(10e-3)[0], rtol=1e-12)
    np.testing.assert_allclose(total, law(10e-3)[1], rtol=1e-12)
    # And what the noise comes to in the end has the standard deviation that it is said to have.
    for _ in range(1000):
        total = step @ total @ step.T + new
    assert math.sqrt(total[-1, -1]) == pytest.approx(0.7, rel=1e-9)


@pytest.mark.parametrize("dt", [0.2e-3, 2e-3, 10e-3])
@pytest.mark.parametrize("noise_tau", [0.0, 5e-3])
def test_free_membrane_has_the_stated_deviation_and_the_closed_autocorrelation(noise_tau, dt):
    n, lag, settled = 20_000, 10e-3, 0.2
    net = rb.Network(seed=8)
    cells = net.add(rb.Population(n, rb.LI(TAU, v_rest=-0.5, noise=0.25, noise_tau=noise_tau)))
    probe = net.add(rb.Probe(cells, "v", every=lag, start=settled))
    values = rb.Simulator(net, dt).run(settled + 2 * lag)[probe].values[:2].astype(float) + 0.5
    # Four standard errors of a mean, a variance and a correlation: one false alarm in 3,000 seeds a case.
    assert abs(values.mean()) < 4 * 0.25 / math.sqrt(n)
    assert abs(values.var() / 0.25**2 - 1) < 4 * math.sqrt(2 / n)
    slow = math.exp(-lag / TAU)
    expected = slow
    if noise_tau:
        expected = (TAU * slow - noise_tau * math.exp(-lag / noise_tau)) / (TAU - noise_tau)
    found = np.corrcoef(*values)[0, 1]
    assert abs(found - expected) < 4 * (1 - expected**2) / math.sqrt(n)


def rate_of(dt, seconds=1.0, n=1000, **noise):
    """Return the rate of neurons after 0.2 s, and its standard error, from groups of them."""
    net = rb.Network(seed=9)
    cells = net.add(rb.Population(n, rb.LIF(TAU, drive=DRIVE, refractory=2e-3, **noise)))
    probe = net.add(rb.Probe(cells, start=0.2))
    counts = rb.Simulator(net, dt).run(0.2 + seconds)[probe].counts()[0]
    return counts.mean() / seconds, counts.std() / math.sqrt(n) / seconds


DRIVE, DEVIATION = 0.8, 0.35


def siegert(shift, deviation=DEVIATION):
    """Return the rate of a LIF in white noise, with threshold 1 and reset 0 both moved by `shift`."""
    low, high = ((bound - DRIVE) / (deviation * math.sqrt(2)) for bound in (shift[0], 1 + shift[1]))
    waiting = integrate.quad(lambda x: special.erfcx(-x), low, high)[0]
    return 1 / (2e-3 + TAU * math.sqrt(math.pi) * waiting)


@pytest.mark.parametrize("dt", [0.05e-3, 0.2e-3])
def test_rate_in_white_noise_is_siegerts(dt):
    rate, error = rate_of(dt, noise=DEVIATION)
    # Looked at once a step, a random walk meets a threshold as if it lay 0.5826 standard deviations of a step
    # higher (M. Broadie and others, Mathematical Finance 7:325, 1997). Four standard errors.
    late = 0.5826 * DEVIATION * math.sqrt(2 * dt / TAU)
    assert abs(rate - siegert((0.0, late))) < 4 * error + 0.002 * rate
    assert rate == pytest.approx(siegert((0.0, 0.0)), rel=0.05 * math.sqrt(dt / 0.05e-3))
    assert rate > 10


def test_rate_in_coloured_noise_is_that_of_a_threshold_moved_with_the_square_root_of_its_time():
    noise_tau, dt = 0.2e-3, 0.02e-3
    rate, error = rate_of(dt, noise=DEVIATION, noise_tau=noise_tau)
    # N. Fourcaud and N. Brunel, Neural Computation 14:2057 (2002): to first order in sqrt(noise_tau / tau).
    white = DEVIATION * math.sqrt(1 + noise_tau / TAU)
    moved = -special.zeta(0.5) * white * math.sqrt(noise_tau / TAU)
    expected = siegert((moved, moved), white)
    # Terms of the next order are as large as noise_tau / tau = 1 %.
    assert abs(rate - expected) < 4 * error + 0.01 * rate
    assert abs(siegert((0.0, 0.0), white) - expected) > 0.08 * rate


def test_held_membranes_feel_no_noise_and_the_current_goes_on():
    net = rb.Network(seed=1)
    options = {"drive": 3.0, "refractory": 5e-3, "v_reset": -0.5}
    cells = net.add(rb.Population(50, rb.LIF(TAU, noise=0.5, noise_tau=5e-3, **options)))
    probes = [net.add(rb.Probe(cells, variable)) for variable in ("spikes", "v", "eta")]
    result = rb.Simulator(net, 1e-3, backend="reference").run(0.1)
    spikes, v, eta = (result[probe] for probe in probes)
    assert spikes.ids.size > 100
    for step, i in zip(spikes.steps, spikes.ids, strict=True):
        assert (v.values[step : step + 6, i] == -0.5).all()
        assert (np.diff(eta.values[step : step + 6, i]) != 0).all()
        assert step + 6 >= 100 or v.values[step + 6, i] != -0.5


MEMBRANES = [
    rb.LI(TAU),
    rb.LIF(TAU),
    rb.ALIF(TAU, tau_w=0.1),
    rb.CurrentLIF(TAU, 5e-3),
    rb.CurrentLIF(TAU, synapses=[rb.Receptor("fast", 2e-3), rb.Receptor("slow", 9e-3, tau_rise=3e-3)]),
    rb.CurrentLI(TAU, 5e-3),
    rb.AlphaLIF(TAU, tau_syn_exc=5e-3, tau_syn_inh=3e-3),
    rb.ExpIF(),
    rb.ConductanceLIF(capacitance=TAU * 10e-9, threshold=1.0),
]


@pytest.mark.parametrize("model", MEMBRANES, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("noise_tau", [0.0, 5e-3])
def test_every_membrane_comes_to_the_stated_deviation(model, noise_tau):
    net, noise = rb.Network(seed=3), 2e-3
    model = dataclasses.replace(model, noise=noise, noise_tau=noise_tau)
    cells = net.add(rb.Population(5000, model))
    probe = net.add(rb.Probe(cells, "v", start=0.2))
    v = rb.Simulator(net, 1e-3, backend="reference").run(0.201)[probe].values[0].astype(float)
    # Four standard errors: one false alarm in a thousand seeds over all.
    assert abs((v - model.v_rest).var() / noise**2 - 1) < 4 * math.sqrt(2 / 5000)
    assert model.unit_of("eta") == model.unit_of("v")


def test_without_noise_there_is_no_code_for_it():
    for model in (rb.LIF(TAU), rb.LI(TAU), rb.CurrentLIF(TAU, TAU), rb.LIF(TAU, noise_tau=1e-3)):
        assert "normal" not in model.rules.flow.words
        assert "eta" not in {state.name for state in model.used_states}
    assert rb.LIF(TAU, noise=0.1).rules.flow.arguments == ("v", "v_inf", "decay", "noise_kick")


def test_noise_that_cannot_be_meant_is_refused():
    with pytest.raises(rb.SpecError, match=r"LIF\.noise_tau: got an array with zeros"):
        rb.LIF(TAU, noise=0.1, noise_tau=np.array([0.0, 1e-3]))
    with pytest.raises(rb.SpecError, match=r"LI\.noise: got 0\.1 without tau"):
        rb.LI(noise=0.1)
    with pytest.raises(rb.SpecError, match=r"LIF\.noise: got -0\.1"):
        rb.LIF(TAU, noise=-0.1)


def flow(v, w, decay):
    moved = v * decay
    return moved, w + v


def lift(v, x, by):
    x = x + normal(0)
    return v + by * x, x


def stray(v, decay):
    decay = decay * 0.5
    return v * decay


def test_rules_in_a_chain_do_what_they_do_one_by_one():
    both = chain(specialise(flow, {}), specialise(lift, {}), ("v", "w", "x"))
    assert both.arguments == ("v", "w", "x", "decay", "by")
    assert (both.n_returned, both.words) == (3, {"normal"})
    assert both.bind({"normal": lambda _: 4.0})(2.0, 1.0, 3.0, 0.5, 10.0) == (71.0, 3.0, 7.0)


def test_rules_that_use_a_name_for_two_things_make_no_chain():
    with pytest.raises(rb.SpecError, match=r"\['decay'\] mean different things"):
        chain(specialise(stray, {}), specialise(flow, {}), ("v", "w"))
