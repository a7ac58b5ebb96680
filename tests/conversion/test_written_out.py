"""Softmax, normalisations and functions that authors write out are found, and nothing else is."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from rheobase.conversion.graphs.forward import forward  # noqa: E402
from rheobase.conversion.trace import graph_of  # noqa: E402

N = 6
GAIN, SHIFT = torch.linspace(0.5, 1.5, N), torch.linspace(-1, 1, N)


def mean(x):
    return x.mean(-1, keepdim=True)


def variance(x, **options):
    return x.var(-1, keepdim=True, **options)


#: Operation -> ways to write it out.
FORMS = {
    "normalise": {
        "by the root of the mean square": lambda x: x * torch.rsqrt(mean(x.pow(2)) + 1e-6),
        "over a root, x * x": lambda x: GAIN * (x / torch.sqrt(mean(x * x) + 1e-5)),
        "to the power of -1/2": lambda x: x * (mean(x.square()) + 1e-6) ** -0.5,
        "by a sum": lambda x: x / torch.sqrt((x**2).sum(-1, keepdim=True) / N + 1e-6),
        "by a norm": lambda x: x * N**0.5 / x.norm(dim=-1, keepdim=True),
        "by functional.normalize": lambda x: functional.normalize(x, dim=-1),
        "along the first axis": lambda x: (y := x.view(-1, 2, 3)).div((y**2).mean(1, True).sqrt()).flatten(1),
        "of squares off the mean": lambda x: (d := x - mean(x)) / (mean(d.pow(2)) + 1e-5).sqrt(),
        "by a variance": lambda x: (x - mean(x)) * torch.rsqrt(variance(x, correction=0) + 1e-5) * GAIN,
        "by a sample's variance": lambda x: (x - mean(x)) / torch.sqrt(variance(x) + 1e-5),
        "by a deviation and more": lambda x: GAIN * (x - mean(x)) / (x.std(-1, keepdim=True) + 1e-6) + SHIFT,
        "mean square less squared mean": lambda x: (x - mean(x)) / (mean(x * x) - mean(x) ** 2 + 1e-3).sqrt(),
    },
    "softmax": {
        "plainly": lambda x: x.exp() / x.exp().sum(-1, keepdim=True),
        "less the largest": lambda x: (e := torch.exp(x - x.amax(-1, True))) / e.sum(-1, True),
        "less max": lambda x: (e := torch.exp(x - x.max(-1, True)[0])) / e.sum(-1, keepdim=True),
        "by logsumexp": lambda x: torch.exp(x - torch.logsumexp(x, -1, keepdim=True)),
        "by log_softmax": lambda x: torch.log_softmax(x, -1).exp(),
    },
    "gelu": {
        "half x first": lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))),
        "half last": lambda x: x * (0.5 * (1.0 + torch.erf(x * 0.7071067811865475))),
    },
    "gelu_tanh": {
        "by a power": lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        "by products": lambda x: 0.5 * x * (1 + torch.tanh(0.7978845608 * x * (1 + 0.044715 * x * x))),
    },
    "silu": {
        "by sigmoid": lambda x: x * torch.sigmoid(x),
        "by exp": lambda x: x / (1 + torch.exp(-x)),
        "steeper": lambda x: x * torch.sigmoid(1.702 * x),
    },
    "sigmoid": {"by exp": lambda x: 1 / (1 + torch.exp(-x))},
    "tanh": {"by four exp": lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())},
    "hard_silu": {
        "by relu6": lambda x: x * functional.relu6(x + 3) / 6,
        "by clamp": lambda x: x * torch.clamp(x + 3, 0, 6) / 6,
    },
    "mish": {"by softplus": lambda x: x * torch.tanh(functional.softplus(x))},
    "softplus": {"by log": lambda x: torch.log(1 + torch.exp(x))},
}  # fmt: skip
#: What looks alike, and is something else.
OTHERS = {
    "no gelu: another slope": lambda x: 0.5 * x * (1 + torch.erf(x / 1.5)),
    "no gelu: another constant": lambda x: (
        0.5 * x * (1 + torch.tanh(0.7978845608 * x * (1 + 0.0450 * x * x)))
    ),
    "no silu: clipped far out": lambda x: torch.clamp(x, -50, 50) * torch.sigmoid(x),
    "no silu: another factor": lambda x: (x + 0.01) * torch.sigmoid(x),
    "no hard silu: a later end": lambda x: x * torch.clamp(x + 3, 0, 6.5) / 6,
    "no softmax: something added": lambda x: x.exp() / (1 + x.exp().sum(-1, keepdim=True)),
    "no softmax: of one part": lambda x: x.exp() / x[:, :3].exp().sum(-1, keepdim=True),
    "no norm: by the mean magnitude": lambda x: x / (mean(x.abs()) + 1e-6),
    "no norm: around a part's mean": lambda x: (x - mean(x[:, :3])) / torch.sqrt(variance(x) + 1e-5),
    "no norm: much added to a root": lambda x: x / (mean(x * x).sqrt() + 0.1),
    "no norm: over its square": lambda x: x / (mean(x * x) + 1e-5),
}


class Form(nn.Module):
    def __init__(self, form):
        super().__init__()
        self.form = form

    def forward(self, x):
        return self.form(x)


class Forms(nn.Module):
    """All forms side by side, each behind a layer of its own: faster to trace than one by one."""

    def __init__(self, forms):
        super().__init__()
        self.first = nn.ModuleList(nn.Linear(N, N) for _ in forms)
        self.forms = nn.ModuleList(map(Form, forms))

    def forward(self, x):
        return torch.cat([form(layer(x)) for layer, form in zip(self.first, self.forms, strict=True)], -1)


def traced(forms):
    """Return what each form has become, in a graph that is held to torch on small and large inputs."""
    torch.manual_seed(0)
    model = Forms(forms).eval()
    graph = graph_of(model, torch.randn(20, N))
    for size in (0.1, 1.0, 5.0):
        x = size * torch.randn(50, N)
        with torch.no_grad():
            theirs = model(x).numpy()
        np.testing.assert_allclose(forward(graph, x), theirs, rtol=1e-4, atol=3e-5)
    became = []
    for i in range(len(forms)):
        nodes = [node for node in graph.nodes.values() if node.place == f"forms.{i} (Form)"]
        became.append(
            [node.options.get("function", node.op) for node in nodes if node.op not in ("wire", "scale")]
        )
    return became


def test_what_is_written_out_is_one_operation():
    named = [(op, how, form) for op, ways in FORMS.items() for how, form in ways.items()]
    became = traced([form for *_, form in named])
    assert [
        (op, how, found) for (op, how, _), found in zip(named, became, strict=True) if found != [op]
    ] == []


def test_what_only_looks_alike_stays_as_it_is():
    became = traced([*OTHERS.values()])
    kinds = {"normalise", "softmax", "gelu", "gelu_tanh", "silu", "hard_silu"}
    assert [name for name, found in zip(OTHERS, became, strict=True) if kinds.intersection(found)] == []


def test_what_others_read_too_is_no_part():
    def form(x):
        inner = torch.sigmoid(x)
        return x * inner + functional.relu(inner - 0.5)

    assert traced([form]) == [["sigmoid", "product", "relu", "add"]]


def test_bounds_that_samples_hardly_meet_stay():
    """Also far out: what is clipped is another function, and the softmax of what is clipped is one."""
    by_hand, by_maximum = traced([
        lambda x: (e := torch.clamp(x, -50, 50).exp()) / e.sum(-1, keepdim=True),
        lambda x: torch.softmax(torch.maximum(x, torch.tensor(-50.0)), -1),
    ])  # fmt: skip
    assert by_hand == ["clamp", "softmax"]
    assert (by_maximum[0], by_maximum[-1]) == ("relu", "softmax")


def test_attention_with_a_mask_by_exp_is_attention():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.k, self.v = (nn.Linear(4, 4) for _ in range(3))
            self.register_buffer("mask", torch.triu(torch.full((5, 5), -1e9), 1))

        def forward(self, x):
            scores = torch.einsum("bid,bjd->bij", self.q(x), self.k(x)) / 2 + self.mask
            e = torch.exp(scores - scores.max(-1, keepdim=True)[0])
            return torch.einsum("bij,bjd->bid", e / e.sum(-1, keepdim=True), self.v(x))

    torch.manual_seed(0)
    graph = graph_of(Attention().eval(), torch.randn(20, 5, 4))
    ops = [node.op for node in graph.nodes.values() if node.op not in ("wire", "scale", "input")]
    assert sorted(ops) == ["linear", "linear", "linear", "matmul", "matmul", "softmax"]
