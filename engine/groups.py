"""What every part of a network is: something with a name, and perhaps with neurons."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any, ClassVar

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

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, key: slice) -> Slice:
        if not isinstance(key, slice):
            raise SpecError(f"{self.label}[{key!r}]: allowed is a slice of neurons, such as [:100]")
        start, stop, step = key.indices(self.n)
        if step != 1 or stop <= start:
            raise SpecError(f"{self.label}[{key}]: allowed is a slice that is not empty, without a step")
        return Slice(self, start, stop)


def image_of(end: Group | Slice) -> tuple[int, ...]:
    """Return an end's shape as an image: (channels, width) is (channels, 1, width)."""
    shape = end.shape
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


@dataclass(frozen=True)
class Slice:
    """Consecutive neurons of a group, as an end of a projection or the target of a probe."""

    group: Group
    start: int
    stop: int

    @property
    def n(self) -> int:
        """Number of neurons in the slice."""
        return self.stop - self.start

    @cached_property
    def positions(self) -> Any:
        """Where its neurons are, if the group says so."""
        whole = self.group.positions
        return None if whole is None else Positions(whole.points[self.start : self.stop], whole.period)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape: the group's own if whole, else flat."""
        return self.group.shape if self.n == self.group.n else (self.n,)


def group_of(end: Group | Slice) -> Group:
    """Return the group that an end of a projection, or the target of a probe, belongs to."""
    return end.group if isinstance(end, Slice) else end


def range_of(end: Group | Slice) -> tuple[int, int]:
    """Return the first and one past the last neuron of a projection's end."""
    return (end.start, end.stop) if isinstance(end, Slice) else (0, end.n)
