"""Functions that are trained: quotients of polynomials, one for each group of channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...conversion.tracing.operators import rational

#: a0 ... a5 and b1 ... b4 of what a function starts as: fitted by least squares from -6 to 6.
STARTS: dict[str, tuple[float, ...]] = {
    "identity": (0, 1, 0, 0, 0, 0, 0, 0, 0, 0),
    "gelu": (-0.0028986, 0.49949, 0.41633, 0.12088, 0.01401, 0.000508, 0, 0.24073, 0.00045241, 0.00096602),
    "silu": (
        0,
        0.5001,
        0.24993,
        0.052428,
        0.0054472,
        0.00023328,
        0.00034935,
        0.10466,
        4.2098e-05,
        0.00046339,
    ),
    "relu": (0.053214, 0.61657, 1.336, 0.9682, 0.26866, 0.024536, 0.66871, 1.393, 0.16032, 0.033861),
}


class Rational(nn.Module):
    """(a0 + a1 x + ... + a5 x^5) / (1 + |b1| |x| + ... + |b4| |x|^4), b of each group of channels its own.

    X. Yang and X. Wang, "Kolmogorov-Arnold Transformer" (ICLR 2025).

    Parameters
    ----------
    groups : int
        Divide the channels, which come last.
    start : str
        "identity", "gelu", "silu" or "relu": what it is before training.
    """

    def __init__(self, groups: int, start: str) -> None:
        super().__init__()
        numbers = torch.tensor(STARTS[start], dtype=torch.float32)
        self.above = nn.Parameter(numbers[:6].clone())
        self.below = nn.Parameter(numbers[6:].repeat(groups, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the function of each number."""
        parts = zip(x.chunk(len(self.below), -1), self.below, strict=True)
        return torch.cat([rational(part, self.above, below) for part, below in parts], -1)


class RationalMLP(nn.Sequential):
    """W2 R2(W1 R1(x)): R1 starts as the identity, R2 as an activation."""

    def __init__(self, channels: int, act: str, groups: int = 8, expand: int = 4) -> None:
        super().__init__(
            Rational(groups, "identity"), nn.Linear(channels, expand * channels),
            Rational(groups, act), nn.Linear(expand * channels, channels),
        )  # fmt: skip
