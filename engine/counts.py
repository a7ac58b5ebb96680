"""Exact counts of what happened in a run: never joules, those are hardware's business.

Events are counted where they are caused: a spike of a neuron with k outgoing synapses counts k
synaptic events, also where some of them arrive after the run's last step.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np

from ..neurons.errors import SpecError
from .typed import typed

Arithmetic = Literal["ac", "mac"]


@dataclass(frozen=True, kw_only=True)
class PopulationCounts:
    """What one population or source did.

    Attributes
    ----------
    name : str
        The population's name.
    kind : str
        Its model's class name, such as "LIF" or "PoissonSource".
    n : int
        Neurons in it.
    spikes : int
        Events sent, over all trials. One with a payload counts once, but a burst counts as the events that
        it stands for: see `EventNeuron`.
    updates : int
        Neuron updates: neurons times the steps of all trials (a trial that stands still takes none), or of
        those that something happened to where a run goes from event to event; zero for sources.
    operations : dict
        Arithmetic of one update by kind ("add", "multiply", "compare", "exp", ...).
    state_words : int
        32-bit words of state read and written by one update.
    spikes_by_trial : tuple of int
        The events of each trial.
    """

    name: str
    kind: str
    n: int
    spikes: int
    updates: int = 0
    operations: dict[str, int] = field(default_factory=dict)
    state_words: int = 0
    spikes_by_trial: tuple[int, ...] = ()

    @property
    def is_source(self) -> bool:
        """True for what feeds the network from outside."""
        return self.kind.endswith("Source")


@dataclass(frozen=True, kw_only=True)
class ProjectionCounts:
    """What one projection carried.

    Attributes
    ----------
    name, pre, post : str
        The projection and the populations that it joins.
    kind : str
        How it is delivered: "sparse", "dense", "conv2d", "pool2d", "rows" or "one_to_one".
    senders : int
        Source neurons that have a synapse here.
    n_synapses : int
        Connections (a shared convolution weight counts once per connection).
    n_weights : int
        Weights stored.
    weight_bits : int
        Bits of one stored weight.
    sent : int
        Events sent by those source neurons, over all trials.
    packets : int
        Those of them that no projection named before this one carries to the same population.
    events : int
        Synaptic events: one per event sent and synapse it reaches.
    dense_events : int, optional
        What a dense machine would do: synapses times the steps of all trials; None for a run without a grid.
    arithmetic : "ac" or "mac"
        Whether an event needs only an addition, of a weight or of one that is shifted or negated (spikes,
        units, powers of two), or also a multiplication (any other number).
    plastic : bool
        True if a rule changes the weights.
    weight_updates : int
        How often the rule was applied to a synapse, whether or not its weight moved; a short-term rule is
        applied to all synapses of a source at once, for each of its spikes.
    events_by_trial : tuple of int
        The synaptic events of each trial.
    """

    name: str
    pre: str
    post: str
    kind: str
    senders: int
    n_synapses: int
    n_weights: int
    weight_bits: int
    sent: int
    packets: int
    events: int
    dense_events: int | None
    arithmetic: Arithmetic = "ac"
    plastic: bool = False
    weight_updates: int = 0
    events_by_trial: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OperatorCounts:
    """What one operator did.

    Attributes
    ----------
    name, kind : str
        The operator and what it computes.
    rows : int
        Rows computed, over all trials; single numbers of "map", "product" and "add".
    spikes : int
        Events sent.
    changes : int
        How often a number that it reads had changed; that it is not zero at first counts as a change.
    words : int
        Numbers that the rows computed read and wrote.
    evaluations : dict
        Arithmetic by kind ("add", "multiply", "exp", ...): of the rows computed, or, for a product of
        matrices, of all events that meet what the other factor has told.
    events_by_trial : tuple of int
        Of a product of matrices, how often events of each trial met a number of the other factor.
    """

    name: str
    kind: str
    rows: int
    spikes: int
    changes: int = 0
    words: int = 0
    evaluations: dict[str, int] = field(default_factory=dict)
    events_by_trial: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Exact counts of one run.

    Attributes
    ----------
    steps, trials : int
        Steps of the run and trials run side by side.
    dt : float
        Seconds per step.
    populations : tuple of PopulationCounts
        Every population and source.
    projections : tuple of ProjectionCounts
        Every projection.
    operators : tuple of OperatorCounts
        Every operator.
    gridless : bool
        True of a run from event to event: its steps are as short as can be told apart, so that no figure
        for each step means anything.

    Examples
    --------
    >>> p = PopulationCounts(name="exc", kind="LIF", n=10, spikes=3, updates=1000)
    >>> Counts(steps=100, trials=1, dt=1e-3, populations=(p,), projections=()).spikes
    3
    """

    steps: int
    trials: int
    dt: float
    populations: tuple[PopulationCounts, ...]
    projections: tuple[ProjectionCounts, ...]
    operators: tuple[OperatorCounts, ...] = ()
    gridless: bool = False

    @property
    def seconds(self) -> float:
        """Model time per trial, in seconds."""
        return self.steps * self.dt

    @property
    def n_neurons(self) -> int:
        """Neurons, sources left out."""
        return sum(p.n for p in self.populations if not p.is_source)

    @property
    def n_synapses(self) -> int:
        """Connections of all projections."""
        return sum(p.n_synapses for p in self.projections)

    @property
    def spikes(self) -> int:
        """Events sent by neurons, sources left out."""
        return sum(p.spikes for p in self.populations if not p.is_source)

    @property
    def source_spikes(self) -> int:
        """Events sent by sources."""
        return sum(p.spikes for p in self.populations if p.is_source)

    @property
    def updates(self) -> int:
        """Neuron updates."""
        return sum(p.updates for p in self.populations)

    @property
    def synaptic_events(self) -> int:
        """Synaptic events, effective: only what was really sent."""
        return sum(p.events for p in self.projections)

    @property
    def dense_events(self) -> int | None:
        """Synaptic events of a machine that skips nothing; None for a run without a grid."""
        return None if self.gridless else sum(p.dense_events or 0 for p in self.projections)

    @property
    def ac(self) -> int:
        """Synaptic events that need only an addition."""
        return sum(p.events for p in self.projections if p.arithmetic == "ac")

    @property
    def mac(self) -> int:
        """Synaptic events that need a multiplication too."""
        return sum(p.events for p in self.projections if p.arithmetic == "mac")

    def by_trial(self, what: str) -> np.ndarray:
        """Return "spikes", "synaptic_events", "ac" or "mac" of each trial, int64 (trials,).

        Raises
        ------
        SpecError
            If it is none of these, or the counts do not say.

        Examples
        --------
        >>> p = PopulationCounts(name="a", kind="LIF", n=9, spikes=5, spikes_by_trial=(3, 2))
        >>> Counts(steps=9, trials=2, dt=1e-3, populations=(p,), projections=()).by_trial("spikes")
        array([3, 2])
        """
        counted: list[tuple[int, ...]]
        if what == "spikes":
            counted = [p.spikes_by_trial for p in self.populations if not p.is_source]
        elif what in ("synaptic_events", "ac", "mac"):
            chosen = [p for p in self.projections if what in ("synaptic_events", p.arithmetic)]
            counted = [p.events_by_trial for p in chosen]
        else:
            raise SpecError(
                f"Counts.by_trial: got {what!r}; allowed is 'spikes', 'synaptic_events', 'ac' or 'mac'"
            )
        if any(len(one) != self.trials for one in counted):
            raise SpecError(f"Counts.by_trial: these counts do not tell the {self.trials} trials apart")
        return np.asarray(np.array(counted, np.int64).reshape(-1, self.trials).sum(axis=0))

    def operations(self) -> dict[str, int]:
        """Return the arithmetic of all neuron updates, by kind."""
        total: dict[str, int] = {}
        for population in self.populations:
            for kind, per_update in population.operations.items():
                total[kind] = total.get(kind, 0) + per_update * population.updates
        return total

    def __add__(self, other: Counts) -> Counts:
        """Return the counts of two consecutive stretches of one simulation."""
        if not isinstance(other, Counts):
            return NotImplemented
        summed: dict[str, Any] = {"steps": self.steps + other.steps}
        for group, adding in (
            ("populations", ("spikes", "updates", "spikes_by_trial")),
            (
                "projections",
                (
                    "sent",
                    "packets",
                    "events",
                    "dense_events",
                    "weight_updates",
                    "events_by_trial",
                ),
            ),
            ("operators", ("rows", "spikes", "changes", "words", "events_by_trial")),
        ):
            summed[group] = tuple(
                replace(a, **{name: _added(getattr(a, name), getattr(b, name)) for name in adding})
                for a, b in zip(getattr(self, group), getattr(other, group), strict=True)
            )
        summed["operators"] = tuple(
            replace(
                a, evaluations={kind: n + b.evaluations.get(kind, 0) for kind, n in a.evaluations.items()}
            )
            for a, b in zip(summed["operators"], other.operators, strict=True)
        )
        return replace(self, **summed)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain data, for files."""
        groups = ("populations", "projections", "operators")
        data: dict[str, Any] = {name: getattr(self, name) for name in ("steps", "trials", "dt", "gridless")}
        for group in groups:
            data[group] = [
                {f.name: getattr(item, f.name) for f in fields(item)} for item in getattr(self, group)
            ]
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Counts:
        """Return the counts that `to_dict` wrote.

        Raises
        ------
        FormatError
            If a field is missing, unknown, or of another type.
        """
        parts: dict[str, type] = {
            "populations": PopulationCounts, "projections": ProjectionCounts, "operators": OperatorCounts,
        }  # fmt: skip
        lists: dict[str, Any] = {
            name: tuple(typed(kind, item) for item in data[name]) for name, kind in parts.items()
        }
        return typed(cls, {key: value for key, value in data.items() if key not in parts}, **lists)


def _added(a: Any, b: Any) -> Any:
    """Return the sum of two counts, or of those of each trial; None where one could not be counted."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return tuple(x + y for x, y in zip(a, b, strict=True))
    return None if a is None or b is None else a + b
