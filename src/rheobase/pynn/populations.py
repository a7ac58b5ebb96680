"""Populations, views of them and assemblies: PyNN's own, which keep their parameters as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyNN import common
from pyNN.parameters import ParameterSpace, simplify

from ..neurons.errors import SpecError
from . import simulator
from .cells import Emitter, Neuron
from .recording import Recorder


class Assembly(common.Assembly):
    __doc__ = common.Assembly.__doc__
    _simulator = simulator


class PopulationView(common.PopulationView):
    __doc__ = common.PopulationView.__doc__
    _assembly_class = Assembly
    _simulator = simulator

    def _get_parameters(self, *names: str) -> Any:
        chosen = {name: simplify(self._all[name][self._indices]) for name in names}
        return ParameterSpace(chosen, self.celltype.get_schema(), shape=(self.size,))

    def _set_parameters(self, parameter_space: Any) -> None:
        parameter_space.evaluate(simplify=False)
        self.grandparent._change({name: (self._indices, v) for name, v in parameter_space.items()})

    def _set_initial_value_array(self, variable: str, initial_values: Any) -> None:
        self.grandparent._begin(variable, initial_values.evaluate(), self._indices)

    def _get_view(self, selector: Any, label: str | None = None) -> PopulationView:
        return PopulationView(self, selector, label)

    @property
    def _indices(self) -> np.ndarray:
        return np.asarray(self.index_in_grandparent(np.arange(self.size)))

    @property
    def _all(self) -> dict[str, np.ndarray]:
        parameters: dict[str, np.ndarray] = self.grandparent._parameters
        return parameters


class Population(common.Population):
    __doc__ = common.Population.__doc__
    _simulator = simulator
    _recorder_class = Recorder
    _assembly_class = Assembly

    def __init__(self, size: Any, cellclass: Any, *args: Any, **options: Any) -> None:
        # Before PyNN begins, whose recorder would be left behind.
        simulator.state.changed(f"Population {options.get('label') or ''!r}: created")
        if not isinstance(cellclass, (Neuron, Emitter)) and not _is_ours(cellclass):
            raise SpecError(
                f"Population {options.get('label') or ''!r}: got {cellclass!r}; allowed is a cell type of "
                "rheobase.pynn, see its list_standard_models()"
            )
        super().__init__(size, cellclass, *args, **options)

    def _create_cells(self) -> None:
        state = simulator.state
        first = state.id_counter
        self.all_cells = np.array([simulator.ID(n) for n in range(first, first + self.size)], simulator.ID)
        for cell in self.all_cells:
            cell.parent = self
        self._mask_local = np.ones(self.size, bool)
        parameters = self.celltype.native_parameters
        parameters.shape = (self.size,)
        parameters.evaluate(simplify=False)
        self._parameters: dict[str, np.ndarray] = parameters.as_dict()
        self._initial: dict[str, np.ndarray] = {}
        self.name = f"population {len(state.populations)}"
        state.populations.append(self)
        state.id_counter += self.size

    def _get_parameters(self, *names: str) -> Any:
        chosen = {name: simplify(self._parameters[name]) for name in names}
        return ParameterSpace(chosen, self.celltype.get_schema(), shape=(self.size,))

    def _set_parameters(self, parameter_space: Any) -> None:
        parameter_space.evaluate(simplify=False)
        everyone = np.arange(self.size)
        self._change({name: (everyone, value) for name, value in parameter_space.items()})

    def _change(self, values: dict[str, tuple[np.ndarray, Any]]) -> None:
        """Set parameters of some cells, also of a network that runs."""
        for name, (indices, value) in values.items():
            self._parameters[name][indices] = value
        if simulator.state.built is not None and "spike_times" not in values:
            simulator.state.built.update(self)

    def _set_initial_value_array(self, variable: str, initial_values: Any) -> None:
        self._begin(variable, initial_values.evaluate(), np.arange(self.size))

    def _begin(self, variable: str, values: Any, indices: np.ndarray) -> None:
        """Set where a state variable of some cells begins, in PyNN's units."""
        known = getattr(self.celltype, "variables", {})
        if variable not in known:
            if np.any(values):
                raise SpecError(
                    f"{self.label}.initialize: {type(self.celltype).__name__} has no {variable!r} to begin "
                    f"with; there are {[*known]}"
                )
            return
        simulator.state.changed(f"{self.label}.initialize({variable}=...)")
        self._initial.setdefault(variable, np.zeros(self.size))[indices] = values

    def _get_view(self, selector: Any, label: str | None = None) -> PopulationView:
        return PopulationView(self, selector, label)


def _is_ours(cellclass: Any) -> bool:
    return isinstance(cellclass, type) and issubclass(cellclass, (Neuron, Emitter))
