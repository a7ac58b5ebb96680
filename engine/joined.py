"""Several results as one: of stretches that follow one another, or of trials that ran apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from .counts import Counts
from .records import CountRecord, Record, SpikeRecord
from .result import Result


def joined(results: Sequence[Result]) -> Result:
    """Return one result for runs that followed one another without a gap.

    Parameters
    ----------
    results : sequence of Result
        At least one; of one simulator, in order.

    Examples
    --------
    >>> import rheobase as rb
    >>> net = rb.Network()
    >>> cell = net.add(rb.Population(1, rb.IF(threshold=1.0, drive=0.5)))
    >>> spikes = net.add(rb.Probe(cell))
    >>> sim = rb.Simulator(net, dt=1e-3, backend="reference")
    >>> joined([sim.run(3e-3), sim.run(3e-3)])[spikes].steps.tolist()
    [1, 3, 5]
    """
    first = results[0]
    infos = [result.info for result in results]
    return Result(
        records={name: _joined([result.records[name] for result in results]) for name in first.records},
        counts=reduce(add, (result.counts for result in results)),
        info=replace(
            first.info,
            steps=sum(info.steps for info in infos),
            wall_s=sum(info.wall_s for info in infos),
            build_s=sum(info.build_s for info in infos),
            interrupted=any(info.interrupted for info in infos),
            silent=infos[-1].silent,
            trial_steps=tuple(map(sum, zip(*(info.trial_steps for info in infos), strict=True))),
        ),
        populations=first.populations,
    )


def side_by_side(results: Sequence[Result]) -> Result:
    """Return one result for trials of one network that ran in several simulators; counts add up.

    Records are left out, since stretches may differ in length; steps are those of the longest.

    Parameters
    ----------
    results : sequence of Result
        At least one.
    """
    first = results[0]
    infos = [result.info for result in results]
    length = max(info.steps for info in infos)
    trials = sum(info.trials for info in infos)
    return Result(
        records={},
        counts=replace(_beside([result.counts for result in results]), steps=length, trials=trials),
        info=replace(
            first.info,
            steps=length,
            trials=trials,
            wall_s=sum(info.wall_s for info in infos),
            build_s=sum(info.build_s for info in infos),
            silent=all(info.silent for info in infos),
            trial_steps=tuple(steps for info in infos for steps in info.trial_steps),
        ),
        populations=first.populations,
    )


def _beside(counts: Sequence[Counts]) -> Counts:
    """Return the sum of counts of different trials, with those of each trial one behind the other."""
    total = reduce(add, [_by_trial(one, lambda name, i: ()) for one in counts])

    def concatenated(name: str, i: int) -> tuple[int, ...]:
        group, field = name.split(".")
        return tuple(count for one in counts for count in getattr(getattr(one, group)[i], field))

    return _by_trial(total, concatenated)


def _by_trial(counts: Counts, of: Callable[[str, int], tuple[int, ...]]) -> Counts:
    """Return counts in which those by trial are what a function says."""
    return replace(
        counts,
        populations=tuple(
            replace(p, spikes_by_trial=of("populations.spikes_by_trial", i))
            for i, p in enumerate(counts.populations)
        ),
        projections=tuple(
            replace(p, events_by_trial=of("projections.events_by_trial", i))
            for i, p in enumerate(counts.projections)
        ),
        operators=tuple(
            replace(o, events_by_trial=of("operators.events_by_trial", i))
            for i, o in enumerate(counts.operators)
        ),
    )


def _joined(parts: Sequence[Any]) -> Record:
    first: Record = parts[0]
    if isinstance(first, SpikeRecord):
        columns = [[getattr(part, name) for part in parts] for name in ("steps", "ids", "trials")]
        steps, ids, trials = map(np.concatenate, columns)
        order = np.argsort(trials, kind="stable")
        return replace(first, steps=steps[order], ids=ids[order], trials=trials[order], stop=parts[-1].stop)
    if isinstance(first, CountRecord):
        counts = np.sum([part.counts for part in parts], axis=0)
        return replace(first, counts=counts, seconds=sum(part.seconds for part in parts))
    times = np.concatenate([part.times for part in parts])
    return replace(first, times=times, values=np.concatenate([part.values for part in parts], axis=-2))
