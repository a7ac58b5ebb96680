"""Activations as operators of torch, so that a tracer sees one operation where there would be many.

They are taken apart for gradients, as torch's composite operators are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def staircase(x: Tensor, threshold: Tensor, levels: int, low: int) -> Tensor:
    """Return the whole number of steps nearest to each number, times a step; from low to `levels` of them.

    A step is threshold / levels. Gradients pass as if nothing were rounded: between the ends that of x is 1,
    and that of the threshold what rounding has added, as a part of it, (h - x) / threshold; beyond them x has
    none, and the threshold that of the end, 1 or low / levels.

    T. Bu et al., "Optimal ANN-SNN Conversion for High-accuracy and Ultra-low-latency Spiking Neural Networks"
    (ICLR 2022), who call it quantization clip-floor-shift.

    Parameters
    ----------
    x : Tensor
        Of any shape.
    threshold : Tensor ()
        Above zero.
    levels, low : int
        The ends; low is zero or below.

    Examples
    --------
    >>> staircase(torch.tensor([-0.3, 0.3, 0.4, 5.0]), torch.tensor(1.0), 4, 0).tolist()
    [0.0, 0.25, 0.5, 1.0]
    """
    made: Tensor = torch.ops.rheobase.staircase(x, threshold, levels, low)
    return made


def top_k(x: Tensor, k: int) -> Tensor:
    """Return the k largest numbers along the last axis that are above zero, of equal ones the first.

    All others are zero; gradients pass to those that stay.

    Parameters
    ----------
    x : Tensor (..., n)
        Of any shape.
    k : int
        1 or more.

    Examples
    --------
    >>> top_k(torch.tensor([3.0, -1.0, 2.0, 2.0]), 2).tolist()
    [3.0, 0.0, 2.0, 0.0]
    """
    made: Tensor = torch.ops.rheobase.top_k(x, k)
    return made


def _steps(x: Tensor, threshold: Tensor, levels: int, low: int) -> Tensor:
    step = threshold / levels
    ratio = x / step
    whole = torch.floor(ratio + 0.5).detach()
    n = whole.clamp(low, levels)
    # As a function of x and the step, what is free moves with x, and what was rounded off or on stands still.
    free = torch.where((whole >= low) & (whole < levels), ratio, n)
    soft = step * (free + (n - free).detach())
    return (step * n).detach() + (soft - soft.detach())


def _largest(x: Tensor, k: int) -> Tensor:
    if x.shape[-1] <= k:
        return x.relu()
    given = x.detach()
    last = given.topk(k, dim=-1, sorted=False).values.amin(dim=-1, keepdim=True)
    above, equal = given > last, given == last
    room = k - above.sum(dim=-1, keepdim=True)
    kept = (given > 0) & (above | (equal & (equal.cumsum(dim=-1) <= room)))
    return torch.where(kept, x, x.new_zeros(()))


#: Name -> arguments, and what computes it.
Operators = Mapping[str, tuple[str, Callable[..., Tensor]]]

OPERATORS: Operators = {
    "staircase": ("Tensor x, Tensor threshold, int levels, int low", _steps),
    "top_k": ("Tensor x, int k", _largest),
}

_LIBRARY = torch.library.Library("rheobase", "FRAGMENT")


def define(operators: Operators) -> None:
    """Make operators of `torch.ops.rheobase` of functions."""
    for name, (arguments, compute) in operators.items():
        _LIBRARY.define(f"{name}({arguments}) -> Tensor")
        _LIBRARY.impl(name, compute, "CompositeImplicitAutograd")


define(OPERATORS)
