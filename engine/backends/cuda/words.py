"""What the words of a rule, and those of the kernel, mean on a GPU and in Numba's simulator of one.

Import this module only where CUDA is wanted: it needs numba-cuda (not a GPU, not a driver). Arithmetic
follows `neurons.vocabulary` operation by operation. The compiler may not contract a product and a sum
into one fused operation, since that rounds differently from the CPU: products go through `mul`, which
asks for a rounded product of its own. What has no Python body on a GPU is plain Python in the simulator.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import config, cuda, njit, types

from ....neurons import vocabulary
from ... import random
from .source import separated

Function = TypeVar("Function", bound=Callable[..., Any])

SIMULATED = bool(config.ENABLE_CUDASIM)
if not SIMULATED:
    from numba.cuda import libdevice
#: Threads that work on one row or word together: a warp. Two are enough to meet what it must observe.
LANES = 2 if SIMULATED else 32

f4: Any = np.float32 if SIMULATED else types.float32
f8: Any = np.float64 if SIMULATED else types.float64
i4: Any = np.int32 if SIMULATED else types.int32
i8: Any = np.int64 if SIMULATED else types.int64
u4: Any = np.uint32 if SIMULATED else types.uint32

_EXP = tuple(float(c) for c in vocabulary.EXP_COEFFICIENTS)
_C0, _C1, _C2, _C3, _C4, _C5 = _EXP
_LOG2_E = float(vocabulary._LOG2_E)
_LN2_HIGH = float(vocabulary._LN2_HIGH)
_LN2_LOW = float(vocabulary._LN2_LOW)
_WIDE = vocabulary.WIDE_EXP_COEFFICIENTS
_WIDE_LOG2_E = vocabulary.WIDE_LOG2_E
_WIDE_LN2_HIGH, _WIDE_LN2_LOW = vocabulary.WIDE_LN2_HIGH, vocabulary.WIDE_LN2_LOW


def device(function: Function) -> Function:
    """Decorate a function that a kernel calls; in the simulator it is called as it is."""
    made: Function = function if SIMULATED else cuda.jit(device=True)(function)
    return made


def _primitive(simulated: Function, compiled: Callable[..., Any]) -> Function:
    from numba.cuda.extending import intrinsic

    made: Function = simulated if SIMULATED else intrinsic(compiled)
    return made


def _llvm(builder: Any, name: str, kind: Any, n_arguments: int) -> Any:
    """Return NVIDIA's LLVM function of this name, declared in the module being built."""
    known = builder.module.globals.get(name)
    if known is not None:
        return known
    return ir.Function(builder.module, ir.FunctionType(kind, [kind] * n_arguments), name=name)


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer))


def _simulated_mul(a: Any, b: Any) -> Any:
    if _is_whole(a) and _is_whole(b):
        return a * b
    wide = isinstance(a, np.float64) or isinstance(b, np.float64)
    return np.float64(a) * np.float64(b) if wide else np.float32(a) * np.float32(b)


def _compiled_mul(typingctx: Any, a: Any, b: Any) -> Any:
    """Type and lower a product: of integers as usual, else of reals and rounded on its own."""
    if isinstance(a, types.Integer) and isinstance(b, types.Integer):

        def lower_integer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.mul(*args)

        return types.int64(types.int64, types.int64), lower_integer
    wide = types.float64 in (a, b)
    name, kind, real = (
        ("llvm.nvvm.mul.rn.d", ir.DoubleType(), f8) if wide else ("llvm.nvvm.mul.rn.f", ir.FloatType(), f4)
    )

    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.call(_llvm(builder, name, kind, 2), args)

    return real(real, real), lower


def _simulated_floor(x: Any) -> Any:
    return np.floor(x)


def _compiled_floor(typingctx: Any, x: Any) -> Any:
    """Type and lower the rounding towards minus infinity."""
    wide = x == types.float64
    name, kind, real = (
        ("llvm.nvvm.floor.d", ir.DoubleType(), f8) if wide else ("llvm.nvvm.floor.f", ir.FloatType(), f4)
    )

    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.call(_llvm(builder, name, kind, 1), args)

    return real(real), lower


mul = _primitive(_simulated_mul, _compiled_mul)
floor = _primitive(_simulated_floor, _compiled_floor)


def _compiled_sqrt(x: Any) -> Any:
    return math.sqrt(x)


#: Return the square root, correctly rounded.
sqrt = np.sqrt if SIMULATED else device(_compiled_sqrt)


@device
def where(condition: Any, chosen: Any, otherwise: Any) -> Any:
    """Return `chosen` where the condition holds."""
    return chosen if condition else otherwise


@device
def minimum(a: Any, b: Any) -> Any:
    """Return the smaller number; a NaN stays a NaN, as in NumPy."""
    return a if a < b or a != a else b


@device
def maximum(a: Any, b: Any) -> Any:
    """Return the larger number; a NaN stays a NaN, as in NumPy."""
    return a if a > b or a != a else b


@device
def spike(distance: Any) -> Any:
    """Return 1.0 at or above threshold."""
    return f4(1.0) if distance >= f4(0.0) else f4(0.0)


@device
def exp32(x: Any) -> Any:
    """Return e to the power x, by the polynomial of the vocabulary."""
    x = minimum(maximum(f4(x), f4(-87.0)), f4(88.0))
    k = floor(mul(x, f4(_LOG2_E)) + f4(0.5))
    r = (x - mul(k, f4(_LN2_HIGH))) - mul(k, f4(_LN2_LOW))
    p = mul(f4(_C0), r) + f4(_C1)
    p = mul(p, r) + f4(_C2)
    p = mul(p, r) + f4(_C3)
    p = mul(p, r) + f4(_C4)
    p = mul(p, r) + f4(_C5)
    y = mul(p, mul(r, r)) + r + f4(1.0)
    return f4(math.ldexp(y, int(k))) if x == x else f4(x)


@device
def exp64(x: Any) -> Any:
    """Return e to the power x in double precision, by the polynomial of the vocabulary."""
    x = minimum(maximum(f8(x), f8(-708.0)), f8(709.0))
    k = floor(mul(x, f8(_WIDE_LOG2_E)) + f8(0.5))
    r = (x - mul(k, f8(_WIDE_LN2_HIGH))) - mul(k, f8(_WIDE_LN2_LOW))
    p = f8(_WIDE[0])
    for i in range(1, len(_WIDE)):
        p = mul(p, r) + _WIDE[i]
    y = mul(p, mul(r, r)) + r + f8(1.0)
    return f8(math.ldexp(y, int(k))) if x == x else f8(x)


@device
def nearest_pow2(x: Any) -> Any:
    """Return the signed power of two nearest to x, and zero for zero."""
    mantissa, exponent = math.frexp(f4(x))
    magnitude = f4(abs(mantissa))
    power = f4(math.ldexp(f4(1.0), exponent - (1 if magnitude < f4(0.75) else 0)))
    return f4(math.copysign(power, f4(mantissa))) if magnitude > f4(0.0) else f4(0.0)


# What threads do together.


@njit
def _add(array: Any, index: Any, value: Any) -> Any:
    before = array[index]
    array[index] += value
    return before


@njit
def _lower(array: Any, index: Any, value: Any) -> None:
    array[index] = min(array[index], value)


@njit
def _set(bits: Any, index: Any, bit: Any, flag: Any) -> None:
    bits[index] = (bits[index] & ~(np.uint32(1) << np.uint32(bit))) | (np.uint32(flag) << np.uint32(bit))


# A compiled function keeps the interpreter to itself, so it is one act to simulated threads; a lock, which
# one of them would hold while another has its turn, costs hundreds of times as much.
def _simulated_add(array: Any, index: Any, value: Any) -> Any:
    return _add(array, int(index), int(value))


def _simulated_min(array: Any, index: Any, value: Any) -> None:
    _lower(array, int(index), int(value))


def _simulated_post(bits: Any, index: Any, i: Any, flag: Any) -> None:
    # An argument of a kernel, if it is an array itself, stands in a wrapper of the simulator's.
    _set(getattr(bits, "_ary", bits), int(index), int(i), int(flag))


def _atomic_add(array: Any, index: Any, value: Any) -> Any:
    return cuda.atomic.add(array, index, value)


def _atomic_min(array: Any, index: Any, value: Any) -> None:
    cuda.atomic.min(array, index, value)


def _ballot_post(bits: Any, index: Any, i: Any, flag: Any) -> None:
    word = cuda.ballot_sync(0xFFFFFFFF, flag)
    if i == 0:
        bits[index] = word


#: Add to an element and return what it was; no order in which threads do so changes a whole sum.
atomic_add = _simulated_add if SIMULATED else device(_atomic_add)
#: Lower an element to a value.
atomic_min = _simulated_min if SIMULATED else device(_atomic_min)
#: Set bit i of a word to a flag; all lanes of a warp call it together, each for a bit of its own.
post = _simulated_post if SIMULATED else device(_ballot_post)


def _simulated_parted(index: Any, size: Any) -> Any:
    return divmod(index, size)


def _compiled_quotient(typingctx: Any, index: Any, size: Any) -> Any:
    """Type and lower a quotient of whole numbers below 2**32: in 64 bits it takes several times as long."""

    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        narrow = [builder.trunc(argument, ir.IntType(32)) for argument in args]
        return builder.zext(builder.udiv(*narrow), ir.IntType(64))

    return i8(i8, i8), lower


def _compiled_parted(index: Any, size: Any) -> Any:
    whole = _quotient(index, size)
    return whole, index - whole * size


_quotient: Any = None if SIMULATED else _primitive(_simulated_parted, _compiled_quotient)
#: Return how often a size goes into a number below 2**32, and the rest.
parted = _simulated_parted if SIMULATED else device(_compiled_parted)


def _simulated_draw64(key: Any, counter: Any) -> Any:
    return np.uint64(random.draw64(np.asarray(key).astype(np.uint64)[()], np.int64(counter)))


def _simulated_mix32(index: Any, key_a: Any, key_b: Any) -> Any:
    return np.uint32(random.mix32(np.int64(index), np.uint32(key_a), np.uint32(key_b)))


#: The hashes of the house: what the CPU runs is compiled for the card too; the simulator calls it.
draw64 = _simulated_draw64 if SIMULATED else random.draw64
mix32 = _simulated_mix32 if SIMULATED else random.mix32


def _simulated_uniform_of(bits: Any) -> Any:
    return np.float32(random.uniform_of(bits))


def _simulated_normal_of(bits: Any) -> Any:
    return np.float32(random.normal_of(bits))


def _separated(function: Any) -> Any:
    """Return a function of the house over numbers for the card, its products rounded on their own."""
    name = random.plain(function).__name__
    namespace: dict[str, Any] = {"device": device, "mul": mul, "np": np}
    exec(separated(random.plain(function), name), namespace)
    return namespace[name]


#: The numbers that random bits stand for.
uniform_of = _simulated_uniform_of if SIMULATED else _separated(random.uniform_of)
normal_of = _simulated_normal_of if SIMULATED else _separated(random.normal_of)


def _simulated_lowest(word: Any) -> Any:
    return (int(word) & -int(word)).bit_length() - 1


def _compiled_lowest(word: Any) -> Any:
    return cuda.ffs(word) - 1


#: Return the place of the lowest bit that is set in a word.
lowest = _simulated_lowest if SIMULATED else device(_compiled_lowest)


def _simulated_ones(word: Any) -> Any:
    return int(word).bit_count()


def _compiled_ones(word: Any) -> Any:
    return cuda.popc(word)


#: Return how many bits of a word are set.
ones = _simulated_ones if SIMULATED else device(_compiled_ones)


def _simulated_rounded(x: Any) -> Any:
    return int(np.rint(x))


def _compiled_rounded(x: Any) -> Any:
    return i4(libdevice.rint(f8(x)))


#: Return the nearest whole number, ties to even.
rounded = _simulated_rounded if SIMULATED else device(_compiled_rounded)


def _compile_for_the_simulator() -> None:
    """Compile what simulated threads call, by one thread: several may not enter Numba's compiler."""
    mix32(0, 0, 0)
    draw64(0, 0)
    for number_of in (uniform_of, normal_of):
        number_of(np.uint32(0))
    for dtype in (np.int32, np.int64):
        _simulated_add(np.zeros(1, dtype), 0, 1)
    _simulated_min(np.zeros(1, np.int64), 0, 1)
    _simulated_post(np.zeros(1, np.uint32), 0, 0, False)


if SIMULATED:
    _compile_for_the_simulator()
