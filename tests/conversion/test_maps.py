"""Linear operations of a graph, against loops over pixels."""

import numpy as np
import pytest

from rheobase.conversion.graphs.maps import apply
from tests.reference import images

PADDINGS = [((0, 0), (0, 0)), ((1, 1), (2, 2)), ((0, 1), (2, 0))]


def options(padding, stride=(1, 1), dilation=(1, 1), groups=1, image=(4, 6, 5)):
    return {"image": image, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("stride", "dilation", "groups"), [((1, 1), (1, 1), 1), ((2, 1), (1, 2), 2)])
def test_a_convolution_is_the_sum_over_each_window(padding, stride, dilation, groups):
    rng = np.random.default_rng(0)
    x, kernels = rng.normal(size=(2, 4, 6, 5)), rng.normal(size=(6, 4 // groups, 3, 2))
    found = apply("conv", {"weight": kernels}, options(padding, stride, dilation, groups), x.reshape(2, -1))
    expected = [images.convolve(one, kernels, stride, padding, dilation, groups) for one in x]
    np.testing.assert_allclose(found, np.reshape(expected, (2, -1)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("stride", "dilation", "groups"), [((1, 1), (1, 1), 1), ((2, 3), (2, 1), 2)])
def test_a_transposed_convolution_stamps_its_kernels(padding, stride, dilation, groups):
    rng = np.random.default_rng(1)
    x, kernels = rng.normal(size=(2, 4, 3, 2)), rng.normal(size=(4, 3, 3, 4))
    extra = (stride[0] - 1, 0)
    described = {**options(padding, stride, dilation, groups, (4, 3, 2)), "output_padding": extra}
    found = apply("conv_transpose", {"weight": kernels}, described, x.reshape(2, -1))
    expected = [
        images.convolve_transposed(one, kernels, stride, padding, extra, dilation, groups) for one in x
    ]
    np.testing.assert_allclose(found, np.reshape(expected, (2, -1)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("count_padding", [True, False])
def test_mean_pooling_divides_by_what_the_window_holds_or_by_its_size(padding, count_padding):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2, 4, 6, 5))
    described = {**options(padding, (2, 1)), "size": (3, 3), "count_padding": count_padding}
    found = apply("mean_pool", {}, described, x.reshape(2, -1))
    expected = [images.mean_pool(one, (3, 3), (2, 1), padding, count_padding) for one in x]
    np.testing.assert_allclose(found, np.reshape(expected, (2, -1)), rtol=0, atol=1e-12)


def test_whole_numbers_are_summed_exactly_in_single_precision():
    rng = np.random.default_rng(3)
    x, kernels = rng.integers(-16, 16, (3, 4, 6, 5)), rng.integers(-900, 900, (6, 4, 3, 3))
    found = apply("conv", {"weight": kernels}, options(((1, 1), (1, 1))), x.reshape(3, -1).astype(np.float32))
    expected = [images.convolve(one, kernels, (1, 1), ((1, 1), (1, 1)), (1, 1), 1) for one in x]
    np.testing.assert_array_equal(found, np.reshape(expected, (3, -1)))
