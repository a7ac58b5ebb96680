"""`rheobase bench --all`: every workload, one line each as it comes, peers where they know it."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

import rheobase as rb
from rheobase import bench_all, cli
from rheobase import commands as rheobase_commands
from rheobase.bench_ours import WORKLOADS
from rheobase.cli import main

TINY = {"scale": 0.05, "repeats": 1, "seconds": 0.01, "backend": "reference", "threads": 1}
PEERS = Path(__file__).resolve().parents[2] / "benchmarks" / "peers"
FAKE = f"""
import sys
sys.path.insert(0, {str(PEERS)!r})
from protocol import Prepared, answer, options

def prepare(args):
    return Prepared("1.2", 0.5, lambda: 3.0, dict)

answer("fake", options(("cuba",), seconds=1.0), prepare)
"""


LINE = {
    "benchmark": "cuba", "batch": 1, "threads": 2, "wall_s": 0.05, "wall_min_s": 0.04,
    "wall_max_s": 0.06, "bio_s": 1.0, "ns_per_event": 12.34, "of_limit": 0.111,
}  # fmt: skip


def command(**options):
    return ["bench", "--all", "--json", *(w for k, v in (TINY | options).items() for w in (f"--{k}", str(v)))]


def commands_of(arguments):
    args = cli._parser().parse_args(arguments)
    return rheobase_commands.bench(args)


@pytest.fixture
def two_workloads(monkeypatch):
    monkeypatch.setattr(bench_all, "WORKLOADS", {name: WORKLOADS[name] for name in ("cuba", "mlp")})


@pytest.fixture
def ended(monkeypatch):
    """Have every process end with a code and words, and return the commands that were to run."""

    def end(code, out="", err=""):
        commands = []

        def run(arguments, **options):
            commands.append(arguments)
            return subprocess.CompletedProcess(arguments, code, out, err)

        # Its own module alone: the standard library runs `uname`.
        monkeypatch.setattr(bench_all, "subprocess", SimpleNamespace(run=run))
        return commands

    return end


def test_the_output_is_a_file_of_results(two_workloads, capsys, tmp_path):
    fake = tmp_path / "fake.py"
    fake.write_text(FAKE)
    assert main([*command(), "--peer", "brian2", "--peer-script", str(fake)]) == 0
    machine, *lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert machine["version"] == rb.__version__
    assert machine["cpu"]
    assert [(line["benchmark"], line["batch"]) for line in lines] == [("cuba", 1), ("mlp", 1), ("mlp", 64)]
    assert [line.get("peer_wall_s") for line in lines] == [3.0, None, None]
    for line in lines:
        assert line["scale"] == 0.05
        assert line["repeats"] == 1
        assert line["wall_s"] > 0
        assert line["of_limit"] > 0
        assert line["limits"]["read_gb_s"] > 0


def test_every_workload_is_run_with_one_and_two_threads(monkeypatch):
    monkeypatch.setattr(bench_all, "available_cores", lambda: 8)
    found = bench_all.cases({"scale": 0.5})
    assert {case["name"] for case in found} == {*WORKLOADS, "convert", "train"}
    assert {(case["batch"], case["threads"]) for case in found if case["name"] == "mlp"} == {
        (1, 1), (1, 2), (64, 1), (64, 2),
    }  # fmt: skip
    assert all(case["scale"] == 0.5 for case in found if case["name"] not in ("convert", "train"))
    assert len({json.dumps(case, sort_keys=True) for case in found}) == len(found)
    monkeypatch.setattr(bench_all, "available_cores", lambda: 1)
    assert {case["threads"] for case in bench_all.cases({})} == {1}
    assert {case["batch"] for case in bench_all.cases({"batch": 3})} == {3}


def test_every_network_that_ships_is_converted_where_there_is_torch(monkeypatch):
    peers = bench_all.peers_of(["spikingjelly", "nest"])
    found = [case for case in bench_all.cases({"repeats": 2}, peers) if case["name"] == "convert"]
    assert [case["model"] for case in found] == [*rb.models.REFERENCES]
    assert all((case["repeats"], case["threads"], case["peer"]) == (2, 1, "spikingjelly") for case in found)
    monkeypatch.setattr(bench_all, "find_spec", lambda name: None)
    assert {case["name"] for case in bench_all.cases({})} == set(WORKLOADS)
    assert "convert" not in {case["name"] for case in bench_all.cases({"backend": "reference"})}


def test_only_the_compiled_backend_is_run_with_two_threads(monkeypatch):
    monkeypatch.setattr(bench_all, "available_cores", lambda: 8)
    for backend in ("reference", "cuda"):
        assert {case["threads"] for case in bench_all.cases({"backend": backend})} == {1}


def test_peers_run_beside_the_workloads_that_they_know():
    peers = bench_all.peers_of(["brian2", "nest"], ["/b/python", "/n/python"])
    found = bench_all.cases({"threads": 1}, peers)
    beside = {case["name"]: [] for case in found}
    for case in found:
        beside[case["name"]].append((case.get("peer"), case.get("peer_python")))
    assert beside["cuba"] == [("brian2", "/b/python"), ("nest", "/n/python")]
    assert beside["conv"] == [(None, None)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--all", "--peer", "coffee"], "coffee"),
        (["--all", "--peer", "nest", "--peer-python", "a", "--peer-python", "b"], "2 for 1 peers"),
        (["--all", "--peer-python", "a"], "1 for 0 peers"),
        (["--all", "--peer", "nest", "--peer-device", "cuda"], "nest runs on cpu"),
        (["--all", "--peer", "torch_fused"], "torch_fused runs on cuda"),
        (["--all", "cuba"], "--all"),
        ([], "--all"),
        (["--all", "--scale", "-1"], "bench.scale: got -1.0"),
        (["--all", "--seconds", "0"], "bench.seconds"),
        (["cuba", "--peer", "nest", "--peer", "brian2"], "allowed is one"),
    ],
)
def test_a_mistake_is_refused_before_anything_runs(arguments, words, ended, capsys):
    commands = ended(0)
    assert main(["bench", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, commands) == ("", [])
    assert words in err


def test_a_workload_that_fails_is_told_and_the_others_run(ended, two_workloads, capsys):
    commands = ended(1, err="Traceback\nMemoryError: too much\n")
    assert main(command()) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(commands) == 3
    assert [line["error"] for line in lines[1:]] == ["exit code 1: MemoryError: too much"] * 3
    assert lines[1]["benchmark"] == "cuba"


def test_lines_come_as_they_are_made(ended, two_workloads, capsys):
    commands = ended(0, out=json.dumps(LINE))
    answers = commands_of(command())
    next(answers)
    assert commands == []
    assert next(answers).data == LINE
    assert len(commands) == 1


def test_a_line_of_text_says_how_long_and_how_near_the_limit():
    text = bench_all.summary(LINE)
    assert text.endswith("0.05 s [0.04 to 0.06] for 1 s, 12.3 ns per event, 11% of the machine's limit")
    assert bench_all.summary({**LINE, "peer": "nest", "ratio": 21.5}).endswith(
        "nest takes 21.5 times as long"
    )
    missing = {"peer": "nest", "ratio": None, "peer_note": "not measured: no"}
    assert bench_all.summary({**LINE, **missing}).endswith(", nest not measured: no")


def test_a_line_of_text_says_what_conversion_keeps_and_costs():
    line = {"benchmark": "convert", "model": "cnn", "bits": 4, "batch": 100, "threads": 1}
    line |= {"accuracy_dense": 0.994, "accuracy_depth": 0.996, "operations_depth": 1.1e6}
    line |= {"energy_over_dense": 0.098, "ms_per_image": 0.386}
    kept = "cnn, 4 bits: 99.4%, settled 99.6% for 1,100,000 operations"
    cost = "9.8% of the dense energy, 0.386 ms an image"
    assert bench_all.summary(line).endswith(f"{kept}, {cost}")
    beside = {"peer": "spikingjelly", "ratio": 4.917}
    assert bench_all.summary({**line, **beside}).endswith(", spikingjelly takes 4.92 times as long")
