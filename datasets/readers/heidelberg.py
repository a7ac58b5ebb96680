"""The Spiking Heidelberg Digits and the Spiking Speech Commands: spoken words as spikes of 700 channels.

A file holds `spikes/times` (seconds, half precision in the published files) and `spikes/units`, a list for
each recording, `labels`, `extra/keys` (what the labels are called) and `extra/speaker`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...neurons.errors import FormatError, MissingExtra, SpecError
from ..events import Events
from ..times import microseconds
from .dataset import EventDataset
from .hdf5_file import Hdf5Recordings, list_in, numbers_in, open_hdf5, texts_in
from .origin import Origin, broken
from .ragged import Ragged

_CHANNELS = 700
_SHD = Origin(
    "shd",
    {
        "https://zenkelab.org/datasets/": (
            ("shd_train.h5.zip", "MD5 f3252aeb598ac776c1b526422d90eecb"),
            ("shd_test.h5.zip", "MD5 1503a5064faa34311c398fb0a1ed0a6f"),
        ),
    },
    "SHD",
)
_SSC = Origin(
    "ssc",
    {
        "https://zenkelab.org/datasets/": (
            ("ssc_train.h5.zip", "MD5 d102be95e7144fcc0553d1f45ba94170"),
            ("ssc_valid.h5.zip", "MD5 b4eee3516a4a90dd0c71a6ac23a8ae43"),
            ("ssc_test.h5.zip", "MD5 a35ff1e9cffdd02a20eb850c17c37748"),
        ),
    },
    "SSC",
    ("train", "valid", "test"),
)


def shd(
    root: str | Path, split: str = "train", *, transform: Callable[[np.ndarray], Any] | None = None
) -> EventDataset:
    """Read the Spiking Heidelberg Digits: 0 to 9 in English and in German.

    Parameters
    ----------
    root
        The folder that holds `shd_train.h5` and `shd_test.h5`, or `SHD/shd_train.h5` as tonic keeps it.
    split : "train" or "test"
        Which part.
    transform
        As of `EventDataset`.

    Returns
    -------
    EventDataset
        With `speakers`. Times are rounded to the nearest microsecond.

    Raises
    ------
    MissingData, FormatError
        If the file is not there, or is broken.
    MissingExtra
        If h5py is not installed.

    Notes
    -----
    Source: B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, The Heidelberg spiking data sets for the
    systematic evaluation of spiking neural networks, IEEE Transactions on Neural Networks and Learning
    Systems 33 (2022).
    """
    return _heidelberg(_SHD, root, split, transform)


def ssc(
    root: str | Path, split: str = "train", *, transform: Callable[[np.ndarray], Any] | None = None
) -> EventDataset:
    """Read the Spiking Speech Commands: 35 English words.

    Parameters
    ----------
    root
        The folder that holds `ssc_train.h5`, `ssc_valid.h5` and `ssc_test.h5`, or `SSC/...` as tonic keeps
        it.
    split : "train", "valid" or "test"
        Which part.
    transform
        As of `EventDataset`.

    Returns
    -------
    EventDataset
        As from `shd`, which has the source too.

    Raises
    ------
    MissingData, FormatError, MissingExtra
        As from `shd`.
    """
    return _heidelberg(_SSC, root, split, transform)


def write_shd(
    path: str | Path,
    recordings: Sequence[Events],
    labels: Sequence[int],
    *,
    classes: Sequence[str],
    speakers: Sequence[int] | None = None,
    precision: str = "float16",
) -> None:
    """Write recordings as a file of SHD's layout, which `shd` and tonic read.

    Parameters
    ----------
    path
        The file: `shd_train.h5`, ...
    recordings
        Events of one row, with channels below 65,536.
    labels
        The class of each.
    classes
        What the classes are called.
    speakers
        Who speaks; 0 if left out.
    precision : "float16", "float32" or "float64"
        How times are kept, in seconds. The published files have half precision: 0.5 ms after half a second.

    Raises
    ------
    SpecError
        If numbers differ, a class has no name, or a recording has rows.
    MissingExtra
        If h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise MissingExtra("h5py", "data", "Writing a file of SHD's layout") from None
    speakers = [0] * len(labels) if speakers is None else speakers
    if not len(recordings) == len(labels) == len(speakers):
        raise SpecError(
            f"write_shd: got {len(recordings)} recordings, {len(labels)} labels and {len(speakers)} speakers"
        )
    if precision not in ("float16", "float32", "float64"):
        raise SpecError(f"write_shd.precision: got {precision!r}; allowed is float16, float32 or float64")
    if any(not 0 <= label < len(classes) for label in labels):
        raise SpecError(f"write_shd.labels: got {min(labels)} to {max(labels)} for {len(classes)} classes")
    if any(events.y.any() for events in recordings):
        raise SpecError(
            "write_shd.recordings: one has events of several rows; allowed are channels in one row"
        )
    kind = np.dtype(precision)
    with h5py.File(path, "w") as file:
        times = file.create_dataset("spikes/times", (len(labels),), h5py.vlen_dtype(kind))
        units = file.create_dataset("spikes/units", (len(labels),), h5py.vlen_dtype(np.uint16))
        for k, events in enumerate(recordings):
            times[k], units[k] = events.seconds.astype(kind), events.x
        file["labels"] = np.asarray(labels, np.uint16)
        file["extra/keys"] = np.array([name.encode() for name in classes])
        file["extra/speaker"] = np.asarray(speakers, np.uint16)


def _heidelberg(
    origin: Origin, root: str | Path, split: str, transform: Callable[[np.ndarray], Any] | None
) -> EventDataset:
    path = origin.find(root, f"{origin.name}_{origin.check_split(split)}.h5")
    with broken(path), open_hdf5(path) as file:
        labels = numbers_in(file, "labels").astype(np.int64)
        classes = tuple(texts_in(file, "extra/keys"))
        about = {"speaker": numbers_in(file, "extra/speaker")} if "extra/speaker" in file else {}
        lengths = {name: len(list_in(file, name)) for name in ("spikes/times", "spikes/units")}
        lengths |= {f"extra/{name}": len(values) for name, values in about.items()}
        if {*lengths.values()} != {len(labels)}:
            raise FormatError(f"has {len(labels)} labels, but {lengths}")
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
            raise FormatError(f"has labels {labels.min()} to {labels.max()} and {len(classes)} keys")
    recordings = Hdf5Recordings(path, _start, _recording)
    return EventDataset(origin.name, split, recordings, labels, classes, (_CHANNELS,), about, transform)


def _start(path: Path) -> tuple[Ragged, Ragged]:
    with open_hdf5(path) as file:
        return Ragged(path, list_in(file, "spikes/times")), Ragged(path, list_in(file, "spikes/units"))


def _recording(opened: tuple[Ragged, Ragged], index: int) -> Events:
    times, units = opened
    return Events(microseconds(times[index]), units[index], shape=(_CHANNELS,))
