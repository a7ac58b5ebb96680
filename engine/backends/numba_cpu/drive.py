"""The loop that runs everything: it walks a program of (kernel, block) words, step after step.

A program is an array of pairs of words; a pair (0, 0) is a barrier. With several threads, each runs
its own program over its own part of the network, and all meet at the barriers.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numba import njit

from .words import fetch_add, invoke, invoke_plain, load_word, store_word, yield_address

#: Words of the block that threads share, each on a cache line of its own.
_ARRIVED, _ROUND, _STOP = 0, 64, 128
_NEVER = 2**62
_SPINS = 4000


class Meeting:
    """What threads share while they run: who has arrived at the barrier, and when to stop."""

    def __init__(self) -> None:
        self.words = np.zeros(24, np.int64)
        self.address = self.words.ctypes.data
        self.yielder = yield_address()

    def run(self, programs: list[np.ndarray], start: int, stop: int) -> int:
        """Run one program per thread from a step to another; return the step that was reached.

        Kernels stop the run by a status that is not zero: all threads then end after that step.
        """
        self.words[:] = 0
        self.words[_STOP // 8] = _NEVER
        n = len(programs)
        if n == 1:
            return int(drive(programs[0], start, stop, self.address, 1, self.yielder))
        others = [
            threading.Thread(target=drive, args=(program, start, stop, self.address, n, self.yielder))
            for program in programs[1:]
        ]
        for thread in others:
            thread.start()
        reached = drive(programs[0], start, stop, self.address, n, self.yielder)
        for thread in others:
            thread.join()
        return int(reached)


@njit("void(int64, int64, int64)", nogil=True, cache=True)
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


@njit("int64(int64[::1], int64, int64, int64, int64, int64)", nogil=True, cache=True)
def drive(program: Any, start: Any, stop: Any, shared: Any, n: Any, yielder: Any) -> Any:
    """Run a program from step `start` to before `stop`; return the step that was reached."""
    now = start
    while now < stop:
        for k in range(0, program.size, 2):
            kernel = program[k]
            if kernel == 0:
                wait(shared, n, yielder)
            elif invoke(kernel, program[k + 1], now) != 0:
                store_word(shared + _STOP, now + 1)
        if n > 1:
            wait(shared, n, yielder)
        now += 1
        # A faster thread may already have asked to stop after the next step: compare, do not just test.
        if load_word(shared + _STOP) <= now:
            break
    return now
