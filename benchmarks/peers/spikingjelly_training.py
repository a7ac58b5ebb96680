"""A step of training in SpikingJelly: `python spikingjelly_training.py --model dense --case C --found F`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import torch
from spikingjelly.activation_based import functional, neuron, surrogate
from torch import Tensor, nn
from torch_training import Learner, linear, main, over_steps


def build(model: str, weights: Sequence[Any], beta: float) -> Learner:
    """Return layers of `LIFNode` in multi-step mode, which subtracts where it resets to None.

    On a GPU also with its fused kernels, where CuPy is there.
    """
    parts = linear(model, weights)
    neurons = [
        neuron.LIFNode(
            1 / (1 - beta), decay_input=False, v_reset=None, detach_reset=True, step_mode="m",
            surrogate_function=surrogate.ATan(2.0),
        )
        for _ in parts
    ]  # fmt: skip
    whole = nn.ModuleList([*parts, *neurons])

    def layer_by_layer(x: Tensor, backend: str = "torch") -> list[Tensor]:
        functional.reset_net(whole)
        for node in neurons:
            node.backend = backend
        found = []
        for part, node in zip(parts, neurons, strict=True):
            x = node(over_steps(part, x))
            found.append(x)
        return found

    modes: dict[str, Any] = {"multi-step": layer_by_layer}
    if torch.cuda.is_available() and find_spec("cupy") is not None:
        modes["multi-step by CuPy"] = partial(layer_by_layer, backend="cupy")
    return Learner(whole, modes)


if __name__ == "__main__":
    main("spikingjelly", version("spikingjelly"), build)
