"""The small network for handwritten digits that ships with the package."""

from __future__ import annotations

import zipfile
from importlib.resources import files

import numpy as np

from ..conversion.layers import Affine, Layer, ReLU
from ..neurons.errors import FormatError


def digits_network() -> list[Layer]:
    """Return a trained 784-128-64-10 network with ReLU, for pixels in [0, 1].

    It was trained on the 60,000 training digits of MNIST by `examples/01_train_digits.py` and
    recognises 98.8 % of the 10,000 test digits; weights are kept in 16 bits.

    Raises
    ------
    FormatError
        If the file in the package is damaged.

    Examples
    --------
    >>> [layer.name for layer in digits_network()]
    ['Affine', 'ReLU', 'Affine', 'ReLU', 'Affine']
    """
    path = files("rheobase.models") / "data" / "digits_mlp.npz"
    layers: list[Layer] = []
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            for i in (1, 2, 3):
                layers += [Affine(stored[f"weight{i}"], stored[f"bias{i}"]), ReLU()]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(
            f"models.digits_network: {path} cannot be read ({error}); install rheobase again"
        ) from None
    return layers[:-1]
