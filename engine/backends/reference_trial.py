"""What the reference keeps for one trial and one probe, and events in flight as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .base import ListedFeed, Window
from .reference_deliver import Events
from .reference_update import OperatorRows

_SILENCE: Events = (np.zeros(0, np.int64), np.zeros(0, np.int32))
_KEYS = ("trials", "steps", "places", "payloads")


@dataclass
class Trial:
    """What belongs to one trial: state variables, operators, the events of the last steps, cells."""

    states: dict[str, dict[str, np.ndarray]]
    operators: dict[str, OperatorRows]
    cells: dict[str, np.ndarray]
    sent: dict[str, dict[int, Events]]
    feeds: dict[str, ListedFeed] = field(default_factory=dict)

    def events(self, group: str, step: int) -> Events:
        """Return what a group sent in a step."""
        return self.sent[group].get(step, _SILENCE)


@dataclass
class Recording:
    """What one probe has recorded since it was last asked."""

    window: Window
    places: np.ndarray
    chosen: np.ndarray
    spikes: list[tuple[np.ndarray, ...]] = field(default_factory=list)
    samples: list[list[np.ndarray]] = field(default_factory=list)
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def forget(self) -> None:
        """Drop what has been recorded."""
        self.spikes, self.samples = [], [[] for _ in self.samples]
        self.counts[:] = 0


def flight(group: str, sent: list[dict[int, Events]]) -> dict[str, np.ndarray]:
    """Return the events that a group has sent lately, by trial and step, as arrays for a snapshot."""
    columns: list[list[np.ndarray]] = [[], [], [], []]
    for trial, by_step in enumerate(sent):
        for step, (places, payloads) in sorted(by_step.items()):
            values = (np.full(places.size, trial), np.full(places.size, step), places, payloads)
            for column, part in zip(columns, values, strict=True):
                column.append(part)
    types = (np.int64, np.int64, np.int64, np.float64)
    return {
        f"flight/{group}/{key}": np.concatenate([np.zeros(0, dtype), *column]).astype(dtype)
        for key, column, dtype in zip(_KEYS, columns, types, strict=True)
    }


def landed(snapshot: dict[str, np.ndarray], group: str, trial: int, kind: np.dtype) -> dict[int, Events]:
    """Return one trial's events by step, with payloads of the given type."""
    trials, steps, places, payloads = (snapshot[f"flight/{group}/{key}"] for key in _KEYS)
    here = trials == trial
    return {
        int(step): (places[here & (steps == step)], payloads[here & (steps == step)].astype(kind))
        for step in np.unique(steps[here])
    }
