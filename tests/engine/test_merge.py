"""Sources that are delivered by one kernel: who is merged, and that everything arrives all the same."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine.backends.numba_cpu.merge import merged, runs_of


def targets(net, *names):
    return [net.add(rb.Population(30, rb.LIF(0.02, refractory=2e-3), name=name)) for name in names]


def join(net, pre, post, *delays, weight=0.25, seed=0):
    rng = np.random.default_rng([seed, pre.n, len(delays)])
    ids = rng.integers(0, pre.n, 90), rng.integers(0, post.n, 90)
    delay = 1e-3 * rng.choice(delays, 90)
    return net.add(rb.Projection(pre, post, rb.explicit(*ids), weight=weight, delay=delay))


def assert_all_arrives(net, inputs, seconds=0.2, **options):
    """Every spike and membrane potential is that of the reference, on one thread and on two."""
    for pop in net.populations:
        net.add(rb.Probe(pop, "v", name=f"{pop.label} v"))
    results = [
        rb.Simulator(net, 1e-3, backend=backend, threads=threads, **options).run(seconds, inputs=inputs)
        for backend, threads in (("reference", None), ("numba", 1), ("numba", 2))
    ]
    assert results[0].counts.synaptic_events > 1000
    for result in results[1:]:
        assert result.counts == results[0].counts
        for name, record in result.records.items():
            np.testing.assert_array_equal(record.values, results[0][name].values)


def trains(*sources, steps=200):
    rng = np.random.default_rng(5)
    return {source: rng.poisson(0.1, (steps, source.n)) for source in sources}


def test_what_comes_before_a_dense_projection_is_not_lost():
    """The rows of b are delivered with those of a, before the matrix; sums of a strip may then not be set."""
    net = rb.Network()
    a, b, d = (net.add(rb.SpikeSource(20, name=name)) for name in "abd")
    x, y = targets(net, "x", "y")
    join(net, a, x, 1)
    net.add(rb.Projection(d, y, rb.dense(), weight=np.linspace(-0.1, 0.2, 600).reshape(30, 20), delay=1e-3))
    join(net, b, y, 1)
    plan = rb.Simulator(net, 1e-3, precision="fixed").plan
    assert [len(delivery.first_row) for delivery in merged(plan, ())] == [2]
    assert_all_arrives(net, trains(a, b, d), precision="fixed")


def test_each_source_is_held_to_what_it_may_send_itself():
    net = rb.Network()
    (x,) = targets(net, "x")
    for source in (rb.SpikeSource(300, name="a"), rb.PoissonSource(300, rate=10.0, name="b")):
        net.add(rb.Projection(net.add(source), x, rb.fixed_in(300), weight=1.0, delay=1e-3))
    plan = rb.Simulator(net, 1e-3, backend="reference").plan
    assert [len(delivery.first_row) for delivery in merged(plan, ())] == [2]
    rb.Simulator(net, 1e-3)


@pytest.mark.parametrize("weight", [0.25, "several"])
def test_sources_whose_events_are_read_for_different_times(weight):
    """Rows of one weight and of several; one source's last delay is not among the other's."""
    net = rb.Network()
    a, b = (net.add(rb.SpikeSource(20, name=name)) for name in "ab")
    x, y = targets(net, "x", "y")
    weights = weight if weight != "several" else np.arange(-30, 60) / 128
    for k, (pre, post, delays) in enumerate(
        ((a, x, (3, 20)), (b, x, (3, 25)), (a, y, (3, 20)), (b, y, (3, 25)), (x, y, (3, 8)), (y, x, (3, 7)))
    ):
        join(net, pre, post, *delays, weight=weights, seed=k)
    assert_all_arrives(net, trains(a, b))


def test_only_like_delays_are_merged():
    net = rb.Network()
    (x,) = targets(net, "x")
    for k, delays in enumerate(((1, 5, 10), (1, 9, 12), (1, 2, 3), (1, 40), (2, 6, 11))):
        join(net, net.add(rb.SpikeSource(20, name=f"s{k}")), x, *delays)
    plan = rb.Simulator(net, 1e-3, backend="reference").plan
    assert [tuple(one.first_row) for one in merged(plan, ())] == [("s0", "s1"), ("s2",), ("s3",), ("s4",)]
    assert runs_of(np.array([1, 2, 9, 40, 48, 60])) == [(1, 9), (40, 48), (60, 60)]
