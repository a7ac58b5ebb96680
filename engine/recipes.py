"""Recipes: how the synapses of one source are drawn, for every pattern that has a list of them.

Random pairs and fixed totals are drawn source by source and chunk of targets by chunk of targets,
fixed out-degrees and pairs by distance (`nearby.py`) source by source: each row has its own key, so any
thread or machine draws any row alone and gets the same synapses. Fixed in-degrees are drawn target by
target and turned round first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .compiled import compiled
from .connectivity import (
    Dense,
    Distance,
    Drawn,
    Explicit,
    FixedIn,
    FixedOut,
    FixedTotal,
    OneToOne,
    Random,
    RowWise,
)
from .distributions import normal
from .nearby import draw_nearby
from .random import below, draw64, stream_key, to_unit
from .sampling import deal_out, sample, sample_lists, turn_round
from .space import Space

#: Targets per chunk: the unit in which degrees are split, and so the smallest share of a machine.
CHUNK = 16384
_LISTED, _RANDOM, _FIXED_IN, _FIXED_OUT, _FIXED_TOTAL, _NEARBY = range(6)


class Recipe(NamedTuple):
    """What rows are drawn from; what a pattern does not use is empty.

    Attributes
    ----------
    kind : int
        Which pattern, or a list.
    key : uint64
        Key of its stream.
    n_pre, n_post : int
        Sizes of the two ends.
    k : int
        Synapses of each source or target, for fixed degrees.
    p : float
        Probability of a pair, for random pairs.
    multiple : bool
        Whether a pair may have several synapses.
    selves : int64 (n_pre,), or (0,)
        The target that each source must not have, or -1; empty where all may have any.
    degrees : int64 (n_chunks, n_pre)
        Synapses of each source onto each chunk of targets, for fixed totals.
    indptr : int64 (n_pre + 1,)
        Where each source's row of the list starts.
    targets : int32 (n_synapses,)
        The list; empty for fixed in-degrees, where the order says it.
    order : uint32 (n_synapses,)
        Place of each synapse as it was listed or drawn: it keys its weight and delay.
    longest : int
        No source has more synapses.
    quantiles : uint64
        Key of the stream that draws weights and delays, by the order of synapses.
    correlation : float
        Of the normal scores of the two quantiles.
    scores : float64 (65536,), or (0,)
        The normal scores of all quantiles, where there is a correlation other than 0, 1 and -1.
    space : Space, or None
        Where the neurons of both ends are, if anything depends on that.
    """

    kind: int
    key: np.uint64
    n_pre: int
    n_post: int
    k: int
    p: float
    multiple: bool
    selves: np.ndarray
    degrees: np.ndarray
    indptr: np.ndarray
    targets: np.ndarray
    order: np.ndarray
    longest: int
    quantiles: np.uint64
    correlation: float
    scores: np.ndarray
    space: Space | None


def recipe_of(
    connectivity: Any,
    n_pre: int,
    n_post: int,
    *,
    seed: int,
    name: str,
    selves: np.ndarray | None,
    space: Space | None = None,
    correlation: float | None = None,
    threads: int = 1,
) -> Recipe:
    """Return the recipe of a pattern between two ends.

    Parameters
    ----------
    connectivity
        An indexed pattern.
    n_pre, n_post
        Sizes of the two ends.
    seed, name
        Key the streams.
    selves
        The target that each source itself is, or -1, int64 (n_pre,); None if the ends differ.
    space
        Where the neurons are, if anything depends on that.
    correlation
        Of weight and delay; None for none.
    threads
        Threads to use; the recipe does not depend on it.
    """
    c, key = connectivity, stream_key(seed, name, "pairs")
    nobody = np.zeros(0, np.int64)
    apart = isinstance(c, Drawn | Dense) and not c.self_connections
    alone = selves if apart and selves is not None else nobody
    rho = float(correlation or 0.0)
    scores = normal(0.0, 1.0).table() if 0.0 < abs(rho) < 1.0 else np.zeros(0)
    recipe = Recipe(
        _LISTED, key, n_pre, n_post, 0, 0.0, False, alone, np.zeros((0, n_pre), np.int64),
        np.zeros(n_pre + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.uint32), 0,
        stream_key(seed, name, "synapses"), rho, scores, space,
    )  # fmt: skip
    if isinstance(c, Random):
        return recipe._replace(kind=_RANDOM, p=c.p, longest=n_post)
    if isinstance(c, Distance):
        return recipe._replace(kind=_NEARBY, longest=n_post)
    if isinstance(c, FixedOut):
        return recipe._replace(kind=_FIXED_OUT, k=c.k, multiple=c.multiple, longest=c.k)
    if isinstance(c, FixedTotal) and c.multiple:
        degrees = _degrees_of_total(recipe, c.n)
        longest = int(degrees.sum(axis=0).max(initial=0))
        return recipe._replace(kind=_FIXED_TOTAL, degrees=degrees, longest=longest)
    if isinstance(c, FixedIn):
        lists = sample_lists(key, n_post, n_pre, c.k, c.multiple, _turned(alone, n_post), threads)
        indptr, order = turn_round(lists, n_pre, threads)
        targets, recipe = recipe.targets, recipe._replace(kind=_FIXED_IN, k=c.k)
    elif isinstance(c, FixedTotal):
        indptr, targets, order = _single_pairs(recipe, c.n)
    else:
        indptr, targets, order = _listed(c, n_pre, n_post, alone)
    longest = int(np.diff(indptr).max(initial=0))
    return recipe._replace(indptr=indptr, targets=targets, order=order, longest=longest)


def _listed(
    c: OneToOne | Explicit | Dense | RowWise, n_pre: int, n_post: int, selves: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if isinstance(c, RowWise):
        return _listed_rows(c, n_pre, n_post)
    if isinstance(c, OneToOne):
        pre = post = np.arange(n_pre, dtype=np.int64)
    elif isinstance(c, Dense):
        # In the order of the weight matrix, so that drawn weights are those of dense storage.
        pre, post = np.tile(np.arange(n_pre), n_post), np.repeat(np.arange(n_post), n_pre)
    else:
        pre, post = c.pre_ids, c.post_ids
    order = np.argsort(pre, kind="stable")
    if selves.size:
        order = order[selves[pre[order]] != post[order]]
        pre = pre[order]
    indptr = np.zeros(n_pre + 1, np.int64)
    np.cumsum(np.bincount(pre, minlength=n_pre), out=indptr[1:])
    return indptr, post[order].astype(np.int32), order.astype(np.uint32)


def _listed_rows(c: RowWise, n_pre: int, n_post: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List a matrix row by row; synapses of one weight have its place in the matrix in common."""
    read = c.read(n_pre)
    n_in, n_out = read.shape[1], n_post // c.n
    row, column = np.divmod(np.argsort(read.reshape(-1)), n_in)
    targets = row[:, None] * n_out + np.arange(n_out)
    order = column[:, None] + np.arange(n_out) * n_in
    indptr = np.arange(n_pre + 1, dtype=np.int64) * n_out
    return indptr, targets.reshape(-1).astype(np.int32), order.reshape(-1).astype(np.uint32)


def _single_pairs(recipe: Recipe, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw n different pairs: sources ascend, and targets of each source."""
    n_pre, n_post = recipe.n_pre, recipe.n_post
    selves = np.flatnonzero(recipe.selves >= 0)
    nobody = np.zeros(0, np.int64)
    drawn = sample_lists(recipe.key, 1, n_pre * n_post - selves.size, n, False, nobody)
    pairs = np.sort(drawn.astype(np.int64))
    # Allowed pairs are numbered without the forbidden ones: step over those before each.
    before = selves * n_post + recipe.selves[selves] - np.arange(selves.size)
    pairs += np.searchsorted(before, pairs, side="right")
    indptr = np.searchsorted(pairs, np.arange(n_pre + 1, dtype=np.int64) * n_post)
    targets, order = (pairs % n_post).astype(np.int32), np.arange(pairs.size, dtype=np.uint32)
    return indptr.astype(np.int64), targets, order


def _turned(selves: np.ndarray, n_post: int) -> np.ndarray:
    """Return the source that each target must not have, or -1; empty where all may have any."""
    if not selves.size:
        return selves
    turned = np.full(n_post, -1, np.int64)
    some = np.flatnonzero(selves >= 0)
    turned[selves[some]] = some
    return turned


def _degrees_of_total(recipe: Recipe, n: int) -> np.ndarray:
    """Deal a total out, by how many pairs each chunk of targets, and each source within it, allows."""
    n_pre, n_post, selves = recipe.n_pre, recipe.n_post, np.flatnonzero(recipe.selves >= 0)
    n_chunks = -(-n_post // CHUNK)
    degrees = np.zeros((n_chunks, n_pre), np.int64)
    pairs = np.repeat(np.diff(np.minimum(np.arange(n_chunks + 1) * CHUNK, n_post))[:, None], n_pre, axis=1)
    pairs[recipe.selves[selves] // CHUNK, selves] -= 1
    per_chunk = np.zeros(n_chunks, np.int64)
    deal_out(np.uint64(draw64(recipe.key, 1)), n, pairs.sum(axis=1).astype(np.float64), per_chunk)
    for chunk in range(n_chunks):
        key = np.uint64(draw64(recipe.key, 2 + chunk))
        deal_out(key, per_chunk[chunk], pairs[chunk].astype(np.float64), degrees[chunk])
    return degrees


@compiled()
def draw_row(recipe: Any, i: Any, targets: Any, order: Any, taken: Any) -> Any:
    """Draw the synapses of source i; return how many.

    `targets` and `order` (int64: what keys weights and delays) have room for them and are written from
    0 on, `taken` is scratch of a byte for each target, zero before and after.
    """
    if recipe.kind == _LISTED:
        start, n = recipe.indptr[i], recipe.indptr[i + 1] - recipe.indptr[i]
        for j in range(n):
            targets[j], order[j] = recipe.targets[start + j], recipe.order[start + j]
        return n
    if recipe.kind == _FIXED_IN:
        start, n = recipe.indptr[i], recipe.indptr[i + 1] - recipe.indptr[i]
        for j in range(n):
            order[j] = recipe.order[start + j]
            targets[j] = recipe.order[start + j] // np.uint32(recipe.k)
        return n
    itself = recipe.selves[i] if recipe.selves.size else -1
    if recipe.kind == _FIXED_OUT:
        stream = draw64(recipe.key, i)
        sample(stream, recipe.n_post, recipe.k, recipe.multiple, itself, targets, taken)
        for j in range(recipe.k):
            order[j] = i * recipe.k + j
        return recipe.k
    if recipe.kind == _NEARBY:
        return draw_nearby(recipe.space, draw64(recipe.key, i), i, itself, targets, order)
    n = 0
    n_chunks = (recipe.n_post + CHUNK - 1) // CHUNK
    for c in range(n_chunks):
        low, high = c * CHUNK, min((c + 1) * CHUNK, recipe.n_post)
        part = i * n_chunks + c
        if recipe.kind == _RANDOM:
            n += _skip(recipe, part, low, high, itself, targets[n:], order[n:])
            continue
        key = draw64(recipe.key ^ np.uint64(0x5851F42D4C957F2D), part)
        _scatter(key, recipe.degrees[c, i], part << 24, low, high, itself, targets[n:], order[n:])
        n += recipe.degrees[c, i]
    return n


@compiled()
def _skip(recipe: Any, part: Any, low: Any, high: Any, forbidden: Any, targets: Any, order: Any) -> Any:
    """Jump from one connected target to the next: the gaps are geometric."""
    if recipe.p <= 0.0:
        return 0
    scale = 0.0 if recipe.p >= 1.0 else 1.0 / np.log1p(-recipe.p)
    row, first = draw64(recipe.key, part), part // ((recipe.n_post + CHUNK - 1) // CHUNK) * recipe.n_post
    position, j, n = low - 1, 0, 0
    while True:
        gap = np.log(to_unit(draw64(row, j))) * scale
        if gap >= high - position:
            return n
        position += np.int64(gap) + 1
        if position >= high:
            return n
        if position != forbidden:
            targets[n], order[n] = position, first + position
            n += 1
        j += 1


@compiled()
def _scatter(
    key: Any, degree: Any, first: Any, low: Any, high: Any, forbidden: Any, targets: Any, order: Any
) -> None:
    """Draw a number of targets from low on to before high, each alone."""
    size = high - low
    if forbidden < low or forbidden >= high:
        for j in range(degree):
            targets[j] = low + below(draw64(key, j), size)
            order[j] = first + j + 1
        return
    draw = 0
    for j in range(degree):
        target = low + below(draw64(key, draw), size)
        draw += 1
        while target == forbidden:
            target = low + below(draw64(key, draw), size)
            draw += 1
        targets[j], order[j] = target, first + draw


def known_degrees(recipe: Recipe) -> np.ndarray | None:
    """Return the number of synapses of every source, int64, or None where rows must be drawn to know it."""
    if recipe.kind in (_RANDOM, _NEARBY):
        return None
    if recipe.kind == _FIXED_OUT:
        return np.full(recipe.n_pre, recipe.k)
    if recipe.kind == _FIXED_TOTAL:
        return np.asarray(recipe.degrees.sum(axis=0))
    return np.diff(recipe.indptr)


@compiled()
def count_rows(recipe: Any, low: Any, high: Any, out: Any) -> None:
    """Write how many synapses the sources low, ..., high - 1 have: draw them, and keep nothing."""
    targets, order = np.empty(recipe.longest, np.int32), np.empty(recipe.longest, np.int64)
    taken = np.zeros(0, np.uint8)
    for i in range(low, high):
        out[i] = draw_row(recipe, i, targets, order, taken)


@compiled()
def draw_rows(recipe: Any, indptr: Any, targets: Any, order: Any) -> None:
    """Draw all synapses, row after row."""
    taken = np.zeros(recipe.n_post, np.uint8)
    for i in range(recipe.n_pre):
        row = slice(indptr[i], indptr[i + 1])
        draw_row(recipe, i, targets[row], order[row], taken)
