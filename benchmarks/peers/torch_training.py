"""What libraries of torch share where they train: the case, a step forward and back, and what is told of it.

A case is one file of arrays: the input `x` [steps, batch, n], `labels`, the leak `beta`, and `weight 0`, ...
in the order in which signals meet them; where delays are learned, each is followed by their positions in
steps, and `longest` is the longest. A library says in which ways it can run; the fastest one is timed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from protocol import Prepared, answer
from torch import Tensor, nn


@dataclass(frozen=True)
class Learner:
    """A network in a library.

    Attributes
    ----------
    module : Module
        What has the parameters, in the order of the case's weights.
    modes : dict
        The ways to run it, by name: input [steps, batch, n] -> the spikes of each layer [steps, batch, ...].
    """

    module: nn.Module
    modes: dict[str, Callable[[Tensor], list[Tensor]]]


#: Takes the name of the network, the weights (or modules of delayed ones), and the leak.
Build = Callable[[str, Sequence[Any], float], Learner]


def main(peer: str, version: str, build: Build) -> None:
    """Train on a case: say how long a step takes, and write spikes and gradients to a file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", type=Path, required=True, help="an .npz of weights, input and labels")
    parser.add_argument("--found", type=Path, required=True, help="where spikes and gradients go")
    parser.add_argument("--model", required=True, help="dense, recurrent, conv or delayed")
    parser.add_argument("--device", default="cpu", help="of torch")
    parser.add_argument("--mode", help="one of the ways to run it; default: the fastest")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--paced", action="store_true", help="run once for every line read")
    answer(peer, parser, lambda args: _prepare(args, version, build))


def _prepare(args: argparse.Namespace, version: str, build: Build) -> Prepared:
    torch.set_num_threads(args.threads)
    with np.load(args.case, allow_pickle=False) as arrays:
        x, labels = (torch.from_numpy(arrays[name]).to(args.device) for name in ("x", "labels"))
        weights = [torch.from_numpy(arrays[key]) for key in arrays.files if key.startswith("weight")]
        beta, longest, x = float(arrays["beta"]), int(arrays["longest"]), x.float()
    if args.model == "delayed":
        weights = [Delayed(w, p, longest) for w, p in zip(weights[::2], weights[1::2], strict=True)]
    began = time.perf_counter()
    learner = build(args.model, weights, beta)
    learner.module.to(args.device)
    built = time.perf_counter() - began

    def step(mode: str, steps: int | None = None) -> list[Tensor]:
        learner.module.zero_grad()
        spikes = learner.modes[mode](x[:steps])
        counts = spikes[-1].sum(0).flatten(1)
        nn.functional.cross_entropy(counts, labels).backward()
        return spikes

    def most() -> float:
        return torch.cuda.max_memory_allocated() / 1e6 if args.device == "cuda" else _peak_mb()

    def run(mode: str) -> float:
        began = time.perf_counter()
        step(mode)
        if args.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    _forget_peak()  # what it took to read the input
    step(next(iter(learner.modes)), 1)
    base = most()
    mode = args.mode or min(learner.modes, key=lambda mode: min(run(mode) for _ in range(4)))

    def facts() -> dict[str, Any]:
        memory = {"peak_mb": most(), "base_mb": base}
        found = {f"spikes {k}": np.packbits(s.detach().cpu().numpy() != 0) for k, s in enumerate(step(mode))}
        gradients = [p.grad.cpu().numpy() for p in learner.module.parameters() if p.grad is not None]
        np.savez(args.found, **found, **{f"gradient {k}": g for k, g in enumerate(gradients)})
        return memory

    return Prepared(version, built, lambda: run(mode), facts, {"peer_mode": mode})


def _peak_mb() -> float:
    """Return the most that this process has held so far, in MB."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def _forget_peak() -> None:
    """Let the peak count from now on, where the system can do that: Linux."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def linear(model: str, weights: Sequence[Any]) -> list[nn.Module]:
    """Return what is linear before each layer of neurons, without the recurrent weights."""
    if model == "delayed":
        return [*weights]
    if model == "conv":
        parts: list[nn.Module] = []
        for k, shape in ((0, (1, 28, 28)), (2, None)):
            kernels = weights[k]
            conv = nn.Conv2d(kernels.shape[1], kernels.shape[0], 3, padding=1, bias=False)
            pool = Pool(weights[k + 1])
            parts += [nn.Sequential(nn.Unflatten(1, shape), conv) if shape else conv, pool]
            conv.weight.data = kernels
        return [*parts, nn.Sequential(nn.Flatten(), _dense(weights[4]))]
    return [_dense(weight) for weight in (weights if model == "dense" else (weights[0], weights[2]))]


def _dense(weight: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.data = weight
    return layer


class Pool(nn.Module):
    """The average of windows of two by two, times a weight that is trained."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        return nn.functional.avg_pool2d(x, 2) * self.weight


class Delayed(nn.Module):
    """Synapses with a bell of taps around positions, as one convolution over time.

    Bells reach over delays from 1 to the longest, and have a sum of 1 and a sigma of half the longest.
    """

    def __init__(self, weight: Tensor, position: Tensor, longest: int) -> None:
        super().__init__()
        self.weight, self.position = nn.Parameter(weight), nn.Parameter(position)
        self.longest = longest

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (steps, batch, n)."""
        delay = torch.arange(self.longest, 0, -1, device=x.device)
        away = (delay - self.position[..., None]) / (self.longest / 2)
        bell = torch.exp(-0.5 * away * away)
        taps = self.weight[..., None] * bell / (bell.sum(-1, keepdim=True) + 1e-7)
        padded = nn.functional.pad(x.permute(1, 2, 0), (self.longest, 0))
        return nn.functional.conv1d(padded, taps)[..., : len(x)].permute(2, 0, 1)


def over_steps(part: nn.Module, x: Tensor) -> Tensor:
    """Return what a part makes of all steps and samples [steps, batch, ...] at once."""
    if isinstance(part, Delayed):
        return part(x)
    return part(x.flatten(0, 1)).unflatten(0, x.shape[:2])
