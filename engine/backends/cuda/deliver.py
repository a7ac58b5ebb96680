"""Deliver spikes along sparse rows on CUDA. Import this module only where CUDA is wanted."""

from __future__ import annotations

from typing import Any

from numba import cuda

from .words import i4

#: Threads that share one row.
LANES = 32


def deliver(n: Any, spikes: Any, payloads: Any, starts: Any, targets: Any, weights: Any, cells: Any) -> None:
    """Add the rows of n spikes to the input cells of a receptor.

    The sum is of whole numbers on the receptor's grid, so no order in which threads add changes it.
    Row k is `targets[starts[k]:starts[k + 1]]` with int16 `weights`; payloads are whole numbers too.
    """
    index = cuda.grid(1)
    if index // LANES < n:
        source = spikes[index // LANES]
        payload = i4(payloads[index // LANES])
        for synapse in range(starts[source] + index % LANES, starts[source + 1], LANES):
            cuda.atomic.add(cells, targets[synapse], i4(i4(weights[synapse]) * payload))
