"""Events in flight as arrays, and back."""

from __future__ import annotations

import numpy as np

from .reference_deliver import Events

_KEYS = ("trials", "steps", "places", "payloads")


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
