"""Currents injected into cells, constant between the times at which they change.

A network is told of each change between two runs of it: a current may change as often as wanted, in every
step too, and each change costs some milliseconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pyNN import common
from pyNN.parameters import ParameterSpace
from pyNN.standardmodels import electrodes

from ..engine.random import bits_array, normal_of, plain, stream_key
from ..neurons.errors import SpecError
from . import simulator
from .cells import unchanged


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

    def currents(self, steps: np.ndarray, dt: float) -> np.ndarray:
        """Return the current in each of some steps, in nA."""
        raise NotImplementedError

    def next_change(self, step: int, dt: float) -> float:
        """Return the first step after this one before which the current changes; infinite if none does."""
        raise NotImplementedError

    def add(self, population: Any, step: int, dt: float, total: np.ndarray) -> None:
        """Add the current of a step to those of the cells of a population, in nA."""
        mine = [index for owner, index in self._injected if owner is population]  # type: ignore[attr-defined]
        if mine:
            np.add.at(total, mine, self.currents(np.array([step]), dt)[0])

    def record(self) -> None:
        """Do nothing: what is injected is known without being recorded."""

    def _get_data(self) -> tuple[np.ndarray, np.ndarray]:
        steps = np.arange(simulator.state.steps + 1)
        return steps * simulator.state.dt, self.currents(steps, simulator.state.dt)


class _Listed(Electrode):
    """A current whose changes can be listed."""

    def course(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the times in ms at which the current changes, and what it is from each of them on, in nA."""
        raise NotImplementedError

    def currents(self, steps: np.ndarray, dt: float) -> np.ndarray:
        """Return what the last change before each step has left."""
        times, amplitudes = self.course()
        place = np.searchsorted(np.rint(times / dt), steps, side="right")
        return np.asarray(np.concatenate([[0.0], amplitudes])[place])

    def next_change(self, step: int, dt: float) -> float:
        """Return the next step that is listed."""
        return float(min((c for c in np.rint(self.course()[0] / dt) if c > step), default=np.inf))


class DCSource(_Listed, electrodes.DCSource):
    __doc__ = electrodes.DCSource.__doc__
    translations = unchanged(electrodes.DCSource)

    def course(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the beginning and the end of the pulse."""
        p = self._parameters
        return np.array([p["start"], p["stop"]]), np.array([p["amplitude"], 0.0])


class StepCurrentSource(_Listed, electrodes.StepCurrentSource):
    __doc__ = electrodes.StepCurrentSource.__doc__
    translations = unchanged(electrodes.StepCurrentSource)

    def course(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps as they were given."""
        times, amplitudes = (np.asarray(self._parameters[name].value) for name in ("times", "amplitudes"))
        if times.shape != amplitudes.shape or np.any(np.diff(times) <= 0):
            raise SpecError(
                "StepCurrentSource: times and amplitudes must be lists of one length, times ascending; got "
                f"{times.size} and {amplitudes.size}"
            )
        return times, amplitudes


class _Sampled(Electrode):
    """A current that takes a new value every so often, from its start to its stop."""

    def interval(self, dt: float) -> int:
        """Return the steps between two values."""
        return 1

    def values(self, places: np.ndarray, dt: float) -> np.ndarray:
        """Return the values of these numbers, from 0 at the start on, in nA."""
        raise NotImplementedError

    def _bounds(self, dt: float) -> tuple[float, float]:
        """Return the first step with a current, and the first without."""
        p = self._parameters  # type: ignore[attr-defined]
        return np.rint(p["start"] / dt), np.rint(p["stop"] / dt)

    def currents(self, steps: np.ndarray, dt: float) -> np.ndarray:
        """Return the value that each step falls into."""
        first, last = self._bounds(dt)
        values = self.values(np.maximum(steps - first, 0).astype(np.int64) // self.interval(dt), dt)
        return np.where((steps >= first) & (steps < last), values, 0.0)

    def next_change(self, step: int, dt: float) -> float:
        """Return the step of the next value, or that of the stop."""
        first, last = self._bounds(dt)
        if step < first:
            return float(first)
        every = self.interval(dt)
        return float(min(first + ((step - first) // every + 1) * every, last)) if step < last else np.inf


class ACSource(_Sampled, electrodes.ACSource):
    __doc__ = electrodes.ACSource.__doc__
    translations = unchanged(electrodes.ACSource)

    def values(self, places: np.ndarray, dt: float) -> np.ndarray:
        """Return the sine at the beginning of each step; its phase is that of the start."""
        p = self._parameters
        angle = 2e-3 * np.pi * p["frequency"] * dt * places + np.deg2rad(p["phase"])
        return np.asarray(p["offset"] + p["amplitude"] * np.sin(angle))


class NoisyCurrentSource(_Sampled, electrodes.NoisyCurrentSource):
    __doc__ = electrodes.NoisyCurrentSource.__doc__
    translations = unchanged(electrodes.NoisyCurrentSource)

    def interval(self, dt: float) -> int:
        """Return its own `dt` in steps, or raise SpecError."""
        every = self._parameters["dt"] / dt
        if not (every > 0.5 and np.isclose(every, np.rint(every), rtol=1e-6)):
            raise SpecError(
                f"NoisyCurrentSource.dt: got {self._parameters['dt']:g} ms; allowed are multiples of the "
                f"time step, {dt:g} ms"
            )
        return int(np.rint(every))

    def values(self, places: np.ndarray, dt: float) -> np.ndarray:
        """Return normal numbers, keyed by seed, segment and source: all its cells get the same."""
        state, p = simulator.state, self._parameters
        name = f"current source {state.current_sources.index(self)}"
        bits = bits_array(stream_key(state.seed + state.segment_counter, name, "noise"), places)
        return np.asarray(p["mean"] + p["stdev"] * plain(normal_of)(bits))
