"""Published blocks, a row each: a small network of one, what it costs, and how well it converts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from ..neurons.errors import MissingExtra, SpecError, nearest

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Block:
    """One row.

    Attributes
    ----------
    title : str
        What is mixed, and how.
    file : str
        Where in `models/blocks` the function of the row's name builds its network.
    macs : function
        width -> multiplications with a weight, or between activations, for one sample; none with padding.
        Averages over windows, normalisations and functions of one number are not counted.
    data : str
        "digits" (images of 8 x 8, ten classes) or "cancer" (rows of 30 features, standardised and cut at 3,
        one logit): scikit-learn has both.
    published : (str, str)
        Activation and normalisation of the paper. With "relu" and "batch", which every row takes too, there
        is less for conversion to lose.
    accuracy : float
        Reached in half a minute of training with "relu" and "batch", at least.
    steps, drop : int, float
        Accuracy lost after so many steps under the law "rate", and at silence under "delta" with 4 bits, at
        most.
    width : int
        Channels, if nothing else is asked for.
    multiple : int
        What a width is a multiple of.
    note : str
        What differs from the paper.
    """

    title: str
    file: str
    macs: Callable[[int], int]
    data: str = "digits"
    published: tuple[str, str] = ("gelu", "layer")
    accuracy: float = 0.95
    steps: int = 16
    drop: float = 0.04
    width: int = 32
    multiple: int = 8
    note: str = ""


def _shifts(c: int) -> int:
    """Return the multiplications of both axes of a mix-shift layer: groups of channels with their kernels."""
    taps = (64, 64, 22**2, 34**2, 44**2)
    return 2 * sum((c // 5 + (i < c % 5)) * n for i, n in enumerate(taps))


# A convolution of odd size k, with a border of zeros, meets n k - (k // 2) (k // 2 + 1) of n pixels along an
# axis: of 8 pixels 22 for k = 3, 34 for 5, 44 for 7. 558 c: stem, mean and read-out of maps of 8 x 8; 90 c of
# 4 x 4 tokens.
ZOO: Mapping[str, Block] = {
    "scaling_mlp": Block(
        "nothing: three inverted bottlenecks on a vector", "mixers", lambda c: 24 * c**2 + 74 * c, width=64,
        accuracy=0.96,
    ),
    "poolformer": Block(
        "neighbours, by their mean", "mixers", lambda c: 512 * c**2 + 558 * c, published=("gelu", "group"),
        accuracy=0.9, drop=0.06, note="gains start at 1 instead of 1e-5",
    ),
    "raft_mlp": Block(
        "columns, then rows, in rafts of channels", "mixers", lambda c: 512 * c**2 + (8192 + 558) * c,
        accuracy=0.96,
    ),
    "wave_mix": Block(
        "sub-bands of a Haar transform", "spectral", lambda c: (16 + 64 + 14**2) * c**2 + (64 + 558) * c,
        published=("gelu", "batch"), accuracy=0.96,
    ),
    "convit": Block(
        "tokens, by attention to content and to places", "attention",
        lambda c: 192 * c**2 + (512 + 90) * c, width=36, multiple=9, accuracy=0.91, drop=0.05,
    ),
    "gla": Block(
        "tokens, by a state that fades", "scans", lambda c: 166 * c**2 + (96 + 90) * c,
        published=("silu", "layer"), accuracy=0.95, note="on patches that know their place, instead of words",
    ),
    "ms_mlp": Block(
        "rolled groups of channels, by convolutions of several sizes", "mixers",
        lambda c: 512 * c**2 + _shifts(c) + 558 * c,
        accuracy=0.95, note="gains start at 1",
    ),
    "strip_mlp": Block(
        "whole strips with their neighbours, and short ones", "mixers",
        lambda c: 704 * c**2 + 2 * c * max(c // 8, 4) + (1408 + 1000 + 484 + 1936 + 558) * c,
        accuracy=0.96, note="no global response normalisation",
    ),
    "maxim": Block(
        "across windows and within, by spatial gates; channels, by attention", "gates",
        lambda c: 768 * c**2 + 2 * c * (c // 4) + (2048 + 64 + 558) * c, accuracy=0.96,
    ),
    "activator": Block(
        "nothing: gated channels", "gates", lambda c: 176 * c**2 + 90 * c, accuracy=0.95,
    ),
    "dsm": Block(
        "frequencies, weighted by content", "spectral",
        lambda c: 512 * c**2 + c**2 // 2 + (2 + 64 + 2048 + 256 + 558) * c,
        accuracy=0.94, note="the paper is not at hand: how weights are made is our own",
    ),
    "kat": Block(
        "tokens, by attention, with trained rational functions", "attention",
        lambda c: 192 * c**2 + (512 + 90) * c, accuracy=0.95, drop=0.06,
    ),
    "vig": Block(
        "tokens, by states that fade from both ends", "scans", lambda c: 216 * c**2 + (100 + 192 + 90) * c,
        published=("silu", "rms"), accuracy=0.94,
    ),
    "scnn": Block(
        "rows and columns, each by what the one before has become", "scans",
        lambda c: 28 * 34 * c**2 + 558 * c, published=("relu", "batch"), width=16,
        accuracy=0.95, steps=32, drop=0.07,
    ),
    "final_mlp": Block(
        "features, by gates and by products of two streams", "gates", lambda c: 103 * c + 5 * c**2 // 2,
        data="cancer", published=("relu", "batch"),
        accuracy=0.94, steps=8, note="the second gate reads the first ten features",
    ),
}  # fmt: skip


def block(
    name: str, *, width: int | None = None, act: str | None = None, norm: str | None = None
) -> nn.Module:
    """Return a small network around a published block, as a torch module with random weights.

    Parameters
    ----------
    name : str
        A row of `ZOO`.
    width : int, optional
        Channels; that of the row if left out.
    act : str, optional
        "relu", "gelu" or "silu"; as published if left out.
    norm : str, optional
        "batch", "layer", "rms" or "group"; as published if left out.

    Raises
    ------
    SpecError
        If there is no such row, activation or normalisation, or the width does not fit.
    MissingExtra
        If torch is not installed.

    Examples
    --------
    >>> import torch
    >>> model = block("poolformer", act="relu", norm="batch").eval()
    >>> model(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """
    if name not in ZOO:
        raise SpecError(f"models.block: got {name!r}; there are {[*ZOO]}{nearest(name, ZOO)}")
    row = ZOO[name]
    width = row.width if width is None else width
    if not isinstance(width, int) or isinstance(width, bool) or width < 1 or width % row.multiple:
        raise SpecError(
            f"models.block.width: got {width!r}; of {name!r}, allowed are multiples of {row.multiple}"
        )
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtra("torch", "torch", "models.block") from None
    build = getattr(import_module(f".blocks.{row.file}", __package__), name)
    return build(width, act or row.published[0], norm or row.published[1])
