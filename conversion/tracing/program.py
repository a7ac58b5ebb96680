"""From a torch module to a program of operators, by torch.export: its own tracer, with a batch of one."""

from __future__ import annotations

import operator as python
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from ...neurons.errors import ConversionError
from ..graph import Graph
from .aten import BY_SHAPE, HANDLERS, PROBED, WIRES
from .draft import Value
from .reader import Reader


def graph_of_module(module: Any, sample: Any, allow_dense: bool) -> Graph:
    """Return what a torch module computes for one sample, a tensor with a batch of one."""
    import torch

    program = _exported(module, sample)
    reader = Reader(allow_dense)
    signature = program.graph_signature
    held = {**program.state_dict, **program.constants}
    targets = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    targets |= signature.inputs_to_lifted_tensor_constants
    values: dict[str, Any] = {}
    with torch.no_grad():
        for node in program.graph.nodes:
            if node.op == "placeholder":
                constant = held.get(targets.get(node.name, ""))
                values[node.name] = _input(reader, sample) if node.name in signature.user_inputs else constant
            elif node.op == "call_function":
                values[node.name] = _called(reader, node, values)
    return reader.finished(_answer(signature, values))


def _input(reader: Reader, sample: Any) -> Value:
    reader.draft.place = "input"
    return reader.draft.add("input", [], tuple(sample.shape))


def _called(reader: Reader, node: Any, values: dict[str, Any]) -> Any:
    from torch.fx.node import map_arg

    args, kwargs = (map_arg(given, lambda one: values[one.name]) for given in (node.args, node.kwargs))
    if node.target is python.getitem:
        return args[0][args[1]]
    if not hasattr(node.target, "_schema"):
        raise ConversionError(
            f"model: {place_of(node)}: {node.target} is no operator of torch but control flow; only what is "
            "the same for every sample can be converted"
        )
    return reader.call(node.target, args, kwargs, node.meta.get("val"), place_of(node))


def _answer(signature: Any, values: dict[str, Any]) -> Value:
    names = signature.user_outputs
    answer = values.get(names[0]) if len(names) == 1 else None
    if len(names) != 1:
        raise ConversionError(
            f"model: it returns {len(names)} tensors; allowed is one. Wrap it in a module that "
            "returns the one"
        )
    if not isinstance(answer, Value):
        raise ConversionError("model: its answer does not depend on its input")
    return answer


def place_of(node: Any) -> str:
    """Return where an operator stands in the module tree, and of what kind its module is."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return "model"
    path, kind = stack[-1]
    kind = kind if isinstance(kind, str) else kind.__name__
    kind = kind.rsplit(".", 1)[-1]
    return f"{path} ({kind})" if path else kind


def _exported(module: Any, sample: Any) -> Any:
    """Return the module as a program of the operators that we know, as far as torch can, none in place."""
    import torch

    try:
        with _plain_attention(), torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(module, (sample,), strict=False)
            return program.run_decompositions(_decompositions())
    except ConversionError:
        raise
    except Exception as error:  # whatever the module, or torch's tracer, raises
        first = next((line for line in str(error).splitlines() if line.strip()), "")
        kind = type(error).__name__
        if "data-dependent" in str(error).lower() or "DataDependent" in kind or "UserError" in kind:
            raise ConversionError(
                f"model: what it does depends on the values of its input ({first}); only modules that do the "
                "same for every sample can be converted, so replace `if` and loops over values"
            ) from error
        raise ConversionError(
            f"model: it cannot be run on one sample of shape {tuple(sample.shape[1:])} and type "
            f"{str(sample.dtype).removeprefix('torch.')}: {kind}: {first}"
        ) from error


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Keep torch from its fused transformer layers, which are one opaque operator."""
    import torch

    was = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was)


@cache
def _decompositions() -> dict[Any, Any]:
    """Return how torch takes apart all operators but those that we know."""
    import torch

    known = {*HANDLERS, *WIRES, *PROBED, *BY_SHAPE}
    table = torch.export.default_decompositions()
    return {operator: table[operator] for operator in table if operator._opname not in known}
