"""When a neuron fires by itself: closed forms, scipy's root finder, and looking at many times."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit
from scipy.optimize import brentq

import rheobase as rb
from rheobase.engine.backends.numba_cpu.words_of_rules import expm1


def first_spikes(model, initial, seconds=0.5):
    """Return when each neuron of a population first fires without any input, infinity where it does not."""
    n = len(next(iter(initial.values())))
    net = rb.Network(seed=0)
    cells = net.add(rb.Population(n, model, initial=initial))
    probe = net.add(rb.Probe(cells))
    record = rb.Simulator(net, method="event").run(seconds)[probe]
    first = np.full(n, math.inf)
    np.minimum.at(first, record.ids, record.times)
    return first


def test_a_driven_lif_keeps_its_interval_to_the_femtosecond():
    tau, drive, v_reset, refractory = 20e-3, np.array([1.001, 1.2, 3.0, 40.0]), -0.3, 2.2e-3
    net = rb.Network(seed=0)
    model = rb.LIF(tau, drive=drive, v_reset=v_reset, refractory=refractory)
    cells = net.add(rb.Population(4, model))
    probe = net.add(rb.Probe(cells))
    record = rb.Simulator(net, method="event").run(0.5)[probe]
    for k in range(4):
        expected = refractory + tau * np.log((drive[k] - v_reset) / (drive[k] - 1.0))
        intervals = np.diff(record.train(k))
        assert intervals.size >= 2
        assert np.allclose(intervals, expected, rtol=0, atol=3e-15 + 4e-16 / (drive[k] - 1.0))


def test_a_soft_reset_that_leaves_v_above_threshold_fires_again_at_once():
    net = rb.Network(seed=0)
    source = net.add(rb.SpikeSource(1, times=[0.01], ids=[0]))
    cell = net.add(rb.Population(1, rb.IF(threshold=1.0)))
    net.add(rb.Projection(source, cell, rb.one_to_one(), weight=3.5, delay=1e-3))
    probe = net.add(rb.Probe(cell))
    sim = rb.Simulator(net, method="event")
    assert (sim.run(0.02)[probe].steps - 11 * 10**12).tolist() == [0, 1, 2]
    assert sim.state(cell)["v"].tolist() == [0.5]


def _trajectory(t, v, currents, tau, taus, v_inf, resistance=1.0):
    """Return v at times t (k, n) from the textbook sum of exponentials; taus differ from tau."""
    out = v_inf + (v - v_inf) * np.exp(-t / tau)
    for i, tau_i in zip(currents, taus, strict=True):
        out += resistance * i * tau_i / (tau_i - tau) * (np.exp(-t / tau_i) - np.exp(-t / tau))
    return out


@pytest.mark.parametrize("v_inf", [0.0, 0.93, 1.2])
@pytest.mark.parametrize("tau_syn", [1e-3, 5e-3, 40e-3])
def test_one_current_lifts_v_to_threshold_when_scipy_says(tau_syn, v_inf):
    rng = np.random.default_rng(3)
    n, tau = 200, 10e-3
    v, i = rng.uniform(-1.0, 0.99, n), rng.uniform(-6.0, 8.0, n) * (tau / tau_syn) ** 0.7
    model = rb.CurrentLIF(tau, tau_syn, drive=v_inf, refractory=1.0)
    got = first_spikes(model, {"v": v, "i": i})
    _check_against_scipy(got, v, [i], tau, [tau_syn], v_inf)


def _check_against_scipy(got, v, currents, tau, taus, v_inf):
    """Compare first crossings with those that a fine grid brackets and scipy finds."""
    t = np.concatenate([np.linspace(0, 0.1, 20_001), np.linspace(0.1, 0.5, 2_001)[1:]])[:, None]
    above = _trajectory(t, v, currents, tau, taus, v_inf) >= 1.0
    fires = above.any(axis=0)
    # Where the highest point is this near to threshold, the grid cannot tell.
    peak = _trajectory(t, v, currents, tau, taus, v_inf).max(axis=0)
    clear = np.abs(peak - 1.0) > 1e-6
    assert clear.sum() > 0.95 * v.size
    assert np.array_equal(np.isfinite(got)[clear], fires[clear])
    assert 0.1 * v.size < fires.sum()
    for k in np.flatnonzero(fires & clear):
        at = int(np.argmax(above[:, k]))
        mine = [c[k] for c in currents]
        # Within a grid cell v may rise above threshold and fall back: then ours must be in an earlier cell.
        expected = brentq(
            lambda s, k=k, mine=mine: _trajectory(s, v[k], mine, tau, taus, v_inf) - 1.0,
            float(t[at - 1, 0]), float(t[at, 0]), xtol=1e-17, rtol=1e-15,
        )  # fmt: skip
        slope = np.abs(np.sum([c / tau for c in mine])) + 1.0 / tau
        assert abs(got[k] - expected) < 1e-12 + 1e-15 * slope


@pytest.mark.parametrize("taus", [(2e-3, 7e-3), (7e-3, 2e-3), (1e-3, 30e-3), (4e-3, 4e-3)])
def test_two_currents_that_pull_apart_lift_v_to_threshold_when_scipy_says(taus):
    rng = np.random.default_rng(5)
    n, tau, v_inf = 400, 10e-3, rng.choice([0.0, 0.9, 1.05])
    v = rng.uniform(-1.0, 0.99, n)
    exc, inh = rng.uniform(-4.0, 30.0, n), rng.uniform(-30.0, 4.0, n)
    model = rb.CurrentLIF(tau, tau_syn_exc=taus[0], tau_syn_inh=taus[1], drive=v_inf, refractory=1.0)
    got = first_spikes(model, {"v": v, "i_excitatory": exc, "i_inhibitory": inh})
    _check_against_scipy(got, v, [exc, inh], tau, taus, v_inf)


def test_equal_time_constants_are_the_limit_of_unequal_ones():
    rng = np.random.default_rng(7)
    n, tau = 100, 10e-3
    start = {"v": rng.uniform(-1.0, 0.99, n), "i": rng.uniform(0.0, 8.0, n)}
    exact = first_spikes(rb.CurrentLIF(tau, tau, refractory=1.0), start)
    near = first_spikes(rb.CurrentLIF(tau, tau * (1 + 1e-9), refractory=1.0), start)
    assert 20 < np.isfinite(exact).sum() < 90
    assert np.array_equal(np.isfinite(exact), np.isfinite(near))
    found = np.isfinite(exact)
    assert np.allclose(exact[found], near[found], rtol=0, atol=1e-10)
    alpha = [
        brentq(
            lambda t, k=k: (start["v"][k] + start["i"][k] * t / tau) * math.exp(-t / tau) - 1.0,
            0.0,
            at + 1e-6,
        )
        for k, at in enumerate(exact)
        if np.isfinite(at)
    ]
    assert np.allclose(exact[found], alpha, rtol=0, atol=1e-12)


def test_a_peak_that_only_just_reaches_threshold_is_found_and_one_just_below_is_not():
    tau, tau_syn = 10e-3, 2e-3
    at = math.log(tau / tau_syn) / (1 / tau_syn - 1 / tau)
    unit = float(_trajectory(np.array(at), 0.0, [1.0], tau, [tau_syn], 0.0))
    above, below = 1.0 / unit * (1 + 1e-12), 1.0 / unit * (1 - 1e-12)
    first = first_spikes(
        rb.CurrentLIF(tau, tau_syn, refractory=1.0), {"v": np.zeros(2), "i": np.array([above, below])}
    )
    assert abs(first[0] - at) < 1e-8
    assert first[1] == math.inf


@pytest.mark.parametrize("elapsed", [1e-4, 3e-3, 0.2])
@pytest.mark.parametrize(
    "model",
    [
        rb.LIF(20e-3),
        rb.LI(5e-3),
        rb.CurrentLIF(10e-3, 2e-3),
        rb.CurrentLIF(10e-3, tau_syn_exc=1e-3, tau_syn_inh=10e-3),
    ],
)
def test_what_derive_says_of_a_step_is_what_propagate_says_of_any_time(model, elapsed):
    derived, rules = model.derive(elapsed), model.exact_rules
    words = {name: getattr(np, name) for name in ("exp", "expm1", "maximum", "where", "absolute")}
    words["mean_decay"] = rules.mean_decay.bind(words)
    known = {**derived, "elapsed": elapsed}
    values = rules.propagate.bind(words)(*(known[name] for name in rules.propagate.arguments))
    values = values if rules.propagate.n_returned > 1 else [values]
    assert len(values) == len(model.propagators)
    for name, value in zip(model.propagators, values, strict=True):
        assert value == pytest.approx(derived[name], rel=1e-15)


def _random_states(rng, n):
    """Return potentials, and two currents that pull the same or different ways, some of them huge or zero."""
    v, v_inf = rng.uniform(-3.0, 1.5, (2, n))
    currents = rng.normal(0.0, 1.0, (2, n)) * 10.0 ** rng.uniform(-3.0, 3.0, n)
    currents[rng.integers(0, 2, n // 10), rng.integers(0, n, n // 10)] = 0.0
    return v, currents, v_inf


@pytest.mark.parametrize("taus", [(10e-3, 2e-3), (2e-3, 30e-3), (10e-3, 10e-3), (10e-3, 10e-3 * (1 + 1e-7))])
def test_v_never_exceeds_its_ceiling(taus):
    rng = np.random.default_rng(11)
    n, (tau, tau_syn) = 4000, taus
    v, (exc, inh), v_inf = _random_states(rng, n)
    model = rb.CurrentLIF(tau, tau_syn_exc=tau_syn, tau_syn_inh=3e-3, drive=v_inf)
    rule, derived = model.exact_rules.ceiling, model.derive(1e-3)
    known = {**derived, "v": v, "i_excitatory": exc, "i_inhibitory": inh}
    ceiling = rule.bind({"maximum": np.maximum})(*(known[name] for name in rule.arguments))
    highest, held = v.copy(), np.full(n, -np.inf)
    later = [
        rng.exponential(5e-3, n) for _ in range(2)
    ]  # what a time in which v is held leaves of the currents
    for t in np.geomspace(1e-6, 0.3, 400):
        moves = model.derive(t)
        step = {**moves, "v": v, "i_excitatory": exc, "i_inhibitory": inh}
        highest = np.maximum(highest, _moved(model, step))
        step |= {
            name: i * np.exp(-at / 5e-3)
            for name, i, at in zip(list(step)[-2:], (exc, inh), later, strict=True)
        }
        held = np.maximum(held, _moved(model, step))
    assert (highest <= ceiling).all()
    assert (held <= ceiling).all()
    # It is no higher than it must be where one current alone moves v up from where it rests.
    alone = {**known, "v": v_inf, "i_excitatory": np.full(n, 5.0), "i_inhibitory": np.zeros(n)}
    least = rule.bind({"maximum": np.maximum})(*(alone[name] for name in rule.arguments))
    peaks = [_moved(model, {**alone, **model.derive(t)}) for t in np.geomspace(1e-6, 0.3, 4000)]
    assert np.allclose(np.max(peaks, axis=0), least, rtol=0, atol=1e-5)


def _moved(model, known):
    """Return v after a time for which constants were derived."""
    v = known["v_inf"] + (known["v"] - known["v_inf"]) * known["decay"]
    return v + sum(known[f"gain_{port}"] * known[f"i_{port}"] for port in ("excitatory", "inhibitory"))


def test_spikes_are_the_same_where_no_ceiling_saves_the_search():
    class Searched(rb.CurrentLIF):
        ceiling = None

    records = []
    for kind in (rb.CurrentLIF, Searched):
        rng = np.random.default_rng(13)
        net = rb.Network(seed=0)
        times = np.sort(rng.uniform(0, 0.3, 3000))
        source = net.add(rb.SpikeSource(50, times=times, ids=rng.integers(0, 50, 3000)))
        model = kind(10e-3, tau_syn_exc=2e-3, tau_syn_inh=5e-3, refractory=1e-3)
        cells = net.add(rb.Population(80, model))
        for name, weight in (("excitatory", 1.6), ("inhibitory", -0.5)):
            net.add(
                rb.Projection(
                    source, cells, rb.random(0.2), weight=weight, receptor=name, delay=1e-3, name=name
                )
            )
        probe = net.add(rb.Probe(cells))
        records.append(rb.Simulator(net, method="event").run(0.3)[probe])
    assert len(records[0]) > 200
    assert np.array_equal(records[0].steps, records[1].steps)
    assert np.array_equal(records[0].ids, records[1].ids)


def test_expm1_in_kernels_is_that_of_numpy():
    x = np.concatenate([-np.geomspace(1e-300, 700.0, 2000), np.linspace(-3.0, 3.0, 2001), [0.0]])

    @njit
    def of_all(x):
        return np.array([expm1(value) for value in x])

    assert np.allclose(of_all(x), np.expm1(x), rtol=5e-16, atol=0)
