"""Spikes by neuron, trial and step: how many there are, and which."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from ..neurons.errors import SpecError


@dataclass(frozen=True, eq=False, kw_only=True)
class SpikeTrains:
    """The spikes themselves; `SpikeRecord`, which says what they are, adds their statistics."""

    steps: np.ndarray
    ids: np.ndarray
    trials: np.ndarray
    dt: float
    n: int
    n_trials: int = 1
    start: float = 0.0
    stop: float
    neurons: np.ndarray | None = None
    group: str = ""

    def __post_init__(self) -> None:
        for name in ("steps", "ids", "trials"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.int64))
        neurons = np.arange(self.n) if self.neurons is None else self.neurons
        object.__setattr__(self, "neurons", np.asarray(neurons, dtype=np.int64))
        if not self.steps.shape == self.ids.shape == self.trials.shape == (self.steps.size,):
            raise SpecError("SpikeRecord: steps, ids and trials must be lists of one length")
        if self._neurons.size != self.n:
            raise SpecError(f"SpikeRecord.neurons: got {self._neurons.size} indices; n is {self.n}")
        for name in ("dt", "start", "stop"):
            object.__setattr__(self, name, float(getattr(self, name)))
        _within("SpikeRecord.trials", self.trials, 0, self.n_trials - 1)
        if self.ids.size:
            _within("SpikeRecord.ids", self.ids, self._neurons.min(initial=0), self._neurons.max(initial=-1))

    @property
    def _neurons(self) -> np.ndarray:
        return np.asarray(self.neurons)

    @property
    def times(self) -> np.ndarray:
        """Time of each spike in seconds, float64."""
        return np.asarray(self.steps * self.dt)

    @property
    def seconds(self) -> float:
        """Length of the recorded stretch, in seconds."""
        return self.stop - self.start

    def __len__(self) -> int:
        return int(self.steps.size)

    def rate(self) -> float:
        """Return the mean rate in hertz over recorded neurons and trials; NaN where nothing was recorded."""
        exposure = self.n * self.n_trials * self.seconds
        return len(self) / exposure if exposure > 0 else float("nan")

    def rates(self) -> np.ndarray:
        """Return the rate of each recorded neuron in hertz, over all trials, float64 (n,)."""
        exposure = self.n_trials * self.seconds
        return np.asarray(self.counts().sum(axis=0) / (exposure if exposure > 0 else np.nan))

    def counts(self) -> np.ndarray:
        """Return how many spikes each recorded neuron sent, int64 (n_trials, n)."""
        place = self.trials * self.n + self._places(self.ids)
        total = np.bincount(place, minlength=self.n_trials * self.n)
        return total.reshape(self.n_trials, self.n)

    def train(self, id: int, trial: int = 0) -> np.ndarray:
        """Return the spike times of one neuron in one trial, in seconds.

        Raises
        ------
        SpecError
            If this neuron or trial was not recorded.
        """
        if id not in self._neurons:
            raise SpecError(f"SpikeRecord.train: neuron {id!r} was not recorded; recorded are {self._span()}")
        if not 0 <= trial < self.n_trials:
            raise SpecError(f"SpikeRecord.train: got trial {trial!r}; there are 0 to {self.n_trials - 1}")
        return np.asarray(self.times[(self.ids == id) & (self.trials == trial)])

    def select(self, ids: object = None, *, start: float | None = None, stop: float | None = None) -> Self:
        """Return the record of some neurons, or of a part of the time: rates and all else are then theirs.

        Parameters
        ----------
        ids : list of int, optional
            Recorded neurons, in the order wanted; all if left out.
        start, stop : float, optional
            Seconds between which spikes are kept (`stop` itself is not), within the recorded stretch.

        Examples
        --------
        >>> from rheobase.engine.records import SpikeRecord
        >>> record = SpikeRecord(steps=[1, 5], ids=[0, 2], trials=[0, 0], dt=1e-3, n=4, stop=0.01)
        >>> record.select([2, 3], start=0.004).rate().__round__(3)
        83.333
        """
        neurons = self._neurons if ids is None else np.atleast_1d(np.asarray(ids))
        strange = np.setdiff1d(neurons, self._neurons)
        if strange.size or neurons.dtype.kind not in "iu" or np.unique(neurons).size < neurons.size:
            raise SpecError(
                f"SpikeRecord.select: got ids {str(ids)[:60]}; recorded are {self._span()}, none twice"
            )
        low = self.start if start is None else float(start)
        high = self.stop if stop is None else float(stop)
        if not self.start <= low <= high <= self.stop:
            raise SpecError(
                f"SpikeRecord.select: got {low:g} s to {high:g} s; "
                f"recorded are {self.start:g} s to {self.stop:g} s"
            )
        kept = (self.steps >= self._step_at(low)) & (self.steps < self._step_at(high))
        kept &= np.isin(self.ids, neurons)
        return replace(
            self, steps=self.steps[kept], ids=self.ids[kept], trials=self.trials[kept], n=neurons.size,
            start=low, stop=high, neurons=neurons,
        )  # fmt: skip

    @property
    def _stretch(self) -> tuple[int, int]:
        """First step of the record, and how many there are."""
        first = self._step_at(self.start)
        return first, self._step_at(self.stop) - first

    def _step_at(self, seconds: float) -> int:
        """Return the first step that is not before a time."""
        return math.ceil(seconds / self.dt - 1e-6)

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Spikes in the order of (trial, place of the neuron, step): (trial * n + place, step)."""
        train = self.trials * self.n + self._places(self.ids)
        order = np.lexsort((self.steps, train))
        return train[order], self.steps[order]

    def _places(self, ids: np.ndarray) -> np.ndarray:
        order = np.argsort(self._neurons)
        return np.asarray(order[np.searchsorted(self._neurons, ids, sorter=order)])

    def _span(self) -> str:
        return f"{self.n} from {self._neurons.min()} to {self._neurons.max()}"

    def __repr__(self) -> str:
        return (
            f"SpikeRecord: {len(self)} spikes of {self.n} neurons in {self.seconds:g} s, {self.rate():.4g} Hz"
        )


def _within(field: str, values: np.ndarray, low: int, high: int) -> None:
    if values.size and (values.min() < low or values.max() > high):
        raise SpecError(f"{field}: got {values.min()} to {values.max()}; allowed are {low} to {high}")
