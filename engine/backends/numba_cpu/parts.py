"""How a plan is shared out: each thread owns a stretch of every group, and the cells of its neurons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...layout import Cells, Rows, cells_of
from ...parts import Operator
from ...plan import Arithmetic, Plan

#: Cells on a cache line: every receptor starts on one of its own.
LINE = 16


@dataclass(frozen=True)
class WideTable:
    """Rows of separate targets and weights onto one part: ordered by source and delay."""

    delays: np.ndarray
    row_start: np.ndarray
    offsets: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    order: np.ndarray


class Share:
    """The stretches of all groups over n parts.

    Attributes
    ----------
    bounds : dict
        Group -> places at which parts begin and end, int64 (n + 1,).
    cells : dict
        "fixed" and "float" -> the cells of the whole network.
    """

    def __init__(self, plan: Plan, n: int) -> None:
        self.n = n
        self.bounds = {
            # An operator looks at whole rows: its first part does all the work.
            name: _stretches(group.n, n if not isinstance(group.part, Operator) else 1, n)
            for name, group in plan.groups.items()
        }
        self.cells: dict[str, Cells] = {}
        self._starts: dict[str, list[dict[tuple[str, str], int]]] = {}
        self.sizes: dict[str, list[int]] = {}
        for arithmetic in ("fixed", "float"):
            self._share_cells(plan, arithmetic)

    def _share_cells(self, plan: Plan, arithmetic: Arithmetic) -> None:
        cells = self.cells[arithmetic] = cells_of(plan, arithmetic)
        starts: list[dict[tuple[str, str], int]] = []
        sizes = []
        for part in range(self.n):
            at, here = 0, {}
            for key in cells.offsets:
                here[key] = at
                low, high = self.stretch(key[0], part)
                at += -(-(high - low) // LINE) * LINE
            starts.append(here)
            sizes.append(at)
        self._starts[arithmetic], self.sizes[arithmetic] = starts, sizes

    def stretch(self, group: str, part: int) -> tuple[int, int]:
        """Return the places of a group that a part owns."""
        bounds = self.bounds[group]
        return int(bounds[part]), int(bounds[part + 1])

    def start(self, arithmetic: Arithmetic, part: int, group: str, receptor: str) -> int:
        """Return a part's first cell of a receptor."""
        return self._starts[arithmetic][part][group, receptor]

    def local(self, arithmetic: Arithmetic) -> tuple[np.ndarray, np.ndarray]:
        """Return, for every cell of the network, its part (int8) and its place among that part's cells."""
        cells = self.cells[arithmetic]
        part_of, place = np.zeros(cells.size, np.int8), np.zeros(cells.size, np.int64)
        for (group, receptor), offset in cells.offsets.items():
            for part in range(self.n):
                low, high = self.stretch(group, part)
                part_of[offset + low : offset + high] = part
                place[offset + low : offset + high] = np.arange(high - low) + self.start(
                    arithmetic, part, group, receptor
                )
        return part_of, place

    def wide_tables(self, rows: Rows, arithmetic: Arithmetic) -> list[WideTable]:
        """Return one table of separate targets and weights per part."""
        tables = []
        part_of, place = self.local(arithmetic)
        sources, delays = rows.sources(), rows.distinct_delays()
        for part in range(self.n):
            mine = np.flatnonzero(part_of[rows.cells] == part)
            key = sources[mine] * delays.size + np.searchsorted(delays, rows.delays[mine])
            row_start, offsets = _offsets(key, rows.indptr.size - 1, delays.size)
            tables.append(
                WideTable(
                    delays,
                    row_start,
                    offsets,
                    place[rows.cells[mine]].astype(np.uint32),
                    rows.weights[mine].copy(),
                    rows.order[mine],
                )
            )
        return tables


def _offsets(key: np.ndarray, n_rows: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where rows start (int64) and where their segments lie within them (uint32, width + 1 each)."""
    ends = np.concatenate([[0], np.cumsum(np.bincount(key, minlength=n_rows * width))])
    row_start = np.ascontiguousarray(ends[:-1:width][:n_rows])
    within = np.empty((n_rows, width + 1), np.uint32)
    within[:, :-1] = ends[:-1].reshape(n_rows, width) - row_start[:, None]
    within[:, -1] = ends[width::width][:n_rows] - row_start
    return row_start.astype(np.int64), within.reshape(-1)


def _stretches(n: int, shared: int, parts: int) -> np.ndarray:
    """Return the bounds of n places dealt over the first `shared` parts in whole groups of 64."""
    bounds = np.rint(np.minimum(np.arange(parts + 1) / shared, 1.0) * n / 64).astype(np.int64) * 64
    bounds[0], bounds[shared:] = 0, n
    return np.minimum(bounds, n)
