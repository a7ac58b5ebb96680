"""Which counted thing is multiplied with which price: one table for each kind of machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..engine.counts import Counts, PopulationCounts, ProjectionCounts
from .chip import Chip
from .constant import Constant

#: What the terms are called in reports.
LABELS = {
    "synaptic_event": "synaptic events",
    "ac": "additions (AC)",
    "mac": "multiply-additions (MAC)",
    "weight_bit": "weight bits read",
    "weight_update": "weight updates",
    "neuron_update": "neuron updates",
    "state_bit": "state bits read and written",
    "spike": "spikes sent",
    "packet": "spike packets",
    "static_power": "static power",
}
_PER_PROJECTION: dict[str, Callable[[ProjectionCounts], int]] = {
    "synaptic_event": lambda p: p.events,
    "ac": lambda p: p.events if p.arithmetic == "ac" else 0,
    "mac": lambda p: p.events if p.arithmetic == "mac" else 0,
    "weight_bit": lambda p: p.events * p.weight_bits,
    "weight_update": lambda p: p.weight_updates,
    "packet": lambda p: p.packets,
}
_WORD_BITS = 32
_PER_POPULATION: dict[str, Callable[[PopulationCounts], int]] = {
    "neuron_update": lambda p: p.updates,
    "state_bit": lambda p: p.updates * p.state_words * _WORD_BITS,
    "spike": lambda p: 0 if p.is_source else p.spikes,
}


@dataclass(frozen=True)
class Charge:
    """One count times one price.

    Attributes
    ----------
    part : str
        What is charged, a key of `LABELS` or "operation: KIND".
    place : "projection", "population", "operator" or "run"
        What kind of thing caused it.
    owner : str
        The name of the projection, population or operator; empty for the whole run.
    count : float
        How many (events, updates, bits, ...), or seconds for static power.
    constant : Constant or None
        The price, None where the chip gives none.
    """

    part: str
    place: str
    owner: str
    count: float
    constant: Constant | None

    @property
    def joules(self) -> float:
        """Count times price; zero where there is no price."""
        return self.count * self.constant.si if self.constant else 0.0


def event_charges(counts: Counts, chip: Chip) -> Iterator[Charge]:
    """Yield what an event-driven machine pays, and with no price what its file does not cover."""
    constants, covered = chip.constants, _covered(chip)

    def charge(part: str, place: str, owner: str, count: float) -> Iterator[Charge]:
        if count and part not in covered:
            yield Charge(part, place, owner, count, constants.get(part))

    for projection in counts.projections:
        for part, count in _PER_PROJECTION.items():
            yield from charge(part, "projection", projection.name, count(projection))
    for population in counts.populations:
        for part, count_of in _PER_POPULATION.items():
            yield from charge(part, "population", population.name, count_of(population))
    for operator in counts.operators:
        yield from charge("state_bit", "operator", operator.name, operator.words * _WORD_BITS)
    yield from _operation_charges(counts, chip)
    yield from charge("static_power", "run", "", counts.seconds * counts.trials)


def dense_charges(counts: Counts, chip: Chip, passes: int | None) -> Iterator[Charge]:
    """Yield what a dense machine pays for `passes` runs of the whole network per trial.

    One that runs the original network once does not pay for what only turns its input into spikes.
    """
    if passes is None:
        passes = counts.steps if chip.passes == "every step" else 1
    # A run from event to event has no steps, and updates only what something happens to.
    runs = passes * counts.trials if counts.steps else 0
    encoders = _encoders(counts) if chip.passes == "once" else set()
    for projection in counts.projections:
        if projection.n_synapses and runs and projection.post not in encoders:
            macs = projection.n_synapses * runs
            yield Charge("mac", "projection", projection.name, macs, chip.constants.get("mac"))
    if "neuron_update" not in chip.includes:
        price = chip.constants.get("neuron_update")
        for population in counts.populations:
            if runs and not population.is_source and population.name not in encoders:
                yield Charge("neuron_update", "population", population.name, population.n * runs, price)


def _encoders(counts: Counts) -> set[str]:
    """Return the populations that hear nothing but frames, value by value."""
    frames = {population.name for population in counts.populations if population.kind == "FrameSource"}
    encoding = [p for p in counts.projections if p.kind == "one_to_one" and p.pre in frames]
    return {p.post for p in encoding} - {p.post for p in counts.projections if p not in encoding}


def _covered(chip: Chip) -> set[str]:
    """Return the terms that another price already contains."""
    covered = set(chip.includes)
    if "ac" in chip.constants:
        covered.add("synaptic_event")
    else:
        # Without a price of its own, a multiplication is part of the synaptic event.
        covered |= {"ac", "mac"}
    if chip.operations:
        covered.add("neuron_update")
    return covered


def _operation_charges(counts: Counts, chip: Chip) -> Iterator[Charge]:
    if chip.operations:
        for population in counts.populations:
            for kind, each in population.operations.items():
                if each and population.updates:
                    count, price = each * population.updates, chip.operations.get(kind)
                    yield Charge(f"operation: {kind}", "population", population.name, count, price)
    for operator in counts.operators:
        for kind, count in operator.evaluations.items():
            if count:
                yield Charge(
                    f"operation: {kind}", "operator", operator.name, count, chip.operations.get(kind)
                )
