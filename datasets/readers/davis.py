"""CIFAR10-DVS and N-Omniglot: recordings of a screen, in AEDAT files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...neurons.errors import FormatError
from ..events import Events
from .aedat import read_aedat, version_of
from .dataset import EventDataset
from .excerpts import Excerpts
from .origin import Origin
from .saccades import by_folder

_CIFAR_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_CIFAR10_DVS = Origin(
    "cifar10_dvs",
    {
        "https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671": (
            ("airplane.zip", "MD5 0afd5c4bf9ae06af762a77b180354fdd, and one for each other class"),
        ),
        "https://figshare.com/ndownloader/files/38023437": (
            ("CIFAR10DVS.zip", "MD5 ce3a4a0682dc0943703bd8f749a7701c"),
        ),
    },
    "CIFAR10DVS",
    ("all",),
)
_NOMNIGLOT = Origin(
    "nomniglot",
    {
        "https://figshare.com/articles/dataset/N-Omniglot/16821427": (
            ("dvs_background_1.rar", "3,013,908,031 bytes"),
            ("dvs_background_2.rar", "2,553,351,543 bytes"),
            ("dvs_evaluation.rar", "4,239,667,693 bytes"),
        ),
    },
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
        The folder that holds `airplane/cifar10_airplane_0.aedat` and so on as the authors have them (AEDAT
        2.0), or `.aedat4` as tonic has them, which are read where both are there; or `CIFAR10DVS/...` as
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
    FormatError
        When a recording is read from a broken file.

    Notes
    -----
    Rows and columns of AEDAT 2.0 are exchanged, so that pictures stand upright, as SpikingJelly has them.

    Source: H. Li, H. Liu, X. Ji, G. Li and L. Shi, CIFAR10-DVS: an event-stream dataset for object
    classification, Frontiers in Neuroscience 11 (2017) 309.
    """
    part, shape = _CIFAR10_DVS.check_split(split), (2, 128, 128)
    folder = _CIFAR10_DVS.find(root, *_CIFAR_CLASSES).parent
    decode = partial(_picture, shape=shape)
    suffixes = (".aedat4", ".aedat")
    return by_folder(_CIFAR10_DVS, part, folder, suffixes, decode, _CIFAR_CLASSES, shape, transform)


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
    _NOMNIGLOT.find(root, *names)
    folders = [place / name for place in _NOMNIGLOT.places(root) for name in names]
    found = sorted(
        (p.parent.parent.name, p.parent.name, p) for one in folders for p in one.glob("*/*/*.aedat4")
    )
    if not found:
        raise _NOMNIGLOT.missing(root, f"{names[0]}/ALPHABET/character01/0001.aedat4")
    paths = tuple(path for _, _, path in found)
    labels, people = np.repeat(np.arange(len(paths)), _DRAWN), np.tile(np.arange(_DRAWN), len(paths))
    return EventDataset(
        "nomniglot",
        part,
        Excerpts(paths, labels, people, _DAVIS346, _table_beside),
        labels,
        tuple(f"{alphabet}/{character}" for alphabet, character, _ in found),
        _DAVIS346,
        {
            "person": people,
            "alphabet": np.repeat(np.array([alphabet for alphabet, _, _ in found], str), _DRAWN),
        },
        transform,
    )


def _picture(path: Path, shape: tuple[int, int, int]) -> Events:
    events = read_aedat(path, shape=shape)
    if version_of(path) != "2.0":
        return events
    return Events(events.t_us, events.y, events.x, events.p, shape)  # the camera lay on its side


def _table_beside(path: Path) -> Path:
    tables = sorted(path.parent.glob("*.csv"))
    if len(tables) != 1:
        raise FormatError(
            f"{path}: {len(tables)} CSV files lie beside it; there must be one, with beginnings and ends"
        )
    return tables[0]
