"""EventNeuron, the error-feedback neuron, which tells whole numbers."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from .alphabet import LARGEST_COUNT, events_in, range_of
from .errors import SpecError
from .graded import ReLU
from .model import NeuronModel, Parameter, Payload, State, Value
from .scalars import SCALARS, checked_parameters
from .vocabulary import exp, floor, maximum, minimum, nearest_pow2, where

#: Functions that need no mean: under the law "rate" their neuron remembers only what it has not told.
_STRAIGHT = ("relu", "identity")


@dataclass(frozen=True, eq=False)
class EventNeuron(NeuronModel):
    """The error-feedback neuron: sends integers so that its sum of events tells the world a value.

    n is the sum of all it has sent, theta the size of one unit. It knows where n should be, n*, and
    sends an event e drawn from its alphabet that brings n + e nearer; e = 0 is no event. Events carry
    the integer e: **whoever builds the network multiplies outgoing weights by theta**, so that
    receivers add theta * W * e.

    =========  ==========================================  ==============  ===========================
    law        state u                                     value told      aim
    =========  ==========================================  ==============  ===========================
    "delta"    total of all input, started at `bias`       theta n         n* = clip(round(f(u)/theta))
    "rate"     total of all input, `bias` in every step    theta n / t     n* = round(t f(u / t)/theta)
    "value"    input of this step + bias                   the payload     none: sends f(u) itself
    =========  ==========================================  ==============  ===========================

    t counts steps from the start of the simulation. With f = "relu" or "identity" it is not needed, and
    under "rate" u is what is left of the total: theta n is taken off.

    Under "delta" events stop by themselves once n = n*: with events="pow2" after at most 3, 4, 5
    events where |n* - n| <= 31, 127, 255, and with "graded" after one. Under "rate", f = "relu",
    rounding="floor" and unsigned unit events make exactly an IF neuron with soft reset; rounding
    "nearest" is the same as starting it at half its threshold.

    Parameters
    ----------
    theta : float or array (n,)
        The value of one unit; not used by "value".
    law : "delta", "rate" or "value"
        What events mean.
    events : "pow2", "unit" or "graded"
        Signed powers of two; one unit at a time; any integer. Not used by "value".
    bits : int
        Sets the range where `low` and `high` do not: 0 .. 2^bits - 1 if f has no negative values (such as
        "relu"), else -(2^(bits-1) - 1) .. 2^(bits-1) - 1.
    low, high : int, optional
        The range. Under "delta" n* stays within it, and n ends there (on its way a power of two may lead
        past it); under "rate" it bounds the difference that one event may tell.
    burst : bool
        Whether all events that bring n to n* go out in one step (law="delta"). Receivers get them as
        one number, e = n* - n, and a probe sees one event; they are counted one by one.
    coarse : int
        A power of two: in the first steps of a simulation only events of at least coarse, coarse / 2, ...
        units go out, and smaller ones wait (law="delta", without bursts). What large ones change at others
        is then not told twice, and answers come after fewer events.
    hold : float or array (n,), optional
        A dead band (law="delta"): what was told stands until the value is so many units beyond what rounds to
        it, so that noise is not told; the two differ by at most 0.5 + hold units. 0 aims at exactly what None
        aims at, and can be changed between runs.
    rounding : "nearest" or "floor"
        How n* is rounded; ties go up: floor(u / theta + 0.5).
    f : str
        What the neuron computes of its input: "relu", "identity", "gelu", or another function of `SCALARS` in
        neurons/scalars.py, computed by the same operations on every backend.
    parameters : tuple of float
        The numbers that f takes, such as the slope of "leaky_relu".
    signed : bool
        Whether events may be negative. False is for one-bit machines and only for law="rate" and
        f="relu" or "identity", where u stays below zero instead.
    bias : float or array (n,)
        The constant part of the input: enters once under "delta" (as the start of u), in every step
        under the other laws.

    Raises
    ------
    SpecError
        If `signed` is False under another law than "rate", a burst or a dead band is asked for under another
        than "delta", the range is empty, lacks 0, or leaves no room for a sign, or f takes other parameters.

    Notes
    -----
    Sums are exact, and so is the state at silence, while u is a multiple of the receptor's grid below
    2^24 grid steps (float32). `n` and `u` can be probed; initial values can be set per population.

    Examples
    --------
    >>> EventNeuron(0.1, events="pow2", bits=4).payload_bound
    16
    >>> EventNeuron(1.0, law="rate", events="unit", rounding="floor", signed=False).payload
    'unit'
    >>> EventNeuron(0.1, f="identity", low=-2, high=13, burst=True).events_in[[2, 3, 11]].tolist()
    [1, 2, 3]
    """

    states: ClassVar[tuple[State, ...]] = (State("u"), State("v"), State("n", kind="integer"))

    theta: Value = Parameter(1.0, above=0.0)
    _: KW_ONLY
    law: Literal["delta", "rate", "value"] = Parameter("delta", choices=("delta", "rate", "value"))
    events: Literal["pow2", "unit", "graded"] = Parameter("pow2", choices=("pow2", "unit", "graded"))
    bits: int = Parameter(4, low=1, high=16, whole=True)
    low: int | None = Parameter(None, low=-LARGEST_COUNT, high=0, whole=True, optional=True)
    high: int | None = Parameter(None, low=0, high=LARGEST_COUNT, whole=True, optional=True)
    burst: bool = Parameter(False, choices=(False, True))
    coarse: int = Parameter(1, low=1, high=LARGEST_COUNT, whole=True)
    hold: Value | None = Parameter(None, low=0.0, optional=True)
    rounding: Literal["nearest", "floor"] = Parameter("nearest", choices=("nearest", "floor"))
    f: str = Parameter("relu", choices=tuple(SCALARS))
    parameters: tuple[float, ...] = ()
    signed: bool = Parameter(True, choices=(True, False))
    bias: Value = Parameter(0.0)

    def check(self) -> None:
        """Refuse laws without the sign that they need, and ranges that hold nothing."""
        if not self.signed and not (self.law == "rate" and self.f in _STRAIGHT):
            raise SpecError(
                f"EventNeuron.signed: got False with law={self.law!r}, f={self.f!r}; allowed is True, since "
                "events must be able to take back what was told. Use law='rate', f='relu' for unsigned events"
            )
        object.__setattr__(self, "parameters", checked_parameters("EventNeuron", self.f, self.parameters))
        if self.burst and self.law != "delta":
            raise SpecError(
                f"EventNeuron.burst: got True with law={self.law!r}; allowed is False, since only the law "
                "'delta' has an aim that a burst could reach"
            )
        if self.hold is not None and self.law != "delta":
            raise SpecError(
                f"EventNeuron.hold: got {self.hold} with law={self.law!r}; allowed is None, since only the "
                "law 'delta' has an aim that may be missed"
            )
        self._check_coarse()
        signs = not SCALARS[self.f].positive and (self.low is None or self.high is None)
        if signs and self.bits < 2:
            raise SpecError(
                f"EventNeuron.bits: got 1 with f={self.f!r}; allowed is >= 2, one bit is the sign"
            )
        low, high = self._range
        if low == high:
            raise SpecError(
                f"EventNeuron.high: got {high} with low={low}; allowed is a range of two numbers or more"
            )

    def _check_coarse(self) -> None:
        if self.coarse & (self.coarse - 1):
            raise SpecError(f"EventNeuron.coarse: got {self.coarse}; allowed is a power of two")
        if self.coarse > 1 and (self.law != "delta" or self.burst or self.events == "unit"):
            raise SpecError(
                f"EventNeuron.coarse: got {self.coarse} with law={self.law!r}, events={self.events!r}, "
                f"burst={self.burst}; allowed is 1, or law='delta' with events of several sizes, one by one"
            )

    @property
    def _range(self) -> tuple[int, int]:
        low, high = range_of(self.f, self.bits)
        return low if self.low is None else self.low, high if self.high is None else self.high

    @property
    def span(self) -> tuple[int, int]:
        """Smallest and largest n under "delta"; smallest and largest single difference under "rate"."""
        low, high = self._range
        if self.law != "rate":
            return low, high
        if self.low is None:
            low = -high
        if self.events == "unit":
            low, high = max(low, -1), min(high, 1)
        return low if self.signed else 0, high

    @property
    def payload(self) -> Payload:
        """Unsigned unit events are plain spikes; "value" sends real numbers."""
        if self.law == "value":
            return "real"
        return "unit" if self.events == "unit" and not self.signed else "integer"

    @property
    def payload_bound(self) -> int:
        """Largest magnitude of one event, or burst of them (1 where it is no integer)."""
        if self.law == "value" or (self.events == "unit" and not self.burst):
            return 1
        low, high = self.span
        largest = high - low if self.law == "delta" else max(high, -low)
        return int(nearest_pow2(float(largest))) if self.events == "pow2" and not self.burst else largest

    @property
    def multiplies(self) -> bool:
        """One unit, or a power of two, adds a weight or shifts it: only other numbers multiply."""
        return self.law == "value" or self.events == "graded"

    @property
    def tells_at_once(self) -> bool:
        """Under "delta", a burst or a graded event leaves nothing to tell."""
        return self.law == "delta" and (self.burst or self.events == "graded") and self.coarse == 1

    @property
    def waits(self) -> int:
        """Steps in which small events are kept back."""
        return self.coarse.bit_length() - 1

    @cached_property
    def events_in(self) -> np.ndarray | None:
        """How many events of its alphabet a burst of each size is."""
        if not self.burst or self.events == "graded":
            return None
        return events_in(self.events, self.payload_bound)

    def functions(self) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
        """Move as a ReLU under the law "value"; its rules are the same."""
        return (ReLU.flow, ReLU.jump, ReLU.fire) if self.law == "value" else super().functions()

    def signals(self) -> dict[str, Callable[..., Any]]:
        """Be read and written as a ReLU under the law "value"."""
        if self.law == "value":
            return {"total": ReLU.total, "told": ReLU.told, "take": ReLU.take}
        return super().signals()

    def options(self) -> dict[str, object]:
        """Tell any change, however small."""
        # Where n* cannot be below zero its range rectifies.
        ranged = self.f == "relu" and self.law == "delta" and self.span[0] == 0
        return {
            **super().options(),
            "f": SCALARS["identity" if ranged else self.f].function,
            "straight": self.f in _STRAIGHT,
            "rectified": self.f == "relu",
            "banded": "at first" if self.coarse > 1 else "never",
            "held": self.hold is not None,
        }

    def initial(self) -> dict[str, Value]:
        """Under "delta" the bias enters once, as the start of u."""
        return {"u": self.bias} if self.law == "delta" else {}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step."""
        low, high = self.span
        names = (f"f_{name}" for name in SCALARS[self.f].parameters)
        own = dict(zip(names, self.parameters, strict=True))
        range_ = {"low": float(low), "high": float(high)}
        bands = {"band": float(self.coarse), "hold": 0.0 if self.hold is None else self.hold}
        return {"bias": self.bias, "theta": self.theta, **range_, **bands, **own}

    @staticmethod
    def flow(u: Any) -> Any:
        """Keep u: nothing leaks."""
        return u

    @staticmethod
    def jump(u: Any, input: Any, bias: Any, law: Any) -> Any:
        """Add the input; under "rate" the bias comes with it."""
        if law == "rate":
            input = input + bias
        return u + input

    @staticmethod
    def fire(u: Any, n: Any, theta: Any, low: Any, high: Any, band: Any, hold: Any, now: Any, law: Any,
             f: Any, straight: Any, rectified: Any, events: Any, burst: Any, rounding: Any, signed: Any,
             banded: Any, held: Any) -> Any:  # fmt: skip
        """Send what the alphabet has nearest to n* - n, or all of it in a burst."""
        if law == "delta":
            y = f(u)
        elif straight:
            y = u
        else:
            t = now + 1
            mean = u / t
            y = f(mean)
            y = y * t
        units = y / theta
        if rounding == "nearest":
            units = units + 0.5
        if held:
            ahead = units - n
        units = floor(units)
        if law == "delta":
            e = minimum(maximum(units, low), high) - n
        elif straight:
            if rectified and signed:
                units = maximum(units, -n)
            e = minimum(maximum(units, low), high)
        else:
            e = minimum(maximum(units - n, low), high)
        if held:
            e = where(maximum(ahead - 1.0, -ahead) < hold, 0.0, e)
        if events == "unit" and law == "delta" and not burst:
            e = minimum(maximum(e, -1.0), 1.0)
        elif events == "pow2" and not burst:
            e = nearest_pow2(e)
        if banded == "at first":
            band = nearest_pow2(band * exp(-0.6931471805599453 * now))
        if banded != "never":
            e = where(maximum(e, -e) >= band, e, 0.0)
        if law == "rate" and straight:
            return e, u - e * theta, n + e
        return e, u, n + e

    @staticmethod
    def total(u: Any, n: Any, theta: Any, now: Any, law: Any, straight: Any) -> Any:
        """Return the sum of all input, under "rate" its mean over the steps so far."""
        if law == "rate" and straight:
            u = u + theta * n
        if law == "rate":
            u = u / (now + 1)
        return u

    @staticmethod
    def told(n: Any, theta: Any, now: Any, law: Any) -> Any:
        """Return the value told so far."""
        if law == "rate":
            return theta * n / (now + 1)
        return theta * n

    @staticmethod
    def take(u: Any, n: Any, theta: Any, taken: Any, bias: Any, now: Any, law: Any, straight: Any) -> Any:
        """Have had, since the first step, what an operator computed as all input but the bias."""
        u = taken + bias
        if law == "rate":
            u = u * (now + 1)
        if law == "rate" and straight:
            u = u - theta * n
        return u
