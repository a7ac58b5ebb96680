"""The delta activation: its gradients, and that what tells changes computes what the module does."""

import itertools

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from rheobase.learning.delta_activation import DeltaActivation, delta_loss  # noqa: E402
from rheobase.learning.sparsity import recorded  # noqa: E402

torch.set_num_threads(1)


@pytest.mark.parametrize("f", ["relu", "identity"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 1)])
def test_values_are_whole_steps_and_gradients_those_of_the_equations(f, shape):
    steps = np.broadcast_to(
        np.linspace(0.1, 0.4, 6).reshape(2, 3)[: shape[0] if len(shape) == 2 else 1], (2, 3)
    )
    steps = steps[:, :1].copy() if shape == (2, 1) else steps[0, :3].copy() if shape else np.float64(0.25)
    layer = DeltaActivation(shape=shape, f=f, bits=4).double()
    with torch.no_grad():
        layer.threshold.copy_(torch.as_tensor(steps).reshape(shape))
        layer.threshold.neg_()  # the step is its magnitude
    x = torch.linspace(-3.0, 7.0, 7 * 2 * 3, dtype=torch.float64).reshape(7, 2, 3).requires_grad_()
    g = torch.linspace(1.0, 2.0, 42, dtype=torch.float64).reshape(7, 2, 3)
    a = layer(x)
    (a * g).sum().backward()

    low, high = (0, 15) if f == "relu" else (-7, 7)
    q, values = np.asarray(steps), x.detach().numpy()
    whole = np.floor(values / q + 0.5)
    n = np.clip(whole, low, high)
    np.testing.assert_array_equal(a.detach().numpy(), q * n)
    free = (values >= low * q) & (whole <= high)
    np.testing.assert_array_equal(x.grad.numpy(), g.numpy() * free)
    by_step = -(g.numpy() * n)  # turned
    expected = -by_step  # since the threshold is below zero
    for axis in range(3):
        size = ((1, 1, 1) if not shape else (1, *shape) if len(shape) == 2 else (1, 1, 3))[axis]
        expected = expected.sum(axis=axis, keepdims=True) if size == 1 else expected
    np.testing.assert_allclose(layer.threshold.grad.numpy(), expected.reshape(shape), rtol=1e-12)


def test_the_gradient_that_is_not_turned_is_its_opposite():
    found = []
    for turned in (True, False):
        layer = DeltaActivation(0.3, turned=turned)
        layer(torch.linspace(-1.0, 2.0, 31)).square().sum().backward()
        found.append(layer.threshold.grad.item())
    assert found[0] == -found[1] < 0.0


def test_a_step_does_not_fall_below_the_smallest_and_comes_back():
    layer = DeltaActivation(0.5, smallest=0.25)
    with torch.no_grad():
        layer.threshold.fill_(0.0)
    a = layer(torch.tensor([0.3, 1.1]))
    assert a.tolist() == [0.25, 1.0]
    a.sum().backward()
    assert layer.threshold.grad.item() == -5.0


def test_changes_cost_their_mean_magnitude_times_the_fan_out():
    a = torch.randn(5, 3, 4, dtype=torch.float64, requires_grad=True)
    loss = delta_loss(a, fan_out=7.0)
    loss.backward()
    rows, total = a.detach().numpy(), 0.0
    for before, after in itertools.pairwise(rows):
        total += 7.0 * np.abs(after - before).mean() / 4
    assert loss.item() == pytest.approx(total, rel=1e-12)
    signs = np.sign(np.diff(rows, axis=0)) * 7.0 / (4 * 12)
    expected = np.concatenate([-signs[:1], signs[:-1] - signs[1:], signs[-1:]])
    np.testing.assert_allclose(a.grad.numpy(), expected, rtol=1e-12)


def dyadic(scale, *shape, seed):
    """Return numbers that are sixteenths, which any order of sums adds up exactly."""
    return torch.from_numpy(np.random.default_rng(seed).integers(-scale, scale + 1, shape) / 16).float()


def test_a_stream_through_neurons_is_the_module_frame_by_frame_without_any_difference():
    model = nn.Sequential(
        DeltaActivation(1 / 16, f="identity"), nn.Linear(10, 12), DeltaActivation(0.25, bits=10),
        nn.Linear(12, 8), DeltaActivation(0.5, shape=(8,), bits=10), nn.Linear(8, 3),
    ).eval()  # fmt: skip
    with torch.no_grad():
        for seed, layer in enumerate(model[1::2]):
            layer.weight.copy_(dyadic(16, *layer.weight.shape, seed=seed))
            layer.bias.copy_(dyadic(8, *layer.bias.shape, seed=10 + seed))
        model[4].threshold.copy_(torch.tensor([0.25, 0.5] * 4))
    # Inputs are whole steps of the input's code, 255 for the largest; each frame changes some of them.
    rng = np.random.default_rng(5)
    frames = [rng.integers(0, 256, (6, 10)) / 255 * (255 / 128)]
    for _ in range(4):
        moved = rng.integers(0, 256, (6, 10)) / 255 * (255 / 128)
        frames.append(np.where(rng.random((6, 10)) < 0.2, moved, frames[-1]))
    frames = np.float32(frames)
    frames[0, 0, 0] = 255 / 128
    spiking = rb.convert(model, frames.reshape(-1, 10), events="graded", bias_correction=False)
    told = spiking.stream(frames, backend="reference")
    with torch.no_grad(), recorded(model) as seen:
        expected = model(torch.from_numpy(frames))
    macs = []
    for t, answer in enumerate(told):
        np.testing.assert_array_equal(answer.outputs, expected[t].numpy())
        if t == 0:  # which is told from where neurons rest
            continue
        changed = {name: (a[t] != a[t - 1]).sum(dim=1).numpy() for name, a in seen.items()}
        macs.append(sum(changed[name] * n for name, n in (("0", 12), ("2", 8), ("4", 3))))
        np.testing.assert_array_equal(answer.operations, macs[-1])  # one for each weight that a change meets
    assert 0 < np.mean(macs) < 0.5 * (10 * 12 + 12 * 8 + 8 * 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0.0}, "threshold: got 0.0"),
        ({"smallest": -1.0}, "smallest: got -1.0"),
        ({"f": "gelu"}, "f: got 'gelu'"),
        ({"bits": 1}, "bits: got 1"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    with pytest.raises(rb.SpecError, match=message):
        DeltaActivation(**options)


def test_one_frame_has_no_changes():
    with pytest.raises(rb.SpecError, match="two steps or more"):
        delta_loss(torch.ones(1, 3))
