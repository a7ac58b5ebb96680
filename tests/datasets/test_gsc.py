"""Speech Commands are heard through a cochlea, in the three parts that two lists make of them."""

from __future__ import annotations

import wave
import zlib

import numpy as np
import pytest

import rheobase as rb
from rheobase.datasets import Cochlea, gsc

EAR = Cochlea(channels=8, weight=0.6)
RATE = 16_000


def sound(pitch: float) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * pitch * np.arange(600) / RATE)).astype("<i2")


@pytest.fixture
def root(tmp_path):
    names = {
        "yes": ("ab_nohash_0", "cd_nohash_0", "cd_nohash_1"),
        "no": ("ab_nohash_0",),
        "_background_noise_": ("x",),
    }
    for k, (word, recordings) in enumerate(names.items()):
        (tmp_path / word).mkdir()
        for name in recordings:
            with wave.open(str(tmp_path / word / f"{name}.wav"), "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", ""))
                file.writeframes(sound(400.0 * (k + 1)).tobytes())
    (tmp_path / "validation_list.txt").write_text("yes/cd_nohash_0.wav\n")
    (tmp_path / "testing_list.txt").write_text("yes/cd_nohash_1.wav\nno/zz_nohash_3.wav\n")
    return tmp_path


def test_two_lists_make_three_parts(root):
    parts = {name: gsc(root, name, cochlea=EAR) for name in ("train", "valid", "test")}
    assert {name: len(part) for name, part in parts.items()} == {"train": 2, "valid": 1, "test": 1}
    assert parts["train"].classes == ("no", "yes")
    assert parts["train"].labels.tolist() == [0, 1]
    assert parts["valid"].speakers.tolist() == ["cd"]


def test_a_recording_is_heard_the_same_whenever_it_is_read(root):
    train = gsc(root, cochlea=EAR)
    events, label = train[1]
    assert train.shape == events.shape == (8,)
    assert train[1:][0] == (events, label)
    # The draws of the nerve are those of the file's name, in every process.
    assert events == EAR.listen(sound(400.0), RATE, seed=zlib.crc32(b"yes/ab_nohash_0.wav"))
    assert events != EAR.listen(sound(400.0), RATE, seed=0)


def test_what_is_kept_depends_on_the_cochlea(root):
    for channels in (8, 5):
        ear = Cochlea(channels=channels, weight=0.6)
        counts, _ = gsc(root, cochlea=ear).binned(1e-3, 60, shape=(8,), cache=root / "kept")[0]
        assert counts.dense().sum() == len(gsc(root, cochlea=ear)[0][0])
        assert counts.ids.max() < channels


def test_a_file_that_is_no_sound_is_refused_by_name(root):
    path = root / "no" / "ab_nohash_0.wav"
    good = path.read_bytes()
    stereo = bytearray(good)
    stereo[22] = 2
    for content, said in (
        (b"RIFF", "ab_nohash_0.wav"),
        (good[:30], "ab_nohash_0.wav"),
        (bytes(stereo), "2 channels"),
    ):
        path.write_bytes(content)
        with pytest.raises(rb.FormatError, match=said):
            gsc(root, cochlea=EAR)[0]
