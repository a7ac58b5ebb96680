"""Blocks that mix in another basis: Haar wavelets, cosines."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .mixers import SIDE
from .parts import (
    BatchNorm,
    ChannelsFirst,
    Images,
    MetaBlock,
    Residual,
    activation,
    channel_mlp,
    conv,
    norm_of,
)

#: Average, and differences across, down and along the diagonal, of four neighbours; orthonormal.
HAAR = torch.tensor([
    [[1.0, 1.0], [1.0, 1.0]], [[1.0, -1.0], [1.0, -1.0]],
    [[1.0, 1.0], [-1.0, -1.0]], [[1.0, -1.0], [-1.0, 1.0]],
]) / 2  # fmt: skip


def haar(x: Tensor) -> Tensor:
    """Return four sub-bands of each channel: (n, height, width, c) -> (n, height / 2, width / 2, 4 c)."""
    channels = x.shape[-1]
    kernel = HAAR.to(x)[:, None].repeat(channels, 1, 1, 1)
    return functional.conv2d(x.movedim(-1, 1), kernel, stride=2, groups=channels).movedim(1, -1)


def inverse_haar(bands: Tensor) -> Tensor:
    """Return the map whose sub-bands these are."""
    channels = bands.shape[-1] // 4
    kernel = HAAR.to(bands)[:, None].repeat(channels, 1, 1, 1)
    y = functional.conv_transpose2d(bands.movedim(-1, 1), kernel, stride=2, groups=channels)
    return y.movedim(1, -1)


class WaveMixer(nn.Module):
    """A quarter of the channels as Haar sub-bands, an MLP on them, and a transposed convolution back.

    P. Jeevan et al., "WaveMix: A Resource-efficient Neural Network for Image Analysis" (2022).
    """

    def __init__(self, channels: int, act: str) -> None:
        super().__init__()
        self.reduce = nn.Linear(channels, channels // 4)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 2 * channels), activation(act), nn.Linear(2 * channels, channels)
        )
        self.grow = ChannelsFirst(nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1))
        self.norm = BatchNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the mixed map, of the shape of x."""
        return self.norm(self.grow(self.mlp(haar(self.reduce(x)))))


def wave_mix(width: int, act: str, norm: str) -> nn.Module:
    """Return one block x += mixer(x); its one normalisation is by batches, as published."""
    return Images(conv(1, width, 3), width, Residual(nn.Identity(), WaveMixer(width, act)))


def cosines(n: int) -> Tensor:
    """Return the orthogonal matrix of the discrete cosine transform (type 2), (n, n).

    Row k holds s_k cos(pi k (2 j + 1) / 2 n), with s_0 = sqrt(1 / n) and s_k = sqrt(2 / n).
    """
    k, j = torch.arange(n, dtype=torch.float64)[:, None], torch.arange(n, dtype=torch.float64)
    table = math.sqrt(2 / n) * torch.cos(math.pi * k * (2 * j + 1) / (2 * n))
    table[0] /= math.sqrt(2)
    return table.float()


class SpectrumMixer(nn.Module):
    """DCT, weights of the spectrum made from the content, and back: IDCT(DCT(x) * sum_k s_k B_k).

    s = softmax(MLP(mean(x))) over trained banks B_k. Only what its authors claim was at hand: how weights are
    made from the content is our own.
    """

    def __init__(self, channels: int, size: int, banks: int, act: str) -> None:
        super().__init__()
        self.transform: Tensor
        self.register_buffer("transform", cosines(size))
        self.banks = nn.Parameter(1.0 + 0.1 * torch.randn(size * size * channels, banks))
        self.weigh = nn.Sequential(
            nn.Linear(channels, channels // 2), activation(act), nn.Linear(channels // 2, banks)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the mixed map."""
        shares = self.weigh(x.mean((1, 2))).softmax(-1)
        spectrum = self._along_both(x, self.transform)
        weights = functional.linear(shares, self.banks).unflatten(-1, x.shape[1:])
        return self._along_both(spectrum * weights, self.transform.T)

    def _along_both(self, x: Tensor, table: Tensor) -> Tensor:
        for axis in (1, 2):
            x = functional.linear(x.movedim(axis, -1), table).movedim(-1, axis)
        return x


def dsm(width: int, act: str, norm: str, banks: int = 4) -> nn.Module:
    """Return one block that mixes in the basis of cosines."""
    mixer = SpectrumMixer(width, SIDE, banks, act)
    return Images(conv(1, width, 3), width, MetaBlock(mixer, channel_mlp(width, act), norm_of(norm), width))
