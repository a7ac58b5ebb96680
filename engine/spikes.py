"""Spikes that a probe saw, and the statistics of spike trains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..neurons.errors import SpecError
from . import binned, correlogram
from .checks import check_positive
from .correlogram import Correlogram
from .intervals import Intervals
from .trains import SpikeTrains


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class SpikeRecord(SpikeTrains):
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
    group : str
        Name of the population or source; empty where it is not known.

    Examples
    --------
    >>> record = SpikeRecord(steps=[1, 5], ids=[0, 2], trials=[0, 0], dt=1e-3, n=4, n_trials=1, stop=0.01)
    >>> record.times.tolist(), record.rate()
    ([0.001, 0.005], 50.0)
    """

    def intervals(self) -> Intervals:
        """Return all inter-spike intervals within trials, in seconds."""
        train, steps = self._sorted
        within = np.diff(train) == 0
        place = train[1:][within] % self.n
        return Intervals(
            steps=np.diff(steps)[within],
            dt=self.dt,
            ids=self._neurons[place],
            trials=train[1:][within] // self.n,
            places=place,
            n=self.n,
        )

    def cv(self) -> np.ndarray:
        """Return the coefficient of variation of each neuron's inter-spike intervals, float64 (n,).

        It is the standard deviation over the mean of all intervals within trials: 1 for a Poisson
        process, 0 for a clock. NaN for a neuron with fewer than two intervals.
        """
        return self.intervals().cv()

    def cv2(self) -> np.ndarray:
        """Return the local variation CV2 of each neuron's intervals, float64 (n,).

        The mean of 2 |a - b| / (a + b) over successive intervals a, b within trials: 1 for a Poisson
        process, and hardly moved by a rate that changes slowly. NaN without two successive intervals.
        Source: G. Holt et al., Journal of Neurophysiology 75:1806 (1996).
        """
        return self.intervals().cv2()

    def lv(self, *, refractory: float = 0.0) -> np.ndarray:
        """Return the local variation Lv of each neuron's intervals, float64 (n,).

        The mean of 3 (a - b)^2 / (a + b)^2 over successive intervals: 1 for a Poisson process. With a
        refractory constant R in seconds, each term times 1 + 4 R / (a + b): LvR. NaN as for `cv2`.
        Sources: S. Shinomoto et al., Neural Computation 15:2823 (2003); PLoS Computational Biology
        5:e1000433 (2009).
        """
        return self.intervals().lv(refractory)

    def binned(self, width: float) -> np.ndarray:
        """Return spike counts in bins of `width` seconds from the start, int64 (n_trials, n, bins).

        Widths are whole steps; spikes after the last whole bin are left out.
        """
        each = binned.whole_steps("SpikeRecord.binned.width", width, self.dt)
        first, length = self._stretch
        bins = length // each
        column = (self.steps - first) // each
        kept = column < bins
        place = (self.trials[kept] * self.n + self._places(self.ids[kept])) * bins + column[kept]
        counts = np.bincount(place, minlength=self.n_trials * self.n * bins)
        return counts.reshape(self.n_trials, self.n, bins)

    def filtered(self, tau: float, *, samples: int = 1) -> np.ndarray:
        """Return how each neuron's spikes fade, float64 (n_trials, n, samples).

        A trace is raised by 1 in the step of a spike, and decays as exp(-t / tau). It is looked at in the
        last step of each of `samples` equal stretches of the record, so by default at its end: what a
        read-out of a reservoir is trained on.

        Parameters
        ----------
        tau : float
            Time constant in seconds.
        samples : int
            Into how many stretches the record is divided, each of whole steps.

        Examples
        --------
        >>> record = SpikeRecord(steps=[1, 3], ids=[0, 0], trials=[0, 0], dt=1e-3, n=1, stop=0.004)
        >>> record.filtered(2e-3, samples=2).round(4).tolist()
        [[[1.0, 1.3679]]]
        """
        tau = check_positive("SpikeRecord.filtered.tau", tau, "s")
        first, length = self._stretch
        whole = isinstance(samples, (int, np.integer)) and not isinstance(samples, bool) and samples > 0
        if not whole or length % samples:
            raise SpecError(
                f"SpikeRecord.filtered.samples: got {samples!r}; allowed are whole numbers that divide the "
                f"record's {length} steps"
            )
        place, made = self.trials * self.n + self._places(self.ids), []
        for last in first + np.arange(1, samples + 1) * (length // samples) - 1:
            past = self.steps <= last
            left = np.exp((self.steps[past] - last) * (self.dt / tau))
            made.append(np.bincount(place[past], weights=left, minlength=self.n_trials * self.n))
        return np.stack(made, axis=-1).reshape(self.n_trials, self.n, samples)

    def population_rate(self, width: float, *, smooth: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the rate of an average neuron over time.

        Parameters
        ----------
        width : float
            Width of the bins, seconds, whole steps.
        smooth : float, optional
            Standard deviation, in seconds, of a Gaussian kernel that the rates are smoothed with.

        Returns
        -------
        times : float64 array (bins,)
            Middle of each bin, in seconds.
        rates : float64 array (n_trials, bins)
            In hertz.

        Examples
        --------
        >>> record = SpikeRecord(steps=[1, 5, 6], ids=[0, 2, 1], trials=[0] * 3, dt=1e-3, n=4, stop=0.01)
        >>> record.population_rate(5e-3)[1].round(6).tolist()
        [[50.0, 100.0]]
        """
        each = binned.whole_steps("SpikeRecord.population_rate.width", width, self.dt)
        first, length = self._stretch
        bins = length // each
        column = (self.steps - first) // each
        kept = column < bins
        counts = np.bincount(self.trials[kept] * bins + column[kept], minlength=self.n_trials * bins)
        rates = counts.reshape(self.n_trials, bins) / (max(self.n, 1) * each * self.dt)
        if smooth is not None:
            sd = check_positive("SpikeRecord.population_rate.smooth", smooth, "s")
            rates = binned.smoothed(rates, sd / (each * self.dt))
        return self.start + (np.arange(bins) + 0.5) * (each * self.dt), rates

    def fano(self, width: float | None = None) -> np.ndarray:
        """Return the Fano factor of each neuron's spike count, float64 (n,): its variance over its mean.

        Counts are those in bins of `width` seconds of all trials; in whole trials if left out. 1 for a
        Poisson process, 0 for a clock; NaN without spikes. The variance is that of the counts at hand
        (divided by their number).
        """
        return binned.fano_factor(self.counts()[..., None] if width is None else self.binned(width))

    def correlations(self, width: float) -> np.ndarray:
        """Return Pearson's correlation coefficients of all pairs of neurons, float64 (n, n).

        Of spike counts in bins of `width` seconds, over the bins of all trials. NaN where a neuron's
        count never changes. Select neurons first where there are thousands.
        """
        return binned.correlation_coefficients(self.binned(width))

    def synchrony(self, width: float) -> float:
        """Return how far the neurons fire together, from 1 / sqrt(n) where independent to 1.

        chi with chi^2 = var(mean of x_i) / mean of var(x_i), where x_i are the spike counts of neuron i
        in bins of `width` seconds, variances are over time within trials, and both are means over
        trials. NaN if nothing changes. Source: D. Golomb and J. Rinzel, Physica D 72:259 (1994).
        """
        return binned.synchrony(self.binned(width))

    def autocorrelation(self, width: float, max_lag: float) -> Correlogram:
        """Return how often a neuron's spikes follow each other by some lag, summed over neurons and trials.

        Each spike is compared with the others of its neuron and trial. Bins of `width` seconds (whole
        steps) are centred on multiples of it, up to `max_lag`. `rate` of what comes back is flat at the
        neurons' rate for Poisson processes, dips at 0 where they are refractory.

        Examples
        --------
        >>> clock = SpikeRecord(steps=range(0, 100, 4), ids=[0] * 25, trials=[0] * 25, dt=1e-3, n=1, stop=0.1)
        >>> clock.autocorrelation(1e-3, 5e-3).pairs.tolist()
        [0.0, 24.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 24.0, 0.0]
        """
        each, longest = self._lags("autocorrelation", width, max_lag)
        by_step = correlogram.lagged_within(*self._sorted, longest)
        return self._correlogram(by_step, each)

    def cross_correlation(self, other: SpikeRecord, width: float, max_lag: float) -> Correlogram:
        """Return how often spikes of another record follow spikes of this one by some lag.

        Each spike of this record is compared with all spikes of the other, of whatever neuron, in the
        same trial; lags are positive where the other is later. Both records cover the same time.
        `rate` of what comes back is the summed rate of the other's neurons, given a spike here at 0.
        Select single neurons first to compare these.
        """
        mine, theirs = ((r.dt, r.n_trials, r._stretch) for r in (self, other))
        if mine != theirs:
            raise SpecError(
                f"SpikeRecord.cross_correlation: got {other!r}, {other.n_trials} trials from "
                f"{other.start:g} s; allowed is a record of the same steps and trials as {self!r}"
            )
        each, longest = self._lags("cross_correlation", width, max_lag)
        length = self._stretch[1]
        trials = ((self._steps_of(trial), other._steps_of(trial)) for trial in range(self.n_trials))
        return self._correlogram(correlogram.lagged_between(trials, length, longest), each)

    def _lags(self, method: str, width: float, max_lag: float) -> tuple[int, int]:
        """Return the width of a bin and the longest lag to look at, in steps."""
        each = binned.whole_steps(f"SpikeRecord.{method}.width", width, self.dt)
        lag = binned.whole_steps(f"SpikeRecord.{method}.max_lag", max_lag, self.dt)
        return each, correlogram.reach(each, lag)

    def _correlogram(self, by_step: np.ndarray, width: int) -> Correlogram:
        return correlogram.correlogram(by_step, len(self), width=width, seconds=self.seconds, dt=self.dt)

    def _steps_of(self, trial: int) -> np.ndarray:
        """Return the steps of one trial's spikes, counted from the start of the record."""
        return np.asarray(self.steps[self.trials == trial] - self._stretch[0])
