"""The loop that runs everything: it walks a program of (kernel, block) words, strip after strip of steps.

A program is cut into segments. A segment runs all steps of a strip before the next one starts, so
that its weights stay in the cache; a strip is no longer than the shortest delay by which a segment
could hear an event of its own strip from itself or a later one. With several threads, each runs its
own segments, and all meet where one needs what the others have done.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import numpy as np

from ...compiled import compiled
from .memory import zeros
from .words import fetch_add, invoke, invoke_plain, load_word, store_word, yield_address

#: Bytes at which words lie in the block that threads share, each on a cache line of its own.
_ARRIVED, _ROUND, _STOP = 0, 64, 128
_NEVER = 2**62
_SPINS = 4000


@dataclass(frozen=True)
class Program:
    """What one thread does in every strip.

    Attributes
    ----------
    words : int64 (2 k,)
        Pairs of a kernel's address and its block's.
    segments : int64 (n, 4)
        First and one past the last word of each segment, whether all threads meet after it, and its trial, or
        the number of trials if it is for all of a crew.
    watching : int64 (n, 4)
        Segments that come after these where a step is watched.
    clock : int64 (2,)
        Where it is told the first step of each strip and the one after its last.
    """

    words: np.ndarray
    segments: np.ndarray
    watching: np.ndarray
    clock: np.ndarray


class Meeting:
    """What threads share while they run: who has arrived at the barrier, and when to stop."""

    def __init__(self, active: np.ndarray) -> None:
        self.words, self.active = zeros(24, np.int64), active
        self.address = self.words.ctypes.data
        self.yielder = yield_address()

    def run(self, programs: list[Program], strip: int, start: int, stop: int, *, watch: bool = False) -> int:
        """Run one program per thread from a step to another; return the step that was reached.

        Kernels stop the run by a status that is not zero: all threads then end after that strip. Segments of
        trials that are not `active`, int64 (trials + 1,), are left out.
        """
        self.words[:] = 0
        self.words[_STOP // 8] = _NEVER
        n = len(programs)
        calls = [
            (
                p.words, np.concatenate([p.segments, p.watching]) if watch else p.segments, p.clock,
                self.active, strip, start, stop, self.address, n, self.yielder,
            )
            for p in programs
        ]  # fmt: skip
        if n == 1:
            return int(drive(*calls[0]))
        # An exception may come from a signal, at any line. The others wait for this thread's part, so it
        # runs whatever happens, and once: taking it from the iterator and calling it are one act.
        mine, others = starmap(drive, calls[:1]), Others(calls[1:])
        try:
            others.start()
            reached = next(mine)
        finally:
            others.let_go()
            if others.complete.is_set():
                for _ in mine:
                    pass
            others.join()
        return int(reached)


class Others:
    """Threads that each run a call of `drive`, all or none: they would wait for a missing one for ever.

    Attributes
    ----------
    complete : Event
        Whether all of them have started, and so run their calls.
    """

    def __init__(self, calls: list[tuple[Any, ...]]) -> None:
        self._gate, self.complete = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._follow, args=call) for call in calls]

    def _follow(self, *call: Any) -> None:
        self._gate.wait()
        if self.complete.is_set():
            drive(*call)

    def start(self) -> None:
        """Start them and, once all have started, let them run."""
        try:
            for thread in self._threads:
                thread.start()
            self.complete.set()
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Let those that have started run their calls, or end if some have not started."""
        self._gate.set()

    def join(self) -> None:
        """Wait for them to end, however often that is interrupted, and pass the interruption on."""
        met: BaseException | None = None
        for thread in self._threads:
            while thread.is_alive():
                try:
                    thread.join()
                except BaseException as error:
                    met = error
        if met is not None:
            raise met


@compiled("void(int64, int64, int64)")
def wait(shared: Any, n: Any, yielder: Any) -> None:
    """Wait until all n threads have arrived: spin for some microseconds, then give the processor away."""
    turn = load_word(shared + _ROUND)
    if fetch_add(shared + _ARRIVED, 1) == n - 1:
        store_word(shared + _ARRIVED, 0)
        store_word(shared + _ROUND, turn + 1)
        return
    spins = 0
    while load_word(shared + _ROUND) == turn:
        spins += 1
        if spins > _SPINS and yielder != 0:
            invoke_plain(yielder)


@compiled(
    "int64(int64[::1], int64[:, ::1], int64[::1], int64[::1], int64, int64, int64, int64, int64, int64)"
)
def drive(
    words: Any, segments: Any, clock: Any, active: Any, strip: Any, start: Any, stop: Any, shared: Any,
    n: Any, yielder: Any,
) -> Any:  # fmt: skip
    """Run a program from step `start` to before `stop`; return the step that was reached."""
    now = start
    while now < stop:
        end = min(now + strip, stop)
        clock[0], clock[1] = now, end
        for segment in range(segments.shape[0]):
            for step in range(now, end if active[segments[segment, 3]] != 0 else now):
                for k in range(segments[segment, 0], segments[segment, 1], 2):
                    if invoke(words[k], words[k + 1], step) != 0:
                        store_word(shared + _STOP, end)
            if segments[segment, 2] != 0:
                wait(shared, n, yielder)
        now = end
        # A faster thread may already have asked to stop after the next strip: compare, do not just test.
        if load_word(shared + _STOP) <= now:
            break
    return now
