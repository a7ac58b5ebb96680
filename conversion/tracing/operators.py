"""Operators of torch that are ours: a tracer sees one operation where torch's own would be many.

They are taken apart for gradients, as torch's composite operators are. Programs that call them can be saved
by `torch.export` and converted from the file; what saves or runs one outside of rheobase imports this file.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...learning.binding.operators import OPERATORS, Operators, define


def gated_scan(q: Tensor, k: Tensor, v: Tensor, a: Tensor, *, backward: bool = False) -> Tensor:
    """Return o_t = q_t S_t for a state that fades and takes in, S_t = diag(a_t) S_(t-1) + k_t^T v_t.

    S. Yang et al., "Gated Linear Attention Transformers with Hardware-Efficient Training" (ICML 2024).

    Parameters
    ----------
    q, k, a : Tensor (..., tokens, d_k)
        What is asked for, where to write, and how much of each row of the state stays.
    v : Tensor (..., tokens, d_v)
        What is written.
    backward : bool
        Whether to begin with the last token.

    Returns
    -------
    Tensor (..., tokens, d_v)

    Examples
    --------
    >>> one = torch.ones(3, 1)
    >>> gated_scan(one, one, torch.tensor([[1.0], [2.0], [4.0]]), 0.5 * one).flatten().tolist()
    [1.0, 2.5, 5.25]
    """
    made: Tensor = torch.ops.rheobase.gated_scan(q, k, v, a, backward)
    return made


def rational(x: Tensor, above: Tensor, below: Tensor) -> Tensor:
    """Return (a0 + a1 x + ... + am x^m) / (1 + |b1| |x| + ... + |bn| |x|^n) of each number.

    Parameters
    ----------
    x : Tensor
        Of any shape.
    above, below : Tensor (m + 1,), (n,)
        a and b.

    Examples
    --------
    >>> rational(torch.tensor([-1.0, 3.0]), torch.tensor([0.0, 1.0]), torch.tensor([-1.0])).tolist()
    [-0.5, 0.75]
    """
    made: Tensor = torch.ops.rheobase.rational(x, above, below)
    return made


def _scanned(q: Tensor, k: Tensor, v: Tensor, a: Tensor, backward: bool) -> Tensor:
    tokens = range(q.shape[-2])
    state = v.new_zeros(*v.shape[:-2], k.shape[-1], v.shape[-1])
    rows = [v[..., 0, :]] * len(tokens)
    for t in reversed(tokens) if backward else tokens:
        state = a[..., t, :, None] * state + k[..., t, :, None] * v[..., t, None, :]
        rows[t] = (q[..., t, None, :] @ state).squeeze(-2)
    return torch.stack(rows, -2)


def _quotient(x: Tensor, above: Tensor, below: Tensor) -> Tensor:
    z, top, bottom = x.abs(), torch.zeros_like(x), torch.zeros_like(x)
    for a in above.flip(0):
        top = top * x + a
    for b in below.flip(0):
        bottom = (bottom + b.abs()) * z
    return top / (1 + bottom)


#: Name -> arguments, and what computes it. `aten.HANDLERS` says what each is in a graph.
OWN: Operators = {
    "gated_scan": ("Tensor q, Tensor k, Tensor v, Tensor a, bool backward", _scanned),
    "rational": ("Tensor x, Tensor above, Tensor below", _quotient),
}

define(OWN)

#: All that are ours, with those of `learning`.
NAMES = frozenset({*OWN, *OPERATORS})
