"""Layers compute what torch computes, and refuse what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion.layers import Affine, Conv, Flatten, Pool, ReLU, forward

torch = pytest.importorskip("torch")
F = torch.nn.functional


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def same(ours, theirs):
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [(1, 0, 1, 1), (2, 1, 1, 1), ((1, 2), (2, 0), 1, 2), (1, (0, 3), (2, 1), 4), (3, 2, 2, 1)],
)
def test_conv_equals_torch(rng, stride, padding, dilation, groups):
    x = rng.normal(size=(3, 4, 11, 9)).astype(np.float32)
    weight = rng.normal(size=(8, 4 // groups, 3, 2)).astype(np.float32)
    bias = rng.normal(size=8).astype(np.float32)
    layer = Conv(weight, bias, stride, padding, dilation, groups)
    args = (torch.from_numpy(a) for a in (x, weight, bias))
    expected = F.conv2d(*args, stride=stride, padding=padding, dilation=dilation, groups=groups)
    same(layer.forward(x), expected)
    assert layer.output_shape(x.shape[1:]) == tuple(expected.shape[1:])


@pytest.mark.parametrize(("size", "stride"), [(2, None), (3, 2), ((2, 3), (1, 2))])
def test_pool_equals_torch(rng, size, stride):
    x = rng.normal(size=(2, 3, 9, 8)).astype(np.float32)
    expected = F.avg_pool2d(torch.from_numpy(x), size, stride)
    same(Pool(size, stride).forward(x), expected)
    assert Pool(size, stride).output_shape(x.shape[1:]) == tuple(expected.shape[1:])


def test_affine_relu_and_flatten_equal_torch(rng):
    x = rng.normal(size=(5, 2, 3, 4)).astype(np.float32)
    weight, bias = rng.normal(size=(7, 24)).astype(np.float32), rng.normal(size=7).astype(np.float32)
    flat = torch.from_numpy(x).flatten(1)
    expected = F.linear(flat, torch.from_numpy(weight), torch.from_numpy(bias)).relu()
    same(forward([Flatten(), Affine(weight, bias), ReLU()], x), expected)


def test_a_missing_bias_is_zero():
    np.testing.assert_array_equal(Affine([[2.0, 3.0]]).forward(np.ones((1, 2), np.float32)), [[5.0]])


def test_weights_cannot_be_changed_behind_a_layer():
    weight = np.ones((1, 2))
    layer = Affine(weight)
    weight[:] = 7
    assert layer.weight.max() == 1
    with pytest.raises(ValueError, match="read-only"):
        layer.weight[0, 0] = 2


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Affine([1.0, 2.0]), "Affine.weight"),
        (lambda: Affine([[np.nan]]), "NaN"),
        (lambda: Affine([[1.0]], [1.0, 2.0]), "Affine.bias"),
        (lambda: Conv(np.ones((2, 2, 3))), "4 axes"),
        (lambda: Conv(np.ones((3, 1, 3, 3)), groups=2), "Conv.groups"),
        (lambda: Conv(np.ones((1, 1, 3, 3)), stride=0), "Conv.stride"),
        (lambda: Pool(0), "Pool.size"),
        (lambda: Pool((2, 2, 2)), "Pool.size"),
        (lambda: Affine(np.ones((2, 3))).output_shape((4,)), "shape"),
        (lambda: Affine(np.ones((2, 4))).output_shape((2, 2)), "Flatten"),
        (lambda: Conv(np.ones((1, 2, 3, 3))).output_shape((1, 8, 8)), r"\(2, height, width\)"),
        (lambda: Conv(np.ones((1, 1, 9, 9))).output_shape((1, 8, 8)), "does not fit"),
        (lambda: Pool(2).output_shape((8,)), "channels, height, width"),
    ],
)
def test_what_does_not_fit_is_refused(make, said):
    with pytest.raises(rb.ConversionError, match=said):
        make()
