"""What codes have in common: numbers between 0 and 1 become so many steps of spikes, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...neurons.errors import SpecError
from ..arrays import numbers_of


@dataclass(frozen=True)
class Code(ABC):
    """Base class: each number in [0, 1] becomes spikes in `steps` steps.

    A code of one's own is a subclass with `_spikes` and `_values`.

    Parameters
    ----------
    steps : int
        Length of the code.
    """

    steps: int

    def __post_init__(self) -> None:
        whole(self, "steps")

    def encode(self, x: Any) -> np.ndarray:
        """Return the spikes of numbers in [0, 1].

        Parameters
        ----------
        x : array or tensor
            Of any shape, usually (batch, n).

        Returns
        -------
        array of int8, shape (steps, *x.shape)
            How many spikes are sent in each step.

        Raises
        ------
        SpecError
            If a number lies outside [0, 1].
        """
        return self._spikes(between(x, 0.0, 1.0, type(self).__name__))

    def decode(self, spikes: Any) -> np.ndarray:
        """Return the numbers that spikes stand for.

        Parameters
        ----------
        spikes : array or tensor, shape (steps, ...)
            As from `encode`.

        Returns
        -------
        array of float64, shape (...)

        Raises
        ------
        SpecError
            If there are more steps than the code has, or fewer, or numbers below 0.
        """
        return self._values(self._checked(spikes))

    def _checked(self, spikes: Any) -> np.ndarray:
        where = f"{type(self).__name__}.decode"
        array = numbers_of(spikes, where)
        if array.ndim == 0 or len(array) != self.steps:
            raise SpecError(
                f"{where}: got an array of shape {array.shape}; allowed is ({self.steps}, ...), a row for "
                "each step"
            )
        if array.min(initial=0) < 0:
            raise SpecError(f"{where}: got {array.min():g} spikes; allowed are none below 0")
        return array

    @abstractmethod
    def _spikes(self, x: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _values(self, spikes: np.ndarray) -> np.ndarray: ...


def between(x: Any, low: float, high: float, owner: str) -> np.ndarray:
    """Return numbers as float64, or say which lie outside."""
    array = numbers_of(x, f"{owner}.encode").astype(np.float64)
    if not ((array >= low) & (array <= high)).all():
        outside = array[~((array >= low) & (array <= high))]
        raise SpecError(
            f"{owner}.encode: {outside.size} of {array.size} numbers, first {outside.flat[0]:g}, "
            f"lie outside; allowed are numbers from {low:g} to {high:g}: scale them"
        )
    return array


def whole(code: Any, *names: str, low: int = 1) -> None:
    """Refuse fields that are not whole numbers from `low` on."""
    for name in names:
        value = getattr(code, name)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
            raise SpecError(
                f"{type(code).__name__}.{name}: got {value!r}; allowed is a whole number, >= {low}"
            )


def positive(code: Any, *names: str, high: float = np.inf) -> None:
    """Refuse fields that are not numbers above zero, and at most `high`."""
    for name in names:
        value = getattr(code, name)
        good = isinstance(value, int | float | np.number) and np.isfinite(value) and 0 < value <= high
        if not good:
            most = f", <= {high:g}" if np.isfinite(high) else ""
            raise SpecError(
                f"{type(code).__name__}.{name}: got {value!r}; allowed is a finite number > 0{most}"
            )


def at_times(steps: int, times: np.ndarray, fires: np.ndarray) -> np.ndarray:
    """Return a raster (steps, *times.shape) with one spike in the step `times` wherever `fires` holds."""
    raster = np.zeros((steps, *times.shape), np.int8)
    np.put_along_axis(raster, np.where(fires, times, 0)[None], fires[None].astype(np.int8), axis=0)
    return raster


def first_times(spikes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the step of the first spike of each train, 0 where there is none, and where there is one."""
    fired = spikes != 0
    return fired.argmax(axis=0), fired.any(axis=0)
