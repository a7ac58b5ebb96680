"""`rheobase bench convert`: what conversion keeps, what an answer costs and how long it takes.

The networks are those of `models/references.py`, the thousand test digits that ship are scored, and the
calibration digits that ship set thresholds; a peer gets the same weights and the same digits.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import __version__
from .bench_ours import turn
from .bench_peer import check_peer, in_turns
from .conversion import convert
from .datasets import Digits, calibration_digits, digits
from .models.references import REFERENCES, reference
from .neurons.errors import SpecError

if TYPE_CHECKING:
    from torch import nn

    from .conversion import Converted

#: Bits of what a neuron tells, where nothing else is asked for.
BITS = {"mlp": 4, "wide": 4, "cnn": 4, "mixer": 6, "vit": 5, "vit_mha": 5, "swiglu": 5}
#: Steps of training for "wide".
_TRAINING = 40
#: Sweeps, or a peer's steps, after which answers are scored.
STEPS = (1, 2, 4, 8)
#: By which share of the images accuracies may differ that are called equal.
EQUAL = 0.002
#: What a line repeats of a peer's own.
_FACTS = (
    "spiking_parts",
    "note",
    "refused",
    "steps",
    "accuracy",
    "operations",
    "first_operations",
    "build_s",
)


def bench_conversion(
    model: str = "cnn",
    *,
    law: Literal["delta", "rate", "ttfs", "value"] = "delta",
    bits: int | None = None,
    events: Literal["pow2", "unit", "graded"] = "pow2",
    images: int = 1000,
    batch: int = 100,
    repeats: int = 5,
    threads: int = 1,
    backend: str = "numba",
    peer: str | None = None,
    peer_python: str | None = None,
    peer_script: str | Path | None = None,
    peer_device: str | None = None,
) -> dict[str, Any]:
    """Convert a reference network, score it, count what it does, time it, and return a line of figures.

    Parameters
    ----------
    model : str
        A key of `rheobase.models.REFERENCES`, or "wide": 784-1024-1024-10, which is too large to ship
        and is trained on the 400 calibration digits first, in seconds.
    law, events
        As for `convert`.
    bits : int, optional
        Bits of what a neuron tells; those of `BITS` if left out. What only sums read is told in one bit more.
    images : int
        Digits to score, at most 1000.
    batch : int
        Digits of a timed run, side by side.
    repeats : int
        Turns; their median counts.
    threads, backend
        As for `Simulator`; the peer gets the same number of threads.
    peer : str, optional
        Run this one too, in turns: "spikingjelly", "sinabs" or, for "mlp" and "wide", "snntorch".
    peer_python : str, optional
        The Python that has the peer installed; this one if left out.
    peer_script : path, optional
        The script that runs the peer, if not benchmarks/peers of a checkout.
    peer_device : "cpu", optional
        Conversion is compared on a processor.

    Returns
    -------
    dict
        `accuracy_dense` of the trained network; `accuracy` and `operations` of an image for each of `steps`
        sweeps; under "ttfs" for the one number of steps that it takes. Operations are synaptic events;
        `first_operations`, those of the pixels, are multiplications and counted apart, as are
        `macs_first_layer` of the `macs` of the trained network (`macs_nonzero` without those by zero).
        Under the law "delta" also `_silent`, when nothing is told any more, `_depth`, layer after layer,
        and `_exit`, where each image stops by itself, by a rule that changes no answer to the
        calibration digits or to blends of them.
        `energy_over_dense`, `_zero_skipping` and `_quantised` divide the joules of the spiking network
        (layer after layer) by those of the dense one, of one that skips zeros, and of one quantised to as
        many bits (the last with sums of integers on both sides): 45 nm, arithmetic alone. `ms_per_image` is
        the time to silence, or, under the law "rate", for the largest number of steps. A peer's figures
        begin with `peer_`; its operations are the inputs of a layer that are not zero times their fan-out,
        and `ratio` is its time for the largest number of steps over ours. `ratio_equal` is that of as many
        steps, `peer_steps_equal`, as it takes to recognise what we do in the end, but for 0.2 points: None
        where the largest number is not enough.

    Raises
    ------
    SpecError
        If a name is unknown or a number out of range.
    MissingExtra
        If torch is not installed.
    """
    if peer is not None:
        check_peer(peer, "convert", peer_device)
        if peer_device not in (None, "cpu"):
            raise SpecError(f"bench.peer_device: got {peer_device!r}; for convert allowed is 'cpu'")
    _check(model, repeats=(repeats, None), batch=(batch, images), images=(images, 1000))
    case = _Case.of(model, images)
    bits = BITS[model] if bits is None else bits
    machine: dict[str, Any] = {"backend": backend, "threads": threads}
    line: dict[str, Any] = {"benchmark": "convert", "model": model, **machine, "version": __version__}
    line |= {"law": law, "events": events, "bits": bits, "images": images, "batch": batch, "repeats": repeats}
    began = time.perf_counter()
    converted = convert(case.network, case.calibration, law=law, events=events, bits=bits)
    line["convert_s"] = time.perf_counter() - began
    line |= _scores(converted, case, machine)
    if law == "delta":
        line |= _early(converted, case, machine)
    run = _timed(converted, case.x[:batch], machine)
    if peer is None:
        return line | _times([turn(run) for _ in range(repeats)], batch)
    with tempfile.TemporaryDirectory() as folder:
        arguments = case.arguments(Path(folder, "case.npz"), model, threads=threads, batch=batch)
        walls, beside = in_turns(run, repeats, peer, "convert", peer_python, peer_script, arguments, _FACTS)
    line |= _times(walls, batch)
    if beside["peer_wall_s"] is not None:
        beside["ratio"] = beside["peer_wall_s"] / line["wall_s"]
        beside |= _at_equal_accuracy(line, beside)
        beside["peer_ms_per_image"] = beside["peer_wall_s"] * 1e3 / batch
    return line | beside


def in_words(line: Mapping[str, Any]) -> str:
    """Return what a network keeps, and for how much, as a line of text."""
    text = f"{line['model']}, {line['bits']} bits: {line['accuracy_dense']:.1%}, settled "
    text += f"{line['accuracy_depth']:.1%} for {line['operations_depth']:,.0f} operations, "
    text += f"{line['energy_over_dense']:.1%} of the dense energy, {line['ms_per_image']:.3g} ms an image"
    if line.get("ratio") is not None:
        return text + f", {line['peer']} takes {line['ratio']:.3g} times as long"
    return text + (f", {line['peer']} {line['peer_note']}" if "peer" in line else "")


def _check(model: str, **numbers: tuple[Any, int | None]) -> None:
    if model not in BITS:
        raise SpecError(f"bench.model: got {model!r}; for convert there are {[*BITS]}")
    for field, (number, most) in numbers.items():
        whole = isinstance(number, int) and not isinstance(number, bool)
        if not whole or number < 1 or (most is not None and number > most):
            limit = "" if most is None else f" to {most}"
            raise SpecError(f"bench.{field}: got {number!r}; allowed is a whole number from 1{limit}")


@dataclass(frozen=True, eq=False)
class _Case:
    """A trained network, images to calibrate on and images to score, with their classes."""

    network: nn.Module
    calibration: np.ndarray
    x: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, model: str, images: int) -> _Case:
        tuning, scored = ((_images(data), data.labels) for data in (calibration_digits(), digits()))
        network = reference(model) if model in REFERENCES else _trained(model, *tuning)
        return cls(network, tuning[0], *(array[:images] for array in scored))

    def arguments(self, path: Path, model: str, **options: int) -> list[str]:
        """Write the case for a peer; return the arguments of its script."""
        weights = {f"weights.{name}": tensor.numpy() for name, tensor in self.network.state_dict().items()}
        np.savez(path, x=self.x, labels=self.labels, calibration=self.calibration, **weights)
        modules = files("rheobase.models") / "reference_modules.py"
        named: Mapping[str, object] = {"case": path, "modules": modules, "model": model, **options}
        told = [text for name, value in named.items() for text in (f"--{name}", str(value))]
        return [*told, "--steps", *map(str, STEPS)]


def _images(data: Digits) -> np.ndarray:
    return data.pixels.reshape(-1, 1, 28, 28)


def _trained(model: str, x: np.ndarray, labels: np.ndarray) -> nn.Module:
    """Return a network too large to ship, after some steps of Adam on a few digits, always the same."""
    import torch

    from .models.reference_modules import BUILDERS

    torch.manual_seed(0)
    network = BUILDERS[model]()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    images, classes = torch.from_numpy(x), torch.from_numpy(labels.astype(np.int64))
    for _ in range(_TRAINING):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(images), classes).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return network.eval().requires_grad_(False)


def _scores(converted: Converted, case: _Case, machine: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is recognised, and for how many operations and how much energy."""
    found = converted.compare(case.x, case.labels, model=case.network, steps=STEPS, **machine)
    after, settled = found.points[: len(STEPS)], found.points[len(STEPS) :]
    steps = [converted.steps_per_sweep] if converted.law == "ttfs" else list(STEPS)
    line: dict[str, Any] = {"accuracy_dense": found.accuracy_original, "steps": steps}
    line |= {"accuracy": [p.accuracy for p in after], "operations": [p.operations for p in after]}
    for name, point in zip(("silent", "depth"), settled, strict=False):
        line |= {f"accuracy_{name}": point.accuracy, f"operations_{name}": point.operations}
        line |= {f"sweeps_{name}": point.sweeps}
    line |= {"first_operations": found.first_layer, "macs": found.macs}
    line |= {"macs_nonzero": found.macs_nonzero, "macs_first_layer": found.macs_first}
    joules = found.joules
    quantised = next(value for name, value in joules.items() if name.startswith("quantised"))
    line |= {"energy_j": joules, "energy_over_dense": joules["spiking"] / joules["dense"]}
    line["energy_over_zero_skipping"] = joules["spiking"] / joules["dense, zeros skipped"]
    return line | {"energy_over_quantised": joules["spiking, int32 sums"] / quantised}


def _early(converted: Converted, case: _Case, machine: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is recognised, and for how many operations, where each image stops by itself."""
    rule = converted.tune_exit(case.calibration, **machine)
    found = converted.run(case.x, exit=rule, **machine)
    line = {"exit": repr(rule), "accuracy_exit": float((found.labels == case.labels).mean())}
    line |= {"operations_exit": float(found.operations.mean())}
    return line | {"sweeps_exit": float(found.steps.mean())}


def _timed(converted: Converted, x: np.ndarray, machine: Mapping[str, Any]) -> Callable[[], float]:
    """Return what runs images to silence, from the start, and returns the seconds that it took."""
    sweeps = converted.sweeps(len(x), schedule="depth", **machine)
    steps = max(STEPS) if converted.law == "rate" else None

    def run() -> float:
        began = time.perf_counter()
        sweeps.reset()
        sweeps.feed(converted.whole(x))
        sweeps.settle(steps, None)
        return time.perf_counter() - began

    run()
    return run


def _at_equal_accuracy(line: Mapping[str, Any], beside: Mapping[str, Any]) -> dict[str, Any]:
    """Return after how many steps a peer recognises as much as we do at the end, and what it then takes."""
    goal = line.get("accuracy_depth", line["accuracy"][-1]) - EQUAL
    pairs = zip(beside["peer_steps"], beside["peer_accuracy"], strict=True)
    steps = next((step for step, accuracy in pairs if accuracy >= goal - 1e-9), None)
    share = None if steps is None else steps / max(beside["peer_steps"])
    return {"peer_steps_equal": steps, "ratio_equal": None if share is None else share * beside["ratio"]}


def _times(walls: Sequence[float], batch: int) -> dict[str, float]:
    wall = statistics.median(walls)
    line = {"wall_s": wall, "wall_min_s": min(walls), "wall_max_s": max(walls)}
    return line | {"ms_per_image": wall * 1e3 / batch}
