"""The one entry: a torch module, a file, or a list of layers, as a graph."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.arguments import check_path
from ..neurons.errors import ConversionError, MissingExtra
from .graphs.forward import forward
from .graphs.graph import Graph
from .graphs.simplify import simplify
from .torch_bridge import is_torch_module

#: How far the graph may be from the original on the sample, relative to its largest answer.
TOLERANCE = 1e-4


def graph_of(model: Any, sample: Any, *, allow_dense: bool = False) -> Graph:
    """Return what a trained network computes, as operations on one sample.

    Parameters
    ----------
    model : torch.nn.Module, or path of a .pt2 or .onnx file
        The network, in evaluation; what `torch.export.save` wrote; or an ONNX file. Files are made for a
        batch of one or of any size. Nothing in a file is executed.
    sample : array or tensor (batch, ...)
        A few typical inputs, float32; whole numbers where an embedding looks them up.
    allow_dense : bool
        Whether operations that have no counterpart are left to torch, or to onnx's implementation.

    Returns
    -------
    Graph
        Simplified. It equals the model on the sample, which is checked.

    Raises
    ------
    ConversionError
        If the model is in training, holds NaN, does what depends on the values of its input, treats
        the samples of a batch together, or is made of operations that have no counterpart: all are named.
    FormatError
        If a file is not what it claims to be, is damaged, or would have to be unpickled.
    MissingExtra
        If torch is not installed, or onnx for an ONNX file.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU()).eval()
    >>> [node.op for node in graph_of(model, torch.eye(3)).nodes.values()]
    ['input', 'linear', 'map']
    """
    path = check_path("model", model) if isinstance(model, (str, os.PathLike)) else None
    batch = batch_of(sample)
    if path is not None and path.suffix.lower() == ".onnx":
        return _graph_of_onnx(path, batch, allow_dense)
    return _graph_of_torch(model if path is None else path, batch, allow_dense)


def _graph_of_onnx(path: Path, batch: np.ndarray, allow_dense: bool) -> Graph:
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise MissingExtra("onnx", "onnx", "Converting an ONNX file") from None
    from .tracing.onnx.program import graph_of_file

    graph, original = graph_of_file(path, batch, allow_dense)
    graph = simplify(graph)
    compare(graph, batch, original)
    return graph


def _graph_of_torch(model: Any, batch: np.ndarray, allow_dense: bool) -> Graph:
    try:
        import torch
    except ImportError:
        raise MissingExtra("torch", "torch", "Converting a torch module") from None
    from .tracing.program import graph_of_module

    made_for: int | None = None
    if isinstance(model, Path):
        model, made_for = _read(model)
    if not is_torch_module(model) or isinstance(model, torch.jit.ScriptModule):
        raise ConversionError(
            f"model: got {type(model).__name__}; allowed is a torch.nn.Module as its author wrote it, or the "
            "path of a .pt2 file (torch.export.save) or .onnx file"
        )
    _check_module(model)
    first = torch.tensor(batch[:1])
    _check_answer(torch, model, first)
    if made_for is None and len(batch) > 1:
        _check_answer(torch, model, torch.tensor(batch[:2]), "two")
    graph = simplify(graph_of_module(model, first, allow_dense))

    def original(x: np.ndarray) -> np.ndarray:
        given = torch.tensor(x)
        rows = [model(given)] if made_for is None else [model(given[i : i + 1]) for i in range(len(x))]
        return np.asarray(torch.cat(rows).numpy())

    with torch.no_grad():
        compare(graph, batch, original)
    return graph


def _read(path: Path) -> tuple[Any, int | None]:
    """Return the program of a file as a module, and the batch that it is made for, None for any."""
    from .tracing.archive import module_of_file

    module, made_for = module_of_file(path)
    if made_for not in (None, 1):
        raise ConversionError(
            f"{path}: made for a batch of exactly {made_for}; export it with one sample, or with "
            'dynamic_shapes=({0: torch.export.Dim("batch")},)'
        )
    return module, made_for


def _check_module(model: Any) -> None:
    """Refuse modules that are no fixed function of single precision."""
    training = [name or type(model).__name__ for name, part in model.named_modules() if part.training]
    if training:
        raise ConversionError(f"model: {_few(training)} in training; call model.eval() first")
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if type(tensor).__name__.startswith("Uninitialized"):
            raise ConversionError(f"model.{name}: it has no shape yet; call the model once on an input")
        kind = str(tensor.dtype).removeprefix("torch.")
        if tensor.is_floating_point() and kind != "float32":
            raise ConversionError(
                f"model.{name}: its numbers are {kind}; allowed is float32, by model.float()"
            )
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()) and _is_parameter(model, name):
            raise ConversionError(
                f"model.{name}: it holds NaN or infinity; only finite weights can be converted"
            )


def _check_answer(torch: Any, model: Any, given: Any, many: str = "one") -> None:
    """Refuse modules that do not run on the sample, or answer by something else than one tensor."""
    kind = str(given.dtype).removeprefix("torch.")
    try:
        with torch.no_grad():
            answer = model(given)
    except Exception as error:  # whatever the module raises
        first = next((line for line in str(error).splitlines() if line.strip()), "")
        raise ConversionError(
            f"sample: the model cannot be run on {many} of shape {tuple(given.shape[1:])} and type {kind}: "
            f"{type(error).__name__}: {first[:200]}"
        ) from error
    if not torch.is_tensor(answer):
        raise ConversionError(
            f"model: it returns a {type(answer).__name__}; allowed is one tensor. Wrap it in a "
            "module that returns it"
        )


def _is_parameter(model: Any, name: str) -> bool:
    """Return whether it is trained: buffers may be masks of minus infinity."""
    return any(name == parameter for parameter, _ in model.named_parameters())


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{shown} is" if len(names) == 1 else f"{shown} are"


def batch_of(sample: Any) -> np.ndarray:
    """Return the sample as an array of float32 or whole numbers, or raise ConversionError."""
    try:
        # NumPy takes double by itself; a tensor has the precision that its author chose.
        given = sample.detach().cpu().numpy() if hasattr(sample, "detach") else _array(sample)
    except (TypeError, ValueError, RuntimeError):
        raise ConversionError(
            f"sample: got {type(sample).__name__}; allowed is one array (batch, ...)"
        ) from None
    if given.dtype.kind not in "biuf":
        raise ConversionError(f"sample: got {type(sample).__name__}; allowed is one array (batch, ...)")
    if given.ndim < 2 or not given.size:
        raise ConversionError(f"sample: got shape {given.shape}; allowed is (batch, ...), not empty")
    if str(given.dtype) not in ("float32", "int64", "int32"):
        raise ConversionError(
            f"sample: its numbers are {given.dtype}; allowed is float32, or int64 for embeddings. "
            "Convert it first"
        )
    if not np.isfinite(given).all():
        raise ConversionError("sample: it holds NaN or infinity; only finite inputs are allowed")
    if len(given) > 1 and (given == given[:1]).all():
        raise ConversionError("sample: all inputs are the same; give typical ones, which differ")
    return np.asarray(given)


def _array(sample: Any) -> np.ndarray:
    """Return an array, in single precision where NumPy took double by itself."""
    array = np.asarray(sample)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def compare(graph: Graph, batch: np.ndarray, original: Callable[[np.ndarray], np.ndarray]) -> None:
    """Raise ConversionError where the graph is not the original, alone or in a batch."""
    batch = batch[:8]
    together, again, ours = original(batch), original(batch), forward(graph, batch)
    if not np.isfinite(together).all():
        raise ConversionError(
            "model: some of its answers to the sample are NaN or infinite; only finite ones can be told"
        )
    if together.shape != again.shape or np.abs(together - again).max() > TOLERANCE * np.abs(together).max():
        raise ConversionError(
            "model: it answers otherwise when it is called again; only a fixed function of the input can be "
            "converted, without random numbers or memory"
        )
    scale = TOLERANCE * max(1e-6, float(np.abs(together).max()))
    if together.shape == ours.shape and np.all(np.abs(together - ours) <= scale):
        return
    alone = np.concatenate([original(batch[i : i + 1]) for i in range(len(batch))])
    if alone.shape == ours.shape and np.all(np.abs(alone - ours) <= scale):
        raise ConversionError(
            "model: its answer for one sample depends on the others of the batch; only models that treat "
            "samples apart can be converted"
        )
    where = f"{float(np.abs(alone - ours).max()):.3g}" if alone.shape == ours.shape else "by its shape"
    raise ConversionError(
        f"model: its answers differ from those of its operations ({where}), so it is no fixed function of "
        "its input: does it draw random numbers, or keep state from call to call?"
    )
