"""Whole networks from event to event: a twin, clocked runs on and off the grid, and what a run must keep."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine.events import TICK


def _pairs(rng, n_pre, n_post, count):
    return rng.integers(0, n_pre, count), rng.integers(0, n_post, count)


def _recurrent(rng, model, *, n=12, count=60, weight=0.3, delay=None, inputs=40, seconds=0.2, receptor=None):
    """Return a network of one population, its parts, and all about it as plain arrays."""
    times = np.sort(rng.uniform(0.0, seconds, inputs))
    ids = rng.integers(0, 5, inputs)
    net = rb.Network(seed=0)
    source = net.add(rb.SpikeSource(5, times=times, ids=ids))
    cells = net.add(rb.Population(n, model, name="cells"))
    found = {"times": times, "ids": ids}
    for name, pre, size in (("in", source, 5), ("rec", cells, n)):
        a, b = _pairs(rng, size, n, count)
        w = rng.uniform(-weight / 2, weight, count)
        d = rng.uniform(0.5e-3, 8e-3, count) if delay is None else np.full(count, delay)
        net.add(rb.Projection(pre, cells, rb.explicit(a, b), weight=w, delay=d, name=name, receptor=receptor))
        found[name] = a, b, w, d
    return net, cells, net.add(rb.Probe(cells, name="spikes")), found


def _twin(twins, cells, found, current, seconds):
    a, b, w, d = found["rec"]
    synapses = [[] for _ in cells]
    for pre, post, weight, delay in zip(a, b, w, d, strict=True):
        synapses[pre].append((int(post), weight, delay, current))
    inputs = [
        (time + delay, int(post), weight, current)
        for time, source in zip(found["times"], found["ids"], strict=True)
        for pre, post, weight, delay in zip(*found["in"], strict=True)
        if pre == source
    ]
    spikes = sorted(twins.events.run(cells, synapses, inputs, seconds))
    return np.array([t for t, _ in spikes]), np.array([k for _, k in spikes])


def test_a_recurrent_network_with_delays_of_its_own_for_each_synapse_is_its_twin(twins):
    net, _cells, probe, found = _recurrent(
        np.random.default_rng(2), rb.LIF(20e-3, drive=1.1, v_reset=-0.2, refractory=1.7e-3)
    )
    sim = rb.Simulator(net, method="event", precision="float64")
    record = sim.run(0.2)[probe]
    cell = lambda: twins.events.Cell(20e-3, v_inf=1.1, v_reset=-0.2, refractory=1.7e-3, v=0.0)  # noqa: E731
    times, ids = _twin(twins, [cell() for _ in range(12)], found, None, 0.2)
    assert len(times) > 40
    assert np.array_equal(record.ids, ids)
    assert np.allclose(record.times, times, rtol=0, atol=1e-12)


def test_currents_that_arrive_at_any_time_make_neurons_fire_when_the_twin_says(twins):
    model = rb.CurrentLIF(15e-3, 4e-3, drive=0.85, refractory=2e-3)
    net, _cells, probe, found = _recurrent(np.random.default_rng(4), model, weight=3.0, delay=1.3e-3)
    record = rb.Simulator(net, method="event", precision="float64").run(0.2)[probe]
    cell = lambda: twins.events.Cell(15e-3, (4e-3,), v_inf=0.85, refractory=2e-3, v=0.0)  # noqa: E731
    times, ids = _twin(twins, [cell() for _ in range(12)], found, 0, 0.2)
    assert len(times) > 20
    assert np.array_equal(record.ids, ids)
    assert np.allclose(record.times, times, rtol=0, atol=1e-12)


def _on_grid(dt=1e-4):
    """Return a network all of whose events lie on a grid: two layers without delay, and loops with some."""
    rng = np.random.default_rng(6)
    net = rb.Network(seed=1)
    steps = np.sort(rng.integers(0, 2000, 900))
    source = net.add(rb.SpikeSource(30, times=steps * dt, ids=rng.integers(0, 30, 900), name="source"))
    model = rb.LIF(10e-3, refractory=1.5e-3)
    first = net.add(rb.Population(40, model, name="first"))
    second = net.add(rb.Population(25, model, name="second"))
    net.add(rb.Projection(source, first, rb.random(0.3), weight=0.4))
    net.add(rb.Projection(first, second, rb.random(0.3), weight=rb.normal(0.3, 0.1), delay=0.0))
    pairs = np.nonzero(rng.random((40, 40)) < 0.2)
    delays = rng.integers(10, 30, pairs[0].size) * dt
    net.add(rb.Projection(first, first, rb.explicit(*pairs), weight=-0.1, delay=delays))
    net.add(rb.Projection(second, first, rb.random(0.2), weight=0.2, delay=2e-3))
    return net, [net.add(rb.Probe(p, name=p.label + " spikes")) for p in (source, first, second)]


@pytest.mark.parametrize("precision", ["fixed", "float64"])
def test_where_all_events_lie_on_the_grid_spikes_are_those_of_a_clocked_run(precision):
    net, probes = _on_grid()
    event = rb.Simulator(net, 1e-4, method="event", precision=precision).run(0.2)
    clocked = rb.Simulator(net, 1e-4, backend="reference", precision=precision).run(0.2)
    for probe in probes:
        a, b = event[probe.name], clocked[probe.name]
        assert len(b) > 100
        assert np.array_equal(a.steps, b.steps * 10**11)
        assert np.array_equal(a.ids, b.ids)
    for mine, theirs in zip(event.counts.projections, clocked.counts.projections, strict=True):
        assert (mine.events, mine.sent, mine.n_synapses) == (theirs.events, theirs.sent, theirs.n_synapses)
    assert 0 < event.counts.updates < 0.5 * clocked.counts.updates


def test_clocked_runs_come_nearer_with_smaller_steps_by_the_first_order():
    # Feed-forward, so that an error stays one: how far spikes of driven neurons are off.
    net = rb.Network(seed=0)
    rng = np.random.default_rng(8)
    source = net.add(rb.SpikeSource(1, times=np.sort(rng.uniform(0, 0.1, 20)), ids=np.zeros(20, int)))
    cells = net.add(rb.Population(200, rb.LIF(20e-3, drive=1.3), initial={"v": np.linspace(0, 0.9, 200)}))
    net.add(rb.Projection(source, cells, rb.all_to_all(), weight=0.02, delay=1.234567e-3))
    probe = net.add(rb.Probe(cells))
    exact = rb.Simulator(net, method="event", precision="float64").run(0.1)[probe]
    errors = []
    for dt in (1e-4, 5e-5, 2.5e-5, 1.25e-5):
        clocked = rb.Simulator(net, dt, backend="reference", precision="float64").run(0.1)[probe]
        firsts = [np.array([r.train(k)[0] for k in range(200)]) for r in (clocked, exact)]
        errors.append(np.abs(firsts[0] - firsts[1]).mean())
    order = np.log2(np.divide(errors[:-1], errors[1:]))
    assert errors[-1] < 2e-5
    assert np.all(np.abs(order - 1.0) < 0.3)


@pytest.fixture(scope="module")
def noisy():
    """A recurrent network with noise, whose rates change, and probes of all kinds."""
    net = rb.Network(seed=5)
    noise = net.add(rb.PoissonSource(30, rate=60.0, name="noise"))
    burst = net.add(rb.RateSource(10, times=[0.0, 0.05, 0.08], rates=[0.0, 400.0, 0.0], name="burst"))
    fed = net.add(rb.SpikeSource(3, name="fed"))
    cells = net.add(
        rb.Population(20, rb.LIF(20e-3, drive=1.1, v_reset=-0.2, refractory=1.7e-3), name="cells")
    )
    for k, pre in enumerate((noise, burst, fed)):
        net.add(rb.Projection(pre, cells, rb.random(0.3), weight=0.2, delay=1e-3, name=f"in {k}"))
    net.add(
        rb.Projection(cells, cells, rb.random(0.3), weight=-0.1, delay=rb.uniform(1e-3, 4e-3), name="rec")
    )
    net.add(rb.Probe(cells, name="spikes"))
    net.add(rb.Probe(noise, name="noise spikes"))
    net.add(rb.Probe(burst, name="burst spikes"))
    net.add(rb.Probe(cells[5:], "counts", name="counts", start=0.03))
    net.add(rb.Probe(cells, "v", ids=[7, 2], every=1e-3, name="v"))
    return net


def _same(a, b):
    for name in ("spikes", "noise spikes", "burst spikes"):
        assert np.array_equal(a[name].steps, b[name].steps)
        assert np.array_equal(a[name].ids, b[name].ids)
        assert np.array_equal(a[name].trials, b[name].trials)


def test_pieces_of_a_run_and_a_resumed_one_are_one_run(noisy, tmp_path):
    spikes = (np.array([0.011, 0.0123, 0.09]), np.array([0, 2, 1]))
    sim = rb.Simulator(noisy, method="event")
    whole = sim.run(0.15, inputs={"fed": spikes})
    sim.reset()
    parts = [sim.run(0.0333, inputs={"fed": (spikes[0][:2], spikes[1][:2])})]
    sim.checkpoint(tmp_path / "c.npz")
    later = ({"fed": (spikes[0][2:] - 0.0333, spikes[1][2:])}, {})
    sims = [sim, rb.Simulator.resume(tmp_path / "c.npz")]
    for other in sims:
        pieces = [*parts, other.run(0.06, inputs=later[0]), other.run(0.0567)]
        assert len(whole["spikes"]) > 50
        for name in ("spikes", "noise spikes", "burst spikes"):
            assert np.array_equal(np.concatenate([p[name].steps for p in pieces]), whole[name].steps)
            assert np.array_equal(np.concatenate([p[name].ids for p in pieces]), whole[name].ids)
        assert sum(len(p["counts"]) for p in pieces) == len(whole["counts"])
        # Samples of the second piece begin at its start's next whole interval, as those of the whole do.
        assert np.allclose(np.concatenate([p["v"].values for p in pieces]), whole["v"].values, rtol=0, atol=0)
    assert np.array_equal(sims[0].state("cells")["v"], sims[1].state("cells")["v"])
    assert sum(p.counts.updates for p in pieces) == whole.counts.updates


def test_counts_are_what_was_recorded(noisy):
    result = rb.Simulator(noisy, method="event").run(0.15)
    counts = {p.name: p for p in result.counts.populations}
    assert counts["cells"].spikes == len(result["spikes"])
    assert counts["noise"].spikes == len(result["noise spikes"])
    record = result["spikes"]
    late = (record.times >= 0.03) & (record.ids >= 5)
    assert np.array_equal(result["counts"].counts, np.bincount(record.ids[late], minlength=20)[5:])
    assert result.counts.updates > result.counts.spikes
    assert result.info.method == "event"
    assert "event to event" in str(result)


def test_trials_have_noise_of_their_own_and_the_first_is_that_of_a_single_run(noisy):
    one = rb.Simulator(noisy, method="event").run(0.1)
    three = rb.Simulator(noisy, method="event", batch=3).run(0.1)
    for name in ("spikes", "noise spikes"):
        record = three[name]
        assert np.array_equal(record.steps[record.trials == 0], one[name].steps)
        assert not np.array_equal(record.steps[record.trials == 1], record.steps[record.trials == 2])
    assert three["v"].values.shape == (3, 100, 2)
    assert np.array_equal(three["v"].values[0], one["v"].values)
    assert three["counts"].counts.shape == (3, 15)


def test_poisson_trains_have_exponential_intervals_and_follow_their_rates():
    net = rb.Network(seed=3)
    noise = net.add(rb.PoissonSource(50, rate=np.linspace(0.0, 200.0, 50)))
    steps = net.add(rb.RateSource(40, times=[0.0, 1.0, 1.5], rates=[100.0, 0.0, 300.0]))
    probes = [net.add(rb.Probe(noise)), net.add(rb.Probe(steps))]
    result = rb.Simulator(net, method="event").run(2.0)
    constant, changing = (result[p] for p in probes)
    expected = np.linspace(0.0, 200.0, 50) * 2.0
    assert constant.counts()[0, 0] == 0
    # 5 standard deviations: each fails by chance once in 1.7 million.
    assert np.all(np.abs(constant.counts()[0] - expected) <= 5 * np.sqrt(expected))
    for low, high, rate in ((0.0, 1.0, 100.0), (1.0, 1.5, 0.0), (1.5, 2.0, 300.0)):
        number = np.count_nonzero((changing.times >= low) & (changing.times < high))
        mean = rate * (high - low) * 40
        assert abs(number - mean) <= 5 * np.sqrt(mean)
    intervals = np.concatenate([np.diff(constant.train(k)) * constant.rates()[k] for k in range(25, 50)])
    assert abs(intervals.std() / intervals.mean() - 1.0) < 0.05
    assert abs((intervals > 1.0).mean() - np.exp(-1.0)) < 0.03


def test_a_shift_in_time_shifts_every_spike(twins):
    records = []
    for shift in (0.0, 0.123456789):
        rng = np.random.default_rng(9)
        _net, cells, _probe, found = _recurrent(rng, rb.LIF(20e-3, refractory=1.7e-3), weight=0.9)
        other = rb.Network(seed=0)
        source = other.add(rb.SpikeSource(5, times=found["times"] + shift, ids=found["ids"]))
        moved = other.add(rb.Population(12, cells.model, name="cells"))
        for name, pre in (("in", source), ("rec", moved)):
            a, b, w, d = found[name]
            other.add(rb.Projection(pre, moved, rb.explicit(a, b), weight=w, delay=d, name=name))
        record = other.add(rb.Probe(moved))
        records.append(rb.Simulator(other, method="event").run(0.2 + shift)[record])
    assert len(records[0]) > 20
    assert np.array_equal(records[0].ids, records[1].ids)
    # Shifted decimals are rounded to a femtosecond each.
    assert np.abs(records[1].steps - records[0].steps - round(0.123456789 / TICK)).max() <= 1


def test_renaming_neurons_renames_their_spikes():
    rng = np.random.default_rng(10)
    net, cells, probe, found = _recurrent(rng, rb.LIF(20e-3, drive=1.1, refractory=1.7e-3))
    before = rb.Simulator(net, method="event").run(0.2)[probe]
    place = rng.permutation(12)
    other = rb.Network(seed=0)
    source = other.add(rb.SpikeSource(5, times=found["times"], ids=found["ids"]))
    moved = other.add(rb.Population(12, cells.model, name="cells"))
    for name, pre in (("in", source), ("rec", moved)):
        a, b, w, d = found[name]
        a = a if pre is source else place[a]
        other.add(rb.Projection(pre, moved, rb.explicit(a, place[b]), weight=w, delay=d, name=name))
    record = other.add(rb.Probe(moved))
    after = rb.Simulator(other, method="event").run(0.2)[record]
    assert len(before) > 50
    order = np.lexsort((place[before.ids], before.steps))
    assert np.array_equal(before.steps[order], after.steps)
    assert np.array_equal(place[before.ids][order], after.ids)


def test_images_and_dense_layers_reach_the_neurons_that_they_reach_in_a_clocked_run():
    rng = np.random.default_rng(11)
    net = rb.Network(seed=0)
    image = net.add(rb.SpikeSource((2, 6, 5), name="image"))
    hidden = net.add(rb.Population((4, 3, 3), rb.IF(threshold=1.0, reset="hard"), name="hidden"))
    pooled = net.add(rb.Population((4, 1, 1), rb.IF(threshold=1.0, reset="hard"), name="pooled"))
    out = net.add(rb.Population(3, rb.IF(threshold=1.0, reset="hard"), name="out"))
    kernel = rng.normal(0.2, 0.4, (4, 1, 3, 2))
    net.add(rb.Projection(image, hidden, rb.conv2d(stride=2, padding=1, groups=2), weight=kernel, delay=0.0))
    net.add(rb.Projection(hidden, pooled, rb.pool2d(3), weight=4.0, delay=1e-3))
    net.add(rb.Projection(hidden, out, rb.dense(), weight=rng.normal(0.1, 0.3, (3, 36)), delay=0.0))
    probes = [net.add(rb.Probe(p)) for p in (hidden, pooled, out)]
    steps = np.sort(rng.integers(0, 100, 400))
    inputs = {image: (steps * 1e-3, rng.integers(0, 60, 400))}
    event = rb.Simulator(net, method="event", precision="float64").run(0.1, inputs=inputs)
    clocked = rb.Simulator(net, 1e-3, backend="reference", precision="float64").run(0.1, inputs=inputs)
    for probe in probes:
        assert len(clocked[probe]) > 5
        assert np.array_equal(event[probe].steps, clocked[probe].steps * 10**12)
        assert np.array_equal(event[probe].ids, clocked[probe].ids)


def test_rows_of_any_length_and_neurons_that_are_held_meanwhile_are_those_of_a_clocked_run():
    # Rows longer than a kernel's block and shorter than a vector, while some of their neurons are refractory.
    dt, n = 1e-4, 611
    rng = np.random.default_rng(12)
    net = rb.Network(seed=2)
    steps = np.sort(rng.integers(0, 1500, 400))
    source = net.add(rb.SpikeSource(4, times=steps * dt, ids=rng.integers(0, 4, 400)))
    model = rb.LIF(rng.uniform(5e-3, 20e-3, n), refractory=rng.integers(0, 60, n) * dt, v_reset=-0.1)
    cells = net.add(rb.Population(n, model))
    for width, pre in ((n, source[:2]), (258, source[2:3]), (3, source[3:])):
        targets = np.tile(np.sort(rng.permutation(n)[:width]), pre.n)
        pairs = np.repeat(np.arange(pre.n), width), targets
        net.add(rb.Projection(pre, cells[:], rb.explicit(*pairs), weight=rng.uniform(0, 0.4, targets.size)))
    probe, v = net.add(rb.Probe(cells)), net.add(rb.Probe(cells, "v", every=7e-3))
    event = rb.Simulator(net, dt, method="event", precision="float64").run(0.15)
    clocked = rb.Simulator(net, dt, backend="reference", precision="float64").run(0.15)
    a, b = event[probe], clocked[probe]
    assert len(b) > 5 * n
    assert np.array_equal(a.steps, b.steps * 10**11)
    assert np.array_equal(a.ids, b.ids)
    assert np.allclose(event[v].values[:, :21], clocked[v].values[:, :21], rtol=0, atol=1e-12)
