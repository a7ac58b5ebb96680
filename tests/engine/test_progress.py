"""The progress bar: simulated time, real-time factor and time to go, on a terminal and nowhere else."""

import io
import re
import sys

import rheobase as rb
from rheobase.engine import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def put(monkeypatch, stream):
    """Make a stream standard error: within a test, since pytest puts its own there before each."""
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def run(shown):
    net = rb.Network()
    net.add(rb.Population(10, rb.LIF(tau=20e-3)))
    rb.Simulator(net, dt=1e-3, backend="reference").run(0.2, progress=shown)


def test_a_terminal_shows_time_factor_and_end(monkeypatch):
    stream = put(monkeypatch, Terminal())
    monkeypatch.setattr(progress, "_PATIENCE_S", 0.0)
    run(None)
    last = stream.getvalue().rsplit("\r", 1)[-1]
    assert re.search(r"100%\|.*\| 0\.2 of 0\.2 s,", last)
    assert re.search(r"real-time factor [\d.e-]+, 00:\d\d gone, 00:\d\d to go\s*$", last)


def test_the_factor_is_wall_seconds_per_model_second(monkeypatch):
    stream = put(monkeypatch, Terminal())
    clock = iter([10.0, 10.5, 11.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    bar = progress.Progress(4.0, True)
    bar.add(0.25)
    bar.add(0.25)
    bar.close()
    assert "0.5 of 4 s, real-time factor 2, " in stream.getvalue()


def test_short_runs_leave_a_terminal_alone_unless_asked(monkeypatch):
    stream = put(monkeypatch, Terminal())
    run(None)
    assert stream.getvalue() == ""
    run(False)
    assert stream.getvalue() == ""
    run(True)
    assert "0.2 of 0.2 s" in stream.getvalue()


def test_a_pipe_gets_nothing_unless_asked(monkeypatch):
    stream = put(monkeypatch, io.StringIO())
    monkeypatch.setattr(progress, "_PATIENCE_S", 0.0)
    run(None)
    assert stream.getvalue() == ""
    run(True)
    assert "0.2 of 0.2 s" in stream.getvalue()


def test_a_program_without_standard_error_runs(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    run(None)
