"""Alpha: a neuron whose v is the difference of two decaying sums, as snnTorch has it."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from .errors import SpecError
from .model import NeuronModel, Parameter, State, Value
from .vocabulary import spike, where


@dataclass(frozen=True, eq=False)
class Alpha(NeuronModel):
    """A filter with an alpha-shaped answer and a threshold, in steps: snnTorch's neuron of that name.

    a <- alpha a + I,  b <- beta b - I,  v = g (a + b),  g = 1 + log(alpha) / (log(beta) - log(alpha)).

    A spike of weight w moves v by g w (alpha^k - beta^k) after k steps: nothing at first, then up and down
    again. v is no membrane with a leak of its own, so a spike leaves nothing to subtract from: the reset
    empties both sums, and the input of its step with them.

    Parameters
    ----------
    alpha, beta : float or array (n,)
        What is left of a and of b after one step, above 0 and below 1; alpha is the larger one.
    threshold : float or array
        Firing threshold.
    reset : "hard" or "none"
        snnTorch's "zero", in the step after the spike, or no reset.
    strict : bool
        Fire only above the threshold (the default, as snnTorch).

    Raises
    ------
    SpecError
        If alpha is not larger than beta.

    Notes
    -----
    `AlphaLIF` is the leaky neuron with alpha currents, in seconds, that NEST has.

    Examples
    --------
    >>> round(float(Alpha(0.9, 0.8).derive(1.0)["gain"]), 3)
    1.895
    """

    states: ClassVar[tuple[State, ...]] = (State("v"), State("a"), State("b"), State("pending"))

    alpha: Value = Parameter(above=0.0, below=1.0)
    beta: Value = Parameter(above=0.0, below=1.0)
    threshold: Value = Parameter(1.0)
    _: KW_ONLY
    reset: Literal["hard", "none"] = Parameter("hard", choices=("hard", "none"))
    strict: bool = Parameter(True, choices=(False, True))

    def check(self) -> None:
        """Refuse sums of which the one that is taken away lasts longer."""
        super().check()
        if np.any(np.asarray(self.alpha) <= np.asarray(self.beta)):
            raise SpecError(
                f"Alpha.alpha: got {self.alpha!r} with beta {self.beta!r}; allowed are numbers above beta: "
                "the input decays by alpha, what is taken away again by beta"
            )

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step."""
        slow, fast = np.log(self.alpha), np.log(self.beta)
        return {
            "decay_a": self.alpha, "decay_b": self.beta, "gain": 1.0 + slow / (fast - slow),
            "threshold": self.threshold,
        }  # fmt: skip

    @staticmethod
    def flow(a: Any, b: Any, decay_a: Any, decay_b: Any) -> Any:
        """Decay."""
        return decay_a * a, decay_b * b

    @staticmethod
    def jump(v: Any, a: Any, b: Any, pending: Any, input: Any, gain: Any, reset: Any) -> Any:
        """Take the input; then the reset that the last spike left pending takes all of it away."""
        a = a + input
        b = b - input
        v = gain * (a + b)
        if reset == "hard":
            v = where(pending, 0.0, v)
            a = where(pending, 0.0, a)
            b = where(pending, 0.0, b)
        return v, a, b

    @staticmethod
    def fire(v: Any, pending: Any, threshold: Any, strict: Any, reset: Any) -> Any:
        """Send a spike at threshold, and leave the reset for the next step."""
        sent = 1.0 - spike(threshold - v) if strict else spike(v - threshold)
        if reset == "hard":
            pending = sent
        return sent, v, pending
