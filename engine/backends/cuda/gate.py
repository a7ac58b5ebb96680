"""The CUDA gate: every neuron model and plasticity rule becomes kernels for a GPU, without a GPU.

A rule is written once, so it must also mean something on a GPU from the day it is written. This
module binds it: `bind_cuda` and `bind_cuda_rule` write its kernels (`neurons.py`), which compile
to PTX for any compute capability where neither GPU nor driver exists, and run in Numba's simulator.
Arithmetic is that of the reference backend, bit for bit: float32 throughout, no fused operations,
the vocabulary's own exponential, input summed in whole numbers.

A full CUDA backend adds what a plan needs beyond this: memory for a whole network, delays (a ring of
input cells), delivery of dense, convolutional and plastic weights, sources, the engine's random
numbers drawn in the kernel, recording, launch graphs, and several GPUs. It will take its update and
learning kernels from here. This module is therefore no entry of the registry of backends yet.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import linecache
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from ....learning.rule import PlasticityRule
from ....neurons.errors import MissingExtra, RunError
from ....neurons.model import NeuronModel
from .compile import numba_cuda
from .neurons import rule_source, update_source
from .source import Argument, Source

THREADS_PER_BLOCK = 128

#: The arguments of the kernel `deliver`.
_DELIVER = (
    Argument("spikes", "integer"),
    Argument("payloads", "float"),
    Argument("starts", "integer"),
    Argument("targets", "integer"),
    Argument("weights", "short"),
    Argument("cells", "integer"),
)


@dataclass(frozen=True)
class CudaKernels:
    """Kernels that belong together: compile them to PTX, or launch them on arrays.

    Attributes
    ----------
    text
        The generated Python source.
    arguments
        What each kernel takes, by kernel, in order.
    functions
        The kernels as Python functions, before any compilation.
    threads_each
        How many threads share one neuron, synapse or spike.
    """

    text: str
    arguments: Mapping[str, tuple[Argument, ...]]
    functions: Mapping[str, Any] = field(repr=False)
    threads_each: int = 1

    @cached_property
    def _dispatchers(self) -> dict[str, Any]:
        cuda = numba_cuda()
        return {name: cuda.jit(function) for name, function in self.functions.items()}

    def ptx(self, kernel: str, cc: tuple[int, int] = (8, 0)) -> str:
        """Return a kernel's PTX for compute capability `cc`; no GPU or driver is needed.

        Raises
        ------
        MissingExtra
            If NVIDIA's compiler libraries are not installed.
        """
        cuda = numba_cuda()
        from numba import types

        arguments = [_numba_type(argument, types) for argument in self.arguments[kernel]]
        try:
            text, _ = cuda.compile_ptx(self.functions[kernel], (types.int32, *arguments), cc=cc)
        except (ImportError, OSError, RuntimeError) as error:
            if "libnvrtc" in str(error) or "libnvvm" in str(error):
                raise MissingExtra("nvidia-nvvm and nvidia-cuda-nvrtc", "gpu", "Compiling to PTX") from error
            raise
        return str(text)

    def launch(self, kernel: str, n: int, **given: Any) -> None:
        """Run a kernel on n neurons, synapses or spikes.

        Parameters
        ----------
        kernel
            Which one.
        n
            How many of them there are.
        **given
            Its arguments by name: numbers, and contiguous arrays on the device (NumPy's in the simulator).

        Raises
        ------
        RunError
            If arguments are missing, unknown, or of another type than the kernel declares.
        """
        wanted = self.arguments[kernel]
        if set(given) != {argument.name for argument in wanted}:
            raise RunError(
                f"kernel {kernel}: got the arguments {sorted(given)}; it takes {[a.name for a in wanted]}"
            )
        passed = [_checked(kernel, argument, given[argument.name]) for argument in wanted]
        if n == 0:
            return
        threads = n * self.threads_each
        blocks = -(-threads // THREADS_PER_BLOCK)
        self._dispatchers[kernel][blocks, min(threads, THREADS_PER_BLOCK)](np.int32(n), *passed)


def bind_cuda(model: NeuronModel, dt: float) -> CudaKernels:
    """Bind a neuron model to CUDA.

    Parameters
    ----------
    model
        Any neuron model; which of its constants are arrays is fixed here, their values are not.
    dt
        The step in seconds.

    Returns
    -------
    CudaKernels
        One kernel, `update`.

    Raises
    ------
    MissingExtra
        If numba-cuda is not installed.
    SpecError
        If the model's rule uses names or random numbers in a way that cannot be bound.
    """
    return _load(update_source(model, dt))


def bind_cuda_rule(rule: PlasticityRule) -> CudaKernels:
    """Bind a plasticity rule to CUDA: `learn`, and `fade_NAME` and `bump_NAME` for each trace.

    Raises
    ------
    MissingExtra, SpecError
        As `bind_cuda`.
    """
    return _load(rule_source(rule))


def bind_cuda_delivery() -> CudaKernels:
    """Return the kernel `deliver`, which adds the rows of spikes to the input cells of a receptor.

    Raises
    ------
    MissingExtra
        If numba-cuda is not installed.
    """
    ours = _ours("deliver")
    source = inspect.getsource(ours.deliver)
    return CudaKernels(source, {"deliver": _DELIVER}, {"deliver": ours.deliver}, ours.LANES)


def ptx(model: NeuronModel, dt: float, cc: tuple[int, int] = (8, 0)) -> str:
    """Return the PTX of a model's update for a step of dt seconds and compute capability `cc`.

    Examples
    --------
    >>> from rheobase.neurons import LIF
    >>> ".target sm_90" in ptx(LIF(20e-3), dt=1e-3, cc=(9, 0))  # doctest: +SKIP
    True
    """
    return bind_cuda(model, dt).ptx("update", cc)


def ptx_rule(rule: PlasticityRule, cc: tuple[int, int] = (8, 0)) -> dict[str, str]:
    """Return the PTX of each of a plasticity rule's kernels, by name."""
    bound = bind_cuda_rule(rule)
    return {name: bound.ptx(name, cc) for name in bound.arguments}


def _ours(name: str) -> ModuleType:
    """Import a module of this folder that needs CUDA."""
    numba_cuda()
    return importlib.import_module(f".{name}", __package__)


def _load(source: Source) -> CudaKernels:
    """Run a generated module under a name by which tracebacks and inspect find its text."""
    _ours("words")
    digest = hashlib.sha256(source.text.encode()).hexdigest()[:16]
    filename = f"<rheobase kernels {digest}>"
    linecache.cache[filename] = (len(source.text), None, source.text.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"__name__": f"rheobase_kernels_{digest}", "__file__": filename}
    exec(compile(source.text, filename, "exec"), namespace)
    return CudaKernels(source.text, source.kernels, {name: namespace[name] for name in source.kernels})


def _numba_type(argument: Argument, types: Any) -> Any:
    scalar = {"float": types.float32, "integer": types.int32, "short": types.int16}[argument.kind]
    return scalar[::1] if argument.array else scalar


def _checked(kernel: str, argument: Argument, value: Any) -> Any:
    """Return an argument as the kernel takes it; arrays are passed on, numbers converted."""
    if not argument.array:
        return argument.dtype.type(value)
    dtype, ndim = getattr(value, "dtype", None), getattr(value, "ndim", None)
    if dtype != argument.dtype or ndim != 1:
        raise RunError(
            f"kernel {kernel}, argument {argument.name}: got {type(value).__name__} (type {dtype}, "
            f"dimensions {ndim}); allowed is a contiguous array of {argument.dtype} with one dimension"
        )
    return value
