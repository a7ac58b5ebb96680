"""NIR graphs as plain checked data: from a `nir.NIRGraph` or from what a file holds, and back.

Everything downstream works on `Graph` and `Node`, so the rules of what is well formed stand here once,
whatever the graph came from: `nir`'s own classes check little, and infer wrong shapes.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...neurons.errors import FormatError

#: Graphs in graphs, and nodes in all, that a graph may have.
DEEPEST, MOST_NODES = 32, 100_000
#: Neurons of one node.
_MOST_NEURONS = 2**31 - 1


@dataclass(frozen=True)
class Node:
    """One node: its kind as NIR calls it, and its fields (finite arrays, whole numbers, texts)."""

    kind: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Graph:
    """Nodes by name, edges by names, and metadata."""

    nodes: Mapping[str, Node | Graph]
    edges: tuple[tuple[str, str], ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)


def _numbers(where: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise FormatError(f"{where}: not an array of numbers: {str(error)[:100]}") from None
    if array.dtype.kind not in "iuf" or not array.size:
        raise FormatError(f"{where}: got {array.dtype} of shape {array.shape}; allowed are real numbers")
    if not np.isfinite(array).all():
        raise FormatError(f"{where}: holds NaN or infinity; allowed are finite numbers")
    return array


def _whole(where: str, value: Any) -> np.ndarray:
    array = _numbers(where, value)
    if array.ndim > 1 or np.any(array != np.floor(array)) or np.any(np.abs(array) >= 2**31):
        raise FormatError(f"{where}: got {str(value)[:60]}; allowed are whole numbers")
    return array.astype(np.int64)


def _shape(where: str, value: Any) -> tuple[int, ...] | None:
    if value is None or (isinstance(value, np.ndarray) and value.dtype == object and value.shape == ()):
        return None
    sizes = tuple(int(size) for size in np.atleast_1d(_whole(where, value)))
    if min(sizes) < 1 or math.prod(sizes) > _MOST_NEURONS:
        raise FormatError(f"{where}: got {sizes}; allowed are sizes from 1, with a product below 2**31")
    return sizes


def _padding(where: str, value: Any) -> Any:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if isinstance(text, str):
        if text not in ("same", "valid"):
            raise FormatError(f"{where}: got {text[:40]!r}; allowed is 'same', 'valid' or whole numbers")
        return text
    return _whole(where, value)


_Check = Callable[[str, Any], Any]
_CONV: dict[str, _Check] = {
    "weight": _numbers, "bias": _numbers, "stride": _whole, "padding": _padding, "dilation": _whole,
    "groups": _whole, "input_shape?": _shape,
}  # fmt: skip
_POOL: dict[str, _Check] = {"kernel_size": _whole, "stride": _whole, "padding": _whole}
_LEAKY: dict[str, _Check] = {"r": _numbers, "v_leak": _numbers}
_FIRING: dict[str, _Check] = {"v_threshold": _numbers, "v_reset?": _numbers}
_CUBA: dict[str, _Check] = {**_LEAKY, "tau_syn": _numbers, "tau_mem": _numbers, "w_in?": _numbers}

#: Every node of NIR 1.0.8: its fields, a question mark where one may be missing.
FIELDS: dict[str, dict[str, _Check]] = {
    "Input": {"shape": _shape},
    "Output": {"shape?": _shape},
    "Linear": {"weight": _numbers},
    "Affine": {"weight": _numbers, "bias": _numbers},
    "Scale": {"scale": _numbers},
    "Conv1d": _CONV,
    "Conv2d": _CONV,
    "SumPool2d": _POOL,
    "AvgPool2d": _POOL,
    "Flatten": {"start_dim": _whole, "end_dim": _whole, "input_type?": _shape},
    "Delay": {"delay": _numbers},
    "Threshold": {"threshold": _numbers},
    "I": {"r": _numbers},
    "IF": {"r": _numbers, **_FIRING},
    "LI": {"tau": _numbers, **_LEAKY},
    "LIF": {"tau": _numbers, **_LEAKY, **_FIRING},
    "CubaLI": _CUBA,
    "CubaLIF": {**_CUBA, **_FIRING},
}


def tree_of(thing: Any, where: str = "graph", above: tuple[int, ...] = ()) -> dict[str, Any]:
    """Return a `nir.NIRGraph` or one of its nodes as the nested dict that a file would hold.

    Raises
    ------
    FormatError
        If it is no node of NIR, or a graph lies within itself.
    """
    if id(thing) in above:
        raise FormatError(f"{where}: the graph lies within itself; allowed are graphs within others")
    if not dataclasses.is_dataclass(thing) or isinstance(thing, type):
        raise FormatError(
            f"{where}: got {str(thing)[:60]!r}; allowed is a path, a nir.NIRGraph or a node of one"
        )
    kind = type(thing).__name__
    tree: dict[str, Any] = {"type": kind, "metadata": getattr(thing, "metadata", {})}
    if kind == "NIRGraph":
        nodes = thing.nodes if isinstance(thing.nodes, Mapping) else {}  # type: ignore[attr-defined]
        inside = (*above, id(thing))
        tree["nodes"] = {k: tree_of(node, f"{where}/{k}", inside) for k, node in nodes.items()}
        return tree | {"edges": thing.edges}  # type: ignore[attr-defined]
    types = {"Input": ("shape", "input"), "Output": ("shape", "output"), "Flatten": ("input_type", "input")}
    if kind in types:
        name, end = types[kind]
        tree[name] = (getattr(thing, f"{end}_type") or {}).get(end)
    derived = ("input_type", "output_type", "metadata")
    names = [f.name for f in dataclasses.fields(thing) if f.name not in derived]
    return tree | {name: value for name in names if (value := getattr(thing, name)) is not None}


def graph_of(tree: Any, where: str = "graph", depth: int = 0) -> Graph:
    """Return the checked graph that a tree (of `tree_of`, or read from a file) describes.

    Raises
    ------
    FormatError
        If nodes are of an unknown kind, or fields are missing, unknown or not of the right type, or an
        edge leads from or to a node that is not there.
    """
    if not isinstance(tree, Mapping) or _text(tree.get("type")) != "NIRGraph":
        got = tree.get("type") if isinstance(tree, Mapping) else tree
        raise FormatError(f"{where}: got {str(got)[:40]!r}; allowed is a NIRGraph")
    if depth > DEEPEST:
        raise FormatError(f"{where}: graphs lie more than {DEEPEST} deep within each other")
    found = tree.get("nodes")
    if not isinstance(found, Mapping) or not found or len(found) > MOST_NODES:
        raise FormatError(f"{where}: allowed are from 1 to {MOST_NODES} nodes")
    nodes: dict[str, Node | Graph] = {}
    for name, entry in found.items():
        if not isinstance(name, str) or not name.strip() or "/" in name or "\0" in name:
            raise FormatError(f"{where}: got the name {name!r}; allowed is a text without '/'")
        nested = isinstance(entry, Mapping) and _text(entry.get("type")) == "NIRGraph"
        inner = f"{where}/{name}"
        nodes[name] = graph_of(entry, inner, depth + 1) if nested else _node(inner, entry)
    metadata = tree.get("metadata", {})
    return Graph(
        nodes, _edges(where, tree.get("edges"), nodes), metadata if isinstance(metadata, Mapping) else {}
    )


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _node(where: str, entry: Any) -> Node:
    kind = _text(entry.get("type")) if isinstance(entry, Mapping) else None
    if kind not in FIELDS:
        near = difflib.get_close_matches(str(kind), FIELDS, 1, 0.3)
        hint = f"; the nearest is {near[0]}" if near else ""
        raise FormatError(f"{where}: unknown node type {str(kind)[:40]!r}; there are {[*FIELDS]}{hint}")
    rules = FIELDS[kind]
    given = {k: v for k, v in entry.items() if k not in ("type", "metadata")}
    unknown = [k for k in given if k not in rules and f"{k}?" not in rules]
    missing = [k for k in rules if not k.endswith("?") and k not in given]
    if unknown or missing:
        wrong = f"unknown field {unknown[0]!r}" if unknown else f"no field {missing[0]!r}"
        raise FormatError(f"{where}: {wrong}; a {kind} has {[k.removesuffix('?') for k in rules]}")
    checks = {k.removesuffix("?"): check for k, check in rules.items()}
    fields = {k: checks[k](f"{where}.{k}", value) for k, value in given.items()}
    return Node(kind, {k: value for k, value in fields.items() if value is not None})


def _edges(where: str, found: Any, nodes: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    if isinstance(found, np.ndarray) and not found.size:
        found = []
    listed = found.tolist() if isinstance(found, np.ndarray) else found
    if not isinstance(listed, (list, tuple)) or len(listed) > MOST_NODES:
        raise FormatError(f"{where}.edges: allowed is a list of pairs of names, {MOST_NODES} at most")
    edges: dict[tuple[str, str], None] = {}
    for edge in listed:
        if not isinstance(edge, (list, tuple)) or len(edge) != 2:
            raise FormatError(f"{where}.edges: got {str(edge)[:60]}; allowed are pairs of names")
        pair = (_text(edge[0]), _text(edge[1]))
        for name in pair:
            if name not in nodes:
                raise FormatError(
                    f"{where}.edges: {str(pair)[:80]} names {str(name)[:40]!r}, which is no node; "
                    f"there are {str([*nodes])[:200]}"
                )
        if pair in edges:
            raise FormatError(f"{where}.edges: {pair} is listed twice")
        edges[pair] = None
    return tuple(edges)
