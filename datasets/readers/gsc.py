"""Google Speech Commands, heard through a cochlea: a folder of WAV files for each word."""

from __future__ import annotations

import wave
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...neurons.errors import FormatError
from ..cochlea import Cochlea
from ..events import Events
from .dataset import EventDataset, Files
from .origin import Origin, broken

_GSC = Origin(
    "gsc",
    {
        "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz": (
            ("speech_commands_v0.02.tar.gz", "2.3 GB"),
        ),
    },
    "speech_commands_v0.02",
    ("train", "valid", "test"),
)
_LISTS = {"valid": "validation_list.txt", "test": "testing_list.txt"}


def gsc(
    root: str | Path,
    split: str = "train",
    *,
    cochlea: Cochlea | None = None,
    transform: Callable[[np.ndarray], Any] | None = None,
) -> EventDataset:
    """Read Google Speech Commands: English words of many speakers, a second each, as spikes of a cochlea.

    Parameters
    ----------
    root
        The folder that holds `yes/0a7c2a8d_nohash_0.wav` and so on, `validation_list.txt` and
        `testing_list.txt`, or `speech_commands_v0.02/...`. There may be fewer files than in the whole
        dataset.
    split : "train", "valid" or "test"
        Which part; train is what neither of the lists names.
    cochlea : Cochlea, optional
        What listens; `Cochlea()` if left out. It takes about as long as the sound does, so that
        `data.binned(dt, steps, cache="folder")` is worth its while.
    transform
        As of `EventDataset`.

    Returns
    -------
    EventDataset
        Of the shape (channels,), with `speakers`. Classes are the folders, in order of their names. A
        recording is heard the same whenever it is read.

    Raises
    ------
    MissingData
        If the files are not there.
    FormatError
        When a recording is read from a broken file.

    Notes
    -----
    Source: P. Warden, Speech Commands: a dataset for limited-vocabulary speech recognition, arXiv:1804.03209
    (2018).
    """
    part, ear = _GSC.check_split(split), Cochlea() if cochlea is None else cochlea
    folder = _GSC.find(root, *_LISTS.values()).parent
    words = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(("_", ".")))
    listed = {name: _listed(folder / table) for name, table in _LISTS.items()}
    others = listed["valid"] | listed["test"]
    found = [
        (path, label)
        for label, word in enumerate(words)
        for path in sorted((folder / word).glob("*.wav"))
        if (f"{word}/{path.name}" in listed[part] if part in listed else f"{word}/{path.name}" not in others)
    ]
    if not found:
        raise _GSC.missing(folder, "yes/*.wav")
    paths = tuple(path for path, _ in found)
    return EventDataset(
        "gsc",
        part,
        Files(paths, partial(_heard, ear)),
        np.array([label for _, label in found], np.int64),
        tuple(words),
        (ear.channels,),
        {"speaker": np.array([path.name.partition("_nohash_")[0] for path in paths], str)},
        transform,
    )


def _listed(table: Path) -> set[str]:
    with broken(table):
        return set(table.read_text(encoding="utf-8").split()) if table.exists() else set()


def _heard(cochlea: Cochlea, path: Path) -> Events:
    """Return the spikes of a WAV file; the draws of the nerve are those of its name."""
    with broken(path):
        try:
            with wave.open(str(path), "rb") as file:
                sound, rate = file.readframes(file.getnframes()), file.getframerate()
                form = file.getnchannels(), file.getsampwidth()
        except wave.Error as error:
            raise FormatError(f"is no WAV file: {error}") from None
        if form != (1, 2) or len(sound) % 2:
            raise FormatError(f"has {form[0]} channels of {8 * form[1]} bits; allowed is one of 16")
        seed = zlib.crc32(f"{path.parent.name}/{path.name}".encode())
        return cochlea.listen(np.frombuffer(sound, "<i2"), rate, seed=seed)
