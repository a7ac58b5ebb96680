"""State of a CUDA machine as arrays, and back: events in flight are kept as bits, and pushed again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...parts import Operator, Population
from ..private import drawn_events
from . import fields as f
from .store import Place

if TYPE_CHECKING:
    from .machine import CudaMachine

_COLUMNS = ("trials", "steps", "places", "payloads")
_KINDS = (np.int64, np.int64, np.int64, np.float64)


def take_snapshot(machine: CudaMachine) -> dict[str, np.ndarray]:
    """Return all state, in the keys that every backend uses."""
    plan, binder = machine.plan, machine.binder
    saved = {"now": np.array([machine.now], np.int64)}
    for group in plan.groups.values():
        if isinstance(group.part, Population):
            for state in group.part.model.used_states:
                saved[f"state/{group.name}/{state.name}"] = machine.state(group.name, state.name)
        elif isinstance(group.part, Operator):
            for name in ("value", "last"):
                saved[f"{name}/{group.name}"] = machine.state(group.name, name)
        if plan.reach[group.name] > 0:
            saved |= _flight(machine, group.name)
    for name in (owner for kind, owner, _ in binder.places if kind == "weights"):
        saved |= {f"weights/{name}": machine.weights(name), **machine.learned(name)}
    return saved


def _flight(machine: CudaMachine, group: str) -> dict[str, np.ndarray]:
    """Return the events that a group has sent lately."""
    plan, reach = machine.plan, machine.plan.reach[group]
    steps = range(max(machine.now - reach, 0), machine.now)
    events = _drawn if group in machine.binder.private else _Ring(machine, group)
    columns: list[list[np.ndarray]] = [[], [], [], []]
    for trial in range(plan.trials):
        for step in steps:
            places, payloads = events(machine, group, trial, step)
            values = (np.full(places.size, trial), np.full(places.size, step), places, payloads)
            for column, part in zip(columns, values, strict=True):
                column.append(part)
    return {
        f"flight/{group}/{name}": np.concatenate([np.zeros(0, kind), *column]).astype(kind)
        for name, kind, column in zip(_COLUMNS, _KINDS, columns, strict=True)
    }


def _drawn(machine: CudaMachine, group: str, trial: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    return drawn_events(machine.plan, group, trial, step)


class _Ring:
    """The ring of a group's events, read from the card."""

    def __init__(self, machine: CudaMachine, group: str) -> None:
        places = machine.binder.places
        self.n = machine.plan.groups[group].n
        bits = machine.read(places["bits", group, ""])
        self.sent = np.unpackbits(bits.view(np.uint8), axis=-1, bitorder="little")[..., : self.n]
        payloads = places["payloads", group, ""]
        self.payloads = machine.read(payloads) if payloads.size else None

    def __call__(
        self, machine: CudaMachine, group: str, trial: int, step: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return places and payloads of one step's events."""
        slot = step % len(self.sent)
        places = np.flatnonzero(self.sent[slot, trial])
        return places, np.ones(places.size) if self.payloads is None else self.payloads[slot, trial, places]


def put_snapshot(machine: CudaMachine, snapshot: dict[str, np.ndarray]) -> None:
    """Set all state from a snapshot."""
    machine.now = int(snapshot["now"][0])
    machine.forget()
    for (kind, owner, name), place in machine.binder.places.items():
        key = {
            "state": f"state/{owner}/{name}", "operator": f"{name}/{owner}", "weights": f"weights/{owner}",
            "trace": f"trace/{owner}/{name}", "shared": f"shared/{owner}/{name}",
            "synapse": f"synapse/{owner}/{name}",
        }.get(kind)  # fmt: skip
        if kind == "cells" or (kind == "list" and name == "counts"):
            machine.clear(place)
        elif key in snapshot:
            machine.write(place, snapshot[key].reshape(place.shape))
        elif kind == "operator" and name == "fresh":
            machine.write(place, snapshot[f"value/{owner}"][:, machine.binder.operations[owner].places])
    for group in machine.plan.groups:
        if group not in machine.binder.private:
            _land(machine, group, snapshot)


def _land(machine: CudaMachine, group: str, snapshot: dict[str, np.ndarray]) -> None:
    """Put the events of a group back into its ring, and push again what has not arrived."""
    places = machine.binder.places
    bits, payloads = places["bits", group, ""], places["payloads", group, ""]
    machine.clear(bits)
    machine.clear(payloads)
    if not snapshot.get(f"flight/{group}/steps", np.zeros(0)).size:
        return
    slots, trials, words = bits.shape
    sent = np.zeros((slots, trials, words * 32), np.uint8)
    carried = np.zeros(payloads.shape)
    t, s, p, w = (snapshot[f"flight/{group}/{name}"] for name in _COLUMNS)
    sent[s % slots, t, p] = 1
    if payloads.size:
        carried[s % slots, t, p] = w
    for rows, record in machine.binder.links.get(group, ()):
        _push(machine, rows, record, (t, s, p, w))
    machine.write(bits, np.packbits(sent, axis=-1, bitorder="little").view(np.uint32))
    if payloads.size:
        machine.write(payloads, carried)


def _push(machine: CudaMachine, rows: int, record: int, events: tuple[np.ndarray, ...]) -> None:
    """Push events that were sent before, as far as they arrive from now on."""
    places, slots = machine.binder.places, machine.binder.store.table[f.FIXED_SLOTS]
    counts, entries = places["list", str(record), "counts"], places["list", str(record), "entries"]
    trials, steps, sources, payloads = events
    made = np.zeros((steps.size, f.ENTRY), np.int64)
    made[:, f.E_ROW], made[:, f.E_PAYLOAD] = rows + sources, payloads
    made[:, f.E_SLOT], made[:, f.E_TRIAL], made[:, f.E_LEAST] = steps % slots, trials, machine.now - steps
    for first in range(0, len(made), entries.shape[0]):
        some = made[first : first + entries.shape[0]]
        machine.write(Place(entries.vector, entries.start, some.shape), some)
        machine.write(counts, [len(some), 0])
        machine.push()
        machine.clear(counts)
