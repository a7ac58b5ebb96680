"""Six small networks for handwritten digits, trained, by which conversion is measured."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from ..neurons.errors import FormatError, MissingExtra, SpecError, nearest

if TYPE_CHECKING:
    from torch import nn

#: What a file of weights says besides the weights.
_ABOUT = ("accuracy", "sha256", "training_sha256", "source")


@dataclass(frozen=True)
class Reference:
    """One network of the table.

    Attributes
    ----------
    title : str
        What it is made of.
    macs, first_macs : int
        Multiplications with a weight or between activations for one image, as a dense machine does them;
        how many of them are the first layer's.
    accuracy : float
        On the 10,000 test digits of MNIST, with the weights that ship.
    weights : str
        Whose weights these are: two ways to write down one network share them.
    """

    title: str
    macs: int
    first_macs: int
    accuracy: float
    weights: str


#: Every reference network; how each is built is said in `reference_modules.py`.
REFERENCES: Mapping[str, Reference] = {
    "mlp": Reference("784-256-128-10, ReLU", 234_752, 200_704, 0.9900, "mlp"),
    "cnn": Reference(
        "convolutions, BatchNorm, ReLU, 2 residual blocks, max and average pooling",
        2_822_720, 112_896, 0.9955, "cnn",
    ),
    "mixer": Reference("MLP-Mixer: 16 tokens, LayerNorm, GELU", 706_176, 50_176, 0.9890, "mixer"),
    "vit": Reference("vision transformer, attention written out", 1_164_928, 50_176, 0.9912, "vit"),
    "vit_mha": Reference("vision transformer, nn.MultiheadAttention", 1_164_928, 50_176, 0.9912, "vit"),
    "swiglu": Reference("gated blocks (SwiGLU), root-mean-square norm", 99_968, 50_176, 0.9894, "swiglu"),
}  # fmt: skip


def reference(name: str) -> nn.Module:
    """Return a trained network for handwritten digits, as a torch module in evaluation mode.

    Each takes images (n, 1, 28, 28) of float32 in [0, 1] and returns logits (n, 10); "mlp" and "swiglu"
    take rows of 784 pixels too. `examples/07_train_references.py` trained them on the 60,000 training
    digits of MNIST; weights are kept in 16 bits. `REFERENCES` says what each is made of, how many
    multiplications it needs and what it recognises.

    Parameters
    ----------
    name : str
        "mlp", "cnn", "mixer", "vit", "vit_mha" or "swiglu".

    Raises
    ------
    SpecError
        If there is none of this name.
    MissingExtra
        If torch is not installed.
    FormatError
        If the file in the package is damaged.

    Examples
    --------
    >>> import torch
    >>> from rheobase.datasets import digits
    >>> images = torch.from_numpy(digits().pixels[:5].reshape(-1, 1, 28, 28))
    >>> reference("cnn")(images).argmax(1).tolist()
    [7, 2, 1, 0, 4]
    """
    if name not in REFERENCES:
        raise SpecError(
            f"models.reference: got {name!r}; there are {[*REFERENCES]}{nearest(name, REFERENCES)}"
        )
    try:
        import torch
    except ImportError:
        raise MissingExtra("torch", "torch", "models.reference") from None
    from .reference_modules import BUILDERS

    module = BUILDERS[name]()
    weights = reference_weights(name)
    module.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    return module.eval()


def reference_weights(name: str) -> dict[str, np.ndarray]:
    """Return a reference network's weights by torch's names, in float32.

    Raises
    ------
    FormatError
        If the file in the package is damaged.

    Examples
    --------
    >>> reference_weights("mlp")["1.weight"].shape
    (256, 784)
    """
    path = files("rheobase.models") / "data" / f"reference_{REFERENCES[name].weights}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files if key not in _ABOUT}
            expected = str(stored["sha256"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(
            f"models.reference: {path} cannot be read ({error}); install rheobase again"
        ) from None
    if checksum(arrays) != expected:
        raise FormatError(f"models.reference: {path} is damaged; install rheobase again")
    if name == "vit_mha":
        arrays = _for_the_module(arrays)
    return {key: a.astype(np.float32) if a.dtype == np.float16 else a for key, a in arrays.items()}


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of arrays and their names.

    Examples
    --------
    >>> checksum({"a": np.zeros(2)}) == checksum({"b": np.zeros(2)})
    False
    """
    digest = hashlib.sha256()
    for key in sorted(arrays):
        digest.update(f"{key} {arrays[key].dtype} {arrays[key].shape} ".encode())
        digest.update(np.ascontiguousarray(arrays[key]).tobytes())
    return digest.hexdigest()


def _for_the_module(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the attention's weights as nn.MultiheadAttention has them: q, k and v in one matrix."""
    found: dict[str, np.ndarray] = {}
    for key, value in arrays.items():
        place, _, name = key.rpartition("attention.")
        part, _, kind = name.partition(".")
        if not place:
            found[key] = value
        elif part == "out":
            found[f"{place}attention.inner.out_proj.{kind}"] = value
        elif part == "q":
            three = [arrays[f"{place}attention.{which}.{kind}"] for which in "qkv"]
            found[f"{place}attention.inner.in_proj_{kind}"] = np.concatenate(three)
    return found
