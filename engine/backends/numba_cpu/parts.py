"""How a plan is shared out: each thread owns a stretch of every group, and the cells of its neurons."""

from __future__ import annotations

import numpy as np

from ...layout import Cells, cells_of
from ...operation import operation_of
from ...parts import Operator
from ...plan import Plan
from ...planned import Arithmetic

#: Bytes of a cache line and of a page of memory.
LINE_BYTES, PAGE_BYTES = 64, 4096


class Share:
    """The stretches of all groups over n parts.

    Attributes
    ----------
    bounds : dict
        Group -> places at which parts begin and end, int64 (n + 1,).
    units : dict
        Operator -> units at which parts begin and end, int64 (n + 1,).
    cells : dict
        "fixed" and "float" -> the cells of the whole network.
    """

    def __init__(self, plan: Plan, n: int) -> None:
        self.n = n
        self.bounds: dict[str, np.ndarray] = {}
        self.units: dict[str, np.ndarray] = {}
        for name, group in plan.groups.items():
            if isinstance(group.part, Operator):
                self._share_operator(plan, name)
            else:
                self.bounds[name] = _stretches(group.n, n)
        self.cells: dict[str, Cells] = {}
        self._starts: dict[str, list[dict[tuple[str, str], int]]] = {}
        self.sizes: dict[str, list[int]] = {}
        for arithmetic in ("fixed", "float"):
            self._share_cells(plan, arithmetic)

    def _share_operator(self, plan: Plan, name: str) -> None:
        """Share out whole units, those together that read the same numbers; all to one part if scattered."""
        operation = operation_of(plan, name)
        units, together = operation.units, operation.together
        shares = (
            np.arange(self.n + 1) / self.n if operation.in_order else np.minimum(np.arange(self.n + 1), 1)
        )
        self.units[name] = np.rint(shares * (units.n // together)).astype(np.int64) * together
        self.bounds[name] = self.units[name] * units.out

    def _share_cells(self, plan: Plan, arithmetic: Arithmetic) -> None:
        cells = self.cells[arithmetic] = cells_of(plan, arithmetic)
        starts: list[dict[tuple[str, str], int]] = []
        sizes = []
        for part in range(self.n):
            at, here = 0, {}
            for key in cells.offsets:
                here[key] = at
                low, high = self.stretch(key[0], part)
                at += room_of(4 * (high - low)) // 4
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


def room_of(n_bytes: int) -> int:
    """Return the bytes that an array takes up, so that the next one starts as those of `memory.zeros` do."""
    if n_bytes < PAGE_BYTES:
        return -(-n_bytes // LINE_BYTES) * LINE_BYTES
    return -(-n_bytes // PAGE_BYTES) * PAGE_BYTES + PAGE_BYTES // 4


def _stretches(n: int, parts: int) -> np.ndarray:
    """Return the bounds of n places dealt over parts in whole groups of 64."""
    bounds = np.rint(np.arange(parts + 1) / parts * n / 64).astype(np.int64) * 64
    bounds[0], bounds[parts:] = 0, n
    return np.minimum(bounds, n)
