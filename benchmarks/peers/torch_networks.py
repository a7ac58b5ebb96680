"""The `mlp` and `conv` workloads in plain torch: `python torch_networks.py mlp --batch 64`.

Weights and inputs are drawn by NumPy from the seed, layer by layer, so another engine can draw the
same. A layer may take its input a few steps at a time: one step (as a streaming program does), or
all steps as one batch, which feed-forward layers allow. Every way is tried on the untimed first
run, and the fastest is the one that is timed. LIF: v = 0.9 v + input; a spike where v > 1; v -= 1.
With `--device cuda` all of it runs on the GPU, where the input already lies when the clock starts, and
each way is tried in float32 and with TF32 multiplications.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from protocol import Prepared, answer, options

BETA, THRESHOLD, STEP_S = 0.9, 1.0, 1e-3
# Factors on normal weights / sqrt(fan-in), at which 5 % of neurons fire per step (tune_gains.py).
MLP = (784, 1024, 1024, 10)
MLP_GAINS = (1.996, 1.806, 1.624)
CONV = ((32, 64, 32), (64, 64, 16), (128, 128, 8))
CONV_GAINS = (2.051, 2.129, 2.423)
BLOCK = {"cpu": 1 << 27, "cuda": 1 << 33}  # bytes of currents that may be held at a time

#: Returns a layer's spikes [steps, batch, ...] for its weights, its input, and steps at a time.
Layer = Callable[[Any, Any, int], Any]
#: How many steps at a time, and whether products may be TF32.
Way = tuple[int, bool]


def main() -> None:
    """Time torch on one network."""
    answer("torch", feed_forward_options(("cpu", "cuda")), prepare)


def feed_forward_options(devices: Sequence[str] = ("cpu",)) -> argparse.ArgumentParser:
    """Return the options of networks that are fed, for a library that runs on these devices."""
    parser = options(("mlp", "conv"), seconds=0.1)
    parser.add_argument("--activity", type=float, default=0.05, help="input spikes per channel and step")
    parser.add_argument("--device", choices=devices, default=devices[0])
    return parser


def prepare(args: argparse.Namespace) -> Prepared:
    """Draw the network and its input; find the fastest way to run it in plain torch."""
    import torch

    return prepare_layers(args, torch.__version__, run_layer)


def prepare_layers(args: argparse.Namespace, version: str, layer: Layer) -> Prepared:
    """Draw the network and its input; find the fastest way to run such layers."""
    import torch

    torch.set_num_threads(args.threads)
    on_gpu = args.device == "cuda"
    if on_gpu and not torch.cuda.is_available():
        raise SystemExit("torch finds no CUDA device")
    wait = torch.cuda.synchronize if on_gpu else _nothing
    began = time.perf_counter()
    steps = round(args.seconds / STEP_S)
    drawn = {"mlp": draw_mlp, "conv": draw_conv}[args.workload](
        args.seed, args.scale, steps, args.batch, args.activity
    )
    notes: dict[str, Any] = {"samples": args.batch}
    built = time.perf_counter() - began
    stages = [
        ([torch.from_numpy(w).to(args.device) for w in weights], torch.from_numpy(x).to(args.device))
        for weights, x in drawn
    ]
    wait()
    if on_gpu:
        notes |= {"device": torch.cuda.get_device_name(), "upload_s": time.perf_counter() - began - built}
    del drawn
    seen: dict[str, Any] = {}

    def once(way: Way) -> float:
        seen["layers"] = []  # what the last run made is freed first
        if on_gpu:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = way[1]
        wait()
        start = time.perf_counter()
        with torch.inference_mode():
            for weights, x in stages:
                seen["layers"].append(run_stage(layer, weights, x, way[0]))
        wait()
        return time.perf_counter() - start

    fastest = _fastest(once, steps, (False, True) if on_gpu else (False,), notes)
    return Prepared(version, built, lambda: once(fastest), _facts(stages, seen, args), notes)


def _fastest(once: Callable[[Way], float], steps: int, tf32: Sequence[bool], notes: dict[str, Any]) -> Way:
    """Try every way, the second time of each counting, note how long each took, and return the fastest."""
    names = {1: "step by step", steps: "layer by layer over all steps"}
    took: dict[Way, float] = {}
    notes["ways_s"] = {}
    for way in product(sorted({1, min(10, steps), steps}), tf32):
        took[way] = (once(way), once(way))[1]
        name = names.get(way[0], f"{way[0]} steps at a time") + (" in TF32" if way[1] else "")
        notes["ways_s"][name] = took[way]
    notes["peer_mode"] = min(notes["ways_s"], key=notes["ways_s"].__getitem__)
    return min(took, key=took.__getitem__)


def _nothing() -> None:
    """Wait for no device."""


def draw_mlp(
    seed: int, scale: float, steps: int, batch: int, activity: float
) -> list[tuple[list[np.ndarray], np.ndarray]]:
    """Return one stage: three weight matrices [n_post, n_pre] and input spikes [steps, batch, n]."""
    widths = [MLP[0], *(max(1, round(n * scale)) for n in MLP[1:-1]), MLP[-1]]
    weights = []
    for layer, gain in enumerate(MLP_GAINS):
        rng = np.random.default_rng([seed, layer, 0])
        weight = rng.standard_normal((widths[layer + 1], widths[layer]), dtype=np.float32)
        weights.append(weight * np.float32(gain / np.sqrt(widths[layer])))
    return [(weights, draw_spikes(seed, 0, steps, batch, (widths[0],), activity))]


def draw_conv(
    seed: int, scale: float, steps: int, batch: int, activity: float
) -> list[tuple[list[np.ndarray], np.ndarray]]:
    """Return three separate stages: one 3x3 kernel [c_out, c_in, 3, 3] each, and its input spikes."""
    stages = []
    for layer, ((c_in, c_out, side), gain) in enumerate(zip(CONV, CONV_GAINS, strict=True)):
        c_in, c_out = max(1, round(c_in * scale)), max(1, round(c_out * scale))
        rng = np.random.default_rng([seed, layer, 0])
        kernel = rng.standard_normal((c_out, c_in, 3, 3), dtype=np.float32)
        kernel *= np.float32(gain / np.sqrt(9 * c_in))
        stages.append(([kernel], draw_spikes(seed, layer, steps, batch, (c_in, side, side), activity)))
    return stages


def draw_spikes(
    seed: int, layer: int, steps: int, batch: int, shape: tuple[int, ...], activity: float
) -> np.ndarray:
    """Return Bernoulli input as float32 [steps, batch, *shape], drawn step by step."""
    rng = np.random.default_rng([seed, layer, 1])
    spikes = np.empty((steps, batch, *shape), dtype=np.float32)
    for step in spikes:
        step[...] = rng.random(step.shape, dtype=np.float32) < activity
    return spikes


def run_stage(layer: Layer, weights: list[Any], x: Any, chunk: int) -> list[Any]:
    """Run one stack of layers, `chunk` steps of one layer at a time; return every layer's spikes."""
    out = []
    for weight in weights:
        x = layer(weight, x, chunk)
        out.append(x)
    return out


def run_layer(weight: Any, x: Any, chunk: int) -> Any:
    """Return a layer's output spikes [steps, batch, ...] for its input spikes."""
    import torch

    spikes = v = unfilled = None
    for block in blocks_of_currents(weight, x, chunk):
        if v is None:
            spikes, v = block.new_empty((len(x), *block.shape[1:])), torch.zeros_like(block[0])
            unfilled = iter(spikes)
        for current, fired in zip(block, unfilled, strict=False):
            v.mul_(BETA).add_(current)
            torch.gt(v, THRESHOLD, out=fired)
            v.sub_(fired, alpha=THRESHOLD)
    return spikes


def blocks_of_currents(weight: Any, x: Any, chunk: int) -> Iterator[Any]:
    """Yield what a layer's neurons receive, [steps, batch, ...], `chunk` steps at a time."""
    from torch.nn.functional import conv2d, linear

    places = x[0, 0, 0].numel() if weight.ndim == 4 else 1
    chunk = max(1, min(chunk, BLOCK[x.device.type] // (4 * x.shape[1] * len(weight) * places)))
    for block in x.split(chunk):
        flat = block.flatten(0, 1)
        currents = linear(flat, weight) if weight.ndim == 2 else conv2d(flat, weight, padding=1)
        yield currents.unflatten(0, block.shape[:2])


def _facts(stages: list[Any], seen: dict[str, Any], args: argparse.Namespace) -> Callable[[], dict[str, Any]]:
    def facts() -> dict[str, Any]:
        spikes = neurons = events = 0
        for (weights, x), layers in zip(stages, seen["layers"], strict=True):
            for weight, sent, made in zip(weights, [x, *layers], layers, strict=False):
                spikes += _count(made)
                neurons += made[0, 0].numel()
                events += _events(sent, weight)
        rate = spikes / neurons / args.batch / args.seconds
        return {"rate_hz": rate, "cv": None, "spikes": spikes, "synaptic_events": events}

    return facts


def _count(spikes: Any) -> int:
    """Count ones; a step at a time, since float32 holds whole numbers up to 2^24 only."""
    return sum(int(step.sum().item()) for step in spikes)


def _events(sent: Any, weight: Any) -> int:
    """Count the synapses that spikes reach: a spike at the border meets fewer taps of a kernel."""
    import torch

    if weight.ndim == 2:
        return _count(sent) * len(weight)
    side = sent.shape[-1]
    taps = np.minimum(np.minimum(np.arange(side) + 2, side + 1 - np.arange(side)), min(3, side))
    per_place = sent.sum(dim=(0, 1, 2), dtype=torch.float64).cpu().numpy()
    return int((per_place * np.outer(taps, taps)).sum()) * len(weight)


if __name__ == "__main__":
    main()
