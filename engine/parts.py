"""The parts of a network: operators, projections and probes, and by import populations and sources.

Parts are frozen descriptions with an identity and a name. They hold no state; all work happens when
a simulator builds its plan. A part without a name is given one by the network that it joins.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..learning.rules.rule import PlasticityRule
from ..learning.rules.short_term import ShortTermRule
from ..neurons.errors import SpecError
from .arguments import check_path
from .checks import (
    check_array,
    check_correlation,
    check_positive,
    check_projection,
    check_rule,
    set_shape,
)
from .connectivity import Connectivity
from .distributions import Values
from .groups import Group, Part, Slice, group_of, ids_of
from .operators import check_output, checked_options, operator_shape
from .population import Population
from .profiles import ByDistance
from .reads import Argument, Read, arguments_of, reads_of
from .sources import CurrentSource, FrameSource, PoissonSource, RateSource, Source, SpikeSource

__all__ = [
    "CurrentSource", "FrameSource", "Group", "Operator", "Part", "PoissonSource", "Population", "Probe",
    "Projection", "RateSource", "Read", "Slice", "Source", "SpikeSource", "Values", "variables_of",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Operator(Group):
    """A function over rows of numbers, computed anew where something it reads has changed.

    What it computes is its `value`, which other operators can read. It is either told or written. Told:
    its changes are sent as events with real payload, so receivers hold the sum of all events, which is
    the value. Written: it stands in place of all input of another population, which then fires by its own
    rule in the same step; nothing is summed, so it is exactly what was computed.

    ============  =====================  =======================================  ==========================
    kind          arguments              value                                    options
    ============  =====================  =======================================  ==========================
    "softmax"     x                      exp(x_i - max x) / sum_j exp(x_j - max)
    "normalise"   x                      (x_i - mean) / sqrt(variance + eps)      eps = 1e-5, centred = True
    "max"         x                      the largest of each row
    "top_k"       x                      the k largest of each row that are     k
                                         above 0, and 0 elsewhere
    "map"         x                      f(x_i)                                   function, parameters
    "product"     a, b                   f(a_i) b_i                               function, parameters
    "add"         a, b                   a_i + b_i
    "matmul"      a: (..., m, k),        sum_l a_il b_lj
                  b: (..., k, n)
    "scan"        q, k, v, a: (...,      o_t = q_t S_t, where
                  tokens, d)             S_t = diag(a_t) S_(t-1) + k_t^T v_t      backward = False
    ============  =====================  =======================================  ==========================

    Without `centred` the mean counts as 0 (root mean square). f is one of `neurons/scalars.py`.

    Parameters
    ----------
    kind : str
        One of the above, or another operator that has been registered in `engine/operators.py`.
    inputs : Population, Operator or Read, or a sequence of them
        What it reads, argument by argument; a tuple in the place of an argument stands side by side in
        each row. Of a population its first state variable, if no Read says otherwise.
    axis : int, optional
        Axis of the inputs' shape along which rows run; the last if left out.
    output : Population, optional
        Whose input it is, of as many neurons as it has values; of a model that says how it takes one, such
        as EventNeuron. If left out, it sends events.
    options : dict
        As its kind has: see above.

    Examples
    --------
    >>> import rheobase as rb
    >>> scores = rb.Population((4, 8), rb.LI(10e-3))
    >>> rb.Operator("softmax", scores).shape
    (4, 8)
    """

    kind: str
    inputs: Any
    axis: int | None = field(default=None, kw_only=True)
    output: Population | None = field(default=None, kw_only=True)
    options: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    sends: ClassVar[str] = "real"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "inputs", reads_of(self.label, self.inputs))
        object.__setattr__(self, "options", checked_options(self))
        set_shape(self, operator_shape(self))
        check_output(self)

    @property
    def readable(self) -> tuple[str, ...]:
        """Its value."""
        return ("value",)

    @cached_property
    def arguments(self) -> tuple[Argument, ...]:
        """What it reads, rows along the last axis."""
        return arguments_of(self.label, self.inputs, self.axis)

    @property
    def sources(self) -> tuple[Group, ...]:
        """The groups that it reads."""
        return tuple({read.group.label: read.group for reads in self.inputs for read in reads}.values())


@dataclass(frozen=True, eq=False)
class Projection(Part):
    """Synapses from one group to a population.

    Parameters
    ----------
    pre, post : Group or slice of one
        Where events come from and where they go.
    connectivity : Connectivity
        random(p), fixed_in(k), fixed_out(k), fixed_total(n), distance(profile), one_to_one(),
        all_to_all(), dense(), rows(n), conv2d(...), pool2d(...), explicit(pre, post) or sparse(matrix).
    weight : number, array, distribution or by_distance(profile)
        In the unit of the target's input. dense: [n_post, n_pre]; rows: [n_out, n_in]; conv2d:
        [c_out, c_in / groups, kh, kw]; explicit: one per pair; one_to_one: one per neuron; random patterns:
        a number or distribution.
    delay : number, array, distribution or conduction(velocity), optional
        Seconds, rounded to whole steps; one step if left out; 0 where projections form no cycle. An array
        has one for each synapse, as weights do: [n_post, n_pre] of dense ones, one per pair or neuron.
    correlation : float, optional
        Of weight and delay, where both are distributions: their quantiles are those of two normal numbers
        with this correlation (a Gaussian copula). With 1 both take the same quantile, with -1 opposite
        ones; apart if left out.
    receptor : str, optional
        The target's receptor; its first if left out.
    rule : PlasticityRule or ShortTermRule, optional
        How the weights change (STDP), or how strongly each spike of a source counts (TsodyksMarkram).
    modulator : Group, optional
        Whose events a rule such as RewardSTDP listens to: those of all its neurons are added up.
    delivery : str, optional
        "sparse" or "dense" storage where both are possible; the plan chooses if left out.

    Examples
    --------
    >>> import rheobase as rb
    >>> exc = rb.Population(400, rb.LIF(tau=20e-3))
    >>> rb.Projection(exc, exc, rb.random(p=0.1), weight=0.1, delay=1.5e-3).delay
    0.0015
    """

    pre: Group | Slice
    post: Group | Slice
    connectivity: Connectivity
    weight: Values | ByDistance = field(default=1.0, kw_only=True)
    delay: Values | ByDistance | None = field(default=None, kw_only=True)
    correlation: float | None = field(default=None, kw_only=True)
    receptor: str | None = field(default=None, kw_only=True)
    rule: PlasticityRule | ShortTermRule | None = field(default=None, kw_only=True)
    modulator: Group | None = field(default=None, kw_only=True)
    delivery: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for end in ("pre", "post"):
            if not isinstance(getattr(self, end), (Group, Slice)):
                raise SpecError(
                    f"{self.label}.{end}: got {getattr(self, end)!r}; allowed is a group or its slice"
                )
        if not isinstance(self.connectivity, Connectivity):
            raise SpecError(
                f"{self.label}.connectivity: got {self.connectivity!r}; allowed is one of random(p), "
                "fixed_in(k), fixed_out(k), fixed_total(n), distance(profile), one_to_one(), all_to_all(), "
                "dense(), rows(n), conv2d(...), pool2d(...), explicit(pre_ids, post_ids), sparse(matrix)"
            )
        if not self.target.receptors:
            raise SpecError(
                f"{self.label}.post: {self.target.label} is a {type(self.target).__name__} and takes no input"
            )
        if self.receptor is not None and self.receptor not in self.target.receptors:
            raise SpecError(
                f"{self.label}.receptor: got {self.receptor!r}; "
                f"{self.target.label} has {self.target.receptors}"
            )
        if self.modulator is not None and not isinstance(self.modulator, Group):
            raise SpecError(
                f"{self.label}.modulator: got {self.modulator!r}; allowed is a whole group, or None"
            )
        check_rule(self)
        if self.delivery not in (None, "sparse", "dense"):
            raise SpecError(
                f"{self.label}.delivery: got {self.delivery!r}; allowed is 'sparse', 'dense' or None"
            )
        object.__setattr__(self, "correlation", check_correlation(self))
        weight, delay = check_projection(self)
        object.__setattr__(self, "weight", weight)
        object.__setattr__(self, "delay", delay)

    @property
    def source(self) -> Group:
        """The group that events come from, also where only a slice of it projects."""
        return group_of(self.pre)

    @property
    def target(self) -> Group:
        """The group that events go to."""
        return group_of(self.post)

    @property
    def receptor_name(self) -> str:
        """The receptor, the target's first if none was named."""
        return self.receptor or self.target.receptors[0]


@dataclass(frozen=True, eq=False)
class Probe(Part):
    """What to record.

    Parameters
    ----------
    target : Group, slice of one, or Projection
        Whose events or variable.
    variable : str
        "spikes", "counts" (one spike count per neuron, no times), or a state variable; of a projection that
        learns "weight", or what `Simulator.state` has of its rule, such as the trace "x"; of one with a
        short-term rule its state variables, such as "x" and "u".
    every : float, optional
        Seconds between samples of a variable; every step if left out.
    ids : array, optional
        Neurons to record; all if left out. Of a projection that learns: entries of what `weights` or
        `state` of a Simulator returns, laid flat; of a short-term rule: neurons of its `pre`.
    start, stop : float
        Seconds of simulation time between which to record.
    spool : path, optional
        Write spikes to this file while running instead of keeping them in memory; their record is
        mapped from it, in the order of the run: of several trials by stretches of steps. The file is
        begun anew when a simulation starts again.

    Examples
    --------
    >>> import rheobase as rb
    >>> Probe(rb.Population(3, rb.LIF(20e-3)), "v", every=1e-3).variable
    'v'
    """

    target: Group | Slice | Projection
    variable: str = "spikes"
    every: float | None = field(default=None, kw_only=True)
    ids: np.ndarray | None = field(default=None, kw_only=True)
    start: float = field(default=0.0, kw_only=True)
    stop: float | None = field(default=None, kw_only=True)
    spool: str | os.PathLike[str] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.target, (Group, Slice, Projection)):
            raise SpecError(
                f"{self.label}.target: got {self.target!r}; allowed is a group of neurons, its slice, or a "
                "projection"
            )
        known = variables_of(self.subject)
        if self.variable not in known:
            raise SpecError(
                f"{self.label}.variable: got {self.variable!r}; {self.subject.label} has "
                f"{known or 'nothing that changes: no rule'}"
            )
        if self.every is not None:
            check_positive(f"{self.label}.every", self.every, "s")
        check_array(f"{self.label}.start", self.start, (), low=0.0)
        if self.stop is not None:
            stop = check_array(f"{self.label}.stop", self.stop, ())
            if not stop > self.start:
                raise SpecError(
                    f"{self.label}.stop: got {stop}; allowed is a time after start={self.start} s"
                )
        if self.spool is not None:
            path = check_path(f"{self.label}.spool", self.spool)
            if self.variable != "spikes":
                raise SpecError(f"{self.label}.spool: only spikes can be spooled, not {self.variable!r}")
            object.__setattr__(self, "spool", os.fspath(path))
        if self.ids is not None:
            ids = np.array(self.ids)
            whole = ids.ndim == 1 and ids.size > 0 and ids.dtype.kind in "iu"
            largest = self._n - 1
            if not whole or ids.min() < 0 or ids.max() > largest or np.unique(ids).size < ids.size:
                raise SpecError(f"{self.label}.ids: allowed are indices from 0 to {largest}, none twice")
            ids.setflags(write=False)
            object.__setattr__(self, "ids", ids)

    @property
    def subject(self) -> Group | Projection:
        """The group or projection that is recorded from."""
        return self.target if isinstance(self.target, Projection) else group_of(self.target)

    @property
    def group(self) -> Group:
        """The group that is recorded from: of a projection, that which its spikes come from."""
        return self.subject.source if isinstance(self.subject, Projection) else self.subject

    @property
    def _n(self) -> int:
        """Bound on the indices that may be recorded; how many synapses there are is known later."""
        if not isinstance(self.target, Projection):
            return self.target.n
        return self.target.pre.n if isinstance(self.target.rule, ShortTermRule) else 2**62

    def recorded(self) -> np.ndarray:
        """Return the indices within the group that are recorded, int64."""
        assert not isinstance(self.target, Projection)
        ids = np.arange(self.target.n) if self.ids is None else np.asarray(self.ids, dtype=np.int64)
        return ids_of(self.target)[ids]


def variables_of(part: Group | Projection) -> tuple[str, ...]:
    """Return what a probe can record of a part."""
    if isinstance(part, Projection):
        if isinstance(part.rule, ShortTermRule):
            return tuple(state.name for state in part.rule.used_states)
        if part.rule is None:
            return ()
        return ("weight", *part.rule.synaptic, *(trace.name for trace in part.rule.memories))
    if isinstance(part, Population):
        return ("spikes", "counts", *(state.name for state in part.model.used_states))
    return ("spikes", "counts", "value") if isinstance(part, Operator) else ("spikes", "counts")
