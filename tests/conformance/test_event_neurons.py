"""Networks of event neurons: sums of whole numbers are exact, and bursts count as what they stand for."""

import functools

import numpy as np
import pytest

import rheobase as rb

STEP = 2.0**-6  # of all weights, so that the engine's grid and float32 hold every sum exactly
RNG = np.random.default_rng(6)
CONV = RNG.integers(-7, 8, (6, 2, 3, 3))
DENSE = RNG.integers(-7, 8, (10, 6 * 16))
PAIRS = RNG.integers(0, 96, (2, 300))
LISTED = RNG.integers(-7, 8, 300)


def network(events="pow2", *, burst=True):
    """Image -> convolution -> (dense and listed onto the answer; pooled), all without delay."""
    net = rb.Network()
    frame = net.add(rb.FrameSource((2, 8, 8), name="frame"))
    shown = net.add(
        rb.Population((2, 8, 8), rb.EventNeuron(f="identity", events="graded", bits=9), name="in")
    )
    model = rb.EventNeuron(1.0, events=events, burst=burst, f="identity", low=-9, high=41)
    hidden = net.add(rb.Population((6, 4, 4), model, name="hidden"))
    pooled = net.add(rb.Population((6, 2, 2), rb.EventNeuron(1e9, f="identity"), name="pooled"))
    answer = net.add(rb.Population(10, rb.EventNeuron(1e9, f="identity"), name="answer"))
    now = {"delay": 0.0}
    net.add(rb.Projection(frame, shown, rb.one_to_one(), weight=1.0, **now))
    net.add(
        rb.Projection(shown, hidden, rb.conv2d(stride=2, padding=1), weight=CONV * STEP, name="conv", **now)
    )
    net.add(rb.Projection(hidden, answer, rb.dense(), weight=DENSE * STEP, name="dense", **now))
    listed = rb.explicit(PAIRS[0], PAIRS[1] % 10)
    net.add(rb.Projection(hidden, answer, listed, weight=LISTED * STEP, name="listed", **now))
    net.add(rb.Projection(hidden, pooled, rb.pool2d(2), name="pool", **now))
    return net


def convolved(images):
    """Sums of whole numbers: images [trials, 2, 8, 8] -> [trials, 6, 4, 4]."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    return np.einsum("tcyxij,ocij->toyx", windows, CONV)


def aims(images):
    """What `hidden` must tell."""
    return np.clip(np.floor(convolved(images) * STEP + 0.5).astype(np.int64), -9, 41)


def packets(events, e):
    """How many events bring n up by e, one nearest power of two after another."""
    if events != "pow2":
        return np.abs(e) if events == "unit" else (e != 0).astype(int)
    left, found = np.abs(e), np.zeros_like(e)
    while left.any():
        power = 2 ** np.floor(np.log2(np.maximum(left, 1) * 4 / 3)).astype(int)
        found += left != 0
        left = np.abs(left - power * (left != 0))
    return found


@pytest.mark.parametrize(
    ("events", "precision"), [("pow2", "fixed"), ("unit", "fixed"), ("graded", "fixed"), ("pow2", None)]
)
def test_one_step_carries_whole_numbers_through_the_whole_depth(simulator, events, precision):
    images = np.random.default_rng(1).integers(-255, 256, (3, 2, 8, 8))
    sim = simulator(network(events), 1e-3, precision=precision, batch=3)
    counts = sim.run(1e-3, inputs={"frame": images[:, None]}).counts
    n = aims(images)
    assert {-9, 41} <= {*n.reshape(-1)}
    np.testing.assert_array_equal(sim.state("hidden")["n"], n.reshape(3, -1))
    listed = np.zeros((10, 96), np.int64)
    np.add.at(listed, (PAIRS[1] % 10, PAIRS[0]), LISTED)
    totals = n.reshape(3, -1) @ (DENSE + listed).T
    np.testing.assert_array_equal(sim.state("answer")["u"], totals * STEP)
    pooled = n.reshape(3, 6, 2, 2, 2, 2).sum(axis=(3, 5)).reshape(3, -1) / 4
    np.testing.assert_array_equal(sim.state("pooled")["u"], pooled)
    sent = packets(events, n).reshape(3, -1).sum(axis=1)
    by_name = {p.name: p for p in (*counts.populations, *counts.projections)}
    assert by_name["hidden"].spikes_by_trial == tuple(sent)
    assert by_name["dense"].events_by_trial == tuple(10 * sent)
    assert by_name["dense"].arithmetic == ("mac" if events == "graded" else "ac")
    assert by_name["conv"].arithmetic == "mac"
    for what in ("spikes", "synaptic_events", "ac", "mac"):
        assert counts.by_trial(what).sum() == getattr(counts, what)


def test_a_burst_is_what_its_events_would_have_told_one_by_one(simulator):
    images = np.random.default_rng(2).integers(-255, 256, (1, 2, 8, 8))
    found = {}
    for burst in (True, False):
        sim = simulator(network(burst=burst), 1e-3, precision="fixed")
        counts = sim.run(8e-3, inputs={"frame": images}).counts
        hidden = next(p for p in counts.populations if p.name == "hidden")
        found[burst] = (sim.state("answer")["u"], hidden.spikes, counts.synaptic_events, counts.ac)
    np.testing.assert_array_equal(found[True][0], found[False][0])
    assert found[True][1:] == found[False][1:]


def bent(law="delta"):
    """Totals -> a population for each function."""
    net = rb.Network()
    frame = net.add(rb.FrameSource(400, name="frame"))
    gelu = rb.EventNeuron(
        1 / 64,
        law=law,
        f="gelu",
        low=-12,
        high=500,
        burst=law == "delta",
        hold=0.25 if law == "delta" else None,
    )
    clamp = rb.EventNeuron(
        1 / 64, law=law, f="clamp", parameters=(-1.0, 1.5), bits=10, events="graded",
        coarse=64 if law == "delta" else 1,
    )  # fmt: skip
    for name, model in (("gelu", gelu), ("clamp", clamp)):
        pop = net.add(rb.Population(400, model, name=name))
        net.add(rb.Projection(frame, pop, rb.one_to_one(), weight=1.0, delay=0.0))
    return net


@pytest.mark.parametrize("law", ["delta", "rate"])
def test_functions_give_the_same_integers_on_every_backend(simulator, law):
    totals = np.random.default_rng(4).normal(0.0, 0.7, (3, 400))
    told = []
    for make in (simulator, functools.partial(rb.Simulator, backend="reference")):
        sim = make(bent(law), 1e-3)
        sim.run(3e-3, inputs={"frame": totals})
        told.append([sim.state(name)["n"] for name in ("gelu", "clamp")])
    np.testing.assert_array_equal(told[0], told[1])
    assert min(np.unique(n).size for n in told[0]) > 40


def test_the_time_of_the_only_spike_is_a_rounded_relu(simulator):
    window = 15
    net = rb.Network()
    frame = net.add(rb.CurrentSource(96, name="frame"))
    model = functools.partial(rb.FirstSpike, window=window, origin=1)
    shown = net.add(rb.Population(96, model(start=1), name="in"))
    hidden = net.add(rb.Population(10, model(start=1 + window, high=5, bias=0.25), name="hidden"))
    answer = net.add(rb.Population(6, model(), name="answer"))
    net.add(rb.Projection(frame, shown, rb.one_to_one(), weight=1.0, delay=0.0))
    net.add(rb.Projection(shown, hidden, rb.dense(), weight=DENSE * STEP, name="dense", delay=0.0))
    net.add(rb.Projection(hidden, answer, rb.dense(), weight=DENSE[:6, :10] * STEP, delay=0.0))
    values = np.random.default_rng(5).integers(-4, window + 3, (3, 96))
    sim = simulator(net, 1e-3, precision="fixed", batch=3)
    counts = sim.run((1 + 2 * window) * 1e-3, inputs={"frame": values[:, None]}).counts
    told = np.clip(values, 0, window)
    n = np.clip(np.floor(told @ DENSE.T * STEP + 0.75).astype(np.int64), 0, 5)
    assert {0, 1, 5} <= {*n.reshape(-1)}
    np.testing.assert_array_equal(sim.state("in")["n"], told)
    np.testing.assert_array_equal(sim.state("hidden")["n"], n)
    np.testing.assert_array_equal(sim.state("answer")["u"], n @ DENSE[:6, :10].T * STEP)
    by_name = {p.name: p for p in (*counts.populations, *counts.projections)}
    assert by_name["in"].spikes_by_trial == tuple((told > 0).sum(axis=1))
    assert by_name["hidden"].spikes_by_trial == tuple((n > 0).sum(axis=1))
    assert by_name["dense"].arithmetic == "ac"


def test_the_next_frame_costs_its_change_alone(simulator):
    images = np.random.default_rng(3).integers(-255, 256, (2, 2, 8, 8))
    images[1, 0], images[1, 1, 2:] = images[0, 0], images[0, 1, 2:]
    sim = simulator(network(), 1e-3, precision="fixed")
    sim.run(1e-3, inputs={"frame": images[:1]})
    counts = sim.run(1e-3, inputs={"frame": images[1:] - images[:1]}).counts
    np.testing.assert_array_equal(sim.state("hidden")["n"], aims(images[1:]).reshape(-1))
    change = np.diff(aims(images), axis=0)
    hidden = next(p for p in counts.populations if p.name == "hidden")
    assert 0 < hidden.spikes == packets("pow2", change).sum()
