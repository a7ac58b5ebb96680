"""Izhikevich's neuron, whose membrane makes its own upstroke by a square."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from .errors import SpecError
from .model import NeuronModel, Parameter, State, Value
from .presets import Presets
from .vocabulary import maximum, minimum, spike, where


@dataclass(frozen=True, eq=False)
class Izhikevich(Presets, NeuronModel):
    """The simple model of Izhikevich (2003): a quadratic membrane and its recovery.

    dv/dt = 0.04 v^2 + 5 v + 140 - u + I,  du/dt = a (b v - u), with t in ms and v, u in mV;
    where v reaches `v_peak`, a spike is sent, v becomes c and u grows by d. All numbers are those of
    the paper: potentials are -65, not -65e-3, and only the step of the simulation is in seconds.

    Input to "input", the first receptor, adds to v. What arrives at "current" is a part of I (in mV per ms)
    for one step: so the paper's networks, with steps of 1 ms, send their weights there.

    Parameters
    ----------
    a : float or array (n,)
        Rate of the recovery, per ms.
    b : float or array
        How far u follows v.
    c, d : float or array
        Where a spike puts v, and what it adds to u, in mV.
    v_peak : float or array
        Where the upstroke is cut off, in mV; must lie above c.
    drive : float or array
        A constant part of I, in mV per ms.
    method : "half_steps" or "euler"
        The published one, two steps of dt / 2 for v and then one of dt for u from the new v; or Euler's
        method for both from their old values, as NEST steps by default. Both are of order 1. With steps
        of 1 ms they are far from the equation's solution, and it is them that the presets were made for.

    Raises
    ------
    SpecError
        If c is not below v_peak.

    Notes
    -----
    Presets, as `Izhikevich.preset("RS")`: "RS" regular spiking, "IB" intrinsically bursting, "CH"
    chattering, "FS" fast spiking, "LTS" low-threshold spiking, "TC" thalamo-cortical, "RZ" resonator.
    Neurons start as in the paper, v at -65 and u at b v. NEST's izhikevich is this one: its
    consistent_integration is "euler" with spikes to "input", without it "half_steps" with spikes to
    "current". What enters the square is kept within 10,000 mV of 0, so that nothing overflows.

    Source: E. M. Izhikevich, IEEE Transactions on Neural Networks 14:1569 (2003), figure 2 for the presets.

    Examples
    --------
    >>> Izhikevich.preset("CH").c
    -50.0
    >>> Izhikevich.preset("FS", drive=10.0).receptors
    ('input', 'current')
    """

    states: ClassVar[tuple[State, ...]] = (State("v", -65.0, unit="mV"), State("u", unit="mV"))

    PRESETS: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "RS": {"a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0},
        "IB": {"a": 0.02, "b": 0.2, "c": -55.0, "d": 4.0},
        "CH": {"a": 0.02, "b": 0.2, "c": -50.0, "d": 2.0},
        "FS": {"a": 0.1, "b": 0.2, "c": -65.0, "d": 2.0},
        "LTS": {"a": 0.02, "b": 0.25, "c": -65.0, "d": 2.0},
        "TC": {"a": 0.02, "b": 0.25, "c": -65.0, "d": 0.05},
        "RZ": {"a": 0.1, "b": 0.26, "c": -65.0, "d": 2.0},
    }

    a: Value = Parameter(0.02, unit="1/ms", above=0.0)
    b: Value = Parameter(0.2)
    c: Value = Parameter(-65.0, unit="mV")
    d: Value = Parameter(8.0, unit="mV")
    _: KW_ONLY
    v_peak: Value = Parameter(30.0, unit="mV")
    drive: Value = Parameter(0.0, unit="mV/ms")
    method: Literal["half_steps", "euler"] = Parameter("half_steps", choices=("half_steps", "euler"))

    def check(self) -> None:
        """Refuse a reset that would leave the neuron at its peak, firing for ever."""
        if np.any(np.greater_equal(self.c, self.v_peak)):
            raise SpecError(
                f"Izhikevich.c: got {self.c!r} with v_peak {self.v_peak!r}; allowed is a value below v_peak, "
                "or it fires in every step"
            )

    @property
    def receptors(self) -> tuple[str, ...]:
        """What moves v at once, and what flows for a step."""
        return ("input", "current")

    def initial(self) -> dict[str, Value]:
        """Start at -65 mV with the recovery that belongs to it."""
        return {"u": np.multiply(self.b, -65.0)}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step, which is counted in ms."""
        span = 1e3 * elapsed
        return {
            "span": span,
            "half": 0.5 * span,
            "share": np.multiply(self.a, span),
            "constant": np.add(140.0, self.drive),
            "b": self.b,
            "c": self.c,
            "d": self.d,
            "v_peak": self.v_peak,
        }

    @staticmethod
    def flow(v: Any, u: Any, current: Any, span: Any, half: Any, share: Any, constant: Any, b: Any,
             method: Any) -> Any:  # fmt: skip
        """Step v and u with the current of this step."""
        pull = constant - u + current
        square = minimum(maximum(v, -1e4), 1e4)
        if method == "euler":
            return v + span * ((0.04 * square + 5.0) * square + pull), u + share * (b * v - u)
        v = v + half * ((0.04 * square + 5.0) * square + pull)
        square = minimum(maximum(v, -1e4), 1e4)
        v = v + half * ((0.04 * square + 5.0) * square + pull)
        return v, u + share * (b * v - u)

    @staticmethod
    def jump(v: Any, input: Any) -> Any:
        """Add the input to v."""
        return v + input

    @staticmethod
    def fire(v: Any, u: Any, c: Any, d: Any, v_peak: Any) -> Any:
        """Cut the upstroke off: send a spike, reset v, let u grow."""
        sent = spike(v - v_peak)
        return sent, where(sent, c, v), u + sent * d
