"""Spike-timing dependent plasticity by pairs of spikes."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

from ...neurons.model import Parameter
from ...neurons.vocabulary import maximum, minimum
from .rule import PlasticityRule, Trace


@dataclass(frozen=True, eq=False)
class STDP(PlasticityRule):
    """Pair rule: a synapse remembers how long ago each of its two neurons last spiked.

    With traces x (of arriving spikes) and y (of the target's spikes),

    * a spike arrives: w <- w + a_post y, so a_post < 0 weakens a synapse whose spike came too late;
    * the target fires: w <- w + a_pre x, so a_pre > 0 strengthens one whose spike came before;

    and w is clipped to [w_min, w_max]. One pair of spikes at a lag s = t_post - t_pre thus changes w by
    a_pre exp(-s / tau_pre) for s > 0 and a_post exp(s / tau_post) for s < 0, where t_pre is the time
    of arrival. Spikes of the same step do not pair with each other.

    Parameters
    ----------
    tau_pre, tau_post : float
        Time constants of x and y in seconds.
    a_pre, a_post : float
        Change per unit of x and y: in the unit of the weights where additive, a fraction of the way
        that is left where multiplicative. Either sign is allowed.
    w_min, w_max : float
        Bounds of the weight.
    dependence : "additive" or "multiplicative"
        Whether the change scales with the distance from the bound that it moves towards.
    pairing : "all" or "nearest"
        Whether each spike pairs with all earlier ones of the other neuron, or only with the last.

    Notes
    -----
    Sources: S. Song, K. D. Miller, L. F. Abbott, Nature Neuroscience 3 (2000) 919 (additive);
    J. Rubin, D. D. Lee, H. Sompolinsky, Physical Review Letters 86 (2001) 364 (multiplicative);
    A. Morrison, M. Diesmann, W. Gerstner, Biological Cybernetics 98 (2008) 459 (pairing schemes).

    Examples
    --------
    >>> rule = STDP(20e-3, 20e-3, a_pre=0.01, a_post=-0.0105, w_max=1.0)
    >>> rule.bounds
    (0.0, 1.0)
    """

    tau_pre: float = Parameter(unit="s", above=0.0, scalar=True)
    tau_post: float = Parameter(unit="s", above=0.0, scalar=True)
    _: KW_ONLY
    a_pre: float = Parameter(scalar=True)
    a_post: float = Parameter(scalar=True)
    dependence: Literal["additive", "multiplicative"] = Parameter(
        "additive", choices=("additive", "multiplicative")
    )
    pairing: Literal["all", "nearest"] = Parameter("all", choices=("all", "nearest"))

    @property
    def traces(self) -> tuple[Trace, ...]:
        """Memories x of the spikes that arrived and y of those that the target sent."""
        return (
            Trace("x", "pre", self.tau_pre, self.pairing),
            Trace("y", "post", self.tau_post, self.pairing),
        )

    def options(self) -> dict[str, object]:
        """Return the choices, and which way each side moves the weight."""
        return {**super().options(), "pre_lifts": self.a_pre > 0, "post_lifts": self.a_post > 0}

    @staticmethod
    def on_pre(weight: Any, y: Any, a_post: Any, w_min: Any, w_max: Any, dependence: Any,
               post_lifts: Any) -> Any:  # fmt: skip
        """Change by what the target's earlier spikes left in y."""
        change = a_post * y
        if dependence == "multiplicative" and post_lifts:
            change = change * (w_max - weight)
        elif dependence == "multiplicative":
            change = change * (weight - w_min)
        return minimum(maximum(weight + change, w_min), w_max)

    @staticmethod
    def on_post(weight: Any, x: Any, a_pre: Any, w_min: Any, w_max: Any, dependence: Any,
                pre_lifts: Any) -> Any:  # fmt: skip
        """Change by what the spikes that arrived earlier left in x."""
        change = a_pre * x
        if dependence == "multiplicative" and pre_lifts:
            change = change * (w_max - weight)
        elif dependence == "multiplicative":
            change = change * (weight - w_min)
        return minimum(maximum(weight + change, w_min), w_max)
