"""What probes saw: spikes, sampled variables, counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..neurons.errors import SpecError


@dataclass(frozen=True, eq=False, kw_only=True)
class SpikeRecord:
    """Spikes of one probe, in the order of (trial, step, id).

    Attributes
    ----------
    steps : int64 array (k,)
        The step of each spike; step n is time n * dt.
    ids : int64 array (k,)
        The neuron of each, an index within the probed group.
    trials : int64 array (k,)
        The trial of each.
    dt : float
        Seconds per step.
    n : int
        Neurons that were recorded.
    n_trials : int
        Trials that ran side by side.
    start, stop : float
        The recorded stretch, in seconds.
    neurons : int64 array (n,), optional
        The indices that were recorded; 0 to n - 1 if left out.

    Examples
    --------
    >>> record = SpikeRecord(steps=[1, 5], ids=[0, 2], trials=[0, 0], dt=1e-3, n=4, n_trials=1, stop=0.01)
    >>> record.times.tolist(), record.rate()
    ([0.001, 0.005], 50.0)
    """

    steps: np.ndarray
    ids: np.ndarray
    trials: np.ndarray
    dt: float
    n: int
    n_trials: int = 1
    start: float = 0.0
    stop: float
    neurons: np.ndarray | None = None

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

    def cv(self) -> np.ndarray:
        """Return the coefficient of variation of each neuron's inter-spike intervals, float64 (n,).

        It is the standard deviation over the mean of all intervals within trials; NaN for a neuron
        with fewer than two intervals.
        """
        order = np.lexsort((self.steps, self.ids, self.trials))
        ids, trials, steps = self.ids[order], self.trials[order], self.steps[order]
        within = (np.diff(ids) == 0) & (np.diff(trials) == 0)
        interval = np.diff(steps)[within].astype(np.float64)
        place = self._places(ids[1:][within])
        number = np.bincount(place, minlength=self.n)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.bincount(place, interval, self.n) / number
            square = np.bincount(place, (interval - mean[place]) ** 2, self.n) / number
            spread: np.ndarray = np.sqrt(square) / mean
        return np.asarray(np.where(number >= 2, spread, np.nan))

    def _places(self, ids: np.ndarray) -> np.ndarray:
        order = np.argsort(self._neurons)
        return np.asarray(order[np.searchsorted(self._neurons, ids, sorter=order)])

    def _span(self) -> str:
        return f"{self.n} from {self._neurons.min()} to {self._neurons.max()}"

    def __repr__(self) -> str:
        return (
            f"SpikeRecord: {len(self)} spikes of {self.n} neurons in {self.seconds:g} s, {self.rate():.4g} Hz"
        )


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

    Examples
    --------
    >>> CountRecord(counts=[2, 0], ids=[0, 1], seconds=0.5).rates().tolist()
    [4.0, 0.0]
    """

    counts: np.ndarray
    ids: np.ndarray
    seconds: float

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


def _within(field: str, values: np.ndarray, low: int, high: int) -> None:
    if values.size and (values.min() < low or values.max() > high):
        raise SpecError(f"{field}: got {values.min()} to {values.max()}; allowed are {low} to {high}")


def _place(ids: np.ndarray, id: int, where: str) -> int:
    found = np.flatnonzero(ids == id)
    if not found.size:
        raise SpecError(
            f"{where}: neuron {id!r} was not recorded; recorded are {ids.size} neurons from {ids.min()}"
        )
    return int(found[0])
