"""`rheobase bench --all`: every workload, each as `rheobase bench` runs it alone.

Each runs in a process of its own, so that none meets the memory, the caches or the compiled code of
another, and its line is what the command prints for it alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import product
from typing import Any

from . import bench_convert, bench_event, bench_train
from .bench import check_settings
from .bench_ours import WORKLOADS
from .bench_peer import PEERS, check_device
from .engine.workers import available_cores
from .models.references import REFERENCES
from .neurons.errors import SpecError

#: Samples side by side, where one is not all that people ask about.
BATCHES: dict[str, tuple[int, ...]] = {"mlp": (1, 64)}
#: What else a conversion, and training, are told of what all are.
_CONVERT = ("repeats", "batch", "backend")
_TRAIN = ("repeats", "batch", "activity")
_PROGRAM = "import sys; from rheobase.cli import main; sys.exit(main())"


def peers_of(
    names: Sequence[str] | None,
    pythons: Sequence[str] | None = None,
    scripts: Sequence[str] | None = None,
    devices: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Return peers as arguments of `run_benchmark`, from lists as the command line has them.

    Raises
    ------
    SpecError
        If a peer is unknown or does not run on its device, or there are Pythons, scripts or devices for some
        peers only.

    Examples
    --------
    >>> peers_of(["torch"], ["/usr/bin/python3"])
    [{'peer': 'torch', 'peer_python': '/usr/bin/python3', 'peer_script': None, 'peer_device': None}]
    """
    peers: list[dict[str, Any]] = [{"peer": name} for name in names or ()]
    for peer in peers:
        if peer["peer"] not in PEERS:
            raise SpecError(f"bench.peer: got {peer['peer']!r}; there are {sorted(PEERS)}")
    for field, given in (("peer_python", pythons), ("peer_script", scripts), ("peer_device", devices)):
        if given and len(given) != len(peers):
            raise SpecError(
                f"bench.{field}: got {len(given)} for {len(peers)} peers; give one for each, or none"
            )
        for k, peer in enumerate(peers):
            peer[field] = given[k] if given else None
    for peer in peers:
        check_device(peer["peer"], peer["peer_device"])
    return peers


def cases(options: Mapping[str, Any], peers: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Return the arguments of every `rheobase bench` that belongs to all of them.

    Parameters
    ----------
    options : mapping
        What applies to all, as for `run_benchmark`. Without `threads`, each runs with one and with two
        (with one where the machine has no more, or the backend is another one, and `event` always); without
        `batch`, `mlp` runs with 1 and 64 samples, the others with one. Only the backend "numba" has `event`
        and, if torch is installed, `convert` with each network that ships and `train`.
    peers : sequence of mapping
        As `peers_of` returns them. A workload runs once beside each that knows it, or else alone.

    Raises
    ------
    SpecError
        If an argument is not allowed.

    Examples
    --------
    >>> [(case["batch"], case["threads"]) for case in cases({"threads": 1}) if case["name"] == "mlp"]
    [(1, 1), (64, 1)]
    """
    if not 0 < options.get("scale", 1.0) < float("inf"):
        raise SpecError(f"bench.scale: got {options['scale']!r}; allowed is a finite number above 0")
    checked = ("repeats", "seconds", "batch", "activity")
    compiled = options.get("backend", "numba") == "numba"
    many = available_cores() > 1 and compiled
    threads = (options["threads"],) if "threads" in options else (1, 2) if many else (1,)
    found: list[dict[str, Any]] = []
    for name in WORKLOADS if compiled else (name for name in WORKLOADS if name != "event"):
        check_settings(name, **{key: options[key] for key in checked if key in options})
        batches = (options["batch"],) if "batch" in options else BATCHES.get(name, (1,))
        for batch, n, peer in product(
            batches, threads if name != "event" else threads[:1], _beside(name, peers)
        ):
            found.append({**options, "name": name, "batch": batch, "threads": n, **peer})
    if compiled and find_spec("torch") is not None:
        told = {"batch": 100} | {key: options[key] for key in _CONVERT if key in options}
        for model, peer in product(REFERENCES, _beside("convert", peers)):
            found.append({**told, "name": "convert", "model": model, "threads": threads[0], **peer})
        told = {key: options[key] for key in _TRAIN if key in options}
        for model, n, peer in product(bench_train.SIZES, threads, _beside("train", peers)):
            if bench_train.refused(model, peer.get("peer")) is None:
                found.append({**told, "name": "train", "model": model, "threads": n, **peer})
    return found


def _beside(name: str, peers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the peers that know a workload, without what is not said of them; nobody if none does."""
    known = [peer for peer in peers if name in PEERS[peer["peer"]][1]]
    return [{key: value for key, value in peer.items() if value is not None} for peer in known] or [{}]


def run_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Run one case in a process of its own.

    Parameters
    ----------
    case : mapping
        Arguments of `run_benchmark`, as `cases` returns them.

    Returns
    -------
    dict
        What `run_benchmark` returns; where it failed, the arguments and an `error`.
    """
    rest = {key: value for key, value in case.items() if key != "name"}
    flags = [
        text
        for key, value in rest.items()
        for one in (value if isinstance(value, list) else [value])
        for text in (f"--{key.replace('_', '-')}", str(one))
    ]
    command = [sys.executable, "-c", _PROGRAM, "bench", case["name"], "--json", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        line: dict[str, Any] = json.loads(done.stdout)
        return line
    said = ([text.strip() for text in done.stderr.splitlines() if text.strip()] or ["it said nothing"])[-1]
    return {"benchmark": case["name"], **rest, "error": f"exit code {done.returncode}: {said[:200]}"}


def summary(line: Mapping[str, Any]) -> str:
    """Return a line of figures as a line of text."""
    head = f"{line['benchmark']:<14} batch {line.get('batch', '-'):<3} threads {line['threads']:<2}"
    if "error" in line:
        return f"{head} failed: {line['error']}"
    if "crossover_hz" in line:
        return f"{head} {bench_event.in_words(line)}"
    if "ms_per_image" in line:
        return f"{head} {bench_convert.in_words(line)}"
    if line["benchmark"] == "train":
        return f"{head} {bench_train.in_words(line)}"
    text = f"{head} {line['wall_s']:.4g} s [{line['wall_min_s']:.4g} to {line['wall_max_s']:.4g}]"
    text += f" for {line['bio_s']:g} s"
    if line["ns_per_event"] is not None:
        text += f", {line['ns_per_event']:.3g} ns per event"
    if line["of_limit"] is not None:
        text += f", {line['of_limit']:.0%} of the machine's limit"
    if line.get("ratio") is not None:
        text += f", {line['peer']} takes {line['ratio']:.3g} times as long"
    elif "peer" in line:
        text += f", {line['peer']} {line['peer_note']}"
    return text
