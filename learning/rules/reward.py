"""Learning from reward: spikes say which synapses may change, a modulator says when and by how much."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

from ...neurons.model import Parameter
from ...neurons.vocabulary import maximum, minimum
from .rule import PlasticityRule, Trace


@dataclass(frozen=True, eq=False)
class RewardSTDP(PlasticityRule):
    r"""STDP whose changes wait, as an eligibility c of each synapse, until a reward turns them into weight.

    Pairs of spikes change the eligibility as they would change a weight by `STDP`: with traces x and y, an
    arriving spike adds a_post y to c, and one of the target a_pre x. Between spikes

    * dc/dt = -c / tau_c,
    * dd/dt = -d / tau_d, and each event of the projection's `modulator` adds its payload to d,
    * dw/dt = c (d - baseline), clipped to [w_min, w_max].

    Parameters
    ----------
    tau_pre, tau_post : float
        Time constants of x and y in seconds.
    tau_c, tau_d : float
        Time constants in seconds of the eligibility, and of the concentration d of the modulator.
    a_pre, a_post : float
        What a pair adds to c, in the unit of the weights per second and unit of d.
    baseline : float
        The d at which weights stand still: below it, eligible synapses change the other way.
    every : float
        Seconds between two times at which weights are brought up to date, rounded to whole steps. They are
        then exact: the integral of c (d - baseline) over all that has passed.
    w_min, w_max : float
        Bounds of the weight, to which it is clipped when it is brought up to date.
    pairing : "all" or "nearest"
        Whether each spike pairs with all earlier ones of the other neuron, or only with the last.
    homeostasis : Homeostasis, optional
        What scales weights besides. They are brought up to date before; eligibilities do not change.

    Notes
    -----
    The modulator is any group of the network, `Projection(..., rule=..., modulator=dopamine)`: a
    `CurrentSource` or `SpikeSource` that each run feeds, or a population. Its events of one step are added
    up, and act from the end of that step on. Spikes carry 1; in NEST's `stdp_dopamine_synapse` they add
    1 / tau_n.

    Between two updates synapses cost nothing but their spikes: eligibilities are kept relative to one that
    has decayed since the last update, so that nobody has to look at them. `Simulator.state` and probes of
    "c" see them as they are now.

    Sources: E. M. Izhikevich, Cerebral Cortex 17 (2007) 2443; W. Potjans, A. Morrison, M. Diesmann,
    Frontiers in Computational Neuroscience 4 (2010) 141 (baseline).

    Examples
    --------
    >>> rule = RewardSTDP(20e-3, 20e-3, 1.0, 0.2, a_pre=0.1, a_post=-0.15, w_max=4.0)
    >>> rule.modulated, rule.sweep_steps(1e-3)
    (True, 10)
    """

    synaptic: ClassVar[tuple[str, ...]] = ("c",)
    shared: ClassVar[Mapping[str, float]] = {"kept": 1.0, "due": 0.0}

    tau_pre: float = Parameter(unit="s", above=0.0, scalar=True)
    tau_post: float = Parameter(unit="s", above=0.0, scalar=True)
    tau_c: float = Parameter(unit="s", above=0.0, scalar=True)
    tau_d: float = Parameter(unit="s", above=0.0, scalar=True)
    _: KW_ONLY
    a_pre: float = Parameter(scalar=True)
    a_post: float = Parameter(scalar=True)
    baseline: float = Parameter(0.0, scalar=True)
    every: float = Parameter(10e-3, unit="s", above=0.0, scalar=True)
    pairing: Literal["all", "nearest"] = Parameter("all", choices=("all", "nearest"))

    @property
    def traces(self) -> tuple[Trace, ...]:
        """Memories x of arrivals and y of the target's spikes, and the concentration d."""
        return (
            Trace("x", "pre", self.tau_pre, self.pairing),
            Trace("y", "post", self.tau_post, self.pairing),
            Trace("d", "modulator", self.tau_d),
        )

    @property
    def sweep_every(self) -> float:
        """Seconds between two updates of all weights."""
        return self.every

    def derive(self, elapsed: float) -> dict[str, float]:
        """Return the constants; `gain` and `lost` are what a step adds, per c, by d and by the baseline."""
        both = 1.0 / self.tau_c + 1.0 / self.tau_d
        return {
            "a_pre": self.a_pre, "a_post": self.a_post, "w_min": self.w_min, "w_max": self.w_max,
            "gain": -math.expm1(-elapsed * both) / both,
            "lost": -math.expm1(-elapsed / self.tau_c) * self.tau_c * self.baseline,
            "fading": math.exp(-elapsed / self.tau_c),
        }  # fmt: skip

    @staticmethod
    def on_pre(weight: Any, c: Any, y: Any, a_post: Any, kept: Any, due: Any, w_min: Any, w_max: Any) -> Any:
        """Become eligible by what the target's earlier spikes left in y."""
        raised = a_post * y / kept
        return minimum(maximum(weight - raised * due, w_min), w_max), c + raised

    @staticmethod
    def on_post(weight: Any, c: Any, x: Any, a_pre: Any, kept: Any, due: Any, w_min: Any, w_max: Any) -> Any:
        """Become eligible by what the spikes that arrived earlier left in x."""
        raised = a_pre * x / kept
        return minimum(maximum(weight - raised * due, w_min), w_max), c + raised

    @staticmethod
    def on_step(kept: Any, due: Any, d: Any, gain: Any, lost: Any, fading: Any) -> Any:
        """Let time pass: what is left of an eligibility of 1 at the last update, and what it has earned."""
        return kept * fading, due + kept * (d * gain - lost)

    @staticmethod
    def on_sweep(weight: Any, c: Any, kept: Any, due: Any, w_min: Any, w_max: Any) -> Any:
        """Bring the weight up to date, and begin to measure the eligibility anew."""
        return minimum(maximum(weight + c * due, w_min), w_max), c * kept

    @staticmethod
    def present(c: Any, kept: Any) -> Any:
        """Return what is left of the eligibility that was measured at the last update."""
        return c * kept
