"""Operations that were left dense, in a network that runs: computed between sweeps, on change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..circuits.circuit import Cell, Circuit
from ..circuits.codes import resting
from ..circuits.evaluate import Signals, rows_of
from .build import frame_of
from .populations import Law

if TYPE_CHECKING:
    from .sweeps import Sweeps


class Between:
    """What dense operations have come to, for a batch of inputs side by side.

    Parameters
    ----------
    circuit : Circuit
        What runs.
    n : int
        Inputs.
    law : "delta", "rate" or "value"
        Under "delta" what is computed takes the place of the totals of their cells; else it is fed in every
        sweep, as a frame.
    """

    def __init__(self, circuit: Circuit, n: int, law: Law) -> None:
        self.cells, self.law = circuit.dense, law
        rest = resting(circuit, law == "delta").totals if self.cells else {}
        self._rest = {cell.name: np.repeat(rest[cell.name], n, axis=0) for cell in self.cells}
        self._n = n
        self.reset()

    def reset(self) -> None:
        """Go back to what there is before the first sweep."""
        self._values = dict(self._rest)
        self._seen: dict[str, np.ndarray] = {}
        #: Whether the last sweep changed anything dense, or began with what had changed; (n,).
        self.busy = np.zeros(self._n, bool)
        #: How many numbers were computed after the last sweep, (n,).
        self.computed = np.zeros(self._n, np.int64)
        self._changed = np.zeros(self._n, bool)

    def frames(self) -> dict[str, np.ndarray]:
        """Return what sources of dense cells send in the next sweep."""
        if self.law == "delta":
            return {}
        return {frame_of(c): self._values[c.name].reshape(-1, *c.shape) for c in self.cells}

    def renew(self, sweeps: Sweeps) -> None:
        """Compute anew what the last sweep has changed."""
        begun, self._changed = self._changed, np.zeros(self._n, bool)
        self.computed = np.zeros(self._n, np.int64)
        for cell in self.cells:
            signals, seen = self._read(cell, sweeps)
            before = self._seen.get(cell.name)
            stale = np.ones(self._n, bool) if before is None else (seen != before).any(axis=1)
            self._seen[cell.name] = seen
            if not stale.any():
                continue
            assert cell.rows is not None
            values = self._values[cell.name].copy()
            values[stale] = rows_of(cell.rows, signals.part(stale))
            changed = (values != self._values[cell.name]).any(axis=1)
            self._values[cell.name] = values
            self._changed |= changed
            self.computed[stale] += cell.n
            if self.law == "delta" and changed.any():
                total = values if self._n > 1 else values[0]
                sweeps.simulator.set(cell.name, **{"v" if cell.code is None else "u": total})
        self.busy = begun | self._changed

    def _read(self, cell: Cell, sweeps: Sweeps) -> tuple[Signals, np.ndarray]:
        """Return what a dense cell reads, also as one vector for each input."""
        assert cell.rows is not None
        signals, seen = Signals(), []
        for name, what, places in cell.rows.reads:
            if what == "total":
                read = signals.totals[name] = sweeps.mean_totals(name)
            else:
                read = signals.values[name] = sweeps.told_frame()
            seen.append(read[:, places])
        return signals, np.concatenate(seen, axis=1)
