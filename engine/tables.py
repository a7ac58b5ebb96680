"""Weights and delays of a projection as small tables: what its description means in numbers."""

from __future__ import annotations

import numpy as np

from ..neurons.errors import PlanError
from ..neurons.model import steps_of
from .checks import check_space
from .connectivity import Distance, Sparse
from .distributions import Distribution
from .parts import Projection
from .profiles import ByDistance
from .space import Space, space_between


def weight_table(projection: Projection) -> tuple[np.ndarray, bool]:
    """Return the table of weights (float64) and whether it holds entries to choose from."""
    weight = projection.weight
    if isinstance(weight, Distribution):
        return weight.table(), True
    if isinstance(weight, ByDistance):
        return weight.table(check_space(projection)), True
    table = np.atleast_1d(np.asarray(weight, dtype=np.float64))
    if isinstance(projection.connectivity, Sparse):
        return np.broadcast_to(
            table, projection.connectivity.values.shape
        ) * projection.connectivity.values, False
    return table, False


#: The longest delay in steps, with a grid and without one.
_LONGEST, _LONGEST_GRIDLESS = 65_535, 2**61


def delays_in_seconds(projection: Projection) -> tuple[np.ndarray, bool]:
    """Return the table of delays in seconds (float64), and whether it is chosen from; there must be some."""
    delay = projection.delay
    if isinstance(delay, ByDistance):
        return delay.table(check_space(projection)), True
    if isinstance(delay, Distribution):
        return delay.table(), True
    return np.asarray(delay, dtype=np.float64).reshape(-1), False


def delay_table(
    projection: Projection, dt: float, *, gridless: bool = False, stride: int = 1
) -> tuple[np.ndarray, bool, float]:
    """Return the table of delays in steps (int64), whether it is chosen from, and the worst rounding in s.

    A delay above zero is never rounded to zero, which would change the order of a step; nor is one by
    distance of neurons at one place, which are not in one another's step where others are not. One that
    was left out is `stride` steps.

    Raises
    ------
    PlanError
        If some delays of the projection are zero and others are not.
    """
    if projection.delay is None:
        return np.full(1, stride, np.int64), False, 0.0
    seconds, drawn = delays_in_seconds(projection)
    never_zero = isinstance(projection.delay, ByDistance)
    steps = np.where((seconds > 0) | never_zero, np.maximum(steps_of(seconds, dt), 1), 0)
    if steps.size and steps.min() == 0 and steps.max() > 0:
        raise PlanError(
            f"{projection.label}.delay: some delays are zero and some are not; split it into two projections"
        )
    longest = _LONGEST_GRIDLESS if gridless else _LONGEST
    if steps.size and steps.max() > longest:
        raise PlanError(
            f"{projection.label}.delay: got {seconds.max():g} s, which is {steps.max()} steps of {dt:g} s; "
            f"allowed are up to {longest} steps"
        )
    rounding = float(np.abs(steps * dt - seconds).max(initial=0.0))
    return steps, drawn, rounding


def space_of(projection: Projection) -> Space | None:
    """Return both ends of a projection in space, if anything in it depends on distance."""
    c = projection.connectivity
    profile = c.profile if isinstance(c, Distance) else None
    by_distance = [isinstance(value, ByDistance) for value in (projection.weight, projection.delay)]
    if profile is None and not any(by_distance):
        return None
    longest, pre, post = check_space(projection), projection.pre.positions, projection.post.positions
    return space_between(pre, post, profile, by_distance[0] + 2 * by_distance[1], longest)
