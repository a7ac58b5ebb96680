"""Convolution and pooling deliver what torch computes, for spikes of whole numbers and for frames."""

import functools

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")
F = torch.nn.functional
STEPS = 6


def image_run(simulator, x, shape, connectivity, weight, out_shape, precision):
    net = rb.Network()
    source = rb.SpikeSource if x.dtype.kind == "i" else rb.FrameSource
    pre = net.add(source(shape, name="pre"))
    post = net.add(rb.Population(out_shape, rb.IF(threshold=1e9), name="post"))
    net.add(rb.Projection(pre, post, connectivity, weight=weight, delay=0.0))
    probe = net.add(rb.Probe(post, "v"))
    result = simulator(net, 1e-3, precision=precision).run(STEPS * 1e-3, inputs={pre: x})
    v = result[probe].values.reshape(STEPS, *out_shape)
    return np.diff(v, axis=0, prepend=0.0), result.counts.projections[0]


@pytest.mark.parametrize("precision", [None, "fixed", "float64"])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [(1, 0, 1, 1), (2, 1, 1, 1), ((1, 2), (2, 0), 1, 2), (1, (0, 3), (2, 1), 4), (3, 2, 2, 1)],
)
def test_convolution_equals_torch(simulator, stride, padding, dilation, groups, precision):
    rng = np.random.default_rng(5)
    x = rng.poisson(0.3, (STEPS, 4, 9, 8))
    weight = rng.integers(-32, 33, (8, 4 // groups, 3, 2)) / 32
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    expected = F.conv2d(torch.tensor(x, dtype=torch.float64), torch.tensor(weight), **options).numpy()
    got, counts = image_run(
        simulator, x, (4, 9, 8), rb.conv2d(**options), weight, expected.shape[1:], precision
    )
    np.testing.assert_array_equal(got, expected)
    touched = F.conv2d(
        torch.tensor(x, dtype=torch.float64), torch.ones(weight.shape, dtype=torch.float64), **options
    )
    assert counts.events == touched.sum()


@pytest.mark.parametrize(("c_out", "groups"), [(80, 1), (33, 1), (40, 2)])
def test_many_channels_equal_torch_at_any_activity(simulator, c_out, groups):
    # Channels beyond one vector and beyond four, and pixels of which none, some and all channels fire.
    rng = np.random.default_rng(7)
    x = (rng.random((STEPS, 6, 5, 4)) < np.array([0.0, 0.05, 0.3, 0.6, 0.9, 1.0])[:, None, None, None]) * 1
    weight = rng.integers(-32, 33, (c_out, 6 // groups, 3, 3)) / 32
    expected = F.conv2d(
        torch.tensor(x, dtype=torch.float64), torch.tensor(weight), padding=1, groups=groups
    ).numpy()
    got, _ = image_run(
        simulator, x, (6, 5, 4), rb.conv2d(padding=1, groups=groups), weight, expected.shape[1:], None
    )
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("double", [False, True])
def test_times_and_ids_of_an_image_are_its_raster(simulator, double):
    rng = np.random.default_rng(8)
    x = (rng.random((STEPS, 3, 5, 4)) < 0.3) * 1
    x[2] *= 1 + double  # a neuron that fires twice in a step is one event with payload 2
    weight = rng.integers(-32, 33, (2, 3, 3, 3)) / 32
    steps, ids = np.nonzero(x.reshape(STEPS, -1))
    often = x.reshape(STEPS, -1)[steps, ids]
    net = rb.Network()
    pre = net.add(rb.SpikeSource((3, 5, 4), name="pre"))
    post = net.add(rb.Population((2, 3, 2), rb.IF(threshold=1e9), name="post"))
    net.add(rb.Projection(pre, post, rb.conv2d(), weight=weight, delay=0.0))
    probe = net.add(rb.Probe(post, "v"))
    pairs = (np.repeat(steps, often) * 1e-3, np.repeat(ids, often))
    listed, raster = (
        simulator(net, 1e-3).run(STEPS * 1e-3, inputs={pre: given})[probe].values for given in (pairs, x)
    )
    np.testing.assert_array_equal(listed, raster)


@pytest.mark.parametrize("turned", [False, True])
def test_one_matrix_for_all_rows_equals_torch(simulator, turned):
    """Rows of which none, some and all neurons fire; turned, a row is a column of the population."""
    rng = np.random.default_rng(9)
    x = (rng.random((STEPS, 5, 6)) < np.array([0.0, 0.05, 0.3, 0.6, 0.9, 1.0])[:, None, None]) * 1
    x[2] *= 2
    seen = x.transpose(0, 2, 1) if turned else x
    order = np.arange(30).reshape(5, 6).T.reshape(-1) if turned else None
    weight = rng.integers(-32, 33, (9, seen.shape[2])) / 32
    expected = F.linear(torch.tensor(seen, dtype=torch.float64), torch.tensor(weight)).numpy()
    pattern = rb.rows(seen.shape[1], order)
    got, counts = image_run(simulator, x, (5, 6), pattern, weight, expected.shape[1:], None)
    np.testing.assert_array_equal(got, expected)
    assert (counts.kind, counts.n_weights, counts.events) == ("rows", weight.size, x.sum() * 9)


@pytest.mark.parametrize("mode", ["average", "sum"])
@pytest.mark.parametrize(("size", "stride"), [(2, None), (3, 2), ((2, 4), (1, 3))])
def test_pooling_equals_torch(simulator, size, stride, mode):
    x = np.random.default_rng(6).poisson(0.5, (STEPS, 3, 9, 8))
    divisor = None if mode == "average" else 1
    expected = F.avg_pool2d(
        torch.tensor(x, dtype=torch.float64), size, stride, divisor_override=divisor
    ).numpy()
    got, counts = image_run(
        simulator, x, (3, 9, 8), rb.pool2d(size, stride, mode), 1.0, expected.shape[1:], None
    )
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert counts.kind == "pool2d"


@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_kernel_for_each_channel_equals_torch_on_any_number_of_threads(simulator, threads, values):
    # 3 threads share 7 channels: they part within pixels.
    rng = np.random.default_rng(8)
    x = rng.poisson(0.4, (STEPS, 7, 9, 8))
    weight = rng.integers(-32, 33, (7, 1, 3, 2)) / 32
    options = {"stride": (1, 2), "padding": (2, 0), "dilation": (2, 1), "groups": 7}
    expected = F.conv2d(torch.tensor(x, dtype=torch.float64), torch.tensor(weight), **options).numpy()
    make = functools.partial(simulator, threads=threads)
    given = x * 1.0 if values else x
    got, _ = image_run(make, given, (7, 9, 8), rb.conv2d(**options), weight, expected.shape[1:], None)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("mode", ["average", "sum"])
@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 2, 1), ((2, 4), (1, 3), (0, 2))])
def test_padded_pooling_equals_torch(simulator, size, stride, padding, mode):
    x = np.random.default_rng(6).poisson(0.5, (STEPS, 3, 9, 8))
    options = {"divisor_override": None if mode == "average" else 1}
    given = torch.tensor(x, dtype=torch.float64)
    expected = F.avg_pool2d(given, size, stride, padding, **options).numpy()
    touched = F.avg_pool2d(given, size, stride, padding, divisor_override=1).sum()
    pool = rb.pool2d(size, stride, mode, padding)
    got, counts = image_run(simulator, x, (3, 9, 8), pool, 1.0, expected.shape[1:], None)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert counts.events == touched


def test_lines_are_convolved_as_torch_does(simulator):
    rng = np.random.default_rng(9)
    x = rng.poisson(0.3, (STEPS, 4, 11))
    weight = rng.integers(-32, 33, (6, 2, 3)) / 32
    options = {"stride": 2, "padding": 2, "dilation": 2, "groups": 2}
    expected = F.conv1d(torch.tensor(x, dtype=torch.float64), torch.tensor(weight), **options).numpy()
    pattern = rb.conv2d((1, 2), (0, 2), (1, 2), 2)
    got, _ = image_run(simulator, x, (4, 11), pattern, weight[:, :, None], expected.shape[1:], None)
    np.testing.assert_array_equal(got, expected)


def test_frames_of_real_numbers_are_convolved(simulator):
    rng = np.random.default_rng(7)
    x = np.where(rng.random((STEPS, 2, 7, 7)) < 0.5, rng.normal(size=(STEPS, 2, 7, 7)), 0.0)
    weight = rng.normal(size=(3, 2, 3, 3))
    expected = F.conv2d(torch.tensor(x), torch.tensor(weight), padding=1).numpy()
    got, counts = image_run(
        simulator, x, (2, 7, 7), rb.conv2d(padding=1), weight, expected.shape[1:], "float64"
    )
    np.testing.assert_allclose(got, expected, atol=1e-12)
    assert counts.arithmetic == "mac"


def test_indices_of_an_image_are_those_of_the_flattened_shape(simulator, raster):
    # A weight that passes one channel on: neuron (c, y, x) hears (0, y, x) only for c == 1.
    weight = np.zeros((2, 1, 1, 1))
    weight[1] = 1.0
    net = rb.Network()
    pre = net.add(rb.SpikeSource((1, 3, 4)))
    post = net.add(rb.Population((2, 3, 4), rb.IF()))
    flat = net.add(rb.Population(5, rb.IF()))
    net.add(rb.Projection(pre, post, rb.conv2d(), weight=weight, delay=0.0))
    net.add(rb.Projection(post, flat, rb.explicit([17, 3], [2, 4]), weight=1.0, delay=0.0))
    image, ends = net.add(rb.Probe(post, ids=[17, 5])), net.add(rb.Probe(flat))
    spikes = np.zeros((2, 12), int)
    spikes[1, 5] = 1  # y = 1, x = 1: neuron 12 + 5 of the target
    result = simulator(net, 1e-3).run(2e-3, inputs={pre: spikes})
    assert result[image].ids.tolist() == [17]
    assert result[ends].ids.tolist() == [2]
    assert result[ends].steps.tolist() == [1]
