"""From a torch module to a program of operators, by torch.export: its own tracer, with a batch of one."""

from __future__ import annotations

import io
import logging
import operator as python
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

from ...neurons.errors import ConversionError
from ..graphs.graph import Graph
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
    made = reader.draft.add("input", [], tuple(sample.shape))
    reader.dtypes[reader.draft.node_of(made)] = str(sample.dtype).removeprefix("torch.")
    return made


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
        with _plain_attention(), _silence(), torch.enable_grad():
            program = torch.export.export(module, (sample,), strict=False)
            program = program.run_decompositions(_decompositions())
    except Exception as error:  # whatever torch's tracer raises
        raise ConversionError(
            "model: it cannot be traced: what it does depends on the values of its input, or leaves "
            f"torch{_line_of(error)}; only what is the same for every sample can be converted, so replace "
            f"`if` and loops over values, and calls of other libraries ({_first_line(error)})"
        ) from error
    changed = program.graph_signature.buffers_to_mutate
    if changed:
        raise ConversionError(
            f"model.{min(changed.values())}: it changes whenever the model is called; only models without "
            "memory can be converted"
        )
    return program


def _first_line(error: Exception) -> str:
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first[:160]}"


def _line_of(error: Exception) -> str:
    """Return the line of the author's code at which an error came up."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename)]
    return f", at {frames[-1].filename}:{frames[-1].lineno} (`{str(frames[-1].line)[:80]}`)" if frames else ""


def _is_own(filename: str) -> bool:
    import torch

    ours, theirs = Path(__file__).parents[1], Path(torch.__file__).parent
    return Path(filename).is_file() and not any(Path(filename).is_relative_to(one) for one in (ours, theirs))


@contextmanager
def _silence() -> Iterator[None]:
    """Keep torch from reporting to the terminal what becomes an error of ours."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


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
