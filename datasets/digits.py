"""Handwritten digits that ship with the package: a thousand to score on, and others to calibrate on."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from importlib.resources import files

import numpy as np


@dataclass(frozen=True, eq=False)
class Digits:
    """Labelled images.

    Attributes
    ----------
    images : array of uint8, shape (n, 28, 28)
        0 is the background, 255 the ink.
    labels : array of uint8, shape (n,)
        The digit, 0 to 9.
    places : array of uint16, shape (n,)
        Where each digit stands in its part of MNIST.
    source : str
        Where the digits come from.
    """

    images: np.ndarray
    labels: np.ndarray
    places: np.ndarray
    source: str

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def pixels(self) -> np.ndarray:
        """The images as float32 rows of 784 numbers in [0, 1], as a network takes them."""
        return self.images.reshape(len(self), -1).astype(np.float32) / np.float32(255)


def digits() -> Digits:
    """Return 1,000 test digits of MNIST, 100 of each class; no network that ships was trained on them.

    Returns
    -------
    Digits
        Images, labels and their source, as read-only arrays.

    Raises
    ------
    ValueError
        If the file in the package is damaged.

    Notes
    -----
    Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to
    document recognition, Proceedings of the IEEE 86 (1998).

    Examples
    --------
    >>> digits().images.shape
    (1000, 28, 28)
    """
    return _read("digits")


def calibration_digits() -> Digits:
    """Return 400 training digits of MNIST, 40 of each class, to set thresholds and scales on.

    They are among the digits that the networks in `rheobase.models` were trained on, and none of those
    that `digits` returns.

    Returns
    -------
    Digits
        As from `digits`.

    Raises
    ------
    ValueError
        If the file in the package is damaged.

    Examples
    --------
    >>> calibration_digits().pixels.shape
    (400, 784)
    """
    return _read("calibration_digits")


def _read(name: str) -> Digits:
    path = files("rheobase.datasets") / "data" / f"{name}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            data = {key: stored[key] for key in ("images", "labels", "places", "sha256", "source")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"datasets.{name}: {path} cannot be read ({error}); install rheobase again"
        ) from None
    found = hashlib.sha256(data["images"].tobytes() + data["labels"].tobytes()).hexdigest()
    if found != str(data["sha256"]):
        raise ValueError(
            f"datasets.{name}: {path} is damaged: its digits have SHA-256 {found[:12]}..., "
            f"expected {str(data['sha256'])[:12]}...; install rheobase again"
        )
    for array in ("images", "labels", "places"):
        data[array].setflags(write=False)
    return Digits(data["images"], data["labels"], data["places"], str(data["source"]))
