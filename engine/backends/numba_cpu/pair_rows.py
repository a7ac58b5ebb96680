"""Adding rows of 16-bit weights to whole sums, two rows at a time: one instruction multiplies and adds pairs.

Rows lie in pairs, and in tiles of 32 columns: 128 bytes hold two rows' weights of a tile, column by column.
The pairs that are to be added are listed, each with a word that holds its two factors, 16 bits each. The
sums of a tile stay in registers while pairs pass by. Where four lists are much the same, each pair is read
once for all four.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .rows import WORD, Vectors

#: Columns of a tile, and the vectors of two rows' weights in which they lie.
COLUMNS = 32
_VECTORS, _LANES = 2, 16
#: Lists that may share what is read.
TOGETHER = 4

_HALF, _WHOLE = ir.IntType(16), ir.IntType(32)
_HALVES, _SUMS = ir.VectorType(_HALF, 2 * _LANES), ir.VectorType(_WHOLE, _LANES)
_PRODUCTS = ir.VectorType(_WHOLE, 2 * _LANES)
_FIRSTS, _SECONDS = (ir.Constant(_SUMS, list(range(k, 2 * _LANES, 2))) for k in (0, 1))


def _pair_adder(lists: int) -> Any:
    """Return an intrinsic that sums the pairs of `lists` lists in one tile."""

    @intrinsic
    def add(
        typingctx: Any, sums: Any, weights: Any, tile: Any, pairs: Any, words: Any, begin: Any, end: Any
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            v = Vectors(context, builder, signature, args, 4 * _LANES)
            sums = [
                cgutils.alloca_once_value(builder, ir.Constant(_SUMS, None)) for _ in range(lists * _VECTORS)
            ]
            with cgutils.for_range_slice(builder, args[5], args[6], ir.Constant(WORD, 1)) as (k, _):
                pair = builder.sext(builder.load(v.place(3, k)), WORD)
                first = builder.add(args[2], builder.mul(pair, ir.Constant(WORD, 2 * COLUMNS)))
                rows = [
                    _load(v, builder, builder.add(first, ir.Constant(WORD, 2 * _LANES * i))) for i in range(2)
                ]
                for j in range(lists):
                    at = builder.add(builder.mul(k, ir.Constant(WORD, lists)), ir.Constant(WORD, j))
                    factors = builder.bitcast(v.spread(builder.load(v.place(4, at))), _HALVES)
                    for total, row in zip(sums[j * _VECTORS : (j + 1) * _VECTORS], rows, strict=True):
                        builder.store(
                            builder.add(builder.load(total), _products(builder, row, factors)), total
                        )
            for i, total in enumerate(sums):
                v.store(builder.load(total), 0, ir.Constant(WORD, i * _LANES))
            return context.get_dummy_value()

        word = types.int64
        return types.void(sums, weights, word, pairs, words, word, word), codegen

    return add


def _load(v: Vectors, builder: Any, index: Any) -> Any:
    """Return a vector of weights, from an element on."""
    return builder.load(builder.bitcast(v.place(1, index), _HALVES.as_pointer()), align=2)


def _products(builder: Any, rows: Any, factors: Any) -> Any:
    """Return products of neighbours, added: a form that compilers know as one instruction."""
    products = builder.mul(builder.sext(rows, _PRODUCTS), builder.sext(factors, _PRODUCTS))
    first, second = (builder.shuffle_vector(products, products, which) for which in (_FIRSTS, _SECONDS))
    return builder.add(first, second)


#: `add(sums, weights, tile, pairs, words, begin, end)` writes to sums[:32] what the pairs of a list, from
#: begin to before end, add up to in the tile that starts at weights[tile]; the other one does so for four
#: lists at once, whose words lie side by side, to sums[:32], sums[32:64] and so on.
add_pairs, add_shared_pairs = _pair_adder(1), _pair_adder(TOGETHER)
