"""Neurons behind a low pass: CubaLIF and CubaLI, whose synapse takes its input before the membrane does."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from .firing import Firing
from .held import Integration, held_step
from .model import NeuronModel, Parameter, Payload, State, Value
from .vocabulary import where


@dataclass(frozen=True, eq=False)
class CubaLIF(Firing):
    """Leaky integrate-and-fire behind a first-order synapse; both act within the step of their input.

    tau_syn di/dt = w_in input - i,  tau dv/dt = v_rest - v + R i,

    one stage after the other, each with its input held over the step: with
    k = 1 - exp(-dt / tau) and k_syn likewise (or dt / tau and dt / tau_syn, by Euler),
    i <- i + k_syn (w_in input - i), then v <- v + k (v_rest + R i - v). So an input moves v in its own
    step, as in NIR's reference implementations and in snnTorch's `Synaptic`; `CurrentLIF` has NEST's order,
    in which it does so from the next step on.

    Parameters
    ----------
    tau, tau_syn : float or array (n,)
        Time constants of membrane and synapse, in seconds.
    w_in : float or array
        Factor of all input.
    resistance : float or array
        R.
    v_rest : float or array
        Where v goes without input.
    integration : "exact" or "euler"
        How each stage is stepped.
    threshold, reset, v_reset, reset_by, refractory, strict, reset_delay, escape, escape_rate
        As for `IF`; the default reset is hard, to `v_reset`.

    Notes
    -----
    Source: J. E. Pedersen et al., Nature Communications 15:8122 (2024), table 1. With Euler,
    w_in = tau_syn / dt and R = tau / dt it is snnTorch's `Synaptic` of alpha = 1 - dt / tau_syn and
    beta = 1 - dt / tau, which resets in the next step.

    Examples
    --------
    >>> CubaLIF(20e-3, 5e-3, resistance=2.0).receptors
    ('input',)
    """

    states: ClassVar[tuple[State, ...]] = (State("v"), State("i"), *Firing.states[1:])

    tau: Value = Parameter(unit="s", above=0.0)
    tau_syn: Value = Parameter(unit="s", above=0.0)
    _: KW_ONLY
    w_in: Value = Parameter(1.0)
    resistance: Value = Parameter(1.0)
    threshold: Value = Parameter(1.0)
    v_rest: Value = Parameter(0.0)
    integration: Integration = Parameter("exact", choices=("exact", "euler"))

    def initial(self) -> dict[str, Value]:
        """Start at rest."""
        return {"v": self.v_rest}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step."""
        return {**super().derive(elapsed), **_stages(self, elapsed)}

    @staticmethod
    def flow(v: Any, i: Any, pending: Any, now: Any, ready: Any, v_reset: Any, v_inf: Any, decay: Any,
             decay_i: Any, reset: Any, reset_delay: Any, refractory: Any) -> Any:  # fmt: skip
        """Carry out a hard reset left pending, then leak; v is held while refractory, i never."""
        if reset_delay and reset == "hard":
            v = where(pending, v_reset, v)
        moved = v_inf + (v - v_inf) * decay
        if refractory:
            moved = where(now >= ready, moved, v)
        return moved, decay_i * i

    @staticmethod
    def jump(v: Any, i: Any, pending: Any, now: Any, ready: Any, input: Any, reset_by: Any, gain: Any,
             gain_i: Any, reset: Any, reset_delay: Any, refractory: Any) -> Any:  # fmt: skip
        """Let the input move i and i move v; then the soft reset that the last spike left pending."""
        i = i + gain_i * input
        if refractory:
            v = where(now >= ready, v + gain * i, v)
        else:
            v = v + gain * i
        if reset_delay and reset == "soft":
            v = v - pending * reset_by
        return v, i


@dataclass(frozen=True, eq=False)
class CubaLI(NeuronModel):
    """A `CubaLIF` that never fires.

    Parameters
    ----------
    tau, tau_syn, w_in, resistance, v_rest, integration
        As for `CubaLIF`.
    graded : bool
        Send v in every step, as an event that carries the number. Otherwise nothing is ever sent.

    Examples
    --------
    >>> CubaLI(20e-3, 5e-3).payload
    'unit'
    """

    states: ClassVar[tuple[State, ...]] = (State("v"), State("i"))

    tau: Value = Parameter(unit="s", above=0.0)
    tau_syn: Value = Parameter(unit="s", above=0.0)
    _: KW_ONLY
    w_in: Value = Parameter(1.0)
    resistance: Value = Parameter(1.0)
    v_rest: Value = Parameter(0.0)
    integration: Integration = Parameter("exact", choices=("exact", "euler"))
    graded: bool = Parameter(False, choices=(False, True))

    @property
    def payload(self) -> Payload:
        """A real number where v is sent."""
        return "real" if self.graded else "unit"

    def initial(self) -> dict[str, Value]:
        """Start at rest."""
        return {"v": self.v_rest}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step."""
        return _stages(self, elapsed)

    def options(self) -> dict[str, object]:
        """Nothing fires, so nothing is reset."""
        return {"reset": "none", "reset_delay": False, "refractory": False, **super().options()}

    def functions(self) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
        """Move as a CubaLIF does, and never fire."""
        return CubaLIF.flow, CubaLIF.jump, CubaLI.fire

    @staticmethod
    def fire(v: Any, graded: Any) -> Any:
        """Never fire; send v if graded."""
        if graded:
            return v, v
        return 0.0, v


def _stages(model: CubaLIF | CubaLI, elapsed: float) -> dict[str, Value]:
    """Return the constants of both stages."""
    owner = type(model).__name__
    membrane = held_step(f"{owner}.tau", model.tau, elapsed, model.resistance, model.integration)
    synapse = held_step(f"{owner}.tau_syn", model.tau_syn, elapsed, model.w_in, model.integration)
    return {
        **membrane, "decay_i": synapse["decay"], "gain_i": synapse["gain"], "v_inf": model.v_rest,
    }  # fmt: skip
