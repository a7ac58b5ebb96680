"""Who is connected to whom: one frozen description per pattern.

A description knows its own parameters; what it means for two populations (how many synapses, which
shapes the weights need) is worked out by the plan. How patterns are drawn stands in `engine/recipes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ..neurons.errors import SpecError
from .arguments import check_flag
from .profiles import Profile


@dataclass(frozen=True, eq=False)
class Connectivity:
    """Base class of all patterns; `kind` names them in files and plans."""

    kind: ClassVar[str] = ""
    #: True where every weight has its own place in an array or a kernel, so no indices are stored.
    indexed: ClassVar[bool] = True

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(np.array_equal(value, getattr(other, name)) for name, value in vars(self).items())

    def __hash__(self) -> int:
        numbers = (v.size if isinstance(v, np.ndarray) else v for v in vars(self).values())
        return hash((type(self), *numbers))


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


@dataclass(frozen=True, eq=False)
class OneToOne(Connectivity):
    """Neuron i to neuron i."""

    kind: ClassVar[str] = "one_to_one"


@dataclass(frozen=True, eq=False)
class Dense(Connectivity):
    """Every source to every target, weights as a matrix or one number."""

    kind: ClassVar[str] = "dense"
    indexed: ClassVar[bool] = False
    self_connections: bool = True


@dataclass(frozen=True, eq=False)
class Conv2d(Connectivity):
    """A convolution between populations of shape (channels, height, width) or (channels, width)."""

    kind: ClassVar[str] = "conv2d"
    indexed: ClassVar[bool] = False
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


@dataclass(frozen=True, eq=False)
class Pool2d(Connectivity):
    """Sum or average over windows of a population of shape (channels, height, width) or (channels, width)."""

    kind: ClassVar[str] = "pool2d"
    indexed: ClassVar[bool] = False
    size: tuple[int, int] = (2, 2)
    stride: tuple[int, int] = (2, 2)
    padding: tuple[int, int] = (0, 0)
    mode: Literal["average", "sum"] = "average"

    @property
    def share(self) -> float:
        """What one neuron of a window counts for."""
        return 1.0 / (self.size[0] * self.size[1]) if self.mode == "average" else 1.0


@dataclass(frozen=True, eq=False)
class RowWise(Connectivity):
    """One matrix of weights from each row of the source's neurons to the same row of the target's."""

    kind: ClassVar[str] = "rows"
    indexed: ClassVar[bool] = False
    n: int = 1
    order: np.ndarray | None = None

    def read(self, n_pre: int) -> np.ndarray:
        """Return which source neurons each row reads, int64 (n, n_in)."""
        order = np.arange(n_pre) if self.order is None else self.order
        return order.reshape(self.n, -1)


@dataclass(frozen=True, eq=False)
class Explicit(Connectivity):
    """The listed pairs."""

    kind: ClassVar[str] = "explicit"
    pre_ids: np.ndarray = None  # type: ignore[assignment]
    post_ids: np.ndarray = None  # type: ignore[assignment]


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
    return FixedIn(k=_count("fixed_in.k", k), **_drawn("fixed_in", self_connections, multiple, procedural))


def fixed_out(
    k: int, *, self_connections: bool = True, multiple: bool = False, procedural: bool = False
) -> FixedOut:
    """Give every source k synapses to targets drawn uniformly (without replacement unless `multiple`).

    Examples
    --------
    >>> fixed_out(100).k
    100
    """
    return FixedOut(k=_count("fixed_out.k", k), **_drawn("fixed_out", self_connections, multiple, procedural))


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
        n=_count("fixed_total.n", n), **_drawn("fixed_total", self_connections, multiple, procedural)
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


def one_to_one() -> OneToOne:
    """Connect neuron i to neuron i; both populations have the same size.

    Examples
    --------
    >>> one_to_one().kind
    'one_to_one'
    """
    return OneToOne()


def all_to_all(*, self_connections: bool = True) -> Dense:
    """Connect every source to every target; another name of `dense` for one weight or a distribution.

    Examples
    --------
    >>> all_to_all(self_connections=False).kind
    'dense'
    """
    return Dense(self_connections=check_flag("all_to_all.self_connections", self_connections))


def dense(*, self_connections: bool = True) -> Dense:
    """Connect every source to every target, with a weight matrix of shape [n_post, n_pre].

    Parameters
    ----------
    self_connections : bool
        Whether a neuron connects to itself, where source and target are one population; if not, its
        weights are stored by index, and those of the diagonal mean nothing.

    Examples
    --------
    >>> dense().kind
    'dense'
    """
    return Dense(self_connections=check_flag("dense.self_connections", self_connections))


def conv2d(
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Conv2d:
    """Convolve: weights of shape [c_out, c_in / groups, kh, kw], populations of shape (c, h, w) or (c, w).

    A population of shape (c, w) is an image of height 1.

    The order of axes and the meaning of every argument are torch's.

    Examples
    --------
    >>> conv2d(stride=2, padding=1).stride
    (2, 2)
    """
    return Conv2d(
        stride=_pair("conv2d.stride", stride, 1),
        padding=_pair("conv2d.padding", padding, 0),
        dilation=_pair("conv2d.dilation", dilation, 1),
        groups=_count("conv2d.groups", groups),
    )


def pool2d(
    size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    kind: Literal["average", "sum"] = "average",
    padding: int | tuple[int, int] = 0,
) -> Pool2d:
    """Sum or average over windows; the stride is the window's size unless given.

    The padding is zeros, which count for the average; half of the window at most, as in torch.

    Examples
    --------
    >>> pool2d(2).stride
    (2, 2)
    """
    if kind not in ("average", "sum"):
        raise SpecError(
            f"pool2d.kind: got {kind!r}; allowed is 'average' or 'sum' (a maximum is an Operator)"
        )
    window, border = _pair("pool2d.size", size, 1), _pair("pool2d.padding", padding, 0)
    if any(2 * b > w for b, w in zip(border, window, strict=True)):
        raise SpecError(f"pool2d.padding: got {padding!r}; allowed is half of the window {window} at most")
    steps = _pair("pool2d.stride", window if stride is None else stride, 1)
    return Pool2d(size=window, stride=steps, padding=border, mode=kind)


def rows(n: int, order: Any = None) -> RowWise:
    """Connect n rows of neurons to n rows, all by the same weights [n_out, n_in]: a linear map of each token.

    Rows follow one another: the first n_in neurons of the source reach the first n_out of the target, and so
    on. That is torch's `Linear` on the last axis of a population of shape (n, n_in); for any other axis,
    `order` says what a row is.

    Parameters
    ----------
    n : int
        Rows.
    order : int array (n * n_in,), optional
        The source's neurons in the order in which rows read them, each once.

    Examples
    --------
    >>> import rheobase as rb
    >>> tokens, hidden = rb.Population((16, 64), rb.IF()), rb.Population((16, 128), rb.IF())
    >>> rb.Projection(tokens, hidden, rows(16), weight=np.ones((128, 64))).connectivity.n
    16
    >>> channels = np.arange(16 * 64).reshape(16, 64).T  # 64 rows of 16: each channel mixes its tokens
    >>> mixed = rb.Population((64, 16), rb.IF())
    >>> rb.Projection(tokens, mixed, rows(64, order=channels.reshape(-1)), weight=np.ones((16, 16))).pre.shape
    (16, 64)
    """
    n = _count("rows.n", n)
    if order is None:
        return RowWise(n=n)
    places = _ids("rows.order", order)
    if places.size % n or not np.array_equal(np.sort(places), np.arange(places.size)):
        raise SpecError(
            f"rows.order: got {places.size} indices; allowed is every neuron of the source once, in {n} rows "
            "of one length"
        )
    return RowWise(n=n, order=places)


def explicit(pre_ids: Any, post_ids: Any) -> Explicit:
    """Connect the listed pairs: pre_ids[i] to post_ids[i]; weights and delays may be arrays in this order.

    Examples
    --------
    >>> explicit([0, 0, 1], [1, 2, 0]).pre_ids
    array([0, 0, 1])
    """
    pre, post = _ids("explicit.pre_ids", pre_ids), _ids("explicit.post_ids", post_ids)
    if pre.shape != post.shape:
        raise SpecError(
            f"explicit: pre_ids has {pre.size} entries and post_ids {post.size}; they must be pairs"
        )
    return Explicit(pre_ids=pre, post_ids=post)


@dataclass(frozen=True, eq=False)
class Sparse(Explicit):
    """The non-zero entries of a matrix [n_post, n_pre]; the projection's weight multiplies them."""

    kind: ClassVar[str] = "sparse"
    shape: tuple[int, int] = (0, 0)
    values: np.ndarray = None  # type: ignore[assignment]


def sparse(matrix: Any) -> Sparse:
    """Connect by the stored entries of a matrix [n_post, n_pre] (SciPy sparse, or an array's non-zeros).

    Entries that are listed twice add up; zeros that a sparse matrix stores are synapses of weight 0.

    Examples
    --------
    >>> sparse([[0.0, 0.5], [0.0, 0.0]]).pre_ids
    array([1])
    """
    from scipy import sparse as scipy_sparse

    try:
        coo = scipy_sparse.csc_array(matrix).tocoo()
        if coo.data.dtype.kind not in "biuf":
            raise TypeError
        values = np.array(coo.data, dtype=np.float64)
        n_post, n_pre = coo.shape
    except (TypeError, ValueError):
        raise SpecError(
            f"sparse.matrix: got {str(matrix)[:60]!r}; allowed is a matrix of numbers [n_post, n_pre]"
        ) from None
    if not np.all(np.isfinite(values)):
        raise SpecError("sparse.matrix: holds NaN or infinite weights; allowed are finite ones")
    values.setflags(write=False)
    return Sparse(
        pre_ids=_ids("sparse.matrix", coo.col),
        post_ids=_ids("sparse.matrix", coo.row),
        shape=(int(n_post), int(n_pre)),
        values=values,
    )


def _ids(field: str, values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(np.int64)
    whole = array.ndim == 1 and array.dtype.kind in "iu"
    if not whole or (array.size and (array.min() < 0 or array.max() >= 2**31)):
        raise SpecError(
            f"{field}: got {array.dtype} of shape {array.shape}; allowed is a list of indices from 0"
        )
    array = array.astype(np.int64)
    array.setflags(write=False)
    return array


def _count(field: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise SpecError(f"{field}: got {value!r}; allowed is a whole number from 1")
    return int(value)


def _pair(field: str, value: Any, low: int) -> tuple[int, int]:
    several = isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim == 1)
    pair = tuple(value) if several else (value, value)
    if len(pair) != 2 or any(
        isinstance(v, bool) or not isinstance(v, (int, np.integer)) or v < low for v in pair
    ):
        raise SpecError(f"{field}: got {value!r}; allowed is a whole number from {low}, or a pair of them")
    return int(pair[0]), int(pair[1])


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
