"""Figures of a result, drawn with matplotlib, which is imported only when one is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .records import CountRecord, SpikeRecord


def draw_raster(records: Mapping[str, SpikeRecord], ax: Any = None) -> Any:
    """Draw spikes as dots, one band of neurons for each record and trial; returns the axes."""
    ax = ax if ax is not None else _axes((8, 4))
    base, ticks = 0, []
    for name, record in records.items():
        height = int(np.asarray(record.neurons).max(initial=0)) + 1
        rows = base + record.trials * height + record.ids
        ax.scatter(record.times, rows, s=4.0 if len(record) < 2000 else 1.0, marker="s", linewidths=0)
        band = height * record.n_trials
        ticks.append((base + band / 2, name))
        base += band
    if len(records) > 1:
        ax.set_yticks([place for place, _ in ticks], [name for _, name in ticks])
    else:
        ax.set_ylabel("neuron")
        ax.set_title(next(iter(records)))
    ax.set_ylim(-0.5, max(base, 1) - 0.5)
    start, stop = min(r.start for r in records.values()), max(r.stop for r in records.values())
    ax.set_xlim(start - 0.01 * (stop - start), stop)
    ax.set_xlabel("time (s)")
    return ax


def draw_rates(records: Mapping[str, SpikeRecord | CountRecord], ax: Any = None) -> Any:
    """Draw a histogram of the neurons' rates for each record; returns the axes."""
    ax = ax if ax is not None else _axes((6, 4))
    for name, record in records.items():
        rates = record.rates()
        ax.hist(rates[np.isfinite(rates)], bins=30, histtype="step", label=f"{name} ({record.rate():.3g} Hz)")
    ax.set_xlabel("rate (Hz)")
    ax.set_ylabel("neurons")
    ax.legend()
    return ax


def _axes(size: tuple[float, float]) -> Any:
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]
