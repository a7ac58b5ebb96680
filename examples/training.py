"""What the scripts that train digits have in common: one loop, the digits that they write, and where to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
SOURCE = "MNIST, Y. LeCun, C. Cortes and C. J. C. Burges, from NIST Special Databases 1 and 3"
BATCH = 128

Shift = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def seeded(seed: int) -> torch.Generator:
    """Let torch begin from a seed, on one thread, and return what draws for the batches."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    return torch.Generator().manual_seed(seed)


def steps_of(x: torch.Tensor, epochs: int) -> int:
    """Return how many batches so many epochs are."""
    return epochs * -(-len(x) // BATCH)


def fit(
    model: nn.Module, x: torch.Tensor, y: torch.Tensor, optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler, *, epochs: int, shifted: Shift,
    generator: torch.Generator, name: str,
) -> nn.Module:  # fmt: skip
    """Train by cross-entropy on batches that are shifted, and return the model in evaluation."""
    for epoch in range(epochs):
        total = 0.0
        for chosen in torch.randperm(len(x), generator=generator).split(BATCH):
            loss = nn.functional.cross_entropy(model(shifted(x[chosen], generator)), y[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(chosen)
        print(f"{name}, epoch {epoch + 1}/{epochs}: loss {total / len(x):.4f}", flush=True)
    return model.eval()


def first_of_each(labels: np.ndarray, n: int) -> np.ndarray:
    """Return the places of the first n digits of each class, in their order."""
    return np.sort(np.concatenate([np.flatnonzero(labels == digit)[:n] for digit in range(10)]))


def write_digits(path: Path, images: np.ndarray, labels: np.ndarray, places: np.ndarray, what: str) -> None:
    """Write the digits at some places, where they come from, and a checksum."""
    images, labels = images[places], labels[places]
    np.savez_compressed(
        path,
        images=images,
        labels=labels,
        places=places.astype(np.uint16),
        sha256=checksum(images, labels),
        source=f"{SOURCE}; {what}",
    )


def checksum(images: np.ndarray, labels: np.ndarray) -> str:
    """Return the SHA-256 of digits with their classes."""
    return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
