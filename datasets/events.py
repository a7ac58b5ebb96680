"""Events: what an event camera or a silicon cochlea sends, in one form whatever file it came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..neurons.errors import SpecError
from .times import microseconds, steps_into

#: The field of a structured array that each part of an event may go by.
_FIELDS = {
    "t_us": ("t", "ts", "time", "timestamp", "timestamps"),
    "x": ("x", "address", "addr", "unit", "units"),
    "y": ("y",),
    "p": ("p", "pol", "polarity", "on"),
}


@dataclass(frozen=True, eq=False)
class Events:
    """Events in order of time.

    Parameters
    ----------
    t_us : array (n,) of whole numbers
        Microseconds since the recording began, from 0. What is not in order is sorted by time, and events
        of one microsecond keep their order.
    x : array (n,) of whole numbers
        Column of each event; of a cochlea, its channel.
    y : array (n,) of whole numbers, optional
        Row of each event; all 0 if left out.
    p : array (n,) of whole numbers or booleans, optional
        Polarity of each event, 1 (brighter) or 0 (darker); all 1 if left out.
    shape : tuple of int, optional
        The units that send events, as a source of spikes has them: `(channels,)` of a cochlea,
        `(2, height, width)` of a camera, `(1, height, width)` where polarities are one.

    Attributes
    ----------
    t_us : array of int64
        Ascending. All arrays are read-only.
    x, y : arrays of uint16
    p : array of int8
        0 or 1.

    Raises
    ------
    SpecError
        If arrays differ in length, are no whole numbers, or lie outside of what is allowed or of the shape.

    Examples
    --------
    >>> events = Events([30, 10, 20], x=[0, 1, 1], y=[2, 0, 0], p=[1, 0, 1], shape=(2, 3, 2))
    >>> events.t_us.tolist(), events.ids().tolist()
    ([10, 20, 30], [1, 7, 10])
    """

    t_us: np.ndarray
    x: np.ndarray
    y: np.ndarray = None  # type: ignore[assignment]
    p: np.ndarray = None  # type: ignore[assignment]
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        t = _whole("t_us", self.t_us, 0, 2**62)
        x = _whole("x", self.x, 0, 2**16 - 1)
        y = np.zeros(len(x), np.uint16) if self.y is None else _whole("y", self.y, 0, 2**16 - 1)
        p = np.ones(len(x), np.int8) if self.p is None else _whole("p", self.p, 0, 1)
        if not len(t) == len(x) == len(y) == len(p):
            raise SpecError(
                f"Events: got {len(t)} t_us, {len(x)} x, {len(y)} y and {len(p)} p; they must be as many"
            )
        order = None if np.all(t[1:] >= t[:-1]) else np.argsort(t, kind="stable")
        for name, values, dtype in (("t_us", t, "i8"), ("x", x, "u2"), ("y", y, "u2"), ("p", p, "i1")):
            own = np.array(values if order is None else values[order], dtype=dtype)
            own.setflags(write=False)
            object.__setattr__(self, name, own)
        if self.shape is not None:
            object.__setattr__(self, "shape", check_shape("Events.shape", self.shape))
            self._check_inside(self.shape_of())

    def __len__(self) -> int:
        return len(self.t_us)

    def __repr__(self) -> str:
        span = f"{self.t_us[0] * 1e-6:g} to {self.t_us[-1] * 1e-6:g} s" if len(self) else "no time"
        return f"Events({len(self)} in {span}, shape={self.shape})"

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same events in the same order, of units of the same shape."""
        if not isinstance(other, Events):
            return NotImplemented
        return self.shape == other.shape and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in _FIELDS
        )

    __hash__ = None  # type: ignore[assignment]  # arrays are compared by value

    def __getitem__(self, which: Any) -> Events:
        """Return the events of a slice, a mask or a list of indices."""
        if isinstance(which, (int, np.integer)):
            raise SpecError(
                f"Events[{which}]: allowed is a slice, a mask or a list of indices; "
                "to_structured() has single events, as tonic's caches take them"
            )
        return replace(self, **{name: getattr(self, name)[which] for name in _FIELDS})

    @property
    def seconds(self) -> np.ndarray:
        """Times in seconds, float64."""
        return np.asarray(self.t_us / 1e6)

    def shape_of(self, shape: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """Return a given shape, checked, or else that of these events; SpecError where none is known."""
        chosen = self.shape if shape is None else check_shape("Events.shape", shape)
        if chosen is None:
            raise SpecError("Events.shape: is not known; give (channels,) or (polarities, height, width)")
        return chosen

    def between(self, start: float, stop: float) -> Events:
        """Return the events from `start` to before `stop`, both in seconds; their times stay.

        Examples
        --------
        >>> Events([0, 1000, 2000], x=[0, 1, 2]).between(0.001, 0.002).x.tolist()
        [1]
        """
        first, last = np.searchsorted(self.t_us, [microseconds(start), microseconds(stop)])
        return self[first:last]

    def delayed(self, by: float) -> Events:
        """Return the same events later by a number of seconds, or earlier by a negative one.

        Raises
        ------
        SpecError
            If an event would lie before 0.
        """
        return replace(self, t_us=self.t_us + microseconds(by))

    def ids(self, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """Return which unit sent each event, in C order of the shape, int64.

        Parameters
        ----------
        shape
            Units in place of `self.shape`. With `(1, height, width)` polarities are one.

        Raises
        ------
        SpecError
            If no shape is known, or an event lies outside.
        """
        shape = self.shape_of(shape)
        self._check_inside(shape)
        if len(shape) == 1:
            return self.x.astype(np.int64)
        polarities, height, width = shape
        layer = self.p.astype(np.int64) * (polarities - 1)
        return np.asarray((layer * height + self.y) * width + self.x)

    def spikes(self, dt: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return times in seconds and ids, as `SpikeSource` and `run(inputs=...)` take them.

        Parameters
        ----------
        dt : float, optional
            Seconds of a simulation step: times are then those of the step [k dt, (k + 1) dt) that an event
            falls into, as `bin_events` counts it. A simulator itself rounds times to the nearest step.

        Examples
        --------
        >>> events = Events([400, 1600], x=[0, 1], shape=(2,))
        >>> events.spikes()[0].tolist(), events.spikes(dt=1e-3)[0].tolist()
        ([0.0004, 0.0016], [0.0, 0.001])

        A recording is the input of one run, a list of recordings that of the trials of a batch:
        `source = rb.SpikeSource(events.shape)`, then `inputs={source: events.spikes()}`.
        """
        ids = self.ids()
        if dt is None:
            return self.seconds, ids
        steps = steps_into(self.t_us, dt)
        order = np.lexsort((ids, steps))
        return steps[order] * dt, ids[order]

    @classmethod
    def concatenate(cls, parts: Iterable[Events]) -> Events:
        """Return the events of several recordings of the same units together, in order of time.

        Raises
        ------
        SpecError
            If there are none, or their shapes differ.
        """
        several = list(parts)
        shapes = {part.shape for part in several}
        if len(shapes) != 1:
            raise SpecError(f"Events.concatenate: got shapes {sorted(shapes, key=str)}; allowed is one")
        return cls(
            **{name: np.concatenate([getattr(part, name) for part in several]) for name in _FIELDS},
            shape=shapes.pop(),
        )

    @classmethod
    def from_structured(
        cls, array: np.ndarray, *, shape: tuple[int, ...] | None = None, unit: float = 1e-6
    ) -> Events:
        """Make events of a structured array, such as tonic's, with its fields in any order.

        Parameters
        ----------
        array
            Fields t, x and perhaps y and p; their usual longer names are known too.
        shape
            As of `Events`.
        unit : float
            Seconds of one unit of time. Times that are not whole microseconds are rounded to the nearest.

        Raises
        ------
        SpecError
            If a field is missing, or its values are not allowed.

        Examples
        --------
        >>> array = np.array([(5, 1, True)], dtype=[("t", "i8"), ("x", "i2"), ("p", "?")])
        >>> Events.from_structured(array, unit=1e-3).t_us.tolist()
        [5000]
        """
        names = np.asarray(array).dtype.names or ()
        found = {part: next((n for n in known if n in names), None) for part, known in _FIELDS.items()}
        if found["t_us"] is None or found["x"] is None:
            raise SpecError(f"Events.from_structured: got fields {names}; needed are t and x, with y and p")
        values: dict[str, Any] = {part: array[name] for part, name in found.items() if name is not None}
        if unit != 1e-6 or values["t_us"].dtype.kind == "f":
            values["t_us"] = microseconds(values["t_us"], unit)
        return cls(**values, shape=shape)

    def to_structured(self, order: str = "xytp") -> np.ndarray:
        """Return a structured array of int64 fields, as tonic's transforms take it.

        Parameters
        ----------
        order : str
            The fields, in order: "t" and "x", perhaps "y" and "p".
        """
        parts = {"t": self.t_us, "x": self.x, "y": self.y, "p": self.p}
        if len(set(order)) != len(order) or not {"t", "x"} <= set(order) <= set(parts):
            raise SpecError(
                f"Events.to_structured.order: got {order!r}; allowed are t, x, y and p in any order"
            )
        array = np.empty(len(self), [(name, np.int64) for name in order])
        for name in order:
            array[name] = parts[name]
        return array

    def _check_inside(self, shape: tuple[int, ...]) -> None:
        limits = {"x": shape[-1], "y": shape[-2] if len(shape) == 3 else 1}
        for name, limit in limits.items():
            most = int(getattr(self, name).max(initial=0))
            if most >= limit:
                raise SpecError(
                    f"Events.{name}: got {most}; allowed are 0 to {limit - 1} for the shape {shape}"
                )


def check_shape(where: str, shape: Any) -> tuple[int, ...]:
    """Return the shape of units, or raise SpecError."""
    good = isinstance(shape, (tuple, list)) and len(shape) in (1, 3)
    if not good or any(isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1 for k in shape):
        raise SpecError(f"{where}: got {shape!r}; allowed is (channels,) or (polarities, height, width)")
    if len(shape) == 3 and shape[0] > 2:
        raise SpecError(f"{where}: got {shape!r}; there are 1 or 2 polarities, and they stand first")
    return tuple(int(k) for k in shape)


def _whole(name: str, values: Any, low: int, high: int) -> np.ndarray:
    """Return a list of whole numbers in a range, or raise SpecError."""
    array = np.asarray(values)
    if array.size == 0 and array.ndim == 1:
        return array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "biu":
        raise SpecError(
            f"Events.{name}: got {array.dtype} of shape {array.shape}; allowed is a list of whole numbers"
            + (" of microseconds" if name == "t_us" else "")
        )
    if array.dtype.kind == "b" or (np.iinfo(array.dtype).min >= low and np.iinfo(array.dtype).max <= high):
        return array  # of a type that holds nothing else, as those of files often are
    if array.min() < low or array.max() > high:
        raise SpecError(f"Events.{name}: got {array.min()} to {array.max()}; allowed are {low} to {high}")
    return array
