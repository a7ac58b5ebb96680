"""Machine code for a GPU from Python functions, made where there is neither a GPU nor a driver.

numba-cuda turns a kernel, and the device functions that it calls, into PTX; nvJitLink makes that into
machine code. Both are libraries of their own, but numba-cuda asks the driver which GPU it compiles
device functions for: while we compile, we answer in its place. Products and sums are never fused, since
that rounds differently from the CPU.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ....neurons.errors import MissingExtra

#: How hard NVVM optimises, and that it fuses nothing.
_NVVM_OPTIONS = {"opt": 3, "fma": 0}
#: Libraries that compile, and the packages that they come in.
_PACKAGES = {"nvvm": "nvidia-nvvm", "nvJitLink": "nvidia-nvjitlink"}


@dataclass(frozen=True)
class MachineCode:
    """A kernel as GPUs of one compute capability run it; a count is None where the linker does not say it.

    Attributes
    ----------
    code : bytes
        A cubin: an ELF file that the driver loads.
    ptx : str
        What it was made from.
    entry : str
        The kernel's name in it.
    cooperative : bool
        Whether it must be launched so that all blocks run at once, since it waits for the whole grid.
    registers : int or None
        Registers of a thread.
    stack : int or None
        Bytes of local memory of a thread: its arrays, and what is spilled.
    spilled : int or None
        Bytes that instructions write for want of registers, in the kernel and the functions that it calls.
    shared : int or None
        Bytes of shared memory of a block, those that the system takes included.
    """

    code: bytes
    ptx: str
    entry: str
    cooperative: bool
    registers: int | None = None
    stack: int | None = None
    spilled: int | None = None
    shared: int | None = None


def numba_cuda() -> Any:
    """Return numba.cuda as the package numba-cuda provides it; its older namesake lacks what is used here.

    Raises
    ------
    MissingExtra
        If numba-cuda is not installed.
    """
    if importlib.util.find_spec("numba_cuda") is None:
        raise MissingExtra("numba-cuda", "gpu", "The CUDA backend")
    return importlib.import_module("numba.cuda")


def ptx(
    function: Callable[..., None],
    argument_types: Sequence[Any],
    cc: tuple[int, int],
    *,
    threads: int | None = None,
) -> str:
    """Return a kernel as PTX.

    Parameters
    ----------
    function
        The kernel, a Python function; it may call functions decorated by `cuda.jit(device=True)`.
    argument_types
        Numba's types of its arguments.
    cc
        Compute capability, such as (9, 0).
    threads
        Threads of a block at most; registers are then rationed so that such a block can be launched.

    Raises
    ------
    MissingExtra
        If numba-cuda or NVIDIA's compiler is not installed.
    numba.cuda.core.errors.TypingError
        If types do not fit, in the kernel or in a function that it calls.
    """
    return str(_library(function, argument_types, cc, threads).get_asm_str(cc=cc))


def cubin(
    function: Callable[..., None],
    argument_types: Sequence[Any],
    cc: tuple[int, int],
    *,
    threads: int | None = None,
) -> bytes:
    """Return a kernel as machine code; parameters and errors are those of `ptx`."""
    return machine_code(function, argument_types, cc, threads=threads).code


def machine_code(
    function: Callable[..., None],
    argument_types: Sequence[Any],
    cc: tuple[int, int],
    *,
    threads: int | None = None,
) -> MachineCode:
    """Return a kernel as machine code, with what it takes; parameters and errors are those of `ptx`."""
    library = _library(function, argument_types, cc, threads)
    _require("nvJitLink")
    from cuda.core import Linker, LinkerOptions, ObjectCode

    text = str(library.get_asm_str(cc=cc))
    parts = [ObjectCode.from_ptx(text.encode())]
    if library.use_cooperative:
        parts.append(ObjectCode.from_library(_device_runtime()))
    linker = Linker(*parts, options=LinkerOptions(arch=f"sm_{cc[0]}{cc[1]}", verbose=True))
    try:
        code = bytes(linker.link("cubin").code)
        said = str(linker.get_info_log())
    finally:
        linker.close()
    entry = library._entry_name
    return MachineCode(code, text, entry, bool(library.use_cooperative), **_usage(said, entry))


def _library(
    function: Callable[..., None], argument_types: Sequence[Any], cc: tuple[int, int], threads: int | None
) -> Any:
    """Compile a kernel to LLVM's language, with all that it calls."""
    numba_cuda()
    _require("nvvm")
    from numba import types
    from numba.cuda.compiler import compile_cuda, kernel_fixup
    from numba.cuda.core.compiler_lock import global_compiler_lock
    from numba.cuda.cudadrv import nvvm

    with global_compiler_lock, _answering_for_a_device(cc):
        compiled = compile_cuda(
            function, types.void, tuple(argument_types), nvvm_options=dict(_NVVM_OPTIONS), cc=cc
        )
        library = compiled.library
        name = compiled.fndesc.llvm_func_name
        kernel = library.get_function(name)
        library._entry_name = name
        kernel_fixup(kernel, False)
        nvvm.set_launch_bounds(kernel, threads)
    return library


@contextmanager
def _answering_for_a_device(cc: tuple[int, int]) -> Iterator[None]:
    """Say for a while that there is a device of this compute capability."""
    dispatcher: Any = importlib.import_module("numba.cuda.dispatcher")
    asked = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=cc)
    try:
        yield
    finally:
        dispatcher.get_current_device = asked


def _require(library: str) -> None:
    """Load one of NVIDIA's libraries, or raise MissingExtra."""
    from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib

    try:
        load_nvidia_dynamic_lib(library)
    except DynamicLibNotFoundError as error:
        raise MissingExtra(_PACKAGES[library], "gpu", "Compiling for a GPU") from error


def _device_runtime() -> bytes:
    """Return the library by which the threads of a grid wait for each other."""
    from numba.cuda.cudadrv.libs import get_cudalib

    path = Path(get_cudalib("cudadevrt", static=True))
    if not path.is_file():
        raise MissingExtra("nvidia-cuda-runtime", "gpu", "Compiling kernels whose whole grid waits")
    return path.read_bytes()


def _usage(said: str, entry: str) -> dict[str, int | None]:
    """Return what a kernel takes, from what the linker said."""
    linked = re.search(rf"properties for '?{re.escape(entry)}'?:\s*\n[^\n]*?(used [^\n]*)", said)
    numbers = {
        name: re.search(pattern, linked[1]) if linked else None
        for name, pattern in (
            ("registers", r"(\d+) registers"),
            ("stack", r"(\d+) stack"),
            ("shared", r"(\d+) bytes smem"),
        )
    }
    found = {name: int(number[1]) if number else None for name, number in numbers.items()}
    stores = re.findall(r"(\d+) bytes spill stores", said)
    return {**found, "spilled": sum(map(int, stores)) if stores else None}
