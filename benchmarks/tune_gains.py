"""Find the weight gains at which 5 % of neurons fire per step in the `mlp` and `conv` workloads.

`python benchmarks/tune_gains.py` prints the figures that `rheobase.models.benchmarks` and
`peers/torch_networks.py` hold: plain NumPy, nothing of ours.
"""

from __future__ import annotations

import numpy as np

BETA, THRESHOLD, AIM, STEPS = 0.9, 1.0, 0.05, 100


def spikes_of(current: np.ndarray) -> np.ndarray:
    """Run LIF neurons (soft reset in the same step) on currents [steps, ...]."""
    v = np.zeros(current.shape[1:], dtype=np.float32)
    spikes = np.empty(current.shape, dtype=np.float32)
    for step, arrived in enumerate(current):
        v = BETA * v + arrived
        spikes[step] = v > THRESHOLD
        v -= THRESHOLD * spikes[step]
    return spikes


def gain_for(current: np.ndarray) -> float:
    """Return the factor on the currents at which the mean activity meets the aim, by bisection."""
    low, high = 0.0, 64.0
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if spikes_of(middle * current).mean() < AIM else (low, middle)
    return high


def tune_mlp(batch: int = 64) -> list[float]:
    """Return one gain per layer of 784-1024-1024-10."""
    rng = np.random.default_rng(0)
    x = (rng.random((STEPS, batch, 784), dtype=np.float32) < 0.05).astype(np.float32)
    gains = []
    for n_pre, n_post in ((784, 1024), (1024, 1024), (1024, 10)):
        draws = 64 if n_post == 10 else 1
        weight = rng.standard_normal((n_post * draws, n_pre), dtype=np.float32) / np.sqrt(n_pre)
        current = x @ weight.T.astype(np.float32)
        gains.append(gain_for(current))
        x = spikes_of(gains[-1] * current)
    return gains


def tune_conv(channels: int, side: int, filters: int = 512, activity: float = 0.05) -> float:
    """Return the gain of one 3x3 convolution, from more filters than it has (they differ much)."""
    rng = np.random.default_rng(0)
    x = (rng.random((STEPS // 2, channels, side, side), dtype=np.float32) < activity).astype(np.float32)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::4, ::4]
    patches = patches.transpose(0, 2, 3, 1, 4, 5).reshape(STEPS // 2, -1, channels * 9)
    weight = rng.standard_normal((channels * 9, filters), dtype=np.float32) / np.sqrt(9 * channels)
    return gain_for(patches @ weight.astype(np.float32))


if __name__ == "__main__":
    print("mlp", [round(gain, 3) for gain in tune_mlp()])
    for channels, side in ((32, 32), (64, 16), (128, 8)):
        print("conv", (channels, side), round(tune_conv(channels, side), 3))
