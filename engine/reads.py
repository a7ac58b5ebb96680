"""What operators read: which number of each neuron of a group, in which order, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..neurons.errors import SpecError, nearest
from .groups import Group


@dataclass(frozen=True, eq=False)
class Read:
    """What an operator reads of one group.

    Parameters
    ----------
    group : Population or Operator
        Whose numbers.
    variable : str, optional
        A state variable, "total" (what a neuron's input adds up to) or "told" (the value that its events
        have told) of models that have such; an operator's "value". The first state variable if left out.
    index : array of int, optional
        Neurons in the shape that the operator is to see, rows along the last axis: each any number of
        times; -1 stands for a zero. All neurons in the group's own shape if left out.

    Examples
    --------
    >>> import rheobase as rb
    >>> image = rb.Population((2, 4, 4), rb.EventNeuron(0.1))
    >>> pixels = np.arange(32).reshape(2, 16).T
    >>> rb.Operator("softmax", rb.Read(image, "told", pixels)).shape
    (16, 2)
    """

    group: Group
    variable: str | None = None
    index: Any = None

    def __post_init__(self) -> None:
        known = self.group.readable if isinstance(self.group, Group) else ()
        if not known:
            raise SpecError(f"Read.group: got {self.group!r}; allowed is a Population or an Operator")
        if self.variable is not None and self.variable not in known:
            raise SpecError(
                f"Read.variable: got {self.variable!r}{nearest(str(self.variable), known)}; of "
                f"{self.group.label} can be read {[*known]}"
            )
        if self.index is not None:
            object.__setattr__(self, "index", self._checked())

    def _checked(self) -> np.ndarray:
        try:
            index = np.array(self.index)
        except ValueError:
            index = np.zeros(0)
        whole = index.dtype.kind in "iu" and index.ndim > 0 and index.size > 0
        if not whole or index.min() < -1 or index.max() >= self.group.n:
            raise SpecError(
                f"Read.index: allowed is an array of indices from 0 to {self.group.n - 1} of "
                f"{self.group.label}, or -1 for a zero"
            )
        index = index.astype(np.int64)
        index.setflags(write=False)
        return index

    @property
    def name(self) -> str:
        """The variable that is read."""
        return self.variable or self.group.readable[0]

    @property
    def plain(self) -> bool:
        """Whether the group alone says it all."""
        return self.variable is None and self.index is None

    def places(self) -> np.ndarray:
        """Return the neurons that are read, in the shape that the operator sees, int64."""
        whole = np.arange(self.group.n).reshape(self.group.shape)
        return whole if self.index is None else np.asarray(self.index)


@dataclass(frozen=True, eq=False)
class Argument:
    """One argument of an operator: what is read of one or several groups, side by side in each row.

    Attributes
    ----------
    reads : tuple of Read
        From left to right.
    places : tuple of int64 array
        The neurons of each; rows run along the last axis.
    """

    reads: tuple[Read, ...]
    places: tuple[np.ndarray, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole argument."""
        return (*self.places[0].shape[:-1], sum(places.shape[-1] for places in self.places))


def reads_of(label: str, inputs: Any) -> tuple[tuple[Read, ...], ...]:
    """Return what an operator reads, argument by argument, or raise SpecError."""
    listed = inputs if isinstance(inputs, Sequence) else (inputs,)
    found = []
    for given in listed:
        parts = tuple(given) if isinstance(given, (tuple, list)) else (given,)
        good = [isinstance(part, Read) or (isinstance(part, Group) and part.readable) for part in parts]
        if not parts or not all(good):
            raise SpecError(
                f"{label}.inputs: got {inputs!r}; allowed is a Population, an Operator or a Read for each "
                "argument, or a tuple of them that stand side by side in each row"
            )
        found.append(tuple(part if isinstance(part, Read) else Read(part) for part in parts))
    if not found:
        raise SpecError(f"{label}.inputs: got {inputs!r}; allowed is one argument or more")
    return tuple(found)


def arguments_of(label: str, inputs: tuple[tuple[Read, ...], ...], axis: int | None) -> tuple[Argument, ...]:
    """Return the arguments of an operator, its rows moved to the last axis, or raise SpecError."""
    arguments = []
    for reads in inputs:
        places = []
        for read in reads:
            given = read.places()
            if axis is not None and not -given.ndim <= axis < given.ndim:
                raise SpecError(f"{label}.axis: got {axis}; its input has {given.ndim} axes")
            places.append(given if axis is None else np.moveaxis(given, axis, -1))
        if len({p.shape[:-1] for p in places}) > 1:
            raise SpecError(
                f"{label}.inputs: what stands side by side in a row has the shapes "
                f"{[p.shape for p in places]}; allowed are shapes that differ in the axis of rows only"
            )
        arguments.append(Argument(reads, tuple(places)))
    return tuple(arguments)
