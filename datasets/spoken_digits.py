"""Spoken digits that ship with the package, as spikes of an inner ear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..neurons.errors import SpecError
from .events import Events
from .readers.dataset import EventDataset
from .shipped import shipped

_CHANNELS = 700


def spoken_digits(
    split: str = "train", *, transform: Callable[[np.ndarray], Any] | None = None
) -> EventDataset:
    """Return 0 to 9 in English and German, said by synthetic voices, in the layout of the Heidelberg data.

    There are 300 recordings by 20 voices to train on, and 100 by 9 other voices to test on, as many of each
    class. They are less varied than people's: what is learned here says little about people.

    Parameters
    ----------
    split : "train" or "test"
        Which part.
    transform
        As of `EventDataset`.

    Returns
    -------
    EventDataset
        Of the shape (700,) and 20 classes, with times in whole milliseconds; `speakers` are numbered through
        both parts, and `about["voice"]` names them.

    Raises
    ------
    SpecError
        If the part is neither.
    ValueError
        If the file in the package is damaged.

    Notes
    -----
    Made by `benchmarks/pack_spoken_digits.py` from speech of espeak-ng and flite that went through the
    inner-ear model of B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, IEEE Transactions on Neural Networks
    and Learning Systems 33 (2022). The recordings of people in the same layout are read by `shd`.

    Examples
    --------
    >>> data = spoken_digits("test")
    >>> events, label = data[0]
    >>> len(data), data.shape, data.classes[label]
    (100, (700,), 'eins')
    """
    if split not in ("train", "test"):
        raise SpecError(f"datasets.spoken_digits.split: got {split!r}; allowed is 'train' or 'test'")
    summed = ("counts", "gaps", "lengths", "labels", "speakers")
    data = shipped(f"spoken_digits_{split}", summed, ("voices", "classes"))
    speakers = data["speakers"].astype(np.int64)
    about = {"speaker": speakers, "voice": data["voices"][speakers - speakers.min()]}
    return EventDataset(
        "spoken_digits",
        split,
        _packed(split, data["counts"], data["gaps"], data["lengths"]),
        data["labels"].astype(np.int64),
        tuple(str(one) for one in data["classes"]),
        (_CHANNELS,),
        about,
        transform,
    )


@dataclass(frozen=True, eq=False)
class _Packed:
    """Recordings by millisecond: how many spikes each has, and how far their channels lie apart."""

    split: str
    counts: tuple[np.ndarray, ...]
    gaps: tuple[np.ndarray, ...]

    def read(self, index: int) -> Events:
        counts, gaps = self.counts[index], self.gaps[index]
        # A running sum, from which what was there when each millisecond began is taken away.
        total = np.cumsum(gaps, dtype=np.int64)
        begins = (np.cumsum(counts, dtype=np.int64) - counts)[counts > 0]
        channels = total - np.repeat((total - gaps)[begins], counts[counts > 0])
        milliseconds = np.repeat(np.arange(len(counts)), counts)
        return Events(milliseconds * 1000, channels, shape=(_CHANNELS,))

    def identity(self, index: int) -> tuple[Any, ...]:
        return "spoken_digits", self.split, index, self.counts[index], self.gaps[index]


def _packed(split: str, counts: np.ndarray, gaps: np.ndarray, lengths: np.ndarray) -> _Packed:
    """Return recordings one by one, of arrays that hold all of them."""
    each = np.split(counts, np.cumsum(lengths, dtype=np.int64)[:-1])
    ends = np.cumsum([one.sum(dtype=np.int64) for one in each])
    return _Packed(split, tuple(each), tuple(np.split(gaps, ends[:-1])))
