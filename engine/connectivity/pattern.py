"""What all patterns are, and the checks of their arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...neurons.errors import SpecError


@dataclass(frozen=True, eq=False)
class Connectivity:
    """Base class of all patterns; `kind` names them in files and plans."""

    kind: ClassVar[str] = ""
    #: True where every weight has its own place in an array or a kernel, so no indices are stored.
    indexed: ClassVar[bool] = True

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(np.array_equal(value, getattr(other, name)) for name, value in vars(self).items())

    def __hash__(self) -> int:
        numbers = (v.size if isinstance(v, np.ndarray) else v for v in vars(self).values())
        return hash((type(self), *numbers))


def check_ids(field: str, values: Any) -> np.ndarray:
    """Return a list of indices from 0, read-only int64."""
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(np.int64)
    whole = array.ndim == 1 and array.dtype.kind in "iu"
    if not whole or (array.size and (array.min() < 0 or array.max() >= 2**31)):
        raise SpecError(
            f"{field}: got {array.dtype} of shape {array.shape}; allowed is a list of indices from 0"
        )
    array = array.astype(np.int64)
    array.setflags(write=False)
    return array


def check_count(field: str, value: Any) -> int:
    """Return a whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise SpecError(f"{field}: got {value!r}; allowed is a whole number from 1")
    return int(value)


def check_pair(field: str, value: Any, low: int) -> tuple[int, int]:
    """Return a pair of whole numbers; one number stands for both."""
    several = isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim == 1)
    pair = tuple(value) if several else (value, value)
    if len(pair) != 2 or any(
        isinstance(v, bool) or not isinstance(v, (int, np.integer)) or v < low for v in pair
    ):
        raise SpecError(f"{field}: got {value!r}; allowed is a whole number from {low}, or a pair of them")
    return int(pair[0]), int(pair[1])
