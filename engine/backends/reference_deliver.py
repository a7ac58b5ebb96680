"""How the reference brings events to cells: one obvious function per way of storing weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..layout import Cells, Kernel, Matrix, Rows, conv_kernel, dense_matrix, sparse_rows
from ..plan import Plan
from ..planned import Step

Events = tuple[np.ndarray, np.ndarray]
#: Adds the events of one step that arrive after one delay to a vector of cells.
Delivery = Callable[[np.ndarray, Events, int], None]


@dataclass(frozen=True)
class Table:
    """One delivery of the plan, ready to run.

    Attributes
    ----------
    source : str
        The group whose events it delivers.
    fixed : bool
        Whether its cells are integers.
    delays : tuple of int
        The delays that occur, ascending.
    add : function
        `add(cells, events, delay)`.
    n_bytes : int
        Memory that its weights and indices take.
    """

    source: str
    fixed: bool
    delays: tuple[int, ...]
    add: Delivery
    n_bytes: int


def make_table(plan: Plan, step: Step, cells: dict[str, Cells]) -> Table:
    """Return the table of a "deliver" step whose weights do not change."""
    p = plan.projections[step.names[0]]
    here = cells[p.arithmetic]
    if p.storage == "sparse":
        rows = sparse_rows(plan, step.names, here)
        delays, add, n_bytes = _sparse(rows)
    elif p.storage == "dense":
        matrix = dense_matrix(plan, p, here)
        delays, add, n_bytes = p.delays, _dense(matrix), matrix.weights.nbytes
    else:
        kernel = conv_kernel(plan, p, here)
        delays, add, n_bytes = p.delays, _conv(kernel), kernel.weights.nbytes
    return Table(p.part.source.label, p.arithmetic == "fixed", delays, add, n_bytes)


def _sparse(rows: Rows) -> tuple[tuple[int, ...], Delivery, int]:
    sources = rows.sources()
    by_delay = {}
    for delay in np.unique(rows.delays).tolist():
        chosen = np.flatnonzero(rows.delays == delay)
        starts = np.searchsorted(sources[chosen], np.arange(rows.indptr.size))
        by_delay[delay] = starts, rows.cells[chosen], rows.weights[chosen]

    def add(cells: np.ndarray, events: Events, delay: int) -> None:
        starts, targets, weights = by_delay[delay]
        for place, payload in zip(*events, strict=True):
            row = slice(starts[place], starts[place + 1])
            # add.at takes one synapse after another, also where a target occurs twice in a row.
            np.add.at(cells, targets[row], weights[row] * cells.dtype.type(payload))

    return tuple(by_delay), add, rows.cells.nbytes + rows.weights.nbytes + rows.delays.nbytes


def _dense(matrix: Matrix) -> Delivery:
    n_rows, n_columns = matrix.weights.shape
    out = slice(matrix.first_column, matrix.first_column + n_columns)

    def add(cells: np.ndarray, events: Events, delay: int) -> None:
        for place, payload in zip(*events, strict=True):
            row = place - matrix.first_row
            if 0 <= row < n_rows:
                cells[out] += matrix.weights[row] * cells.dtype.type(payload)

    return add


def _conv(kernel: Kernel) -> Delivery:
    (_, width, c_in), (oh, ow, c_out) = kernel.image, kernel.out
    c_in_group, c_out_group = c_in // kernel.groups, c_out // kernel.groups
    first = kernel.first_cell

    def add(cells: np.ndarray, events: Events, delay: int) -> None:
        out = cells[first : first + oh * ow * c_out].reshape(oh, ow, c_out)
        for place, payload in zip(*events, strict=True):
            (iy, ix), channel = divmod(place // c_in, width), place % c_in
            low = channel // c_in_group * c_out_group
            weights = kernel.weights[channel] * cells.dtype.type(payload)
            for y, ky in _reached(iy, 0, kernel, oh):
                for x, kx in _reached(ix, 1, kernel, ow):
                    out[y, x, low : low + c_out_group] += weights[ky, kx]

    return add


def _reached(at: int, axis: int, kernel: Kernel, size: int) -> list[tuple[int, int]]:
    """Return the outputs that an input reaches along one axis, and through which kernel entry."""
    reached = []
    for k in range(kernel.weights.shape[1 + axis]):
        scaled = at + kernel.padding[axis] - k * kernel.dilation[axis]
        if scaled % kernel.stride[axis] == 0 and 0 <= scaled // kernel.stride[axis] < size:
            reached.append((scaled // kernel.stride[axis], k))
    return reached
