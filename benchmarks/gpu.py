"""Collect what `benchmarks/gpu.sh` measures into one JSON file.

    python benchmarks/gpu.py OUT.json --backend cuda
    python benchmarks/gpu.py OUT.json --backend numba --small --only 'mlp*'

Every step is a process of its own with a time limit. One that fails is recorded and the next one runs;
what no time is left for is recorded too. The file is written anew after every step. Exit code 1 if a step
failed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

# Without the current folder on the path, whose folders would hide others' packages.
_OURS = [sys.executable, "-P", "-c", "import sys; from rheobase.cli import main; sys.exit(main())"]
_LIMITS = "import json, rheobase.bench_device as b; print(json.dumps(b.limits_of_device()))"
_SMALL = ["--scale", "0.02", "--seconds", "0.02", "--repeats", "1"]
_PEERS = ("torch_fused", "spikingjelly", "torch")
#: Bytes that a synapse may take on the GPU, and the share of its memory that synapses may take.
_SYNAPSE_BYTES, _SHARE = 16, 0.6
_KEPT = 6000  # characters of a text
_LEAST_S = 5  # no step is started with less


@dataclass(frozen=True)
class Step:
    """A process to run: its name, how long it may take, and whether it prints a line of JSON or a text."""

    name: str
    command: list[str]
    limit_s: int
    prints: str = "line"
    not_measured: str = ""


@dataclass(frozen=True)
class Settings:
    """What all steps share."""

    backend: str
    small: bool
    threads: int
    scale_of_a_million: float

    def bench(self, name: str, limit_s: int, *flags: Any, backend: str | None = None) -> Step:
        """Return a step that runs the workload before the first space of a name."""
        command = [*_OURS, "bench", name.split()[0], "--json", "--backend", backend or self.backend]
        # Threads build a network also where a GPU runs it.
        command += ["--threads", str(self.threads), *map(str, flags), *(_SMALL if self.small else ())]
        return Step(name, command, limit_s)


def steps(settings: Settings) -> Iterator[Step]:
    """Yield everything, what matters most first."""
    reason = "" if settings.backend == "cuda" else "no GPU is used"
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        reason = "the CUDA simulator runs on the processor"
    yield Step("limits", [sys.executable, "-P", "-c", _LIMITS], 30, not_measured=reason)
    yield _conformance(settings)
    # As the community times it: half a second passes first, then ten count, and nothing is recorded.
    yield settings.bench("microcircuit", 80, "--seconds", 10, "--repeats", 1)
    for batch in (64, 256, 1024):
        yield from _beside_peers(settings, "mlp", 45, batch, "--repeats", 3)
    million = settings.scale_of_a_million
    yield settings.bench("sparse of a million neurons", 100, "--scale", million, "--repeats", 1)
    for name in ("cuba", "coba", "adex", "brunel", "sparse", "stdp"):
        yield settings.bench(name, 40, "--repeats", 3)
    yield settings.bench("microcircuit on the CPU", 80, "--seconds", 10, "--repeats", 1, backend="numba")
    # Images of more samples are drawn for fewer steps: drawing them would take longer than everything else.
    for batch, seconds in ((64, 0.1), (256, 0.05), (1024, 0.02)):
        yield from _beside_peers(settings, "conv", 60, batch, "--repeats", 2, "--seconds", seconds)
    yield from _trained_beside_peers(settings)
    yield _profile(settings)


def _conformance(settings: Settings) -> Step:
    small = ["tests/conformance/test_first_network.py"]
    tests = small if settings.small else ["tests/conformance", "tests/learning", "tests/properties"]
    command = [sys.executable, "-P", "-m", "pytest", *tests, "--backend", settings.backend, "-q", "-p"]
    command += ["no:cacheprovider", "--continue-on-collection-errors"]
    if importlib.util.find_spec("xdist") and not settings.small:
        command += ["-n", str(min(4, settings.threads))]
    return Step("conformance", command, 120, "text")


def _beside_peers(settings: Settings, name: str, limit_s: int, batch: int, *flags: Any) -> Iterator[Step]:
    device = "cuda" if settings.backend == "cuda" else "cpu"
    several = min(batch, 8) if settings.small else batch
    flags = ("--batch", several, *flags)
    measured = False
    for peer in _PEERS:
        package = "cupy" if peer == "torch_fused" else peer
        reason = ""
        if peer == "torch_fused" and device == "cpu":
            reason = "it runs on a GPU only"
        elif importlib.util.find_spec(package) is None:
            reason = f"{package} is not installed"
        beside = ("--peer", peer, "--peer-python", sys.executable, "--peer-device", device)
        step = settings.bench(f"{name} batch {batch} {peer}", limit_s, *flags, *beside)
        yield Step(step.name, step.command, step.limit_s, not_measured=reason)
        measured = measured or not reason
    if not measured:
        yield settings.bench(f"{name} batch {batch}", limit_s, *flags)


def _trained_beside_peers(settings: Settings) -> Iterator[Step]:
    """Yield steps that train beside SpikingJelly, whose fastest way is told apart by the peer itself.

    What hears itself it has no network for: that is timed alone.
    """
    reason = "" if importlib.util.find_spec("torch") else "torch is not installed"
    device = "cuda" if settings.backend == "cuda" else "cpu"
    beside = ("--peer", "spikingjelly", "--peer-python", sys.executable, "--peer-device", device)
    small = ("--steps", 5, "--batch", 2, "--repeats", 1) if settings.small else ()
    for model in ("delayed", "dense", "conv", "recurrent"):
        command = [*_OURS, "bench", "train", "--json", "--backend", settings.backend, "--model", model]
        command += ["--threads", str(settings.threads), *map(str, small)]
        command += [] if model == "recurrent" else beside
        yield Step(f"train {model}", command, 90, not_measured=reason)


def _profile(settings: Settings) -> Step:
    """Return a step that asks the profiler that there is, if there is one, about a short run."""
    run = settings.bench("microcircuit", 60, "--scale", 0.1, "--seconds", 0.05, "--repeats", 1).command
    if settings.backend == "cuda" and shutil.which("nsys"):
        kept = str(Path(os.environ.get("XDG_CACHE_HOME", "/tmp"), "profile"))
        return Step("profile", ["nsys", "profile", "--stats=true", "-o", kept, *run], 60, "text")
    if settings.backend == "cuda" and shutil.which("ncu"):
        asked = ["--launch-skip", "20", "--launch-count", "6", "--section", "SpeedOfLight"]
        return Step("profile", ["ncu", *asked, "--section", "LaunchStats", *run], 60, "text")
    return Step("profile", [], 0, not_measured="neither nsys nor ncu is here, or no GPU is used")


def run_step(step: Step, left_s: float) -> dict[str, Any]:
    """Run a step and return what is recorded of it."""
    record: dict[str, Any] = {"name": step.name}
    if step.not_measured:
        return record | {"not_measured": step.not_measured}
    limit_s = min(step.limit_s, int(left_s))
    if limit_s < _LEAST_S:
        return record | {"error": "not run: the time for all steps is used up"}
    # First an interrupt, at which pytest still says what it had found.
    limited = ["timeout", "--signal=INT", "--kill-after=8", str(limit_s), *step.command]
    began = time.perf_counter()
    with subprocess.Popen(limited, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            out, err = process.communicate()
        except KeyboardInterrupt:
            process.terminate()  # `timeout` passes it on
            raise
    code = process.returncode
    record |= {"seconds": round(time.perf_counter() - began, 2), "limit_s": limit_s, "exit": code}
    if step.prints == "text":
        record["text"] = (out + err)[-_KEPT:]
        for word in ("passed", "failed", "error", "skipped"):
            found = re.findall(rf"(\d+) {word}", out)
            record |= {f"n_{word}": int(found[-1])} if found else {}
    else:
        record |= {"line": json.loads(out.splitlines()[-1])} if code == 0 else {}
        record |= {"stderr": err[-_KEPT:]} if err.strip() else {}
    if code:
        said = [text.strip() for text in (err or out).splitlines() if text.strip()] or ["it said nothing"]
        reason = f"stopped after {limit_s} s" if code in (124, 137) else f"exit code {code}"
        record["error"] = f"{reason}: {said[-1][:300]}"
    return record


def gpu_query(fields: str) -> str:
    """Ask nvidia-smi for fields of the first GPU; "" where it does not answer."""
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return (done.stdout.splitlines() or [""])[0].strip()


def scale_of_a_million(free_mb: str) -> float:
    """Return the scale of `sparse` with a million neurons and 10^9 synapses, or the largest that fits."""
    if not free_mb.strip().isdecimal():
        return 1.0
    synapses = float(free_mb) * 1e6 * _SHARE / _SYNAPSE_BYTES
    return max(0.1, min(10.0, round(synapses / 1e8 - 0.05, 1)))


def collect(args: argparse.Namespace) -> int:
    """Run all steps that are asked for, and return the exit code."""
    began = time.perf_counter()
    threads = len(os.sched_getaffinity(0))
    settings = Settings(args.backend, args.small, threads, scale_of_a_million(gpu_query("memory.free")))
    fields = "name,memory.total,driver_version,clocks.max.sm,clocks.max.mem"
    told: dict[str, Any] = {"backend": args.backend, "small": args.small}
    told |= {"gpu_fields": fields, "gpu": gpu_query(fields), "steps": []}
    machine = Step("machine", [*_OURS, "info", "--json"], 60)
    wanted = (step for step in steps(settings) if any(fnmatch(step.name, only) for only in args.only))
    for step in (machine, *wanted):
        record = run_step(step, args.budget - (time.perf_counter() - began))
        told["steps"].append(record)
        told["seconds"] = round(time.perf_counter() - began, 1)
        args.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        print(_said(record), flush=True)
    return int(any("error" in record for record in told["steps"]))


def _said(record: dict[str, Any]) -> str:
    what = record.get("error") or record.get("not_measured") or "done"
    line = record.get("line", {})
    if "wall_s" in line:
        what = f"{line['wall_s']:.4g} s"
        what += f" for {line['bio_s']:g} s" if "bio_s" in line else ""
        what += f", {line['us_per_step']:.3g} us a step" if "us_per_step" in line else ""
        if line.get("ratio") is not None:
            what += f", {line['peer']} {line['ratio']:.3g} times as long ({line['peer_mode']})"
        elif "peer" in line:
            what += f", {line['peer']} {line['peer_note']}"
    elif "n_passed" in record:
        what += f", {record['n_passed']} passed, {record.get('n_failed', 0)} failed"
    return f"{record.get('seconds', 0.0):7.1f} s  {record['name']}: {what}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT.json")
    parser.add_argument("--backend", default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny sizes: no figures to keep")
    parser.add_argument("--only", action="append", metavar="PATTERN", help="steps by name; may be repeated")
    parser.add_argument("--budget", type=float, default=460.0, metavar="S", help="for all; default: 460")
    parsed = parser.parse_args()
    parsed.only = parsed.only or ["*"]
    sys.exit(collect(parsed))
