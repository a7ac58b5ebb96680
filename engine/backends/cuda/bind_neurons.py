"""Binding populations, operators and probes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...clocked import probe_window
from ...initial import initial_state
from ...parts import Population, Probe
from ...planned import GroupPlan
from ..base import Window
from . import fields as f
from .bind_sources import keys_of, noise_record
from .store import Place

if TYPE_CHECKING:
    from .bind import Binder

#: Bytes that the samples of one launch may take.
_SAMPLE_BYTES = 64 << 20


def bind_population(binder: Binder, group: GroupPlan) -> None:
    """Bind a population: its state, its constants, and its receptors."""
    plan, store, record = binder.plan, binder.store, binder.groups[group.name]
    assert isinstance(group.part, Population)
    model, layout = group.part.model, binder.layout_of[group.name]
    fields = {
        f.G_KIND: binder.model_number(model, layout),
        layout.keys: keys_of(binder, group.name, "uniform"),
    }
    initial = [initial_state(plan, group, trial) for trial in range(plan.trials)]
    for k, (state, kind) in enumerate(layout.states):
        vector = "reals" if kind == "float" else "wholes"
        place = store.place(vector, np.stack([values[state] for values in initial]), (plan.trials, group.n))
        binder.places["state", group.name, state] = place
        fields[layout.first_state + k] = place.start
    for k, value in enumerate(model.constants(plan.dt).values()):
        array = np.asarray(value)
        whole = layout.constants[k][1]
        at = store.put("wholes" if whole else "reals", group.stored(array) if array.ndim else array)
        fields[layout.first_constant + 2 * k], fields[layout.first_constant + 2 * k + 1] = at, array.ndim > 0
    private = {p.part.receptor_name: p for p in binder.private.values() if p.part.target.label == group.name}
    for k, receptor in enumerate(group.receptors):
        at = layout.first_receptor + f.RECEPTOR * k
        if receptor.grid is not None:
            fields[at + f.R_FIXED] = binder.cells["fixed"].offsets[group.name, receptor.name]
            fields[at + f.R_STEP] = store.put("reals", receptor.grid.step)
        if receptor.floating:
            fields[at + f.R_FLOAT] = binder.cells["float"].offsets[group.name, receptor.name]
        if receptor.name in private:
            fields[at + f.R_NOISE] = noise_record(binder, private[receptor.name])
    if model.takes:
        fields[layout.taken] = binder.places["operator", plan.written[group.name], "value"].start
    store.fill(record, fields)
    binder.add(f.UPDATE, group.level, binder.words(group.name))


@dataclass(frozen=True)
class BoundProbe:
    """A probe as it is bound.

    Attributes
    ----------
    probe : Probe
        The description.
    window : Window
        When it records.
    number : int
        Its number in the codes of recorded spikes.
    places : int64 (n,)
        Places of storage that it looks at, ascending.
    n_group : int
        Neurons of its group.
    counts : Place or None
        Where spikes are counted.
    first_sample, slots : int
        Where its samples start, and for how many there is room.
    """

    probe: Probe
    window: Window
    number: int
    places: np.ndarray
    n_group: int
    counts: Place | None
    first_sample: int
    slots: int


def bind_probes(binder: Binder) -> dict[str, BoundProbe]:
    """Bind all probes; those of one group follow one another."""
    plan, found, number = binder.plan, {}, 0
    sampled = [p for p in plan.probes if p.variable not in ("spikes", "counts")]
    each = max(sum(p.recorded().size for p in sampled) * plan.trials * plan.real.itemsize, 1)
    slots = min(max(_SAMPLE_BYTES // each, 1), f.MOST_STEPS)
    for group in plan.groups.values():
        mine = [p for p in plan.probes if p.group.label == group.name]
        first = len(binder.store.table)
        for probe in mine:
            found[probe.label] = _bind_probe(binder, group, probe, number, slots)
            number += 1
        binder.store.fill(binder.groups[group.name], {f.G_PROBES: first, f.G_N_PROBES: len(mine)})
    return {probe.label: found[probe.label] for probe in plan.probes}


def _bind_probe(binder: Binder, group: GroupPlan, probe: Probe, number: int, slots: int) -> BoundProbe:
    store, trials = binder.store, binder.plan.trials
    window = probe_window(probe, binder.plan.dt)
    places = np.sort(group.places(probe.recorded()))
    at = -1
    if places.size < group.n:
        index = np.full(group.n, -1, np.int32)
        index[places] = np.arange(places.size)
        at = store.put("wholes", index)
    counts, out, kind = None, 0, {"spikes": f.SPIKES, "counts": f.COUNTS}.get(probe.variable, f.SAMPLES)
    if kind == f.COUNTS:
        counts = store.place("longs", None, (trials, places.size))
        out = counts.start
    elif kind == f.SAMPLES:
        out = store.room("samples", slots * trials * places.size)
    fields: dict[int, Any] = {
        f.B_KIND: kind, f.B_START: window.start, f.B_STOP: window.stop, f.B_EVERY: window.every,
        f.B_PLACES: at, f.B_N: places.size, f.B_OUT: out, f.B_SLOTS: slots,
        f.B_VARIABLE: _variable(group, probe),
        f.B_NUMBER: number,
    }  # fmt: skip
    store.fill(store.record(f.PROBE), fields)
    return BoundProbe(probe, window, number, places, group.n, counts, out, slots)


def _variable(group: GroupPlan, probe: Probe) -> int:
    if not isinstance(group.part, Population) or probe.variable in ("spikes", "counts"):
        return 0
    return [state.name for state in group.part.model.used_states].index(probe.variable)
