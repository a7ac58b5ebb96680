"""Functions of one number that were written out: x / (1 + e^-x), x / 2 (1 + erf(x / sqrt 2)), ..."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...neurons.scalars import SCALARS
from .graph import Node

if TYPE_CHECKING:
    from .recognise import Part

#: What may have been written out. Each is looked for as g f(a x) + h.
FUNCTIONS = (
    "silu", "gelu", "gelu_tanh", "sigmoid", "tanh", "hard_silu", "softplus", "mish", "square", "abs", "relu",
)  # fmt: skip
#: Where functions are compared: closely, and far out.
_POINTS = np.concatenate([np.linspace(-12, 12, 481), [-80.0, -40.0, -20.0, 20.0, 40.0, 80.0]])
#: Functions that bend, and where; a clamp does so at its bounds. And those that are not everywhere.
_BENDS = {
    "relu": (0.0,), "abs": (0.0,), "leaky_relu": (0.0,), "elu": (0.0,), "hard_sigmoid": (-3.0, 3.0),
    "hard_silu": (-3.0, 3.0),
}  # fmt: skip
_ABOVE_ZERO = ("log", "sqrt", "rsqrt")
#: What lies beyond is no bound.
_FAR = 1e30
#: How far they may differ at x, over 1 + |x|: functions are good to single precision.
TOLERANCE = 3e-6


def found(part: Part) -> list[Node] | None:
    """Return a function with the scales around it that equals a part; None if there is none."""
    scales = [node for node in part.nodes.values() if node.op == "scale"]
    with np.errstate(all="ignore"):
        y = _computed(part, _POINTS)
        if not np.isfinite(y).all():
            return None
        for name in FUNCTIONS:
            for a in dict.fromkeys([1.0, *(float(node.values["gain"][0]) for node in scales)]):
                fit = _fitted(SCALARS[name](a * _POINTS), _POINTS, y)
                if fit is not None:
                    return _nodes(part, name, a, *fit)
    return None


def in_part(node: Node) -> bool:
    """Whether an operation does the same to each number."""
    if node.op == "scale":
        return all(bool(np.all(array == array[0])) for array in node.values.values())
    return node.op in ("map", "product", "add")


def _computed(part: Part, x: np.ndarray) -> np.ndarray:
    """Return what a part makes of numbers."""
    values = {part.leaf.name: x}
    for name, node in part.nodes.items():
        read = [values[source] for source in node.inputs]
        if node.op == "map":
            values[name] = _mapped(node, read[0])
        elif node.op == "scale":
            values[name] = read[0] * float(node.values["gain"][0]) + float(node.values["shift"][0])
        else:
            values[name] = np.multiply(*read) if node.op == "product" else np.sum(read, axis=0)
    return values[part.last.name]


def _mapped(node: Node, x: np.ndarray) -> np.ndarray:
    """Return a function of numbers; NaN where it is none, or where it bends and no number is."""
    function, parameters = node.options["function"], node.options["parameters"]
    bends = [
        bend for bend in (parameters if function == "clamp" else _BENDS.get(function, ())) if abs(bend) < _FAR
    ]
    if (function in _ABOVE_ZERO and x.min() <= 0) or not all(x.min() < bend < x.max() for bend in bends):
        return np.full_like(x, np.nan)
    return np.asarray(SCALARS[function](x, *parameters))


def _fitted(f: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, float] | None:
    """Return g and h such that y = g f + h; None if there are none."""
    near = np.abs(x) <= 12
    (g, h), *_ = np.linalg.lstsq(np.stack([f, np.ones_like(f)], 1)[near], y[near], rcond=None)
    g, h = (float(np.round(one, 5)) if abs(one - np.round(one, 5)) < 1e-6 else float(one) for one in (g, h))
    equal = np.abs(g * f + h - y) <= TOLERANCE * (1 + np.abs(x))
    return (g, h) if g and equal.all() else None


def _nodes(part: Part, function: str, a: float, g: float, h: float) -> list[Node]:
    shape, n = part.last.shape, part.last.n

    def scale(gain: float, shift: float) -> Node:
        values = {"gain": np.full(n, gain, np.float32), "shift": np.full(n, shift, np.float32)}
        return Node("", "scale", ("",), shape, values)

    made = [scale(a, 0.0)] if a != 1 else []
    made.append(Node("", "map", ("",), shape, {}, {"function": function, "parameters": ()}))
    return made if (g, h) == (1, 0) else [*made, scale(g, h)]
