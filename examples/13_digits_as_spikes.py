"""Train a spiking network on digits as spikes, and run it in the simulator, spike for spike.

    python examples/13_digits_as_spikes.py [--code rate|latency] [--epochs 100]

A pixel is a rate, of spikes that are drawn anew each time, or how early its one spike comes. The 400 digits
to learn from and the 1,000 others to recognise ship with the package. Needs torch; takes about a minute.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from spikes import confirm, fit
from torch import Tensor

import rheobase as rb
from rheobase.datasets import calibration_digits, digits
from rheobase.datasets.encoding import Bernoulli, Latency

DT, STEPS = 1e-3, 25
CODES = {"rate": Bernoulli(STEPS, rate=0.5), "latency": Latency(STEPS, threshold=0.2)}


def network(hidden: int = 256) -> rb.Network:
    """Return 784 pixels, a layer that spikes, and ten neurons that only add up."""
    rng = np.random.default_rng(0)
    net = rb.Network(seed=0)
    x = net.add(rb.SpikeSource(784, name="x"))
    layer = net.add(rb.Population(hidden, rb.LIF(tau=20e-3, reset="soft"), name="hidden"))
    out = net.add(rb.Population(10, rb.LI(tau=20e-3), name="out"))
    for pre, post, sd in ((x, layer, 0.06), (layer, out, 0.1)):
        weight = rng.normal(0.0, sd, (post.n, pre.n))
        net.add(rb.Projection(pre, post, rb.dense(), weight=weight, delay=0.0))
    return net


def varied(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Return digits as other hands might write them: turned, larger or smaller, slanted, moved."""
    n = len(images)
    turn, zoom = rng.uniform(-0.25, 0.25, n), rng.uniform(0.85, 1.15, n)
    map_back = np.empty((n, 2, 3), np.float32)
    map_back[:, 0, :2] = np.stack([np.cos(turn), rng.uniform(-0.2, 0.2, n) - np.sin(turn)], axis=1)
    map_back[:, 1, :2] = np.stack([np.sin(turn), np.cos(turn)], axis=1)
    map_back *= zoom[:, None, None].astype(np.float32)
    map_back[:, :, 2] = rng.uniform(-0.14, 0.14, (n, 2))
    grid = torch.nn.functional.affine_grid(torch.from_numpy(map_back), (n, 1, 28, 28), align_corners=False)
    return torch.nn.functional.grid_sample(images[:, None], grid, align_corners=False).clamp(0.0, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--code", choices=tuple(CODES), default="rate")
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    code, train, test = CODES[options.code], calibration_digits(), digits()
    images = torch.from_numpy(train.pixels.reshape(-1, 28, 28))

    def encoded(pixels: np.ndarray) -> np.ndarray:
        drawn = {"seed": int(rng.integers(1 << 31))} if options.code == "rate" else {}
        return code.encode(pixels, **drawn)

    def batch_of(chosen: Tensor) -> Tensor:
        return torch.from_numpy(encoded(varied(images[chosen], rng).flatten(1).numpy())).float()

    module = rb.to_torch(network(), dt=DT)
    fit(module, batch_of, train.labels, epochs=options.epochs, rate=2e-3)
    result = confirm(module, encoded(test.pixels), test.labels, dt=DT)
    print(f"energy for a digit on Loihi  {rb.energy(result, 'loihi').per_inference:.2e} J")


if __name__ == "__main__":
    main()
