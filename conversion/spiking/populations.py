"""The neurons that cells become, law by law."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np

from ...engine.parts import Population
from ...neurons import IF, EventNeuron, FirstSpike
from ...neurons.model import NeuronModel
from ..circuits.circuit import Cell, Circuit, Code
from ..circuits.codes import Events, coarse_of, resting
from ..circuits.windows import windows_of

Law = Literal["delta", "rate", "ttfs", "value"]
Schedule = Literal["depth", "concurrent"]
#: What may be chosen, by name.
CHOICES: Mapping[str, tuple[object, ...]] = {
    "law": get_args(Law), "events": get_args(Events), "schedule": get_args(Schedule),
    "spikes_in": (True, False),
}  # fmt: skip

#: Laws by which whole numbers are told, and which come to an end: what is told then is the quantised network.
WHOLE = ("delta", "ttfs")

#: Cells that tell nothing only add up: no input lifts them to this threshold.
NEVER = 1e30


class Models(ABC):
    """The neurons that the cells of a circuit become under one law."""

    def __init__(
        self, circuit: Circuit, events: Events, schedule: Schedule, spikes_in: bool, held: bool
    ) -> None:
        self.events, self.schedule, self.spikes_in, self.held = events, schedule, spikes_in, held
        rows = [cell.rows for cell in circuit.cells.values() if cell.rows is not None]
        self.read = {name for row in rows for name, _, _ in row.reads}

    def population(self, cell: Cell) -> Population:
        """Return the population of a cell that is no input."""
        return self._made(cell, self._adding(cell) if cell.code is None else self._telling(cell, cell.code))

    @abstractmethod
    def input(self, cell: Cell) -> Population:
        """Return the population that tells the sample."""

    @abstractmethod
    def _adding(self, cell: Cell) -> NeuronModel:
        """Return neurons that tell nothing."""

    @abstractmethod
    def _telling(self, cell: Cell, code: Code) -> NeuronModel:
        """Return neurons that tell f of their totals."""

    def _made(self, cell: Cell, model: NeuronModel, **initial: np.ndarray) -> Population:
        return Population(cell.shape, model, initial=initial, name=cell.name)


class _Delta(Models):
    """Whole numbers are told by their changes; all cells start as if those at rest had been told."""

    def __init__(
        self, circuit: Circuit, events: Events, schedule: Schedule, spikes_in: bool, held: bool
    ) -> None:
        super().__init__(circuit, events, schedule, spikes_in, held)
        self.rest = resting(circuit)

    def population(self, cell: Cell) -> Population:
        total = self.rest.totals[cell.name][0]
        if cell.code is None:
            return self._made(cell, self._adding(cell), v=total)
        return self._made(cell, self._telling(cell, cell.code), u=total, n=self.rest.counts[cell.name][0])

    def input(self, cell: Cell) -> Population:
        assert cell.code is not None
        n = self.rest.counts[cell.name][0]
        return self._made(cell, _told_at_once(cell.code), u=n * cell.code.theta, n=n)

    def _adding(self, cell: Cell) -> NeuronModel:
        return IF(threshold=NEVER)

    def _telling(self, cell: Cell, code: Code) -> NeuronModel:
        return EventNeuron(
            code.theta, events=self.events, burst=self.schedule == "depth", f=cell.function,
            parameters=cell.parameters, low=code.low, high=code.high,
            coarse=1 if self.schedule == "depth" else coarse_of(code, self.events),
            hold=0.0 if self.held else None,
        )  # fmt: skip


class _Rate(Models):
    """A spike stands for the largest value; plain integrate-and-fire neurons where a ReLU is all.

    Those that may take spikes back are `EventNeuron`s with a sign.
    """

    def population(self, cell: Cell) -> Population:
        plain = cell.function == "relu" and cell.rows is None and cell.name not in self.read
        if cell.code is not None and cell.code.low == 0 and plain:
            return self._integrating(cell, cell.code)
        return super().population(cell)

    def input(self, cell: Cell) -> Population:
        assert cell.code is not None
        if cell.code.low == 0 and cell.name not in self.read:
            return self._integrating(cell, cell.code)
        return self._made(cell, self._telling(cell, cell.code))

    def _integrating(self, cell: Cell, code: Code) -> Population:
        """Return neurons with soft reset; they start half-way to threshold, so that they round."""
        bias, threshold = _bias(cell), worth(code)
        model = IF(threshold=threshold, drive=bias if bias.any() else 0.0)
        return self._made(cell, model, v=0.5 * threshold)

    def _adding(self, cell: Cell) -> NeuronModel:
        bias = _bias(cell)
        if cell.name in self.read:
            return EventNeuron(NEVER, law="rate", events="unit", f="identity", bias=bias)
        return IF(threshold=NEVER, drive=bias if bias.any() else 0.0)

    def _telling(self, cell: Cell, code: Code) -> NeuronModel:
        return EventNeuron(
            worth(code), law="rate", events="unit", f=cell.function, parameters=cell.parameters,
            low=max(code.low, -1), high=1, bias=_bias(cell),
        )  # fmt: skip


class _FirstSpikes(Models):
    """The time of one spike is the value; only the input may be told at once, in whole numbers."""

    def __init__(
        self, circuit: Circuit, events: Events, schedule: Schedule, spikes_in: bool, held: bool
    ) -> None:
        super().__init__(circuit, events, schedule, spikes_in, held)
        self.windows = windows_of(circuit, spikes_in)

    def input(self, cell: Cell) -> Population:
        assert cell.code is not None
        high, theta = cell.code.high, cell.code.theta
        in_time = FirstSpike(theta, window=high, start=self.windows.starts[cell.name], origin=1)
        return self._made(cell, in_time if self.spikes_in else _told_at_once(cell.code))

    def _adding(self, cell: Cell) -> NeuronModel:
        return FirstSpike(window=self.windows.length, origin=self.windows.origin, bias=_bias(cell))

    def _telling(self, cell: Cell, code: Code) -> NeuronModel:
        return FirstSpike(
            code.theta, window=self.windows.length, start=self.windows.starts[cell.name],
            origin=self.windows.origin, high=code.high, bias=_bias(cell),
        )  # fmt: skip


class _Value(Models):
    """Values are told as they are."""

    def input(self, cell: Cell) -> Population:
        return self._made(cell, EventNeuron(law="value", f="identity"))

    def _adding(self, cell: Cell) -> NeuronModel:
        return EventNeuron(law="value", f="identity", bias=_bias(cell))

    def _telling(self, cell: Cell, code: Code) -> NeuronModel:
        return EventNeuron(law="value", f=cell.function, parameters=cell.parameters, bias=_bias(cell))


MODELS: Mapping[str, type[Models]] = {
    "delta": _Delta, "rate": _Rate, "ttfs": _FirstSpikes, "value": _Value,
}  # fmt: skip


def worth(code: Code) -> np.ndarray:
    """Return what a spike of each neuron stands for under the law "rate": the largest value that it tells."""
    return np.asarray(code.theta, np.float64) * code.high


def _told_at_once(code: Code) -> EventNeuron:
    return EventNeuron(code.theta, events="graded", f="identity", low=code.low, high=code.high)


def _bias(cell: Cell) -> np.ndarray:
    return np.zeros(cell.n) if cell.bias is None else np.asarray(cell.bias, np.float64).reshape(-1)
