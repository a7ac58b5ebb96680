"""Record what the package dcls makes of synapses with learned delays: run with a Python that has it.

Usage: python tests/learning/record_dcls.py   (recorded with dcls 0.1.1 and torch 2.13.0)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from DCLS.construct.modules import Dcls1d

PRE, POST, TAPS, STEPS, BATCH = 4, 3, 9, 12, 2


def computed(kind: str, count: int, width: float, x: torch.Tensor, given: dict[str, torch.Tensor]) -> dict:
    """Return outputs, and gradients where there are bells, of synapses with so many taps for each pair."""
    layer = Dcls1d(PRE, POST, count, dilated_kernel_size=TAPS, bias=False, version=kind).double()
    with torch.no_grad():
        layer.weight.copy_(given["weight"])
        layer.P.copy_(given["position"] if kind == "gauss" else given["position"].round())
        layer.SIG.fill_(width)
    padded = torch.nn.functional.pad(x, (TAPS - 1, (TAPS - 1) // 2)).requires_grad_()
    y = layer(padded)
    (y * given["goal"]).sum().backward()
    found = {"y": y, "d_weight": layer.weight.grad, "d_x": padded.grad[..., TAPS - 1 : TAPS - 1 + STEPS]}
    return found | ({"d_position": layer.P.grad} if kind == "gauss" else {})


if __name__ == "__main__":
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(BATCH, PRE, STEPS, generator=generator) < 0.4).double()
    recorded: dict[str, np.ndarray] = {"x": x.numpy()}
    for name, count, width in (("single", 1, 1.5), ("double", 2, 0.23)):
        draw = {"generator": generator, "dtype": torch.float64}
        given = {
            "weight": torch.randn(POST, PRE, count, **draw),
            "position": (torch.rand(1, POST, PRE, count, **draw) - 0.5) * (TAPS - 1),
            "goal": torch.randn(BATCH, POST, STEPS + (TAPS - 1) // 2, **draw),
        }
        soft = computed("gauss", count, width, x, given)
        hard = computed("max", count, 0.0, x, given)
        everything = given | soft | {f"rounded_{key}": value for key, value in hard.items()}
        recorded |= {f"{name}_{key}": value.detach().numpy() for key, value in everything.items()}
        recorded[f"{name}_width"] = np.array(width)
    np.savez_compressed(Path(__file__).with_name("dcls.npz"), **recorded)
