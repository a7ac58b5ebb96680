"""Machine words: the few things that Numba's Python cannot say, as compiler intrinsics.

Kernels get their arguments as a block of 64-bit words (addresses, whole numbers, bits of floats), so
that one compiled loop can call any kernel with any number of arguments.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def pointer(typingctx: Any, address: Any) -> Any:
    """Return an address as a pointer."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), codegen


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def stretch(array: Any, first: Any, size: Any) -> Any:
    """Return `size` elements of an array from `first` on: a slice without its tests."""
    return carray(pointer(array.ctypes.data + first * array.itemsize), (size,), array.dtype)


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def cells_at(address: Any, size: Any) -> Any:
    """Return `size` whole sums from an address on."""
    return carray(pointer(address), (size,), np.int32)


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def bare(array: Any) -> Any:
    """Return the same array without a count of references; the caller keeps it alive."""
    return carray(pointer(array.ctypes.data), array.shape, array.dtype)


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def all_zero(array: Any) -> Any:
    """Return whether all elements of an array are zero."""
    some = np.int8(0)
    for i in range(array.size):
        some = np.int8(some | np.int8(array[i] != 0))
    return some == 0


@intrinsic
def float32_of(typingctx: Any, word: Any) -> Any:
    """Return the float32 whose bits are the lower half of a word."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(builder.trunc(args[0], ir.IntType(32)), ir.FloatType())

    return types.float32(types.int64), codegen


@intrinsic
def float64_of(typingctx: Any, word: Any) -> Any:
    """Return the float64 whose bits are a word."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@intrinsic
def bits_of(typingctx: Any, value: Any) -> Any:
    """Return the bits of a float32 as int32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@intrinsic
def wide_bits_of(typingctx: Any, value: Any) -> Any:
    """Return the bits of a float64 as int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), codegen


@intrinsic
def float_from(typingctx: Any, bits: Any) -> Any:
    """Return the float32 with the given bits (int32)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), codegen


@intrinsic
def invoke(typingctx: Any, address: Any, block: Any, now: Any) -> Any:
    """Call the kernel at an address with its block and the step; return its status."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        kernel = builder.inttoptr(args[0], ir.FunctionType(word, [word, word]).as_pointer())
        return builder.call(kernel, [args[1], args[2]])

    return types.int64(types.int64, types.int64, types.int64), codegen


@intrinsic
def invoke_plain(typingctx: Any, address: Any) -> Any:
    """Call a C function without arguments that returns an int."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        result = ir.IntType(32)
        function = builder.inttoptr(args[0], ir.FunctionType(result, []).as_pointer())
        return builder.call(function, [])

    return types.int32(types.int64), codegen


@intrinsic
def fetch_add(typingctx: Any, address: Any, value: Any) -> Any:
    """Add to a shared word, atomically, and return what it was."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", place, args[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def load_word(typingctx: Any, address: Any) -> Any:
    """Read a shared word; what was written before it is seen."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(types.int64), codegen


@intrinsic
def load_int32(typingctx: Any, address: Any) -> Any:
    """Read an int32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], ir.IntType(32).as_pointer())
        return builder.load(place, align=4)

    return types.int32(types.int64), codegen


@intrinsic
def store_word(typingctx: Any, address: Any, value: Any) -> Any:
    """Write a shared word after everything written before it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        builder.store_atomic(args[1], place, "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def _ask(context: Any, builder: Any, address: Any, write: int) -> Any:
    byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    use, keep, data = (ir.Constant(number, value) for value in (write, 3, 1))
    builder.call(function, [builder.inttoptr(address, byte), use, keep, data])
    return context.get_dummy_value()


@intrinsic
def prefetch(typingctx: Any, address: Any) -> Any:
    """Ask for the cache line of an address, to be read soon."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _ask(context, builder, args[0], 0)

    return types.void(types.int64), codegen


@intrinsic
def prefetch_to_write(typingctx: Any, address: Any) -> Any:
    """Ask for the cache line of an address, to be written soon: other cores give it up meanwhile."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _ask(context, builder, args[0], 1)

    return types.void(types.int64), codegen


@cache
def yield_address() -> int:
    """Return the address of the function that gives the processor away, or 0 where there is none."""
    try:
        return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0
    except (AttributeError, OSError, TypeError):
        return 0
