"""Pulling: whoever owns some cells of one step adds what has arrived for them, projection by projection.

Real sums take their terms in the order of the plan's projections, then of the sources, so that they are
the reference's. An event adds a row of a matrix, or the entries of a kernel that lead from its pixel; the
events are bits, 32 neurons in a word. A lane has four cells, a warp apart, so that a bit is looked for
once for four sums. Both sums, of reals and of whole numbers, are made from one text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .fields import (
    CONV,
    G_PAYLOAD,
    I_CELL,
    I_LINE,
    I_N_PULLS,
    I_PULLS,
    I_TILES,
    LISTED,
    Q_C_IN,
    Q_C_OUT,
    Q_COLUMN,
    Q_COLUMNS,
    Q_DELAY,
    Q_DELAYS,
    Q_DILATION_H,
    Q_DILATION_W,
    Q_FIRST,
    Q_GROUPS,
    Q_IMAGE_HEIGHT,
    Q_IMAGE_WIDTH,
    Q_KERNEL_H,
    Q_KERNEL_W,
    Q_OUT_WIDTH,
    Q_PAD_H,
    Q_PAD_W,
    Q_PER_TRIAL,
    Q_ROWS,
    Q_SOURCE,
    Q_SOURCES,
    Q_STARTS,
    Q_STORAGE,
    Q_STRIDE_H,
    Q_STRIDE_W,
    Q_SYNAPSES,
    Q_WEIGHTS,
    REAL,
    UNIT,
)  # fmt: skip
from .rings import fixed_cells, float_cells, payload_ring, ring_word
from .words import LANES, atomic_add, device, i4, i8, lowest, mul, parted, u4

#: Cells of a tile: four for each lane.
TILE = 4 * LANES


@device
def masked(word: Any, base: Any, low: Any, high: Any) -> Any:
    """Return the bits of a word, whose first stands for `base`, that lie from `low` to before `high`."""
    below, above = u4(max(low - base, 0)), u4(max(base + 32 - high, 0))
    return u4(u4(u4(u4(word >> below) << u4(below + above)) >> above) if below + above < 32 else 0)


@device
def real_product(t: Any, m: Any, g: Any, at: Any, weight: Any) -> Any:
    """Return a weight times an event's payload."""
    kind = t[g + G_PAYLOAD]
    if kind == UNIT:
        return weight
    if kind == REAL:
        return mul(weight, m.reals[at])
    return mul(weight, m.wholes[at])


@device
def whole_product(t: Any, m: Any, g: Any, at: Any, weight: Any) -> Any:
    """Return a weight times an event's payload, both whole numbers."""
    return i8(weight) if t[g + G_PAYLOAD] == UNIT else i8(weight) * m.wholes[at]


@device
def take_reals(t: Any, m: Any, run: Any, trial: Any, now: Any, cell: Any) -> Any:
    """Return where a real sum lies, and what it holds."""
    at = float_cells(t, run, trial, now) + cell
    return at, m.reals[at]


@device
def take_wholes(t: Any, m: Any, run: Any, trial: Any, now: Any, cell: Any) -> Any:
    """Return where a sum of whole numbers lies, and zero: others add to it at the same time."""
    return fixed_cells(t, run, trial, now) + cell, i8(0)


@device
def put_real(m: Any, at: Any, total: Any) -> None:
    """Write a real sum."""
    m.reals[at] = total


@device
def put_whole(m: Any, at: Any, total: Any) -> None:
    """Add to a sum of whole numbers."""
    atomic_add(m.wholes, at, i4(total))


def make_pull(
    product: Callable[..., Any], take: Callable[..., Any], put: Callable[..., Any]
) -> Callable[..., Any]:
    """Return the function that pulls into one tile of cells, for one kind of sum."""

    @device
    def events_of(
        t: Any, m: Any, weights: Any, q: Any, ring: Any, word: Any, base: Any, row: Any, width: Any,
        lane: Any, sums: Any,
    ) -> Any:  # fmt: skip
        """Add what the events of a word lead to; `row` is where the weights of its first bit stand."""
        g = t[q + Q_SOURCE]
        a0, a1, a2, a3 = sums
        while word != 0:
            bit = lowest(word)
            word = u4(word & (word - u4(1)))
            here, at = row + bit * width, ring + base + bit
            w0, w1 = weights[here + lane[0]], weights[here + lane[1]]
            w2, w3 = weights[here + lane[2]], weights[here + lane[3]]
            a0 += product(t, m, g, at, w0)
            a1 += product(t, m, g, at, w1)
            a2 += product(t, m, g, at, w2)
            a3 += product(t, m, g, at, w3)
        return a0, a1, a2, a3

    @device
    def dense(t: Any, m: Any, weights: Any, q: Any, trial: Any, sent: Any, lane: Any, sums: Any) -> Any:
        """Add the rows of a matrix whose sources sent something; `lane` are the four columns."""
        g, first, columns = t[q + Q_SOURCE], t[q + Q_FIRST], t[q + Q_COLUMNS]
        last = first + t[q + Q_ROWS]
        words = ring_word(t, g, trial, sent, 0)
        ring = payload_ring(t, g, trial, sent)
        for w in range(first >> 5, (last + 31) >> 5):
            word = masked(m.bits[words + w], w * 32, first, last)
            row = t[q + Q_WEIGHTS] + (w * 32 - first) * columns
            sums = events_of(t, m, weights, q, ring, word, w * 32, row, columns, lane, sums)
        return sums

    @device
    def conv(
        t: Any,
        m: Any,
        weights: Any,
        q: Any,
        trial: Any,
        sent: Any,
        pixel: Any,
        group: Any,
        lane: Any,
        sums: Any,
    ) -> Any:
        """Add what the events in a pixel's window lead to; `lane` are four channels of a group."""
        g, c_in = t[q + Q_SOURCE], t[q + Q_C_IN]
        c_out, mine = parted(t[q + Q_C_OUT], t[q + Q_GROUPS])[0], parted(c_in, t[q + Q_GROUPS])[0]
        height, width = t[q + Q_KERNEL_H], t[q + Q_KERNEL_W]
        words = ring_word(t, g, trial, sent, 0)
        ring = payload_ring(t, g, trial, sent)
        line, column = parted(pixel, t[q + Q_OUT_WIDTH])
        y0, x0 = line * t[q + Q_STRIDE_H] - t[q + Q_PAD_H], column * t[q + Q_STRIDE_W] - t[q + Q_PAD_W]
        for ky in range(height):
            y = y0 + ky * t[q + Q_DILATION_H]
            for kx in range(width):
                x = x0 + kx * t[q + Q_DILATION_W]
                if y >= 0 and y < t[q + Q_IMAGE_HEIGHT] and x >= 0 and x < t[q + Q_IMAGE_WIDTH]:
                    start = (y * t[q + Q_IMAGE_WIDTH] + x) * c_in
                    low = start + group * mine
                    for w in range(low >> 5, (low + mine + 31) >> 5):
                        word = masked(m.bits[words + w], w * 32, low, low + mine)
                        row = t[q + Q_WEIGHTS] + (((w * 32 - start) * height + ky) * width + kx) * c_out
                        across = height * width * c_out
                        sums = events_of(t, m, weights, q, ring, word, w * 32, row, across, lane, sums)
        return sums

    @device
    def listed(t: Any, m: Any, weights: Any, q: Any, trial: Any, now: Any, cell: Any, total: Any) -> Any:
        """Add the incoming synapses of one cell at which something arrives."""
        g = t[q + Q_SOURCE]
        for k in range(m.longs[t[q + Q_STARTS] + cell], m.longs[t[q + Q_STARTS] + cell + 1]):
            place, sent = m.wholes[t[q + Q_SOURCES] + k], now - m.wholes[t[q + Q_DELAYS] + k]
            if sent >= 0:
                word = m.bits[ring_word(t, g, trial, sent, place >> 5)]
                if (word >> (place & 31)) & 1:
                    synapse = m.wholes[t[q + Q_SYNAPSES] + k] + trial * t[q + Q_PER_TRIAL]
                    at = payload_ring(t, g, trial, sent) + place
                    total += product(t, m, g, at, weights[t[q + Q_WEIGHTS] + synapse])
        return total

    @device
    def convolved(t: Any, m: Any, weights: Any, q: Any, trial: Any, sent: Any, places: Any, sums: Any) -> Any:
        """Add a convolution to four cells: together where they see the same events, else one by one."""
        c_out, groups = t[q + Q_C_OUT], t[q + Q_GROUPS]
        if groups == 1:
            pixel = parted(places[0], c_out)[0]
            here = (
                places[0] - pixel * c_out, places[1] - pixel * c_out,
                places[2] - pixel * c_out, places[3] - pixel * c_out,
            )  # fmt: skip
            return conv(t, m, weights, q, trial, sent, pixel, 0, here, sums)
        mine = parted(c_out, groups)[0]
        a0, a1, a2, a3 = sums
        a0 = one(t, m, weights, q, trial, sent, places[0], mine, a0)
        a1 = one(t, m, weights, q, trial, sent, places[1], mine, a1)
        a2 = one(t, m, weights, q, trial, sent, places[2], mine, a2)
        a3 = one(t, m, weights, q, trial, sent, places[3], mine, a3)
        return a0, a1, a2, a3

    @device
    def one(
        t: Any, m: Any, weights: Any, q: Any, trial: Any, sent: Any, place: Any, mine: Any, total: Any
    ) -> Any:
        """Add a grouped convolution to one cell."""
        c_out = t[q + Q_C_OUT]
        pixel, channel = parted(place, c_out)
        group, within = parted(channel, mine)
        here = (within, within, within, within)
        sums = (total, total, total, total)
        return conv(t, m, weights, q, trial, sent, pixel, group, here, sums)[0]

    @device
    def pull(
        t: Any, m: Any, weights: Any, unit: Any, number: Any, trial: Any, now: Any, lane: Any, run: Any
    ) -> None:
        """Pull all projections of a receptor into one tile."""
        line, tile = parted(number, t[unit + I_TILES])
        begin = line * t[unit + I_LINE] + tile * TILE + lane
        last = (line + 1) * t[unit + I_LINE] - 1
        # Lanes beyond the end do the work of the last cell, and drop it.
        places = (
            min(begin, last), min(begin + LANES, last),
            min(begin + 2 * LANES, last), min(begin + 3 * LANES, last),
        )  # fmt: skip
        c0, a0 = take(t, m, run, trial, now, t[unit + I_CELL] + places[0])
        c1, a1 = take(t, m, run, trial, now, t[unit + I_CELL] + places[1])
        c2, a2 = take(t, m, run, trial, now, t[unit + I_CELL] + places[2])
        c3, a3 = take(t, m, run, trial, now, t[unit + I_CELL] + places[3])
        for k in range(t[unit + I_N_PULLS]):
            q = t[t[unit + I_PULLS] + k]
            a0, a1, a2, a3 = project(t, m, weights, q, trial, now, places, (a0, a1, a2, a3))
        if begin <= last:
            put(m, c0, a0)
        if begin + LANES <= last:
            put(m, c1, a1)
        if begin + 2 * LANES <= last:
            put(m, c2, a2)
        if begin + 3 * LANES <= last:
            put(m, c3, a3)

    @device
    def project(t: Any, m: Any, weights: Any, q: Any, trial: Any, now: Any, places: Any, sums: Any) -> Any:
        """Add one projection to four cells."""
        sent, storage = now - t[q + Q_DELAY], t[q + Q_STORAGE]
        if storage == LISTED:
            a0, a1, a2, a3 = sums
            a0 = listed(t, m, weights, q, trial, now, places[0], a0)
            a1 = listed(t, m, weights, q, trial, now, places[1], a1)
            a2 = listed(t, m, weights, q, trial, now, places[2], a2)
            a3 = listed(t, m, weights, q, trial, now, places[3], a3)
            return a0, a1, a2, a3
        if sent < 0:
            return sums
        if storage == CONV:
            return convolved(t, m, weights, q, trial, sent, places, sums)
        first, last = t[q + Q_COLUMN], t[q + Q_COLUMN] + t[q + Q_COLUMNS] - 1
        a0, a1, a2, a3 = sums
        lane = (
            min(max(places[0], first), last) - first, min(max(places[1], first), last) - first,
            min(max(places[2], first), last) - first, min(max(places[3], first), last) - first,
        )  # fmt: skip
        b0, b1, b2, b3 = dense(t, m, weights, q, trial, sent, lane, sums)
        # Cells outside of the matrix's columns have followed others, and keep what they had.
        a0 = b0 if places[0] == lane[0] + first else a0
        a1 = b1 if places[1] == lane[1] + first else a1
        a2 = b2 if places[2] == lane[2] + first else a2
        a3 = b3 if places[3] == lane[3] + first else a3
        return a0, a1, a2, a3

    return pull


pull_fixed = make_pull(whole_product, take_wholes, put_whole)
pull_float = make_pull(real_product, take_reals, put_real)
