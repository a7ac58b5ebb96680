"""Work shared out over threads: each takes the next piece when it is done with one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def side_by_side(workers: Sequence[Callable[[Item], object]], items: Iterable[Item]) -> None:
    """Call one of the workers with each item; each worker runs in a thread of its own.

    Workers must let go of the interpreter while they compute, and no result may depend on who took what.
    """
    waiting = list(items)
    shared = iter(waiting)

    def work(worker: Callable[[Item], object]) -> None:
        for item in shared:
            worker(item)

    if len(workers) == 1 or len(waiting) < 2:
        work(workers[0])
        return
    with ThreadPoolExecutor(len(workers)) as pool:
        for done in [pool.submit(work, worker) for worker in workers]:
            done.result()


def stretches(n: int, size: int) -> list[tuple[int, int]]:
    """Return the bounds of n things in stretches of a size, the last perhaps shorter."""
    return [(low, min(low + size, n)) for low in range(0, n, size)]


def row_stretches(starts: np.ndarray, size: int) -> list[tuple[int, int]]:
    """Return the bounds of stretches of rows that have about `size` entries each.

    Row i has the entries starts[i], ..., starts[i + 1] - 1; none is divided.
    """
    n_rows = starts.size - 1
    cuts = np.searchsorted(starts, np.arange(0, starts[-1] + size, size), side="left")
    cuts = np.unique(np.minimum(np.append(cuts, n_rows), n_rows))
    return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
