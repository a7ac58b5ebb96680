"""Checks of plain arguments, for whoever takes them: seeds, and choices of yes or no."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..neurons.errors import SpecError


def check_seed(field_name: str, seed: Any) -> int:
    """Return a seed, or raise SpecError."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise SpecError(f"{field_name}: got {seed!r}; allowed is a whole number from 0 to 2**64 - 1")
    return int(seed)


def check_flag(where: str, value: object) -> bool:
    """Return a choice of yes or no, or raise SpecError."""
    if not isinstance(value, (bool, np.bool_)):
        raise SpecError(f"{where}: got {value!r}; allowed is True or False")
    return bool(value)
