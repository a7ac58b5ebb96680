"""Checks of plain arguments, for whoever takes them: seeds, choices of yes or no, and paths."""

from __future__ import annotations

import os
from pathlib import Path
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


def check_path(where: str, value: object) -> Path:
    """Return the path of a file, whether or not there is one, or raise SpecError."""
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str) or "\0" in text:
        raise SpecError(f"{where}: got {value!r}; allowed is the path of a file, a text or a pathlib.Path")
    return Path(text)
