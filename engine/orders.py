"""In which order each group's neurons are stored: so that what shares weights lies side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from .connectivity import RowWise
from .groups import Group, image_of
from .network import Network
from .parts import Projection

#: Group -> the user's index of the neuron at each place; None where places are the user's indices.
Orders = Mapping[str, np.ndarray | None]


def storage_orders(network: Network) -> Orders:
    """Return the order in which each group is stored; an operator's that writes is that of its output.

    Images of convolutions and pooling stand channel last. Else the first projection row by row has its will.
    """
    taken: dict[str, np.ndarray | None] = {
        end.label: _channel_last(end)
        for p in network.projections
        if p.connectivity.kind in ("conv2d", "pool2d")
        for end in (p.source, p.target)
    }
    for p in network.projections:
        if isinstance(p.connectivity, RowWise):
            for group, order in _wanted(p, p.connectivity):
                taken.setdefault(group.label, order)
    orders = {group.label: taken.get(group.label) for group in network.of(Group)}
    return orders | {o.label: orders[o.output.label] for o in network.operators if o.output is not None}


def stands_by_rows(p: Projection, orders: Orders) -> bool:
    """Whether both ends of a projection row by row are stored row after row."""
    c = p.connectivity
    assert isinstance(c, RowWise)
    return all(_same(orders[group.label], order) for group, order in _wanted(p, c))


def _wanted(p: Projection, c: RowWise) -> Iterator[tuple[Group, np.ndarray | None]]:
    """Yield both ends of a projection row by row, and the order in which their rows stand."""
    if p.pre is p.source and p.post is p.target:
        yield p.source, c.order
        yield p.target, None


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    """Whether two orders of one group are the same; None is that of the indices."""
    if a is None:
        a, b = b, a
    return a is None or np.array_equal(a, np.arange(a.size) if b is None else b)


def _channel_last(group: Group) -> np.ndarray:
    return np.arange(group.n).reshape(image_of(group)).transpose(1, 2, 0).reshape(-1)
