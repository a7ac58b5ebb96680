"""A converted network beside the one that it came from: what was lost, what it costs, and where."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from ...hardware import Energy
from .inference import Inference


@dataclass(frozen=True)
class Point:
    """The spiking network at one moment.

    Attributes
    ----------
    when : str
        "T = 4", "silent" (all at once), or "in depth" (settled in order of depth).
    accuracy : float or None
        Part of the inputs recognised, where labels were given.
    agreement : float
        Part of the inputs on which the original names the same class.
    error : float
        Root mean square error of the outputs, as a part of the original's.
    sweeps : float
        Sweeps taken, on average.
    operations : float
        Synaptic events of an input up to then, those of the first layer left out.
    events_per_mac : float
        The same for each multiplication of the dense network beyond its first layer.
    break_even : float or None
        Events for each multiplication at which a network quantised to `bits` costs as much.
    bits : int or None
        ceil(log2(T + 1)), as many as tell what T unit events can; of a settled network, those of its codes.
    """

    when: str
    accuracy: float | None
    agreement: float
    error: float
    sweeps: float
    operations: float
    events_per_mac: float
    break_even: float
    bits: int

    @property
    def rate(self) -> float:
        """Events for each synapse and sweep."""
        return self.events_per_mac / self.sweeps

    @property
    def break_even_rate(self) -> float:
        """The rate above which the quantised network costs less."""
        return self.break_even / self.sweeps


@dataclass(frozen=True)
class Loss:
    """What one cell does, settled: its root mean square error, under "delta", and the events it causes."""

    name: str
    places: tuple[str, ...]
    error: float | None
    operations: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """A converted network beside the original, on the same inputs; prints as a table.

    Attributes
    ----------
    n_inputs : int
        Inputs.
    accuracy_original : float or None
        Part of the inputs that the original recognises, where labels were given.
    points : tuple of Point
        The spiking network after some sweeps, silent, and settled in order of depth.
    layers : tuple of Loss
        Cell by cell.
    macs, macs_nonzero, macs_first : float
        Multiplications of the original for an input: all, without those by zero, and those of the first
        layer.
    first_layer : float
        Events of the input's own synapses in a settled run.
    joules : dict
        Machine -> joules for an input, from arithmetic alone (45 nm).
    energies : tuple of Energy
        A settled run on each chip.
    seconds_per_input : float
        What simulating one took, in order of depth.
    inference : Inference
        The settled run itself, of the first inputs.
    """

    n_inputs: int
    accuracy_original: float | None
    points: tuple[Point, ...]
    layers: tuple[Loss, ...]
    macs: float
    macs_nonzero: float
    macs_first: float
    first_layer: float
    joules: dict[str, float]
    energies: tuple[Energy, ...]
    seconds_per_input: float
    inference: Inference

    @property
    def settled(self) -> Point:
        """The network settled in order of depth."""
        return self.points[-1]

    @property
    def accuracy_spiking(self) -> float | None:
        """Part of the inputs that the settled network recognises, where labels were given."""
        return self.settled.accuracy

    @property
    def agreement(self) -> float:
        """Part of the inputs on which the settled network and the original name the same class."""
        return self.settled.agreement

    @property
    def dense(self) -> float:
        """Numbers that operations that were left dense compute for an input, settled in order of depth."""
        return float(self.inference.dense.mean())

    @property
    def loses(self) -> tuple[str, ...]:
        """Where spiking costs more, in words."""
        spiking, told = self.joules["spiking"], []
        for name in ("dense", "dense, zeros skipped"):
            if spiking > self.joules[name]:
                told.append(f"{name} takes {self.joules[name] / spiking:.2f} of the energy")
        for name, joules in self.joules.items():
            if name.startswith("quantised") and self.joules["spiking, int32 sums"] > joules:
                told.append(f"{name} takes {joules / self.joules['spiking, int32 sums']:.2f} of the energy")
        for point in self.points:
            if point.events_per_mac > point.break_even:
                told.append(
                    f"{point.when}: {point.events_per_mac:.3g} events per multiplication; from "
                    f"{point.break_even:.3g} on {point.bits} bits cost less"
                )
        if self.dense:
            told.append(f"{self.dense:,.0f} numbers an input were left dense, and no energy has them")
        return tuple(told)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data, under stable names that carry their unit."""
        return {
            "n_inputs": self.n_inputs,
            "accuracy_dense": self.accuracy_original,
            "accuracy_spiking": self.accuracy_spiking,
            "agreement": self.agreement,
            "points": [
                {**asdict(p), "rate": p.rate, "break_even_rate": p.break_even_rate} for p in self.points
            ],
            "layers": [asdict(layer) for layer in self.layers],
            "macs": self.macs,
            "macs_nonzero": self.macs_nonzero,
            "macs_first_layer": self.macs_first,
            "first_layer_events": self.first_layer,
            "dense_numbers": self.dense,
            "arithmetic_j": self.joules,
            "energy_j": {one.chip.name: one.per_inference for one in self.energies},
            "s_per_input": self.seconds_per_input,
            "loses": list(self.loses),
        }

    def to_json(self) -> str:
        """Return `to_dict` as one line of JSON."""
        return json.dumps(self.to_dict())

    def figure(self) -> Any:
        """Return a matplotlib figure: accuracy over operations, loss by layer, energy by machine."""
        from .drawn import draw

        return draw(self)

    def __repr__(self) -> str:
        from .drawn import text

        return text(self)
