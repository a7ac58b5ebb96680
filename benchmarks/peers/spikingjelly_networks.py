"""`mlp` and `conv` in SpikingJelly's multi-step mode: `python spikingjelly_networks.py mlp --device cuda`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any

from torch_library import Neurons, time_library
from torch_networks import BETA, THRESHOLD


def load(device: str) -> tuple[str, Neurons]:
    """Return SpikingJelly's version and its neurons, which subtract where they reset to None.

    Before version 2 the CuPy kernels are asked for, and belong to the training mode, in which a module
    starts; later ones choose a kernel by the device.
    """
    from spikingjelly.activation_based import functional, neuron

    node = neuron.LIFNode(
        1 / (1 - BETA), decay_input=False, v_threshold=THRESHOLD, v_reset=None, step_mode="m"
    )

    if device == "cuda":
        node.to(device)
        if hasattr(functional, "set_backend"):
            functional.set_step_mode(node, "m")
            functional.set_backend(node, "cupy")

    def fire(blocks: Iterable[Any]) -> Iterator[Any]:
        functional.reset_net(node)
        yield from map(node, blocks)

    return version("spikingjelly"), fire


if __name__ == "__main__":
    time_library("spikingjelly", load, ("cpu", "cuda"))
