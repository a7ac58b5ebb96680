"""What models with synaptic currents share: any number of currents, integrated exactly."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .errors import SpecError
from .exact import ExactFlow, log
from .firing import Firing
from .model import Parameter, State, Value, decay_of
from .noise import Noisy
from .propagators import mean_decay, peak_transfer
from .receptor import Ports, Receiving, Receptor, check_names
from .unroll import member_of
from .vocabulary import exp, maximum, where

#: Who has one current has no name for it.
ALONE = ""


@dataclass(frozen=True, eq=False)
class Currents(Receiving, Noisy, Firing, ExactFlow):
    """Base class of the models that integrate any number of synaptic currents exactly, and fire."""

    tau: Value = Parameter(unit="s", above=0.0)
    tau_syn: Value | None = Parameter(None, unit="s", above=0.0, optional=True)
    _: KW_ONLY
    tau_syn_exc: Value | None = Parameter(None, unit="s", above=0.0, optional=True)
    tau_syn_inh: Value | None = Parameter(None, unit="s", above=0.0, optional=True)
    capacitance: Value | None = Parameter(None, unit="F", above=0.0, optional=True)
    threshold: Value = Parameter(1.0)
    v_rest: Value = Parameter(0.0)
    drive: Value = Parameter(0.0)

    def check(self) -> None:
        """Refuse any but one or two synaptic time constants."""
        super().check()
        one = self.tau_syn is not None
        exc, inh = self.tau_syn_exc is not None, self.tau_syn_inh is not None
        if one == (exc or inh) or exc != inh:
            raise SpecError(
                f"{type(self).__name__}.tau_syn: got tau_syn={self.tau_syn!r}, "
                f"tau_syn_exc={self.tau_syn_exc!r}, tau_syn_inh={self.tau_syn_inh!r}; allowed is tau_syn "
                "alone (one receptor), or both tau_syn_exc and tau_syn_inh (two)"
            )

    @cached_property
    def ports(self) -> Ports:
        """One receptor, or an excitatory and an inhibitory one."""
        if self.tau_syn is not None:
            return Ports({ALONE: self.receptor("input", self.tau_syn)}, "i")
        assert self.tau_syn_exc is not None
        assert self.tau_syn_inh is not None
        taus = {"excitatory": self.tau_syn_exc, "inhibitory": self.tau_syn_inh}
        return Ports({name: self.receptor(name, tau) for name, tau in taus.items()}, "i")

    @staticmethod
    def receptor(name: str, tau: Value) -> Receptor:
        """Return what a time constant given by the user stands for."""
        return Receptor(name, tau)

    @property
    def receptors(self) -> tuple[str, ...]:
        """What projections call the currents."""
        return self.ports.names

    @property
    def states(self) -> tuple[State, ...]:  # type: ignore[override]  # those of Firing do not depend on it
        """The potential, a current for each receptor, and what firing and noise need."""
        return (*moving_states(self), *super().states[1:])

    def options(self) -> dict[str, object]:
        """Add which synaptic currents there are."""
        return {**super().options(), **self.ports.options()}

    def initial(self) -> dict[str, Value]:
        """Start at rest."""
        return {"v": self.v_rest}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step: the exact propagators."""
        return {**super().derive(elapsed), **membrane_of(self, elapsed)}

    @staticmethod
    def flow(v: Any, i: Any, rise: Any, pending: Any, now: Any, ready: Any, v_reset: Any, v_inf: Any,
             decay: Any, decay_i: Any, decay_rise: Any, climb: Any, gain: Any, gain_rise: Any, ports: Any,
             rising: Any, reset: Any, reset_delay: Any, refractory: Any) -> Any:  # fmt: skip
        """Move v with the old currents, unless refractory; let the currents rise and decay."""
        if reset_delay and reset == "hard":
            v = where(pending, v_reset, v)
        moved = v_inf + (v - v_inf) * decay + sum(gain[port] * i[port] for port in ports)
        if rising:
            moved = moved + sum(gain_rise[port] * rise[port] for port in rising)
        if refractory:
            v = where(now >= ready, moved, v)
        else:
            v = moved
        for port in ports:
            i[port] = decay_i[port] * i[port]
        for port in rising:
            i[port] = i[port] + climb[port] * rise[port]
            rise[port] = decay_rise[port] * rise[port]
        return v, i, rise

    @property
    def propagators(self) -> tuple[str, ...]:
        """What is left of v and of each current, and how far unit currents move v."""
        return moving_constants(self)

    def exact_options(self) -> dict[str, object]:
        """Tell two currents apart."""
        names = tuple(self.ports.receptors)
        return {**self.options(), "first": names[:1], "second": names[1:]}

    def needs_grid(self) -> str:
        """Refuse currents of which no closed form says how often they turn."""
        if len(self.ports.receptors) > 2:
            return "there are more than two currents; use two"
        return refuse_rising(self) or super().needs_grid()

    @staticmethod
    def propagate(elapsed: Any, tau: Any, tau_i: Any, strength: Any, ports: Any) -> Any:
        """Let v and the currents decay, and v follow the currents."""
        decay = exp(-elapsed / tau)
        for port in ports:
            apart = mean_decay(tau, tau_i[port], elapsed)
            tau_i[port] = exp(-elapsed / tau_i[port])
            # As `transfer` has it: the slower of the two decays is the larger.
            strength[port] = strength[port] * (elapsed / tau * maximum(decay, tau_i[port]) * apart)
        return decay, tau_i, strength

    @staticmethod
    def slope(v: Any, i: Any, v_inf: Any, resistance: Any, ports: Any) -> Any:
        """Return the right-hand side of the membrane's equation."""
        return v_inf - v + resistance * sum(i[port] for port in ports)

    @staticmethod
    def ceiling(v: Any, i: Any, v_inf: Any, resistance: Any, peak: Any, ports: Any) -> Any:
        """Add the peaks that currents could make on their own to where v is or goes without any.

        Rounding is a few parts in 1e16 of the largest term; 1e-12 of them all is beyond it.
        """
        size = maximum(v, -v) + maximum(v_inf, -v_inf)
        lift = maximum(v, v_inf)
        for port in ports:
            current = resistance * i[port]
            lift = lift + peak[port] * maximum(current, 0.0)
            size = size + maximum(current, -current)
        return lift + 1e-12 * size

    @staticmethod
    def pieces(i: Any, tau: Any, tau_i: Any, ports: Any, first: Any, second: Any) -> Any:
        """Turn where the sum of the currents does.

        slope exp(t / tau) has the derivative exp(t / tau) R times that of the sum of the currents: it
        falls while the sum falls. The sum of two turns once at most.
        """
        end = 50.0 * (tau + sum(tau_i[port] for port in ports))
        one = sum(i[port] / tau_i[port] for port in first)
        other = sum(i[port] / tau_i[port] for port in second)
        apart = sum(1.0 / tau_i[port] for port in second) - sum(1.0 / tau_i[port] for port in first)
        turns = (one * other < 0.0) & (apart != 0.0)
        turn = log(where(turns, -other / where(turns, one, 1.0), 1.0)) / where(turns, apart, 1.0)
        return where(turn > 0.0, turn, end), end, one + other


def moving_constants(model: Any) -> tuple[str, ...]:
    """Return the constants of a model with ports that depend on elapsed time, as `propagate` returns them."""
    families = ("decay_i", "gain")
    return ("decay", *(member_of(family, port) for family in families for port in model.ports.receptors))


def refuse_rising(model: Any) -> str:
    """Say which currents take time to rise; empty if none."""
    rising = model.ports.options()["rising"]
    return f"its currents {rising} take time to rise; use some that decay only" if rising else ""


def moving_states(model: Any) -> tuple[State, ...]:
    """Return the potential and the currents of a model with ports; with units, if it has a capacitance."""
    volt, ampere = ("1", "1") if model.capacitance is None else ("V", "A")
    return (State("v", unit=volt), *model.ports.states(ampere))


def membrane_of(model: Any, elapsed: float) -> dict[str, Value]:
    """Return the constants by which currents move the membrane of a model that has these fields and ports."""
    resistance = 1.0 if model.capacitance is None else np.divide(model.tau, model.capacitance)
    return {
        "decay": decay_of(model.tau, elapsed),
        "tau": model.tau,
        "resistance": resistance,
        "v_inf": np.add(model.v_rest, np.multiply(resistance, model.drive)),
        **model.ports.decays(elapsed),
        **model.ports.gains(model.tau, resistance, elapsed),
        **{member_of("tau_i", port): receptor.tau for port, receptor in model.ports.receptors.items()},
        **{member_of("strength", port): resistance for port in model.ports.receptors},
        **{
            member_of("peak", port): peak_transfer(model.tau, r.tau)
            for port, r in model.ports.receptors.items()
        },
    }


def check_currents(model: Any, *others: str) -> None:
    """Refuse `synapses` of a model beside other time constants, and what only conductances have."""
    owner = f"{type(model).__name__}.synapses"
    given = {name: getattr(model, name) for name in others if getattr(model, name) is not None}
    if given:
        raise SpecError(f"{owner}: got receptors and {given}; allowed are receptors, or time constants alone")
    for receptor in model.synapses:
        if receptor.reversal is not None or receptor.magnesium is not None:
            raise SpecError(
                f"{owner}: got {receptor!r}; allowed are receptors without reversal and magnesium, which "
                "currents do not have. Use ConductanceLIF"
            )
    check_names(model)
