"""A step of training in snnTorch: `python snntorch_training.py --model dense --case C --found F`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import snntorch
import torch
from snntorch import surrogate
from torch import Tensor, nn
from torch_training import Learner, linear, main, over_steps


def build(model: str, weights: Sequence[Any], beta: float) -> Learner:
    """Return layers of `Leaky`; where it recurs, of `RLeaky` with all neurons joined."""
    parts, grad = linear(model, weights), surrogate.atan(2.0)
    neurons: list[nn.Module] = [snntorch.Leaky(beta, spike_grad=grad) for _ in parts]
    if model == "recurrent":
        neurons[0] = snntorch.RLeaky(beta, linear_features=len(weights[1]), spike_grad=grad)
        neurons[0].recurrent.weight.data = weights[1]
        neurons[0].recurrent.bias = None
    ordered = [parts[0], neurons[0], *parts[1:]] if model == "recurrent" else parts

    def rest() -> list[tuple[Tensor, ...]]:
        return [n.reset_mem() if recurs(n) else (n.reset_mem(),) for n in neurons]

    def fire(k: int, current: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        found = neurons[k](current, *state)
        return found[0], found if recurs(neurons[k]) else found[1:]

    def step_by_step(x: Tensor) -> list[Tensor]:
        states, sent = rest(), [[] for _ in parts]
        for now in x:
            for k, part in enumerate(parts):
                now, states[k] = fire(k, part(now), states[k])
                sent[k].append(now)
        return [torch.stack(each) for each in sent]

    def layer_by_layer(x: Tensor) -> list[Tensor]:
        found = []
        for k, (part, state) in enumerate(zip(parts, rest(), strict=True)):
            sent = []
            for current in over_steps(part, x):
                spikes, state = fire(k, current, state)
                sent.append(spikes)
            x = torch.stack(sent)
            found.append(x)
        return found

    modes = {"step by step": step_by_step, "layer by layer": layer_by_layer}
    if model == "delayed":
        del modes["step by step"]
    return Learner(nn.ModuleList(ordered), modes)


def recurs(neuron: nn.Module) -> bool:
    """Return whether its own spikes are part of its state."""
    return isinstance(neuron, snntorch.RLeaky)


if __name__ == "__main__":
    main("snntorch", snntorch.__version__, build)
