"""What probes saw: spikes (`spikes.py`), sampled variables, counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..neurons.errors import SpecError
from .binned import synchrony
from .spikes import SpikeRecord

__all__ = ["CountRecord", "Record", "SpikeRecord", "TraceRecord"]


@dataclass(frozen=True, eq=False, kw_only=True)
class TraceRecord:
    """A state variable, sampled.

    Attributes
    ----------
    times : float64 array (samples,)
        Time of each sample in seconds.
    values : array (samples, n), or (trials, samples, n) from a batch
        The variable, in the model's unit.
    ids : int64 array (n,)
        The sampled neurons, indices within the probed group.
    variable : str
        The variable's name.
    unit : str
        The variable's unit, such as "V"; "1" where it has none.
    group : str
        Name of the population; empty where it is not known.

    Examples
    --------
    >>> record = TraceRecord(times=[0.0, 1e-3], values=[[0.0], [0.5]], ids=[7], variable="v")
    >>> record.of(7).tolist()
    [0.0, 0.5]
    """

    times: np.ndarray
    values: np.ndarray
    ids: np.ndarray
    variable: str = "v"
    unit: str = "1"
    group: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", np.asarray(self.times, dtype=np.float64))
        object.__setattr__(self, "values", np.asarray(self.values))
        object.__setattr__(self, "ids", np.asarray(self.ids, dtype=np.int64))
        expected = (self.times.size, self.ids.size)
        if self.values.ndim not in (2, 3) or self.values.shape[-2:] != expected:
            raise SpecError(f"TraceRecord.values: got shape {self.values.shape}; must end in {expected}")

    def __len__(self) -> int:
        return int(self.times.size)

    def of(self, id: int) -> np.ndarray:
        """Return the samples of one neuron: (samples,), or (trials, samples) from a batch."""
        return np.asarray(self.values[..., _place(self.ids, id, "TraceRecord.of")])

    def mean(self) -> np.ndarray:
        """Return the mean over time of each neuron's samples, float64 (n,), or (trials, n) from a batch."""
        return np.asarray(self.values.mean(axis=-2, dtype=np.float64))

    def sd(self) -> np.ndarray:
        """Return the standard deviation over time, float64 (n,), or (trials, n) from a batch."""
        return np.asarray(self.values.std(axis=-2, dtype=np.float64))

    def synchrony(self) -> float:
        """Return how far the neurons move together: `SpikeRecord.synchrony`, of this variable."""
        return synchrony(np.swapaxes(self._by_trial, 1, 2).astype(np.float64))

    def triggered(self, spikes: SpikeRecord, before: float, after: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the average of each trace around spikes: the spike-triggered average.

        Parameters
        ----------
        spikes : SpikeRecord
            All of its spikes count, whoever fired them: `spikes.select([7])` are those of one neuron.
            Spikes too near to either end of the samples are left out.
        before, after : float
            Seconds to look at around each spike.

        Returns
        -------
        lags : float64 array (samples,)
            Seconds after the spike.
        average : float64 array (samples, n)
            In the variable's unit; NaN where no spike was in reach.

        Examples
        --------
        >>> spikes = SpikeRecord(steps=[2], ids=[0], trials=[0], dt=1e-3, n=1, stop=0.004)
        >>> trace = TraceRecord(times=[0.0, 1e-3, 2e-3, 3e-3], values=[[0], [5], [1], [0]], ids=[0])
        >>> trace.triggered(spikes, 1e-3, 1e-3)[1].ravel().tolist()
        [5.0, 1.0, 0.0]
        """
        if len(self) < 2:
            raise SpecError(f"TraceRecord.triggered: has {len(self)} samples; allowed are two and more")
        values = self._by_trial
        if spikes.n_trials != len(values):
            raise SpecError(
                f"TraceRecord.triggered: got spikes of {spikes.n_trials} trials; recorded are {len(values)}"
            )
        period = (self.times[-1] - self.times[0]) / (len(self) - 1)
        low, high = -round(before / period), round(after / period)
        place = np.rint((spikes.times - self.times[0]) / period).astype(np.int64)
        kept = (place + low >= 0) & (place + high < len(self))
        place, trial = place[kept], spikes.trials[kept]
        lags = np.arange(low, high + 1)
        if not place.size:
            return lags * period, np.full((lags.size, self.ids.size), np.nan)
        average = [values[trial, place + lag].mean(axis=0, dtype=np.float64) for lag in lags]
        return lags * period, np.array(average)

    @property
    def _by_trial(self) -> np.ndarray:
        return self.values if self.values.ndim == 3 else self.values[None]

    def __repr__(self) -> str:
        trials = f", {self.values.shape[0]} trials" if self.values.ndim == 3 else ""
        return f"TraceRecord: {len(self)} samples of {self.variable} of {self.ids.size} neurons{trials}"


@dataclass(frozen=True, eq=False, kw_only=True)
class CountRecord:
    """How many spikes each neuron sent.

    Attributes
    ----------
    counts : int64 array (n,), or (trials, n) from a batch
        Spikes.
    ids : int64 array (n,)
        The counted neurons, indices within the probed group.
    seconds : float
        Length of the counted stretch.
    group : str
        Name of the population or source; empty where it is not known.

    Examples
    --------
    >>> CountRecord(counts=[2, 0], ids=[0, 1], seconds=0.5).rates().tolist()
    [4.0, 0.0]
    """

    counts: np.ndarray
    ids: np.ndarray
    seconds: float
    group: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", np.asarray(self.counts, dtype=np.int64))
        object.__setattr__(self, "ids", np.asarray(self.ids, dtype=np.int64))
        if self.counts.ndim not in (1, 2) or self.counts.shape[-1] != self.ids.size:
            raise SpecError(
                f"CountRecord.counts: got shape {self.counts.shape}; must end in ({self.ids.size},)"
            )

    def __len__(self) -> int:
        return int(self.counts.sum())

    def rates(self) -> np.ndarray:
        """Return the rate of each counted neuron in hertz, mean over trials, float64 (n,)."""
        mean = self.counts if self.counts.ndim == 1 else self.counts.mean(axis=0)
        return np.asarray(mean / (self.seconds if self.seconds > 0 else np.nan))

    def rate(self) -> float:
        """Return the mean rate in hertz over neurons and trials."""
        return float(np.mean(self.rates()))

    def of(self, id: int) -> Any:
        """Return the count of one neuron: a number, or one per trial from a batch."""
        return self.counts[..., _place(self.ids, id, "CountRecord.of")]

    def __repr__(self) -> str:
        return f"CountRecord: {len(self)} spikes of {self.ids.size} neurons in {self.seconds:g} s"


Record = SpikeRecord | TraceRecord | CountRecord


def _place(ids: np.ndarray, id: int, where: str) -> int:
    found = np.flatnonzero(ids == id)
    if not found.size:
        raise SpecError(
            f"{where}: neuron {id!r} was not recorded; recorded are {ids.size} neurons from {ids.min()}"
        )
    return int(found[0])
