"""Leaky integrate-and-fire whose input is a current that decays exponentially: CurrentLIF."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from .errors import SpecError
from .firing import Firing
from .model import Parameter, State, Value, decay_of
from .vocabulary import where


@dataclass(frozen=True, eq=False)
class CurrentLIF(Firing):
    """Leaky integrate-and-fire with exponential synaptic currents, integrated exactly.

    tau dv/dt = v_rest - v + R (drive + sum of i),  tau_syn di/dt = -i; input adds to i.

    Over a step v moves with the currents as they were at its start, in closed form also where tau
    and tau_syn are equal; then the currents decay; then input arrives and acts on v from the next
    step on (the order of NEST's iaf_psc_exp). After a spike v is held for the refractory time while
    the currents go on.

    Parameters
    ----------
    tau : float or array (n,)
        Membrane time constant in seconds.
    tau_syn : float or array, optional
        Time constant of the one synaptic current, in seconds; its receptor is "input" and its state
        variable `i`.
    tau_syn_exc, tau_syn_inh : float or array, optional
        Instead of `tau_syn`: two currents, with receptors "excitatory" and "inhibitory" and state
        variables `i_excitatory` and `i_inhibitory`. Both add to v: inhibitory weights are negative.
    capacitance : float or array, optional
        Membrane capacitance in farad: then R = tau / capacitance, and currents, weights and `drive`
        are in ampere (v in volt). If None, R = 1: they are in the unit of v.
    v_rest : float or array
        Where v goes without input.
    drive : float or array
        A constant current.
    threshold, reset, v_reset, reset_by, refractory, strict, reset_delay, escape, escape_rate
        As for `IF`; the default reset is hard, to `v_reset`.

    Raises
    ------
    SpecError
        If neither `tau_syn` nor both of `tau_syn_exc` and `tau_syn_inh` are given, or too many.

    Notes
    -----
    Source: S. Rotter and M. Diesmann, Biological Cybernetics 81:381 (1999), for the exact integration.

    Examples
    --------
    A neuron of the cortical microcircuit, then one of the CUBA benchmark:

    >>> CurrentLIF(10e-3, 0.5e-3, capacitance=250e-12, v_rest=-65e-3, v_reset=-65e-3,
    ...            threshold=-50e-3, refractory=2e-3).receptors
    ('input',)
    >>> CurrentLIF(20e-3, tau_syn_exc=5e-3, tau_syn_inh=10e-3, v_rest=-49e-3, v_reset=-60e-3,
    ...            threshold=-50e-3, refractory=5e-3).receptors
    ('excitatory', 'inhibitory')
    """

    states: ClassVar[tuple[State, ...]] = (
        State("v"),
        State("i"),
        State("i_excitatory"),
        State("i_inhibitory"),
        *Firing.states[1:],
    )

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
                f"CurrentLIF.tau_syn: got tau_syn={self.tau_syn!r}, tau_syn_exc={self.tau_syn_exc!r}, "
                f"tau_syn_inh={self.tau_syn_inh!r}; allowed is tau_syn alone (one receptor), "
                "or both tau_syn_exc and tau_syn_inh (two)"
            )

    @property
    def receptors(self) -> tuple[str, ...]:
        """One receptor, or an excitatory and an inhibitory one."""
        return ("input",) if self.tau_syn is not None else ("excitatory", "inhibitory")

    def options(self) -> dict[str, object]:
        """Add how many synaptic currents there are."""
        return {**super().options(), "currents": len(self.receptors)}

    def unit_of(self, variable: str) -> str:
        """Volt and ampere where a capacitance is given; numbers without a unit otherwise."""
        if self.capacitance is None:
            return "1"
        return "V" if variable == "v" else "A" if variable.startswith("i") else super().unit_of(variable)

    def initial(self) -> dict[str, Value]:
        """Start at rest."""
        return {"v": self.v_rest}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step: the exact propagators."""
        resistance = 1.0 if self.capacitance is None else np.divide(self.tau, self.capacitance)
        constants: dict[str, Value] = {
            **super().derive(elapsed),
            "decay": decay_of(self.tau, elapsed),
            "v_inf": np.add(self.v_rest, np.multiply(resistance, self.drive)),
        }
        for suffix, tau_syn in (("", self.tau_syn), ("_exc", self.tau_syn_exc), ("_inh", self.tau_syn_inh)):
            if tau_syn is not None:
                constants["decay_i" + suffix] = decay_of(tau_syn, elapsed)
                constants["gain" + suffix] = resistance * _transfer(self.tau, tau_syn, elapsed)
        return constants

    @staticmethod
    def flow(v: Any, i: Any, i_excitatory: Any, i_inhibitory: Any, pending: Any, now: Any, ready: Any,
             v_reset: Any, v_inf: Any, decay: Any, decay_i: Any, decay_i_exc: Any, decay_i_inh: Any,
             gain: Any, gain_exc: Any, gain_inh: Any, currents: Any, reset: Any, reset_delay: Any,
             refractory: Any) -> Any:  # fmt: skip
        """Move v with the old currents, unless refractory; let the currents decay."""
        if reset_delay and reset == "hard":
            v = where(pending, v_reset, v)
        if currents == 1:
            moved = v_inf + (v - v_inf) * decay + gain * i
        else:
            moved = v_inf + (v - v_inf) * decay + (gain_exc * i_excitatory + gain_inh * i_inhibitory)
        if refractory:
            v = where(now >= ready, moved, v)
        else:
            v = moved
        if currents == 1:
            return v, decay_i * i
        return v, decay_i_exc * i_excitatory, decay_i_inh * i_inhibitory

    @staticmethod
    def jump(v: Any, i: Any, i_excitatory: Any, i_inhibitory: Any, pending: Any, input: Any, excitatory: Any,
             inhibitory: Any, reset_by: Any, currents: Any, reset: Any, reset_delay: Any) -> Any:  # fmt: skip
        """Add the input to the currents; carry out the soft reset that the last spike left pending."""
        if reset_delay and reset == "soft":
            v = v - pending * reset_by
        if currents == 1:
            return v, i + input
        return v, i_excitatory + excitatory, i_inhibitory + inhibitory


def _transfer(tau: Value, tau_syn: Value, elapsed: float) -> Value:
    """Return how far a unit current that decays with tau_syn moves v (R = 1) within `elapsed`.

    This is (1 / tau) times the integral of exp(-(elapsed - s) / tau) exp(-s / tau_syn) ds, written so
    that it neither divides by tau - tau_syn nor overflows.
    """
    slow = np.maximum(tau, tau_syn)
    x = elapsed * np.abs(np.divide(1.0, tau) - np.divide(1.0, tau_syn))
    safe = np.where(x > 0, x, 1.0)
    mean_decay = np.where(x > 0, -np.expm1(-safe) / safe, 1.0)
    transfer: Value = elapsed / np.asarray(tau) * np.exp(-elapsed / slow) * mean_decay
    return transfer
