"""How a peer's script talks to whoever times it: options in, one JSON line out.

Run by hand, a script builds its network, runs it once untimed, then `--repeats` times, and prints
one JSON line. With `--paced` it prints {"ready": true} once built, runs once for every line that
it reads and answers {"wall_s": ...}, so that two engines can be timed in turns; at the end of its
input it prints the JSON line. Whatever a peer itself prints goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Prepared:
    """A network that is built: how to run it once (returning wall seconds) and what came out."""

    version: str
    build_s: float
    run: Callable[[], float]
    facts: Callable[[], dict[str, Any]]
    notes: dict[str, Any] = field(default_factory=dict)


def options(families: Sequence[str], seconds: float) -> argparse.ArgumentParser:
    """Return the options that every peer honours."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=families)
    parser.add_argument("--seconds", type=float, default=seconds, help="model time of one run")
    parser.add_argument("--warmup", type=float, default=0.0, help="model time that passes untimed before it")
    parser.add_argument("--scale", type=float, default=1.0, help="size, relative to the published one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1, help="samples side by side, where there are samples")
    parser.add_argument("--rule", default="pair", help="by which synapses learn, for stdp")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--paced", action="store_true", help="run once for every line read")
    return parser


def answer(
    peer: str, parser: argparse.ArgumentParser, prepare: Callable[[argparse.Namespace], Prepared]
) -> None:
    """Build, run as often as asked, and print the median."""
    args = parser.parse_args()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    prepared = prepare(args)
    prepared.run()
    walls = []
    if args.paced:
        _say(out, {"ready": True})
        for _ in sys.stdin:
            walls.append(prepared.run())
            _say(out, {"wall_s": walls[-1]})
    else:
        walls = [prepared.run() for _ in range(args.repeats)]
    line = {"peer": peer, "peer_version": prepared.version, "peer_wall_s": statistics.median(walls)}
    line |= {"peer_wall_min_s": min(walls), "peer_wall_max_s": max(walls), "build_s": prepared.build_s}
    if "samples" in prepared.notes:
        line["samples_per_s"] = prepared.notes.pop("samples") / line["peer_wall_s"]
    _say(out, line | prepared.notes | prepared.facts())


def _say(out: Any, line: dict[str, Any]) -> None:
    print(json.dumps(line), file=out, flush=True)


def spike_facts(
    times: np.ndarray, ids: np.ndarray, n: int, seconds: float, fan_out: np.ndarray
) -> dict[str, Any]:
    """Return rate, mean CV of inter-spike intervals (neurons with 3 spikes or more) and events.

    `fan_out` holds the synapses that each neuron sends to; the external drive is not counted.
    """
    order = np.lexsort((times, ids))
    times, ids = times[order], ids[order]
    same = ids[1:] == ids[:-1]
    gaps, owner = np.diff(times)[same], ids[1:][same]
    count = np.bincount(owner, minlength=n)
    kept = count >= 2
    mean = np.bincount(owner, gaps, n)[kept] / count[kept]
    square = np.bincount(owner, gaps**2, n)[kept] / count[kept]
    cv = np.sqrt(np.maximum(square - mean**2, 0.0)) / mean
    return {
        "rate_hz": len(ids) / n / seconds,
        "cv": float(cv.mean()) if cv.size else None,
        "spikes": len(ids),
        "synaptic_events": int(fan_out[ids].sum()),
    }
