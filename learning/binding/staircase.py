"""Rounding to steps as one operator of torch, so that a tracer sees one operation where there would be many.

It is taken apart for gradients, as torch's composite operators are.
"""

from __future__ import annotations

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


def _steps(x: Tensor, threshold: Tensor, levels: int, low: int) -> Tensor:
    step = threshold / levels
    ratio = x / step
    whole = torch.floor(ratio + 0.5).detach()
    n = whole.clamp(low, levels)
    # As a function of x and the step, what is free moves with x, and what was rounded off or on stands still.
    free = torch.where((whole >= low) & (whole < levels), ratio, n)
    soft = step * (free + (n - free).detach())
    return (step * n).detach() + (soft - soft.detach())


_LIBRARY = torch.library.Library("rheobase", "FRAGMENT")
_LIBRARY.define("staircase(Tensor x, Tensor threshold, int levels, int low) -> Tensor")
_LIBRARY.impl("staircase", _steps, "CompositeImplicitAutograd")
