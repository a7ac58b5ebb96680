"""`benchmarks/gpu.sh` installs from the working tree and writes one file, whatever becomes of its steps."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from argparse import Namespace
from pathlib import Path

import pytest

from rheobase.cli import _parser

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "gpu.sh"
WORKLOADS = {"cuba", "coba", "adex", "brunel", "microcircuit", "sparse", "stdp", "mlp", "conv"}


@pytest.fixture
def gpu(monkeypatch):
    spec = importlib.util.spec_from_file_location("gpu", SCRIPT.with_suffix(".py"))
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "gpu_query", lambda fields: "")
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    return module


def all_steps(gpu, backend="cuda", small=False):
    return list(gpu.steps(gpu.Settings(backend, small, threads=2, scale_of_a_million=10.0)))


def arguments_of(step):
    """What `rheobase` would read of a step's command."""
    return _parser().parse_args(step.command[step.command.index("bench") :])


def python(code):
    return [sys.executable, "-c", code]


def test_every_workload_runs_on_the_backend_and_its_command_is_understood(gpu):
    found = [(step, arguments_of(step)) for step in all_steps(gpu) if "bench" in step.command]
    named = {step.name: args for step, args in found if step.name != "profile"}
    assert {args.name for args in named.values()} == {*WORKLOADS, "train"}
    assert {name for name, args in named.items() if args.backend != "cuda"} == {"microcircuit on the CPU"}
    assert (named["microcircuit"].seconds, named["microcircuit on the CPU"].seconds) == (10.0, 10.0)
    assert named["sparse of a million neurons"].scale == 10.0
    beside = {(args.name, args.batch or args.model, args.peer[0]) for args in named.values() if args.peer}
    peers = ("torch", "torch_fused", "spikingjelly")
    fed = {(n, b, p) for n in ("mlp", "conv") for b in (64, 256, 1024) for p in peers}
    assert beside == fed | {("train", model, "spikingjelly") for model in ("dense", "conv", "delayed")}
    assert {args.peer_device[0] for args in named.values() if args.peer} == {"cuda"}


def test_without_a_gpu_what_needs_one_is_not_measured(gpu):
    absent = {step.name for step in all_steps(gpu, "numba", small=True) if step.not_measured}
    assert {"limits", "profile", "mlp batch 64 torch_fused"} <= absent
    assert not {"conformance", "microcircuit", "cuba"} & absent


def test_where_no_peer_can_run_ours_runs_alone(gpu, monkeypatch):
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda name: None)
    alone = [arguments_of(s) for s in all_steps(gpu) if " batch " in s.name and not s.not_measured]
    assert [(args.name, args.batch, args.peer) for args in alone] == [
        (name, batch, None) for name in ("mlp", "conv") for batch in (64, 256, 1024)
    ]


@pytest.mark.parametrize(
    ("free_mb", "scale"), [("80000", 10.0), ("16000", 5.9), ("10", 0.1), ("", 1.0), ("[N/A]", 1.0)]
)
def test_a_million_neurons_are_asked_for_where_they_fit(free_mb, scale, gpu):
    assert gpu.scale_of_a_million(free_mb) == pytest.approx(scale, abs=0.11)


def test_a_step_s_line_failure_and_time_are_recorded(gpu, monkeypatch):
    monkeypatch.setattr(gpu, "_LEAST_S", 1)
    assert gpu.run_step(gpu.Step("good", python("print('{\"a\": 1}')"), 30), 100)["line"] == {"a": 1}
    bad = gpu.run_step(gpu.Step("bad", python("raise SystemExit('no such thing')"), 30), 100)
    assert (bad["exit"], bad["error"]) == (1, "exit code 1: no such thing")
    slow = gpu.run_step(gpu.Step("slow", python("import time; time.sleep(60)"), 30), 1.5)
    assert slow["error"].startswith("stopped after 1 s")
    assert slow["seconds"] < 20
    assert "used up" in gpu.run_step(gpu.Step("late", python("pass"), 30), 0.5)["error"]


def test_tests_are_counted_out_of_their_last_line(gpu):
    text = "print('..F'); print('1 failed, 2 passed, 3 skipped in 0.5s'); raise SystemExit(1)"
    record = gpu.run_step(gpu.Step("conformance", python(text), 30, "text"), 100)
    assert (record["n_passed"], record["n_failed"], record["n_skipped"]) == (2, 1, 3)
    assert "..F" in record["text"]


def test_a_step_that_fails_does_not_stop_the_others(gpu, monkeypatch, tmp_path, capsys):
    codes = {"a": "raise SystemExit(3)", "b": "print('{}')", "c": "print('{}')"}
    monkeypatch.setattr(gpu, "steps", lambda settings: [gpu.Step(n, python(c), 30) for n, c in codes.items()])
    out = tmp_path / "out.json"
    args = Namespace(out=out, backend="numba", small=True, only=["a", "b"], budget=100.0)
    assert gpu.collect(args) == 1
    told = json.loads(out.read_text())
    assert [step["name"] for step in told["steps"]] == ["machine", "a", "b"]
    assert told["steps"][0]["line"]["version"]
    assert [step.get("exit") for step in told["steps"]] == [0, 3, 0]


def test_the_command_installs_and_writes_its_file(tmp_path):
    out = tmp_path / "out.json"
    environment = os.environ | {"PYTHON": sys.executable, "BACKEND": "numba", "SMALL": "1"}
    done = subprocess.run(
        [str(SCRIPT), str(out), "--only", "profile"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(out.read_text())
    assert [step["name"] for step in told["steps"]] == ["machine", "profile"]
    assert (told["backend"], told["small"]) == ("numba", True)


def test_rooms_that_the_command_would_copy_are_those_that_are_installed():
    rooms = re.search(r"for room in ([\w ]+);", SCRIPT.read_text()).group(1).split()
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    # The face is copied whole.
    assert set(rooms) == {folder for folder in folders.values() if not folder.startswith("src/")}
