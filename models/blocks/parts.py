"""What blocks are made of: a residual template with any mixer, channel MLPs, normalisations, a small network.

Every layer here reads channels last; convolutions turn them first and back, which costs nothing once traced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from ...neurons.errors import SpecError, nearest

Norm = Callable[[int], nn.Module]
Kind = TypeVar("Kind")

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


class ChannelsFirst(nn.Module):
    """A layer that wants (n, channels, ...), for maps that have their channels last."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layer makes of the map, channels last."""
        return self.layer(x.movedim(-1, 1)).movedim(1, -1)


class BatchNorm(nn.Module):
    """Batch normalisation of channels that come last, for any number of axes before them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return x of unit variance a channel, over the batch and all places."""
        rows = x.reshape(x.shape[0], -1, x.shape[-1]).transpose(1, 2)
        return self.norm(rows).transpose(1, 2).reshape(x.shape)


NORMS: dict[str, Norm] = {
    "batch": BatchNorm,
    "layer": nn.LayerNorm,
    "rms": nn.RMSNorm,
    "group": lambda channels: ChannelsFirst(nn.GroupNorm(1, channels)),
}


def activation(name: str) -> nn.Module:
    """Return "relu", "gelu" or "silu" as a module."""
    return _named("activation", name, ACTIVATIONS)()


def norm_of(name: str) -> Norm:
    """Return what makes the normalisation "batch", "layer", "rms" or "group" for a number of channels."""
    return _named("norm", name, NORMS)


def _named(field: str, name: str, table: Mapping[str, Kind]) -> Kind:
    if name not in table:
        raise SpecError(f"block.{field}: got {name!r}; there are {[*table]}{nearest(name, table)}")
    return table[name]


def conv(
    inputs: int, outputs: int, size: int | tuple[int, int], stride: int = 1, *, groups: int = 1
) -> nn.Module:
    """Return a convolution of maps; as many zeros around them that strides alone make them smaller."""
    down, across = (size, size) if isinstance(size, int) else size
    border = (0, 0) if stride > 1 else (down // 2, across // 2)
    return ChannelsFirst(nn.Conv2d(inputs, outputs, (down, across), stride, border, groups=groups))


def channel_mlp(channels: int, act: str, expand: int = 4) -> nn.Module:
    """Return W2 act(W1 x) at each place, W1 making channels `expand` times as many."""
    return nn.Sequential(
        nn.Linear(channels, expand * channels), activation(act), nn.Linear(expand * channels, channels)
    )


class Residual(nn.Module):
    """x + g body(norm(x)).

    Parameters
    ----------
    norm, body : Module
        Of the shape of x; g is a trained gain for each channel where `scale`, its first value, is given.
    """

    def __init__(
        self, norm: nn.Module, body: nn.Module, channels: int = 0, scale: float | None = None
    ) -> None:
        super().__init__()
        self.norm, self.body = norm, body
        self.gain = None if scale is None else nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum, of the shape of x."""
        y = self.body(self.norm(x))
        return x + (y if self.gain is None else self.gain * y)


class MetaBlock(nn.Sequential):
    """x += g1 mixer(norm(x)); x += g2 channel_mlp(norm(x)).

    W. Yu et al., "MetaFormer Is Actually What You Need for Vision" (CVPR 2022): what mixes places may be
    anything.

    Parameters
    ----------
    mixer, channel_mlp : Module
        Of the shape of the map.
    norm : function
        Makes a normalisation for a number of channels.
    channels : int
        How many.
    scale : float, optional
        First value of gains g1 and g2 for each channel; there are none if left out.
    """

    def __init__(
        self, mixer: nn.Module, channel_mlp: nn.Module, norm: Norm, channels: int, scale: float | None = None
    ) -> None:
        super().__init__(
            Residual(norm(channels), mixer, channels, scale),
            Residual(norm(channels), channel_mlp, channels, scale),
        )


class Images(nn.Module):
    """Blocks between a stem and a linear read-out of the mean over all places.

    Takes images (n, 1, height, width) and returns logits (n, 10).
    """

    def __init__(self, stem: nn.Module, channels: int, *blocks: nn.Module, classes: int = 10) -> None:
        super().__init__()
        self.stem, self.blocks = stem, nn.Sequential(*blocks)
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.head(self.blocks(self.stem(x.movedim(1, -1))).flatten(1, -2).mean(1))


class Tokens(nn.Module):
    """Patches of an image (n, side, side, 1) as tokens (n, tokens, channels), by one convolution.

    Parameters
    ----------
    channels, patch, side : int
        Patches are patch x patch, row by row.
    placed : bool
        Whether trained numbers are added that tell the place of each.
    """

    def __init__(self, channels: int, patch: int, side: int, *, placed: bool) -> None:
        super().__init__()
        self.embed = conv(1, channels, patch, stride=patch)
        tokens = (side // patch) ** 2
        self.place = nn.Parameter(0.02 * torch.randn(tokens, channels)) if placed else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens."""
        x = self.embed(x).flatten(1, 2)
        return x if self.place is None else x + self.place
