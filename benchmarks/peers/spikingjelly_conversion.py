"""Conversion by SpikingJelly 2: `python spikingjelly_conversion.py --model cnn --case FILE --modules FILE`.

Recipes are tried in this order, and the first that takes the network is measured: rate coding at its best
(thresholds for each channel, from half the threshold, max pooling before the neuron), then the recipe for
transformers, which sends differences in float and has no neuron that spikes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch_conversion import CHUNK, Spiking, main

if find_spec("requests") is None:  # it is imported for downloads only, and not installed with the library
    sys.modules["requests"] = ModuleType("requests")

from spikingjelly.activation_based import ann2snn, functional


def convert(model: nn.Module, arrays: Mapping[str, np.ndarray], steps: int) -> Spiking:
    """Convert by the first recipe that does not refuse."""
    calibration = torch.from_numpy(arrays["calibration"])
    recipes = {
        "rate coding, channel-wise, half threshold, max pooling before the neuron": (
            ann2snn.RateCodingRecipe(
                [(part,) for part in calibration.split(CHUNK)],
                mode="99.9%", channel_wise=True, half_threshold=True, pre_spike_maxpool=True,
            ),
            step_by_step,
        ),
        "transformer TD-equivalent, the image in the first step": (
            ann2snn.TransformerTDEquivalentRecipe(time_steps=steps), all_at_once,
        ),
    }  # fmt: skip
    refused: dict[str, str] = {}
    for name, (recipe, run) in recipes.items():
        try:
            made = ann2snn.Converter(recipe).convert(model).eval()
            list(run(made, calibration[:2], 2))
        except Exception as error:  # whatever it raises, it is why the recipe does not take the network
            refused[name] = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:160]}"
            continue
        neurons = sum(hasattr(part, "v_threshold") for part in made.modules())
        return Spiking(
            made, partial(run, made), neurons, name, {"refused": _said(refused)} if refused else {}
        )
    raise SystemExit(_said(refused))


def _said(refused: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in refused.items())


def step_by_step(made: nn.Module, images: Tensor, steps: int) -> Iterator[Tensor]:
    """Show the images in every step."""
    functional.reset_net(made)
    total: Any = 0
    for _ in range(steps):
        total = total + made(images)
        yield total


def all_at_once(made: nn.Module, images: Tensor, steps: int) -> Iterator[Tensor]:
    """Show the images in the first step, as the library's own examples do, and nothing afterwards."""
    functional.set_step_mode(made, "m")
    functional.reset_net(made)
    sequence = torch.zeros(steps, *images.shape)
    sequence[0] = images
    yield from made(sequence).cumsum(0)


if __name__ == "__main__":
    main("spikingjelly", version("spikingjelly"), convert)
