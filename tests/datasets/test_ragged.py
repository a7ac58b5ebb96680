"""Lists of lists are taken out of HDF5 files as its library does it, and within bounds where it has none."""

from __future__ import annotations

import struct

import numpy as np
import pytest

import rheobase as rb
from rheobase.datasets.readers.ragged import Ragged

h5py = pytest.importorskip("h5py")
LISTS = [np.arange(k * 7 % 40, dtype=np.uint16) + k for k in range(50)]


def written(path, **layout):
    with h5py.File(path, "w") as file:
        data = file.create_dataset("lists", (len(LISTS),), h5py.vlen_dtype(np.uint16), **layout)
        for k, numbers in enumerate(LISTS):
            data[k] = numbers
        file["texts"] = np.array(["null", "eins", "zwölf"], h5py.string_dtype())
    return path


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"chunks": (16,)},
        {"chunks": (16,), "maxshape": (None,)},
        {"chunks": (50,), "compression": "gzip"},
        {"chunks": (16,), "compression": "gzip", "shuffle": True},
    ],
)
def test_lists_are_read_however_they_are_laid_out(tmp_path, layout):
    path = written(tmp_path / "lists.h5", **layout)
    with h5py.File(path) as file:
        lists, theirs = Ragged(path, file["lists"]), file["lists"][()]
        texts = Ragged(path, file["texts"])
    assert len(lists) == len(LISTS)
    for k in (*range(50), 3, 49):
        np.testing.assert_array_equal(lists[k], LISTS[k])
        np.testing.assert_array_equal(lists[k], theirs[k])
    assert [texts[k].tobytes().decode() for k in range(3)] == ["null", "eins", "zwölf"]


def test_lists_that_nobody_wrote_are_empty(tmp_path):
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file.create_dataset("lists", (3,), h5py.vlen_dtype(np.float32))
        file.flush()
    with h5py.File(tmp_path / "empty.h5") as file:
        lists = Ragged(tmp_path / "empty.h5", file["lists"])
    assert [lists[k].size for k in range(3)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (0, struct.pack("<I", len(LISTS[9]) + 1), "list 9 has 24 entries, and 46 bytes to hold them"),
        (0, struct.pack("<I", 2**32 - 1), "list 9 has 4294967295 entries"),
        (4, struct.pack("<Q", 64), "no heap at 64"),
        (12, struct.pack("<I", 60_000), "list 9 has 23 entries, and 0 bytes"),
    ],
)
def test_an_entry_that_points_to_what_is_not_there_is_refused(tmp_path, place, value, said):
    path = written(tmp_path / "lists.h5")
    with h5py.File(path) as file:
        start = file["lists"].id.get_offset() + 9 * 16
    content = bytearray(path.read_bytes())
    content[start + place : start + place + len(value)] = value
    path.write_bytes(content)
    with h5py.File(path) as file:
        lists = Ragged(path, file["lists"])
    np.testing.assert_array_equal(lists[8], LISTS[8])
    with pytest.raises(rb.FormatError, match=said):
        lists[9]


@pytest.mark.parametrize("content", [np.zeros(4), np.zeros((2, 2), np.int32), np.array([b"a", b"bc"])])
def test_what_is_no_list_of_lists_is_refused(tmp_path, content):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["lists"] = content
    with h5py.File(tmp_path / "other.h5") as file, pytest.raises(rb.FormatError, match="allowed are lists"):
        Ragged(tmp_path / "other.h5", file["lists"])
