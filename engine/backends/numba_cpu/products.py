"""Products of many rows of events with a matrix, and back: only what is not zero costs anything.

Sums take their terms in the order of sources, one after the other, as dense projections do in a run, so they
have the same bits. One thread does it: beside torch's own, which wait busily for their next product, two
were found to take longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from .kernel import Kernel, compile_kernel
from .rows import add_scaled_rows
from .types_of_kernels import I8, I4s, I8s, Reals
from .words import stretch

#: Rows whose gradients stay in a core's own cache while one column after the other takes them.
BLOCK = 512


@dataclass(frozen=True)
class Events:
    """What is not zero in some rows [rows, n].

    Attributes
    ----------
    n : int
        Columns.
    starts : int64 array (rows + 1,)
        Where the events of each row begin.
    ids, rows : int32 array
        Column and row of each event, columns ascending in each row.
    values : float32 array
        What it is.
    """

    n: int
    starts: np.ndarray
    ids: np.ndarray
    rows: np.ndarray
    values: np.ndarray


def list_events(x: np.ndarray, most: float) -> Events | None:
    """Return the events of rows (rows, n); None if more than a share of `most` is not zero."""
    rows, n = x.shape
    room, starts = int(most * x.size), np.empty(rows + 1, np.int64)
    ids, at, values = (np.empty(room + n, dtype) for dtype in (np.int32, np.int32, np.float32))
    given = {"x": x, "rows": rows, "n": n, "most": room, "starts": starts}
    listed = _listing().run(**given, ids=ids, at=at, values=values)
    return None if listed < 0 else Events(n, starts, ids[:listed], at[:listed], values[:listed])


def add_events(events: Events, weights: np.ndarray) -> np.ndarray:
    """Return the rows [rows, n] times weights [n, m]."""
    rows, m = events.starts.size - 1, weights.shape[1]
    y = np.zeros((rows, m), np.float32)
    _adding().run(
        starts=events.starts, ids=events.ids, values=events.values, weights=weights, y=y, m=m,
        first=0, last=rows,
    )  # fmt: skip
    return y


def weigh_events(events: Events, dy: np.ndarray) -> np.ndarray:
    """Return the gradient of the weights [n, m] from that of the product, `dy` [rows, m]."""
    m, most = dy.shape[1], events.ids.size
    dw = np.zeros((events.n, m), np.float32)
    _weighing().run(
        ids=events.ids, at=events.rows, values=events.values, starts=events.starts, rows=len(dy), n=events.n,
        dy=dy, dw=dw, m=m, block=BLOCK, ends=np.empty(events.n + 1, np.int64),
        order=np.empty(most, np.int32), factors=np.empty(most, np.float32),
    )  # fmt: skip
    return dw


@cache
def _listing() -> Kernel:
    return compile_kernel(_list)


@cache
def _adding() -> Kernel:
    return compile_kernel(_add)


@cache
def _weighing() -> Kernel:
    return compile_kernel(_weigh)


def _list(now: I8, x: Reals, rows: I8, n: I8, most: I8, starts: I8s, ids: I4s, at: I4s, values: Reals) -> int:
    k = 0
    for r in range(rows):
        starts[r] = k
        if k > most:
            return -1
        row = stretch(x, r * n, n)
        for i in range(n):
            ids[k] = i
            k += row[i] != 0
        for j in range(starts[r], k):
            at[j] = r
            values[j] = row[ids[j]]
    starts[rows] = k
    return k if k <= most else -1


def _add(
    now: I8, starts: I8s, ids: I4s, values: Reals, weights: Reals, y: Reals, m: I8, first: I8, last: I8
) -> int:
    for r in range(first, last):
        add_scaled_rows(y, r * m, weights, ids, starts[r], starts[r + 1], 0, m, 0, m, values)
    return 0


def _weigh(
    now: I8, ids: I4s, at: I4s, values: Reals, starts: I8s, rows: I8, n: I8, dy: Reals, dw: Reals, m: I8,
    block: I8, ends: I8s, order: I4s, factors: Reals,
) -> int:  # fmt: skip
    for top in range(0, rows, block):
        begin, end = starts[top], starts[min(top + block, rows)]
        for c in range(n + 1):
            ends[c] = 0
        for k in range(begin, end):
            ends[ids[k] + 1] += 1
        for c in range(n):
            ends[c + 1] += ends[c]
        for k in range(begin, end):  # by columns, and in each in the order of rows
            place = ends[ids[k]]
            order[place] = at[k]
            factors[place] = values[k]
            ends[ids[k]] = place + 1
        first = 0
        for c in range(n):
            add_scaled_rows(dw, c * m, dy, order, first, ends[c], 0, m, 0, m, factors)
            first = ends[c]
    return 0
