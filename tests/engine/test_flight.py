"""Events in flight: queues of running positions give what looking at all events of the last steps gives."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine.backends.numba_cpu import bind_deliveries, pack

#: Delays in steps: two that follow one another, a gap that is bridged, two runs apart, and one alone.
DELAYS = (1, 2, 9, 40, 41, 43, 90)


def network(seed=0):
    """Neurons that fire often, joined by every delay; an input that sends several spikes at once."""
    net = rb.Network(seed=seed)
    pulse = net.add(rb.SpikeSource(20, name="pulse"))
    pops = [net.add(rb.Population(n, rb.LIF(tau=0.02, refractory=2e-3), name=f"p{n}")) for n in (60, 35)]
    rng = np.random.default_rng(3)
    for k, (pre, post) in enumerate((a, b) for a in (pulse, *pops) for b in pops):
        n, delay = 150, 1e-3 * rng.choice(DELAYS[: 3 if k == 1 else None], 150)
        ids = rng.integers(0, pre.n, n), rng.integers(0, post.n, n)
        weight = rng.integers(-8, 17, n) / 16
        net.add(rb.Projection(pre, post, rb.explicit(*ids), weight=weight, delay=delay, name=f"j{k}"))
    net.add(rb.Projection(pops[0], pops[1], rb.fixed_in(9), weight=0.25, delay=3e-3, name="one_weight"))
    for pop in pops:
        net.add(rb.Probe(pop, "v"))
        net.add(rb.Probe(pop))
    return net, pulse


def given(seed, steps=300):
    return np.random.default_rng(seed).poisson(0.15, (steps, 20))


def recorded(result):
    return [getattr(r, "values", getattr(r, "ids", None)) for r in result.records.values()]


def run(seed=0, backend="numba", **options):
    net, pulse = network()
    sim = rb.Simulator(net, 1e-3, backend=backend, **options)
    return sim, sim.run(0.3, inputs={pulse: given(seed)})


def assert_same(one, two):
    assert one.counts.spikes > 500
    for a, b in zip(recorded(one), recorded(two), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("threads", [1, 2])
def test_delays_with_gaps_give_what_the_reference_gives(threads):
    sim, result = run(threads=threads)
    assert "delays of 1 to 9 and 40 to 43 and 90 steps" in str(sim)
    assert_same(result, run(backend="reference")[1])


@pytest.mark.parametrize("entries", [1, 7, 40])
def test_a_queue_that_overflows_loses_nothing(monkeypatch, entries):
    _, expected = run(threads=1)
    monkeypatch.setattr(bind_deliveries, "_DROPPED", 0)
    monkeypatch.setattr(bind_deliveries, "_ENTRIES", entries)
    assert_same(expected, run(threads=1)[1])


def test_entries_move_to_the_front_of_their_queue(monkeypatch):
    _, expected = run(threads=1)
    monkeypatch.setattr(bind_deliveries, "_DROPPED", 3)
    assert_same(expected, run(threads=1)[1])


def test_every_block_of_cells_has_its_own_positions(monkeypatch):
    monkeypatch.setattr(pack, "_LARGEST_BLOCK", 40)
    sim, result = run(threads=1)
    assert " 3 block(s) of 38 cells" in str(sim)
    assert_same(result, run(backend="reference")[1])


def test_a_restored_machine_hears_what_was_in_flight_and_nothing_else():
    """The one that is restored stands at the same step, with other events in flight."""
    sims = []
    for seed in (1, 2):
        net, pulse = network()
        sims.append(rb.Simulator(net, 1e-3, threads=1))
        sims[-1].run(0.1, inputs={pulse: given(seed, 100)})
    sims[1]._machine.restore(sims[0]._machine.snapshot())
    assert_same(*(sim.run(0.2) for sim in sims))
