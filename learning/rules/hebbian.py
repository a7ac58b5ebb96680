"""Hebbian rules: what a synapse learns when its target fires, from traces that stand for rates.

A trace with the time constant tau holds about r tau for a train of rate r. A rule that acts at each spike
of its target acts at the target's rate; so the product of rates in the textbooks is a spike times a trace
here, and its expectation is the same for trains that are independent, given their rates.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

from ...neurons.model import Parameter
from ...neurons.vocabulary import maximum, minimum, where
from .rule import PlasticityRule, Trace


@dataclass(frozen=True, eq=False)
class Hebb(PlasticityRule):
    """What fires together: synapses of inputs that were active grow when the target fires.

    With a trace x of arriving spikes, each spike of the target changes w by lr (x - offset), clipped to
    [w_min, w_max]; in rates, dw/dt = lr (tau r_pre - offset) r_post. With an offset, synapses of inputs that
    were silent shrink.

    Parameters
    ----------
    tau : float
        Time constant of x in seconds.
    lr : float
        Change per unit of x, in the unit of the weights.
    offset : float
        The x at which nothing changes.
    w_min, w_max : float
        Bounds of the weight.
    dependence : "additive" or "multiplicative"
        Whether a change scales with the distance from the bound that it moves towards.
    pairing : "all" or "nearest"
        Whether x adds up over all spikes, or remembers only the last.

    Notes
    -----
    Without an offset nothing but w_max keeps weights from growing: see `Oja`, `BCM` and `homeostasis`.

    Sources: D. O. Hebb, The Organization of Behavior (1949); T. J. Sejnowski, Journal of Mathematical
    Biology 4 (1977) 303 (offset); P. U. Diehl, M. Cook, Frontiers in Computational Neuroscience 9 (2015) 99.

    Examples
    --------
    >>> Hebb(20e-3, lr=0.01, offset=0.4, w_max=1.0).rules.on_post.arguments
    ('weight', 'x', 'lr', 'offset', 'w_min', 'w_max')
    """

    tau: float = Parameter(unit="s", above=0.0, scalar=True)
    _: KW_ONLY
    lr: float = Parameter(above=0.0, scalar=True)
    offset: float = Parameter(0.0, scalar=True)
    dependence: Literal["additive", "multiplicative"] = Parameter(
        "additive", choices=("additive", "multiplicative")
    )
    pairing: Literal["all", "nearest"] = Parameter("all", choices=("all", "nearest"))

    @property
    def traces(self) -> tuple[Trace, ...]:
        """The memory x of the spikes that arrived."""
        return (Trace("x", "pre", self.tau, self.pairing),)

    @staticmethod
    def on_pre(weight: Any) -> Any:
        """Learn nothing: the target has the word."""
        return weight

    @staticmethod
    def on_post(weight: Any, x: Any, lr: Any, offset: Any, w_min: Any, w_max: Any, dependence: Any) -> Any:
        """Change by what arrived earlier."""
        change = lr * (x - offset)
        if dependence == "multiplicative":
            change = change * where(change > 0.0, w_max - weight, weight - w_min)
        return minimum(maximum(weight + change, w_min), w_max)


@dataclass(frozen=True, eq=False)
class Oja(PlasticityRule):
    """A Hebbian rule that keeps its weights short: they turn to the first principal component of the input.

    With traces x of arriving spikes and y of the target's, each spike of the target changes w by
    lr (x - y w / norm^2), clipped to [w_min, w_max]; in rates, dw/dt = lr tau (r_pre r_post - r_post^2 w /
    norm^2). A target whose rate is the sum of its inputs' rates, each times its weight, ends with the weights
    norm u, where u is the eigenvector of length 1 of <r_pre r_pre^T> with the largest eigenvalue; where
    its rate is g times that, they are shorter by the square root of g.

    Parameters
    ----------
    tau : float
        Time constant of x and y in seconds.
    lr : float
        Change per unit of x.
    norm : float
        Length of a target's vector of weights in the end.
    w_min, w_max : float
        Bounds of the weight.

    Notes
    -----
    Rates are not centred: the component is that of the correlation, not of the covariance. `IF(reset="soft")`
    is a target with g = 1 over its threshold. Source: E. Oja, Journal of Mathematical Biology 15 (1982) 267.

    Examples
    --------
    >>> [trace.name for trace in Oja(0.1, lr=1e-4, w_max=1.0).traces]
    ['x', 'y']
    """

    tau: float = Parameter(unit="s", above=0.0, scalar=True)
    _: KW_ONLY
    lr: float = Parameter(above=0.0, scalar=True)
    norm: float = Parameter(1.0, above=0.0, scalar=True)

    @property
    def traces(self) -> tuple[Trace, ...]:
        """Memories x of the spikes that arrived and y of those that the target sent."""
        return (Trace("x", "pre", self.tau), Trace("y", "post", self.tau))

    def derive(self, elapsed: float) -> dict[str, float]:
        """Return the constants; `pull` is what y draws a weight back by."""
        return {"lr": self.lr, "pull": self.lr / self.norm**2, "w_min": self.w_min, "w_max": self.w_max}

    @staticmethod
    def on_pre(weight: Any) -> Any:
        """Learn nothing: the target has the word."""
        return weight

    @staticmethod
    def on_post(weight: Any, x: Any, y: Any, lr: Any, pull: Any, w_min: Any, w_max: Any) -> Any:
        """Grow by what arrived, shrink by what the target did itself."""
        return minimum(maximum(weight + lr * x - pull * y * weight, w_min), w_max)


@dataclass(frozen=True, eq=False)
class BCM(PlasticityRule):
    """Bienenstock, Cooper and Munro: a target strengthens above a threshold that slides with its activity.

    With traces x of arriving spikes and y of the target's, each spike of the target changes w by
    lr x (y - theta), clipped to [w_min, w_max]; theta is the mean of y^2, over y's value at the given rate.
    In rates: dw/dt ~ r_pre r_post (r_post - <r_post^2> / rate).

    Parameters
    ----------
    tau : float
        Time constant of x and y in seconds.
    tau_theta : float
        Time in seconds over which y^2 is averaged: longer than inputs take turns, and short beside the
        time in which weights change.
    lr : float
        Change per unit of x and y.
    rate : float
        Rate in hertz that a target keeps to for a single input. A target that answers only a share p of
        the time answers at rate / p.
    w_min, w_max : float
        Bounds of the weight.

    Notes
    -----
    theta is a trace to which each spike adds y, as it was before: in the mean, tau_theta r_post y. So the
    spike that asks for y^2 does not count itself.

    Sources: E. L. Bienenstock, L. N. Cooper, P. W. Munro, Journal of Neuroscience 2 (1982) 32;
    N. Intrator, L. N. Cooper, Neural Networks 5 (1992) 3 (the square).

    Examples
    --------
    >>> BCM(50e-3, 5.0, lr=1e-4, rate=10.0, w_max=1.0).traces[0].adds
    'y'
    """

    tau: float = Parameter(unit="s", above=0.0, scalar=True)
    tau_theta: float = Parameter(unit="s", above=0.0, scalar=True)
    _: KW_ONLY
    lr: float = Parameter(above=0.0, scalar=True)
    rate: float = Parameter(unit="Hz", above=0.0, scalar=True)

    @property
    def traces(self) -> tuple[Trace, ...]:
        """The memory of the target's square, and those of the spikes that arrived and that it sent."""
        return (
            Trace("squares", "post", self.tau_theta, adds="y"),
            Trace("x", "pre", self.tau),
            Trace("y", "post", self.tau),
        )

    def derive(self, elapsed: float) -> dict[str, float]:
        """Return the constants; `share` makes theta of the memory of squares."""
        share = 1.0 / (self.tau_theta * self.rate)
        return {"lr": self.lr, "share": share, "w_min": self.w_min, "w_max": self.w_max}

    @staticmethod
    def on_pre(weight: Any) -> Any:
        """Learn nothing: the target has the word."""
        return weight

    @staticmethod
    def on_post(weight: Any, x: Any, y: Any, squares: Any, lr: Any, share: Any, w_min: Any,
                w_max: Any) -> Any:  # fmt: skip
        """Strengthen what arrived where y is above the threshold, weaken it below."""
        return minimum(maximum(weight + lr * x * (y - share * squares), w_min), w_max)
