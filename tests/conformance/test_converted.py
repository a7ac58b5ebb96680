"""A converted network of all kinds of operators: at silence it is the quantised original, bit for bit."""

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")
nn = torch.nn


class Small(nn.Module):
    """Attention, a gate, a normalisation and pooling, on three tokens of four channels."""

    def __init__(self):
        super().__init__()
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(2, 2)
        self.q, self.k, self.v, self.gate, self.up = (nn.Linear(4, 4) for _ in range(5))

    def forward(self, x):
        y = self.norm(x)
        x = x + (self.q(y) @ self.k(y).transpose(-2, -1)).softmax(-1) @ self.v(y)
        x = x + nn.functional.silu(self.gate(x)) * self.up(x)
        return self.head(nn.functional.max_pool1d(x, 2).mean(1))


def test_silence_is_the_quantised_network(request):
    """On the reference, or on the backend that was chosen: others would compile every operator anew."""
    backend = request.config.getoption("--backend") or "reference"
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(60, 3, 4)).astype(np.float32)
    snn = rb.convert(Small().eval(), x)
    kinds = [o.kind for o in snn.network.operators]
    assert kinds == ["normalise", "matmul", "softmax", "matmul", "product", "max"]
    assert sum(p.connectivity.kind == "rows" for p in snn.network.projections) == 6
    found = snn.verify(x[:1], backends=[backend])
    assert set(found.sweeps) == {(backend, "depth"), (backend, "concurrent")}
