"""When things happen: a spike of step n with delay d acts in step n + d; and the order within a step."""

import numpy as np
import pytest

import rheobase as rb


@pytest.mark.parametrize("storage", ["sparse", "dense"])
@pytest.mark.parametrize("delay", [0, 1, 2, 7, 300])
def test_a_spike_acts_after_its_delay(received, delay, storage):
    spikes = np.zeros((delay + 6, 1), int)
    spikes[3] = 1
    connectivity = rb.dense() if storage == "dense" else rb.one_to_one()
    v, sim = received(connectivity, 1.0, spikes, n_post=1, delay=delay * 1e-3)
    np.testing.assert_array_equal(v[:, 0], np.arange(len(v)) >= 3 + delay)
    assert sim.plan.projections["p"].storage == storage


def test_a_delay_left_out_is_one_step(received):
    v, _ = received(rb.one_to_one(), 1.0, np.eye(1, 3, dtype=int).T, n_post=1, delay=None)
    assert v[:, 0].tolist() == [0.0, 1.0, 1.0]


def test_delays_are_rounded_to_steps_and_the_plan_says_by_how_much(received):
    v, sim = received(rb.one_to_one(), 1.0, np.eye(1, 6, dtype=int).T, n_post=1, delay=2.4e-3)
    assert (v[:, 0] > 0).argmax() == 2
    assert sim.plan.projections["p"].delay_rounding == pytest.approx(0.4e-3)
    assert "rounded by up to 0.0004 s" in str(sim.plan)


def test_each_synapse_has_its_own_delay(received):
    spikes = np.zeros((12, 2), int)
    spikes[1] = 1, 0
    spikes[2] = 0, 2
    pairs = rb.explicit([0, 0, 1, 1], [0, 1, 0, 1])
    delay = np.array([5, 1, 3, 9]) * 1e-3
    v, _ = received(pairs, [1.0, 2.0, 4.0, 8.0], spikes, n_post=2, delay=delay)
    expected = np.zeros((12, 2))
    for step, post, w in ((6, 0, 1), (2, 1, 2), (5, 0, 8), (11, 1, 16)):
        expected[step:, post] += w
    np.testing.assert_array_equal(v, expected)


def test_a_stack_without_delay_passes_a_spike_through_in_one_step(simulator):
    net = rb.Network()
    source = net.add(rb.SpikeSource(1, times=[2e-3], ids=[0]))
    layers = [net.add(rb.Population(1, rb.IF(), name=f"layer{k}")) for k in range(4)]
    # Added from the last to the first: the order of description must not matter.
    for pre, post in reversed(list(zip([source, *layers], layers, strict=False))):
        net.add(rb.Projection(pre, post, rb.one_to_one(), weight=1.0, delay=0.0))
    probes = [net.add(rb.Probe(layer)) for layer in layers]
    result = simulator(net, 1e-3).run(6e-3)
    assert [result[probe].steps.tolist() for probe in probes] == [[2]] * 4


def test_a_ring_with_delays_carries_a_spike_round_and_round(simulator):
    net = rb.Network()
    start = net.add(rb.SpikeSource(1, times=[0.0], ids=[0]))
    ring = [net.add(rb.Population(1, rb.IF(), name=f"n{k}")) for k in range(3)]
    net.add(rb.Projection(start, ring[0], rb.one_to_one(), weight=1.0, delay=0.0))
    for pre, post, delay in zip(ring, [*ring[1:], ring[0]], (2, 0, 3), strict=True):
        net.add(rb.Projection(pre, post, rb.one_to_one(), weight=1.0, delay=delay * 1e-3))
    probes = [net.add(rb.Probe(n)) for n in ring]
    result = simulator(net, 1e-3).run(16e-3)
    assert [result[p].steps.tolist() for p in probes] == [[0, 5, 10, 15], [2, 7, 12], [2, 7, 12]]


def test_a_cycle_of_zero_delays_is_refused_by_name(simulator):
    net = rb.Network()
    a, b, c = (net.add(rb.Population(1, rb.IF(), name=name)) for name in ("anna", "bert", "carl"))
    net.add(rb.Population(1, rb.IF(), name="dora"))
    for pre, post in ((a, b), (b, c), (c, a)):
        net.add(rb.Projection(pre, post, rb.one_to_one(), weight=1.0, delay=0.0))
    with pytest.raises(rb.PlanError, match="cycle") as refused:
        simulator(net, 1e-3)
    assert all(name in str(refused.value) for name in ("anna", "bert", "carl"))
    assert "dora" not in str(refused.value)


def test_time_passes_before_input_and_input_before_the_threshold(simulator):
    # v decays to half in a step, then 0.75 arrives: 0.75, 1.125 >= 1 (a spike in step 1), 0.75, ...
    net = rb.Network()
    source = net.add(rb.SpikeSource(1))
    pop = net.add(rb.Population(1, rb.LIF(1e-3 / np.log(2))))
    net.add(rb.Projection(source, pop, rb.one_to_one(), weight=0.75, delay=0.0))
    spikes, v = net.add(rb.Probe(pop)), net.add(rb.Probe(pop, "v"))
    result = simulator(net, 1e-3).run(4e-3, inputs={source: np.ones((4, 1), int)})
    assert result[spikes].steps.tolist() == [1, 3]
    np.testing.assert_allclose(result[v].values[:, 0], [0.75, 0.0, 0.75, 0.0], atol=1e-6)


def test_simultaneous_spikes_of_one_train_arrive_as_their_number(received):
    v, _ = received(rb.one_to_one(), 0.5, np.array([[3], [0], [255]]), n_post=1)
    assert v[:, 0].tolist() == [1.5, 1.5, 129.0]


def test_a_delay_that_ends_within_a_strip_arrives_in_time(simulator):
    """What a group sends to a later level arrives there however many steps run as one piece."""
    net = rb.Network(seed=1)
    source = net.add(rb.SpikeSource(1, times=[2e-3, 9e-3], ids=[0, 0]))
    first = net.add(rb.Population(1, rb.IF(threshold=1.0)))
    later = net.add(rb.Population(1, rb.IF(threshold=1e9), name="later"))
    net.add(rb.Projection(source, first, rb.one_to_one(), weight=1.0, delay=1e-3))
    net.add(rb.Projection(source, later, rb.one_to_one(), weight=100.0, delay=0.0))
    net.add(rb.Projection(first, later, rb.one_to_one(), weight=1.0, delay=2e-3))
    probe = net.add(rb.Probe(later, "v"))
    v = simulator(net, 1e-3).run(20e-3)[probe].values[:, 0]
    expected = np.zeros(20)
    for sent in (2, 9):
        expected[sent:] += 100.0
        expected[sent + 1 + 2 :] += 1.0
    np.testing.assert_array_equal(v, expected)
