"""`method="auto"`: what it gives is what the clock gives, and it says why it goes as it does."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine.choice import choose, most_rates
from rheobase.engine.planning import make_plan

DT = 1e-4
STEPS = 3000
MODELS = [
    rb.IF(threshold=1.0),
    rb.IF(threshold=np.linspace(0.6, 1.4, 30), refractory=0.7e-3),
    rb.IF(threshold=1.0, reset="hard", v_reset=-0.3, refractory=np.linspace(0.0, 2e-3, 30)),
    rb.IF(threshold=1.0, reset="hard", strict=True),
    rb.IF(threshold=1.0, strict=True, reset_by=0.4),
]


def _net(rng, model, *, spikes=600, strength=1.0):
    """Return a random network of two layers and a loop, all events of which are whole steps apart."""
    net = rb.Network(seed=int(rng.integers(1000)))
    steps = np.sort(rng.integers(0, STEPS - 500, spikes))
    source = net.add(rb.SpikeSource(20, times=steps * DT, ids=rng.integers(0, 20, spikes), name="source"))
    first = {"v": rng.uniform(-0.5, 1.6, 30)}
    if model.used_states[-1].name == "ready":
        first["ready"] = rng.integers(-3, 40, 30)
    cells = net.add(rb.Population(30, model, initial=first, name="cells"))
    out = net.add(rb.Population(10, rb.IF(threshold=1.5), name="out"))
    pairs = np.nonzero(rng.random((20, 30)) < 0.3)
    delays = rng.integers(1, 40, pairs[0].size) * DT
    weights = rng.normal(0.1, 0.3, pairs[0].size) * strength
    net.add(rb.Projection(source, cells, rb.explicit(*pairs), weight=weights, delay=delays, name="in"))
    net.add(rb.Projection(cells, out, rb.random(0.3), weight=rb.normal(0.3, 0.1), delay=0.0, name="up"))
    net.add(rb.Projection(out, cells, rb.random(0.2), weight=-0.2, delay=2e-3, name="down"))
    net.add(rb.Projection(cells[:20], cells, rb.random(0.1), weight=0.1, delay=7 * DT, name="loop"))
    for part in (source, cells, out):
        net.add(rb.Probe(part, name=f"{part.label} spikes"))
    net.add(rb.Probe(cells[3:], "counts", name="counts", start=0.1))
    net.add(rb.Probe(cells, "v", every=0.05, name="v"))
    return net


def _pair(net, **options):
    """Return a simulator that skips steps, whatever that costs, and a clocked one."""
    clocked = rb.Simulator(net, DT, backend="reference", **options)
    return rb.Simulator(net, DT, method="auto", **options), clocked


def _assert_same(a, b):
    for name in ("source spikes", "cells spikes", "out spikes"):
        assert np.array_equal(a[name].steps, b[name].steps)
        assert np.array_equal(a[name].ids, b[name].ids)
        assert np.array_equal(a[name].trials, b[name].trials)
    assert np.array_equal(a["counts"].counts, b["counts"].counts)
    assert np.array_equal(a["v"].times, b["v"].times)
    assert np.array_equal(a["v"].values, b["v"].values)
    assert a.counts == b.counts


def _assert_same_state(a, b):
    for name in ("cells", "out"):
        mine, theirs = a.state(name), b.state(name)
        assert all(np.array_equal(mine[key], theirs[key]) for key in theirs)
        assert all(mine[key].dtype == theirs[key].dtype for key in theirs if key != "ready")


@pytest.fixture
def at_any_cost(monkeypatch):
    """Let every network that allows it go from event to event."""
    monkeypatch.setattr("rheobase.engine.choice.MARGIN", 0.0)


@pytest.mark.parametrize("precision", [None, "fixed"])
@pytest.mark.parametrize("k", range(len(MODELS)))
@pytest.mark.usefixtures("at_any_cost")
def test_what_it_gives_is_what_the_clock_gives(k, precision):
    auto, clocked = _pair(_net(np.random.default_rng(k), MODELS[k]), precision=precision)
    for seconds in (0.1, 0.0333, 0.15):
        a, b = auto.run(seconds), clocked.run(seconds)
        assert (a.info.method, b.info.method) == ("event", "clocked")
        assert len(b["cells spikes"]) > 15
        _assert_same(a, b)
        _assert_same_state(auto, clocked)


@pytest.mark.usefixtures("at_any_cost")
def test_trials_images_and_several_spikes_of_a_train_in_a_step_are_those_of_the_clock():
    rng = np.random.default_rng(3)
    net = rb.Network(seed=0)
    steps = np.sort(rng.integers(0, 200, 900))
    image = net.add(rb.SpikeSource((2, 6, 5), times=steps * DT, ids=rng.integers(0, 60, 900)))
    hidden = net.add(rb.Population((4, 3, 3), rb.IF(), initial={"v": rb.uniform(-0.5, 0.9)}, name="hidden"))
    out = net.add(rb.Population(3, rb.IF(reset="hard"), name="out"))
    kernel = rng.normal(0.2, 0.4, (4, 1, 3, 2))
    net.add(rb.Projection(image, hidden, rb.conv2d(stride=2, padding=1, groups=2), weight=kernel, delay=0.0))
    net.add(rb.Projection(hidden, out, rb.dense(), weight=rng.normal(0.1, 0.3, (3, 36)), delay=3e-4))
    probes = [net.add(rb.Probe(part)) for part in (image, hidden, out)]
    a, b = (sim.run(0.05) for sim in _pair(net, precision="fixed", batch=2))
    assert (a.info.method, b.info.method) == ("event", "clocked")
    for probe in probes:
        assert len(b[probe]) > 20
        for column in ("steps", "ids", "trials"):
            assert np.array_equal(getattr(a[probe], column), getattr(b[probe], column))
    assert np.any(np.diff(a[probes[0]].steps * 60 + a[probes[0]].ids) == 0)


@pytest.mark.parametrize("seed", [5, 6])
@pytest.mark.usefixtures("at_any_cost")
def test_checkpoints_go_on_by_the_clock_and_back(tmp_path, seed):
    auto, clocked = _pair(_net(np.random.default_rng(seed), MODELS[1 + seed % 2]))
    auto.run(0.1234), clocked.run(0.1234)
    auto.checkpoint(tmp_path / "event.npz"), clocked.checkpoint(tmp_path / "clock.npz")
    by_clock = rb.Simulator.resume(tmp_path / "event.npz", backend="reference")
    by_event = rb.Simulator(clocked.plan.network, DT, method="auto")
    by_event._machine.restore(clocked._machine.snapshot())
    assert "goes step by step only" in str(by_clock)
    expected = clocked.run(0.2)
    for sim in (auto, by_event, by_clock, rb.Simulator.resume(tmp_path / "event.npz")):
        _assert_same(sim.run(0.2), expected)
        _assert_same_state(sim, clocked)
    auto.reset(), clocked.reset()
    _assert_same(auto.run(0.1), clocked.run(0.1))


@pytest.mark.usefixtures("at_any_cost")
def test_what_is_set_between_runs_takes_effect_as_by_the_clock():
    auto, clocked = _pair(_net(np.random.default_rng(9), MODELS[2]))
    changes = [
        ("cells", {"v": np.linspace(-1.0, 3.0, 30)}), ("in", {"weight": 0.35}), ("out", {"threshold": 0.7}),
        ("out", {"v": 5.0, "drive": 0.01}),
    ]  # fmt: skip
    methods = []
    for part, values in changes:
        for sim in (auto, clocked):
            sim.set(part, **values)
        a, b = auto.run(0.05), clocked.run(0.05)
        _assert_same(a, b)
        _assert_same_state(auto, clocked)
        methods.append(a.info.method)
    # A drive moves neurons in every step: what was in flight goes on by the clock.
    assert methods == ["event", "event", "event", "clocked"]
    assert "drive is added in every step" in str(auto)


def _plain(*parts, model=None, times=(0.01,), connect=None, **projection):
    net = rb.Network(seed=0)
    fed = None if times is None else np.asarray(times, float)
    source = net.add(
        rb.SpikeSource(2, times=fed, ids=None if fed is None else np.zeros(fed.size, int), name="source")
    )
    cells = net.add(rb.Population(2, model or rb.IF(), name="cells"))
    net.add(rb.Projection(source, cells, connect or rb.one_to_one(), **{"name": "p", **projection}))
    for part in parts:
        net.add(part(cells) if callable(part) else part)
    return net


@pytest.mark.parametrize(
    ("net", "why"),
    [
        (_plain(model=rb.LIF(20e-3)), "cells: LIF may move between events"),
        (_plain(model=rb.LI(20e-3)), "cells: LI may move"),
        (_plain(model=rb.IF(drive=0.1)), "cells: drive is added in every step"),
        (_plain(model=rb.IF(resistance=2.0)), "cells: with a resistance input is a current"),
        (_plain(model=rb.IF(reset="none")), "cells: reset='none' fires in every step"),
        (_plain(model=rb.IF(reset_delay=True)), "cells: reset_delay=True"),
        (_plain(model=rb.IF(escape=0.1)), "cells fires by chance in every step"),
        (_plain(rb.PoissonSource(2, rate=1.0, name="x")), "x draws spikes step by step"),
        (_plain(rb.CurrentSource(2, values=[0.0, 1.0], name="x")), "x sends values step by step"),
        (_plain(times=None), "source is fed by runs"),
        (_plain(lambda cells: rb.Operator("softmax", cells, name="x")), "x is computed step by step"),
        (_plain(connect=rb.dense(), weight=np.ones((2, 2))), "p sums in floating point"),
        (_plain(rule=rb.TsodyksMarkram(0.5, 0.1)), "p: TsodyksMarkram learns step by step"),
        (
            _plain(rule=rb.STDP(20e-3, 20e-3, a_pre=0.1, a_post=-0.1, w_max=2.0)),
            "p: STDP learns step by step",
        ),
    ],
)
def test_what_needs_the_clock_is_named(net, why):
    choice = choose(make_plan(net, DT), "numba")
    assert choice.method == "clocked"
    assert choice.why.startswith(why)


def test_other_backends_go_by_the_clock_and_steps_are_needed():
    sim = rb.Simulator(_plain(), DT, method="auto", backend="reference")
    why = "the backend 'reference' goes step by step only"
    assert f"method 'auto' is 'clocked': {why}" in str(sim)
    assert (sim.run(1e-3).info.method, sim.run(1e-3).info.choice) == ("clocked", why)
    with pytest.raises(rb.SpecError, match=r"Simulator\.dt: got None"):
        rb.Simulator(_plain(), method="auto")


def _busy(rate, *, loop=0.0):
    net = rb.Network(seed=0)
    number = max(int(rate * 10), 1)
    source = net.add(rb.SpikeSource(10, times=np.linspace(0.0, 1.0, number), ids=np.arange(number) % 10))
    cells = net.add(rb.Population(2000, rb.IF(threshold=5.0), name="cells"))
    net.add(rb.Projection(source, cells, rb.fixed_out(1000), weight=0.5))
    if loop:
        net.add(rb.Projection(cells, cells, rb.fixed_in(10), weight=loop))
    return net


def test_the_choice_follows_the_rate_and_shows_the_estimate():
    quiet, busy = (rb.Simulator(_busy(rate), DT, method="auto") for rate in (1.0, 5000.0))
    assert "'auto' is 'event': at most 5 events per neuron and second would take" in str(quiet)
    assert "'auto' is 'clocked': at most 2.5e+04 events per neuron and second would take" in str(busy)
    assert quiet.run(0.01).info.method == "event"
    assert quiet.run(0.01).info.choice in str(quiet)
    assert "in steps of 0.0001 s with events" in str(quiet.run(0.01))


def test_what_may_excite_itself_without_end_goes_by_the_clock():
    # Ten inputs of 0.55 for a threshold of 5 cause more spikes than they are.
    assert rb.Simulator(_busy(1.0, loop=0.05), DT, method="auto").run(0.01).info.method == "event"
    assert rb.Simulator(_busy(1.0, loop=0.55), DT, method="auto").run(0.01).info.method == "clocked"


@pytest.mark.parametrize("k", range(len(MODELS)))
@pytest.mark.usefixtures("at_any_cost")
def test_neurons_send_no_more_than_is_expected_at_most(k):
    net = _net(np.random.default_rng(20 + k), MODELS[k], strength=2.0)
    sim = rb.Simulator(net, DT, method="auto")
    expected = most_rates(sim.plan)
    seconds = (STEPS - 500) * DT
    counts = {p.name: p for p in sim.run(seconds).counts.populations}
    for name in ("cells", "out"):
        # First values may give a spike or two that no input pays for.
        assert counts[name].spikes / counts[name].n <= expected[name] * seconds + 3
    assert expected["cells"] < 1 / DT
