"""The card: its memory, its clock and its streams, by CuPy; or Numba's simulator of one, with NumPy arrays.

Whatever else of this folder touches a device goes through here.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....neurons.errors import MissingExtra, RunError
from ...memory import available_bytes

#: Seconds for which a simulated thread runs before another one may.
_TURN = 2e-4


def simulated() -> bool:
    """Return whether Numba's simulator of a card is asked for."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def open_card() -> Card:
    """Return the card that kernels will run on.

    Raises
    ------
    MissingExtra
        If numba-cuda or CuPy is not installed.
    RunError
        If there is no CUDA device, or its driver is too old.
    """
    for package, name in (("numba_cuda", "numba-cuda"), ("cupy", "cupy")):
        if importlib.util.find_spec(package) is None and not (simulated() and package == "cupy"):
            raise MissingExtra(name, "gpu", "The backend 'cuda'")
    if simulated():
        return SimulatedCard()
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise RunError(f"the backend 'cuda' needs CuPy, which cannot be loaded: {error}") from error
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise RunError(_NO_DEVICE.format(f"{error}")) from None
    if devices == 0:
        raise RunError(_NO_DEVICE.format("it counts none"))
    return CupyCard(cupy)


_NO_DEVICE = (
    "the backend 'cuda' needs a CUDA device, and the driver reports none ({}); use backend='numba', or set "
    "NUMBA_ENABLE_CUDASIM=1 before Python starts to run small networks on a simulated card"
)


@dataclass(frozen=True)
class Vector:
    """A vector in a card's memory: the array that owns it, and as a kernel takes it."""

    array: Any
    taken: Any

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(self.array.size)


class Card(ABC):
    """Memory that kernels read and write, and how they are launched.

    Attributes
    ----------
    name : str
        For readers.
    """

    name: str

    @abstractmethod
    def free_bytes(self) -> float:
        """Return how much memory is left."""

    @abstractmethod
    def zeros(self, size: int, dtype: np.dtype) -> Vector:
        """Return a vector of zeros in the card's memory."""

    @abstractmethod
    def write(self, vector: Vector, start: int, values: Any) -> None:
        """Copy values, from the processor's memory or the card's own, after all that was launched before."""

    @abstractmethod
    def clear(self, vector: Vector, start: int, size: int) -> None:
        """Set some of a vector to zero, after all that was launched before."""

    @abstractmethod
    def read(self, vector: Vector, start: int, size: int) -> np.ndarray:
        """Copy values out of a vector, after all that was launched before."""

    @abstractmethod
    def launch(self, kernel: Any, blocks: int, threads: int, *arguments: Any) -> Any:
        """Start a kernel; return something to wait for."""

    @abstractmethod
    def read_behind(self, launched: Any, vector: Vector, size: int) -> np.ndarray:
        """Copy the first values of a vector after one launch, while later ones run."""

    @abstractmethod
    def shape(self, kernel: Any, signature: Any, block: int, wanted: int) -> tuple[int, int]:
        """Return blocks, and threads of a block, for about so many threads that all run at a time.

        Parameters
        ----------
        kernel, signature
            What will be launched, and the types of its arguments.
        block
            Threads of a block at most.
        wanted
            Threads that have something to do.
        """


class SimulatedCard(Card):
    """Numba's simulator: a single block of a few threads, which meet as those of a card do."""

    name = "CUDA simulator"
    #: Two warps: enough to take turns in any order.
    THREADS = 4

    def free_bytes(self) -> float:
        return available_bytes()

    def zeros(self, size: int, dtype: np.dtype) -> Vector:
        array = np.zeros(size, dtype)
        return Vector(array, array)

    def write(self, vector: Vector, start: int, values: Any) -> None:
        vector.array[start : start + values.size] = values

    def clear(self, vector: Vector, start: int, size: int) -> None:
        vector.array[start : start + size] = 0

    def read(self, vector: Vector, start: int, size: int) -> np.ndarray:
        return np.array(vector.array[start : start + size])

    def launch(self, kernel: Any, blocks: int, threads: int, *arguments: Any) -> Any:
        # Whoever waits for threads to meet asks again and again: it must not be left to do so for long.
        usual = sys.getswitchinterval()
        sys.setswitchinterval(_TURN)
        try:
            kernel[blocks, threads](*arguments)
        finally:
            sys.setswitchinterval(usual)

    def read_behind(self, launched: Any, vector: Vector, size: int) -> np.ndarray:
        return self.read(vector, 0, size)

    def shape(self, kernel: Any, signature: Any, block: int, wanted: int) -> tuple[int, int]:
        return 1, self.THREADS


class CupyCard(Card):
    """The current CUDA device. CuPy keeps the memory, Numba launches the kernels, on a stream of ours."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self._cuda = importlib.import_module("numba.cuda")
        runtime = self._cupy.cuda.runtime
        properties = runtime.getDeviceProperties(runtime.getDevice())
        self.name = properties["name"].decode()
        self._working = self._cupy.cuda.Stream(non_blocking=True)
        self._copying = self._cupy.cuda.Stream(non_blocking=True)
        self._stream = self._cuda.external_stream(self._working.ptr)

    def free_bytes(self) -> float:
        free, _ = self._cupy.cuda.runtime.memGetInfo()
        return float(free + self._cupy.get_default_memory_pool().free_bytes())

    def zeros(self, size: int, dtype: np.dtype) -> Vector:
        with self._working:
            array = self._cupy.zeros(size, dtype)
        self._working.synchronize()
        return Vector(array, self._cuda.as_cuda_array(array, sync=False))

    def write(self, vector: Vector, start: int, values: Any) -> None:
        here = isinstance(values, self._cupy.ndarray)
        if here:  # whatever the user's own stream does to them comes first
            self._cupy.cuda.get_current_stream().synchronize()
        with self._working:
            part = vector.array[start : start + values.size]
            if here:
                part[:] = values
            else:
                part.set(np.ascontiguousarray(values, part.dtype))
        self._working.synchronize()

    def clear(self, vector: Vector, start: int, size: int) -> None:
        with self._working:
            vector.array[start : start + size].fill(0)

    def read(self, vector: Vector, start: int, size: int) -> np.ndarray:
        self._working.synchronize()
        with self._working:
            return np.asarray(vector.array[start : start + size].get())

    def launch(self, kernel: Any, blocks: int, threads: int, *arguments: Any) -> Any:
        with (
            warnings.catch_warnings()
        ):  # Numba warns of grids that do not fill a card: ours are small on purpose
            warnings.simplefilter("ignore")
            kernel[blocks, threads, self._stream](*arguments)
        done = self._cupy.cuda.Event(disable_timing=True)
        done.record(self._working)
        return done

    def read_behind(self, launched: Any, vector: Vector, size: int) -> np.ndarray:
        out = self._cupy.cuda.alloc_pinned_memory(max(size, 1) * vector.array.dtype.itemsize)
        values = np.frombuffer(out, vector.array.dtype, size)
        self._copying.wait_event(launched)
        vector.array[:size].get(stream=self._copying, out=values)
        self._copying.synchronize()
        return values

    def shape(self, kernel: Any, signature: Any, block: int, wanted: int) -> tuple[int, int]:
        compiled = kernel.compile(signature)
        if wanted <= block:  # a single block, whose threads meet without the rest of the card
            return 1, max(-(-wanted // 32) * 32, 32)
        most = int(compiled.max_cooperative_grid_blocks(block))
        return max(min(-(-wanted // block), most), 1), block
