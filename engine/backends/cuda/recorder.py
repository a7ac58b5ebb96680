"""What probes record on the card, in buffers that are emptied after every launch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...plan import Plan
from ...sources import Source
from ..base import SpikeChunk
from . import fields as f
from .bind_neurons import BoundProbe
from .card import Card, Vector

if TYPE_CHECKING:
    from .bind import Binder

#: Spikes that one launch may record, unless a single step can send more.
_SPIKES = 1 << 24


class Recorder:
    """Buffers of one launch, and what earlier ones recorded.

    A launch is so short that no buffer can overflow, whoever fires: nothing is lost and nobody waits.

    Attributes
    ----------
    stretch : int
        Steps that one launch may have.
    """

    def __init__(self, binder: Binder) -> None:
        plan = binder.plan
        self._trials, self._real = plan.trials, plan.real
        self._bits = binder.place_bits, (plan.trials - 1).bit_length()
        self._probes = binder.probes
        self._spiking = {b.number: name for name, b in binder.probes.items() if b.probe.variable == "spikes"}
        self._sampled = {name: b for name, b in binder.probes.items() if _samples(b)}
        each = plan.trials * sum(_most(plan, self._probes[name]) for name in self._spiking.values())
        self._room = max(min(_SPIKES, each * f.MOST_STEPS), each, 1)
        self._n_samples = sum(b.slots * plan.trials * b.places.size for b in self._sampled.values())
        steps = [f.MOST_STEPS, self._room // each if each else f.MOST_STEPS]
        steps += [b.slots * b.window.every for b in self._sampled.values()]
        stretch = max(min(steps), 1)
        self.stretch = stretch // binder.strip * binder.strip or stretch
        self._spikes: dict[str, list[SpikeChunk]] = {}
        self._samples: dict[str, list[np.ndarray]] = {}

    def buffers(self, card: Card) -> dict[str, Vector]:
        """Return the vectors that one launch records into, by their names in `Memory`."""
        return {
            "spiked": card.zeros(self._room, np.dtype(np.int64)),
            "samples": card.zeros(max(self._n_samples, 1), self._real),
            "marks": card.zeros(f.MARKS, np.dtype(np.int64)),
        }

    def take(self, card: Card, event: Any, memory: Any, first: int, last: int, marks: np.ndarray) -> None:
        """Take what a launch of the steps from `first` to before `last` recorded."""
        n = int(marks[f.M_SPIKED])
        if n:
            self._take_spikes(card.read_behind(event, memory.spiked, n), first)
        if any(b.window.samples(first, last).size for b in self._sampled.values()):
            values = card.read_behind(event, memory.samples, self._n_samples)
            for name, bound in self._sampled.items():
                self._take_samples(name, bound, values, bound.window.samples(first, last))

    def _take_spikes(self, codes: np.ndarray, first: int) -> None:
        codes = np.sort(codes)  # by probe, step, trial and place
        place_bits, trial_bits = self._bits
        places, rest = codes & ((1 << place_bits) - 1), codes >> place_bits
        trials, rest = rest & ((1 << trial_bits) - 1), rest >> trial_bits
        steps, numbers = rest & (f.MOST_STEPS - 1), rest >> f.STEP_BITS
        for number, name in self._spiking.items():
            mine = slice(None) if len(self._spiking) == 1 else numbers == number
            chunk = SpikeChunk(steps[mine] + first, places[mine], trials[mine])
            self._spikes.setdefault(name, []).append(chunk)

    def _take_samples(self, name: str, bound: BoundProbe, values: np.ndarray, steps: np.ndarray) -> None:
        shape = (bound.slots, self._trials, bound.places.size)
        mine = values[bound.first_sample : bound.first_sample + int(np.prod(shape))].reshape(shape)
        slots = (steps - bound.window.start) // bound.window.every % bound.slots
        self._samples.setdefault(name, []).append(mine[slots].swapaxes(0, 1).copy())

    def take_spikes(self, probe: str) -> SpikeChunk:
        """Return, and forget, the spikes of one probe."""
        chunks, empty = self._spikes.pop(probe, []), np.zeros(0, np.int64)
        return SpikeChunk(
            *(
                np.concatenate([empty, *(getattr(c, name) for c in chunks)])
                for name in ("steps", "places", "trials")
            )
        )

    def take_samples(self, probe: str) -> np.ndarray:
        """Return, and forget, the samples of one probe: (trials, n_samples, n_recorded)."""
        empty = np.zeros((self._trials, 0, self._probes[probe].places.size), self._real)
        return np.concatenate([empty, *self._samples.pop(probe, [])], axis=1)

    def forget(self) -> None:
        """Drop what has been recorded."""
        self._spikes.clear()
        self._samples.clear()


def _most(plan: Plan, bound: BoundProbe) -> int:
    """Return how many spikes a probe may record in a step of one trial, at most."""
    group = plan.group_of(bound.probe.group)
    several = isinstance(group.part, Source) and group.part.payload == "integer"
    return bound.places.size * (group.payload_bound if several else 1)


def _samples(bound: BoundProbe) -> bool:
    return bound.probe.variable not in ("spikes", "counts")
