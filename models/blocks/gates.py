"""Blocks that multiply: gates by other places, gates by other channels, features by features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .mixers import SIDE
from .parts import Images, MetaBlock, Norm, Tokens, activation, channel_mlp, conv, norm_of


class SpatialGate(nn.Module):
    """x + W2 (u (M norm(v) + 1)), u and v the halves of act(W1 norm(x)), M a linear map along one axis.

    Parameters
    ----------
    channels, size : int
        Of x (..., channels); of the axis that is mixed.
    axis : int
        Which, counted from the end: -2 or -3.
    """

    def __init__(self, channels: int, size: int, axis: int, act: str, norm: Norm) -> None:
        super().__init__()
        self.axis = axis
        self.split = nn.Sequential(norm(channels), nn.Linear(channels, 2 * channels), activation(act))
        self.norm, self.mix, self.join = norm(channels), nn.Linear(size, size), nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the gated map, of the shape of x."""
        u, v = self.split(x).chunk(2, -1)
        mixed = self.mix(self.norm(v).movedim(self.axis, -1)).movedim(-1, self.axis)
        return x + self.join(u * (mixed + 1))


def windows(x: Tensor, count: int, size: int) -> Tensor:
    """Return a map as count x count windows of size x size: (n, windows, places, channels)."""
    parts = x.unflatten(2, (count, size)).unflatten(1, (count, size)).transpose(2, 3)
    return parts.flatten(3, 4).flatten(1, 2)


def unwindowed(x: Tensor, count: int, size: int) -> Tensor:
    """Return the map that was cut."""
    parts = x.unflatten(1, (count, count)).unflatten(3, (size, size)).transpose(2, 3)
    return parts.flatten(3, 4).flatten(1, 2)


class MultiAxis(nn.Module):
    """Half of act(W x) gated across windows at the same place in each, half within windows; joined by W'.

    Z. Tu et al., "MAXIM: Multi-Axis MLP for Image Processing" (CVPR 2022).

    Parameters
    ----------
    channels, side : int
        Of maps (n, side, side, channels).
    grid, block : int
        There are grid x grid windows for the first half; windows are block x block for the second.
    """

    def __init__(self, channels: int, side: int, grid: int, block: int, act: str, norm: Norm) -> None:
        super().__init__()
        self.cuts = (grid, side // grid), (side // block, block)
        self.enter = nn.Sequential(nn.Linear(channels, 2 * channels), activation(act))
        self.grid = SpatialGate(channels, grid**2, -3, act, norm)
        self.block = SpatialGate(channels, block**2, -2, act, norm)
        self.leave = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the mixed map."""
        halves = zip(self.enter(x).chunk(2, -1), (self.grid, self.block), self.cuts, strict=True)
        return self.leave(
            torch.cat([unwindowed(gate(windows(y, *cut)), *cut) for y, gate, cut in halves], -1)
        )


class ChannelAttention(nn.Module):
    """y sigma(W2 ReLU(W1 mean(y))) for y = MLP(x)."""

    def __init__(self, channels: int, act: str, reduce: int = 4) -> None:
        super().__init__()
        self.mlp = channel_mlp(channels, act, expand=1)
        few = max(channels // reduce, 1)
        self.weigh = nn.Sequential(
            nn.Linear(channels, few), nn.ReLU(), nn.Linear(few, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted map."""
        y = self.mlp(x)
        return y * self.weigh(y.mean((1, 2)))[:, None, None]


def maxim(width: int, act: str, norm: str) -> nn.Module:
    """Return one block of multi-axis gates and channel attention."""
    make = norm_of(norm)
    mixer = MultiAxis(width, SIDE, 4, 4, act, make)
    return Images(conv(1, width, 3), width, MetaBlock(mixer, ChannelAttention(width, act), make, width))


class GatedUnit(nn.Module):
    """W3 (norm(act(W1 x)) norm(W2 x)), both by one set of parameters unless they normalise by batches.

    A. H. Abdullah, "Activator: GLU Activation Function as the Core Component of a Vision Transformer"
    (2024), which mixes no tokens.
    """

    def __init__(self, channels: int, act: str, norm: str) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(channels, channels), activation(act))
        self.value, self.join = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.norm_gate = norm_of(norm)(channels)
        # what two streams have in common is no statistic of either
        self.norm_value = norm_of(norm)(channels) if norm == "batch" else self.norm_gate

    def forward(self, x: Tensor) -> Tensor:
        """Return the gated tokens."""
        return self.join(self.norm_gate(self.gate(x)) * self.norm_value(self.value(x)))


def activator(width: int, act: str, norm: str) -> nn.Module:
    """Return one block of a gated unit and a channel MLP on 4 x 4 tokens."""
    block = MetaBlock(GatedUnit(width, act, norm), channel_mlp(width, act), norm_of(norm), width)
    return Images(Tokens(width, 2, SIDE, placed=True), width, block)


class FeatureGate(nn.Module):
    """2 sigma(MLP(context)) for each feature; the context is trained, or some of the features themselves."""

    def __init__(self, features: int, context: int, hidden: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(context, hidden), nn.ReLU(), nn.Linear(hidden, features))

    def forward(self, context: Tensor) -> Tensor:
        """Return gates from 0 to 2."""
        return 2 * self.mlp(context).sigmoid()


class FinalMLP(nn.Module):
    """wa . a + wb . b + sum_h a_h W_h b_h of two streams a, b: MLPs of features, each gated in its own way.

    K. Mao et al., "FinalMLP: An Enhanced Two-Stream MLP Model for CTR Prediction" (AAAI 2023).

    Parameters
    ----------
    features, width, heads : int
        Of rows (n, features); of the streams; how many parts of them meet.
    context : int
        The second gate reads so many of the first features, the first one trained numbers.
    """

    def __init__(self, features: int, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads, self.context = heads, context
        self.trained = nn.Parameter(0.1 * torch.randn(context))
        self.gates = nn.ModuleList(FeatureGate(features, context, width) for _ in range(2))
        self.streams = nn.ModuleList(
            nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
            for _ in range(2)
        )
        self.alone = nn.ModuleList([nn.Linear(width, 1), nn.Linear(width, 1, bias=False)])
        part = width // heads
        self.together = nn.Parameter(torch.randn(heads, part, part) / part)

    def forward(self, x: Tensor) -> Tensor:
        """Return one logit a row, (n, 1)."""
        contexts = (self.trained, x[:, : self.context])
        a, b = (
            stream(x * gate(given))
            for stream, gate, given in zip(self.streams, self.gates, contexts, strict=True)
        )
        met = [
            functional.linear(part, weight.T)
            for part, weight in zip(a.chunk(self.heads, -1), self.together, strict=True)
        ]
        pairs = (torch.cat(met, -1) * b).sum(-1, keepdim=True)
        return self.alone[0](a) + self.alone[1](b) + pairs


def final_mlp(width: int, act: str, norm: str) -> nn.Module:
    """Return two streams on 30 features; activations are ReLU and there is no normalisation, as published."""
    return FinalMLP(30, width, heads=2, context=10)
