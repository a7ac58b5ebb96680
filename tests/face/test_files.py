"""`rheobase run` with probes and inputs, and `rheobase info FILE`, on files good and bad."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.cli import main
from rheobase.engine.result import Result

NETWORK = """
[network]
seed = 1
[[source]]
name = "spikes in"
kind = "SpikeSource"
n = 3
[[population]]
name = "exc"
n = 3
model = {LIF = {tau = 20e-3, threshold = 1.0}}
[[projection]]
pre = "spikes in"
post = "exc"
connectivity = "one_to_one"
weight = 1.5
"""
EXPERIMENT = NETWORK + '[simulator]\ndt = 1e-3\nbackend = "reference"\n[run]\nduration = 0.05\n'
CURRENT = '[[source]]\nname = "current"\nkind = "CurrentSource"\nn = 3\n'


def run(capsys, *arguments):
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def json_of(capsys, *arguments):
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "experiment.toml"
    path.write_text(EXPERIMENT)
    return path


def test_inputs_and_probes_of_a_run_are_those_of_the_command(capsys, tmp_path, experiment):
    np.savez(tmp_path / "in.npz", times=[0.004, 0.010, 0.030], ids=[2, 0, 2])
    out = tmp_path / "out.npz"
    json_of(
        capsys, "run", experiment, "--input", tmp_path / "in.npz", "--out", out, "--probe", "exc",
        "--probe", "exc:v:0.002", "--probe", "spikes in:counts", "--threads", "1",
    )  # fmt: skip
    result = Result.load(out)
    assert result["spikes of exc"].steps.tolist() == [5, 11, 31]
    assert result["spikes of exc"].ids.tolist() == [2, 0, 2]
    assert result["v of exc"].values.shape == (25, 3)
    assert result["counts of spikes in"].counts.tolist() == [1, 0, 2]


def test_dense_counts_are_the_same_spikes(capsys, tmp_path, experiment):
    dense = np.zeros((40, 3), np.uint8)
    dense[[4, 10, 30], [2, 0, 2]] = 1
    np.savez_compressed(tmp_path / "in.npz", dense=dense)
    out = tmp_path / "out.npz"
    json_of(capsys, "run", experiment, "--input", tmp_path / "in.npz", "--out", out, "--probe", "exc")
    assert Result.load(out)["spikes of exc"].steps.tolist() == [5, 11, 31]


def test_several_sources_are_fed_by_name_and_trials_by_number(capsys, tmp_path):
    text = EXPERIMENT.replace("[[population]]", CURRENT + "[[population]]").replace("dt =", "batch = 3\ndt =")
    text += '[[projection]]\npre = "current"\npost = "exc"\nconnectivity = "one_to_one"\nweight = 1.0\n'
    path, out = tmp_path / "two.toml", tmp_path / "out.npz"
    path.write_text(text)
    spikes = {"times": [0.001, 0.001, 0.020], "ids": [0, 1, 1], "trials": [0, 1, 1]}
    given = {f"spikes in/{name}": values for name, values in spikes.items()}
    np.savez(tmp_path / "in.npz", **given, **{"current/dense": np.zeros(3)})
    json_of(capsys, "run", path, "--input", tmp_path / "in.npz", "--out", out, "--probe", "exc")
    record = Result.load(out)["spikes of exc"]
    assert record.counts().tolist() == [[1, 0, 0], [0, 2, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"time": [0.1], "ids": [0]}, "got an array 'time'"),
        ({"times": [0.1]}, r"got \['times'\]; allowed for a SpikeSource is times with ids"),
        ({"times": [0.1, 0.2], "ids": [0]}, "lists of one length"),
        ({"times": [0.1], "ids": [0], "dense": [[1]]}, "got .*dense"),
        ({"times": [0.01], "ids": [0], "trials": [1]}, "whole numbers below"),
        ({"times": [0.01], "ids": [7]}, "0 to 2"),
        ({"times": [9.0], "ids": [0]}, "the run has 50 steps"),
        ({"dense": np.full((3, 3), 0.5)}, "float64 of shape"),
        ({"spike in/times": [0.1]}, "the nearest is 'spikes in'"),
    ],
)
def test_an_input_that_does_not_fit_is_one_line(capsys, tmp_path, experiment, arrays, words):
    np.savez(tmp_path / "in.npz", **arrays)
    code, _, err = run(capsys, "run", experiment, "--input", tmp_path / "in.npz")
    assert code == 2
    assert err.count("\n") == 1
    assert re.search(words, err)


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        ("ex", "no part is called 'ex' (the nearest is 'exc')"),
        ("exc:w", "got 'w'"),
        ("exc:v:soon", "NAME:VARIABLE:EVERY"),
        ("exc:v:1:2", "NAME:VARIABLE:EVERY"),
        ("exc:v:-1", "above 0"),
    ],
)
def test_a_probe_that_cannot_be_is_one_line(capsys, experiment, probe, words):
    code, _, err = run(capsys, "run", experiment, "--probe", probe)
    assert code == 2
    assert words in err


def test_info_describes_a_network_and_an_experiment(capsys, tmp_path, experiment):
    data = json_of(capsys, "info", experiment)
    assert data["what"] == "experiment"
    assert (data["n_neurons"], data["n_synapses"]) == (3, 3)
    assert data["simulator"] == {"dt": 1e-3, "backend": "reference"}
    assert data["parts"]["population"][0]["model"]["LIF"]["tau"] == 20e-3
    (tmp_path / "net.toml").write_text(NETWORK)
    assert json_of(capsys, "info", tmp_path / "net.toml")["what"] == "network"
    code, out, _ = run(capsys, "info", experiment)
    assert code == 0
    assert "population exc: n 3, model LIF(" in out
    assert "tau=0.02" in out


def test_info_describes_results_checkpoints_chips_and_arrays(capsys, tmp_path, experiment):
    net = rb.Network.load(experiment)
    net.add(rb.Probe(net["exc"]))
    sim = rb.Simulator(net, dt=1e-3, backend="reference")
    sim.run(0.01).save(tmp_path / "result.npz")
    sim.checkpoint(tmp_path / "checkpoint.npz")
    result = json_of(capsys, "info", tmp_path / "result.npz")
    assert (result["what"], result["bio_s"]) == ("result", pytest.approx(0.01))
    assert result["records"] == {"spikes of exc": "SpikeRecord: 0 spikes of 3 neurons in 0.01 s, 0 Hz"}
    checkpoint = json_of(capsys, "info", tmp_path / "checkpoint.npz")
    assert (checkpoint["what"], checkpoint["n_neurons"]) == ("checkpoint", 3)
    assert checkpoint["info"]["dt"] == 1e-3
    (tmp_path / "chip.toml").write_bytes((rb.hardware.chip._folder() / "loihi.toml").read_bytes())
    assert json_of(capsys, "info", tmp_path / "chip.toml")["name"] == "loihi"
    np.savez(tmp_path / "in.npz", times=[0.5, 2.0], ids=[1, 2])
    arrays = json_of(capsys, "info", tmp_path / "in.npz")
    assert arrays["arrays"]["times"] == {"shape": [2], "type": "float64", "span": "0.5 to 2"}
    for name in ("result.npz", "checkpoint.npz", "chip.toml", "in.npz"):
        code, out, _ = run(capsys, "info", tmp_path / name)
        assert code == 0
        assert out.startswith(str(tmp_path / name))


@pytest.mark.parametrize(
    "data", [b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04cut", b"\xff\xfe\x00", b"a = " + b"[" * 9999]
)
def test_info_on_what_is_none_of_ours_is_one_line(capsys, tmp_path, data):
    (tmp_path / "odd").write_bytes(data)
    code, _, err = run(capsys, "info", tmp_path / "odd")
    assert code == 2
    assert err.count("\n") == 1
    assert "odd" in err
    assert run(capsys, "info", tmp_path / "none")[0] == 2


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("tau =", "taw =", "unknown key 'taw' (the nearest is 'tau')"),
        ('name = "exc"', 'naem = "exc"', "unknown key 'naem' (the nearest is 'name')"),
        ("{LIF", "{Lif", "(the nearest is 'LIF')"),
        ('"SpikeSource"', '"SpikesSource"', "(the nearest is 'SpikeSource')"),
        ("[[population]]", "[[populations]]", "(the nearest is 'population')"),
        ('post = "exc"', 'post = "exd"', "(the nearest is 'exc')"),
        ('"one_to_one"', '"onetoone"', "(the nearest is 'one_to_one')"),
        ("duration", "duratoin", "(the nearest is 'duration')"),
        ("backend", "backand", "(the nearest is 'backend')"),
        ('"reference"', '"refrence"', "(the nearest is 'reference')"),
        ("seed", "sed", "(the nearest is 'seed')"),
    ],
)
def test_what_a_file_misspells_is_refused_with_the_nearest_name(capsys, tmp_path, old, new, words):
    path = tmp_path / "odd.toml"
    assert old in EXPERIMENT
    path.write_text(EXPERIMENT.replace(old, new))
    code, _, err = run(capsys, "run", path)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1


def test_a_warning_of_units_is_one_line_and_the_run_goes_on(capsys, tmp_path):
    path = tmp_path / "long.toml"
    path.write_text(EXPERIMENT.replace("tau = 20e-3", "tau = 20.0"))
    code, _, err = run(capsys, "run", path)
    assert code == 0
    assert err == "rheobase: warning: exc.model.tau: 20 s, 2e+04 steps; were milliseconds meant: 20 * ms?\n"


def test_every_key_of_a_file_that_was_saved_is_known(tmp_path, experiment):
    net = rb.Network.load(experiment)
    net.save(tmp_path / "again.toml")
    assert tomllib.loads((tmp_path / "again.toml").read_text())["population"][0]["name"] == "exc"


NIR = Path(__file__).parents[1] / "conversion" / "nir_snntorch_dense.nir"


def test_a_nir_file_is_described_and_runs_as_it_does_in_python(capsys, tmp_path):
    about = json_of(capsys, "info", NIR)
    assert about["what"] == "NIR graph"
    net = rb.read_nir(NIR)
    assert about["n_neurons"] == sum(population.n for population in net.populations)
    source = net["input"]
    rng = np.random.default_rng(2)
    dense = (rng.random((40, source.n)) < 0.5).astype(np.uint8)
    np.savez(tmp_path / "in.npz", dense=dense)
    out = tmp_path / "out.npz"
    options = ("--input", tmp_path / "in.npz", "--duration", "0.005", "--out", out, "--backend", "reference")
    code, _, err = run(capsys, "run", NIR, *options)
    assert code == 2
    assert "give --dt" in err
    json_of(capsys, "run", NIR, *options, "--dt", "1e-4")
    expected = rb.Simulator(net, dt=1e-4, backend="reference").run(0.005, inputs={source.name: dense})
    ours, (name, record) = Result.load(out), next(iter(expected.records.items()))
    assert len(record) > 3
    np.testing.assert_array_equal(ours[name].steps, record.steps)
    np.testing.assert_array_equal(ours[name].ids, record.ids)


def test_a_nir_file_of_ours_knows_its_step(capsys, tmp_path):
    net = rb.Network()
    source = net.add(rb.SpikeSource(2, name="in"))
    cells = net.add(rb.Population(2, rb.LIF(20e-3), name="cells"))
    net.add(rb.Projection(source, cells, rb.dense(), weight=np.eye(2), delay=0.0))
    net.add(rb.Probe(cells, name="out"))
    rb.write_nir(net, tmp_path / "net.nir", dt=2e-3)
    assert json_of(capsys, "info", tmp_path / "net.nir")["dt"] == 2e-3
    data = json_of(capsys, "run", tmp_path / "net.nir", "--duration", "0.1", "--backend", "reference")
    assert data["dt_s"] == 2e-3
    code, _, err = run(capsys, "run", tmp_path / "net.nir", "--duration", "0.1", "--dt", "1e-3")
    assert code == 2
    assert "metadata says 0.002" in err
