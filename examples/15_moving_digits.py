"""Train a convolutional spiking network on digits that an event camera saw move.

    python examples/15_moving_digits.py [--epochs 24] [--recordings 800] [--root FOLDER]

The recordings are in the layout of N-MNIST, and are made here, of the digits that ship: 400 to learn from,
as often as asked, and 1,000 others to recognise. With --root those of N-MNIST are read from FOLDER
(Train/0/00002.bin and so on), as many. Needs torch; takes about two minutes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from spikes import confirm, fit
from torch import Tensor

import rheobase as rb
from rheobase.datasets import bin_events, moving_digits, nmnist

DT, STEPS, SENSOR = 10e-3, 32, (2, 34, 34)


def counts(data: rb.datasets.EventDataset) -> np.ndarray:
    """Return the events of each pixel in each step, uint8 (steps, recordings, pixels)."""
    binned = [bin_events(events, DT, STEPS, clip=True).dense() for events, _ in data]
    return np.stack(binned, axis=1).reshape(STEPS, len(binned), -1)


def network() -> rb.Network:
    """Return the sensor, two convolutional layers that spike, and ten neurons that only add up."""
    rng = np.random.default_rng(0)
    net = rb.Network(seed=0)
    x = net.add(rb.SpikeSource(SENSOR, name="x"))
    first = net.add(rb.Population((8, 15, 15), rb.LIF(tau=20e-3, reset="soft"), name="first"))
    second = net.add(rb.Population((16, 6, 6), rb.LIF(tau=20e-3, reset="soft"), name="second"))
    out = net.add(rb.Population(10, rb.LI(tau=60e-3), name="out"))
    for pre, post, kernel in ((x, first, (8, 2, 5, 5)), (first, second, (16, 8, 5, 5))):
        net.add(
            rb.Projection(pre, post, rb.conv2d(stride=2), weight=rng.normal(0.0, 0.25, kernel), delay=0.0)
        )
    weight = rng.normal(0.0, 0.5 / second.n**0.5, (10, second.n))
    net.add(rb.Projection(second, out, rb.dense(), weight=weight, delay=0.0))
    return net


def shifted(events: Tensor) -> Tensor:
    """Return recordings, five by five moved by up to two pixels each way."""
    pictures = events.reshape(STEPS, -1, *SENSOR)
    moved = [
        torch.roll(part, torch.randint(-2, 3, (2,)).tolist(), (3, 4)) for part in pictures.split(5, dim=1)
    ]
    return torch.cat(moved, dim=1).reshape(events.shape).float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--recordings", type=int, default=800, help="to learn from")
    parser.add_argument("--root", type=Path, help="folder with N-MNIST")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    if options.root:
        rng = np.random.default_rng(0)
        data, test = (nmnist(options.root, split) for split in ("train", "test"))
        data, test = (
            part[rng.permutation(len(part))[:n]] for part, n in ((data, options.recordings), (test, 1000))
        )
    else:
        data, test = moving_digits(options.recordings), moving_digits(split="test")

    events = torch.from_numpy(counts(data))
    print(
        f"{len(data)} recordings, {events.sum(dim=(0, 2), dtype=torch.int64).float().mean():.0f} events each"
    )
    module = rb.to_torch(network(), dt=DT)
    fit(module, lambda chosen: shifted(events[:, chosen]), data.labels, epochs=options.epochs, rate=4e-3)
    confirm(module, counts(test), test.labels, dt=DT)


if __name__ == "__main__":
    main()
