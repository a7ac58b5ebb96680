"""Record a small network as torch's exporters write it, and what torch answers: onnx_exported.npz.

    pip install torch onnx onnxscript
    python tests/conversion/record_onnx.py

The tests need no onnxscript then, and go on to read what these versions of the exporters wrote.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import nn


class Block(nn.Module):
    """x += mha(LN(x)); x += down(silu(gate(y)) up(y)) for y = RMSNorm(x); x += mlp(LN(x)) with GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.RMSNorm(width), nn.LayerNorm(width)])
        self.gate, self.up, self.down = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.mlp = nn.Sequential(nn.Linear(width, 12), nn.GELU(), nn.Linear(12, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norms[0](x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        y = self.norms[1](x)
        x = x + self.down(nn.functional.silu(self.gate(y)) * self.up(y))
        return x + self.mlp(self.norms[2](x))


class Network(nn.Module):
    """A convolution with BatchNorm, pooling, a block on its pixels as tokens, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Hardswish(), nn.MaxPool2d(2)
        )
        self.block, self.head = Block(8), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.block(self.conv(x).flatten(2).transpose(1, 2)).mean(1))


def main() -> None:
    torch.manual_seed(0)
    module = Network().eval()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2.0)
    x = torch.randn(6, 1, 6, 8)
    written = {}
    for name, shapes in (("any", ({0: torch.export.Dim("n")},)), ("one", None)):
        given = x[:2] if shapes else x[:1]
        program = torch.onnx.export(module, (given,), dynamo=True, dynamic_shapes=shapes, verbose=False)
        model = program.model_proto
        for part in (
            model,
            model.graph,
            *model.graph.node,
            *model.graph.value_info,
            *model.graph.initializer,
        ):
            del part.metadata_props[:]  # where on the machine the source lies
        written[name] = np.frombuffer(model.SerializeToString(), np.uint8)
    with torch.no_grad():
        answers = module(x).numpy()
    made_by = ", ".join(f"{name} {version(name)}" for name in ("torch", "onnx", "onnxscript"))
    path = Path(__file__).with_name("onnx_exported.npz")
    np.savez_compressed(path, x=x.numpy(), answers=answers, made_by=made_by, **written)
    print(path, made_by, path.stat().st_size, file=sys.stderr)


if __name__ == "__main__":
    main()
