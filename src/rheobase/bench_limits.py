"""What the machine itself can do, measured in the same run: the yardstick of `rheobase bench`.

Two things bound a simulation on a processor: how fast memory can be read in a stream, and how fast
numbers at random places can be raised. Both move by half within seconds on a shared machine, so they are
measured next to what they are compared with, in a fraction of a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit

from .engine.backends.numba_cpu.memory import zeros
from .engine.counts import Counts
from .engine.plan import Plan

#: Read in a stream: several times as large as most last-level caches.
_STREAM_BYTES = 128 << 20
#: Increments per measurement; a place is read for each, 4 bytes, as it is for a synapse.
_INCREMENTS = 1 << 19
#: Sizes of what is incremented: a first-level cache, a block of 65,536 cells, a large second-level cache.
SIZES = {"32kb": 32 << 10, "256kb": 256 << 10, "4mb": 4 << 20}
#: The most cells that a block of synapses can reach with 16 bits.
_BLOCK_CELLS = 65_536
_TURNS = 5


def measure_limits(threads: int = 1) -> dict[str, float]:
    """Measure the machine, the best of several turns each.

    Parameters
    ----------
    threads : int
        Threads that read in a stream together.

    Returns
    -------
    dict
        `read_gb_s` and `read_gb_s_one_thread`, in 10^9 bytes per second: a sum over 128 MiB of
        float32, by that many threads and by one. `increments_32kb_ns`, `increments_256kb_ns` and
        `increments_4mb_ns`: nanoseconds for raising one int32 at a random place within so many bytes, by one
        thread, with the places read from memory in a row.

    Examples
    --------
    >>> limits = measure_limits()
    >>> limits["read_gb_s"] == limits["read_gb_s_one_thread"] > 0
    True
    """
    stream = zeros(_STREAM_BYTES // 4, np.float32)
    stream[:] = 1.0  # pages that nobody has written all share one
    limits = {"read_gb_s_one_thread": _read_gb_s(stream, 1)}
    limits["read_gb_s"] = limits["read_gb_s_one_thread"] if threads == 1 else _read_gb_s(stream, threads)
    del stream
    rng = np.random.default_rng(0)
    for name, size in SIZES.items():
        cells, places = zeros(size // 4, np.int32), zeros(_INCREMENTS, np.uint32)
        places[:] = rng.integers(0, cells.size, _INCREMENTS, dtype=np.uint32)
        limits[f"increments_{name}_ns"] = _best(_increment, cells, places) * 1e9 / _INCREMENTS
    return limits


def of_limit(
    plan: Plan, counts: Counts, events: int, wall_s: float, threads: int, limits: dict[str, float]
) -> float | None:
    """Return the fraction of the machine's own limit that a run reached.

    Parameters
    ----------
    plan : Plan
        What ran: how the projection with the most events is stored says which limit is meant.
    counts : Counts
        What happened.
    events : int
        Synaptic events, those of private Poisson sources left out.
    wall_s : float
        Wall seconds of the whole run, updates and everything else included.
    threads : int
        Threads of the run.
    limits : dict
        What `measure_limits` returned.

    Returns
    -------
    float or None
        Sparse synapses: the time of one random increment over wall nanoseconds per synaptic event, both for
        all threads together: `increments_*_ns / threads / (wall_s * 1e9 / events)`. The size is the smallest
        of 32 KB, 256 KB and 4 MB that holds a block of input cells, 4 bytes each: one for
        every receptor of every neuron, the threads' share of these, 65,536 at most.

        Dense weights: bytes of weights per wall second over the bandwidth of reading, by as many threads:
        `events * 4 / wall_s / (read_gb_s * 1e9)`. An event reads one weight of 4 bytes for each target. More
        than 1 is possible, since weights that were read once are used again from a cache.

        None where there were no events, and for convolutions, which read neither.
    """
    if not events:
        return None
    most = max(counts.projections, key=lambda p: p.events)
    storage = plan.projections[most.name].storage
    if storage == "sparse":
        cells = sum(group.n * len(group.receptors) for group in plan.groups.values())
        name = _holding(4 * min(-(-cells // threads), _BLOCK_CELLS))
        return limits[f"increments_{name}_ns"] / threads / (wall_s * 1e9 / events)
    if storage == "dense":
        return 4e-9 * events / wall_s / limits["read_gb_s"]
    return None


def _holding(n_bytes: int) -> str:
    """Return the name of the smallest size that holds so many bytes."""
    return next(name for name, size in SIZES.items() if size >= n_bytes)


def _read_gb_s(stream: np.ndarray, threads: int) -> float:
    if threads == 1:
        return stream.nbytes / _best(_read, stream) / 1e9
    pieces = np.array_split(stream, threads)
    with ThreadPoolExecutor(threads) as pool:
        return stream.nbytes / _best(lambda: list(pool.map(_read, pieces))) / 1e9


def _best(run: Callable[..., Any], *arguments: Any) -> float:
    """Return the shortest of several turns, in seconds, after one that warms up."""
    run(*arguments)
    seconds = []
    for _ in range(_TURNS):
        began = time.perf_counter()
        run(*arguments)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


@njit("float32(float32[::1])", nogil=True, fastmath=True, cache=True)
def _read(stream: Any) -> Any:
    """Return the sum, in whatever order is fastest."""
    total = np.float32(0.0)
    for k in range(stream.size):
        total += stream[k]
    return total


@njit("void(int32[::1], uint32[::1])", nogil=True, cache=True)
def _increment(cells: Any, places: Any) -> None:
    """Raise the cells at the given places."""
    for k in range(places.size):
        cells[places[k]] += np.int32(1)
