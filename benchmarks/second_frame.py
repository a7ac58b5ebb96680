"""What the second frame of a stream costs, as a share of the first: `python benchmarks/second_frame.py cnn`.

Pairs of frames differ as those of a camera do: a square in which another digit appears, scattered pixels of
another digit, a digit that moves by one pixel, and noise of a sensor on a tenth of all pixels. In order of
depth a neuron tells each change once, in as many events as its alphabet needs. Nobody can do with fewer than
one event for each neuron whose whole number differs between the two silent states, times its fan-out: that is
the floor, as long as silence means the quantised network; with `--hold` cells have a dead band, and some
answers may differ. A line of JSON for each network and change.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

import numpy as np

from rheobase import convert
from rheobase.bench_convert import BITS
from rheobase.conversion import Converted
from rheobase.conversion.circuits.codes import events_for, resting, settled
from rheobase.conversion.circuits.emulate import reach_of
from rheobase.conversion.circuits.evaluate import unfolded
from rheobase.datasets import calibration_digits, digits
from rheobase.models import reference

SIDE, TENTH = 28, 78

Change = Callable[[np.random.Generator, np.ndarray, np.ndarray], np.ndarray]


def patch(rng: np.random.Generator, x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Show another digit in a square of 9 x 9 pixels, anywhere."""
    out, (row, column) = x.copy(), rng.integers(0, SIDE - 9 + 1, 2)
    out[row : row + 9, column : column + 9] = other[row : row + 9, column : column + 9]
    return out


def middle(rng: np.random.Generator, x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Show another digit in the square of 9 x 9 pixels in the middle, where digits differ most."""
    out = x.copy()
    out[10:19, 10:19] = other[10:19, 10:19]
    return out


def scattered(rng: np.random.Generator, x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Show another digit in a tenth of all pixels."""
    out, where = x.copy().reshape(-1), rng.choice(SIDE * SIDE, TENTH, replace=False)
    out[where] = other.reshape(-1)[where]
    return out.reshape(SIDE, SIDE)


def moved(rng: np.random.Generator, x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Move the digit by one pixel."""
    return np.roll(x, *[(1, 0), (-1, 0), (1, 1), (-1, 1)][rng.integers(4)])


def noisy(rng: np.random.Generator, x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Add noise of a tenth of the range to a tenth of all pixels."""
    out, where = x.copy().reshape(-1), rng.choice(SIDE * SIDE, TENTH, replace=False)
    out[where] = np.clip(out[where] + rng.normal(0.0, 0.1, TENTH), 0.0, 1.0)
    return out.reshape(SIDE, SIDE)


CHANGES: dict[str, Change] = {
    "patch": patch, "middle": middle, "scattered": scattered, "moved": moved, "noisy": noisy,
}  # fmt: skip


def frames(change: Change, pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return first and second frames, each (pairs, 1, 28, 28)."""
    rng, images = np.random.default_rng(0), digits().pixels.reshape(-1, SIDE, SIDE)
    first, others = images[:pairs], images[rng.integers(pairs, len(images), pairs)]
    second = np.stack([change(rng, x, other) for x, other in zip(first, others, strict=True)])
    return first[:, None], second[:, None]


def in_order(snn: Converted, first: np.ndarray, second: np.ndarray) -> dict[str, object]:
    """Return what both frames cost in order of depth, and the floor of the second, by what tells it."""
    circuit, reach = snn.circuit, reach_of(snn.circuit)
    before, after = (
        settled(circuit, unfolded(circuit, x.astype(np.float32))).counts for x in (first, second)
    )
    rest, found = resting(circuit).counts, {}
    for name, cell in circuit.cells.items():
        if cell.code is None or cell is circuit.input:
            continue
        fan_out = sum(reach[name].values(), np.zeros(cell.n, np.int64))
        change = after[name] - before[name]
        found[name] = [
            (packets @ fan_out).mean()
            for packets in (
                events_for(before[name] - rest[name], snn.events), events_for(change, snn.events),
                (change != 0).astype(np.int64),
            )
        ]  # fmt: skip
    once, again, floor = np.sum([*found.values()], axis=0)
    told = circuit.input.name
    return {
        "input_changed": float((after[told] != before[told]).mean()),
        "first_operations": once, "depth": again / once, "floor": floor / once,
        "by_layer": {name: [round(x / once, 4) for x in row] for name, row in found.items()},
    }  # fmt: skip


def on_engine(snn: Converted, first: np.ndarray, second: np.ndarray, schedule: str) -> float:
    """Return the operations of the second frame over those of the first, run to silence."""
    sweeps, sums = snn.sweeps(len(first), schedule=schedule, threads=1), []  # type: ignore[arg-type]
    for frame in (first, second):
        sweeps.feed(snn.whole(frame.astype(np.float32)))
        sums.append(sweeps.settle(None, None).operations.sum())
    return float(sums[1] / sums[0])


def held(snn: Converted, first: np.ndarray, second: np.ndarray, hold: float) -> dict[str, float]:
    """Return the same with a dead band, and the share of answers that it leaves as they would be."""
    once, again = snn.stream([first, second], hold=hold, threads=1)
    agreement = (again.labels == snn.run(second, threads=1).labels).mean()
    ratio = again.operations.sum() / once.operations.sum()
    return {f"hold_{hold:g}": float(ratio), f"agreement_{hold:g}": float(agreement)}


def main() -> None:
    """Convert the networks that are named, and show each pair of frames."""
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", help="keys of rheobase.models.REFERENCES")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--bits", type=int, help="of what a neuron tells; those of rheobase bench convert")
    parser.add_argument("--engine", action="store_true", help="run both schedules on the engine, too")
    parser.add_argument("--hold", type=float, nargs="*", default=[], help="dead bands to try, in thetas")
    args = parser.parse_args()
    sample = calibration_digits().pixels.reshape(-1, 1, SIDE, SIDE)
    for model in args.models:
        snn = convert(reference(model), sample, bits=args.bits or BITS[model])
        for name, change in CHANGES.items():
            first, second = frames(change, args.pairs)
            line = {"model": model, "change": name, "pairs": args.pairs}
            line["pixels_changed"] = float((first != second).mean())
            line |= in_order(snn, first, second)
            if args.engine:
                for schedule in ("depth", "concurrent"):
                    line[f"engine_{schedule}"] = on_engine(snn, first, second, schedule)
            for hold in args.hold:
                line |= held(snn, first, second, hold)
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
