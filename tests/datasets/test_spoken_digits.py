"""The spoken digits that ship: as many of each word and voice as said, no voice in both parts, undamaged."""

from __future__ import annotations

import sys
from importlib.resources import files

import numpy as np
import pytest

import rheobase as rb


@pytest.fixture(scope="module")
def parts():
    return {split: rb.datasets.spoken_digits(split) for split in ("train", "test")}


def test_there_are_as_many_of_each_word(parts):
    for split, each in (("train", 15), ("test", 5)):
        data = parts[split]
        assert np.bincount(data.labels).tolist() == [each] * 20
        assert data.shape == (700,)
        assert data.classes[:3] + data.classes[10:13] == ("zero", "one", "two", "null", "eins", "zwei")


def test_no_voice_is_in_both_parts(parts):
    train, test = (set(parts[split].speakers.tolist()) for split in ("train", "test"))
    assert (len(train), len(test), len(train & test)) == (20, 9, 0)
    train, test = (set(parts[split].about["voice"].tolist()) for split in ("train", "test"))
    assert (len(train), len(test), len(train & test)) == (20, 9, 0)


def test_recordings_have_as_many_spikes_as_they_were_packed_with(parts):
    total = {split: 0 for split in parts}
    for split, data in parts.items():
        for events, _ in data:
            total[split] += len(events)
            assert (events.t_us % 1000 == 0).all()
            assert 0.15e6 < events.t_us[-1] < 0.85e6
    assert total == {"train": 2_290_529, "test": 721_976}


def test_one_recording_is_what_was_packed(parts):
    # The first of the training set, from the file of which it was packed.
    events, label = parts["train"][0]
    assert label == 8
    assert events.t_us[:6].tolist() == [2000, 2000, 2000, 3000, 3000, 3000]
    assert events.x[:6].tolist() == [478, 586, 679, 93, 117, 373]


def test_a_damaged_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["rheobase.datasets.shipped"], "files", lambda package: tmp_path)
    (tmp_path / "data").mkdir()
    with np.load(
        files("rheobase.datasets") / "data" / "spoken_digits_test.npz", allow_pickle=False
    ) as stored:
        data = {name: stored[name] for name in stored.files}
    data["gaps"][7] += 1
    np.savez(tmp_path / "data" / "spoken_digits_test.npz", **data)
    with pytest.raises(ValueError, match=r"spoken_digits_test.*damaged.*install rheobase again"):
        rb.datasets.spoken_digits("test")


def test_other_parts_are_named():
    with pytest.raises(rb.SpecError, match=r"spoken_digits\.split: got 'valid'"):
        rb.datasets.spoken_digits("valid")
