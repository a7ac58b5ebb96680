"""Patterns in which every weight has a place in an array: matrices, kernels, windows, rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ...neurons.errors import SpecError
from ..arguments import check_flag
from .pattern import Connectivity, check_count, check_ids, check_pair


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
        stride=check_pair("conv2d.stride", stride, 1),
        padding=check_pair("conv2d.padding", padding, 0),
        dilation=check_pair("conv2d.dilation", dilation, 1),
        groups=check_count("conv2d.groups", groups),
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
    window, border = check_pair("pool2d.size", size, 1), check_pair("pool2d.padding", padding, 0)
    if any(2 * b > w for b, w in zip(border, window, strict=True)):
        raise SpecError(f"pool2d.padding: got {padding!r}; allowed is half of the window {window} at most")
    steps = check_pair("pool2d.stride", window if stride is None else stride, 1)
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
    n = check_count("rows.n", n)
    if order is None:
        return RowWise(n=n)
    places = check_ids("rows.order", order)
    if places.size % n or not np.array_equal(np.sort(places), np.arange(places.size)):
        raise SpecError(
            f"rows.order: got {places.size} indices; allowed is every neuron of the source once, in {n} rows "
            "of one length"
        )
    return RowWise(n=n, order=places)
