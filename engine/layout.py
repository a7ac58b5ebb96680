"""Synapses in the order of storage: what every backend lays out in its own way.

Ids become places of storage, and the inputs of all receptors become cells of two long vectors, one
of integers and one of real numbers. Rows of a table are ordered by source, delay, and then as drawn:
this is the order in which floating-point sums are taken, on every backend.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..neurons.errors import PlanError
from .connectivity import Conv2d, Pool2d, RowWise
from .grid import Grid
from .groups import image_of
from .plan import Plan
from .planned import Arithmetic, ProjectionPlan
from .random import stream_key, uniform_array
from .tables import weight_table

LARGEST_SUM = 2**31 - 1


@dataclass(frozen=True)
class Cells:
    """Where the input of each receptor lies in one long vector.

    Attributes
    ----------
    offsets : dict
        (group, receptor) -> first cell.
    size : int
        Number of cells.
    """

    offsets: dict[tuple[str, str], int]
    size: int


def cells_of(plan: Plan, arithmetic: Arithmetic) -> Cells:
    """Return the cells of all receptors that sum in fixed or floating point."""
    offsets, size = {}, 0
    for group in plan.groups.values():
        for receptor in group.receptors:
            if receptor.grid is not None if arithmetic == "fixed" else receptor.floating:
                offsets[group.name, receptor.name] = size
                size += group.n
    return Cells(offsets, size)


@dataclass(frozen=True)
class Rows:
    """Sparse projections of one source as one table of rows by source.

    Attributes
    ----------
    indptr : int64 (n_source + 1,)
        Where the row of each place of the source group starts.
    cells : int64 (n_synapses,)
        Cell of each synapse in the vector of its arithmetic.
    weights : array (n_synapses,)
        int32 in steps of the receptor's grid, or the plan's real type.
    delays : int32 (n_synapses,)
        Delay of each synapse in steps.
    order : int64 (n_synapses,)
        Position of each synapse among those of the projections as drawn, one after the other.
    """

    indptr: np.ndarray
    cells: np.ndarray
    weights: np.ndarray
    delays: np.ndarray
    order: np.ndarray

    def sources(self) -> np.ndarray:
        """Return the source place of every synapse."""
        return np.repeat(np.arange(self.indptr.size - 1), np.diff(self.indptr))

    def distinct_delays(self) -> np.ndarray:
        """Return the delays that occur, ascending, int64; one step where no synapse was drawn at all."""
        return np.unique(self.delays).astype(np.int64) if self.delays.size else np.ones(1, np.int64)


def sparse_rows(plan: Plan, names: tuple[str, ...], cells: Cells) -> Rows:
    """Return the sparse projections of one source, merged.

    Raises
    ------
    PlanError
        If the integer sum of a target could overflow.
    """
    parts = [_placed(plan, plan.projections[name], cells) for name in names]
    source = plan.group_of(plan.projections[names[0]].part.source)
    sources, targets, weights, delays = (np.concatenate([part[i] for part in parts]) for i in range(4))
    if plan.projections[names[0]].arithmetic == "fixed":
        load = np.bincount(targets, weights=np.abs(weights), minlength=1)
        refuse_overflow(names, load.max() * source.payload_bound)
    order = row_order(sources, delays, plan.max_delay)
    indptr = np.zeros(source.n + 1, np.int64)
    np.cumsum(np.bincount(sources, minlength=source.n), out=indptr[1:])
    return Rows(indptr, targets[order], weights[order], delays[order].astype(np.int32), order)


def row_order(sources: np.ndarray, delays: np.ndarray, longest: int) -> np.ndarray:
    """Return synapses in the order of a table: by source's place, delay, and then as they were; int64.

    `longest` is no shorter than any delay.
    """
    key = sources * (longest + 1) + delays
    return np.arange(key.size) if np.all(key[1:] >= key[:-1]) else np.argsort(key, kind="stable")


def refuse_overflow(names: tuple[str, ...], largest: float) -> None:
    """Raise PlanError if the sum of a neuron's input, in steps of its grid, could become too large."""
    if largest > LARGEST_SUM:
        raise PlanError(
            f"{', '.join(names)}: the input of one neuron may reach {largest:.3g} steps of its grid, the "
            f"largest sum is {LARGEST_SUM}; use precision='float32' or fewer synapses"
        )


def may_overflow(plan: Plan, names: Iterable[str]) -> bool:
    """Whether sums of some fixed-point projections must be added up, since the plan's bound is so close."""
    return not all(grid_of(plan, plan.projections[name]).is_wide for name in names)


def _placed(plan: Plan, p: ProjectionPlan, cells: Cells) -> tuple[np.ndarray, ...]:
    synapses = plan.synapses(p.name)
    source, target = plan.group_of(p.part.source), plan.group_of(p.part.target)
    sources = source.places(p.pre_ids[synapses.sources()])
    targets = target.places(p.post_ids[synapses.targets])
    targets = targets + cells.offsets[target.name, p.part.receptor_name]
    weights = synapses.weight_values()
    return sources, targets, stored_weights(plan, p, weights), synapses.delay_steps()


def stored_weights(plan: Plan, p: ProjectionPlan, weights: np.ndarray) -> np.ndarray:
    """Return weights as they are stored: plastic ones always real, others by the projection's arithmetic."""
    if p.arithmetic == "float" or p.rule is not None:
        return weights.astype(plan.real)
    return grid_of(plan, p).to_integers(weights).astype(np.int32)


def grid_of(plan: Plan, p: ProjectionPlan) -> Grid:
    """Return the grid of a projection's integer sums."""
    grid = plan.receptor(p).grid
    assert grid is not None
    return grid


@dataclass(frozen=True)
class Matrix:
    """A dense projection: one row of weights per source, columns in the target's order of storage.

    Attributes
    ----------
    weights : array (n_rows, n_columns)
        int32 in steps of the grid, or the plan's real type.
    first_row : int
        Place of the source group that row 0 belongs to.
    first_column : int
        Cell (in the vector of its arithmetic) of column 0.
    """

    weights: np.ndarray
    first_row: int
    first_column: int


def described_weights(plan: Plan, p: ProjectionPlan) -> np.ndarray:
    """Return the weights of a projection without a list of synapses, float64, in the user's order."""
    table, drawn = weight_table(p.part)
    shape = (p.part.post.n, p.part.pre.n)
    if drawn:
        key = stream_key(plan.network.seed, p.name, "synapses")
        quantile = uniform_array(key, shape[0] * shape[1]) * table.size
        return np.asarray(table[quantile.astype(np.int64)].reshape(shape))
    if p.storage == "dense":
        return np.broadcast_to(table, shape)
    if isinstance(p.part.connectivity, RowWise):
        n = p.part.connectivity.n
        return np.broadcast_to(table, (shape[0] // n, shape[1] // n))
    return table.reshape(np.asarray(p.part.weight).shape)


def dense_matrix(plan: Plan, p: ProjectionPlan, cells: Cells) -> Matrix:
    """Return a dense projection in the order of storage."""
    source, target = plan.group_of(p.part.source), plan.group_of(p.part.target)
    rows = described_weights(plan, p).T
    if source.order is not None:
        rows = rows[source.order]
    if target.order is not None:
        rows = rows[:, target.order]
    first = cells.offsets[target.name, p.part.receptor_name] + p.post_range[0]
    return Matrix(np.ascontiguousarray(stored_weights(plan, p, rows)), int(p.pre_ids[0]), first)


@dataclass(frozen=True)
class Kernel:
    """A convolution or pooling, for scattering events over images stored channel last.

    A projection row by row is one too: its rows are the pixels of a line, and its kernel has one entry.

    Attributes
    ----------
    weights : array (c_in, kh, kw, c_out / groups)
        What one event of an input channel adds to the outputs of its group.
    image, out : tuple of int
        (height, width, channels) of the source and of the target.
    stride, padding, dilation : tuple of int
        As in torch.
    groups : int
        Groups of channels.
    first_cell : int
        Cell of the target's first neuron.
    """

    weights: np.ndarray
    image: tuple[int, int, int]
    out: tuple[int, int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    first_cell: int

    def taps(self, axis: int, size: int, out: range) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return through which entries of the kernel each input goes to which outputs, along one axis.

        Parameters
        ----------
        axis
            0 for rows, 1 for columns.
        size
            Inputs along it.
        out
            Outputs along it that are asked for.

        Returns
        -------
        first, tap, reached : int32
            Input i goes through entry tap[k] to output reached[k], for k from first[i] to before
            first[i + 1].
        """
        scaled = (
            np.arange(size)[:, None] + self.padding[axis]
            - np.arange(self.weights.shape[1 + axis]) * self.dilation[axis]
        )  # fmt: skip
        reached = scaled // self.stride[axis]
        inside = (scaled % self.stride[axis] == 0) & (reached >= out.start) & (reached < out.stop)
        first = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
        tap = np.broadcast_to(np.arange(inside.shape[1]), inside.shape)[inside]
        return first.astype(np.int32), tap.astype(np.int32), reached[inside].astype(np.int32)


def conv_kernel(plan: Plan, p: ProjectionPlan, cells: Cells) -> Kernel:
    """Return a convolution, pooling or projection row by row, in the order of storage."""
    c = p.part.connectivity
    if isinstance(c, RowWise):
        return _kernel_of_rows(plan, p, c, cells)
    (c_in, h, w), (c_out, oh, ow) = image_of(p.part.pre), image_of(p.part.post)
    table, drawn = weight_table(p.part)
    if isinstance(c, Pool2d):
        weights = np.full((c_in, *c.size, 1), float(table[0]) * c.share)
        geometry: dict[str, Any] = {
            "stride": c.stride,
            "padding": c.padding,
            "dilation": (1, 1),
            "groups": c_in,
        }
    else:
        assert isinstance(c, Conv2d)
        assert not drawn
        kh, kw = table.shape[2:]
        grouped = table.reshape(c.groups, c_out // c.groups, c_in // c.groups, kh, kw)
        weights = grouped.transpose(0, 2, 3, 4, 1).reshape(c_in, kh, kw, c_out // c.groups)
        geometry = {"stride": c.stride, "padding": c.padding, "dilation": c.dilation, "groups": c.groups}
    return Kernel(
        weights=np.ascontiguousarray(stored_weights(plan, p, weights)),
        image=(h, w, c_in),
        out=(oh, ow, c_out),
        first_cell=cells.offsets[p.part.target.label, p.part.receptor_name],
        **geometry,
    )


def _kernel_of_rows(plan: Plan, p: ProjectionPlan, c: RowWise, cells: Cells) -> Kernel:
    matrix = described_weights(plan, p)
    n_out, n_in = matrix.shape
    return Kernel(
        weights=np.ascontiguousarray(stored_weights(plan, p, matrix.T)).reshape(n_in, 1, 1, n_out),
        image=(1, c.n, n_in),
        out=(1, c.n, n_out),
        stride=(1, 1),
        padding=(0, 0),
        dilation=(1, 1),
        groups=1,
        first_cell=cells.offsets[p.part.target.label, p.part.receptor_name],
    )


def fan_out(plan: Plan, p: ProjectionPlan, threads: int = 1) -> np.ndarray:
    """Return how many synapses of a projection an event of each source neuron reaches, by storage place."""
    source = plan.group_of(p.part.source)
    out = np.zeros(source.n, np.int64)
    if p.storage == "sparse":
        out[p.pre_ids] = plan.degrees(p.name, threads)
    elif p.storage == "dense":
        out[p.pre_ids] = p.part.post.n
    elif isinstance(p.part.connectivity, RowWise):
        out[:] = p.part.post.n // p.part.connectivity.n
    else:
        out[:] = _conv_fan_out(p)
    return source.stored(out)


def _conv_fan_out(p: ProjectionPlan) -> np.ndarray:
    """Return the outputs that each input of a convolution or pooling reaches, by the user's index."""
    c = p.part.connectivity
    shape, out = image_of(p.part.pre), image_of(p.part.post)
    kernel = c.size if isinstance(c, Pool2d) else np.shape(np.asarray(p.part.weight))[2:]
    dilation = (1, 1) if isinstance(c, Pool2d) else c.dilation  # type: ignore[attr-defined]
    reach = []
    for axis in range(2):
        outputs = np.arange(out[1 + axis]) * c.stride[axis] - c.padding[axis]  # type: ignore[attr-defined]
        touched = (outputs[:, None] + np.arange(kernel[axis]) * dilation[axis]).reshape(-1)
        touched = touched[(touched >= 0) & (touched < shape[1 + axis])]
        reach.append(np.bincount(touched, minlength=shape[1 + axis]))
    per_group = 1 if isinstance(c, Pool2d) else out[0] // c.groups  # type: ignore[attr-defined]
    return np.broadcast_to(np.multiply.outer(*reach) * per_group, shape).reshape(-1)
