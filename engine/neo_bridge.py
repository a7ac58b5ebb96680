"""A result as a `neo.Block`, for the analysis tools that read it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ..neurons.errors import MissingExtra
from .records import SpikeRecord, TraceRecord

if TYPE_CHECKING:
    from .result import Result


def to_neo(result: Result) -> Any:
    """Return a `neo.Block` with one segment per trial; counts have no place in neo and are left out."""
    try:
        import neo
    except ImportError:
        raise MissingExtra("neo", "analysis", "Result.to_neo") from None
    block = neo.Block(name="rheobase", seed=result.info.seed, version=result.info.version)
    for trial in range(result.info.trials):
        segment = neo.Segment(name=f"trial {trial}", index=trial)
        for name, record in result.records.items():
            if isinstance(record, SpikeRecord):
                segment.spiketrains.extend(_trains(neo, name, record, trial))
            elif isinstance(record, TraceRecord):
                segment.analogsignals.extend(_signal(neo, name, record, trial))
        block.segments.append(segment)
    return block


def _trains(neo: Any, name: str, record: SpikeRecord, trial: int) -> list[Any]:
    here = record.trials == trial
    order = np.lexsort((record.steps[here], record.ids[here]))
    ids, times = record.ids[here][order], record.times[here][order]
    trains = []
    for neuron in np.asarray(record.neurons):
        low, high = np.searchsorted(ids, [neuron, neuron + 1])
        trains.append(
            neo.SpikeTrain(
                times[low:high],
                units="s",
                t_start=record.start,
                t_stop=record.stop,
                name=name,
                id=int(neuron),
            )
        )
    return trains


def _signal(neo: Any, name: str, record: TraceRecord, trial: int) -> list[Any]:
    if not len(record):
        return []
    values = record.values[trial] if record.values.ndim == 3 else record.values
    period = record.times[1] - record.times[0] if len(record) > 1 else 1.0
    signal = neo.AnalogSignal(
        values,
        units="dimensionless",
        t_start=_seconds(record.times[0]),
        sampling_period=_seconds(period),
        name=name,
        ids=record.ids.tolist(),
    )
    return [signal]


def _seconds(value: float) -> Any:
    return import_module("quantities").Quantity(value, "s")
