"""The digits that ship: real, balanced, undamaged, and none of them seen in training."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def digits():
    return rb.datasets.digits()


@pytest.fixture(scope="module")
def training_checksums():
    """The first 4 bytes of the SHA-256 of each of the 60,000 training digits, sorted."""
    with np.load(HERE / "training_digits.npz", allow_pickle=False) as stored:
        return stored["checksums"]


def test_a_thousand_digits_ship_a_hundred_of_each_class(digits):
    assert digits.images.shape == (1000, 28, 28)
    assert digits.images.dtype == np.uint8
    assert np.bincount(digits.labels).tolist() == [100] * 10


def test_the_first_digits_are_those_of_the_published_test_set(digits):
    # The test set of MNIST is known to begin 7 2 1 0 4 1 4 9 5 9.
    assert digits.places[:10].tolist() == list(range(10))
    assert digits.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    # Mean ink of a digit of MNIST: 0.1307 of full scale over the training set.
    assert digits.pixels.mean() == pytest.approx(0.1307, abs=0.01)


def test_no_shipped_digit_was_trained_on(digits, training_checksums):
    shipped = [int.from_bytes(hashlib.sha256(i.tobytes()).digest()[:4], "little") for i in digits.images]
    assert len(training_checksums) == 60_000
    assert not np.isin(np.array(shipped, np.uint32), training_checksums).any()


def test_the_checksums_are_those_that_the_shipped_network_was_trained_with(training_checksums):
    path = files("rheobase.models") / "data" / "digits_mlp.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        expected, n = str(stored["training_digits_sha256"]), int(stored["n_training"])
    assert n == len(training_checksums)
    assert hashlib.sha256(training_checksums.tobytes()).hexdigest() == expected


def test_digits_to_calibrate_on_are_training_digits_forty_of_each_class(training_checksums):
    others = rb.datasets.calibration_digits()
    assert np.bincount(others.labels).tolist() == [40] * 10
    sums = [int.from_bytes(hashlib.sha256(i.tobytes()).digest()[:4], "little") for i in others.images]
    assert np.isin(np.array(sums, np.uint32), training_checksums).all()
    # The training set of MNIST is known to begin 5 0 4 1 9 2 1 3 1 4.
    assert others.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


def test_digits_are_read_only_and_pixels_lie_between_zero_and_one(digits):
    with pytest.raises(ValueError, match="read-only"):
        digits.images[0, 0, 0] = 1
    assert digits.pixels.shape == (1000, 784)
    assert digits.pixels.dtype == np.float32
    assert digits.pixels.min() == 0
    assert digits.pixels.max() == 1


@pytest.fixture
def other_file(tmp_path, monkeypatch):
    """Let digits() find its file in a folder of the test."""
    monkeypatch.setattr(sys.modules["rheobase.datasets.shipped"], "files", lambda package: tmp_path)
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "digits.npz"


def test_a_truncated_file_is_refused_with_advice(other_file):
    whole = (files("rheobase.datasets") / "data" / "digits.npz").read_bytes()
    other_file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="install rheobase again"):
        rb.datasets.digits()


def test_a_changed_digit_is_noticed(other_file, digits):
    images = digits.images.copy()
    images[5, 14, 14] ^= 1
    sha = hashlib.sha256(digits.images.tobytes() + digits.labels.tobytes()).hexdigest()
    np.savez(other_file, images=images, labels=digits.labels, places=digits.places, sha256=sha, source="x")
    with pytest.raises(ValueError, match="damaged"):
        rb.datasets.digits()


def test_a_pickle_is_never_opened(other_file):
    np.savez(other_file, images=np.array([print], dtype=object), labels=0, places=0, sha256="", source="")
    with pytest.raises(ValueError, match="cannot be read"):
        rb.datasets.digits()


def test_loading_digits_needs_numpy_only():
    code = (
        "import sys, rheobase as rb; rb.datasets.digits();"
        "print([m for m in ('torch', 'numba', 'scipy', 'matplotlib', 'tonic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HERE)
    assert done.stdout.strip() == "[]"
