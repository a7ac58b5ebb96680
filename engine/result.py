"""What a run returns: what the probes saw, exact counts of what happened, and how it ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ..neurons.errors import FormatError, SpecError, nearest
from .counts import Counts
from .figures import Figures
from .parts import Probe
from .peak import peak_mb
from .records import CountRecord, Record, SpikeRecord, TraceRecord
from .typed import typed

KIND = "rheobase result"
_ARRAYS: dict[type[Any], tuple[str, ...]] = {
    SpikeRecord: ("steps", "ids", "trials", "neurons"),
    TraceRecord: ("times", "values", "ids"),
    CountRecord: ("counts", "ids"),
}
_RECORDS = {kind.__name__: kind for kind in _ARRAYS}


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """How a run went.

    Attributes
    ----------
    backend, precision : str
        What ran it.
    threads : int
        Threads it used.
    dt : float
        Seconds per step.
    steps, trials : int
        Steps of this run, and trials side by side.
    method : str
        "clocked", or "event": then only steps with events were computed; they are a femtosecond each, unless
        `choice` says that "auto" has chosen so, among the steps of a clocked run.
    choice : str
        Why "auto" has chosen this method, by which estimate; empty where the user has.
    start_step : int
        The simulation's step at which this run began.
    wall_s, build_s : float
        Seconds that the run took, and that building took before it.
    seed : int
        The network's seed.
    version : str
        Version of rheobase.
    n_neurons, n_synapses, synapse_bytes : int
        Size of the network, and bytes of memory that its synapses take.
    peak_mb : float, optional
        Most memory that the process has held, in MB.
    interrupted : bool
        Whether Ctrl-C was pressed: the run then ended early, after `steps` steps, if it was not at its end.
    silent : bool
        Whether the run was to end in silence (until="silent"), and all trials had fallen silent at its end.
    trial_steps : tuple of int
        Steps that each trial took part in: fewer where it stood still, or was done before the others.
    """

    backend: str
    threads: int
    precision: str
    dt: float
    steps: int
    trials: int = 1
    method: str = "clocked"
    choice: str = ""
    start_step: int = 0
    wall_s: float
    build_s: float = 0.0
    seed: int = 0
    version: str = ""
    n_neurons: int = 0
    n_synapses: int = 0
    synapse_bytes: int = 0
    peak_mb: float | None = field(default_factory=peak_mb)
    interrupted: bool = False
    silent: bool = False
    trial_steps: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Result(Figures):
    """What one run saw and did. Prints as a table; `result[probe]` is what a probe recorded.

    Attributes
    ----------
    records : mapping of str to record
        By the probe's name.
    counts : Counts
        Exact counts of everything that happened.
    info : RunInfo
        Backend, threads, times, sizes.
    populations : mapping of str to int
        Name and size of every population and source.

    Examples
    --------
    >>> counts = Counts(steps=10, trials=1, dt=1e-3, populations=(), projections=())
    >>> info = RunInfo(backend="numba", threads=1, precision="fixed", dt=1e-3, steps=10, wall_s=0.5)
    >>> Result(records={}, counts=counts, info=info, populations={}).to_dict()["bio_s"]
    0.01
    """

    records: Mapping[str, Record]
    counts: Counts
    info: RunInfo
    populations: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("records", "populations"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __getitem__(self, probe: Probe | str) -> Any:
        name = probe.name if isinstance(probe, Probe) else probe
        try:
            return self.records[name]  # type: ignore[index]
        except (KeyError, TypeError):
            known = ", ".join(repr(key) for key in self.records) or "none"
            near = nearest(name, self.records)
            raise SpecError(f"Result: no probe is called {name!r}{near}; recorded are {known}") from None

    def __contains__(self, probe: object) -> bool:
        return (probe.name if isinstance(probe, Probe) else probe) in self.records

    @property
    def duration(self) -> float:
        """Model time of this run, in seconds."""
        return self.info.steps * self.info.dt

    def to_dict(self) -> dict[str, Any]:
        """Return the figures of the run under stable names that carry their unit."""
        info, counts = self.info, self.counts
        exposure = counts.n_neurons * self.duration * info.trials
        return {
            "backend": info.backend,
            "threads": info.threads,
            "precision": info.precision,
            "version": info.version,
            "seed": info.seed,
            "trials": info.trials,
            "dt_s": info.dt,
            "n_neurons": info.n_neurons or counts.n_neurons,
            "n_synapses": info.n_synapses or counts.n_synapses,
            "bio_s": self.duration,
            "interrupted": info.interrupted,
            "wall_s": info.wall_s,
            "rtf": _ratio(info.wall_s, self.duration),
            "build_s": info.build_s,
            "peak_mb": info.peak_mb,
            "spikes": counts.spikes,
            "synaptic_events": counts.synaptic_events,
            "rate_hz": _ratio(counts.spikes, exposure),
            "ns_per_event": _ratio(info.wall_s * 1e9, counts.synaptic_events),
            "ns_per_update": _ratio(info.wall_s * 1e9, counts.updates),
            "bytes_per_synapse": _ratio(info.synapse_bytes, info.n_synapses),
        }

    def save(self, path: str | Path) -> None:
        """Write everything to one `.npz`, without pickle; an older file is replaced in one step.

        Parameters
        ----------
        path : str or Path
            The file, written as named.
        """
        from .archive import write_archive

        arrays: dict[str, np.ndarray] = {}
        heads: list[dict[str, Any]] = []
        for i, (name, record) in enumerate(self.records.items()):
            parts = _ARRAYS[type(record)]
            scalars = {f.name: getattr(record, f.name) for f in fields(record) if f.name not in parts}
            heads.append({"name": name, "kind": type(record).__name__, **scalars})
            arrays |= {f"records/{i}/{part}": getattr(record, part) for part in parts}
        content = {
            "records": heads,
            "counts": self.counts.to_dict(),
            "info": asdict(self.info),
            "populations": dict(self.populations),
        }
        write_archive(path, KIND, content, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Result:
        """Read what `save` wrote. Nothing in a file is ever executed.

        Raises
        ------
        FormatError
            If the file is truncated, changed, of another format or version, or hostile.
        OSError
            If there is no such file.
        """
        from .archive import field as header_field
        from .archive import read_archive

        content, arrays = read_archive(path, KIND)
        heads = header_field(path, content, "records", list)
        populations = header_field(path, content, "populations", dict)
        try:
            records = {head["name"]: _record(head, i, arrays) for i, head in enumerate(heads)}
            return cls(
                records=records,
                counts=Counts.from_dict(content["counts"]),
                info=typed(RunInfo, content["info"]),
                populations=populations,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"{path}: its header does not describe a result ({str(error)[:200]})") from None

    def __str__(self) -> str:
        return str(_table(self))

    def to_neo(self) -> Any:
        """Return a `neo.Block`, which elephant and others read.

        One segment per trial holds a spike train for every recorded neuron (annotated with `id`,
        `population` and `trial`) and an analogue signal for every sampled variable, in its unit, with a
        column per neuron (annotated with `ids`); one `neo.Group` per population holds what is its own.
        How the run went is in the block's annotations. Counts have no place in neo and are left out.

        Raises
        ------
        MissingExtra
            If neo is not installed.
        """
        from .neo_bridge import to_neo

        return to_neo(self)

    def to_nwb(self, path: str | Path, *, session_start: Any = None) -> None:
        """Write a file of Neurodata Without Borders.

        Its table of units has a row for every neuron of every probe of spikes (columns `population`,
        `neuron`, `probe`), its acquisition a `TimeSeries` for every sampled variable and trial. A file
        has one time: trials follow each other in it, and its table of trials says from when to when.

        Parameters
        ----------
        path : str or Path
            The file; an older one is replaced when the new one is complete.
        session_start : datetime, optional
            With a time zone; the beginning of 1970 if left out, since model time has no date.

        Raises
        ------
        MissingExtra
            If pynwb is not installed.
        SpecError
            If `session_start` has no time zone.
        OSError
            If the file cannot be written.
        """
        from .nwb import to_nwb

        to_nwb(self, path, session_start=session_start)


def _record(head: dict[str, Any], i: int, arrays: Mapping[str, np.ndarray]) -> Record:
    kind = _RECORDS[head["kind"]]
    scalars = {key: value for key, value in head.items() if key not in ("name", "kind")}
    record: Record = kind(**scalars, **{part: arrays[f"records/{i}/{part}"] for part in _ARRAYS[kind]})
    return record


def _ratio(a: float, b: float) -> float | None:
    return a / b if b else None


def _table(result: Result) -> str:
    info, counts = result.info, result.counts
    trials = f", {info.trials} trials" if info.trials > 1 else ""
    pace = "from event to event" if counts.gridless else f"in steps of {info.dt:g} s"
    pace += " with events" if info.method == "event" and not counts.gridless else ""
    interrupted = " (interrupted)" if info.interrupted else ""
    lines = [
        f"Result: {result.duration:g} s{interrupted} {pace}{trials}; {info.backend}, "
        f"{info.threads} thread{'s' if info.threads != 1 else ''}, {info.wall_s:.3g} s "
        f"(and {info.build_s:.3g} s to build)",
        f"  {'population':<24}{'neurons':>10}{'spikes':>14}{'rate (Hz)':>12}",
    ]
    for p in counts.populations:
        exposure = p.n * result.duration * info.trials
        rate = f"{p.spikes / exposure:.4g}" if exposure else "-"
        lines.append(f"  {p.name:<24}{p.n:>10,}{p.spikes:>14,}{rate:>12}")
    if counts.projections:
        lines.append(f"  {'projection':<24}{'synapses':>10}{'events':>14}{'of dense':>12}")
    for q in counts.projections:
        share = f"{q.events / q.dense_events:.2%}" if q.dense_events else "-"
        lines.append(f"  {q.name:<24}{q.n_synapses:>10,}{q.events:>14,}{share:>12}")
    for name, record in result.records.items():
        lines.append(f"  {name}: {record!r}")
    return "\n".join(lines)
