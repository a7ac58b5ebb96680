"""Private Poisson sources: which sources are, what they send when drawn again, and how they are counted."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine.backends.private import PrivateTally, drawn_events, private_sources
from rheobase.engine.backends.reference_sources import Noise
from rheobase.engine.planning import make_plan


def network(*, rate=300.0, n=50, connectivity=None, probe=False, **options):
    """Return a source that is private unless an option says otherwise, and its target."""
    net = rb.Network(seed=3)
    source = net.add(rb.PoissonSource(n, rate=rate, name="source"))
    pop = net.add(rb.Population(n, rb.LIF(0.02), name="pop"))
    given = {"weight": 0.1, "delay": 2e-3, **options}
    net.add(rb.Projection(source, pop, connectivity or rb.one_to_one(), name="p", **given))
    if probe:
        net.add(rb.Probe(source, "spikes"))
    return net


def plan_of(net, trials=1, **options):
    return make_plan(net, 1e-3, trials=trials, **options)


OTHERS = {
    "its rates differ": {"rate": np.linspace(1.0, 300.0, 50)},
    "its weights differ": {"weight": np.linspace(0.1, 0.2, 50)},
    "its delays differ": {"delay": 1e-3 * (1 + np.arange(50) % 2)},
    "it reaches several targets": {"connectivity": rb.random(p=0.5)},
    "it is recorded": {"probe": True},
}


def test_a_source_with_one_synapse_each_is_private():
    plan = plan_of(network())
    assert private_sources(plan) == {"source": plan.projections["p"]}


@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS.keys())
def test_a_source_is_not_private_if(options):
    assert not private_sources(plan_of(network(**options)))


def test_a_source_summed_in_floating_point_is_not_private():
    assert not private_sources(plan_of(network(), precision="float32"))


def test_a_source_with_a_second_projection_is_not_private():
    net = network()
    net.add(rb.Projection(net["source"], net["pop"], rb.one_to_one(), weight=0.1, delay=1e-3))
    assert not private_sources(plan_of(net))


def test_each_receptor_has_one_private_source_at_most():
    net = network()
    second = net.add(rb.PoissonSource(50, rate=10.0, name="second"))
    net.add(rb.Projection(second, net["pop"], rb.one_to_one(), weight=0.1, delay=1e-3))
    assert list(private_sources(plan_of(net))) == ["source"]


@pytest.mark.parametrize("rate", [300.0, 20_000.0])
def test_events_that_are_drawn_again_are_those_of_the_reference(rate):
    plan = plan_of(network(rate=rate), trials=2)
    noise = Noise(plan, plan.groups["source"])
    for trial in range(2):
        for step in (0, 1, 1000):
            for ours, expected in zip(
                drawn_events(plan, "source", trial, step), noise.events(trial, step), strict=True
            ):
                assert expected.size
                np.testing.assert_array_equal(ours, expected)


def sent(plan, first, stop, trials=(0,)):
    """Return how many events the source sends in some steps of some trials."""
    return sum(
        drawn_events(plan, "source", trial, step)[1].sum() for trial in trials for step in range(first, stop)
    )


def test_a_tally_of_what_arrived_becomes_one_of_what_was_sent():
    plan, delay = plan_of(network(), trials=2), 2
    tally, now = PrivateTally(plan, private_sources(plan)), 0
    for stop in (1, 5, 30):
        arrived = np.zeros((2, 50), np.int64)
        for trial in range(2):
            arrived[trial, 7] = sent(plan, max(now - delay, 0), max(stop - delay, 0), [trial])
        tally.correct({"sent/source": arrived}, stop)
        assert arrived.sum(axis=1).tolist() == [sent(plan, now, stop, [trial]) for trial in range(2)]
        now = stop


def test_what_is_in_flight_at_the_beginning_was_counted_before():
    plan = plan_of(network())
    tally = PrivateTally(plan, private_sources(plan))
    tally.begin(20)
    arrived = np.array([[sent(plan, 18, 23)]])
    tally.correct({"sent/source": arrived}, 25)
    assert arrived[0, 0] == sent(plan, 20, 25)
