"""Binding deliveries: synapses laid out once for all trials, and the kernels that bring events to cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...layout import conv_kernel, dense_matrix
from ...plan import ProjectionPlan, Step
from . import deliver
from .bind_conv import compile_conv, conv_arguments, describe_conv, store_conv
from .kernel import Block, compile_kernel
from .memory import Trial, zeros
from .pack import pack
from .plastic import Plastic

if TYPE_CHECKING:
    from .bind import Binder


#: Segments of rows listed before they are read, and cache lines asked for before they are needed.
_SEGMENTS, _LINES_AHEAD = 4096, 16


def store(binder: Binder, step: Step) -> None:
    """Lay out the synapses of a delivery, once for all trials."""
    p = binder.plan.projections[step.names[0]]
    if p.part.source.label in binder.private:
        return
    if p.part.rule is not None:
        binder.plastic[p.name] = Plastic(binder, p)
        return
    cells = binder.share.cells[p.arithmetic]
    if p.storage == "sparse":
        stored = [vars(table) for table in pack(binder.plan, binder.share, step.names, binder.threads)]
    elif p.storage == "dense":
        stored = _store_dense(binder, p)
    else:
        stored = [store_conv(conv_kernel(binder.plan, p, cells))] * binder.share.n
    binder.stored[step.names] = stored
    binder.plan.release(*step.names)
    distinct = {id(a): a for tables in stored for a in tables.values() if isinstance(a, np.ndarray)}
    binder.synapse_bytes += sum(a.nbytes for a in distinct.values())


def describe_stored(parts: list[dict[str, Any]]) -> str:
    """Say in words how the synapses of one delivery lie in memory; all parts are alike."""
    stored = parts[0]
    if "synapses" in stored:
        text = f"{stored['synapses'].size:,} synapses of {stored['synapses'].itemsize} bytes"
        blocks, delays = stored["n_blocks"], stored["delays"].size
        return f"{text}, {blocks} block(s) of {stored['block']:,} cells a part, {delays} delay(s)"
    if "targets" in stored:
        size = stored["targets"].itemsize + stored["weights"].itemsize
        return f"{stored['targets'].size:,} synapses of {size} bytes, targets and weights apart"
    if "tiles" in stored:
        rows, columns = stored["tiles"].shape[1], sum(part["columns"] for part in parts)
        return f"{rows:,} rows of {columns:,} weights, in tiles of {stored['tile_bytes']} bytes"
    return describe_conv(stored)


def _store_dense(binder: Binder, p: ProjectionPlan) -> list[dict[str, Any]]:
    """Return each part's columns, tile after tile, and row after row within a tile."""
    matrix = dense_matrix(binder.plan, p, binder.share.cells[p.arithmetic])
    rows, size = matrix.weights.shape[0], matrix.weights.itemsize
    stored = []
    for part in range(binder.share.n):
        low, high = _columns(binder, p, part)
        tile_bytes = 128 if (high - low) * size > 64 else 64
        tile = tile_bytes // size
        tiles = zeros(-(-(high - low) // tile) * rows * tile, matrix.weights.dtype).reshape(-1, rows, tile)
        for k, columns in enumerate(tiles):
            mine = matrix.weights[:, low + k * tile : min(low + (k + 1) * tile, high)]
            columns[:, : mine.shape[1]] = mine
        stored.append(
            {"tiles": tiles, "tile_bytes": tile_bytes, "first_row": matrix.first_row, "columns": high - low}
        )
    return stored


def _columns(binder: Binder, p: ProjectionPlan, part: int) -> tuple[int, int]:
    """Return the columns of a dense projection that a part owns."""
    low, high = binder.share.stretch(p.part.target.label, part)
    first, last = p.post_range
    start = min(max(low, first), last)
    return start - first, min(max(high, start), last) - first


def deliver_block(binder: Binder, step: Step, trial: Trial, part: int) -> Block:
    """Return a delivery to one part."""
    p = binder.plan.projections[step.names[0]]
    source = binder.plan.group_of(p.part.source)
    stored = binder.stored[step.names][part]
    cells = trial.fixed[part] if p.arithmetic == "fixed" else trial.floating[part]
    options: dict[str, Any] = {
        "UNIT": source.part.payload == "unit", "PAYLOAD": binder.payload(source),
        "CELL": "i4" if p.arithmetic == "fixed" else binder.real,
    }  # fmt: skip
    arguments = binder.ring(trial, source.name)
    if "synapses" in stored:
        return _deliver_packed(stored, cells, options, arguments)
    if "targets" in stored:
        return compile_kernel(deliver.deliver_wide, deliver._slot_before, real=binder.real, **options).pack(
            **arguments, **stored, cells=cells
        )
    return _deliver_shared(binder, p, part, stored, cells, options, arguments)


def _deliver_packed(
    stored: dict[str, Any], cells: np.ndarray, options: dict[str, Any], arguments: dict[str, Any]
) -> Block:
    synapses = stored["synapses"]
    narrow = synapses.dtype == np.uint16
    kernel = compile_kernel(
        deliver.deliver_packed, deliver._slot_before, deliver._ask, deliver._scatter, ONE_WEIGHT=narrow,
        SYNAPSE="u2" if narrow else "u4", BYTES=synapses.itemsize, **options,
    )  # fmt: skip
    due = np.zeros(_SEGMENTS, np.int64)
    ends = stored["offsets"].reshape(stored["row_start"].size, -1)[:, -1]
    segments = ends.size * stored["n_blocks"] * stored["delays"].size
    lines = 1 + ends.sum(dtype=np.int64) * synapses.itemsize / (64 * segments)
    return kernel.pack(
        **arguments, **stored, cells=cells, due_start=due, due_stop=due.copy(),
        due_factor=due.astype(np.int32), address=synapses.ctypes.data,
        ahead=max(round(_LINES_AHEAD / lines), 1),
    )  # fmt: skip


def _deliver_shared(
    binder: Binder, p: ProjectionPlan, part: int, stored: dict[str, Any], cells: np.ndarray,
    options: dict[str, Any], arguments: dict[str, Any],
) -> Block:  # fmt: skip
    target = p.part.target.label
    low, high = binder.share.stretch(target, part)
    start = binder.share.start(p.arithmetic, part, target, p.part.receptor_name)
    if "tiles" in stored:
        tiles, columns = stored["tiles"], stored["columns"]
        begin = start + max(p.post_range[0] + _columns(binder, p, part)[0] - low, 0)
        ahead = binder.sums_ahead(p)
        width = tiles.shape[0] * tiles.shape[2]
        strip = binder.schedule.strip if ahead else 1
        scratch = binder.scratch(
            (p.name, part),
            lambda: {
                "sums": zeros(strip * width if ahead else tiles.shape[2], cells.dtype),
                "spans": np.zeros(2 * strip * binder.share.n, np.int64),
            },
        )
        return compile_kernel(
            deliver.deliver_dense, real=binder.real, AHEAD=ahead, TILE=stored["tile_bytes"], **options
        ).pack(
            **arguments, delay=p.delays[0], weights=tiles, columns=columns, first_row=stored["first_row"],
            rows=tiles.shape[1], cells=cells[begin:], clock=binder.clock, width=width,
            address=tiles.ctypes.data, **scratch,
        )  # fmt: skip
    payload = arguments["ring_payload"]
    tables = binder.scratch((p.name, part), lambda: conv_arguments(stored, low, high, cells, payload))
    return compile_conv(stored, binder.real, options).pack(
        **arguments, **tables, delay=p.delays[0], low=low, high=high, cells=cells[start : start + high - low]
    )
