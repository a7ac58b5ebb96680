"""Recordings that lie one after the other in longer ones, as a table beside each of these says when."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...neurons.errors import FormatError
from ..events import Events
from .aedat import parts_of
from .dataset import identity_of
from .origin import broken


class Excerpts:
    """Recordings cut out of longer ones in AEDAT files, of which that which was read last stays open.

    Parameters
    ----------
    paths : tuple of Path
        The longer ones.
    files, rows : array (n,) of int
        For each recording, in which of these it lies, and which row of the table says when.
    shape : tuple of int
        That of the camera.
    table_of : callable
        From one of the paths to its table, for `read_table`.
    """

    def __init__(
        self,
        paths: tuple[Path, ...],
        files: np.ndarray,
        rows: np.ndarray,
        shape: tuple[int, int, int],
        table_of: Callable[[Path], Path],
    ) -> None:
        self.paths, self.files, self.rows = paths, files, rows
        self.shape, self.table_of = shape, table_of
        self._last: tuple[Path, Callable[[int, int], Events], np.ndarray] | None = None

    def read(self, index: int) -> Events:
        """Return one recording, whose times count from its beginning."""
        path = self.paths[self.files[index]]
        if self._last is None or self._last[0] != path:
            self._last = path, parts_of(path, self.shape), self._spans(path)
        _, part, spans = self._last
        start, stop = spans[self.rows[index]]
        events = part(start, stop)
        return Events(events.t_us - start, events.x, events.y, events.p, self.shape)

    def identity(self, index: int) -> tuple[Any, ...]:
        """Return the place, size and time of change of both files, and which row it is."""
        path = self.paths[self.files[index]]
        return *identity_of(path), *identity_of(self.table_of(path)), int(self.rows[index])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}

    def _spans(self, path: Path) -> np.ndarray:
        table, wanted = self.table_of(path), np.count_nonzero(self.files == self.paths.index(path))
        _, spans = read_table(table)
        if len(spans) != wanted:
            raise FormatError(
                f"{table}: has {len(spans)} rows; there must be {wanted}, one for each recording"
            )
        return spans


def read_table(path: Path) -> tuple[list[str], np.ndarray]:
    """Return a table with a heading: its first column, and beginnings and ends in microseconds, int64 (n, 2).

    Raises
    ------
    FormatError
        If there is something else in it.
    """
    with broken(path):
        with path.open(newline="", encoding="utf-8") as lines:
            rows = [row for row in csv.reader(lines) if row][1:]
        spans = [_span(number, row) for number, row in enumerate(rows, 1)]
        return [row[0] for row in rows], np.array(spans, np.int64).reshape(len(rows), 2)


def _span(number: int, row: list[str]) -> tuple[int, int]:
    try:
        start, stop = int(row[1]), int(row[2])
    except (ValueError, IndexError):
        start, stop = 0, -1
    if not 0 <= start <= stop < 2**62:
        raise FormatError(f"row {number} is {str(row)[:80]}; allowed are a name, a beginning, an end")
    return start, stop
