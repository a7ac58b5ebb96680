"""Events counted in steps of a fixed length that begin at 0: every event once, none lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..neurons.errors import MissingExtra, SpecError
from .events import Events
from .times import steps_into


@dataclass(frozen=True, eq=False)
class Binned:
    """Which units sent how many events in which step.

    Attributes
    ----------
    steps : array of int64, ascending
        The step of each entry.
    ids : array of int64
        Its unit, in C order of the shape; ascending within a step.
    counts : array of int64
        How many events, from 1.
    n_steps : int
        Steps in all.
    shape : tuple of int
        The units.
    dt : float
        Seconds of a step.
    """

    steps: np.ndarray
    ids: np.ndarray
    counts: np.ndarray
    n_steps: int
    shape: tuple[int, ...]
    dt: float

    def dense(self, dtype: Any = np.uint8) -> np.ndarray:
        """Return the counts as an array [steps, *shape], which `run(inputs=...)` takes as it is.

        Raises
        ------
        SpecError
            If a count is too large for the type.
        """
        kind = np.dtype(dtype)
        most = int(self.counts.max(initial=0))
        if kind.kind in "iu" and most > np.iinfo(kind).max:
            raise SpecError(
                f"Binned.dense.dtype: {kind} ends at {np.iinfo(kind).max}; a unit sent {most} events"
            )
        frames = np.zeros((self.n_steps, *self.shape), kind)
        frames.reshape(self.n_steps, -1)[self.steps, self.ids] = self.counts
        return frames

    def spikes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return times in seconds and ids, by step and id, one for each event, as `SpikeSource` has them."""
        return np.repeat(self.steps * self.dt, self.counts), np.repeat(self.ids, self.counts)


def bin_events(
    events: Events,
    dt: float,
    steps: int | None = None,
    shape: tuple[int, ...] | None = None,
    *,
    clip: bool = False,
) -> Binned:
    """Count events in steps [k dt, (k + 1) dt), k = 0, 1, ..., of which every event is in exactly one.

    Parameters
    ----------
    events
        What to count.
    dt : float
        Seconds of a step.
    steps : int, optional
        How many steps; as many as there are events for if left out.
    shape : tuple of int, optional
        Units in place of `events.shape`: `(1, height, width)` counts both polarities together.
    clip : bool
        Leave out events after the last step, which are refused otherwise.

    Returns
    -------
    Binned
        Sparse; `.dense()` is an array, `.spikes()` are times and ids.

    Raises
    ------
    SpecError
        If an event lies after the last step, or outside of the shape.

    Examples
    --------
    >>> events = Events([0, 999, 1000, 2500], x=[0, 0, 1, 1], shape=(2,))
    >>> bin_events(events, dt=1e-3).dense().tolist()
    [[2, 0], [0, 1], [0, 1]]
    """
    shape = events.shape_of(shape)
    ids, index = events.ids(shape), steps_into(events.t_us, dt)
    needed = int(index[-1]) + 1 if len(index) else 0
    n_steps = needed if steps is None else steps
    if isinstance(n_steps, bool) or not isinstance(n_steps, (int, np.integer)) or n_steps < 0:
        raise SpecError(f"bin_events.steps: got {steps!r}; allowed is a whole number")
    if needed > n_steps:
        kept = int(np.searchsorted(index, n_steps))
        if not clip:
            raise SpecError(
                f"bin_events.steps: {len(index) - kept} of {len(index)} events lie after {n_steps} steps of "
                f"{dt:g} s; allowed are from {needed} steps, or clip=True to leave them out"
            )
        ids, index = ids[:kept], index[:kept]
    n = int(np.prod(shape))
    entries, counts = np.unique(index * n + ids, return_counts=True)
    return Binned(*np.divmod(entries, n), counts, int(n_steps), shape, float(dt))


@dataclass(frozen=True)
class _Collate:
    """What `collate` returns: a class, so that the workers of a DataLoader can be sent it."""

    dt: float
    steps: int
    shape: tuple[int, ...] | None
    clip: bool
    flat: bool

    def __call__(self, samples: Sequence[tuple[Events | Binned, Any]]) -> tuple[Any, Any]:
        try:
            import torch
        except ImportError:
            raise MissingExtra("torch", "torch", "A batch of events as a tensor") from None
        binned = [self._binned(sample) for sample, _ in samples]
        shapes = {one.shape for one in binned}
        if len(shapes) != 1:
            raise SpecError(f"collate.shape: got samples of {sorted(shapes)}; give one that holds them all")
        shape = shapes.pop()
        frames = np.zeros((self.steps, len(binned), int(np.prod(shape))), np.float32)
        for k, one in enumerate(binned):
            frames[one.steps, k, one.ids] = one.counts
        labels = [label for _, label in samples]
        whole = all(isinstance(label, (int, np.integer)) for label in labels)
        tensor = torch.from_numpy(frames if self.flat else frames.reshape(*frames.shape[:2], *shape))
        return tensor, torch.tensor(labels, dtype=torch.int64) if whole else labels

    def _binned(self, sample: Events | Binned) -> Binned:
        if isinstance(sample, Events):
            return bin_events(sample, self.dt, self.steps, self.shape, clip=self.clip)
        if (sample.dt, sample.n_steps) != (self.dt, self.steps) or self.shape not in (None, sample.shape):
            raise SpecError(
                f"collate: got counts in {sample.n_steps} steps of {sample.dt:g} s, of shape {sample.shape}; "
                f"wanted are {self.steps} of {self.dt:g} s" + (f", of {self.shape}" if self.shape else "")
            )
        return sample


def collate(
    dt: float,
    steps: int,
    *,
    shape: tuple[int, ...] | None = None,
    clip: bool = False,
    flat: bool = True,
) -> _Collate:
    """Return what makes a batch of events one tensor, for a torch DataLoader's `collate_fn`.

    Parameters
    ----------
    dt : float
        Seconds of a step.
    steps : int
        How many.
    shape, clip
        As for `bin_events`.
    flat : bool
        Lay units flat, as `rb.to_torch` modules take them; else they have their shape, as for torch's Conv2d.

    Returns
    -------
    callable
        From a list of (events or counts, label) to counts, float32 (steps, batch, n) or (steps, batch,
        *shape), and the labels, int64 (batch,), or a list of them where they are no whole numbers.

    Raises
    ------
    MissingExtra
        When it is called without torch.

    Examples
    --------
    >>> batch = [(Events([0, 1500], x=[0, 2], shape=(3,)), 1), (Events([800], x=[1], shape=(3,)), 0)]
    >>> spikes, labels = collate(dt=1e-3, steps=2)(batch)
    >>> spikes.shape, spikes.sum().item(), labels.tolist()
    (torch.Size([2, 2, 3]), 3.0, [1, 0])
    """
    return _Collate(dt, steps, shape, clip, flat)
