"""What a plan says of each receptor, group and projection, and of each thing that happens in a step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ..learning.rules.rule import PlasticityRule
from .grid import Grid
from .groups import ids_of
from .parts import Group, Projection

Storage = Literal["sparse", "dense", "conv2d", "pool2d", "rows"]
Arithmetic = Literal["fixed", "float"]


@dataclass(frozen=True)
class ReceptorPlan:
    """How one receptor of one group sums its input.

    Attributes
    ----------
    name : str
        The receptor.
    grid : Grid or None
        The grid of its integer sum; None if nothing arrives in fixed point.
    floating : bool
        Whether it also (or only) has a floating-point sum.
    """

    name: str
    grid: Grid | None
    floating: bool

    def sums_like(self, other: ReceptorPlan) -> bool:
        """Whether it sums in the steps of another, and no sum overflows here that does not there."""
        if self.grid is None or other.grid is None or self.grid == other.grid:
            return self == other
        same_steps = (self.grid.exponent, self.grid.bits) == (other.grid.exponent, other.grid.bits)
        return self.floating == other.floating and same_steps and self.grid.is_wide


@dataclass(frozen=True)
class GroupPlan:
    """One population, source or operator as it will be stored.

    Attributes
    ----------
    name : str
        Its name in the network.
    part : Group
        The description.
    level : int
        Depth in the graph of zero delays: groups are updated in this order within a step.
    receptors : tuple of ReceptorPlan
        Its receptors, in the order of its model.
    order : int64 array or None
        The user's index of the neuron at each place of storage; None where they are the same.
    payload_bound : int
        Largest magnitude of an integer payload.
    """

    name: str
    part: Group
    level: int
    receptors: tuple[ReceptorPlan, ...]
    order: np.ndarray | None
    payload_bound: int

    @property
    def n(self) -> int:
        """Number of neurons."""
        return self.part.n

    def places(self, ids: np.ndarray) -> np.ndarray:
        """Return where the user's neurons are stored."""
        return np.asarray(ids if self.order is None else self._inverse[ids])

    @cached_property
    def _inverse(self) -> np.ndarray:
        assert self.order is not None
        inverse = np.empty_like(self.order)
        inverse[self.order] = np.arange(self.order.size)
        return inverse

    def stored(self, values: np.ndarray) -> np.ndarray:
        """Return values by the user's index (last axis) in the order of storage."""
        return values if self.order is None else values[..., self.order]

    def unstored(self, values: np.ndarray) -> np.ndarray:
        """Return values in the order of storage (last axis) by the user's index."""
        if self.order is None:
            return values
        out = np.empty_like(values)
        out[..., self.order] = values
        return out


@dataclass(frozen=True)
class ProjectionPlan:
    """One projection as it will be stored and delivered.

    Attributes
    ----------
    name : str
        Its name in the network.
    part : Projection
        The description.
    storage : "sparse", "dense", "conv2d", "pool2d" or "rows"
        How its weights are laid out.
    arithmetic : "fixed" or "float"
        How its events are summed.
    delays : tuple of int
        The delays that occur, in steps, ascending.
    delay_rounding : float
        Largest change of a delay by rounding to steps, in seconds.
    expected : float
        Expected number of connections.
    reason : str
        Why it is stored and summed so.
    """

    name: str
    part: Projection
    storage: Storage
    arithmetic: Arithmetic
    delays: tuple[int, ...]
    delay_rounding: float
    expected: float
    reason: str

    @property
    def rule(self) -> PlasticityRule | None:
        """How its weights change; a short-term rule is a relay by now."""
        rule = self.part.rule
        return rule if isinstance(rule, PlasticityRule) else None

    @property
    def zero_delay(self) -> bool:
        """Whether its events arrive in the step in which they are sent."""
        return self.delays == (0,)

    @cached_property
    def pre_ids(self) -> np.ndarray:
        """The source neurons, by the user's index, int64."""
        return ids_of(self.part.pre)

    @cached_property
    def post_ids(self) -> np.ndarray:
        """The target neurons, by the user's index, int64."""
        return ids_of(self.part.post)

    @property
    def post_range(self) -> tuple[int, int]:
        """First and one past the last target neuron of a dense projection, where they follow one another."""
        return int(self.post_ids[0]), int(self.post_ids[-1]) + 1


@dataclass(frozen=True)
class Step:
    """One thing that happens in every step of a run.

    Attributes
    ----------
    kind : str
        "emit", "deliver", "update", "operate", "learn" or "record".
    level : int
        Its place among the levels.
    names : tuple of str
        The source, population, operator or probe; for a delivery the projections that share a table.
    detail : str
        How it is done, for readers.
    """

    kind: Literal["emit", "deliver", "update", "operate", "learn", "record"]
    level: int
    names: tuple[str, ...]
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.level:>3}  {self.kind:<8} {', '.join(self.names)}" + (
            f"  ({self.detail})" if self.detail else ""
        )


def describe_receptor(receptor: ReceptorPlan) -> str:
    """Say in words how a receptor sums."""
    if receptor.grid is None:
        return "float sum" if receptor.floating else "no input"
    grid = receptor.grid
    text = (
        f"fixed point, step 2**{grid.exponent}, {grid.bits}-bit weights, worst rounding "
        f"{100 * grid.rounding:.2g} %, headroom x{grid.headroom:.3g}"
    )
    return text + (" and float sum" if receptor.floating else "")
