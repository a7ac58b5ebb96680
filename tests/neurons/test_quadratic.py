"""Izhikevich's neuron: as NEST steps it, of the measured order, and with the published patterns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase import ms

RECORDED = np.load(Path(__file__).with_name("nest_adapting.npz"), allow_pickle=False)
LIKE_NEST = {
    "euler": (rb.Izhikevich(drive=10.0, method="euler"), "input", 0.1 * ms, 14),
    "half": (rb.Izhikevich(), "current", 1 * ms, 15),
}


@pytest.mark.parametrize("name", LIKE_NEST)
def test_spikes_and_state_are_those_of_nest(step_alone, name):
    model, receptor, dt, least = LIKE_NEST[name]
    weights, spikes, traces = (RECORDED[f"izhikevich_{name}_{w}"] for w in ("weights", "spikes", "traces"))
    # An event sent at the end of step k arrives one step later, and its input counts from there on.
    arriving = np.concatenate([[0.0], weights])[:, None]
    ours = step_alone(model, {receptor: arriving}, dt)
    assert spikes.size >= least
    np.testing.assert_array_equal(np.flatnonzero(ours.sent[:, 0]), spikes[spikes < arriving.size])
    # Steps of 1 ms lead far beyond the peak, where a rounding error grows with every spike.
    np.testing.assert_allclose(ours.v[:500, 0], traces[0, :500], rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours.u[:500, 0], traces[1, :500], rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ["half_steps", "euler"])
def test_one_neuron_equals_its_twin(step_alone, twins, method):
    rng = np.random.default_rng(1)
    inputs, currents = rng.normal(0.0, 2.0, 400), rng.normal(8.0, 4.0, 400)
    for name, given in rb.Izhikevich.PRESETS.items():
        model = rb.Izhikevich.preset(name, method=method, drive=1.0)
        ours = step_alone(model, {"input": inputs[:, None], "current": currents[:, None]}, 0.2 * ms)
        sent, v, u = twins.nonlinear.izhikevich(inputs, currents, 0.2, method=method, drive=1.0, **given)
        assert sum(sent) >= 2
        np.testing.assert_array_equal(ours.sent[:, 0], sent)
        np.testing.assert_allclose(ours.v[:, 0], v, rtol=1e-6)
        np.testing.assert_allclose(ours.u[:, 0], u, rtol=1e-6)


def equations(a, b, current):
    """Return the equations in ms and mV, for a solver."""
    return lambda t, y: [0.04 * y[0] ** 2 + 5 * y[0] + 140 - y[1] + current, a * (b * y[0] - y[1])]


def errors(step_alone, method, spans, exact):
    """Return the error of v at 30 ms below threshold, for each length of a step in ms."""
    found = []
    for span in spans:
        model = rb.Izhikevich(drive=3.0, method=method)
        steps = round(30 / span)
        ours = step_alone(model, np.zeros((steps, 1)), span * ms, initial={"v": -75.0, "u": -13.0})
        found.append(abs(ours.v[-1, 0] - exact))
    return np.array(found)


@pytest.mark.parametrize("method", ["half_steps", "euler"])
def test_both_methods_are_of_first_order_below_threshold(step_alone, twins, method):
    _, seen = twins.nonlinear.solve(
        equations(0.02, 0.2, 3.0), [-75.0, -13.0], 30.0, v_peak=30.0, reset=None, at=[30.0]
    )
    spans = np.array([0.4, 0.2, 0.1, 0.05])
    error = errors(step_alone, method, spans, seen[0, 0])
    assert 0.9 < np.polyfit(np.log(spans), np.log(error), 1)[0] < 1.1
    assert error[-1] < 0.02


@pytest.mark.parametrize("method", ["half_steps", "euler"])
def test_spike_times_approach_the_solvers_with_first_order(step_alone, twins, method):
    spikes, _ = twins.nonlinear.solve(
        equations(0.02, 0.2, 10.0), [-65.0, -13.0], 100.0, v_peak=30.0, reset=lambda y: [-65.0, y[1] + 8.0]
    )
    lags = []
    for span in (0.08, 0.02):
        ours = step_alone(
            rb.Izhikevich(drive=10.0, method=method), np.zeros((round(100 / span), 1)), span * ms
        )
        times = (np.flatnonzero(ours.sent[:, 0]) + 1) * span
        assert times.size == spikes.size == 3
        lags.append(np.abs(times - spikes).max())
    assert 0.8 < np.log(lags[0] / lags[1]) / np.log(4) < 1.3
    assert lags[1] < 0.3


def run(step_alone, name, currents, span=0.25, **changes):
    """Return spike times in ms of a preset neuron in a current that has a value every ms."""
    currents = np.repeat(currents, round(1 / span))[:, None]
    model = rb.Izhikevich.preset(name, **changes)
    return np.flatnonzero(step_alone(model, {"current": currents}, span * ms).sent[:, 0]) * span


def test_presets_show_their_published_patterns(step_alone):
    gaps = {name: np.diff(run(step_alone, name, np.full(500, 10.0))) for name in rb.Izhikevich.PRESETS}
    regular, fast, chatter, bursting = (gaps[name] for name in ("RS", "FS", "CH", "IB"))
    assert regular[-1] > 1.5 * regular[0]  # it adapts
    half = fast.size // 2
    assert fast[half:].mean() == pytest.approx(fast[1:half].mean(), rel=0.05)  # it does not
    assert fast.mean() < 0.5 * regular[-1]
    assert 0.2 < np.mean(chatter < 8) < 0.95  # bursts, and silence between them
    assert chatter.max() > 20
    assert bursting[0] < 0.3 * bursting[-1]  # one burst at first
    assert bursting[-4:].std() < 0.2 * bursting[-4:].mean()
    assert gaps["LTS"][-1] > 1.2 * gaps["LTS"][0]


def test_a_thalamic_neuron_fires_a_burst_when_inhibition_ends(step_alone):
    spikes = run(step_alone, "TC", np.repeat([0.0, -10.0, 0.0], [200, 150, 150]))
    rebound = spikes[(spikes >= 350) & (spikes < 400)]
    assert rebound.size >= 3
    assert np.diff(rebound).min() < 10
    assert not ((spikes > 210) & (spikes < 350)).any()


def test_it_rests_where_the_nullclines_meet_and_fires_beyond_the_bifurcation(step_alone):
    # Rest is the lower root of 0.04 v^2 + (5 - b) v + 140 + I. It loses its stability where the trace of
    # the Jacobian, 0.08 v + 5 - a, is zero: at v = -62.25, for I = b v - (0.04 v^2 + 5 v + 140) = 3.7975.
    currents = np.array([0.0, 3.7, 3.9])
    rest = -(4.8 + np.sqrt(4.8**2 - 0.16 * (140 + currents))) / 0.08
    model = rb.Izhikevich(drive=currents)
    start = {"v": rest + 0.01, "u": 0.2 * rest}
    ours = step_alone(model, np.zeros((20_000, 3)), 0.1 * ms, initial=start)
    np.testing.assert_allclose(ours.v[-1, :2], rest[:2], atol=1e-3)
    assert (ours.sent.sum(axis=0) > 0).tolist() == [False, False, True]


@pytest.mark.parametrize("method", ["half_steps", "euler"])
def test_no_input_makes_it_overflow(step_alone, method):
    inputs = np.array([[-1e6, 1e6, -1e30, 1e30, 0.0]] + [[0.0] * 5] * 400)
    model = rb.Izhikevich(drive=10.0, method=method)
    with np.errstate(over="raise", invalid="raise"):
        ours = step_alone(model, inputs, 1 * ms, np.float32)
    assert np.isfinite(ours.v).all()
    assert np.isfinite(ours.u).all()
    assert (ours.sent[200:].sum(axis=0) > 0).all()


def test_unknown_presets_and_neurons_that_never_stop_are_refused():
    with pytest.raises(rb.SpecError, match=r"Izhikevich\.preset: got 'rs'; there are \['RS'.*"):
        rb.Izhikevich.preset("rs")
    with pytest.raises(rb.SpecError, match="nearest is 'LTS'"):
        rb.Izhikevich.preset("LTSS")
    with pytest.raises(rb.SpecError, match=r"Izhikevich\.c: got 30\.0 with v_peak 30\.0"):
        rb.Izhikevich.preset("RS", c=30.0)
    with pytest.raises(rb.SpecError, match=r"Izhikevich\.method: got 'rk4'"):
        rb.Izhikevich(method="rk4")
