"""DVS128 Gesture, cut into single gestures as for tonic: arrays of x, y, p and milliseconds."""

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
from .origin import Origin, broken

_SHAPE = (2, 128, 128)
_GESTURES = (
    "Hand clapping", "Right hand wave", "Left hand wave", "Right arm cw", "Right arm ccw", "Left arm cw",
    "Left arm ccw", "Arm roll", "Air drums", "Air guitar", "Other gestures",
)  # fmt: skip
_USER = re.compile(r"user(\d+)_(.+)")
_DVS_GESTURE = Origin(
    "dvs_gesture",
    "https://figshare.com/ndownloader/files/38022171 (train) and /38020584 (test)",
    (
        ("ibmGestureTrain.tar.gz", "MD5 3a8f0d4120a166bac7591f77409cb105"),
        ("ibmGestureTest.tar.gz", "MD5 56070e45dadaa85fff82e0fbfbc06de5"),
    ),
    "DVSGesture",
)


def dvs_gesture(
    root: str | Path, split: str = "train", *, transform: Callable[[np.ndarray], Any] | None = None
) -> EventDataset:
    """Read DVS128 Gesture: 11 gestures of 29 people under three kinds of light, cut into single gestures.

    Parameters
    ----------
    root
        The folder that holds `ibmGestureTrain/user01_led/0.npy` and so on, or
        `DVSGesture/ibmGestureTrain/...` as tonic keeps it. There may be fewer files than in the whole
        dataset.
    split : "train" or "test"
        Which part.
    transform
        As of `EventDataset`.

    Returns
    -------
    EventDataset
        Of the shape (2, 128, 128), with "user" and "lighting" in `about`. Times are whole milliseconds.

    Raises
    ------
    MissingData
        If the files are not there.

    Notes
    -----
    Source: A. Amir et al., A low power, fully event-based gesture recognition system, CVPR (2017) 7243-7252.
    """
    folder = _DVS_GESTURE.find(root, f"ibmGesture{_DVS_GESTURE.check_split(split).capitalize()}")
    found = [
        (path, int(path.stem), int(user[1]), user[2])
        for path in sorted(folder.glob("user*/*.npy"))
        if (user := _USER.fullmatch(path.parent.name)) and path.stem in map(str, range(len(_GESTURES)))
    ]
    if not found:
        raise _DVS_GESTURE.missing(folder.parent, f"{folder.name}/user01_led/0.npy")
    paths, labels, users, lighting = zip(*found, strict=True)
    return EventDataset(
        "dvs_gesture",
        split,
        Files(paths, _read),
        np.array(labels, np.int64),
        _GESTURES,
        _SHAPE,
        {"user": np.array(users, np.int64), "lighting": np.array(lighting, str)},
        transform,
    )


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


def _read(path: Path) -> Events:
    with broken(path):
        # Mapped, so that a file which declares more than it holds is refused before memory is asked for.
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
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
