"""Sizes of networks that are built smaller or larger than published."""

from __future__ import annotations

import math

from ..neurons.errors import SpecError


def check_scale(field: str, scale: float) -> float:
    """Return a factor that is finite and above 0, or raise SpecError."""
    good = isinstance(scale, (int, float)) and not isinstance(scale, bool)
    if not good or not 0 < scale < math.inf:
        raise SpecError(f"{field}: got {scale!r}; allowed is a finite number above 0")
    return float(scale)


def scaled_sizes(network: str, scale: float, *sizes: int) -> tuple[int, ...]:
    """Return sizes times the scale, rounded, at least 1.

    Examples
    --------
    >>> scaled_sizes("cuba", 0.1, 3200, 800)
    (320, 80)
    """
    scale = check_scale(f"{network}.scale", scale)
    return tuple(max(1, round(size * scale)) for size in sizes)
