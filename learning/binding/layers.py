"""Layers of a module that have one matrix of weights, and the rows of input that it multiplies."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from ...neurons.errors import SpecError, nearest
from .weighing import need_module

#: From x, what a layer was given, to the rows (N, n) that its weights are multiplied with.
Rows = Callable[[torch.Tensor], torch.Tensor]


class Layer:
    """A layer with weights (m, ...), each row of which is multiplied with rows of its input."""

    def __init__(self, name: str, module: torch.nn.Module, rows: Rows, n_axes: int) -> None:
        weight = module.weight
        assert isinstance(weight, torch.nn.Parameter)
        self.name, self.module, self.rows, self.weight, self._n_axes = name, module, rows, weight, n_axes

    def steps(self, x: torch.Tensor) -> torch.Tensor:
        """Return an input as steps (steps, batch, ...)."""
        return x if x.ndim > self._n_axes else x[None]

    def errors(self, error: torch.Tensor) -> torch.Tensor:
        """Return the errors at the outputs of a call as rows (N, m), in the order of `rows`."""
        m = len(self.weight)
        if self.weight.ndim == 2:
            return error.reshape(-1, m)
        pixels = error.shape[-2:].numel() if self._n_axes == 4 else error.shape[-1] // m
        return error.reshape(-1, m, pixels).transpose(1, 2).flatten(0, 1)


def layer_of(module: torch.nn.Module, name: str) -> Layer:
    """Return a layer by its name, or by the end of its path, or raise SpecError."""
    need_module(module)
    paths = {readable(path): part for path, part in module.named_modules() if path}
    ends = [name] if name in paths else [path for path in paths if path.endswith(f".{name}")]
    if len(ends) != 1:
        kinds = [path.removeprefix("projections.") for path, part in paths.items() if _rows_of(part)]
        near = nearest(name, kinds)
        raise SpecError(f"HLOP: {len(ends)} layers are called {name!r}; allowed are {kinds}{near}")
    part = paths[ends[0]]
    rows = _rows_of(part)
    if rows is None:
        raise SpecError(
            f"HLOP: {name} is {type(part).__name__}; allowed are dense and convolutional projections without "
            "groups, torch.nn.Linear, and torch.nn.Conv2d without groups and padded by zeros"
        )
    return Layer(name, part, rows, 4 if isinstance(part, torch.nn.Conv2d) else 2)


def _rows_of(part: torch.nn.Module) -> Rows | None:
    """Return what makes rows of a layer's input; None where there is no one matrix of weights."""
    if isinstance(part, torch.nn.Linear):
        return lambda x: x.reshape(-1, x.shape[-1])
    if isinstance(part, torch.nn.Conv2d):
        plain = part.groups == 1 and part.padding_mode == "zeros" and part.padding != "same"
        return _windows(part) if plain else None
    rows = getattr(part, "rows", None)
    return rows if callable(rows) and getattr(part, "groups", 1) == 1 else None


def _windows(part: torch.nn.Conv2d) -> Rows:
    padding = (0, 0) if isinstance(part.padding, str) else part.padding
    options = {"dilation": part.dilation, "padding": padding, "stride": part.stride}
    size = part.kernel_size

    def rows(x: torch.Tensor) -> torch.Tensor:
        windows = functional.unfold(x.reshape(-1, *x.shape[-3:]), size, **options)
        return windows.transpose(1, 2).flatten(0, 1)

    return rows


def readable(path: str) -> str:
    """Return a module's path with the dots that torch does not allow in its parts."""
    return path.replace("%2E", ".")


def key_of(name: str) -> str:
    """Return a name as torch allows it for a part of a module."""
    return name.replace(".", "%2E")
