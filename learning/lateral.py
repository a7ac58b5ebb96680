"""Lateral connections of a layer, which learn the subspace of its input by Hebb's rule and its opposite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..neurons.errors import SpecError

#: Rows have a length of about 1. A direction of which they have less than this is one that they have already.
SAME = 1e-3


class Lateral(torch.nn.Module):
    """Lateral connections H (m, n) of a layer: subspace neurons that learn where its input x lies.

    They answer y = H x, and what they span of x is H^T y. Weights H learn by a Hebbian and an anti-Hebbian
    term, D = <y (x - H^T y)^T>, averaged over a batch: M <- 0.9 M + 0.1 D, H <- H + rate M, which leads their
    rows to the principal subspace of x, and to be orthonormal. Rows of old tasks stand still; new ones learn
    what those leave of x.

    Two steps between tasks are ours, and left out with `exact=False`: new rows begin orthogonal to old ones,
    and so stay, and when a task ends an orthonormal basis of what they span takes their place. Then H^T H of
    old rows is a projection, which takes out all that lies in their span. As the rule was published, new rows
    begin anywhere and are kept as they were learned, and from task to task more is left.

    Source: M. Xiao et al., Hebbian learning based orthogonal projection for continual learning of spiking
    neural networks, ICLR (2024); E. Oja, International Journal of Neural Systems 1:61 (1989).

    Parameters
    ----------
    n : int
        How many numbers x has.
    rate : float
        Of learning.
    iterations : int
        Changes of H for each batch.
    clip : float
        Limit of the entries of D.
    momentum : float
        What is left of M from one change to the next.
    levels : int, optional
        If given, y is what neurons tell in so many steps: rounded to multiples of bound / levels.
    bound : float
        Limit of y, if it is rounded.
    exact : bool
        Whether new rows begin orthogonal to old ones, and are made orthonormal when they are merged.

    Attributes
    ----------
    old, new : tensors (m, n)
        Rows of old tasks and of the one being learned.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> x = torch.randn(200, 2) @ torch.randn(2, 6)  # in a plane
    >>> lateral = Lateral(6, rate=0.05)
    >>> lateral.grow(2)
    >>> for _ in range(40):
    ...     lateral.learn(x)
    >>> round(lateral.captured(x), 2)
    1.0
    """

    old: torch.Tensor
    new: torch.Tensor
    drift: torch.Tensor

    def __init__(
        self,
        n: int,
        *,
        rate: float = 0.01,
        iterations: int = 5,
        clip: float = 10.0,
        momentum: float = 0.9,
        levels: int | None = None,
        bound: float = 20.0,
        exact: bool = True,
    ) -> None:
        super().__init__()
        self.n, self.rate, self.iterations, self.clip = n, rate, iterations, clip
        self.momentum, self.levels, self.bound, self.exact = momentum, levels, bound, exact
        for name in ("old", "new", "drift"):
            self.register_buffer(name, torch.zeros(0, n))

    @property
    def rows(self) -> torch.Tensor:
        """All rows, those of old tasks first: (m, n)."""
        return torch.cat([self.old, self.new])

    def grow(self, rows: int, generator: torch.Generator | None = None) -> None:
        """Add new rows, which begin at random, orthonormal among themselves, and to old rows if `exact`."""
        most = self.n - len(self.old) - len(self.new)
        if not isinstance(rows, int) or not 0 <= rows <= most:
            raise SpecError(f"Lateral.grow.rows: got {rows!r}; allowed is a whole number from 0 to {most}")
        more = torch.nn.init.orthogonal_(self.new.new_empty(rows, self.n), generator=generator)
        if self.exact and rows and len(self.old):
            more = torch.linalg.qr(self._across(more).T).Q.T.to(more)
        self.new = torch.cat([self.new, more])
        self.drift = torch.cat([self.drift, torch.zeros_like(more)])

    @torch.no_grad()
    def merge(self) -> None:
        """Make all rows those of old tasks: they protect, and learn no more.

        If `exact`, what new rows span beside old ones becomes an orthonormal basis. It has fewer rows where
        they do not differ: a direction of which they have less than a thousandth is left out.
        """
        more = self.new
        if self.exact and len(more):
            _, lengths, basis = torch.linalg.svd(self._across(more), full_matrices=False)
            more = basis[lengths > SAME].to(more)
        self.old = torch.cat([self.old, more])
        self.new, self.drift = self.new[:0], self.drift[:0]

    def activity(self, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return y = H x of rows of x (N, n): rounded if subspace neurons tell it in levels."""
        y = x @ rows.T
        if self.levels is None:
            return y
        quantum = self.bound / self.levels
        return torch.round(y.clamp(-self.bound, self.bound) / quantum) * quantum

    @torch.no_grad()
    def learn(self, x: torch.Tensor) -> None:
        """Change the new rows by a batch of inputs (N, n)."""
        if not len(self.new) or not len(x):
            return
        left = x - self.activity(x, self.old) @ self.old
        # Without rounding, D depends on x by its second moments alone, which may be fewer numbers than x.
        moments = self.levels is None and len(x) > self.n
        if moments:
            x, left = x.T @ x / len(x), x.T @ left / len(x)
        for _ in range(self.iterations):
            if moments:
                change = self.new @ left - self.new @ x @ self.new.T @ self.new
            else:
                y = self.activity(x, self.new)
                change = (y.T @ left - y.T @ y @ self.new) / len(x)
            self.drift.lerp_(change.clamp_(-self.clip, self.clip), 1.0 - self.momentum)
            self.new += self.rate * self.drift

    @torch.no_grad()
    def project(self, gradient: torch.Tensor) -> None:
        """Take out of a weight's gradient (m, ...) what lies in the span of old rows: dW - dW H^T H."""
        flat = gradient.reshape(len(gradient), -1)
        gradient.sub_((flat @ self.old.T @ self.old).reshape(gradient.shape))

    @torch.no_grad()
    def captured(self, x: torch.Tensor) -> float:
        """Return the share of the energy of inputs (N, n) that all rows span."""
        left = x - x @ self.rows.T @ self.rows
        return 1.0 - float(left.square().sum() / x.square().sum())

    @torch.no_grad()
    def deviation(self) -> float:
        """Return how far rows are from orthonormal: the largest |H H^T - 1|."""
        rows = self.rows
        return float((rows @ rows.T - torch.eye(len(rows), device=rows.device)).abs().max())

    def _across(self, rows: torch.Tensor) -> torch.Tensor:
        """Return what old rows leave of others, in double precision."""
        old, left = self.old.double(), rows.double()
        for _ in range(2):  # once more, for what rounding has left
            left = left - left @ old.T @ old
        return left

    def extra_repr(self) -> str:
        """Say how many rows there are."""
        return f"n={self.n}, old={len(self.old)}, new={len(self.new)}"

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *others: Any) -> None:
        for name in ("old", "new", "drift"):  # there are as many rows as were stored
            stored = state_dict.get(prefix + name)
            if torch.is_tensor(stored) and stored.ndim == 2 and stored.shape[1] == self.n:
                setattr(self, name, getattr(self, name).new_zeros(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *others)
