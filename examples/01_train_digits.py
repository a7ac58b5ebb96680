"""Train the small ReLU network that rheobase ships, and write it with the test digits that go with it.

    python examples/01_train_digits.py --data PATH

PATH is a folder with MNIST, see `rheobase.datasets.read_mnist`.

Written are
* models/data/digits_mlp.npz: the weights of a 784-128-64-10 network and what they were trained on,
* datasets/data/digits.npz: 100 test digits of each class,
* tests/datasets/training_digits.npz: the first 4 bytes of the SHA-256 of every training digit, by
  which a test can see that no shipped digit was trained on.

Needs torch. Takes about a minute on one core, and gives the same file for the same torch.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import nn
from training import ROOT, SOURCE, checksum, first_of_each, fit, seeded, steps_of, write_digits

from rheobase.datasets import read_mnist

SHIPPED_PER_CLASS = 100


def checksums(images: np.ndarray) -> np.ndarray:
    """Return the first 4 bytes of the SHA-256 of each image."""
    digests = b"".join(hashlib.sha256(image.tobytes()).digest()[:4] for image in images)
    return np.frombuffer(digests, "<u4")


def shifted(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return the batch moved by up to one pixel each way, all digits of a batch alike."""
    right, down = (int(torch.randint(-1, 2, (), generator=generator)) for _ in range(2))
    return torch.roll(images, (down, right), (1, 2))


def train(images: np.ndarray, labels: np.ndarray, *, epochs: int, seed: int) -> nn.Sequential:
    """Train with Adam and a cosine schedule; pixels lie in 0..1, so that they can become spike rates."""
    generator = seeded(seed)
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.1),
        nn.Linear(128, 64), nn.ReLU(),
        nn.Linear(64, 10),
    )  # fmt: skip
    x = torch.from_numpy(images).float() / 255
    y = torch.from_numpy(labels).long()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps_of(x, epochs))
    how = {"epochs": epochs, "shifted": shifted, "generator": generator, "name": "mlp"}
    return fit(model, x, y, optimiser, schedule, **how)


def half_precision(model: nn.Sequential) -> dict[str, np.ndarray]:
    """Round the weights to 16 bits, in the model too, and return them by name."""
    arrays = {}
    for i, layer in enumerate((m for m in model if isinstance(m, nn.Linear)), start=1):
        for name, parameter in (("weight", layer.weight), ("bias", layer.bias)):
            arrays[f"{name}{i}"] = parameter.detach().numpy().astype(np.float16)
            parameter.data = torch.from_numpy(arrays[f"{name}{i}"]).float()
    return arrays


def accuracy(model: nn.Sequential, images: np.ndarray, labels: np.ndarray) -> float:
    with torch.no_grad():
        guesses = model(torch.from_numpy(images).float() / 255).argmax(1).numpy()
    return float((guesses == labels).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with MNIST")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    images, labels = read_mnist(options.data, "train")
    test_images, test_labels = read_mnist(options.data, "test")
    seen = np.sort(checksums(images))
    places = first_of_each(test_labels, SHIPPED_PER_CLASS)
    if np.isin(checksums(test_images[places]), seen).any():
        raise SystemExit("A chosen test digit is among the training digits: nothing was written.")

    model = train(images, labels, epochs=options.epochs, seed=options.seed)
    weights = half_precision(model)
    score = accuracy(model, test_images, test_labels)
    print(f"accuracy on {len(test_labels)} test digits: {score:.4f}")

    np.savez_compressed(
        ROOT / "models/data/digits_mlp.npz",
        **weights,
        test_accuracy=score,
        n_training=len(images),
        training_sha256=checksum(images, labels),
        training_digits_sha256=hashlib.sha256(seen.tobytes()).hexdigest(),
        source=SOURCE,
    )
    what = f"{SHIPPED_PER_CLASS} digits of each class from the test set"
    write_digits(ROOT / "datasets/data/digits.npz", test_images, test_labels, places, what)
    np.savez(ROOT / "tests/datasets/training_digits.npz", checksums=seen)


if __name__ == "__main__":
    main()
