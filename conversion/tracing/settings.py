"""Torch's settings of windows and kernels, as a graph writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .compose import Border, Pair


def pair(value: Any, default: Any = None) -> Pair:
    """Return torch's number, or list of one or two, as a pair; -1 stands for a first that is not given."""
    if value is None or (isinstance(value, Sequence) and not len(value)):
        value = default
    both = (value, value) if isinstance(value, int) else tuple(value)
    return (int(both[0]), int(both[-1])) if len(both) == 2 else (-1, int(both[0]))


def plane(value: Any, ndim: int, still: int, default: Any = None) -> Pair:
    """Return a setting for both axes of an image; of a signal, `still` along the axis that it lacks."""
    down, across = pair(value, default)
    if ndim == 3:
        return still, across
    return (across if down == -1 else down), across


def border_of(value: Any, ndim: int) -> Border:
    """Return torch's padding, the same on both sides."""
    down, across = plane(value, ndim, 0)
    return (down, down), (across, across)


def same_border(weight: np.ndarray, dilation: Pair, ndim: int) -> Border:
    """Return the border of padding="same", the larger half behind."""
    sizes = (1, *weight.shape[2:]) if ndim == 3 else weight.shape[2:]
    spans = [d * (k - 1) for d, k in zip(dilation, sizes, strict=True)]
    return (spans[0] // 2, spans[0] - spans[0] // 2), (spans[1] // 2, spans[1] - spans[1] // 2)
