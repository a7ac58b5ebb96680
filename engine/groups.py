"""What every part of a network is: something with a name, and perhaps with neurons."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..neurons.errors import SpecError
from .space import Positions


@dataclass(frozen=True, eq=False)
class Part:
    """Base class: something with a name that a network holds."""

    _: KW_ONLY
    name: str | None = None

    def __post_init__(self) -> None:
        name = self.name
        if name is not None and not (isinstance(name, str) and name.strip() and "\0" not in name):
            raise SpecError(
                f"{type(self).__name__}.name: got {name!r}; allowed is a text that is not empty, without NUL"
            )

    @property
    def label(self) -> str:
        """The name for messages, also before a network has given one."""
        return self.name or type(self).__name__


@dataclass(frozen=True, eq=False)
class Group(Part):
    """Base class of what has neurons: populations, sources and operators.

    `positions`, if given, says where they are: an array (n, d), or what `grid`, `scattered` or `positions`
    return.
    """

    positions: Any = field(default=None, kw_only=True)
    shape: tuple[int, ...] = field(default=(), init=False)
    #: What its events carry, where that is fixed for the class.
    sends: ClassVar[str] = "unit"

    @property
    def n(self) -> int:
        """Number of neurons (channels, for a source)."""
        return math.prod(self.shape)

    @property
    def receptors(self) -> tuple[str, ...]:
        """Where input can arrive; none for sources."""
        return ()

    @property
    def payload(self) -> str:
        """What its events carry: "unit", "integer" or "real"."""
        return self.sends

    @property
    def readable(self) -> tuple[str, ...]:
        """What operators can read of it, the first being what they read if not told; of sources nothing."""
        return ()

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, key: Any) -> Slice:
        return Slice(self, chosen(self.label, range(self.n), key))


def image_of(end: Group | Slice) -> tuple[int, ...]:
    """Return an end's shape as an image: (channels, width) is (channels, 1, width)."""
    shape = end.shape
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


@dataclass(frozen=True)
class Slice:
    """Some neurons of a group, as an end of a projection or the target of a probe.

    Attributes
    ----------
    group : Group
        The group.
    chosen : range or tuple of int
        Its neurons, each at most once, in the order in which they are meant.
    """

    group: Group
    chosen: range | tuple[int, ...]

    @property
    def n(self) -> int:
        """Number of neurons in the slice."""
        return len(self.chosen)

    @property
    def consecutive(self) -> bool:
        """Whether its neurons follow one another."""
        return isinstance(self.chosen, range) and self.chosen.step == 1

    @cached_property
    def positions(self) -> Any:
        """Where its neurons are, if the group says so."""
        whole = self.group.positions
        return None if whole is None else Positions(whole.points[ids_of(self)], whole.period)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape: the group's own if whole, else flat."""
        return self.group.shape if self.chosen == range(self.group.n) else (self.n,)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, key: Any) -> Slice:
        return Slice(self.group, chosen(f"a slice of {self.group.label}", self.chosen, key))

    def __str__(self) -> str:
        if not isinstance(self.chosen, range):
            return f"{self.group.label}[{self.n} neurons]"
        step = "" if self.chosen.step == 1 else f":{self.chosen.step}"
        return f"{self.group.label}[{self.chosen.start}:{self.chosen.stop}{step}]"


def chosen(label: str, among: range | tuple[int, ...], key: Any) -> range | tuple[int, ...]:
    """Return the neurons that a slice, a list of indices or a mask picks, or raise SpecError."""
    if isinstance(key, slice) and all(k is None or isinstance(k, (int, np.integer)) for k in _parts_of(key)):
        picked = among[key] if key.step != 0 else ()
        if len(picked):
            return picked
    elif not isinstance(key, (slice, str, tuple)):  # a tuple would be one place in an image
        try:
            ids = np.asarray(key)
        except ValueError:
            ids = np.zeros(0)
        if ids.dtype == bool and ids.shape == (len(among),):
            ids = np.flatnonzero(ids)
        whole = ids.ndim == 1 and ids.size > 0 and ids.dtype.kind in "iu"
        if whole and ids.min() >= 0 and ids.max() < len(among) and np.unique(ids).size == ids.size:
            return tuple(np.asarray(among)[ids].tolist())
    raise SpecError(
        f"{label}[{str(key)[:60]}]: allowed is a slice that is not empty, such as [:100] or [::2], a list of "
        f"indices from 0 to {len(among) - 1}, none twice, or a mask of {len(among)} booleans"
    )


def _parts_of(key: slice) -> tuple[Any, Any, Any]:
    return key.start, key.stop, key.step


def group_of(end: Group | Slice) -> Group:
    """Return the group that an end of a projection, or the target of a probe, belongs to."""
    return end.group if isinstance(end, Slice) else end


def ids_of(end: Group | Slice) -> np.ndarray:
    """Return the neurons of a projection's end, or of a probe's target, as indices of their group, int64."""
    chosen = end.chosen if isinstance(end, Slice) else range(end.n)
    if isinstance(chosen, range):
        return np.arange(chosen.start, chosen.stop, chosen.step, dtype=np.int64)
    return np.asarray(chosen, dtype=np.int64)
