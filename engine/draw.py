"""Drawing the synapses of one projection: rows by source, from counters alone.

Random pairs and fixed totals are drawn source by source and chunk of targets by chunk of targets;
fixed out-degrees source by source; fixed in-degrees target by target and then turned round. Every
row has its own key, so any thread or machine could draw any row alone and get the same synapses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from .connectivity import Dense, Drawn, Explicit, FixedIn, FixedOut, FixedTotal, OneToOne, Random
from .random import below, binomial, draw64, stream_key, to_unit

#: Targets per chunk: the unit in which degrees are split, and so the smallest share of a machine.
CHUNK = 16384


@dataclass(frozen=True)
class Synapses:
    """The synapses of one projection as rows by source; ids count from the ends' own first neuron.

    Attributes
    ----------
    indptr : int64 (n_pre + 1,)
        Where each source's row starts.
    targets : int32 (n_synapses,)
        Target of each synapse.
    weights : float64
        Table of weights.
    weight_index : array (n_synapses,), or None
        Entry of each synapse in the table; None where the table has one.
    delays : int64
        Table of delays in steps.
    delay_index : array (n_synapses,), or None
        Entry of each synapse in the table; None where the table has one.
    """

    indptr: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    weight_index: np.ndarray | None
    delays: np.ndarray
    delay_index: np.ndarray | None

    @property
    def n(self) -> int:
        """Number of synapses."""
        return int(self.targets.size)

    def weight_values(self) -> np.ndarray:
        """Return the weight of every synapse, float64."""
        if self.weight_index is None:
            return np.full(self.n, self.weights[0] if self.weights.size else 0.0)
        return np.asarray(self.weights[self.weight_index])

    def delay_steps(self) -> np.ndarray:
        """Return the delay of every synapse in steps, int64."""
        if self.delay_index is None:
            return np.full(self.n, self.delays[0] if self.delays.size else 1)
        return np.asarray(self.delays[self.delay_index])

    def sources(self) -> np.ndarray:
        """Return the source of every synapse, int64."""
        return np.repeat(np.arange(self.indptr.size - 1), np.diff(self.indptr))


def draw_synapses(
    connectivity: Any,
    n_pre: int,
    n_post: int,
    *,
    seed: int,
    name: str,
    weights: np.ndarray,
    delays: np.ndarray,
    drawn_weights: bool,
    drawn_delays: bool,
    self_shift: int | None,
) -> Synapses:
    """Draw (or list) the synapses of one projection.

    Parameters
    ----------
    connectivity
        An indexed pattern.
    n_pre, n_post
        Sizes of the two ends.
    seed, name
        Key the streams.
    weights, delays
        Tables: 65,536 quantiles if drawn, one entry per pair if listed, or a single entry.
    drawn_weights, drawn_delays
        Whether the tables are quantiles.
    self_shift
        Target index minus source index of one and the same neuron; None if the ends differ.
    """
    if isinstance(connectivity, (OneToOne, Explicit, Dense)):
        return _listed(connectivity, n_pre, n_post, seed, name, weights, delays, drawn_weights, drawn_delays)
    assert isinstance(connectivity, Drawn)
    shift = n_post + n_pre if self_shift is None or connectivity.self_connections else self_shift
    key = stream_key(seed, name, "pairs")
    if isinstance(connectivity, Random):
        indptr, targets, order = _random_rows(key, n_pre, n_post, connectivity.p, shift)
    elif isinstance(connectivity, FixedOut):
        lists = _fixed_lists(key, n_pre, n_post, connectivity.k, connectivity.multiple, shift)
        indptr, targets = np.arange(n_pre + 1, dtype=np.int64) * connectivity.k, lists
        order = np.arange(targets.size, dtype=np.int64)
    elif isinstance(connectivity, FixedIn):
        lists = _fixed_lists(key, n_post, n_pre, connectivity.k, connectivity.multiple, -shift)
        indptr, targets, order = _turn_round(lists, n_pre, n_post, connectivity.k)
    else:
        assert isinstance(connectivity, FixedTotal)
        indptr, targets, order = _fixed_total(key, n_pre, n_post, connectivity, shift)
    weight_index, delay_index = _quantiles(
        stream_key(seed, name, "synapses"), order, drawn_weights, drawn_delays
    )
    return Synapses(indptr, targets, weights, weight_index, delays, delay_index)


def _listed(
    c: OneToOne | Explicit | Dense, n_pre: int, n_post: int, seed: int, name: str, weights: np.ndarray,
    delays: np.ndarray, drawn_weights: bool, drawn_delays: bool,
) -> Synapses:  # fmt: skip
    if isinstance(c, OneToOne):
        pre = post = np.arange(n_pre, dtype=np.int64)
    elif isinstance(c, Dense):
        # In the order of the weight matrix, so that drawn weights are those of dense storage.
        pre, post = np.tile(np.arange(n_pre), n_post), np.repeat(np.arange(n_post), n_pre)
    else:
        pre, post = c.pre_ids, c.post_ids
    order = np.argsort(pre, kind="stable")
    indptr = np.zeros(n_pre + 1, np.int64)
    np.cumsum(np.bincount(pre, minlength=n_pre), out=indptr[1:])
    weight_index, delay_index = _quantiles(
        stream_key(seed, name, "synapses"), order, drawn_weights, drawn_delays
    )
    if weights.size > 1 and not drawn_weights:
        weight_index = order
    if delays.size > 1 and not drawn_delays:
        delay_index = order
    return Synapses(
        indptr, post[order].astype(np.int32), weights.reshape(-1), weight_index, delays, delay_index
    )


def _quantiles(
    key: np.uint64, order: np.ndarray, drawn_weights: bool, drawn_delays: bool
) -> tuple[np.ndarray | None, np.ndarray | None]:
    if not (drawn_weights or drawn_delays):
        return None, None
    weight_index, delay_index = _draw_quantiles(key, order)
    return (weight_index if drawn_weights else None), (delay_index if drawn_delays else None)


@njit(cache=True)
def _draw_quantiles(key: Any, order: Any) -> Any:
    first, second = np.empty(order.size, np.uint16), np.empty(order.size, np.uint16)
    for k in range(order.size):
        bits = draw64(key, order[k])
        first[k] = np.uint16(bits >> np.uint64(48))
        second[k] = np.uint16((bits >> np.uint64(32)) & np.uint64(0xFFFF))
    return first, second


def _random_rows(
    key: np.uint64, n_pre: int, n_post: int, p: float, shift: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean = n_pre * n_post * p
    capacity = int(mean + 8 * np.sqrt(mean) + 64)
    indptr, targets, order = _skip_rows(key, n_pre, n_post, p, shift, CHUNK, capacity)
    while targets.size > capacity:
        capacity = 2 * targets.size
        indptr, targets, order = _skip_rows(key, n_pre, n_post, p, shift, CHUNK, capacity)
    return indptr, targets[: indptr[-1]], order[: indptr[-1]]


@njit(cache=True)
def _skip_rows(key: Any, n_pre: Any, n_post: Any, p: Any, shift: Any, chunk: Any, capacity: Any) -> Any:
    """Jump from one connected pair to the next: the gaps are geometric."""
    indptr = np.zeros(n_pre + 1, np.int64)
    targets, order = np.empty(capacity, np.int32), np.empty(capacity, np.int64)
    n_chunks = (n_post + chunk - 1) // chunk
    scale = 0.0 if p >= 1.0 else (1.0 / np.log1p(-p) if p > 0.0 else 0.0)
    k = 0
    for i in range(n_pre):
        if p > 0.0:
            for c in range(n_chunks):
                row = draw64(key, i * n_chunks + c)
                low, high = c * chunk, min((c + 1) * chunk, n_post)
                position, j = low - 1, 0
                while True:
                    gap = np.log(to_unit(draw64(row, j))) * scale
                    if gap >= high - position:
                        break
                    position += np.int64(gap) + 1
                    if position >= high:
                        break
                    if position != i + shift:
                        if k >= capacity:
                            return indptr, np.empty(capacity * 2, np.int32), order
                        targets[k] = position
                        order[k] = i * np.int64(n_post) + position
                        k += 1
                    j += 1
        indptr[i + 1] = k
    return indptr, targets, order


@njit(cache=True)
def _fixed_lists(key: Any, n_rows: Any, n_columns: Any, k: Any, multiple: Any, shift: Any) -> Any:
    """Draw k columns for every row; without `multiple` by rejection, or by its complement if k is large."""
    out = np.empty(n_rows * k, np.int32)
    taken = np.zeros(n_columns, np.uint8)
    for row in range(n_rows):
        stream = draw64(key, row)
        forbidden = row + shift
        if multiple:
            draw = 0
            for j in range(k):
                column = below(draw64(stream, draw), n_columns)
                draw += 1
                while column == forbidden:
                    column = below(draw64(stream, draw), n_columns)
                    draw += 1
                out[row * k + j] = column
            continue
        blocked = 1 if 0 <= forbidden < n_columns else 0
        invert = 2 * k > n_columns - blocked
        wanted = n_columns - blocked - k if invert else k
        draw = found = 0
        while found < wanted:
            column = below(draw64(stream, draw), n_columns)
            draw += 1
            if column != forbidden and taken[column] == 0:
                taken[column] = 1
                found += 1
        j = 0
        for column in range(n_columns):
            if (taken[column] == 0) == invert and column != forbidden:
                out[row * k + j] = column
                j += 1
            taken[column] = 0
    return out


@njit(cache=True)
def _turn_round(lists: Any, n_pre: Any, n_post: Any, k: Any) -> Any:
    """Turn lists of sources by target into rows of targets by source (a counting sort)."""
    indptr = np.zeros(n_pre + 1, np.int64)
    for i in range(lists.size):
        indptr[lists[i] + 1] += 1
    for i in range(n_pre):
        indptr[i + 1] += indptr[i]
    position = indptr[:-1].copy()
    targets, order = np.empty(lists.size, np.int32), np.empty(lists.size, np.int64)
    for post in range(n_post):
        for j in range(post * k, (post + 1) * k):
            at = position[lists[j]]
            position[lists[j]] = at + 1
            targets[at] = post
            order[at] = j
    return indptr, targets, order


def _fixed_total(
    key: np.uint64, n_pre: int, n_post: int, c: FixedTotal, shift: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    selves = np.arange(max(0, -shift), min(n_pre, n_post - shift), dtype=np.int64)
    if not c.multiple:
        allowed = n_pre * n_post - selves.size
        pairs = _fixed_lists(key, 1, allowed, c.n, False, -1).astype(np.int64)
        # Allowed pairs are numbered without the forbidden ones: step over those before each.
        before = selves * n_post + selves + shift - np.arange(selves.size)
        pairs += np.searchsorted(before, pairs, side="right")
        indptr = np.searchsorted(pairs, np.arange(n_pre + 1, dtype=np.int64) * n_post)
        return indptr, (pairs % n_post).astype(np.int32), np.arange(pairs.size, dtype=np.int64)
    n_chunks = -(-n_post // CHUNK)
    degrees = np.zeros((n_chunks, n_pre), np.int64)
    totals = np.array([c.n], np.int64)
    # Degrees are dealt out by how many pairs each chunk, and each source within it, allows.
    pairs = np.repeat(np.diff(np.minimum(np.arange(n_chunks + 1) * CHUNK, n_post))[:, None], n_pre, axis=1)
    pairs[(selves + shift) // CHUNK, selves] -= 1
    per_chunk = np.zeros(n_chunks, np.int64)
    _split(stream_bits(key, 1), totals[0], pairs.sum(axis=1).astype(np.float64), per_chunk)
    for chunk in range(n_chunks):
        _split(stream_bits(key, 2 + chunk), per_chunk[chunk], pairs[chunk].astype(np.float64), degrees[chunk])
    indptr, targets, order = _total_rows(key, degrees, n_pre, n_post, CHUNK, shift)
    return indptr, targets, order


def stream_bits(key: np.uint64, counter: int) -> np.uint64:
    """Return a key derived from another."""
    return np.uint64(draw64(key, counter))


@njit(cache=True)
def _split(key: Any, total: Any, sizes: Any, out: Any) -> None:
    """Deal `total` over bins in proportion to their sizes, by a tree of binomial draws."""
    n = sizes.size
    cumulative = np.zeros(n + 1)
    for i in range(n):
        cumulative[i + 1] = cumulative[i] + sizes[i]
    stack = np.zeros((128, 4), np.int64)
    stack[0] = np.array([0, n, total, 1])
    depth = 1
    while depth > 0:
        depth -= 1
        low, high, count, node = stack[depth]
        if count == 0:
            out[low:high] = 0
            continue
        if high - low == 1:
            out[low] = count
            continue
        middle = (low + high) // 2
        share = (cumulative[middle] - cumulative[low]) / (cumulative[high] - cumulative[low])
        left = binomial(count, share, to_unit(draw64(key, node)))
        stack[depth] = np.array([middle, high, count - left, 2 * node + 1])
        stack[depth + 1] = np.array([low, middle, left, 2 * node])
        depth += 2


@njit(cache=True)
def _total_rows(key: Any, degrees: Any, n_pre: Any, n_post: Any, chunk: Any, shift: Any) -> Any:
    n_chunks = degrees.shape[0]
    total = degrees.sum()
    indptr = np.zeros(n_pre + 1, np.int64)
    targets, order = np.empty(total, np.int32), np.empty(total, np.int64)
    k = 0
    for i in range(n_pre):
        for c in range(n_chunks):
            row = draw64(key ^ np.uint64(0x5851F42D4C957F2D), i * n_chunks + c)
            low, size = c * chunk, min(chunk, n_post - c * chunk)
            draw = 0
            for _ in range(degrees[c, i]):
                target = low + below(draw64(row, draw), size)
                draw += 1
                while target == i + shift:
                    target = low + below(draw64(row, draw), size)
                    draw += 1
                targets[k] = target
                order[k] = (np.int64(i) * n_chunks + c) * np.int64(1 << 24) + draw
                k += 1
        indptr[i + 1] = k
    return indptr, targets, order
