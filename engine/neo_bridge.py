"""A result as a `neo.Block`, for elephant and whatever else reads it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..neurons.errors import MissingExtra
from .records import SpikeRecord, TraceRecord

if TYPE_CHECKING:
    from .result import Result


def to_neo(result: Result) -> Any:
    """Return the block that `Result.to_neo` describes."""
    try:
        import neo
    except ImportError:
        raise MissingExtra("neo", "analysis", "Result.to_neo") from None
    info = {key: value for key, value in asdict(result.info).items() if value is not None}
    block = neo.Block(name="rheobase", **info)
    groups = {name: neo.Group(name=name) for name in dict.fromkeys(r.group for r in result.records.values())}
    for trial in range(result.info.trials):
        segment = neo.Segment(name=f"trial {trial}", index=trial)
        for name, record in result.records.items():
            if isinstance(record, SpikeRecord):
                trains = _trains(neo, name, record, trial)
                segment.spiketrains.extend(trains)
                groups[record.group].add(*trains)
            elif isinstance(record, TraceRecord) and len(record):
                signal = _signal(neo, name, record, trial, result.info.dt)
                segment.analogsignals.append(signal)
                groups[record.group].add(signal)
        block.segments.append(segment)
    filled = [group for group in groups.values() if len(group.spiketrains) or len(group.analogsignals)]
    block.groups.extend(filled)
    return block


def _trains(neo: Any, name: str, record: SpikeRecord, trial: int) -> list[Any]:
    return [
        neo.SpikeTrain(
            times, units="s", t_start=record.start, t_stop=record.stop, name=name, id=id,
            sampling_rate=1.0 / _seconds(record.dt), population=record.group, trial=trial,
        )
        for id, times in trains_of(record, trial)
    ]  # fmt: skip


def trains_of(record: SpikeRecord, trial: int) -> list[tuple[int, np.ndarray]]:
    """Return (id, times in seconds) of every recorded neuron in one trial, those without spikes too."""
    here = record.trials == trial
    order = np.lexsort((record.steps[here], record.ids[here]))
    ids, times = record.ids[here][order], record.times[here][order]
    neurons = np.asarray(record.neurons)
    low, high = np.searchsorted(ids, neurons, "left"), np.searchsorted(ids, neurons, "right")
    return [(int(id), times[i:j]) for id, i, j in zip(neurons, low, high, strict=True)]


def values_of(record: TraceRecord, trial: int) -> np.ndarray:
    """Return the samples (samples, n) of one trial."""
    return np.asarray(record.values[trial] if record.values.ndim == 3 else record.values)


def period_of(record: TraceRecord, dt: float) -> float:
    """Return the seconds between samples; of a single sample, one step."""
    return float((record.times[-1] - record.times[0]) / (len(record) - 1)) if len(record) > 1 else dt


def _signal(neo: Any, name: str, record: TraceRecord, trial: int, dt: float) -> Any:
    return neo.AnalogSignal(
        values_of(record, trial),
        units="dimensionless" if record.unit == "1" else record.unit,
        t_start=_seconds(record.times[0]),
        sampling_period=_seconds(period_of(record, dt)),
        name=name,
        array_annotations={"channel_ids": record.ids},
        ids=record.ids.tolist(),
        variable=record.variable,
        population=record.group,
        trial=trial,
    )


def _seconds(value: float) -> Any:
    import quantities

    return quantities.Quantity(value, "s")
