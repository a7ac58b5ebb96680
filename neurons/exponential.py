"""A neuron whose membrane makes its own upstroke by an exponential: ExpIF."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from .errors import SpecError
from .firing import Firing
from .model import MOST_STEPS, Parameter, State, Value, steps_of
from .noise import Noisy
from .receptor import Ports, Receiving, Receptor, check_names, settle_receptors
from .vocabulary import exp, minimum, where

Method = Literal["euler", "heun", "rk4"]
#: Runge-Kutta methods: points within a step; how much the slope at each weighs, how far the next is along it.
_METHODS: dict[str, dict[str, tuple[float, float]]] = {
    "euler": {"start": (1.0, 0.0)},
    "heun": {"start": (1 / 2, 1.0), "end": (1 / 2, 0.0)},
    "rk4": {"start": (1 / 6, 1 / 2), "middle": (1 / 3, 1 / 2), "again": (1 / 3, 1.0), "end": (1 / 6, 0.0)},
}
#: The exponential's argument at the cut-off; more would come near what single precision holds.
_STEEPEST = 60.0


@dataclass(frozen=True, eq=False)
class ExpIF(Receiving, Noisy):
    """Exponential integrate-and-fire.

    C dv/dt = g_leak (v_rest - v) + g_leak D exp((v - threshold) / D) + drive + sum of synapses;
    where v reaches `v_peak` a spike is sent and v goes to `v_reset`.

    Parameters
    ----------
    synapses : sequence of Receptor
        Its receptors, as for `ConductanceLIF`: one with a `reversal` is a conductance (weights in
        siemens, state variable `g_` and its name), one without is a current (in ampere, also `g_`). By
        default there are none, and what arrives at "input" adds to v.
    capacitance : float or array (n,)
        Membrane capacitance C in farad.
    g_leak : float or array
        Leak conductance in siemens; the membrane time constant is capacitance / g_leak.
    v_rest : float or array
        Reversal potential of the leak, in volts.
    threshold : float or array
        Where the slope of the exponential's current equals that of the leak, in volts: without synapses
        a slowly growing current makes it fire beyond g_leak (threshold - v_rest - D).
    slope_factor : float or array
        D, in volts: how sharp the threshold is.
    v_peak, v_reset : float or array
        Where the upstroke is cut off, and where v goes then, in volts.
    refractory : float or array
        Seconds in which v is held after a spike, rounded to whole steps; what would move it is discarded.
    drive : float or array
        A constant current in ampere.
    noise, noise_tau
        As for `LIF`, in volts: what the leak alone would come to. It is added when the rest of a step has
        moved v.
    method : "euler", "heun" or "rk4"
        Explicit Runge-Kutta methods of order 1, 2 and 4; synapses decay exactly in each. Spikes lie on
        the grid, so their times are of order 1 with all of them. Steps must be well below
        capacitance / (sum of all conductances). The right-hand side sees v up to `v_peak` only, so that
        nothing overflows.

    Raises
    ------
    SpecError
        If v_reset or the threshold is not below v_peak, the exponential is too steep (v_peak more than
        60 D above the threshold), or a receptor has the name of something else in the model.

    Notes
    -----
    What arrives at the receptor "current", in ampere, flows for one step beside `drive`. Synaptic input
    acts on v from the next step on.
    Source: N. Fourcaud-Trocme et al., Journal of Neuroscience 23:11628 (2003). The default parameters
    are those of `AdEx` without adaptation.

    Examples
    --------
    >>> ExpIF(drive=700e-12).receptors
    ('input', 'current')
    >>> ExpIF([Receptor("ampa", 5e-3, reversal=0.0)]).receptors
    ('ampa', 'current')
    """

    synapses: tuple[Receptor, ...] = ()
    _: KW_ONLY
    capacitance: Value = Parameter(281e-12, unit="F", above=0.0)
    g_leak: Value = Parameter(30e-9, unit="S", above=0.0)
    v_rest: Value = Parameter(-70.6e-3, unit="V")
    threshold: Value = Parameter(-50.4e-3, unit="V")
    slope_factor: Value = Parameter(2e-3, unit="V", above=0.0)
    v_peak: Value = Parameter(0.0, unit="V")
    v_reset: Value = Parameter(-70.6e-3, unit="V")
    refractory: Value = Parameter(0.0, unit="s", low=0.0)
    drive: Value = Parameter(0.0, unit="A")
    method: Method = Parameter("heun", choices=("euler", "heun", "rk4"))

    def check(self) -> None:
        """Refuse a neuron that could not stop firing, or could overflow."""
        super().check()
        owner = type(self).__name__
        settle_receptors(self, self.synapses)
        for name in ("v_reset", "threshold"):
            if np.any(np.greater_equal(getattr(self, name), self.v_peak)):
                raise SpecError(
                    f"{owner}.{name}: got {getattr(self, name)!r} with v_peak {self.v_peak!r}; allowed is a "
                    "value below v_peak"
                )
        if np.any(np.subtract(self.v_peak, self.threshold) > _STEEPEST * np.asarray(self.slope_factor)):
            raise SpecError(
                f"{owner}.v_peak: got {self.v_peak!r} with threshold {self.threshold!r} and slope_factor "
                f"{self.slope_factor!r}; allowed is up to {_STEEPEST:g} slope factors above the threshold. "
                "Set v_peak lower: the upstroke takes no time long before that"
            )
        check_names(self)

    @cached_property
    def ports(self) -> Ports:
        """The receptors."""
        return Ports({receptor.name: receptor for receptor in self.synapses}, "g")

    @property
    def receptors(self) -> tuple[str, ...]:
        """What projections call the synapses, or what moves v at once; and what flows for a step."""
        return (*(self.ports.names or ("input",)), "current")

    def least_weight(self, receptor: str) -> float:
        """Return the smallest weight that a receptor can take."""
        return self.ports.least(receptor)

    @property
    def states(self) -> tuple[State, ...]:
        """The potential, the synapses, and what firing and noise need."""
        return (State("v", unit="V"), *self.ports.states(), *Firing.states[1:], *super().states[1:])

    @property
    def leak_tau(self) -> Value:
        """Time constant of the leak, in seconds."""
        return np.divide(self.capacitance, self.g_leak)

    def functions(self) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
        """Fire as all do that have a threshold: here the cut-off."""
        return ExpIF.flow, ExpIF.jump, Firing.fire

    def options(self) -> dict[str, object]:
        """Add the synapses, the points of the method, and how it fires."""
        tableau = _METHODS[self.method]
        return {
            **super().options(),
            **self.ports.options(),
            "conducting": tuple(r.name for r in self.synapses if r.reversal is not None),
            "points": tuple(tableau) if "end" in tableau else (*tableau, "end"),
            "looked": tuple(tableau),
            "further": tuple(point for point, (_, ahead) in tableau.items() if ahead),
            **dict.fromkeys(("adapts", "lifts", "by_threshold", "escapes", "strict", "reset_delay"), False),
            "reset": "hard",
            "refractory": bool(np.any(np.asarray(self.refractory) > 0)),
        }

    def initial(self) -> dict[str, Value]:
        """Start at rest."""
        return {"v": self.v_rest}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step; where it has a point in the middle, synapses decay by halves."""
        self.check_step("capacitance / g_leak", self.leak_tau, elapsed)
        tableau = _METHODS[self.method]
        constants: dict[str, Value] = {
            **super().derive(elapsed),
            **self.ports.decays(0.5 * elapsed if "middle" in tableau else elapsed),
            **{f"share_{point}": share for point, (share, _) in tableau.items()},
            **{f"ahead_{point}": ahead for point, (_, ahead) in tableau.items()},
            "span": np.divide(elapsed, self.capacitance),
            "leak": self.g_leak,
            "v_rest": self.v_rest,
            "onset": self.threshold,
            "sharpness": np.divide(1.0, self.slope_factor),
            "upstroke": np.multiply(self.g_leak, self.slope_factor),
            "drive": self.drive,
            "threshold": self.v_peak,
            "v_reset": self.v_reset,
            "silent_steps": np.minimum(steps_of(self.refractory, elapsed), MOST_STEPS - 1),
        }
        for receptor in self.synapses:
            if receptor.reversal is not None:
                constants[f"reversal_{receptor.name}"] = receptor.reversal
        return constants

    def check_step(self, name: str, tau: Value, elapsed: float) -> None:
        """Refuse a step that is longer than a time constant, beyond which the methods may diverge."""
        if np.any(np.less(tau, elapsed)):
            raise SpecError(
                f"{type(self).__name__}: steps of {elapsed:g} s with {name} = {np.min(tau):g} s; allowed are "
                "steps no longer than it, and a tenth of it is a good choice. Take a smaller dt"
            )

    @staticmethod
    def flow(v: Any, w: Any, g: Any, rise: Any, now: Any, ready: Any, current: Any, span: Any, span_w: Any,
             leak: Any, v_rest: Any, onset: Any, sharpness: Any, upstroke: Any, drive: Any, threshold: Any,
             a: Any, share: Any, ahead: Any, reversal: Any, decay_g: Any, decay_rise: Any, climb: Any,
             ports: Any, rising: Any, conducting: Any, points: Any, looked: Any, further: Any, adapts: Any,
             refractory: Any) -> Any:  # fmt: skip
        """Take one step of a Runge-Kutta method; v is held while refractory, all else goes on."""
        moved, at = v, v
        if adapts:
            turned, at_w = w, w
        for point in points:
            if point == "middle" or point == "end":
                for port in ports:
                    g[port] = decay_g[port] * g[port]
                for port in rising:
                    g[port] = g[port] + climb[port] * rise[port]
                    rise[port] = decay_rise[port] * rise[port]
            if point in looked:
                seen = minimum(at, threshold)
                total = leak * (v_rest - seen) + upstroke * exp((seen - onset) * sharpness)
                total = total + (drive + current)
                if adapts:
                    total = total - at_w
                for port in ports:
                    total = total + (g[port] * (reversal[port] - seen) if port in conducting else g[port])
                slope = span * total
                if refractory:
                    slope = where(now >= ready, slope, 0.0)
                moved = moved + share[point] * slope
                if adapts:
                    slope_w = span_w * (a * (seen - v_rest) - at_w)
                    turned = turned + share[point] * slope_w
                if point in further:
                    at = v + ahead[point] * slope
                if point in further and adapts:
                    at_w = w + ahead[point] * slope_w
        return moved, turned if adapts else w, g, rise
