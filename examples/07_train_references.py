"""Train the networks by which conversion is measured, and write their weights and digits to calibrate on.

    python examples/07_train_references.py --data PATH [--only cnn] [--epochs N]

PATH is a folder with MNIST, see `rheobase.datasets.read_mnist`. Written are
* models/data/reference_NAME.npz: the weights of one network and what they were trained on,
* datasets/data/calibration_digits.npz: 40 training digits of each class.

Needs torch. Takes 3 to 6 minutes a network on one core, and gives the same file for the same torch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn
from training import ROOT, SOURCE, first_of_each, fit, seeded, steps_of, write_digits
from training import checksum as checksum_of_digits

from rheobase.datasets import read_mnist
from rheobase.models.reference_modules import BUILDERS
from rheobase.models.references import REFERENCES, checksum

CALIBRATION_PER_CLASS = 40
#: Epochs and largest step of the optimiser.
RECIPES = {"mlp": (30, 2e-3), "cnn": (8, 4e-3), "mixer": (16, 3e-3), "vit": (16, 2e-3), "swiglu": (24, 2e-3)}


def as_torch(images: np.ndarray) -> torch.Tensor:
    """Return images as a network takes them; pixels lie in 0..1 with the background at 0."""
    return torch.from_numpy(images).float().unsqueeze(1) / 255


def shifted(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return the batch, each quarter of it moved by up to two pixels each way."""
    moves = torch.randint(-2, 3, (4, 2), generator=generator).tolist()
    return torch.cat(
        [torch.roll(part, move, (2, 3)) for part, move in zip(images.chunk(4), moves, strict=False)]
    )


def train(name: str, x: torch.Tensor, y: torch.Tensor, *, epochs: int, rate: float, seed: int) -> nn.Module:
    """Train with AdamW and one cycle of its rate."""
    generator = seeded(seed)
    model = BUILDERS[name]()
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.02)
    steps = steps_of(x, epochs)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=0.15)
    how = {"epochs": epochs, "shifted": shifted, "generator": generator, "name": name}
    return fit(model, x, y, optimiser, schedule, **how)


def half_precision(model: nn.Module) -> dict[str, np.ndarray]:
    """Round the weights to 16 bits, in the model too, and return them by name."""
    arrays = {}
    for name, tensor in model.state_dict().items():
        arrays[name] = tensor.numpy().astype(np.float16) if tensor.is_floating_point() else tensor.numpy()
        tensor.copy_(torch.from_numpy(arrays[name]))
    return arrays


def accuracy(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the share of digits that are recognised."""
    with torch.inference_mode():
        return float((torch.cat([model(part).argmax(1) for part in x.split(1000)]) == y).double().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with MNIST")
    parser.add_argument("--only", choices=RECIPES, action="append", help="train this one; may be repeated")
    parser.add_argument("--epochs", type=int, help="default: each network's own")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    images, labels = read_mnist(options.data, "train")
    test_images, test_labels = read_mnist(options.data, "test")
    places = first_of_each(labels, CALIBRATION_PER_CLASS)
    what = f"{CALIBRATION_PER_CLASS} digits of each class from the training set"
    write_digits(ROOT / "datasets/data/calibration_digits.npz", images, labels, places, what)
    x, y = as_torch(images), torch.from_numpy(labels).long()
    test_x, test_y = as_torch(test_images), torch.from_numpy(test_labels).long()
    for name in options.only or RECIPES:
        epochs, rate = RECIPES[name]
        model = train(name, x, y, epochs=options.epochs or epochs, rate=rate, seed=options.seed)
        weights = half_precision(model)
        score = accuracy(model, test_x, test_y)
        print(f"{name} ({REFERENCES[name].title}): {score:.4f} of {len(test_y)} test digits")
        np.savez_compressed(
            ROOT / f"models/data/reference_{name}.npz",
            **weights,
            accuracy=score,
            sha256=checksum(weights),
            training_sha256=checksum_of_digits(images, labels),
            source=SOURCE,
        )


if __name__ == "__main__":
    main()
