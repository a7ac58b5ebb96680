"""The same function with fewer operations: scales folded into weights, wires joined, constants computed.

What is exact in real numbers is done, and nothing else. Each rewriting is one function and one line in a
table; they are tried on every operation until none of them applies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from .forward import compute
from .graph import Graph, Node
from .recognise import recognised
from .scales import SCALINGS, one_gain, scale_for
from .unrolled import rolled_up
from .workbench import Workbench


def simplify(graph: Graph) -> Graph:
    """Return an equal graph with fewer operations.

    * what does not depend on the sample is a constant, and constants are added and multiplied in scales;
    * scales (batch normalisation, gains of normalisations, 1 / sqrt(d)) are in the weights before or
      behind them where these hold for each number alike;
    * wires are joined, and those that move nothing are gone;
    * sums of sums are one sum, what is computed twice is computed once, and no operation is left that
      nobody reads;
    * a softmax, a normalisation or a function of one number that was written out is one operation, and so is
      a gated recurrence that was unrolled.

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
    while True:
        graph = _rewritten(graph)
        found = recognised(graph) or rolled_up(graph)
        if found is None:
            return graph
        graph = found


def _rewritten(graph: Graph) -> Graph:
    """Apply the rewritings until none of them applies."""
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
            bench.put(scale_for(node, source, np.ones(node.n, np.float32), shift))
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
            bench.put(scale_for(node, one, gain, np.zeros(node.n, np.float32)))
            return True
    return False


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
    "product": (_product,),
    "matmul": (one_gain,),
    "scale": SCALINGS,
    "wire": (_idle_wire, _wire_of_wires),
    "map": (_map_of_map,),
}
