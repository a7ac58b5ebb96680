"""Shapes follow torch for every kernel, stride, padding, dilation and group; what nir 1.0.8 says instead."""

from __future__ import annotations

import nir
import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion.nir.graph import Node, graph_of, tree_of
from rheobase.conversion.nir.shapes import infer_shapes

torch = pytest.importorskip("torch")


def inferred(node, shape):
    graph = nir.NIRGraph({"in": nir.Input(np.array(shape)), "n": node}, [("in", "n")], type_check=False)
    nodes = graph_of(tree_of(graph)).nodes
    return infer_shapes(nodes, [("in", "n")])["n"][1]


CASES = [
    (kernel, stride, padding, dilation, groups)
    for kernel in ((3, 5), (1, 4), (2, 2))
    for stride in (1, 2, (1, 3))
    for padding in (0, (2, 1), "same", "valid")
    for dilation in (1, (2, 1))
    for groups in (1, 2)
    if padding != "same" or stride == 1
]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation", "groups"), CASES)
def test_convolutions(kernel, stride, padding, dilation, groups):
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    conv = torch.nn.Conv2d(4, 6, kernel, **options, device="meta")
    weight = np.ones((6, 4 // groups, *kernel))
    node = nir.Conv2d(None, weight, stride, padding, dilation, groups, np.zeros(6))
    assert inferred(node, (4, 10, 11)) == tuple(conv(torch.empty(1, 4, 10, 11, device="meta")).shape[1:])


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [((2, 3), (2, 1), (1, 0)), (2, 2, 0), ((3, 3), (1, 2), (0, 1))]
)
def test_pooling(kernel, stride, padding):
    node = nir.AvgPool2d(*map(np.array, (kernel, stride, padding)))
    pooled = torch.nn.AvgPool2d(kernel, stride, padding)(torch.empty(1, 4, 10, 11))
    assert inferred(node, (4, 10, 11)) == tuple(pooled.shape[1:])


def test_nir_takes_the_first_size_of_a_kernel_for_both_axes():
    node = nir.Conv2d((10, 10), np.ones((1, 1, 3, 5)), 1, 0, 1, 1, np.zeros(1))
    assert node.output_type["output"].tolist() == [1, 8, 8]
    assert inferred(node, (1, 10, 10)) == (1, 8, 6)


def test_nir_takes_the_channels_of_one_group_for_all():
    node = nir.Conv2d((4, 4), np.ones((2, 1, 3, 3)), 1, 0, 1, 2, np.zeros(2))
    assert node.input_type["input"].tolist() == [1, 4, 4]
    assert inferred(node, (2, 4, 4)) == (2, 2, 2)


def test_nir_cannot_write_a_convolution_that_does_not_know_its_image(tmp_path):
    node = nir.Conv2d(None, np.ones((1, 1, 3, 3)), 1, 0, 1, 1, np.zeros(1))
    graph = nir.NIRGraph({"in": nir.Input(np.array([1, 4, 4])), "n": node}, [("in", "n")], type_check=False)
    with pytest.raises(TypeError):
        nir.write(tmp_path / "no.nir", graph)
    net = rb.read_nir(graph)
    rb.write_nir(net, tmp_path / "yes.nir")
    assert nir.read(tmp_path / "yes.nir").nodes["n"].input_shape.tolist() == [4, 4]


@pytest.mark.parametrize(
    ("node", "shape", "match"),
    [
        (nir.Linear(np.eye(3)), (4,), r"Input gives \(4,\), Linear takes \(3,\)"),
        (nir.Linear(np.eye(4)), (2, 2), r"Input gives \(2, 2\), Linear takes \(4,\)"),
        (nir.Linear(np.ones((2, 3, 3))), (2, 3), r"allowed is \[n_out, n_in\]"),
        (nir.Affine(np.eye(3), np.ones(2)), (3,), "2 entries; allowed are 3"),
        (
            nir.Conv2d(None, np.ones((2, 3, 3, 3)), 1, 0, 1, 1, np.ones(2)),
            (2, 8, 8),
            "allowed are 3 channels",
        ),
        (
            nir.Conv2d(None, np.ones((3, 1, 3, 3)), 1, 0, 1, 2, np.ones(3)),
            (2, 8, 8),
            "groups that divide c_out",
        ),
        (
            nir.Conv2d(None, np.ones((2, 2, 9, 3)), 1, 0, 1, 1, np.ones(2)),
            (2, 8, 8),
            "window of 9 does not fit into 8",
        ),
        (nir.Conv2d(None, np.ones((2, 2, 3, 3)), 2, "same", 1, 1, np.ones(2)), (2, 8, 8), "a stride of 1"),
        (nir.Conv2d(None, np.ones((2, 2, 3, 3)), 0, 0, 1, 1, np.ones(2)), (2, 8, 8), "whole numbers from 1"),
        (
            nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
            (8, 8),
            "allowed is .channels, height",
        ),
        (nir.Flatten({"input": np.array([2, 3])}, 2, -1), (2, 3), "allowed is from -2 to 1"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(node, shape, match):
    with pytest.raises(rb.FormatError, match=match):
        inferred(node, shape)


def test_a_node_whose_shape_follows_from_nothing_is_named():
    pool = Node(
        "SumPool2d",
        {"kernel_size": np.array([2, 2]), "stride": np.array([2, 2]), "padding": np.array([0, 0])},
    )
    with pytest.raises(rb.FormatError, match="p: its shape follows from nothing"):
        infer_shapes({"p": pool}, [])
