"""Units of conventional networks, whose events carry a real number: ReLU and Sigmoid."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from .model import NeuronModel, Parameter, Payload, State, Value
from .scalars import SCALARS


@dataclass(frozen=True, eq=False)
class ReLU(NeuronModel):
    """A unit of a conventional network: sends max(0, input + bias) in every step, zeros skipped.

    It remembers nothing: v is what arrived in this step. Events carry the value itself.

    Parameters
    ----------
    bias : float or array (n,)
        Added to the input of every step.

    Examples
    --------
    >>> ReLU().payload
    'real'
    """

    states: ClassVar[tuple[State, ...]] = (State("v"),)

    _: KW_ONLY
    bias: Value = Parameter(0.0)

    @property
    def payload(self) -> Payload:
        """Events carry a real number."""
        return "real"

    def options(self) -> dict[str, object]:
        """Rectify."""
        return {"f": SCALARS["relu"].function}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step."""
        return {"bias": self.bias}

    @staticmethod
    def flow(v: Any) -> Any:
        """Keep v: the step's input replaces it."""
        return v

    @staticmethod
    def jump(v: Any, input: Any, bias: Any) -> Any:
        """Take the input of this step alone."""
        v = input + bias
        return v

    @staticmethod
    def fire(v: Any, f: Any) -> Any:
        """Send f of it; zero is no event."""
        y = f(v)
        return y, v

    @staticmethod
    def total(v: Any) -> Any:
        """Return what arrived in this step."""
        return v

    @staticmethod
    def told(v: Any, f: Any) -> Any:
        """Return what was sent in this step."""
        y = f(v)
        return y

    @staticmethod
    def take(v: Any, taken: Any, bias: Any) -> Any:
        """Take what an operator computed as the input of this step."""
        v = taken + bias
        return v


@dataclass(frozen=True, eq=False)
class Sigmoid(ReLU):
    """A unit of a conventional network: sends 1 / (1 + exp(-(input + bias))) in every step.

    It remembers nothing: v is what arrived in this step. Every step is an event, since no value is zero.

    Parameters
    ----------
    bias : float or array (n,)
        Added to the input of every step.

    Examples
    --------
    >>> Sigmoid(bias=-1.0).payload
    'real'
    """

    def options(self) -> dict[str, object]:
        """Squash."""
        return {"f": SCALARS["sigmoid"].function}
