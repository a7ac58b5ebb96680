"""Handwritten digits that ship with the package: a thousand to score on, and others to calibrate on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .shipped import shipped


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
    data = shipped(name, ("images", "labels"), ("places", "source"))
    return Digits(data["images"], data["labels"], data["places"], str(data["source"]))
