"""Times of events: from seconds to whole microseconds, and from those to steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..neurons.errors import SpecError


def microseconds(times: Any, unit: float = 1.0) -> Any:
    """Return times, in units of so many seconds, as whole microseconds: the nearest, int64.

    Half precision is widened first: as it stands, it ends at 65,504 microseconds.

    Raises
    ------
    SpecError
        If a time is not finite, or too large for a recording.

    Examples
    --------
    >>> microseconds(np.array([0.25, 1.0], np.float16)).tolist()
    [250000, 1000000]
    """
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.asarray(times).astype(np.float64) * (unit * 1e6)
    if not np.all(np.abs(scaled) < 2**62):
        raise SpecError("times: allowed are finite numbers of seconds")
    return np.round(scaled).astype(np.int64)


def steps_into(t_us: np.ndarray, dt: float) -> np.ndarray:
    """Return the step [k dt, (k + 1) dt) that each time falls into; exact where dt is whole microseconds."""
    if not isinstance(dt, (int, float, np.number)) or not 1e-9 < dt < 1e9:
        raise SpecError(f"dt: got {dt!r}; allowed is a number of seconds above 1e-9")
    width = float(dt) * 1e6
    if abs(width - round(width)) < 1e-9 * width:
        return np.asarray(t_us // round(width))
    # A time within rounding of the beginning of a step belongs to it.
    return np.asarray(np.floor(t_us / width * (1 + 1e-12))).astype(np.int64)
