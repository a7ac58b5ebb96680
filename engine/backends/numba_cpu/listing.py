"""Listing the neurons that sent something: eight at a time, without a branch.

A branch per neuron would be guessed wrong for nearly every event. Eight comparisons make a mask
instead, the mask picks a row of a table, and that row is stored whole; the list then grows by the
number of bits that were set.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_WORD, _INTEGER, _MASK = ir.IntType(64), ir.IntType(32), ir.IntType(8)
_EIGHT = ir.VectorType(_INTEGER, 8)
#: Row m holds the positions of the bits that are set in m, in ascending order, and then zeros.
_POSITIONS = np.array(
    [([j for j in range(8) if mask >> j & 1] + [0] * 8)[:8] for mask in range(256)], np.int32
).reshape(-1)


@intrinsic
def _list_eight(typingctx: Any, flags: Any, at: Any, first: Any, ids: Any, k: Any, positions: Any) -> Any:
    """Append first + j to ids[k:] for each flags[at + j], j < 8, that is not zero; return the new k."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def place(array: int, index: Any, element: Any) -> Any:
            struct = context.make_array(signature.args[array])(context, builder, args[array])
            vector = ir.VectorType(element, 8).as_pointer()
            return builder.bitcast(builder.gep(struct.data, [index]), vector)

        kind = signature.args[0].dtype
        element = context.get_data_type(kind)
        loaded = builder.load(place(0, args[1], element), align=context.get_abi_sizeof(element))
        compare = builder.fcmp_unordered if isinstance(kind, types.Float) else builder.icmp_unsigned
        set_ = compare("!=", loaded, ir.Constant(loaded.type, None))
        mask = builder.zext(builder.bitcast(set_, _MASK), _WORD)
        row = builder.shl(mask, ir.Constant(_WORD, 3))
        nothing = ir.Constant(_EIGHT, ir.Undefined)
        one = builder.insert_element(nothing, builder.trunc(args[2], _INTEGER), ir.Constant(_INTEGER, 0))
        base = builder.shuffle_vector(one, nothing, ir.Constant(_EIGHT, [0] * 8))
        listed = builder.add(base, builder.load(place(5, row, _INTEGER), align=4))
        builder.store(listed, place(3, args[4], _INTEGER), align=4)
        return builder.add(args[4], builder.ctpop(mask))

    return types.uint64(flags, types.uint64, types.uint64, ids, types.uint64, positions), codegen


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def list_set(flags: Any, size: Any, first: Any, ids: Any, k: Any) -> Any:
    """Append first + i to ids[k:] for each i < size whose flag is not zero; return the new k.

    Up to seven entries beyond the new end are overwritten, but none beyond ids[k + size - 1].
    """
    k, i, whole = np.uint64(k), np.uint64(0), np.uint64(size) & ~np.uint64(7)
    while i < whole:
        k = _list_eight(flags, i, np.uint64(first) + i, ids, k, _POSITIONS)
        i += np.uint64(8)
    while i < np.uint64(size):
        ids[k] = np.int32(np.uint64(first) + i)
        k += np.uint64(flags[i] != 0)
        i += np.uint64(1)
    return np.int64(k)
