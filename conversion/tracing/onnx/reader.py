"""From the nodes of an ONNX graph to a graph of ours, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np
import onnx

from ....neurons.errors import FormatError
from ...graphs.graph import Graph
from ..compose import Unsupported, probed
from ..dense import Slot
from ..draft import Draft, Value
from ..refusals import MOVES_BY_VALUE, Refusal, advice, check_refusals, depends
from .dense import DenseNode
from .node import Broken, Call, Tensor
from .operators import ADVICE, BRANCHES, BY_SHAPE, EARLIER, HANDLERS, RANDOM, RESIZES, WHOLE, WIRES

#: How deeply functions of the standard may be made of others.
_DEPTH = 8
#: Values are of single precision, or whole numbers that look something up.
_FLOAT, _INTEGERS = onnx.TensorProto.FLOAT, (onnx.TensorProto.INT64, onnx.TensorProto.INT32)
_KINDS = (_FLOAT, *_INTEGERS)
#: What goes wrong in an operator whose inputs are not what the standard says.
_BROKEN = (Broken, ValueError, TypeError, IndexError, KeyError, AttributeError, ArithmeticError, MemoryError)


@dataclass(eq=False)
class Reader:
    """Carries the values of a graph.

    Attributes
    ----------
    path : str
        Of the file, for messages.
    allow_dense : bool
        Whether what has no counterpart is left to onnx's own implementation.
    draft : Draft
        The graph in the making.
    refusals : list of Refusal
        What has none.
    """

    path: str
    allow_dense: bool
    draft: Draft = field(default_factory=Draft)
    refusals: list[Refusal] = field(default_factory=list)

    def read(self, nodes: Sequence[onnx.NodeProto], values: dict[str, Tensor], opset: int) -> None:
        """Add to the values by name what nodes make of them."""
        for node in nodes:
            place = place_of(node)
            self.draft.place = place
            try:
                made = self._made(Call(node, _given(node, values), opset), place)
            except _BROKEN as error:
                self._stop_if_refused()
                raise FormatError(
                    f"{self.path}: {place}: {node.op_type[:80]} cannot be computed for this sample: {error}"
                ) from None
            values.update({name: one for name, one in zip(node.output, made, strict=False) if name})

    def finished(self, output: Value) -> Graph:
        """Return the graph, or raise ConversionError that names everything that has no counterpart."""
        self._stop_if_refused()
        return self.draft.finished(output)

    def _stop_if_refused(self) -> None:
        check_refusals(self.refusals, "onnx's reference implementation")

    def _made(self, call: Call, place: str) -> list[Tensor]:
        name = call.node.op_type
        try:
            if name in BRANCHES or _is_random(call):
                raise Unsupported(advice(name, ADVICE))
            return self._converted(call)
        except Unsupported as refusal:
            # What a refused operator has made of another type is at fault nowhere else.
            told = name not in BRANCHES and any(one.kind not in _KINDS for one in call.given if _varies(one))
            if not told and not (self.allow_dense and self._can_be_left(call)):
                self.refusals.append(Refusal(name, place, str(refusal)))
            return self._dense(call)

    def _can_be_left(self, call: Call) -> bool:
        """Return whether an operator can be left to onnx's own implementation."""
        if call.node.op_type in BRANCHES or _is_random(call):
            return False
        return all(one is not None and one[0] == _FLOAT for one in call.types)

    def _converted(self, call: Call, depth: int = 0) -> list[Tensor]:
        """Return the results of a node, or raise Unsupported."""
        call.check_sizes()
        if not depends(call.inputs):
            return [Tensor.of(one) for one in call.run(call.inputs)]
        name, inputs = call.node.op_type, call.inputs
        if name in BY_SHAPE:
            shape = np.broadcast_to(np.float32(0), _shape(inputs[0]))
            return [Tensor.of(one) for one in call.run([shape, *inputs[1:]])]
        if name in ("Cast", "CastLike"):
            return [_cast(call)]
        whole = any(one.kind in _INTEGERS for one in call.given if _varies(one))
        if whole and name not in {*WIRES, *WHOLE}:
            raise Unsupported("it computes with whole numbers of the sample; convert them to float32 first")
        if name in RESIZES:
            return self._labelled(call, [self._resized(call)])
        if name in WIRES:
            return self._labelled(call, self._rearranged(call, WIRES[name]))
        before, earlier = EARLIER.get(name, (0, None))
        handler = earlier if earlier and call.opset < before else HANDLERS.get(name)
        if handler is None:
            return self._taken_apart(call, depth)
        made = handler(self.draft, *inputs, **call.attributes)
        return self._labelled(call, list(made) if isinstance(made, tuple) else [made])

    def _labelled(self, call: Call, made: list[Any]) -> list[Tensor]:
        """Return results with their types, as the standard has them or as what they were made of."""
        kind = next(one.kind for one in call.given if _varies(one))
        results = []
        for i, one in enumerate(made):
            known = call.types[i] if i < len(call.types) else None
            if known is not None and isinstance(one, Value) and one.shape != known[1]:
                raise Broken(f"it makes an array of shape {one.shape}, not {known[1]}")
            varies = isinstance(one, Value)
            results.append(Tensor(one, known[0] if known else kind) if varies else Tensor.of(one))
        return results

    def _rearranged(self, call: Call, moved: Sequence[int] | None) -> list[Any]:
        """Carry out on addresses what the operator does to values."""
        inputs = call.inputs
        moved = range(len(inputs)) if moved is None else moved
        if depends(one for i, one in enumerate(inputs) if i not in moved):
            raise Unsupported(MOVES_BY_VALUE)
        if call.attributes.get("reduction", "none") != "none" or call.attributes.get("value"):
            raise Unsupported("it computes with what it moves")
        given = [self._addresses(one) if i in moved else one for i, one in enumerate(inputs)]
        return [None if one is None else Value(np.rint(one).astype(np.int64)) for one in call.run(given)]

    def _addresses(self, x: Any) -> np.ndarray | None:
        """Return where each number of a value or of a constant stands."""
        if x is None:
            return None
        return np.ascontiguousarray((x if isinstance(x, Value) else self.draft.constant(x)).places)

    def _resized(self, call: Call) -> Any:
        """Return an image at another size: nearest pixels are moved, others mixed, channel by channel."""
        if call.attributes["mode"] == "nearest":
            return self._rearranged(call, (0,))[0]
        x = call.inputs[0]
        if not isinstance(x, Value) or call.types[0] is None or call.types[0][1][:2] != x.shape[:2]:
            raise Unsupported("only the height and width of images can be changed, by a fixed factor")

        def resized(array: np.ndarray) -> np.ndarray:
            rest: list[Any] = [one.copy() if isinstance(one, np.ndarray) else one for one in call.inputs[1:]]
            if len(rest) == 3 and rest[2] is not None and len(rest[2]) == array.ndim:
                rest[2][:2] = 1  # sizes, of one channel of one image
            rows = [call.run([row[None], *rest])[0] for row in array]
            return np.concatenate(rows)

        return probed(self.draft, x, len(x.shape) - 2, resized)

    def _taken_apart(self, call: Call, depth: int) -> list[Tensor]:
        """Return the results of an operator that the standard makes of others."""
        name = call.node.op_type
        function = call.function() if depth < _DEPTH else None
        if function is None:
            raise Unsupported(advice(name, ADVICE))
        opset = next((one.version for one in function.opset_import if not one.domain), call.opset)
        values = {name: one for name, one in zip(function.input, call.given, strict=False) if one}
        for node in function.node:
            inner = _with_attributes(node, call)
            try:
                made = self._converted(Call(inner, _given(inner, values), opset), depth + 1)
            except Unsupported as refusal:
                raise Unsupported(f"its {node.op_type}: {refusal}") from None
            values.update({name: one for name, one in zip(node.output, made, strict=False) if name})
        return [values[name] for name, _ in zip(function.output, call.node.output, strict=False)]

    def _dense(self, call: Call) -> list[Tensor]:
        """Leave an operator to onnx's own implementation."""
        inputs = [one for one in call.inputs if isinstance(one, Value)]
        if not inputs or any(one is None for one in call.types):
            self._stop_if_refused()
        node, args = np.frombuffer(call.node.SerializeToString(), np.uint8), _slots(call)
        return [
            Tensor(self.draft.add("dense", inputs, one[1], call=DenseNode(node, call.opset, args, i)), one[0])
            for i, one in enumerate(call.types)
            if one is not None
        ]


def place_of(node: onnx.NodeProto) -> str:
    """Return where a node stands: its name, or that of its first result, and its operator."""
    name = node.name or (node.output[0] if node.output else "?")
    return f"{name[:120]} ({node.op_type[:80]})"


def _given(node: onnx.NodeProto, values: Mapping[str, Tensor]) -> tuple[Tensor | None, ...]:
    """Return what a node reads, None for what it leaves out."""
    for name in node.input:
        if name and name not in values:
            raise Broken(f"it reads {name[:80]!r}, which nothing makes")
    return tuple(values[name] if name else None for name in node.input)


def _varies(one: Tensor | None) -> TypeGuard[Tensor]:
    """Return whether an input depends on the sample."""
    return one is not None and isinstance(one.held, Value)


def _is_random(call: Call) -> bool:
    """Return whether a node draws numbers: they are no constants."""
    if call.node.op_type == "Dropout" and len(call.inputs) > 2 and call.inputs[2] is not None:
        return not isinstance(call.inputs[2], np.ndarray) or bool(call.inputs[2])
    return call.node.op_type in RANDOM


def _cast(call: Call) -> Tensor:
    """Return values of another type, where that changes none of them."""
    given, target = call.given[0], call.types[0]
    if given is None or target is None:
        raise Broken("its type is not known")
    if not isinstance(given.held, Value):
        return Tensor.of(given.held.astype(onnx.helper.tensor_dtype_to_np_dtype(target[0])))
    same = target[0] == given.kind or {target[0], given.kind}.issubset(_INTEGERS)
    if not same and (target[0] != _FLOAT or given.kind not in _INTEGERS):
        name = onnx.TensorProto.DataType.Name(target[0]).lower()
        raise Unsupported(f"it turns values into {name}; only float32 can be converted: leave it out")
    return Tensor(given.held, target[0])


def _shape(x: Any) -> tuple[int, ...]:
    return tuple(x.shape)


def _with_attributes(node: onnx.NodeProto, call: Call) -> onnx.NodeProto:
    """Return a node of a function with the settings that it takes from the function's call."""
    if not any(one.ref_attr_name for one in node.attribute):
        return node
    made = onnx.NodeProto()
    made.CopyFrom(node)
    del made.attribute[:]
    for one in node.attribute:
        if not one.ref_attr_name:
            made.attribute.append(one)
        elif call.attributes.get(one.ref_attr_name) is not None:
            made.attribute.append(onnx.helper.make_attribute(one.name, call.attributes[one.ref_attr_name]))
    return made


def _slots(call: Call) -> tuple[Any, ...]:
    """Return what a node reads, with `Slot`s for what depends on the sample."""
    made: list[Any] = []
    for one in call.given:
        if _varies(one):
            dtype = onnx.helper.tensor_dtype_to_np_dtype(one.kind).name
            index = sum(isinstance(other, Slot) for other in made)
            made.append(Slot(index, one.held.shape, dtype))
        else:
            made.append(None if one is None else one.held)
    return tuple(made)
