"""Threads of the compiled backend start together or not at all, and all end, whatever strikes meanwhile."""

import threading

import numpy as np
import pytest

from rheobase.engine.backends.numba_cpu import drive


class Interruption(BaseException):
    """What a signal's handler may raise, at any line of the thread that it strikes."""


@pytest.fixture
def called(monkeypatch):
    """Calls of `drive`, which then only notes them."""
    calls = []
    monkeypatch.setattr(drive, "drive", lambda *call: calls.append(call) or 7)
    return calls


def run(n):
    segments = np.zeros((1, 4), np.int64)
    program = drive.Program(np.zeros(2, np.int64), segments, segments[:0], np.zeros(2, np.int64))
    return drive.Meeting(np.ones(1, np.int64)).run([program] * n, 1, 0, 5)


def test_where_one_thread_cannot_start_the_others_end_without_running(monkeypatch, called):
    begun, start = [], threading.Thread.start

    def only_once(thread):
        if begun:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", only_once)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        run(3)
    assert not begun[0].is_alive()
    assert called == []


def test_threads_that_all_start_run_their_calls(called):
    assert run(3) == 7
    assert len(called) == 3


@pytest.mark.parametrize("where", ["before", "after"])
def test_an_interruption_while_they_start_lets_all_run_or_none(monkeypatch, called, where):
    before, start = threading.active_count(), drive.Others.start

    def interrupted(others):
        if where == "after":
            start(others)
        raise Interruption

    monkeypatch.setattr(drive.Others, "start", interrupted)
    with pytest.raises(Interruption):
        run(3)
    assert len(called) == (3 if where == "after" else 0)
    assert threading.active_count() == before


def test_an_interruption_while_they_are_joined_waits_for_them(monkeypatch):
    release, met, join = threading.Event(), [], threading.Thread.join

    def interrupted(thread, timeout=None):
        met.append(thread)
        if len(met) < 3:
            raise Interruption
        release.set()
        join(thread, timeout)

    monkeypatch.setattr(drive, "drive", lambda *call: release.wait(10) if call[3] else 7)
    monkeypatch.setattr(threading.Thread, "join", interrupted)
    others = drive.Others([(0, 0, 0, 1)])
    others.start()
    with pytest.raises(Interruption):
        others.join()
    assert len(met) == 3
    assert not met[0].is_alive()
