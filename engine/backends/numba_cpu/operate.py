"""The kernel of operators: rows whose input changed are computed again, and what changed is sent."""

from __future__ import annotations

from typing import Any

from .types_of_kernels import I8, I4s, I8s, Reals

REAL: Any = None  # given by the options of compile_kernel


def row(x: Any, y: Any, n: Any) -> None:
    """Stand for the operator's row function, for readers and type checkers."""


def operate(
    now: I8, x: Reals, last: Reals, fresh: Reals, value: Reals, width: I8, n: I8, length: I8,
    ring_ids: I4s, ring_counts: I4s, ring_payload: Reals, tally: I8s, rows_done: I8s,
) -> int:  # fmt: skip
    """Compute the rows that changed; send the difference to what was sent before."""
    slot = now % length
    begin, k = slot * n, 0
    for start in range(0, n, width):
        changed = False
        for i in range(start, start + width):
            if x[i] != last[i]:
                changed = True
                last[i] = x[i]
        if not changed:
            continue
        rows_done[0] += 1
        row(last[start : start + width], fresh[start : start + width], width)
        for i in range(start, start + width):
            change = REAL(fresh[i] - value[i])
            if change != 0:
                ring_ids[begin + k] = i
                ring_payload[begin + k] = change
                tally[i] += 1
                value[i] = fresh[i]
                k += 1
    ring_counts[slot] = k
    return 0
