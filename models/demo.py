"""The three stories on real digits in one call: convert a trained network, simulate it, price it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..conversion import Comparison, Converted, Inference, convert
from ..datasets import digits
from ..engine.parts import Population, Probe
from ..hardware import Comparison as Prices
from ..hardware import compare_chips
from ..neurons.errors import SpecError
from .digits import digits_network

#: Dense machines (cmos45-dense, gpu) pay for the original network, the others for the spiking one.
CHIPS = ("cmos45", "cmos45-dense", "loihi", "spinnaker2", "gpu")
#: So many of the shipped digits set the thresholds; the others are scored.
CALIBRATION = 300


@dataclass(frozen=True, eq=False)
class Demo:
    """What `run_demo` found.

    Attributes
    ----------
    converted : Converted
        The spiking network.
    comparison : Comparison
        The spiking network beside the original, on digits that set no threshold.
    prices : hardware.Comparison
        The estimated energy of the run on several chips.
    files : dict of str to Path
        What was written: "result" and "raster".
    """

    converted: Converted
    comparison: Comparison
    prices: Prices
    files: dict[str, Path]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data under stable names that carry their unit."""
        found = self.comparison
        return {
            "accuracy_dense": found.accuracy_original,
            "accuracy_spiking": found.accuracy_spiking,
            "agreement": found.agreement,
            "n_inputs": found.n_inputs,
            "steps": found.steps,
            "spikes_per_input": found.spikes_per_input,
            "synaptic_events_per_input": found.synaptic_events_per_input,
            "seconds_per_input": found.seconds_per_input,
            "energy_j": {one.chip.name: one.per_inference for one in self.prices},
            "energy_sources": {one.chip.name: list(one.sources) for one in self.prices},
            "files": {name: str(path) for name, path in self.files.items()},
            **found.inference.result.to_dict(),
        }

    def __str__(self) -> str:
        files = [f"{name}: {path}" for name, path in self.files.items()]
        return "\n\n".join([str(self.converted), str(self.comparison), str(self.prices), "\n".join(files)])


def run_demo(
    folder: str | Path = "rheobase-demo",
    *,
    n_inputs: int = 700,
    steps: int = 16,
    backend: str = "numba",
    threads: int | None = None,
    chips: Sequence[str] = CHIPS,
) -> Demo:
    """Convert the digits network that ships, run it on digits that it never saw, and price the run.

    Parameters
    ----------
    folder : path
        Where to write `result.npz` and `raster.png`; it is made if it is missing.
    n_inputs : int
        Digits to run, at most 700: the other 300 that ship set the thresholds.
    steps : int
        Steps per digit, of 1 ms.
    backend, threads
        As for `Simulator`.
    chips : sequence of str
        Names from `rheobase.hardware.chips()`.

    Returns
    -------
    Demo
        Prints as a report.

    Raises
    ------
    SpecError
        If there are not so many digits, or no such chip.
    """
    data = digits()
    most = len(data) - CALIBRATION
    if isinstance(n_inputs, bool) or not isinstance(n_inputs, int) or not 1 <= n_inputs <= most:
        raise SpecError(f"run_demo.n_inputs: got {n_inputs!r}; allowed is a whole number from 1 to {most}")
    sample, scored = data.pixels[:CALIBRATION], slice(CALIBRATION, CALIBRATION + n_inputs)
    converted = convert(digits_network(), sample, steps=steps)
    comparison = converted.compare(data.pixels[scored], data.labels[scored], backend=backend, threads=threads)
    result = comparison.inference.result
    prices = compare_chips(result, chips)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = {"result": folder / "result.npz", "raster": folder / "raster.png"}
    result.save(files["result"])
    one = _watched(convert(digits_network(), sample, steps=steps), data.pixels[CALIBRATION], backend)
    draw_inference(one, data.images[CALIBRATION]).savefig(files["raster"], dpi=120)
    return Demo(converted, comparison, prices, files)


def _watched(converted: Converted, x: np.ndarray, backend: str) -> Inference:
    """Run one input and record every spike."""
    for part in converted.network.of(Population):
        if part.name != "output":
            converted.network.add(Probe(part, name=f"spikes of {part.name}"))
    return converted.run(x[None], backend=backend)


def draw_inference(inference: Inference, image: np.ndarray) -> Any:
    """Draw one image, the spikes that it causes, and the outputs as they grow certain.

    Parameters
    ----------
    inference : Inference
        A run of this one image, with probes of spikes.
    image : array (height, width)
        The image.

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    picture, raster, outputs = figure.subplots(1, 3, width_ratios=(1, 2, 1.2))
    picture.imshow(image, cmap="gray_r")
    picture.set_axis_off()
    picture.set_title("input")
    inference.result.raster(ax=raster)
    raster.set_title("spikes")
    course = inference.over_time.reshape(len(inference.over_time), -1)
    winner = int(inference.labels[0])
    for label, values in enumerate(course.T):
        color = "C3" if label == winner else "0.7"
        outputs.plot(np.arange(1, len(values) + 1), values, color=color, zorder=2 + (label == winner))
    outputs.set_title(f"outputs: {winner} wins")
    outputs.set_xlabel("step")
    return figure
