"""Blocks whose mixers have no products: averages, rafts, shifts and strips."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .parts import Images, MetaBlock, Norm, Residual, activation, channel_mlp, conv, norm_of

#: Height and width of the images of the small networks.
SIDE = 8


def scaling_mlp(width: int, act: str, norm: str) -> nn.Module:
    """Return three blocks x += W2 act(W1 norm(x)) on an image as one vector.

    G. Bachmann, S. Anagnostidis and T. Hofmann, "Scaling MLPs: A Tale of Inductive Bias" (NeurIPS 2023).
    """
    make = norm_of(norm)
    blocks = [Residual(make(width), channel_mlp(width, act)) for _ in range(3)]
    return nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, width), *blocks, nn.Linear(width, 10))


class Pooling(nn.Module):
    """The mean of each 3 x 3 neighbourhood, less its middle; the border counts only what is there."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return pool(x) - x."""
        return self.pool(x.movedim(-1, 1)).movedim(1, -1) - x


def poolformer(width: int, act: str, norm: str) -> nn.Module:
    """Return one block that mixes by pooling.

    W. Yu et al., "MetaFormer Is Actually What You Need for Vision" (CVPR 2022); gains start at 1.
    """
    block = MetaBlock(Pooling(), channel_mlp(width, act), norm_of(norm), width, scale=1.0)
    return Images(conv(1, width, 3), width, block)


class Raft(nn.Module):
    """An MLP along one axis, over r groups of channels at a time.

    Of a map (height, width, channels), channels being (r, channels / r), each column's vector of r height
    numbers is mixed, for every channel of a group; or each row's of r width.

    Parameters
    ----------
    size : int
        Of the axis.
    rafts : int
        r.
    axis : 1 or 2
        Height or width.
    """

    def __init__(self, size: int, rafts: int, axis: int, act: str) -> None:
        super().__init__()
        self.rafts, self.axis = rafts, axis
        self.mlp = channel_mlp(rafts * size, act, expand=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the mixed map."""
        y = x.unflatten(-1, (self.rafts, -1)).movedim((3, self.axis), (-2, -1))
        mixed = self.mlp(y.flatten(-2)).unflatten(-1, y.shape[-2:])
        return mixed.movedim((-2, -1), (3, self.axis)).flatten(-2)


def raft_mlp(width: int, act: str, norm: str, rafts: int = 2) -> nn.Module:
    """Return one block of vertical mixing, horizontal mixing and a channel MLP.

    Y. Tatsunami and M. Taki, "RaftMLP: How Much Can Be Done Without Attention and with Less Spatial
    Locality?" (ACCV 2022).
    """
    make = norm_of(norm)
    vertical = Residual(make(width), Raft(SIDE, rafts, 1, act))
    across = MetaBlock(Raft(SIDE, rafts, 2, act), channel_mlp(width, act), make, width)
    return Images(conv(1, width, 3), width, vertical, across)


class MixShift(nn.Module):
    """Groups of channels, each rolled by a distance and convolved with a size of its own, along both axes."""

    shifts, sizes = (-2, -1, 0, 1, 2), (1, 1, 3, 5, 7)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.groups = [len(part) for part in torch.arange(channels).tensor_split(len(self.shifts))]
        self.across, self.down = (
            nn.ModuleList(conv(c, c, k, groups=c) for c, k in zip(self.groups, self.sizes, strict=True))
            for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of what is shifted across and what is shifted down."""
        return self._shifted(x, self.across, 2) + self._shifted(x, self.down, 1)

    def _shifted(self, x: Tensor, layers: nn.ModuleList, axis: int) -> Tensor:
        parts = zip(x.split(self.groups, -1), self.shifts, layers, strict=True)
        return torch.cat([layer(part.roll(shift, axis)) for part, shift, layer in parts], -1)


def ms_mlp(width: int, act: str, norm: str) -> nn.Module:
    """Return one block x += g MLP(norm(mix(x))).

    H. Zheng et al., "Mixing and Shifting: Exploiting Global and Local Dependencies in Vision MLPs" (2022).
    """
    body = nn.Sequential(MixShift(width), norm_of(norm)(width), channel_mlp(width, act))
    return Images(conv(1, width, 3), width, Residual(nn.Identity(), body, width, scale=1.0))


class Strip(nn.Module):
    """Rows, then columns, of groups of channels, each mixed as a whole with the strips beside it.

    Places along a strip are what one grouped convolution sums over, strips beside it the three taps of its
    kernel; what comes out is joined with what went in by a linear layer.
    """

    def __init__(self, channels: int, size: int, groups: int, act: str, norm: Norm) -> None:
        super().__init__()
        self.groups = groups
        self.position = nn.Parameter(0.02 * torch.randn(size, size, channels))
        self.mix = nn.ModuleList(
            nn.Conv2d(groups * size, groups * size, (1, 3), padding=(0, 1), groups=groups) for _ in range(2)
        )
        self.join = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * channels, channels), norm(channels), activation(act))
            for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the mixed map."""
        x = x + self.position
        for along, mix, join in zip((2, 1), self.mix, self.join, strict=True):
            # (n, groups, along, channels of a group, beside)
            y = x.unflatten(-1, (self.groups, -1)).movedim((3, along), (1, 2)).movedim(-1, 3)
            mixed = mix(y.flatten(1, 2)).unflatten(1, y.shape[1:3])
            mixed = mixed.movedim(3, -1).movedim((1, 2), (3, along)).flatten(-2)
            x = join(torch.cat([x, mixed], -1))
        return x


class LocalStrips(nn.Module):
    """b w1 + a w2 + x w3 for long depthwise convolutions a (3 x 7) and b (7 x 3) of x.

    The three weights of a channel are a softmax of what an MLP says of the mean of a + b + x.
    """

    def __init__(self, channels: int, act: str) -> None:
        super().__init__()
        self.wide, self.tall = (conv(channels, channels, size, groups=channels) for size in ((3, 7), (7, 3)))
        hidden = max(channels // 4, 4)
        self.weigh = nn.Sequential(
            nn.Linear(channels, hidden), activation(act), nn.Linear(hidden, 3 * channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted sum."""
        a, b = self.wide(x), self.tall(x)
        w = self.weigh((a + b + x).mean((1, 2))).unflatten(-1, (-1, 3)).softmax(-1)[:, None, None]
        return b * w[..., 0] + a * w[..., 1] + x * w[..., 2]


class StripMixer(nn.Module):
    """Half of the channels mixed along whole strips, half along short ones.

    G. Cao et al., "Strip-MLP: Efficient Token Interaction for Vision MLP" (ICCV 2023).
    """

    def __init__(self, channels: int, size: int, groups: int, act: str, norm: Norm) -> None:
        super().__init__()
        self.before = nn.Sequential(
            activation(act), conv(channels, channels, 3, groups=channels),
            nn.Linear(channels, channels), norm(channels), activation(act),
        )  # fmt: skip
        self.strips = Strip(channels // 2, size, groups, act, norm)
        self.local = LocalStrips(channels - channels // 2, act)
        self.fuse = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the mixed map."""
        half = self.strips.position.shape[-1]
        y = self.before(x)
        return self.fuse(torch.cat([self.strips(y[..., :half]), self.local(y[..., half:])], -1))


def strip_mlp(width: int, act: str, norm: str, groups: int = 2) -> nn.Module:
    """Return one block of strip mixing and channel mixing, without global response normalisation."""
    make = norm_of(norm)
    tokens = Residual(make(width), StripMixer(width, SIDE, groups, act, make))
    body = nn.Sequential(conv(width, width, 7, groups=width), make(width), channel_mlp(width, act))
    return Images(conv(1, width, 3), width, tokens, Residual(nn.Identity(), body))
