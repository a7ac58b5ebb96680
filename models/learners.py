"""The networks of `rheobase bench train`: what is trained there, and on what."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.connectivity import conv2d, dense, pool2d
from ..engine.distributions import uniform
from ..engine.network import Network
from ..engine.parts import Population, Projection
from ..engine.sources import SpikeSource
from ..neurons import Leaky

#: Factors on uniform weights in +-1 / sqrt(fan-in), at which layers fire a few per cent of the time.
GAINS = {
    "dense": (2.4, 4.0, 4.0), "recurrent": (2.4, 2.0, 3.0), "conv": (4.0, 2.0, 3.0, 2.0, 4.0),
    "delayed": (3.5, 4.0, 5.0),
}  # fmt: skip
#: The longest delay of "delayed", in seconds: 25 steps.
LONGEST = 25e-3
#: Leak of all neurons, per step.
BETA = 0.9


def learner(model: str, *, seed: int = 0, reset_delay: bool = True) -> Network:
    """Return a network to be trained.

    Parameters
    ----------
    model : "dense", "recurrent", "conv" or "delayed"
        700-256-256-20, as for spoken digits of a cochlea; 700-256-20 with all neurons in the middle joined,
        a step later; images of 28 x 28 through 3 x 3 convolutions to 16 and 32 channels, each pooled by
        twos, to 10 neurons; or 140-256-256-20 with a delay of 1 to 25 steps at each synapse, to be learned.
    seed : int
        Seed of the weights.
    reset_delay : bool
        Whether neurons (`Leaky`, threshold 1) fire above the threshold and subtract in the step after, as in
        snnTorch, or fire at it and subtract at once, as in SpikingJelly.

    Examples
    --------
    >>> [part.n for part in learner("conv").populations]
    [12544, 3136, 6272, 1568, 10]
    """
    rng, gains = np.random.default_rng(seed), iter(GAINS[model])
    net = Network(seed=seed)

    def weights(*shape: int) -> np.ndarray:
        return rng.uniform(-1.0, 1.0, shape) * next(gains) / np.sqrt(np.prod(shape[1:]))

    def layer(pre: Any, shape: Any, connectivity: Any, weight: Any, name: str) -> Any:
        neurons = Leaky(BETA, reset_delay=reset_delay, strict=reset_delay)
        post = net.add(Population(shape, neurons, name=name))
        delay: Any = uniform(1e-3, LONGEST) if model == "delayed" else 0.0
        net.add(Projection(pre, post, connectivity, weight=weight, delay=delay, name=f"to {name}"))
        return post

    if model == "conv":
        x: Any = net.add(SpikeSource((1, 28, 28), name="x"))
        for k, (channels, size) in enumerate(((16, 28), (32, 14)), start=1):
            kernels = weights(channels, x.shape[0], 3, 3)
            x = layer(x, (channels, size, size), conv2d(padding=1), kernels, f"conv {k}")
            x = layer(x, (channels, size // 2, size // 2), pool2d(2), next(gains), f"pool {k}")
        layer(x, 10, dense(), weights(10, x.n), "out")
        return net
    x = net.add(SpikeSource(140 if model == "delayed" else 700, name="x"))
    for k in (1, 2)[: 1 if model == "recurrent" else 2]:
        x = layer(x, 256, dense(), weights(256, x.n), f"hidden {k}")
        if model == "recurrent":
            net.add(Projection(x, x, dense(), weight=weights(256, 256), delay=1e-3, name="back"))
    layer(x, 20, dense(), weights(20, 256), "out")
    return net


def spikes_to_learn(
    network: Network, *, steps: int, batch: int, activity: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return random input of a learner, uint8 (steps, batch, n), and labels, int64 (batch,).

    Examples
    --------
    >>> x, labels = spikes_to_learn(learner("dense"), steps=3, batch=2, activity=0.1)
    >>> x.shape, bool(labels.max() < 20)
    ((3, 2, 700), True)
    """
    rng = np.random.default_rng([seed, 1])
    x = rng.random((steps, batch, network.sources[0].n), np.float32) < activity
    return x.astype(np.uint8), rng.integers(0, network.populations[-1].n, batch)
