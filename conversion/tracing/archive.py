"""What torch.export has saved, read without running anything that is in the file.

A .pt2 file is a ZIP archive: the program as JSON, weights as bytes. torch.export.load also unpickles what it
finds there and evaluates texts; here a program is a list of calls of known operators, and weights are
numbers or the file is refused.
"""

from __future__ import annotations

import json
import operator as python
import re
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ...engine.archive import zip_members
from ...neurons.errors import ConversionError, FormatError
from .admitted import operator_of

#: Calculations with sizes.
_SIZES: Mapping[str, Callable[..., Any]] = {
    f"_operator.{name}": getattr(python, name)
    for name in ("add", "sub", "mul", "floordiv", "mod", "neg", "eq", "ne", "lt", "le", "gt", "ge")
}
#: Torch's numbers of types, as schemas of programs write them.
_TYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    12: "bool", 13: "bfloat16",
}  # fmt: skip
_BROKEN = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError)


def module_of_file(path: Path) -> tuple[Any, int | None]:
    """Return the program of a .pt2 file as a module, and the batch that it is made for, None for any.

    Raises
    ------
    FormatError
        If it is no such file, is truncated or damaged, or would have to be unpickled.
    ConversionError
        If the program calls what is no operator of torch.
    """
    _check_kind(path)
    members = zip_members(path)
    top = next(iter(members), "").split("/")[0]
    try:
        program = _json(path, members, f"{top}/models/model.json")
        tensors = {
            name: tensor
            for kind in ("weights", "constants")
            for name, tensor in _tensors(path, members, f"{top}/data/{kind}", kind).items()
        }
        return _module(path, program["graph_module"], tensors)
    except (FormatError, ConversionError):
        raise
    except (*_BROKEN, RuntimeError) as error:
        raise FormatError(
            f"{path}: not a program of torch.export, or damaged ({type(error).__name__}: {str(error)[:120]})"
        ) from None


#: Members that only other programs of torch write.
_OTHERS = {"constants.pkl": "torch.jit.save", "data.pkl": "torch.save"}


def _check_kind(path: Path) -> None:
    """Refuse what torch writes by other means, which would have to be unpickled; the rest is seen later."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rsplit("/", 1)[-1] for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, EOFError):
        return
    for name, writer in _OTHERS.items():
        if name in names and "model.json" not in names:
            raise FormatError(
                f"{path}: written by {writer}, and loading it could run code; save the model by "
                "torch.export.save(torch.export.export(model, (sample,)), path)"
            )


def _json(path: Path, members: Mapping[str, bytes], name: str) -> Any:
    if name not in members:
        raise FormatError(
            f"{path}: a ZIP archive without {name.split('/', 1)[-1]!r}; allowed is what "
            "torch.export.save writes"
        )
    return json.loads(members[name].decode("utf-8"))


def _tensors(path: Path, members: Mapping[str, bytes], folder: str, kind: str) -> dict[str, Any]:
    """Return the tensors of one folder by name."""
    import torch

    made = {}
    config = _json(path, members, f"{folder}/model_{kind}_config.json")["config"]
    for name, entry in config.items():
        if entry["use_pickle"] is not False:
            raise FormatError(
                f"{path}: {str(name)[:80]} is pickled, and loading it could run code; export with plain, "
                "contiguous tensors in the memory of the processor"
            )
        meta, data = entry["tensor_meta"], members[f"{folder}/{entry['path_name']}"]
        sizes, strides = ([int(one["as_int"]) for one in meta[key]] for key in ("sizes", "strides"))
        dtype = getattr(torch, _TYPES[meta["dtype"]])
        flat = torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)
        # as_strided refuses what lies outside of the bytes that there are.
        made[name] = torch.as_strided(flat, sizes, strides, int(meta["storage_offset"]["as_int"])).clone()
    return made


def _module(path: Path, found: Mapping[str, Any], tensors: Mapping[str, Any]) -> tuple[Any, int | None]:
    """Return a module that calls a program's operators in their order."""
    graph, values, inputs = found["graph"], {}, []
    for spec in found["signature"]["input_specs"]:
        ((kind, entry),) = spec.items()
        if kind == "user_input":
            inputs.append(entry["arg"]["as_tensor"]["name"])
        elif kind in ("parameter", "buffer", "tensor_constant"):
            values[entry["arg"]["name"]] = tensors[entry[f"{kind}_name"]]
        else:
            raise ConversionError(f"{path}: its program takes a {kind}; allowed are tensors")
    outputs = [one["as_tensor"]["name"] for one in graph["outputs"]]
    if len(inputs) != 1 or len(outputs) != 1:
        raise ConversionError(
            f"{path}: its program takes {len(inputs)} tensors and returns {len(outputs)}; allowed is one each"
        )
    first = graph["tensor_values"][inputs[0]]["sizes"][0].get("as_int")
    replay = _replay(path, graph["nodes"])
    for name, tensor in values.items():
        replay.register_buffer(name, tensor)
    for node in graph["nodes"]:
        replay.steps.append(_step(path, replay, node))
    replay.ends = (inputs[0], outputs[0])
    return replay.eval(), None if first is None else int(first)


def _step(path: Path, replay: Any, node: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return one call: the module that stands for its place, the operator, its arguments and its results."""
    operator = _operator(path, node["target"])
    args = [entry["arg"] for entry in node["inputs"] if entry.get("kind", 1) != 2]
    kwargs = {entry["name"]: entry["arg"] for entry in node["inputs"] if entry.get("kind", 1) == 2}
    for argument in (*args, *kwargs.values()):
        _check_argument(path, node["target"], argument)
    results = [_results(output) for output in node["outputs"]]
    return _part(replay, _stack(node)), operator, args, kwargs, results


def _operator(path: Path, target: Any) -> Any:
    """Return the operator of a name, if it is one of those that only calculate."""
    if target in _SIZES:
        return _SIZES[target]
    operator = operator_of(str(target).removeprefix("torch.ops."))
    if operator is None or not str(target).startswith("torch.ops."):
        raise ConversionError(
            f"{path}: its program calls {str(target)[:80]!r}, which is no operator of torch that "
            "only calculates"
        )
    return operator


def _check_argument(path: Path, target: str, argument: Mapping[str, Any]) -> None:
    ((kind, _),) = argument.items()
    if kind not in _PLAIN and kind not in _NAMED:
        raise ConversionError(
            f"{path}: {target} takes a {kind.removeprefix('as_')}: control flow and objects cannot be "
            "converted"
        )


_PLAIN = ("as_none", "as_int", "as_ints", "as_float", "as_floats", "as_string", "as_bool", "as_bools",
          "as_scalar_type", "as_memory_format", "as_layout", "as_device")  # fmt: skip
_NAMED = ("as_tensor", "as_tensors", "as_optional_tensor", "as_optional_tensors", "as_sym_int", "as_sym_ints",
          "as_sym_bool")  # fmt: skip


def _given(argument: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """Return an argument as torch takes it."""
    import torch

    ((kind, entry),) = argument.items()
    if kind in ("as_none", "as_memory_format", "as_layout", "as_device"):
        return None  # layouts make no difference to values
    if kind == "as_scalar_type":
        return getattr(torch, _TYPES[entry])
    if kind in _PLAIN:
        return entry
    if kind in ("as_tensors", "as_optional_tensors", "as_sym_ints"):
        return [_named(one, values) for one in entry]
    return _named(entry, values)


def _named(entry: Any, values: Mapping[str, Any]) -> Any:
    """Return what an entry names, or the number that it is."""
    if "as_none" in entry:
        return None
    entry = entry.get("as_tensor", entry)
    name = entry.get("name", entry.get("as_name"))
    if name is not None:
        return values[name]
    return next(int(entry[key]) for key in ("as_int", "as_bool") if key in entry)


def _results(output: Mapping[str, Any]) -> Any:
    """Return the name of a result, or the names of a list of them."""
    ((kind, entry),) = output.items()
    return [one["name"] for one in entry] if kind == "as_tensors" else entry.get("name", entry.get("as_name"))


def _stack(node: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return path and class of each module around a call, as the file writes them: key,path,class;..."""
    text = str((node.get("metadata") or {}).get("nn_module_stack") or "")
    found = []
    for entry in text.split(";"):
        head, _, kind = entry.rpartition(",")
        where, kind = head.partition(",")[2], kind.rpartition(".")[2]
        if re.fullmatch(r"[\w.]*", where) and kind.isidentifier():
            found.append((where, kind))
    return found


def _replay(path: Path, nodes: Any) -> Any:
    """Return an empty program, of the class that was exported as far as its name goes."""
    stacks = [stack for node in nodes if (stack := _stack(node)) and not stack[0][0]]
    name = stacks[0][0][1] if stacks else "Program"
    return type(name, (_classes()[0],), {})()


def _part(replay: Any, stack: list[tuple[str, str]]) -> Any:
    """Return the module that stands for a place in the exported one: tracing tells places by modules."""
    where, kind = stack[-1] if stack else ("", "")
    part = replay
    for name in filter(None, where.split(".")):
        if name not in part._modules:
            part.add_module(name, type(kind, (_classes()[1],), {})())
        part = part._modules[name]
    return None if part is replay else part


@cache
def _classes() -> tuple[Any, Any]:
    """Return the classes of modules that call operators in their order, and of places in them."""
    import torch

    class Program(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps: list[Any] = []
            self.ends = ("", "")

        def forward(self, x: Any) -> Any:
            values = {**dict(self.named_buffers(recurse=False)), self.ends[0]: x}
            for part, operator, args, kwargs, results in self.steps:
                given = [_given(argument, values) for argument in args]
                named = {key: _given(argument, values) for key, argument in kwargs.items()}
                made = operator(*given, **named) if part is None else part(operator, given, named)
                for name, one in zip(results, [made] if len(results) == 1 else made, strict=True):
                    values.update(zip(name, one, strict=True) if isinstance(name, list) else [(name, one)])
            return values[self.ends[1]]

    class Place(torch.nn.Module):
        def forward(self, operator: Any, args: Any, kwargs: Any) -> Any:
            return operator(*args, **kwargs)

    return Program, Place
