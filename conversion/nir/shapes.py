"""What shape every node of a NIR graph has: right for kernels, strides and groups of any kind.

nir 1.0.8 takes the first size of a kernel for both axes, and for the input channels of a grouped
convolution those of one group; a test shows both. Sizes here follow torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ...neurons.errors import FormatError
from .graph import Node

Shape = tuple[int, ...]
Ends = tuple[Shape, Shape]

#: Fields that hold one number per neuron, by kind of node.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "Scale": ("scale",),
    "Delay": ("delay",),
    "Threshold": ("threshold",),
    "I": ("r",),
    "IF": ("r", "v_threshold", "v_reset"),
    "LI": ("tau", "r", "v_leak"),
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "CubaLI": ("tau_mem", "tau_syn", "r", "v_leak", "w_in"),
    "CubaLIF": ("tau_mem", "tau_syn", "r", "v_leak", "w_in", "v_threshold", "v_reset"),
}


def infer_shapes(nodes: Mapping[str, Node], edges: Iterable[tuple[str, str]]) -> dict[str, Ends]:
    """Return the shapes (input, output) of every node.

    Numbers, and arrays of one, stand for every neuron of a node, which then takes the shape of what it hears.

    Raises
    ------
    FormatError
        If the ends of an edge do not fit, a node's fields contradict each other, or a shape does not
        follow from anything.
    """
    edges = list(edges)
    nodes = {name: _without_trials(name, node, nodes, edges) for name, node in nodes.items()}
    known = _follow(nodes, edges)
    for name in nodes:
        if name not in known:
            raise FormatError(f"{name}: its shape follows from nothing; connect it, or give it input_shape")
    for pre, post in edges:
        if known[pre][1] != known[post][0]:
            raise FormatError(
                f"edge from {pre} to {post}: {nodes[pre].kind} gives {known[pre][1]}, "
                f"{nodes[post].kind} takes {known[post][0]}"
            )
    return known


def _follow(nodes: Mapping[str, Node], edges: list[tuple[str, str]]) -> dict[str, Ends]:
    """Return the shapes that follow from what nodes declare, along the edges."""
    known: dict[str, Ends] = {}
    heard: dict[str, list[str]] = {name: [] for name in nodes}
    followers: dict[str, list[str]] = {name: [] for name in nodes}
    for pre, post in edges:
        heard[post].append(pre)
        followers[pre].append(post)
    declared = {name: _declared(name, node) for name, node in nodes.items()}
    ready = [name for name in nodes if declared[name] is not None]
    lone = iter([name for name in nodes if declared[name] is None and nodes[name].kind in PARAMETERS])
    while True:
        if not ready:
            # Only numbers, and nothing before it has a shape: a node of one neuron.
            name = next((n for n in lone if n not in known), "")
            if not name:
                return known
            declared[name] = (1,)
            ready.append(name)
        name = ready.pop()
        if name not in known:
            shape = declared[name] or next((known[pre][1] for pre in heard[name] if pre in known), None)
            if shape is not None:
                known[name] = (shape, output_shape(name, nodes[name], shape))
                ready += followers[name]


def _without_trials(name: str, node: Node, nodes: Mapping[str, Node], edges: list[tuple[str, str]]) -> Node:
    """Return an input or output without the axis of one trial that norse leaves in its shape."""
    shape = node.fields.get("shape")
    if node.kind not in ("Input", "Output") or not shape or len(shape) < 2 or shape[0] != 1:
        return node
    if node.kind == "Output":
        return Node("Output", {})  # it takes what it hears
    heard = [_declared(post, nodes[post]) for pre, post in edges if pre == name]
    return Node("Input", {"shape": shape[1:]}) if heard and all(h == shape[1:] for h in heard) else node


def _declared(name: str, node: Node) -> Shape | None:
    """Return the input shape that a node says itself."""
    fields, kind = node.fields, node.kind
    if kind in PARAMETERS:
        arrays = [np.asarray(fields[field]) for field in PARAMETERS[kind] if field in fields]
        shapes = {array.shape for array in arrays if array.size > 1}
        if len(shapes) > 1:
            raise FormatError(f"{name}: its arrays have different shapes {sorted(shapes)}")
        return next(iter(shapes), None)
    if kind in ("Linear", "Affine"):
        weight = fields["weight"]
        if weight.ndim != 2:
            raise FormatError(f"{name}.weight: got shape {weight.shape}; allowed is [n_out, n_in]")
        if "bias" in fields and fields["bias"].size not in (1, len(weight)):
            raise FormatError(f"{name}.bias: got {fields['bias'].size} entries; allowed are {len(weight)}")
        return (weight.shape[1],)
    if kind in ("Conv1d", "Conv2d"):
        image = fields.get("input_shape")
        return None if image is None else (_channels(name, node), *image)
    shape: Shape | None = fields.get("shape", fields.get("input_type"))
    return shape


def output_shape(name: str, node: Node, shape: Shape) -> Shape:
    """Return the shape of what a node gives for an input of this shape, or raise FormatError."""
    rule = _OUTPUTS.get(node.kind)
    return shape if rule is None else rule(name, node, shape)


def _conv(name: str, node: Node, shape: Shape) -> Shape:
    axes = 1 if node.kind == "Conv1d" else 2
    if len(shape) != 1 + axes or shape[0] != _channels(name, node):
        raise FormatError(
            f"{name}: {node.kind} with weight {node.fields['weight'].shape} hears {shape}; allowed are "
            f"{_channels(name, node)} channels of {axes} axes"
        )
    stride, padding, dilation = geometry(name, node)
    kernel = node.fields["weight"].shape[2:]
    sizes = [
        _windows(name, size + sum(p), d * (k - 1) + 1, s)
        for size, p, d, k, s in zip(shape[1:], padding, dilation, kernel, stride, strict=True)
    ]
    return node.fields["weight"].shape[0], *sizes


def _pool(name: str, node: Node, shape: Shape) -> Shape:
    if len(shape) != 3:
        raise FormatError(f"{name}: {node.kind} hears {shape}; allowed is (channels, height, width)")
    size, stride, padding = (
        per_axis(name, field, node.fields[field], 2, low)
        for field, low in (("kernel_size", 1), ("stride", 1), ("padding", 0))
    )
    return shape[0], *(_windows(name, shape[1 + a] + 2 * padding[a], size[a], stride[a]) for a in range(2))


def _flatten(name: str, node: Node, shape: Shape) -> Shape:
    n = len(shape)
    ends = []
    for field in ("start_dim", "end_dim"):
        given = int(node.fields[field])
        if not -n <= given < n:
            raise FormatError(f"{name}.{field}: got {given}; allowed is from {-n} to {n - 1} for {shape}")
        ends.append(given % n)
    first, last = ends
    if first > last:
        raise FormatError(f"{name}: start_dim lies after end_dim")
    return *shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]


def _linear(name: str, node: Node, shape: Shape) -> Shape:
    return (node.fields["weight"].shape[0],)


_OUTPUTS: dict[str, Callable[[str, Node, Shape], Shape]] = {
    "Linear": _linear,
    "Affine": _linear,
    "Conv1d": _conv,
    "Conv2d": _conv,
    "SumPool2d": _pool,
    "AvgPool2d": _pool,
    "Flatten": _flatten,
}


def geometry(name: str, node: Node) -> tuple[Shape, tuple[tuple[int, int], ...], Shape]:
    """Return stride, padding (before, after) and dilation of a convolution, one per axis."""
    kernel = node.fields["weight"].shape[2:]
    axes = len(kernel)
    stride = per_axis(name, "stride", node.fields["stride"], axes, 1)
    dilation = per_axis(name, "dilation", node.fields["dilation"], axes, 1)
    padding = node.fields["padding"]
    if isinstance(padding, str) and padding == "valid":
        return stride, ((0, 0),) * axes, dilation
    if isinstance(padding, str):
        if any(s != 1 for s in stride):
            raise FormatError(f"{name}.padding: got 'same' with stride {stride}; allowed is a stride of 1")
        spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return stride, tuple((span // 2, span - span // 2) for span in spans), dilation
    return stride, tuple((p, p) for p in per_axis(name, "padding", padding, axes, 0)), dilation


def per_axis(name: str, field: str, value: Any, axes: int, low: int) -> Shape:
    """Return a whole number, or one per axis, as one per axis."""
    given = np.atleast_1d(value)
    if given.size not in (1, axes) or np.any(given < low):
        raise FormatError(
            f"{name}.{field}: got {given.tolist()}; allowed are {axes} whole numbers from {low}"
        )
    return tuple(int(v) for v in np.broadcast_to(given, axes))


def _channels(name: str, node: Node) -> int:
    weight, groups = node.fields["weight"], node.fields["groups"]
    axes = 1 if node.kind == "Conv1d" else 2
    if weight.ndim != 2 + axes or groups.size != 1 or groups < 1 or weight.shape[0] % int(groups):
        raise FormatError(
            f"{name}: {node.kind} with weight {weight.shape} and groups {groups}; allowed are {2 + axes} "
            "axes, [c_out, c_in / groups, ...], and groups that divide c_out"
        )
    if node.fields["bias"].size not in (1, weight.shape[0]):
        raise FormatError(
            f"{name}.bias: got {node.fields['bias'].size} entries; allowed are {weight.shape[0]}"
        )
    return int(weight.shape[1] * int(groups))


def _windows(name: str, size: int, span: int, stride: int) -> int:
    count = (size - span) // stride + 1
    if count < 1:
        raise FormatError(f"{name}: a window of {span} does not fit into {size}")
    return count
