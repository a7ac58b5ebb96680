"""One run on several chips, side by side, with the spread."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engine.counts import Counts
from ..neurons.errors import SpecError
from .chip import Chip, chips
from .constant import with_prefix
from .energy import Energy, counts_of, draw_bars, energy


@dataclass(frozen=True)
class Comparison:
    """Energies of one run on several chips, cheapest first; iterates over them, prints as a table.

    Attributes
    ----------
    energies : tuple of Energy
        One for each chip.
    """

    energies: tuple[Energy, ...]

    def __iter__(self) -> Iterator[Energy]:
        return iter(self.energies)

    def __len__(self) -> int:
        return len(self.energies)

    def __getitem__(self, name: str) -> Energy:
        for one in self.energies:
            if one.chip.name == name:
                return one
        have = ", ".join(one.chip.name for one in self.energies)
        raise SpecError(f"Comparison: no chip is called {name!r}; it has {have}")

    @property
    def spread(self) -> float:
        """Highest estimate over the lowest that is not zero; NaN if all are zero."""
        joules = [one.joules for one in self.energies if one.joules > 0.0]
        return max(joules) / min(joules) if joules else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: chip to joules per trial, details, and the spread (None if all cost zero)."""
        return {
            "energy_j": {one.chip.name: one.per_inference for one in self.energies},
            "spread": None if math.isnan(self.spread) else self.spread,
            "chips": [one.to_dict() for one in self.energies],
        }

    def __str__(self) -> str:
        sources: dict[str, str] = {}
        head = f"{'chip':<16}{'energy':>10}{'per trial':>11}  {'kind':<7}{'evidence':<21}"
        lines = [f"{head}{'source':<14}not priced"]
        for one in self.energies:
            evidence = ", ".join(dict.fromkeys(c.evidence for c in one.constants.values()))
            marks = [sources.setdefault(source, f"[{len(sources) + 1}]") for source in one.sources]
            lines.append(
                f"{one.chip.name:<16}{with_prefix(one.joules, 'J'):>10}"
                f"{with_prefix(one.per_inference, 'J'):>11}  {one.chip.kind:<7}{evidence:<21}"
                f"{''.join(marks):<14}{', '.join(one.unpriced) or '-'}"
            )
        lines.append(f"spread: highest over lowest {self.spread:.3g}")
        return "\n".join(lines + [f"{mark} {source}" for source, mark in sources.items()])

    def bars(self, ax: Any = None) -> Any:
        """Draw joules per trial of every chip on a logarithmic scale; return the matplotlib axes."""
        values = {one.chip.name: one.per_inference for one in self.energies}
        return draw_bars(values, "energy per trial", ax, log=True)


def compare_chips(
    result: Any, chips: Iterable[str | Path | Chip] | None = None, *, passes: int | None = None
) -> Comparison:
    """Estimate what a run would cost on several chips.

    Parameters
    ----------
    result : Result or Counts
        The run.
    chips : iterable of str, Path or Chip, optional
        Which; all that come with the package if None, without those that pass over the network in every
        step where the run has no steps and `passes` is left out.
    passes : int, optional
        For dense machines, as in `energy`.

    Returns
    -------
    Comparison

    Raises
    ------
    SpecError, FormatError
        As `energy`; also if no chip is given.

    Examples
    --------
    >>> from rheobase.engine.counts import Counts, PopulationCounts
    >>> cells = PopulationCounts(name="a", kind="LIF", n=10, spikes=3, updates=1000)
    >>> run = Counts(steps=100, trials=1, dt=1e-3, populations=(cells,), projections=())
    >>> [one.chip.name for one in compare_chips(run, ["spinnaker2", "loihi"])]
    ['loihi', 'spinnaker2']
    """
    counts = counts_of(result, "compare_chips")
    wanted = (
        _shipped(counts, passes) if chips is None else ((chips,) if isinstance(chips, str) else tuple(chips))
    )
    if not wanted:
        raise SpecError("compare_chips: chips is empty; name at least one, or leave it out for all")
    found = [energy(counts, chip, passes=passes) for chip in wanted]
    return Comparison(tuple(sorted(found, key=lambda one: one.joules)))


def _shipped(counts: Counts, passes: int | None) -> tuple[str, ...]:
    if passes is None and counts.gridless:
        return tuple(name for name in chips() if Chip.load(name).passes != "every step")
    return chips()
