"""Patterns that list their pairs, one by one or as the entries of a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...neurons.errors import SpecError
from .pattern import Connectivity, check_ids


@dataclass(frozen=True, eq=False)
class OneToOne(Connectivity):
    """Neuron i to neuron i."""

    kind: ClassVar[str] = "one_to_one"


@dataclass(frozen=True, eq=False)
class Explicit(Connectivity):
    """The listed pairs."""

    kind: ClassVar[str] = "explicit"
    pre_ids: np.ndarray = None  # type: ignore[assignment]
    post_ids: np.ndarray = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Sparse(Explicit):
    """The non-zero entries of a matrix [n_post, n_pre]; the projection's weight multiplies them."""

    kind: ClassVar[str] = "sparse"
    shape: tuple[int, int] = (0, 0)
    values: np.ndarray = None  # type: ignore[assignment]


def one_to_one() -> OneToOne:
    """Connect neuron i to neuron i; both populations have the same size.

    Examples
    --------
    >>> one_to_one().kind
    'one_to_one'
    """
    return OneToOne()


def explicit(pre_ids: Any, post_ids: Any) -> Explicit:
    """Connect the listed pairs: pre_ids[i] to post_ids[i]; weights and delays may be arrays in this order.

    Examples
    --------
    >>> explicit([0, 0, 1], [1, 2, 0]).pre_ids
    array([0, 0, 1])
    """
    pre, post = check_ids("explicit.pre_ids", pre_ids), check_ids("explicit.post_ids", post_ids)
    if pre.shape != post.shape:
        raise SpecError(
            f"explicit: pre_ids has {pre.size} entries and post_ids {post.size}; they must be pairs"
        )
    return Explicit(pre_ids=pre, post_ids=post)


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
        pre_ids=check_ids("sparse.matrix", coo.col),
        post_ids=check_ids("sparse.matrix", coo.row),
        shape=(int(n_post), int(n_pre)),
        values=values,
    )
