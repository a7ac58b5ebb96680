"""Converted networks in files: circuits and graphs as plain data, checked when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ...engine.archive import field as header_field
from ...engine.archive import read_archive, write_archive
from ...neurons.errors import ConversionError, FormatError
from ..circuits.circuit import Cell, Circuit, Code, Rows, Term
from ..graphs.graph import Graph, Node
from ..tracing.dense import Dense, Kind, Slot
from ..tracing.onnx.dense import DenseNode
from .converted import Converted

#: What a file may hold besides numbers, texts, lists and tables.
KINDS: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (Cell, Circuit, Code, Dense, DenseNode, Graph, Kind, Node, Rows, Slot, Term)
}
KIND = "rheobase converted network"
_KIND, _ARRAY = "class", "array"
_SETTINGS: Mapping[str, type] = {
    "law": str, "events": str, "schedule": str, "spikes_in": bool, "errors": dict, "dt": float
}  # fmt: skip

T = TypeVar("T", Circuit, Graph)


def write(converted: Converted, path: str | Path) -> None:
    """Write a converted network to a file: see `Converted.save`."""
    arrays: dict[str, np.ndarray] = {}
    graph, circuit = pack(converted.graph, arrays), pack(converted.circuit, arrays)
    settings = {name: getattr(converted, name) for name in _SETTINGS}
    write_archive(path, KIND, {"graph": graph, "circuit": circuit, **settings}, arrays)


def read(path: str | Path) -> Converted:
    """Read what `write` wrote, and run it once: see `Converted.load`."""
    content, arrays = read_archive(path, KIND)
    circuit = unpack(path, Circuit, content.get("circuit"), arrays)
    check_circuit(path, circuit)
    graph = unpack(path, Graph, content.get("graph"), arrays)
    settings = {name: header_field(path, content, name, kind) for name, kind in _SETTINGS.items()}
    try:
        found = Converted(graph, circuit, **settings)
        nothing = np.zeros((1, *found.input_shape))
        found.run(nothing, steps=1, backend="reference")
        found.original(nothing)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise FormatError(f"{path}: its network does not run ({str(error)[:200]})") from None
    return found


def pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Return a value as plain data; arrays go to `arrays`, under names of their own.

    Raises
    ------
    ConversionError
        If it holds what no file can.

    Examples
    --------
    >>> arrays: dict[str, np.ndarray] = {}
    >>> pack(Code(np.ones(2), 0, 15), arrays)
    {'class': 'Code', 'theta': {'array': '0'}, 'low': 0, 'high': 15, 'rest': None}
    """
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = value
        return {_ARRAY: name}
    if type(value).__name__ in KINDS:
        named = {field.name: pack(getattr(value, field.name), arrays) for field in fields(value)}
        return {_KIND: type(value).__name__, **named}
    if isinstance(value, Mapping):
        return {"table": [[pack(key, arrays), pack(entry, arrays)] for key, entry in value.items()]}
    if isinstance(value, (tuple, list)):
        return [pack(entry, arrays) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ConversionError(f"save: got {value!r}; allowed are numbers, texts and arrays")


def unpack(path: object, kind: type[T], data: Any, arrays: Mapping[str, np.ndarray]) -> T:
    """Return what `pack` made plain, as a circuit or a graph, or raise FormatError."""
    try:
        value = _unpacked(data, arrays)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise FormatError(f"{path}: does not describe a {kind.__name__} ({str(error)[:200]})") from None
    if not isinstance(value, kind):
        raise FormatError(f"{path}: got {type(value).__name__} where a {kind.__name__} should be")
    return value


def _unpacked(data: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(data, list):
        return tuple(_unpacked(entry, arrays) for entry in data)
    if not isinstance(data, dict):
        return data
    if _KIND in data:
        kind = KINDS[data[_KIND]]
        return kind(**{key: _unpacked(entry, arrays) for key, entry in data.items() if key != _KIND})
    if _ARRAY in data:
        return arrays[data[_ARRAY]]
    return {_unpacked(key, arrays): _unpacked(entry, arrays) for key, entry in data["table"]}


def check_circuit(path: object, circuit: Circuit) -> None:
    """Raise FormatError unless every cell of a circuit that was read is what it claims to be.

    What its terms and operators need is checked where they are built.
    """
    if not circuit.cells or not all(isinstance(cell, Cell) for cell in circuit.cells.values()):
        raise FormatError(f"{path}: its circuit holds no cells, or what is none")
    for name, cell in circuit.cells.items():
        whole = isinstance(cell.shape, tuple) and all(type(size) is int and size > 0 for size in cell.shape)
        if name != cell.name or not whole:
            raise FormatError(f"{path}: cell {name!r} has the shape {str(cell.shape)[:60]}")
        held: Any = cell.bias if cell.code is None else getattr(cell.code, "theta", None)
        if cell.rows is None and np.shape(held) != (cell.n,):
            raise FormatError(f"{path}: cell {name!r} claims {cell.n} neurons, which its arrays do not have")
        if not all(isinstance(term, Term) and term.source in circuit.cells for term in cell.terms):
            raise FormatError(f"{path}: cell {name!r} hears what is no cell")
