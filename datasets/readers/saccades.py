"""N-MNIST and N-Caltech101: pictures that a moving event camera looked at, a folder for each class."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .dataset import EventDataset, Files
from .forty_bits import read_bin
from .origin import Origin

_NMNIST = Origin(
    "nmnist",
    {
        "https://www.garrickorchard.com/datasets/n-mnist": (
            ("train.zip", "MD5 20959b8e626244a1b502305a9e6e2031"),
            ("test.zip", "MD5 69ca8762b2fe404d9b9bad1103e97832"),
        ),
    },
    "NMNIST",
)
_NCALTECH101 = Origin(
    "ncaltech101",
    {
        "https://www.garrickorchard.com/datasets/n-caltech101": (
            ("Caltech101.zip", ""),
            ("N-Caltech101-archive.zip", "MD5 66201824eabb0239c7ab992480b50ba3"),
        ),
    },
    "NCALTECH101",
    ("all",),
)


def nmnist(
    root: str | Path, split: str = "train", *, transform: Callable[[np.ndarray], Any] | None = None
) -> EventDataset:
    """Read N-MNIST: the digits of MNIST in three saccades of 105 ms each.

    Parameters
    ----------
    root
        The folder that holds `Train/0/00002.bin` and so on, or `NMNIST/Train/...` as tonic keeps it. There
        may be fewer files than in the whole dataset.
    split : "train" or "test"
        Which part.
    transform
        As of `EventDataset`.

    Returns
    -------
    EventDataset
        Of the shape (2, 34, 34), and 10 classes.

    Raises
    ------
    MissingData
        If the files are not there.

    Notes
    -----
    Source: G. Orchard, A. Jayawant, G. K. Cohen and N. Thakor, Converting static image datasets to spiking
    neuromorphic datasets using saccades, Frontiers in Neuroscience 9 (2015) 437.
    """
    folder = _NMNIST.find(root, _NMNIST.check_split(split).capitalize())
    digits, shape = tuple(str(digit) for digit in range(10)), (2, 34, 34)
    decode = partial(read_bin, shape=shape)
    return by_folder(_NMNIST, split, folder, (".bin",), decode, digits, shape, transform)


def ncaltech101(
    root: str | Path,
    split: str = "all",
    *,
    shape: tuple[int, int, int] = (2, 180, 240),
    transform: Callable[[np.ndarray], Any] | None = None,
) -> EventDataset:
    """Read N-Caltech101: pictures of 101 kinds of things in three saccades.

    Parameters
    ----------
    root
        The folder that holds `Caltech101/airplanes/image_0001.bin` and so on, or
        `NCALTECH101/Caltech101/...`.
    split : "all"
        The dataset has no parts of its own; `data.divided(0.9)` makes two.
    shape : tuple of int
        (2, height, width). Pictures differ in size; all of them are shown within 180 rows and 240 columns.
    transform
        As of `EventDataset`.

    Returns
    -------
    EventDataset
        Classes are the folders, in order of their names.

    Raises
    ------
    MissingData
        If the files are not there.

    Notes
    -----
    Source: as for `nmnist`. Coordinates are as in the file; tonic moves those of each recording to begin at
    0.
    """
    part = _NCALTECH101.check_split(split)
    folder = _NCALTECH101.find(root, "Caltech101")
    classes = tuple(sorted(one.name for one in folder.iterdir() if one.is_dir() and any(one.glob("*.bin"))))
    decode = partial(read_bin, shape=shape)
    return by_folder(_NCALTECH101, part, folder, (".bin",), decode, classes, shape, transform)


def by_folder(
    origin: Origin,
    split: str,
    folder: Path,
    suffixes: tuple[str, ...],
    decode: Callable[[Path], Any],
    classes: tuple[str, ...],
    shape: tuple[int, ...],
    transform: Callable[[np.ndarray], Any] | None,
) -> EventDataset:
    """Return the dataset of a folder that holds one for each class.

    Of several suffixes, files have the first that any of them has; what else lies there is passed over.
    """
    names = [sorted(os.listdir(folder / one)) if (folder / one).is_dir() else [] for one in classes]
    for suffix in suffixes:
        found = [(k, name) for k, inside in enumerate(names) for name in inside if name.endswith(suffix)]
        if found:
            break
    else:
        first = f"{folder.name}/{classes[0] if classes else 'CLASS'}"
        raise origin.missing(folder.parent, *(f"{first}/*{suffix}" for suffix in suffixes))
    recordings = Files(tuple(folder / classes[k] / name for k, name in found), decode)
    labels = np.array([k for k, _ in found], np.int64)
    return EventDataset(origin.name, split, recordings, labels, classes, shape, transform=transform)
