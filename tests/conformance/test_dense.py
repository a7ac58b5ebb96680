"""Dense projections, summed for many steps at once where nothing comes before, with the reference's bits."""

import numpy as np
import pytest

import rheobase as rb

STEPS = 150  # more than one strip of a feed-forward network


def layers(*, first="dense", slices=False, graded=False, n=(30, 100, 37)):
    """Input -> hidden -> output, with a second projection onto the hidden layer and a late one back."""
    rng = np.random.default_rng(8)
    net = rb.Network(seed=2)
    source = net.add(rb.FrameSource(n[0], name="input") if graded else rb.SpikeSource(n[0], name="input"))
    model = rb.EventNeuron(0.25, events="graded", bits=5) if graded else rb.Leaky(0.9, reset_delay=False)
    hidden = net.add(rb.Population(n[1], model, name="hidden"))
    output = net.add(rb.Population(n[2], rb.LI(20e-3), name="output"))
    pre, post = (source[5:25], hidden[7:90]) if slices else (source, hidden)
    dense = rb.Projection(
        pre, post, rb.dense(), weight=rng.normal(0.0, 0.3, (post.n, pre.n)), delay=0.0, name="w"
    )
    other = rb.Projection(
        source, hidden, rb.random(p=0.3), weight=rb.normal(0.1, 0.2), delay=3e-3, name="other"
    )
    for projection in (dense, other) if first == "dense" else (other, dense):
        net.add(projection)
    for delay in (0.0, 4e-3):
        weight = rng.normal(0.0, 0.3, (n[2], n[1]))
        net.add(rb.Projection(hidden, output, rb.dense(), weight=weight, delay=delay))
    net.add(rb.Probe(hidden, name="spikes"))
    net.add(rb.Probe(output, "v", name="v"))
    return net


def given(graded, n=30):
    rng = np.random.default_rng(3)
    if graded:
        return np.where(rng.random((STEPS, n)) < 0.2, rng.normal(0.0, 1.0, (STEPS, n)), 0.0)
    return rng.poisson(0.1, (STEPS, n))


def run(make, net, inputs, pieces=(STEPS,), **options):
    sim = make(net, 1e-3, **options)
    batch = options.get("batch")
    results, start = [], 0
    for steps in pieces:
        here = inputs[start : start + steps]
        fed = here if batch is None else np.stack([here] * batch)
        results.append(sim.run(steps * 1e-3, inputs={"input": fed}))
        start += steps
    v = np.concatenate([result["v"].values for result in results], axis=-2)
    ids = np.concatenate([result["spikes"].ids for result in results])
    return v, ids


@pytest.mark.parametrize("precision", [None, "fixed", "float32", "float64"])
@pytest.mark.parametrize("slices", [False, True], ids=["whole", "slices"])
@pytest.mark.parametrize("first", ["dense", "other"])
@pytest.mark.parametrize("graded", [False, True], ids=["spikes", "values"])
def test_sums_are_those_of_the_reference(simulator, first, slices, graded, precision):
    inputs = given(graded)
    options = {"first": first, "slices": slices, "graded": graded}
    expected = run(rb.Simulator, layers(**options), inputs, backend="reference", precision=precision)
    got = run(simulator, layers(**options), inputs, precision=precision)
    assert expected[1].size > 100
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])


@pytest.mark.parametrize("how", [{"threads": 2}, {"batch": 3}, {"pieces": (1, 64, 85)}], ids=str)
@pytest.mark.parametrize("n", [(30, 100, 37), (30, 300, 3)], ids=str)
def test_sums_depend_neither_on_threads_nor_on_batches_nor_on_pieces(simulator, how, n):
    inputs = given(graded=False)
    expected = run(simulator, layers(n=n), inputs, threads=1)
    v, ids = run(simulator, layers(n=n), inputs, **how)
    batch = how.get("batch", 1)
    np.testing.assert_array_equal(v, np.stack([expected[0]] * batch) if batch > 1 else expected[0])
    np.testing.assert_array_equal(ids, np.tile(expected[1], batch))


@pytest.mark.parametrize("size", [1, 5, 16, 33])
def test_an_infinite_payload_reaches_no_neuron_but_its_targets(simulator, size):
    net = rb.Network()
    current = net.add(rb.CurrentSource(1, values=[3e38]))
    sender = net.add(rb.Population(1, rb.ReLU(bias=0.0)))
    pop = net.add(rb.Population(40, rb.LI(20e-3)))
    net.add(rb.Projection(current, sender, rb.dense(), weight=[[1e38]], delay=1e-3))
    # A first delivery, so that the second one is not summed ahead.
    net.add(rb.Projection(current, pop, rb.dense(), weight=np.zeros((40, 1)), delay=1e-3))
    net.add(rb.Projection(sender, pop[:size], rb.dense(), weight=np.ones((size, 1)), delay=1e-3))
    v = net.add(rb.Probe(pop, "v"))
    last = simulator(net, 1e-3).run(5e-3)[v].values[-1]
    assert (last[:size] == np.inf).all()
    assert not last[size:].any()


def test_trials_side_by_side_get_what_each_would_alone(simulator):
    """Events of a few neurons and of most meet in one step; one trial stands still meanwhile."""
    shares, rng = (0.5, 0.9, 1.0, 0.7, 0.02, 1.0, 0.02), np.random.default_rng(5)
    x = rng.normal(2.0, 2.0, (7, 4, 31)) * (rng.random((7, 4, 31)) < np.reshape(shares, (7, 1, 1)))
    net = rb.Network()
    source = net.add(rb.FrameSource(31, name="input"))
    hidden = net.add(rb.Population(101, rb.EventNeuron(0.25, events="graded", bits=5), name="hidden"))
    output = net.add(rb.Population(37, rb.LI(20e-3), name="output"))
    for pre, post in ((source, hidden), (hidden, output)):
        weight = rng.normal(0.1, 0.3, (post.n, pre.n))
        net.add(rb.Projection(pre, post, rb.dense(), weight=weight, delay=0.0))
    net.add(rb.Probe(output, "v", name="v"))
    options = {"batch": 7, "precision": "fixed"}
    sims = [simulator(net, 1e-3, **options), rb.Simulator(net, 1e-3, backend="reference", **options)]
    for steps, still in ((1, []), (1, [2]), (2, [])):
        results = []
        for sim in sims:
            sim.halt(still)
            results.append(sim.run(steps * 1e-3, inputs={"input": x[:, :steps]}))
        got, expected = results
        assert expected.counts.spikes > 200
        np.testing.assert_array_equal(got["v"].values, expected["v"].values)
        assert got.counts == expected.counts
