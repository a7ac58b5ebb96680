"""What a graph computes for a batch of samples, in single precision: the original's values, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from ...neurons.errors import ConversionError
from ...neurons.scalars import SCALARS
from ...neurons.vocabulary import exp
from . import maps
from .graph import Graph, Node


def forward(graph: Graph, samples: Any) -> np.ndarray:
    """Return what the network answers.

    Parameters
    ----------
    graph : Graph
        The network.
    samples : array (batch, ...)
        One sample a row, in the shape that the network's author gave it, or flat.

    Returns
    -------
    float32 array (batch, ...)
        In the shape of the answer.

    Raises
    ------
    ConversionError
        If samples do not fit the network's input.

    Examples
    --------
    >>> nodes = [Node("x", "input", (), (2,)), Node("y", "map", ("x",), (2,), options={"function": "relu",
    ...     "parameters": ()})]
    >>> forward(Graph({node.name: node for node in nodes}, "y"), [[-1.0, 2.0]])
    array([[0., 2.]], dtype=float32)
    """
    shape = graph.nodes[graph.output].shape
    return values_of(graph, samples, [graph.output])[graph.output].reshape(-1, *shape)


def values_of(graph: Graph, samples: Any, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Return the values of nodes for a batch of samples, each [batch, n]: of all, or of those named."""
    given = np.asarray(samples, np.float32)
    if given.ndim < 1 or given[:1].size != graph.input.n or not len(given):
        raise ConversionError(
            f"samples: got an array of shape {given.shape}; allowed is (batch, *{graph.input.shape})"
        )
    last = {source: name for name, node in graph.nodes.items() for source in node.inputs}
    wanted = set(graph.nodes if names is None else names)
    values: dict[str, np.ndarray] = {}
    for name, node in graph.nodes.items():
        if node.op == "input":
            values[name] = given.reshape(len(given), -1)
        else:
            values[name] = compute(node, [values[source] for source in node.inputs], len(given))
        for source in {*node.inputs} - wanted:
            if last[source] == name:
                del values[source]
    return {name: values[name] for name in wanted}


def compute(node: Node, inputs: list[np.ndarray], batch: int) -> np.ndarray:
    """Return the value of one node [batch, n], for those of its inputs."""
    if node.op in maps.LINEAR and node.op != "wire":
        total = maps.apply(node.op, node.values, node.options, inputs[0])
        return total if node.op == "mean_pool" else _biased(node, total)
    return _OPERATIONS[node.op](node, inputs, batch)


def _biased(node: Node, total: np.ndarray) -> np.ndarray:
    """Add the bias: one number for each output of a row, or for each channel of an image."""
    bias = node.values["bias"]
    if node.op == "linear":
        return np.asarray(total.reshape(-1, len(bias)) + bias).reshape(total.shape)
    return np.asarray(total.reshape(len(total), len(bias), -1) + bias[:, None]).reshape(total.shape)


def _constant(node: Node, inputs: list[np.ndarray], batch: int) -> np.ndarray:
    return np.broadcast_to(node.values["value"].reshape(1, -1), (batch, node.n))


def _wire(node: Node, inputs: list[np.ndarray], batch: int) -> np.ndarray:
    whole = inputs[0] if len(inputs) == 1 else np.concatenate(inputs, axis=1)
    index = node.values["index"]
    taken = whole[:, index]
    return taken if index.min(initial=0) >= 0 else np.where(index >= 0, taken, np.float32(0))


def _add(node: Node, inputs: list[np.ndarray], batch: int) -> np.ndarray:
    total = inputs[0]
    for term in inputs[1:]:
        total = total + term
    return total


def _scale(node: Node, inputs: list[np.ndarray], batch: int) -> np.ndarray:
    return np.asarray(inputs[0] * node.values["gain"] + node.values["shift"])


def _map(node: Node, inputs: list[np.ndarray], batch: int) -> np.ndarray:
    return np.asarray(SCALARS[node.options["function"]](inputs[0], *node.options["parameters"]))


def _product(node: Node, inputs: list[np.ndarray], batch: int) -> np.ndarray:
    return np.asarray(inputs[0] * inputs[1])


def _matmul(node: Node, inputs: list[np.ndarray], batch: int) -> np.ndarray:
    o = node.options
    a = inputs[0].reshape(batch, o["batch"], o["m"], o["k"])
    b = inputs[1].reshape(batch, o["batch"], o["k"], o["n"])
    return np.asarray(a @ b).reshape(batch, -1)


def _max_pool(node: Node, inputs: list[np.ndarray], batch: int) -> np.ndarray:
    o = node.options
    seen = maps.windows(inputs[0], o, tuple(o["size"]), o["dilation"], outside=-np.inf)
    return np.asarray(seen.max(axis=(4, 5))).reshape(batch, -1)


def _softmax(node: Node, inputs: list[np.ndarray], batch: int) -> np.ndarray:
    rows = inputs[0].reshape(-1, node.options["width"])
    powers = exp(rows - rows.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True)).reshape(batch, -1)


def _top_k(node: Node, inputs: list[np.ndarray], batch: int) -> np.ndarray:
    rows = inputs[0].reshape(-1, node.options["width"])
    order = np.argsort(-rows, axis=1, kind="stable")[:, : node.options["k"]]
    kept = np.zeros_like(rows)
    np.put_along_axis(kept, order, np.maximum(np.take_along_axis(rows, order, 1), 0), 1)
    return kept.reshape(batch, -1)


def _normalise(node: Node, inputs: list[np.ndarray], batch: int) -> np.ndarray:
    rows = inputs[0].reshape(-1, node.options["width"])
    if node.options["centred"]:
        rows = rows - rows.mean(axis=1, keepdims=True)
    power = (rows * rows).mean(axis=1, keepdims=True)
    return np.asarray(rows / np.sqrt(power + np.float32(node.options["eps"]))).reshape(batch, -1)


def _scan(node: Node, inputs: list[np.ndarray], batch: int) -> np.ndarray:
    o = node.options
    by_token = (batch, o["heads"], o["tokens"], -1)
    q, k, v, a = (given.reshape(by_token) for given in inputs)
    state = np.zeros((batch, o["heads"], o["d_k"], o["d_v"]), np.float32)
    out = np.empty(v.shape, np.float32)
    for t in reversed(range(o["tokens"])) if o["backward"] else range(o["tokens"]):
        state = a[:, :, t, :, None] * state + k[:, :, t, :, None] * v[:, :, t, None, :]
        out[:, :, t] = np.einsum("bhk,bhkv->bhv", q[:, :, t], state)
    return out.reshape(batch, -1)


def _embedding(node: Node, inputs: list[np.ndarray], batch: int) -> np.ndarray:
    weight, places = node.values["weight"], inputs[0].astype(np.int64)
    if places.min() < 0 or places.max() >= len(weight) or np.any(places != inputs[0]):
        raise ConversionError(
            f"{node.label}: an embedding is looked up by whole numbers from 0 to {len(weight) - 1}, got some "
            f"from {inputs[0].min():g} to {inputs[0].max():g}"
        )
    return np.asarray(weight[places]).reshape(batch, -1)


def _dense(node: Node, inputs: list[np.ndarray], batch: int) -> np.ndarray:
    return np.asarray(node.options["call"](inputs), np.float32).reshape(batch, -1)


_OPERATIONS: Mapping[str, Callable[[Node, list[np.ndarray], int], np.ndarray]] = {
    "constant": _constant,
    "wire": _wire,
    "add": _add,
    "scale": _scale,
    "map": _map,
    "product": _product,
    "matmul": _matmul,
    "max_pool": _max_pool,
    "softmax": _softmax,
    "top_k": _top_k,
    "normalise": _normalise,
    "scan": _scan,
    "embedding": _embedding,
    "dense": _dense,
}
