"""What converters upon torch share: the case that is measured, how its work is counted, what is told of it.

A case is one file of arrays: `weights.NAME` of the trained network, images `x` with their `labels`, and
`calibration` images. The network is built by the function of its name in the file given by `--modules`.
Operations of an image are, for each layer with weights, the inputs that are not zero times the outputs that
each of them reaches; those of the first layer, which meets the pixels, are counted apart.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from protocol import Prepared, answer
from torch import Tensor, nn

#: Images that are counted and scored at a time.
CHUNK = 100


#: Takes a network, the arrays of its case, and the most steps that it will run.
Convert = Callable[[nn.Module, Mapping[str, np.ndarray], int], "Spiking"]


@dataclass(frozen=True)
class Spiking:
    """What a converter made of a network.

    `run` takes images and a number of steps, and yields the sum of outputs after each. It calls each layer
    of `module` once a step, or once for all: with steps along the first axis, or with an image's steps one
    behind the other. `neurons` says how many parts spike.
    """

    module: nn.Module
    run: Callable[[Tensor, int], Iterator[Tensor]]
    neurons: int
    mode: str
    notes: dict[str, Any] = field(default_factory=dict)


def main(peer: str, version: str, convert: Convert) -> None:
    """Convert the network of a case, score it, count its operations, and time it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", type=Path, required=True, help="an .npz of weights, images and labels")
    parser.add_argument("--modules", type=Path, required=True, help="the file that builds the network")
    parser.add_argument("--model", required=True, help="its name there")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--batch", type=int, default=100, help="images of a timed run")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--paced", action="store_true", help="run once for every line read")

    def prepare(args: argparse.Namespace) -> Prepared:
        return _prepare(args, version, convert)

    answer(peer, parser, prepare)


def _prepare(args: argparse.Namespace, version: str, convert: Convert) -> Prepared:
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    arrays = dict(np.load(args.case, allow_pickle=False))
    model = _build(args.modules, args.model)
    prefix = "weights."
    model.load_state_dict(
        {key[len(prefix) :]: torch.from_numpy(a) for key, a in arrays.items() if key.startswith(prefix)}
    )
    x, labels = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["labels"].astype(np.int64))
    began = time.perf_counter()
    with torch.no_grad():
        spiking = convert(model.eval(), arrays, max(args.steps))
    built = time.perf_counter() - began
    notes: dict[str, Any] = {"peer_mode": spiking.mode, "samples": args.batch}
    notes |= {"spiking_parts": spiking.neurons} | spiking.notes
    if not spiking.neurons:
        notes["note"] = "no part of it spikes: its operations are multiplications in float"

    def run() -> float:
        began = time.perf_counter()
        with torch.inference_mode():
            for _ in spiking.run(x[: args.batch], max(args.steps)):
                pass
        return time.perf_counter() - began

    return Prepared(
        version, built, run, lambda: _score(spiking, x, labels, args.steps), notes | spiking.notes
    )


def _build(path: Path, name: str) -> nn.Module:
    spec = importlib.util.spec_from_file_location("reference_modules", path)
    assert spec is not None
    assert spec.loader is not None
    file = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(file)
    return file.BUILDERS[name]()


def _score(spiking: Spiking, x: Tensor, labels: Tensor, steps: list[int]) -> dict[str, Any]:
    """Return accuracy and operations of an image, on average, after each number of steps."""
    right, work = np.zeros(len(steps)), np.zeros((len(steps), 2))
    with torch.inference_mode():
        for images, wanted in zip(x.split(CHUNK), labels.split(CHUNK), strict=True):
            with Operations(spiking.module) as operations:
                for step, total in enumerate(spiking.run(images, max(steps)), start=1):
                    if step in steps:
                        right[steps.index(step)] += float((total.argmax(1) == wanted).sum())
                work += [operations.until(step, max(steps)) for step in steps]
    share = 1 / len(x)
    return {
        "steps": steps,
        "accuracy": (right * share).tolist(),
        "first_operations": (work[:, 0] * share).tolist(),
        "operations": (work[:, 1] * share).tolist(),
    }


class Operations:
    """Counts what the layers of a module do while it is open."""

    def __init__(self, module: nn.Module) -> None:
        # Layers of the libraries' own are like torch's, though not of its classes.
        self.layers = [m for m in module.modules() if hasattr(m, "in_features") or hasattr(m, "in_channels")]
        self.calls: dict[nn.Module, list[np.ndarray]] = {layer: [] for layer in self.layers}
        self._order: list[nn.Module] = []

    def __enter__(self) -> Operations:
        self._hooks = [layer.register_forward_pre_hook(self._count) for layer in self.layers]
        return self

    def __exit__(self, *error: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _count(self, layer: nn.Module, args: tuple[Tensor, ...]) -> None:
        if layer not in self._order:
            self._order.append(layer)
        self.calls[layer].append(reached(layer, args[0]).numpy())

    def until(self, step: int, steps: int) -> tuple[float, float]:
        """Return the operations of all images until a step, of the first layer and of the others."""
        sums = [self._of(layer, step, steps) for layer in self._order]
        return sums[0], sum(sums[1:])

    def _of(self, layer: nn.Module, step: int, steps: int) -> float:
        calls = self.calls[layer]
        if len(calls) == steps:  # one call for each step
            return float(sum(call.sum() for call in calls[:step]))
        rows = calls[0]  # one call for all: steps along the first axis, or behind each image
        if len(rows) == steps:
            return float(rows[:step].sum())
        return float(rows.reshape(-1, steps)[:, :step].sum())


def reached(layer: Any, x: Tensor) -> Tensor:
    """Return, for each entry along the first axis, how many weights meet an input that is not zero."""
    there = (x != 0).to(torch.float32)
    if hasattr(layer, "in_features"):
        return there.flatten(1).sum(1, dtype=torch.float64) * layer.out_features
    images = there.flatten(0, -4)
    ones = torch.ones(1, layer.in_channels, *layer.kernel_size)
    assert layer.groups == 1
    met = nn.functional.conv2d(images, ones, None, layer.stride, layer.padding, layer.dilation)
    counts = met.flatten(1).sum(1, dtype=torch.float64) * layer.out_channels
    return counts.unflatten(0, x.shape[:-3]).flatten(1).sum(1) if x.ndim > 4 else counts
