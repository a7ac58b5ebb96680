"""Leaky integrate-and-fire that adapts, by its threshold and by a current: ALIF."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from .errors import SpecError
from .lifted import Lifted
from .model import Parameter, Value, decay_of
from .noise import Noisy
from .vocabulary import where


@dataclass(frozen=True, eq=False)
class ALIF(Noisy, Lifted):  # type: ignore[override]  # Noisy adds to the states of Firing
    """Adaptive leaky integrate-and-fire: a threshold that spikes raise, a current that they feed, or both.

    tau dv/dt = v_rest - v + R (drive - w),  tau_w dw/dt = a (v - v_rest) - w,  tau_lift dl/dt = -l.
    It fires where v reaches threshold + l; a spike adds `b` to w and `lift_step` to l. Between spikes
    all three move in closed form, whatever the step.

    Input to "input", the first receptor, adds to v; what arrives at "current" flows for one step, beside
    `drive`.

    Parameters
    ----------
    tau : float or array (n,)
        Membrane time constant in seconds.
    tau_lift : float or array, optional
        Time constant of the threshold's lift, the state variable `lift`; None for a fixed threshold.
    lift_step : float or array
        What a spike adds to the threshold, in the unit of v.
    tau_w : float or array, optional
        Time constant of the adaptation current, the state variable `w`; None for none.
    a : float or array
        How far w follows v: a conductance in siemens where there is a `capacitance`, else a plain number.
        Negative values must leave 1 + R a positive.
    b : float or array
        What a spike adds to w.
    capacitance : float or array, optional
        Membrane capacitance in farad: then R = tau / capacitance, and w, b, `drive` and currents are
        in ampere (v in volt). If None, R = 1: they are in the unit of v.
    v_rest : float or array
        Where v goes without input.
    drive : float or array
        A constant current.
    threshold, reset, v_reset, reset_by, refractory, strict, reset_delay, escape, escape_rate
        As for `IF`; the default reset is hard, to `v_reset`. A soft one takes off the threshold as it
        stands, with its lift, unless `reset_by` says otherwise. While v is held after a spike, w goes on
        as for that v, and input is discarded.
    noise, noise_tau
        As for `LIF`. Exact where `a` is 0; else w follows v's noise from the next step on.

    Raises
    ------
    SpecError
        If there is neither `tau_lift` nor `tau_w` (that is a `LIF`); if a step or `a` is given without
        the time constant that belongs to it; if 1 + R a is not positive; if a soft reset by a threshold
        that moves is to be delayed.

    Notes
    -----
    In the networks called LSNN the threshold is b0 + beta b, where b <- rho b + (1 - rho) z with spikes z
    of 1: that is `lift_step` = beta (1 - rho) with rho = exp(-dt / tau_lift), reset="soft", and input to
    "current". (Where b <- rho b + z, as in later work, `lift_step` = beta.)

    NEST's gif_psc_exp has both mechanisms too, each as a sum of exponentials: `tau_lift` and `lift_step`
    are its tau_sfa and q_sfa, `tau_w` and `b` its tau_stc and q_stc, and it fires by chance, as here with
    `escape`.
    `reset="none"` with a lift is its mat2_psc_exp with one time constant. With `a` alone it is the AdEx
    neuron without its exponential.

    Source: G. Bellec et al., Advances in Neural Information Processing Systems 31 (2018), for the
    threshold; S. Mensi et al., Journal of Neurophysiology 107:1756 (2012), for both together.

    Examples
    --------
    >>> [state.name for state in ALIF(20e-3, tau_lift=0.2, lift_step=0.1).used_states]
    ['v', 'lift']
    >>> [state.name for state in ALIF(20e-3, tau_w=0.1, b=0.05, refractory=2e-3).used_states]
    ['v', 'w', 'ready']
    """

    tau: Value = Parameter(unit="s", above=0.0)
    _: KW_ONLY
    tau_w: Value | None = Parameter(None, unit="s", above=0.0, optional=True)
    a: Value = Parameter(0.0)
    b: Value = Parameter(0.0)
    capacitance: Value | None = Parameter(None, unit="F", above=0.0, optional=True)
    threshold: Value = Parameter(1.0)
    v_rest: Value = Parameter(0.0)
    drive: Value = Parameter(0.0)

    def check(self) -> None:
        """Refuse a neuron that does not adapt, and parameters that contradict each other."""
        super().check()
        if self.tau_lift is None and self.tau_w is None:
            raise SpecError(
                "ALIF.tau_lift: got neither tau_lift nor tau_w; allowed is one of them or both. "
                "A neuron that does not adapt is a LIF"
            )
        for name in ("a", "b"):
            value = getattr(self, name)
            if self.tau_w is None and np.any(np.asarray(value) != 0):
                raise SpecError(f"ALIF.{name}: got {value!r} without tau_w; give tau_w too, in s")
        if np.any(1.0 + np.multiply(self._resistance, self.a) <= 0):
            raise SpecError(
                f"ALIF.a: got {self.a!r}; allowed is where 1 + R a > 0, with R = {self._resistance!r} here: "
                "with less, v would run away from rest"
            )

    @property
    def receptors(self) -> tuple[str, ...]:
        """What moves v at once, and what flows for a step."""
        return ("input", "current")

    @property
    def _resistance(self) -> Value:
        return 1.0 if self.capacitance is None else np.divide(self.tau, self.capacitance)

    def options(self) -> dict[str, object]:
        """Add how it adapts by a current."""
        adapts = self.tau_w is not None
        coupled = adapts and bool(np.any(np.asarray(self.a) != 0))
        return {**super().options(), "adapts": adapts, "coupled": coupled}

    def initial(self) -> dict[str, Value]:
        """Start at rest."""
        return {"v": self.v_rest}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step: the exact propagators."""
        resistance = self._resistance
        # Where a constant current of 1 would take v - v_rest and w.
        v_end = resistance / (1.0 + np.multiply(resistance, self.a))
        w_end = np.multiply(self.a, v_end)
        constants: dict[str, Value] = {
            **super().derive(elapsed),
            "v_inf": np.add(self.v_rest, v_end * self.drive),
            "w_step": self.b,
        }
        if self.tau_w is None:
            decay = decay_of(self.tau, elapsed)
            return {**constants, "decay": decay, "gain": v_end * (1.0 - decay)}
        decay, from_w, from_v, decay_w = _propagator(self.tau, self.tau_w, resistance, self.a, elapsed)
        return {
            **constants,
            "w_inf": w_end * self.drive,
            "decay": decay,
            "from_w": from_w,
            "from_v": from_v,
            "decay_w": decay_w,
            "gain": (1.0 - decay) * v_end - from_w * w_end,
            "gain_w": (1.0 - decay_w) * w_end - from_v * v_end,
            "v_rest": self.v_rest,
            "a": self.a,
            "decay_held": decay_of(self.tau_w, elapsed),
        }

    @staticmethod
    def flow(v: Any, w: Any, lift: Any, pending: Any, now: Any, ready: Any, v_reset: Any, v_inf: Any,
             w_inf: Any, v_rest: Any, a: Any, decay: Any, from_w: Any, from_v: Any, decay_w: Any,
             decay_held: Any, decay_lift: Any, lifts: Any, adapts: Any, coupled: Any, reset: Any,
             reset_delay: Any, refractory: Any) -> Any:  # fmt: skip
        """Move v and w together, or w alone where v is held; let the lift of the threshold decay."""
        if reset_delay and reset == "hard":
            v = where(pending, v_reset, v)
        moved = v_inf + (v - v_inf) * decay
        if coupled:
            moved = moved + (w - w_inf) * from_w
            turned = w_inf + (w - w_inf) * decay_w + (v - v_inf) * from_v
        elif adapts:
            moved = moved + w * from_w
            turned = w * decay_w
        if coupled and refractory:
            held = a * (v - v_rest)
            turned = where(now >= ready, turned, held + (w - held) * decay_held)
        if refractory:
            moved = where(now >= ready, moved, v)
        return moved, turned if adapts else w, decay_lift * lift if lifts else lift

    @staticmethod
    def jump(v: Any, w: Any, pending: Any, now: Any, ready: Any, input: Any, current: Any, gain: Any,
             gain_w: Any, reset_by: Any, coupled: Any, reset: Any, reset_delay: Any,
             refractory: Any) -> Any:  # fmt: skip
        """Take the input, unless held; then the soft reset that the last spike left pending."""
        pushed = v + input + gain * current
        if refractory:
            pushed = where(now >= ready, pushed, v)
        if reset_delay and reset == "soft":
            pushed = pushed - pending * reset_by
        if coupled and refractory:
            return pushed, where(now >= ready, w + gain_w * current, w)
        return pushed, w + gain_w * current if coupled else w


def _propagator(tau: Value, tau_w: Value, resistance: Value, a: Value, elapsed: float) -> tuple[Value, ...]:
    """Return the matrix exponential of (v, w)' = ((-1/tau, -R/tau), (a/tau_w, -1/tau_w)), row by row."""
    leak, leak_w = np.divide(1.0, tau), np.divide(1.0, tau_w)
    to_v, to_w = -np.multiply(resistance, leak), np.multiply(a, leak_w)
    mean, half = -(leak + leak_w) / 2, (leak_w - leak) / 2
    # The eigenvalues are mean +- root; where the square is below zero, v and w swing.
    square = half * half + to_v * to_w
    swings = square < 0
    x = elapsed * np.sqrt(np.abs(square))
    safe = np.where(x > 0, x, 1.0)
    slow = np.exp(elapsed * mean + np.where(swings, 0.0, x))
    even = slow * np.where(swings, np.cos(x), (1.0 + np.exp(-2.0 * x)) / 2)
    odd = slow * elapsed * np.where(x > 0, np.where(swings, np.sin(x), -np.expm1(-2.0 * x) / 2) / safe, 1.0)
    return even + half * odd, to_v * odd, to_w * odd, even - half * odd
