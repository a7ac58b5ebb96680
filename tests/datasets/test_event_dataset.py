"""A dataset reads what it is asked for when it is asked, keeps what took long, and names what is missing."""

from __future__ import annotations

import functools
import pickle

import numpy as np
import pytest

import rheobase as rb
from rheobase import datasets as data
from rheobase.datasets import Events, bin_events


def recording(channels: int, seed: int, n: int = 60) -> Events:
    draw = np.random.default_rng(seed)
    return Events(np.sort(draw.integers(0, 40_000, n)), draw.integers(0, channels, n), shape=(channels,))


@pytest.fixture
def spoken(tmp_path):
    """Twelve recordings of three classes, in one file."""
    labels = [k % 3 for k in range(12)]
    data.write_shd(
        tmp_path / "shd_train.h5",
        [recording(700, k) for k in range(12)],
        labels,
        classes=["a", "b", "c"],
        speakers=[k // 4 for k in range(12)],
        precision="float64",
    )
    return data.shd(tmp_path)


@pytest.fixture
def seen(tmp_path):
    """Four recordings of two classes, in a file each."""
    draw = np.random.default_rng(0)
    for label in (1, 8):
        (tmp_path / "Train" / str(label)).mkdir(parents=True)
        for k in range(2):
            t, *xyp = (draw.integers(0, high, 200) for high in (90_000, 34, 34, 2))
            data.write_bin(tmp_path / "Train" / str(label) / f"{k}.bin", Events(t, *xyp))
    return data.nmnist(tmp_path)


def test_a_dataset_is_a_sequence_of_events_and_labels(spoken):
    assert (len(spoken), spoken.shape, spoken.classes) == (12, (700,), ("a", "b", "c"))
    assert [label for _, label in spoken] == [0, 1, 2] * 4
    assert spoken[-1][0] == recording(700, 11)
    with pytest.raises(IndexError, match=r"dataset\[12\]: there are 12 recordings"):
        spoken[12]
    with pytest.raises(rb.SpecError, match=r"dataset\['a'\]: allowed is a whole number, or a slice"):
        spoken["a"]


def test_a_part_of_a_dataset_is_one(spoken):
    part = spoken[spoken.speakers == 1]
    assert (len(part), part.speakers.tolist()) == (4, [1] * 4)
    assert part[2:][1][0] == spoken[7][0]
    assert part[np.array([3, 0])].labels.tolist() == [7 % 3, 4 % 3]
    assert part[np.array(3)][0] == part.binned(1e-3, 50).data[-1][0] == spoken[7][0]


def test_the_first_of_each_class_are_one_part_and_the_others_another(spoken):
    first, second = spoken.divided(0.75)
    assert np.bincount(first.labels).tolist() == [3, 3, 3]
    assert second.labels.tolist() == [0, 1, 2]
    assert second[0][0] == spoken[9][0]
    with pytest.raises(rb.SpecError, match="share"):
        spoken.divided(1.0)


def test_a_file_is_opened_once(spoken, monkeypatch):
    import h5py

    opened = []
    real = h5py.File
    monkeypatch.setattr(h5py, "File", lambda *a, **k: opened.append(a) or real(*a, **k))
    for k in (3, 1, 3, 0):
        spoken[k]
    assert len(opened) == 1


def test_a_simulation_runs_on_what_a_dataset_holds(seen):
    net = rb.Network()
    source = net.add(rb.SpikeSource(seen.shape))
    probe = net.add(rb.Probe(source, "counts"))
    sim = rb.Simulator(net, dt=1e-3, backend="reference", batch=len(seen))
    result = sim.run(0.09, inputs={source: [events.spikes(dt=1e-3) for events, _ in seen]})
    counted = [np.bincount(events.ids(), minlength=2 * 34 * 34) for events, _ in seen]
    np.testing.assert_array_equal(result[probe].counts, counted)


@pytest.mark.parametrize(("binned", "workers"), [(False, 1), (True, 0)])
def test_a_data_loader_and_its_workers_read_it(spoken, binned, workers):
    torch = pytest.importorskip("torch")
    spoken[0]  # what is opened here must not be read through by a worker
    samples = spoken.binned(1e-3, 40) if binned else spoken
    loader = torch.utils.data.DataLoader(
        samples, batch_size=5, collate_fn=data.collate(1e-3, 40), num_workers=workers
    )
    batches = list(loader)
    assert [spikes.shape for spikes, _ in batches] == [(40, 5, 700), (40, 5, 700), (40, 2, 700)]
    assert torch.cat([labels for _, labels in batches]).tolist() == spoken.labels.tolist()
    for k, (events, _) in enumerate(spoken):
        dense = bin_events(events, 1e-3, 40).dense()
        np.testing.assert_array_equal(batches[k // 5][0][:, k % 5], dense)


def test_counts_of_other_steps_than_a_batch_are_refused(spoken):
    pytest.importorskip("torch")
    with pytest.raises(rb.SpecError, match=r"got counts in 50 steps of 0.001 s, .* wanted are 40 of 0.001 s"):
        data.collate(1e-3, 40)([spoken.binned(1e-3, 50)[0]])


def test_transforms_of_tonic_are_applied(tmp_path, seen):
    transforms = pytest.importorskip("tonic").transforms
    cropped = data.nmnist(tmp_path, transform=transforms.CropTime(max=30_000))
    for (events, _), (whole, _) in zip(cropped, seen, strict=True):
        assert len(events) < len(whole)
        assert events == whole.between(0.0, 0.030001)
    half = data.nmnist(tmp_path, transform=transforms.Downsample(spatial_factor=0.5))
    assert half.binned(1e-3, 100, shape=(2, 17, 17))[0][0].counts.sum() == len(seen[0][0])
    frames = data.nmnist(tmp_path, transform=transforms.ToFrame(sensor_size=(34, 34, 2), n_event_bins=4))
    assert frames[0][0].shape == (4, 2, 34, 34)
    with pytest.raises(rb.SpecError, match="the transform returns ndarray; allowed are events"):
        frames.binned(1e-3, 90)[0]
    with pytest.raises(
        rb.SpecError, match=r"nmnist.transform: what it returns cannot be events: Events.x: got 6"
    ):
        data.nmnist(tmp_path, transform=lambda array: [array.__setitem__("x", 60), array][1])[0]
    with pytest.raises(rb.SpecError, match=r"nmnist.transform: got 'denoise'; allowed is a function"):
        data.nmnist(tmp_path, transform="denoise")
    pickle.dumps(cropped)  # as workers that are not forked get it


def test_caches_and_slices_of_tonic_take_it_as_arrays(tmp_path, seen):
    tonic = pytest.importorskip("tonic")
    arrays = seen.through(Events.to_structured)
    kept = tonic.DiskCachedDataset(arrays, cache_path=str(tmp_path / "kept"))
    for _ in range(2):  # made, and found again
        assert Events.from_structured(kept[3][0], shape=seen.shape) == seen[3][0]
    whole = tonic.slicers.SliceByTime(time_window=45_000, include_incomplete=True, start_time=0)
    assert len(tonic.SlicedDataset(arrays, slicer=whole)) == 2 * len(seen)
    with pytest.raises(rb.SpecError, match=r"Events\[0\]: .*to_structured\(\) has single events"):
        seen[0][0][0]


def test_a_transform_of_a_cochlea_gets_no_rows(tmp_path, spoken):
    names = []
    data.shd(tmp_path, transform=lambda array: names.append(array.dtype.names) or array)[0]
    assert names == [("t", "x", "p")]


def test_samples_go_through_functions(seen):
    clean = seen.through(functools.partial(data.denoise, within=5e-3))
    assert [events for events, _ in clean] == [data.denoise(events, 5e-3) for events, _ in seen]
    assert [len(events) for events, _ in clean.through(lambda events: events[:3])] == [3] * 4
    pickle.dumps(clean)


class Later:
    """A transform that counts its calls on the side."""

    calls = 0

    def __init__(self, by: int) -> None:
        self.by = by

    def __call__(self, array):
        type(self).calls += 1
        array["t"] += self.by
        return array


def test_what_is_kept_is_found_until_something_changes(tmp_path, seen, monkeypatch):
    monkeypatch.setattr(Later, "calls", 0)
    kept = tmp_path / "kept"

    def through(by: int, dt: float = 1e-3, index: int = 0):
        counts, label = data.nmnist(tmp_path, transform=Later(by)).binned(dt, 100, cache=kept)[index]
        assert label == seen[index][1]
        return counts.dense(), Later.calls

    first, calls = through(0)
    np.testing.assert_array_equal(first, bin_events(seen[0][0], 1e-3, 100).dense())
    again, same = through(0)
    np.testing.assert_array_equal(again, first)
    assert (calls, same) == (1, 1)
    later = data.nmnist(tmp_path, transform=Later(0)).through(lambda events: events.delayed(1e-3))
    assert later.binned(1e-3, 100, cache=kept)[0][0].steps[0] == np.flatnonzero(first.any((1, 2, 3)))[0] + 1
    assert Later.calls == 2  # another function
    assert through(1000)[1] == 3  # another transform
    assert through(0, dt=2e-3)[1] == 4  # another step
    assert through(0, index=1)[1] == 5  # another file
    data.write_bin(seen.recordings.paths[0], seen[2][0])
    changed, calls = through(0)  # another content
    assert calls == 6
    np.testing.assert_array_equal(changed, bin_events(seen[2][0], 1e-3, 100).dense())


def test_what_was_kept_and_is_broken_is_made_again(tmp_path, seen):
    binned = seen.binned(1e-3, 100, cache=tmp_path / "kept")
    first = binned[3][0].dense()
    (stored,) = (tmp_path / "kept").rglob("*.npz")
    for content in (b"", stored.read_bytes()[:200], pickle.dumps({"steps": 1})):
        stored.write_bytes(content)
        np.testing.assert_array_equal(binned[3][0].dense(), first)
    assert [path.suffix for path in stored.parent.iterdir()] == [".npz"]


def scaled(array, by=2):
    array["t"] //= by
    return array


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda a: a[a["p"] == 1], lambda a: a[a["p"] == 0]),
        (lambda a: a, lambda a: a[::2]),
        (scaled, functools.partial(scaled, by=3)),
        (functools.partial(scaled, by=4), functools.partial(scaled, by=5)),
        (Later(1), Later(2)),
        (Later(1).__call__, Later(2).__call__),
        (Later(np.zeros(3)), Later(np.ones(3))),
    ],
)
def test_transforms_that_differ_have_keys_that_differ(one, other):
    key_of = data.readers.store.key_of
    assert key_of(one) == key_of(one)
    assert key_of(one) != key_of(other)


def test_functions_are_told_apart_by_what_they_take_from_elsewhere():
    key_of = data.readers.store.key_of

    def by(k):
        return lambda array: array[k:]

    assert key_of(by(1)) == key_of(by(1))
    assert key_of(by(1)) != key_of(by(2))


def test_transforms_of_which_nobody_can_say_whether_they_changed_are_not_kept(tmp_path, seen):
    transform = Later(0)
    transform.source = (k for k in range(3))
    with pytest.raises(rb.SpecError, match="holds a generator"):
        data.nmnist(tmp_path, transform=transform).binned(1e-3, 100, cache=tmp_path / "kept")[0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shd", r"no shd_train.h5 in /.*, nor in SHD/ below it; nothing .* shd_train.h5.zip \(MD5 f3252aeb"),
        ("ssc", r"ssc_train.h5 in /.*, nor in SSC/ .* from https://zenkelab.org/datasets/"),
        (
            "nmnist",
            r"no Train in .*, nor in NMNIST/.* train.zip \(MD5 20959b8e.*garrickorchard.com/datasets/n-mnist",
        ),
        ("gsc", r"no validation_list.txt or testing_list.txt in .* speech_commands_v0.02.tar.gz \(2.3 GB\)"),
        ("ncaltech101", r"no Caltech101 in /.*, nor in NCALTECH101/"),
        ("ntidigits", r"n-tidigits.hdf5 \(MD5 360a2d11"),
        (
            "dvs_gesture",
            r"no ibmGestureTrain, DvsGesture/trials_to_train.txt or .* DvsGesture.tar.gz .*; or in ibm",
        ),
        ("cifar10_dvs", r"no airplane, automobile, bird, .* CIFAR10DVS.zip \(MD5 ce3a4a06"),
        ("nomniglot", r"dvs_background.* dvs_background_1.rar \(3,013,908,031 bytes\)"),
    ],
)
def test_what_is_missing_is_named_with_where_it_is_to_be_had(tmp_path, name, said):
    with pytest.raises(data.MissingData, match=said) as found:
        getattr(data, name)(tmp_path)
    assert isinstance(found.value, FileNotFoundError)
    with pytest.raises(rb.SpecError, match="split: got 'dev'"):
        getattr(data, name)(tmp_path, "dev")


def test_an_archive_that_is_still_packed_is_pointed_to(tmp_path):
    (tmp_path / "SHD").mkdir()
    (tmp_path / "SHD" / "shd_train.h5.zip").write_bytes(b"PK")
    with pytest.raises(data.MissingData, match=r"shd_train.h5.zip is there; unpack it"):
        data.shd(tmp_path)


def test_a_root_that_is_too_high_or_too_low_is_put_right(tmp_path):
    with pytest.raises(data.MissingData, match=r"there is no folder .*nowhere; nothing is downloaded"):
        data.nmnist(tmp_path / "nowhere")
    (tmp_path / "neuro" / "Train" / "0").mkdir(parents=True)
    (tmp_path / "neuro" / "dvs_background_1").mkdir()
    for reader, inside in ((data.nmnist, "Train/0"), (data.nmnist, "Train"), (data.nomniglot, "Train")):
        for root in ("", f"neuro/{inside}"):
            with pytest.raises(data.MissingData, match=r"but .*/neuro has it: give that as root"):
                reader(tmp_path / root)


def test_a_folder_without_recordings_is_missing_them(tmp_path):
    (tmp_path / "Train" / "0").mkdir(parents=True)
    with pytest.raises(data.MissingData, match=r"there is no .*Train/0/\*.bin"):
        data.nmnist(tmp_path)
