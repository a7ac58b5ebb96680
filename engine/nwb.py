"""A result as a file of Neurodata Without Borders."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..neurons.errors import MissingExtra, SpecError
from .archive import replace_file
from .neo_bridge import period_of, trains_of, values_of
from .records import SpikeRecord, TraceRecord

if TYPE_CHECKING:
    from .result import Result

#: Where a simulation takes place in time, unless its user says: model time has no date.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"1": "dimensionless", "V": "volts", "A": "amperes", "S": "siemens"}


def to_nwb(result: Result, path: str | Path, *, session_start: datetime | None = None) -> None:
    """Write the file that `Result.to_nwb` describes."""
    try:
        import h5py
        import pynwb
    except ImportError as error:
        raise MissingExtra(error.name or "pynwb", "analysis", "Result.to_nwb") from None
    begin = _EPOCH if session_start is None else session_start
    if not isinstance(begin, datetime) or begin.tzinfo is None:
        raise SpecError(f"Result.to_nwb.session_start: got {begin!r}; allowed is a datetime with a time zone")
    info = result.info
    file = pynwb.NWBFile(
        session_description=f"simulated with rheobase {info.version}, seed {info.seed}",
        identifier=_identifier(result),
        session_start_time=begin,
        source_script_file_name="rheobase",
        source_script=json.dumps(result.to_dict()),
    )
    if info.trials > 1:
        for trial in range(info.trials):
            start = info.start_step * info.dt + _shift(result, trial)
            file.add_trial(start_time=start, stop_time=start + result.duration)
    _add_units(file, result)
    for name, record in result.records.items():
        if isinstance(record, TraceRecord) and len(record):
            for trial in range(info.trials):
                file.add_acquisition(_series(pynwb, name, record, trial, result))
    buffer = BytesIO()
    with h5py.File(buffer, "w") as store, pynwb.NWBHDF5IO(file=store, mode="w") as writer:
        writer.write(file)
    replace_file(path, lambda target: target.write(buffer.getbuffer()))


def _identifier(result: Result) -> str:
    """Return the same text for the same run."""
    info = result.info
    end = info.start_step + info.steps
    return f"rheobase {info.version}, seed {info.seed}, steps {info.start_step} to {end}"


def _shift(result: Result, trial: int) -> float:
    """Return by how much a trial lies later in the file, in whose one time trials follow each other."""
    return trial * result.duration


def _add_units(file: Any, result: Result) -> None:
    found = {name: r for name, r in result.records.items() if isinstance(r, SpikeRecord)}
    if not found:
        return
    for column, about in (
        ("population", "name of the population or source"),
        ("neuron", "index of the neuron within it"),
        ("probe", "name of the probe that recorded it"),
    ):
        file.add_unit_column(column, about)
    trials = range(result.info.trials)
    for name, record in found.items():
        by_trial = [trains_of(record, trial) for trial in trials]
        seen = [[record.start + _shift(result, t), record.stop + _shift(result, t)] for t in trials]
        for k, (neuron, _) in enumerate(by_trial[0]):
            times = [by_trial[trial][k][1] + _shift(result, trial) for trial in trials]
            file.add_unit(
                spike_times=[time for one in times for time in one],
                obs_intervals=seen,
                population=record.group,
                neuron=neuron,
                probe=name,
            )


def _series(pynwb: Any, name: str, record: TraceRecord, trial: int, result: Result) -> Any:
    where = {"population": record.group, "variable": record.variable, "neurons": record.ids.tolist()}
    suffix = f", trial {trial}" if result.info.trials > 1 else ""
    return pynwb.TimeSeries(
        name=re.sub("[/:]", "_", name) + suffix,
        description=f"{record.variable} of neurons of {record.group or name}, one column for each",
        comments=json.dumps({**where, "probe": name, "trial": trial}),
        data=values_of(record, trial),
        unit=_UNITS.get(record.unit, record.unit),
        starting_time=float(record.times[0]) + _shift(result, trial),
        rate=1.0 / period_of(record, result.info.dt),
    )
