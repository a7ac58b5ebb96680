"""`mlp` and `conv` in snnTorch: `python snntorch_networks.py mlp --batch 64`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch_library import Neurons, time_library
from torch_networks import BETA, THRESHOLD


def load(device: str) -> tuple[str, Neurons]:
    """Return snnTorch's version and its neurons.

    Even without a delay of the reset, they subtract once more in the next step where v is still above
    the threshold: a little fewer spikes than the others.
    """
    import snntorch
    import torch

    # Without gradients and with its own v: half the time.
    leaky = snntorch.Leaky(
        BETA, threshold=THRESHOLD, surrogate_disable=True, init_hidden=True, reset_delay=False
    )

    def fire(blocks: Iterable[Any]) -> Iterator[Any]:
        leaky.reset_mem()
        for currents in blocks:
            yield torch.stack([leaky(current) for current in currents])

    return snntorch.__version__, fire


if __name__ == "__main__":
    time_library("snntorch", load)
