"""What authors and exporters write out in several operations, and is one of ours: x sigmoid(x), x / rms(x).

One operation tells less than its parts: a function of one number costs no product of signals, and a
normalisation no square and no root. Each recognition is a rewriting as those of `simplify`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...neurons.scalars import SCALARS
from .graph import Node
from .workbench import Workbench

#: Functions of one number that are often written as a product of the number with another function of it.
_WRITTEN_OUT = ("silu", "gelu", "gelu_tanh", "mish", "hard_silu")
#: Where they are looked at, and how far one of them may lie off its name, by x.
_GRID = np.linspace(-12.0, 12.0, 193)
_NEAR = 2e-6 * np.maximum(1.0, np.abs(_GRID))
#: So many operations one function is written out in.
_LONGEST = 16


def one_function(bench: Workbench, node: Node) -> bool:
    """Make a product of functions of one number the function that it is: SiLU, GELU, Mish.

    What is computed of one source alone is a function of it; its values say which.
    """
    for source in _sources(bench, node):
        y = _along(bench, node.name, {source: _GRID})
        found = None if y is None else _named(y)
        if found is not None:
            name, gain = found
            made = Node(node.name, "map", (source,), node.shape, {}, _function(name), node.place)
            if gain == 1:
                bench.put(made)
                return True
            values = {"gain": np.full(node.n, gain, np.float32), "shift": np.zeros(node.n, np.float32)}
            bench.put(replace(node, op="scale", inputs=(bench.insert(made),), values=values))
            return True
    return False


def _function(name: str) -> dict[str, object]:
    return {"function": name, "parameters": ()}


def _sources(bench: Workbench, node: Node) -> list[str]:
    """Return what a value is computed of, number by number, the nearest first."""
    found = [*dict.fromkeys(node.inputs)]
    for name in found:
        if len(found) > _LONGEST:
            break
        if _is_pointwise(bench.nodes[name]):
            found += [source for source in bench.nodes[name].inputs if source not in found]
    return found


def _is_pointwise(node: Node) -> bool:
    """Return whether an operation does the same to each number by itself."""
    if node.op == "scale":
        return all(np.all(array == array[0]) for array in node.values.values())
    return node.op in ("map", "add", "product")


def _along(bench: Workbench, name: str, known: dict[str, np.ndarray]) -> np.ndarray | None:
    """Return a value where its source takes those that are known, None where it needs others too."""
    if name in known:
        return known[name]
    node = bench.nodes[name]
    if not _is_pointwise(node) or len(known) > _LONGEST:
        return None
    given = []
    for source in node.inputs:
        one = _along(bench, source, known)
        if one is None:
            return None
        given.append(one)
    with np.errstate(all="ignore"):
        known[name] = _computed(node, given)
    return known[name]


def _computed(node: Node, given: list[np.ndarray]) -> np.ndarray:
    if node.op == "scale":
        return np.asarray(given[0] * node.values["gain"][0] + node.values["shift"][0])
    if node.op == "map":
        return np.asarray(SCALARS[node.options["function"]](given[0], *node.options["parameters"]))
    return np.asarray(sum(given) if node.op == "add" else given[0] * given[1])


def _named(y: np.ndarray) -> tuple[str, float] | None:
    """Return which function times which gain has these values."""
    for name in _WRITTEN_OUT:
        exact = SCALARS[name](_GRID)
        gain = float(y @ exact / (exact @ exact))
        if abs(gain) > 1e-3 and np.all(np.abs(y - gain * exact) <= abs(gain) * _NEAR):
            near = round(8 * gain) / 8  # 0.70710677^2 * 2 stands for 1
            return name, near if abs(gain - near) < 1e-5 else gain
    return None


def normalisation(bench: Workbench, node: Node) -> bool:
    """Make x / sqrt(mean(x^2) + eps) of each row a normalisation, x perhaps less its mean."""
    for rows, factor in (node.inputs, node.inputs[::-1]):
        root, width = _spread(bench, factor)
        if root is None or root.op != "map" or root.options["function"] != "rsqrt":
            continue
        mean = bench.nodes[root.inputs[0]]
        square = bench.nodes[mean.inputs[0]] if _is_mean(mean, width) else root
        if square.op != "map" or square.options["function"] != "square" or square.inputs != (rows,):
            continue
        whole = _uncentred(bench, bench.nodes[rows], width)
        options = {
            "width": width, "eps": float(mean.values["bias"][0]), "centred": whole is not None,
        }  # fmt: skip
        bench.put(Node(node.name, "normalise", (whole or rows,), node.shape, {}, options, node.place))
        return True
    return False


def _spread(bench: Workbench, name: str) -> tuple[Node | None, int]:
    """Return what a wire repeats for each number of a row, and how often; None for other operations."""
    wire = bench.nodes[name]
    if wire.op != "wire" or len(wire.inputs) != 1:
        return None, 0
    source = bench.nodes[wire.inputs[0]]
    width = wire.n // source.n
    same = width > 1 and np.array_equal(wire.values["index"], np.repeat(np.arange(source.n), width))
    return (source, width) if same else (None, 0)


def _is_mean(node: Node, width: int, sign: int = 1) -> bool:
    """Return whether an operation is the mean of rows, or what is to be added to take it off."""
    weight = node.values.get("weight")
    return (
        node.op == "linear" and weight is not None and weight.shape == (1, width)
        and bool(np.all(np.abs(weight * width - sign) < 1e-5))
    )  # fmt: skip


def _uncentred(bench: Workbench, node: Node, width: int) -> str | None:
    """Return what rows are less their mean, None where they are something else."""
    if node.op != "add" or len(node.inputs) != 2:
        return None
    for whole, other in (node.inputs, node.inputs[::-1]):
        mean, found = _spread(bench, other)
        if mean is not None and found == width and _is_mean(mean, width, -1):
            if mean.inputs == (whole,) and not mean.values["bias"].any():
                return whole
    return None


def one_gain(bench: Workbench, node: Node) -> bool:
    """Put a gain of the second factor of a matrix product on the first: sqrt(s) q times sqrt(s) k."""
    first, second = node.inputs
    wire = bench.nodes[second]
    scale = bench.nodes[wire.inputs[0]] if wire.op == "wire" and len(wire.inputs) == 1 else wire
    if scale.op != "scale" or not _is_pointwise(scale) or scale.values["shift"].any() or first == second:
        return False
    before = bench.nodes[first]
    gain = np.full(before.n, scale.values["gain"][0], np.float32)
    values = {"gain": gain, "shift": np.zeros(before.n, np.float32)}
    made = Node("", "scale", (first,), before.shape, values, {}, scale.place)
    plain = scale.inputs[0] if wire is scale else bench.insert(replace(wire, inputs=scale.inputs))
    bench.put(replace(node, inputs=(bench.insert(made), plain)))
    return True
