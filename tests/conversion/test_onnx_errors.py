"""ONNX files that cannot be converted are refused by one error that says where and what to use instead."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402

import rheobase as rb  # noqa: E402
from rheobase.conversion.graphs.forward import forward  # noqa: E402
from rheobase.conversion.trace import graph_of  # noqa: E402
from rheobase.conversion.tracing.dense import Slot  # noqa: E402
from rheobase.conversion.tracing.onnx.dense import DenseNode  # noqa: E402
from tests.conversion.onnx_files import Net, reference  # noqa: E402

SAMPLE = np.linspace(-2, 3, 24, dtype=np.float32).reshape(3, 8)


def plain(function=None, opset=21, **settings):
    """Return a model of one linear operation, and what a function makes of that."""
    n = Net(opset)
    y = n.Gemm("x", n.drawn(8, 4), n.drawn(4))
    return n.model((8,), y if function is None else function(n, y), **settings)


def written(path, model):
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


@pytest.fixture
def refused(tmp_path):
    def refused(model, match, sample=SAMPLE, error=rb.ConversionError, **options):
        with pytest.raises(error, match=match) as caught:
            graph_of(written(tmp_path / "net.onnx", model), sample, **options)
        return str(caught.value)

    return refused


def test_all_that_cannot_be_converted_is_named_at_once_with_its_place_and_a_remedy(refused):
    def unsupported(n, x):
        first = n.Round(x)
        n.nodes[-1].name = "/head/Round"
        place = n.Cast(n.ArgMax(x, axis=1), to=1)
        chosen = n.Where(n.Greater(x, np.float32(0)), x, first)
        return n.Add(n.Add(chosen, place), n.Hardmax(n.Sinh(x)))

    message = refused(plain(unsupported), "5 of its operations cannot be converted")
    assert "/head/Round (Round): Round: leave rounding out" in message
    assert "(ArgMax): ArgMax: leave it out, and take it of the answer" in message
    assert "(Greater): Greater: comparisons of values" in message
    assert "Where" not in message  # only what it chooses by is at fault
    assert "(Hardmax): Hardmax" in message
    assert "(Sinh): Sinh: it has no counterpart; use sums" in message
    assert "allow_dense=True leaves what is not random to onnx" in message


def test_what_has_no_counterpart_can_be_left_to_onnx(tmp_path):
    model = plain(lambda n, x: n.Mul(n.Round(x), n.Sinh(x)))
    graph = graph_of(written(tmp_path / "net.onnx", model), SAMPLE, allow_dense=True)
    assert [node.op for node in graph.nodes.values()].count("dense") == 2
    np.testing.assert_allclose(forward(graph, -SAMPLE), reference(model, -SAMPLE)[0], rtol=0, atol=1e-4)


def test_what_was_left_to_onnx_is_kept_in_files(tmp_path):
    model = plain(lambda n, x: n.Gemm(n.Round(n.Mul(x, np.float32(4))), n.drawn(4, 2)))
    sample = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    snn = rb.convert(written(tmp_path / "net.onnx", model), sample, allow_dense=True, bits=6)
    assert [row.kind for row in snn.operations].count("dense") == 1
    snn.save(tmp_path / "spiking.npz")
    again, x = rb.Converted.load(tmp_path / "spiking.npz"), sample[:2]
    assert np.array_equal(again.original(x), snn.original(x))


@pytest.mark.parametrize("kept", [b"\xff" * 9, b"", "elsewhere"])
def test_nodes_in_files_of_ours_are_the_standard_s_and_whole(kept):
    if kept == "elsewhere":
        tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], [0.0])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.bin")
        kept = helper.make_node("Constant", [], ["y"], value=tensor).SerializeToString()
    node = DenseNode(np.frombuffer(kept, np.uint8), 21, (Slot(0, (1, 2)),), 0)
    with pytest.raises(rb.ConversionError, match="left dense"):
        node([np.zeros((1, 2), np.float32)])


def branched():
    n = Net()
    then = helper.make_graph([helper.make_node("Relu", ["x"], ["t"])], "then", [], [
        helper.make_tensor_value_info("t", TensorProto.FLOAT, None)])  # fmt: skip
    other = helper.make_graph([helper.make_node("Tanh", ["x"], ["e"])], "else", [], [
        helper.make_tensor_value_info("e", TensorProto.FLOAT, None)])  # fmt: skip
    condition = n.Greater(n.ReduceSum("x", keepdims=0), np.float32(0))
    return n.model((8,), n.If(condition, then_branch=then, else_branch=other))


def with_inputs(*more):
    model = plain()
    model.graph.input.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8]) for name in more)
    return model


def with_outputs():
    model = plain(lambda n, x: n.Relu(x))
    model.graph.output.append(helper.make_tensor_value_info("gemm0_0", TensorProto.FLOAT, [None, 4]))
    return model


def with_weight(value):
    n = Net()
    weight = n.drawn(8, 4)
    weight[1, 2] = value
    return n.model((8,), n.MatMul("x", weight))


def in_half_precision():
    n = Net()
    y = n.Cast(n.MatMul(n.Cast("x", to=TensorProto.FLOAT16), n.drawn(8, 4).astype(np.float16)), to=1)
    return n.model((8,), y)


def sparse():
    model = plain()
    held = helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0])
    places = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(held, places, [4]))
    return model


REFUSED = {
    "branches": (branched, r"\(If\): If: only what is the same for every sample"),
    "other domains": (
        lambda: plain(lambda n, x: n.add("FusedGemm", [x], domain="com.microsoft")),
        r"1 of its operators .* not of the ONNX standard: com\.microsoft\.FusedGemm; export it without",
    ),
    "random numbers": (lambda: plain(lambda n, x: n.Add(x, n.RandomNormal(shape=[4]))), "nothing random"),
    "dropout in training": (
        lambda: plain(lambda n, x: n.Dropout(x, np.float32(0.5), np.array(True))),
        r"\(Dropout\): Dropout: nothing random",
    ),
    "quantised values": (
        lambda: plain(lambda n, x: n.DequantizeLinear(n.QuantizeLinear(x, np.float32(0.1)), np.float32(0.1))),
        r"1 of its operations .*\n.*QuantizeLinear: leave quantisation out: .* choose bits=",
    ),
    "several inputs": (
        lambda: with_inputs("h", "c"), r"it takes 3 tensors \(x, h, c\); allowed is one.*extract_model"
    ),
    "several outputs": (with_outputs, r"it returns 2 tensors \(relu1_0, gemm0_0\); allowed is one"),
    "NaN": (lambda: with_weight(np.nan), r"held0 holds NaN; only finite weights"),
    "infinity": (lambda: with_weight(np.inf), r"\(MatMul\): MatMul: its weight is not finite"),
    "half precision": (lambda: plain(kind=TensorProto.FLOAT16), r"input 'x' is float16; allowed is float"),
    "half precision within": (in_half_precision, r"\(Cast\): Cast: it turns values into float16"),
    "sparse weights": (sparse, "holds sparse initializers; save them as dense"),
    "old opset": (lambda: plain(opset=6), r"made for opset 6; allowed is 7 to \d+"),
    "new opset": (lambda: plain(opset=999), r"not a valid ONNX|opset 999"),
    "a batch of three": (lambda: plain(batch=3), r"made for a batch of exactly 3; export it with one sample"),
    "mixes samples": (
        lambda: plain(lambda n, x: n.Sub(x, n.ReduceMean(x, np.array([0])))),
        "depends on the others of the batch",
    ),
    "normalises by batch": (
        lambda: plain(
            lambda n, x: n.add("BatchNormalization", [x, *n.drawn(4, 4) ** 2], 3, training_mode=1)[0]
        ),
        "keep running statistics",
    ),
    "ignores its input": (lambda: plain(lambda n, x: n.Neg(n.drawn(1, 4))), "does not depend on its input"),
    "values as places": (
        lambda: plain(lambda n, x: n.GatherElements(x, n.add("TopK", [x, np.array([4])], 2)[1], axis=1)),
        r"TopK: leave it out",
    ),
    "values as kernels": (
        lambda: plain(lambda n, x: n.Conv(n.Unsqueeze(x, np.array([1])), n.Reshape(x, np.array([1, 1, 4])))),
        "its kernel depends on the sample",
    ),
    "three dimensions": (
        lambda: plain(
            lambda n, x: n.MaxPool(n.Reshape(x, np.array([0, 1, 1, 2, 2])), kernel_shape=[1, 1, 1])
        ),
        r"it has 3 axes; signals .* and images",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_models_that_are_no_fixed_function_of_one_sample_are_refused(refused, case):
    model, match = REFUSED[case]
    error = (rb.ConversionError, rb.FormatError) if case == "new opset" else rb.ConversionError
    refused(model(), f"(?s){match}", error=error)


@pytest.mark.parametrize(
    ("sample", "match"),
    [
        (SAMPLE[:, :5], r"sample: the model takes \(any, 8\), got one of shape \(3, 5\)"),
        (SAMPLE[:, :, None], r"got one of shape \(3, 8, 1\); the first axis is the batch"),
        (SAMPLE.astype(np.int64), "its numbers are int64; the model takes float"),
        (SAMPLE.astype(np.float16), "its numbers are float16; allowed is float32"),
        (SAMPLE * np.nan, "holds NaN"),
        (np.ones((3, 8)), "all inputs are the same"),
    ],
)
def test_samples_that_do_not_fit_are_refused(refused, sample, match):
    refused(plain(), match, sample)


def elsewhere(model, name="held0"):
    tensor = next(one for one in model.graph.initializer if one.name == name)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return model


def elsewhere_within():
    """Return a model whose Constant keeps its numbers in another file."""
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [4], [0.0] * 4)
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    return plain(lambda n, x: n.Add(x, n.Constant(value=tensor)))


def calling(*bodies):
    model = plain(lambda n, x: n.add("F0", [x], domain="mine"))
    for i, body in enumerate(bodies):
        text = f'<domain: "mine", opset_import: ["" : 21, "mine" : 1]> F{i} (a) => (y) {{ {body} }}'
        model.functions.append(onnx.parser.parse_function(text))
    return model


def doubling(depth=40):
    twice = [f"b = mine.F{i + 1}(a) y = mine.F{i + 1}(b)" for i in range(depth)]
    return calling(*twice, "y = Relu(a)")


HOSTILE = {
    "weights in other files": (lambda: elsewhere(plain()), "held0 is kept in another file, and no other"),
    "constants in other files": (elsewhere_within, "w is kept in another file"),
    "functions that call themselves": (lambda: calling("y = mine.F0(a)"), "'F0' calls itself"),
    "functions that double": (doubling, "come to more than 100000 operators"),
    "large constants": (
        lambda: plain(lambda n, x: n.Add(x, n.ReduceMax(n.ConstantOfShape(np.array([10**6, 10**6]))))),
        r"\(ConstantOfShape\): .*array of shape \(1000000, 1000000\)",
    ),
    "large repetitions": (
        lambda: plain(lambda n, x: n.ReduceMax(n.Expand(x, np.array([10**9, 1, 1])))), r"\(Expand\): .*shape"
    ),
    "far places": (
        lambda: plain(lambda n, x: n.GatherElements(x, np.array([[2**60]]), axis=1)), r"\(GatherElements\): "
    ),
    "sizes that do not fit": (
        lambda: plain(lambda n, x: n.Reshape(x, np.array([1, 7]))), r"\(Reshape\): .*cannot be computed"
    ),
    "unknown operators": (lambda: plain(lambda n, x: n.Nonsense(x)), "not a valid ONNX model.*Nonsense"),
    "nothing": (lambda: b"", "holds no operators"),
    "another format": (lambda: b"PK\x03\x04" + bytes(100), "no ONNX file"),
    "text": (lambda: b"weights: 1, 2, 3\n" * 10, "no ONNX file"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_files_that_are_not_what_they_claim_are_refused(refused, case):
    model, match = HOSTILE[case]
    refused(model(), f"net.onnx: .*{match}", error=rb.FormatError)


def test_truncated_and_damaged_files_are_refused_or_read(tmp_path):
    data = plain(lambda n, x: n.Softmax(n.Reshape(n.Relu(x), np.array([0, 2, 2])))).SerializeToString()
    random_, outcomes = random.Random(0), set()
    cases = [data[: int(share * len(data))] for share in (0.1, 0.5, 0.9, 0.99)]
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(random_.choice([1, 3])):
            damaged[random_.randrange(len(data))] = random_.randrange(256)
        cases.append(bytes(damaged))
    for case in cases:
        try:
            graph_of(written(tmp_path / "odd.onnx", case), SAMPLE)
            outcomes.add("read")
        except (rb.FormatError, rb.ConversionError) as error:
            outcomes.add(type(error).__name__)
    assert outcomes >= {"read", "FormatError"}


def test_missing_package_is_named_with_the_extra_that_installs_it(tmp_path, monkeypatch):
    path = written(tmp_path / "net.onnx", plain())
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(rb.MissingExtra, match=r'onnx.*pip install "rheobase\[onnx\]"'):
        graph_of(path, SAMPLE)


def test_missing_file_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        graph_of(tmp_path / "none.onnx", SAMPLE)
