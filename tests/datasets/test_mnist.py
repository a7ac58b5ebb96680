"""MNIST is read from idx files, plain or packed, and from tables; what is not MNIST is named."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from rheobase.datasets import read_mnist

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
LABELS = np.array([7, 2, 1], np.uint8)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}i", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def as_written(folder, images: bytes, labels: bytes, packed: bool = False) -> None:
    for name, data in (("t10k-images-idx3-ubyte", images), ("t10k-labels-idx1-ubyte", labels)):
        path = folder / (name + ".gz" * packed)
        path.write_bytes(gzip.compress(data) if packed else data)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_are_read(tmp_path, packed):
    as_written(tmp_path, idx(IMAGES), idx(LABELS), packed)
    images, labels = read_mnist(tmp_path, "test")
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


def test_a_table_is_read(tmp_path):
    rows = [",".join(map(str, (label, *image.ravel()))) for image, label in zip(IMAGES, LABELS, strict=True)]
    (tmp_path / "mnist_train.csv").write_text("\n".join(["label,1x1,...", *rows]))
    images, labels = read_mnist(tmp_path, "train")
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (idx(IMAGES)[:-1], idx(LABELS), "holds 2351 bytes"),
        (idx(IMAGES)[:9], idx(LABELS), "not an idx file"),
        (idx(LABELS), idx(LABELS), "not an idx file of bytes with 3 axes"),
        (idx(IMAGES), idx(LABELS[:2]), "3 images and 2 labels"),
        (struct.pack(">BBBB3i", 0, 0, 8, 3, -1, 28, -28), idx(LABELS), "expected"),
    ],
)
def test_what_is_not_mnist_is_named(tmp_path, images, labels, message):
    as_written(tmp_path, images, labels)
    with pytest.raises(ValueError, match=message):
        read_mnist(tmp_path, "test")


def test_a_missing_file_an_unknown_part_and_a_table_of_something_else_are_named(tmp_path):
    with pytest.raises(ValueError, match="train-images-idx3-ubyte cannot be read"):
        read_mnist(tmp_path, "train")
    with pytest.raises(ValueError, match="'train' or 'test'"):
        read_mnist(tmp_path, "valid")
    (tmp_path / "mnist_test.csv").write_text("a,b\n7,300\n")
    with pytest.raises(ValueError, match="784 pixels"):
        read_mnist(tmp_path, "test")
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b broken")
    (tmp_path / "mnist_test.csv").unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        read_mnist(tmp_path, "test")
