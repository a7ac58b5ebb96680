"""Drawing targets by distance: whole regions are left out, or thinned, without looking at their neurons.

Each pair is connected with the probability that the profile gives at its distance, independently. Targets
are in a tree of boxes. Within a box the profile does not exceed its bound at the nearest corner: candidates
are drawn with that probability, by jumping from one to the next, and kept with the share that their own
probability is of it. A box is divided as long as it would hold several candidates, so what a source
costs is about what it connects to, and nothing is cut off.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import compiled
from .random import draw64, to_unit
from .shape import bound_at, values_into
from .space import distance_to_box, distances_to

#: Candidates that are not worth dividing a box for; a bound above which all targets are looked at.
_FEW, _LIKELY = 8.0, 0.25
#: Candidates of a box that are taken at a time.
_BATCH = 64


@compiled()
def draw_nearby(space: Any, row: Any, i: Any, forbidden: Any, targets: Any, order: Any) -> Any:
    """Draw the targets of source i from the stream `row`; return how many.

    `order` gets the place of each pair among all.
    """
    if space is None:  # then nothing of what follows is compiled
        return 0
    place, period, points, shape = space.sources[i], space.period, space.points, space.shape
    by_place, centre, half, levels = space.order, space.centre, space.half, space.levels
    chosen, values = np.empty(_BATCH, np.int32), np.empty(_BATCH, np.float64)
    shares = np.empty(_BATCH, np.float64)
    first, n_post = np.int64(i) * by_place.size, by_place.size
    found, node, level = 0, 1, 0
    while node > 0:
        j = node - (1 << level)
        low, high = (j * n_post) >> level, ((j + 1) * n_post) >> level
        bound = min(bound_at(shape, distance_to_box(place, period, centre[node], half[node])), 1.0)
        if bound * (high - low) > _FEW and level < levels:
            node, level = 2 * node, level + 1
            continue
        stream, drawn = draw64(row, node), 0
        while low < high and bound > 0.0:
            low, drawn, n = _candidates(stream, bound, low, high, drawn, chosen, shares)
            distances_to(place, period, points, chosen, n, values)
            values_into(shape, values, n)
            for k in range(n):
                target = by_place[chosen[k]]
                if shares[k] < values[k] and target != forbidden:
                    targets[found], order[found] = target, first + target
                    found += 1
        node, level = _next_box(node, level)
    return found


@compiled()
def _next_box(node: Any, level: Any) -> Any:
    """Return the box after this one and those in it, and its level; box 0 after the last."""
    while node & 1:
        node >>= 1
        level -= 1
    return (0, 0) if node == 0 else (node + 1, level)


@compiled()
def _candidates(stream: Any, bound: Any, low: Any, high: Any, drawn: Any, chosen: Any, shares: Any) -> Any:
    """Draw some candidates of a box, each with a share of the bound that its probability must exceed.

    Return where to go on, the draws so far, and the number of candidates.
    """
    n = 0
    if bound > _LIKELY:
        while low < high and n < _BATCH:
            chosen[n], shares[n] = low, to_unit(draw64(stream, drawn))
            low, drawn, n = low + 1, drawn + 1, n + 1
        return low, drawn, n
    scale = 1.0 / np.log1p(-bound)
    while n < _BATCH:
        gap = np.log(to_unit(draw64(stream, drawn))) * scale
        if gap >= high - low:
            return high, drawn, n
        low += np.int64(gap)
        chosen[n], shares[n] = low, to_unit(draw64(stream, drawn + 1)) * bound
        low, drawn, n = low + 1, drawn + 2, n + 1
    return low, drawn, n


@compiled()
def expected_targets(space: Any, sources: Any, exact: Any, out: Any) -> None:
    """Write the expected number of targets of some sources, or a bound on it from the boxes alone."""
    period, points, shape = space.period, space.points, space.shape
    centre, half, levels, n_post = space.centre, space.half, space.levels, space.order.size
    every, values = np.arange(n_post), np.empty((n_post >> levels) + 1, np.float64)
    for s in range(sources.size):
        place, total, node, level = space.sources[sources[s]], 0.0, 1, 0
        while node > 0:
            j = node - (1 << level)
            low, high = (j * n_post) >> level, ((j + 1) * n_post) >> level
            bound = min(bound_at(shape, distance_to_box(place, period, centre[node], half[node])), 1.0)
            few = bound * (high - low) <= (1e-3 if exact else _FEW)
            if not few and level < levels:
                node, level = 2 * node, level + 1
                continue
            if few or not exact:
                total += bound * (high - low)
            else:
                distances_to(place, period, points, every[low:high], high - low, values)
                values_into(shape, values, high - low)
                for k in range(high - low):
                    total += min(max(values[k], 0.0), 1.0)
            node, level = _next_box(node, level)
        out[s] = total
