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
    if hasattr(values, "detach"):  # a tensor, perhaps of training
        values = values.detach().cpu()
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


def check_sample(values: Any) -> np.ndarray:
    """Return a batch of inputs to calibrate on, which differ, or raise ConversionError.

    Examples
    --------
    >>> check_sample([[0.0], [1.0]]).shape
    (2, 1)
    """
    inputs = check_batch("sample", values)
    if len(inputs) == 1:
        raise ConversionError("sample: got one input; allowed are a few hundred typical ones that differ")
    if not (inputs != inputs[:1]).any():
        raise ConversionError(
            f"sample: got {len(inputs)} inputs that are all the same; allowed are typical "
            "ones that differ, a few hundred"
        )
    return inputs


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


def check_labels(labels: Any, n: int) -> np.ndarray | None:
    """Return the classes of n inputs, if there are any, or raise ConversionError.

    Examples
    --------
    >>> check_labels([1, 0], 2)
    array([1, 0])
    """
    if labels is None:
        return None
    known = np.asarray(labels)
    if known.shape != (n,) or known.dtype.kind not in "iu":
        raise ConversionError(
            f"labels: got {known.dtype} of shape {known.shape}; allowed are whole numbers, ({n},)"
        )
    return known


def check_choice(field: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Raise ConversionError unless a value is one of those allowed: texts, or True and False.

    Examples
    --------
    >>> check_choice("convert.law", "delta", ("delta", "rate"))
    """
    if type(value) not in (str, bool) or value not in allowed:
        raise ConversionError(f"{field}: got {value!r}; allowed is {' or '.join(map(repr, allowed))}")
