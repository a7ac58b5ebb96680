"""From what users describe or hand to `run` to what machines are fed with, checked on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..neurons.errors import SpecError
from ..neurons.model import MOST_STEPS, steps_of
from .backends.base import CountFeed, Feed, SpikeFeed, TimedFeed, ValueFeeds
from .binning import bin_in_order, sort_by_place
from .checks import check_spikes
from .events import MOST_TICKS
from .groups import Part
from .network import Network
from .plan import Plan
from .planned import GroupPlan
from .planning import LARGEST_SPIKE_COUNT
from .sources import CurrentSource, FrameSource, SpikeSource


@dataclass(frozen=True)
class Stretch:
    """The run that inputs are for.

    Attributes
    ----------
    plan : Plan
        What runs.
    batched : bool
        Whether the user asked for trials side by side.
    start : int
        The simulation's step at which the run begins.
    steps : int
        Its length in steps.
    """

    plan: Plan
    batched: bool
    start: int
    steps: int


def is_fed(part: Part) -> bool:
    """Return whether a source takes its events or values from run(inputs=...)."""
    if isinstance(part, SpikeSource):
        return part.times is None
    return isinstance(part, CurrentSource | FrameSource) and part.values is None


def described_feeds(plan: Plan) -> dict[str, Sequence[Feed]]:
    """Return the feeds of all sources that hold their own events or values, from time 0.

    Raises
    ------
    SpecError
        If a train sends too many spikes in one step.
    """
    feeds: dict[str, Sequence[Feed]] = {}
    for group in plan.groups.values():
        part = group.part
        if isinstance(part, SpikeSource) and part.times is not None and part.ids is not None:
            feeds[group.name] = [_listed(group, part.times, part.ids, plan, 0)] * plan.trials
        elif isinstance(part, CurrentSource) and part.values is not None:
            feeds[group.name] = _current(plan, group, part, part.values[None], 0)
        elif isinstance(part, FrameSource) and part.values is not None:
            feeds[group.name] = _values(plan, group, part.values.reshape(1, 1, -1), 0, hold=True)
    return feeds


def given_feeds(stretch: Stretch, inputs: Mapping[Any, Any]) -> dict[str, Sequence[Feed]]:
    """Return the feeds of all sources without events or values of their own; silence where none are given.

    Parameters
    ----------
    stretch
        The run; times of inputs count from its beginning.
    inputs
        Source or its name -> spikes (a SpikeSource: (times, ids), a list of such pairs for the
        trials, or counts [steps, n] or [trials, steps, n], which may be a CuPy array), values (a
        CurrentSource: [n], [rows, n] or [trials, rows, n]) or frames (a FrameSource: its shape, one for
        each trial of a batch, or one for each step: [steps, ...] without a batch, [trials, steps, ...]).

    Raises
    ------
    SpecError
        If a source is unknown or not fed, a shape is wrong, or something is out of range.
    """
    if not isinstance(inputs, Mapping):
        raise SpecError(f"run.inputs: got {type(inputs).__name__}; allowed is a dict from sources to values")
    by_name = {_name_of(stretch.plan.network, key): value for key, value in inputs.items()}
    if len(by_name) < len(inputs):
        raise SpecError("run.inputs: names a source twice; give each once, by itself or by its name")
    feeds: dict[str, Sequence[Feed]] = {}
    for group in stretch.plan.groups.values():
        if is_fed(group.part):
            value = by_name.get(group.name)
            feeds[group.name] = _silent(group, stretch) if value is None else _given(group, stretch, value)
    return feeds


def _name_of(network: Network, key: Any) -> str:
    if isinstance(key, Part) and key not in network:
        raise SpecError(f"run.inputs: {key.label} is not a part of this network; feed a source of its own")
    part = network[key] if isinstance(key, str) else key
    if not isinstance(part, Part):
        raise SpecError(f"run.inputs: got the key {key!r}; allowed is a source or its name")
    if not is_fed(part):
        fed = [source.label for source in network.sources if is_fed(source)]
        raise SpecError(
            f"run.inputs: {part.label} ({type(part).__name__}) is not fed by inputs; sources without "
            f"values of their own are {fed or 'none'}"
        )
    return part.label


def _silent(group: GroupPlan, stretch: Stretch) -> Sequence[Feed]:
    trials, real = stretch.plan.trials, stretch.plan.real
    if isinstance(group.part, SpikeSource):
        nothing = np.zeros(0, np.int32)
        if stretch.plan.gridless:
            return [TimedFeed(np.zeros(0, np.int64), nothing, nothing)] * trials
        return [SpikeFeed(stretch.start, np.zeros(1, np.int64), nothing, nothing)] * trials
    return ValueFeeds(stretch.start, 1, np.zeros((trials, 0, group.n), real), False)


def _given(group: GroupPlan, stretch: Stretch, value: Any) -> Sequence[Feed]:
    if isinstance(group.part, SpikeSource):
        return _spikes(group, stretch, value)
    if isinstance(group.part, CurrentSource):
        return _currents(group, stretch, group.part, value)
    return _frames(group, stretch, value)


def _whole(counts: np.ndarray) -> np.ndarray:
    """Return real numbers that are all whole, as torch has spikes, as whole ones; all else as it is."""
    if counts.dtype.kind != "f" or not np.all((counts == np.rint(counts)) & (np.abs(counts) < 2**31)):
        return counts
    return counts.astype(np.int64)


def _spikes(group: GroupPlan, stretch: Stretch, value: Any) -> Sequence[Feed]:
    trials = stretch.plan.trials
    if isinstance(value, tuple) and len(value) == 2:
        return [_timed(group, stretch, value)] * trials
    if isinstance(value, Sequence) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        if len(value) != trials:
            raise SpecError(f"inputs of {group.name}: got spikes of {len(value)} trials; there are {trials}")
        return [_timed(group, stretch, pair) for pair in value]
    if stretch.plan.gridless:
        raise SpecError(
            f"inputs of {group.name}: got {type(value).__name__}; without a grid allowed is (times, ids), or "
            f"a list of such pairs for {trials} trial(s)"
        )
    on_card = hasattr(value, "__cuda_array_interface__") and hasattr(value, "get")
    counts: Any = value if on_card else _whole(np.asarray(value))
    shape = group.part.shape
    if counts.ndim > len(shape) and counts.shape[counts.ndim - len(shape) :] == shape:
        counts = counts.reshape(*counts.shape[: counts.ndim - len(shape)], group.n)
    good = counts.ndim in (2, 3) and counts.shape[-1] == group.n and counts.dtype.kind in "biu"
    if not good or (counts.ndim == 3 and len(counts) != trials) or counts.shape[-2] > stretch.steps:
        turned = counts.ndim == 3 and counts.shape[1] == trials and len(counts) <= stretch.steps
        raise SpecError(
            f"inputs of {group.name}: got {counts.dtype} of shape {counts.shape}; allowed is (times, ids), a "
            f"list of such pairs for {trials} trial(s), or whole counts of shape [steps, {group.n}] or "
            f"[trials, steps, {group.n}] with up to {stretch.steps} steps"
            + (": swap the first two axes of what modules of to_torch take" if turned else "")
        )
    if counts.size and (counts.min() < 0 or counts.max() > LARGEST_SPIKE_COUNT):
        raise SpecError(
            f"inputs of {group.name}: got counts from {counts.min()} to {counts.max()}; allowed are 0 to "
            f"{LARGEST_SPIKE_COUNT}"
        )
    stored = counts if group.order is None else counts.take(group.order, axis=-1)
    small = stored.view(np.uint8) if stored.dtype == np.bool_ else stored.astype(np.uint8, copy=False)
    batch = small.reshape(-1, *small.shape[-2:])
    each: list[Feed] = [CountFeed(stretch.start, batch, index) for index in range(len(batch))]
    return each if counts.ndim == 3 else each * trials


def _timed(group: GroupPlan, stretch: Stretch, pair: tuple[Any, Any]) -> Feed:
    feed = _in_order(group, stretch, *pair)
    if feed is not None:
        return feed
    times, ids = check_spikes(f"inputs of {group.name}", *pair, group.n)
    last = int(steps_of(times[-1], stretch.plan.dt)) if times.size else 0
    if last >= stretch.steps:
        raise SpecError(
            f"inputs of {group.name}: a spike at {times[-1]:g} s falls into step {last}, but the run has "
            f"{stretch.steps} steps of {stretch.plan.dt:g} s; times count from the beginning of this run"
        )
    return _listed(group, times, ids, stretch.plan, stretch.start)


def _in_order(group: GroupPlan, stretch: Stretch, times: Any, ids: Any) -> SpikeFeed | None:
    """Return the feed of spikes that are right and in order of step and id, as most are, else None."""
    t, i = np.asarray(times), np.asarray(ids)
    plain = (
        not stretch.plan.gridless
        and t.dtype == np.float64
        and i.dtype.kind in "iu"
        and t.ndim == 1
        and t.shape == i.shape
    )
    if not plain:
        return None
    indptr, places = np.zeros(stretch.steps + 1, np.int64), np.empty(t.size, np.int32)
    if not bin_in_order(t, i.astype(np.int64, copy=False), group.n, stretch.plan.dt, indptr, places):
        return None
    if group.order is not None:
        # An image stored channel last: ids ascend by channel, so that counting by pixel sorts places.
        ids, places = places, np.empty_like(places)
        sort_by_place(indptr, group.places(ids), group.part.shape[0], group.n, places)
    return SpikeFeed(stretch.start, indptr, places, np.ones(t.size, np.int32))


def _listed(
    group: GroupPlan, times: np.ndarray, ids: np.ndarray, plan: Plan, start: int
) -> SpikeFeed | TimedFeed:
    """Return the feed of listed spikes: those of a train in one step become one event."""
    dt, most = plan.dt, most_steps(plan)
    steps, places = steps_of(times, dt), group.places(ids)
    if steps.size and steps[-1] >= most:
        raise SpecError(
            f"{group.name}: a spike at {times[-1]:g} s falls into step {steps[-1]} of {dt:g} s; allowed are "
            f"times (in seconds) before {most * dt:g} s"
        )
    length = int(steps[-1]) + 1 if steps.size else 0
    counts = np.ones(steps.size, np.int32)
    ascending = (steps[1:] > steps[:-1]) | ((steps[1:] == steps[:-1]) & (places[1:] > places[:-1]))
    if not ascending.all():
        pairs, counts = np.unique(np.stack([steps, places]), axis=1, return_counts=True)
        steps, places = pairs
    if counts.max(initial=0) > LARGEST_SPIKE_COUNT:
        raise SpecError(
            f"{group.name}: {counts.max()} spikes of one train fall into step {steps[np.argmax(counts)]}; "
            f"allowed are {LARGEST_SPIKE_COUNT}"
        )
    places, counts = places.astype(np.int32), counts.astype(np.int32, copy=False)
    if plan.gridless:
        return TimedFeed(steps + start, places, counts)
    indptr = np.searchsorted(steps, np.arange(length + 1))
    return SpikeFeed(start, indptr.astype(np.int64), places, counts)


def most_steps(plan: Plan) -> int:
    """Return how long a simulation may be, in steps."""
    return MOST_TICKS if plan.gridless else MOST_STEPS


def _currents(group: GroupPlan, stretch: Stretch, part: CurrentSource, value: Any) -> Sequence[Feed]:
    plan = stretch.plan
    values = _finite(group, value)
    shapes = f"[{group.n}], [rows, {group.n}] or [{plan.trials} trials, rows, {group.n}]"
    if values.ndim not in (1, 2, 3) or values.shape[-1] != group.n:
        raise SpecError(f"inputs of {group.name}: got shape {values.shape}; allowed is {shapes}")
    if values.ndim == 3 and len(values) != plan.trials:
        raise SpecError(f"inputs of {group.name}: got {len(values)} trials; allowed is {shapes}")
    row_steps = _row_steps(part, plan.dt)
    if values.ndim > 1 and values.shape[-2] > -(-stretch.steps // row_steps):
        raise SpecError(
            f"inputs of {group.name}: got {values.shape[-2]} rows of {row_steps} step(s); the run has "
            f"{stretch.steps} steps"
        )
    return _current(plan, group, part, values if values.ndim == 3 else values[None], stretch.start)


def _row_steps(part: CurrentSource, dt: float) -> int:
    return 1 if part.dt is None else max(int(steps_of(part.dt, dt)), 1)


def _current(
    plan: Plan, group: GroupPlan, part: CurrentSource, values: np.ndarray, start: int
) -> Sequence[Feed]:
    """Return the feeds of all trials, from values [trials, n], which hold, or [trials, rows, n]."""
    rows = values if values.ndim == 3 else values[:, None]
    return _values(plan, group, rows, start, hold=values.ndim == 2, row_steps=_row_steps(part, plan.dt))


def _frames(group: GroupPlan, stretch: Stretch, value: Any) -> Sequence[Feed]:
    plan, shape = stretch.plan, group.part.shape
    values = _finite(group, value)
    ahead = values.ndim - len(shape)
    if ahead not in (0, 1, 2) or values.shape[ahead:] != shape:
        raise _wrong_frames(group, stretch, values)
    values = values.reshape(*values.shape[:ahead], group.n)
    if ahead == 2 or (ahead == 1 and stretch.batched):
        if len(values) != plan.trials or (ahead == 2 and values.shape[1] > stretch.steps):
            raise _wrong_frames(group, stretch, values)
        rows = values if ahead == 2 else values[:, None]
        return _values(plan, group, rows, stretch.start, hold=ahead == 1)
    if ahead == 1 and len(values) > stretch.steps:
        raise _wrong_frames(group, stretch, values)
    return _values(plan, group, np.atleast_2d(values)[None], stretch.start, hold=ahead == 0)


def _wrong_frames(group: GroupPlan, stretch: Stretch, values: np.ndarray) -> SpecError:
    shape = ", ".join(map(str, group.part.shape))
    one = f"[{stretch.plan.trials} trials, {shape}]" if stretch.batched else f"[steps, {shape}]"
    return SpecError(
        f"inputs of {group.name}: got shape {values.shape}; allowed is [{shape}], {one} or "
        f"[{stretch.plan.trials} trials, steps, {shape}] with up to {stretch.steps} steps"
    )


def _values(
    plan: Plan, group: GroupPlan, values: np.ndarray, start: int, *, hold: bool, row_steps: int = 1
) -> Sequence[Feed]:
    """Return the feeds of all trials, from values [trials, rows, n]; one of a single trial is for all."""
    stored = np.ascontiguousarray(group.stored(values).astype(plan.real))
    every = np.broadcast_to(stored, (plan.trials, *stored.shape[1:]))
    return ValueFeeds(start, row_steps, every, hold)


def _finite(group: GroupPlan, value: Any) -> np.ndarray:
    try:
        values = np.asarray(value)
        values = values if values.dtype.kind == "f" else values.astype(np.float64)
    except (TypeError, ValueError):
        raise SpecError(f"inputs of {group.name}: got {type(value).__name__}; allowed is an array") from None
    if not np.all(np.isfinite(values)):
        at = tuple(int(k) for k in np.argwhere(~np.isfinite(values))[0])
        raise SpecError(f"inputs of {group.name}: got {values[at]} at {at}; allowed are finite numbers")
    return values
