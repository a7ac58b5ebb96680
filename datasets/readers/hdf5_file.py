"""Recordings that lie together in one HDF5 file, which each process opens once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...neurons.errors import FormatError, MissingExtra
from ..events import Events
from ..hdf5 import LINK, fault_of, is_own
from .dataset import identity_of
from .origin import broken
from .ragged import Ragged

#: The most bytes that one list in a file may take.
_LARGEST = 1 << 30


class Hdf5Recordings:
    """Recordings in one HDF5 file.

    Parameters
    ----------
    path : Path
        The file.
    start : callable
        From the path to what recordings are read from.
    decode : callable
        From that and an index to events.
    """

    def __init__(
        self, path: Path, start: Callable[[Path], Any], decode: Callable[[Any, int], Events]
    ) -> None:
        self.path, self.start, self.decode = path, start, decode
        self._opened: Any = None
        self._process = 0

    def read(self, index: int) -> Events:
        """Return one of the recordings."""
        with broken(self.path):
            # A process that was forked must not read through its parent's handle.
            if self._process != os.getpid():
                self._opened, self._process = self.start(self.path), os.getpid()
            return self.decode(self._opened, index)

    def identity(self, index: int) -> tuple[Any, ...]:
        """Return the file's place, size and time of change, and the index."""
        return *identity_of(self.path), index

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None, "_process": 0}


def open_hdf5(path: Path) -> Any:
    """Open a file to read, or raise MissingExtra."""
    try:
        import h5py
    except ImportError:
        raise MissingExtra("h5py", "data", f"Reading {path.name}") from None
    return h5py.File(path, "r")


def list_in(file: Any, name: str) -> Any:
    """Return a list of data in a file, not yet read, or raise FormatError."""
    place = ""
    for step in name.split("/"):
        group, place = file[place] if place else file, f"{place}/{step}"
        if step not in group:
            raise FormatError(f"has no {name}")
        if not is_own(group, step):
            raise FormatError(f"{name}: is {LINK}")
    data = file[name]
    if getattr(data, "ndim", None) != 1:
        raise FormatError(f"{name}: is no list")
    if why := fault_of(data, _LARGEST):
        raise FormatError(f"{name}: {why}")
    return data


def numbers_in(file: Any, name: str) -> np.ndarray:
    """Return a list of numbers, or raise FormatError."""
    data = list_in(file, name)
    if data.dtype.kind not in "iuf":
        raise FormatError(f"{name}: holds {data.dtype}; allowed are numbers")
    return np.asarray(data[()])


def texts_in(file: Any, name: str) -> list[str]:
    """Return a list of texts, or raise FormatError."""
    data = list_in(file, name)
    if data.dtype.kind == "S":
        return [text.decode("utf-8") for text in data[()]]
    ragged = Ragged(Path(file.filename), data)
    return [ragged[k].tobytes().decode("utf-8") for k in range(len(ragged))]
