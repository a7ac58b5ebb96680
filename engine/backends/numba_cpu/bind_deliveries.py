"""Binding deliveries: synapses laid out once for all trials, and the kernels that bring events to cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...layout import conv_kernel, dense_matrix
from ...planned import ProjectionPlan, Step
from . import deliver, deliver_rows
from .bind_conv import compile_conv, conv_arguments, describe_conv, store_conv
from .bind_pairs import columns_of, deliver_pair_block, first_cell, in_pairs, store_pairs
from .kernel import Block, compile_kernel
from .memory import Trial, copied, zeros
from .merge import Delivery
from .pack import pack
from .plastic import Plastic

if TYPE_CHECKING:
    from .bind import Binder


#: Events in flight that a queue is sure to hold, and cache lines asked for before they are needed.
_ENTRIES, _LINES_AHEAD = 1 << 20, 16
#: Events before its turn at which a row of separate targets and weights is asked for.
_EVENTS_AHEAD = 8
#: Entries that a queue must have dropped before the others move to its front.
_DROPPED = 256
#: Words by which such a kernel finds the events of one part of a source: those of `_rings`.
_RING = 7
#: The step of a queue of which none is known.
NEVER = -2


def store(binder: Binder, step: Step) -> None:
    """Lay out the synapses of a delivery that is not sparse, once for all trials."""
    p = binder.plan.projections[step.names[0]]
    if p.rule is not None:
        binder.plastic[p.name] = Plastic(binder, p)
    elif in_pairs(binder, p):
        _keep_stored(binder, step.names, step.names, lambda: store_pairs(binder, p))
    elif p.storage == "dense":
        _keep_stored(binder, step.names, step.names, lambda: _store_dense(binder, p))
    elif p.storage != "sparse":
        _keep_stored(binder, step.names, step.names, lambda: _store_conv(binder, p))


def _store_conv(binder: Binder, p: ProjectionPlan) -> list[list[dict[str, Any]]]:
    kernel = conv_kernel(binder.plan, p, binder.share.cells[p.arithmetic])
    return [[store_conv(kernel)]] * binder.share.n


def store_rows(binder: Binder, delivery: Delivery) -> None:
    """Lay out the synapses of a sparse delivery, once for all trials."""

    def store() -> list[list[dict[str, Any]]]:
        packed = pack(binder.plan, binder.share, delivery, binder.threads)
        return [[vars(table) for table in tables] for tables in packed]

    _keep_stored(binder, delivery.names, (*delivery.names, *delivery.first_row), store)


def _keep_stored(
    binder: Binder,
    names: tuple[str, ...],
    key: tuple[str, ...],
    store: Callable[[], list[list[dict[str, Any]]]],
) -> None:
    stored = binder.stored[names] = binder.plan.once(("stored", *key), store)
    binder.plan.release(*names)
    arrays = (a for tables in stored for table in tables for a in table.values())
    distinct = {id(a): a for a in arrays if isinstance(a, np.ndarray)}
    binder.synapse_bytes += sum(a.nbytes for a in distinct.values())


def describe_stored(parts: list[list[dict[str, Any]]]) -> str:
    """Say in words how the synapses of one delivery lie in memory; all parts are alike."""
    stored = parts[0][0]
    if "synapses" in stored:
        text = f"{stored['synapses'].size:,} synapses of {stored['synapses'].itemsize} bytes"
        runs = " and ".join(_delays(table["delay"], table["steps"]) for table in parts[0])
        blocks = f"{stored['n_blocks']} block(s) of {stored['block']:,} cells a part"
        return f"{text}, {blocks}, delays of {runs} steps"
    if "targets" in stored:
        size = stored["targets"].itemsize + stored["weights"].itemsize
        return f"{stored['targets'].size:,} synapses of {size} bytes, targets and weights apart"
    if "pairs" in stored:
        columns = sum(part[0]["columns"] for part in parts)
        return f"{stored['rows']:,} rows of {columns:,} weights of 2 bytes, in pairs"
    if "tiles" in stored:
        rows, columns = stored["tiles"].shape[1], sum(part[0]["columns"] for part in parts)
        return f"{rows:,} rows of {columns:,} weights, in tiles of {stored['tile_bytes']} bytes"
    return describe_conv(stored)


def _delays(first: int, steps: int) -> str:
    return f"{first} to {first + steps - 1}" if steps > 1 else f"{first}"


def _store_dense(binder: Binder, p: ProjectionPlan) -> list[list[dict[str, Any]]]:
    """Return each part's columns, tile after tile, and row after row within a tile."""
    matrix = dense_matrix(binder.plan, p, binder.share.cells[p.arithmetic])
    rows, size = matrix.weights.shape[0], matrix.weights.itemsize
    stored = []
    for part in range(binder.share.n):
        low, high = columns_of(binder, p, part)
        tile_bytes = 128 if (high - low) * size > 64 else 64
        tile = tile_bytes // size
        tiles = zeros(-(-(high - low) // tile) * rows * tile, matrix.weights.dtype).reshape(-1, rows, tile)
        for k, columns in enumerate(tiles):
            mine = matrix.weights[:, low + k * tile : min(low + (k + 1) * tile, high)]
            columns[:, : mine.shape[1]] = mine
        stored.append(
            [{"tiles": tiles, "tile_bytes": tile_bytes, "first_row": matrix.first_row, "columns": high - low}]
        )
    return stored


def deliver_block(binder: Binder, step: Step, trial: Trial, part: int, crew: int) -> Block:
    """Return a delivery that is not sparse to one part of a trial, beside which others of a crew run."""
    p = binder.plan.projections[step.names[0]]
    if in_pairs(binder, p):
        return deliver_pair_block(binder, p, [trial], part, crew=crew)
    stored = binder.stored[step.names][part][0]
    return _deliver_shared(binder, p, part, stored, *_common_arguments(binder, p, trial, part))


def deliver_row_blocks(binder: Binder, delivery: Delivery, trial: Trial, part: int) -> list[Block]:
    """Return a sparse delivery to one part: a block for each run of its delays."""
    p = binder.plan.projections[delivery.names[0]]
    stored = binder.stored[delivery.names][part]
    cells, options, ring = _common_arguments(binder, p, trial, part)
    if not delivery.wide:
        return [_deliver_rows(binder, delivery, table, trial, cells, options) for table in stored]
    kernel = compile_kernel(
        deliver.deliver_wide, deliver._slot_before, deliver._ask_wide, real=binder.real,
        EVENTS_AHEAD=_EVENTS_AHEAD, **options,
    )  # fmt: skip
    return [kernel.pack(**ring, **stored[0], cells=cells)]


def _common_arguments(
    binder: Binder, p: ProjectionPlan, trial: Trial, part: int
) -> tuple[np.ndarray, dict[str, Any], dict[str, Any]]:
    """Return the cells of a part, the options of a kernel that delivers to them, and the source's ring."""
    source = binder.plan.group_of(p.part.source)
    options: dict[str, Any] = {
        "UNIT": source.part.payload == "unit", "PAYLOAD": binder.payload(source),
        "CELL": "i4" if p.arithmetic == "fixed" else binder.real,
    }  # fmt: skip
    cells = trial.fixed[part] if p.arithmetic == "fixed" else trial.floating[part]
    return cells, options, binder.ring(trial, source.name)


def _deliver_rows(
    binder: Binder, delivery: Delivery, stored: dict[str, Any], trial: Trial, cells: np.ndarray,
    options: dict[str, Any],
) -> Block:  # fmt: skip
    synapses, starts, lengths, n_blocks = (stored[k] for k in ("synapses", "starts", "lengths", "n_blocks"))
    narrow = synapses.dtype == np.uint16
    kernel = compile_kernel(
        deliver_rows.deliver_rows, deliver_rows._move_to_front, deliver_rows._ask, deliver_rows._read,
        UNIT=options["UNIT"], ONE_WEIGHT=narrow, SYNAPSE="u2" if narrow else "u4", BYTES=synapses.itemsize,
        POSITION=f"u{starts.itemsize}", LENGTH=f"u{lengths.itemsize}", DROPPED=_DROPPED, RING=_RING,
        NEVER=NEVER,
    )  # fmt: skip
    entries = 2 * min(delivery.n_rows * stored["steps"], _ENTRIES) + 2 * _DROPPED
    lines = 1 + lengths.mean() * synapses.itemsize / 64 if lengths.size else 1
    return kernel.pack(
        **stored, rings=_rings(binder, delivery, trial), cells=cells,
        marks=copied(np.array([NEVER, 0, 0]), np.int64), arrived=zeros(stored["steps"], np.int32),
        at=zeros(entries, starts.dtype), positions=zeros(n_blocks * entries, starts.dtype),
        factors=zeros(entries if narrow or not options["UNIT"] else 1, np.int32),
        ahead=max(round(_LINES_AHEAD / lines), 1),
    )  # fmt: skip


def _rings(binder: Binder, delivery: Delivery, trial: Trial) -> np.ndarray:
    """Return where a sparse delivery finds the events of each part of each source."""
    words: list[int] = []
    for label, row in delivery.first_row.items():
        ring = trial.rings[label]
        for part, first in enumerate(ring.first.tolist()):
            if first < ring.n:
                ids, payload = (ring.ids[first:], ring.ids if ring.unit else ring.payload[first:])
                addresses = [a.ctypes.data for a in (ids, payload, ring.sent(part))]
                words += [*addresses, ring.n, ring.length, row, 0]
    return copied(np.array(words), np.int64)


def _deliver_shared(
    binder: Binder, p: ProjectionPlan, part: int, stored: dict[str, Any], cells: np.ndarray,
    options: dict[str, Any], arguments: dict[str, Any],
) -> Block:  # fmt: skip
    target = p.part.target.label
    low, high = binder.share.stretch(target, part)
    start = binder.share.start(p.arithmetic, part, target, p.part.receptor_name)
    if "tiles" in stored:
        tiles, columns = stored["tiles"], stored["columns"]
        begin = first_cell(binder, p, part)
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
