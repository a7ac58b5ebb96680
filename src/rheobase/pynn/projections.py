"""Projections: PyNN's connectors list the synapses, which are kept as arrays until a network is built."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyNN import common
from pyNN.space import Space

from ..neurons.errors import SpecError
from . import simulator
from .synapses import StaticSynapse, Synapse

#: What PyNN does where several synapses join one pair of neurons.
_JOINED = {"sum": np.add, "min": np.minimum, "max": np.maximum}


class Connection(common.Connection):
    """One synapse of a projection, whose weight, delay and other attributes can be read and set."""

    _projection: Projection
    _index: int

    def __init__(self, projection: Projection, index: int) -> None:
        object.__setattr__(self, "_projection", projection)
        object.__setattr__(self, "_index", index)

    @property
    def presynaptic_index(self) -> int:
        """Index of the cell that sends, within what the projection starts from."""
        return int(self._projection.pre_indices[self._index])

    @property
    def postsynaptic_index(self) -> int:
        """Index of the cell that receives."""
        return int(self._projection.post_indices[self._index])

    def __getattr__(self, name: str) -> float:
        try:
            return float(self._projection.attributes()[name][self._index])
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: float) -> None:
        self._projection.change({name: (self._index, value)})

    def as_tuple(self, *names: str) -> tuple[float, ...]:
        """Return several attributes."""
        return tuple(getattr(self, name) for name in names)


class Projection(common.Projection):
    __doc__ = common.Projection.__doc__
    _simulator = simulator
    _static_synapse_class = StaticSynapse

    def __init__(
        self, presynaptic_population: Any, postsynaptic_population: Any, connector: Any,
        synapse_type: Any = None, source: Any = None, receptor_type: Any = None, space: Any = None,
        label: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            presynaptic_population, postsynaptic_population, connector, synapse_type, source, receptor_type,
            Space() if space is None else space, label,
        )  # fmt: skip
        if not isinstance(self.synapse_type, Synapse):
            raise SpecError(f"Projection {self.label!r}: {type(self.synapse_type).__name__} is not a synapse "
                            "type of rheobase.pynn")  # fmt: skip
        state = simulator.state
        state.changed(f"Projection {self.label!r}: created")
        self.name = f"projection {len(state.projections)}"
        self._listed: list[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]] = []
        connector.connect(self)
        self._join()
        state.projections.append(self)

    def _convergent_connect(
        self, presynaptic_indices: Any, postsynaptic_index: int, location_selector: Any = None,
        **connection_parameters: Any,
    ) -> None:  # fmt: skip
        """Take the synapses onto one cell, as connectors hand them over."""
        if location_selector is not None:
            raise SpecError(f"Projection {self.label!r}: cells of rheobase are points without locations")
        pre = np.atleast_1d(np.asarray(presynaptic_indices, dtype=np.int64))
        values = {
            name: np.broadcast_to(np.asarray(value, dtype=np.float64), pre.shape).copy()
            for name, value in connection_parameters.items()
        }
        self._listed.append((pre, np.full(pre.size, postsynaptic_index, np.int64), values))

    def _join(self) -> None:
        """Put the lists that were handed over together."""
        nobody = np.zeros(0, np.int64)
        self.pre_indices = np.concatenate([nobody, *(pre for pre, _, _ in self._listed)])
        self.post_indices = np.concatenate([nobody, *(post for _, post, _ in self._listed)])
        names = self._listed[0][2] if self._listed else self.synapse_type.get_native_names()
        self._attributes = {
            name: np.concatenate([np.zeros(0), *(values[name] for _, _, values in self._listed)])
            for name in names
        }
        self._listed.clear()
        self._settle_delays()

    def _settle_delays(self) -> None:
        """Round delays to whole steps, of which there is one at least: so they are, and so they are read."""
        dt = simulator.state.dt
        self._attributes["delay"] = np.maximum(np.rint(self._attributes["delay"] / dt), 1.0) * dt

    def attributes(self) -> dict[str, np.ndarray]:
        """Return the attributes of all synapses in PyNN's units, with the weights that they have now."""
        built = simulator.state.built
        if built is None or not self.synapse_type.plastic:
            return self._attributes
        return {**self._attributes, "weight": built.weights(self)}

    def change(self, values: dict[str, tuple[Any, Any]]) -> None:
        """Set attributes of some synapses; of a network that runs, weights alone."""
        built = simulator.state.built
        if set(values) != {"weight"}:
            simulator.state.changed(f"Projection {self.label!r}: set({', '.join(values)})")
        for name, (which, value) in values.items():
            if name not in self._attributes:
                raise SpecError(
                    f"Projection {self.label!r}: a {type(self.synapse_type).__name__} has no {name!r}; "
                    f"there are {[*self._attributes]}"
                )
            now = self.attributes()[name].copy()
            now[which] = value
            self._attributes[name] = now
        if built is not None:
            built.set_weights(self, self._attributes["weight"])
        self._settle_delays()

    def __len__(self) -> int:
        return int(self.pre_indices.size)

    def __getitem__(self, i: int) -> Connection:
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        return Connection(self, i % len(self))

    @property
    def connections(self) -> Any:
        """Every synapse in turn."""
        return (Connection(self, i) for i in range(len(self)))

    def _set_attributes(self, parameter_space: Any) -> None:
        parameter_space.evaluate(simplify=False)
        pairs = (self.pre_indices, self.post_indices)
        self.change({name: (slice(None), value[pairs]) for name, value in parameter_space.items()})

    def _set_initial_value_array(self, variable: str, initial_value: Any) -> None:
        raise SpecError(f"Projection {self.label!r}: synapses begin rested; {variable!r} cannot be set")

    def _get_attributes_as_list(self, names: list[str]) -> list[tuple[float, ...]]:
        ends = {"presynaptic_index": self.pre_indices, "postsynaptic_index": self.post_indices}
        known = {**ends, **self.attributes()}
        return list(zip(*(known[name].tolist() for name in names), strict=True))

    def _get_attributes_as_arrays(self, names: Any, multiple_synapses: str = "sum") -> list[np.ndarray]:
        attributes = self.attributes()
        return [self._matrix(attributes[name], multiple_synapses) for name in names]

    def _matrix(self, values: np.ndarray, joined: str) -> np.ndarray:
        """Return values as a matrix (pre, post), NaN where there is no synapse."""
        pairs = (self.pre_indices, self.post_indices)
        matrix = np.full(self.shape, np.nan)
        if joined in _JOINED:
            matrix[pairs] = {"sum": 0.0, "min": np.inf, "max": -np.inf}[joined]
            _JOINED[joined].at(matrix, pairs, values)
        else:
            flat = np.ravel_multi_index(pairs, self.shape)
            turned = flat if joined == "first" else flat[::-1]
            _, found = np.unique(turned, return_index=True)
            found = found if joined == "first" else flat.size - 1 - found
            matrix.flat[flat[found]] = values[found]
        return matrix
