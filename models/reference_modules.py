"""The reference networks as torch modules: each takes images (n, 1, 28, 28) and returns logits (n, 10).

This file imports torch and nothing of ours, so that another program can build the same networks from it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

#: Patches of an image of 28 x 28, each a token.
PATCH, TOKENS, WIDTH = 7, 16, 64


def mlp(first: int = 256, second: int = 128) -> nn.Module:
    """Return 784-256-128-10 with ReLU."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, first),
        nn.ReLU(),
        nn.Linear(first, second),
        nn.ReLU(),
        nn.Linear(second, 10),
    )


def wide() -> nn.Module:
    """Return 784-1024-1024-10 with ReLU, which is timed and does not ship."""
    return mlp(1024, 1024)


class Residual(nn.Module):
    """y = ReLU(x + BN(conv(ReLU(BN(conv(x))))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the shape of its input."""
        y = self.relu1(self.norm1(self.conv1(x)))
        return self.relu2(x + self.norm2(self.conv2(y)))


def _conv(c_in: int, c_out: int) -> list[nn.Module]:
    return [nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()]


def cnn() -> nn.Module:
    """Return convolutions with BatchNorm, two residual blocks, max and average pooling."""
    return nn.Sequential(
        *_conv(1, 16), nn.MaxPool2d(2), Residual(16),
        *_conv(16, 32), nn.AvgPool2d(2), Residual(32),
        nn.AvgPool2d(7), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip


class Patches(nn.Module):
    """One token for each patch of the image: (n, 1, 28, 28) -> (n, tokens, width)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, WIDTH, PATCH, stride=PATCH)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens, row by row."""
        return self.embed(x).flatten(2).transpose(1, 2)


def _feed_forward(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class MixerBlock(nn.Module):
    """x += mlp over tokens of LN(x); x += mlp over channels of LN(x) (Tolstikhin et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.tokens, self.channels = _feed_forward(TOKENS, 32), _feed_forward(WIDTH, 128)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens (n, tokens, width)."""
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


class Tokens(nn.Module):
    """Patches, blocks, LayerNorm, and a linear head on the mean of the tokens."""

    def __init__(self, block: Callable[[], nn.Module], *, position: bool) -> None:
        super().__init__()
        self.patches = Patches()
        self.position = nn.Parameter(0.02 * torch.randn(1, TOKENS, WIDTH)) if position else None
        self.blocks = nn.Sequential(block(), block())
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = self.patches(x)
        if self.position is not None:
            x = x + self.position
        return self.head(self.norm(self.blocks(x)).mean(1))


def mixer() -> nn.Module:
    """Return an MLP-Mixer of two blocks on 16 tokens of 64 channels."""
    return Tokens(MixerBlock, position=False)


class Attention(nn.Module):
    """Multi-head self-attention, written out: softmax(q k^T / sqrt(d)) v for each of 4 heads."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens (n, tokens, width)."""
        q, k, v = (f(x).unflatten(-1, (4, WIDTH // 4)).transpose(1, 2) for f in (self.q, self.k, self.v))
        share = (q @ k.transpose(-2, -1) * (WIDTH // 4) ** -0.5).softmax(-1)
        return self.out((share @ v).transpose(1, 2).flatten(2))


class ModuleAttention(nn.Module):
    """The same by torch's own `nn.MultiheadAttention`."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(WIDTH, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens (n, tokens, width)."""
        return self.inner(x, x, x, need_weights=False)[0]


class TransformerBlock(nn.Module):
    """x += attention of LN(x); x += mlp of LN(x) (Dosovitskiy et al. 2021)."""

    def __init__(self, attention: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention, self.channels = attention(), _feed_forward(WIDTH, 128)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens (n, tokens, width)."""
        x = x + self.attention(self.norm1(x))
        return x + self.channels(self.norm2(x))


def vit() -> nn.Module:
    """Return a vision transformer of two blocks on 16 tokens of 64 channels, its attention written out."""
    return Tokens(lambda: TransformerBlock(Attention), position=True)


def vit_mha() -> nn.Module:
    """Return the same vision transformer by `nn.MultiheadAttention`."""
    return Tokens(lambda: TransformerBlock(ModuleAttention), position=True)


class SwiGLU(nn.Module):
    """x += down(silu(gate(y)) up(y)) for y = RMSNorm(x) (Shazeer 2020)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.gate, self.up = (nn.Linear(width, hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(hidden, width, bias=False)
        self.silu = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the shape of its input."""
        y = self.norm(x)
        return x + self.down(self.silu(self.gate(y)) * self.up(y))


def swiglu() -> nn.Module:
    """Return two SwiGLU blocks with root-mean-square normalisation on 64 channels."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 64),
        SwiGLU(64, 128), SwiGLU(64, 128),
        nn.RMSNorm(64), nn.Linear(64, 10),
    )  # fmt: skip


#: How each is built, by name.
BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "mlp": mlp, "wide": wide, "cnn": cnn, "mixer": mixer, "vit": vit, "vit_mha": vit_mha, "swiglu": swiglu,
}  # fmt: skip
