"""`mlp` and `conv` in Sinabs: `python sinabs_networks.py mlp --batch 64`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from torch_library import Neurons, time_library
from torch_networks import BETA, THRESHOLD


def load(device: str) -> tuple[str, Neurons]:
    """Return Sinabs' version and its neurons, which take [batch, steps, ...]."""
    import sinabs
    import torch
    from sinabs.activation import SingleSpike
    from sinabs.layers import LIF

    lif = LIF(
        -1 / math.log(BETA), spike_threshold=torch.tensor(THRESHOLD), spike_fn=SingleSpike, norm_input=False
    )

    def fire(blocks: Iterable[Any]) -> Iterator[Any]:
        lif.reset_states()
        for currents in blocks:
            yield lif(currents.transpose(0, 1)).transpose(0, 1)

    return sinabs.__version__, fire


if __name__ == "__main__":
    time_library("sinabs", load)
