"""Events of 40 bits, as N-MNIST and N-Caltech101 have them in their .bin files.

A byte each of x and y, a bit of polarity, and 23 bits of time in microseconds, most significant first. A row
of 240, which the sensor does not have, says that from there on 2**13 microseconds are to be added.

Source: G. Orchard, A. Jayawant, G. K. Cohen and N. Thakor, Converting static image datasets to spiking
neuromorphic datasets using saccades, Frontiers in Neuroscience 9 (2015) 437.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...neurons.errors import FormatError, SpecError
from ..events import Events
from .origin import broken

_OVERFLOW_ROW, _OVERFLOW, _LARGEST_TIME = 240, 1 << 13, (1 << 23) - 1


def read_bin(path: str | Path, shape: tuple[int, ...] | None = None) -> Events:
    """Read a file of events of 40 bits.

    Parameters
    ----------
    path
        The file.
    shape : tuple of int, optional
        The units, (2, height, width).

    Raises
    ------
    FormatError
        If it is no such file, truncated or empty, or an event lies outside of the shape.
    """
    with broken(Path(path)):
        data = Path(path).read_bytes()
        if not data or len(data) % 5:
            raise FormatError(f"has {len(data)} bytes; an event takes 5, so it is truncated or no .bin")
        x, y, high, middle, low = np.frombuffer(data, np.uint8).reshape(-1, 5).T
        t = (high & 127).astype(np.int64) << 16 | middle.astype(np.int64) << 8 | low
        p, extra = high >> 7, y == _OVERFLOW_ROW
        if extra.any():
            t, kept = t + _OVERFLOW * np.cumsum(extra), ~extra
            t, x, y, p = t[kept], x[kept], y[kept], p[kept]
        return Events(t, x, y, p, shape)


def write_bin(path: str | Path, events: Events) -> None:
    """Write events as a file of events of 40 bits, which tonic reads too.

    Raises
    ------
    SpecError
        If a column lies beyond 255 or a row beyond 239, or there are none: an empty file is a damaged one.
    """
    if not len(events):
        raise SpecError("write_bin.events: got none; allowed is at least one in this format")
    for name, limit in (("x", 255), ("y", _OVERFLOW_ROW - 1)):
        most = int(getattr(events, name).max(initial=0))
        if most > limit:
            raise SpecError(f"write_bin.events.{name}: got {most}; allowed are 0 to {limit} in this format")
    added = np.maximum(-(-(events.t_us - _LARGEST_TIME) // _OVERFLOW), 0)
    before = np.diff(added, prepend=0)
    place = np.arange(len(events)) + np.cumsum(before)
    rows = np.zeros((len(events) + int(before.sum()), 5), np.uint8)
    rows[:, 1] = _OVERFLOW_ROW
    t = events.t_us - added * _OVERFLOW
    rows[place] = np.stack([events.x, events.y, events.p << 7 | t >> 16, t >> 8 & 255, t & 255], axis=1)
    Path(path).write_bytes(rows.tobytes())
