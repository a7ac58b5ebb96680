"""One node of an ONNX graph, and what the package onnx says of it: its schema, its sizes, its values."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from ..draft import Value
from ..refusals import depends
from .amended import amended

#: Domains of the standard's own operators.
STANDARD = ("", "ai.onnx")
#: Numbers that a constant may have, and a value of one sample: a file of a few bytes can ask for any number.
MOST, MOST_OF_SAMPLE = 2**26, 2**24
#: Constants of up to so many numbers may say what sizes something has.
_SIZES = 4096


class Broken(Exception):
    """A node cannot be what it claims to be; the message says why."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """What a name stands for.

    Attributes
    ----------
    held : Value or array
        The first where it depends on the sample.
    kind : int
        The type of its numbers, as `onnx.TensorProto` counts them.
    """

    held: Value | np.ndarray
    kind: int

    @classmethod
    def of(cls, array: Any) -> Tensor:
        """Return a constant."""
        array = np.asarray(array)
        return cls(array, helper.np_dtype_to_tensor_dtype(array.dtype))

    @property
    def type(self) -> onnx.TypeProto:
        """Type and shape, as onnx writes them."""
        return helper.make_tensor_type_proto(self.kind, self.held.shape)


@dataclass(frozen=True, eq=False)
class Call:
    """One node with what it reads.

    Attributes
    ----------
    node : onnx.NodeProto
        As the file has it.
    given : tuple of Tensor or None
        Its inputs, None for those left out.
    opset : int
        Which version of the operators it means.
    """

    node: onnx.NodeProto
    given: tuple[Tensor | None, ...]
    opset: int

    @property
    def inputs(self) -> list[Value | np.ndarray | None]:
        """What it reads."""
        return [None if one is None else one.held for one in self.given]

    @cached_property
    def schema(self) -> Any:
        """What the standard says of its operator."""
        try:
            return defs.get_schema(self.node.op_type, self.opset, "")
        except defs.SchemaError:
            raise Broken(f"opset {self.opset} has no operator {self.node.op_type[:80]!r}") from None

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Its settings, with the standard's where it is silent."""
        stated = [
            one.default_value for one in self.schema.attributes.values() if one.default_value.type
        ] + list(self.node.attribute)
        return {one.name: _text(helper.get_attribute_value(one)) for one in stated}

    @cached_property
    def types(self) -> list[tuple[int, tuple[int, ...]] | None]:
        """Type and shape of each result, None for what is no tensor of a known shape."""
        named = dict(zip(self.node.input, self.given, strict=True))
        types = {name: one.type for name, one in named.items() if one is not None}
        data = {
            name: numpy_helper.from_array(one.held, name)
            for name, one in named.items()
            if one is not None and isinstance(one.held, np.ndarray) and one.held.size <= _SIZES
        }
        imports = [helper.make_operatorsetid("", self.opset)]
        try:
            made = shape_inference.infer_node_outputs(
                self.schema, self.node, types, data, opset_imports=imports
            )
        except Exception as error:  # whatever the package raises
            raise Broken(_first_line(error)) from None
        return [_type_of(made[name]) if name in made else None for name in self.node.output]

    def check_sizes(self) -> None:
        """Raise Broken where a result would be larger than any network's, or nothing of the sample."""
        varies = depends(self.inputs)
        least, most = (1, MOST_OF_SAMPLE) if varies else (0, MOST)
        for one in self.types:
            if one is not None and not least <= math.prod(one[1]) <= most:
                raise Broken(f"it makes an array of shape {one[1]}; allowed are {least} to {most} numbers")

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """Return what onnx's own implementation makes of arrays, one for each result."""
        arrays = {name: one for name, one in zip(self.node.input, inputs, strict=True) if name}
        infos = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(one.dtype), one.shape)
            for name, one in arrays.items()
        ]
        names = [name for name in self.node.output if name]
        results = [helper.make_empty_tensor_value_info(name) for name in names]
        graph = helper.make_graph([self.node], "node", infos, results)
        model = helper.make_model(graph, opset_imports=[helper.make_operatorsetid("", self.opset)])
        made = dict(zip(names, evaluated(model, arrays), strict=True))
        return [made.get(name) for name in self.node.output]

    def function(self) -> onnx.FunctionProto | None:
        """Return how the standard takes the operator apart, None where it does not."""
        schema = self.schema
        known = [one for one in schema.function_opset_versions if one <= self.opset]
        if known:
            return onnx.FunctionProto.FromString(schema.get_function_with_opset_version(max(known)))
        known = [one for one in schema.context_dependent_function_opset_versions if one <= self.opset]
        if not known:
            return None
        types = [one.type.SerializeToString() if one else b"" for one in self.given]
        made = schema.get_context_dependent_function_with_opset_version(
            max(known), self.node.SerializeToString(), types
        )
        return onnx.FunctionProto.FromString(made) if made else None


def evaluated(model: onnx.ModelProto, arrays: Mapping[str, np.ndarray]) -> list[Any]:
    """Return what onnx's reference implementation makes of a model's inputs, or raise Broken."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opset = next(one.version for one in model.opset_import if one.domain in STANDARD)
            evaluator = ReferenceEvaluator(model, new_ops=[*amended(opset)])
            return list(evaluator.run(None, dict(arrays)))
    except Exception as error:  # whatever the package raises
        raise Broken(_first_line(error)) from None


def _text(setting: Any) -> Any:
    """Return a setting with bytes as text."""
    if isinstance(setting, list):
        return [_text(one) for one in setting]
    return setting.decode() if isinstance(setting, bytes) else setting


def _type_of(made: onnx.TypeProto) -> tuple[int, tuple[int, ...]] | None:
    tensor = made.tensor_type
    if not made.HasField("tensor_type") or not tensor.HasField("shape"):
        return None
    if any(not dim.HasField("dim_value") for dim in tensor.shape.dim):
        return None
    return tensor.elem_type, tuple(dim.dim_value for dim in tensor.shape.dim)


def _first_line(error: Exception) -> str:
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first[:200]}"
