"""Evaluating a convolution as a whole: the sums of several pixels take the same weights by whole vectors.

The image has a frame of zeros, so that every pixel of the output has a full window of inputs. A tile is a
stretch of channels of some pixels of the output: its sums stay in registers while the rows of weights
of a panel pass by, and each row is read once for all of its pixels.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from .rows import WORD, Vectors

#: Pixels of a tile, and bytes of its channels. Of 16 registers of 32 bytes sums take 12, a row of weights two
#: and an input one; with registers of 64 bytes, twice as many as there are, wider tiles are hardly faster.
PIXELS, TILE_BYTES = 6, 64


@cache
def _compiled_for(*features: str) -> bool:
    """Return whether code is compiled for a processor that has one of these features."""
    _, _, text = cpu_target.target_context.codegen().magic_tuple()
    return any(f"+{feature}" in text.split(",") for feature in features)


def _tile_adder(scaled: bool) -> Any:
    """Return an intrinsic that adds windows of an image, times weights, to the sums of one tile."""

    @intrinsic
    def add(
        typingctx: Any, sums: Any, at: Any, pitch: Any, panels: Any, row: Any, image: Any, windows: Any,
        window: Any, runs: Any, run: Any,
    ) -> Any:  # fmt: skip
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            v = Vectors(context, builder, signature, args, TILE_BYTES)
            fused = v.real and not scaled and _compiled_for("fma", "neon")
            one, n_runs = ir.Constant(WORD, 1), v.array(8).nitems
            places, totals, inputs = [], [], []
            for i in range(PIXELS):
                places.append(builder.add(args[1], builder.mul(ir.Constant(WORD, i), args[2])))
                totals.append(cgutils.alloca_once_value(builder, v.load(0, places[i])))
                begin = builder.load(v.place(6, builder.add(args[7], ir.Constant(WORD, i))))
                inputs.append(v.place(5, begin))
            at = cgutils.alloca_once_value(builder, args[4])
            with cgutils.for_range_slice(builder, ir.Constant(WORD, 0), n_runs, one) as (r, _):
                start = builder.load(v.place(8, r))
                stop = builder.add(start, args[9])
                with cgutils.for_range_slice(builder, start, stop, one) as (j, _):
                    row = builder.load(at)
                    weights = v.load(3, row)
                    builder.store(builder.add(row, ir.Constant(WORD, v.type.count)), at)
                    for total, first in zip(totals, inputs, strict=True):
                        factors = v.spread(builder.load(builder.gep(first, [j])))
                        before = builder.load(total)
                        if fused:
                            after = v.fused(weights, factors, before)
                        else:
                            after = v.plus(before, v.times(weights, factors))
                        builder.store(after, total)
            for total, place in zip(totals, places, strict=True):
                v.store(builder.load(total), 0, place)
            return context.get_dummy_value()

        word = types.int64
        return types.void(sums, word, word, panels, word, image, windows, word, runs, word), codegen

    return add


#: `add(sums, at, pitch, panels, row, image, windows, window, runs, run)` adds to the stretches of sums from
#: at, at + pitch, ... on. The i-th one takes the inputs image[windows[window + i] + j], j from runs[0] to
#: before runs[0] + run, then from runs[1], and so on, each times the next row of weights; the first is at
#: `row`. Scaled ones round each product. The others may not, which is the same for inputs of 0 and 1.
add_tile, add_scaled_tile = _tile_adder(False), _tile_adder(True)
