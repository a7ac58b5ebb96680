"""Homeostasis: what keeps weights, or rates, where they should be while synapses learn.

Any rule takes one: `STDP(..., homeostasis=Normalise(10.0, every=0.1))`. It looks at all
synapses of the projection every so often, at the end of a step, and not at every spike. A threshold that
adapts is the neuron's own affair: see `ALIF`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...neurons.model import Parameter
from ...neurons.vocabulary import maximum, minimum
from .rule import Homeostasis, Trace


@dataclass(frozen=True, eq=False)
class Normalise(Homeostasis):
    """Scale the weights onto each neuron so that they add up to a given total.

    Every so often each weight is multiplied with the total over the sum of the weights of all synapses of the
    projection onto its target, and clipped to the rule's bounds.

    Parameters
    ----------
    total : float
        What the weights onto a neuron shall add up to, in their unit. They should be of one sign.
    every : float
        Seconds between two times, rounded to whole steps.

    Notes
    -----
    Sources: C. von der Malsburg, Kybernetik 14 (1973) 85; P. U. Diehl, M. Cook, Frontiers in Computational
    Neuroscience 9 (2015) 99, before each picture.

    Examples
    --------
    >>> Normalise(78.0, every=0.35).every
    0.35
    """

    total: float = Parameter(above=0.0, scalar=True)

    def derive(self, elapsed: float) -> dict[str, float]:
        """Return the total as a constant."""
        return {"wanted": self.total}

    @staticmethod
    def on_balance(weight: Any, total: Any, wanted: Any, w_min: Any, w_max: Any) -> Any:
        """Scale by what is wanted over what there is; weights of zero stay."""
        return minimum(maximum(weight * (wanted / maximum(total, 1e-30)), w_min), w_max)


@dataclass(frozen=True, eq=False)
class Scale(Homeostasis):
    """Scale all weights onto a neuron up while it fires too little, and down while it fires too much.

    dw/dt = w (1 - r / rate) / tau_scale, clipped to the rule's bounds, where r is the neuron's rate as a
    trace with the time constant tau knows it; weights follow every so often.

    Parameters
    ----------
    rate : float
        Rate in hertz at which weights stay.
    tau : float
        Time in seconds over which the rate is averaged.
    tau_scale : float
        Time in seconds in which the weights of a silent neuron grow by a factor e.
    every : float
        Seconds between two times, rounded to whole steps; short beside tau_scale.

    Notes
    -----
    Source: M. C. W. van Rossum, G. Q. Bi, G. G. Turrigiano, Journal of Neuroscience 20 (2000) 8812.

    Examples
    --------
    >>> Scale(rate=5.0, tau=10.0, tau_scale=100.0, every=0.1).traces[0].side
    'post'
    """

    rate: float = Parameter(unit="Hz", above=0.0, scalar=True)
    tau: float = Parameter(unit="s", above=0.0, scalar=True)
    tau_scale: float = Parameter(unit="s", above=0.0, scalar=True)

    @property
    def traces(self) -> tuple[Trace, ...]:
        """The memory of the target's rate."""
        return (Trace("activity", "post", self.tau),)

    def derive(self, elapsed: float) -> dict[str, float]:
        """Return by how much a silent neuron's weights grow each time, and how a trace makes that less."""
        steps = max(round(self.every / elapsed), 1)
        growth = steps * elapsed / self.tau_scale
        return {"growth": growth, "held": growth / (self.tau * self.rate)}

    @staticmethod
    def on_balance(weight: Any, activity: Any, growth: Any, held: Any, w_min: Any, w_max: Any) -> Any:
        """Grow, less what the target's activity holds back."""
        return minimum(maximum(weight + weight * (growth - held * activity), w_min), w_max)
