"""Delta modulation: what is sent is how a signal changes, as on and off events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...neurons.errors import SpecError
from ..arrays import numbers_of
from .code import positive, whole


@dataclass(frozen=True)
class Delta:
    """An event +1 where a sample exceeds the one before it by a threshold or more, -1 where it falls so far.

    What is smaller is lost, and what is larger counts as one, so the sum of events (`decode`) follows only
    signals that change by about the threshold. The sample before the first is `start`. With 0 it is
    `snntorch.spikegen.delta` with `off_spike`.

    Parameters
    ----------
    threshold : float
        In the unit of the signal.

    Source: J. K. Eshraghian et al., Proceedings of the IEEE 111 (2023), section III.

    Examples
    --------
    >>> Delta(1.0).encode([1.0, 2.0, 0.0, 2.0, 2.9])
    array([ 1,  1, -1,  1,  0], dtype=int8)
    """

    threshold: float

    def __post_init__(self) -> None:
        positive(self, "threshold")

    def encode(self, signal: Any, *, start: float | np.ndarray = 0.0) -> np.ndarray:
        """Return the events of a signal.

        Parameters
        ----------
        signal : array, shape (steps, ...)
            Samples.
        start : number or array, shape (...)
            The sample before the first.

        Returns
        -------
        array of int8, shape (steps, ...)
            -1, 0 or 1.
        """
        samples = _signal(signal, f"{type(self).__name__}.encode")
        change = np.diff(samples, axis=0, prepend=_start(start, samples, f"{type(self).__name__}.encode"))
        return (change >= self.threshold).astype(np.int8) - (change <= -self.threshold).astype(np.int8)

    def decode(self, events: Any, *, start: float | np.ndarray = 0.0) -> np.ndarray:
        """Return start + threshold times the sum of the events so far, in every step."""
        sent = _signal(events, f"{type(self).__name__}.decode")
        return _start(start, sent, f"{type(self).__name__}.decode") + self.threshold * np.cumsum(sent, axis=0)


@dataclass(frozen=True)
class SendOnDelta(Delta):
    """Events tell by how many thresholds a signal has left the level that was told last; that level follows.

    In each step k = trunc((x - level) / threshold) events are sent, and the level becomes level + k
    threshold, so `decode` is closer to every sample than the threshold, however long the signal is. The
    level is start + n threshold with an integer n: rounding does not add up.

    Parameters
    ----------
    threshold : float
        In the unit of the signal.
    most : int, optional
        At most so many events in a step; faster changes are caught up with later.

    Source: M. Miskowicz, Send-on-delta concept: an event-based data reporting strategy, Sensors 6 (2006).

    Examples
    --------
    >>> code = SendOnDelta(0.5)
    >>> events = code.encode([0.4, 0.8, 2.1, 2.0, 0.9])
    >>> events
    array([ 0,  1,  3,  0, -2], dtype=int16)
    >>> code.decode(events)
    array([0. , 0.5, 2. , 2. , 1. ])
    """

    most: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.most is not None:
            whole(self, "most")

    def encode(self, signal: Any, *, start: float | np.ndarray = 0.0) -> np.ndarray:
        """Return the events of a signal, int16, as `Delta.encode` does; at most 32,767 in a step."""
        samples = _signal(signal, f"{type(self).__name__}.encode")
        wanted = (samples - _start(start, samples, f"{type(self).__name__}.encode")) / self.threshold
        sent = np.empty(samples.shape, np.int64)
        level = np.zeros(samples.shape[1:], np.int64)
        for step, goal in enumerate(wanted):
            steps = np.trunc(goal - level)
            if self.most is not None:
                steps = np.clip(steps, -self.most, self.most)
            if abs(steps).max(initial=0) > 32767:
                raise SpecError(
                    f"{type(self).__name__}.threshold: got {self.threshold!r}; the signal changes by "
                    f"{abs(steps).max():g} of it in a step; allowed are 32,767"
                )
            sent[step] = steps
            level += sent[step]
        return sent.astype(np.int16)


def _signal(signal: Any, where: str) -> np.ndarray:
    samples = numbers_of(signal, where).astype(np.float64)
    if samples.ndim == 0:
        raise SpecError(f"{where}: got one number; allowed is an array, (steps, ...)")
    return samples


def _start(start: Any, samples: np.ndarray, where: str) -> np.ndarray:
    """Return the sample before the first, shape (1, ...)."""
    before = numbers_of(start, f"{where}.start").astype(np.float64)
    try:
        return np.broadcast_to(before, samples.shape[1:])[None]
    except ValueError:
        raise SpecError(
            f"{where}.start: got shape {before.shape}; allowed is a number, or one for each of "
            f"{samples.shape[1:]}"
        ) from None
