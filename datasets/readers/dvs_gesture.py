"""DVS128 Gesture: IBM's recordings with tables of their gestures, or tonic's arrays of single gestures."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...neurons.errors import FormatError, SpecError
from ..events import Events
from ..times import microseconds
from .dataset import EventDataset, Files
from .excerpts import Excerpts, read_table
from .origin import Origin, broken

_SHAPE = (2, 128, 128)
_GESTURES = (
    "Hand clapping", "Right hand wave", "Left hand wave", "Right arm cw", "Right arm ccw", "Left arm cw",
    "Left arm ccw", "Arm roll", "Air drums", "Air guitar", "Other gestures",
)  # fmt: skip
_USER = re.compile(r"user(\d+)_(\w+)")
_DVS_GESTURE = Origin(
    "dvs_gesture",
    {
        "https://ibm.ent.box.com/s/3hiq58ww1pbbjrinh367ykfdf60xsfm8": (
            ("DvsGesture.tar.gz", "MD5 8a5c71fb11e24e5ca5b11866ca6c00a1"),
        ),
        "https://figshare.com/ndownloader/files/38022171 and /38020584": (
            ("ibmGestureTrain.tar.gz", "MD5 3a8f0d4120a166bac7591f77409cb105"),
            ("ibmGestureTest.tar.gz", "MD5 56070e45dadaa85fff82e0fbfbc06de5"),
        ),
    },
    "DVSGesture",
)


def dvs_gesture(
    root: str | Path, split: str = "train", *, transform: Callable[[np.ndarray], Any] | None = None
) -> EventDataset:
    """Read DVS128 Gesture: 11 gestures of 29 people under three kinds of light.

    Parameters
    ----------
    root
        The folder that holds `DvsGesture/` as IBM has it, or that folder itself: `trials_to_train.txt` and
        `trials_to_test.txt`, and for each recording that they list `user01_led.aedat` (AEDAT 3.1) and
        `user01_led_labels.csv`. Or the folder that holds single gestures as tonic has them,
        `ibmGestureTrain/user01_led/0.npy` and so on, which are read where both are there; or `DVSGesture/...`
        as tonic keeps it. There may be fewer recordings than in the whole dataset.
    split : "train" or "test"
        Which part: people 1 to 23 or 24 to 29.
    transform
        As of `EventDataset`.

    Returns
    -------
    EventDataset
        Of the shape (2, 128, 128), with "user" and "lighting" in `about`. Times of IBM's files count from the
        beginning of a gesture; those of tonic's are whole milliseconds.

    Raises
    ------
    MissingData
        If the files are not there.
    FormatError
        If a list or a table of labels is broken; or a recording, when it is read.

    Notes
    -----
    IBM's files hold 1,464 gestures, 1,176 of them to train on; tonic's hold 1,341 (1,077), one of each kind
    from a recording. Of IBM's recordings, which are long, only what a gesture needs is read.

    Source: A. Amir et al., A low power, fully event-based gesture recognition system, CVPR (2017) 7243-7252.
    """
    part = _DVS_GESTURE.check_split(split)
    trials = f"trials_to_{part}.txt"
    found = _DVS_GESTURE.find(root, f"ibmGesture{part.capitalize()}", f"DvsGesture/{trials}", trials)
    recordings, labels, names = _single(found) if found.is_dir() else _trials(found)
    users, lighting = zip(*(_USER.fullmatch(name).groups() for name in names), strict=True)  # type: ignore[union-attr]
    about = {"user": np.array(users, np.int64), "lighting": np.array(lighting, str)}
    return EventDataset("dvs_gesture", part, recordings, labels, _GESTURES, _SHAPE, about, transform)


def write_dvs_gesture(path: str | Path, events: Events) -> None:
    """Write a recording as a file of DVS128 Gesture, which `dvs_gesture` and tonic read.

    Parameters
    ----------
    path
        The file: `ibmGestureTrain/user01_led/0.npy`, ...
    events
        Their times are kept in milliseconds, float64.

    Raises
    ------
    SpecError
        If an event lies outside of 128 rows and 128 columns.
    """
    events.ids(_SHAPE)
    if Path(path).suffix != ".npy":
        raise SpecError(f"write_dvs_gesture.path: got {str(path)!r}; allowed is a file that ends in .npy")
    np.save(path, np.stack([events.x, events.y, events.p, events.t_us / 1000], axis=1).astype(np.float64))


def _single(folder: Path) -> tuple[Files, np.ndarray, list[str]]:
    """Return single gestures, their labels, and the name of the recording that each is from."""
    paths = tuple(
        path
        for path in sorted(folder.glob("user*/*.npy"))
        if _USER.fullmatch(path.parent.name) and path.stem in map(str, range(len(_GESTURES)))
    )
    if not paths:
        raise _DVS_GESTURE.missing(folder.parent, f"{folder.name}/user01_led/0.npy")
    labels = np.array([int(path.stem) for path in paths], np.int64)
    return Files(paths, _array), labels, [path.parent.name for path in paths]


def _trials(listed: Path) -> tuple[Excerpts, np.ndarray, list[str]]:
    """Return the gestures in the recordings of a list, their labels, and the name of each recording."""
    with broken(listed):
        names = [line.strip() for line in listed.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not names:
            raise FormatError("lists no recordings; it may be truncated")
        for name in names:
            if not name.endswith(".aedat") or not _USER.fullmatch(name.removesuffix(".aedat")):
                raise FormatError(f"lists {name[:40]!r}; allowed are names like user01_led.aedat")
    paths = tuple(path for name in names if (path := listed.with_name(name)).exists())
    if not paths:
        raise _DVS_GESTURE.missing(listed.parent, names[0])
    labels = [_labels(path) for path in paths]
    files = np.repeat(np.arange(len(paths)), [len(inside) for inside in labels])
    rows = np.concatenate([np.arange(len(inside)) for inside in labels])
    recordings = Excerpts(paths, files, rows, _SHAPE, _table_of)
    return recordings, np.concatenate(labels), [paths[k].stem for k in files]


def _labels(path: Path) -> np.ndarray:
    table = _table_of(path)
    if not table.exists():
        raise _DVS_GESTURE.missing(path.parent, table.name)
    with broken(table):
        labels = np.array([int(kind) for kind in read_table(table)[0]], np.int64) - 1
        if not len(labels):
            raise FormatError("has no rows; it may be truncated")
        if np.any((labels < 0) | (labels >= len(_GESTURES))):
            raise FormatError(f"has classes {labels.min() + 1} to {labels.max() + 1}; allowed are 1 to 11")
        return labels


def _table_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}_labels.csv")


def _array(path: Path) -> Events:
    with broken(path):
        try:
            # Mapped, so that a file which declares more than it holds is refused before memory is asked for.
            rows = np.load(path, mmap_mode="r", allow_pickle=False)
        except ValueError:  # NumPy's advice is to let it execute what it holds
            raise FormatError("is no .npy file of numbers, or is truncated") from None
        if rows.ndim != 2 or rows.shape[1] != 4 or rows.dtype.kind not in "iuf":
            raise FormatError(
                f"{path}: holds {rows.dtype} of shape {rows.shape}; allowed is (n, 4): x, y, p, ms"
            )
        x, y, p = (_whole(rows[:, k]) for k in range(3))
        return Events(microseconds(rows[:, 3], 1e-3), x, y, p, _SHAPE)


def _whole(values: np.ndarray) -> np.ndarray:
    """Return numbers as int64, or raise SpecError where one is none."""
    if not np.all((values >= 0) & (values < 2**16) & (values == np.floor(values))):
        raise SpecError("x, y and p: allowed are whole numbers from 0")
    return values.astype(np.int64)
