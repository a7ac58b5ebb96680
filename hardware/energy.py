r"""Counts times a chip: an estimate of energy in which every term shows its price and its source.

An event-driven machine pays for what happened,

.. math::
    E = \sum_p N^{ev}_p (e_{ev} + b_p e_{bit}) + N^{w}_p e_w + N^{pk}_p e_{pk}
      + \sum_n N^{up}_n (e_{up} + 32 s_n e_{state}) + N^{sp}_n e_{sp} + P_0 T

summed over projections p (synaptic events, times the bits of a weight where reading it is priced;
changes of weights; spike packets, one per event sent and population reached) and populations n
(updates, with the words of state they touch where memory is priced; spikes sent), and static power
times model seconds, trials one after another. Where a chip prices additions (ac) and
multiply-additions (mac) apart, e_ev is the one that the projection needs. Where it prices arithmetic
instead of whole updates, e_up is the sum over an update's operations.

A dense machine skips nothing. With K passes over the network per trial, S synapses, n neurons and R
trials,

.. math::
    E = K R (S e_{mac} + n e_{up})

A term that happened but has no price in the chip's file is never dropped in silence: it is listed as
not priced.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engine.counts import Counts
from ..neurons.errors import SpecError
from .charges import LABELS, Charge, dense_charges, event_charges
from .chip import Chip
from .constant import Constant, with_prefix


@dataclass(frozen=True)
class Energy:
    """What a run would cost on one chip.

    Attributes
    ----------
    chip : Chip
        The machine.
    charges : tuple of Charge
        Every count with its price, by part and owner.
    trials : int
        Trials of the run.
    """

    chip: Chip
    charges: tuple[Charge, ...]
    trials: int

    @property
    def joules(self) -> float:
        """Total energy of the run, in joules."""
        return math.fsum(charge.joules for charge in self.charges)

    @property
    def per_inference(self) -> float:
        """Joules per trial."""
        return self.joules / self.trials

    def per(self, n: int) -> float:
        """Return joules per item when the run handled n of them.

        Raises
        ------
        SpecError
            If n is not positive.
        """
        if not n > 0:
            raise SpecError(f"Energy.per: n is {n!r}; it must be above zero")
        return self.joules / n

    @property
    def parts(self) -> dict[str, float]:
        """Joules by term, such as "synaptic_event" or "static_power"."""
        return self._sum(lambda charge: charge.part)

    @property
    def by_projection(self) -> dict[str, float]:
        """Joules caused by each projection: events, memory, packets, learning."""
        return self._sum(lambda charge: charge.owner, "projection")

    @property
    def by_population(self) -> dict[str, float]:
        """Joules caused by each population: updates and spikes."""
        return self._sum(lambda charge: charge.owner, "population")

    @property
    def by_operator(self) -> dict[str, float]:
        """Joules caused by each operator."""
        return self._sum(lambda charge: charge.owner, "operator")

    @property
    def unpriced(self) -> dict[str, float]:
        """What happened but has no price in this chip's file: the count of each."""
        found: dict[str, float] = {}
        for charge in self.charges:
            if charge.constant is None:
                found[charge.part] = found.get(charge.part, 0) + charge.count
        return found

    @property
    def constants(self) -> dict[str, Constant]:
        """The prices that were used, by term."""
        return {charge.part: charge.constant for charge in self.charges if charge.constant}

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of the prices that were used, once each."""
        return tuple(dict.fromkeys(constant.source for constant in self.constants.values()))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know: remarks of the chip and of the prices used."""
        remarks = [*self.chip.notes, *(c.note for c in self.constants.values())]
        return tuple(dict.fromkeys(remark for remark in remarks if remark))

    def _sum(self, key: Callable[[Charge], str], place: str | None = None) -> dict[str, float]:
        groups: dict[str, list[float]] = {}
        for charge in self.charges:
            if charge.constant and place in (None, charge.place):
                groups.setdefault(key(charge), []).append(charge.joules)
        return {name: math.fsum(values) for name, values in groups.items()}

    def count(self, part: str) -> float:
        """Return how often a term was charged, over all owners."""
        return sum(charge.count for charge in self.charges if charge.part == part)

    def __str__(self) -> str:
        per = f", {with_prefix(self.per_inference, 'J')} per trial" if self.trials > 1 else ""
        lines = [f"{self.chip.name} ({self.chip.title}): {with_prefix(self.joules, 'J')}{per}"]
        sources = {source: f"[{i}]" for i, source in enumerate(self.sources, 1)}
        for part, joules in self.parts.items():
            price = self.constants[part]
            times = f"{self.count(part):,.6g} s" if part == "static_power" else f"{self.count(part):,.0f}"
            lines.append(
                f"  {_label(part):<28}{times:>18} x {f'{price.value:g} {price.unit}':<20}"
                f"= {with_prefix(joules, 'J'):<10}{price.evidence:<11}{price.node:<8}{sources[price.source]}"
            )
        if self.unpriced:
            missing = ", ".join(f"{_label(part)} ({n:,.6g})" for part, n in self.unpriced.items())
            lines.append(f"  not priced by this model: {missing}")
        lines += [f"  {mark} {source}" for source, mark in sources.items()]
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate as plain data, energies in joules."""
        return {
            "chip": self.chip.name,
            "energy_j": self.joules,
            "energy_per_trial_j": self.per_inference,
            "parts_j": self.parts,
            "projections_j": self.by_projection,
            "populations_j": self.by_population,
            "operators_j": self.by_operator,
            "unpriced": self.unpriced,
            "sources": list(self.sources),
        }

    def bars(self, ax: Any = None) -> Any:
        """Draw the energy by projection, population and the rest as horizontal bars.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure if None.

        Returns
        -------
        matplotlib Axes
        """
        run = self._sum(lambda charge: _label(charge.part), "run")
        return draw_bars(
            {**self.by_projection, **self.by_population, **self.by_operator, **run},
            f"{self.chip.title}: {with_prefix(self.joules, 'J')}",
            ax,
        )


def energy(result: Any, chip: str | Path | Chip, *, passes: int | None = None) -> Energy:
    """Estimate what a run would cost on a chip, from what was really counted.

    Parameters
    ----------
    result : Result or Counts
        The run.
    chip : str, Path or Chip
        A name from `chips()`, the path of a TOML file, or a Chip.
    passes : int, optional
        For dense machines: passes over the whole network per trial. By default what the chip's file
        says: one (the network that a converted one stands for), or one per time step. Give the
        number of frames if a trial shows several.

    Returns
    -------
    Energy
        Joules in total and by term, projection and population; prints as a table with sources.

    Raises
    ------
    SpecError
        If there is no such chip, the run is neither a Result nor Counts, or passes is not positive; or it
        is left out for a chip that passes in every step, and the run went from event to event.
    FormatError
        If the chip's file is broken.

    Examples
    --------
    >>> from rheobase.engine.counts import Counts, ProjectionCounts
    >>> one = ProjectionCounts(name="in", pre="a", post="b", kind="dense", senders=1, n_synapses=10,
    ...     n_weights=10, weight_bits=32, sent=100, packets=100, events=1000, dense_events=5000)
    >>> run = Counts(steps=500, trials=1, dt=1e-3, populations=(), projections=(one,))
    >>> round(energy(run, "cmos45").joules * 1e12, 6)
    900.0
    """
    counts = counts_of(result, "energy")
    if not isinstance(chip, Chip):
        chip = Chip.load(chip)
    if passes is not None and (isinstance(passes, bool) or not isinstance(passes, int) or passes < 1):
        raise SpecError(f"energy: passes is {passes!r}; it must be a whole number of at least 1")
    if passes is None and counts.gridless and chip.passes == "every step":
        raise SpecError(
            f"energy: {chip.name} passes over the whole network in every step, and a run with method='event' "
            "has none; give passes, how many there are in a trial"
        )
    dense = chip.kind == "dense"
    charges = dense_charges(counts, chip, passes) if dense else event_charges(counts, chip)
    return Energy(chip, tuple(charges), counts.trials)


def counts_of(result: Any, caller: str) -> Counts:
    """Return the Counts of a Result, or the Counts itself; SpecError for anything else."""
    counts = getattr(result, "counts", result)
    if not isinstance(counts, Counts):
        raise SpecError(f"{caller}: got {type(result).__name__}; give the Result of a run, or its .counts")
    return counts


def draw_bars(values: dict[str, float], title: str, ax: Any, *, log: bool = False) -> Any:
    """Draw named energies as horizontal bars on matplotlib axes, and return the axes."""
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(7, 1 + 0.3 * len(values)), layout="constrained")
    ax.barh(list(values), list(values.values()), log=log)
    ax.invert_yaxis()
    ax.set_xlabel("energy (J)")
    ax.set_title(title)
    return ax


def _label(part: str) -> str:
    return LABELS.get(part, part)
