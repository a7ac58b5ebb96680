"""Patterns that are drawn: pairs, degrees, totals, and probabilities that depend on distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...neurons.errors import SpecError
from ..arguments import check_flag
from ..profiles import Profile
from .pattern import Connectivity, check_count


@dataclass(frozen=True, eq=False)
class Drawn(Connectivity):
    """Base class of the random patterns."""

    self_connections: bool = True
    multiple: bool = False
    procedural: bool = False


@dataclass(frozen=True, eq=False)
class Random(Drawn):
    """Every pair is connected with probability p, independently."""

    kind: ClassVar[str] = "random"
    p: float = 0.0


@dataclass(frozen=True, eq=False)
class FixedIn(Drawn):
    """Every target receives exactly k synapses from sources drawn uniformly."""

    kind: ClassVar[str] = "fixed_in"
    k: int = 0


@dataclass(frozen=True, eq=False)
class FixedOut(Drawn):
    """Every source sends exactly k synapses to targets drawn uniformly."""

    kind: ClassVar[str] = "fixed_out"
    k: int = 0


@dataclass(frozen=True, eq=False)
class FixedTotal(Drawn):
    """n synapses in all, each between a source and a target drawn uniformly."""

    kind: ClassVar[str] = "fixed_total"
    n: int = 0


@dataclass(frozen=True, eq=False)
class Distance(Drawn):
    """Every pair is connected with a probability that depends on its distance, independently."""

    kind: ClassVar[str] = "distance"
    profile: Profile = None  # type: ignore[assignment]


def random(
    p: float, *, self_connections: bool = True, multiple: bool = False, procedural: bool = False
) -> Random:
    """Connect every pair of neurons with probability p, independently.

    Parameters
    ----------
    p : float
        Probability, in [0, 1].
    self_connections : bool
        Whether a neuron may connect to itself, where source and target are one population.
    multiple : bool
        Must stay False: a pair has at most one synapse.
    procedural : bool
        Ask for rows that are drawn anew whenever they are used (not available yet).

    Examples
    --------
    >>> random(p=0.1).p
    0.1
    """
    if isinstance(p, bool) or not isinstance(p, (int, float, np.number)) or not 0 <= p <= 1:
        raise SpecError(f"random.p: got {p!r}; allowed is a probability in [0, 1]")
    if multiple:
        raise SpecError(
            "random.multiple: got True; independent pairs have one synapse at most: use fixed_total"
        )
    return Random(p=float(p), **_drawn("random", self_connections, multiple, procedural))


def fixed_in(
    k: int, *, self_connections: bool = True, multiple: bool = False, procedural: bool = False
) -> FixedIn:
    """Give every target k synapses from sources drawn uniformly (without replacement unless `multiple`).

    Examples
    --------
    >>> fixed_in(100).k
    100
    """
    return FixedIn(
        k=check_count("fixed_in.k", k), **_drawn("fixed_in", self_connections, multiple, procedural)
    )


def fixed_out(
    k: int, *, self_connections: bool = True, multiple: bool = False, procedural: bool = False
) -> FixedOut:
    """Give every source k synapses to targets drawn uniformly (without replacement unless `multiple`).

    Examples
    --------
    >>> fixed_out(100).k
    100
    """
    return FixedOut(
        k=check_count("fixed_out.k", k), **_drawn("fixed_out", self_connections, multiple, procedural)
    )


def fixed_total(
    n: int, *, self_connections: bool = True, multiple: bool = True, procedural: bool = False
) -> FixedTotal:
    """Draw n synapses between sources and targets, uniformly (with multiple synapses per pair by default).

    Examples
    --------
    >>> fixed_total(1000).n
    1000
    """
    return FixedTotal(
        n=check_count("fixed_total.n", n), **_drawn("fixed_total", self_connections, multiple, procedural)
    )


def distance(
    profile: Profile, *, self_connections: bool = True, multiple: bool = False, procedural: bool = False
) -> Distance:
    """Connect every pair with the probability that a profile gives at its distance, independently.

    Both ends have positions of one dimension and period.

    Parameters
    ----------
    profile : Profile
        gaussian(...), exponential(...), disc(...), cone(...), mexican_hat(...) or tabulated(...), with
        values up to 1; below 0 counts as 0. Nothing is cut off where the profile is not.
    self_connections : bool
        Whether a neuron may connect to itself, where source and target are one population.
    multiple : bool
        Must stay False: a pair has at most one synapse.
    procedural : bool
        Ask for rows that are drawn anew whenever they are used (not available yet).

    Examples
    --------
    >>> import rheobase as rb
    >>> exc = rb.Population((20, 20), rb.LIF(20e-3), positions=rb.grid((20, 20), spacing=0.05, periodic=True))
    >>> near = rb.distance(rb.gaussian(0.5, sd=0.1), self_connections=False)
    >>> rb.Projection(exc, exc, near, delay=rb.conduction(velocity=300.0)).connectivity.profile.sd
    0.1
    """
    if not isinstance(profile, Profile):
        raise SpecError(
            f"distance.profile: got {profile!r}; allowed is a profile such as gaussian(0.5, sd=0.1)"
        )
    if profile.largest > 1:
        raise SpecError(f"distance.profile: reaches {profile.largest:g}; allowed are probabilities up to 1")
    if multiple:
        raise SpecError(
            "distance.multiple: got True; independent pairs have one synapse at most: leave it False"
        )
    return Distance(profile=profile, **_drawn("distance", self_connections, multiple, procedural))


def _drawn(owner: str, self_connections: bool, multiple: bool, procedural: bool) -> dict[str, bool]:
    if check_flag(f"{owner}.procedural", procedural):
        raise SpecError(
            f"{owner}.procedural: got True; rows drawn on the fly are not available yet; leave it False"
        )
    return {
        "self_connections": check_flag(f"{owner}.self_connections", self_connections),
        "multiple": check_flag(f"{owner}.multiple", multiple),
        "procedural": False,
    }
