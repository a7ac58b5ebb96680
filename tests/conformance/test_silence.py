"""Runs that end once nothing happens any more, or once their answers are taken; trials that stand still."""

import numpy as np
import pytest

import rheobase as rb

DT = 1e-3


def deep(*, burst=False, delay=0.0):
    """Frame -> a -> b -> c, dense, powers of two; how long it takes depends on the frame."""
    rng = np.random.default_rng(5)
    net = rb.Network()
    before = net.add(rb.FrameSource(12, name="frame"))
    for name, theta in (("a", 1.0), ("b", 6.0), ("c", 6.0)):
        model = rb.EventNeuron(theta, bits=6, burst=burst, bias=1.0)
        here = net.add(rb.Population(12, model, name=name))
        weight = np.diag(np.ones(12)) if name == "a" else rng.integers(-7, 8, (12, 12))
        net.add(rb.Projection(before, here, rb.dense(), weight=weight, delay=delay))
        net.add(rb.Probe(here, name=f"spikes of {name}"))
        before = here
    net.add(rb.Probe(before, "u", name="u"))
    return net


def frames(trials=5, rows=1):
    x = np.random.default_rng(6).integers(0, 64, (trials, rows, 12))
    x[0] = 0
    return x


def last_busy(result, trials):
    """The last step in which each trial sent something."""
    last = np.full(trials, -1)
    for name in "abc":
        record = result[f"spikes of {name}"]
        np.maximum.at(last, record.trials, record.steps)
    return last


def test_nobody_is_silent_while_small_events_wait():
    net = rb.Network()
    frame = net.add(rb.FrameSource(3, name="frame"))
    cell = net.add(rb.Population(3, rb.EventNeuron(bits=6, coarse=16), name="cell"))
    net.add(rb.Projection(frame, cell, rb.one_to_one(), weight=1.0, delay=0.0))
    sim = rb.Simulator(net, DT, backend="reference", batch=2)
    x = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 16.0]])
    result = sim.run(40e-3, inputs={"frame": x[:, None]}, until="silent")
    np.testing.assert_array_equal(sim.state("cell")["n"], x)
    assert result.info.trial_steps == (6, 5)


@pytest.mark.parametrize("delay", [0.0, 2e-3])
def test_a_run_until_silence_does_what_a_long_one_does(simulator, delay):
    trials, x = 5, frames()
    long = simulator(deep(delay=delay), DT, batch=trials)
    expected = long.run(40e-3, inputs={"frame": x})
    sim = simulator(deep(delay=delay), DT, batch=trials)
    result = sim.run(40e-3, inputs={"frame": x}, until="silent")
    last = last_busy(expected, trials)
    assert np.unique(last).size > 1
    steps = last + 2 + round(delay / DT)  # a silent step, once all has arrived
    if delay:
        steps[:] = steps.max()
    assert result.info.silent
    assert result.info.trial_steps == tuple(steps)
    assert result.info.steps == steps.max()
    for name in "abc":
        for variable, values in long.state(name).items():
            np.testing.assert_array_equal(sim.state(name)[variable], values)
    counts, complete = result.counts, expected.counts
    assert counts.by_trial("spikes").tolist() == complete.by_trial("spikes").tolist()
    assert counts.synaptic_events == complete.synaptic_events
    assert counts.updates == 36 * steps.sum()
    np.testing.assert_array_equal(result["u"].values, expected["u"].values[:, : steps.max()])


def test_bursts_settle_within_the_step_of_each_frame(simulator):
    sim = simulator(deep(burst=True), DT, batch=5)
    for rows in (1, 3):
        result = sim.run(40e-3, inputs={"frame": frames(rows=rows)}, until="silent")
        assert result.info.trial_steps == (rows,) * 5
        assert result.info.silent
    assert sim.run(40e-3, until="silent").info.steps == 1


def test_a_run_that_is_too_short_says_that_it_is_not_silent(simulator):
    sim = simulator(deep(), DT, batch=5)
    result = sim.run(2e-3, inputs={"frame": frames()}, until="silent")
    assert (result.info.steps, result.info.silent) == (2, False)
    assert sim.run(40e-3, until="silent").info.silent


def test_a_function_takes_answers_one_by_one(simulator):
    x, taken = frames(), {}
    sim = simulator(deep(), DT, batch=5)

    def answered():
        step = round(sim.now / DT)
        taken[step] = sim.state("c")["u"]
        return np.arange(5) < step

    result = sim.run(40e-3, inputs={"frame": x}, until=answered)
    assert result.info.trial_steps == (1, 2, 3, 4, 5)
    assert not result.info.silent
    whole = simulator(deep(), DT, batch=5).run(5e-3, inputs={"frame": x})
    for trial in range(5):
        np.testing.assert_array_equal(taken[5][trial], whole["u"].values[trial, trial])
    spikes = [np.sum(whole[f"spikes of {n}"].steps <= whole[f"spikes of {n}"].trials) for n in "abc"]
    assert result.counts.spikes == sum(spikes)
    assert sim.run(1e-3).info.trial_steps == (1,) * 5  # all go on


def test_trials_that_stand_still_are_left_out(simulator):
    x = frames()
    sim, free = (simulator(deep(), DT, batch=5) for _ in range(2))
    for s in (sim, free):
        s.run(2e-3, inputs={"frame": x})
    before = sim.state("c")["u"]
    sim.halt([1, 3])
    result, other = (s.run(6e-3, inputs={"frame": x}) for s in (sim, free))
    still = np.array([False, True, False, True, False])
    assert result.info.trial_steps == (6, 0, 6, 0, 6)
    np.testing.assert_array_equal(sim.state("c")["u"][still], before[still])
    np.testing.assert_array_equal(result["u"].values[still], np.tile(before[still][:, None], (1, 6, 1)))
    np.testing.assert_array_equal(result["u"].values[~still], other["u"].values[~still])
    assert not np.isin(result["spikes of c"].trials, [1, 3]).any()
    for what in ("spikes", "synaptic_events"):
        expected = np.where(still, 0, other.counts.by_trial(what))
        np.testing.assert_array_equal(result.counts.by_trial(what), expected)
    assert result.counts.updates == 36 * 18
    sim.halt(np.zeros(5, bool))
    sim.run(30e-3, inputs={"frame": x})
    # Those two have had two frames in all, as the others had with the second run.
    settled = simulator(deep(), DT, batch=5)
    settled.run(30e-3, inputs={"frame": 2 * x})
    np.testing.assert_array_equal(sim.state("c")["u"][still], settled.state("c")["u"][still])
    sim.halt([0])
    sim.reset()
    assert sim.run(1e-3).info.trial_steps == (1,) * 5


def test_a_checkpoint_and_a_change_keep_who_stands_still(simulator, tmp_path):
    sim = simulator(deep(), DT, batch=5)
    sim.run(1e-3, inputs={"frame": frames()})
    sim.halt([4])
    sim.set("c", theta=2.0)
    sim.checkpoint(tmp_path / "c.npz")
    for s in (sim, rb.Simulator.resume(tmp_path / "c.npz")):
        assert s.run(2e-3).info.trial_steps == (2, 2, 2, 2, 0)


def test_what_cannot_stand_still_or_fall_silent_is_refused(simulator):
    late = simulator(deep(delay=1e-3), DT, batch=2)
    with pytest.raises(rb.SpecError, match=r"Simulator\.halt: frame->a has a delay; trials can stand still"):
        late.halt([0])
    with pytest.raises(rb.SpecError, match=r"Simulator\.run\.until: frame->a has a delay"):
        late.run(1.0, until=lambda: [True, True])
    sim = simulator(deep(), DT, batch=2)
    for wrong in ([2], [-1], [0.5], [True], "all", [[0]]):
        with pytest.raises(
            rb.SpecError, match=r"Simulator\.halt\.trials: got .*allowed are indices from 0 to 1"
        ):
            sim.halt(wrong)
    with pytest.raises(
        rb.SpecError, match=r"Simulator\.run\.until: got 'quiet'; allowed is None, 'silent' or"
    ):
        sim.run(1.0, until="quiet")
    with pytest.raises(rb.SpecError, match=r"Simulator\.run\.until: it returned bool of shape \(3,\)"):
        sim.run(1.0, until=lambda: np.ones(3, bool))
    sim.reset()
    assert sim.run(DT).info.trial_steps == (1, 1)


def test_noise_and_frames_that_hold_are_never_silent(simulator):
    net = rb.Network()
    noise = net.add(rb.PoissonSource(1, rate=0.01))
    held = net.add(rb.FrameSource(1, name="held"))
    cell = net.add(rb.Population(1, rb.EventNeuron(1e6)))
    net.add(rb.Projection(noise, cell, rb.one_to_one(), delay=0.0))
    net.add(rb.Projection(held, cell, rb.one_to_one(), delay=0.0))
    assert not simulator(net, DT).run(5e-3, until="silent").info.silent
    quiet = rb.Network()
    held = quiet.add(rb.FrameSource(1, name="held"))
    cell = quiet.add(rb.Population(1, rb.EventNeuron(1e6)))
    quiet.add(rb.Projection(held, cell, rb.one_to_one(), delay=0.0))
    sim = simulator(quiet, DT)
    assert not sim.run(5e-3, inputs={held: [1.0]}, until="silent").info.silent
    assert sim.run(5e-3, inputs={held: [[1.0]]}, until="silent").info.steps == 2
