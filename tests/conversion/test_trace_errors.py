"""What cannot be converted is refused by one error that says where it is and what to use instead."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import rheobase as rb  # noqa: E402
from rheobase.conversion.graphs.forward import forward  # noqa: E402
from rheobase.conversion.trace import graph_of  # noqa: E402

SAMPLE = torch.linspace(-2, 3, 96).reshape(3, 4, 8)


class Module(nn.Module):
    def __init__(self, function, *layers):
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)
        self.register_buffer("count", torch.zeros(1))
        self.eval()

    def forward(self, x):
        return self.function(x, *self.layers)


class Counter(Module):
    def forward(self, x):
        self.count += 1
        return x + self.count


class Recalling(Module):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.calls


def refused(model, match, sample=SAMPLE, **options):
    with pytest.raises(rb.ConversionError, match=match) as caught:
        graph_of(model, sample, **options)
    return str(caught.value)


def branching(x):
    if x.sum() > 0:
        return x
    return -x


def with_weight(value):
    layer = nn.Linear(8, 2)
    layer.weight.data[0, 0] = value
    return nn.Sequential(nn.Identity(), layer).eval()


def test_all_that_cannot_be_converted_is_named_at_once_with_its_place_and_a_remedy():
    class Block(Module):
        pass

    block = Block(lambda x, fc: torch.sort(fc(x))[0] + x.round(), nn.Linear(8, 8))
    model = Module(lambda x, block: block(x) + torch.argmax(x, 1, keepdim=True) + (x > 0) * x, block)
    message = refused(model, "4 of its operations cannot be converted")
    assert "layers.0 (Block): sort: leave it out, and sort the answer" in message
    assert "layers.0 (Block): round: leave rounding out" in message
    assert "Module: argmax: leave it out, and take it of the answer" in message
    assert "Module: gt: comparisons" in message
    assert "allow_dense=True" in message


def test_what_has_no_counterpart_can_be_left_to_torch():
    def function(x, fc):
        first, places = torch.sort(fc(x), dim=-1)
        return first * 2 + places + x.round()

    model = Module(function, nn.Linear(8, 8))
    graph = graph_of(model, SAMPLE, allow_dense=True)
    assert "dense" in {node.op for node in graph.nodes.values()}
    unseen = torch.randn(5, 4, 8)
    with torch.no_grad():
        np.testing.assert_allclose(forward(graph, unseen), model(unseen), rtol=0, atol=1e-4)


def test_complex_numbers_are_refused_even_where_dense_operations_are_allowed():
    refused(
        Module(lambda x: torch.fft.fft(x).real), "constant matrices of cosines and sines", allow_dense=True
    )


def test_randomness_is_refused_even_where_dense_operations_are_allowed():
    refused(Module(lambda x: x + torch.randn_like(x)), "nothing random can be converted", allow_dense=True)
    refused(Module(lambda x: x + torch.rand(8)), "rand: nothing random", allow_dense=True)


CASES = {
    "in training": (
        nn.Sequential(nn.Linear(8, 2), nn.Dropout()),
        r"Sequential, 0, 1 are in training; .*eval\(\)",
    ),
    "partly in training": (
        nn.Sequential(nn.Linear(8, 2).eval(), nn.Dropout()).train(False).append(nn.Dropout()),
        r"model: 2 is in training",
    ),
    "branches": (
        Module(branching),
        r"depends on the values.*test_trace_errors\.py:\d+ \(`if x\.sum\(\) > 0:`\)",
    ),
    "other libraries": (
        Module(lambda x: torch.from_numpy(np.sin(x.numpy()))),
        r"leaves torch.*`.*x\.numpy\(\)",
    ),
    "double weights": (
        nn.Linear(8, 2).double().eval(),
        r"model\.weight: its numbers are float64; .*model\.float\(\)",
    ),
    "NaN weights": (with_weight(float("nan")), r"model\.1\.weight: it holds NaN or infinity"),
    "infinite weights": (with_weight(float("inf")), r"model\.1\.weight: it holds NaN or infinity"),
    "wrong shape": (
        nn.Linear(5, 2).eval(),
        r"sample: .*shape \(4, 8\) and type float32: RuntimeError: mat1 and mat2",
    ),
    "two inputs": (nn.Bilinear(8, 8, 3).eval(), r"sample: .*missing 1 required positional argument"),
    "two outputs": (Module(lambda x: (x, x)), r"returns a tuple; allowed is one tensor"),
    "mixes samples": (Module(lambda x: x - x.mean(0)), "depends on the others of the batch"),
    "normalises by batch": (nn.BatchNorm1d(4, track_running_stats=False).eval(), "keep running statistics"),
    "remembers": (Counter(None), r"model\.count: it changes whenever the model is called"),
    "remembers in Python": (Recalling(None), "answers otherwise when it is called again"),
    "never called": (nn.LazyLinear(2).eval(), r"model\.weight: it has no shape yet; call the model once"),
    "takes no batch": (nn.Conv2d(1, 2, 3).eval(), r"cannot be run on two of shape \(4, 8\)"),
    "complex": (Module(lambda x: (x * torch.tensor(1j)).abs()), "mul: its numbers are complex"),
    "overflows": (Module(lambda x: (1e3 * x).exp()), "answers to the sample are NaN or infinite"),
    "ignores its input": (Module(lambda x: torch.ones(len(x), 3)), "does not depend on its input"),
    "chooses by values": (
        Module(lambda x: torch.where(x > 0, x, x * x)),
        r"where: it chooses by a value .*relu",
    ),
    "values as places": (Module(lambda x: x.gather(1, x.argsort(1))), "gather: where it takes values from"),
    "values as kernels": (
        Module(lambda x: nn.functional.conv1d(x, x[:1, :, :3])),
        "kernel depends on the sample",
    ),
    "rounds": (Module(lambda x: torch.div(x, 2, rounding_mode="floor")), "leave rounding out"),
    "no model": (3, r"model: got int; allowed is a torch\.nn\.Module"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_models_that_are_no_fixed_function_of_one_sample_are_refused(case):
    refused(*CASES[case])


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_what_is_made_of_a_module_is_refused_as_no_module():
    layer = nn.Linear(8, 2).eval()
    refused(torch.jit.trace(layer, SAMPLE), r"got .*; allowed is a torch\.nn\.Module as its author wrote it")
    refused(torch.export.export(layer, (SAMPLE,)), r"got ExportedProgram; .* path of a \.pt2 file")


def test_three_dimensions_are_refused_by_name():
    refused(nn.Conv3d(1, 2, 3).eval(), r"Conv3d: .*signals .* and images", torch.randn(2, 1, 4, 4, 4))


@pytest.mark.parametrize(
    ("sample", "match"),
    [
        (SAMPLE.half(), "its numbers are float16; allowed is float32"),
        (SAMPLE.double(), "its numbers are float64; allowed is float32"),
        (SAMPLE > 0, "its numbers are bool"),
        (SAMPLE.long(), "type int64: RuntimeError"),
        (SAMPLE * torch.nan, "holds NaN or infinity"),
        (torch.ones(3, 4, 8), "all inputs are the same"),
        (torch.ones(8), r"got shape \(8,\); allowed is \(batch, ...\)"),
        (SAMPLE[:0], r"got shape \(0, 4, 8\)"),
        ("abc", "got str"),
        ([[1.0], [1.0, 2.0]], "got list"),
    ],
)
def test_samples_that_are_no_typical_inputs_are_refused(sample, match):
    refused(nn.Linear(8, 2).eval(), rf"sample: .*{match}", sample)


def test_a_sample_of_python_numbers_will_do():
    graph = graph_of(nn.Linear(2, 1).eval(), [[1.0, 2.0], [3.0, 4.0]])
    assert graph.input.shape == (2,)


def test_embeddings_refuse_what_is_no_index():
    graph = graph_of(nn.Embedding(5, 2).eval(), torch.tensor([[0, 1], [2, 3]]))
    with pytest.raises(rb.ConversionError, match=r"whole numbers from 0 to 4, got some from 0 to 7"):
        forward(graph, [[0, 7]])
    with pytest.raises(
        rb.ConversionError, match=r"samples: got an array of shape \(1, 3\); allowed is \(batch"
    ):
        forward(graph, [[0, 1, 2]])


def test_tracing_says_nothing_and_leaves_torch_as_it_was(capfd):
    before = torch.backends.mha.get_fastpath_enabled(), torch.is_grad_enabled()
    refused(Module(branching), "cannot be traced")
    refused(nn.Linear(5, 2).eval(), "cannot be run")
    assert (torch.backends.mha.get_fastpath_enabled(), torch.is_grad_enabled()) == before
    assert capfd.readouterr() == ("", "")
