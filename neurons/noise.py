"""Noise, white or with a correlation time: into a membrane, and as a value that many neurons can hear."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from .model import MOST_STEPS, NeuronModel, Parameter, Payload, State, Value, decay_of, steps_of
from .parameters import all_zero
from .propagators import transfer
from .vocabulary import normal, where


@dataclass(frozen=True, eq=False)
class Noisy(NeuronModel):
    """Base class of the models with a leaky membrane: each neuron may have a noise current of its own.

    tau dv/dt = ... - v + eta, where eta is the current times the membrane's resistance. It is white noise
    without a `noise_tau`; with one it is Ornstein and Uhlenbeck's process, a state variable that starts
    at 0. Either is measured by what it does to v: `noise` is the standard deviation that v comes to have
    where nothing else moves it.

    A step draws from the joint law of v and eta at its end, so that the statistics of both do not
    depend on dt; v is compared with the threshold once a step. This is exact where the membrane is linear
    (by Euler steps, to first order); elsewhere it is the noise of the leak alone, added after the
    rest of the step. While v is held after a spike, eta goes on.

    Parameters
    ----------
    noise : float or array (n,)
        Standard deviation of v, in its unit; 0 for no noise.
    noise_tau : float or array (n,)
        Correlation time of the current in seconds; 0 for white noise.

    Notes
    -----
    How others say the same, with the resistance R of the membrane (1 where currents are in the unit of v):

    * Brian2, white, `dv/dt = (...)/tau + sigma*sqrt(2/tau)*xi`: noise = sigma;
    * papers, tau dv/dt = ... - v + sigma sqrt(tau) xi: noise = sigma / sqrt(2);
    * Brian2, coloured, `dI/dt = -I/t_n + sigma*sqrt(2/t_n)*xi`: noise_tau = t_n and
      noise = R sigma sqrt(t_n / (tau + t_n));
    * NEST, noise_generator with std and dt: noise = R std sqrt(tanh(dt / (2 tau))). Its current is held for
      dt each time; at the ends of these times v has the law of white noise.

    A network that shall start with a settled eta gives it
    `initial={"eta": rb.normal(0.0, noise * sqrt(1 + tau / noise_tau))}`.

    Sources: D. Gillespie, Physical Review E 54:2084 (1996), for the exact update; N. Brunel and
    V. Hakim, Neural Computation 11:1621 (1999), for the membrane.
    """

    _: KW_ONLY
    noise: Value = Parameter(0.0, low=0.0)
    noise_tau: Value = Parameter(0.0, unit="s", low=0.0)

    def check(self) -> None:
        """Refuse a correlation time for some neurons only."""
        super().check()
        all_zero(self, "noise_tau")

    @property
    def leak_tau(self) -> Value:
        """Time constant of the membrane, in seconds."""
        tau: Value = self.tau  # type: ignore[attr-defined]  # each model declares its own
        return tau

    @property
    def states(self) -> tuple[State, ...]:
        """Add the coloured noise."""
        return (*super().states, State("eta"))

    def unit_of(self, variable: str) -> str:
        """Noise has the unit of v."""
        return super().unit_of("v" if variable == "eta" else variable)

    def options(self) -> dict[str, object]:
        """Add what colour the noise has."""
        return {"coloured": not all_zero(self, "noise_tau"), **super().options()}

    def after_flow(self) -> tuple[Callable[..., Any], ...]:
        """Let the noise push v when all else has moved it."""
        return (*super().after_flow(), Noisy.stir) if np.any(np.asarray(self.noise) > 0) else ()

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step."""
        tau, constants = self.leak_tau, super().derive(elapsed)
        if all_zero(self, "noise_tau"):
            share = np.sqrt(-np.expm1(np.divide(-2.0 * elapsed, tau)))
            return {**constants, "noise_kick": np.multiply(self.noise, share)}
        kick, shared, own = new_in_a_step(tau, self.noise_tau, elapsed)
        deviation = np.multiply(self.noise, np.sqrt(np.add(1.0, np.divide(tau, self.noise_tau))))
        return {
            **constants,
            "noise_decay": decay_of(self.noise_tau, elapsed),
            "noise_gain": transfer(tau, self.noise_tau, elapsed),
            "noise_kick": deviation * kick,
            "noise_shared": deviation * shared,
            "noise_own": deviation * own,
        }

    @staticmethod
    def stir(v: Any, eta: Any, now: Any, ready: Any, noise_gain: Any, noise_kick: Any, noise_shared: Any,
             noise_own: Any, noise_decay: Any, coloured: Any, refractory: Any) -> Any:  # fmt: skip
        """Push v by the noise of the step, unless it is held; let the coloured noise go on."""
        new = normal(0)
        if coloured:
            pushed = v + (noise_gain * eta + noise_shared * new + noise_own * normal(1))
            eta = noise_decay * eta + noise_kick * new
        else:
            pushed = v + noise_kick * new
        if refractory:
            pushed = where(now >= ready, pushed, v)
        return pushed, eta


@dataclass(frozen=True, eq=False)
class OrnsteinUhlenbeck(NeuronModel):
    """A value that fluctuates and is sent in every step: noise that several neurons share.

    dv = (mean - v) dt / tau + sd sqrt(2 / tau) dW, by its exact law; without `tau`, values that are
    independent of one another. From the first step on v has its lasting law, with mean `mean` and standard
    deviation `sd`. Each unit of a population is a source of its own, and sends v by projections, as a real
    number. Nothing can arrive at it.

    Parameters
    ----------
    sd : float or array (n,)
        Standard deviation of v, in the unit of what it drives.
    tau : float or array
        Correlation time in seconds; 0 for values that are independent.
    mean : float or array
        Mean of v.
    hold : float or array
        For how long each value is held, in seconds, rounded to steps; 0 for one step.

    Notes
    -----
    NEST's noise_generator is `OrnsteinUhlenbeck(std, hold=dt, mean=mean)`, and a membrane with a `resistance`
    takes it as the current it is. Noise of each neuron's own is its `noise`, which costs no projection.
    Source: D. Gillespie, Physical Review E 54:2084 (1996).

    Examples
    --------
    >>> OrnsteinUhlenbeck(0.5, tau=5e-3).payload
    'real'
    """

    states: ClassVar[tuple[State, ...]] = (State("v"), State("ready", kind="integer"))

    sd: Value = Parameter(low=0.0)
    tau: Value = Parameter(0.0, unit="s", low=0.0)
    _: KW_ONLY
    mean: Value = Parameter(0.0)
    hold: Value = Parameter(0.0, unit="s", low=0.0)

    def check(self) -> None:
        """Refuse a correlation time for some units only."""
        all_zero(self, "tau")

    @property
    def receptors(self) -> tuple[str, ...]:
        """None: it hears nothing."""
        return ()

    @property
    def payload(self) -> Payload:
        """Events carry a real number."""
        return "real"

    def options(self) -> dict[str, object]:
        """Say whether values depend on those before, and whether they are held."""
        held = bool(np.any(np.asarray(self.hold) > 0))
        return {"coloured": not all_zero(self, "tau"), "held": held}

    def initial(self) -> dict[str, Value]:
        """Start at the mean."""
        return {"v": self.mean}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step."""
        held_steps = np.clip(steps_of(self.hold, elapsed), 1, MOST_STEPS)
        constants: dict[str, Value] = {"mean": self.mean, "sd": self.sd, "held_steps": held_steps}
        if all_zero(self, "tau"):
            return constants
        spans = np.divide(held_steps * elapsed, self.tau)
        kick = np.multiply(self.sd, np.sqrt(-np.expm1(-2.0 * spans)))
        return {**constants, "decay": np.exp(-spans), "kick": kick}

    @staticmethod
    def flow(v: Any, ready: Any, now: Any, mean: Any, sd: Any, decay: Any, kick: Any, held_steps: Any,
             coloured: Any, held: Any) -> Any:  # fmt: skip
        """Draw the next value, once the last one has been held for its time."""
        drawn = normal(0)
        fresh = mean + sd * drawn
        if coloured:
            fresh = where(now < 1, fresh, mean + (v - mean) * decay + kick * drawn)
        if held:
            v = where(now >= ready, fresh, v)
            ready = where(now >= ready, now + held_steps, ready)
        else:
            v = fresh
        return v, ready

    @staticmethod
    def jump(v: Any) -> Any:
        """Hear nothing."""
        return v

    @staticmethod
    def fire(v: Any) -> Any:
        """Send the value."""
        return v, v


#: Nodes and weights of a quadrature over a step, exact for polynomials of degree 23.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


def new_in_a_step(tau: Value, noise_tau: Value, elapsed: float) -> tuple[np.ndarray, ...]:
    """Return what a step adds to an eta of variance 1 and to v, as factors of two normal numbers.

    eta gains `kick` z0, v gains `shared` z0 + `own` z1. With f(s) how far v is a time s after eta was 1,
    and g(s) what is left of eta then, their covariances are 2 / noise_tau times the integrals of g^2, f g
    and f^2 over the step: by quadrature over a short one, and doubled from there. All terms are
    positive, so nothing cancels.
    """
    tau, noise_tau = np.broadcast_arrays(np.asarray(tau, float), np.asarray(noise_tau, float))
    halvings = max(0, math.ceil(math.log2(float(np.max(elapsed / tau + elapsed / noise_tau)))))
    short = elapsed / 2**halvings
    var_eta = var_v = cov = np.zeros(tau.shape)
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        s = short * (node + 1.0) / 2.0
        f, g = transfer(tau, noise_tau, s), np.exp(-s / noise_tau)
        share = weight * short / noise_tau
        var_eta, cov, var_v = var_eta + share * g * g, cov + share * f * g, var_v + share * f * f
    for k in range(halvings):
        at = short * 2**k
        a, f, g = np.exp(-at / tau), transfer(tau, noise_tau, at), np.exp(-at / noise_tau)
        var_v = var_v + (a * a * var_v + 2.0 * a * f * cov + f * f * var_eta)
        cov = cov + g * (a * cov + f * var_eta)
        var_eta = var_eta + g * g * var_eta
    kick = np.sqrt(var_eta)
    return kick, cov / kick, np.sqrt(np.maximum(var_v - cov * cov / var_eta, 0.0))
