"""How a term connects two populations: by shared weights where the engine has a pattern for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...engine.connectivity import Connectivity, conv2d, dense, explicit, one_to_one, rows
from ..circuits.circuit import Cell, Term
from ..circuits.pairs import pairs_of


def synapses_of(term: Term, source: Cell, target: Cell, theta: np.ndarray) -> tuple[Connectivity, Any]:
    """Return how a term connects two populations, and the weights, for events that stand for theta.

    Weights that many neurons share are stored once where the engine has a pattern for it (a matrix, one for
    all rows, a convolution), and where what they are multiplied by is shared too; else every connection is
    listed.
    """
    compact = _COMPACT.get(term.op)
    found = compact(term, source, target, theta) if compact else None
    if found is not None:
        return found
    pairs = pairs_of(term, source.n)
    return explicit(pairs.sources, pairs.targets), pairs.weights * theta[pairs.sources]


def _in_order(term: Term, n: int) -> bool:
    return term.index is None or np.array_equal(np.asarray(term.index).reshape(-1), np.arange(n))


def _linear(term: Term, source: Cell, target: Cell, theta: np.ndarray) -> tuple[Connectivity, Any] | None:
    """Return a matrix, or one for all rows with like thetas; None if not every value is read once."""
    weight = np.asarray(term.values["weight"], np.float64)
    order = np.arange(source.n) if term.index is None else np.asarray(term.index).reshape(-1)
    if not np.array_equal(np.sort(order), np.arange(source.n)):
        return None
    by_row = theta[order].reshape(-1, weight.shape[1])
    if len(by_row) == 1:
        return dense(), (weight * by_row)[:, np.argsort(order)]
    if (by_row != by_row[0]).any():
        return None
    return rows(len(by_row), None if _in_order(term, source.n) else order), weight * by_row[0]


def _wire(term: Term, source: Cell, target: Cell, theta: np.ndarray) -> tuple[Connectivity, Any] | None:
    return (one_to_one(), theta * term.values.get("weight", 1.0)) if _in_order(term, source.n) else None


def _conv(term: Term, source: Cell, target: Cell, theta: np.ndarray) -> tuple[Connectivity, Any] | None:
    weight, options = np.asarray(term.values["weight"], np.float64), term.options
    groups = options["groups"]
    if not _in_order(term, source.n) or not _fits(source, target, options, len(weight)):
        return None
    by_channel = _per_channel(source, options, theta)
    if by_channel is None:
        return None
    by_group = by_channel.reshape(groups, 1, -1, 1, 1)
    kernels = (weight.reshape(groups, -1, *weight.shape[1:]) * by_group).reshape(weight.shape)
    padding = tuple(before for before, _ in options["padding"])
    return conv2d(options["stride"], padding, options["dilation"], groups), kernels


def _mean_pool(term: Term, source: Cell, target: Cell, theta: np.ndarray) -> tuple[Connectivity, Any] | None:
    """Average as a convolution of each channel with itself, since each has a theta of its own."""
    options, size = term.options, term.options["size"]
    padded = any(side for axis in options["padding"] for side in axis)
    if not _in_order(term, source.n) or (padded and not options["count_padding"]):
        return None
    kernel = np.full((options["image"][0], 1, *size), 1.0 / np.prod(size))
    as_conv = {**options, "dilation": (1, 1), "groups": options["image"][0]}
    return _conv(Term(term.source, "conv", {"weight": kernel}, as_conv), source, target, theta)


def _per_channel(source: Cell, options: Any, theta: np.ndarray) -> np.ndarray | None:
    """Return the theta of each channel of an image; None where a channel has several."""
    by_channel = theta.reshape(options["image"][0], -1)
    return by_channel[:, 0] if (by_channel == by_channel[:, :1]).all() else None


def _fits(source: Cell, target: Cell, options: Any, c_out: int) -> bool:
    """Whether populations have the shapes of the images, and padding is the same on both sides."""
    even = all(before == after for before, after in options["padding"])
    images = tuple(options["image"]) == source.shape and len(target.shape) == 3 and target.shape[0] == c_out
    return even and images


_COMPACT: dict[str, Callable[[Term, Cell, Cell, np.ndarray], tuple[Connectivity, Any] | None]] = {
    "linear": _linear,
    "conv": _conv,
    "mean_pool": _mean_pool,
    "wire": _wire,
}
