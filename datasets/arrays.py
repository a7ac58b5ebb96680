"""Arrays from whatever people keep numbers in."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..neurons.errors import SpecError


def numbers_of(values: Any, where: str) -> np.ndarray:
    """Return finite real numbers as an array: of lists, or of tensors wherever they are.

    Raises
    ------
    SpecError
        If they are something else, or lists of different lengths.
    """
    try:
        # A tensor may be of a type that NumPy lacks, such as bfloat16.
        array = np.asarray(values.detach().cpu().double() if hasattr(values, "detach") else values)
    except ValueError:
        raise SpecError(f"{where}: got lists of different lengths; allowed are numbers") from None
    if array.dtype.kind not in "biuf":
        raise SpecError(f"{where}: got {array.dtype} of shape {array.shape}; allowed are real numbers")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        wrong = array[~np.isfinite(array)]
        raise SpecError(
            f"{where}: {wrong.size} of {array.size} numbers, first {wrong.flat[0]}, are not finite; "
            "allowed are those that are"
        )
    return array
