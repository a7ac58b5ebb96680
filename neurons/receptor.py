"""A receptor: how fast what arrives there rises and decays, and what drives it."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

import dataclasses
import keyword
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from . import vocabulary
from .errors import SpecError
from .model import NeuronModel, Parameter, State, Value, decay_of
from .parameters import Parameterised
from .propagators import response, transfer
from .unroll import ARRIVED, member_of
from .vocabulary import where


@dataclass(frozen=True, eq=False, repr=False)
class Receptor(Parameterised):
    """One kind of synaptic input of a neuron: its time course, and for conductances what drives it.

    An input of weight w at time 0 makes a current or conductance whose largest value is w:

    * without `tau_rise`: w exp(-t / tau);
    * where `tau_rise` is `tau`, the alpha function w (t / tau) exp(1 - t / tau);
    * else w (exp(-t / tau) - exp(-t / tau_rise)) / N, where N makes the peak w.

    Parameters
    ----------
    name : str
        What projections call it: `Projection(..., receptor="ampa")`. A Python name.
    tau : float or array (n,)
        Time constant of the decay, in seconds.
    tau_rise : float or array, optional
        Time constant of the rise, in seconds, at most `tau`. If None, it rises at once.
    reversal : float or array, optional
        Potential towards which a conductance drives the membrane, in volts; currents have none.
    magnesium : float or array, optional
        Concentration of magnesium in mM, which blocks an NMDA receptor at low potentials: its
        conductance is multiplied by 1 / (1 + [Mg] / 3.57 exp(-0.062 v / mV)). If None, it is never blocked.

    Raises
    ------
    SpecError
        If a value is not allowed.

    Notes
    -----
    Source of the block: C. E. Jahr and C. F. Stevens, Journal of Neuroscience 10:3178 (1990).

    Examples
    --------
    >>> Receptor("nmda", 100e-3, tau_rise=2e-3, reversal=0.0, magnesium=1.0)
    Receptor('nmda', 0.1, tau_rise=0.002, reversal=0.0, magnesium=1.0)
    """

    name: str
    tau: Value = Parameter(unit="s", above=0.0)
    _: KW_ONLY
    tau_rise: Value | None = Parameter(None, unit="s", above=0.0, optional=True)
    reversal: Value | None = Parameter(None, unit="V", optional=True)
    magnesium: Value | None = Parameter(None, unit="mM", low=0.0, optional=True)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier() or keyword.iskeyword(self.name):
            raise SpecError(f"Receptor.name: got {self.name!r}; allowed is a Python name such as 'ampa'")
        owner = f"Receptor {self.name!r}"
        self.check_fields(owner)
        sizes = {name: array.size for name, array in self.arrays().items()}
        if len(set(sizes.values())) > 1:
            raise SpecError(f"{owner}: per-neuron arrays have different sizes {sizes}")
        if self.tau_rise is not None and np.any(np.greater(self.tau_rise, self.tau)):
            raise SpecError(
                f"{owner}.tau_rise: got {self.tau_rise!r} with tau {self.tau!r}; allowed is at most tau"
            )

    def __repr__(self) -> str:
        given = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.kw_only}
        rest = "".join(f", {name}={value!r}" for name, value in given.items() if value is not None)
        return f"Receptor({self.name!r}, {self.tau!r}{rest})"

    @property
    def growth(self) -> Value:
        """How fast the current or conductance grows, per second, at an input of 1: so that its peak is 1."""
        assert self.tau_rise is not None
        ratio = np.divide(self.tau, self.tau_rise) - 1.0
        # The peak is at tau log(tau / tau_rise) / (tau / tau_rise - 1), also where the two are equal.
        late = self.tau * np.where(ratio > 0, np.log1p(ratio) / np.where(ratio > 0, ratio, 1.0), 1.0)
        growth: Value = 1.0 / (self.tau * transfer(self.tau, self.tau_rise, late))
        return growth

    def gains(self, tau: Value, elapsed: float) -> dict[str, Value]:
        """Return how far a current of 1, and a rise of 1, move a membrane (R = 1) within `elapsed`."""
        constants: dict[str, Value] = {"gain": transfer(tau, self.tau, elapsed)}
        if self.tau_rise is not None:
            moved = response((self.tau_rise, self.tau, tau), elapsed)
            constants["gain_rise"] = self.growth * moved / np.asarray(tau)
        return constants


class Ports:
    """A model's receptors by what its rules call them, which is "" where there is no need to tell them apart.

    Parameters
    ----------
    receptors : mapping of str to Receptor
        By the name that `g[port]` gets in a rule.
    family : str
        What the rules call the current or conductance; a rise that is still to come is "rise".
    """

    def __init__(self, receptors: Mapping[str, Receptor], family: str) -> None:
        self.receptors, self.family = dict(receptors), family

    @property
    def names(self) -> tuple[str, ...]:
        """What projections call them."""
        return tuple(receptor.name for receptor in self.receptors.values())

    def options(self) -> dict[str, object]:
        """Return what rules loop over: all ports, those that take time to rise, and v where there are none.

        `synaptic` says what currents or conductances are called.
        """
        alone = () if self.receptors else ("",)
        return {
            "ports": tuple(self.receptors),
            "rising": self._rising,
            "alone": alone,
            "synaptic": self.family,
        }

    @property
    def _rising(self) -> tuple[str, ...]:
        return tuple(port for port, receptor in self.receptors.items() if receptor.tau_rise is not None)

    def states(self, unit: str = "A") -> tuple[State, ...]:
        """Return the state variables: conductances are in siemens and not negative, currents in `unit`."""
        held = [(self.family, port) for port in self.receptors] + [("rise", port) for port in self._rising]
        conducts = {port: receptor.reversal is not None for port, receptor in self.receptors.items()}
        return tuple(
            State(
                member_of(family, port),
                unit="S" if conducts[port] else unit,
                low=0.0 if conducts[port] else None,
            )
            for family, port in held
        )

    def least(self, name: str) -> float:
        """Return the smallest weight of what projections call so: no conductance is negative."""
        conducts = any(r.name == name and r.reversal is not None for r in self.receptors.values())
        return 0.0 if conducts else -np.inf

    def decays(self, elapsed: float) -> dict[str, Value]:
        """Return what is left of each after `elapsed`, of its rise, and what a rise of 1 has added to it."""
        constants: dict[str, Value] = {}
        for port, receptor in self.receptors.items():
            constants[member_of(f"decay_{self.family}", port)] = decay_of(receptor.tau, elapsed)
            if receptor.tau_rise is not None:
                climb = receptor.growth * receptor.tau * transfer(receptor.tau, receptor.tau_rise, elapsed)
                constants[member_of("decay_rise", port)] = decay_of(receptor.tau_rise, elapsed)
                constants[member_of("climb", port)] = climb
        return constants

    def gains(self, tau: Value, resistance: Value, elapsed: float) -> dict[str, Value]:
        """Return how far a current of 1, and a rise of 1, move a membrane within `elapsed`."""
        constants: dict[str, Value] = {}
        for port, receptor in self.receptors.items():
            constants[member_of("gain", port)] = resistance * transfer(tau, receptor.tau, elapsed)
            if receptor.tau_rise is not None:
                moved = response((receptor.tau_rise, receptor.tau, tau), elapsed) / np.asarray(tau)
                constants[member_of("gain_rise", port)] = resistance * receptor.growth * moved
        return constants


class Receiving:
    """Adds how input is taken to a model with ports."""

    @staticmethod
    def jump(v: Any, synaptic: Any, rise: Any, pending: Any, now: Any, ready: Any, input: Any, reset_by: Any,
             ports: Any, rising: Any, alone: Any, reset: Any, reset_delay: Any,
             refractory: Any) -> Any:  # fmt: skip
        """Add the input to the ports, or to v without any; carry out a soft reset that is pending."""
        if reset_delay and reset == "soft":
            v = v - pending * reset_by
        for port in alone:
            v = where(now >= ready, v + input[port], v) if refractory else v + input[port]
        for port in ports:
            if port in rising:
                rise[port] = rise[port] + input[port]
            else:
                synaptic[port] = synaptic[port] + input[port]
        return v, synaptic, rise


def settle_receptors(model: NeuronModel, given: Any) -> None:
    """Keep a model's `synapses` as a tuple, or raise SpecError."""
    owner = f"{type(model).__name__}.synapses"
    receptors = tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(receptor, Receptor) for receptor in receptors):
        raise SpecError(f"{owner}: got {given!r}; allowed are Receptors, such as [Receptor('ampa', 5e-3)]")
    names = [receptor.name for receptor in receptors]
    if len(set(names)) < len(names):
        raise SpecError(f"{owner}: got receptors called {names}; allowed are names of their own")
    object.__setattr__(model, "synapses", receptors)
    model.per_neuron()


def check_names(model: Any) -> None:
    """Refuse receptors whose name the model's rules use for something else."""
    taken = {*vocabulary.WORDS, *model.derive(1e-9), *(state.name for state in model.states)}
    for function in model.functions():
        taken.update(function.__code__.co_varnames)
    for name in sorted(taken.intersection(receptor.name for receptor in model.synapses) - {ARRIVED}):
        raise SpecError(
            f"{type(model).__name__}.synapses: no receptor can be called {name!r}, which the model uses for "
            f"something else; choose another name, such as '{name}_receptor'"
        )
