"""Where neurons are: positions in one, two or three dimensions, perhaps on a ring or a torus."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..neurons.errors import SpecError
from .arguments import check_flag, check_seed
from .compiled import compiled
from .profiles import Profile
from .random import stream_key, uniform_array
from .shape import NO_SHAPE, Shape

#: Targets of a leaf of the tree: few enough to be alike, many enough to be worth a look at their box.
_LEAF = 32


@dataclass(frozen=True, eq=False)
class Positions:
    """Where each neuron of a group is.

    Attributes
    ----------
    points : array (n, d)
        Coordinates in one to three dimensions, in any unit that the profiles share.
    period : tuple of float, or None
        Length after which each axis begins again; None where none does.
    """

    points: np.ndarray
    period: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        try:
            points = np.array(self.points, dtype=np.float64)
        except (TypeError, ValueError):
            points = np.zeros((0, 0))
        points = points[:, None] if points.ndim == 1 else points
        if points.ndim != 2 or not 1 <= points.shape[1] <= 3 or not np.isfinite(points).all():
            raise SpecError(
                f"positions: got {_told(self.points)}; allowed are finite numbers of shape (n,) or "
                "(n, d) with d up to 3"
            )
        points.setflags(write=False)
        object.__setattr__(self, "points", points)
        if self.period is not None:
            object.__setattr__(self, "period", _lengths("period", self.period, points.shape[1]))

    @property
    def dimensions(self) -> int:
        """Number of coordinates."""
        return int(self.points.shape[1])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Positions):
            return NotImplemented
        return self.period == other.period and np.array_equal(self.points, other.points)

    __hash__ = None  # type: ignore[assignment]


def _told(points: Any) -> str:
    """Return what was got, for messages: its shape, if it has one."""
    try:
        return f"shape {np.shape(points)}"
    except ValueError:
        return "rows of different lengths"


def positions(points: Any, period: float | Sequence[float] | None = None) -> Positions:
    """Return positions from coordinates.

    Parameters
    ----------
    points : array (n,) or (n, d)
        Coordinates in one to three dimensions.
    period : float or sequence of d floats, optional
        Length after which space begins again, so that distances are measured the shorter way round.

    Examples
    --------
    >>> positions([0.0, 0.5, 1.0], period=1.5).dimensions
    1
    """
    return Positions(points, period)  # type: ignore[arg-type]


def grid(
    shape: int | Sequence[int], spacing: float | Sequence[float] = 1.0, *, periodic: bool = False
) -> Positions:
    """Return the points of a regular grid, the last axis running fastest, as neurons of that shape do.

    Parameters
    ----------
    shape : int or sequence of int
        Points along each axis.
    spacing : float or sequence of float
        Distance between neighbours, along each axis.
    periodic : bool
        Whether the last neighbours the first.

    Examples
    --------
    >>> grid((2, 3), spacing=0.5).points.tolist()[:4]
    [[0.0, 0.0], [0.0, 0.5], [0.0, 1.0], [0.5, 0.0]]
    """
    sizes = np.atleast_1d(np.asarray(shape))
    if sizes.ndim != 1 or not 1 <= sizes.size <= 3 or sizes.dtype.kind not in "iu" or np.any(sizes < 1):
        raise SpecError(f"grid.shape: got {shape!r}; allowed are one to three whole numbers from 1")
    steps = np.array(_lengths("grid.spacing", spacing, sizes.size))
    _check_room("grid.shape", shape, math.prod(sizes.tolist()) * sizes.size)
    points = np.indices(tuple(sizes)).reshape(sizes.size, -1).T * steps
    wraps = check_flag("grid.periodic", periodic)
    return Positions(points, tuple((sizes * steps).tolist()) if wraps else None)


def scattered(n: int, extent: float | Sequence[float], *, seed: int = 0, periodic: bool = False) -> Positions:
    """Return n points that are spread evenly at random over [0, extent), from the counter generator.

    Parameters
    ----------
    n : int
        Number of points.
    extent : float or sequence of up to three floats
        Length of each axis; one number is one axis.
    seed : int
        Other seeds, other points: those of two populations should differ.
    periodic : bool
        Whether space begins again after the extent.

    Examples
    --------
    >>> scattered(400, extent=(1.0, 1.0), seed=1).points.shape
    (400, 2)
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise SpecError(f"scattered.n: got {n!r}; allowed is a whole number from 1")
    lengths = np.array(_lengths("scattered.extent", extent, np.size(extent)))
    _check_room("scattered.n", n, int(n) * lengths.size)
    draws = uniform_array(
        stream_key(check_seed("scattered.seed", seed), "scattered", "positions"), n * lengths.size
    )
    wraps = check_flag("scattered.periodic", periodic)
    return Positions(draws.reshape(n, -1) * lengths, tuple(lengths.tolist()) if wraps else None)


def _check_room(field: str, value: Any, coordinates: int) -> None:
    """Refuse more coordinates than fit into memory, where they are held thrice while they are worked out."""
    from .memory import available_bytes  # it knows of parts, which have positions

    needed, left = 24.0 * coordinates, available_bytes()
    if needed > left:
        raise SpecError(
            f"{field}: got {value!r}, which needs about {needed / 1e9:.3g} GB, and {left / 1e9:.3g} GB are "
            "available; allowed are fewer points"
        )


def _lengths(field: str, value: Any, dimensions: int) -> tuple[float, ...]:
    try:
        lengths = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        lengths = np.zeros(0)
    good = lengths.ndim <= 1 and lengths.size in (1, dimensions) and dimensions in (1, 2, 3)
    if not good or not np.isfinite(lengths).all() or not np.all(lengths > 0):
        raise SpecError(
            f"{field}: got {value!r}; allowed is a length above 0, or one for each axis (up to three)"
        )
    return tuple(np.broadcast_to(lengths.reshape(-1), dimensions).tolist())


class Space(NamedTuple):
    """Both ends of a projection in space, and targets that lie together put together.

    Targets are halved again and again, along the longest side of the box around them. Node 1 holds all,
    the halves of node k are nodes 2 k and 2 k + 1; node 2**level + j holds those in `order` from
    j * n >> level to before (j + 1) * n >> level.

    Attributes
    ----------
    sources, targets : float64 (n_pre, 3) and (n_post, 3)
        Positions; zero along the axes that there are not.
    period : float64 (3,)
        Length after which each axis begins again, 0 where it does not.
    order : int32 (n_post,)
        Targets, by where they are.
    points : float64 (n_post, 3)
        Their positions in this order.
    centre, half : float64 (n_nodes, 3)
        The middle of each node's box, and half of its sides.
    levels : int
        How often targets are halved.
    shape : Shape
        How likely a connection is.
    per_distance : float
        Entries of a table of weights or delays for each unit of distance.
    by_distance : int
        Bit 0: weights depend on the distance; bit 1: delays do.
    """

    sources: np.ndarray
    targets: np.ndarray
    period: np.ndarray
    order: np.ndarray
    points: np.ndarray
    centre: np.ndarray
    half: np.ndarray
    levels: int
    shape: Shape
    per_distance: float
    by_distance: int


_NOWHERE = np.zeros((0, 3))


def space_between(
    pre: Positions, post: Positions, profile: Profile | None, by_distance: int, largest: float
) -> Space:
    """Return the space of a projection; targets are put together only where a profile draws them.

    Parameters
    ----------
    pre, post
        Positions of both ends, of one dimension and period.
    profile
        How likely a connection is, if that depends on the distance.
    by_distance
        Bit 0: weights depend on the distance; bit 1: delays do.
    largest
        The distance at the end of their tables.
    """
    sources, targets = (np.zeros((len(end.points), 3)) for end in (pre, post))
    sources[:, : pre.dimensions], targets[:, : pre.dimensions] = pre.points, post.points
    period = np.zeros(3)
    period[: pre.dimensions] = pre.period or 0.0
    per_distance = 65_535 / largest if largest > 0 else 0.0
    space = Space(
        sources, targets, period, np.zeros(0, np.int32), _NOWHERE, _NOWHERE, _NOWHERE, 0, NO_SHAPE,
        per_distance, by_distance,
    )  # fmt: skip
    return space if profile is None else _with_tree(space, profile)


def _with_tree(space: Space, profile: Profile) -> Space:
    """Return a space whose targets are put together."""
    points, n, levels = space.targets, len(space.targets), 0
    while n >> (levels + 1) >= _LEAF:
        levels += 1
    order = np.arange(n)
    low, high = np.zeros((2 << levels, 3)), np.zeros((2 << levels, 3))
    for level in range(levels + 1):
        nodes = np.arange(1 << level)
        cuts = np.append(nodes, nodes.size) * n >> level
        mine = slice(1 << level, 2 << level)
        low[mine] = np.minimum.reduceat(points[order], cuts[:-1])
        high[mine] = np.maximum.reduceat(points[order], cuts[:-1])
        if level < levels:
            node = np.repeat(nodes, np.diff(cuts))
            axis = np.argmax(high[mine] - low[mine], axis=1)[node]
            order = order[np.lexsort((points[order, axis], node))]
    # Half a box is a little too large rather than too small: whatever touches it is looked at.
    half = (high - low) * 0.5 + 1e-12 * np.abs(points).max(initial=0.0)
    return space._replace(
        order=order.astype(np.int32),
        points=points[order],
        centre=(low + high) * 0.5,
        half=half,
        levels=levels,
        shape=profile.shape,
    )


def longest_between(pre: Positions, post: Positions) -> float:
    """Return a distance that no two neurons of the two ends exceed."""
    both = np.concatenate([pre.points, post.points])
    sides = both.max(axis=0) - both.min(axis=0)
    if pre.period:
        sides = np.minimum(sides, np.array(pre.period) * 0.5)
    return float(np.sqrt((sides**2).sum()))


@compiled()
def distance_between(space: Any, i: Any, j: Any) -> Any:
    """Return the distance between source i and target j."""
    x = _apart(space.sources[i, 0], space.targets[j, 0], space.period[0])
    y = _apart(space.sources[i, 1], space.targets[j, 1], space.period[1])
    z = _apart(space.sources[i, 2], space.targets[j, 2], space.period[2])
    return np.sqrt(x * x + y * y + z * z)


@compiled()
def distances_to(place: Any, period: Any, points: Any, chosen: Any, n: Any, out: Any) -> None:
    """Write the distances between a place and the first n of some chosen points."""
    for k in range(n):
        x = _apart(place[0], points[chosen[k], 0], period[0])
        y = _apart(place[1], points[chosen[k], 1], period[1])
        z = _apart(place[2], points[chosen[k], 2], period[2])
        out[k] = np.sqrt(x * x + y * y + z * z)


@compiled()
def distance_to_box(place: Any, period: Any, centre: Any, half: Any) -> Any:
    """Return the distance between a place and a box; zero within it."""
    x = max(_apart(place[0], centre[0], period[0]) - half[0], 0.0)
    y = max(_apart(place[1], centre[1], period[1]) - half[1], 0.0)
    z = max(_apart(place[2], centre[2], period[2]) - half[2], 0.0)
    return np.sqrt(x * x + y * y + z * z)


@compiled()
def _apart(x: Any, y: Any, period: Any) -> Any:
    """Return how far two coordinates are apart, the shorter way round."""
    side = abs(x - y)
    if period > 0.0:
        side = abs(side - period * np.floor(side / period + 0.5))
    return side
