"""Results of pieces of a run, put together, are the result of the whole run."""

from __future__ import annotations

import numpy as np

import rheobase as rb
from rheobase.engine.joined import joined, side_by_side


def test_pieces_put_together_are_the_whole():
    def simulator():
        net = rb.Network(seed=3)
        noise = net.add(rb.PoissonSource(20, rate=400.0))
        cells = net.add(rb.Population(5, rb.LIF(10e-3), name="cells"))
        net.add(rb.Projection(noise, cells, rb.random(p=0.5), weight=0.3))
        for variable in ("spikes", "counts", "v"):
            net.add(rb.Probe(cells, variable, name=variable))
        return rb.Simulator(net, dt=1e-3, backend="reference", batch=3)

    whole, pieces = simulator().run(30e-3), simulator()
    found = joined([pieces.run(7e-3), pieces.run(1e-3), pieces.run(22e-3)])
    assert found.counts == whole.counts
    assert found.duration == whole.duration
    for name in ("steps", "ids", "trials"):
        np.testing.assert_array_equal(getattr(found["spikes"], name), getattr(whole["spikes"], name))
    assert len(whole["spikes"]) > 20
    assert found["spikes"].rate() == whole["spikes"].rate()
    np.testing.assert_array_equal(found["counts"].counts, whole["counts"].counts)
    assert np.isclose(found["counts"].seconds, 30e-3)
    np.testing.assert_array_equal(found["v"].values, whole["v"].values)
    np.testing.assert_array_equal(found["v"].times, whole["v"].times)


def test_trials_that_ran_apart_count_as_those_that_ran_side_by_side():
    def run(trials):
        net = rb.Network(seed=3)
        source = net.add(rb.SpikeSource(4, name="source"))
        cells = net.add(rb.Population(5, rb.LIF(10e-3), name="cells"))
        net.add(rb.Projection(source, cells, rb.random(p=0.5), weight=0.8))
        spikes = [(np.linspace(0, 19e-3, 3 + k), np.arange(3 + k) % 4) for k in trials]
        simulator = rb.Simulator(net, dt=1e-3, backend="reference", batch=len(trials))
        return simulator.run(20e-3, inputs={"source": spikes})

    whole, found = run(range(5)), side_by_side([run(range(2)), run(range(2, 5))])
    assert found.counts == whole.counts
    assert len(set(found.counts.by_trial("synaptic_events"))) > 1
    assert found.info.trials == 5
