"""Binding neurons, operators and probes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...clocked import probe_window
from ...parts import Population, Probe
from ...planned import Arithmetic, GroupPlan
from ...random import stream_key
from . import record, watch
from .bind_operators import woken
from .bind_sources import lane_arguments, noise_arguments
from .kernel import Block, Kernel, compile_kernel
from .memory import Trial, copied, zeros
from .update import CHUNK, Shape, update_kernel

if TYPE_CHECKING:
    from .bind import Binder


#: Spikes that a part's buffer holds beyond one strip.
_SPIKE_BUFFER = 1 << 16


def update_block(binder: Binder, group: GroupPlan, trial: Trial, part: int) -> Block:
    """Return the update of one part of a population."""
    low, high = binder.share.stretch(group.name, part)
    kernel: Kernel
    kernel, arguments = binder.once(("update", group.name, part), lambda: _update_kernel(binder, group, part))
    own = binder.own(trial, part, group.name)
    states = {
        argument.name: trial.states[group.name, argument.name[2:]].parts[part]
        for argument in kernel.arguments
        if argument.name.startswith("s_")
    }
    for argument in kernel.arguments:
        if argument.name[:2] in ("c_", "x_"):
            arithmetic: Arithmetic = "fixed" if argument.name.startswith("c_") else "float"
            start = binder.share.start(arithmetic, part, group.name, argument.name[2:])
            cells = trial.fixed[part] if arithmetic == "fixed" else trial.floating[part]
            states[argument.name] = cells[start : start + high - low]
    if "taken" in kernel.places:
        value = trial.states[binder.plan.written[group.name], "value"].whole
        assert value is not None
        states["taken"] = value[low:high]
    old = [a for a in kernel.arguments if a.name.startswith("old_")]
    size = min(CHUNK, high - low)
    at_rest = binder.scratch(("old", group.name, part), lambda: {a.name: zeros(size, a.numpy) for a in old})
    if "still" in kernel.places:
        at_rest = {**at_rest, "still": binder.still(trial, group.name, part)}
    unit = group.part.payload == "unit"
    lists = binder.scratch(("lists", unit), lambda: _lists(1 if unit else CHUNK, binder.plan.real))
    if "came" in kernel.places:
        at_rest = {**at_rest, "came": lists["came"]}
    if "woken" in kernel.places:
        at_rest = {**at_rest, "woken": woken(binder, trial, group.name)}
    noisy = [p for p in binder.private.values() if p.part.target.label == group.name]
    noise: dict[str, Any] = {}
    for p in noisy:
        noise |= noise_arguments(binder, p, trial)
    if noisy:
        noise |= {**lane_arguments(), "close": zeros(256, np.int8), "close_ids": zeros(256, np.int32)}
    return kernel.pack(
        **arguments,
        **states,
        **noise,
        length=own["length"],
        tally=binder.tally(trial, group.name),
        fault=trial.faults[part],
        key=stream_key(binder.plan.network.seed, group.name, "uniform", trial.index),
        fired=lists["fired"],
        **at_rest,
        sent=lists["sent"],
        **{name: own[name] for name in ("ring_ids", "ring_counts", "ring_payload")},
    )


def _lists(payloads: int, real: np.dtype) -> dict[str, np.ndarray]:
    """Return room for the neurons of one chunk to which something came, which fired, and what they send."""
    return {
        "came": zeros(CHUNK, np.int32), "fired": zeros(CHUNK, np.int8), "sent": zeros(payloads, real)
    }  # fmt: skip


def _update_kernel(binder: Binder, group: GroupPlan, part: int) -> tuple[Kernel, dict[str, Any]]:
    """Return a population's update kernel, and the arguments that are the same in every trial."""
    assert isinstance(group.part, Population)
    model, real = group.part.model, binder.plan.real
    low, high = binder.share.stretch(group.name, part)
    constants = {name: np.asarray(value) for name, value in model.constants(binder.plan.dt).items()}
    whole = frozenset(name for name, value in constants.items() if value.dtype.kind in "iu")
    shape = Shape(
        arrays=frozenset(name for name, value in constants.items() if value.ndim),
        integers=whole,
        fixed=frozenset(r.name for r in group.receptors if r.grid is not None),
        floating=frozenset(r.name for r in group.receptors if r.floating),
        noisy=frozenset(
            p.part.receptor_name for p in binder.private.values() if p.part.target.label == group.name
        ),
        real=binder.real,
        at_rest=model.at_rest_without_input,
        bursts=model.events_in is not None,
        takes=model.takes,
        watched=group.name in binder.watched,
    )
    arguments: dict[str, Any] = {
        "n": high - low,
        "low": low,
        "total": group.n,
        "group": list(binder.plan.groups).index(group.name),
    }
    for name, value in constants.items():
        dtype = np.int32 if name in whole else real
        arguments[f"k_{name}"] = copied(group.stored(value)[low:high], dtype) if value.ndim else value
    if model.events_in is not None:
        arguments["events_in"] = copied(model.events_in, np.int32)
    for receptor in group.receptors:
        if receptor.grid is not None:
            arguments[f"step_{receptor.name}"] = receptor.grid.step
    return update_kernel(model, shape), arguments


def watch_block(binder: Binder, trial: Trial, part: int) -> Block:
    """Return the look at whether one part of anything has sent something."""
    rings = [ring for name, ring in trial.rings.items() if name not in binder.private]
    words = [(ring.sent(part).ctypes.data, ring.length) for ring in rings]
    return compile_kernel(watch.watch).pack(
        rings=copied(np.array(words, np.int64), np.int64), busy=binder.busy[trial.index, part : part + 1]
    )


def record_block(binder: Binder, probe: Probe, trial: Trial, part: int) -> Block | None:
    """Return the recording of one part of what a probe looks at."""
    group = binder.plan.group_of(probe.group)
    window = probe_window(probe, binder.plan.dt)
    if group.name in binder.private:
        return None
    own = binder.own(trial, part, group.name)
    low, high = own.pop("low"), own.pop("high")
    places = np.sort(group.places(probe.recorded()))
    options = {"PAYLOAD": binder.payload(group)}
    counted = int(group.part.payload == "integer" and not isinstance(group.part, Population))
    if probe.variable == "spikes":
        chosen = np.zeros(group.n, np.uint8)
        chosen[places] = 1
        # A run stops between strips only: what is left must hold a whole strip.
        reserve = (high - low) * binder.schedule.strip
        size = _SPIKE_BUFFER + reserve
        return compile_kernel(record.record_spikes, **options).pack(
            start=window.start, stop=window.stop, chosen=chosen, counted=counted, low=low,
            steps=np.empty(size, np.int64), places=np.empty(size, np.int32),
            times=np.empty(size if counted else 1, np.int32), filled=zeros(1, np.int64), reserve=reserve,
            **own,
        )  # fmt: skip
    if probe.variable == "counts":
        return compile_kernel(record.record_counts, **options).pack(
            start=window.start,
            stop=window.stop,
            counted=counted,
            low=low,
            counts=np.zeros(group.n, np.int64),
            **own,
        )
    mine = places[(places >= low) & (places < high)]
    variable = trial.states[group.name, probe.variable].parts[part]
    kernel = compile_kernel(
        record.record_trace, real=binder.real, VARIABLE="i4" if variable.dtype == np.int32 else binder.real
    )
    return kernel.pack(
        start=window.start, stop=window.stop, every=window.every, variable=variable, places=mine - low,
        samples=np.zeros(0, binder.plan.real), filled=np.zeros(1, np.int64),
    )  # fmt: skip
