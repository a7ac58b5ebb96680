"""What a conventional machine multiplies: all of a network, and what is left where it skips zeros."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from .graph import Graph, Node
from .maps import apply, windows

Arrays = list[np.ndarray]


def multiplications(node: Node) -> int:
    """Return how often one sample makes an operation multiply two numbers, padding left out.

    Examples
    --------
    >>> fc = Node("fc", "linear", ("x",), (2, 5), {"weight": np.ones((5, 3)), "bias": np.zeros(5)})
    >>> multiplications(fc)
    30
    """
    ones = [np.ones((1, size)) for size in _sizes(node)] if node.op in _WORK else []
    return int(_WORK[node.op](node, ones)[0]) if ones else 0


def nonzero_multiplications(node: Node, inputs: Arrays) -> np.ndarray:
    """Return the same for a batch of samples on a machine that skips factors of zero, int64 (batch,).

    Parameters
    ----------
    node : Node
        The operation.
    inputs : list of array (batch, n)
        The values that it reads.
    """
    if node.op not in _WORK:
        return np.zeros(len(inputs[0]) if inputs else 1, np.int64)
    counted = _WORK[node.op](node, [(x != 0).astype(np.float64) for x in inputs])
    return np.asarray(np.rint(counted), np.int64)


def first_layers(graph: Graph) -> frozenset[str]:
    """Return the operations that multiply values of the input itself, perhaps rearranged."""
    carried = {graph.input.name}
    for node in graph.nodes.values():
        if node.op in ("wire", "scale") and carried.issuperset(node.inputs):
            carried.add(node.name)
    return frozenset(n.name for n in graph.nodes.values() if n.op in _WORK and carried.issuperset(n.inputs))


def _sizes(node: Node) -> tuple[int, ...]:
    o = node.options
    if node.op == "matmul":
        return o["batch"] * o["m"] * o["k"], o["batch"] * o["k"] * o["n"]
    if node.op == "scan":
        keys = o["heads"] * o["tokens"] * o["d_k"]
        return keys, keys, o["heads"] * o["tokens"] * o["d_v"], keys
    if node.op == "linear":
        return (node.n // len(node.values["weight"]) * node.values["weight"].shape[1],)
    return (math.prod(o["image"]),)


def _linear(node: Node, inputs: Arrays) -> np.ndarray:
    return np.asarray(inputs[0].sum(axis=1) * len(node.values["weight"]))


def _conv(node: Node, inputs: Arrays) -> np.ndarray:
    weight = node.values["weight"]
    seen = windows(inputs[0], node.options, weight.shape[2:], node.options["dilation"])
    return np.asarray(seen.sum(axis=(1, 2, 3, 4, 5)) * (len(weight) // node.options["groups"]))


def _conv_transpose(node: Node, inputs: Arrays) -> np.ndarray:
    once = np.ones_like(node.values["weight"], np.float64)
    return np.asarray(apply(node.op, {"weight": once}, node.options, inputs[0]).sum(axis=1))


def _matmul(node: Node, inputs: Arrays) -> np.ndarray:
    o = node.options
    a = inputs[0].reshape(-1, o["batch"], o["m"], o["k"]).sum(axis=2)
    b = inputs[1].reshape(-1, o["batch"], o["k"], o["n"]).sum(axis=3)
    return np.asarray((a * b).sum(axis=(1, 2)))


def _scan(node: Node, inputs: Arrays) -> np.ndarray:
    """Three products for each token and entry of the state: it fades, takes in k v, and is read by q."""
    o = node.options
    each = 3 * o["heads"] * o["tokens"] * o["d_k"] * o["d_v"]
    return np.full(len(inputs[0]), float(each))


#: (node, 1 or 0 for each number that it reads) -> multiplications of each sample
_WORK: Mapping[str, Callable[[Node, Arrays], np.ndarray]] = {
    "linear": _linear,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "matmul": _matmul,
    "scan": _scan,
}
