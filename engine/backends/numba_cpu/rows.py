"""Adding weights to sums by whole vectors: rows of a dense projection, and stretches of a convolution.

The rows of a dense projection are stored tile by tile, 128 bytes wide (64 where there are no more
columns), and row after row within a tile: the rows of one tile fit into a core's own cache, where the
steps of a strip use them again and again. A tile of sums stays in registers while rows pass by; each
column takes them in the order in which they are listed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_WORD, _INTEGER = ir.IntType(64), ir.IntType(32)


class _Vectors:
    """Writes the code of an intrinsic that works on vectors of `n_bytes` in arrays of one element type."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any, n_bytes: int) -> None:
        self.context, self.builder, self.signature, self.args = context, builder, signature, args
        self.kind = signature.args[0].dtype
        self.size = self.kind.bitwidth // 8
        self.type = ir.VectorType(context.get_data_type(self.kind), n_bytes // self.size)
        real = isinstance(self.kind, types.Float)
        self.plus, self.times = (builder.fadd, builder.fmul) if real else (builder.add, builder.mul)

    def place(self, array: int, index: Any) -> Any:
        """Return the address of an element of an argument."""
        struct = self.context.make_array(self.signature.args[array])(
            self.context, self.builder, self.args[array]
        )
        return self.builder.gep(struct.data, [index])

    def load(self, array: int, index: Any) -> Any:
        """Return the vector that starts at an element of an argument."""
        address = self.builder.bitcast(self.place(array, index), self.type.as_pointer())
        return self.builder.load(address, align=self.size)

    def store(self, value: Any, array: int, index: Any) -> None:
        """Write a vector from an element of an argument on."""
        address = self.builder.bitcast(self.place(array, index), self.type.as_pointer())
        self.builder.store(value, address, align=self.size)

    def scaled(self, values: Any, factor: Any, kind: Any) -> Any:
        """Return a vector times a number of some type."""
        number = self.context.cast(self.builder, factor, kind, self.kind)
        nothing = ir.Constant(self.type, ir.Undefined)
        one = self.builder.insert_element(nothing, number, ir.Constant(_INTEGER, 0))
        zeros = ir.Constant(ir.VectorType(_INTEGER, self.type.count), None)
        return self.times(values, self.builder.shuffle_vector(one, one, zeros))


def _row_adder(n_bytes: int, scaled: bool) -> Any:
    """Return an intrinsic that adds rows to one tile of sums, each times its payload if `scaled`."""

    @intrinsic
    def add(
        typingctx: Any, sums: Any, at: Any, tile: Any, ids: Any, begin: Any, end: Any, first_row: Any,
        payload: Any,
    ) -> Any:  # fmt: skip
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            v = _Vectors(context, builder, signature, args, n_bytes)
            total = cgutils.alloca_once_value(builder, v.load(0, args[1]))
            with cgutils.for_range_slice(builder, args[4], args[5], ir.Constant(_WORD, 1)) as (k, _):
                row = builder.sub(builder.sext(builder.load(v.place(3, k)), _WORD), args[6])
                values = v.load(2, builder.mul(row, ir.Constant(_WORD, v.type.count)))
                if scaled:
                    values = v.scaled(values, builder.load(v.place(7, k)), signature.args[7].dtype)
                builder.store(v.plus(builder.load(total), values), total)
            v.store(builder.load(total), 0, args[1])
            return context.get_dummy_value()

        word = types.int64
        return types.void(sums, word, tile, ids, word, word, word, payload), codegen

    return add


#: `add(sums, at, tile, ids, begin, end, first_row, payload)` adds rows ids[begin:end] - first_row of a
#: tile to the sums from `at` on, the scaled ones each times payload[k].
add_wide_rows, add_scaled_wide_rows = _row_adder(128, False), _row_adder(128, True)
add_narrow_rows, add_scaled_narrow_rows = _row_adder(64, False), _row_adder(64, True)


@intrinsic
def _add_vector(typingctx: Any, sums: Any, at: Any, weights: Any, first: Any) -> Any:
    """Add 64 bytes of weights to sums."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(context, builder, signature, args, 64)
        v.store(v.plus(v.load(0, args[1]), v.load(2, args[3])), 0, args[1])
        return context.get_dummy_value()

    return types.void(sums, types.int64, weights, types.int64), codegen


@intrinsic
def _add_scaled_vector(typingctx: Any, sums: Any, at: Any, weights: Any, first: Any, factor: Any) -> Any:
    """Add 64 bytes of weights, times a number of their type, to sums."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(context, builder, signature, args, 64)
        values = v.scaled(v.load(2, args[3]), args[4], signature.args[4])
        v.store(v.plus(v.load(0, args[1]), values), 0, args[1])
        return context.get_dummy_value()

    return types.void(sums, types.int64, weights, types.int64, factor), codegen


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def add_stretch(sums: Any, at: Any, weights: Any, first: Any, size: Any) -> None:
    """Add `size` weights from `first` on to the sums from `at` on."""
    k, vector = np.int64(0), 64 // weights.itemsize
    while k + vector <= size:
        _add_vector(sums, at + k, weights, first + k)
        k += vector
    while k < size:
        sums[np.uint64(at + k)] += weights[np.uint64(first + k)]
        k += 1


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def add_scaled_stretch(sums: Any, at: Any, weights: Any, first: Any, size: Any, factor: Any) -> None:
    """Add `size` weights from `first` on, times `factor`, to the sums from `at` on."""
    k, vector = np.int64(0), 64 // weights.itemsize
    while k + vector <= size:
        _add_scaled_vector(sums, at + k, weights, first + k, factor)
        k += vector
    while k < size:
        sums[np.uint64(at + k)] += weights[np.uint64(first + k)] * factor
        k += 1
