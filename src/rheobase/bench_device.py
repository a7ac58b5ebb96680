"""What a GPU itself can do, measured in the same run: the yardstick of `rheobase bench --backend cuda`.

Four things bound a simulation on a GPU: how fast its memory can be streamed, how fast numbers at random
places can be raised by all threads at once, how long it takes to start a kernel, and how long it takes
all threads to wait for each other. All are measured through CuPy, which is imported only when asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .engine.counts import Counts
from .engine.plan import Plan
from .neurons.errors import MissingExtra, RunError

#: Copied, several times as large as a second-level cache, and raised, well within that of a large GPU.
_COPY_BYTES, _CELL_BYTES = 256 << 20, 28 << 20
#: Threads in a block, blocks for each multiprocessor, increments by each thread.
_THREADS, _BLOCKS, _INCREMENTS = 256, 8, 256
#: Kernels and barriers in a row; turns, of which the best counts.
_LAUNCHES, _BARRIERS, _TURNS = 1000, 1000, 5

_EMPTY = 'extern "C" __global__ void empty() {}'

#: Places come from a generator in registers, so nothing but the increments goes to memory.
_RAISE = """
extern "C" __global__ void increment(int* cells, unsigned int n_cells, unsigned int increments) {
    unsigned int x = (blockIdx.x * blockDim.x + threadIdx.x) * 2654435761u + 1u;
    for (unsigned int k = 0; k < increments; ++k) {
        x ^= x << 13; x ^= x >> 17; x ^= x << 5;
        atomicAdd(cells + __umulhi(x, n_cells), 1);
    }
}
"""

_WAIT = """
#include <cooperative_groups.h>
extern "C" __global__ void wait_often(unsigned int times) {
    cooperative_groups::grid_group grid = cooperative_groups::this_grid();
    for (unsigned int k = 0; k < times; ++k) grid.sync();
}
"""

#: What moves for a synaptic event: the entry of a sparse table and the cell that it raises; a dense weight.
_SPARSE_BYTES, _DENSE_BYTES = 8 + 4, 4


def gpu_name() -> str | None:
    """Return the name of the GPU that CuPy would use, None if there is no CuPy or no GPU.

    Examples
    --------
    >>> gpu_name() is None or len(gpu_name()) > 0
    True
    """
    try:
        cupy = _cupy()
    except (ImportError, RunError):  # not installed, broken, or without a GPU
        return None
    return str(cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode())


def limits_of_device() -> dict[str, float | None]:
    """Measure the GPU, the best of several turns each.

    Returns
    -------
    dict
        `copy_gb_s`: 10^9 bytes per second, read and written, by a copy of 256 MiB.
        `increments_28mb_per_s`: int32 numbers at random places within 28 MiB that all threads together raise
        by one in a second. `launch_us`: microseconds for a kernel that does nothing, in a row of 1,000
        started by CuPy. `barrier_us`: microseconds until all threads of a grid, one block of 256 on each
        multiprocessor, have met, in a row of 1,000 within one kernel. A value is None, and a warning says
        why, where it could not be measured.

    Raises
    ------
    MissingExtra
        If CuPy is not installed.
    RunError
        If CuPy finds no GPU.
    """
    cupy = _cupy()
    found: dict[str, float | None] = {}
    for name, measure in _MEASURED.items():
        try:
            found[name] = measure(cupy)
        except Exception as error:  # a compiler's, a driver's: whatever it is, the other limits stand
            warnings.warn(f"{name} was not measured: {type(error).__name__}: {error}", stacklevel=2)
            found[name] = None
    cupy.get_default_memory_pool().free_all_blocks()
    return found


def on_device(inputs: Mapping[Any, Any], steps: int, dt: float) -> Mapping[Any, Any]:
    """Return spikes as counts in a GPU's memory, where peers have theirs; as they are where there is no GPU.

    Parameters
    ----------
    inputs
        Source -> a pair (times, ids) for each trial, times in seconds.
    steps, dt
        Steps of the run, and seconds of one.
    """
    if gpu_name() is None:
        return inputs
    cupy, there = _cupy(), {}
    for source, pairs in inputs.items():
        counts = np.zeros((len(pairs), steps, source.n), np.uint8)
        for trial, (times, ids) in enumerate(pairs):
            np.add.at(counts[trial], (np.rint(np.asarray(times) / dt).astype(int), ids), 1)
        there[source] = cupy.asarray(counts)
    return there


def device_figures(plan: Plan, counts: Counts, events: int, wall_s: float, device: str) -> dict[str, Any]:
    """Return how near a run came to what its GPU can do.

    Parameters
    ----------
    plan : Plan
        What ran: how the projection with the most events is stored says what an event moves.
    counts : Counts
        What happened.
    events : int
        Synaptic events, those of private Poisson sources left out.
    wall_s : float
        Wall seconds of the whole run.
    device : str
        Name of the device that it ran on, "" if unknown.

    Returns
    -------
    dict
        `device`, `us_per_step`, and `limits` as `limits_of_device` returns them: empty where there is no CuPy
        or no GPU, and in the CUDA simulator. The fractions reached:

        `of_bandwidth`: bytes moved by synaptic events per wall second over `copy_gb_s`. An event on a sparse
        table reads 8 bytes and raises a cell of 4, one on a dense matrix reads a weight of 4, which can come
        from a cache; None for others. `of_increments`: events on sparse tables per wall second over
        `increments_28mb_per_s`. `of_launch`, `of_barrier`: the time of one kernel and of one barrier over
        that of a step, which needs at least one or the other; many steps may share a kernel, so that
        `of_launch` can be more than 1. `of_limit` is the largest of the others but `of_launch`.
    """
    limits = limits_of_device() if gpu_name() is not None and "simulator" not in device.lower() else {}
    us_per_step = wall_s * 1e6 / counts.steps
    storage = plan.projections[max(counts.projections, key=lambda p: p.events).name].storage if events else ""
    moved = {"sparse": _SPARSE_BYTES, "dense": _DENSE_BYTES}.get(storage)
    rate, raised = events / wall_s, storage == "sparse"
    shares = {
        "of_bandwidth": _share(rate * moved * 1e-9 if moved else None, limits.get("copy_gb_s")),
        "of_increments": _share(rate if raised else None, limits.get("increments_28mb_per_s")),
        "of_barrier": _share(limits.get("barrier_us"), us_per_step),
    }
    known = [share for share in shares.values() if share is not None]
    line: dict[str, Any] = {"device": device, "us_per_step": us_per_step, **shares}
    line["of_launch"] = _share(limits.get("launch_us"), us_per_step)
    return line | {"of_limit": max(known, default=None), "limits": limits}


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or whole is None else part / whole


def _cupy() -> Any:
    """Import CuPy; raise MissingExtra without it, RunError without a GPU."""
    if importlib.util.find_spec("cupy") is None:
        raise MissingExtra("cupy", "gpu", "Measuring a GPU")
    cupy = importlib.import_module("cupy")
    if not cupy.cuda.is_available():
        raise RunError("bench: CuPy finds no CUDA device; what a GPU can do is measured where there is one")
    return cupy


def _copy_gb_s(cupy: Any) -> float:
    source = cupy.ones(_COPY_BYTES // 4, cupy.float32)
    target = cupy.empty_like(source)
    return 2 * _COPY_BYTES / _best(cupy, lambda: cupy.copyto(target, source)) / 1e9


def _increments_per_s(cupy: Any) -> float:
    cells = cupy.zeros(_CELL_BYTES // 4, cupy.int32)
    kernel, blocks = cupy.RawKernel(_RAISE, "increment"), _BLOCKS * _multiprocessors(cupy)
    arguments = (cells, cupy.uint32(cells.size), cupy.uint32(_INCREMENTS))
    raised = blocks * _THREADS * _INCREMENTS
    return raised / _best(cupy, lambda: kernel((blocks,), (_THREADS,), arguments))


def _launch_us(cupy: Any) -> float:
    kernel = cupy.RawKernel(_EMPTY, "empty")

    def run() -> None:
        for _ in range(_LAUNCHES):
            kernel((1,), (1,), ())

    return _best(cupy, run) * 1e6 / _LAUNCHES


def _barrier_us(cupy: Any) -> float:
    kernel = cupy.RawKernel(_WAIT, "wait_often", enable_cooperative_groups=True)
    blocks, arguments = _multiprocessors(cupy), (cupy.uint32(_BARRIERS),)
    return _best(cupy, lambda: kernel((blocks,), (_THREADS,), arguments)) * 1e6 / _BARRIERS


def _multiprocessors(cupy: Any) -> int:
    return int(cupy.cuda.Device().attributes["MultiProcessorCount"])


def _best(cupy: Any, run: Callable[[], Any]) -> float:
    """Return the shortest of several turns on the GPU, in seconds, after one that warms up."""
    run()
    seconds = []
    for _ in range(_TURNS):
        began, ended = cupy.cuda.Event(), cupy.cuda.Event()
        began.record()
        run()
        ended.record()
        ended.synchronize()
        seconds.append(cupy.cuda.get_elapsed_time(began, ended) * 1e-3)
    return float(min(seconds))


_MEASURED: dict[str, Callable[[Any], float]] = {
    "copy_gb_s": _copy_gb_s,
    "increments_28mb_per_s": _increments_per_s,
    "launch_us": _launch_us,
    "barrier_us": _barrier_us,
}
