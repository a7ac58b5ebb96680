"""Short-term plasticity: against closed forms, scipy's solver, recordings of NEST, and on every backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import rheobase as rb

RECORDED = np.load(Path(__file__).with_name("nest_short_term.npz"), allow_pickle=False)
#: U, tau_rec and tau_facil, as in record_nest_short_term.py.
CASES = {
    "depressing": (0.5, 0.8, 0.0),
    "facilitating": (0.03, 0.13, 0.53),
    "mixed": (0.32, 0.144, 0.06),
}
DT = 1e-4


def delivered(rule, trains, backend, *, precision="float64", dt=DT):
    """Return what each step brings to a cell for each source: real (steps, n); one cell a source."""
    times = np.concatenate(trains)
    ids = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
    order = np.argsort(times, kind="stable")
    net = rb.Network(seed=0)
    source = net.add(rb.SpikeSource(len(trains), times=times[order], ids=ids[order]))
    cells = net.add(rb.Population(len(trains), rb.IF(threshold=1e9), name="cells"))
    p = net.add(rb.Projection(source, cells, rb.one_to_one(), weight=1.0, rule=rule, name="p"))
    v = net.add(rb.Probe(cells, "v"))
    sim = rb.Simulator(net, dt, backend=backend, precision=precision)
    result = sim.run(float(times.max()) + 3 * dt)
    return np.diff(result[v].values, axis=-2, prepend=0.0), sim, p


@pytest.mark.parametrize("case", CASES)
def test_every_spike_delivers_what_nest_delivers(case, backend):
    train = RECORDED["train"] * 1e-3
    lifted, _, _ = delivered(rb.TsodyksMarkram(*CASES[case]), [train], backend)
    amplitudes = lifted[lifted > 0]
    np.testing.assert_allclose(amplitudes, RECORDED[case], rtol=0, atol=2e-12)
    # Where its current lasts for 1e-4 ms, NEST's other synapse is the same.
    np.testing.assert_allclose(amplitudes, RECORDED[f"{case}_first"], rtol=0, atol=1e-6)
    assert np.ptp(amplitudes) > 0.1 * amplitudes.max()


@pytest.mark.parametrize("case", CASES)
def test_every_spike_delivers_what_the_differential_equations_say(case):
    U, tau_rec, tau_facil = CASES[case]
    train = np.array([0.0, 0.013, 0.020, 0.300, 0.301, 0.900])
    expected, x, u = [], 1.0, 0.0
    for k, now in enumerate(train):
        if k:
            slope = lambda _, y: [(1.0 - y[0]) / tau_rec, -y[1] / tau_facil if tau_facil else 0.0]  # noqa: E731
            solved = solve_ivp(slope, (train[k - 1], now), [x, u], rtol=1e-10, atol=1e-13)
            x, u = solved.y[:, -1]
        u = u + U * (1.0 - u) if tau_facil else U
        expected.append(u * x)
        x -= u * x
    lifted, _, _ = delivered(rb.TsodyksMarkram(U, tau_rec, tau_facil), [train], "reference", dt=1e-3)
    np.testing.assert_allclose(lifted[lifted > 0], expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("precision", [None, "float64"])
def test_a_regular_train_settles_at_the_closed_form(case, precision):
    """u = U / (1 - (1 - U) e_f), x = (1 - e_r) / (1 - (1 - u) e_r), with e = exp(-interval / tau)."""
    U, tau_rec, tau_facil = CASES[case]
    interval = 0.025
    recovered, faded = (np.exp(-interval / tau) if tau else 0.0 for tau in (tau_rec, tau_facil))
    u = U / (1.0 - (1.0 - U) * faded)
    x = (1.0 - recovered) / (1.0 - (1.0 - u) * recovered)
    train = np.arange(400) * interval
    lifted, sim, p = delivered(
        rb.TsodyksMarkram(U, tau_rec, tau_facil), [train], "numba", precision=precision
    )
    state = sim.state(p)
    tolerance = 1e-12 if precision else 2e-6
    assert state["u"] == pytest.approx([u], abs=tolerance)
    assert state["x"] == pytest.approx([x], abs=tolerance)
    assert state["released"] == pytest.approx([u * x], abs=tolerance)
    assert state["last"].tolist() == [round(train[-1] / DT)]
    if precision:
        assert lifted[lifted > 0][-1] == pytest.approx(u * x, abs=1e-10)


@pytest.mark.parametrize("case", CASES)
def test_several_spikes_of_one_step_follow_one_another_without_recovery(twins, case, backend):
    rule = rb.TsodyksMarkram(*CASES[case])
    numbers, gap = [1, 2, 3, 7, 200], 0.050
    train = np.repeat(np.arange(len(numbers)) * gap, numbers)
    lifted, sim, p = delivered(rule, [train], backend)
    steps = np.round(np.arange(len(numbers)) * gap / DT).astype(int) + 1
    by_spike = np.array(twins.plasticity.tsodyks_markram(train, *CASES[case]))
    expected = [part.sum() for part in np.split(by_spike, np.cumsum(numbers)[:-1])]
    np.testing.assert_allclose(lifted[steps, 0], expected, rtol=0, atol=1e-10)
    assert np.count_nonzero(lifted) == len(numbers)
    state = sim.state(p)
    assert state["u"][0] * state["x"][0] == pytest.approx(by_spike[-1], abs=1e-12)


def test_a_pause_is_exact_however_long_it_is(twins, backend):
    rule = (0.5, 0.8, 0.3)
    train = np.array([0.0, 0.01, 10.0, 10.01])
    lifted, _, _ = delivered(rb.TsodyksMarkram(*rule), [train], backend, precision=None, dt=10e-3)
    expected = twins.plasticity.tsodyks_markram(train, *rule)
    np.testing.assert_allclose(lifted[lifted > 0], expected, rtol=2e-4)


def test_each_source_has_parameters_of_its_own(twins, backend):
    U, tau_rec, tau_facil = np.array(list(CASES.values())[1:]).T
    train = np.array([0.001, 0.004, 0.020, 0.021])
    lifted, _, _ = delivered(rb.TsodyksMarkram(U, tau_rec, tau_facil), [train, train], backend)
    for k in range(2):
        alone = twins.plasticity.tsodyks_markram(train, U[k], tau_rec[k], tau_facil[k])
        np.testing.assert_allclose(lifted[:, k][lifted[:, k] > 0], alone, rtol=0, atol=1e-10)


def busy(rule, other=None):
    """Slices, shared sources, drawn weights and delays, recurrence, zero delays, and what has no rule."""
    net = rb.Network(seed=1)
    source = net.add(rb.PoissonSource(40, rate=300.0, name="in"))
    out = net.add(rb.Population(30, rb.LIF(20e-3), name="out"))
    late = net.add(rb.Population(12, rb.LIF(20e-3), name="late"))
    spread = rb.uniform(1e-3, 5e-3)
    net.add(
        rb.Projection(
            source[5:30], out, rb.random(p=0.5), weight=rb.normal(0.3, 0.1), delay=spread, rule=rule, name="p"
        )
    )
    net.add(
        rb.Projection(out[4:], out, rb.random(p=0.4, self_connections=False), weight=0.2, rule=rule, name="q")
    )
    net.add(rb.Projection(source, out, rb.fixed_in(3), weight=0.1, name="plain"))
    net.add(rb.Projection(out, late, rb.dense(), weight=0.4, delay=0.0, rule=other or rule, name="d"))
    for name in ("out", "late"):
        net.add(rb.Probe(net[name], name=f"spikes of {name}"))
    net.add(rb.Probe(late, "v", name="v"))
    return net


RULE = rb.TsodyksMarkram(U=0.4, tau_rec=0.1, tau_facil=0.05)


def same(a, b):
    (first, one), (second, two) = a, b
    for name in ("spikes of out", "spikes of late"):
        assert len(first[name]) > 50
        for column in ("steps", "ids", "trials"):
            np.testing.assert_array_equal(getattr(first[name], column), getattr(second[name], column))
    np.testing.assert_array_equal(first["v"].values, second["v"].values)
    for p in ("p", "q", "d"):
        for name, values in one.state(p).items():
            np.testing.assert_array_equal(values, two.state(p)[name])
    assert first.counts == second.counts


def outcome(net, seconds=0.15, **options):
    sim = rb.Simulator(net, 1e-3, **options)
    return sim.run(seconds), sim


@pytest.mark.parametrize("precision", [None, "float64"])
def test_every_backend_has_the_same_bits(precision, compiled):
    net = busy(RULE, rb.TsodyksMarkram())
    expected = outcome(net, backend="reference", batch=2, precision=precision)
    for threads in (1, 2):
        same(
            outcome(net, backend=compiled, batch=2, precision=precision, threads=threads),
            expected,
        )


def test_one_trial_shared_by_threads_has_the_same_bits(compiled):
    expected = outcome(busy(RULE), backend="reference")
    same(outcome(busy(RULE), backend=compiled, threads=2), expected)


@pytest.mark.parametrize("seen", [False, True], ids=["private", "probed"])
def test_few_of_many_sources_that_fire_have_the_same_bits(seen):
    """More sources than an update takes at a time, and no whole number of them."""

    def run(**options):
        net = rb.Network(seed=2)
        source = net.add(rb.PoissonSource(2500, rate=5.0, name="in"))
        out = net.add(rb.Population(40, rb.LIF(20e-3, threshold=1e9), name="out"))
        p = net.add(rb.Projection(source, out, rb.fixed_out(3), weight=rb.normal(0.3, 0.1), rule=RULE))
        if seen:
            net.add(rb.Probe(source, "counts"))
        v = net.add(rb.Probe(out, "v"))
        sim = rb.Simulator(net, 1e-3, **options)
        result = sim.run(0.1)
        return {**sim.state(p), "v": result[v].values}, result.counts

    expected, counted = run(backend="reference")
    assert 200 < np.count_nonzero(expected["last"] >= 0) < 2250
    assert np.any(np.diff(np.sort(expected["last"])) == 0)
    for threads in (1, 2):
        mine, counts = run(backend="numba", threads=threads)
        assert counts == counted
        for name, values in expected.items():
            np.testing.assert_array_equal(mine[name], values)


def test_a_run_can_be_cut_reset_and_resumed_elsewhere(tmp_path, backend):
    whole = outcome(busy(RULE), 0.09, backend="numba")
    parts = rb.Simulator(busy(RULE), 1e-3, backend=backend)
    for k, other in enumerate(("reference", "numba", backend)):
        parts.run(0.02)
        parts.checkpoint(tmp_path / f"{k}.npz")
        parts = rb.Simulator.resume(tmp_path / f"{k}.npz", backend=other)
    parts.run(0.03)
    for p in ("p", "q", "d"):
        for name, values in whole[1].state(p).items():
            np.testing.assert_array_equal(values, parts.state(p)[name])
    whole[1].reset()
    assert whole[1].state("p")["last"].tolist() == [-1] * 25
    again = whole[1].run(0.09)
    np.testing.assert_array_equal(again["v"].values, whole[0]["v"].values)


def test_synapses_are_those_of_the_same_network_without_the_rule(backend):
    plain = rb.Simulator(busy(None), 1e-3, backend=backend)
    ruled = rb.Simulator(busy(RULE), 1e-3, backend=backend)
    for p in ("p", "q", "plain", "d"):
        np.testing.assert_array_equal(plain.weights(p), ruled.weights(p))
    mine, theirs = (sim.plan.synapses("q") for sim in (plain, ruled))
    np.testing.assert_array_equal(mine.targets, theirs.targets)
    np.testing.assert_array_equal(mine.indptr, theirs.indptr)
    assert not np.any(mine.sources() + 4 == mine.targets)


def test_counts_and_sizes_speak_of_the_users_network(backend):
    plain, ruled = (outcome(busy(rule), backend=backend) for rule in (None, RULE))
    counts = ruled[0].counts
    assert [p.name for p in counts.populations] == ["in", "out", "late"]
    assert [(p.name, p.pre, p.post) for p in counts.projections] == [
        ("p", "in", "out"), ("q", "out", "out"), ("plain", "in", "out"), ("d", "out", "late"),
    ]  # fmt: skip
    assert [p.arithmetic for p in counts.projections] == ["mac", "mac", "ac", "mac"]
    for mine, theirs in zip(counts.projections, plain[0].counts.projections, strict=True):
        assert (mine.n_synapses, mine.senders, mine.plastic) == (theirs.n_synapses, theirs.senders, False)
        assert mine.weight_updates == (0 if mine.name == "plain" else mine.sent)
    # The input is the same in both: so are its events.
    assert counts.projections[0].events == plain[0].counts.projections[0].events
    assert counts.projections[0].packets == counts.projections[0].sent
    assert ruled[0].info.n_neurons == 42
    assert dict(ruled[0].populations) == dict(plain[0].populations)
    assert "group p.relay: 25 x TsodyksMarkram, level 1" in str(ruled[1].plan)


def test_each_spike_of_a_source_that_nobody_records_counts_for_its_own_synapses(backend):
    net = rb.Network()
    source = net.add(rb.PoissonSource(3, rate=300.0, name="in"))
    cells = net.add(rb.Population(9, rb.IF(threshold=99.0)))
    fan_out = [8, 1, 0]
    pairs = np.repeat([0, 1, 2], fan_out), np.arange(9)
    net.add(rb.Projection(source, cells, rb.explicit(*pairs), weight=0.1, rule=RULE, name="p"))
    unseen = outcome(net, backend=backend)[0].counts.projections[0]
    spikes = net.add(rb.Probe(source))
    seen = outcome(net, backend=backend)[0]
    sent = np.bincount(seen[spikes].ids, minlength=3)
    assert unseen == seen.counts.projections[0]
    assert (unseen.events, unseen.sent) == (sent @ fan_out, sent[:2].sum())


def test_an_image_may_be_sent_through_a_convolution(compiled):
    def run(backend):
        net = rb.Network(seed=0)
        image = net.add(rb.PoissonSource((2, 6, 6), rate=200.0))
        out = net.add(rb.Population((3, 4, 4), rb.LIF(20e-3), name="out"))
        weight = np.random.default_rng(0).normal(0.2, 0.2, (3, 2, 3, 3))
        net.add(rb.Projection(image, out, rb.conv2d(), weight=weight, rule=RULE, name="p"))
        v = net.add(rb.Probe(out, "v"))
        sim = rb.Simulator(net, 1e-3, backend=backend)
        return sim.run(0.05)[v].values, sim.state("p")["x"]

    for mine, theirs in zip(run(compiled), run("reference"), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_network_with_the_rule_is_saved_and_read(tmp_path):
    net = busy(RULE)
    net.save(tmp_path / "net.toml")
    assert "TsodyksMarkram" in (tmp_path / "net.toml").read_text()
    again = rb.Network.load(tmp_path / "net.toml")
    assert [part.name for part in again] == [part.name for part in net]
    assert again["p"].rule == RULE
    same(outcome(again), outcome(net))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"U": 0.0}, r"TsodyksMarkram\.U: got 0\.0; .*> 0"),
        ({"U": 1.5}, r"TsodyksMarkram\.U: got 1\.5; .*<= 1"),
        ({"tau_rec": 0.0}, r"TsodyksMarkram\.tau_rec"),
        ({"tau_facil": -1.0}, r"TsodyksMarkram\.tau_facil"),
        ({"tau_facil": [0.0, 0.1]}, r"TsodyksMarkram\.tau_facil: got zeros among 0\.1 s"),
        ({"U": [0.1, 0.2, 0.3]}, r"p\.rule: its arrays describe 3 sources, there are 2"),
    ],
)
def test_parameters_that_cannot_be_meant_are_refused(given, message):
    source, out = rb.PoissonSource(2, rate=1.0), rb.Population(2, rb.IF())
    with pytest.raises(rb.SpecError, match=message):
        rb.Projection(source, out, rb.dense(), weight=1.0, rule=rb.TsodyksMarkram(**given), name="p")


def test_what_sends_numbers_has_no_short_term_plasticity():
    out = rb.Population(2, rb.IF())
    for source in (rb.CurrentSource(2), rb.Population(2, rb.EventNeuron(0.5), name="graded")):
        with pytest.raises(rb.SpecError, match=r"TsodyksMarkram takes spikes, and .* sends numbers"):
            rb.Projection(source, out, rb.dense(), weight=1.0, rule=rb.TsodyksMarkram())


def test_a_source_of_too_many_spikes_a_step_is_refused():
    net = rb.Network()
    source = net.add(rb.PoissonSource(2, rate=5e5))
    out = net.add(rb.Population(2, rb.IF()))
    net.add(rb.Projection(source, out, rb.dense(), weight=1.0, rule=rb.TsodyksMarkram(), name="p"))
    with pytest.raises(rb.PlanError, match=r"p\.rule: poissonsource may send \d+ spikes in one step"):
        rb.Simulator(net, 1e-3)
