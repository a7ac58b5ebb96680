"""Spike counts in bins of time: rates that move, variability of counts, correlations, synchrony.

Counts are int64 arrays (trials, n, bins).
"""

from __future__ import annotations

import math

import numpy as np

from ..neurons.errors import SpecError
from .checks import check_positive


def whole_steps(field_name: str, width: float, dt: float) -> int:
    """Return a width in steps, or raise SpecError where it is not a whole number of them."""
    width = check_positive(field_name, width, "s")
    steps = round(width / dt)
    if steps < 1 or not math.isclose(steps * dt, width, rel_tol=1e-6):
        raise SpecError(f"{field_name}: got {width:g} s; allowed are whole steps of {dt:g} s")
    return steps


def smoothed(rate: np.ndarray, sd: float) -> np.ndarray:
    """Return rates (..., bins) under a Gaussian kernel with a standard deviation of `sd` bins.

    The kernel reaches to five standard deviations, and what of it lies outside the record is made up
    for, so that a constant rate stays what it is up to both ends.
    """
    reach = max(math.ceil(5.0 * sd), 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd) ** 2)
    padded = 1 << (rate.shape[-1] + 2 * reach).bit_length()
    spectrum = np.fft.rfft(kernel, padded)

    def spread(values: np.ndarray) -> np.ndarray:
        wide = np.fft.irfft(np.fft.rfft(values, padded) * spectrum, padded)
        return wide[..., reach : reach + rate.shape[-1]]

    return np.asarray(np.maximum(spread(rate), 0.0) / spread(np.ones(rate.shape[-1])))


def fano_factor(counts: np.ndarray) -> np.ndarray:
    """Return variance over mean of each neuron's counts over bins and trials, (n,); NaN without spikes."""
    pooled = _pooled(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(pooled.var(axis=1) / pooled.mean(axis=1))


def correlation_coefficients(counts: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of each pair of neurons' counts, (n, n); NaN where counts are constant."""
    pooled = _pooled(counts).astype(np.float64)
    pooled -= pooled.mean(axis=1, keepdims=True)
    norm = np.sqrt((pooled**2).sum(axis=1))
    pooled /= np.where(norm > 0, norm, np.nan)[:, None]
    return np.asarray(np.clip(pooled @ pooled.T, -1.0, 1.0))


def synchrony(values: np.ndarray) -> float:
    """Return Golomb's and Rinzel's measure of values (trials, n, bins), as `SpikeRecord.synchrony` says."""
    of_mean = values.mean(axis=1).var(axis=-1).mean()
    of_each = values.var(axis=-1).mean()
    return float(np.sqrt(of_mean / of_each)) if of_each > 0 else float("nan")


def _pooled(counts: np.ndarray) -> np.ndarray:
    """Return counts (n, trials * bins): all bins of all trials, one after the other."""
    return np.moveaxis(counts, 1, 0).reshape(counts.shape[1], -1)
