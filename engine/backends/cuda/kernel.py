"""The kernel that runs whole stretches of steps: what it is given, and how it is compiled and kept.

All threads stay on the chip from the first step of a stretch to its last and meet wherever one needs
what others have done: a launch for each part of each step would take longer than its work.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ....neurons import vocabulary
from ... import random
from ..generated import load_module
from . import fields as f
from .card import simulated
from .compile import numba_cuda


def block_of(tasks: Collection[int]) -> tuple[int, int]:
    """Return the threads of a block and the registers of each, so that a multiprocessor's 65,536 suffice.

    A card's threads should take all neurons of a cortical column in one pass; to pull takes more registers.
    """
    return (512, 128) if {f.PULL_FIXED, f.PULL_FLOAT} & set(tasks) else (640, 96)


class Memory(NamedTuple):
    """Everything that the kernel reads and writes, one vector for each type and use.

    Attributes
    ----------
    table : int64
        How the network is built: see `fields`.
    reals, wholes, longs : real, int32, int64
        State, constants, weights, cells, and whatever else a run needs.
    bits : uint32
        Events, one bit for each neuron and step, and thresholds of random bits.
    synapses : int64
        Rows of spikes that are pushed: see `rows`.
    wide : int32
        Weights of those of them that 16 bits do not hold.
    feeds, feed_places, feed_counts, feed_values, feed_bytes : int64, int32, int32, real, uint8
        What sources are fed with.
    spiked, samples, marks : int64, real, int64
        What probes record in this launch, and how much of it.
    """

    table: Any
    reals: Any
    wholes: Any
    longs: Any
    bits: Any
    synapses: Any
    wide: Any
    feeds: Any
    feed_places: Any
    feed_counts: Any
    feed_values: Any
    feed_bytes: Any
    spiked: Any
    samples: Any
    marks: Any


def memory_dtypes(real: np.dtype) -> dict[str, np.dtype]:
    """Return the element type of each vector, in their order."""
    kinds: dict[str, Any] = {
        "bits": np.uint32, "wholes": np.int32, "wide": np.int32, "feed_places": np.int32,
        "feed_counts": np.int32, "feed_bytes": np.uint8, "reals": real, "feed_values": real, "samples": real,
    }  # fmt: skip
    return {name: np.dtype(kinds.get(name, np.int64)) for name in Memory._fields}


def signature(real: np.dtype) -> tuple[Any, ...]:
    """Return Numba's types of the kernel's arguments."""
    from numba import from_dtype, types

    vectors = [types.Array(from_dtype(dtype), 1, "C") for dtype in memory_dtypes(real).values()]
    return types.NamedTuple(vectors, Memory), types.int64, types.int64


def load_kernel(source: str, registers: int | None = None) -> Any:
    """Return `run` of a generated module as a kernel, compiled when it is first needed, and kept.

    The compiler may fuse no product with a sum: products are asked for one by one (see `words`).
    """
    cuda = numba_cuda()
    folder = Path(__file__).parent
    files = (*sorted(folder.glob("*.py")), *(Path(str(m.__file__)) for m in (random, vocabulary)))
    module: Any = load_module(source, files)
    if not hasattr(module, "kernel"):
        options: dict[str, Any] = {} if simulated() else {"cache": True, "max_registers": registers}
        module.kernel = cuda.jit(**options)(module.run)
    return module.kernel
