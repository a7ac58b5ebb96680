"""From an ONNX file to a graph, for a batch of one, and to the original by which it is checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ....neurons.errors import ConversionError
from ...graphs.graph import Graph
from ..draft import Value
from .file import constants_of, model_of_file
from .node import Broken, Tensor, evaluated
from .reader import Reader

Original = Callable[[np.ndarray], np.ndarray]


def graph_of_file(path: Path, batch: np.ndarray, allow_dense: bool) -> tuple[Graph, Original]:
    """Return what an ONNX file computes for one sample, and what it computes by onnx's own implementation.

    Parameters
    ----------
    path : Path
        Of the file.
    batch : array (n, ...)
        Typical inputs, float32 or whole numbers.
    allow_dense : bool
        Whether what has no counterpart is left to onnx's own implementation.

    Raises
    ------
    FormatError
        If the file is none, damaged, or needs others.
    ConversionError
        If it takes other inputs, or is made of what has no counterpart: all is named.
    """
    model, opset = model_of_file(path)
    held = constants_of(model)
    entry = _entry(path, model, held)
    made_for = _check_entry(path, entry, batch)
    reader = Reader(str(path), allow_dense)
    reader.draft.place = "input"
    x = reader.draft.add("input", [], (1, *batch.shape[1:]))
    values = {name: Tensor.of(array) for name, array in held.items()}
    values[entry.name] = Tensor(x, entry.type.tensor_type.elem_type)
    reader.read(model.graph.node, values, opset)
    answer = values.get(model.graph.output[0].name)
    if answer is None or not isinstance(answer.held, Value):
        raise ConversionError(f"{path}: its answer does not depend on its input")
    return reader.finished(answer.held), _original(path, model, entry.name, made_for)


def _entry(path: Path, model: onnx.ModelProto, held: Any) -> onnx.ValueInfoProto:
    """Return the one input of a graph that answers by one tensor."""
    inputs = [one for one in model.graph.input if one.name not in held]
    for what, found in (("takes", inputs), ("returns", list(model.graph.output))):
        if len(found) != 1:
            names = ", ".join(one.name[:60] for one in found[:5]) or "none"
            raise ConversionError(
                f"{path}: it {what} {len(found)} tensors ({names}); allowed is one. Cut it out by "
                "onnx.utils.extract_model, or export a module that does"
            )
    return inputs[0]


def _check_entry(path: Path, entry: onnx.ValueInfoProto, batch: np.ndarray) -> bool:
    """Refuse a sample of another shape or type; return whether the model takes one sample at a time."""
    tensor = entry.type.tensor_type
    kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    if kind not in ("float", "int64", "int32"):
        raise ConversionError(
            f"{path}: its input {entry.name[:60]!r} is {kind}; allowed is float (float32), or int64 for "
            "embeddings: export it in single precision"
        )
    if (kind == "float") != (batch.dtype.kind == "f"):
        raise ConversionError(f"sample: its numbers are {batch.dtype}; the model takes {kind}")
    sizes = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]
    if not tensor.HasField("shape"):
        return False
    fits = len(sizes) == batch.ndim and all(
        size in (None, given) for size, given in zip(sizes[1:], batch.shape[1:], strict=True)
    )
    if not fits:
        shown = ", ".join("any" if size is None else str(size) for size in sizes)
        raise ConversionError(
            f"sample: the model takes ({shown}), got one of shape {batch.shape}; the first axis is the batch"
        )
    if sizes[0] not in (None, 1):
        raise ConversionError(
            f"{path}: made for a batch of exactly {sizes[0]}; export it with one sample, or with a first "
            "axis of any size (dynamic_axes or dynamic_shapes of torch.onnx.export)"
        )
    return sizes[0] == 1


def _original(path: Path, model: onnx.ModelProto, name: str, one_by_one: bool) -> Original:
    """Return a model as a function of a batch: all together, or one by one if it takes no more."""

    def run(x: np.ndarray) -> np.ndarray:
        return np.asarray(evaluated(model, {name: x})[0])

    def original(x: np.ndarray) -> np.ndarray:
        if not one_by_one and len(x) > 1:
            try:
                together = run(x)
            except Broken:
                together = None  # it has the batch of its export in a shape somewhere
            if together is not None and len(together) == len(x):
                return together
        try:
            return np.concatenate([run(x[i : i + 1]) for i in range(len(x))])
        except Broken as error:
            raise ConversionError(
                f"{path}: onnx's reference implementation cannot run it on the sample, so it cannot be "
                f"checked: {error}"
            ) from None

    return original
