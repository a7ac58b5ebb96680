"""How many synapses a projection will have, and how many one target at most, before any is drawn."""

from __future__ import annotations

import math

import numpy as np

from ..neurons.errors import PlanError
from .connectivity import (
    Dense,
    Distance,
    Drawn,
    Explicit,
    FixedIn,
    FixedOut,
    FixedTotal,
    OneToOne,
    Pool2d,
    Random,
    RowWise,
)
from .groups import ids_of
from .nearby import expected_targets
from .parts import Projection
from .planned import ProjectionPlan
from .profiles import Profile
from .relays import origin, sender
from .space import space_between
from .tables import space_of

#: Sources by which the number of connections is estimated where it depends on distance.
_SAMPLED = 1000


def expected_synapses(p: Projection) -> float:
    """Return the expected number of connections of a projection."""
    c, n_pre, n_post = p.connectivity, p.pre.n, p.post.n
    if isinstance(c, Random):
        return c.p * n_pre * n_post
    if isinstance(c, Distance):
        return _expected_by_distance(p)
    if isinstance(c, FixedIn):
        _check_degree(p, c.k, n_pre, c.multiple, c.self_connections, "sources")
        if c.k * n_post >= 2**32:
            raise PlanError(
                f"{p.label}: fixed_in({c.k}) onto {n_post} targets; allowed are fewer than 2**32 synapses: "
                "split the targets, or use fixed_total"
            )
        return float(c.k * n_post)
    if isinstance(c, FixedOut):
        _check_degree(p, c.k, n_post, c.multiple, c.self_connections, "targets")
        return float(c.k * n_pre)
    if isinstance(c, FixedTotal):
        _check_total(p, c)
        return float(c.n)
    if isinstance(c, OneToOne):
        return float(n_pre)
    if isinstance(c, Explicit):
        return float(c.pre_ids.size)
    if isinstance(c, Dense):
        return float(n_pre * n_post - (0 if c.self_connections else shared_neurons(p)))
    if isinstance(c, RowWise):
        return float(n_post * (n_pre // c.n))
    window = c.size if isinstance(c, Pool2d) else np.asarray(p.weight).shape[1:]
    return float(n_post * math.prod(window))


def _expected_by_distance(p: Projection) -> float:
    """Return the expected number of connections, from a thousand sources."""
    sources = np.arange(0, p.pre.n, -(-p.pre.n // _SAMPLED))
    degrees = np.empty(sources.size)
    expected_targets(space_of(p), sources, True, degrees)
    return float(degrees.mean() * p.pre.n)


def _check_total(p: Projection, c: FixedTotal) -> None:
    pairs = p.pre.n * p.post.n - (0 if c.self_connections else shared_neurons(p))
    if pairs < 1 or (c.n > pairs and not c.multiple):
        raise PlanError(
            f"{p.label}: fixed_total asks for {c.n} single synapses of {pairs} pairs; ask for fewer"
            + (", or multiple=True" if pairs else "")
        )
    if pairs >= 2**31 and not c.multiple:
        raise PlanError(
            f"{p.label}: fixed_total of {pairs} pairs; without multiple=True allowed are fewer than 2**31"
        )


def shared_neurons(p: Projection) -> int:
    """Return how many neurons are on both ends of a projection."""
    pre = origin(p.pre)
    if sender(p) is not p.target:
        return 0
    return int(np.intersect1d(ids_of(pre), ids_of(p.post), assume_unique=True).size)


def _check_degree(p: Projection, k: int, n: int, multiple: bool, selves: bool, what: str) -> None:
    available = n if selves or not shared_neurons(p) else n - 1
    if (k > available and not multiple) or available < 1:
        raise PlanError(
            f"{p.label}: {p.connectivity.kind}({k}) needs {k} different {what}, there are {available}; "
            "ask for fewer, or multiple=True"
        )


def in_degree_bound(p: ProjectionPlan) -> float:
    """Return a bound on the synapses of one target; random patterns are checked when they are drawn."""
    c, n_pre, n_post = p.part.connectivity, p.part.pre.n, p.part.post.n
    if isinstance(c, FixedIn):
        return c.k
    if isinstance(c, OneToOne):
        return 1
    if isinstance(c, Explicit):
        return float(np.bincount(c.post_ids).max()) if c.post_ids.size else 0.0
    if isinstance(c, Dense):
        return n_pre
    if c.kind in ("conv2d", "pool2d", "rows"):
        return p.expected / n_post
    if isinstance(c, Distance):
        return min(float(n_pre), _bound_of(_largest_expected(p.part, c.profile)))
    # Where no neuron connects to itself, those that are no source may take up to the share of one more.
    apart = isinstance(c, Drawn) and not c.self_connections and shared_neurons(p.part) > 0
    mean = p.expected / max(n_post - apart, 1)
    spread = _bound_of(mean)
    return spread if isinstance(c, FixedTotal | FixedOut) and c.multiple else min(float(n_pre), spread)


def _largest_expected(p: Projection, profile: Profile) -> float:
    """Return what the expected number of any target's sources does not exceed."""
    space = space_between(p.post.positions, p.pre.positions, profile, 0, 0.0)
    degrees = np.empty(p.post.n)
    expected_targets(space, np.arange(p.post.n), False, degrees)
    return float(degrees.max())


def _bound_of(mean: float) -> float:
    """Return what a number of independent events of this mean never exceeds, for all that matters."""
    return mean + 12 * math.sqrt(mean) + 30
