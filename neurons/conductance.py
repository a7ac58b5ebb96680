"""Leaky integrate-and-fire with synaptic conductances: ConductanceLIF."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from .errors import SpecError
from .lifted import Lifted
from .model import Parameter, State, Value
from .noise import Noisy
from .receptor import Ports, Receiving, Receptor, check_names, settle_receptors
from .vocabulary import exp, where

#: The concentration of magnesium, in mM, that halves the conductance at 0 V.
_HALF_BLOCK = 3.57
_EXCITATORY_AND_INHIBITORY = (
    Receptor("excitatory", 5e-3, reversal=0.0),
    Receptor("inhibitory", 10e-3, reversal=-80e-3),
)


@dataclass(frozen=True, eq=False)
class ConductanceLIF(Receiving, Noisy, Lifted):
    """Leaky integrate-and-fire with synaptic conductances of any number of receptors.

    C dv/dt = g_leak (v_rest - v) + sum of g_k B_k(v) (E_k - v) + drive; weights are in siemens and add to
    g_k, which decays by itself as its `Receptor` says. B_k is the block by magnesium, 1 where there is none.
    The defaults are the neurons of the COBA benchmark.

    Parameters
    ----------
    synapses : sequence of Receptor
        Its receptors, each with a time constant (or two) and a reversal potential; NMDA with `magnesium`.
        The state variables are `g_` and the receptor's name, and `rise_` and its name where it takes
        time to rise. By default "excitatory" (5 ms, 0 mV) and "inhibitory" (10 ms, -80 mV).
    capacitance : float or array (n,)
        Membrane capacitance C in farad.
    g_leak : float or array
        Leak conductance in siemens; the membrane time constant is capacitance / g_leak.
    v_rest : float or array
        Reversal potential of the leak, in volts.
    drive : float or array
        A constant current in ampere.
    method : "exponential" or "rk4"
        How v moves within a step; conductances are exact in both. "exponential" solves the equation
        with the conductances of the middle of the step, and is stable however large they are: order 2.
        "rk4" is the classical Runge-Kutta method, order 4; steps must stay below 2.7 C / (sum of g).
    threshold, reset, v_reset, reset_by, refractory, strict, reset_delay, escape, escape_rate
        As for `IF`; the default reset is hard, to `v_reset`.
    tau_lift, lift_step
        A threshold that spikes lift, the state variable `lift`, as for `ALIF`; fixed by default.
    noise, noise_tau
        As for `LIF`, in volts: what a membrane without synapses comes to. It is added when the
        rest of a step has moved v.

    Raises
    ------
    SpecError
        If a receptor lacks a reversal potential, or has the name of something else in the model.

    Notes
    -----
    Input that arrives in a step acts on v from the next step on, as in NEST's iaf_cond_exp and
    iaf_cond_alpha. After a spike v is held for the refractory time while the conductances go on.
    Source of the default parameters: R. Brette et al., Journal of Computational Neuroscience 23:349
    (2007), benchmark 1, where weights are 6 nS (excitatory) and 67 nS (inhibitory).

    Examples
    --------
    >>> from rheobase.neurons.units import mV, ms
    >>> ConductanceLIF().receptors
    ('excitatory', 'inhibitory')
    >>> nmda = Receptor("nmda", 100 * ms, tau_rise=2 * ms, reversal=0 * mV, magnesium=1.0)
    >>> ConductanceLIF([Receptor("ampa", 2 * ms, reversal=0 * mV), nmda]).receptors
    ('ampa', 'nmda')
    """

    synapses: tuple[Receptor, ...] = _EXCITATORY_AND_INHIBITORY
    _: KW_ONLY
    capacitance: Value = Parameter(200e-12, unit="F", above=0.0)
    g_leak: Value = Parameter(10e-9, unit="S", above=0.0)
    v_rest: Value = Parameter(-60e-3, unit="V")
    threshold: Value = Parameter(-50e-3, unit="V")
    v_reset: Value = Parameter(-60e-3, unit="V")
    refractory: Value = Parameter(5e-3, unit="s", low=0.0)
    drive: Value = Parameter(0.0, unit="A")
    method: Literal["exponential", "rk4"] = Parameter("exponential", choices=("exponential", "rk4"))

    def check(self) -> None:
        """Refuse receptors that drive the membrane nowhere."""
        super().check()
        settle_receptors(self, self.synapses)
        for receptor in self.synapses:
            if receptor.reversal is None:
                raise SpecError(
                    f"ConductanceLIF.synapses: got {receptor!r} without a reversal potential; give it "
                    "reversal=, in volts"
                )
        if not self.synapses:
            raise SpecError("ConductanceLIF.synapses: got none; allowed are one Receptor or more")
        check_names(self)

    @cached_property
    def ports(self) -> Ports:
        """The receptors."""
        return Ports({receptor.name: receptor for receptor in self.synapses}, "g")

    @property
    def receptors(self) -> tuple[str, ...]:
        """What projections call the receptors."""
        return self.ports.names

    def least_weight(self, receptor: str) -> float:
        """Return the smallest weight that a receptor can take."""
        return self.ports.least(receptor)

    @property
    def states(self) -> tuple[State, ...]:  # type: ignore[override]  # those of Firing are a class attribute
        """The potential, a conductance for each receptor, and what firing and noise need."""
        return (State("v", unit="V"), *self.ports.states(), *super().states[1:])

    @property
    def leak_tau(self) -> Value:
        """Time constant of the membrane while no receptor is open, in seconds."""
        return np.divide(self.capacitance, self.g_leak)

    def options(self) -> dict[str, object]:
        """Add which receptors there are, and where within a step conductances are looked at."""
        blocked = tuple(receptor.name for receptor in self.synapses if receptor.magnesium is not None)
        points: tuple[str, ...] = ("middle", "end")
        if self.method == "rk4":
            points = ("start", "middle", "again", "end")
        elif blocked:
            points = ("start", "middle", "end")
        return {**super().options(), **self.ports.options(), "blocked": blocked, "points": points}

    def initial(self) -> dict[str, Value]:
        """Start at rest."""
        return {"v": self.v_rest}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step; conductances decay by half steps."""
        constants = {
            **super().derive(elapsed),
            "leak": self.g_leak,
            "source": np.add(np.multiply(self.g_leak, self.v_rest), self.drive),
            "span": np.divide(elapsed, self.capacitance),
            **self.ports.decays(0.5 * elapsed),
        }
        for receptor in self.synapses:
            assert receptor.reversal is not None
            constants[f"reversal_{receptor.name}"] = receptor.reversal
            if receptor.magnesium is not None:
                constants[f"block_{receptor.name}"] = np.divide(receptor.magnesium, _HALF_BLOCK)
        return constants

    @staticmethod
    def flow(v: Any, g: Any, rise: Any, lift: Any, pending: Any, now: Any, ready: Any, v_reset: Any,
             leak: Any, source: Any, span: Any, decay_g: Any, decay_rise: Any, decay_lift: Any, climb: Any,
             reversal: Any, block: Any, ports: Any, rising: Any, blocked: Any, points: Any, method: Any,
             lifts: Any, reset: Any, reset_delay: Any, refractory: Any) -> Any:  # fmt: skip
        """Let conductances rise and decay by two half steps; move v by what they are on the way.

        Below 1e-30 S they are gone: they would end as subnormal numbers, with which arithmetic is slow.
        """
        if reset_delay and reset == "hard":
            v = where(pending, v_reset, v)
        moved, at = v, v
        for point in points:
            if point == "middle" or point == "end":
                for port in ports:
                    g[port] = decay_g[port] * g[port]
                for port in rising:
                    g[port] = g[port] + climb[port] * rise[port]
                    rise[port] = decay_rise[port] * rise[port]
            if point == "end":
                for port in ports:
                    g[port] = where(g[port] < 1e-30, 0.0, g[port])
                for port in rising:
                    rise[port] = where(rise[port] < 1e-30, 0.0, rise[port])
            if method == "rk4" or point != "end":
                total, pull = leak, source
                for port in ports:
                    opened = g[port]
                    if port in blocked:
                        opened = opened / (1.0 + block[port] * exp(-62.0 * at))
                    total = total + opened
                    pull = pull + opened * reversal[port]
                if method == "rk4":
                    slope = span * (pull - total * at)
                    moved = moved + slope / (6.0 if point == "start" or point == "end" else 3.0)
                    at = v + (slope if point == "again" else 0.5 * slope)
                else:
                    goal = pull / total
                    at = goal + (v - goal) * exp((-0.5 if point == "start" else -1.0) * span * total)
                    moved = at
        if lifts:
            lift = decay_lift * lift
        if refractory:
            return where(now >= ready, moved, v), g, rise, lift
        return moved, g, rise, lift
