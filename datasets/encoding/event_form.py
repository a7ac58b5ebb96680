"""Spikes in steps as events, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...neurons.errors import SpecError
from ..arrays import numbers_of
from ..binning import bin_events
from ..events import Events


def to_events(spikes: Any, dt: float, *, signed: bool = False) -> Events:
    """Return the spikes of one sample as events, at the beginning of their steps.

    Parameters
    ----------
    spikes : array or tensor, shape (steps, n) or, with `signed`, (steps, n) or (steps, height, width)
        Whole numbers: how many each unit sends in each step: of a batch (steps, batch, n), `spikes[:, k]`.
    dt : float
        Seconds of a step, whole microseconds.
    signed : bool
        Whether spikes have a sign, as those of `Delta` do: then negative ones have the polarity 0.

    Returns
    -------
    Events
        Of the shape (n,), or (2, 1, n) or (2, height, width) with `signed`.

    Raises
    ------
    SpecError
        If there are other axes, numbers that are not whole, negative ones without `signed`, or if steps are
        no whole microseconds.

    Examples
    --------
    >>> events = to_events([[0, 1], [0, 0], [2, 0]], dt=1e-3)
    >>> events.t_us.tolist(), events.x.tolist()
    ([0, 2000, 2000], [1, 0, 0])
    """
    counts, width = numbers_of(spikes, "to_events.spikes"), _microseconds(dt)
    if counts.dtype.kind == "f" and np.array_equal(counts, np.rint(counts)):  # as modules send them
        counts = counts.astype(np.int64)
    if counts.ndim not in ((2, 3) if signed else (2,)) or counts.dtype.kind not in "iub":
        raise SpecError(
            f"to_events.spikes: got {counts.dtype} of shape {counts.shape}; allowed are whole numbers, "
            f"(steps, n){' or (steps, height, width)' if signed else ''}"
        )
    if not signed and counts.min(initial=0) < 0:
        raise SpecError("to_events.spikes: some are negative; say signed=True if their sign is a polarity")
    places = np.nonzero(counts)
    several = np.abs(counts[places].astype(np.int64))
    step, *place, positive = (np.repeat(one, several) for one in (*places, counts[places] > 0))
    t = step * width
    if not signed:
        return Events(t, place[0], shape=counts.shape[1:])
    y = place[0] if len(place) == 2 else np.zeros_like(t)
    height = counts.shape[1] if len(place) == 2 else 1
    return Events(t, place[-1], y, positive, (2, height, counts.shape[-1]))


def from_events(events: Events, dt: float, steps: int, *, signed: bool = False) -> np.ndarray:
    """Return events as spikes in steps, as codes decode them.

    Parameters
    ----------
    events
        Of a known shape.
    dt : float
        Seconds of a step.
    steps : int
        How many; an event after the last is refused.
    signed : bool
        Whether the polarities of `events` are signs: counts are then those of polarity 1 less those of 0.

    Returns
    -------
    array of int64, shape (steps, *shape), or (steps, height, width) with `signed`

    Raises
    ------
    SpecError
        As `bin_events` does, or if there are no two polarities.

    Examples
    --------
    >>> from rheobase.datasets.encoding import Latency
    >>> code = Latency(5)
    >>> events = to_events(code.encode([0.25, 1.0]), dt=1e-3)
    >>> code.decode(from_events(events, dt=1e-3, steps=5))
    array([0.25, 1.  ])
    """
    if not isinstance(events, Events):
        raise SpecError(f"from_events.events: got {type(events).__name__}; allowed are Events")
    counts = bin_events(events, dt, steps).dense(np.int64)
    if not signed:
        return counts
    if counts.ndim != 4 or counts.shape[1] != 2:
        raise SpecError(
            f"from_events.signed: got events of the shape {events.shape}; allowed is (2, height, width)"
        )
    return np.asarray(counts[:, 1] - counts[:, 0])


def _microseconds(dt: float) -> int:
    width = round(float(dt) * 1e6) if isinstance(dt, int | float | np.number) and np.isfinite(dt) else 0
    if width < 1 or abs(width - dt * 1e6) > 1e-9 * width:
        raise SpecError(f"to_events.dt: got {dt!r}; allowed are whole microseconds, in seconds")
    return width
