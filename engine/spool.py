"""Spikes on disk while a run goes on: one `.npy` file of three columns that grows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from ..neurons.errors import FormatError

_ROW = np.dtype([("steps", "<i8"), ("ids", "<i8"), ("trials", "<i8")])
#: Length of the file's header: room for any number of rows.
_HEADER = 256


class Spool:
    """A file of spikes that grows: a NumPy array with fields `steps`, `ids` and `trials`.

    Rows are in the order in which the run produced them: of several trials, by stretches of steps. A
    simulation's first run begins a new file, later ones add to it.

    Parameters
    ----------
    path : str or Path
        The file.
    fresh : bool
        Whether to begin anew.

    Raises
    ------
    FormatError
        If an existing file that is to be continued is not a spool.
    OSError
        If the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], *, fresh: bool) -> None:
        self.path = Path(path)
        if fresh:
            # Records of an earlier simulation may still be mapped from the old file, which they keep.
            self.path.unlink(missing_ok=True)
        known = _rows_of(self.path) if self.path.exists() else 0
        self._first = self._rows = known
        # Opening keeps what is there; a header for zero rows makes a fresh file readable at once.
        self._file = open(self.path, "r+b" if known else "w+b")
        self._write_header()
        self._file.seek(_HEADER + known * _ROW.itemsize)

    def append(self, steps: np.ndarray, ids: np.ndarray, trials: np.ndarray) -> None:
        """Add spikes to the end."""
        rows = np.empty(steps.size, _ROW)
        rows["steps"], rows["ids"], rows["trials"] = steps, ids, trials
        self._file.write(rows.view(np.uint8).data)
        self._rows += rows.size

    def close(self) -> None:
        """Write the number of rows and close the file, unless that is done."""
        if not self._file.closed:
            self._write_header()
            self._file.close()

    def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the steps, ids and trials that were added since opening, mapped from the closed file."""
        size = self._rows - self._first
        if not size:
            empty = np.zeros(0, np.int64)
            return empty, empty, empty
        offset = _HEADER + self._first * _ROW.itemsize
        rows = np.memmap(self.path, dtype=_ROW, mode="r", offset=offset, shape=(size,))
        return rows["steps"], rows["ids"], rows["trials"]

    def _write_header(self) -> None:
        text = repr({"descr": _ROW.descr, "fortran_order": False, "shape": (self._rows,)}).encode()
        body = text.ljust(_HEADER - 11) + b"\n"
        self._file.seek(0)
        self._file.write(b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body)


def _rows_of(path: Path) -> int:
    """Return the rows of an existing spool."""
    try:
        with open(path, "rb") as file:
            npy.read_magic(file)
            shape, _, dtype = npy.read_array_header_1_0(file)
            begins = file.tell()
    except (ValueError, OSError) as error:
        raise FormatError(
            f"{path}: is not a spool of spikes ({error}); remove it, or spool elsewhere"
        ) from None
    complete = len(shape) == 1 and os.path.getsize(path) >= _HEADER + shape[0] * _ROW.itemsize
    if dtype != _ROW or begins != _HEADER or not complete:
        raise FormatError(f"{path}: is not a spool of spikes; remove it, or spool elsewhere")
    return int(shape[0])
