"""What has no counterpart, left to torch: an operator by its name, its arguments as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...neurons.errors import ConversionError, MissingExtra


@dataclass(frozen=True)
class Slot:
    """Stands for a tensor that depends on the sample.

    Attributes
    ----------
    index : int
        Which of the vectors that the operation reads.
    shape : tuple of int
        Of the tensor, the batch of one included.
    dtype : str
        Of its numbers as torch's operator takes them: "float32", "int64" or "bool".
    """

    index: int
    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class Kind:
    """Stands for one of torch's types of numbers.

    Attributes
    ----------
    name : str
        "float32", ...
    """

    name: str


@dataclass(frozen=True, eq=False)
class Dense:
    """One operator of torch on batches of flat vectors, sample by sample.

    Attributes
    ----------
    operator : str
        Its name and overload, such as "aten.sort.default": one of those that only calculate.
    args : tuple
        What it takes by position: numbers, texts, arrays, tuples of such, `Slot`s and `Kind`s.
    kwargs : mapping
        What it takes by name.
    part : int
        Which of its results.

    Examples
    --------
    >>> Dense("aten.round.default", (Slot(0, (1, 2)),), {}, 0)([np.array([[0.2, 0.8]], np.float32)])
    array([[0., 1.]], dtype=float32)
    """

    operator: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    part: int

    @property
    def name(self) -> str:
        """The operator without its overload."""
        return self.operator.split(".")[1]

    def __call__(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Return float32 (batch, n) for each input as (batch, n), or raise ConversionError."""
        try:
            import torch
        except ImportError:
            raise MissingExtra("torch", "torch", f"{self.name}, which was left dense,") from None
        from .admitted import operator_of

        operator = operator_of(self.operator)
        if operator is None:
            raise ConversionError(f"{self.operator!r} is no operator of torch that only calculates")
        try:
            with torch.no_grad():
                rows = [self._computed(operator, sample) for sample in zip(*inputs, strict=True)]
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            first = next(iter(str(error).splitlines()), "")[:160]
            raise ConversionError(f"{self.name}, left dense, cannot be computed alone: {first}") from None
        return np.stack(rows).astype(np.float32)

    def _computed(self, operator: Any, vectors: Sequence[np.ndarray]) -> np.ndarray:
        made = operator(*_filled(self.args, vectors), **_filled(self.kwargs, vectors))
        one = made[self.part] if isinstance(made, (list, tuple)) else made
        return np.asarray(one.numpy()).reshape(-1)


def left_to_torch(operator: Any, args: Any, kwargs: Mapping[str, Any], part: int) -> Dense:
    """Return an operator with its arguments, in which `Slot`s stand for tensors that depend on the sample."""
    name = str(operator)
    where = {key: value for key, value in kwargs.items() if key not in ("device", "layout", "memory_format")}
    return Dense(name, _plain(args), _plain(where), part)


def _plain(value: Any) -> Any:
    """Return tensors as arrays, types by their names, lists as tuples."""
    import torch

    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(_plain(one) for one in value)
    if isinstance(value, torch.dtype):
        return Kind(str(value).removeprefix("torch."))
    return value.detach().numpy() if torch.is_tensor(value) else value


def _filled(value: Any, vectors: Sequence[np.ndarray]) -> Any:
    """Return the arguments as torch takes them, with tensors for `Slot`s."""
    import torch

    if isinstance(value, Mapping):
        return {key: _filled(one, vectors) for key, one in value.items()}
    if isinstance(value, tuple):
        return [_filled(one, vectors) for one in value]
    if isinstance(value, Slot):
        given = torch.from_numpy(np.array(vectors[value.index], np.float32)).reshape(value.shape)
        return given.to(_dtype(value.dtype))
    if isinstance(value, Kind):
        return _dtype(value.name)
    return torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value


def _dtype(name: str) -> Any:
    import torch

    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise ConversionError(f"{name!r} is no type of numbers of torch")
    return found
