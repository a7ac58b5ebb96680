"""What the words of a rule mean in a CUDA kernel: scalar float32 device functions, inlined.

Import this module only where CUDA is wanted: it needs numba-cuda (not a GPU, not a driver). It
follows `neurons.vocabulary` operation by operation. The compiler may not contract a product and a
sum into one fused operation, since that rounds differently from the CPU: products go through
`mul`, which asks for a rounded product of its own. In the simulator `mul` and `floor`, which have
no Python body on a GPU, are plain Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import config, cuda, types

from ....neurons import vocabulary

Function = TypeVar("Function", bound=Callable[..., Any])

f4: Any = types.float32
i4: Any = types.int32

#: Decorates a device function. It must be inlined: linking one asks for a driver.
device: Callable[[Function], Function] = cuda.jit(device=True, inline="always")

_EXP = tuple(float(c) for c in vocabulary.EXP_COEFFICIENTS)
_C0, _C1, _C2, _C3, _C4, _C5 = _EXP
_LOG2_E = float(vocabulary._LOG2_E)
_LN2_HIGH = float(vocabulary._LN2_HIGH)
_LN2_LOW = float(vocabulary._LN2_LOW)


def _simulated_mul(a: Any, b: Any) -> Any:
    if isinstance(a, (int, np.integer)) and isinstance(b, (int, np.integer)):
        return a * b
    return np.float32(a) * np.float32(b)


def _simulated_floor(x: Any) -> Any:
    return np.floor(np.float32(x))


def _compiled_mul(typingctx: Any, a: Any, b: Any) -> Any:
    """Type and lower a product: of integers as usual, else of float32 and rounded on its own."""
    if isinstance(a, types.Integer) and isinstance(b, types.Integer):

        def lower_integer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.mul(*args)

        return types.int64(types.int64, types.int64), lower_integer

    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.call(_llvm(builder, "llvm.nvvm.mul.rn.f", 2), args)

    return f4(f4, f4), lower


def _compiled_floor(typingctx: Any, x: Any) -> Any:
    """Type and lower the rounding towards minus infinity of a float32."""

    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.call(_llvm(builder, "llvm.nvvm.floor.f", 1), args)

    return f4(f4), lower


def _llvm(builder: Any, name: str, n_arguments: int) -> Any:
    """Return NVIDIA's LLVM function of float32 of this name, declared in the module being built."""
    known = builder.module.globals.get(name)
    if known is not None:
        return known
    function = ir.FunctionType(ir.FloatType(), [ir.FloatType()] * n_arguments)
    return ir.Function(builder.module, function, name=name)


def _primitive(simulated: Function, compiled: Callable[..., Any]) -> Function:
    from numba.cuda.extending import intrinsic

    made: Function = simulated if config.ENABLE_CUDASIM else intrinsic(compiled)
    return made


mul = _primitive(_simulated_mul, _compiled_mul)
floor = _primitive(_simulated_floor, _compiled_floor)


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
def exp(x: Any) -> Any:
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
    return f4(math.ldexp(y, int(k)))


@device
def nearest_pow2(x: Any) -> Any:
    """Return the signed power of two nearest to x, and zero for zero."""
    mantissa, exponent = math.frexp(f4(x))
    magnitude = f4(abs(mantissa))
    power = f4(math.ldexp(f4(1.0), exponent - (1 if magnitude < f4(0.75) else 0)))
    return f4(math.copysign(power, f4(mantissa))) if magnitude > f4(0.0) else f4(0.0)
