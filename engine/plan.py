"""The plan: what a network becomes before any machine runs it.

It fixes everything that must not depend on the backend: the order of steps, levels of zero delay,
delays in steps, the precision and grid of every receptor, how each projection is stored, and what its
synapses are drawn from. A plan prints, and two plans diff.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..neurons.errors import SpecError
from .draw import Synapses, degrees_of, draw_synapses
from .groups import ids_of
from .network import Network
from .outputs import written_by
from .parts import Group, Operator, Population, Probe, Projection
from .planned import GroupPlan, ProjectionPlan, ReceptorPlan, Step, describe_receptor
from .recipes import Recipe, recipe_of
from .relays import origin, sender
from .tables import delay_table, space_of, weight_table


@dataclass(frozen=True, eq=False)
class Plan:
    """A network made ready for any backend.

    Attributes
    ----------
    network : Network
        What it was made from, as it was then: what is added to a network later is not in its plans. What
        runs has relays besides, where projections have short-term rules: see `relays.py`.
    dt : float
        Seconds per step.
    trials : int
        Copies of the network that run side by side.
    real : numpy.dtype
        Type of state variables and floating sums: float32 or float64.
    groups, projections : dict
        By name, in the network's order.
    steps : tuple of Step
        What happens in a step, in order.
    gridless : bool
        Whether steps are so small that they are no grid, and only those with events are computed.
    stride : int
        Steps of a delay that was left out, and between samples where a probe does not say.
    """

    network: Network
    dt: float
    trials: int
    real: np.dtype
    groups: dict[str, GroupPlan]
    projections: dict[str, ProjectionPlan]
    steps: tuple[Step, ...]
    gridless: bool = False
    stride: int = 1
    _recipes: dict[str, Recipe] = field(default_factory=dict, repr=False)
    _degrees: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    _made: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def n_levels(self) -> int:
        """Number of levels of zero delay."""
        return 1 + max((group.level for group in self.groups.values()), default=0)

    @cached_property
    def max_delay(self) -> int:
        """Longest delay in steps."""
        return max((p.delays[-1] for p in self.projections.values() if p.delays), default=1)

    @cached_property
    def reach(self) -> dict[str, int]:
        """The longest delay, in steps, by which each group's events arrive anywhere."""
        reach = dict.fromkeys(self.groups, 0)
        for p in self.projections.values():
            reach[p.part.source.label] = max(reach[p.part.source.label], p.delays[-1])
        return reach

    @property
    def populations(self) -> tuple[GroupPlan, ...]:
        """All populations, relays included."""
        return tuple(group for group in self.groups.values() if isinstance(group.part, Population))

    def population(self, name: str) -> Population:
        """Return the population of this name."""
        part = self.groups[name].part
        assert isinstance(part, Population)
        return part

    def receptor(self, projection: ProjectionPlan) -> ReceptorPlan:
        """Return the plan of the receptor that a projection goes to."""
        group = self.group_of(projection.part.target)
        return next(r for r in group.receptors if r.name == projection.part.receptor_name)

    def group_of(self, part: Group) -> GroupPlan:
        """Return the plan of a group."""
        assert part.name is not None
        return self.groups[part.name]

    @cached_property
    def probes(self) -> tuple[Probe, ...]:
        """The probes of groups, which machines know."""
        return tuple(p for p in self.network.probes if not isinstance(p.target, Projection))

    @cached_property
    def synaptic_probes(self) -> tuple[Probe, ...]:
        """The probes of projections, which are sampled while a machine stands still."""
        return tuple(p for p in self.network.probes if isinstance(p.target, Projection))

    def probe(self, name: str) -> Probe:
        """Return the probe of this name."""
        part = self.network[name]
        assert isinstance(part, Probe)
        return part

    @cached_property
    def written(self) -> dict[str, str]:
        """Population -> the operator that computes what stands in place of its input."""
        return written_by(self.network)

    def operator(self, name: str) -> Operator:
        """Return the operator of this name."""
        part = self.groups[name].part
        assert isinstance(part, Operator)
        return part

    def recipe(self, name: str, threads: int = 1) -> Recipe:
        """Return what the synapses of an indexed projection are drawn from, made when first asked for.

        Sources and targets count from the first neuron of the projection's ends, by the user's index.
        """
        if name not in self._recipes:
            part = self.projections[name].part
            self._recipes[name] = recipe_of_projection(part, self.network.seed, threads)
        return self._recipes[name]

    def degrees(self, name: str, threads: int = 1) -> np.ndarray:
        """Return the number of synapses of every source of an indexed projection, int64."""
        if name not in self._degrees:
            self._degrees[name] = degrees_of(self.recipe(name, threads), threads)
        return self._degrees[name]

    def synapses(self, name: str) -> Synapses:
        """Return the synapses of an indexed projection, drawn anew: keep them no longer than needed."""
        part = self.projections[name].part
        weights, drawn_weights = weight_table(part)
        delays, drawn_delays, _ = delay_table(part, self.dt, gridless=self.gridless, stride=self.stride)
        return draw_synapses(
            self.recipe(name),
            weights=weights,
            delays=delays,
            drawn_weights=drawn_weights,
            drawn_delays=drawn_delays,
        )

    def release(self, *names: str) -> None:
        """Forget the recipes of some projections, or of all; when asked for they are made again, the same."""
        for name in names or tuple(self.projections):
            self._recipes.pop(name, None)
            self._degrees.pop(name, None)

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what is made but once of the synapses, and holds for as long as the plan."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def take_over(self, other: Plan) -> None:
        """Take over what was made once of another plan, whose synapses are the same, if they sum alike here.

        They may not where other rates, or other parameters of a group, have changed what a source can send.
        """
        receptors = (
            pair
            for mine, theirs in zip(self.groups.values(), other.groups.values(), strict=True)
            for pair in zip(mine.receptors, theirs.receptors, strict=True)
        )
        if all(mine.sums_like(theirs) for mine, theirs in receptors):
            self._made.update(other._made)

    def __str__(self) -> str:
        grid = "no grid" if self.gridless else f"dt {self.dt:g} s"
        lines = [
            f"plan: {grid}, {self.trials} trial(s), seed {self.network.seed}, state {self.real}, "
            f"{self.n_levels} level(s), longest delay {self._delays((self.max_delay,))}"
        ]
        for group in self.groups.values():
            lines.append(f"group {group.name}: {group.n} x {_kind(group.part)}, level {group.level}")
            for receptor in group.receptors:
                lines.append(f"  receptor {receptor.name}: {describe_receptor(receptor)}")
        for p in self.projections.values():
            lines.append(
                f"projection {p.name}: {p.part.connectivity.kind} as {p.storage}, {p.arithmetic}, about "
                f"{p.expected:.6g} connections, delay {self._delays(p.delays)}, rounded by up to "
                f"{p.delay_rounding:.3g} s; {p.reason}"
            )
        return "\n".join([*lines, "steps", *map(str, self.steps)])

    def _delays(self, delays: tuple[int, ...]) -> str:
        unit, each = (self.dt, "s") if self.gridless else (1, "step(s)")
        ends = dict.fromkeys((delays[0], delays[-1]))
        return f"{'..'.join(f'{delay * unit:g}' for delay in ends)} {each}"

    def diff(self, other: Plan) -> str:
        """Return what differs between two plans, line by line; empty if nothing does.

        Raises
        ------
        SpecError
            If the other is not a plan.
        """
        if not isinstance(other, Plan):
            raise SpecError(f"Plan.diff: got {type(other).__name__}; allowed is another plan")
        mine, theirs = str(self).splitlines(), str(other).splitlines()
        return "\n".join(difflib.unified_diff(mine, theirs, "this plan", "the other", lineterm="", n=0))


def _selves(n: int, pre: np.ndarray, post: np.ndarray) -> np.ndarray:
    """Return which target each source is itself, or -1, int64; both ends are among the same n neurons."""
    place = np.full(n, -1, np.int64)
    place[post] = np.arange(post.size)
    return np.asarray(place[pre])


def recipe_of_projection(part: Projection, seed: int, threads: int = 1) -> Recipe:
    """Return what the synapses of an indexed projection are drawn from."""
    same = sender(part) is part.target
    selves = _selves(part.target.n, ids_of(origin(part.pre)), ids_of(part.post)) if same else None
    return recipe_of(
        part.connectivity,
        part.pre.n,
        part.post.n,
        seed=seed,
        name=part.label,
        selves=selves,
        space=space_of(part),
        correlation=part.correlation,
        threads=threads,
    )


def _kind(part: Group) -> str:
    return type(part.model).__name__ if isinstance(part, Population) else type(part).__name__
