"""Train a spiking network on spoken digits as spikes of a cochlea, and test it on voices that it never heard.

    python examples/14_spoken_digits.py [--epochs 90] [--root FOLDER]

Twenty words in the layout of the Spiking Heidelberg Digits: 300 recordings of 20 synthetic voices to learn
from, 100 of 9 others to recognise, both in the package. Five channels each are taken together, and 10 ms
are a step. With --root the real recordings, of people, are read from FOLDER (shd_train.h5 and shd_test.h5),
which takes longer. Needs torch; takes one to two minutes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from spikes import confirm, fit
from torch import Tensor

import rheobase as rb
from rheobase.datasets import bin_events, shd, spoken_digits
from rheobase.learning.readout import ridge

DT, STEPS, TOGETHER = 10e-3, 80, 5
INPUTS = 700 // TOGETHER


def counts(data: rb.datasets.EventDataset) -> np.ndarray:
    """Return the spikes of neighbouring channels in each step, uint8 (steps, recordings, inputs)."""
    binned = [bin_events(events, DT, STEPS, clip=True).dense() for events, _ in data]
    return np.stack(
        [one.reshape(STEPS, INPUTS, TOGETHER).sum(axis=2, dtype=np.uint8) for one in binned], axis=1
    )


def network(hidden: int = 128) -> rb.Network:
    """Return the inputs, two layers that spike, and a neuron for each word that only adds up."""
    rng = np.random.default_rng(0)
    net = rb.Network(seed=0)
    x = net.add(rb.SpikeSource(INPUTS, name="x"))
    first = net.add(rb.Population(hidden, rb.LIF(tau=40e-3, reset="soft"), name="first"))
    second = net.add(rb.Population(hidden, rb.LIF(tau=40e-3, reset="soft"), name="second"))
    out = net.add(rb.Population(20, rb.LI(tau=80e-3), name="out"))
    for pre, post, scale in ((x, first, 1.0), (first, second, 1.5), (second, out, 0.5)):
        weight = rng.normal(0.0, scale / pre.n**0.5, (post.n, pre.n))
        net.add(rb.Projection(pre, post, rb.dense(), weight=weight, delay=0.0))
    return net


def other_voices(spikes: Tensor) -> Tensor:
    """Return recordings as other voices might say them: higher or lower, earlier or later, drawn anew."""
    moves = torch.randint(-4, 5, (spikes.shape[1], 2)).tolist()
    moved = [torch.roll(one, move, (0, 2)) for one, move in zip(spikes.split(1, dim=1), moves, strict=True)]
    return torch.poisson(torch.cat(moved, dim=1).float() * (0.8 + 0.3 * torch.rand(())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--epochs", type=int, default=90)
    parser.add_argument("--root", type=Path, help="folder with the real recordings")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    parts = [shd(options.root, s) if options.root else spoken_digits(s) for s in ("train", "test")]
    (x, labels), (test, wanted) = ((counts(part), part.labels) for part in parts)

    module = rb.to_torch(network(), dt=DT, batch_norm=["first", "second"], dropout={"first": 0.3})
    recordings = torch.from_numpy(x)
    fit(module, lambda chosen: other_voices(recordings[:, chosen]), labels, epochs=options.epochs, rate=3e-3)
    confirm(module, test, wanted, dt=DT)
    for name, steps in (("counts of channels", STEPS), ("counts in 50 ms", 5)):
        features, others = (
            one.reshape(STEPS // steps, steps, -1, INPUTS).sum(1).swapaxes(0, 1).reshape(one.shape[1], -1)
            for one in (x.astype(float), test.astype(float))
        )
        baseline = ridge(features, labels, np.logspace(0, 6, 13), classify=True)
        print(f"ridge on {name:18}  {baseline.score(others, wanted):.1%}")


if __name__ == "__main__":
    main()
