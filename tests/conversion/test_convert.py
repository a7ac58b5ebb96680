"""Converted networks: rates follow a closed form, outputs approach the original's, nonsense is refused."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion.layers import Affine, Conv, Flatten, Pool, ReLU, forward

BACKENDS = ["reference", "numba"]


@pytest.fixture(scope="module")
def digits():
    return rb.datasets.digits()


@pytest.fixture(scope="module")
def digits_converted(digits):
    """Calibrated on 300 digits; tests score the other 700."""
    return rb.convert(rb.models.digits_network(), digits.pixels[:300])


def spike_counts(converted, x, name, **options):
    """Run with a probe that counts; return (spikes [n, neurons], Inference)."""
    probe = converted.network.add(rb.Probe(converted.network[name], "counts"))
    inference = converted.run(x, **options)
    return inference.result[probe].counts, inference


def small_cnn(rng):
    """An untrained network with every kind of layer; weights scaled so that signals keep their size."""
    return [
        Conv(rng.normal(size=(6, 2, 3, 3)) / 3, 0.1 * rng.normal(size=6), padding=1), ReLU(),
        Pool(2),
        Conv(rng.normal(size=(8, 3, 3, 3)) / 3, 0.1 * rng.normal(size=8), groups=2, stride=(1, 2)), ReLU(),
        Flatten(),
        Affine(rng.normal(size=(10, 32)) / 5, 0.1 * rng.normal(size=10)), ReLU(),
        Affine(rng.normal(size=(4, 10)) / 3),
    ]  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("start", "shift"), [(0.5, 0.5), (0.0, 0.0), (0.25, 0.25)])
def test_spike_counts_follow_the_closed_form_of_an_integrate_and_fire_neuron(backend, start, shift):
    # Constant input a, soft reset, start s theta: n(T) = clip(floor(T a / theta + s), 0, T).
    # All numbers are multiples of 1/64, so that sums are exact in single precision too.
    rng = np.random.default_rng(1)
    weight, bias = rng.integers(-32, 32, (20, 6)) / 64, rng.integers(-16, 16, 20) / 64
    x = rng.integers(0, 8, (9, 6)) / 8
    layers = [Affine(weight, bias), ReLU(), Affine(np.ones((1, 20)))]
    converted = rb.convert(
        layers, x[:5], input="current", thresholds="tensor", percentile=100, start=start, steps=13
    )
    counts, inference = spike_counts(converted, x, "layer1", backend=backend)
    a, theta = x @ weight.T + bias, converted.thresholds[0]
    expected = np.clip(np.floor(13 * a / theta + shift), 0, 13)
    np.testing.assert_array_equal(counts, expected)
    # The readout sums theta per spike, over 13 steps.
    np.testing.assert_allclose(inference.outputs[:, 0], (theta * expected).sum(1) / 13, rtol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_input_neurons_spike_in_proportion_to_the_pixel(backend, digits):
    layers = [Flatten(), Affine(np.ones((1, 784)))]
    converted = rb.convert(layers, digits.images[:3], peak=255)
    counts, _ = spike_counts(converted, digits.images[3:6], "input", steps=17, backend=backend)
    exact = 17 * digits.pixels[3:6]
    assert np.abs(counts - exact).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("steps", [8, 32])
def test_first_layer_rates_equal_relu_to_half_a_threshold_per_step(backend, steps, digits):
    model = rb.models.digits_network()
    converted = rb.convert(model, digits.pixels[:300], input="current", percentile=100)
    counts, _ = spike_counts(converted, digits.pixels[:60], "layer1", steps=steps, backend=backend)
    relu = forward(model[:2], digits.pixels[:60])
    theta = converted.thresholds[0]
    assert (np.abs(theta * counts / steps - relu) <= 0.5 * theta / steps + 1e-4).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_layer_without_spikes_before_it_is_summed_exactly(backend):
    # One Affine becomes a readout alone: its output is W x + b after every step.
    layers = [Affine([[1.0, -2.0], [0.5, 0.25]], [0.5, -1.0])]
    converted = rb.convert(layers, [[1.0, -1.0]], input="current", steps=5)
    inference = converted.run([[1.0, -1.0], [2.0, 0.5]], backend=backend)
    expected = [[3.5, -0.75], [1.5, 0.125]]
    np.testing.assert_allclose(inference.over_time, [expected] * 5, rtol=1e-6)


@pytest.mark.parametrize(("backend", "n"), [("reference", 300), ("numba", 700)])
def test_digits_are_recognised_as_well_as_by_the_original(backend, n, digits, digits_converted):
    scored = slice(300, 300 + n)
    found = digits_converted.compare(digits.pixels[scored], digits.labels[scored], backend=backend)
    assert found.n_inputs == n
    assert found.accuracy_original > 0.97
    assert found.accuracy_spiking >= found.accuracy_original - 0.01
    assert found.agreement >= 0.985
    assert found.spikes_per_input < 16 * (784 + 128 + 64)
    assert "accuracy" in repr(found)


def test_synaptic_events_are_spikes_times_fan_out(digits, digits_converted):
    counts = digits_converted.run(digits.pixels[300:350]).result.counts
    events = {p.name: p.events for p in counts.projections}
    spikes = {p.name: p.spikes for p in counts.populations}
    assert events["input->layer1"] == 128 * spikes["input"]
    assert events["layer1->layer2"] == 64 * spikes["layer1"]
    assert events["layer2->output"] == 10 * spikes["layer2"]
    # The frame is sent in each of 16 steps, its empty pixels are not.
    assert events["frame->input"] == 16 * np.count_nonzero(digits.images[300:350])
    assert spikes["output"] == 0


def test_both_backends_send_the_same_spikes(digits, digits_converted):
    runs = [digits_converted.run(digits.pixels[300:330], backend=name) for name in BACKENDS]
    assert runs[0].result.counts.spikes == runs[1].result.counts.spikes
    np.testing.assert_allclose(runs[0].over_time, runs[1].over_time, atol=1e-4)


def test_inputs_of_a_batch_do_not_meet(digits, digits_converted):
    together = digits_converted.run(digits.pixels[300:304]).over_time
    for i in range(4):
        alone = digits_converted.run(digits.pixels[300 + i : 301 + i]).over_time
        np.testing.assert_array_equal(alone[:, 0], together[:, i])


def test_the_error_falls_with_the_number_of_steps(digits, digits_converted):
    x = digits.pixels[300:400]
    original = digits_converted.original(x)
    long = digits_converted.run(x, steps=64).over_time
    errors = [np.sqrt(np.mean((long[t - 1] - original) ** 2)) for t in (4, 16, 64)]
    assert errors[0] > 1.5 * errors[1] > 2 * errors[2]


@pytest.mark.parametrize(
    ("backend", "grain", "coding"),
    [
        ("reference", "neuron", "spikes"), ("numba", "neuron", "spikes"), ("numba", "neuron", "current"),
        ("numba", "channel", "spikes"), ("numba", "tensor", "spikes"), ("numba", "tensor", "current"),
    ],
)  # fmt: skip
def test_convolution_and_pooling_approach_the_original(backend, grain, coding):
    rng = np.random.default_rng(7)
    layers = small_cnn(rng)
    x = rng.uniform(size=(12, 2, 8, 10)).astype(np.float32)
    converted = rb.convert(layers, x, thresholds=grain, percentile=100, input=coding, steps=128)
    original = forward(layers, x)
    error = np.abs(converted.run(x, backend=backend).outputs - original).max() / np.abs(original).max()
    assert error < 0.05
    shallow = np.abs(converted.run(x, steps=4, backend=backend).outputs - original).max()
    assert shallow / np.abs(original).max() > error


def test_neurons_that_share_weights_share_a_threshold():
    rng = np.random.default_rng(3)
    converted = rb.convert(small_cnn(rng), rng.uniform(size=(20, 2, 8, 10)))
    conv1, pool, conv2, dense = converted.thresholds
    for shared in (conv1, pool):  # a pooling layer and a convolution follow
        assert (shared == shared[:, :1, :1]).all()
        assert np.unique(shared).size > 1
    assert (conv2 != conv2[:, :1, :1]).any()  # a layer with a weight for each of them follows
    assert np.unique(dense).size > 1


def test_thresholds_lie_at_the_percentile_of_the_sample_and_not_far_below_the_largest():
    sample = np.zeros((200, 3))
    sample[:, 0] = np.arange(200) / 100  # percentiles of the first neuron are known
    sample[:, 1] = 0.01
    layers = [Affine(np.eye(3)), ReLU(), Affine(np.ones((1, 3)))]
    (theta,) = rb.convert(layers, sample, percentile=50).thresholds
    np.testing.assert_allclose(theta, [0.995, 0.0995, 0.0995], rtol=1e-6)


def test_a_relu_at_the_end_is_applied_to_the_readout():
    converted = rb.convert([Affine([[1.0], [-1.0]]), ReLU()], [[0.5], [1.0]], steps=8)
    np.testing.assert_allclose(converted.run([[0.5]], backend="reference").outputs, [[0.5, 0.0]])


def test_a_layer_that_is_silent_on_the_sample_still_converts():
    layers = [Affine([[1.0]], [-5.0]), ReLU(), Affine([[1.0]], [0.25])]
    converted = rb.convert(layers, [[0.5], [1.0]])
    np.testing.assert_allclose(converted.run([[1.0]], backend="reference").outputs, [[0.25]])


def test_a_torch_network_converts_in_one_call(digits):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 5, stride=2), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.AvgPool2d(2),
        torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(144, 10),
    ).eval()  # fmt: skip
    x = torch.from_numpy(digits.pixels[:40]).reshape(-1, 1, 28, 28)
    converted = rb.convert(module, x)
    with torch.no_grad():
        expected = module(x).numpy()
    np.testing.assert_allclose(converted.original(x), expected, atol=1e-5)
    outputs = converted.run(x, steps=64).outputs
    assert np.abs(outputs - expected).max() < 0.1 * np.abs(expected).max()


def test_printing_shows_what_became_of_each_layer(digits_converted):
    text = repr(digits_converted)
    assert "rate law, 16 steps" in text
    for row in ("layer1", "layer2", "output"):
        assert f"\n{row}" in text
    assert "Affine + ReLU" in text


LAYERS = [Affine(np.eye(2)), ReLU(), Affine([[1.0, 1.0]])]
SAMPLE = np.array([[1.0, 0.5], [0.25, 1.0]])


@pytest.mark.parametrize(
    ("model", "sample", "options", "said"),
    [
        (LAYERS, SAMPLE, {"law": "delta"}, "available is 'rate'"),
        (LAYERS, SAMPLE, {"law": "value"}, "available is 'rate'"),
        (LAYERS, SAMPLE, {"thresholds": "layer"}, "convert.thresholds"),
        (LAYERS, SAMPLE, {"input": "image"}, "convert.input"),
        (LAYERS, SAMPLE, {"percentile": 0}, "convert.percentile"),
        (LAYERS, SAMPLE, {"percentile": float("nan")}, "convert.percentile"),
        (LAYERS, SAMPLE, {"start": 2}, "convert.start"),
        (LAYERS, SAMPLE, {"peak": -1.0}, "convert.peak"),
        (LAYERS, SAMPLE, {"dt": "1"}, "convert.dt"),
        (LAYERS, SAMPLE, {"steps": 0}, "steps"),
        (LAYERS, SAMPLE, {"steps": 2.5}, "steps"),
        (LAYERS, [1.0, 2.0], {}, "batch"),
        (LAYERS, np.zeros((0, 2)), {}, "at least one input"),
        (LAYERS, [[1.0, 2.0], [1.0, np.nan]], {}, "input 1 holds NaN"),
        (LAYERS, [[1.0, np.inf]], {}, "infinity"),
        (LAYERS, [["a", "b"]], {}, "allowed is an array"),
        (LAYERS, np.ones((4, 3)), {}, r"layer 0: Affine.*\(3,\).*\(2,\)"),
        (LAYERS, -SAMPLE, {}, "input='current'"),
        (LAYERS, 0 * SAMPLE, {}, "peak="),
        ([], SAMPLE, {}, "list of layers"),
        ("model", SAMPLE, {}, "torch module"),
        ([Affine(np.eye(2)), np.tanh], SAMPLE, {}, "list of layers"),
        ([ReLU(), *LAYERS], SAMPLE, {}, "nothing weighted"),
        ([Flatten()], SAMPLE, {}, "nothing to convert"),
        ([Affine(np.eye(2)), *LAYERS], SAMPLE, {}, r"layer 0 \(Affine\): no ReLU follows"),
        ([Pool(2), Flatten(), *LAYERS], -np.ones((3, 2, 2, 2)), {"input": "current"}, "negative in places"),
    ],
)
def test_what_cannot_be_converted_is_refused(model, sample, options, said):
    with pytest.raises(rb.ConversionError, match=said):
        rb.convert(model, sample, **options)


@pytest.mark.parametrize(
    ("x", "options", "said"),
    [
        (np.ones((1, 3)), {}, r"allowed is \(n, 2\)"),
        ([[np.nan, 0.0]], {}, "NaN"),
        ([[2.0, 0.0]], {}, "peak=2"),
        ([[-0.5, 0.0]], {}, "values from -0.5"),
        (SAMPLE, {"steps": -1}, "steps"),
    ],
)
def test_inputs_that_a_converted_network_cannot_take_are_refused(x, options, said):
    with pytest.raises(rb.ConversionError, match=said):
        rb.convert(LAYERS, SAMPLE).run(x, **options)


def test_labels_of_another_length_are_refused():
    with pytest.raises(rb.ConversionError, match="labels"):
        rb.convert(LAYERS, SAMPLE).compare(SAMPLE, [0])
