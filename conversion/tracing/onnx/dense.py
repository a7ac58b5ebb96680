"""What has no counterpart, left to onnx's own implementation: a node as bytes, its inputs as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ....neurons.errors import ConversionError, MissingExtra
from ..dense import Slot


@dataclass(frozen=True, eq=False)
class DenseNode:
    """One operator of ONNX on batches of flat vectors, sample by sample.

    Attributes
    ----------
    node : uint8 array
        The node as ONNX files hold it.
    opset : int
        Which version of the operators it means.
    args : tuple
        What it reads: arrays, `Slot`s, and None for what it leaves out.
    part : int
        Which of its results.
    """

    node: np.ndarray
    opset: int
    args: tuple[Any, ...]
    part: int

    @property
    def name(self) -> str:
        """The operator."""
        return str(self._parsed.op_type)

    @cached_property
    def _parsed(self) -> Any:
        try:
            import onnx
        except ImportError:
            raise MissingExtra("onnx", "onnx", "An operator of ONNX, which was left dense,") from None
        node = onnx.NodeProto()
        try:
            node.ParseFromString(np.asarray(self.node, np.uint8).tobytes())
        except Exception as error:  # protobuf's own
            raise ConversionError(f"an operation that was left dense is no node of ONNX ({error})") from None
        # Tensors and graphs within could lead to other files and to control flow.
        plain = ("FLOAT", "INT", "STRING", "FLOATS", "INTS", "STRINGS")
        allowed = {onnx.AttributeProto.AttributeType.Value(kind) for kind in plain}
        if node.domain or any(one.type not in allowed for one in node.attribute):
            raise ConversionError(f"{node.op_type[:80]}, left dense: allowed are the standard's operators")
        return node

    def __call__(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Return float32 (batch, n) for each input as (batch, n), or raise ConversionError."""
        node = self._parsed
        from .node import Broken, Call, Tensor

        rows = []
        for vectors in zip(*inputs, strict=True):
            filled = [_filled(one, vectors) for one in self.args]
            given = tuple(None if one is None else Tensor.of(one) for one in filled)
            call = Call(node, given, self.opset)
            try:
                call.check_sizes()
                rows.append(np.asarray(call.run(filled)[self.part], np.float32).reshape(-1))
            except (Broken, ValueError, TypeError, IndexError) as error:
                raise ConversionError(f"{self.name}, left dense, cannot be computed: {error}") from None
        return np.stack(rows)


def _filled(value: Any, vectors: Sequence[np.ndarray]) -> Any:
    if not isinstance(value, Slot):
        return value
    return np.array(vectors[value.index], value.dtype).reshape(value.shape)
