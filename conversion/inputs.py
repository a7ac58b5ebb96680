"""What a user hands in: batches of inputs and numbers of steps, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..neurons.errors import ConversionError


def check_batch(field: str, values: Any) -> np.ndarray:
    """Return a batch of inputs as float32, or raise ConversionError.

    Examples
    --------
    >>> check_batch("x", [[0.0, 1.0]]).shape
    (1, 2)
    """
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError, RuntimeError):
        got = type(values).__name__
        raise ConversionError(f"{field}: got {got}; allowed is an array [n, features...]") from None
    if array.ndim < 2 or not array.size:
        raise ConversionError(
            f"{field}: got shape {array.shape}; allowed is a batch [n, features...] of at least one input"
        )
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if not finite.all():
        raise ConversionError(
            f"{field}: input {int(np.argmin(finite))} holds NaN, infinity or more than float32 can hold; "
            "only finite numbers are allowed"
        )
    return array


def check_steps(steps: Any) -> int:
    """Return a number of steps, or raise ConversionError.

    Examples
    --------
    >>> check_steps(16)
    16
    """
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise ConversionError(f"steps: got {steps!r}; allowed is a whole number from 1")
    return int(steps)
