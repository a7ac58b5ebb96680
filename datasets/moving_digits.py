"""Digits that an event camera sees move, in the layout of N-MNIST."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..neurons.errors import SpecError
from .camera import EventCamera
from .digits import calibration_digits, digits
from .events import Events
from .readers.dataset import EventDataset

#: Corners of the triangle that the digit goes along, in pixels from the first; N-MNIST's are as far apart.
_CORNERS = np.array([(0.0, 0.0), (3.5, 7.0), (7.0, 0.0), (0.0, 0.0)])
_SACCADE, _SIDE, _MARGIN = 0.105, 34, 8
#: Seconds between frames, each about a third of a pixel at most from the next.
_FRAME = 3e-3
_CAMERA = EventCamera(on=0.48, off=0.52, mismatch=0.04, refractory=0.5e-3, noise=0.5, floor=0.1)


def moving_digits(
    n: int | None = None,
    *,
    split: str = "train",
    seed: int = 0,
    transform: Callable[[np.ndarray], Any] | None = None,
) -> EventDataset:
    """Return digits that move before an event camera of 34 x 34 pixels, in three saccades of 105 ms.

    Recordings are made when they are asked for, and kept in memory: about 3,900 events each.

    Parameters
    ----------
    n : int, optional
        How many; all digits once if left out. After the last digit the first comes again, with a path and
        noise of its own.
    split : "train" or "test"
        The 400 digits of `calibration_digits`, or the 1,000 of `digits`.
    seed : int
        Draws the noise, and where each path begins, within a pixel.
    transform
        As of `EventDataset`.

    Returns
    -------
    EventDataset
        Of the shape (2, 34, 34), and 10 classes.

    Raises
    ------
    SpecError
        If the part is neither, or n is no whole number.

    Notes
    -----
    The path is that of N-MNIST: G. Orchard, A. Jayawant, G. K. Cohen and N. Thakor, Frontiers in Neuroscience
    9 (2015) 437. Within a saccade the digit speeds up and slows down as a cosine does. The camera is
    `EventCamera`.

    Examples
    --------
    >>> data = moving_digits(20, split="test")
    >>> events, label = data[0]
    >>> label, data.shape, 2000 < len(events) < 6000
    (7, (2, 34, 34), True)
    """
    parts = {"train": calibration_digits, "test": digits}
    if split not in parts:
        raise SpecError(f"datasets.moving_digits.split: got {split!r}; allowed is 'train' or 'test'")
    shown = parts[split]()
    n = len(shown) if n is None else n
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise SpecError(f"datasets.moving_digits.n: got {n!r}; allowed is a whole number, >= 1")
    which = np.arange(n) % len(shown)
    return EventDataset(
        "moving_digits",
        split,
        _Saccades(shown.images, seed, split),
        shown.labels[which].astype(np.int64),
        tuple(str(digit) for digit in range(10)),
        (2, _SIDE, _SIDE),
        {"place": shown.places[which].astype(np.int64)},
        transform,
    )


@dataclass(frozen=True, eq=False)
class _Saccades:
    """Recordings of images, each made once."""

    images: np.ndarray
    seed: int
    split: str
    made: dict[int, Events] = field(default_factory=dict)

    def read(self, index: int) -> Events:
        if index not in self.made:
            image = self.images[index % len(self.images)] / 255.0
            numbers = (self.seed, self.split == "test", index)
            start = np.random.default_rng(numbers).uniform(-1.0, 0.0, 2)
            film, times = _film(image, start)
            self.made[index] = _CAMERA.watch(film, times, seed=(*numbers, 1))
        return self.made[index]

    def identity(self, index: int) -> tuple[Any, ...]:
        return "moving_digits", self.split, self.seed, index, _CAMERA


def _film(image: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return frames of an image that goes along the triangle, and their times."""
    times = np.linspace(0.0, 3 * _SACCADE, round(3 * _SACCADE / _FRAME) + 1)
    passed = times / _SACCADE
    saccade = np.minimum(passed.astype(int), 2)
    eased = 0.5 * (1.0 - np.cos(np.pi * (passed - saccade)))
    way = _CORNERS[saccade] + eased[:, None] * (_CORNERS[saccade + 1] - _CORNERS[saccade])
    place = start + way
    corner = np.floor(place).astype(int)
    share = place - corner
    # Each frame is the image between four whole pixels: windows of it, with nothing around.
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(image, _MARGIN), (_SIDE, _SIDE))
    film = np.zeros((len(times), _SIDE, _SIDE))
    for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
        part = np.prod(np.where((right, down), share, 1.0 - share), axis=1)
        x, y = (_MARGIN - corner - (right, down)).T
        film += part[:, None, None] * windows[y, x]
    return film, times
