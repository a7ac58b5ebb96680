"""AEDAT 2.0 and 3.1: bits are where the formats have them, tonic reads ours, damage is named by its byte."""

from __future__ import annotations

import pickle
import struct

import numpy as np
import pytest

import rheobase as rb
from rheobase import datasets as data
from rheobase.datasets import Events

HEAD_3 = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"
HEAD_2 = b"#!AER-DAT2.0\r\n# made by hand\r\n"


def camera(n: int = 300, last: int = 200_000, seed: int = 0, size: int = 128) -> Events:
    draw = np.random.default_rng(seed)
    t = np.sort(draw.integers(0, last, n))
    return Events(t, *(draw.integers(0, high, n) for high in (size, size, 2)), shape=(2, size, size))


def packet(events, kind=1, source=1, overflow=0, room=None, size=8) -> bytes:
    """A packet of AEDAT 3.1, of (valid, p, y, x, t)."""
    room = len(events) if room is None else room
    valid = sum(one[0] for one in events)
    head = struct.pack("<hhiiiiii", kind, source, size, 4, overflow, room, len(events), valid)
    body = b"".join(struct.pack("<Ii", v | p << 1 | y << 2 | x << 17, t) for v, p, y, x, t in events)
    return head + body + bytes(8 * (room - len(events)))


@pytest.mark.parametrize("version", ["2.0", "3.1", "4.0"])
@pytest.mark.parametrize("start", [0, 2**31 - 100_000])
def test_a_file_is_read_as_it_was_written(tmp_path, version, start):
    events = camera(20_000)
    data.write_aedat(tmp_path / "a.aedat", events, version, start=start)
    assert data.read_aedat(tmp_path / "a.aedat", absolute=True) == events.delayed(start * 1e-6)
    assert data.read_aedat(tmp_path / "a.aedat") == events.delayed(-int(events.t_us[0]) * 1e-6)
    data.write_aedat(tmp_path / "none.aedat", events[:0], version, start=start)
    assert data.read_aedat(tmp_path / "none.aedat") == events[:0]


def test_events_of_3_1_are_those_that_count_of_the_camera_with_the_lowest_number(tmp_path):
    (tmp_path / "a.aedat").write_bytes(
        HEAD_3
        + packet([(1, 1, 5, 5, 9)], source=2)
        + packet([(1, 0, 0, 0, 5)], kind=0)  # of the clock
        + packet([(1, 1, 5, 3, 10), (0, 1, 1, 1, 11), (1, 0, 127, 126, 12)], room=7)
        + packet([(1, 1, 1, 2, 0)], overflow=1)
    )
    assert data.read_aedat(tmp_path / "a.aedat", absolute=True) == Events(
        [10, 12, 2**31], x=[3, 126, 2], y=[5, 127, 1], p=[1, 0, 1], shape=(2, 128, 128)
    )


def test_addresses_of_2_0_are_of_a_dvs128_and_its_clock_begins_anew(tmp_path):
    rows = [(3 << 8 | 5 << 1 | 0, 2**32 - 6), (1 << 15, 0), (127 << 8 | 127 << 1 | 1, 4)]
    (tmp_path / "a.aedat").write_bytes(HEAD_2 + b"".join(struct.pack(">II", *row) for row in rows))
    assert data.read_aedat(tmp_path / "a.aedat") == Events(
        [0, 10], x=[127 - 5, 0], y=[127 - 3, 0], p=[1, 0], shape=(2, 128, 128)
    )


@pytest.mark.parametrize("version", ["2.0", "3.1"])
def test_tonic_reads_what_is_written(tmp_path, version, monkeypatch):
    io = pytest.importorskip("tonic").io
    real = io.read_aedat_header_from_file
    # Two things are unpacked from what are three: tonic's issue 302.
    monkeypatch.setattr(io, "read_aedat_header_from_file", lambda path: real(path)[:2])
    events = camera(10_000)
    data.write_aedat(tmp_path / "a.aedat", events, version)
    shape, found = (io.read_dvs_128 if version == "2.0" else io.read_dvs_ibm)(str(tmp_path / "a.aedat"))
    x, y, p = found["x"], found["y"], found["p"]
    if version == "2.0":  # as the address has them, which is by column, from the other corner, darker first
        x, y, p = 127 - y, 127 - x, 1 - p
    assert shape == (128, 128)
    assert Events(found["t"], x, y, p, (2, 128, 128)) == events


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not begin as an AEDAT file does"),
        (b"#!AER-DAT1.0\r\n", "is AEDAT 1.0; known are 2.0, 3.1, 4.0"),
        (b"#!AER-DAT2.0\r\n# no end", "the line of its header at byte 14 does not end"),
        (HEAD_2 + bytes(12), "12 bytes follow its header at byte 30; an event takes 8"),
        (HEAD_2 + b"\x80\0\0\2\0\0\0\1", "0x80000002 at byte 30, like most .* none of a DVS128"),
        (HEAD_3[:-3], "its header does not end with #!END-HEADER"),
        (HEAD_3.replace(b"RAW", b"PNGFrames"), "its format is PNGFrames; known is RAW"),
        (HEAD_3 + bytes(27), "a packet begins at byte 61, and ends before its header does"),
        (
            HEAD_3 + packet([(1, 0, 0, 0, 0)] * 2)[:-8],
            "packet at byte 61 declares 2 events of 8 .* 8 bytes are",
        ),
        (HEAD_3 + packet([], size=0), "packet at byte 61 declares 0 events of 0 bytes"),
        (HEAD_3 + packet([(1, 0, 0, 0, 0)], size=4), "packet at byte 61 declares 1 events of 4 bytes"),
        (HEAD_3 + packet([(1, 0, 0, 0, 0)], overflow=-1), "room for 1 and -1 overflows"),
        (HEAD_3 + packet([(1, 0, 0, 0, 3), (1, 0, 0, 0, -3)]), "event at byte 97 has the time -3"),
        (HEAD_3 + packet([(1, 0, 0, 128, 3)]), r"x: got 128; allowed are 0 to 127 for the shape"),
    ],
)
def test_damage_is_named_by_its_byte(tmp_path, content, said):
    (tmp_path / "a.aedat").write_bytes(content)
    with pytest.raises(rb.FormatError, match=f"a.aedat: .*{said}"):
        data.read_aedat(tmp_path / "a.aedat")


@pytest.mark.parametrize(
    ("version", "size", "start", "said"),
    [
        ("1.0", 128, 0, r"version: got '1.0'; allowed is one of \['2.0', '3.1', '4.0'\]"),
        ("2.0", 64, 0, r"shape: got \(2, 64, 64\); allowed in version 2.0 is \(2, 128, 128\)"),
        ("2.0", 128, 2**32, r"start: got 4294967296; allowed in version 2.0 are times from 0 to before"),
        ("3.1", 128, -1, "start: got -1"),
    ],
)
def test_what_a_version_cannot_hold_is_refused(tmp_path, version, size, start, said):
    with pytest.raises(rb.SpecError, match=said):
        data.write_aedat(tmp_path / "a.aedat", camera(size=size), version, start=start)


@pytest.fixture
def gestures(tmp_path):
    """IBM's layout: two recordings to train on, of which one is not there, and one to test on."""
    folder = tmp_path / "DvsGesture"
    folder.mkdir()
    tables = {"user01_led": [(8, 1000, 50_000), (8, 60_000, 90_000)], "user24_natural": [(11, 0, 200_000)]}
    for k, (name, rows) in enumerate(tables.items()):
        data.write_aedat(folder / f"{name}.aedat", camera(10_000, seed=k), "3.1", start=2**31 - 70_000)
        lines = [f"{kind},{first + 2**31 - 70_000},{last + 2**31 - 70_000}" for kind, first, last in rows]
        table = "\n".join(["class,startTime_usec,endTime_usec", *lines])
        (folder / f"{name}_labels.csv").write_text(table + "\n")
    (folder / "trials_to_train.txt").write_text("user01_led.aedat\r\nuser02_lab.aedat\r\n\r\n")
    (folder / "trials_to_test.txt").write_text("user24_natural.aedat\n")
    return folder


@pytest.mark.parametrize("inside", [True, False])
def test_gestures_are_cut_out_of_the_recordings_as_ibm_has_them(gestures, inside):
    root, whole = gestures if inside else gestures.parent, camera(10_000, seed=0)
    train, test = data.dvs_gesture(root, "train"), data.dvs_gesture(root, "test")
    assert (train.labels.tolist(), test.labels.tolist()) == ([7, 7], [10])
    assert train[1][0] == whole.between(0.06, 0.09).delayed(-0.06)
    sent = pickle.loads(pickle.dumps(train))  # as to workers, while a file is open
    assert sent[0][0] == whole.between(0.001, 0.05).delayed(-0.001)
    assert test[0][0] == camera(10_000, seed=1)
    assert (test.about["user"].tolist(), test.about["lighting"].tolist()) == ([24], ["natural"])


def test_a_gesture_may_lie_in_packets_that_are_out_of_order(gestures):
    late, early = [(1, 1, 5, 3, 2**31 - 9_000)], [(1, 1, 5, 3, 2**31 - 60_000)]
    (gestures / "user01_led.aedat").write_bytes(HEAD_3 + packet(late) + packet(early) + packet(late))
    assert [events.t_us.tolist() for events, _ in data.dvs_gesture(gestures)] == [[9_000], [1_000, 1_000]]


def test_arrays_of_single_gestures_are_read_where_both_are_there(gestures):
    (gestures.parent / "ibmGestureTrain" / "user01_led").mkdir(parents=True)
    data.write_dvs_gesture(gestures.parent / "ibmGestureTrain" / "user01_led" / "3.npy", camera(20))
    assert data.dvs_gesture(gestures.parent).labels.tolist() == [3]
    assert data.dvs_gesture(gestures.parent, "test").labels.tolist() == [10]


@pytest.mark.parametrize(
    ("name", "content", "error", "said"),
    [
        (
            "user01_led.aedat",
            b"#!AER-DAT3.1\r\n",
            rb.FormatError,
            "user01_led.aedat: its header does not end",
        ),
        (
            "user01_led_labels.csv",
            b"a\n12,0,1\n",
            rb.FormatError,
            "_labels.csv: has classes 12 to 12; allowed",
        ),
        ("user01_led_labels.csv", b"a\n1,5,1\n", rb.FormatError, r"row 1 is \['1', '5', '1'\]; allowed are"),
        (
            "user01_led_labels.csv",
            b"a\n1,5\n",
            rb.FormatError,
            r"_labels.csv: row 1 is \['1', '5'\]; allowed",
        ),
        ("user01_led_labels.csv", b"a\n", rb.FormatError, "user01_led_labels.csv: has no rows"),
        ("user01_led_labels.csv", None, data.MissingData, "there is no .*user01_led_labels.csv"),
        (
            "trials_to_train.txt",
            b"../user01_led.aedat",
            rb.FormatError,
            "train.txt: lists '../user01_led.aedat'",
        ),
        ("trials_to_train.txt", b"", rb.FormatError, "trials_to_train.txt: lists no recordings"),
        ("trials_to_train.txt", b"user05_led.aedat", data.MissingData, "there is no .*user05_led.aedat"),
        (
            "trials_to_train.txt",
            None,
            data.MissingData,
            "ibmGestureTrain, DvsGesture/trials_to_train.txt or trials_to_train.txt in /",
        ),
    ],
)
def test_a_broken_or_missing_part_of_ibms_files_is_named(gestures, name, content, error, said):
    (gestures / name).unlink()
    if content is not None:
        (gestures / name).write_bytes(content)
    with pytest.raises(error, match=said):
        data.dvs_gesture(gestures.parent)[0]


def test_cifar10_dvs_is_read_as_its_authors_have_it_and_stands_upright(tmp_path):
    (tmp_path / "bird").mkdir()
    events = camera()
    data.write_aedat(tmp_path / "bird" / "cifar10_bird_0.aedat", events, "2.0")
    found = data.cifar10_dvs(tmp_path)
    assert (found.labels.tolist(), found.shape) == ([2], (2, 128, 128))
    assert found[0][0] == Events(events.t_us - events.t_us[0], events.y, events.x, events.p, (2, 128, 128))
    # Where tonic's are there too, nothing is read twice.
    data.write_aedat(tmp_path / "bird" / "cifar10_bird_0.aedat4", events)
    assert data.cifar10_dvs(tmp_path)[0][0] == events.delayed(-int(events.t_us[0]) * 1e-6)
    assert len(data.cifar10_dvs(tmp_path)) == 1
