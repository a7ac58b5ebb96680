"""How a neuron fires and is reset: one rule for every model with a threshold."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from .errors import SpecError
from .model import NeuronModel, Parameter, State, Value, steps_of
from .parameters import all_zero
from .vocabulary import exp, spike, uniform, where

Reset = Literal["hard", "soft", "none"]


@dataclass(frozen=True, eq=False)
class Firing(NeuronModel):
    """Base class of the models that fire where v reaches a threshold; each declares its own `threshold`.

    `fire` is theirs, also of those that adapt: whose threshold is raised by `lift`, or that a current `w`
    holds back. With `reset_delay` it leaves the reset in `pending`, and the model's other two functions
    carry it out in the next step: `flow` first of all if it is hard (so that input of that step counts,
    as in snnTorch), `jump` last of all if it is soft.

    Parameters
    ----------
    reset : "hard", "soft" or "none"
        To `v_reset`, by subtraction of `reset_by`, or not at all.
    v_reset : float or array (n,)
        Where a hard reset puts v; must lie below the threshold.
    reset_by : float or array, optional
        What a soft reset takes off v; the threshold if None.
    refractory : float or array
        Seconds of silence after a spike, rounded to whole steps, in which v is held.
    strict : bool
        Fire only above the threshold instead of at it.
    reset_delay : bool
        Reset in the step after the spike.
    escape : float or array
        Width of the threshold, in the unit of v; 0 for a sharp one. A neuron with a width fires by chance,
        with the hazard escape_rate exp((v - threshold) / escape): within a step with the probability
        1 - exp(-hazard dt), rounded to a multiple of 2**-24.
    escape_rate : float or array
        The hazard at the threshold, in hertz.

    Notes
    -----
    Of NEST's models, `escape` is Delta_V and `escape_rate` lambda_0 of gif_psc_exp; 1 / c_3 and
    c_2 exp(c_3 (threshold - rest)) of pp_psc_delta with c_1 = 0.
    Source: W. Gerstner et al., Neuronal Dynamics (2014), section 9.1.
    """

    states: ClassVar[tuple[State, ...]] = (
        State("v"),
        State("pending"),
        State("lift"),
        State("w"),
        State("ready", kind="integer"),
    )
    #: For those that are also `ExactFlow`.
    hold: ClassVar[str | None] = "ready"

    _: KW_ONLY
    reset: Reset = Parameter("hard", choices=("hard", "soft", "none"))
    v_reset: Value = Parameter(0.0)
    reset_by: Value | None = Parameter(None, optional=True)
    refractory: Value = Parameter(0.0, unit="s", low=0.0)
    strict: bool = Parameter(False, choices=(False, True))
    reset_delay: bool = Parameter(False, choices=(False, True))
    escape: Value = Parameter(0.0, low=0.0)
    escape_rate: Value = Parameter(1000.0, unit="Hz", above=0.0)

    def check(self) -> None:
        """Refuse a hard reset that would leave the neuron at a sharp threshold, firing for ever."""
        sharp = all_zero(self, "escape")
        threshold: Value = self.threshold  # type: ignore[attr-defined]  # each model declares its own
        if sharp and self.reset == "hard" and bool(np.any(np.asarray(self.v_reset) >= threshold)):
            raise SpecError(
                f"{type(self).__name__}.v_reset: got {self.v_reset!r} with threshold {threshold!r}; allowed "
                "is a value below the threshold, or it fires in every step. Set v_reset, or reset='soft'"
            )

    def options(self) -> dict[str, object]:
        """Add whether there is any refractory time, so that rules without it stay short; nothing adapts."""
        refractory = bool(np.any(np.asarray(self.refractory) > 0))
        steady = {"lifts": False, "adapts": False, "by_threshold": False}
        escapes = not all_zero(self, "escape")
        return {**super().options(), "refractory": refractory, "escapes": escapes, **steady}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of firing and reset."""
        threshold: Value = self.threshold  # type: ignore[attr-defined]
        return {
            "escape_slope": 0.0 if all_zero(self, "escape") else np.divide(1.0, self.escape),
            "escape_hazard": np.multiply(self.escape_rate, elapsed),
            "threshold": threshold,
            "v_reset": self.v_reset,
            "reset_by": threshold if self.reset_by is None else self.reset_by,
            "silent_steps": steps_of(self.refractory, elapsed),
        }

    def needs_grid(self) -> str:
        """Refuse what happens from step to step only: see `ExactFlow`."""
        if self.reset_delay:
            return "reset_delay=True resets in the step after a spike; use reset_delay=False"
        if self.reset == "none":
            return "reset='none' fires in every step above threshold; use reset='hard' or 'soft'"
        return ""

    @staticmethod
    def fire(v: Any, pending: Any, lift: Any, w: Any, ready: Any, now: Any, threshold: Any, lift_step: Any,
             w_step: Any, reset_by: Any, v_reset: Any, silent_steps: Any, escape_slope: Any,
             escape_hazard: Any, escapes: Any, lifts: Any, adapts: Any, by_threshold: Any, reset: Any,
             strict: Any, reset_delay: Any, refractory: Any) -> Any:  # fmt: skip
        """Send a spike at threshold and reset, now or (by leaving it pending) in the next step; adapt."""
        if lifts:
            threshold = threshold + lift
        if escapes:
            chance = 1.0 - exp(-escape_hazard * exp((v - threshold) * escape_slope))
            # Half a step of the uniform number: less than that is no chance.
            sent = spike(chance - uniform(0) - 2.9802322387695312e-08)
        elif strict:
            sent = 1.0 - spike(threshold - v)
        else:
            sent = spike(v - threshold)
        if refractory:
            sent = where(now >= ready, sent, 0.0)
        if reset_delay and reset != "none":
            pending = sent
        elif reset == "soft" and by_threshold:
            v = v - sent * threshold
        elif reset == "soft":
            v = v - sent * reset_by
        elif reset == "hard":
            v = where(sent, v_reset, v)
        if lifts:
            lift = lift + sent * lift_step
        if adapts:
            w = w + sent * w_step
        return sent, v, pending, lift, w, where(sent, now + silent_steps + 1, ready) if refractory else ready
