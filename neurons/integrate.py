"""Integrate-and-fire neurons whose input moves the membrane at once: IF, LI, LIF and Leaky.

All are linear below threshold and integrate exactly. One pair of rules, `_Integrator`, holds how v
moves by itself and how it takes its input; the models differ in how the membrane leaks.
"""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from .errors import SpecError
from .exact import ExactFlow, log
from .firing import Firing, Reset
from .held import Integration, held_step
from .model import Parameter, Payload, Value
from .noise import Noisy
from .vocabulary import exp, maximum, where


def _needs_steps(model: IF | LIF | LI) -> str:
    """Say what of a model's input has no meaning without steps; empty if nothing."""
    if model.resistance is not None:
        return (
            "with a resistance input is a current that is held over a step; leave it out, or use CurrentLIF"
        )
    if model.options()["driven"]:
        return "drive is added in every step; use LIF, whose drive is a current"
    if getattr(model, "integration", "exact") == "euler":
        return "integration='euler' makes steps; use 'exact'"
    return ""


@dataclass(frozen=True, eq=False)
class _Integrator(Firing):
    """What IF, LIF and Leaky share: how v leaks and how it takes delta input."""

    #: How v leaks: "none", "exact" (towards v_inf), or one of the conventions of `Leaky`.
    leak_kind: ClassVar[str] = "none"

    def options(self) -> dict[str, object]:
        """Add the leak, whether input is a current, and whether a constant drive comes with it."""
        held = getattr(self, "resistance", None) is not None
        driven = self.leak_kind != "exact" and bool(np.any(np.asarray(self.drive) != 0))  # type: ignore[attr-defined]
        return {"leak": self.leak_kind, "held": held, "driven": driven, **super().options()}

    @staticmethod
    def flow(v: Any, pending: Any, now: Any, ready: Any, v_reset: Any, v_inf: Any, decay: Any,
             leak: Any, reset: Any, reset_delay: Any, refractory: Any) -> Any:  # fmt: skip
        """Carry out a hard reset left pending, then leak unless refractory ("relax" waits for the input)."""
        if reset_delay and reset == "hard":
            v = where(pending, v_reset, v)
        if leak == "none" or leak == "relax":
            return v
        if leak == "exact":
            moved = v_inf + (v - v_inf) * decay
        else:
            moved = decay * v
        if refractory:
            return where(now >= ready, moved, v)
        return moved

    @staticmethod
    def jump(v: Any, pending: Any, now: Any, ready: Any, input: Any, reset_by: Any, gain: Any, drive: Any,
             leak: Any, held: Any, driven: Any, reset: Any, reset_delay: Any,
             refractory: Any) -> Any:  # fmt: skip
        """Take the input in the chosen convention; then the soft reset that the last spike left pending."""
        if held:
            input = gain * input
        if driven:
            input = input + drive
        if leak == "relax":
            input = gain * (input - v)
        elif leak == "blend":
            input = gain * input
        if refractory:
            v = where(now >= ready, v + input, v)
        else:
            v = v + input
        if reset_delay and reset == "soft":
            return v - pending * reset_by
        return v


@dataclass(frozen=True, eq=False)
class IF(_Integrator, ExactFlow):
    """Integrate-and-fire without a leak.

    v <- v + input + drive; a spike is sent where v reaches the threshold. With a resistance R input is
    a current I that is held over the step: dv/dt = R I, so v <- v + R dt I + drive.

    Parameters
    ----------
    threshold, v_reset, reset_by : float or array (n,)
        Firing threshold; where a hard reset puts v; what a soft reset takes off v (the threshold
        if None). Dimensionless, in the unit of the weights.
    reset : "soft", "hard" or "none"
        By subtraction (the default: nothing is lost), to `v_reset`, or not at all.
    refractory : float or array
        Seconds of silence after a spike, rounded to whole steps; input is discarded meanwhile.
    drive : float or array
        Added to v in every step.
    resistance : float or array, optional
        Makes the input a current.
    strict : bool
        Fire only above the threshold instead of at it.
    reset_delay : bool
        Reset in the step after the spike.
    escape, escape_rate : float or array
        Width of the threshold, in the unit of v, and hazard at it in hertz, of a neuron that fires by
        chance: with the hazard escape_rate exp((v - threshold) / escape). A width of 0 is a sharp threshold.

    Examples
    --------
    >>> IF(threshold=2.0).reset
    'soft'
    """

    _: KW_ONLY
    threshold: Value = Parameter(1.0)
    reset: Reset = Parameter("soft", choices=("hard", "soft", "none"))
    drive: Value = Parameter(0.0)
    resistance: Value | None = Parameter(None, optional=True)

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step."""
        gain = np.multiply(elapsed, 1.0 if self.resistance is None else self.resistance)
        return {**super().derive(elapsed), "drive": self.drive, "gain": gain}

    @property
    def fires_alone(self) -> bool:
        """Only where subtraction may have left it above threshold."""
        return self.reset == "soft"

    def needs_grid(self) -> str:
        """Refuse a drive too, which is added in every step."""
        return _needs_steps(self) or super().needs_grid()

    @staticmethod
    def crossing(v: Any, threshold: Any, never: Any) -> Any:
        """Fire at once where v is above threshold, else wait for input."""
        return where(v >= threshold, 0.0, never)

    @staticmethod
    def ceiling(v: Any) -> Any:
        """Stand still."""
        return v


@dataclass(frozen=True, eq=False)
class LIF(Noisy, _Integrator, ExactFlow):  # type: ignore[override]  # Noisy adds to the states of Firing
    """Leaky integrate-and-fire with delta synapses, integrated exactly.

    tau dv/dt = v_rest + drive - v, solved over a step as
    v <- v_inf + (v - v_inf) exp(-dt / tau) with v_inf = v_rest + drive; input adds to v. With a
    resistance R input is a current I instead, held over the step: tau dv/dt = v_rest + drive - v + R I,
    so it adds (1 - exp(-dt / tau)) R I.

    Parameters
    ----------
    tau : float or array (n,)
        Membrane time constant in seconds.
    v_rest : float or array
        Where v goes without input.
    drive : float or array
        A constant drive, as the height it lifts v to above rest (resistance times current).
    resistance : float or array, optional
        Makes the input a current.
    integration : "exact" or "euler"
        "euler" puts dt / tau in the place of 1 - exp(-dt / tau), as snnTorch and norse do.
    threshold, reset, v_reset, reset_by, refractory, strict, reset_delay, escape, escape_rate
        As for `IF`; the default reset is hard, to `v_reset`.
    noise, noise_tau : float or array
        A noise current of each neuron: the standard deviation that it gives to v, and its correlation time
        in seconds, 0 for white noise. As for `neurons.noise.Noisy`, which says how others give it.

    Notes
    -----
    In constant drive the inter-spike interval is
    refractory + tau ln((v_inf - v_reset) / (v_inf - threshold)), rounded up to steps.
    Source: W. Gerstner et al., Neuronal Dynamics (2014), equations 1.5 and 5.1.

    Examples
    --------
    >>> LIF(20e-3, threshold=1.0, refractory=2e-3).tau
    0.02
    """

    tau: Value = Parameter(unit="s", above=0.0)
    _: KW_ONLY
    threshold: Value = Parameter(1.0)
    v_rest: Value = Parameter(0.0)
    drive: Value = Parameter(0.0)
    resistance: Value | None = Parameter(None, optional=True)
    integration: Integration = Parameter("exact", choices=("exact", "euler"))

    leak_kind: ClassVar[str] = "exact"

    def initial(self) -> dict[str, Value]:
        """Start at rest."""
        return {"v": self.v_rest}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step."""
        step = held_step("LIF.tau", self.tau, elapsed, self.resistance, self.integration)
        v_inf = np.add(self.v_rest, self.drive)
        return {**super().derive(elapsed), **step, "tau": self.tau, "v_inf": v_inf}

    @property
    def propagators(self) -> tuple[str, ...]:
        """What is left of the distance to v_inf."""
        return ("decay",)

    @property
    def fires_alone(self) -> bool:
        """Where its drive lifts it to threshold, or subtraction may have left it above."""
        driven = np.add(self.v_rest, self.drive) >= self.threshold
        return self.reset == "soft" or bool(np.any(driven))

    def needs_grid(self) -> str:
        """Refuse input that is held over a step, and Euler's steps."""
        return _needs_steps(self) or super().needs_grid()

    @staticmethod
    def propagate(elapsed: Any, tau: Any) -> Any:
        """Decay."""
        return exp(-elapsed / tau)

    @staticmethod
    def crossing(v: Any, v_inf: Any, threshold: Any, tau: Any, never: Any) -> Any:
        """Solve v_inf + (v - v_inf) exp(-t / tau) = threshold."""
        distance = where(v_inf > threshold, v_inf - threshold, 1.0)
        ratio = where(v_inf > threshold, (v_inf - v) / distance, 1.0)
        later = where(v_inf > threshold, tau * log(maximum(ratio, 1.0)), never)
        return where(v >= threshold, 0.0, later)


@dataclass(frozen=True, eq=False)
class Leaky(_Integrator):
    """The discrete-time leaky neuron of snnTorch and its relatives: no unit of time, only steps.

    Three conventions of the leak, with input I and v as in the card that uses each:

    * "decay": v <- beta v + I (snnTorch, NIR);
    * "relax": v <- v + (1 - beta) (I - v);
    * "blend": v <- beta v + (1 - beta) I.

    Parameters
    ----------
    beta : float or array (n,)
        What is left of v after one step, in [0, 1].
    threshold : float or array
        Firing threshold.
    reset : "soft", "hard" or "none"
        snnTorch's "subtract", "zero" and "none".
    reset_delay : bool
        Reset in the step after the spike (the default, as snnTorch).
    leak : "decay", "relax" or "blend"
        The convention above.
    strict : bool
        Fire only above the threshold (the default, as snnTorch).
    drive : float or array
        A constant input in every step, such as a folded normalisation's bias.
    v_reset, reset_by, refractory, escape, escape_rate
        As for `IF`.

    Examples
    --------
    >>> Leaky(0.9).reset
    'soft'
    """

    beta: Value = Parameter(low=0.0, high=1.0)
    threshold: Value = Parameter(1.0)
    _: KW_ONLY
    reset: Reset = Parameter("soft", choices=("hard", "soft", "none"))
    reset_delay: bool = Parameter(True, choices=(False, True))
    strict: bool = Parameter(True, choices=(False, True))
    leak: Literal["decay", "relax", "blend"] = Parameter("decay", choices=("decay", "relax", "blend"))
    drive: Value = Parameter(0.0)

    def options(self) -> dict[str, object]:
        """Add what follows from the parameters."""
        return {**super().options(), "leak": self.leak}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step."""
        gain = np.subtract(1.0, self.beta)
        return {**super().derive(elapsed), "decay": self.beta, "gain": gain, "drive": self.drive}


@dataclass(frozen=True, eq=False)
class LI(Noisy, ExactFlow):
    """Leaky integrator: a LIF that never fires, for reading out, or sending v itself.

    tau dv/dt = v_rest + drive - v, integrated exactly; input adds to v, or is a current, as for `LIF`.

    Parameters
    ----------
    tau : float or array (n,), optional
        Membrane time constant in seconds. None is no leak: then it integrates as an `IF` does.
    v_rest, drive, resistance, integration, noise, noise_tau
        As for `LIF`. Noise needs a leak.
    graded : bool
        Send v in every step, as an event that carries the number. Otherwise nothing is ever sent.

    Examples
    --------
    >>> LI(10e-3).tau
    0.01
    >>> LI(10e-3, graded=True).payload
    'real'
    """

    tau: Value | None = Parameter(None, unit="s", above=0.0, optional=True)
    _: KW_ONLY
    v_rest: Value = Parameter(0.0)
    drive: Value = Parameter(0.0)
    resistance: Value | None = Parameter(None, optional=True)
    integration: Integration = Parameter("exact", choices=("exact", "euler"))
    graded: bool = Parameter(False, choices=(False, True))

    def check(self) -> None:
        """Refuse noise without a leak, which would carry v away for ever."""
        super().check()
        if self.tau is None and np.any(np.asarray(self.noise) > 0):
            raise SpecError(
                f"LI.noise: got {self.noise!r} without tau; allowed is 0: without a leak v has no standard "
                "deviation to come to. Give tau, in s"
            )

    @property
    def payload(self) -> Payload:
        """A real number where v is sent."""
        return "real" if self.graded else "unit"

    @property
    def tells_at_once(self) -> bool:
        """It tells nothing, unless it sends v in every step."""
        return not self.graded

    def initial(self) -> dict[str, Value]:
        """Start at rest."""
        return {"v": self.v_rest}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step."""
        if self.tau is None:
            gain = np.multiply(elapsed, 1.0 if self.resistance is None else self.resistance)
            return {"gain": gain, "drive": self.drive}
        step = held_step("LI.tau", self.tau, elapsed, self.resistance, self.integration)
        return {
            **super().derive(elapsed), **step, "tau": self.tau, "v_inf": np.add(self.v_rest, self.drive),
        }  # fmt: skip

    @property
    def propagators(self) -> tuple[str, ...]:
        """What is left of the distance to v_inf, where there is a leak."""
        return () if self.tau is None else ("decay",)

    @property
    def fires_alone(self) -> bool:
        """Never."""
        return False

    def needs_grid(self) -> str:
        """Refuse input that is held over a step, Euler's steps, and to send v in each."""
        return "graded=True sends v in every step; use a Probe" if self.graded else _needs_steps(self)

    propagate = LIF.propagate

    def options(self) -> dict[str, object]:
        """Say how it leaks and takes input; nothing fires, so nothing is reset."""
        leak = "none" if self.tau is None else "exact"
        driven = self.tau is None and bool(np.any(np.asarray(self.drive) != 0))
        unused = {"reset": "none", "reset_delay": False, "refractory": False}
        taken = {"leak": leak, "held": self.resistance is not None, "driven": driven}
        return {**taken, **unused, **super().options()}

    def functions(self) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
        """Move as a LIF does, and never fire."""
        return _Integrator.flow, _Integrator.jump, LI.fire

    @staticmethod
    def fire(v: Any, graded: Any) -> Any:
        """Never fire; send v if graded."""
        if graded:
            return v, v
        return 0.0, v
