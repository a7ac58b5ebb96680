"""Threads of the compiled backend: they start together or not at all."""

import threading

import pytest

from rheobase.engine.backends.numba_cpu import drive


def test_where_one_thread_cannot_start_the_others_end_without_running(monkeypatch):
    begun, called, start = [], [], threading.Thread.start

    def only_once(thread):
        if begun:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", only_once)
    monkeypatch.setattr(drive, "drive", lambda *call: called.append(call))
    with pytest.raises(RuntimeError, match="can't start new thread"):
        drive._together([(1,), (2,)])
    begun[0].join(10)
    assert not begun[0].is_alive()
    assert called == []


def test_threads_that_all_start_run_their_calls(monkeypatch):
    called = []
    monkeypatch.setattr(drive, "drive", lambda *call: called.append(call))
    for thread in drive._together([(1,), (2,), (3,)]):
        thread.join(10)
    assert sorted(called) == [(1,), (2,), (3,)]
