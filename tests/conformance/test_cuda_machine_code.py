"""Kernels become machine code without a GPU, for each capability and with the functions that they call."""

import importlib.util
import struct
from typing import NamedTuple

import pytest

from rheobase.engine.backends.cuda import compile as compiling
from rheobase.neurons.errors import MissingExtra

CAPABILITIES = [(8, 0), (9, 0)]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not importable"
)


class Memory(NamedTuple):
    """What the kernel works on."""

    values: object
    sums: object


@pytest.fixture(scope="module")
def kernels():
    """Kernels that call a function which is not inlined; one has an array of its own in local memory."""
    from numba import cuda, float32, types

    @cuda.jit(device=True)
    def summed(values, n):
        total = float32(0.0)
        for k in range(n):
            total += values[k] * values[k + 1]
        return total

    def plain(memory, n):
        i = cuda.grid(1)
        memory.sums[i] = summed(memory.values, n)

    def waiting(memory, n):
        grid, i = cuda.cg.this_grid(), cuda.grid(1)
        for _ in range(n):
            memory.sums[i] += summed(memory.values, n)
            grid.sync()

    def roomy(memory, n):
        own, shared = cuda.local.array(100, float32), cuda.shared.array(64, float32)
        for k in range(n):
            own[(7 * k) % 100] = memory.values[k]
        shared[cuda.threadIdx.x] = own[n]
        memory.sums[cuda.grid(1)] = shared[n]

    @cuda.jit(device=True)
    def wrong(values):
        return values.nothing_of_this_name

    def mistaken(memory, n):
        memory.sums[n] = wrong(memory.values)

    vector = types.Array(float32, 1, "C")
    arguments = (types.NamedTuple([vector, vector], Memory), types.int64)
    functions = {function.__name__: function for function in (plain, waiting, roomy, mistaken)}
    return lambda name: (functions[name], arguments)


def architecture(code):
    """Return the compute capability that a cubin is for, times ten, from the flags of its ELF header."""
    assert code[:4] == b"\x7fELF"
    assert struct.unpack_from("<H", code, 18) == (190,)
    (flags,) = struct.unpack_from("<I", code, 48)
    return (flags >> 8 if code[8] >= 8 else flags) & 0xFF


@pytest.mark.parametrize("name", ["plain", "waiting"])
def test_each_compute_capability_gets_code_of_its_own(kernels, name):
    found = {cc: compiling.machine_code(*kernels(name), cc) for cc in CAPABILITIES}
    assert [architecture(made.code) for made in found.values()] == [80, 90]
    for made in found.values():
        assert made.entry.encode() in made.code
        assert made.cooperative == (name == "waiting")


@pytest.mark.parametrize("cc", CAPABILITIES)
def test_ptx_is_of_the_capability_and_fuses_nothing(kernels, cc):
    text = compiling.ptx(*kernels("plain"), cc)
    assert f".target sm_{cc[0]}{cc[1]}" in text
    assert text.count(".visible .entry") == 1
    assert "mul.rn.f32" in text
    assert "fma." not in text


def test_a_cubin_is_the_machine_code_alone(kernels):
    assert architecture(compiling.cubin(*kernels("plain"), (9, 0))) == 90


def test_what_a_kernel_takes_is_read_from_the_linker(kernels):
    made = compiling.machine_code(*kernels("roomy"), (8, 0))
    assert 8 <= made.registers <= 255
    assert made.stack >= 400
    assert made.shared == 256
    assert made.spilled == 0


def test_a_large_block_rations_registers(kernels):
    text = compiling.ptx(*kernels("plain"), (8, 0), threads=1024)
    assert ".maxntid 1024" in text
    assert compiling.machine_code(*kernels("plain"), (8, 0), threads=1024).registers <= 64


def test_a_mistake_in_a_device_function_is_found_when_it_is_compiled(kernels):
    from numba.cuda.core.errors import TypingError

    with pytest.raises(TypingError, match="nothing_of_this_name"):
        compiling.cubin(*kernels("mistaken"), (8, 0))


def test_numba_asks_the_driver_again_afterwards(kernels):
    from numba.cuda import dispatcher

    before = dispatcher.get_current_device
    compiling.ptx(*kernels("plain"), (8, 0))
    assert dispatcher.get_current_device is before
    with pytest.raises(Exception, match="nothing_of_this_name"):
        compiling.ptx(*kernels("mistaken"), (8, 0))
    assert dispatcher.get_current_device is before


@pytest.mark.parametrize(("library", "package"), [("nvvm", "nvidia-nvvm"), ("nvJitLink", "nvidia-nvjitlink")])
def test_a_missing_library_names_its_package_and_the_extra(kernels, monkeypatch, library, package):
    from cuda import pathfinder

    load = pathfinder.load_nvidia_dynamic_lib

    def hiding(name):
        if name == library:
            raise pathfinder.DynamicLibNotFoundError(name)
        return load(name)

    monkeypatch.setattr(pathfinder, "load_nvidia_dynamic_lib", hiding)
    with pytest.raises(MissingExtra, match=rf"{package}.*rheobase\[gpu\]"):
        compiling.cubin(*kernels("plain"), (8, 0))


def test_a_missing_runtime_names_its_package_and_the_extra(kernels, monkeypatch):
    from numba.cuda.cudadrv import libs

    monkeypatch.setattr(libs, "get_cudalib", lambda *_, **__: "libcudadevrt.a")
    with pytest.raises(MissingExtra, match=r"nvidia-cuda-runtime.*rheobase\[gpu\]"):
        compiling.cubin(*kernels("waiting"), (8, 0))
