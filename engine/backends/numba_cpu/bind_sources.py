"""Binding sources: what emits events, and what private ones add to their target's update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....neurons.model import steps_of
from ...planned import GroupPlan, ProjectionPlan
from ...poisson import count_table
from ...random import stream_key
from ...sources import PoissonSource, RateSource, SpikeSource
from . import emit
from .kernel import Block, compile_kernel
from .memory import Trial, copied, zeros
from .update import CHUNK

if TYPE_CHECKING:
    from .bind import Binder


def emit_block(binder: Binder, group: GroupPlan, trial: Trial, part: int) -> Block:
    """Return the emission of one part of a source."""
    own = {**binder.own(trial, part, group.name), "tally": binder.tally(trial, group.name)}
    source = group.part
    if isinstance(source, PoissonSource | RateSource):
        return _emit_poisson(binder, group, own, trial)
    if isinstance(source, SpikeSource):
        empty = np.zeros(0, np.int32)
        return compile_kernel(emit.emit_spikes).pack(
            start=0, indptr=np.zeros(1, np.int64), places=empty, counts=empty, **own
        )
    values = np.zeros(0, binder.plan.real)
    block = compile_kernel(emit.emit_values, real=binder.real).pack(
        start=0, row_steps=1, rows=0, hold=0, values=values, **own
    )
    return binder.in_table(("emit", group.name), block, trial, part)


def _emit_poisson(binder: Binder, group: GroupPlan, own: dict[str, Any], trial: Trial) -> Block:
    source = group.part
    if isinstance(source, PoissonSource):
        rates, starts = np.atleast_2d(source.rate), np.zeros(1, np.int64)
    else:
        assert isinstance(source, RateSource)
        rates, starts = source.rates.reshape(source.times.size, -1), steps_of(source.times, binder.plan.dt)
    if rates.shape[1] > 1:
        rates = group.stored(rates)
    distinct, rows = np.unique(rates, return_inverse=True)
    table = count_table(group.name, distinct * binder.plan.dt)
    # Lanes from which on a neuron may send something: below it, only where there is a smallest count.
    firsts = np.where(table.base > 0, np.int16(-32768), table.lanes()[:, 0])[rows.reshape(-1)]
    return compile_kernel(emit.emit_poisson).pack(
        key=stream_key(binder.plan.network.seed, group.name, "noise", trial.index), base=table.base,
        thresholds=table.thresholds, lengths=table.lengths, width=table.thresholds.shape[1],
        rows=rows.reshape(-1).astype(np.int32), firsts=firsts, starts=starts, **lane_arguments(),
        hits=zeros(256, np.int8), **own,
    )  # fmt: skip


def noise_arguments(binder: Binder, p: ProjectionPlan, trial: Trial) -> dict[str, Any]:
    """Return what a private Poisson source adds to the arguments of its target's update, by argument."""
    source, receptor = p.part.source, p.part.receptor_name
    table = count_table(source.label, np.atleast_1d(source.rate) * binder.plan.dt)  # type: ignore[attr-defined]
    grid = binder.plan.receptor(p).grid
    assert grid is not None
    thresholds = copied(table.thresholds[0, : table.lengths[0]], np.uint32)
    uppers, tail = _common(table.lanes()[0, : thresholds.size])
    values = {
        "key": stream_key(binder.plan.network.seed, source.label, "noise", trial.index),
        "delay": p.delays[0],
        "base": int(table.base[0]),
        "weight": int(grid.to_integers(np.asarray(p.part.weight))),
        "thresholds": thresholds,
        "uppers": copied(uppers, np.int16),
        "tail": tail,
        "counts": zeros(CHUNK, np.int16),
        "tally": binder.tally(trial, source.label),
    }
    return {f"noise_{name}_{receptor}": value for name, value in values.items()}


def lane_arguments() -> dict[str, np.ndarray]:
    """Return scratch for the random bits of 256 neurons, as pairs and as halves of pairs."""
    pairs = zeros(128, np.uint32)
    return {"pairs": pairs, "lanes": pairs.view(np.int16)}


def _common(lanes: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the lanes of thresholds that are often reached, in threes, and the lane of the next one.

    The others are so rarely reached that one among 256 neurons does in at most every eighth step: to
    look at it closely then costs less than to compare all with all thresholds.
    """
    most = np.flatnonzero(256 * (32768 - lanes.astype(np.int64)) / 65536 <= 1 / 8)
    n = -(-int(most[0]) // 3) * 3 if most.size else lanes.size
    if n < lanes.size:
        return lanes[:n].copy(), int(lanes[n])
    return np.concatenate([lanes, np.full(-lanes.size % 3, 32767, np.int16)]), 32768
