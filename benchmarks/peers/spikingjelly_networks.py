"""`mlp` and `conv` in SpikingJelly's multi-step mode: `python spikingjelly_networks.py mlp`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any

from torch_library import Neurons, time_library
from torch_networks import BETA, THRESHOLD


def load() -> tuple[str, Neurons]:
    """Return SpikingJelly's version and its neurons, which subtract where they reset to None."""
    from spikingjelly.activation_based import functional, neuron

    node = neuron.LIFNode(
        1 / (1 - BETA), decay_input=False, v_threshold=THRESHOLD, v_reset=None, step_mode="m"
    )

    def fire(blocks: Iterable[Any]) -> Iterator[Any]:
        functional.reset_net(node)
        yield from map(node, blocks)

    return version("spikingjelly"), fire


if __name__ == "__main__":
    time_library("spikingjelly", load)
