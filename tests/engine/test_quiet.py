"""Neurons at rest are skipped, a chunk at a time, and nobody can tell from the results."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine.backends.numba_cpu.quiet import waits
from rheobase.neurons.model import State
from rheobase.neurons.vocabulary import spike

N = 2500
#: Refractory for longer than a chunk goes without a look, and away from where it rests meanwhile.
SLOW = rb.LIF(0.005, v_rest=0.3, v_reset=0.0, refractory=0.15)


def network(model=SLOW):
    """Three chunks of neurons; only those of the last one are ever reached."""
    net = rb.Network(seed=1)
    pulse = net.add(rb.SpikeSource(1, name="pulse"))
    pop = net.add(rb.Population(N, model, name="pop"))
    net.add(rb.Projection(pulse, pop, rb.explicit(np.zeros(9, int), np.arange(2400, 2409)), weight=0.75))
    net.add(rb.Projection(pop, pop, rb.explicit([2400], [2401]), weight=-0.5, delay=0.01))
    net.add(rb.Probe(pop, name="spikes"))
    net.add(rb.Probe(pop, "v", ids=np.arange(2390, 2450), name="v"))
    return net, pulse


def run(model=SLOW, seconds=0.8, **options):
    net, pulse = network(model)
    sim = rb.Simulator(net, 1e-3, **options)
    times = [t for t in (0.3, 0.7) if t < seconds]
    return sim, sim.run(seconds, inputs={pulse: (times, [0] * len(times))})


def at_rest(sim):
    blocks = sim._machine.binder._blocks
    return np.concatenate([block.kept["still"] for key, block in blocks.items() if key[2] == "update pop"])


def assert_same(one, two):
    np.testing.assert_array_equal(one["v"].values, two["v"].values)
    for name in ("steps", "ids"):
        np.testing.assert_array_equal(getattr(one["spikes"], name), getattr(two["spikes"], name))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("precision", [None, "float32", "float64"])
def test_what_rests_wakes_when_something_arrives(threads, precision):
    sim, result = run(threads=threads, precision=precision)
    assert result.counts.spikes == 18
    assert_same(result, run(backend="reference", precision=precision)[1])
    for seconds, awake in ((0.29, 0), (0.32, 1), (0.69, 0), (0.72, 1)):
        assert np.sum(at_rest(run(threads=1, precision=precision, seconds=seconds)[0]) == 0) == awake
    assert sim.now == pytest.approx(0.8)


def test_a_restored_machine_does_not_take_others_for_its_own_rest():
    sims = [run(threads=1, seconds=seconds)[0] for seconds in (0.31, 0.31)]
    sims[1].run(0.35)
    assert at_rest(sims[1]).all()
    sims[1]._machine.restore(sims[0]._machine.snapshot())
    sims[0].run(0.35)
    sims[1]._machine.advance(350)
    for name in ("v", "ready"):
        np.testing.assert_array_equal(*(sim._machine.state("pop", name) for sim in sims))


@dataclass(frozen=True, eq=False)
class Clock(rb.NeuronModel):
    """Fires from some step on, whatever it is told: nothing else in it ever moves."""

    states: ClassVar = (State("v"),)

    @staticmethod
    def flow(v: Any):
        return v

    @staticmethod
    def jump(v: Any, input: Any):
        return v + input * 0.0

    @staticmethod
    def fire(v: Any, now: Any):
        return spike(now - 400 + v), v


def test_what_looks_at_the_clock_is_never_at_rest():
    rules = Clock().rules
    assert waits((rules.flow, rules.jump, rules.fire), ()) is None
    assert_same(run(Clock(), 0.41, threads=1)[1], run(Clock(), 0.41, backend="reference")[1])


def test_rules_wait_for_what_they_compare_with_the_step():
    rules = SLOW.rules
    assert waits((rules.flow, rules.jump), {"ready"}) == {"ready"}
    assert waits((rules.flow, rules.jump), ()) is None
    assert waits((rb.LIF(0.01).rules.flow,), {"ready"}) == frozenset()
