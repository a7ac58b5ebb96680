"""The demonstration: a trained network becomes a spiking one and reads digits that it never saw."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .conversion import Converted, Inference, convert
from .datasets import digits
from .engine.parts import Probe
from .engine.records import SpikeRecord
from .hardware import Energy, compare_chips
from .hardware.constant import with_prefix
from .models import digits_network
from .neurons.errors import SpecError

#: What the demonstration prices: event-driven chips, and a machine that runs the original network.
CHIPS = ("cmos45", "loihi", "spinnaker2", "truenorth", "gpu")
#: Every fifth digit sets thresholds; the others are read.
_CALIBRATION = 5


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """What the demonstration measured.

    Attributes
    ----------
    accuracy_dense, accuracy_spiking : float
        Part of the digits that the original and the spiking network recognise.
    inference : Inference
        The run.
    energies : tuple of Energy
        Cost of the run on each of `CHIPS`.
    build_s, wall_s : float
        Seconds for building the simulation, and for everything from start to end.
    backend : str
        What simulated it.
    threads : int
        Threads that it used.
    raster, result : Path
        The files written.
    source : str
        Where the digits come from.
    """

    accuracy_dense: float
    accuracy_spiking: float
    inference: Inference
    energies: tuple[Energy, ...]
    build_s: float
    wall_s: float
    backend: str
    threads: int
    raster: Path
    result: Path
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Return the figures under stable names that carry their unit."""
        seen = self.inference
        return {
            "accuracy_dense": self.accuracy_dense,
            "accuracy_spiking": self.accuracy_spiking,
            "n_inputs": len(seen),
            "steps": len(seen.over_time),
            "spikes_per_input": seen.spikes_per_input,
            "synaptic_events_per_input": seen.synaptic_events_per_input,
            "s_per_input": self.seconds_per_input,
            "energy_j": {one.chip.name: one.per(len(seen)) for one in self.energies},
            "energy_sources": {one.chip.name: list(one.sources) for one in self.energies},
            "backend": self.backend,
            "threads": self.threads,
            "version": __version__,
            "build_s": self.build_s,
            "wall_s": self.wall_s,
            "raster": str(self.raster),
            "result": str(self.result),
        }

    @property
    def seconds_per_input(self) -> float:
        """What simulating one digit took."""
        return self.inference.result.info.wall_s / len(self.inference)

    def __str__(self) -> str:
        seen = self.inference
        sweeps = f"{len(seen.over_time)} sweep{'s' if len(seen.over_time) > 1 else ''}"
        lines = [
            f"{len(seen)} handwritten digits ({self.source})",
            "",
            f"accuracy          {self.accuracy_dense:.1%} original network, "
            f"{self.accuracy_spiking:.1%} spiking network ({sweeps} per digit)",
            f"spikes            {seen.spikes_per_input:,.0f} per digit",
            f"synaptic events   {seen.synaptic_events_per_input:,.0f} per digit",
            f"time              {1e3 * self.seconds_per_input:.3f} ms per digit "
            f"({self.backend}, {self.threads} thread{'s' if self.threads > 1 else ''}; "
            f"{self.build_s:.1f} s to build)",
            "",
            f"{'energy per digit':<34}{'':<10}source",
        ]
        for one in self.energies:
            what = "the original network" if one.chip.kind == "dense" else "the spiking network"
            name = f"{one.chip.name}, {what}"
            lines.append(f"  {name:<32}{with_prefix(one.per(len(seen)), 'J'):<10}{'; '.join(one.sources)}")
            if one.unpriced:
                lines.append(f"  {'':<32}{'':<10}not priced: {', '.join(one.unpriced)}")
        lines += ["", f"wrote {self.raster} and {self.result} in {self.wall_s:.1f} s"]
        return "\n".join(lines)


def run_demo(
    out: str | Path = "rheobase-demo",
    *,
    n: int | None = None,
    steps: int | None = None,
    backend: str = "numba",
    threads: int | None = None,
) -> Demonstration:
    """Convert the digits network that ships, read digits with it, estimate energies, write two files.

    Parameters
    ----------
    out : str or Path
        Folder for `raster.png` and `result.npz`; made if it is not there.
    n : int, optional
        How many digits to read; all that did not set thresholds (800) if left out.
    steps : int, optional
        Sweeps per digit, all layers at once; if left out, layers settle one behind the other in one sweep.
    backend, threads
        As for `Simulator`.

    Raises
    ------
    SpecError
        If n is larger than the digits there are.
    OSError
        If the folder cannot be written.
    """
    started = time.perf_counter()
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    data = digits()
    held = np.arange(len(data)) % _CALIBRATION == 0
    read = _spread(np.flatnonzero(~held), n)
    pixels, labels = data.pixels[read], data.labels[read]
    converted = convert(digits_network(), data.pixels[held])
    inference = converted.run(pixels, steps=steps, backend=backend, threads=threads)
    result = inference.result
    result.save(folder / "result.npz")
    _draw(converted, data.pixels[read[:1]], folder / "raster.png", backend, threads)
    return Demonstration(
        accuracy_dense=float((converted.original(pixels).argmax(axis=1) == labels).mean()),
        accuracy_spiking=float((inference.labels == labels).mean()),
        inference=inference,
        energies=tuple(compare_chips(result, CHIPS)),
        build_s=result.info.build_s,
        wall_s=time.perf_counter() - started,
        backend=result.info.backend,
        threads=result.info.threads,
        raster=folder / "raster.png",
        result=folder / "result.npz",
        source=data.source,
    )


def _spread(places: np.ndarray, n: int | None) -> np.ndarray:
    """Return n of the places at even distances, so that a few digits are of all classes."""
    n = len(places) if n is None else n
    if not 1 <= n <= len(places):
        raise SpecError(f"run_demo.n: got {n}; allowed are 1 to {len(places)} digits")
    return places[np.arange(n) * len(places) // n]


def _draw(converted: Converted, digit: np.ndarray, path: Path, backend: str, threads: int | None) -> None:
    """Run one digit once more, all layers at once, with every event recorded, and draw it."""
    from matplotlib.figure import Figure

    from .engine.plots import draw_raster

    converted = replace(converted, schedule="concurrent")
    net = converted.network
    for population in net.populations[:-1]:
        net.add(Probe(population, name=f"events of {population.name}"))
    result = converted.run(digit, backend=backend, threads=threads).result
    records = {name: record for name, record in result.records.items() if isinstance(record, SpikeRecord)}
    figure = Figure(figsize=(9, 5), layout="constrained")
    draw_raster(records, figure.add_subplot())
    figure.suptitle("One digit, seen by the spiking network")
    figure.savefig(path, dpi=120)
