"""The sigma-delta neuron, which tells changes that matter: an EventNeuron with a threshold."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from .alphabet import range_of
from .errors import SpecError
from .event import EventNeuron
from .model import NeuronModel, Parameter, Payload, State, Value
from .scalars import SCALARS


@dataclass(frozen=True, eq=False)
class SigmaDelta(NeuronModel):
    """Sigma-delta neuron: sums the changes that arrive, and tells its own once they reach a threshold.

    u is the sum of all input, started at `bias`; the value told so far is step n. It sends the integer
    e = round(f(u) / step) - n where |e| step reaches the threshold, and nothing otherwise. Events carry
    e: **whoever builds the network multiplies outgoing weights by `step`**.

    It is an `EventNeuron` (law="delta", events="graded", theta=step) that keeps small changes to itself: with
    a threshold of at most one step it is that neuron.

    Parameters
    ----------
    threshold : float or array (n,)
        The smallest change that is told.
    step : float or array, optional
        The value of one unit of an event; a sixteenth of the threshold if None.
    bits : int
        Bits of the value: it stays within 0 .. 2^bits - 1 steps (f = "relu"), or -(2^(bits-1) - 1) ..
        2^(bits-1) - 1 (f = "identity").
    f : "relu" or "identity"
        What the neuron computes of its input.
    bias : float or array (n,)
        The constant part of the input.

    Notes
    -----
    Where values are multiples of the step it sends what Lava's sigma-delta neuron sends (whose payload is
    the change itself), with threshold = vth. What it told is off by less than the threshold and half a step.

    Examples
    --------
    >>> SigmaDelta(0.5, 0.25, bits=6).payload_bound
    63
    """

    threshold: Value = Parameter(above=0.0)
    step: Value | None = Parameter(None, above=0.0, optional=True)
    _: KW_ONLY
    bits: int = Parameter(8, low=2, high=16, whole=True)
    f: Literal["relu", "identity"] = Parameter("relu", choices=("relu", "identity"))
    bias: Value = Parameter(0.0)

    states: ClassVar[tuple[State, ...]] = EventNeuron.states

    def check(self) -> None:
        """Refuse a threshold beyond what the bits can tell."""
        _, high = range_of(self.f, self.bits)
        if np.any(np.divide(self.threshold, self._step) > high):
            raise SpecError(
                f"SigmaDelta.bits: got {self.bits} with threshold {self.threshold!r}, step {self._step!s}; "
                f"allowed is a threshold of up to {high} steps. Give more bits, or a larger step"
            )

    @property
    def _step(self) -> Value:
        return np.divide(self.threshold, 16.0) if self.step is None else self.step

    @property
    def payload(self) -> Payload:
        """Events carry an integer."""
        return "integer"

    @property
    def tells_at_once(self) -> bool:
        """What the threshold lets through is told whole."""
        return True

    @property
    def payload_bound(self) -> int:
        """Largest change, in steps."""
        low, high = range_of(self.f, self.bits)
        return high - low

    def options(self) -> dict[str, object]:
        """Follow the rule of an EventNeuron, with a band in which nothing is told."""
        law = {"law": "delta", "events": "graded", "burst": False, "rounding": "nearest"}
        bands = {"banded": "always", "held": False}
        return {**super().options(), **law, **bands, "f": SCALARS["identity"].function, "straight": True}

    def functions(self) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
        """Move as an EventNeuron does."""
        return EventNeuron.flow, EventNeuron.jump, EventNeuron.fire

    def initial(self) -> dict[str, Value]:
        """Start the sum at the bias."""
        return {"u": self.bias}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step of time."""
        low, high = range_of(self.f, self.bits)
        band = np.divide(self.threshold, self._step)
        return {"theta": self._step, "low": float(low), "high": float(high), "band": band}
