"""Patterns that differ in nothing but when each channel fires: a task for delays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..neurons.errors import SpecError

#: Steps between the latencies of one class.
_APART = 2


@dataclass(frozen=True, eq=False)
class LatencyPatterns:
    """Labelled patterns of spikes.

    Attributes
    ----------
    spikes : array of uint8, shape (n, steps, channels)
        1 where a channel fires.
    labels : array of int64, shape (n,)
        The class of each.
    latencies : array of int64, shape (classes, channels)
        When the channels of a class fire, before jitter and shift, in steps.
    """

    spikes: np.ndarray
    labels: np.ndarray
    latencies: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def latency_patterns(
    n: int,
    *,
    classes: int = 10,
    channels: int = 12,
    jitter: float = 0.35,
    shift: int = 20,
    seed: int = 0,
    part: int = 0,
) -> LatencyPatterns:
    """Return patterns in which every channel fires once, in an order that is the class's own.

    The latencies of a class are a permutation of 0, 2, 4, ... steps, so that no two channels fire together,
    and counts or coincidences say nothing. Each sample is moved as a whole by 0 to `shift` - 1 steps, and
    each spike by a normal number; there are 2 `channels` + `shift` steps.

    Parameters
    ----------
    n : int
        Samples.
    classes, channels : int
        How many.
    jitter : float
        Standard deviation of the move of each spike, in steps; then latencies are rounded.
    shift : int
        How many moves of a whole sample there are.
    seed : int
        Of the classes.
    part : int
        Which samples of these classes: 0 to train on and 1 to test on, say.

    Returns
    -------
    LatencyPatterns

    Raises
    ------
    SpecError
        If a number is not a whole one from 1 (seed and part: from 0), or the jitter below 0.

    Examples
    --------
    >>> patterns = latency_patterns(50)
    >>> patterns.spikes.shape, patterns.spikes.sum(axis=1).tolist() == [[1] * 12] * 50
    ((50, 44, 12), True)
    """
    whole = {"n": n, "classes": classes, "channels": channels, "shift": shift, "seed": seed, "part": part}
    for name, value in whole.items():
        least = 0 if name in ("seed", "part") else 1
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise SpecError(f"latency_patterns.{name}: got {value!r}; allowed is a whole number from {least}")
    if not 0.0 <= jitter < np.inf:
        raise SpecError(f"latency_patterns.jitter: got {jitter!r}; allowed is a number from 0")
    draws = np.random.default_rng([seed, 0])
    latencies = _APART * np.stack([draws.permutation(channels) for _ in range(classes)])
    draws, steps = np.random.default_rng([seed, 1, part]), _APART * channels + shift
    labels = draws.integers(0, classes, n)
    moved = latencies[labels] + draws.normal(0.0, jitter, (n, channels)) + draws.integers(0, shift, (n, 1))
    spikes = np.zeros((n, steps, channels), np.uint8)
    times = np.rint(moved).astype(np.int64).clip(0, steps - 1)
    spikes[np.arange(n)[:, None], times, np.arange(channels)] = 1
    return LatencyPatterns(spikes, labels, latencies)
