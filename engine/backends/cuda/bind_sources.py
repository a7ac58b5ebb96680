"""Binding sources: streams and thresholds of Poisson sources, and where others are fed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....neurons.model import steps_of
from ...planned import GroupPlan, ProjectionPlan
from ...poisson import count_table
from ...random import stream_key
from ...sources import PoissonSource, RateSource, SpikeSource
from . import fields as f

if TYPE_CHECKING:
    from .bind import Binder


def bind_source(binder: Binder, group: GroupPlan) -> None:
    """Bind a source that sends events of its own."""
    if isinstance(group.part, PoissonSource | RateSource):
        _bind_noise(binder, group)
        kind = f.EMIT_NOISE
    else:
        kind = f.EMIT_SPIKES if isinstance(group.part, SpikeSource) else f.EMIT_VALUES
        binder.store.fill(
            binder.groups[group.name], {f.S_FEED: len(binder.fed) * binder.plan.trials * f.FEED}
        )
        binder.fed.append(group.name)
    binder.add(kind, 0, binder.words(group.name))


def keys_of(binder: Binder, owner: str, stage: str) -> int:
    """Return where the keys of a stream lie, one for each trial."""
    seed = binder.plan.network.seed
    keys = [stream_key(seed, owner, stage, trial) for trial in range(binder.plan.trials)]
    return binder.store.put("longs", np.array(keys, np.uint64).view(np.int64))


def _bind_noise(binder: Binder, group: GroupPlan) -> None:
    source, store, dt = group.part, binder.store, binder.plan.dt
    if isinstance(source, PoissonSource):
        rates, starts = np.atleast_2d(source.rate), np.zeros(1, np.int64)
    else:
        assert isinstance(source, RateSource)
        rates, starts = source.rates.reshape(source.times.size, -1), steps_of(source.times, dt)
    if rates.shape[1] > 1:
        rates = group.stored(rates)
    elif starts.size > 1:
        rates = rates.repeat(group.n, axis=1)
    distinct, rows = np.unique(rates, return_inverse=True)
    table = count_table(group.name, distinct * dt)
    store.fill(
        binder.groups[group.name],
        {
            f.S_KEYS: keys_of(binder, group.name, "noise"), f.S_STARTS: store.put("longs", starts),
            f.S_N_STARTS: starts.size, f.S_ROWS: store.put("wholes", rows), f.S_ROW_STRIDE: rows.size > 1,
            f.S_BASES: store.put("wholes", table.base), f.S_LENGTHS: store.put("wholes", table.lengths),
            f.S_THRESHOLDS: store.put("bits", table.thresholds), f.S_WIDTH: table.thresholds.shape[1],
        },
    )  # fmt: skip


def noise_record(binder: Binder, p: ProjectionPlan) -> int:
    """Return the record of a private Poisson source."""
    source, store = p.part.source, binder.store
    assert isinstance(source, PoissonSource)
    table = count_table(source.label, np.atleast_1d(source.rate) * binder.plan.dt)
    grid = binder.plan.receptor(p).grid
    assert grid is not None
    return store.fill(
        store.record(f.NOISE),
        {
            f.N_KEYS: keys_of(binder, source.label, "noise"), f.N_DELAY: p.delays[0], f.N_BASE: table.base[0],
            f.N_LENGTH: table.lengths[0], f.N_THRESHOLDS: store.put("bits", table.thresholds[0]),
            f.N_WEIGHT: int(grid.to_integers(np.asarray(p.part.weight))),
            f.N_TALLY: binder.tally[source.label].start,
        },
    )  # fmt: skip
