"""One-bit codes: integrate-and-fire neurons, spike for spike, and an error that falls as 1 / t."""

import numpy as np
import pytest

from rheobase.conversion.circuits.circuit import Cell, Circuit, Code, Term
from rheobase.conversion.circuits.emulate import Emulator
from rheobase.conversion.circuits.evaluate import exact
from rheobase.conversion.circuits.fuse import fuse
from rheobase.conversion.circuits.rates import FLOOR, calibrate_rates
from rheobase.neurons.errors import ConversionError
from tests.conversion import graphs
from tests.conversion.test_thresholds import passing


def integrate_and_fire(x, weights, biases, thetas, steps):
    """Layers of neurons with soft reset that start at half their threshold, step by step; spikes of all."""
    v = [theta / 2 for theta in thetas]
    spikes = [[] for _ in thetas]
    for _ in range(steps):
        told = x
        for i, (w, b, theta) in enumerate(zip(weights, biases, thetas, strict=True)):
            v[i] = v[i] + w @ told + b
            spike = v[i] >= theta
            v[i] = v[i] - theta * spike
            spikes[i].append(spike)
            told = theta * spike
    return [np.array(layer) for layer in spikes]


def test_rectified_cells_are_integrate_and_fire_neurons():
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(12, 5)), rng.normal(size=(8, 12)) / 3]
    biases = [rng.normal(size=12), rng.normal(size=8) / 3]
    thetas = [np.full(12, 1.25, np.float32), np.full(8, 0.75, np.float32)]
    x = rng.integers(-8, 9, 5) / 8
    names = ("x", "a", "b", "y")
    cells = [Cell("x", (5,), code=Code(np.full(5, 0.125, np.float32), -8, 8))]
    for i, (w, b, theta) in enumerate(zip(weights, biases, thetas, strict=True)):
        term = Term(names[i], "linear", {"weight": w})
        cells.append(Cell(names[i + 1], b.shape, (term,), b, function="relu", code=Code(theta, 0, 1)))
    cells.append(Cell("y", (1,), (Term("b", "linear", {"weight": np.ones((1, 8))}),)))
    run = Emulator(Circuit({cell.name: cell for cell in cells}), law="rate").run(x[None], sweeps=50)
    spikes = integrate_and_fire(x, weights, biases, thetas, 50)
    for name, expected in zip(("a", "b"), spikes, strict=True):
        np.testing.assert_array_equal(run.packets[name][:, 0], expected.sum(axis=1))
        np.testing.assert_array_equal(run.signals.counts[name][0], expected.sum(axis=0))
    assert spikes[1].sum() > 50


@pytest.mark.parametrize("function", ["identity", "gelu"])
def test_a_constant_value_is_told_within_half_a_theta_by_t(function):
    circuit, name = passing(40, function)
    x = np.random.default_rng(1).uniform(-1, 1, (1, 40)).astype(np.float32)
    coded = calibrate_rates(circuit, x, percentile=100, input_bits=14, grain="tensor")
    theta = coded.cells[name].code.theta
    for t in (1, 2, 5, 16, 64):
        error = Emulator(coded, law="rate").run(x, sweeps=t).outputs[-1] - exact(circuit, x)
        assert np.abs(error).max() <= theta.max() / (2 * t) + 1e-3


def test_the_error_of_a_network_falls_with_time():
    graph = graphs.residual_cnn()
    circuit, x, new = fuse(graph), graphs.samples(graph, 200), graphs.samples(graph, 30, 1)
    outputs = Emulator(calibrate_rates(circuit, x), law="rate").run(new, sweeps=64).outputs
    errors = [np.abs(outputs[t - 1] - exact(circuit, new)).mean() for t in (4, 16, 64)]
    assert errors[0] > 2.5 * errors[1] > 5 * errors[2]


def test_theta_is_a_percentile_of_each_neuron_and_not_below_the_floor():
    rng = np.random.default_rng(2)
    circuit, name = passing(3)
    x = rng.uniform(size=(2000, 3)) * np.array([1.0, 0.5, 0.01])
    theta = calibrate_rates(circuit, x, percentile=90.0).cells[name].code.theta
    np.testing.assert_allclose(theta[:2], [0.9, 0.45], rtol=0.02)
    assert theta[2] == pytest.approx(FLOOR * theta[0])


def test_the_law_rate_has_no_silence_and_no_order_of_depth():
    circuit = calibrate_rates(fuse(graphs.mlp()), graphs.samples(graphs.mlp(), 20))
    with pytest.raises(ConversionError, match="no number of sweeps"):
        Emulator(circuit, law="rate").run(np.zeros((1, 6)))
    with pytest.raises(ConversionError, match="whose events never end"):
        Emulator(circuit, law="rate", schedule="depth")
    with pytest.raises(ConversionError, match=r"Emulator.events: got 'burst'"):
        Emulator(circuit, events="burst")
