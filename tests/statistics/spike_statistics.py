"""What spike trains look like: rates, irregularity, correlations, and whether two sets of runs differ.

Plain NumPy, importing nothing else, so that figures of any simulator go through the same code.
Times in seconds; `ids` are neuron numbers from 0 to n - 1.
"""

from __future__ import annotations

import numpy as np


def rates(ids: np.ndarray, n: int, seconds: float) -> np.ndarray:
    """Return the mean rate of each of n neurons, in hertz."""
    return np.bincount(ids, minlength=n) / seconds


def cv_isi(times: np.ndarray, ids: np.ndarray, n: int, *, min_spikes: int = 5) -> np.ndarray:
    """Return the coefficient of variation of each neuron's inter-spike intervals.

    NaN where a neuron has fewer than `min_spikes` spikes.
    """
    order = np.lexsort((times, ids))
    times, ids = np.asarray(times, dtype=np.float64)[order], np.asarray(ids)[order]
    same = ids[1:] == ids[:-1]
    gaps, owner = np.diff(times)[same], ids[1:][same]
    count = np.bincount(owner, minlength=n)
    few = np.bincount(ids, minlength=n) < max(min_spikes, 2)
    mean = np.bincount(owner, gaps, n) / np.maximum(count, 1)
    spread = np.bincount(owner, (gaps - mean[owner]) ** 2, n) / np.maximum(count, 1)
    return np.sqrt(spread) / np.where(few, np.nan, mean)


def pair_correlations(
    times: np.ndarray, ids: np.ndarray, neurons: np.ndarray, *, bin_s: float, start: float, stop: float
) -> np.ndarray:
    """Return Pearson's correlation of binned spike counts for every pair of `neurons`.

    Bins of `bin_s` seconds cover [start, stop). Pairs are ordered (0, 1), (0, 2), ... (1, 2), ...;
    NaN where one of the two never fires.
    """
    n_bins = round((stop - start) / bin_s)
    row_of = np.full(max(int(neurons.max()), int(ids.max(initial=0))) + 1, -1)
    row_of[neurons] = np.arange(neurons.size)
    column = np.floor((np.asarray(times, dtype=np.float64) - start) / bin_s + 1e-6).astype(np.int64)
    row = row_of[ids]
    kept = (row >= 0) & (column >= 0) & (column < n_bins)
    counts = np.zeros((neurons.size, n_bins))
    np.add.at(counts, (row[kept], column[kept]), 1.0)
    counts -= counts.mean(axis=1, keepdims=True)
    norm = np.sqrt((counts**2).sum(axis=1))
    counts /= np.where(norm > 0, norm, np.nan)[:, None]
    upper = np.triu_indices(neurons.size, 1)
    return (counts @ counts.T)[upper]


def describe(
    times: np.ndarray, ids: np.ndarray, *, n_exc: int, n_inh: int, plan: dict[str, float]
) -> dict[str, np.ndarray]:
    """Return what is compared between simulators for one run.

    `plan` gives `start` and `stop` of the window (seconds), `bin_s`, `min_spikes`, and `cv_every` and
    `pairs_every`: one neuron in so many is looked at for intervals and for correlations.
    """
    n = n_exc + n_inh
    inside = (times >= plan["start"]) & (times < plan["stop"])
    times, ids = times[inside], ids[inside]
    rate = rates(ids, n, plan["stop"] - plan["start"])
    cv = cv_isi(times, ids, n, min_spikes=int(plan["min_spikes"]))[:: int(plan["cv_every"])]
    sample = np.arange(0, n, int(plan["pairs_every"]))
    window = {name: plan[name] for name in ("bin_s", "start", "stop")}
    correlations = pair_correlations(times, ids, sample, **window)
    return {
        "rate_exc": np.float64(rate[:n_exc].mean()),
        "rate_inh": np.float64(rate[n_exc:].mean()),
        "cv": cv.astype(np.float32),
        "correlations": correlations.astype(np.float32),
    }


def describe_each(
    times: np.ndarray, ids: np.ndarray, *, sizes: dict[str, int], plan: dict[str, float]
) -> dict[str, np.ndarray]:
    """Return what is compared between simulators for one run of several populations, one after the other.

    `plan` is as for `describe`, but `cells` neurons of each population, evenly spread, are looked at for
    correlations. Keys are "rate", "cv" and "correlations", a space and the population's name.
    """
    inside = (times >= plan["start"]) & (times < plan["stop"])
    times, ids = times[inside], ids[inside]
    window = {name: plan[name] for name in ("bin_s", "start", "stop")}
    found, low = {}, 0
    for name, n in sizes.items():
        mine = (ids >= low) & (ids < low + n)
        own_times, own = times[mine], ids[mine] - low
        sample = np.unique(np.linspace(0, n - 1, int(plan["cells"])).astype(np.int64))
        cv = cv_isi(own_times, own, n, min_spikes=int(plan["min_spikes"]))[:: int(plan["cv_every"])]
        correlations = pair_correlations(own_times, own, sample, **window)
        found[f"rate {name}"] = np.float64(own.size / n / (plan["stop"] - plan["start"]))
        found[f"cv {name}"] = cv.astype(np.float32)
        found[f"correlations {name}"] = correlations.astype(np.float32)
        low += n
    return found


def welch(a: np.ndarray, b: np.ndarray) -> float:
    """Return the difference of two means in standard errors of that difference."""
    error = np.sqrt(a.var(ddof=1) / a.size + b.var(ddof=1) / b.size)
    return float((a.mean() - b.mean()) / error)


def kolmogorov_smirnov_by_run(
    ours: list[np.ndarray], theirs: list[np.ndarray], *, permutations: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Return the two-sample Kolmogorov-Smirnov distance of pooled values, and its p-value.

    Values of one run hang together (its neurons share their input), which makes the usual p-value
    of pooled values far too small. Whole runs are independent and, if the two simulators draw from
    one law, exchangeable: so the null distribution is the distance after dealing the runs out
    anew, which is exact for any dependence within a run. NaN values are left out.
    """
    runs = [np.asarray(run)[np.isfinite(run)] for run in (*ours, *theirs)]
    grid = np.unique(np.concatenate(runs))
    if grid.size > 4096:
        grid = np.unique(np.quantile(grid, np.linspace(0.0, 1.0, 4096), method="nearest"))
    below = np.array([np.searchsorted(np.sort(run), grid, side="right") for run in runs], dtype=np.float64)
    size = np.array([run.size for run in runs], dtype=np.float64)

    def distance(chosen: np.ndarray) -> np.ndarray:
        first = (chosen @ below) / (chosen @ size)[:, None]
        second = ((1.0 - chosen) @ below) / ((1.0 - chosen) @ size)[:, None]
        return np.abs(first - second).max(axis=1)

    sides = np.zeros((1, len(runs)))
    sides[0, : len(ours)] = 1.0
    observed = distance(sides)[0]
    rng = np.random.default_rng(seed)
    reached = 0
    for _ in range(0, permutations, 1000):
        dealt = rng.permuted(np.repeat(sides, 1000, axis=0), axis=1)
        reached += int(np.count_nonzero(distance(dealt) >= observed - 1e-12))
    drawn = 1000 * len(range(0, permutations, 1000))
    return float(observed), (reached + 1) / (drawn + 1)
