"""Binding dense projections of 16-bit whole numbers: their rows in pairs, and the trials that share them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...layout import dense_matrix, grid_of
from ...planned import ProjectionPlan
from . import deliver_pairs
from .deliver_pairs import ALWAYS, LONGER, SINGLE
from .kernel import Block, compile_kernel
from .memory import Trial, copied, zeros
from .pair_rows import COLUMNS, TOGETHER

if TYPE_CHECKING:
    from .bind import Binder


def in_pairs(binder: Binder, p: ProjectionPlan) -> bool:
    """Whether a projection is dense and all its weights and events are whole numbers of 16 bits."""
    if p.storage != "dense" or p.arithmetic != "fixed" or p.rule is not None:
        return False
    bound = binder.plan.group_of(p.part.source).payload_bound
    return grid_of(binder.plan, p).bits == 16 and bound < 1 << 15


def store_pairs(binder: Binder, p: ProjectionPlan) -> list[list[dict[str, Any]]]:
    """Return each part's columns, tile after tile, pair of rows after pair of rows, and column by column."""
    matrix = dense_matrix(binder.plan, p, binder.share.cells[p.arithmetic])
    rows, stored = len(matrix.weights), []
    for part in range(binder.share.n):
        low, high = columns_of(binder, p, part)
        shape = (-(-(high - low) // COLUMNS), (rows + 1) // 2, COLUMNS, 2)
        padded = np.zeros((2 * shape[1], shape[0] * COLUMNS), np.int16)
        padded[:rows, : high - low] = matrix.weights[:, low:high]
        tiles = padded.reshape(shape[1], 2, shape[0], COLUMNS).transpose(2, 0, 3, 1)
        found = {"pairs": copied(tiles, np.int16), "rows": rows, "columns": high - low}
        stored.append([{**found, "first_row": matrix.first_row}])
    return stored


def columns_of(binder: Binder, p: ProjectionPlan, part: int) -> tuple[int, int]:
    """Return the columns of a dense projection that a part owns."""
    low, high = binder.share.stretch(p.part.target.label, part)
    first, last = p.post_range
    start = min(max(low, first), last)
    return start - first, min(max(high, start), last) - first


def first_cell(binder: Binder, p: ProjectionPlan, part: int) -> int:
    """Return the cell of the first column of a dense projection that a part owns."""
    target = p.part.target.label
    low, _ = binder.share.stretch(target, part)
    start = binder.share.start(p.arithmetic, part, target, p.part.receptor_name)
    return start + max(p.post_range[0] + columns_of(binder, p, part)[0] - low, 0)


def deliver_pair_block(
    binder: Binder, p: ProjectionPlan, trials: list[Trial], part: int, *, crew: int
) -> Block:
    """Return the delivery to one part of some trials; that for a whole crew in strips of one step.

    Parameters
    ----------
    binder, p, trials, part
        What is delivered, and where to.
    crew : int
        How many trials run side by side: where a block is for one of them, another is for all.
    """
    stored = binder.stored[p.name,][part][0]
    source = binder.plan.group_of(p.part.source)
    ring, begin = trials[0].rings[source.name], first_cell(binder, p, part)
    ahead = binder.sums_ahead(p) and len(trials) == 1
    room, columns = (stored["rows"] + 1) // 2, stored["columns"]
    items = -(-max(binder.schedule.strip if ahead else 1, len(trials)) // TOGETHER) * TOGETHER
    scratch = binder.scratch((p.name, part, len(trials)), lambda: _scratch(items, room, columns, ahead=ahead))
    return compile_kernel(
        deliver_pairs.deliver_pairs, deliver_pairs._list_pairs, deliver_pairs._share,
        COLUMNS=COLUMNS, TOGETHER=TOGETHER, LONGER=LONGER, SINGLE=SINGLE,
    ).pack(
        rings=_rings(trials, source.name), parts=ring.first.size, n=ring.n, length=ring.length,
        unit=int(ring.unit), delay=p.delays[0],
        targets=copied(np.array([trial.fixed[part][begin:].ctypes.data for trial in trials]), np.int64),
        trials=copied(np.array([trial.index for trial in trials]), np.int64), active=binder.active,
        weights=stored["pairs"], columns=columns, first_row=stored["first_row"], rows=stored["rows"],
        clock=binder.clock, when=SINGLE if len(trials) > 1 else LONGER if crew > 1 else ALWAYS,
        ahead=int(ahead), width=columns, totals=zeros(TOGETHER * COLUMNS, np.int32), **scratch,
    )  # fmt: skip


def _scratch(items: int, room: int, columns: int, *, ahead: bool) -> dict[str, np.ndarray]:
    return {
        "pairs": zeros(items * room, np.int32), "words": zeros(items * room, np.int32),
        "counts": zeros(items, np.int64), "whose": zeros(items, np.int64),
        "table": zeros(TOGETHER * room, np.int32), "shared": zeros(items // TOGETHER * room, np.int32),
        "shared_words": zeros(items * room, np.int32), "shared_counts": zeros(items // TOGETHER, np.int64),
        "sums": zeros(items * columns if ahead else 1, np.int32),
    }  # fmt: skip


def _rings(trials: list[Trial], source: str) -> np.ndarray:
    """Return where ids, payloads and counts of each part's events begin, trial by trial."""
    words: list[int] = []
    for trial in trials:
        ring = trial.rings[source]
        for part, first in enumerate(ring.first.tolist()):
            payload = ring.ids if ring.unit else ring.payload
            arrays = (ring.ids[first:], payload[first:], ring.sent(part))
            words += [array.ctypes.data for array in arrays]
    return copied(np.array(words), np.int64)
