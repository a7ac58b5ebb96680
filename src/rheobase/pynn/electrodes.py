"""Currents injected into cells, constant between the times at which they change.

A network is told of each change between two runs of it: so a current may change as often as wanted, but
each change costs about as much as making the simulator anew. Currents that change in every step,
`ACSource` and `NoisyCurrentSource`, are refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pyNN import common
from pyNN.parameters import ParameterSpace
from pyNN.standardmodels import build_translations, electrodes

from ..neurons.errors import SpecError
from . import simulator


class Electrode:
    """What a current source of ours adds to PyNN's class of the same name."""

    def __init__(self, **parameters: Any) -> None:
        # Past PyNN's own way of setting, which asks for the parameters.
        object.__setattr__(self, "_parameters", {})
        object.__setattr__(self, "_injected", [])
        super().__init__(**parameters)
        given = ParameterSpace(self.default_parameters, self.get_schema(), shape=(1,))  # type: ignore[attr-defined]
        given.update(**parameters)
        self.set_native_parameters(given)
        simulator.state.current_sources.append(self)

    def inject_into(self, cells: Any) -> None:
        """Inject the current into a population, a view, an assembly, or a list of cells."""
        chosen = cells.all_cells if isinstance(cells, (common.BasePopulation, common.Assembly)) else cells
        for cell in chosen:
            if not cell.celltype.injectable:
                raise SpecError(f"{type(self).__name__}: a {type(cell.celltype).__name__} takes no current")
        self._injected.extend((cell.parent, cell.parent.id_to_index(cell)) for cell in chosen)  # type: ignore[attr-defined]

    def get_native_parameters(self) -> Any:
        """Return the parameters, whose names are PyNN's."""
        return ParameterSpace(dict(self._parameters))  # type: ignore[attr-defined]

    def set_native_parameters(self, parameters: Any) -> None:
        """Set some parameters; what lies behind is not changed by it."""
        parameters.evaluate(simplify=True)
        self._parameters.update(parameters.as_dict())  # type: ignore[attr-defined]

    def course(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the times in ms at which the current changes, and what it is from each of them on, in nA."""
        raise NotImplementedError

    def changes(self, dt: float) -> np.ndarray:
        """Return the steps before which the current changes."""
        return np.rint(self.course()[0] / dt)

    def add(self, population: Any, step: int, dt: float, total: np.ndarray) -> None:
        """Add the current of a step to those of the cells of a population, in nA."""
        reached = np.flatnonzero(self.changes(dt) <= step)
        if reached.size:
            now = self.course()[1][reached[-1]]
            for owner, index in self._injected:  # type: ignore[attr-defined]
                if owner is population:
                    total[index] += now

    def record(self) -> None:
        """Do nothing: what is injected is known without being recorded."""

    def _get_data(self) -> tuple[np.ndarray, np.ndarray]:
        dt = simulator.state.dt
        steps = np.arange(simulator.state.steps + 1)
        place = np.searchsorted(self.changes(dt), steps, side="right")
        return steps * dt, np.concatenate([[0.0], self.course()[1]])[place]


class DCSource(Electrode, electrodes.DCSource):
    __doc__ = electrodes.DCSource.__doc__
    translations = build_translations(*((name, name) for name in electrodes.DCSource.default_parameters))

    def course(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the beginning and the end of the pulse."""
        p = self._parameters
        return np.array([p["start"], p["stop"]]), np.array([p["amplitude"], 0.0])


class StepCurrentSource(Electrode, electrodes.StepCurrentSource):
    __doc__ = electrodes.StepCurrentSource.__doc__
    translations = build_translations(
        *((name, name) for name in electrodes.StepCurrentSource.default_parameters)
    )

    def course(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps as they were given."""
        times, amplitudes = (np.asarray(self._parameters[name].value) for name in ("times", "amplitudes"))
        if times.shape != amplitudes.shape or np.any(np.diff(times) <= 0):
            raise SpecError(
                "StepCurrentSource: times and amplitudes must be lists of one length, times ascending; got "
                f"{times.size} and {amplitudes.size}"
            )
        return times, amplitudes
