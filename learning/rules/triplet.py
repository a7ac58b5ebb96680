"""Spike-timing dependent plasticity by triplets of spikes, which depends on how often pairs come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

from ...neurons.model import Parameter
from ...neurons.presets import Presets
from ...neurons.vocabulary import maximum, minimum
from .rule import PlasticityRule, Trace


def _fitted(tau_x: float, tau_y: float, *amplitudes: float, pairing: str = "all") -> dict[str, Any]:
    """Return a set of the paper: times in ms, and a2_plus, a3_plus, a2_minus, a3_minus in thousandths."""
    names = ("a2_plus", "a3_plus", "a2_minus", "a3_minus")
    times = {"tau_plus": 16.8e-3, "tau_minus": 33.7e-3, "tau_x": tau_x * 1e-3, "tau_y": tau_y * 1e-3}
    shares = {name: share * 1e-3 for name, share in zip(names, amplitudes, strict=True)}
    return {**times, **shares, "pairing": pairing}


@dataclass(frozen=True, eq=False)
class TripletSTDP(PlasticityRule, Presets):
    """Triplet rule: a pair of spikes counts for more where its second neuron has fired shortly before.

    Each side has a fast and a slow trace: r1 and r2 of arriving spikes, with tau_plus and tau_x, o1 and o2
    of the target's, with tau_minus and tau_y.

    * A spike arrives: w <- w - scale o1 (a2_minus + a3_minus r2);
    * the target fires: w <- w + scale r1 (a2_plus + a3_plus o2);

    and w is clipped to [w_min, w_max]. All traces are those just before the spike, so that r2 and o2 know
    the earlier spikes of the neuron that fires and not this one. Spikes of the same step do not pair.

    Parameters
    ----------
    tau_plus, tau_minus, tau_x, tau_y : float
        Time constants of r1, o1, r2 and o2 in seconds.
    a2_plus, a3_plus, a2_minus, a3_minus : float
        Changes by a pair and by a triplet, not negative.
    w_min, w_max : float
        Bounds of the weight.
    scale : float
        What all four are multiplied with. Published ones are shares of a weight: give that weight.
    dependence : "additive" or "multiplicative"
        Whether a change scales with the distance from the bound that it moves towards.
    pairing : "all" or "nearest"
        Whether traces add up over all spikes, or remember only the last.

    Notes
    -----
    `TripletSTDP.preset(name, w_max=...)` gives a published fit: "visual cortex" or "hippocampus" (culture),
    each also with ", nearest", with ", minimal" (without the terms that matter least), or with both.

    Source: J.-P. Pfister, W. Gerstner, Journal of Neuroscience 26 (2006) 9673; tables 3 and 4 for the fits.

    Examples
    --------
    >>> TripletSTDP.preset("visual cortex", w_max=3.0).tau_y
    0.125
    >>> TripletSTDP.preset("hippocampus, minimal", w_max=3.0).a3_minus
    0.0
    """

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "visual cortex": _fitted(101, 125, 5e-7, 6.2, 7.0, 0.23),
        "visual cortex, minimal": _fitted(101, 114, 0.0, 6.5, 7.1, 0.0),
        "visual cortex, nearest": _fitted(714, 40, 8.8e-8, 53.0, 6.6, 3.1, pairing="nearest"),
        "visual cortex, nearest, minimal": _fitted(714, 40, 0.0, 50.0, 8.0, 0.0, pairing="nearest"),
        "hippocampus": _fitted(946, 27, 6.1, 6.7, 1.6, 1.4),
        "hippocampus, minimal": _fitted(946, 40, 5.3, 8.0, 3.5, 0.0),
        "hippocampus, nearest": _fitted(575, 47, 4.6, 9.1, 3.0, 7.5e-6, pairing="nearest"),
        "hippocampus, nearest, minimal": _fitted(575, 48, 4.6, 9.1, 3.0, 0.0, pairing="nearest"),
    }

    tau_plus: float = Parameter(unit="s", above=0.0, scalar=True)
    tau_minus: float = Parameter(unit="s", above=0.0, scalar=True)
    tau_x: float = Parameter(unit="s", above=0.0, scalar=True)
    tau_y: float = Parameter(unit="s", above=0.0, scalar=True)
    _: KW_ONLY
    a2_plus: float = Parameter(low=0.0, scalar=True)
    a3_plus: float = Parameter(low=0.0, scalar=True)
    a2_minus: float = Parameter(low=0.0, scalar=True)
    a3_minus: float = Parameter(low=0.0, scalar=True)
    scale: float = Parameter(1.0, above=0.0, scalar=True)
    dependence: Literal["additive", "multiplicative"] = Parameter(
        "additive", choices=("additive", "multiplicative")
    )
    pairing: Literal["all", "nearest"] = Parameter("all", choices=("all", "nearest"))

    @property
    def traces(self) -> tuple[Trace, ...]:
        """A fast and a slow memory of the spikes that arrived, and of those that the target sent."""
        return (
            Trace("r1", "pre", self.tau_plus, self.pairing),
            Trace("r2", "pre", self.tau_x, self.pairing),
            Trace("o1", "post", self.tau_minus, self.pairing),
            Trace("o2", "post", self.tau_y, self.pairing),
        )

    def derive(self, elapsed: float) -> dict[str, float]:
        """Return the changes in the unit of the weights, and the bounds."""
        names = ("a2_plus", "a3_plus", "a2_minus", "a3_minus")
        scaled = {name: self.scale * float(getattr(self, name)) for name in names}
        return {**scaled, "w_min": self.w_min, "w_max": self.w_max}

    @staticmethod
    def on_pre(weight: Any, o1: Any, r2: Any, a2_minus: Any, a3_minus: Any, w_min: Any,
               dependence: Any) -> Any:  # fmt: skip
        """Weaken by what the target's earlier spikes left in o1, more if spikes arrived before."""
        change = o1 * (a2_minus + a3_minus * r2)
        if dependence == "multiplicative":
            change = change * (weight - w_min)
        return maximum(weight - change, w_min)

    @staticmethod
    def on_post(weight: Any, r1: Any, o2: Any, a2_plus: Any, a3_plus: Any, w_max: Any,
                dependence: Any) -> Any:  # fmt: skip
        """Strengthen by what earlier arrivals left in r1, more if the target fired before."""
        change = r1 * (a2_plus + a3_plus * o2)
        if dependence == "multiplicative":
            change = change * (w_max - weight)
        return minimum(weight + change, w_max)
