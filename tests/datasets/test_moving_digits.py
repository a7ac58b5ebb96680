"""Digits before an event camera: in N-MNIST's layout, made once, and as the path says."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.datasets.moving_digits import _film


@pytest.fixture(scope="module")
def data():
    return rb.datasets.moving_digits(12, split="test", seed=3)


def test_recordings_are_as_many_and_as_long_as_in_n_mnist(data):
    counts = [len(events) for events, _ in data]
    # N-MNIST has about 4,200 events a digit.
    assert 3000 < np.mean(counts) < 4500
    for events, _ in data:
        assert events.shape == (2, 34, 34)
        assert 300_000 < events.t_us[-1] <= 315_000
        assert 0.45 < events.p.mean() < 0.6


def test_labels_are_those_of_the_digits_shown(data):
    assert [label for _, label in data] == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6]
    assert data.labels.tolist() == [label for _, label in data]
    train = rb.datasets.moving_digits()
    assert len(train) == 400
    assert train.labels.tolist() == rb.datasets.calibration_digits().labels.tolist()


def test_a_recording_is_made_once_and_is_the_same_for_the_same_seed_only(data):
    assert data[1][0] is data[1][0]
    assert data[1][0] == rb.datasets.moving_digits(2, split="test", seed=3)[1][0]
    assert data[1][0] != rb.datasets.moving_digits(2, split="test", seed=4)[1][0]
    assert data[1][0] != rb.datasets.moving_digits(2, split="train", seed=3)[1][0]


def test_after_the_last_digit_the_first_comes_again_seen_anew():
    twice = rb.datasets.moving_digits(800)
    (first, label), (again, same) = twice[0], twice[400]
    assert label == same
    assert first != again


def test_a_film_shows_the_image_between_pixels_along_the_triangle():
    image = np.zeros((28, 28))
    image[9:19, 11:16] = 1.0
    film, times = _film(image, np.array([0.25, 0.5]))
    rows, columns = np.arange(34), np.arange(34)
    x, y = (np.array([f.sum(0) @ columns, f.sum(1) @ rows]) / f.sum() for f in film[[0, -1]])
    assert film.sum(axis=(1, 2)) == pytest.approx(50.0)
    # Centres of mass move as the path does: here, half way through each saccade, and at its ends.
    centre = np.array([[f.sum(0) @ columns, f.sum(1) @ rows] for f in film]) / 50.0 - [13.0, 13.5]
    at = {0.0: (0, 0), 0.0525: (1.75, 3.5), 0.105: (3.5, 7), 0.21: (7, 0), 0.2625: (3.5, 0), 0.315: (0, 0)}
    for t, place in at.items():
        moved = [np.interp(t, times, axis) for axis in centre.T]
        np.testing.assert_allclose(moved, np.add(place, (0.25, 0.5)), atol=0.02)
    assert x == pytest.approx(y)


def test_they_are_binned_like_recordings_from_files(data):
    counts, label = data.binned(5e-3, 64)[0]
    assert label == 7
    assert counts.dense().shape == (64, 2, 34, 34)
    assert counts.dense().sum() == len(data[0][0])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"split": "valid"}, r"moving_digits\.split: got 'valid'; allowed is 'train' or 'test'"),
        ({"n": 0}, r"moving_digits\.n: got 0; allowed is a whole number, >= 1"),
    ],
)
def test_other_parts_and_numbers_are_named(wrong, message):
    with pytest.raises(rb.SpecError, match=message):
        rb.datasets.moving_digits(**wrong)
