"""ONNX files as graphs: operators against onnx's reference implementation, networks against torch."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from rheobase.conversion.graphs.forward import forward  # noqa: E402
from rheobase.conversion.trace import graph_of  # noqa: E402
from rheobase.datasets import digits  # noqa: E402
from rheobase.models import reference as reference_network  # noqa: E402
from tests.conversion.onnx_files import Net, parts_of, reference  # noqa: E402

IMAGE, TOKENS = (8, 6, 8), (5, 8)


def one(*values):
    return np.array(values, np.float32)


def whole(*values):
    return np.array(values, np.int64)


UPPER = np.triu(np.ones((6, 8), bool), 1)


def skipping(n, x):
    """Return the second of three parts, the first of which nobody has named."""
    parts = n.add("Split", (x,), 3, axis=1, split=[1, 4, 3])
    n.nodes[-1].output[0] = ""
    return parts[1]


#: Family -> opsets, shape of a sample, what is computed of it.
OPERATORS = {
    "activations": ((13, 22), IMAGE, lambda n, x: [
        n.Relu(x), n.LeakyRelu(x, alpha=0.2), n.PRelu(x, n.drawn(8, 1, 1)), n.PRelu(x, one(0.3)),
        n.PRelu(x, n.drawn(1, 8)), n.Elu(x, alpha=0.5), n.Selu(x), n.Celu(x, alpha=0.7), n.Sigmoid(x),
        n.HardSigmoid(x), n.HardSigmoid(x, alpha=1 / 6, beta=0.5), n.Tanh(x), n.Softplus(x), n.Softsign(x),
        n.Clip(x, np.float32(-1), np.float32(0.5)), n.Clip(x, np.float32(0)),
        n.Clip(x, None, np.float32(0.1)), n.Clip(x), n.Dropout(x), n.Identity(x), n.Erf(x),
    ]),
    "newer activations": ((20, 28), IMAGE, lambda n, x: [
        n.Gelu(x), n.Gelu(x, approximate="tanh"), n.Mish(x), n.HardSwish(x),
    ]),
    "functions": ((13, 22), IMAGE, lambda n, x: [
        n.Exp(x), n.Sin(x), n.Cos(x), n.Abs(x), n.Neg(x), n.Log(n.Add(n.Abs(x), one(0.1))),
        n.Sqrt(n.Add(n.Abs(x), one(0.1))), n.Reciprocal(n.Add(n.Abs(x), one(1))), n.Pow(x, one(2)),
        n.Pow(x, np.float32(3)), n.Pow(n.Add(n.Abs(x), one(0.1)), one(0.3)), n.Pow(one(2), x),
    ]),
    "arithmetic": ((11, 14), IMAGE, lambda n, x: [
        n.Add(x, n.drawn(8, 1, 1)), n.Sub(one(1), x), n.Sub(x, n.Neg(x)), n.Mul(x, n.drawn(6, 8)),
        n.Div(x, one(3)), n.Div(one(2), n.Add(n.Exp(x), one(1))), n.Mul(x, n.Tanh(x)), n.Mul(x, x),
        n.Div(x, n.Add(n.Abs(x), one(1))), n.Sum(x, n.Tanh(x), n.drawn(8)), n.Mean(x, one(1), n.Exp(x)),
        n.Max(x, n.drawn(8), n.Neg(x)), n.Min(one(0.1), x), n.Max(x), n.Where(UPPER, x, n.Exp(x)),
        n.Softmax(n.Where(UPPER, x, one(-np.inf)), axis=-1), n.Where(UPPER, n.drawn(8, 1, 8), x),
        n.Add(x, n.Mul(one(2), one(3))),
    ]),
    "wiring": ((14, 18), IMAGE, lambda n, x: [
        n.Transpose(x, perm=[0, 2, 1, 3]), n.Reshape(x, whole(0, -1, 4)),
        n.Slice(x, whole(1, 7), whole(5, -9), whole(1, 3), whole(2, -2)), n.Gather(x, whole(3, -1), axis=1),
        n.Gather(x, np.int64(2), axis=2), n.GatherElements(x, np.arange(48).reshape(1, 1, 6, 8) % 8, axis=1),
        n.Concat(x, n.Tanh(x), n.Neg(x), axis=2), *n.add("Split", (x, whole(2, 6)), 2, axis=1),
        n.Pad(x, whole(0, 0, 1, 2, 0, 1, 0, 3)), n.Pad(x, whole(0, 0, 1, 0, 0, 0, 0, 3), np.float32(2)),
        n.Pad(x, whole(0, 0, 1, 2, 0, 0, 3, 1), mode="reflect"),
        n.Pad(x, whole(0, 0, 1, 2, 0, 0, 3, 1), mode="edge"),
        n.Expand(n.Slice(x, whole(0), whole(1), whole(1)), whole(1, 3, 1, 1)), n.Tile(x, whole(1, 2, 1, 2)),
        n.Unsqueeze(x, whole(2)), n.Squeeze(n.Slice(x, whole(4), whole(5), whole(2)), whole(2)),
        n.DepthToSpace(x, blocksize=2), n.DepthToSpace(x, blocksize=2, mode="CRD"),
        n.SpaceToDepth(x, blocksize=2), n.Trilu(x), n.Trilu(x, np.int64(-1), upper=0),
        n.ScatterElements(x, np.ones((1, 2, 6, 8), np.int64), n.drawn(1, 2, 6, 8), axis=1),
        n.Concat(x, n.drawn(1, 2, 6, 8), axis=1), n.Compress(x, np.arange(8) % 3 > 0, axis=1),
        n.Resize(x, None, one(1, 1, 2, 2), mode="nearest"),
        n.Resize(x, None, None, whole(1, 8, 9, 4), mode="nearest",
                 coordinate_transformation_mode="asymmetric"),
        n.Resize(x, None, one(1, 1, 1.5, 2), mode="linear"),
        n.Resize(x, None, None, whole(1, 8, 9, 5), mode="linear",
                 coordinate_transformation_mode="align_corners"),
    ]),
    "shapes": ((15, 20), IMAGE, lambda n, x: [
        n.Reshape(x, n.Concat(n.Shape(x, start=0, end=1), n.Mul(n.Shape(x, start=1, end=2), whole(6)),
                              whole(-1), axis=0)),
        n.Reshape(x, n.Concat(n.Gather(n.Shape(x), whole(0)), whole(-1), axis=0)),
        n.Expand(n.ReduceMean(x, axes=[1]) if n.opset < 18 else n.ReduceMean(x, whole(1)), n.Shape(x)),
        n.Add(x, n.Cast(n.Range(np.int64(0), n.Gather(n.Shape(x), np.int64(3)), np.int64(1)), to=1)),
        n.Mul(x, n.ConstantOfShape(whole(8, 1, 1))), n.Add(x, n.Constant(value_float=0.5)),
        n.Add(x, n.ConstantOfShape(n.Shape(x))), n.Cast(x, to=1),
        n.Add(x, n.DequantizeLinear(np.array([3, -4], np.int8).repeat(4), np.float32(0.5), np.int8(1))),
    ]),
    "reductions": ((18, 22), IMAGE, lambda n, x: [
        n.ReduceMean(x, whole(2, 3)), n.ReduceMean(x, whole(-1), keepdims=0), n.ReduceSum(x, whole(1, 3)),
        n.ReduceMax(x, whole(2), keepdims=0), n.ReduceMin(x, whole(1, 2)), n.ReduceL1(x, whole(1)),
        n.ReduceL2(x, whole(-1, 1)), n.ReduceLogSumExp(x, whole(1)), n.ReduceSumSquare(x, whole(3)),
        n.ReduceLogSum(n.Exp(x), whole(2)), n.CumSum(x, np.int64(1)), n.CumSum(x, np.int64(2), reverse=1),
        n.Softmax(x, axis=1), n.Softmax(x), n.LogSoftmax(x, axis=2),
    ]),
    "reductions of old": ((11, 12), IMAGE, lambda n, x: [
        n.ReduceMean(x, axes=[2, 3], keepdims=0), n.ReduceSum(x, axes=[1]), n.ReduceMax(x, axes=[-1]),
        n.ReduceL2(x, axes=[1]), n.Softmax(x), n.Softmax(x, axis=-1), n.LogSoftmax(x, axis=2),
        n.Squeeze(n.ReduceSum(x, axes=[3]), axes=[3]), n.Unsqueeze(x, axes=[1]),
        *n.add("Split", (x,), 2, axis=1, split=[3, 5]), skipping(n, x),
    ]),
    "products": ((13, 22), IMAGE, lambda n, x: [
        n.MatMul(x, n.drawn(8, 3)), n.MatMul(n.drawn(8, 5, 6), x), n.MatMul(n.drawn(5, 6), x),
        n.MatMul(x, n.Transpose(x, perm=[0, 1, 3, 2])), n.MatMul(x, n.drawn(8)),
        n.Gemm(n.Flatten(x), n.drawn(384, 3), n.drawn(3)), n.Gemm(n.Flatten(x), n.drawn(4, 384), transB=1),
        n.Gemm(n.Flatten(x), n.drawn(4, 384), n.drawn(1, 4), transB=1, alpha=0.5, beta=2.0),
        n.Transpose(n.Gemm(n.drawn(384, 5), n.Flatten(x), one(0.5), transA=1, transB=1)),
        n.Einsum(x, n.drawn(8, 3), equation="bchw,cd->bdhw"), n.Einsum(x, x, equation="bchw, bkhw -> bck"),
        n.Einsum(x, equation="bchw->bwc"), n.Einsum(x, n.drawn(8), equation="bchw,w->bhc"),
        n.Einsum(x, n.Tanh(x), equation="bchw,bchw->bch"),
    ]),
    "convolutions": ((11, 22), IMAGE, lambda n, x: [
        n.Conv(x, n.drawn(6, 8, 3, 5), n.drawn(6), pads=[1, 2, 1, 2], strides=[2, 1]),
        n.Conv(x, n.drawn(8, 2, 3, 3), group=4, dilations=[2, 2], pads=[2, 1, 0, 3]),
        n.Conv(x, n.drawn(4, 8, 2, 4), auto_pad="SAME_UPPER", strides=[1, 2]),
        n.Conv(x, n.drawn(4, 8, 2, 4), auto_pad="SAME_LOWER"),
        n.Conv(x, n.drawn(4, 8, 3, 3), auto_pad="VALID"),
        n.ConvTranspose(x, n.drawn(8, 4, 3, 3), n.drawn(4), strides=[2, 2], pads=[1, 1, 0, 1],
                        output_padding=[1, 0]),
        n.ConvTranspose(x, n.drawn(8, 2, 2, 3), group=2, dilations=[2, 1]),
        n.ConvTranspose(x, n.drawn(8, 4, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
        n.BatchNormalization(x, n.drawn(8), n.drawn(8), n.drawn(8), n.drawn(8) ** 2 + 0.5, epsilon=1e-3),
    ]),
    "signals": ((11, 22), (8, 16), lambda n, x: [
        n.Conv(x, n.drawn(6, 8, 3), n.drawn(6), pads=[1, 2], strides=[2]),
        n.MaxPool(x, kernel_shape=[3], pads=[1, 1]), n.MaxPool(x, kernel_shape=[2], strides=[2]),
        n.MaxPool(x, kernel_shape=[3], dilations=[2], strides=[3]),
        n.Conv(x, n.drawn(6, 8, 4), auto_pad="SAME_UPPER", dilations=[2]), n.AveragePool(x, kernel_shape=[2]),
        n.AveragePool(x, kernel_shape=[3], pads=[1, 1]),
        n.AveragePool(x, kernel_shape=[3], pads=[1, 0], strides=[2]),
        n.ConvTranspose(x, n.drawn(8, 4, 3), strides=[2]), n.GlobalAveragePool(x), n.GlobalMaxPool(x),
        n.BatchNormalization(x, n.drawn(8), n.drawn(8), n.drawn(8), n.drawn(8) ** 2 + 0.5),
    ]),
    "pooling": ((11, 22), IMAGE, lambda n, x: [
        n.MaxPool(x, kernel_shape=[2, 2]),
        n.MaxPool(x, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 0, 1]),
        n.MaxPool(x, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        n.MaxPool(x, kernel_shape=[2, 3], pads=[0, 1, 1, 0]),
        n.MaxPool(x, kernel_shape=[2, 2], dilations=[2, 3]),
        n.MaxPool(x, kernel_shape=[3, 3], auto_pad="SAME_UPPER"),
        n.MaxPool(x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        n.AveragePool(x, kernel_shape=[2, 2], strides=[2, 2]),
        n.AveragePool(x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        n.AveragePool(x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
        n.AveragePool(x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        n.GlobalAveragePool(x), n.GlobalMaxPool(x),
    ]),
    "normalisations": ((18, 20), IMAGE, lambda n, x: [
        n.InstanceNormalization(x, n.drawn(8), n.drawn(8)), n.LayerNormalization(x, n.drawn(8), n.drawn(8)),
        n.LayerNormalization(x, n.drawn(6, 8), axis=2, epsilon=1e-3),
        n.MeanVarianceNormalization(x, axes=[2, 3]),
    ]),
    "newer normalisations": ((24, 28), IMAGE, lambda n, x: [
        n.GroupNormalization(x, n.drawn(8), n.drawn(8), num_groups=2), n.RMSNormalization(x, n.drawn(8)),
        n.Swish(x, alpha=2.0), n.LayerNormalization(x, n.drawn(8), n.drawn(8)),
    ]),
    "attention": ((24, 28), (2, 5, 4), lambda n, x: [
        n.Attention(x, x, x), n.Attention(x, n.Tanh(x), x, is_causal=1, scale=0.3),
    ]),
}  # fmt: skip


def drawn(n, shape, seed=7):
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)


def saved(model, path):
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


CASES = [(family, opset) for family, (opsets, *_) in OPERATORS.items() for opset in dict.fromkeys(opsets)]


@pytest.mark.parametrize(("family", "opset"), CASES)
def test_operators_equal_the_reference_implementation(family, opset, tmp_path):
    _, shape, function = OPERATORS[family]
    model, parts = parts_of(shape, function, opset)
    graph = graph_of(saved(model, tmp_path / "net.onnx"), drawn(3, shape, 1))
    assert "dense" not in {node.op for node in graph.nodes.values()}
    unseen = drawn(3, shape)
    ours, first = forward(graph, unseen), 0
    for name, theirs in zip(parts, reference(model, unseen, parts), strict=True):
        mine = ours[:, first : first + theirs.shape[1]]
        first += theirs.shape[1]
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-5 * scale, err_msg=name)
    assert first == ours.shape[1]


def test_the_reference_implementation_is_right_where_it_is_amended():
    torch = pytest.importorskip("torch")
    F = torch.nn.functional

    def parts(n, x):
        return [
            n.MaxPool(x, kernel_shape=[3], pads=[1, 1]), n.GlobalMaxPool(x),
            n.ConvTranspose(x, n.drawn(8, 3, 4), n.drawn(6), group=2, strides=[2], pads=[1, 1]),
            n.BatchNormalization(x, n.drawn(8), n.drawn(8), n.drawn(8), n.drawn(8) ** 2 + 1),
            n.Softmax(x), n.LogSoftmax(x, axis=2),
        ]  # fmt: skip

    model, names = parts_of((8, 16), parts, 12)
    w, b, *norm = (
        torch.from_numpy(onnx.numpy_helper.to_array(one).copy()) for one in model.graph.initializer
    )
    x = torch.from_numpy(drawn(2, (8, 16)))
    theirs = [
        F.max_pool1d(x, 3, 1, 1), F.adaptive_max_pool1d(x, 1), F.conv_transpose1d(x, w, b, 2, 1, groups=2),
        F.batch_norm(x, norm[2], norm[3], norm[0], norm[1]), x.flatten(1).softmax(1), F.log_softmax(x, 2),
    ]  # fmt: skip
    for ours, one in zip(reference(model, x.numpy(), names), theirs, strict=True):
        np.testing.assert_allclose(ours, one.flatten(1), rtol=0, atol=1e-5)


def test_weights_of_few_bits_are_those_that_they_stand_for(tmp_path):
    n = Net(13)
    weight = np.arange(-12, 12, dtype=np.int8).reshape(3, 8)
    y = n.Gemm(
        "x", n.DequantizeLinear(weight, one(0.5, 0.25, 1), np.array([0, 1, 2], np.int8), axis=0), transB=1
    )
    graph = graph_of(saved(n.model((8,), y), tmp_path / "net.onnx"), drawn(3, (8,), 1))
    exact = (weight - np.array([[0], [1], [2]])) * np.array([[0.5], [0.25], [1]])
    x = drawn(3, (8,))
    np.testing.assert_allclose(forward(graph, x), x @ exact.T, rtol=0, atol=1e-4)


def test_tables_are_looked_up_by_whole_numbers(tmp_path):
    n = Net()
    rows = n.Gather(n.drawn(9, 4), n.Add("x", np.int64(1)))
    y = n.ReduceSum(n.Add(rows, n.Unsqueeze(n.Cast("x", to=1), whole(-1))), whole(1), keepdims=0)
    model = n.model((3,), y, onnx.TensorProto.INT64)
    graph = graph_of(saved(model, tmp_path / "net.onnx"), np.array([[0, 7, 3], [1, 1, 2]]))
    x = np.array([[5, 0, 7]])
    np.testing.assert_allclose(forward(graph, x), reference(model, x)[0], rtol=0, atol=1e-5)


def test_functions_of_a_file_are_written_out(tmp_path):
    body = onnx.parser.parse_function(
        '<domain: "mine", opset_import: ["" : 18]> Gate (a, b) => (y) { s = Sigmoid(a) y = Mul(s, b) }'
    )
    n = Net(18)
    y = n.add("Gate", ["x", n.Tanh("x")], domain="mine")
    model = n.model((8,), y)
    model.functions.append(body)
    graph = graph_of(saved(model, tmp_path / "net.onnx"), drawn(3, (8,), 1))
    x = drawn(2, (8,))
    np.testing.assert_allclose(forward(graph, x), np.tanh(x) / (1 + np.exp(-x)), rtol=0, atol=1e-5)


def test_operations_are_placed_by_the_names_of_the_file(tmp_path):
    n = Net()
    y = n.Relu(n.Gemm("x", n.drawn(8, 3)))
    n.nodes[0].name = "/blocks.0/fc1/Gemm"
    graph = graph_of(saved(n.model((8,), y), tmp_path / "net.onnx"), drawn(3, (8,)))
    assert [node.place for node in graph.nodes.values()] == [
        "input", "/blocks.0/fc1/Gemm (Gemm)", "relu1_0 (Relu)",
    ]  # fmt: skip


def exported(module, x, path, opset=20):
    torch = pytest.importorskip("torch")
    axes = {"x": {0: "n"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), (torch.from_numpy(x),), path, dynamo=False, opset_version=opset, input_names=["x"],
            dynamic_axes=axes,
        )  # fmt: skip
    return path


#: Network -> opset, and what it is made of beside weights and wires.
NETWORKS = {
    "cnn": (11, {"max_pool": 1, "relu": 6}),
    "mixer": (13, {"normalise": 5, "gelu": 4, "scale": 3}),
    "vit_mha": (20, {"normalise": 5, "gelu": 2, "matmul": 4, "softmax": 2, "scale": 4}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_exported_networks_are_those_that_were_exported(name, tmp_path):
    torch = pytest.importorskip("torch")
    (opset, made), module = NETWORKS[name], reference_network(name)
    x = digits().pixels[:60].reshape(-1, 1, 28, 28)
    graph = graph_of(exported(module, x[:1], tmp_path / "net.onnx", opset), x[:3])
    with torch.no_grad():
        theirs = module(torch.from_numpy(x[10:])).numpy()
    np.testing.assert_allclose(forward(graph, x[10:]), theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())
    found = Counter(node.options.get("function", node.op) for node in graph.nodes.values())
    weights = ("input", "linear", "conv", "wire", "add", "mean_pool")
    assert {name: n for name, n in found.items() if name not in weights} == made


def test_recurrent_layers_are_unrolled(tmp_path):
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(8, 4, batch_first=True, bidirectional=True)
            self.gru = nn.GRU(8, 3, batch_first=True, bidirectional=True)
            self.rnn, self.tanh = nn.RNN(8, 3, nonlinearity="relu"), nn.RNN(8, 2)

        def forward(self, x):
            turned = x.transpose(0, 1)
            parts = [self.lstm(x)[0], self.gru(x)[0], self.rnn(turned)[0].transpose(0, 1)]
            ends = [*self.lstm(x)[1], self.tanh(turned)[1]]
            return torch.cat([p.flatten(1) for p in parts + [e.transpose(0, 1) for e in ends]], 1)

    torch.manual_seed(0)
    module, x = Recurrent(), drawn(3, TOKENS)
    graph = graph_of(exported(module, x[:1], tmp_path / "net.onnx"), x)
    unseen = drawn(4, TOKENS, 3)
    with torch.no_grad():
        np.testing.assert_allclose(
            forward(graph, unseen), module(torch.from_numpy(unseen)), rtol=0, atol=1e-5
        )


@pytest.mark.parametrize("batch", ["any", "one"])
def test_what_the_exporter_of_programs_wrote_is_what_torch_answered(batch, tmp_path):
    with np.load(Path(__file__).with_name("onnx_exported.npz")) as recorded:  # record_onnx.py
        x, answers, data = recorded["x"], recorded["answers"], recorded[batch].tobytes()
    (tmp_path / "net.onnx").write_bytes(data)
    graph = graph_of(tmp_path / "net.onnx", x[:2])
    np.testing.assert_allclose(forward(graph, x), answers, rtol=0, atol=1e-5)
    found = Counter(node.options.get("function", node.op) for node in graph.nodes.values())
    assert (found["normalise"], found["silu"], found["gelu"], found["hard_silu"]) == (3, 1, 1, 1)
    assert (found["product"], found["matmul"], found["softmax"]) == (1, 2, 1)
