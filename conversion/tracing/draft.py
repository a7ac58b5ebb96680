"""A graph in the making: values as their authors see them, and where each of their numbers stands.

Every number of every node has an address. A rearrangement (transpose, slice, concatenation, padding, ...)
only moves addresses about, so it is carried out on them; a "wire" is made of what has become of them once
some operation reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..graphs.graph import Graph, Node


@dataclass(frozen=True, eq=False)
class Value:
    """Numbers that depend on the sample.

    Attributes
    ----------
    places : int64 array
        The address of each, 0 for a zero; in the shape that the author sees, the batch of one included.
    """

    places: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the author sees."""
        return self.places.shape

    def reshaped(self, *shape: int) -> Value:
        """Return the same numbers in another shape."""
        return Value(self.places.reshape(shape))

    def moved(self, source: int | Sequence[int], target: int | Sequence[int]) -> Value:
        """Return the same numbers with axes moved, as by `numpy.moveaxis`."""
        return Value(np.moveaxis(self.places, source, target))

    def expanded(self, shape: Sequence[int]) -> Value:
        """Return the numbers repeated along axes of size one, as by `numpy.broadcast_to`."""
        return Value(np.broadcast_to(self.places, tuple(shape)))


@dataclass(eq=False)
class Draft:
    """Nodes, in the order in which they are found.

    Attributes
    ----------
    nodes : dict
        By name.
    place : str
        Where in the network new nodes come from.

    Examples
    --------
    >>> draft = Draft()
    >>> x = draft.add("input", [], (1, 2, 2))
    >>> y = draft.add("map", [x.moved(1, 2)], (1, 2, 2), function="relu", parameters=())
    >>> [(node.op, node.shape) for node in draft.finished(y).nodes.values()]
    [('input', (2, 2)), ('wire', (2, 2)), ('map', (2, 2))]
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    place: str = ""
    _starts: list[int] = field(default_factory=lambda: [1])
    _names: list[str] = field(default_factory=list)
    _wires: dict[bytes, str] = field(default_factory=dict)

    def add(
        self,
        op: str,
        inputs: Sequence[Value],
        shape: Sequence[int],
        values: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Value:
        """Add an operation and return its value, in the shape given (batch included)."""
        sources = tuple(self.node_of(value) for value in inputs)
        arrays = {
            key: np.ascontiguousarray(array, np.int64 if key == "index" else np.float32)
            for key, array in (values or {}).items()
        }
        name = f"{op}_{len(self.nodes)}"
        node = Node(name, op, sources, without_batch(shape), arrays, options, self.place)
        self.nodes[name] = node
        self._names.append(name)
        start = self._starts[-1]
        self._starts.append(start + node.n)
        return Value(np.arange(start, start + node.n, dtype=np.int64).reshape(shape))

    def constant(self, array: Any) -> Value:
        """Return numbers that do not depend on the sample as a value; zeros take no node."""
        array = np.asarray(array, np.float32)
        if not array.any():
            return Value(np.zeros(array.shape, np.int64))
        return self.add("constant", [], array.shape, {"value": array.reshape(-1)})

    def owners(self, value: Value) -> list[str]:
        """Return the nodes whose numbers a value is made of."""
        held = np.unique(np.searchsorted(self._starts, value.places[value.places > 0], side="right") - 1)
        return [self._names[i] for i in held]

    def node_of(self, value: Value) -> str:
        """Return the node whose flat value is this one; a wire is added where there is none yet."""
        flat = np.ascontiguousarray(value.places).reshape(-1)
        starts = np.array(self._starts, np.int64)
        owners = np.searchsorted(starts, flat, side="right") - 1
        held = np.unique(owners[flat > 0])
        if not len(held):
            self.add("constant", [], value.shape, {"value": np.zeros(flat.size)})
            return self._names[-1]
        first = held[0]
        if len(held) == 1 and np.array_equal(flat, np.arange(starts[first], starts[first + 1])):
            return self._names[int(first)]
        key = flat.tobytes()
        if key not in self._wires:
            sizes = starts[held + 1] - starts[held]
            shifts = np.zeros(len(starts), np.int64)
            shifts[held] = starts[held] - np.concatenate([[0], np.cumsum(sizes)[:-1]])
            index = np.where(flat > 0, flat - shifts[owners], -1)
            return self._add_wire(key, tuple(self._names[i] for i in held), value.shape, index)
        return self._wires[key]

    def _add_wire(self, key: bytes, sources: tuple[str, ...], shape: Sequence[int], index: np.ndarray) -> str:
        name = f"wire_{len(self.nodes)}"
        self.nodes[name] = Node(name, "wire", sources, without_batch(shape), {"index": index}, {}, self.place)
        self._names.append(name)
        self._starts.append(self._starts[-1] + len(index))
        self._wires[key] = name
        return name

    def finished(self, output: Value) -> Graph:
        """Return the graph whose answer is a value."""
        name = self.node_of(output)
        node, shape = self.nodes[name], without_batch(output.shape)
        if node.shape != shape:  # reshaping is nothing, so the node may have another shape by its author
            if node.op == "input":
                name = self._add_wire(b"answer", (name,), output.shape, np.arange(node.n))
            else:
                self.nodes[name] = replace(node, shape=shape)
        return Graph(dict(self.nodes), name)


def without_batch(shape: Sequence[int]) -> tuple[int, ...]:
    """Return a shape without its first axis of size one: the batch's, wherever the author has moved it.

    Examples
    --------
    >>> without_batch((1, 3, 8)), without_batch((49, 1, 8))
    ((3, 8), (49, 8))
    """
    sizes = tuple(int(size) for size in shape)
    batch = next((axis for axis, size in enumerate(sizes) if size == 1), None)
    return sizes if batch is None else sizes[:batch] + sizes[batch + 1 :]
