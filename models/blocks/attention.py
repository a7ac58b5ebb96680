"""Blocks that mix by attention: gated with positions, and with trained rational functions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .mixers import SIDE
from .parts import Images, MetaBlock, Tokens, channel_mlp, norm_of
from .rational import RationalMLP


class Attention(nn.Module):
    """softmax(q k^T / sqrt(d)) v for each head, and a linear layer behind.

    Parameters
    ----------
    channels, heads : int
        Of tokens (n, tokens, channels); how many heads share the channels.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(channels, channels, bias=False) for _ in range(3))
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return mixed tokens."""
        v = self._by_head(self.v(x))
        return self.out((self.shares(x) @ v).transpose(1, 2).flatten(2))

    def shares(self, x: Tensor) -> Tensor:
        """Return how much each token takes of each other, (n, heads, tokens, tokens); rows sum to 1."""
        q, k = self._by_head(self.q(x)), self._by_head(self.k(x))
        return (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)

    def _by_head(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class GatedPositional(Attention):
    """Attention by content and by place: (1 - s) softmax(q k^T / sqrt(d)) + s softmax(r p), s = sigma(gate).

    r = (dx, dy, dx^2 + dy^2) for each pair of tokens on a square. At first v passes tokens on as they are,
    gates are 1, and each head looks at one place of a square neighbourhood: it acts like a convolution.
    S. d'Ascoli et al., "ConViT: Improving Vision Transformers with Soft Convolutional Inductive Biases"
    (ICML 2021).

    Parameters
    ----------
    channels, heads : int
        Heads are a square number: 9 for a neighbourhood of 3 x 3.
    side : int
        Tokens are side x side, row by row.
    strength : float
        How sharply heads look at their places.
    """

    def __init__(self, channels: int, heads: int, side: int, strength: float = 1.0) -> None:
        super().__init__(channels, heads)
        nn.init.eye_(self.v.weight)
        self.gate = nn.Parameter(torch.ones(heads))
        across = torch.arange(side).repeat(side)
        down = torch.arange(side).repeat_interleave(side)
        dx, dy = (at[None, :] - at[:, None] for at in (across, down))
        self.relative: Tensor
        self.register_buffer("relative", torch.stack([dx, dy, dx**2 + dy**2], -1).float())
        # -|r - offset|^2 but for a constant, which a softmax does not see
        offsets = self.offsets().float()
        self.position = nn.Parameter(strength * torch.cat([2 * offsets, -torch.ones(heads, 1)], 1))

    def offsets(self) -> Tensor:
        """Return the place (dx, dy) that each head looks at when training begins, (heads, 2)."""
        reach = math.isqrt(self.heads)
        at = torch.arange(reach) - (reach - 1) / 2
        return torch.cartesian_prod(at, at)

    def shares(self, x: Tensor) -> Tensor:
        """Return how much each token takes of each other."""
        gate = self.gate.sigmoid()[:, None, None]
        by_place = (self.relative @ self.position.T).movedim(-1, 0).softmax(-1)
        return (1 - gate) * super().shares(x) + gate * by_place


def convit(width: int, act: str, norm: str) -> nn.Module:
    """Return one block of gated positional attention with 9 heads on 4 x 4 tokens."""
    mixer = GatedPositional(width, heads=9, side=4)
    return Images(
        Tokens(width, 2, SIDE, placed=False),
        width,
        MetaBlock(mixer, channel_mlp(width, act), norm_of(norm), width),
    )


def kat(width: int, act: str, norm: str) -> nn.Module:
    """Return one block of attention and a rational MLP; `act` is what its second function starts as.

    X. Yang and X. Wang, "Kolmogorov-Arnold Transformer" (ICLR 2025).
    """
    mixer = Attention(width, heads=4)
    return Images(
        Tokens(width, 2, SIDE, placed=True),
        width,
        MetaBlock(mixer, RationalMLP(width, act), norm_of(norm), width),
    )
