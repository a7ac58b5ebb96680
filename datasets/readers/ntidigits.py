"""N-TIDIGITS: spoken digits as spikes of a silicon cochlea with 64 channels.

A file holds `train_labels`, names such as `man-ah-a-34z` whose last part is what is said, and under each name
`train_timestamps` (seconds) and `train_addresses`; `test_...` likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...neurons.errors import FormatError, MissingExtra, SpecError
from ..events import Events
from ..times import microseconds
from .dataset import EventDataset
from .hdf5_file import Hdf5Recordings, numbers_in, open_hdf5, texts_in
from .origin import Origin, broken

_CHANNELS = 64
#: "o" and "z" both say zero.
_DIGITS = ("o", *"123456789", "z")
_NTIDIGITS = Origin(
    "ntidigits",
    {
        "https://docs.google.com/document/d/1Uxe7GsKKXcy6SlDUX4hoJVAC0-UkH-8kr5UXp0Ndi1M": (
            ("n-tidigits.hdf5", "MD5 360a2d11e5429555c9197381cf6b58e0"),
        ),
    },
    "NTIDIGITS18",
)


def ntidigits(
    root: str | Path,
    split: str = "train",
    *,
    single: bool = True,
    transform: Callable[[np.ndarray], Any] | None = None,
) -> EventDataset:
    """Read N-TIDIGITS: English digits, and sequences of them.

    Parameters
    ----------
    root
        The folder that holds `n-tidigits.hdf5`, or `NTIDIGITS18/n-tidigits.hdf5` as tonic keeps it.
    split : "train" or "test"
        Which part.
    single : bool
        Only recordings of one digit, of the classes 0 to 10: "o", "1" to "9", "z". Otherwise all, labelled by
        a text such as "34z".
    transform
        As of `EventDataset`.

    Returns
    -------
    EventDataset
        With `speakers`, and the name of each recording in `about["name"]`.

    Raises
    ------
    MissingData, FormatError, MissingExtra
        As from `shd`.

    Notes
    -----
    Source: J. Anumula, D. Neil, T. Delbruck and S.-C. Liu, Feature representations for neuromorphic audio
    spike streams, Frontiers in Neuroscience 12 (2018) 23.
    """
    part = _NTIDIGITS.check_split(split)
    path = _NTIDIGITS.find(root, "n-tidigits.hdf5")
    with broken(path), open_hdf5(path) as file:
        names = [name for name in texts_in(file, f"{part}_labels") if not single or len(_said(name)) == 1]
        for name in names:
            if not _said(name) or not set(_said(name)) <= set(_DIGITS):
                raise FormatError(f"{part}_labels: got {name[:40]!r}; it must end in digits, o and z")
    said = [_said(name) for name in names]
    labels = np.array([_DIGITS.index(one) for one in said], np.int64) if single else np.array(said, str)
    about = {
        "name": np.array(names, str),
        "speaker": np.array(["-".join(n.split("-")[:2]) for n in names], str),
    }
    recordings = Hdf5Recordings(path, open_hdf5, partial(_recording, part, tuple(names)))
    return EventDataset("ntidigits", part, recordings, labels, _DIGITS, (_CHANNELS,), about, transform)


def write_ntidigits(
    path: str | Path, train: Mapping[str, Events], test: Mapping[str, Events] | None = None
) -> None:
    """Write recordings as a file of the layout of N-TIDIGITS, which `ntidigits` and tonic read.

    Parameters
    ----------
    path
        The file, `n-tidigits.hdf5`.
    train, test
        From a name, such as "man-ah-a-34z", to events of one row.

    Raises
    ------
    SpecError
        If a name does not end in what is said.
    MissingExtra
        If h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise MissingExtra("h5py", "data", "Writing a file of the layout of N-TIDIGITS") from None
    parts = {"train": train, "test": test or {}}
    for name in (name for part in parts.values() for name in part):
        if not _said(name) or not set(_said(name)) <= set(_DIGITS) or "/" in name:
            raise SpecError(f"write_ntidigits: got the name {name!r}; allowed is one like 'man-ah-a-34z'")
    with h5py.File(path, "w") as file:
        for part, recordings in parts.items():
            file[f"{part}_labels"] = np.array([name.encode() for name in recordings], "S")
            for name, events in recordings.items():
                file[f"{part}_timestamps/{name}"] = events.seconds
                file[f"{part}_addresses/{name}"] = events.x


def _said(name: str) -> str:
    return name.rpartition("-")[2]


def _recording(part: str, names: tuple[str, ...], file: Any, index: int) -> Events:
    times = numbers_in(file, f"{part}_timestamps/{names[index]}")
    return Events(
        microseconds(times), numbers_in(file, f"{part}_addresses/{names[index]}"), shape=(_CHANNELS,)
    )
