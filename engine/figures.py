"""The drawings of a result: which records they take, and what they show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..neurons.errors import SpecError
from .parts import Probe
from .records import CountRecord, Record, SpikeRecord, TraceRecord


class Figures:
    """Drawings of what probes saw: each takes matplotlib `ax` (a new figure if left out) and returns it.

    `probe` is a probe or its name; all records of the kind are drawn if it is left out.
    """

    records: Mapping[str, Record]

    def raster(self, probe: Probe | str | None = None, ax: Any = None, *, rate: float | None = None) -> Any:
        """Draw spikes as dots, time against neuron, a band and a colour for each population.

        Parameters
        ----------
        probe : Probe or str, optional
            Which record of spikes; all of them, the first on top, if left out.
        ax : matplotlib Axes, optional
            Where to draw; a new figure if left out.
        rate : float, optional
            Add a panel with each population's rate below, in bins of so many seconds.

        Raises
        ------
        SpecError
            If the probe recorded no spike times.
        """
        from .plots import draw_raster

        return draw_raster(self._of_kind(SpikeRecord, probe, "raster"), ax, rate=rate)

    def activity(
        self, probe: Probe | str | None = None, ax: Any = None, *, width: float = 5e-3,
        smooth: float | None = None,
    ) -> Any:  # fmt: skip
        """Draw each population's rate over time, in bins of `width` seconds, as `population_rate` has it.

        `smooth` is the standard deviation of a Gaussian in seconds. Of several trials the mean is drawn,
        within a band of its standard error.
        """
        from .plots import draw_activity

        chosen = self._of_kind(SpikeRecord, probe, "activity")
        return draw_activity(chosen, ax, width=width, smooth=smooth)

    def rates(self, probe: Probe | str | None = None, ax: Any = None) -> Any:
        """Draw how the neurons' mean rates are distributed; records of counts are drawn too."""
        from .plots import draw_rates

        return draw_rates(self._of_kind((SpikeRecord, CountRecord), probe, "rates"), ax)

    def intervals(
        self, probe: Probe | str | None = None, ax: Any = None, *, width: float | None = None,
        longest: float | None = None,
    ) -> Any:  # fmt: skip
        """Draw the density of inter-spike intervals, in bins of `width` up to `longest` seconds."""
        from .plots import draw_intervals

        chosen = self._of_kind(SpikeRecord, probe, "intervals")
        return draw_intervals(chosen, ax, width=width, longest=longest)

    def correlogram(
        self, probe: Probe | str | None = None, other: Probe | str | None = None, ax: Any = None, *,
        width: float = 1e-3, max_lag: float = 50e-3,
    ) -> Any:  # fmt: skip
        """Draw how often spikes follow each other by some lag, in bins of `width` up to `max_lag` seconds.

        Of each neuron's spikes among themselves, or, with `other`, of the spikes of `other` after those
        of `probe`. The dashed line is what independent spikes of these rates would give.
        """
        from .plots import draw_correlogram

        first = next(iter(self._of_kind(SpikeRecord, probe, "correlogram").values()))
        second = None if other is None else self._of_kind(SpikeRecord, other, "correlogram").popitem()[1]
        return draw_correlogram(first, second, ax, width=width, max_lag=max_lag)

    def traces(
        self, probe: Probe | str | None = None, ax: Any = None, *, ids: Iterable[int] | None = None,
        trial: int = 0, threshold: float | None = None, spikes: Probe | str | None = None,
    ) -> Any:  # fmt: skip
        """Draw samples of a state variable over time.

        Parameters
        ----------
        probe : Probe or str, optional
            Which record of samples; the first if left out.
        ax : matplotlib Axes, optional
            Where to draw.
        ids : iterable of int, optional
            Which of the sampled neurons; the first five if left out.
        trial : int
            Which trial.
        threshold : float, optional
            Where to draw a dashed line, in the variable's unit (volts are printed as mV).
        spikes : Probe or str, optional
            A record of the same neurons' spikes, to be drawn as bars above the threshold.
        """
        from .plots import draw_traces

        record = next(iter(self._of_kind(TraceRecord, probe, "traces").values()))
        seen = None if spikes is None else self._of_kind(SpikeRecord, spikes, "traces").popitem()[1]
        return draw_traces(record, ax, ids=ids, trial=trial, threshold=threshold, spikes=seen)

    def _of_kind(self, kind: Any, probe: Probe | str | None, caller: str) -> dict[str, Any]:
        wanted = "samples" if kind is TraceRecord else "spikes"
        if probe is not None:
            name = probe.name if isinstance(probe, Probe) else probe
            chosen = {str(name): self[probe]}  # type: ignore[index]
        else:
            chosen = {name: record for name, record in self.records.items() if isinstance(record, kind)}
        if not chosen or not all(isinstance(record, kind) for record in chosen.values()):
            what = (
                f"probe {probe!r} recorded no {wanted}"
                if probe is not None
                else f"no probe recorded {wanted}"
            )
            add = "Probe(population, variable)" if wanted == "samples" else "Probe(population)"
            raise SpecError(f"Result.{caller}: {what}; add {add} to the network")
        return chosen
