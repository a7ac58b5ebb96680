"""Adding rows of weights to sums by whole vectors, for dense projections and for convolutions.

The rows of a dense projection are stored tile by tile, 128 bytes wide (64 where there are no more
columns), and row after row within a tile: the rows of one tile fit into a core's own cache, where the
steps of a strip use them again and again. A convolution has a row for each input channel and each entry
of its kernel. A stretch of sums stays in registers while rows pass by; each takes them in the order in
which they are listed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

WORD, _INTEGER = ir.IntType(64), ir.IntType(32)


class Vectors:
    """Writes the code of an intrinsic that works on vectors of `n_bytes` in arrays of one element type."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any, n_bytes: int) -> None:
        self.context, self.builder, self.signature, self.args = context, builder, signature, args
        self.kind = signature.args[0].dtype
        self.size = self.kind.bitwidth // 8
        self.type = ir.VectorType(context.get_data_type(self.kind), n_bytes // self.size)
        self.real = isinstance(self.kind, types.Float)
        real = (builder.fadd, builder.fmul)
        self.plus, self.times = real if self.real else (builder.add, builder.mul)

    def array(self, array: int) -> Any:
        """Return an argument's fields."""
        make = self.context.make_array(self.signature.args[array])
        return make(self.context, self.builder, self.args[array])

    def place(self, array: int, index: Any) -> Any:
        """Return the address of an element of an argument."""
        return self.builder.gep(self.array(array).data, [index])

    def load(self, array: int, index: Any) -> Any:
        """Return the vector that starts at an element of an argument."""
        address = self.builder.bitcast(self.place(array, index), self.type.as_pointer())
        return self.builder.load(address, align=self.size)

    def store(self, value: Any, array: int, index: Any) -> None:
        """Write a vector from an element of an argument on."""
        address = self.builder.bitcast(self.place(array, index), self.type.as_pointer())
        self.builder.store(value, address, align=self.size)

    def spread(self, number: Any) -> Any:
        """Return a vector of one number of the element type."""
        nothing = ir.Constant(self.type, ir.Undefined)
        one = self.builder.insert_element(nothing, number, ir.Constant(_INTEGER, 0))
        zeros = ir.Constant(ir.VectorType(_INTEGER, self.type.count), None)
        return self.builder.shuffle_vector(one, one, zeros)

    def scaled(self, values: Any, factor: Any, kind: Any) -> Any:
        """Return a vector times a number of some type."""
        return self.times(values, self.spread(self.context.cast(self.builder, factor, kind, self.kind)))

    def fused(self, values: Any, factors: Any, terms: Any) -> Any:
        """Return values * factors + terms of real numbers, rounded once."""
        name = f"llvm.fma.v{self.type.count}f{self.kind.bitwidth}"
        kind = ir.FunctionType(self.type, [self.type] * 3)
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, [values, factors, terms])


def _row_adder(n_bytes: int, scaled: bool) -> Any:
    """Return an intrinsic that adds rows to one stretch of sums, each times its payload if `scaled`."""

    @intrinsic
    def add(
        typingctx: Any, sums: Any, at: Any, weights: Any, ids: Any, begin: Any, end: Any, first_row: Any,
        stride: Any, shift: Any, payload: Any,
    ) -> Any:  # fmt: skip
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            v = Vectors(context, builder, signature, args, n_bytes)
            total = cgutils.alloca_once_value(builder, v.load(0, args[1]))
            with cgutils.for_range_slice(builder, args[4], args[5], ir.Constant(WORD, 1)) as (k, _):
                row = builder.sub(builder.sext(builder.load(v.place(3, k)), WORD), args[6])
                values = v.load(2, builder.add(builder.mul(row, args[7]), args[8]))
                if scaled:
                    values = v.scaled(values, builder.load(v.place(9, k)), signature.args[9].dtype)
                builder.store(v.plus(builder.load(total), values), total)
            v.store(builder.load(total), 0, args[1])
            return context.get_dummy_value()

        word = types.int64
        return types.void(sums, word, weights, ids, word, word, word, word, word, payload), codegen

    return add


#: `add(sums, at, weights, ids, begin, end, first_row, stride, shift, payload)` adds the weights from
#: (ids[k] - first_row) * stride + shift on to the sums from `at` on, for each k from begin to before
#: end, the scaled ones times payload[k].
add_broad_rows, add_scaled_broad_rows = _row_adder(256, False), _row_adder(256, True)
add_wide_rows, add_scaled_wide_rows = _row_adder(128, False), _row_adder(128, True)
add_narrow_rows, add_scaled_narrow_rows = _row_adder(64, False), _row_adder(64, True)


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def add_rows(
    sums: Any, at: Any, weights: Any, ids: Any, begin: Any, end: Any, first_row: Any, stride: Any, shift: Any,
    size: Any,
) -> None:  # fmt: skip
    """Add rows of any width to `size` sums: see above."""
    k, broad, narrow = np.int64(0), 256 // weights.itemsize, 64 // weights.itemsize
    while k + broad <= size:
        add_broad_rows(sums, at + k, weights, ids, begin, end, first_row, stride, shift + k, ids)
        k += broad
    while k + narrow <= size:
        add_narrow_rows(sums, at + k, weights, ids, begin, end, first_row, stride, shift + k, ids)
        k += narrow
    while k < size:
        for j in range(begin, end):
            row = np.int64(ids[np.uint64(j)]) - first_row
            sums[np.uint64(at + k)] += weights[np.uint64(row * stride + shift + k)]
        k += 1


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def add_scaled_rows(
    sums: Any, at: Any, weights: Any, ids: Any, begin: Any, end: Any, first_row: Any, stride: Any, shift: Any,
    size: Any, payload: Any,
) -> None:  # fmt: skip
    """Add rows of any width, each times its payload, to `size` sums: see above."""
    k, broad, narrow = np.int64(0), 256 // weights.itemsize, 64 // weights.itemsize
    kind = weights.dtype.type
    while k + broad <= size:
        add_scaled_broad_rows(sums, at + k, weights, ids, begin, end, first_row, stride, shift + k, payload)
        k += broad
    while k + narrow <= size:
        add_scaled_narrow_rows(sums, at + k, weights, ids, begin, end, first_row, stride, shift + k, payload)
        k += narrow
    while k < size:
        for j in range(begin, end):
            row = np.int64(ids[np.uint64(j)]) - first_row
            weight = weights[np.uint64(row * stride + shift + k)]
            sums[np.uint64(at + k)] += kind(weight * kind(payload[np.uint64(j)]))
        k += 1
