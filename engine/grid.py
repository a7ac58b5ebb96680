"""Fixed point: the grid on which a receptor's weights lie and its input is summed.

Weights become whole multiples of a power of two, so sums are integers: exact, and the same in any
order. The step is the smallest that neither the largest weight nor the largest sum can overflow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..neurons.errors import PlanError

#: What one projection gives a neuron may move by this share of itself when weights are rounded.
TOLERANCE = 0.01
_LARGEST_SUM = 2**31 - 1
#: The headroom that a draw does not use up.
_WIDE = 2.0


@dataclass(frozen=True)
class Load:
    """What one projection puts on a receptor.

    Attributes
    ----------
    name : str
        The projection.
    weights : array
        Every weight, or the quantiles that they are drawn from.
    targets : int array, or None
        Target of each weight; None where each is alone: one for all synapses, or one for each target.
    drawn : bool
        Whether the weights are quantiles.
    largest_sum : float
        Bound on the sum of absolute weights times payload that one neuron can get in one step.
    """

    name: str
    weights: np.ndarray
    targets: np.ndarray | None
    drawn: bool
    largest_sum: float

    def rounding(self, step: float) -> float:
        """Return the largest share by which rounding to multiples of `step` moves a neuron's weights.

        Weights onto one neuron count together, so that a weight which is nothing beside the others
        may round to nothing; drawn ones are measured by the root mean square of their distribution.
        """
        weights = self.weights.reshape(-1)
        moved, size = np.abs(np.rint(weights / step) * step - weights), np.abs(weights)
        if self.drawn:
            size = np.full_like(size, np.sqrt(np.mean(weights**2)))
        elif self.targets is not None:
            moved, size = (np.bincount(self.targets, x) for x in (moved, size))
        return float(np.max(moved[size > 0] / size[size > 0], initial=0.0))


@dataclass(frozen=True)
class Grid:
    """The grid of one receptor.

    Attributes
    ----------
    exponent : int
        The step is 2 ** exponent, in the unit of the weights.
    bits : int
        Bits of a stored weight, 16 or 32.
    rounding : float
        Worst share by which rounding moves what one projection gives a neuron.
    headroom : float
        Largest representable sum over the bound on the sum.
    """

    exponent: int
    bits: int
    rounding: float
    headroom: float

    @property
    def is_wide(self) -> bool:
        """Whether no draw goes so far beyond the plan's bound that a sum could overflow."""
        return self.headroom >= _WIDE

    @property
    def step(self) -> float:
        """One unit of the integers, in the unit of the weights."""
        return math.ldexp(1.0, self.exponent)

    def to_integers(self, weights: np.ndarray) -> np.ndarray:
        """Return weights as whole numbers of steps, rounded to nearest even, int64."""
        return np.rint(np.asarray(weights, dtype=np.float64) / self.step).astype(np.int64)


def choose_grid(receptor: str, loads: list[Load]) -> Grid:
    """Return the finest grid that holds all weights of a receptor: 16 bits, else 32.

    Raises
    ------
    PlanError
        If even 32 bits would move what a projection gives a neuron by more than one per cent.
    """
    largest = max((float(np.abs(load.weights).max(initial=0.0)) for load in loads), default=0.0)
    total = sum(load.largest_sum for load in loads)
    if largest == 0.0:
        return Grid(0, 16, 0.0, math.inf)
    by_sum = math.ceil(math.log2(max(total, largest) / _LARGEST_SUM))
    worst, culprit = 0.0, ""
    for bits in (16, 32):
        limit = 2 ** (bits - 1) - 1
        exponent = max(math.ceil(math.log2(largest / limit)), by_sum)
        worst, culprit = max((load.rounding(math.ldexp(1.0, exponent)), load.name) for load in loads)
        if worst <= TOLERANCE:
            return Grid(exponent, bits, worst, _LARGEST_SUM * math.ldexp(1.0, exponent) / max(total, largest))
    raise PlanError(
        f"{receptor}: fixed point cannot hold the weights of {culprit!r}: the largest weight is {largest:g}, "
        f"a sum may reach {total:g}, and 32 bits would move some neuron's input by {100 * worst:.3g} % "
        f"(allowed is {100 * TOLERANCE:g} %). Use precision='float32', or receptors apart for weak and "
        "strong synapses"
    )
