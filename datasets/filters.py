"""What is made of recordings before they are counted: noise taken out, pixels blinded, surfaces of time."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..neurons.errors import SpecError
from .events import Events
from .times import microseconds, steps_into


def denoise(events: Events, within: float) -> Events:
    """Return the events near which, in space and in time, there was another.

    An event stays where one of the four neighbours of its pixel has sent one, of either polarity, less than
    `within` before; of a cochlea, one of the two neighbouring channels.

    Parameters
    ----------
    events
        Of any sensor.
    within : float
        Seconds.

    Raises
    ------
    SpecError
        If `within` is no number above 0.

    Notes
    -----
    Source: T. Delbruck, Frame-free dynamic digital vision, Symposium on Secure-Life Electronics (2008). In
    time n log n, and without a loop over events.

    Examples
    --------
    >>> events = Events([0, 10, 5000], x=[3, 4, 5], shape=(20,))
    >>> denoise(events, within=1e-3).x.tolist()
    [4]
    """
    span, n = _span("denoise.within", within), len(events)
    width = int(events.x.max(initial=0)) + 2  # a column that nobody is in, between one row and the next
    pixels = (events.y.astype(np.int64) + 1) * width + events.x
    order = np.argsort(pixels, kind="stable")
    listed, t = pixels[order] * n + order, events.t_us[order]  # by pixel, and for each in order of time
    near = np.zeros(n, bool)
    for neighbour in (-1, 1, -width, width):
        wanted = listed + neighbour * n
        before = np.searchsorted(listed, wanted) - 1
        same = (before >= 0) & (listed[before] >= wanted - order)
        near |= same & (t - t[before] < span)
    return events[np.sort(order[near])]


def refractory(events: Events, period: float) -> Events:
    """Return the events of units that are blind for some time after each that they have sent.

    What comes while a unit is blind is gone, and does not blind it for longer.

    Parameters
    ----------
    events
        Of a known shape.
    period : float
        Seconds; an event that comes when they are over stays.

    Raises
    ------
    SpecError
        If the period is no number above 0, or no shape is known.

    Examples
    --------
    >>> events = Events([0, 600, 1000, 1200], x=[0, 0, 0, 1], shape=(2,))
    >>> refractory(events, period=1e-3).t_us.tolist()
    [0, 1000, 1200]
    """
    blind, ids = _span("refractory.period", period), events.ids()
    order = np.argsort(ids, kind="stable")
    t = (events.t_us - events.t_us[0])[order] if len(events) else events.t_us
    apart = int(t.max(initial=0)) + blind + 1
    if apart > 2**62 // (int(ids.max(initial=0)) + 1):
        raise SpecError(
            "refractory.events: last too long for so many units; take one stretch after the other"
        )
    line = ids[order] * apart + t  # all units on one line, one after the other
    kept = np.zeros(len(line), bool)
    at = np.flatnonzero(np.diff(ids[order], prepend=-1))
    while at.size:
        kept[at] = True
        following = np.searchsorted(line, line[at] + blind)
        inside = following < len(line)
        following, at = following[inside], at[inside]
        at = following[ids[order[following]] == ids[order[at]]]
    return events[np.sort(order[kept])]


def time_surface(
    events: Events, tau: float, dt: float, steps: int, shape: tuple[int, ...] | None = None
) -> np.ndarray:
    r"""Return how fresh the last event of each unit is at the end of each step: exp(-age / tau), 0 before it.

    Parameters
    ----------
    events
        What is looked at.
    tau : float
        Seconds in which a trace falls to 1/e.
    dt : float
        Seconds of a step; steps begin at 0.
    steps : int
        How many.
    shape
        Units in place of `events.shape`.

    Returns
    -------
    array of float32, shape (steps, *shape)

    Raises
    ------
    SpecError
        If `tau` or `dt` is no number above 0.

    Notes
    -----
    Source: X. Lagorce et al., HOTS: a hierarchy of event-based time-surfaces for pattern recognition, IEEE
    Transactions on Pattern Analysis and Machine Intelligence 39 (2017).

    Examples
    --------
    >>> surface = time_surface(Events([500], x=[1], shape=(2,)), tau=1e-3, dt=1e-3, steps=2)
    >>> (100 * surface).astype(int).tolist()
    [[0, 60], [0, 22]]
    """
    _span("time_surface.tau", tau)
    units = events.shape_of(shape)
    ids, index = events.ids(units), steps_into(events.t_us, dt)
    inside = index < steps
    last = np.full((steps, int(np.prod(units))), -np.inf, np.float64)
    # Of several events of a unit in a step the last is written last.
    last[index[inside], ids[inside]] = events.seconds[inside]
    np.maximum.accumulate(last, axis=0, out=last)
    age = (np.arange(1, steps + 1) * dt)[:, None] - last
    return np.exp(-age / tau).astype(np.float32).reshape(steps, *units)


def _span(where: str, seconds: Any) -> int:
    """Return a stretch of time in microseconds, or raise SpecError."""
    good = isinstance(seconds, (int, float, np.number)) and not isinstance(seconds, bool)
    if not good or not 0 < seconds < 1e9:
        raise SpecError(f"{where}: got {seconds!r}; allowed is a number of seconds above 0")
    return int(microseconds(seconds))
