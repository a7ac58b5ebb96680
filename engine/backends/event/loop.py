"""The loop from event to event: what happens in one step at one level is taken together, then the next.

An event's code says what it is: its level, its kind, the group or projection that it concerns, and a place.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import carray

from ...compiled import compiled, inlined
from ...random import draw64, to_unit
from ..numba_cpu.words import bare, invoke, pointer
from .marks import NEVER
from .queue import PENDING, Queue, drop_first, push, ready
from .synapses import DELAY, DELAYS, GROUP, LEVEL, OWN, RECEPTOR, ROWS, WEIGHTS, Synapses

#: Kinds of events: a spike arrives at the targets of one projection, a neuron fires by itself, a source
#: sends.
ARRIVAL, ALONE, EMISSION = 0, 1, 2
_PLACES, _INDICES, _KINDS = 32, 16, 4
#: The most spikes that a source sends at once, at least as many as one train may send in a step.
_SENT = 256
#: Why the loop has ended: nothing is left to do, or more room is needed.
DONE, FULL, BAD = 0, 1, 2
#: Kinds of sources in `Tables.sources`.
LISTED, POISSON = 1, 2
#: Columns of `Tables.groups`: level, number of neurons, first in vectors over all neurons, receptors, first
#: in the sums of input, address and arguments of its kernel, whether its events are recorded.
G_LEVEL, G_SIZE, G_FIRST, G_RECEPTORS, G_SUMS, G_KERNEL, G_BLOCK, G_RECORDED = range(8)
#: Columns of `Tables.sources`: kind, first and number of list entries or pieces, key of random numbers.
S_KIND, S_FIRST, S_SIZE, S_KEY = range(4)
#: Words of `Work.words`: recorded events, events that the queue must hold to go on, group and neuron whose
#: state is not a number; the step that is being worked off and its level, whether it has begun, whether
#: some of it is collected, and the only group to be updated in it, or -1.
RECORDED, NEEDED, BAD_GROUP, BAD_PLACE, NOW, AT_LEVEL, OPEN, COLLECTED, ONLY = range(9)


class Tables(NamedTuple):
    """What the loop knows about one trial of a network, beside its synapses and its queue.

    Attributes
    ----------
    groups : int64 (n_groups, 8)
        See `G_LEVEL` and its neighbours.
    sources : int64 (n_groups, 4)
        See `S_KIND` and its neighbours; zeros where a group is no source.
    steps, places, counts : int64, int32, int32
        Given spikes, source after source.
    since : int64
        From which step on each rate of a Poisson source holds, source after source.
    rates : float64
        Its rates per step, (pieces, n) flat, source after source.
    bases : int64 (n_groups,)
        Where those of each begin.
    """

    groups: np.ndarray
    sources: np.ndarray
    steps: np.ndarray
    places: np.ndarray
    counts: np.ndarray
    since: np.ndarray
    rates: np.ndarray
    bases: np.ndarray


class Work(NamedTuple):
    """What the loop writes.

    Attributes
    ----------
    due : int64
        The step in which each neuron will fire by itself.
    sums : float64
        Input of this step, by group, receptor and neuron.
    touched : int32, waiting : int32
        Neurons that something arrives at, by group, and the flag of each.
    n_touched : int64 (n_groups,)
        Their number.
    inputs : float64 (receptors, n)
        Their inputs.
    fired, foreseen : int32
        What a kernel reports, and how many (`found`, int64 (3,)).
    sent, updates : int64
        Events of each neuron, and neuron updates of each group.
    spikes : int64 (capacity, 3)
        Recorded events: step, group, place.
    zeros : float64
        As many zeros as the longest row has synapses.
    words : int64 (9,)
        See `RECORDED` and its neighbours.
    """

    due: np.ndarray
    sums: np.ndarray
    touched: np.ndarray
    waiting: np.ndarray
    n_touched: np.ndarray
    inputs: np.ndarray
    fired: np.ndarray
    foreseen: np.ndarray
    found: np.ndarray
    sent: np.ndarray
    updates: np.ndarray
    spikes: np.ndarray
    zeros: np.ndarray
    words: np.ndarray


@inlined
def code_of(level: Any, kind: Any, index: Any, place: Any) -> Any:
    """Return the code of an event."""
    code = (np.int64(level) << _KINDS) | np.int64(kind)
    return (((code << _INDICES) | np.int64(index)) << _PLACES) | np.int64(place)


@inlined
def parts_of(code: Any) -> Any:
    """Return the level, kind, index and place of a code."""
    place, rest = code & ((1 << _PLACES) - 1), code >> _PLACES
    index, rest = rest & ((1 << _INDICES) - 1), rest >> _INDICES
    return rest >> _KINDS, rest & ((1 << _KINDS) - 1), index, place


@compiled()
def advance(queue: Any, synapses: Any, tables: Any, work: Any, until: Any) -> Any:
    """Work off all events before a step; return why it ended. It goes on from where it ended."""
    q = Queue(bare(queue.heap), bare(queue.pool), bare(queue.following), bare(queue.ring), bare(queue.words))
    s = Synapses(
        bare(synapses.projections), bare(synapses.starts), bare(synapses.targets), bare(synapses.weights),
        bare(synapses.delays), bare(synapses.outgoing),
    )  # fmt: skip
    t = Tables(
        bare(tables.groups), bare(tables.sources), bare(tables.steps), bare(tables.places),
        bare(tables.counts), bare(tables.since), bare(tables.rates), bare(tables.bases),
    )  # fmt: skip
    w = Work(
        bare(work.due), bare(work.sums), bare(work.touched), bare(work.waiting), bare(work.n_touched),
        bare(work.inputs), bare(work.fired), bare(work.foreseen), bare(work.found), bare(work.sent),
        bare(work.updates), bare(work.spikes), bare(work.zeros), bare(work.words),
    )  # fmt: skip
    return _advance(q, s, t, w, until)


@inlined
def _advance(queue: Any, synapses: Any, tables: Any, work: Any, until: Any) -> Any:
    """Do so on arrays that nobody counts references to: that would cost more than all the rest."""
    heap, words = queue.heap, work.words
    while True:
        if words[OPEN] == 0:
            if not ready(queue, until):
                return DONE
            words[NOW], words[AT_LEVEL] = heap[0, 0], parts_of(heap[0, 1])[0]
            words[OPEN], words[COLLECTED], words[ONLY] = 1, 0, -1
        while ready(queue, words[NOW] + 1):
            level, kind, index, place = parts_of(heap[0, 1])
            if level != words[AT_LEVEL]:
                break
            if not _room_for(queue, synapses, work, kind, index, place):
                return FULL
            code, extra = heap[0, 1], heap[0, 2]
            drop_first(queue)
            if kind == EMISSION:
                _emit_source(queue, synapses, tables, work, index, place, code, extra, until)
                continue
            end = extra
            if kind == ARRIVAL:
                end = _segment(queue, synapses, work, index, place, code, extra)
            alone = words[COLLECTED] == 0 and not ready(queue, words[NOW] + 1)
            if alone or (words[COLLECTED] == 0 and parts_of(heap[0, 1])[0] != level):
                _prepare_one(synapses, tables, work, kind, index, place, extra, end)
                break
            _collect(synapses, tables, work, kind, index, place, extra, end)
        for k in range(len(tables.groups)):
            group = k if words[ONLY] < 0 else words[ONLY]
            n = work.n_touched[group]
            if n == 0:
                continue
            if words[ONLY] < 0:
                if not _room(queue, synapses, work, group, n):
                    return FULL
                _prepare(tables, work, group, n)
            work.n_touched[group] = 0
            invoke(tables.groups[group, G_KERNEL], tables.groups[group, G_BLOCK], words[NOW])
            _settle(queue, synapses, tables, work, group, n)
        words[OPEN] = 0
        if words[BAD_GROUP] >= 0:
            return BAD


@inlined
def _room(queue: Any, synapses: Any, work: Any, group: Any, events: Any) -> Any:
    """Return whether there is room for what some updates of a group may cause, and say how much it takes."""
    each = synapses.outgoing[group + 1] - synapses.outgoing[group] + 1
    work.words[NEEDED] = queue.words[PENDING] + events * each + 1
    return work.words[NEEDED] <= len(queue.heap) and work.words[RECORDED] + events <= len(work.spikes)


@inlined
def _room_for(queue: Any, synapses: Any, work: Any, kind: Any, index: Any, place: Any) -> Any:
    """Return whether there is room for what an event may cause."""
    group, events = index, np.int64(_SENT)
    if kind == ARRIVAL:
        row = synapses.projections[index, ROWS] + place
        group, events = synapses.projections[index, GROUP], synapses.starts[row + 1] - synapses.starts[row]
    return _room(queue, synapses, work, group, events)


@inlined
def _emit(
    queue: Any, synapses: Any, tables: Any, work: Any, group: Any, place: Any, spikes: Any, step: Any
) -> None:
    """Send some spikes in a step: count them, record them, and let them arrive."""
    work.sent[tables.groups[group, G_FIRST] + place] += spikes
    if tables.groups[group, G_RECORDED] != 0:
        for _ in range(spikes):
            r = work.words[RECORDED]
            work.spikes[r, 0], work.spikes[r, 1], work.spikes[r, 2] = step, group, place
            work.words[RECORDED] = r + 1
    for p in range(synapses.outgoing[group], synapses.outgoing[group + 1]):
        row = synapses.projections[p, ROWS] + place
        first = synapses.starts[row]
        if first < synapses.starts[row + 1]:
            delay = synapses.projections[p, DELAY]
            if delay < 0:
                delay = synapses.delays[first + synapses.projections[p, DELAYS]]
            arrival = code_of(synapses.projections[p, LEVEL], ARRIVAL, p, place)
            for _ in range(spikes):
                push(queue, step + delay, arrival, first)


@inlined
def _emit_source(
    queue: Any, synapses: Any, tables: Any, work: Any, group: Any, place: Any, code: Any, extra: Any,
    until: Any,
) -> None:  # fmt: skip
    """Let a source send, and queue what it sends next."""
    now = work.words[NOW]
    if tables.sources[group, S_KIND] == LISTED:
        _emit_listed(queue, synapses, tables, work, group, code, extra, until)
        return
    following = poisson_step(tables, group, place, extra + 1, now)
    if following < NEVER:
        push(queue, following, code, extra + 1)
    _emit(queue, synapses, tables, work, group, place, np.int64(1), now)


@inlined
def _emit_listed(
    queue: Any, synapses: Any, tables: Any, work: Any, group: Any, code: Any, number: Any, until: Any
) -> None:
    """Send given spikes from one on, ahead of their time: nothing changes them, and each arrives at its own.

    As many at once as there is surely room for; the next one is queued.
    """
    first, size, room = tables.sources[group, S_FIRST], tables.sources[group, S_SIZE], np.int64(_SENT)
    while number < size:
        at = first + number
        step, spikes = tables.steps[at], np.int64(tables.counts[at])
        if step >= until or spikes > room:
            push(queue, step, code, number)
            return
        _emit(queue, synapses, tables, work, group, np.int64(tables.places[at]), spikes, step)
        number, room = number + 1, room - spikes


@compiled()
def poisson_step(tables: Any, group: Any, place: Any, number: Any, now: Any) -> Any:
    """Return when a train sends the event of a number, after the one before at `now`.

    An exponential number is what the integral of the rate must reach.
    """
    source, n = tables.sources[group], tables.groups[group, G_SIZE]
    first, size, base = source[S_FIRST], source[S_SIZE], tables.bases[group]
    left = -math.log(to_unit(draw64(draw64(np.uint64(source[S_KEY]), place), number)))
    for piece in range(size):
        end = tables.since[first + piece + 1] if piece + 1 < size else np.int64(NEVER)
        if end <= now:
            continue
        start = max(tables.since[first + piece], now)
        rate = tables.rates[base + piece * n + place]
        reached = rate * np.float64(end - start)
        if reached >= left and rate > 0.0:
            wait = left / rate
            return start + max(np.int64(math.ceil(wait)), np.int64(1)) if wait < 2.0**61 else np.int64(NEVER)
        left -= reached
    return np.int64(NEVER)


@inlined
def _segment(queue: Any, synapses: Any, work: Any, p: Any, place: Any, code: Any, first: Any) -> Any:
    """Return the end of the synapses of a row that a spike has reached now, and queue the next."""
    last = synapses.starts[synapses.projections[p, ROWS] + place + 1]
    end = last
    if synapses.projections[p, DELAY] < 0:
        shift = synapses.projections[p, DELAYS]
        delay, end = synapses.delays[first + shift], first + 1
        while end < last and synapses.delays[end + shift] == delay:
            end += 1
        if end < last:
            push(queue, work.words[NOW] - delay + synapses.delays[end + shift], code, end)
    return end


@inlined
def weight_of(synapses: Any, p: Any, first: Any) -> Any:
    """Return where the weight of a synapse lies; those of the rest of its row follow."""
    return synapses.projections[p, WEIGHTS] + (first if synapses.projections[p, OWN] != 0 else 0)


@inlined
def _prepare_one(
    synapses: Any, tables: Any, work: Any, kind: Any, index: Any, place: Any, first: Any, end: Any
) -> None:
    """Hand the synapses of one spike to their kernel as they lie, or one neuron that fires by itself."""
    group = synapses.projections[index, GROUP] if kind == ARRIVAL else index
    receptors, n = tables.groups[group, G_RECEPTORS], end - first
    block = carray(pointer(tables.groups[group, G_BLOCK]), (2 + 2 * receptors,), np.int64)
    for r in range(receptors):
        block[2 + 2 * r] = work.zeros.ctypes.data
    if kind == ARRIVAL:
        block[0] = synapses.targets.ctypes.data + 4 * first
        at = weight_of(synapses, index, first)
        block[2 + 2 * synapses.projections[index, RECEPTOR]] = synapses.weights.ctypes.data + 8 * at
    else:
        n = np.int64(work.due[tables.groups[group, G_FIRST] + place] == work.words[NOW])
        work.touched[0] = place
        block[0] = work.touched.ctypes.data
    for r in range(receptors + 1):
        block[1 + 2 * r] = n
    work.n_touched[group], work.words[ONLY] = n, group


@inlined
def _collect(
    synapses: Any, tables: Any, work: Any, kind: Any, index: Any, place: Any, first: Any, end: Any
) -> None:
    """Add up what arrives in this step, and note at whom."""
    work.words[COLLECTED] = 1
    group = synapses.projections[index, GROUP] if kind == ARRIVAL else index
    base, n = tables.groups[group, G_FIRST], work.n_touched[group]
    waiting, touched = work.waiting, work.touched
    if kind == ALONE:
        if work.due[base + place] == work.words[NOW] and waiting[base + place] == 0:
            waiting[base + place] = 1
            touched[base + n] = place
            n += 1
    else:
        receptor = synapses.projections[index, RECEPTOR]
        sums = tables.groups[group, G_SUMS] + tables.groups[group, G_SIZE] * receptor
        to_weight = weight_of(synapses, index, first) - first
        for s in range(first, end):
            target = np.int64(synapses.targets[s])
            work.sums[sums + target] += synapses.weights[s + to_weight]
            if waiting[base + target] == 0:
                waiting[base + target] = 1
                touched[base + n] = target
                n += 1
    work.n_touched[group] = n


@inlined
def _prepare(tables: Any, work: Any, group: Any, n: Any) -> None:
    """Hand those of a group at whom something arrives in this step to their kernel, with its sums."""
    base, size = tables.groups[group, G_FIRST], tables.groups[group, G_SIZE]
    receptors = tables.groups[group, G_RECEPTORS]
    block = carray(pointer(tables.groups[group, G_BLOCK]), (2 + 2 * receptors,), np.int64)
    block[0], block[1] = work.touched.ctypes.data + 4 * base, n
    for i in range(base, base + n):
        work.waiting[base + work.touched[i]] = 0
    for r in range(receptors):
        sums, inputs = tables.groups[group, G_SUMS] + r * size, work.inputs[r]
        for i in range(n):
            at = sums + work.touched[base + i]
            inputs[i] = work.sums[at]
            work.sums[at] = 0.0
        block[2 + 2 * r], block[3 + 2 * r] = inputs.ctypes.data, n


@inlined
def _settle(queue: Any, synapses: Any, tables: Any, work: Any, group: Any, n: Any) -> None:
    """Send what updated neurons send, and queue what they will."""
    work.updates[group] += n
    if work.found[2] >= 0:
        work.words[BAD_GROUP], work.words[BAD_PLACE] = group, work.found[2]
    for i in range(work.found[0]):
        _emit(queue, synapses, tables, work, group, np.int64(work.fired[i]), np.int64(1), work.words[NOW])
    first, level = tables.groups[group, G_FIRST], tables.groups[group, G_LEVEL]
    for i in range(work.found[1]):
        who = np.int64(work.foreseen[i])
        push(queue, work.due[first + who], code_of(level, ALONE, group, who), 0)
