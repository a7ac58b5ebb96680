"""A trained feed-forward network as plain data: five layers, and the graph that a list of them is.

Axes and their order are torch's: a batch of inputs is [n, features] or [n, channels, height, width].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..neurons.errors import ConversionError
from .graphs.forward import forward as graph_forward
from .graphs.graph import Graph, Node

Shape = tuple[int, ...]
#: Operation of a graph, with its arrays and its settings.
Operation = tuple[str, Mapping[str, np.ndarray], Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Layer:
    """Base class of all layers."""

    @property
    def name(self) -> str:
        """What error messages and tables call the layer."""
        return type(self).__name__

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of one output for the shape of one input, or raise ConversionError."""
        raise NotImplementedError

    def operation(self, shape: Shape) -> Operation | None:
        """Return its operation in a graph, for inputs of a shape; None if it leaves all as it is."""
        raise NotImplementedError

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs, float32, for a batch of inputs."""
        return forward([self], x)


@dataclass(frozen=True, eq=False)
class Affine(Layer):
    """y = W x + b.

    Parameters
    ----------
    weight : array (n_out, n_in)
        W.
    bias : array (n_out,), optional
        b; none means zeros.

    Examples
    --------
    >>> Affine(np.eye(2), [1.0, 0.0]).forward(np.ones((1, 2), np.float32))
    array([[2., 1.]], dtype=float32)
    """

    weight: np.ndarray
    bias: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        _freeze_weights(self, 2)

    def output_shape(self, shape: Shape) -> Shape:
        """Return (n_out,)."""
        if shape != self.weight.shape[1:]:
            raise ConversionError(
                f"Affine with weight {self.weight.shape}: got an input of shape {shape}; allowed is "
                f"{self.weight.shape[1:]}" + (", so put a Flatten before it" if len(shape) > 1 else "")
            )
        return self.weight.shape[:1]

    def operation(self, shape: Shape) -> Operation:
        """Return "linear"."""
        return "linear", {"weight": self.weight, "bias": self.bias}, {}


@dataclass(frozen=True, eq=False)
class Conv(Layer):
    """A 2-d convolution (cross-correlation, as in torch).

    Parameters
    ----------
    weight : array (c_out, c_in / groups, kh, kw)
        The kernels.
    bias : array (c_out,), optional
        None means zeros.
    stride, padding, dilation : int or pair of int
        As torch's; the padding is zeros.
    groups : int
        Channels are split into so many independent groups.

    Examples
    --------
    >>> Conv(np.ones((4, 1, 3, 3)), padding=1).output_shape((1, 8, 8))
    (4, 8, 8)
    """

    weight: np.ndarray
    bias: np.ndarray = None  # type: ignore[assignment]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        _freeze_weights(self, 4)
        for field, low in (("stride", 1), ("padding", 0), ("dilation", 1)):
            object.__setattr__(self, field, _pair(f"Conv.{field}", getattr(self, field), low))
        if self.groups < 1 or self.weight.shape[0] % self.groups:
            raise ConversionError(
                f"Conv.groups: got {self.groups} for {self.weight.shape[0]} output channels"
            )

    def output_shape(self, shape: Shape) -> Shape:
        """Return (c_out, height, width)."""
        c_in = self.weight.shape[1] * self.groups
        if len(shape) != 3 or shape[0] != c_in:
            raise ConversionError(
                f"Conv with weight {self.weight.shape}: got an input of shape {shape}; "
                f"allowed is ({c_in}, height, width)"
            )
        span = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.weight.shape[2:], strict=True)]
        padded = [size + 2 * p for size, p in zip(shape[1:], self.padding, strict=True)]
        return self.weight.shape[0], *_windows("Conv", padded, span, self.stride)

    def operation(self, shape: Shape) -> Operation:
        """Return "conv"."""
        options = {
            "image": shape, "stride": self.stride, "padding": tuple((p, p) for p in self.padding),
            "dilation": self.dilation, "groups": self.groups,
        }  # fmt: skip
        return "conv", {"weight": self.weight, "bias": self.bias}, options


@dataclass(frozen=True, eq=False)
class Pool(Layer):
    """The average over windows, without padding.

    Parameters
    ----------
    size, stride : int or pair of int
        The window and its step; the stride is the size unless given.

    Examples
    --------
    >>> Pool(2).output_shape((3, 8, 8))
    (3, 4, 4)
    """

    size: tuple[int, int]
    stride: tuple[int, int] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        size = _pair("Pool.size", self.size, 1)
        stride = size if self.stride is None else _pair("Pool.stride", self.stride, 1)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "stride", stride)

    def output_shape(self, shape: Shape) -> Shape:
        """Return (channels, height, width)."""
        if len(shape) != 3:
            raise ConversionError(
                f"Pool: got an input of shape {shape}; allowed is (channels, height, width)"
            )
        return shape[0], *_windows("Pool", shape[1:], self.size, self.stride)

    def operation(self, shape: Shape) -> Operation:
        """Return "mean_pool"."""
        options = {
            "image": shape, "size": self.size, "stride": self.stride, "padding": ((0, 0), (0, 0)),
            "count_padding": True,
        }  # fmt: skip
        return "mean_pool", {}, options


@dataclass(frozen=True, eq=False)
class ReLU(Layer):
    """max(x, 0).

    Examples
    --------
    >>> ReLU().forward(np.array([[-1.0, 2.0]], np.float32))
    array([[0., 2.]], dtype=float32)
    """

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape unchanged."""
        return shape

    def operation(self, shape: Shape) -> Operation:
        """Return "map"."""
        return "map", {}, {"function": "relu", "parameters": ()}


@dataclass(frozen=True, eq=False)
class Flatten(Layer):
    """Every input as one row of numbers.

    Examples
    --------
    >>> Flatten().output_shape((3, 4, 4))
    (48,)
    """

    def output_shape(self, shape: Shape) -> Shape:
        """Return (n,)."""
        return (int(np.prod(shape)),)

    def operation(self, shape: Shape) -> None:
        """Return None: a graph's values are flat already."""
        return None


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
            after, operation = layer.output_shape(shape), layer.operation(shape)
        except ConversionError as error:
            raise ConversionError(f"layer {place}: {error}") from None
        except NotImplementedError:
            raise ConversionError(
                f"layer {place}: got {layer!r}; allowed are Affine, Conv, Pool, ReLU and Flatten of "
                "rheobase.conversion.layers"
            ) from None
        if operation is not None:
            name, label = f"{layer.name.lower()}{place}", f"layer {place} ({layer.name})"
            op, values, options = operation
            nodes.append(Node(name, op, (nodes[-1].name,), after, values, options, label))
        shape = after
    return Graph({node.name: node for node in nodes}, nodes[-1].name)


def forward(layers: Sequence[Layer], x: Any) -> np.ndarray:
    """Return what the network computes for a batch of inputs, in float32.

    Examples
    --------
    >>> forward([Affine([[1.0, -1.0]]), ReLU()], [[3.0, 1.0], [1.0, 3.0]]).ravel()
    array([2., 0.], dtype=float32)
    """
    batch = np.asarray(x, dtype=np.float32)
    shape = batch.shape[1:]
    answers = graph_forward(graph_of_layers(layers, shape), batch)
    for layer in layers:
        shape = layer.output_shape(shape)
    return answers.reshape(len(batch), *shape)


def _freeze_weights(layer: Any, ndim: int) -> None:
    """Store weight and bias as read-only float32, checked."""
    weight = np.array(layer.weight, dtype=np.float32)
    if weight.ndim != ndim or not weight.size:
        raise ConversionError(
            f"{layer.name}.weight: got shape {weight.shape}; allowed are {ndim} axes, none empty"
        )
    bias = np.zeros(len(weight), np.float32) if layer.bias is None else np.array(layer.bias, dtype=np.float32)
    if bias.shape != (len(weight),):
        raise ConversionError(f"{layer.name}.bias: got shape {bias.shape}; allowed is ({len(weight)},)")
    for field, array in (("weight", weight), ("bias", bias)):
        if not np.isfinite(array).all():
            raise ConversionError(
                f"{layer.name}.{field}: holds NaN or infinity; only finite numbers are allowed"
            )
        array.setflags(write=False)
        object.__setattr__(layer, field, array)


def _pair(field: str, value: Any, low: int) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, (int, np.integer)) else tuple(value)
    if len(pair) != 2 or any(not isinstance(v, (int, np.integer)) or v < low for v in pair):
        raise ConversionError(
            f"{field}: got {value!r}; allowed is a whole number from {low}, or a pair of them"
        )
    return int(pair[0]), int(pair[1])


def _windows(owner: str, sizes: Sequence[int], span: Sequence[int], stride: Sequence[int]) -> tuple[int, ...]:
    counts = tuple((size - k) // s + 1 for size, k, s in zip(sizes, span, stride, strict=True))
    if min(counts) < 1:
        raise ConversionError(
            f"{owner}: a window of {tuple(span)} does not fit into an image of {tuple(sizes)}"
        )
    return counts
