"""SONATA's spike files, read and written."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ...engine.archive import replace_file
from ...engine.arguments import check_path
from ...engine.records import SpikeRecord
from ...neurons.errors import FormatError, MissingExtra, SpecError
from .files import ids_of, numbers_of, open_hdf5, populations_of

_SECONDS = {"ms": 1e-3, "milliseconds": 1e-3, "s": 1.0, "seconds": 1.0}


def read_sonata_spikes(path: str | Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the spikes of a SONATA spike file.

    Parameters
    ----------
    path : str or Path
        An HDF5 file with /spikes/POPULATION/timestamps and node_ids.

    Returns
    -------
    dict
        Population -> (times in seconds, ascending; ids), as `SpikeSource` and `run(inputs=...)` take them.

    Raises
    ------
    FormatError
        If the file is truncated, of another kind, or holds what spikes cannot be.
    MissingExtra
        If h5py is not installed.
    """
    found = {}
    with open_hdf5(check_path("read_sonata_spikes.path", path)) as store:
        for name, group in populations_of(store, "spikes").items():
            times = numbers_of(group, "timestamps").astype(np.float64)
            ids = ids_of(group, "node_ids", times.size)
            unit = group["timestamps"].attrs.get("units", "ms")
            unit = unit.decode("utf-8", "replace") if isinstance(unit, bytes) else str(unit)
            if unit not in _SECONDS:
                raise FormatError(
                    f"{path}: {name}: times are in {unit[:20]!r}; allowed is one of {[*_SECONDS]}"
                )
            if not np.isfinite(times).all() or np.any(times < 0):
                raise FormatError(f"{path}: {name}: allowed are finite times from 0")
            order = np.argsort(times, kind="stable")
            found[name] = (times[order] * _SECONDS[unit], ids[order])
    return found


def write_sonata_spikes(records: SpikeRecord | Mapping[str, SpikeRecord], path: str | Path) -> None:
    """Write spikes as a SONATA spike file, in milliseconds and by time.

    Parameters
    ----------
    records : SpikeRecord, or a mapping from population to one
        What probes saw. A record alone goes by the name of its group.
    path : str or Path
        The file; an older one is replaced only when the new one is complete.

    Raises
    ------
    SpecError
        If a record is of several trials, or no spikes at all.
    MissingExtra
        If h5py is not installed.
    """
    if isinstance(records, SpikeRecord):
        records = {records.group or "default": records}
    if not isinstance(records, Mapping) or not all(isinstance(r, SpikeRecord) for r in records.values()):
        raise SpecError(
            f"write_sonata_spikes.records: got {type(records).__name__}; allowed is a record of spikes, or a "
            "dict from population to one"
        )
    try:
        import h5py
    except ImportError:
        raise MissingExtra("h5py", "sonata", "Writing SONATA files") from None
    order = h5py.enum_dtype({"none": 0, "by_id": 1, "by_time": 2}, basetype=np.uint8)
    buffer = BytesIO()
    with h5py.File(buffer, "w") as store:
        for name, record in records.items():
            if record.n_trials > 1:
                raise SpecError(f"write_sonata_spikes: {name} has {record.n_trials} trials; allowed is one")
            _write_population(store.create_group(f"spikes/{name}"), record, order)
    replace_file(path, lambda target: target.write(buffer.getbuffer()))


def _write_population(group: Any, record: SpikeRecord, order: Any) -> None:
    group.attrs.create("sorting", 2, dtype=order)
    times = group.create_dataset("timestamps", data=record.times * 1e3)
    times.attrs["units"] = "ms"
    group.create_dataset("node_ids", data=record.ids.astype(np.uint64))
