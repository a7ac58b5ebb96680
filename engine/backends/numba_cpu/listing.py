"""Listing the neurons that sent something: 64 flags at a time, as the bits of one word.

A branch per neuron would be guessed wrong for nearly every event. Instead one comparison makes a word
of 64 bits, and the list takes the places of those that are set, four at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_WORD, _FLAGS = ir.IntType(64), ir.VectorType(ir.IntType(8), 64)


@intrinsic
def _word_of(typingctx: Any, flags: Any, at: Any) -> Any:
    """Return a word whose bit j says whether flags[at + j] is not zero; flags take one byte each."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        struct = context.make_array(signature.args[0])(context, builder, args[0])
        place = builder.bitcast(builder.gep(struct.data, [args[1]]), _FLAGS.as_pointer())
        set_ = builder.icmp_unsigned("!=", builder.load(place, align=1), ir.Constant(_FLAGS, None))
        return builder.bitcast(set_, _WORD)

    return types.uint64(flags, types.uint64), codegen


@intrinsic
def _lowest(typingctx: Any, word: Any) -> Any:
    """Return the place of the lowest bit that is set, 64 if there is none."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), codegen


@intrinsic
def _how_many(typingctx: Any, word: Any) -> Any:
    """Return the number of bits that are set."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), codegen


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def list_set(flags: Any, size: Any, first: Any, ids: Any, k: Any) -> Any:
    """Append first + i to ids[k:] for each i < size whose flag is not zero; return the new k.

    Up to three entries beyond the new end are overwritten, but none beyond ids[k + size - 1].
    """
    k, size = np.uint64(k), np.uint64(size)
    i, whole = np.uint64(0), size & ~np.uint64(63)
    while i < whole:
        word, place = _word_of(flags, i), np.uint64(first) + i
        at, k = k, k + _how_many(word)
        while at < k:
            for j in range(4):
                ids[at + np.uint64(j)] = np.int32(place + _lowest(word))
                word &= word - np.uint64(1)
            at += np.uint64(4)
        i += np.uint64(64)
    while i < size:
        ids[k] = np.int32(np.uint64(first) + i)
        k += np.uint64(flags[i] != 0)
        i += np.uint64(1)
    return np.int64(k)
