"""What probes saw, kept for PyNN's recorders, which make Neo blocks of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from pyNN import recording

from ..engine.result import Result
from . import simulator


class Recorder(recording.Recorder):
    """Keeps the spikes and samples of one population, run after run, until they are cleared.

    Samples are those of the end of each step, and of the beginning, as the initial values have it:
    sample k is of time k times the sampling interval.
    """

    _simulator = simulator

    def __init__(self, population: Any = None, file: Any = None) -> None:
        super().__init__(population, file)
        self.forget()

    def forget(self) -> None:
        """Drop what was recorded: a new simulation begins."""
        self._spikes: list[tuple[np.ndarray, np.ndarray]] = []
        self._samples: dict[str, list[np.ndarray]] = {}

    def ids_of(self, variable: str) -> np.ndarray:
        """Return which neurons of the population a variable is recorded of, ascending."""
        found = self.recorded.get(recording.Variable(variable, None, None), ())
        return np.array(sorted(int(id) - int(self.population.first_id) for id in found), dtype=np.int64)

    @property
    def variables(self) -> list[str]:
        """Names of all variables that some neuron is recorded of."""
        return [variable.name for variable, ids in self.recorded.items() if ids]

    @property
    def every(self) -> int:
        """Steps between samples."""
        return max(round(self.sampling_interval / simulator.state.dt), 1)

    def take(self, result: Result) -> None:
        """Take what one run recorded."""
        for variable in self.variables:
            record = result[f"{self.population.name}: {variable}"]
            if variable == "spikes":
                # A spike of step n is one of time (n + 1) dt: it came about in the step that ends then.
                times = (record.steps + 1) * simulator.state.dt
                self._spikes.append((record.ids + int(self.population.first_id), times))
            else:
                unit = self.population.celltype.variables[variable].unit
                self._rows(variable).append(record.values.astype(np.float64) / unit)

    def _record(self, variable: Any, new_ids: set[Any], sampling_interval: float | None = None) -> None:
        if new_ids:
            simulator.state.changed(f"{self.population.label}.record({variable.name!r})")
        if sampling_interval is not None:
            self.sampling_interval = sampling_interval

    def _get_spiketimes(self, id: Any, clear: bool = False) -> tuple[np.ndarray, np.ndarray]:
        ids = np.concatenate([np.zeros(0, np.int64), *(ids for ids, _ in self._spikes)])
        times = np.concatenate([np.zeros(0), *(times for _, times in self._spikes)])
        kept = np.isin(ids, np.asarray(id, dtype=np.int64))
        return ids[kept], times[kept]

    def _get_all_signals(self, variable: Any, ids: Iterable[Any], clear: bool = False) -> tuple[Any, None]:
        recorded = self.ids_of(variable.name)
        columns = np.searchsorted(recorded, [int(id) - int(self.population.first_id) for id in ids])
        return np.concatenate(self._rows(variable.name))[:, columns], None

    def _rows(self, variable: str) -> list[np.ndarray]:
        """Return the samples of a variable, run after run, from what it began with."""
        first = self.population._initial[variable][self.ids_of(variable)]
        return self._samples.setdefault(variable, [first[None]])

    def _local_count(self, variable: Any, filter_ids: Any = None) -> dict[int, int]:
        ids, _ = self._get_spiketimes([int(id) for id in self.filter_recorded(variable, filter_ids)])
        found = dict(zip(*np.unique(ids, return_counts=True), strict=True))
        return {int(id): int(found.get(int(id), 0)) for id in self.filter_recorded(variable, filter_ids)}

    def _clear_simulator(self) -> None:
        # What comes next begins with the last sample: that of the time of clearing.
        last = {variable: rows[-1][-1:] for variable, rows in self._samples.items() if len(rows[-1])}
        self.forget()
        self._samples = {variable: [row] for variable, row in last.items()}

    def _reset(self) -> None:
        self.forget()
