"""Neurons whose input is a current that decays by itself: CurrentLIF, AlphaLIF and CurrentLI."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

from .errors import SpecError
from .exact import ExactFlow
from .model import Parameter, State, Value
from .noise import Noisy
from .receptor import Ports, Receptor, settle_receptors
from .synaptic import (
    ALONE,
    Currents,
    check_currents,
    membrane_of,
    moving_constants,
    moving_states,
    refuse_rising,
)


@dataclass(frozen=True, eq=False)
class CurrentLIF(Currents):
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
        variables `i_excitatory` and `i_inhibitory`. All add to v: inhibitory weights are negative.
    synapses : sequence of Receptor
        Instead of both: any number of currents, each with its own time constants; their state
        variables are `i_` and the receptor's name, and `rise_` and its name where it takes time to rise.
    capacitance : float or array, optional
        Membrane capacitance in farad: then R = tau / capacitance, and currents, weights and `drive`
        are in ampere (v in volt). If None, R = 1: they are in the unit of v.
    v_rest : float or array
        Where v goes without input.
    drive : float or array
        A constant current.
    threshold, reset, v_reset, reset_by, refractory, strict, reset_delay, escape, escape_rate
        As for `IF`; the default reset is hard, to `v_reset`.
    noise, noise_tau
        As for `LIF`.

    Raises
    ------
    SpecError
        If anything but exactly one of `tau_syn`, both `tau_syn_exc` and `tau_syn_inh`, and `synapses` is
        given, or a receptor has what only conductances have.

    Notes
    -----
    Source: S. Rotter and M. Diesmann, Biological Cybernetics 81:381 (1999), for the exact integration.

    Examples
    --------
    A neuron of the cortical microcircuit, one of the CUBA benchmark, and one with three receptors:

    >>> CurrentLIF(10e-3, 0.5e-3, capacitance=250e-12, v_rest=-65e-3, v_reset=-65e-3,
    ...            threshold=-50e-3, refractory=2e-3).receptors
    ('input',)
    >>> CurrentLIF(20e-3, tau_syn_exc=5e-3, tau_syn_inh=10e-3, v_rest=-49e-3, v_reset=-60e-3,
    ...            threshold=-50e-3, refractory=5e-3).receptors
    ('excitatory', 'inhibitory')
    >>> model = CurrentLIF(20e-3, synapses=[Receptor("fast", 2e-3), Receptor("slow", 50e-3, tau_rise=5e-3),
    ...                                     Receptor("gaba", 8e-3)])
    >>> [state.name for state in model.used_states]
    ['v', 'i_fast', 'i_slow', 'i_gaba', 'rise_slow']
    """

    _: KW_ONLY
    synapses: tuple[Receptor, ...] = ()

    def check(self) -> None:
        """Refuse receptors beside time constants, and what only conductances have."""
        settle_receptors(self, self.synapses)
        if self.synapses:
            super(Currents, self).check()
            check_currents(self, "tau_syn", "tau_syn_exc", "tau_syn_inh")
        else:
            super().check()

    @cached_property
    def ports(self) -> Ports:
        """The receptors, whichever way they were given."""
        return Ports({r.name: r for r in self.synapses}, "i") if self.synapses else super().ports


@dataclass(frozen=True, eq=False)
class AlphaLIF(Currents):
    """Leaky integrate-and-fire with alpha-shaped synaptic currents, integrated exactly.

    tau dv/dt = v_rest - v + R (drive + sum of i), where an input of weight w at time 0 adds the current
    w (t / tau_syn) exp(1 - t / tau_syn): it rises to w within tau_syn, then decays.

    Input that arrives in a step acts on v from the next step on (NEST's iaf_psc_alpha). State variables
    are `v`, the current `i` and `rise`, which input adds to; with two receptors `i_excitatory`,
    `rise_excitatory`, and so on. After a spike v is held for the refractory time while the currents go on.

    Parameters
    ----------
    tau : float or array (n,)
        Membrane time constant in seconds.
    tau_syn : float or array, optional
        Time constant of the one synaptic current, in seconds; its receptor is "input".
    tau_syn_exc, tau_syn_inh : float or array, optional
        Instead of `tau_syn`: two currents, with receptors "excitatory" and "inhibitory".
    capacitance, v_rest, drive
        As for `CurrentLIF`.
    threshold, reset, v_reset, reset_by, refractory, strict, reset_delay, escape, escape_rate
        As for `IF`; the default reset is hard, to `v_reset`.
    noise, noise_tau
        As for `LIF`.

    Raises
    ------
    SpecError
        If neither `tau_syn` nor both of `tau_syn_exc` and `tau_syn_inh` are given, or too many.

    Notes
    -----
    With tau = tau_syn and R = 1 a weight of w lifts v by (w / 2) (t / tau)^2 exp(1 - t / tau), at most by
    2 w / e at 2 tau. Alpha currents beside others are Receptors of a `CurrentLIF`, with `tau_rise=tau`.
    Source: S. Rotter and M. Diesmann, Biological Cybernetics 81:381 (1999), for the exact integration.

    Examples
    --------
    >>> AlphaLIF(10e-3, 2e-3, capacitance=250e-12, v_rest=-70e-3, v_reset=-70e-3, threshold=-55e-3,
    ...          refractory=2e-3).receptors
    ('input',)
    """

    @staticmethod
    def receptor(name: str, tau: Value) -> Receptor:
        """Return a receptor that rises as slowly as it decays."""
        return Receptor(name, tau, tau_rise=tau)


@dataclass(frozen=True, eq=False)
class CurrentLI(Noisy, ExactFlow):
    """A `CurrentLIF` that never fires, for reading out.

    tau dv/dt = v_rest - v + R (drive + sum of i), integrated exactly; input adds to the currents, and acts
    on v from the next step on. (`CubaLI` takes its input before the membrane moves.)

    Parameters
    ----------
    tau : float or array (n,)
        Membrane time constant in seconds.
    tau_syn : float or array, optional
        Time constant of the one synaptic current `i`, in seconds.
    synapses : sequence of Receptor
        Instead of `tau_syn`: any number of currents, as for `CurrentLIF`.
    capacitance, v_rest, drive, noise, noise_tau
        As for `CurrentLIF`.

    Raises
    ------
    SpecError
        If there are neither `tau_syn` nor `synapses`, or both.

    Examples
    --------
    >>> [state.name for state in CurrentLI(10e-3, 5e-3).used_states]
    ['v', 'i']
    """

    tau: Value = Parameter(unit="s", above=0.0)
    tau_syn: Value | None = Parameter(None, unit="s", above=0.0, optional=True)
    _: KW_ONLY
    synapses: tuple[Receptor, ...] = ()
    capacitance: Value | None = Parameter(None, unit="F", above=0.0, optional=True)
    v_rest: Value = Parameter(0.0)
    drive: Value = Parameter(0.0)

    def check(self) -> None:
        """Refuse no currents, and two ways of saying which there are."""
        super().check()
        settle_receptors(self, self.synapses)
        if self.synapses:
            check_currents(self, "tau_syn")
        elif self.tau_syn is None:
            raise SpecError("CurrentLI.tau_syn: got None without synapses; allowed is one of the two")

    @cached_property
    def ports(self) -> Ports:
        """The receptors, whichever way they were given."""
        if self.tau_syn is not None:
            return Ports({ALONE: Receptor("input", self.tau_syn)}, "i")
        return Ports({receptor.name: receptor for receptor in self.synapses}, "i")

    @property
    def receptors(self) -> tuple[str, ...]:
        """What projections call the currents."""
        return self.ports.names

    @property
    def states(self) -> tuple[State, ...]:
        """The potential, a current for each receptor, and what noise needs."""
        return (*moving_states(self), *super().states[1:])

    def initial(self) -> dict[str, Value]:
        """Start at rest."""
        return {"v": self.v_rest}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step."""
        return {**super().derive(elapsed), **membrane_of(self, elapsed)}

    def options(self) -> dict[str, object]:
        """Say which currents there are; nothing fires, so nothing is reset."""
        unused = {"reset": "none", "reset_delay": False, "refractory": False}
        return {**super().options(), **unused, **self.ports.options()}

    @property
    def propagators(self) -> tuple[str, ...]:
        """What is left of v and of each current, and how far unit currents move v."""
        return moving_constants(self)

    @property
    def fires_alone(self) -> bool:
        """Never."""
        return False

    def needs_grid(self) -> str:
        """Refuse currents that rise."""
        return refuse_rising(self)

    propagate = Currents.propagate

    def functions(self) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
        """Move as a CurrentLIF does, and never fire."""
        return Currents.flow, Currents.jump, CurrentLI.fire

    @staticmethod
    def fire(v: Any) -> Any:
        """Never fire."""
        return 0.0, v
