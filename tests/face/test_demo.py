"""The demonstration on a few digits: it recognises them, counts, prices, and writes its two files."""

import json

import numpy as np
import pytest

import rheobase as rb
from rheobase.cli import main
from rheobase.demo import CHIPS, run_demo

N = 40


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    return folder, run_demo(folder, n=N)


def test_the_spiking_network_reads_what_the_original_reads(shown):
    from rheobase.datasets import digits
    from rheobase.models import digits_network

    _, report = shown
    data = report.to_dict()
    assert data["n_inputs"] == N
    # The original's accuracy, worked out here with plain matrix products on the same digits.
    everything = digits()
    read = np.flatnonzero(np.arange(len(everything)) % 5 != 0)
    read = read[np.arange(N) * len(read) // N]
    x = everything.pixels[read].astype(np.float64)
    for layer in digits_network():
        x = (
            x @ layer.weight.T.astype(np.float64) + layer.bias
            if layer.name == "Affine"
            else np.maximum(x, 0.0)
        )
    accuracy = float((x.argmax(axis=1) == everything.labels[read]).mean())
    assert data["accuracy_dense"] == pytest.approx(accuracy)
    assert data["accuracy_dense"] >= 0.9
    assert data["accuracy_spiking"] >= data["accuracy_dense"] - 0.05
    assert len(set(everything.labels[read])) == 10


def test_energies_are_those_of_the_saved_result_per_digit(shown):
    folder, report = shown
    saved = rb.Result.load(folder / "result.npz")
    assert len(report.energies) == len(CHIPS) >= 4
    for name in CHIPS:
        joules = rb.energy(saved, name).joules / N
        assert report.to_dict()["energy_j"][name] == pytest.approx(joules, rel=1e-12)
        assert joules > 0
        assert report.to_dict()["energy_sources"][name]


def test_the_dense_machine_pays_for_every_weight_of_the_original_once(shown):
    _, report = shown
    gpu = next(one for one in report.energies if one.chip.kind == "dense")
    macs = 784 * 128 + 128 * 64 + 64 * 10
    assert gpu.count("mac") / N == pytest.approx(macs, rel=0.01)


def test_the_files_are_a_picture_and_a_result(shown):
    folder, report = shown
    assert sorted(path.name for path in folder.iterdir()) == ["raster.png", "result.npz"]
    assert (folder / "raster.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert report.result == folder / "result.npz"
    text = str(report)
    for word in ("accuracy", "spikes", "synaptic events", "time", *CHIPS, "Davies"):
        assert word in text


def test_the_command_prints_the_promised_figures(capsys, tmp_path):
    code = main(["demo", "--digits", "5", "--steps", "8", "--out", str(tmp_path), "--json"])
    assert code == 0
    data = json.loads(capsys.readouterr().out)
    promised = (
        "accuracy_dense accuracy_spiking n_inputs spikes_per_input synaptic_events_per_input energy_j "
        "backend threads version wall_s"
    )
    assert set(promised.split()) <= set(data)
    assert data["backend"] == "numba"
    assert data["version"] == rb.__version__


def test_more_digits_than_there_are_is_an_error(tmp_path, capsys):
    assert main(["demo", "--digits", "801", "--out", str(tmp_path)]) == 2
    assert "1 to 800 digits" in capsys.readouterr().err
