"""A list of plain layers as a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..neurons.errors import ConversionError
from .graph import Graph, Node
from .layers import Affine, Conv, Flatten, Layer, Pool, ReLU


def is_layers(model: Any) -> bool:
    """Say whether a model is a list of layers.

    Examples
    --------
    >>> is_layers([ReLU()]), is_layers([])
    (True, False)
    """
    return isinstance(model, Sequence) and bool(model) and all(isinstance(one, Layer) for one in model)


def graph_of_layers(layers: Sequence[Layer], shape: tuple[int, ...]) -> Graph:
    """Return what layers compute of one input, as operations.

    Parameters
    ----------
    layers : sequence of Layer
        In order.
    shape : tuple of int
        Of one input.

    Raises
    ------
    ConversionError
        If shapes do not fit, or a layer is of a kind of its own.

    Examples
    --------
    >>> list(graph_of_layers([Affine([[1.0, 2.0]]), ReLU()], (2,)).nodes)
    ['input', 'affine1', 'relu2']
    """
    nodes = [Node("input", "input", (), shape)]
    for place, layer in enumerate(layers, 1):
        try:
            after = layer.output_shape(shape)
        except ConversionError as error:
            raise ConversionError(f"layer {place}: {error}") from None
        if not isinstance(layer, Flatten):
            op, values, options = _described(place, layer, shape)
            name, label = f"{layer.name.lower()}{place}", f"layer {place} ({layer.name})"
            nodes.append(Node(name, op, (nodes[-1].name,), after, values, options, label))
        shape = after
    return Graph({node.name: node for node in nodes}, nodes[-1].name)


def _described(
    place: int, layer: Layer, shape: tuple[int, ...]
) -> tuple[str, dict[str, np.ndarray], dict[str, Any]]:
    if isinstance(layer, Affine):
        return "linear", {"weight": layer.weight, "bias": layer.bias}, {}
    if isinstance(layer, Conv):
        padding = tuple((p, p) for p in layer.padding)
        options = {
            "image": shape, "stride": layer.stride, "padding": padding, "dilation": layer.dilation,
            "groups": layer.groups,
        }  # fmt: skip
        return "conv", {"weight": layer.weight, "bias": layer.bias}, options
    if isinstance(layer, Pool):
        options = {
            "image": shape, "size": layer.size, "stride": layer.stride, "padding": ((0, 0), (0, 0)),
            "count_padding": True,
        }  # fmt: skip
        return "mean_pool", {}, options
    if isinstance(layer, ReLU):
        return "map", {}, {"function": "relu", "parameters": ()}
    raise ConversionError(
        f"layer {place}: got {layer!r}; allowed are Affine, Conv, Pool, ReLU and Flatten of "
        "rheobase.conversion.layers"
    )
