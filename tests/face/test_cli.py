"""The command line: thin calls, JSON on request, and no traceback for a user's mistake."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

import rheobase as rb
from rheobase.cli import main
from rheobase.engine.counts import Counts, PopulationCounts, ProjectionCounts
from rheobase.engine.records import SpikeRecord
from rheobase.engine.result import Result, RunInfo
from rheobase.report import write_report

COMMANDS = ("demo", "run", "convert", "energy", "bench", "chips", "backends", "cache", "info")


@pytest.fixture
def saved(tmp_path):
    """A result with 1,000 synaptic events of one bit payload, 30 spikes, 500 updates, in 10 trials."""
    counts = Counts(
        steps=10,
        trials=10,
        dt=1e-3,
        populations=(PopulationCounts(name="<b>exc", kind="LIF", n=5, spikes=30, updates=500),),
        projections=(
            ProjectionCounts(
                name="loop", pre="<b>exc", post="<b>exc", kind="dense", senders=5, n_synapses=25,
                n_weights=25, weight_bits=16, sent=200, packets=200, events=1000, dense_events=2500,
            ),
        ),
    )  # fmt: skip
    info = RunInfo(backend="numba", threads=1, precision="fixed", dt=1e-3, steps=10, trials=10, wall_s=0.1)
    spikes = SpikeRecord(steps=[1, 2], ids=[0, 1], trials=[0, 0], dt=1e-3, n=5, n_trials=10, stop=0.01)
    result = Result(records={"spikes": spikes}, counts=counts, info=info, populations={"<b>exc": 5})
    result.save(tmp_path / "run.npz")
    return tmp_path / "run.npz"


def run(capsys, *arguments):
    """Run a command; return its exit code, standard output and standard error."""
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as stop:  # argparse's own refusals
        code = stop.code
    out, err = capsys.readouterr()
    return code, out, err


def json_of(capsys, *arguments):
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 0, err
    assert out.count("\n") == 1
    return json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def test_help_lists_every_command_and_loads_nothing_heavy():
    start = time.perf_counter()
    code = "import sys; from rheobase.cli import main\ntry: main(['--help'])\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    assert done.returncode == 0
    for command in COMMANDS:
        assert command in done.stdout
    loaded = done.stdout.rsplit("\n", 2)[-2].split()
    assert not {"numba", "matplotlib", "torch", "scipy", "numpy"} & set(loaded)
    assert seconds < 3.0


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_json(command, capsys):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert "--json" in out


def test_energy_is_the_library_s_estimate(capsys, saved):
    data = json_of(capsys, "energy", saved, "--chip", "loihi")
    expected = rb.energy(Result.load(saved), "loihi")
    assert data["energy_j"] == pytest.approx(expected.joules, rel=1e-12)
    # Loihi: 23.6 pJ a synaptic event, 81 pJ an update (Davies et al. 2018), 500 updates
    assert data["parts_j"]["synaptic_event"] == pytest.approx(1000 * 23.6e-12)
    assert data["sources"]


def test_energy_without_a_chip_compares_all_of_them(capsys, saved):
    data = json_of(capsys, "energy", saved)
    assert {"loihi", "cmos45", "spinnaker2", "gpu"} <= set(data["energy_j"])
    code, out, _ = run(capsys, "energy", saved)
    assert code == 0
    assert "spread" in out


def test_chips_are_listed_and_shown_with_sources(capsys):
    listed = json_of(capsys, "chips")
    assert {"loihi", "cmos45"} <= {chip["name"] for chip in listed}
    assert all(chip["sources"] for chip in listed)
    one = json_of(capsys, "chips", "loihi")
    assert one["constants"]["synaptic_event"]["value"] == 23.6
    assert one["constants"]["synaptic_event"]["source"]


def test_backends_say_what_can_be_used(capsys):
    listed = {backend["name"]: backend for backend in json_of(capsys, "backends")}
    assert listed["reference"]["available"] is True
    assert "numba" in listed


def test_info_names_versions_and_the_machine(capsys):
    data = json_of(capsys, "info")
    assert data["version"] == rb.__version__
    assert data["numpy"] == np.__version__
    assert data["threads"] >= 1
    assert data["cpu"]


def test_clearing_the_cache_deletes_compiled_kernels_and_nothing_else(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("RHEOBASE_CACHE", str(tmp_path))
    (tmp_path / "__pycache__").mkdir()
    ours = [tmp_path / "rheobase_1.py", tmp_path / "__pycache__" / "rheobase_1.f-3.py311.nbi"]
    theirs = [tmp_path / "thesis.tex", tmp_path / "__pycache__" / "other.pyc"]
    for path in ours + theirs:
        path.write_text("1234")
    shown = json_of(capsys, "cache")
    assert shown == {"folder": str(tmp_path), "files": 2, "bytes": 8, "cleared": False}
    assert all(path.exists() for path in ours)
    assert json_of(capsys, "cache", "--clear")["cleared"] is True
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in theirs)


def test_a_program_goes_on_and_compiles_anew_while_the_cache_is_cleared(tmp_path):
    code = """
from pathlib import Path
import rheobase as rb
from rheobase.cli import main
def spikes(**options):
    net = rb.Network()
    pop = net.add(rb.Population(10, rb.LIF(tau=20e-3, drive=2.0, **options)))
    probe = net.add(rb.Probe(pop))
    return len(rb.Simulator(net, dt=1e-3).run(0.1)[probe])
files = lambda: len([path for path in Path(".").rglob("rheobase_*") if path.is_file()])
print(spikes(), files() > 0, main(["cache", "--clear"]), files())
print(spikes(), spikes(reset="soft") > 0, files() > 0)
"""
    environment = {**os.environ, "RHEOBASE_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # drive 2 and threshold 1: a spike every tau ln 2, 14 steps.
    assert done.stdout.splitlines()[-2:] == ["70 True 0 0", "70 True True"]


EXPERIMENT = """
[network]
seed = 1
[[source]]
name = "noise"
kind = "PoissonSource"
n = 10
rate = 200.0
[[population]]
name = "exc"
n = 20
model = {LIF = {tau = 20e-3}}
[[projection]]
pre = "noise"
post = "exc"
connectivity = {random = {p = 0.5}}
weight = 0.5
[[probe]]
name = "spikes"
target = "exc"
[simulator]
dt = 1e-3
backend = "reference"
[run]
duration = 0.1
"""


def test_run_simulates_a_file_as_the_library_would(capsys, tmp_path):
    path = tmp_path / "experiment.toml"
    path.write_text(EXPERIMENT)
    out, report = tmp_path / "result.npz", tmp_path / "report.html"
    data = json_of(capsys, "run", path, "--out", out, "--report", report, "--chip", "loihi")
    net = rb.Network.load(path)
    expected = rb.Simulator(net, dt=1e-3, backend="reference").run(0.1)
    saved = Result.load(out)
    assert len(saved["spikes"]) > 0
    np.testing.assert_array_equal(saved["spikes"].steps, expected["spikes"].steps)
    np.testing.assert_array_equal(saved["spikes"].ids, expected["spikes"].ids)
    assert data["spikes"] == expected.counts.spikes == len(saved["spikes"])
    assert data["bio_s"] == pytest.approx(0.1)
    assert "Loihi" in report.read_text()
    shorter = json_of(capsys, "run", path, "--duration", "0.02")
    assert shorter["bio_s"] == pytest.approx(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT from another process")
def test_run_writes_what_it_has_at_ctrl_c_and_exits_with_130(tmp_path):
    long = EXPERIMENT.replace("duration = 0.1", "duration = 1e5")
    (tmp_path / "experiment.toml").write_text(long)
    code = (
        "import signal, sys; from rheobase.engine import simulator, clocked; from rheobase.cli import main\n"
        # A shell that starts it in the background has it ignore interrupts.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "add = clocked.Progress.add\n"
        "clocked.Progress.add = lambda *a: (add(*a), print('on', file=sys.stderr, flush=True))\n"
        "sys.exit(main(['run', 'experiment.toml', '--out', 'result.npz', '--json']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr.readline() == "on\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    told, saved = json.loads(out), Result.load(tmp_path / "result.npz")
    assert told["interrupted"] is True
    assert saved.info.interrupted
    assert saved.info.steps * 1e-3 == pytest.approx(told["bio_s"])


@pytest.fixture
def trained(tmp_path):
    """Files of a trained network and of inputs with the classes that it names."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) / np.sqrt(shape[1]) for shape in ((8, 6), (3, 8))]
    np.savez_compressed(tmp_path / "model.npz", weight1=weights[0], bias1=np.full(8, 0.1), weight2=weights[1])
    x = rng.random((30, 6))
    labels = (np.maximum(x @ weights[0].T + 0.1, 0) @ weights[1].T).argmax(axis=1)
    np.savez(tmp_path / "data.npz", x=x, labels=labels)
    return tmp_path / "model.npz", tmp_path / "data.npz"


@pytest.mark.parametrize(
    ("name", "read", "options"),
    [
        ("spiking.toml", rb.Network.load, ()),
        ("spiking.nir", rb.read_nir, ("--law", "rate", "--input", "spikes", "--steps", 32)),
        (
            "spiking.npz",
            lambda path: rb.Converted.load(path).network,
            ("--bits", 6, "--schedule", "concurrent"),
        ),
    ],
)
def test_convert_writes_a_spiking_network_that_reads_back(capsys, tmp_path, trained, name, read, options):
    model, inputs = trained
    data = json_of(
        capsys, "convert", model, "--calibrate", inputs, "--out", tmp_path / name, "--backend", "reference",
        *options,
    )  # fmt: skip
    assert data["n_inputs"] == 30
    assert data["accuracy_dense"] == 1.0
    assert data["accuracy_spiking"] > 0.85
    assert data["out"] == str(tmp_path / name)
    assert data["macs"] == 6 * 8 + 8 * 3
    net = read(tmp_path / name)
    assert net["affine1"].n == 8
    assert net["affine3"].n == 3


def test_convert_says_what_became_of_the_network(capsys, trained):
    code, out, err = run(capsys, "convert", trained[0], "--sample", trained[1], "--backend", "reference")
    assert (code, err) == (0, "")
    for word in ("law delta", "layer 2 (ReLU)", "T = 4", "in depth", "loihi"):
        assert word in out


def test_convert_reads_what_torch_exports(capsys, tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.GELU(), torch.nn.Linear(8, 3)).eval()
    torch.export.save(torch.export.export(module, (torch.zeros(1, 6),)), tmp_path / "model.pt2")
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(1).random((40, 6)).astype(np.float32))
    data = json_of(
        capsys, "convert", tmp_path / "model.pt2", "--calibrate", tmp_path / "data.npz", "--bits", 7,
        "--backend", "reference",
    )  # fmt: skip
    assert data["points"][-1]["error"] < 0.05


def test_convert_reads_onnx_files(capsys, tmp_path, trained):
    onnx = pytest.importorskip("onnx")
    with np.load(trained[0]) as stored:
        held = [onnx.numpy_helper.from_array(a.astype(np.float32), name) for name, a in stored.items()]
    text = """<ir_version: 8, opset_import: ["" : 17]> net (float[n, 6] x) => (float[n, 3] y) {
        a = Gemm <transB = 1> (x, weight1, bias1)  b = Relu(a)  y = Gemm <transB = 1> (b, weight2) }"""
    model = onnx.parser.parse_model(text)
    model.graph.initializer.extend(held)
    onnx.save(model, tmp_path / "net.onnx")
    given = (
        "--calibrate",
        trained[1],
        "--backend",
        "reference",
        "--law",
        "rate",
        "--out",
        tmp_path / "net.nir",
    )
    found = [json_of(capsys, "convert", path, *given) for path in (tmp_path / "net.onnx", trained[0])]
    assert found[0]["points"] == found[1]["points"]
    assert (tmp_path / "net.nir").exists()


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", b" " * 20_000_000)
    return path


def test_a_user_s_mistake_is_one_line_and_exit_code_two(capsys, tmp_path, saved, trained):
    folder, odd = tmp_path / "folder", tmp_path / "odd.toml"
    folder.mkdir()
    odd.write_text(EXPERIMENT.replace("n = 20", "n = -20"))
    strange = tmp_path / "strange.toml"
    strange.write_text(EXPERIMENT.replace('"reference"', '"abacus"'))
    endless = tmp_path / "endless.toml"
    endless.write_text(EXPERIMENT.replace("duration = 0.1", "duration = inf"))
    unset = tmp_path / "unset.toml"
    unset.write_text(EXPERIMENT.replace("duration = 0.1", ""))
    good, stray = tmp_path / "good.toml", tmp_path / "stray.npz"
    good.write_text(EXPERIMENT)
    np.savez(stray, weight1=np.ones((3, 4)), bias3=np.ones(3))
    text = tmp_path / "text.npz"
    text.write_text("hello")
    cases = [
        (("energy", tmp_path / "none.npz"), "none.npz"),
        (("energy", folder), "folder"),
        (("energy", text), "text.npz"),
        (("energy", bomb(tmp_path / "bomb.npz")), "compressed"),
        (("energy", saved, "--chip", "brain"), "no chip is called 'brain'"),
        (("energy", saved, "--passes", "0"), "whole number"),
        (("chips", "brain"), "no chip is called 'brain'"),
        (("run", tmp_path / "none.toml"), "none.toml"),
        (("run", saved), "ends in .toml"),
        (("run", odd), "[[population]] 'exc': exc.n: got -20"),
        (("run", strange), "abacus"),
        (("run", endless), "inf"),
        (("run", unset), "no duration"),
        (("convert", tmp_path / "m.pt2", "--sample", tmp_path / "data.npz"), "m.pt2"),
        (("convert", tmp_path / "m.txt", "--sample", tmp_path / "data.npz"), "m.txt"),
        (("convert", trained[0], "--sample", trained[1], "--out", tmp_path / "net.txt"), "net.txt"),
        (("convert", trained[0], "--sample", trained[1], "--out", tmp_path / "net.nir"), "--law rate"),
        (("convert", trained[0], "--sample", trained[1], "--bits", "20"), "convert.bits: got 20"),
        (("convert", tmp_path / "m.npz", "--sample", "x.npz"), "m.npz"),
        (("convert", saved, "--sample", "x.npz"), "weight1"),
        (("convert", stray, "--sample", "x.npz"), "bias3"),
        (("run", odd, "--out", "."), "got -20"),
        (("run", good, "--out", "."), "is a folder"),
        (("run", good, "--out", folder), "is a folder"),
        (("run", good, "--report", "/"), "is a folder"),
        (("run", good, "--out", tmp_path / "no" / "x.npz"), f"'{tmp_path / 'no' / 'x.npz'}'"),
        (("run", good, "--report", tmp_path / "r.html", "--chip", "brain"), "no chip is called 'brain'"),
        (("demo", "--digits", "x"), "x is not a whole number from 1"),
        (("bench", "sorting"), "sorting"),
        (("fly",), "fly"),
        ((), "COMMAND"),
    ]
    for arguments, words in cases:
        code, out, err = run(capsys, *arguments)
        assert code == 2, arguments
        assert out == ""
        assert words in err, (arguments, err)
        assert "Traceback" not in err
        if arguments and arguments[0] != "fly" and "usage:" not in err:
            assert err.count("\n") == 1


def test_a_closed_pipe_is_no_error():
    code = "import sys; from rheobase.cli import main; sys.exit(main(['chips']))"
    shell = f'"{sys.executable}" -c "{code}" | true; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "0"
    assert done.stderr == ""


def test_a_report_is_one_file_that_escapes_names(saved, tmp_path):
    write_report(Result.load(saved), tmp_path / "report.html", chips=["loihi"], title="A & B")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "A &amp; B" in page
    assert "&lt;b&gt;exc" in page
    assert "<b>exc" not in page
    assert page.count("data:image/png;base64,") == 2
    assert re.findall(r"(?:src|href)='(?!data:)", page) == []
    assert "<script" not in page
    assert "<link" not in page
    assert "Davies" in page
