"""Probes: windows, samples, subsets, counts, spooling to disk; and adding one changes nothing."""

import numpy as np
import pytest

import rheobase as rb


def driven(seed=0):
    net = rb.Network(seed=seed)
    noise = net.add(rb.PoissonSource(30, rate=200.0, name="noise"))
    pop = net.add(rb.Population(30, rb.LIF(10e-3), name="pop"))
    net.add(rb.Projection(noise, pop, rb.one_to_one(), weight=0.5))
    return net, pop, noise


def test_a_window_holds_its_start_and_not_its_end(simulator):
    net, pop, _ = driven()
    every = net.add(rb.Probe(pop))
    part = net.add(rb.Probe(pop, start=20e-3, stop=50e-3))
    result = simulator(net, 1e-3).run(0.1)
    whole = result[every]
    inside = (whole.steps >= 20) & (whole.steps < 50)
    assert result[part].steps.tolist() == whole.steps[inside].tolist()
    assert result[part].ids.tolist() == whole.ids[inside].tolist()
    assert (result[part].start, result[part].stop) == (0.02, 0.05)
    assert result[part].rate() == pytest.approx(inside.sum() / (30 * 0.03))


def test_spikes_are_ordered_by_trial_step_and_id(simulator):
    net, pop, _ = driven()
    probe = net.add(rb.Probe(pop))
    record = simulator(net, 1e-3, batch=3).run(0.1)[probe]
    key = (record.trials * 1000 + record.steps) * 1000 + record.ids
    assert len(record) > 100
    assert (np.diff(key) > 0).all()


def test_a_variable_is_sampled_every_so_often(simulator):
    net, pop, _ = driven()
    fine = net.add(rb.Probe(pop, "v"))
    coarse = net.add(rb.Probe(pop, "v", every=5e-3, start=12e-3, ids=[7, 3]))
    sim = simulator(net, 1e-3)
    for start in (0, 30):
        result = sim.run(30e-3)
        steps = np.arange(12, 60, 5)
        steps = steps[(steps >= start) & (steps < start + 30)]
        np.testing.assert_allclose(result[coarse].times, steps * 1e-3)
        assert result[coarse].ids.tolist() == [7, 3]
        np.testing.assert_array_equal(result[coarse].values, result[fine].values[steps - start][:, [7, 3]])


def test_a_sample_is_the_state_after_the_update(simulator):
    net, pop, _ = driven()
    probe = net.add(rb.Probe(pop, "v"))
    sim = simulator(net, 1e-3)
    result = sim.run(20e-3)
    np.testing.assert_array_equal(result[probe].values[-1], sim.state(pop)["v"])


@pytest.mark.parametrize("batch", [None, 2])
def test_counts_are_the_numbers_of_recorded_spikes(simulator, batch):
    net, pop, noise = driven()
    for target in (pop, noise):
        net.add(rb.Probe(target[5:20], ids=[9, 2, 4], name=f"spikes {target.name}"))
        net.add(rb.Probe(target[5:20], "counts", ids=[9, 2, 4], name=f"counts {target.name}"))
    result = simulator(net, 1e-3, batch=batch).run(0.5)
    for name in ("pop", "noise"):
        spikes, counts = result[f"spikes {name}"], result[f"counts {name}"]
        assert counts.ids.tolist() == [14, 7, 9] == spikes.neurons.tolist()
        assert len(spikes) > 50
        np.testing.assert_array_equal(np.atleast_2d(counts.counts), spikes.counts())


def test_whole_numbers_are_recorded_as_whole_numbers(simulator):
    net = rb.Network()
    source = net.add(rb.CurrentSource(1, values=[0.3]))
    pop = net.add(rb.Population(1, rb.EventNeuron(0.25, events="graded", bits=4)))
    net.add(rb.Projection(source, pop, rb.one_to_one(), weight=1.0, delay=0.0))
    n = net.add(rb.Probe(pop, "n"))
    values = simulator(net, 1e-3, precision="float64").run(4e-3)[n].values
    assert values.dtype.kind == "i"
    assert values[:, 0].tolist() == [1, 2, 4, 5]  # 0.3, 0.6, 0.9, 1.2 over 0.25, to the nearest


def test_an_added_probe_changes_nothing(simulator):
    net, pop, _ = driven()
    probe = net.add(rb.Probe(pop, name="first"))
    before = simulator(net, 1e-3).run(0.1)[probe]
    for variable in ("spikes", "counts", "v"):
        net.add(rb.Probe(pop, variable))
    net.add(rb.Probe(net["noise"]))
    after = simulator(net, 1e-3).run(0.1)
    assert after["first"].steps.tolist() == before.steps.tolist()
    assert after["first"].ids.tolist() == before.ids.tolist()


def test_spooled_spikes_are_those_kept_in_memory_and_lie_in_a_file(simulator, tmp_path):
    net, pop, _ = driven()
    kept = net.add(rb.Probe(pop))
    spooled = net.add(rb.Probe(pop, spool=str(tmp_path / "spikes.npy")))
    sim = simulator(net, 1e-3)
    steps = []
    for _ in range(2):
        result = sim.run(0.1)
        for column in ("steps", "ids", "trials"):
            np.testing.assert_array_equal(getattr(result[spooled], column), getattr(result[kept], column))
        steps += result[kept].steps.tolist()
    assert np.load(tmp_path / "spikes.npy")["steps"].tolist() == steps
    sim.reset()
    again = sim.run(0.05)
    assert np.load(tmp_path / "spikes.npy").size == len(again[kept])


def test_a_file_that_is_no_spool_is_not_added_to(simulator, tmp_path):
    net, pop, _ = driven()
    net.add(rb.Probe(pop, spool=str(tmp_path / "spikes.npy")))
    sim = simulator(net, 1e-3)
    sim.run(0.01)
    np.save(tmp_path / "spikes.npy", np.zeros(3))
    with pytest.raises(rb.FormatError, match="not a spool"):
        sim.run(0.01)


def test_a_window_beyond_the_run_is_empty(simulator):
    net, pop, _ = driven()
    spikes, v = net.add(rb.Probe(pop, start=1.0)), net.add(rb.Probe(pop, "v", start=1.0))
    result = simulator(net, 1e-3).run(0.1)
    assert len(result[spikes]) == 0
    assert result[v].values.shape == (0, 30)


def test_a_record_of_an_earlier_simulation_outlives_its_spool(simulator, tmp_path):
    net, pop, _ = driven()
    spooled = net.add(rb.Probe(pop, spool=tmp_path / "spikes.npy"))
    sim = simulator(net, 1e-3)
    first = sim.run(0.2)[spooled]
    before = first.steps.copy()
    sim.reset()
    sim.run(0.01)
    assert before.size > 10
    np.testing.assert_array_equal(first.steps, before)
    sim.checkpoint(tmp_path / "c.npz")
    assert rb.Simulator.resume(tmp_path / "c.npz").plan.probes[0].spool == str(tmp_path / "spikes.npy")


def test_two_probes_do_not_share_a_spool(simulator, tmp_path):
    net, pop, _ = driven()
    net.add(rb.Probe(pop, spool=tmp_path / "spikes.npy", name="one"))
    net.add(rb.Probe(pop, spool=str(tmp_path / "x" / ".." / "spikes.npy"), name="two"))
    with pytest.raises(rb.SpecError, match=r"two\.spool: one already writes to"):
        simulator(net, 1e-3)
