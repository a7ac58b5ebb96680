"""Files of events: what is written is read again, by us and by tonic, and what tonic reads, we read."""

from __future__ import annotations

import contextlib
import struct
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rheobase as rb
from rheobase import datasets as data
from rheobase.datasets import Events

tonic = pytest.importorskip("tonic")


def camera(height: int, width: int, n: int = 300, last: int = 200_000, seed: int = 0) -> Events:
    draw = np.random.default_rng(seed)
    t = np.sort(draw.integers(0, last, n))
    x, y, p = (draw.integers(0, high, n) for high in (width, height, 2))
    return Events(t, x, y, p, (2, height, width))


def cochlea(channels: int, n: int = 200, seed: int = 0) -> Events:
    draw = np.random.default_rng(seed)
    return Events(np.sort(draw.integers(0, 10**6, n)), draw.integers(0, channels, n), shape=(channels,))


@pytest.fixture
def whole(monkeypatch):
    """Let tonic's classes read what is there, be it the whole dataset or not."""

    def let(name: str, root, *args, **kwargs):
        kind = getattr(tonic.datasets, name)
        monkeypatch.setattr(kind, "_check_exists", lambda self: True)
        return kind(str(root), *args, **kwargs)

    return let


def same(sample, ours: Events, within: int = 0) -> None:
    """Assert that a sample of tonic's is the same as ours; times may differ by rounding."""
    theirs = Events.from_structured(sample, shape=ours.shape)
    np.testing.assert_allclose(theirs.t_us, ours.t_us, atol=within, rtol=0)
    if within:  # what comes within a microsecond may stand in another order
        assert sorted(theirs.ids()) == sorted(ours.ids())
    else:
        assert theirs == ours


@pytest.mark.parametrize("last", [300_000, 9_500_000])
def test_events_of_forty_bits_are_read_as_they_were_written(tmp_path, last):
    events = camera(34, 34, last=last)
    data.write_bin(tmp_path / "0.bin", events)
    assert data.read_bin(tmp_path / "0.bin", (2, 34, 34)) == events
    # Beyond 8.4 seconds there are events that say so.
    assert (tmp_path / "0.bin").stat().st_size > 5 * len(events) or last < 2**23
    same(tonic.io.read_mnist_file(str(tmp_path / "0.bin"), tonic.datasets.NMNIST.dtype), events)


def test_the_bits_of_an_event_are_where_the_format_has_them(tmp_path):
    (tmp_path / "0.bin").write_bytes(bytes([3, 5, 0x80 | 0x01, 0x02, 0x03]))
    events = data.read_bin(tmp_path / "0.bin")
    assert [int(v[0]) for v in (events.t_us, events.x, events.y, events.p)] == [0x010203, 3, 5, 1]


def test_what_forty_bits_cannot_hold_is_refused(tmp_path):
    with pytest.raises(rb.SpecError, match="got 240; allowed are 0 to 239"):
        data.write_bin(tmp_path / "0.bin", Events([0], [0], [240]))
    with pytest.raises(rb.SpecError, match="got none"):
        data.write_bin(tmp_path / "0.bin", Events([], [], []))


def test_nmnist_is_read_as_tonic_reads_it(tmp_path, whole):
    for label, name in ((3, "00012"), (3, "00002"), (7, "00004")):
        folder = tmp_path / "NMNIST" / "Test" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        data.write_bin(folder / f"{name}.bin", camera(34, 34, seed=int(name)))
    ours, theirs = data.nmnist(tmp_path, "test"), whole("NMNIST", tmp_path, train=False)
    assert ours.labels.tolist() == [3, 3, 7] == list(theirs.targets)
    for (sample, label), (events, own) in zip(theirs, ours, strict=False):
        same(sample, events)
        assert label == own
    assert len(data.nmnist(tmp_path / "NMNIST", "test")) == len(theirs) == 3


def test_ncaltech101_is_read_as_tonic_reads_it_but_for_where_pictures_begin(tmp_path, whole):
    for k, name in enumerate(("BACKGROUND_Google", "airplanes")):
        folder = tmp_path / "NCALTECH101" / "Caltech101" / name
        folder.mkdir(parents=True)
        data.write_bin(folder / "image_0001.bin", camera(180, 240, seed=k))
    ours, theirs = data.ncaltech101(tmp_path), whole("NCALTECH101", tmp_path)
    assert ours.classes == ("BACKGROUND_Google", "airplanes")
    for (sample, label), (events, own) in zip(theirs, ours, strict=False):
        assert ours.classes[own] == label
        first = (int(events.x.min()), int(events.y.min()))
        same(sample, Events(events.t_us, events.x - first[0], events.y - first[1], events.p, events.shape))
    with pytest.raises(rb.FormatError, match=r"image_0001.bin: .* allowed are 0 to 99 for the shape"):
        data.ncaltech101(tmp_path, shape=(2, 100, 240))[0]


@pytest.mark.parametrize("precision", ["float16", "float64"])
def test_shd_is_read_as_tonic_reads_it(tmp_path, whole, precision):
    recordings = [cochlea(700, seed=k) for k in range(3)]
    folder = tmp_path / "SHD"
    folder.mkdir()
    data.write_shd(
        folder / "shd_train.h5",
        recordings,
        [2, 0, 1],
        classes=["zero", "one", "two"],
        speakers=[5, 3, 5],
        precision=precision,
    )
    ours, theirs = data.shd(tmp_path, "train"), whole("SHD", tmp_path, train=True)
    assert ours.labels.tolist() == [2, 0, 1]
    assert ours.speakers.tolist() == [5, 3, 5] == theirs.speaker.tolist()
    assert ours.classes == tuple(name.decode() for name in theirs.classes)
    for k, recording in enumerate(recordings):
        (sample, label), (events, own) = theirs[k], ours[k]
        same(sample, events, within=1)
        assert label == own
        # Half precision resolves half a millisecond at the end of a second.
        assert np.abs(events.t_us - recording.t_us).max() <= (250 if precision == "float16" else 0)


def test_ssc_has_three_parts(tmp_path):
    for k, part in enumerate(("train", "valid", "test")):
        data.write_shd(tmp_path / f"ssc_{part}.h5", [cochlea(700)] * (k + 1), [0] * (k + 1), classes=["yes"])
    assert [len(data.ssc(tmp_path, part)) for part in ("train", "valid", "test")] == [1, 2, 3]


def test_ntidigits_is_read_as_tonic_reads_it(tmp_path, whole):
    names = ["man-ah-a-1", "man-ah-b-o", "woman-bd-a-34z", "woman-bd-a-z"]
    (tmp_path / "NTIDIGITS18").mkdir()
    recordings = {name: cochlea(64, seed=k) for k, name in enumerate(names)}
    data.write_ntidigits(tmp_path / "NTIDIGITS18" / "n-tidigits.hdf5", recordings)
    for single in (True, False):
        ours = data.ntidigits(tmp_path, single=single)
        theirs = whole("NTIDIGITS18", tmp_path, train=True, single_digits=single)
        assert len(ours) == len(theirs) == (3 if single else 4)
        for k in range(len(ours)):
            (sample, label), (events, own) = theirs[k], ours[k]
            same(sample, events, within=1)
            assert label == own
            assert events == recordings[ours.about["name"][k]]
    assert ours.labels.tolist() == ["1", "o", "34z", "z"]
    assert ours.speakers.tolist() == ["man-ah", "man-ah", "woman-bd", "woman-bd"]
    assert data.ntidigits(tmp_path).labels.tolist() == [1, 0, 10]
    assert len(data.ntidigits(tmp_path, "test")) == 0


def test_dvs_gesture_is_read_as_tonic_reads_it(tmp_path, whole):
    for user, light, label in ((1, "led", 0), (1, "led", 10), (23, "fluorescent_led", 4)):
        folder = tmp_path / "DVSGesture" / "ibmGestureTrain" / f"user{user:02}_{light}"
        folder.mkdir(parents=True, exist_ok=True)
        events = camera(128, 128, seed=label)
        data.write_dvs_gesture(folder / f"{label}.npy", Events(events.t_us // 1000 * 1000, *(
            getattr(events, name) for name in "xyp"), shape=events.shape))  # fmt: skip
    ours, theirs = data.dvs_gesture(tmp_path), whole("DVSGesture", tmp_path, train=True)
    found = {(user, light, target): k for k, (user, light, target) in
             enumerate(zip(theirs.users, theirs.lighting, theirs.targets, strict=True))}  # fmt: skip
    assert len(ours) == len(theirs) == 3
    for k, (events, label) in enumerate(ours):
        sample, _ = theirs[found[ours.about["user"][k], ours.about["lighting"][k], label]]
        same(sample, events)
    assert ours.classes[4] == "Right arm ccw"


def test_aedat4_is_read_as_it_was_written(tmp_path):
    events = camera(128, 128, n=40_000)
    data.write_aedat(tmp_path / "a.aedat4", events, start=10**15)
    assert data.read_aedat(tmp_path / "a.aedat4", absolute=True) == events.delayed(1e9)
    first = int(events.t_us[0])
    assert data.read_aedat(tmp_path / "a.aedat4") == events.delayed(-first * 1e-6)


def test_cifar10_dvs_is_read_as_tonic_reads_it(tmp_path, whole):
    pytest.importorskip("aedat")
    for k, name in enumerate(("bird", "truck")):
        (tmp_path / "CIFAR10DVS" / name).mkdir(parents=True)
        events = camera(128, 128, seed=k)
        events = events.delayed(-int(events.t_us[0]) * 1e-6)
        data.write_aedat(tmp_path / "CIFAR10DVS" / name / f"cifar10_{name}_0.aedat4", events)
    ours, theirs = data.cifar10_dvs(tmp_path), whole("CIFAR10DVS", tmp_path)
    assert ours.labels.tolist() == [2, 9] == theirs.targets
    for (sample, _), (events, _) in zip(theirs, ours, strict=False):
        same(sample, events)


@pytest.mark.parametrize(("package", "compression"), [("lz4.frame", 1), ("lz4.frame", 2), ("zstandard", 3)])
def test_packets_of_aedat4_may_be_compressed(tmp_path, package, compression):
    compress = pytest.importorskip(package).compress
    events = camera(30, 40)
    data.write_aedat(tmp_path / "plain.aedat4", events)
    plain = (tmp_path / "plain.aedat4").read_bytes()
    # After 14 bytes of magic: the header's size, and 28 bytes on in it the kind of compression.
    start = 18 + struct.unpack_from("<I", plain, 14)[0]
    body = compress(plain[start + 8 :])
    header = plain[:46] + struct.pack("<i", compression) + plain[50:start]
    (tmp_path / "packed.aedat4").write_bytes(header + struct.pack("<ii", 0, len(body)) + body)
    assert data.read_aedat(tmp_path / "packed.aedat4") == data.read_aedat(tmp_path / "plain.aedat4")


def test_nomniglot_is_twenty_drawings_in_each_file(tmp_path):
    start = 1_600_000_000_000_000
    for part, character in (("background_1", "character01"), ("background_2", "character02")):
        folder = tmp_path / f"dvs_{part}" / "Greek" / character
        folder.mkdir(parents=True)
        drawings = [camera(260, 346, n=20, last=50_000, seed=k) for k in range(20)]
        together = Events.concatenate([d.delayed(0.06 * k) for k, d in enumerate(drawings)])
        data.write_aedat(folder / "0001.aedat4", together, start=start)
        rows = [f"{k},{start + 60_000 * k},{start + 60_000 * k + 50_000}" for k in range(20)]
        (folder / "0001.csv").write_text("\n".join(["number,start,end", *rows]))
    found = data.nomniglot(tmp_path)
    assert (len(found), found.classes) == (40, ("Greek/character01", "Greek/character02"))
    assert found.labels.tolist() == [0] * 20 + [1] * 20
    assert [found[k][0] for k in (0, 7, 39)] == [drawings[k] for k in (0, 7, 19)]
    assert found.about["person"][27] == 7
    (folder / "0001.csv").write_text("number,start,end\n0,1,5\n")
    with pytest.raises(rb.FormatError, match=r"0001.csv: has 1 rows; there must be 20"):
        data.nomniglot(tmp_path)[20]
    (folder / "0001.csv").write_text("number,start,end\n0,5,1\n")
    with pytest.raises(rb.FormatError, match=r"0001.csv: row 1 is \['0', '5', '1'\]; allowed are"):
        data.nomniglot(tmp_path)[20]


def write_trial(path, events: Events) -> None:
    data.write_aedat(path, events, "3.1")
    path.with_name(f"{path.stem}_labels.csv").write_text("class,start,end\n3,0,200000\n")
    path.with_name("trials_to_train.txt").write_text(path.name)


FORMATS = [
    ("nmnist", 34, "Train/0/1.bin", data.write_bin),
    ("dvs_gesture", 128, "ibmGestureTrain/user01_led/0.npy", data.write_dvs_gesture),
    ("dvs_gesture", 128, "DvsGesture/user01_led.aedat", write_trial),
    ("cifar10_dvs", 128, "airplane/0.aedat", partial(data.write_aedat, version="2.0")),
    ("cifar10_dvs", 128, "airplane/0.aedat4", data.write_aedat),
    ("shd", 700, "shd_train.h5", lambda path, e: data.write_shd(path, [e], [0], classes=["zero"])),
    ("ntidigits", 64, "n-tidigits.hdf5", lambda path, e: data.write_ntidigits(path, {"man-ah-a-1": e})),
]


@pytest.fixture(params=FORMATS, ids=[name for _, _, name, _ in FORMATS])
def written(request, tmp_path):
    """A reader, the file that it reads, and the bytes of a good one."""
    reader, size, name, write = request.param
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, cochlea(size, 30) if reader in ("shd", "ntidigits") else camera(size, size, 30))
    return partial(getattr(data, reader), tmp_path), path, path.read_bytes()


def test_a_truncated_file_is_refused_by_name(written):
    reader, path, good = written
    for length in (len(good) - 3, len(good) // 2 + 1, 7, 0):
        path.write_bytes(good[:length])
        with pytest.raises(rb.FormatError, match=path.name):
            reader()[0]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_events_or_an_error_of_ours(written, draw):
    reader, path, good = written
    if draw.draw(st.integers(0, 4)) == 0:
        found = draw.draw(st.binary(max_size=200))
    else:
        found = bytearray(good)
        for place in draw.draw(st.lists(st.integers(0, len(good) - 1), min_size=1, max_size=6)):
            found[place] = draw.draw(st.integers(0, 255))
    path.write_bytes(found)
    with contextlib.suppress(rb.FormatError):
        for events, _ in reader():
            assert isinstance(events, Events)


def test_an_array_of_pickled_objects_is_never_opened(tmp_path):
    (tmp_path / "ibmGestureTrain" / "user01_led").mkdir(parents=True)
    np.save(tmp_path / "ibmGestureTrain" / "user01_led" / "0.npy", np.array([print, 1], object))
    with pytest.raises(rb.FormatError, match=r"0\.npy: is no \.npy file of numbers"):
        data.dvs_gesture(tmp_path)[0]
