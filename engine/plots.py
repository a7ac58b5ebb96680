"""Drawings of records with matplotlib, which is imported only when one is asked for.

Every function draws into the axes that it is given, or into a new figure, and returns the axes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..neurons.errors import SpecError
from .records import CountRecord, SpikeRecord, TraceRecord

#: Colours that nearly everybody can tell apart: M. Okabe and K. Ito, Color Universal Design (2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: More dots than this become pixels also in a vector format.
_VECTOR_DOTS = 20_000
#: How many traces are drawn where nobody says which.
_TRACES = 5
#: Units as papers print them: factor and name.
_PRINTED = {"V": (1e3, "mV"), "A": (1e12, "pA"), "S": (1e9, "nS"), "s": (1e3, "ms"), "1": (1.0, "")}


def draw_raster(records: Mapping[str, SpikeRecord], ax: Any = None, *, rate: float | None = None) -> Any:
    """Draw spikes as dots, one band of neurons for each record and trial; `rate` adds rates below."""
    ax = ax if ax is not None else _axes((7.0, 3.5 if rate is None else 4.5))
    dots, base, ticks = sum(map(len, records.values())), 0, []
    rows = sum(_height(record) * record.n_trials for record in records.values())
    for k, (name, record) in enumerate(records.items()):
        height = _height(record)
        ax.scatter(
            record.times, base + record.trials * height + record.ids, s=_dot(ax, dots, rows),
            color=_colour(k), linewidths=0, rasterized=dots > _VECTOR_DOTS,
        )  # fmt: skip
        if base:
            ax.axhline(base - 0.5, color="0.85", linewidth=0.8, zorder=0)
        ticks.append((base + (height * record.n_trials - 1) / 2, _label(name, record)))
        base += height * record.n_trials
    if len(records) > 1:
        ax.set_yticks([place for place, _ in ticks], [name for _, name in ticks])
        ax.tick_params(axis="y", length=0)
    else:
        ax.set_ylabel(f"neuron of {ticks[0][1]}")
    ax.set_ylim(-0.5, max(base, 1) - 0.5)
    if len(records) > 1:
        ax.invert_yaxis()  # the first population on top, as layers are drawn
    _time_axis(ax, records.values())
    if rate is not None:
        _rates_below(ax, records, rate)
    return _bare(ax)


def draw_activity(
    records: Mapping[str, SpikeRecord], ax: Any = None, *, width: float, smooth: float | None = None
) -> Any:
    """Draw each population's rate over time: the mean of trials, in a band of its standard error."""
    ax = ax if ax is not None else _axes((7.0, 2.6))
    for k, (name, record) in enumerate(records.items()):
        times, rates = record.population_rate(width, smooth=smooth)
        ax.plot(times, rates.mean(axis=0), color=_colour(k), linewidth=1.0, label=_label(name, record))
        if record.n_trials > 1:
            mean, error = rates.mean(axis=0), rates.std(axis=0, ddof=1) / np.sqrt(record.n_trials)
            ax.fill_between(times, mean - error, mean + error, color=_colour(k), alpha=0.25, linewidth=0)
    ax.set_ylabel("rate (Hz)")
    ax.set_ylim(bottom=0.0)
    _time_axis(ax, records.values())
    return _legend_above(_bare(ax), len(records))


def draw_rates(records: Mapping[str, SpikeRecord | CountRecord], ax: Any = None) -> Any:
    """Draw how the neurons' mean rates are distributed, in bins that all records share."""
    ax = ax if ax is not None else _axes((4.5, 3.2))
    rates = {name: record.rates() for name, record in records.items()}
    edges = np.histogram_bin_edges(_finite(np.concatenate([*rates.values()])), bins=30)
    for k, (name, record) in enumerate(records.items()):
        label = f"{_label(name, record)}, {record.rate():.3g} Hz"
        _outline(ax, _finite(rates[name]), edges, k, label)
    ax.set_xlabel("rate (Hz)")
    ax.set_ylabel("neurons")
    return _legend(_bare(ax))


def draw_intervals(
    records: Mapping[str, SpikeRecord], ax: Any = None, *, width: float | None = None,
    longest: float | None = None,
) -> Any:  # fmt: skip
    """Draw the density of inter-spike intervals; the legend tells the neurons' mean CV."""
    ax = ax if ax is not None else _axes((4.5, 3.2))
    found = {name: record.intervals() for name, record in records.items()}
    pooled = np.concatenate([one.seconds for one in found.values()])
    end = longest if longest is not None else float(np.quantile(pooled, 0.99)) if pooled.size else 1.0
    step = min(record.dt for record in records.values())
    each = width if width is not None else max(round(end / 50 / step), 1) * step
    for k, (name, record) in enumerate(records.items()):
        cv = _finite(record.cv())
        label = _label(name, record) + (f", CV {cv.mean():.2f}" if cv.size else "")
        edges, counts = found[name].histogram(each, max(end, each))
        density = counts / max(len(found[name]), 1) / each
        ax.stairs(density, edges * 1e3, color=_colour(k), fill=True, alpha=0.2)
        ax.stairs(density, edges * 1e3, color=_colour(k), linewidth=1.2, label=label)
    ax.set_xlabel("inter-spike interval (ms)")
    ax.set_ylabel("density (1/s)")
    ax.set_xlim(left=0.0)
    ax.set_ylim(bottom=0.0)
    return _legend(_bare(ax))


def draw_correlogram(
    first: SpikeRecord, second: SpikeRecord | None, ax: Any = None, *, width: float, max_lag: float
) -> Any:
    """Draw an auto- or cross-correlogram, and dashed what independent spikes would give."""
    ax = ax if ax is not None else _axes((4.5, 3.2))
    found = (
        first.autocorrelation(width, max_lag)
        if second is None
        else first.cross_correlation(second, width, max_lag)
    )
    edges = np.append(found.lags - width / 2, found.lags[-1] + width / 2) * 1e3
    ax.stairs(found.rate, edges, color=_colour(0), fill=True, alpha=0.75)
    # Of each neuron itself, in proportion to its spikes; of the other's neurons together.
    per_train = first.counts()
    expected = (
        float((per_train**2).sum() / max(per_train.sum(), 1) / first.seconds)
        if second is None
        else second.rate() * second.n
    )
    ax.axhline(expected, color="0.3", linewidth=1.0, linestyle=(0, (4, 3)))
    ax.set_xlabel("lag (ms)")
    ax.set_ylabel("rate given a spike at 0 (Hz)")
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(bottom=0.0)
    return _bare(ax)


def draw_traces(
    record: TraceRecord, ax: Any = None, *, ids: Iterable[int] | None = None, trial: int = 0,
    threshold: float | None = None, spikes: SpikeRecord | None = None,
) -> Any:  # fmt: skip
    """Draw samples of some neurons over time, a dashed line at the threshold, and spikes as bars."""
    ax = ax if ax is not None else _axes((7.0, 2.8))
    chosen = [int(id) for id in (record.ids[:_TRACES] if ids is None else ids)]
    trials = 1 if record.values.ndim == 2 else len(record.values)
    if not 0 <= trial < trials:
        raise SpecError(f"traces.trial: got {trial!r}; there are 0 to {trials - 1}")
    factor, unit = _PRINTED.get(record.unit, (1.0, record.unit))
    values = [np.atleast_2d(record.of(id))[trial] * factor for id in chosen]
    for k, (id, trace) in enumerate(zip(chosen, values, strict=True)):
        ax.plot(record.times, trace, color=_colour(k), linewidth=1.0, label=f"neuron {id}")
    if threshold is not None:
        ax.axhline(threshold * factor, color="0.3", linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    if spikes is not None and values:
        low, high = min(map(np.min, values)), max(map(np.max, values))
        foot = high if threshold is None else threshold * factor
        for k, id in enumerate(chosen):
            ax.vlines(
                spikes.train(id, trial), foot, foot + 0.4 * (foot - low), color=_colour(k), linewidth=1.0
            )
    ax.set_ylabel(record.variable + (f" ({unit})" if unit else ""))
    if len(record):
        ax.set_xlim(record.times[0], record.times[-1])
    ax.set_xlabel("time (s)")
    return _legend_above(_bare(ax), len(chosen))


def _rates_below(ax: Any, records: Mapping[str, SpikeRecord], width: float) -> None:
    """Add a panel of rates under a raster, and hand it the axis of time."""
    place = ax.get_subplotspec()
    if place is None:
        raise SpecError("raster.rate: allowed with axes of a grid, as subplots() gives, or without axes")
    grid = place.subgridspec(2, 1, height_ratios=(3, 1), hspace=0.05)
    ax.set_subplotspec(grid[0])
    below = ax.figure.add_subplot(grid[1], sharex=ax)
    draw_activity(records, below, width=width)
    if (legend := below.get_legend()) is not None:
        legend.remove()
    ax.set_xlabel("")
    ax.tick_params(axis="x", labelbottom=False)


def _outline(ax: Any, values: np.ndarray, edges: np.ndarray, k: int, label: str) -> None:
    counts, _ = np.histogram(values, edges)
    ax.stairs(counts, edges, color=_colour(k), fill=True, alpha=0.2)
    ax.stairs(counts, edges, color=_colour(k), linewidth=1.2, label=label)


def _time_axis(ax: Any, records: Iterable[SpikeRecord]) -> None:
    spans = [(record.start, record.stop) for record in records]
    ax.set_xlim(min(start for start, _ in spans), max(stop for _, stop in spans))
    ax.set_xlabel("time (s)")


def _legend(ax: Any) -> Any:
    ax.legend(frameon=False, loc="best", handlelength=1.2)
    return ax


def _legend_above(ax: Any, labels: int) -> Any:
    """Name the lines, where there are several, in a row above them."""
    if labels > 1:
        ax.legend(
            frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=labels, handlelength=1.2,
            borderaxespad=0.0,
        )  # fmt: skip
    return ax


def _bare(ax: Any) -> Any:
    """Leave only the two axes that are read."""
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _dot(ax: Any, dots: int, rows: int) -> float:
    """Return the area of a dot in square points: by the height of a row, and by how many there are."""
    box = ax.get_window_extent()
    width, height = (72.0 * side / ax.figure.dpi for side in (box.width, box.height))
    most = min((1.6 * height / max(rows, 1)) ** 2, 0.35 * width * height / max(dots, 1))
    return float(np.clip(most, 0.7, 9.0))


def _height(record: SpikeRecord) -> int:
    return int(np.asarray(record.neurons).max(initial=0)) + 1


def _label(name: str, record: SpikeRecord | CountRecord) -> str:
    return record.group or name


def _colour(k: int) -> str:
    return COLOURS[k % len(COLOURS)]


def _finite(values: np.ndarray) -> np.ndarray:
    return np.asarray(values[np.isfinite(values)])


def _axes(size: tuple[float, float]) -> Any:
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]
