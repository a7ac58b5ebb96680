"""Softmax and normalisations of rows that were written out, by means, maxima, sums and roots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .forward import compute
from .graph import Node

if TYPE_CHECKING:
    from .recognise import Part

#: Functions without a bend that samples may miss.
_SMOOTH = frozenset({"exp", "log", "square", "sqrt", "rsqrt", "reciprocal"})
#: Root mean squares of the rows on which parts are compared: small ones show what is added below roots.
_SIZES = (1e-3, 1e-2, 0.1, 1.0, 10.0)
#: How far they may differ, over the largest value.
TOLERANCE = 1e-5
#: What is added below a root may be so large: with more, rows are hardly normalised. What is added to the
#: root counts as its square below it, and may be so large.
LARGEST_EPS, LARGEST_OUTSIDE = 1.0, 1e-4
#: Added below a root where nothing was, so that a row of zeros stays one; and what can be told from nothing.
_LEAST, _LEAST_SEEN = 1e-24, 1e-15
#: Up to here a bound keeps a norm from zero, and does not count.
_FLOOR = 1e-6


def in_part(node: Node) -> bool:
    """Whether an operation may belong to a softmax or a normalisation that was written out."""
    if node.op == "linear":
        weight = node.values["weight"]
        return len(weight) == 1 and bool(np.all(weight == weight[0, 0]))
    if node.op == "map":
        return node.options["function"] in _SMOOTH or _floors(node)
    if node.op == "wire":
        return len(node.inputs) == 1
    return _over_rows(node) or node.op in ("scale", "add", "product", "constant", "softmax", "normalise")


def _floors(node: Node) -> bool:
    """Whether a function only keeps a norm from being zero."""
    if node.options["function"] != "clamp":
        return False
    low, high = node.options["parameters"]
    return bool(0 < low <= _FLOOR and high > 1 / _LEAST)


def _over_rows(node: Node) -> bool:
    """Whether an operation is the largest value of each row."""
    if node.op != "max_pool":
        return False
    channels, _, width = node.options["image"]
    return channels == 1 and tuple(node.options["size"]) == tuple(node.options["stride"]) == (1, width)


def found(part: Part) -> list[Node] | None:
    """Return a softmax or a normalisation with the wires and the scale around it; None if there is none."""
    layout = next(filter(None, (_layout(part, node) for node in part.nodes.values())), None)
    if layout is None or part.last.n != part.leaf.n:
        return None
    order, width = layout
    x = _samples(part.leaf.n)
    given = x[:, order].reshape(len(x), -1, width)
    with np.errstate(all="ignore"):
        y = _computed(part, x)
    # The values may be left in the order of rows, or be back where they were.
    for back, made in ((False, y), (True, y[:, order])) if np.isfinite(y).all() else ():
        with np.errstate(all="ignore"):
            operation = _operation(given, made.reshape(given.shape))
        if operation is not None:
            return _nodes(part, order, back, width, *operation)
    return None


def _samples(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(len(_SIZES), n)) + 0.5 * rng.normal(size=(len(_SIZES), 1))
    return np.asarray(x * np.array(_SIZES)[:, None])


def _computed(part: Part, x: np.ndarray) -> np.ndarray:
    """Return what a part makes of a batch of vectors, in double precision."""
    values = {part.leaf.name: x}
    for name, node in part.nodes.items():
        values[name] = compute(node, [values[source] for source in node.inputs], len(x))
    return values[part.last.name].astype(np.float64)


def _layout(part: Part, node: Node) -> tuple[np.ndarray, int] | None:
    """Return where the leaf's values stand in rows, and how long rows are, by an operation on rows."""
    if node.op == "linear":
        width = node.values["weight"].shape[1]
    elif node.op == "max_pool":
        width = node.options["image"][2]
    elif node.op in ("softmax", "normalise"):
        width = node.options["width"]
    else:
        return None
    places = _places(part, node.inputs[0])
    n = part.leaf.n
    whole = places is not None and width > 1 and len(places) == n and len(np.unique(places)) == n
    return (places, width) if whole and places is not None else None


def _places(part: Part, name: str) -> np.ndarray | None:
    """Return which of the leaf's values each number of a value belongs to; None if to several."""
    if name == part.leaf.name:
        return np.arange(part.leaf.n)
    node = part.nodes[name]
    if node.op in ("linear", "max_pool", "constant"):
        return None
    known = [places for source in node.inputs if (places := _places(part, source)) is not None]
    if not known or node.op != "wire":
        return known[0] if known else None
    index = node.values["index"]
    return known[0][index] if index.min() >= 0 else None


def _operation(x: np.ndarray, y: np.ndarray) -> tuple[str, dict[str, Any], np.ndarray] | None:
    """Return the operation, its options and gains with which rows x become rows y, [batch, rows, width]."""
    powers = np.exp(x - x.max(axis=2, keepdims=True))
    if np.abs(powers / powers.sum(axis=2, keepdims=True) - y).max() <= TOLERANCE:
        return "softmax", {}, np.ones(y.shape[1:])
    for centred in (True, False):
        c = x - x.mean(axis=2, keepdims=True) if centred else x
        # Each number of a row may have a gain of its own; their root mean square is one here.
        own = y[-1] / c[-1]
        own = own / np.sqrt((own * own).mean(axis=1, keepdims=True))
        power = (c * c).mean(axis=2, keepdims=True)
        gains = (y / own * c).mean(axis=2, keepdims=True) / power
        if not np.abs(gains * c * own - y).max() <= TOLERANCE * np.abs(y).max() or not gains.all():
            continue
        fit = _fitted(power, gains)
        if fit is not None:
            return "normalise", {"eps": fit[1], "centred": centred}, fit[0] * own
    return None


def _fitted(power: np.ndarray, gains: np.ndarray) -> tuple[float, float] | None:
    """Return g and eps with gains = g / sqrt(power + eps); None if there are none."""
    for below in (True, False):  # eps below the root, or added to it
        size = power if below else np.sqrt(power)
        held = 1 / gains**2 if below else 1 / np.abs(gains)
        # held = (size + eps) / g^2, or / g: over held, so that all rows count as much
        columns = np.stack([(size / held).ravel(), 1 / held.ravel()], 1)
        (slope, start), *_ = np.linalg.lstsq(columns, np.ones(size.size), rcond=None)
        eps = start / slope if slope > 0 else -1.0
        close = np.abs(slope * (size + eps) / held - 1).max() <= TOLERANCE
        if close and -_LEAST_SEEN < eps <= (LARGEST_EPS if below else LARGEST_OUTSIDE):
            g = np.sign(gains.flat[0]) / (np.sqrt(slope) if below else slope)
            eps = float(f"{eps:.5g}") if eps > _LEAST_SEEN else 0.0
            return float(f"{g:.7g}"), max(eps if below else eps**2, _LEAST)
    return None


def _nodes(
    part: Part, order: np.ndarray, back: bool, width: int, op: str, options: dict[str, Any], gains: np.ndarray
) -> list[Node]:
    shape, n = part.last.shape, part.last.n
    moved = not np.array_equal(order, np.arange(n))
    made = [Node("", "wire", ("",), (n // width, width), {"index": order})] if moved else []
    made.append(Node("", op, ("",), shape, {}, {"width": width, **options}))
    if np.abs(gains - 1).max() > TOLERANCE:
        values = {"gain": gains.reshape(-1).astype(np.float32), "shift": np.zeros(n, np.float32)}
        made.append(Node("", "scale", ("",), shape, values))
    if moved and back:
        made.append(Node("", "wire", ("",), shape, {"index": np.argsort(order)}))
    return made
