"""The same function with fewer operations: scales folded into weights, wires joined, constants computed.

What is exact in real numbers is done, and nothing else. Each rewriting is one function and one line in a
table; they are tried on every operation until none of them applies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .forward import compute
from .graph import Graph, Node
from .recognise import normalisation, one_function, one_gain
from .workbench import Workbench

#: What multiplies by weights: a scale before or behind may go into them.
_WEIGHTED = ("linear", "conv", "conv_transpose")


def simplify(graph: Graph) -> Graph:
    """Return an equal graph with fewer operations.

    * what does not depend on the sample is a constant, and constants are added and multiplied in scales;
    * scales (batch normalisation, gains of normalisations, 1 / sqrt(d)) are in the weights before or
      behind them where these hold for each number alike;
    * wires are joined, and those that move nothing are gone;
    * SiLU, GELU and normalisations that are written out are one operation;
    * sums of sums are one sum, what is computed twice is computed once, and no operation is left that
      nobody reads.

    Parameters
    ----------
    graph : Graph
        As traced.

    Returns
    -------
    Graph
        Equal but for rounding, with the names of the operations that are left.

    Examples
    --------
    >>> from rheobase.conversion.graphs.graph import Node
    >>> weights = {"weight": np.eye(2, dtype=np.float32), "bias": np.ones(2, np.float32)}
    >>> scale = {"gain": np.full(2, 3.0, np.float32), "shift": np.zeros(2, np.float32)}
    >>> nodes = [Node("x", "input", (), (2,)), Node("y", "linear", ("x",), (2,), weights),
    ...          Node("z", "scale", ("y",), (2,), scale)]
    >>> small = simplify(Graph({node.name: node for node in nodes}, "z"))
    >>> [(node.name, node.op) for node in small.nodes.values()], small.nodes["z"].values["bias"].tolist()
    ([('x', 'input'), ('z', 'linear')], [3.0, 3.0])
    """
    bench = Workbench(graph)
    bench.drop_unread()
    changed = True
    while changed:
        changed = False
        for name in [*bench.nodes]:
            node = bench.nodes.get(name)
            if node is None:
                continue
            for rewrite in (_folded, _again, *_REWRITINGS.get(node.op, ())):
                if rewrite(bench, node):
                    changed = True
                    break
    return bench.finished()


def _folded(bench: Workbench, node: Node) -> bool:
    """Compute what depends on constants alone."""
    inputs = [bench.nodes[source] for source in node.inputs]
    if not inputs or node.op == "dense" or any(source.op != "constant" for source in inputs):
        return False
    value = compute(node, [source.values["value"].reshape(1, -1) for source in inputs], 1)
    bench.put(Node(node.name, "constant", (), node.shape, {"value": value.reshape(-1)}, {}, node.place))
    return True


def _again(bench: Workbench, node: Node) -> bool:
    """Let the readers of what is computed already read that."""
    if not node.inputs or node.op == "dense" or node.name == bench.output:
        return False
    for name in dict.fromkeys(bench.readers[node.inputs[0]]):
        other = bench.nodes[name]
        same = other.inputs == node.inputs and other.op == node.op and other.options == node.options
        if (
            name != node.name
            and same
            and all(
                array is node.values[key] or np.array_equal(array, node.values[key])
                for key, array in other.values.items()
            )
        ):
            return bench.substitute(node.name, name)
    return False


def _add(bench: Workbench, node: Node) -> bool:
    """Join sums; put constant terms into a scale."""
    for i, source in enumerate(node.inputs):
        inner = bench.nodes[source]
        before, behind = node.inputs[:i], node.inputs[i + 1 :]
        if inner.op == "add" and bench.readers[source] == [node.name]:
            bench.put(replace(node, inputs=(*before, *inner.inputs, *behind)))
            return True
        if inner.op == "constant":
            left = (*before, *behind)
            shift = inner.values["value"]
            source = left[0] if len(left) == 1 else bench.insert(replace(node, inputs=left))
            bench.put(_scale(node, source, np.ones(node.n, np.float32), shift))
            return True
    return False


def _product(bench: Workbench, node: Node) -> bool:
    """Make a product with a constant a scale, and one of a number with itself a square."""
    a, b = node.inputs
    if a == b:
        options = {"function": "square", "parameters": ()}
        bench.put(Node(node.name, "map", (a,), node.shape, {}, options, node.place))
        return True
    for one, other in ((a, b), (b, a)):
        if bench.nodes[other].op == "constant":
            gain = bench.nodes[other].values["value"]
            bench.put(_scale(node, one, gain, np.zeros(node.n, np.float32)))
            return True
    return False


def _scale(node: Node, source: str, gain: Any, shift: Any) -> Node:
    """Return a scale in place of a node."""
    values = {"gain": np.asarray(gain, np.float32), "shift": np.asarray(shift, np.float32)}
    return Node(node.name, "scale", (source,), node.shape, values, {}, node.place)


def _idle_scale(bench: Workbench, node: Node) -> bool:
    """Leave out a scale that changes nothing."""
    if np.all(node.values["gain"] == 1) and not node.values["shift"].any():
        return bench.bypass(node.name)
    return False


def _scale_of_scale(bench: Workbench, node: Node) -> bool:
    """Join two scales in a row."""
    inner = bench.nodes[node.inputs[0]]
    if inner.op != "scale":
        return False
    gain, shift = node.values["gain"], node.values["shift"]
    joined = gain * inner.values["shift"] + shift
    bench.put(_scale(node, inner.inputs[0], gain * inner.values["gain"], joined))
    return True


def _scale_behind(bench: Workbench, node: Node) -> bool:
    """Put a scale into the weights of what it alone reads; a shift that differs from row to row stays."""
    inner = bench.nodes[node.inputs[0]]
    if inner.op not in _WEIGHTED or bench.readers[inner.name] != [node.name]:
        return False
    gain, shift = (_of_output(inner, node.values[key]) for key in ("gain", "shift"))
    if gain is None or (shift is None and np.all(gain == 1)):
        return False
    weight, bias = inner.values["weight"], inner.values["bias"] * gain + (0 if shift is None else shift)
    if inner.op == "conv_transpose":
        groups = inner.options["groups"]
        weight = weight.reshape(groups, -1, *weight.shape[1:]) * gain.reshape(groups, 1, -1, 1, 1)
        weight = weight.reshape(inner.values["weight"].shape)
    else:
        weight = weight * gain.reshape(-1, *[1] * (weight.ndim - 1))
    values = {"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)}
    if shift is not None:
        bench.put(replace(inner, name=node.name, shape=node.shape, values=values))
    else:
        bench.put(replace(inner, values=values))
        bench.put(_scale(node, inner.name, np.ones(node.n), node.values["shift"]))
    return True


def _of_output(node: Node, array: np.ndarray) -> np.ndarray | None:
    """Return one number for each output of a row, or channel of an image; None where they differ within."""
    n = len(node.values["bias"])
    table = array.reshape(-1, n) if node.op == "linear" else array.reshape(n, -1).T
    return table[0] if np.all(table == table[0]) else None


def _scale_ahead(bench: Workbench, node: Node) -> bool:
    """Put a scale into the weights of all that reads it, also through wires, if each of them can take it."""
    if node.name == bench.output:
        return False
    wires = {name: bench.nodes[name] for name in bench.readers[node.name] if bench.nodes[name].op == "wire"}
    if any(len(wire.inputs) != 1 or name == bench.output for name, wire in wires.items()):
        return False
    pairs: list[tuple[str, np.ndarray | None]] = [
        (name, None) for name in bench.readers[node.name] if name not in wires
    ]
    pairs += [(name, wire.values["index"]) for wire in wires.values() for name in bench.readers[wire.name]]
    found = {}
    for name, index in pairs:
        reader = bench.nodes[name]
        values = _with_scale_before(reader, *_through(node, index)) if reader.op in _WEIGHTED else None
        if values is None:
            return False
        found[name] = values
    for wire in wires.values():
        bench.put(replace(wire, inputs=node.inputs))
    for name, values in found.items():
        reader = bench.nodes[name]
        bench.put(
            replace(
                reader, inputs=node.inputs if node.name in reader.inputs else reader.inputs, values=values
            )
        )
    return True


def _through(scale: Node, index: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return gain and shift as they stand behind a wire; zeros that it fills in stay zeros."""
    gain, shift = scale.values["gain"], scale.values["shift"]
    if index is None:
        return gain, shift
    return np.where(index >= 0, gain[index], gain[0]), np.where(index >= 0, shift[index], np.float32(0))


def _with_scale_before(reader: Node, gain: np.ndarray, shift: np.ndarray) -> dict[str, np.ndarray] | None:
    """Return the weights of an operation that takes in the scale before it; None where they cannot."""
    weight, bias = (reader.values[key].astype(np.float64) for key in ("weight", "bias"))
    if reader.op == "linear":
        gain, shift = gain.reshape(-1, weight.shape[1]), shift.reshape(-1, weight.shape[1])
        if np.any(gain != gain[0]) or np.any(shift != shift[0]):
            return None
        weight, bias = weight * gain[0], bias + weight @ shift[0].astype(np.float64)
    else:
        channels, groups = reader.options["image"][0], reader.options["groups"]
        gain, shift = gain.reshape(channels, -1), shift.reshape(channels, -1)
        if np.any(gain != gain[:, :1]) or np.any(shift != shift[:, :1]):
            return None
        if shift.any() and (reader.op == "conv_transpose" or np.any(reader.options["padding"])):
            return None  # the border and the gaps are zero, whatever the shift
        if reader.op == "conv_transpose":
            weight = weight * gain[:, :1, None, None]
        else:
            each = weight.reshape(groups, -1, *weight.shape[1:])
            bias = bias + np.einsum("gocij,gc->go", each, shift[:, 0].reshape(groups, -1)).reshape(-1)
            weight = (each * gain[:, 0].reshape(groups, 1, -1, 1, 1)).reshape(weight.shape)
    return {"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)}


def _scale_over_wire(bench: Workbench, node: Node) -> bool:
    """Put a scale before the wire that it reads, where what goes through the wire is read by nobody else."""
    wire = bench.nodes[node.inputs[0]]
    if wire.op != "wire" or len(wire.inputs) != 1 or bench.readers[wire.name] != [node.name]:
        return False
    source, index = bench.nodes[wire.inputs[0]], wire.values["index"]
    if source.op not in _WEIGHTED or bench.readers[source.name] != [wire.name] or index.min() < 0:
        return False
    moved = {}
    for key, idle in (("gain", 1.0), ("shift", 0.0)):
        array = np.full(source.n, idle, np.float32)
        array[index] = node.values[key]
        if np.any(array[index] != node.values[key]):
            return False
        moved[key] = array
    before = bench.insert(_scale(source, source.name, **moved))
    bench.put(replace(wire, name=node.name, inputs=(before,), shape=node.shape))
    return True


def _idle_wire(bench: Workbench, node: Node) -> bool:
    """Leave out a wire that moves nothing."""
    index = node.values["index"]
    if len(node.inputs) != 1 or len(index) != bench.nodes[node.inputs[0]].n:
        return False
    return np.array_equal(index, np.arange(len(index))) and bench.bypass(node.name)


def _wire_of_wires(bench: Workbench, node: Node) -> bool:
    """Read through the wires that a wire reads."""
    if not any(bench.nodes[source].op == "wire" for source in node.inputs):
        return False
    starts: dict[str, int] = {}
    tables = []
    for source in node.inputs:
        inner = bench.nodes[source]
        names = inner.inputs if inner.op == "wire" else (source,)
        for name in names:
            starts.setdefault(name, sum(bench.nodes[known].n for known in starts))
        held = np.concatenate([starts[name] + np.arange(bench.nodes[name].n) for name in names])
        if inner.op == "wire":
            index = inner.values["index"]
            held = np.where(index >= 0, held[index], -1)
        tables.append(held)
    index, whole = node.values["index"], np.concatenate(tables)
    joined = np.where(index >= 0, whole[index], -1)
    bench.put(replace(node, inputs=tuple(starts), values={"index": joined}))
    return True


def _map_of_map(bench: Workbench, node: Node) -> bool:
    """Join what are one function in a row: 1 / sqrt(x), and the identity."""
    if node.options["function"] == "identity":
        return bench.bypass(node.name)
    inner = bench.nodes[node.inputs[0]]
    if inner.op != "map" or (inner.options["function"], node.options["function"]) != ("sqrt", "reciprocal"):
        return False
    bench.put(replace(node, inputs=inner.inputs, options={"function": "rsqrt", "parameters": ()}))
    return True


_REWRITINGS: Mapping[str, tuple[Callable[[Workbench, Node], bool], ...]] = {
    "add": (_add,),
    "product": (_product, one_function, normalisation),
    "matmul": (one_gain,),
    "scale": (_idle_scale, _scale_of_scale, _scale_behind, _scale_ahead, _scale_over_wire),
    "wire": (_idle_wire, _wire_of_wires),
    "map": (_map_of_map,),
}
