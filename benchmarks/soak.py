"""Run a small network for a biological hour and see that memory stays where it is.

    python benchmarks/soak.py
    python benchmarks/soak.py --minutes 5 --threads 2

The network is the current-based one of `rheobase bench cuba`, scaled to 1,000 neurons. It runs in
stretches, each of which records its spikes and is thrown away. At every report a line says how much
memory is resident and how many spikes there were. Exit code 1 if memory has grown by more than
`--allowed-mb` since the end of the first minute, or if the network fell silent: then nothing was tested.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import rheobase as rb
from rheobase.models.benchmarks import cuba

SETTLED_S = 60.0


def resident_mb() -> float:
    """Return the memory that the process holds now, in MB; the most it ever held where that is not known."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return pages * resource.getpagesize() / 1e6


def soak(args: argparse.Namespace) -> int:
    """Run, report, and return the exit code."""
    net = cuba(seed=args.seed, scale=args.scale)
    sim = rb.Simulator(net, dt=1e-4, backend=args.backend, threads=args.threads)
    print(
        f"{net['neurons'].n} neurons, {args.minutes:g} min of model time in stretches of {args.stretch:g} s"
    )
    began, reported, spikes, latest, settled = time.perf_counter(), 0.0, 0, 0, None
    while sim.now < args.minutes * 60 - 0.5e-4:
        result = sim.run(min(args.stretch, args.minutes * 60 - sim.now), progress=False)
        if result.info.interrupted:
            return 130
        latest = len(result["spikes"])
        spikes += latest
        if sim.now >= SETTLED_S and settled is None:
            settled = resident_mb()
        if sim.now - reported >= args.report or sim.now >= args.minutes * 60:
            reported = sim.now
            wall = time.perf_counter() - began
            print(
                f"{sim.now:8.0f} s  {resident_mb():8.1f} MB  {spikes:12,} spikes  {wall:8.1f} s", flush=True
            )
    return verdict(settled, args.allowed_mb, latest)


def verdict(settled: float | None, allowed: float, latest: int) -> int:
    """Say whether memory grew or the network fell silent, and return the exit code."""
    if not latest:
        print("failed: the network fell silent")
        return 1
    if settled is None:
        print(f"not judged: memory settles within {SETTLED_S:g} s of model time")
        return 0
    grown = resident_mb() - settled
    print(f"{'passed' if grown <= allowed else 'failed'}: {grown:+.1f} MB since the first minute")
    return 0 if grown <= allowed else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="model time; default: 60")
    parser.add_argument("--stretch", type=float, default=10.0, help="model seconds of one run; default: 10")
    parser.add_argument("--report", type=float, default=60.0, help="model seconds between lines; default: 60")
    parser.add_argument("--allowed-mb", type=float, default=4.0, help="growth that passes; default: 4")
    parser.add_argument("--scale", type=float, default=0.25, help="size of the network; default: 0.25")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backend", default="numba")
    parser.add_argument("--threads", type=int, default=1)
    sys.exit(soak(parser.parse_args()))
