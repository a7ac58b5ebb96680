"""The counts of a run in the words of other tools, so that figures can be compared with published ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..engine.counts import Counts, ProjectionCounts
from ..neurons.errors import SpecError
from .energy import counts_of

Numbers = dict[str, float]


def counts(result: Any, dialect: str = "rheobase", *, ternary: Iterable[str] = ()) -> Numbers:
    """Return what a run counted, in the names and by the rules of a tool.

    "rheobase" gives totals of the run; the others give figures per trial, as those tools do. Of a run from
    event to event there are no figures for each step: "rheobase" leaves them out, "neurobench" and "syops",
    which consist of them, are refused.

    * "neurobench" (2.3): events of payload -1, 0 or 1 are ACs, others MACs; every synapse and step in
      Dense; ActivationSparsity over all neurons and steps. It skips weights that are zero, so it
      agrees for networks that store none. Its MembraneUpdates (changed membranes only) need the
      membranes themselves and are not given.
    * "syops" (0.0.5): mean rate of the senders times every synapse for unit payloads; every synapse for
      others, zero or not. It pads convolutions, which counts do not know: conv2d is refused.
    * "spikingjelly" (2.0): synops are spikes of unit payload times the synapses they reach; other
      payloads are no spikes to it.

    Parameters
    ----------
    result : Result or Counts
        The run.
    dialect : "rheobase", "neurobench", "syops" or "spikingjelly"
        Whose rules.
    ternary : iterable of str
        Names of projections whose payloads are only -1 and 1. Counts know only that they are not all
        1; NeuroBench takes such events as ACs.

    Returns
    -------
    dict of str to float

    Raises
    ------
    SpecError
        If the dialect or a name in `ternary` is unknown, or the dialect cannot count this network or run.

    Examples
    --------
    >>> from rheobase.engine.counts import Counts, ProjectionCounts
    >>> one = ProjectionCounts(name="in", pre="a", post="b", kind="dense", senders=1, n_synapses=10,
    ...     n_weights=10, weight_bits=32, sent=3, packets=3, events=30, dense_events=200)
    >>> run = Counts(steps=10, trials=2, dt=1e-3, populations=(), projections=(one,))
    >>> counts(run, "neurobench")["Effective_ACs"]
    15.0
    """
    found = counts_of(result, "counts")
    if dialect not in _DIALECTS:
        raise SpecError(f"counts: dialect is {dialect!r}; it must be one of {', '.join(_DIALECTS)}")
    names = frozenset(ternary)
    strangers = names - {p.name for p in found.projections}
    if strangers:
        raise SpecError(f"counts: ternary names {', '.join(sorted(strangers))}, no projections of this run")
    if found.gridless and dialect in _BY_STEP:
        raise SpecError(
            f"counts: got a run with method='event', and dialect {dialect!r} counts what happens in each "
            "step; run it with method='clocked', or use 'rheobase' or 'spikingjelly'"
        )
    return _DIALECTS[dialect](found, names)


def _rheobase(found: Counts, ternary: frozenset[str]) -> Numbers:
    names = ("spikes", "source_spikes", "synaptic_events", "dense_events", "ac", "mac", "updates")
    totals: Numbers = {name: getattr(found, name) for name in names if getattr(found, name) is not None}
    return totals if found.gridless else {**totals, "activation_sparsity": _sparsity(found)}


def _neurobench(found: Counts, ternary: frozenset[str]) -> Numbers:
    def adds(p: ProjectionCounts) -> bool:
        return p.arithmetic == "ac" or p.name in ternary

    return {
        "Effective_MACs": sum(p.events for p in found.projections if not adds(p)) / found.trials,
        "Effective_ACs": sum(p.events for p in found.projections if adds(p)) / found.trials,
        "Dense": _dense(found) / found.trials,
        "ActivationSparsity": _sparsity(found),
    }


def _syops(found: Counts, ternary: frozenset[str]) -> Numbers:
    populations = {p.name for p in found.populations}
    additions = multiplications = 0.0
    for p in found.projections:
        if p.kind == "conv2d" or p.pre not in populations:
            raise SpecError(
                f"counts: projection {p.name!r} ({p.kind}, from {p.pre!r}) is outside the syops dialect, "
                "which needs a population as the sender and counts a convolution's padding; use 'neurobench'"
            )
        if p.arithmetic == "ac":
            if p.senders:
                additions += p.n_synapses * p.sent / p.senders
        else:
            multiplications += p.n_synapses * found.steps * found.trials
    return {
        "ACs": additions / found.trials,
        "MACs": multiplications / found.trials,
        "Total": _dense(found) / found.trials,
    }


def _spikingjelly(found: Counts, ternary: frozenset[str]) -> Numbers:
    return {"synops": found.ac / found.trials}


def _dense(found: Counts) -> int:
    return found.dense_events or 0


def _sparsity(found: Counts) -> float:
    slots = found.n_neurons * found.steps * found.trials
    return 1.0 - found.spikes / slots if slots else 1.0


_DIALECTS: dict[str, Callable[[Counts, frozenset[str]], Numbers]] = {
    "rheobase": _rheobase,
    "neurobench": _neurobench,
    "syops": _syops,
    "spikingjelly": _spikingjelly,
}
#: Those whose figures count something in every step.
_BY_STEP = ("neurobench", "syops")
