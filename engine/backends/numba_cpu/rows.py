"""Adding rows of weights to sums: a tile of columns stays in registers while rows pass by.

Weights are stored tile by tile, 128 bytes wide (64 where there are no more columns), and row after row
within a tile: the rows of one tile fit into a core's own cache, where the steps of a strip use them
again and again. Each column takes rows in the order in which they are listed.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_WORD, _INTEGER = ir.IntType(64), ir.IntType(32)


def _row_adder(n_bytes: int, scaled: bool) -> Any:
    """Return an intrinsic that adds rows to one tile of sums, each times its payload if `scaled`."""

    @intrinsic
    def add(
        typingctx: Any, sums: Any, at: Any, tile: Any, ids: Any, begin: Any, end: Any, first_row: Any,
        payload: Any,
    ) -> Any:  # fmt: skip
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = signature.args[0].dtype
            element, size = context.get_data_type(kind), kind.bitwidth // 8
            vector = ir.VectorType(element, n_bytes // size)
            real = isinstance(kind, types.Float)
            plus, times = (builder.fadd, builder.fmul) if real else (builder.add, builder.mul)

            def place(array: int, index: Any) -> Any:
                data = context.make_array(signature.args[array])(context, builder, args[array]).data
                return builder.gep(data, [index])

            def load(array: int, index: Any) -> Any:
                return builder.load(builder.bitcast(place(array, index), vector.as_pointer()), align=size)

            def everywhere(value: Any) -> Any:
                first = ir.Constant(_INTEGER, 0)
                one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, first)
                zeros = ir.Constant(ir.VectorType(_INTEGER, vector.count), None)
                return builder.shuffle_vector(one, one, zeros)

            total = cgutils.alloca_once_value(builder, load(0, args[1]))
            with cgutils.for_range_slice(builder, args[4], args[5], ir.Constant(_WORD, 1)) as (k, _):
                row = builder.sub(builder.sext(builder.load(place(3, k)), _WORD), args[6])
                values = load(2, builder.mul(row, ir.Constant(_WORD, vector.count)))
                if scaled:
                    sent = builder.load(place(7, k))
                    factor = context.cast(builder, sent, signature.args[7].dtype, kind)
                    values = times(values, everywhere(factor))
                builder.store(plus(builder.load(total), values), total)
            target = builder.bitcast(place(0, args[1]), vector.as_pointer())
            builder.store(builder.load(total), target, align=size)
            return context.get_dummy_value()

        word = types.int64
        return types.void(sums, word, tile, ids, word, word, word, payload), codegen

    return add


#: `add(sums, at, tile, ids, begin, end, first_row, payload)` adds rows ids[begin:end] - first_row of a
#: tile to the sums from `at` on, the scaled ones each times payload[k].
add_wide_rows, add_scaled_wide_rows = _row_adder(128, False), _row_adder(128, True)
add_narrow_rows, add_scaled_narrow_rows = _row_adder(64, False), _row_adder(64, True)
