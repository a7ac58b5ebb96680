"""What neo, elephant's format, and Neurodata Without Borders get of a result is what was recorded."""

import json
import sys
from datetime import UTC, datetime

import numpy as np
import pytest

import rheobase as rb

DT = 1e-3


def simulate(batch=None):
    """Noisy neurons in volt: all spikes, the membrane of two, and counts; the second of two runs."""
    net = rb.Network(seed=5)
    noise = net.add(rb.PoissonSource(4, rate=300.0, name="noise"))
    model = rb.CurrentLIF(
        10e-3, 2e-3, capacitance=100e-12, v_rest=-70e-3, v_reset=-70e-3, threshold=-55e-3, drive=120e-12
    )
    cells = net.add(rb.Population(4, model, name="cells"))
    net.add(rb.Projection(noise, cells, rb.one_to_one(), weight=200e-12))
    net.add(rb.Probe(cells, name="a/b: spikes"))
    net.add(rb.Probe(cells, "v", every=2e-3, ids=[2, 0], name="v/mem"))
    net.add(rb.Probe(noise, ids=[1]))
    net.add(rb.Probe(cells, "counts"))
    sim = rb.Simulator(net, dt=DT, backend="reference", batch=batch)
    sim.run(0.05)
    return sim.run(0.1)


@pytest.mark.parametrize("batch", [None, 3])
def test_neo_gets_spikes_and_samples_with_ids_units_and_times(batch):
    pytest.importorskip("neo")
    result = simulate(batch)
    block = result.to_neo()
    assert len(block.segments) == (batch or 1)
    assert block.annotations["seed"] == 5
    spikes, trace = result["a/b: spikes"], result["v/mem"]
    assert len(spikes) > 5
    for trial, segment in enumerate(block.segments):
        trains = [t for t in segment.spiketrains if t.annotations["population"] == "cells"]
        assert [t.annotations["id"] for t in trains] == [0, 1, 2, 3]
        for id, train in enumerate(trains):
            np.testing.assert_allclose(train.rescale("s").magnitude, spikes.train(id, trial), rtol=1e-15)
            assert float(train.t_start.rescale("s")) == pytest.approx(0.05)
            assert float(train.t_stop.rescale("s")) == pytest.approx(0.15)
        (signal,) = segment.analogsignals
        values = trace.values if batch is None else trace.values[trial]
        np.testing.assert_allclose(signal.rescale("mV").magnitude, values * 1e3, rtol=1e-6)
        np.testing.assert_allclose(signal.times.rescale("s").magnitude, trace.times, rtol=1e-9)
        assert signal.array_annotations["channel_ids"].tolist() == [2, 0]
    groups = {group.name: group for group in block.groups}
    assert set(groups) == {"cells", "noise"}
    assert len(groups["cells"].spiketrains) == 4 * (batch or 1)


def test_a_probe_that_lists_neurons_out_of_order_gives_each_its_own_spikes():
    pytest.importorskip("neo")
    net = rb.Network()
    source = net.add(rb.SpikeSource(3, times=[0.001, 0.002, 0.003], ids=[0, 1, 2]))
    net.add(rb.Probe(source, ids=[2, 0]))
    block = rb.Simulator(net, dt=DT, backend="reference").run(0.01).to_neo()
    trains = {t.annotations["id"]: t.magnitude.round(6).tolist() for t in block.segments[0].spiketrains}
    assert list(trains.items()) == [(2, [0.003]), (0, [0.001])]


@pytest.mark.parametrize("batch", [None, 2])
def test_an_nwb_file_is_valid_and_reads_back_equal(batch, tmp_path):
    pynwb = pytest.importorskip("pynwb")
    result = simulate(batch)
    path = tmp_path / "run.nwb"
    result.to_nwb(path, session_start=datetime(2024, 5, 1, 12, tzinfo=UTC))
    assert pynwb.validate(path=str(path)) == []
    assert [p.name for p in tmp_path.iterdir()] == ["run.nwb"]
    spikes, trace = result["a/b: spikes"], result["v/mem"]
    with pynwb.NWBHDF5IO(str(path), "r") as reader:
        file = reader.read()
        assert file.session_start_time == datetime(2024, 5, 1, 12, tzinfo=UTC)
        units = file.units.to_dataframe()
        mine = units[units["probe"] == "a/b: spikes"]
        assert mine["neuron"].tolist() == [0, 1, 2, 3]
        assert set(mine["population"]) == {"cells"}
        assert units[units["population"] == "noise"]["neuron"].tolist() == [1]
        starts = [0.05] if batch is None else file.trials["start_time"][:]
        for neuron, row in enumerate(mine.itertuples()):
            for trial, start in enumerate(starts):
                since = row.spike_times - start
                times = since[(since > -1e-9) & (since < 0.1 - 1e-9)] + 0.05
                np.testing.assert_allclose(times, spikes.train(neuron, trial), atol=1e-12)
                np.testing.assert_allclose(row.obs_intervals[trial], [start, start + 0.1])
        assert len(file.acquisition) == len(starts)
        for trial, series in enumerate(file.acquisition.values()):
            values = trace.values if batch is None else trace.values[trial]
            np.testing.assert_array_equal(series.data[:], values)
            assert series.unit == "volts"
            assert series.rate == pytest.approx(500.0)
            assert series.starting_time == pytest.approx(trace.times[0] + trial * 0.1)
            assert json.loads(series.comments)["neurons"] == [2, 0]


def test_the_same_run_is_the_same_file_but_for_its_object_ids(tmp_path):
    pynwb = pytest.importorskip("pynwb")
    identifiers = []
    for name in ("one.nwb", "two.nwb"):
        simulate().to_nwb(tmp_path / name)
        with pynwb.NWBHDF5IO(str(tmp_path / name), "r") as reader:
            identifiers.append(reader.read().identifier)
    assert identifiers[0] == identifiers[1]


def test_what_cannot_be_handed_over_is_one_error(tmp_path, monkeypatch):
    result = simulate()
    pytest.importorskip("pynwb")
    with pytest.raises(rb.SpecError, match="a datetime with a time zone"):
        result.to_nwb(tmp_path / "run.nwb", session_start=datetime(2024, 5, 1))
    with pytest.raises(FileNotFoundError, match="its folder does not exist"):
        result.to_nwb(tmp_path / "none" / "run.nwb")
    assert not any(tmp_path.iterdir())
    for package, hand_over in (("neo", result.to_neo), ("pynwb", lambda: result.to_nwb(tmp_path / "x"))):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(rb.MissingExtra, match=rf"needs the package '{package}'.*rheobase\[analysis\]"):
            hand_over()
