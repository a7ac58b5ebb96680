"""What a result holds, draws, and survives on disk."""

import dataclasses
import json
import pickle
import statistics
import zipfile

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine.counts import Counts, OperatorCounts, PopulationCounts, ProjectionCounts
from rheobase.engine.records import CountRecord, SpikeRecord, TraceRecord
from rheobase.engine.result import Result, RunInfo


def spike_record(**changes):
    """Neuron 3 fires at 0, 10, 30 ms in trial 0; neuron 5 once in each of two trials."""
    given = {
        "steps": [0, 10, 20, 30, 7],
        "ids": [3, 3, 5, 3, 5],
        "trials": [0, 0, 0, 0, 1],
        "dt": 1e-3,
        "n": 3,
        "n_trials": 2,
        "stop": 0.05,
        "neurons": [3, 4, 5],
    }
    return SpikeRecord(**(given | changes))


@pytest.fixture
def result():
    counts = Counts(
        steps=50,
        trials=2,
        dt=1e-3,
        populations=(
            PopulationCounts(name="exc", kind="LIF", n=6, spikes=5, updates=600, operations={"add": 2}),
            PopulationCounts(name="noise", kind="PoissonSource", n=4, spikes=9),
        ),
        projections=(
            ProjectionCounts(
                name="noise->exc", pre="noise", post="exc", kind="dense", senders=4, n_synapses=24,
                n_weights=24, weight_bits=16, sent=9, packets=9, events=54, dense_events=2400,
            ),
        ),
        operators=(OperatorCounts(name="soft", kind="softmax", rows=3, spikes=2, evaluations={"exp": 1}),),
    )  # fmt: skip
    info = RunInfo(
        backend="numba", threads=1, precision="fixed", dt=1e-3, steps=50, trials=2, wall_s=0.5, build_s=0.25,
        seed=7, version="0.1.0", n_neurons=6, n_synapses=24, synapse_bytes=96, peak_mb=100.0,
    )  # fmt: skip
    records = {
        "spikes of exc": spike_record(),
        "v": TraceRecord(
            times=[0.0, 1e-3], values=np.arange(8, dtype=np.float32).reshape(2, 2, 2), ids=[0, 2]
        ),
        "../n": CountRecord(counts=[[1, 2], [3, 4]], ids=[0, 1], seconds=0.05),
    }
    return Result(records=records, counts=counts, info=info, populations={"exc": 6, "noise": 4})


def test_spike_times_are_steps_times_dt_and_trains_are_one_neuron_of_one_trial():
    record = spike_record()
    assert record.times.dtype == np.float64
    np.testing.assert_allclose(record.times, [0.0, 0.01, 0.02, 0.03, 0.007], rtol=1e-15)
    np.testing.assert_allclose(record.train(5, trial=1), [0.007])
    assert len(record) == 5


def test_rates_are_spikes_per_second_neuron_and_trial():
    record = spike_record(start=0.01, stop=0.06)
    # 5 spikes of 3 neurons in 2 trials of 50 ms; neuron 3 sent three, 4 none, 5 two
    assert record.rate() == pytest.approx(5 / (3 * 2 * 0.05))
    np.testing.assert_allclose(record.rates(), [30.0, 0.0, 20.0])


def test_cv_is_that_of_the_standard_library_within_trials():
    rng = np.random.default_rng(1)
    trains = {(trial, id): np.unique(rng.integers(0, 1000, 40)) for trial in range(2) for id in (8, 2)}
    rows = sorted((trial, int(step), id) for (trial, id), steps in trains.items() for step in steps)
    trials, steps, ids = zip(*rows, strict=True)
    record = SpikeRecord(
        steps=steps, ids=ids, trials=trials, dt=1e-3, n=3, n_trials=2, stop=1.0, neurons=[8, 2, 1]
    )
    for place, id in enumerate((8, 2)):
        intervals = [int(d) for trial in range(2) for d in np.diff(trains[trial, id])]
        expected = statistics.pstdev(intervals) / statistics.fmean(intervals)
        assert record.cv()[place] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(record.cv()[2])


def test_a_clockwork_neuron_has_a_cv_of_zero():
    record = SpikeRecord(steps=[0, 5, 10], ids=[0] * 3, trials=[0] * 3, dt=1e-3, n=1, stop=0.011)
    assert record.cv()[0] == 0.0


def test_asking_for_what_was_not_recorded_names_what_was(result):
    with pytest.raises(rb.SpecError, match="'spikes of exc'"):
        result["nothing"]
    with pytest.raises(rb.SpecError, match="neuron 4 was not recorded"):
        result["v"].of(4)
    with pytest.raises(rb.SpecError, match="neuron 9 was not recorded"):
        result["spikes of exc"].train(9)
    with pytest.raises(rb.SpecError, match="trial 2"):
        result["spikes of exc"].train(3, trial=2)


def test_a_probe_finds_its_record_by_itself_or_by_name(result):
    net = rb.Network()
    exc = net.add(rb.Population(6, rb.LIF(20e-3), name="exc"))
    probe = net.add(rb.Probe(exc))
    assert result[probe] is result["spikes of exc"]
    assert probe in result


def test_a_saved_result_comes_back_equal(result, tmp_path):
    path = tmp_path / "run.npz"
    result.save(path)
    again = Result.load(path)
    assert again.counts == result.counts
    assert again.info == result.info
    assert again.populations == result.populations
    assert list(again.records) == list(result.records)
    for name, record in result.records.items():
        for field in dataclasses.fields(record):
            mine, theirs = getattr(record, field.name), getattr(again[name], field.name)
            np.testing.assert_array_equal(mine, theirs)
            assert getattr(mine, "dtype", None) == getattr(theirs, "dtype", None)
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_numpy_reads_a_saved_result_without_pickle(result, tmp_path):
    result.save(tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz", allow_pickle=False) as data:
        np.testing.assert_array_equal(data["records/0/steps"], [0, 10, 20, 30, 7])


def test_a_failed_save_leaves_the_old_file(result, tmp_path):
    path = tmp_path / "run.npz"
    result.save(path)
    old = path.read_bytes()
    broken = TraceRecord(times=[0.0], values=np.array([[object()]]), ids=[0])
    with pytest.raises(rb.SpecError, match="records/0/values"):
        dataclasses.replace(result, records={"v": broken}).save(path)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_every_truncated_file_is_refused_as_such(result, tmp_path):
    result.save(tmp_path / "run.npz")
    whole = (tmp_path / "run.npz").read_bytes()
    for size in [*range(0, len(whole), 97), len(whole) - 1]:
        (tmp_path / "cut.npz").write_bytes(whole[:size])
        with pytest.raises(rb.FormatError, match=r"cut\.npz"):
            Result.load(tmp_path / "cut.npz")


def test_any_changed_byte_is_refused_or_harmless(result, tmp_path):
    """A flipped bit never gives other numbers: the file is refused, or the result is the same."""
    result.save(tmp_path / "run.npz")
    whole = (tmp_path / "run.npz").read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.integers(0, len(whole), 300):
        data = bytearray(whole)
        data[place] ^= 1 << int(rng.integers(8))
        (tmp_path / "bad.npz").write_bytes(data)
        try:
            again = Result.load(tmp_path / "bad.npz")
        except rb.FormatError:
            refused += 1
        else:
            np.testing.assert_array_equal(again["spikes of exc"].steps, result["spikes of exc"].steps)
            assert again.counts == result.counts
    assert refused > 150


def rewrite(path, **members):
    """Write the archive anew with other members; None drops one."""
    with zipfile.ZipFile(path) as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (old | members).items():
            if data is not None:
                archive.writestr(name, data)


def test_pickled_objects_are_never_loaded(result, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    np.savez(tmp_path / "bomb.npz", a=np.array([Bomb()], dtype=object))
    with pytest.raises(rb.FormatError):
        Result.load(tmp_path / "bomb.npz")
    result.save(tmp_path / "run.npz")
    with zipfile.ZipFile(tmp_path / "bomb.npz") as archive:
        bomb = archive.read("a.npy")
    with zipfile.ZipFile(tmp_path / "run.npz") as archive:
        header = json.loads(archive.read("header.json"))
    from hashlib import blake2b

    header["arrays"]["records/0/steps"] = blake2b(bomb, digest_size=16).hexdigest()
    members = {"header.json": json.dumps(header), "records/0/steps.npy": bomb}
    rewrite(tmp_path / "run.npz", **members)
    with pytest.raises(rb.FormatError, match="pickled objects, which are never loaded"):
        Result.load(tmp_path / "run.npz")
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(rb.FormatError):
        Result.load(tmp_path / "pickle.npz")
    assert not (tmp_path / "executed").exists()


def test_a_zip_bomb_is_refused_before_it_unfolds(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", b" " * 50_000_000)
    with pytest.raises(rb.FormatError, match="compressed"):
        Result.load(tmp_path / "bomb.npz")


def test_a_huge_shape_with_little_data_allocates_nothing(result, tmp_path):
    from hashlib import blake2b

    text = b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }"
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    array = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    result.save(tmp_path / "run.npz")
    with zipfile.ZipFile(tmp_path / "run.npz") as archive:
        header = json.loads(archive.read("header.json"))
    header["arrays"]["records/0/steps"] = blake2b(array, digest_size=16).hexdigest()
    rewrite(tmp_path / "run.npz", **{"header.json": json.dumps(header), "records/0/steps.npy": array})
    with pytest.raises(rb.FormatError, match="claims shape"):
        Result.load(tmp_path / "run.npz")


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{" * 100_000,
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"format": "another"}',
        b'{"format": "rheobase result", "version": 99}',
        b'{"format": "rheobase result", "version": 1}',
        b'{"format": "rheobase result", "version": 1, "arrays": {}, "content": {}}',
        b'{"format": "rheobase result", "version": 1, "arrays": {}, "content": {"records": [1]}}',
        b'{"format": "rheobase result", "version": 1, "arrays": {}, "content": '
        b'{"records": [{"name": "a", "kind": "Bomb"}], "counts": {}, "info": {}, "populations": {}}}',
        b'{"format": ' + b"9" * 10_000 + b"}",
    ],
)
def test_a_hostile_header_is_one_clear_error(header, tmp_path):
    with zipfile.ZipFile(tmp_path / "odd.npz", "w") as archive:
        archive.writestr("header.json", header)
    with pytest.raises(rb.FormatError, match=r"odd\.npz"):
        Result.load(tmp_path / "odd.npz")


def test_a_missing_file_stays_a_file_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Result.load(tmp_path / "none.npz")


def test_the_figures_of_a_run_have_stable_names_and_units(result):
    figures = result.to_dict()
    promised = (
        "backend threads version n_neurons n_synapses bio_s wall_s rtf build_s peak_mb spikes "
        "synaptic_events rate_hz ns_per_event ns_per_update bytes_per_synapse"
    )
    assert set(promised.split()) <= set(figures)
    assert figures["bio_s"] == pytest.approx(0.05)
    assert figures["rtf"] == pytest.approx(10.0)
    assert figures["rate_hz"] == pytest.approx(5 / (6 * 0.05 * 2))
    assert figures["ns_per_event"] == pytest.approx(0.5e9 / 54)
    assert figures["ns_per_update"] == pytest.approx(0.5e9 / 600)
    assert figures["bytes_per_synapse"] == 4.0
    json.dumps(figures, allow_nan=False)


def test_a_result_prints_as_a_table(result):
    text = str(result)
    for word in ("exc", "noise", "noise->exc", "spikes of exc", "54", "2.25%"):
        assert word in text
    assert "spikes of exc: SpikeRecord: 5 spikes of 3 neurons in 0.05 s, 16.67 Hz\n" in text


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("info", "steps"), "abc"),
        (("info", "dt"), "x"),
        (("info", "dt"), float("nan")),
        (("info", "trials"), -1),
        (("info", "wall_s"), None),
        (("info", "seed"), True),
        (("info", "colour"), 1),
        (("counts", "dt"), [1e-3]),
        (("counts", "populations", 0, "n"), "x"),
        (("counts", "populations", 0, "spikes"), None),
        (("counts", "populations", 0, "operations"), {"add": 0.5}),
        (("counts", "projections", 0, "arithmetic"), "nand"),
        (("counts", "operators", 0), "soft"),
        (("counts", "operators"), 3),
    ],
)
def test_a_header_with_a_value_of_another_type_is_refused(result, tmp_path, place, value):
    from rheobase.engine.archive import read_archive, write_archive
    from rheobase.engine.result import KIND

    result.save(tmp_path / "run.npz")
    content, arrays = read_archive(tmp_path / "run.npz", KIND)
    table = content
    for key in place[:-1]:
        table = table[key]
    table[place[-1]] = value
    write_archive(tmp_path / "run.npz", KIND, content, arrays)
    with pytest.raises(rb.FormatError, match=r"run\.npz: its header does not describe a result"):
        rb.Result.load(tmp_path / "run.npz")
