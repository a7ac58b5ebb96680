"""FirstSpike, which tells a value by when it spikes, once."""

# ruff: noqa: RUF009 - Parameter() declares a field, as dataclasses.field() does

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from .alphabet import LARGEST_COUNT
from .errors import SpecError
from .model import MOST_STEPS, NeuronModel, Parameter, State, Value
from .vocabulary import floor, minimum, spike, where


@dataclass(frozen=True, eq=False)
class FirstSpike(NeuronModel):
    """Time to first spike: sends one spike or none, the earlier the larger its value.

    Layers take turns in windows of time. In the window of those that it hears, each spike changes the slope
    at which the neuron's potential u moves, until that window ends; in its own window a threshold sinks by
    theta in each step, and the neuron spikes where u first reaches it:

        du/dt = sum of W_j over all j that have spiked in this window, so that u = bias + sum of W_j n_j,
        n_j = end_j - t_j,
        it spikes at t = end - n,   n = min(round(u / theta), high),   and not at all where n < 1.

    n is the number of steps from its spike to the end of its window: a ReLU of u in units of theta, rounded.
    **Whoever builds the network multiplies outgoing weights by theta.** A window of k steps tells k + 1
    values; with more of them, and a smaller theta, u comes as near to the trained network's as is wanted.

    Parameters
    ----------
    theta : float or array (n,)
        The value of one step of time.
    window : int
        Steps of a window.
    start : int, optional
        The step at which its own window opens; the windows of all that it hears have ended by then. None for
        a read-out, which adds up and never spikes.
    origin : int
        A step at which a window opens; from there on they follow one another, and at the beginning of each
        the slope is none. What arrives before is one window, of whatever length.
    high : int, optional
        The largest n; the window's length if left out.
    bias : float or array (n,)
        Where u starts.

    Raises
    ------
    SpecError
        If `high` is longer than the window.

    Notes
    -----
    The sinking threshold is the constant slope of a potential that rises by theta in each step of the
    neuron's own window to a threshold that stands still. Every sum is exact, and so is n, while weights are
    multiples of a grid's step and u stays below 2^24 of them (float32). The zero-delay order of a step is
    assumed: a spike counts in the step in which it is sent.

    Sources: A. Stanojevic et al., "An exact mapping from ReLU networks to spiking neural networks", Neural
    Networks 168 (2023), and "High-performance deep spiking neural networks with 0.3 spikes per neuron",
    Nature Communications 15 (2024), for spikes as slopes and the constant slope at threshold; S. Park et al.,
    "T2FSNN", DAC (2020), for the threshold that sinks over a layer's window.

    Examples
    --------
    >>> model = FirstSpike(0.5, window=15, start=16)
    >>> model.payload, [state.name for state in model.used_states]
    ('unit', ['u', 'slope', 'n'])
    >>> [state.name for state in FirstSpike(window=15).used_states]
    ['u', 'slope']
    """

    states: ClassVar[tuple[State, ...]] = (State("u"), State("slope"), State("n", kind="integer"))

    theta: Value = Parameter(1.0, above=0.0)
    _: KW_ONLY
    window: int = Parameter(15, low=1, high=LARGEST_COUNT, whole=True)
    start: int | None = Parameter(None, low=0, high=MOST_STEPS // 2, whole=True, optional=True)
    origin: int = Parameter(0, low=0, high=MOST_STEPS // 2, whole=True)
    high: int | None = Parameter(None, low=1, high=LARGEST_COUNT, whole=True, optional=True)
    bias: Value = Parameter(0.0)

    def check(self) -> None:
        """Refuse values that no step of the window stands for."""
        if self.high is not None and self.high > self.window:
            raise SpecError(
                f"FirstSpike.high: got {self.high} with a window of {self.window} steps; allowed is that or "
                "less, since each value has a step of its own"
            )

    def options(self) -> dict[str, object]:
        """Say whether it ever spikes."""
        return {**super().options(), "spikes": self.start is not None}

    def initial(self) -> dict[str, Value]:
        """Start at the bias."""
        return {"u": self.bias}

    def derive(self, elapsed: float) -> dict[str, Value]:
        """Return the constants of one step; times are in steps."""
        end = MOST_STEPS - 1 if self.start is None else self.start + self.window
        high = self.window if self.high is None else self.high
        steps = {"window": self.window, "origin": self.origin, "end": end}
        return {"theta": self.theta, "high": float(high), "bias": self.bias, **_whole(steps)}

    @staticmethod
    def flow(u: Any) -> Any:
        """Keep u: what moves it comes with the input."""
        return u

    @staticmethod
    def jump(u: Any, slope: Any, input: Any, now: Any, origin: Any, window: Any) -> Any:
        """Take the slopes of what has spiked, none of them from an earlier window, and move by them."""
        steps = now - origin
        opens = (steps >= 0) & (steps - window * floor(steps / window) == 0.0)
        slope = where(opens, 0.0, slope) + input
        return u + slope, slope

    @staticmethod
    def fire(u: Any, n: Any, theta: Any, high: Any, end: Any, now: Any, spikes: Any) -> Any:
        """Spike in the first step that stands for no more than what u is worth, and remember which."""
        if not spikes:
            return 0.0, u
        left = end - now
        worth = minimum(floor(u / theta + 0.5), high)
        sent = where((left > 0) & (n == 0), spike(worth - left), 0.0)
        return sent, u, n + sent * left

    @staticmethod
    def total(u: Any) -> Any:
        """Return the sum of all input so far."""
        return u

    @staticmethod
    def told(n: Any, theta: Any) -> Any:
        """Return the value of the spike, zero before it comes."""
        return theta * n

    @staticmethod
    def take(u: Any, taken: Any, bias: Any) -> Any:
        """Be what an operator computed, and the bias."""
        u = taken + bias
        return u


def _whole(steps: dict[str, int]) -> dict[str, Any]:
    return {name: np.int64(value) for name, value in steps.items()}
