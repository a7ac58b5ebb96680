"""Activations trained in steps: their values and gradients, and that neurons take them over as they are."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion.circuits.codes import quantised, without_staircases
from rheobase.conversion.circuits.fuse import fuse
from rheobase.conversion.circuits.rates import calibrate_rates
from rheobase.conversion.circuits.thresholds import calibrate
from rheobase.conversion.spiking.converted import Converted

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from rheobase.conversion.modules.qcfs import QCFS  # noqa: E402


def by_definition(x, threshold, levels, low):
    """threshold clip(floor(x levels / threshold + 1/2) / levels, low / levels, 1)."""
    return threshold * np.clip(np.floor(x * levels / threshold + 0.5) / levels, low / levels, 1)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("levels", [1, 3, 8])
def test_it_is_its_equation_and_its_gradients_those_of_no_rounding(levels, signed):
    threshold, low = 1.5, -levels if signed else 0
    x = torch.linspace(-4, 4, 2001, dtype=torch.float64, requires_grad=True)
    step = QCFS(levels, threshold, signed=signed).double()
    step(x).sum().backward()
    values = x.detach().numpy()
    np.testing.assert_array_equal(step(x).detach().numpy(), by_definition(values, threshold, levels, low))
    # Equations 13 and 14 of the paper: the ends lie half a step below whole numbers of steps.
    half = threshold / levels / 2
    bottom, top = low * threshold / levels - half, threshold - half
    inside = (values >= bottom) & (values < top)
    np.testing.assert_array_equal(x.grad.numpy(), inside)
    by_threshold = np.where(inside, (step(x).detach().numpy() - values) / threshold, values >= top)
    by_threshold = np.where(values < bottom, low / levels, by_threshold)
    assert step.threshold.grad.item() == pytest.approx(by_threshold.sum(), abs=1e-9)


def test_gradients_are_differences_of_what_stands_still_while_it_is_rounded():
    levels, threshold, e = 4, 1.25, 1e-6
    x = np.random.default_rng(0).uniform(0.2, 1.0, 50)
    rounding = np.floor(x * levels / threshold + 0.5) - x * levels / threshold

    def smooth(x, threshold):
        return threshold / levels * (x * levels / threshold + rounding)

    given = torch.tensor(x, requires_grad=True)
    step = QCFS(levels, threshold).double()
    (step(given) ** 2).sum().backward()
    for got, dx, dt in ((given.grad.numpy(), e, 0.0), (step.threshold.grad.numpy(), 0.0, e)):
        ends = [smooth(x + side * dx, threshold + side * dt) ** 2 for side in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * e)
        np.testing.assert_allclose(got, slope if dx else slope.sum(), rtol=1e-6)


class Block(nn.Module):
    """Convolutions, BatchNorm, max pooling, a residual sum and mean pooling between steps."""

    def __init__(self, steps):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), steps(), nn.MaxPool2d(2))
        self.inner = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), steps(), nn.Conv2d(4, 4, 3, padding=1))
        self.after = steps()
        self.last = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))

    def forward(self, x):
        x = self.first(x)
        return self.last(self.after(x + self.inner(x)))


def dyadic(steps):
    """The block with weights, thresholds and inputs such that float32 holds all sums exactly."""
    torch.manual_seed(3)
    model, rng = Block(steps).eval(), np.random.default_rng(4)
    for part in model.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            for tensor in (part.weight, part.bias):
                whole = rng.integers(-8, 9, tensor.shape) / 16
                tensor.data = torch.from_numpy(whole.astype(np.float32))
    model.first[1].eps = 0.0  # a mean of zero and a variance of one, so that it is the identity
    x = rng.integers(0, 256, (40, 1, 8, 8)).astype(np.float32) / 256
    x[0, 0, 0, 0] = 255 / 256
    return model, x


@pytest.fixture(scope="module")
def trained():
    """The converted network, inputs, and what the trained one answers to them."""
    model, x = dyadic(lambda: QCFS(4, 1.0))
    with torch.no_grad():
        return rb.convert(model, x, bits=8), x, model(torch.from_numpy(x)).numpy()


def test_at_silence_it_is_the_trained_network_bit_for_bit(trained):
    snn, x, expected = trained
    told = {row.bits for row in snn.operations[1:-1] if row.bits is not None}
    assert told == {3, 5}  # 4 levels, of their means 16
    assert {cell.function for cell in snn.circuit.cells.values()} == {"identity", "relu"}
    np.testing.assert_array_equal(quantised(snn.circuit, x), expected)
    np.testing.assert_array_equal(snn.run(x[:4], backend="reference").outputs, expected[:4])
    assert len(np.unique(expected)) > 30


@pytest.mark.parametrize("law", ["ttfs", "value"])
def test_so_it_is_under_other_laws(trained, law):
    snn, x, expected = trained
    circuit = calibrate(fuse(snn.graph), x, bits=8, rest=False, correct=False)
    if law == "ttfs":
        circuit = without_staircases(circuit).on_grid()
    found = Converted(snn.graph, circuit, law=law).run(x[:4], backend="reference")
    np.testing.assert_array_equal(found.outputs, expected[:4])


def test_means_are_rounded_where_bits_have_no_room_for_them(trained):
    snn, x, _ = trained
    fitted, rounded = (calibrate(fuse(snn.graph), x, bits=bits) for bits in (5, 4))
    means = [
        next(c for c in circuit.cells.values() if c.name.startswith("mean")) for circuit in (fitted, rounded)
    ]
    assert [mean.code.high for mean in means] == [16, 15]
    assert (means[0].code.theta == 1 / 16).all()


def test_rates_have_its_thresholds(trained):
    snn, x, _ = trained
    circuit = without_staircases(calibrate_rates(fuse(snn.graph), x[:8], horizon=2))
    steps = [cell for cell in circuit.cells.values() if cell.function == "relu"]
    assert len(steps) == 3
    assert all((cell.code.theta == 1.0).all() and cell.code.high == 1 for cell in steps)


def small(signed=False):
    """Linear, steps, linear: weights are multiples of 1/32."""
    torch.manual_seed(5)
    model = nn.Sequential(nn.Linear(4, 9), QCFS(4, 0.75, signed=signed), nn.Linear(9, 2)).eval()
    for part in (model[0], model[2]):
        part.weight.data, part.bias.data = (torch.round(t * 32) / 32 for t in (part.weight, part.bias))
    x = np.random.default_rng(6).integers(-127, 128, (50, 4)).astype(np.float32) / 128
    x[0, 0] = 127 / 128
    with torch.no_grad():
        return model, x, model(torch.from_numpy(x)).numpy()


def test_after_as_many_steps_as_levels_rates_of_a_steady_input_are_it():
    # Theorem 1 of the paper: integrate-and-fire neurons that start at half their threshold.
    model, x, expected = small()
    snn = rb.convert(model, x, law="rate")
    over_time = snn.run(x, steps=5, backend="reference").over_time
    np.testing.assert_allclose(over_time[3], expected, atol=1e-6)
    assert all(np.abs(over_time[t] - expected).max() > 0.02 for t in (0, 1, 2, 4))


def test_steps_below_zero_too():
    model, x, expected = small(signed=True)
    snn = rb.convert(model, x)
    np.testing.assert_array_equal(quantised(snn.circuit, x), expected)
    assert [cell.code.low for cell in snn.circuit.cells.values() if cell.code] == [-127, -4]


def test_relus_become_steps_that_start_where_they_round_best():
    torch.manual_seed(1)
    relu = nn.ReLU(inplace=True)
    model = nn.Sequential(nn.Linear(5, 20), relu, nn.Linear(20, 9), relu, nn.Linear(9, 6), nn.ReLU6())
    x = torch.rand(200, 5)
    made = rb.quantise_activations(model, x, levels=3)
    assert made.training
    assert made[1] is made[3]
    assert [type(part).__name__ for part in made] == ["Linear", "QCFS", "Linear", "QCFS", "Linear", "QCFS"]
    assert isinstance(model[1], nn.ReLU)
    arrived = model[4](model[:4](x)).detach().numpy()

    def error(threshold):
        return ((by_definition(arrived, threshold, 3, 0) - np.maximum(arrived, 0)) ** 2).mean()

    best = min(error(t) for t in np.linspace(0.02, 1.2, 300) * arrived.max())
    assert error(made[5].threshold.item()) < 1.05 * best
    for part in (made[1], made[5]):
        assert part.threshold.requires_grad


class Called(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.act = nn.Linear(3, 3), nn.ReLU()

    def forward(self, x):
        return torch.relu(self.fc(self.act(x)))


def test_what_cannot_be_trained_or_converted_is_named():
    x = torch.rand(20, 3)
    with pytest.raises(rb.ConversionError, match=r"model: 1 \(Called\) calls relu as a function"):
        rb.quantise_activations(nn.Sequential(nn.Linear(3, 3), Called()), x)
    with pytest.raises(rb.ConversionError, match=r"it holds no torch\.nn\.ReLU"):
        rb.quantise_activations(nn.Linear(3, 3), x)
    with pytest.raises(rb.ConversionError, match=r"levels: got 0; allowed is a whole number from 1 to 4095"):
        rb.quantise_activations(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), x, levels=0)
    with pytest.raises(rb.ConversionError, match="model: got list; allowed is"):
        rb.quantise_activations([], x)
    model = nn.Sequential(nn.Linear(3, 3), QCFS(4), nn.Linear(3, 2)).eval()
    with pytest.raises(rb.ConversionError, match="cells whose levels were not trained: "):
        rb.convert(model, x, bits={"linear_1": 4})
    model[1].threshold.data.fill_(-0.5)
    with pytest.raises(rb.ConversionError, match=r"1 \(QCFS\).*its threshold is -0.5"):
        rb.convert(model, x)


def test_an_exported_file_holds_the_steps(tmp_path):
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(4, 8), QCFS(3, 0.75), nn.Linear(8, 2)).eval()
    x = torch.rand(30, 4)
    torch.export.save(torch.export.export(model, (x[:1],)), tmp_path / "steps.pt2")
    from_file, direct = (rb.convert(m, x.numpy()).circuit for m in (tmp_path / "steps.pt2", model))
    np.testing.assert_array_equal(quantised(from_file, x.numpy()), quantised(direct, x.numpy()))
    assert any(cell.code and cell.code.high == 3 for cell in from_file.cells.values())


@pytest.mark.slow
def test_fine_tuning_wins_back_what_a_single_bit_loses():
    path = Path(__file__).parents[2] / "examples" / "09_fine_tune_steps.py"
    spec = importlib.util.spec_from_file_location("fine_tune_steps", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    original = rb.models.reference("cnn")
    sample, test = example.images_of(rb.datasets.calibration_digits()), rb.datasets.digits()
    tuned = rb.quantise_activations(original, sample, levels=1)
    example.fine_tune(tuned, original, sample, epochs=12, rate=example.RATES["cnn"])
    x, labels = example.images_of(test).numpy()[:300], test.labels[:300]
    plain, trained = (rb.convert(m, sample, bits=bits) for m, bits in ((original, 1), (tuned, 8)))
    right = [(quantised(snn.circuit, x).argmax(1) == labels).mean() for snn in (plain, trained)]
    assert right[1] > right[0] + 0.04
