"""A network stepped in snnTorch: `python snntorch_conversion.py --model mlp --case FILE --modules FILE`.

snnTorch has no converter. What its user writes is here: each ReLU becomes a Leaky without leak, with the
99.9 % quantile of each unit as its threshold; it starts at half of it and subtracts it at a spike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import snntorch
import torch
from torch import Tensor, nn
from torch_conversion import Spiking, main


class Integrate(nn.Module):
    """Neurons that integrate and fire; a spike is worth their threshold."""

    def __init__(self, theta: Tensor) -> None:
        super().__init__()
        self.theta = theta
        self.leaky = snntorch.Leaky(
            1.0, threshold=theta, surrogate_disable=True, init_hidden=True, reset_delay=False
        )

    def start(self, n: int) -> None:
        """Let `n` samples begin."""
        self.leaky.mem = (self.theta / 2).expand(n, -1).clone()

    def forward(self, x: Tensor) -> Tensor:
        return self.leaky(x) * self.theta


def convert(model: nn.Module, arrays: Mapping[str, np.ndarray], steps: int) -> Spiking:
    """Put neurons with thresholds for each ReLU of a Sequential."""
    if not isinstance(model, nn.Sequential) or any(isinstance(part, nn.Conv2d) for part in model):
        raise SystemExit("snnTorch has no converter; only a Sequential of Linear and ReLU is taken here")
    x, neurons = torch.from_numpy(arrays["calibration"]), []
    for name, part in model.named_children():
        x = part(x)
        if isinstance(part, nn.ReLU):
            neurons.append(Integrate(x.quantile(0.999, 0).clamp(min=1e-6)))
            setattr(model, name, neurons[-1])

    def run(images: Tensor, steps: int) -> Iterator[Tensor]:
        for neuron in neurons:
            neuron.start(len(images))
        total = torch.zeros(())
        for _ in range(steps):
            total = total + model(images)
            yield total

    return Spiking(model, run, len(neurons), "step by step, the images in every step")


if __name__ == "__main__":
    main("snntorch", snntorch.__version__, convert)
