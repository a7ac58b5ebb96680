"""CIFAR10-DVS and N-Omniglot: recordings of a screen, in AEDAT4 files."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...neurons.errors import FormatError
from ..events import Events
from .aedat4 import read_aedat4
from .dataset import EventDataset, identity_of
from .origin import Origin, broken
from .saccades import by_folder

_CIFAR_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_CIFAR10_DVS = Origin(
    "cifar10_dvs",
    "https://figshare.com/ndownloader/files/38023437",
    (("CIFAR10DVS.zip", "MD5 ce3a4a0682dc0943703bd8f749a7701c"),),
    "CIFAR10DVS",
    ("all",),
)
_NOMNIGLOT = Origin(
    "nomniglot",
    "https://figshare.com/articles/dataset/N-Omniglot/16821427",
    (
        ("dvs_background_1.rar", "3,013,908,031 bytes"),
        ("dvs_background_2.rar", "2,553,351,543 bytes"),
        ("dvs_evaluation.rar", "4,239,667,693 bytes"),
    ),
    "NOmniglot",
    ("background", "evaluation"),
)
#: The sensor of N-Omniglot, and how many people drew each character.
_DAVIS346, _DRAWN = (2, 260, 346), 20


def cifar10_dvs(
    root: str | Path, split: str = "all", *, transform: Callable[[np.ndarray], Any] | None = None
) -> EventDataset:
    """Read CIFAR10-DVS: 1,000 pictures of each class of CIFAR-10, moved on a screen before an event camera.

    Parameters
    ----------
    root
        The folder that holds `airplane/cifar10_airplane_0.aedat4` and so on, or `CIFAR10DVS/airplane/...` as
        tonic keeps it. There may be fewer files than in the whole dataset.
    split : "all"
        The dataset has no parts of its own; `data.divided(0.9)` makes two.
    transform
        As of `EventDataset`.

    Returns
    -------
    EventDataset
        Of the shape (2, 128, 128), and 10 classes. Times count from the first event.

    Raises
    ------
    MissingData
        If the files are not there.

    Notes
    -----
    Source: H. Li, H. Liu, X. Ji, G. Li and L. Shi, CIFAR10-DVS: an event-stream dataset for object
    classification, Frontiers in Neuroscience 11 (2017) 309.
    """
    part, shape = _CIFAR10_DVS.check_split(split), (2, 128, 128)
    folder = _CIFAR10_DVS.find(root, *_CIFAR_CLASSES).parent
    decode = partial(_of_shape, shape=shape)
    return by_folder(_CIFAR10_DVS, part, folder, ".aedat4", decode, _CIFAR_CLASSES, shape, transform)


def nomniglot(
    root: str | Path,
    split: str = "background",
    *,
    transform: Callable[[np.ndarray], Any] | None = None,
) -> EventDataset:
    """Read N-Omniglot: 1,623 characters of 50 alphabets being drawn, each by 20 people.

    Parameters
    ----------
    root
        The folder that holds `dvs_background_1/`, `dvs_background_2/` (or both in `dvs_background/`) and
        `dvs_evaluation/`, in each of them `ALPHABET/characterNN/`, and in that an AEDAT4 file of 20 drawings
        and a CSV file with their beginnings and ends. There may be fewer characters than in the whole
        dataset.
    split : "background" or "evaluation"
        Which part.
    transform
        As of `EventDataset`.

    Returns
    -------
    EventDataset
        Of the shape (2, 260, 346), with "person" (0 to 19) and "alphabet" in `about`. Classes are called
        `ALPHABET/characterNN`. Times count from the beginning of a drawing.

    Raises
    ------
    MissingData
        If the files are not there.
    FormatError
        When a recording is read from a broken file.

    Notes
    -----
    Source: Y. Li, Y. Dong, D. Zhao and Y. Zeng, N-Omniglot, a large-scale neuromorphic dataset for
    spatio-temporal sparse few-shot learning, Scientific Data 9 (2022) 746; the files as its own reader takes
    them, https://github.com/Brain-Cog-Lab/N-Omniglot.
    """
    part = _NOMNIGLOT.check_split(split)
    names = [f"dvs_{part}", f"dvs_{part}_1", f"dvs_{part}_2"]
    folders = [place / name for place in _NOMNIGLOT.places(root) for name in names]
    found = sorted(
        (p.parent.parent.name, p.parent.name, p) for one in folders for p in one.glob("*/*/*.aedat4")
    )
    if not found:
        raise _NOMNIGLOT.missing(root, f"{names[0]}/ALPHABET/character01/0001.aedat4")
    paths = tuple(path for _, _, path in found)
    return EventDataset(
        "nomniglot",
        part,
        Drawings(paths),
        np.repeat(np.arange(len(paths)), _DRAWN),
        tuple(f"{alphabet}/{character}" for alphabet, character, _ in found),
        _DAVIS346,
        {
            "person": np.tile(np.arange(_DRAWN), len(paths)),
            "alphabet": np.repeat(np.array([alphabet for alphabet, _, _ in found], str), _DRAWN),
        },
        transform,
    )


class Drawings:
    """Recordings of which 20 lie in each file, one after the other; the last file that was read is kept.

    Parameters
    ----------
    paths : tuple of Path
        The AEDAT4 files. Beside each lies one CSV file: a line of names, then for each drawing its number,
        and its beginning and end in the time of the recording.
    """

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self.paths = paths
        self._last: tuple[Path, Events, np.ndarray] | None = None

    def read(self, index: int) -> Events:
        """Return one drawing."""
        path = self.paths[index // _DRAWN]
        if self._last is None or self._last[0] != path:
            self._last = path, _of_shape(path, _DAVIS346, absolute=True), _spans(path)
        _, events, spans = self._last
        first, last = np.searchsorted(events.t_us, spans[index % _DRAWN])
        part = events[first:last]
        return Events(part.t_us - spans[index % _DRAWN, 0], part.x, part.y, part.p, _DAVIS346)

    def identity(self, index: int) -> tuple[Any, ...]:
        """Return the place, size and time of change of both files, and which drawing it is."""
        path = self.paths[index // _DRAWN]
        return *identity_of(path), *identity_of(_table_beside(path)), index % _DRAWN

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}


def _of_shape(path: Path, shape: tuple[int, ...], *, absolute: bool = False) -> Events:
    with broken(path):
        events = read_aedat4(path, absolute=absolute)
        return Events(events.t_us, events.x, events.y, events.p, shape)


def _table_beside(path: Path) -> Path:
    tables = sorted(path.parent.glob("*.csv"))
    if len(tables) != 1:
        raise FormatError(
            f"{path}: {len(tables)} CSV files lie beside it; there must be one, with 20 beginnings and ends"
        )
    return tables[0]


def _spans(path: Path) -> np.ndarray:
    """Return the beginning and the end of each drawing, (20, 2)."""
    table = _table_beside(path)
    with broken(table):
        with table.open(newline="", encoding="utf-8") as lines:
            rows = [row for row in csv.reader(lines) if row][1:]
        spans = np.array([[int(row[1]), int(row[2])] for row in rows], np.int64).reshape(-1, 2)
        if len(spans) != _DRAWN or np.any(spans[:, 1] < spans[:, 0]) or np.any(spans < 0):
            raise FormatError(
                f"{table}: has {len(spans)} rows; allowed are {_DRAWN} of number, beginning and end"
            )
    return spans
