"""Ctrl-C: the first ends a run in good order, the second at once, and nothing is ever half done in secret."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine import clocked, interrupt
from rheobase.engine.result import Result

MACHINES = [("reference", 1), ("numba", 1), ("numba", 2)]
machines = pytest.mark.parametrize(("backend", "threads"), MACHINES)


def loop(spool=None):
    """A noisy recurrent network with delays, and one probe of every kind."""
    net = rb.Network(seed=3)
    noise = net.add(rb.PoissonSource(200, rate=400.0, name="noise"))
    pop = net.add(rb.Population(200, rb.LIF(tau=20e-3), name="pop"))
    net.add(rb.Projection(noise, pop, rb.random(p=0.1), weight=0.06, delay=2e-3))
    net.add(rb.Projection(pop, pop, rb.random(p=0.1), weight=0.02, delay=3e-3))
    for variable in ("spikes", "counts", "v"):
        net.add(rb.Probe(pop, variable, name=variable, every=5e-3 if variable == "v" else None, spool=spool))
        spool = None
    return net


def simulator(backend, threads, net=None, **options):
    return rb.Simulator(net or loop(), dt=1e-3, backend=backend, threads=threads, **options)


@pytest.fixture(autouse=True)
def default_handler():
    """Have SIGINT raise KeyboardInterrupt, as it does in a terminal's foreground."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.fixture
def short_chunks(monkeypatch):
    """Look for interrupts every 16 steps at least, so that short runs can be interrupted."""
    monkeypatch.setattr(clocked, "_GROWTH", 1.0)


def at_step(monkeypatch, step, signals=1):
    """Send SIGINT, as another process would, once a run has done so many steps."""
    add = clocked.Progress.add

    def send(bar, seconds):
        add(bar, seconds)
        nonlocal signals
        while signals and bar._done >= step * 1e-3 - 1e-9:
            signals -= 1
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(clocked.Progress, "add", send)


@machines
def test_an_interrupted_run_that_goes_on_is_the_uninterrupted_one(
    backend, threads, short_chunks, monkeypatch
):
    whole = simulator(backend, threads).run(0.4)
    sim = simulator(backend, threads)
    at_step(monkeypatch, 150)
    first = sim.run(0.4)
    assert first.info.interrupted
    assert 150 <= first.info.steps <= 170
    assert sim.now == pytest.approx(first.info.steps * 1e-3)
    assert first["spikes"].stop == first["counts"].seconds == pytest.approx(sim.now)
    assert first["v"].times.size == -(-first.info.steps // 5)
    second = sim.run(0.4 - sim.now)
    assert not second.info.interrupted
    for name in ("steps", "ids", "trials"):
        joined = np.concatenate([getattr(r["spikes"], name) for r in (first, second)])
        np.testing.assert_array_equal(joined, getattr(whole["spikes"], name))
    np.testing.assert_array_equal(first["counts"].counts + second["counts"].counts, whole["counts"].counts)
    np.testing.assert_array_equal(np.concatenate([r["v"].values for r in (first, second)]), whole["v"].values)
    assert len(whole["spikes"]) > 100
    for count in ("spikes", "source_spikes", "synaptic_events", "updates"):
        parts = [getattr(result.counts, count) for result in (first, second)]
        assert sum(parts) == getattr(whole.counts, count)


@machines
def test_an_interrupt_amid_a_long_run_from_outside_ends_it_soon(backend, threads):
    sim = simulator(backend, threads)
    sim.run(1e-3)
    began = time.perf_counter()
    timer = threading.Timer(0.4, signal.raise_signal, [signal.SIGINT])
    timer.start()
    # From another thread the signal still reaches the main one, amid compiled code.
    result = sim.run(1e5)
    seconds = time.perf_counter() - began
    timer.join()
    assert result.info.interrupted
    assert 0.4 <= seconds < 10
    assert result.info.start_step == 1
    assert sim.now == pytest.approx(1e-3 + result.duration)
    assert not any(thread.name.startswith("Thread-") for thread in threading.enumerate() if thread != timer)


@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_trials_dealt_to_threads_stop_together(backend, short_chunks, monkeypatch):
    whole = simulator(backend, 2, batch=3).run(0.2)
    sim = simulator(backend, 2, batch=3)
    at_step(monkeypatch, 60)
    parts = [sim.run(0.2)]
    parts.append(sim.run(0.2 - sim.now))
    np.testing.assert_array_equal(sum(part["counts"].counts for part in parts), whole["counts"].counts)


@machines
def test_a_second_interrupt_raises_and_the_simulator_asks_for_a_reset(
    backend, threads, short_chunks, monkeypatch, tmp_path
):
    whole = simulator(backend, threads).run(0.2)
    sim = simulator(backend, threads)
    with monkeypatch.context() as patch:
        at_step(patch, 50, signals=2)
        with pytest.raises(KeyboardInterrupt):
            sim.run(0.2)
    for refused in (lambda: sim.run(0.1), lambda: sim.checkpoint(tmp_path / "c.npz")):
        with pytest.raises(rb.RunError, match=r"interrupted.*reset\(\)"):
            refused()
    sim.reset()
    again = sim.run(0.2)
    np.testing.assert_array_equal(again["spikes"].steps, whole["spikes"].steps)
    np.testing.assert_array_equal(again["spikes"].ids, whole["spikes"].ids)
    assert again.counts == whole.counts


@pytest.mark.parametrize(("backend", "threads"), [("reference", 1), ("numba", 2)])
def test_two_interrupts_amid_a_chunk_leave_no_thread_behind(backend, threads, monkeypatch):
    sim = simulator(backend, threads, batch=4)
    info = sim.run(0.5 if backend == "reference" else 5.0).info
    # One chunk of about three seconds, in which the main thread waits for others or runs Python.
    monkeypatch.setattr(clocked, "_FIRST_CHUNK", round(3.0 / info.wall_s * info.steps))
    before = threading.active_count()

    def twice():
        time.sleep(0.4)
        os.kill(os.getpid(), signal.SIGINT)
        # Two signals of one kind that nobody has looked at would be one.
        while signal.getsignal(signal.SIGINT).__self__.met < 1:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    helper = threading.Thread(target=twice)
    helper.start()
    with pytest.raises(KeyboardInterrupt):
        sim.run(1e5)
    helper.join()
    assert threading.active_count() == before
    with pytest.raises(rb.RunError, match="interrupted"):
        sim.run(0.1)


def test_an_error_in_a_run_asks_for_a_reset_too():
    net = rb.Network()
    source = net.add(rb.SpikeSource(2))
    pop = net.add(rb.Population(1, rb.IF(threshold=3e38, reset="none"), name="victim"))
    pairs = rb.explicit([0, 0, 1, 1], [0, 0, 0, 0])
    net.add(rb.Projection(source, pop, pairs, weight=[3e38, 3e38, -3e38, -3e38], delay=0.0))
    sim = rb.Simulator(net, dt=1e-3, backend="reference", precision="float32")
    with pytest.raises(rb.RunError, match="became NaN"):
        sim.run(0.02, inputs={source: ([2e-3, 7e-3], [0, 1])})
    with pytest.raises(rb.RunError, match=r"became NaN.*reset\(\)"):
        sim.run(0.02)
    sim.reset()
    sim.run(0.02)


def test_the_old_handler_comes_back_and_foreign_ones_are_left_alone(short_chunks, monkeypatch):
    sim = simulator("reference", 1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    sim.run(1e-3)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    heard = []
    signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    at_step(monkeypatch, 20)
    result = sim.run(0.05)
    assert heard == [signal.SIGINT]
    assert not result.info.interrupted
    assert result.info.steps == 50


def test_outside_the_main_thread_nothing_is_installed():
    sim, seen = simulator("reference", 1), []

    def work():
        with interrupt.CtrlC():
            seen.append(signal.getsignal(signal.SIGINT))
        seen.append(sim.run(5e-3).info)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen[0] is signal.default_int_handler
    assert (seen[1].steps, seen[1].interrupted) == (5, False)


def test_only_the_second_interrupt_raises_and_later_ones_are_swallowed():
    def press():
        signal.raise_signal(signal.SIGINT)

    def press_often():
        press()
        try:
            press()
        finally:
            press()
            press()

    with interrupt.CtrlC() as ctrl_c, pytest.raises(KeyboardInterrupt):
        press_often()
    assert ctrl_c.met == 4
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_mark_is_printed_and_survives_a_file(short_chunks, monkeypatch, tmp_path):
    spool = tmp_path / "spikes.npy"
    sim = simulator("reference", 1, loop(spool))
    at_step(monkeypatch, 100)
    result = sim.run(0.4)
    assert "interrupted" in str(result).splitlines()[0]
    assert "interrupted=True" in repr(result)
    assert result.to_dict()["interrupted"] is True
    result.save(tmp_path / "result.npz")
    back = Result.load(tmp_path / "result.npz")
    assert back.info == result.info
    assert back["spikes"].steps.tolist() == np.load(spool)["steps"].tolist()
    assert 0 < len(back["spikes"])
    rest = sim.run(0.05)
    assert "interrupted" not in str(rest)
    assert len(np.load(spool)) == len(back["spikes"]) + len(rest["spikes"])


def test_what_was_spooled_before_a_second_interrupt_can_be_read(short_chunks, monkeypatch, tmp_path):
    sim = simulator("reference", 1, loop(tmp_path / "spikes.npy"))
    at_step(monkeypatch, 100, signals=2)
    with pytest.raises(KeyboardInterrupt):
        sim.run(0.4)
    steps = np.load(tmp_path / "spikes.npy")["steps"]
    assert steps.size > 0
    assert (np.diff(steps) >= 0).all()
