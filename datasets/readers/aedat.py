"""AEDAT, the files of iniVation's event cameras and of jAER, whatever the version."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from ...neurons.errors import FormatError, SpecError
from ..events import Events
from . import aedat2, aedat3, aedat4
from .origin import broken

_FIRST_LINE = re.compile(rb"#!AER-DAT(\d+\.\d+)\r?\n")
_DECODE = {"2.0": aedat2.decode, "3.1": aedat3.decode, "4.0": aedat4.decode}
_ENCODE = {"2.0": aedat2.encode, "3.1": aedat3.encode, "4.0": aedat4.encode}
#: Times are kept in 32 bits, 62 bits and 63 bits.
_LAST_TIME = {"2.0": 2**32, "3.1": 2**62, "4.0": 2**62}


def read_aedat(
    path: str | Path, *, absolute: bool = False, shape: tuple[int, int, int] | None = None
) -> Events:
    """Read the events of an AEDAT file, version 2.0, 3.1 or 4.0; frames and all else are passed over.

    Parameters
    ----------
    path
        The file. Of several cameras, that with the lowest number is read.
    absolute : bool
        Leave times as they are, instead of counting from the first event: microseconds of Unix time in
        version 4.0, of the camera's clock in those before.
    shape : tuple of int, optional
        The units, (2, height, width). If left out, what the file says; unknown where it does not.

    Returns
    -------
    Events
        Rows count from above. Those that version 3.1 has marked as invalid are left out.

    Raises
    ------
    FormatError
        If it is no such file, truncated or damaged, or an event lies outside of the shape.
    MissingExtra
        If it is compressed, and the package that opens it is not installed.

    Notes
    -----
    In version 2.0 every camera has addresses of its own; known are those of the DVS128, as jAER takes them.
    """
    with broken(Path(path)):
        data = Path(path).read_bytes()
        found, said = _DECODE[_version(data)](data)
        t = found["t"] if absolute or not len(found["t"]) else found["t"] - found["t"].min()
        return Events(t, found["x"], found["y"], found["p"], shape or said)


def parts_of(path: Path, shape: tuple[int, int, int]) -> Callable[[int, int], Events]:
    """Return what reads a file from one time of its clock to before another, in microseconds."""
    if version_of(path) != "3.1":
        return partial(_cut, read_aedat(path, absolute=True, shape=shape))
    with broken(path), path.open("rb") as file:
        recording = aedat3.Recording(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return partial(_read_part, path, recording, shape)


def version_of(path: Path) -> str:
    """Return the version of an AEDAT file, or raise FormatError."""
    with broken(path), path.open("rb") as file:
        return _version(file.read(32))


def write_aedat(path: str | Path, events: Events, version: str = "4.0", *, start: int = 0) -> None:
    """Write events as an AEDAT file without compression.

    Parameters
    ----------
    path
        The file.
    events
        Of a shape (2, height, width); for version 2.0 that of a DVS128, (2, 128, 128).
    version : "2.0", "3.1" or "4.0"
        Which form.
    start : int
        What their 0 is by the clock of the file, in microseconds: Unix time in version 4.0.

    Raises
    ------
    SpecError
        If they are of no camera, or too late for the version.
    """
    if version not in _ENCODE:
        raise SpecError(f"write_aedat.version: got {version!r}; allowed is one of {list(_ENCODE)}")
    shape, known = events.shape, aedat2.SHAPE if version == "2.0" else "(2, height, width)"
    if shape is None or len(shape) != 3 or max(shape) > 2**15 or (version == "2.0" and shape != known):
        raise SpecError(f"write_aedat.events.shape: got {shape}; allowed in version {version} is {known}")
    if start < 0 or (len(events) and int(events.t_us[-1]) + start >= _LAST_TIME[version]):
        raise SpecError(
            f"write_aedat.start: got {start}; allowed in version {version} are times from 0 to before "
            f"{_LAST_TIME[version]} us"
        )
    Path(path).write_bytes(_ENCODE[version](events.t_us + np.int64(start), events))


def _cut(events: Events, start: int, stop: int) -> Events:
    first, last = np.searchsorted(events.t_us, [start, stop])
    return events[first:last]


def _read_part(
    path: Path, recording: aedat3.Recording, shape: tuple[int, int, int], start: int, stop: int
) -> Events:
    with broken(path):
        found = recording.between(start, stop)
        return Events(found["t"], found["x"], found["y"], found["p"], shape)


def _version(data: bytes) -> str:
    line = _FIRST_LINE.match(data)
    version = line[1].decode() if line else None
    if version not in _DECODE:
        raise FormatError(
            (f"is AEDAT {version}" if version else "does not begin as an AEDAT file does, with #!AER-DAT")
            + f"; known are {', '.join(_DECODE)}"
        )
    return version
