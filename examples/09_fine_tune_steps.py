"""Fine-tune a network whose activations have few steps, and see what that wins over conversion alone.

    python examples/09_fine_tune_steps.py [--model mlp] [--bits 1 2] [--epochs 15]

The network learns to answer as it did before, on the 400 digits that ship for calibration, shifted about: no
labels are needed. Needs torch; takes one to two minutes for "mlp" and "cnn" on two cores.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from torch import Tensor, nn

import rheobase as rb
from rheobase.datasets import Digits, calibration_digits, digits

BATCH = 50
#: Largest step of the optimiser.
RATES = {"mlp": 3e-4, "cnn": 2e-3}


def images_of(data: Digits) -> Tensor:
    """Return digits as the network takes them."""
    return torch.from_numpy(data.pixels.reshape(-1, 1, 28, 28))


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return the images, each tenth of them moved by up to two pixels each way."""
    moves = torch.randint(-2, 3, (10, 2), generator=generator).tolist()
    return torch.cat(
        [torch.roll(part, move, (2, 3)) for part, move in zip(images.chunk(10), moves, strict=False)]
    )


def fine_tune(
    tuned: nn.Module, original: nn.Module, x: Tensor, *, epochs: int, rate: float, seed: int = 0
) -> nn.Module:
    """Train a network with steps to answer as the original does; statistics of BatchNorm stand still."""
    generator = torch.Generator().manual_seed(seed)
    tuned.requires_grad_(True)
    optimiser = torch.optim.Adam(tuned.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, epochs * -(-len(x) // BATCH))
    for _ in range(epochs):
        for chosen in torch.randperm(len(x), generator=generator).split(BATCH):
            batch = shifted(x[chosen], generator)
            with torch.no_grad():
                wanted = original(batch).softmax(1)
            loss = nn.functional.cross_entropy(tuned(batch), wanted)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return tuned.requires_grad_(False).eval()


def score(network: rb.Converted, x: np.ndarray, labels: np.ndarray) -> str:
    """Return what a converted network recognises, and for how much."""
    found = network.run(x)
    right = (found.labels == labels).mean()
    return f"{right:6.1%}  {found.operations.mean():12,.0f}  {found.spikes_per_input:10,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", choices=tuple(RATES), default="mlp")
    parser.add_argument("--bits", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args()

    original = rb.models.reference(options.model)
    sample, test = images_of(calibration_digits()), digits()
    x, labels = images_of(test).numpy(), test.labels
    with torch.inference_mode():
        right = (original(torch.from_numpy(x)).argmax(1).numpy() == labels).mean()
    print(f"{options.model}, {len(x)} digits that it was not trained on: {right:.1%}")
    print("bits  how          right    operations      events")
    for bits in options.bits:
        levels = 2**bits - 1
        tuned = rb.quantise_activations(original, sample, levels=levels)
        fine_tune(tuned, original, sample, epochs=options.epochs, rate=RATES[options.model])
        # Cells that were not trained in steps, those of mean pooling, have room for their means.
        plain, trained = rb.convert(original, sample, bits=bits), rb.convert(tuned, sample, bits=8)
        print(f"{bits}     converted   {score(plain, x, labels)}")
        print(f"{bits}     fine-tuned  {score(trained, x, labels)}", flush=True)


if __name__ == "__main__":
    main()
