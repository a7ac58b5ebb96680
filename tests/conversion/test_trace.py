"""Torch modules as graphs: every family of operators, and whole blocks, against torch on unseen inputs."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

from rheobase.conversion.graphs.forward import forward  # noqa: E402
from rheobase.conversion.trace import graph_of  # noqa: E402


class Module(nn.Module):
    """A function of layers and an input, as a module."""

    def __init__(self, function, *layers):
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def parts(self, x):
        made = self.function(x, *self.layers)
        return [one.flatten(1) for one in made] if isinstance(made, list) else [made]

    def forward(self, x):
        made = self.parts(x)
        return torch.cat(made, 1) if len(made) > 1 else made[0]


def settled(module, seed=0):
    """Return a module in evaluation, with every weight and running statistic drawn."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if getattr(layer, "running_var", None) is not None:
            layer.running_mean.normal_(generator=generator)
            layer.running_var.uniform_(0.5, 2.0, generator=generator)
    for parameter in module.parameters():
        parameter.data.normal_(generator=generator).mul_(0.5)
    return module.eval()


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def assert_equal(module, sample, unseen=None):
    """Hold a graph to its module, on inputs that the tracer has not seen."""
    graph = graph_of(module, sample)
    unseen = drawn(4, *sample.shape[1:], seed=7) if unseen is None else unseen
    with torch.no_grad():
        theirs = module.parts(unseen) if isinstance(module, Module) else [module(unseen)]
    assert_same(forward(graph, unseen.numpy()), theirs)
    return graph


def assert_same(ours, theirs):
    """Compare the parts of an answer, each by its own largest value."""
    assert ours.shape == (len(theirs[0]), sum(part[0].numel() for part in theirs)) or len(theirs) == 1
    first = 0
    for i, part in enumerate(theirs):
        mine = ours if len(theirs) == 1 else ours[:, first : first + part.shape[1]]
        first += part.shape[1]
        assert mine.shape == part.shape
        np.testing.assert_allclose(
            mine, part, rtol=0, atol=1e-5 * float(part.abs().max()), err_msg=f"part {i}"
        )


IMAGE, TOKENS = (2, 8, 6, 8), (2, 5, 8)
UPPER = torch.ones(6, 8).triu(1).bool()
MATRIX, STACK = drawn(8, 3, seed=1), drawn(8, 6, 6, seed=2)


def written_into(x):
    y = x.clone()
    y[:, 0] = 0
    y[:, 1] += x[:, 2]
    y[:, :, ::2].mul_(2.0)
    return y


OPERATORS = {
    "activations": (
        IMAGE,
        lambda x: [
            F.relu(x), F.relu6(4 * x), F.leaky_relu(x, 0.2), F.elu(x, 0.5), F.selu(x), F.celu(x, 0.7),
            F.gelu(x), F.gelu(x, approximate="tanh"), F.silu(x), F.mish(x), torch.sigmoid(x),
            torch.tanh(x), F.softplus(x), F.softplus(x, beta=2.0), F.logsigmoid(x), F.hardtanh(x),
            F.hardsigmoid(x), F.hardswish(x), F.softsign(x), F.tanhshrink(x), F.glu(x, 1),
            torch.relu_(x + 1),
        ],
    ),
    "functions": (
        IMAGE,
        lambda x: [
            x.exp(), x.sin(), x.cos(), x.abs(), x.square(), x * x, (x.abs() + 0.1).sqrt(),
            (x.abs() + 0.1).rsqrt(), (x.abs() + 0.1).log(), torch.log1p(x.abs()), torch.expm1(x),
            torch.erf(x), (x.abs() + 1).reciprocal(), x**3, x**5, (x.abs() + 0.1) ** 0.3, 2.0**x,
            x.clamp(-1, 0.5), x.clamp(min=0), x.clamp_max(0.1), -x,
        ],
    ),
    "arithmetic": (
        IMAGE,
        lambda x: [
            x + 1, 1 - x, x * 2, x / 3, 2 / (1 + x.exp()), x + x.flip(1), x - 2 * x.flip(1), x * x.flip(2),
            x / (1 + x.flip(1).abs()), torch.add(x, x.flip(3), alpha=3), x * MATRIX[:, 0].view(8, 1, 1),
            x + x[:, :1], x[:, :, :1] * x[:, :, :, :1], torch.maximum(x, x.flip(1)),
            torch.maximum(x, MATRIX[0, 0]), torch.minimum(x, x.flip(2)),
        ],
    ),
    "wiring": (
        IMAGE,
        lambda x: [
            x.transpose(1, 2), x.permute(0, 3, 1, 2).contiguous().view(2 - 1 + len(x) - 1, -1, 6),
            x[:, 2:5, ::2], x[:, [3, 1, 1]], x[..., torch.tensor([0, 2])],
            torch.cat([x[:, :2], x[:, 5:]], 1), x.flip(2), torch.roll(x, (1, 2), (2, 3)),
            torch.stack(x.unbind(1)[:3], 1), x.split([2, 6], 1)[1], x.chunk(2, 3)[1],
            x[:, :1].expand(-1, 3, -1, -1), x.repeat(1, 2, 1, 1), x.unfold(2, 3, 1),
            F.unfold(x, 3, padding=1), F.pixel_shuffle(x, 2), F.pixel_unshuffle(x, 2),
            F.channel_shuffle(x, 2), x.tril(), x.triu(1), F.interpolate(x, scale_factor=2),
            F.interpolate(x, scale_factor=1.5, mode="bilinear"), F.pad(x, (1, 2, 3, 0)),
            F.pad(x, (-1, 2, 0, 0), value=2.0), F.pad(x, (1, 1, 1, 1), mode="reflect"),
            F.pad(x, (1, 1, 1, 1), mode="replicate"), F.pad(x, (1, 2, 2, 1), mode="circular"),
            x.movedim(1, 3), torch.where(UPPER, x, x.flip(1)), x.masked_fill(UPPER, 2.0),
            torch.cat([torch.ones(len(x), 1, 6, 8), x], 1), torch.zeros_like(x),
            torch.einsum("bchw->bwc", x), x.repeat_interleave(2, 1), written_into(x),
        ],
    ),
    "reductions": (
        IMAGE,
        lambda x: [
            x.mean((2, 3)), x.mean(1, keepdim=True), x.sum(-1), x.sum((1, 3), keepdim=True), x.amax(2),
            x.amin((1, 2)), x.max(1)[0], x.min(-1, keepdim=True)[0], x.var(1),
            x.var(1, unbiased=False, keepdim=True), x.std((2, 3)), x.norm(dim=1), F.normalize(x, dim=1),
            x.logsumexp(1), x.cumsum(1), x.softmax(1), F.log_softmax(x, -1),
            x.masked_fill(UPPER, -torch.inf).softmax(-1),
            (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1),
        ],
    ),
    "products": (
        IMAGE,
        lambda x: [
            x @ MATRIX, STACK @ x, x @ x.transpose(-1, -2), MATRIX.T[:, :6] @ x,
            F.linear(x, MATRIX.T, MATRIX[0]), torch.einsum("bchw,cd->bdhw", x, MATRIX),
            torch.einsum("bchw,bkhw->bck", x, x), x @ MATRIX[:, 0],
            torch.bmm(x[:, 0], x[:, 1].transpose(1, 2)), x[:, :, :1] @ x.transpose(2, 3),
            x[:, 0, 0] @ MATRIX,
        ],
    ),
    "pooling": (
        IMAGE,
        lambda x: [
            F.max_pool2d(x, 2), F.max_pool2d(x, 3, 2, 1), F.max_pool2d(x, (2, 3), 1, dilation=2),
            F.max_pool2d(x, 3, 2, ceil_mode=True), F.avg_pool2d(x, 2), F.avg_pool2d(x, 3, 2, 1),
            F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), F.avg_pool2d(x, (1, 4), divisor_override=3),
            F.avg_pool2d(x, 3, 2, ceil_mode=True, count_include_pad=False), F.adaptive_avg_pool2d(x, 1),
            F.adaptive_avg_pool2d(x, (4, 3)), F.adaptive_max_pool2d(x, (3, 2)),
            F.max_pool1d(x[:, :, 0], 3, 2, 1), F.avg_pool1d(x[:, 0], 2), F.adaptive_avg_pool1d(x[:, 0], 4),
        ],
    ),
}  # fmt: skip

LAYERS = {
    "convolutions": (IMAGE, nn.Conv2d(8, 6, (3, 5), padding=(1, 2), stride=(2, 1)), nn.BatchNorm2d(6),
                     nn.ReLU(), nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1)),
    "grouped convolutions": (IMAGE, nn.Conv2d(8, 16, 3, padding="same", dilation=2, groups=4, bias=False),
                             nn.Conv2d(16, 16, 3, groups=16),
                             nn.ConvTranspose2d(16, 8, (2, 3), groups=2, dilation=2)),
    "even same padding": (IMAGE, nn.Conv2d(8, 4, (2, 4), padding="same"),
                          nn.Conv2d(4, 3, 3, padding=1, padding_mode="circular")),
    "signals": ((2, 8, 16), nn.Conv1d(8, 6, 3, padding=1, stride=2), nn.BatchNorm1d(6), nn.MaxPool1d(2),
                nn.ConvTranspose1d(6, 4, 3, stride=2), nn.AvgPool1d(3, padding=1)),
    "normalisations": (IMAGE, nn.GroupNorm(4, 8), nn.InstanceNorm2d(8, affine=True), nn.LayerNorm((6, 8)),
                       nn.PReLU(8), nn.RMSNorm(8), nn.PReLU()),
    "perceptron": ((2, 12), nn.Linear(12, 9), nn.BatchNorm1d(9), nn.Dropout(), nn.ReLU(),
                   nn.Linear(9, 4, bias=False)),
    "encoder layer": (TOKENS, nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)),
    "encoder layer, norm first": (TOKENS, nn.TransformerEncoderLayer(
        8, 2, 16, batch_first=True, norm_first=True, activation="gelu")),
}  # fmt: skip


@pytest.mark.parametrize("family", OPERATORS)
def test_operators_equal_torch(family):
    shape, function = OPERATORS[family]
    assert_equal(settled(Module(function)), drawn(*shape))


@pytest.mark.parametrize("name", LAYERS)
def test_layers_equal_torch(name):
    shape, *layers = LAYERS[name]
    assert_equal(settled(nn.Sequential(*layers)), drawn(*shape))


def test_recurrent_layers_are_unrolled():
    def rows(x, lstm, gru):
        return [lstm(x)[0], gru(x)[1].transpose(0, 1)]

    module = Module(rows, nn.LSTM(8, 4, batch_first=True), nn.GRU(8, 3, batch_first=True))
    assert_equal(settled(module), drawn(*TOKENS))


def test_attention_equals_torch_in_all_its_forms():
    def forms(x, whole, halves):
        q = x[:, None]
        return [
            whole(x, x, x)[0], whole(x, x, x, need_weights=False)[0], halves(x, x.flip(1), x)[0],
            F.scaled_dot_product_attention(q, q, q), F.scaled_dot_product_attention(q, q, q, is_causal=True),
            F.scaled_dot_product_attention(q, q, q.flip(2), attn_mask=STACK[0, :5, :5], scale=0.3),
        ]  # fmt: skip

    module = Module(
        forms,
        nn.MultiheadAttention(8, 2, batch_first=True),
        nn.MultiheadAttention(8, 4, batch_first=True, bias=False),
    )
    assert_equal(settled(module), drawn(*TOKENS))


def test_weights_without_gradients_are_traced_alike():
    module = settled(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)).requires_grad_(False)
    assert {node.op for node in assert_equal(module, drawn(*TOKENS)).nodes.values()} >= {"softmax", "matmul"}


def test_embedding_looks_up_whole_numbers():
    module = settled(Module(lambda x, table: table(x + 1).sum(1), nn.Embedding(9, 4)))
    assert_equal(module, torch.tensor([[0, 7, 3], [1, 1, 2]]), torch.tensor([[5, 0, 7]]))


def test_shared_layers_appear_wherever_they_are_used():
    module = settled(Module(lambda x, layer: layer(torch.relu(layer(x))), nn.Linear(8, 8)))
    graph = assert_equal(module, drawn(*TOKENS))
    assert [node.place for node in graph.nodes.values() if node.op == "linear"] == ["layers.0 (Linear)"] * 2


def test_rearrangements_cost_one_wire_however_many_there_are():
    def moved(x):
        return torch.relu(x.transpose(1, 2).flip(2)[:, 1:].roll(1, 1).transpose(1, 2).reshape(len(x), -1))

    graph = assert_equal(Module(moved).eval(), drawn(*TOKENS))
    assert [node.op for node in graph.nodes.values()] == ["input", "wire", "map"]


def test_reshaping_costs_nothing():
    module = Module(lambda x: torch.relu(x.reshape(len(x), 2, 20).unsqueeze(1)).flatten(1))
    assert [node.op for node in assert_equal(module.eval(), drawn(*TOKENS)).nodes.values()] == [
        "input",
        "map",
    ]
