"""A peer simulator beside ours: started once, then run in turns, so that both meet the same machine."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from .bench_ours import turn
from .neurons.errors import SpecError

RECURRENT = ("cuba", "coba", "brunel", "microcircuit", "sparse", "stdp")
FED = ("mlp", "conv")
#: Which script runs which peer, and the workloads that it knows.
PEERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "annarchy": ("annarchy_networks.py", ("cuba",)),
    "brian2": ("brian_networks.py", (*RECURRENT, "adex")),
    "nest": ("nest_networks.py", RECURRENT),
    "norse": ("norse_networks.py", FED),
    "sinabs": ("sinabs_networks.py", (*FED, "convert")),
    "snntorch": ("snntorch_networks.py", (*FED, "convert", "train")),
    "spikingjelly": ("spikingjelly_networks.py", (*FED, "convert", "train")),
    "torch": ("torch_networks.py", FED),
    "torch_fused": ("fused_networks.py", FED),
}
#: Workloads that have scripts of their own, and how the names of these end.
OWN_SCRIPTS = {"convert": "conversion", "train": "training"}
#: Which peers run on a processor and which on a GPU; those not named run on a processor.
DEVICES = {"spikingjelly": ("cpu", "cuda"), "torch": ("cpu", "cuda"), "torch_fused": ("cuda",)}
#: Seconds after which a peer that has not finished is stopped.
PATIENCE_S = 3600.0
#: Seconds in which one that says nothing any more ends by itself.
_GRACE_S = 5.0


class NotMeasured(Exception):
    """A peer could not be run; the message says why."""


def check_peer(name: str, workload: str, device: str | None = None) -> None:
    """Raise SpecError unless this peer is known, has the workload, and runs on such a device."""
    check_device(name, device)
    if workload not in PEERS[name][1]:
        raise SpecError(f"bench.peer: {name} runs {PEERS[name][1]}, not {workload!r}")


def check_device(name: str, device: str | None) -> None:
    """Raise SpecError unless this peer is known and runs on such a device, its first one if None."""
    if name not in PEERS:
        raise SpecError(f"bench.peer: got {name!r}; there are {sorted(PEERS)}")
    allowed = DEVICES.get(name, ("cpu",))
    if (device or "cpu") not in allowed:
        raise SpecError(f"bench.peer_device: got {device!r}; {name} runs on {' or '.join(allowed)}")


def find_script(name: str, workload: str, given: str | Path | None) -> Path:
    """Return the peer's script: as given, or under benchmarks/peers here or next to the source.

    Raises
    ------
    NotMeasured
        If there is none: installed packages do not carry these scripts.
    """
    if given is not None:
        if not Path(given).is_file():
            raise NotMeasured(f"there is no script {given}")
        return Path(given)
    script = f"{name}_{OWN_SCRIPTS[workload]}.py" if workload in OWN_SCRIPTS else PEERS[name][0]
    relative = Path("benchmarks", "peers", script)
    for root in (Path.cwd(), *Path(__file__).resolve().parents):
        if (root / relative).is_file():
            return root / relative
    raise NotMeasured(
        f"{relative} was found neither here nor next to the package; name it with --peer-script"
    )


def in_turns(
    run: Callable[[], float],
    repeats: int,
    peer: str,
    workload: str,
    python: str | None,
    script: str | Path | None,
    arguments: list[str],
    facts: Sequence[str],
) -> tuple[list[float], dict[str, Any]]:
    """Run ours and the peer in turns; return our times, and the peer's and those facts that it reports."""
    walls: list[float] = []
    theirs: list[float] = []
    process = None
    try:
        process = Peer(python, find_script(peer, workload, script), arguments)
        for _ in range(repeats):
            walls.append(turn(run))
            theirs.append(turn(process.run))
        told = process.finish()
    except NotMeasured as reason:
        walls += [turn(run) for _ in range(repeats - len(walls))]
        return walls, {
            "peer": peer, "peer_version": None, "peer_wall_s": None, "ratio": None,
            "peer_note": f"not measured: {reason}",
        }  # fmt: skip
    finally:
        if process is not None:
            process.close()
    figures = {"peer": peer, "peer_version": told.get("peer_version"), "peer_mode": told.get("peer_mode")}
    figures |= {"peer_wall_s": statistics.median(theirs)}
    figures |= {"peer_wall_min_s": min(theirs), "peer_wall_max_s": max(theirs)}
    return walls, figures | {f"peer_{key}": told[key] for key in facts if key in told}


def told_alone(python: str | None, script: Path, arguments: Sequence[str]) -> dict[str, Any]:
    """Return what a peer says that runs a few times by itself, in a process of its own."""
    process = Peer(python, script, [*arguments])
    try:
        for _ in range(3):
            process.run()
        return process.finish()
    finally:
        process.close()


class Peer:
    """A peer's process, which runs once for every line that it is sent.

    Raises
    ------
    NotMeasured
        If it does not start, fails, or takes longer than `PATIENCE_S`.
    """

    def __init__(self, python: str | None, script: Path, arguments: list[str]) -> None:
        self._log: IO[str] = tempfile.TemporaryFile("w+")
        command = [python or sys.executable, str(script), *arguments, "--paced"]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
            )
        except OSError as error:
            self._log.close()
            raise NotMeasured(f"{command[0]} does not start: {error.strerror}") from error
        self._watch = threading.Timer(PATIENCE_S, self._process.kill)
        self._watch.daemon = True
        self._watch.start()
        try:
            self._read()
        except NotMeasured:
            self.close()
            raise

    def run(self) -> float:
        """Run it once and return its wall seconds."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("run\n")
            self._process.stdin.flush()
        except OSError as error:
            raise NotMeasured(self._why()) from error
        return float(self._read()["wall_s"])

    def finish(self) -> dict[str, Any]:
        """Tell it that no more runs come, and return what it reports."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._read()

    def close(self) -> None:
        """Stop the process, whatever it is doing."""
        self._watch.cancel()
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass  # a line that it no longer reads

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        try:
            answer = json.loads(line)
        except json.JSONDecodeError:
            raise NotMeasured(self._why()) from None
        if not isinstance(answer, dict):
            raise NotMeasured(f"it printed {line.strip()[:80]!r}, which is not a JSON object")
        return answer

    def _why(self) -> str:
        try:  # where it has ended by itself, its status says how
            code = self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._log.seek(0)
        last = ([line.strip() for line in self._log if line.strip()] or ["it said nothing"])[-1]
        return f"it ended with status {code}: {last[:200]}"
