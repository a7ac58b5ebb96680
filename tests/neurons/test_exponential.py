"""AdEx and ExpIF: equal to twin, Brian2 and NEST, of the measured order, and as theory says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

import rheobase as rb
from rheobase import ms, mV, nS, pA, pF

HERE = Path(__file__).parent
BRIAN = np.load(HERE / "brian_adex.npz", allow_pickle=False)
NEST = np.load(HERE / "nest_adapting.npz", allow_pickle=False)
DT = 0.1 * ms
CELL = {
    "capacitance": 281 * pF,
    "g_leak": 30 * nS,
    "v_rest": -70.6 * mV,
    "threshold": -50.4 * mV,
    "slope_factor": 2 * mV,
    "v_peak": 0.0,
    "v_reset": -60 * mV,
}
ADAPTS = {"tau_w": 144 * ms, "a": 4 * nS, "b": 80.5 * pA}
SYNAPSES = {
    "none": (),
    "currents": ((5 * ms, None), (10 * ms, None)),
    "conductances": ((5 * ms, 0.0), (10 * ms, -80 * mV)),
    "one of each": ((2 * ms, None), (10 * ms, -80 * mV)),
}
#: Means of the input at "none", and at each of two synapses.
INPUT = {
    "none": [0.05 * mV],
    "currents": [20 * pA, -5 * pA],
    "conductances": [0.6 * nS, 0.5 * nS],
    "one of each": [60 * pA, 0.1 * nS],
}
METHODS = ("euler", "heun", "rk4")


def receptors(synapses):
    return [
        rb.Receptor(name, tau, reversal=reversal)
        for name, (tau, reversal) in zip("ei", synapses, strict=False)
    ]


@pytest.mark.parametrize("kind", SYNAPSES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("refractory", [0.0, 2 * ms])
def test_every_method_equals_its_twin(step_alone, twins, method, kind, refractory):
    rng = np.random.default_rng(8)
    inputs = [mean * rng.poisson(1.0, 1000) for mean in INPUT[kind]]
    currents = rng.normal(500 * pA, 200 * pA, 1000)
    both = {**CELL, "method": method, "refractory": refractory, "drive": 300 * pA}
    fed = {"current": currents[:, None]}
    fed |= {n: x[:, None] for n, x in zip("ei" if SYNAPSES[kind] else ["input"], inputs, strict=False)}
    for model, rest in ((rb.AdEx, ADAPTS), (rb.ExpIF, {})):
        given = {**both, **rest}
        ours = step_alone(model(receptors(SYNAPSES[kind]), **given), fed, DT)
        sent, v, w = twins.nonlinear.exponential(inputs, currents, DT, synapses=SYNAPSES[kind], **given)
        assert sum(sent) >= 3
        np.testing.assert_array_equal(ours.sent[:, 0], sent)
        np.testing.assert_allclose(ours.v[:, 0], v, rtol=0, atol=1e-7 * mV)
        if rest:
            np.testing.assert_allclose(ours.w[:, 0], w, rtol=0, atol=1e-7 * pA)


def test_arrays_give_each_neuron_its_own_parameters(step_alone, twins):
    arrays = {
        "capacitance": np.array([200, 100]) * pF,
        "slope_factor": np.array([2, 1]) * mV,
        "tau_w": np.array([30, 120]) * ms,
        "b": np.array([0, 60]) * pA,
        "refractory": np.array([0, 3]) * ms,
        "v_peak": np.array([-30, -10]) * mV,
    }
    ours = step_alone(rb.AdEx(**{**CELL, **ADAPTS, **arrays}, drive=900 * pA), np.zeros((800, 2)), DT)
    for k in range(2):
        one = {**CELL, **ADAPTS, **{name: values[k] for name, values in arrays.items()}}
        sent, v, _ = twins.nonlinear.exponential([np.zeros(800)], np.zeros(800), DT, **one, drive=900 * pA)
        assert sum(sent) >= 3
        np.testing.assert_array_equal(ours.sent[:, k], sent)
        np.testing.assert_allclose(ours.v[:, k], v, rtol=0, atol=1e-7 * mV)


def test_single_precision_fires_when_double_does(step_alone):
    inputs = np.random.default_rng(9).normal(0.0, 1 * mV, (1500, 5))
    model = rb.AdEx(drive=800 * pA)
    wide, narrow = (step_alone(model, inputs, DT, dtype).sent for dtype in (np.float64, np.float32))
    assert wide.sum() > 20
    np.testing.assert_array_equal(wide.sum(axis=0), narrow.sum(axis=0))
    for one, other in zip(wide.T, narrow.T, strict=True):
        assert np.abs(np.flatnonzero(one) - np.flatnonzero(other)).max() <= 1


def all_presets(step_alone, steps, **changes):
    """Run one neuron of each preset side by side."""
    names = next(iter(rb.AdEx.PRESETS.values()))
    arrays = {key: np.array([preset[key] for preset in rb.AdEx.PRESETS.values()]) for key in names}
    return step_alone(rb.AdEx(**arrays, **changes), np.zeros((steps, len(rb.AdEx.PRESETS))), DT)


def test_presets_step_as_in_brian(step_alone):
    ours = all_presets(step_alone, 5000, method="euler")
    for k, name in enumerate(rb.AdEx.PRESETS):
        spikes, traces = BRIAN[f"{name}_spikes"], BRIAN[f"{name}_traces"]
        np.testing.assert_array_equal(np.flatnonzero(ours.sent[:, k]), spikes, err_msg=name)
        np.testing.assert_allclose(ours.v[9::10, k], traces[0], rtol=0, atol=1e-4 * mV, err_msg=name)
        np.testing.assert_allclose(ours.w[9::10, k], traces[1], rtol=0, atol=1e-4 * pA, err_msg=name)
        assert rb.AdEx.preset(name).a == rb.AdEx.PRESETS[name]["a"]


LIKE_NEST = {
    "aeif_psc_delta": ((), {"input": mV}),
    "aeif_psc_exp": (SYNAPSES["currents"], {"e": pA, "i": pA}),
    "aeif_cond_exp": (SYNAPSES["conductances"], {"e": nS, "i": nS}),
}


@pytest.mark.parametrize("name", LIKE_NEST)
def test_spikes_and_state_approach_those_of_nest(step_alone, name):
    synapses, units = LIKE_NEST[name]
    weights, spikes, traces = (NEST[f"{name}_{what}"] for what in ("weights", "spikes", "traces"))
    arriving = np.zeros((4000, 1))
    arriving[20::20, 0] = weights  # every ms, and a step of ours later
    fed = {"input": arriving * mV}
    if synapses:
        # NEST's inhibitory currents keep their sign, its inhibitory conductances lose it.
        negative = np.minimum(arriving, 0) * (1 if name == "aeif_psc_exp" else -1)
        fed = {"e": np.maximum(arriving, 0) * units["e"], "i": negative * units["i"]}
    model = rb.AdEx(receptors(synapses), v_reset=-60 * mV, refractory=2 * ms, drive=1200 * pA, method="rk4")
    ours = step_alone(model, fed, 0.05 * ms)
    found = np.flatnonzero(ours.sent[:, 0])
    assert found.size == spikes.size >= 9
    # NEST resets within a step, we at its end: half a step later on the average, each time. Its steps were
    # a fifth of ours; both are counted by their end, from 0 on.
    late = (found + 1) - (spikes + 1) / 5
    assert (late > -0.5).all()
    assert (late < 1.5 * np.arange(1, found.size + 1)).all()
    at = 20 * np.arange(1, 200)
    for last, volt in ((found[0], 0.002 * mV), (found[1], 0.2 * mV)):
        calm = (at < last - 20) & (traces[0, :199] < -45)  # all but the upstrokes, which are steep
        assert calm.sum() > 4
        v, w = (trace[19:-1:20, 0][calm] for trace in (ours.v, ours.w))
        np.testing.assert_allclose(v, traces[0, :199][calm] * mV, rtol=0, atol=volt)
        np.testing.assert_allclose(w, traces[1, :199][calm] * pA, rtol=0, atol=volt * ADAPTS["a"])


def slopes(drive, g=(0.0, 0.0)):
    """Return the equations of `CELL` with two decaying conductances, for a solver."""

    def of(t, y):
        v, w = y
        c, leak, rest, level, sharp = (CELL[k] for k in list(CELL)[:5])
        total = leak * (rest - v) + leak * sharp * np.exp((v - level) / sharp) - w + drive
        total += g[0] * np.exp(-t / (5 * ms)) * (0.0 - v) + g[1] * np.exp(-t / (10 * ms)) * (-80 * mV - v)
        return [total / c, (4 * nS * (v - rest) - w) / (144 * ms)]

    return of


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_each_method_has_its_order_below_threshold(step_alone, twins, method, order):
    start, g, seconds = [-75 * mV, 50 * pA], (20 * nS, 15 * nS), 24 * ms
    of = slopes(300 * pA, g)
    _, exact = twins.nonlinear.solve(of, start, seconds, v_peak=0.0, reset=None, at=[seconds])
    model = rb.AdEx(receptors(SYNAPSES["conductances"]), drive=300 * pA, method=method)
    spans = np.array([1.2, 0.6, 0.3]) * ms
    initial = {"v": start[0], "w": start[1], "g_e": g[0], "g_i": g[1]}
    error = [
        abs(step_alone(model, {"e": rest}, span, initial=initial).v[-1, 0] - exact[0, 0])
        for span in spans
        for rest in [np.zeros((round(seconds / span), 1))]
    ]
    assert np.polyfit(np.log(spans), np.log(error), 1)[0] == pytest.approx(order, abs=0.35)
    assert error[-1] < {1: 0.2, 2: 5e-3, 4: 1e-5}[order] * mV


@pytest.mark.parametrize("method", METHODS)
def test_spike_times_are_of_first_order_and_nearer_with_higher_methods(step_alone, twins, method):
    exact, _ = twins.nonlinear.solve(
        slopes(900 * pA), [CELL["v_rest"], 0.0], 0.1, v_peak=0.0, reset=lambda y: [-60 * mV, y[1] + 80.5 * pA]
    )
    lags = []
    for span in (0.1 * ms, 0.025 * ms):
        model = rb.AdEx(v_reset=-60 * mV, drive=900 * pA, method=method)
        ours = step_alone(model, np.zeros((round(0.1 / span), 1)), span)
        times = (np.flatnonzero(ours.sent[:, 0]) + 1) * span
        assert times.size == exact.size >= 4
        lags.append(np.abs(times - exact).max())
    assert 0.5 < np.log(lags[0] / lags[1]) / np.log(4) < 1.6
    assert lags[1] < {"euler": 0.6, "heun": 0.2, "rk4": 0.2}[method] * ms


@pytest.mark.parametrize("v_reset", [-70.6 * mV, -55 * mV])
def test_rate_without_adaptation_is_the_integral_over_the_potential(step_alone, v_reset):
    drives = np.array([560, 700, 1200]) * pA
    model = rb.ExpIF(drive=drives, v_reset=v_reset, refractory=2 * ms, method="rk4")
    sent = step_alone(model, np.zeros((6000, 3)), 0.05 * ms).sent
    for k, drive in enumerate(drives):
        parts = ((v_reset, -45 * mV), (-45 * mV, 0.0))
        interval = sum(
            quad(lambda v, of: 1 / of(0.0, (v, 0.0))[0], *ends, args=(slopes(drive),))[0] for ends in parts
        )
        found = np.diff(np.flatnonzero(sent[:, k])) * 0.05 * ms
        assert found.size >= 2
        assert found.mean() == pytest.approx(interval + 2 * ms, abs=0.06 * ms)


@pytest.mark.parametrize(
    ("a", "tau_w", "swings"), [(4 * nS, 144 * ms, True), (4 * nS, 40 * ms, False), (20 * nS, 20 * ms, True)]
)
def test_it_fires_beyond_its_rheobase_and_not_below(step_alone, a, tau_w, swings):
    leak, sharp, tau = CELL["g_leak"], CELL["slope_factor"], CELL["capacitance"] / CELL["g_leak"]
    s = min(a / leak, tau / tau_w)
    assert swings == (tau / tau_w < a / leak)
    top = CELL["threshold"] + sharp * np.log(1 + s)  # where the fixed point goes, or loses its stability
    rheobase = (leak + a) * (top - CELL["v_rest"] - sharp) + leak * sharp * (a / leak - s)
    drives = rheobase + np.array([-4, 4]) * pA
    model = rb.AdEx(drive=drives, a=a, tau_w=tau_w, method="rk4")
    start = {"v": top - 0.3 * mV, "w": a * (top - 0.3 * mV - CELL["v_rest"])}
    sent = step_alone(model, np.zeros((8000, 2)), 0.2 * ms, initial=start).sent
    assert (sent.sum(axis=0) > 0).tolist() == [False, True]


def test_presets_show_their_patterns(step_alone):
    sent = all_presets(step_alone, 6000).sent
    spikes = {name: np.flatnonzero(train) * DT for name, train in zip(rb.AdEx.PRESETS, sent.T, strict=True)}
    gaps = {name: np.diff(times) for name, times in spikes.items()}

    def adaptation(gap):
        return np.mean((gap[1:] - gap[:-1]) / (gap[1:] + gap[:-1]))

    assert abs(adaptation(gaps["tonic"])) < 0.01
    assert adaptation(gaps["adapting"]) > 0.05
    assert gaps["delayed_accelerating"][-1] < 0.6 * gaps["delayed_accelerating"][0]
    assert adaptation(gaps["delayed_accelerating"]) < -0.005
    burst = gaps["initial_burst"]
    assert burst[:2].max() < 0.3 * burst[3:].min()
    assert burst[4:].std() < 0.05 * burst[4:].mean()
    for name in ("bursting", "delayed_bursting"):
        long = gaps[name] > 3 * gaps[name].min()
        assert long.sum() >= 3
        assert (~long).sum() >= long.sum()
    assert spikes["delayed_bursting"][0] > 40 * ms
    assert spikes["transient"].size == 1
    irregular = gaps["irregular"][5:]
    assert irregular.std() > 0.4 * irregular.mean()


@pytest.mark.parametrize("method", METHODS)
def test_nothing_overflows_whatever_arrives(step_alone, method):
    kicks = np.array([-10.0, -0.5, 0.5, 10.0, 1e6]) * np.ones((60, 5))
    model = rb.AdEx(drive=np.array([-1e-6, 0.0, 5e-9, 1e-6, 1e-3]), v_peak=69 * mV, method=method)
    for inputs in (kicks, -kicks, 0 * kicks):
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            ours = step_alone(model, inputs, 1 * ms, np.float32)
        for state in (ours.v, ours.w):
            assert np.isfinite(state).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rb.AdEx(v_reset=0.0), r"AdEx\.v_reset: got 0\.0 with v_peak 0\.0"),
        (lambda: rb.ExpIF(threshold=1 * mV), r"ExpIF\.threshold: got 0\.001"),
        (lambda: rb.ExpIF(slope_factor=0.5 * mV), r"ExpIF\.v_peak: .* up to 60 slope factors above"),
        (lambda: rb.AdEx(slope_factor=0.0), r"AdEx\.slope_factor: got 0\.0"),
        (lambda: rb.AdEx([rb.Receptor("current", 5 * ms)]), r"no receptor can be called 'current'"),
        (lambda: rb.AdEx(method="rk2"), r"AdEx\.method: got 'rk2'"),
        (lambda: rb.AdEx(tau_w=1 * ms).derive(2 * ms), r"AdEx: steps of 0\.002 s with tau_w = 0\.001"),
        (lambda: rb.ExpIF(g_leak=300 * nS).derive(1 * ms), r"ExpIF: steps of 0\.001 s with capac"),
        (lambda: rb.AdEx.preset("adaptive"), r"AdEx\.preset: got 'adaptive'.*nearest is 'adapting'"),
        (lambda: rb.AdEx.preset("tonic", tau_q=1.0), r"AdEx\.preset: got 'tau_q'.*nearest is 'tau_w'"),
    ],
    ids=range(10),
)
def test_what_cannot_work_is_refused(make, message):
    with pytest.raises(rb.SpecError, match=message):
        make()
