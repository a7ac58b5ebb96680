"""What an ONNX file holds, read and checked: one graph of the standard's operators, and nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import checker, inliner, numpy_helper

from ....neurons.errors import ConversionError, FormatError
from .node import STANDARD

#: Opsets whose operators are read; before, broadcasting was a setting.
OLDEST = 7
#: So many nodes a graph may have once its functions are written out.
_MOST_NODES = 100_000


def model_of_file(path: Path) -> tuple[onnx.ModelProto, int]:
    """Return the model of a file, its own functions written out, and its opset.

    Raises
    ------
    FormatError
        If it is no ONNX file, is truncated or damaged, or keeps weights in other files.
    ConversionError
        If it is made of what is not the standard's, or holds NaN.
    """
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except OSError:
        raise
    except Exception as error:  # protobuf's own
        raise FormatError(f"{path}: no ONNX file, or truncated ({error})") from None
    if not model.graph.node:
        raise FormatError(f"{path}: no ONNX file, or truncated: it holds no operators")
    for place, tensor in _tensors(model):
        if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise FormatError(
                f"{path}: {place} is kept in another file, and no other is read; save all in one, by "
                "onnx.save(onnx.load(path), path)"
            )
    model = _written_out(path, model)
    try:
        checker.check_model(model)
    except Exception as error:  # whatever the package raises
        first = next((line for line in str(error).splitlines() if line.strip()), "")
        raise FormatError(f"{path}: not a valid ONNX model, or damaged ({first[:200]})") from None
    _check_operators(path, model)
    _check_numbers(path, model)
    return model, _opset(path, model)


def constants_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Return the initializers of a graph by name."""
    return {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}


def _tensors(message: Any) -> Iterator[tuple[str, onnx.TensorProto]]:
    """Return every tensor anywhere in a model, and what it is called."""
    stack = [("model", message)]
    while stack:
        place, one = stack.pop()
        for field, value in one.ListFields():
            if field.message_type is None:
                continue
            for inner in value if field.is_repeated else (value,):
                name = str(getattr(inner, "name", "") or place)[:120]
                if isinstance(inner, onnx.TensorProto):
                    yield name, inner
                else:
                    stack.append((name, inner))


def _written_out(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model without functions of its own."""
    if not model.functions:
        return model
    bodies = {(one.domain, one.name): one.node for one in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Any, inside: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type)
            if key in inside:
                raise FormatError(f"{path}: its function {node.op_type[:80]!r} calls itself")
            if key in bodies and key not in sizes:
                sizes[key] = size(bodies[key], (*inside, key))
            total = min(total + sizes.get(key, 1), _MOST_NODES + 1)
        return total

    if size(model.graph.node, ()) > _MOST_NODES:
        raise FormatError(f"{path}: its functions come to more than {_MOST_NODES} operators")
    try:
        return inliner.inline_local_functions(model)
    except Exception as error:  # whatever the package raises
        raise FormatError(f"{path}: its functions cannot be written out ({str(error)[:200]})") from None


def _check_operators(path: Path, model: onnx.ModelProto) -> None:
    """Refuse operators that are not the standard's: nobody says what they compute."""
    foreign = [node for node in model.graph.node if node.domain not in STANDARD]
    if foreign:
        named = dict.fromkeys(f"{node.domain}.{node.op_type}"[:120] for node in foreign)
        shown = ", ".join([*named][:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
        raise ConversionError(
            f"{path}: {len(foreign)} of its operators are not of the ONNX standard: {shown}; export it "
            "without the additions of a runtime, before it was optimised for one"
        )


def _check_numbers(path: Path, model: onnx.ModelProto) -> None:
    """Refuse weights that are no numbers."""
    if model.graph.sparse_initializer:
        raise ConversionError(f"{path}: it holds sparse initializers; save them as dense ones")
    for place, tensor in _tensors(model):
        try:
            array = numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError) as error:
            raise FormatError(f"{path}: {place} is not what it claims to be ({str(error)[:120]})") from None
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise ConversionError(f"{path}: {place} holds NaN; only finite weights can be converted")


def _opset(path: Path, model: onnx.ModelProto) -> int:
    found = [one.version for one in model.opset_import if one.domain in STANDARD]
    newest = onnx.defs.onnx_opset_version()
    if not found or not OLDEST <= max(found) <= newest:
        raise ConversionError(
            f"{path}: it is made for opset {max(found, default=0)}; allowed is {OLDEST} to {newest}, "
            "by onnx.version_converter or a newer package onnx"
        )
    return int(max(found))
