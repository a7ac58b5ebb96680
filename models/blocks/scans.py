"""Blocks that mix by walking: a state that fades from token to token, rows that pass on to the next."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...conversion.tracing.operators import gated_scan
from .mixers import SIDE
from .parts import Images, MetaBlock, Tokens, activation, channel_mlp, conv, norm_of


def chunked_scan(q: Tensor, k: Tensor, v: Tensor, a: Tensor, chunk: int = 16) -> Tensor:
    """Return `gated_scan`, a chunk of tokens at a time, as products of matrices: what is fast to train.

    With b_t the product of a from the chunk's first token to t, and S the state before the chunk,
    o_t = (q_t b_t) S + sum_(s <= t) (q_t b_t . k_s / b_s) v_s.
    """
    state = v.new_zeros(*v.shape[:-2], k.shape[-1], v.shape[-1])
    rows = []
    for part in zip(*(x.split(chunk, -2) for x in (q, k, v, a)), strict=True):
        q_part, k_part, v_part, a_part = part
        kept = a_part.cumprod(-2)
        asked, written = q_part * kept, k_part / kept
        within = (asked @ written.transpose(-2, -1)).tril()
        rows.append(asked @ state + within @ v_part)
        state = kept[..., -1, :, None] * (state + written.transpose(-2, -1) @ v_part)
    return torch.cat(rows, -2)


class Decay(nn.Sequential):
    """How much of a state stays, sigma(W2 W1 x)^(1/16), W1 of low rank."""

    def __init__(self, channels: int, outputs: int, rank: int = 4) -> None:
        super().__init__(nn.Linear(channels, rank, bias=False), nn.Linear(rank, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return numbers from 0 to 1."""
        return (functional.logsigmoid(super().forward(x)) / 16).exp()


def _by_head(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


class GatedLinearAttention(nn.Module):
    """W (norm(scan(q, k, v, a)) * act(W_g x)), each head normalised by itself.

    Parameters
    ----------
    channels, heads : int
        Values have all channels, keys half of them.
    act : str
        Of the gate: "silu" as published.
    """

    def __init__(self, channels: int, heads: int, act: str) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k = (nn.Linear(channels, channels // 2, bias=False) for _ in range(2))
        self.v = nn.Linear(channels, channels, bias=False)
        self.decay = Decay(channels, channels // 2)
        self.gate = nn.Sequential(nn.Linear(channels, channels), activation(act))
        self.norm = nn.LayerNorm(channels // heads)
        self.out = nn.Linear(channels, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return mixed tokens (n, tokens, channels)."""
        parts = (self.q(x) * (self.q.out_features // self.heads) ** -0.5, self.k(x), self.v(x), self.decay(x))
        read = self.norm(gated_scan(*(_by_head(part, self.heads) for part in parts)))
        return self.out(read.transpose(1, 2).flatten(2) * self.gate(x))


class GatedMLP(nn.Module):
    """W3 (act(W1 x) * W2 x): SwiGLU with "silu" (N. Shazeer, 2020)."""

    def __init__(self, channels: int, hidden: int, act: str) -> None:
        super().__init__()
        self.gate, self.up = (nn.Linear(channels, hidden, bias=False) for _ in range(2))
        self.act, self.down = activation(act), nn.Linear(hidden, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the gated map."""
        return self.down(self.act(self.gate(x)) * self.up(x))


def gla(width: int, act: str, norm: str, heads: int = 4) -> nn.Module:
    """Return one block of gated linear attention and a gated MLP; patches are its sequence."""
    mixer = GatedLinearAttention(width, heads, act)
    block = MetaBlock(mixer, GatedMLP(width, 2 * width, act), norm_of(norm), width)
    return Images(Tokens(width, 2, SIDE, placed=True), width, block)


class BothWays(nn.Module):
    """Gated linear attention from both ends, with local detail let through by a gate.

    l = act(DW(x)); o = (forward + backward scan) / 2; g = sigma(W l); W (norm(o) g + norm(l) (1 - g)).
    B. Liao et al., "ViG: Linear-complexity Visual Sequence Learning with Gated Linear Attention" (AAAI 2025).
    """

    def __init__(self, channels: int, heads: int, side: int, act: str, norm: str) -> None:
        super().__init__()
        self.heads, self.side = heads, side
        self.local = nn.Sequential(conv(channels, channels, 3, groups=channels), activation(act))
        self.q, self.k = (nn.Linear(channels, channels // 2, bias=False) for _ in range(2))
        self.v = nn.Linear(channels, channels, bias=False)
        self.decays = nn.ModuleList(Decay(channels, channels // 2) for _ in range(2))
        self.gate = nn.Linear(channels, channels)
        make = norm_of("batch" if norm == "batch" else "rms")
        self.norm_read, self.norm_local = make(channels), make(channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return mixed tokens (n, tokens, channels)."""
        x = self.local(x.unflatten(1, (self.side, self.side))).flatten(1, 2)
        q, k, v = (_by_head(layer(x), self.heads) for layer in (self.q, self.k, self.v))
        there, back = (
            gated_scan(q, k, v, _by_head(decay(x), self.heads), backward=backward)
            for decay, backward in zip(self.decays, (False, True), strict=True)
        )
        read = ((there + back) / 2).transpose(1, 2).flatten(2)
        gate = self.gate(x).sigmoid()
        return self.out(self.norm_read(read) * gate + self.norm_local(x) * (1 - gate))


def vig(width: int, act: str, norm: str, heads: int = 2) -> nn.Module:
    """Return one block of two-way gated linear attention on 4 x 4 tokens and a channel MLP."""
    mixer = BothWays(width, heads, 4, act, norm)
    return Images(
        Tokens(width, 2, SIDE, placed=False),
        width,
        MetaBlock(mixer, channel_mlp(width, act), norm_of(norm), width),
    )


class Passing(nn.Module):
    """Rows that add what the row before has become: x_i += ReLU(conv(x_(i-1))), down, up, right and left.

    X. Pan et al., "Spatial As Deep: Spatial CNN for Traffic Scene Understanding" (AAAI 2018).

    Parameters
    ----------
    channels : int
        Of maps (n, height, width, channels).
    size : int
        Of the convolution along a row, odd.
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv1d(channels, channels, size, padding=size // 2, bias=False) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the map after all four passes."""
        for i, layer in enumerate(self.layers):
            axis, backward = (1 if i < 2 else 2), i % 2 == 1
            rows = list(x.movedim(-1, 1).unbind(axis + 1))
            rows = rows[::-1] if backward else rows
            for j in range(1, len(rows)):
                rows[j] = rows[j] + functional.relu(layer(rows[j - 1]))
            x = torch.stack(rows[::-1] if backward else rows, axis + 1).movedim(1, -1)
        return x


def scnn(width: int, act: str, norm: str, size: int = 5) -> nn.Module:
    """Return convolution, normalisation, activation and four passes."""
    stem = nn.Sequential(conv(1, width, 3), norm_of(norm)(width), activation(act))
    return Images(stem, width, Passing(width, size))
