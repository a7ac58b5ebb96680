"""Which value of a source reaches which target, and how strongly: a linear map of a circuit, listed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..graphs.maps import windows
from .circuit import Term


@dataclass(frozen=True, eq=False)
class Pairs:
    """The connections of one term.

    Attributes
    ----------
    sources, targets : int64 (n_pairs,)
        Flat places in the cell that tells and in the one that hears.
    weights : float64 (n_pairs,)
        What a told value is multiplied by.
    """

    sources: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


def pairs_of(term: Term, n_source: int) -> Pairs:
    """Return every connection of a term to n_source neurons.

    Parameters
    ----------
    term : Term
        The linear map.
    n_source : int
        Neurons of the cell that tells.

    Examples
    --------
    >>> pairs = pairs_of(Term("a", "linear", {"weight": np.array([[1.0, 2.0]])}), 4)
    >>> pairs.targets.tolist(), pairs.weights.tolist()
    ([0, 0, 1, 1], [1.0, 2.0, 1.0, 2.0])
    """
    places = np.arange(n_source) if term.index is None else np.asarray(term.index, np.int64).reshape(-1)
    sources, targets, weights = (
        part.reshape(-1) for part in np.broadcast_arrays(*_LISTS[term.op](term, places))
    )
    # What reads no value (padding), and weights that are zero, are no connections.
    kept = (sources >= 0) & (weights != 0)
    return Pairs(sources[kept], targets[kept], weights[kept])


Listed = tuple[np.ndarray, np.ndarray, np.ndarray]


def _linear(term: Term, places: np.ndarray) -> Listed:
    weight = np.asarray(term.values["weight"], np.float64)
    sources = places.reshape(-1, 1, weight.shape[1])
    targets = np.arange(len(sources) * len(weight)).reshape(-1, len(weight), 1)
    return sources, targets, weight[None]


def _wire(term: Term, places: np.ndarray) -> Listed:
    return places, np.arange(places.size), np.asarray(term.values.get("weight", 1.0), np.float64)


def _conv(term: Term, places: np.ndarray) -> Listed:
    weight, groups = np.asarray(term.values["weight"], np.float64), term.options["groups"]
    (c_out, per_group), kernel = weight.shape[:2], weight.shape[2:]
    seen = windows(places[None], term.options, kernel, term.options["dilation"], outside=-1)
    _, _, height, width = seen.shape[:4]
    sources = seen.reshape(groups, 1, per_group, height, width, *kernel)
    targets = np.arange(c_out * height * width).reshape(groups, -1, 1, height, width, 1, 1)
    return sources, targets, weight.reshape(groups, -1, per_group, 1, 1, *kernel)


def _conv_transpose(term: Term, places: np.ndarray) -> Listed:
    """Scatter: input (y, x) reaches output y stride + k dilation - padding through entry k of the kernel."""
    options, weight = term.options, np.asarray(term.values["weight"], np.float64)
    groups, (c_in, per_group), kernel = options["groups"], weight.shape[:2], weight.shape[2:]
    reached, sizes = [], []
    for axis in range(2):
        size, (before, after) = options["image"][1 + axis], options["padding"][axis]
        stride, dilation = options["stride"][axis], options["dilation"][axis]
        sizes.append(
            (size - 1) * stride + dilation * (kernel[axis] - 1) + 1 - before - after
            + options["output_padding"][axis]
        )  # fmt: skip
        taps = np.arange(size)[:, None] * stride + np.arange(kernel[axis]) * dilation - before
        reached.append(np.where((taps >= 0) & (taps < sizes[axis]), taps, -1))
    channels = np.arange(groups * per_group).reshape(groups, 1, per_group, 1, 1, 1, 1)
    rows, columns = reached[0].reshape(-1, 1, kernel[0], 1), reached[1].reshape(-1, 1, kernel[1])
    # axes: group, input channel, output channel, height, width, kernel height, kernel width
    inside = (rows >= 0) & (columns >= 0)
    targets = (channels * sizes[0] + rows) * sizes[1] + columns
    sources = places.reshape(groups, c_in // groups, 1, *options["image"][1:], 1, 1)
    weights = weight.reshape(groups, c_in // groups, per_group, 1, 1, *kernel)
    return np.where(inside, sources, -1), targets, weights


def _mean_pool(term: Term, places: np.ndarray) -> Listed:
    size = term.options["size"]
    seen = windows(places[None], term.options, size, (1, 1), outside=-1)[0]
    targets = np.arange(math.prod(seen.shape[:3])).reshape(*seen.shape[:3], 1, 1)
    if term.options["count_padding"]:
        return seen, targets, np.full(seen.shape, 1.0 / math.prod(size))
    # A place within the image counts, also where no value stands there.
    inside = windows(np.ones_like(places)[None], term.options, size, (1, 1))[0]
    return seen, targets, 1.0 / inside.sum(axis=(3, 4), keepdims=True)


_LISTS: Mapping[str, Callable[[Term, np.ndarray], Listed]] = {
    "linear": _linear,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "mean_pool": _mean_pool,
    "wire": _wire,
}
