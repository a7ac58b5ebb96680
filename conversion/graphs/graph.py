"""What a trained network computes for one sample: operations on flat vectors, in order.

A value is a flat vector, row-major; each operation says by its own options how it reads it, so that a
reshape is nothing at all, and every other rearrangement (transpose, split, concatenation, roll, padding,
upsampling) is one operation with a table of places.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...neurons.errors import ConversionError


@dataclass(frozen=True)
class OperationKind:
    """One kind of operation: how many vectors it reads, and what it is described by.

    Attributes
    ----------
    inputs : int or None
        How many; None for one or more.
    values : tuple of str
        Names of its arrays.
    options : tuple of str
        Names of its other settings.
    """

    inputs: int | None
    values: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


#: Every operation. x is the input, read as rows where `width` or a shape of rows is given.
OPERATIONS: Mapping[str, OperationKind] = {
    "input": OperationKind(0),
    "constant": OperationKind(0, ("value",)),
    # y[r, o] = sum_i weight[o, i] x[r, i] + bias[o], for every row r of x
    "linear": OperationKind(1, ("weight", "bias")),
    # image: (channels, height, width); padding: ((top, bottom), (left, right)); weight as torch's
    "conv": OperationKind(1, ("weight", "bias"), ("image", "stride", "padding", "dilation", "groups")),
    "conv_transpose": OperationKind(
        1, ("weight", "bias"), ("image", "stride", "padding", "output_padding", "dilation", "groups")
    ),
    # the mean of each window, over as many as it holds, or over all of `size` with count_padding
    "mean_pool": OperationKind(1, (), ("image", "size", "stride", "padding", "count_padding")),
    "max_pool": OperationKind(1, (), ("image", "size", "stride", "padding", "dilation")),
    # y[k] = the inputs, one behind the other, at index[k]; 0 where that is -1
    "wire": OperationKind(None, ("index",)),
    # y = the sum of all inputs
    "add": OperationKind(None),
    # y = gain x + shift, both of y's size
    "scale": OperationKind(1, ("gain", "shift")),
    # y = f(x): see `neurons/scalars.py`; parameters: numbers that some of them take
    "map": OperationKind(1, (), ("function", "parameters")),
    "product": OperationKind(2),
    # a: (batch, m, k), b: (batch, k, n)
    "matmul": OperationKind(2, (), ("batch", "m", "k", "n")),
    "softmax": OperationKind(1, (), ("width",)),
    # the k largest numbers of each row that are above 0, and 0 elsewhere
    "top_k": OperationKind(1, (), ("width", "k")),
    # (x - mean) / sqrt(var + eps) of each row; without the mean where `centred` is False (root mean square)
    "normalise": OperationKind(1, (), ("width", "eps", "centred")),
    # S_t = a_t S_(t-1) + k_t v_t^T, o_t = q_t S_t; q, k, a: (heads, tokens, d_k), v: (heads, tokens, d_v)
    "scan": OperationKind(4, (), ("heads", "tokens", "d_k", "d_v", "backward")),
    # y[t] = weight[x[t]] for whole numbers x
    "embedding": OperationKind(1, ("weight",)),
    # what has no counterpart, left to torch or onnx: `call` (a `dense.py` of `tracing/`) returns y [batch, n]
    # for its inputs
    "dense": OperationKind(None, (), ("call",)),
}


@dataclass(frozen=True, eq=False)
class Node:
    """One operation of a graph.

    Attributes
    ----------
    name : str
        Unique in its graph.
    op : str
        A key of `OPERATIONS`.
    inputs : tuple of str
        The nodes that it reads.
    shape : tuple of int
        The shape of its value as the network's author sees it, without the batch.
    values : mapping
        Arrays, float32 (index: int64).
    options : mapping
        Settings.
    place : str
        Where in the module tree it comes from, for messages: "blocks.2.mlp.fc1 (Linear)".
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    place: str = ""

    def __post_init__(self) -> None:
        kind = OPERATIONS.get(self.op)
        if kind is None:
            raise ConversionError(f"{self.label}.op: got {self.op!r}; allowed is one of {[*OPERATIONS]}")
        if kind.inputs is not None and len(self.inputs) != kind.inputs:
            raise ConversionError(
                f"{self.label}: {self.op} reads {kind.inputs}, got {len(self.inputs)} inputs"
            )
        if set(self.values) != set(kind.values) or set(self.options) != set(kind.options):
            raise ConversionError(
                f"{self.label}: {self.op} is described by {[*kind.values, *kind.options]}, got "
                f"{[*self.values, *self.options]}"
            )

    @property
    def n(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def label(self) -> str:
        """Name and place, for messages."""
        return f"{self.name} ({self.place})" if self.place else self.name


@dataclass(frozen=True, eq=False)
class Graph:
    """A trained network as operations, each behind what it reads.

    Attributes
    ----------
    nodes : mapping
        By name, in order.
    output : str
        The node whose value is the answer.
    """

    nodes: Mapping[str, Node]
    output: str

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for name, node in self.nodes.items():
            if name != node.name or not seen.issuperset(node.inputs):
                raise ConversionError(f"graph: {node.label} reads {node.inputs} before they are known")
            seen.add(name)
        if self.output not in seen:
            raise ConversionError(f"graph.output: got {self.output!r}; there are {sorted(seen)}")

    @property
    def input(self) -> Node:
        """The node that stands for one sample."""
        return next(node for node in self.nodes.values() if node.op == "input")

    def readers(self, name: str) -> list[Node]:
        """Return the nodes that read one."""
        return [node for node in self.nodes.values() if name in node.inputs]
