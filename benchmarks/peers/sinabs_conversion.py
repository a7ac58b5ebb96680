"""Conversion by Sinabs as it comes (several spikes a step): `python sinabs_conversion.py --model cnn ...`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import sinabs
from sinabs.from_torch import from_model
from sinabs.layers import StatefulLayer
from torch import Tensor, nn
from torch_conversion import Spiking, main


def convert(model: nn.Module, arrays: Mapping[str, np.ndarray], steps: int) -> Spiking:
    """Convert; whatever is no ReLU stays as it is, without a word."""
    made = from_model(model, num_timesteps=steps, batch_size=None).spiking_model.eval()

    def run(images: Tensor, steps: int) -> Iterator[Tensor]:
        for part in made.modules():
            if isinstance(part, StatefulLayer):
                part.reset_states()
                part.num_timesteps = steps
        outputs = made(images.repeat_interleave(steps, 0))
        yield from outputs.unflatten(0, (-1, steps)).cumsum(1).unbind(1)

    neurons = sum(isinstance(part, StatefulLayer) for part in made.modules())
    return Spiking(made, run, neurons, "several spikes a step, the images in every step")


if __name__ == "__main__":
    main("sinabs", sinabs.__version__, convert)
