"""One-bit codes: integrate-and-fire neurons, spike for spike, and an error that falls as 1 / t."""

from dataclasses import replace

import numpy as np
import pytest

from rheobase.conversion.circuits.circuit import Cell, Circuit, Code, Term
from rheobase.conversion.circuits.emulate import Emulator
from rheobase.conversion.circuits.evaluate import exact, exact_signals
from rheobase.conversion.circuits.fuse import fuse
from rheobase.conversion.circuits.rates import calibrate_rates
from rheobase.neurons.errors import ConversionError
from tests.conversion import graphs
from tests.conversion.test_thresholds import passing


def integrate_and_fire(x, weights, biases, thetas, steps, signed=False):
    """Layers of neurons with soft reset that start at half their threshold, step by step; spikes of all.

    Signed ones take a spike back where they have sent too many and v is below zero.
    """
    v = [theta / 2 for theta in thetas]
    spikes = [[] for _ in thetas]
    for _ in range(steps):
        told = x
        for i, (w, b, theta) in enumerate(zip(weights, biases, thetas, strict=True)):
            v[i] = v[i] + w @ told + b
            spike = 1 * (v[i] >= theta)
            if signed:
                spike = spike - ((v[i] < 0) & (sum(spikes[i], np.zeros_like(v[i])) > 0))
            v[i] = v[i] - theta * spike
            spikes[i].append(spike)
            told = theta * spike
    return [np.array(layer) for layer in spikes]


@pytest.mark.parametrize("signed", [False, True])
def test_rectified_cells_are_integrate_and_fire_neurons(signed):
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(12, 5)), rng.normal(size=(8, 12)) / 3]
    biases = [rng.normal(size=12), rng.normal(size=8) / 3]
    thetas = [np.full(12, 1.25, np.float32), np.full(8, 0.75, np.float32)]
    x = rng.integers(-8, 9, 5) / 8
    names = ("x", "a", "b", "y")
    cells = [Cell("x", (5,), code=Code(np.full(5, 0.125, np.float32), -8, 8))]
    for i, (w, b, theta) in enumerate(zip(weights, biases, thetas, strict=True)):
        term = Term(names[i], "linear", {"weight": w})
        cells.append(Cell(names[i + 1], b.shape, (term,), b, function="relu", code=Code(theta, -signed, 1)))
    cells.append(Cell("y", (1,), (Term("b", "linear", {"weight": np.ones((1, 8))}),)))
    run = Emulator(Circuit({cell.name: cell for cell in cells}), law="rate").run(x[None], sweeps=50)
    spikes = integrate_and_fire(x, weights, biases, thetas, 50, signed)
    for name, expected in zip(("a", "b"), spikes, strict=True):
        np.testing.assert_array_equal(run.packets[name][:, 0], np.abs(expected).sum(axis=1))
        np.testing.assert_array_equal(run.signals.counts[name][0], expected.sum(axis=0))
    assert spikes[1].sum() > 50
    assert signed == (spikes[1] < 0).any()


@pytest.mark.parametrize("function", ["identity", "gelu"])
def test_a_constant_value_is_told_within_half_a_theta_by_t(function):
    circuit, name = passing(40, function)
    x = np.random.default_rng(1).uniform(-1, 1, (1, 40)).astype(np.float32)
    coded = calibrate_rates(circuit, x, input_bits=14)
    theta = np.full(40, 1.02, np.float32)
    coded = Circuit({**coded.cells, name: replace(coded.cells[name], code=Code(theta, -1, 1))})
    for t in (1, 2, 5, 16, 64):
        error = Emulator(coded, law="rate").run(x, sweeps=t).outputs[-1] - exact(circuit, x)
        assert np.abs(error).max() <= theta.max() / (2 * t) + 1e-3


def test_the_error_of_a_network_falls_with_time():
    graph = graphs.residual_cnn()
    circuit, x, new = fuse(graph), graphs.samples(graph, 200), graphs.samples(graph, 30, 1)
    outputs = Emulator(calibrate_rates(circuit, x, horizon=64), law="rate").run(new, sweeps=64).outputs
    errors = [np.abs(outputs[t - 1] - exact(circuit, new)).mean() for t in (4, 16, 64)]
    assert errors[0] > 2.5 * errors[1] > 5 * errors[2]


def told_after(t, values, theta):
    """What integrate-and-fire neurons with constant input have told: spikes cannot exceed steps."""
    return np.clip(np.floor(t * values / theta + 0.5), 0, t) * theta / t


@pytest.mark.parametrize("horizon", [2, 8])
def test_thetas_are_those_with_the_smallest_error_at_the_horizon(horizon):
    rng = np.random.default_rng(2)
    circuit, name = passing(3)
    x = rng.gamma(1.0, size=(4000, 3)) * np.array([1.0, 0.7, 0.4])
    theta = calibrate_rates(circuit, x, horizon=horizon, input_bits=16).cells[name].code.theta

    def error(values, theta):
        looks = horizon // 2, horizon, 2 * horizon
        return sum(((told_after(t, values, theta) - values) ** 2).sum() for t in looks)

    for values, found in zip(x.T, theta, strict=True):
        others = np.linspace(0.1, 1.0, 100) * values.max()
        assert error(values, found) < 1.03 * min(error(values, other) for other in others)
        assert error(values, found) < 0.7 * error(values, np.percentile(values, 99.9))


def test_thetas_of_a_short_horizon_clip_more_and_tell_sooner():
    graph = graphs.residual_cnn()
    circuit, x, new = fuse(graph), graphs.samples(graph, 200), graphs.samples(graph, 30, 1)
    coded = {horizon: calibrate_rates(circuit, x, horizon=horizon) for horizon in (2, 32)}
    runs = {
        h: Emulator(c, law="rate").run(new, sweeps=64).outputs - exact(circuit, new) for h, c in coded.items()
    }
    errors = {h: np.abs(run).mean(axis=(1, 2)) for h, run in runs.items()}
    assert errors[2][1] < 0.8 * errors[32][1]
    assert errors[32][63] < 0.8 * errors[2][63]


def test_answers_at_the_horizon_are_nearer_than_where_nothing_is_clipped():
    graph = graphs.residual_cnn()
    circuit, x, new = fuse(graph), graphs.samples(graph, 200), graphs.samples(graph, 30, 1)
    coded = calibrate_rates(circuit, x)
    values = exact_signals(circuit, x.reshape(len(x), -1)).values
    cells = {
        name: replace(cell, code=Code(np.full(cell.n, values[name].max(), np.float32), cell.code.low, 1))
        if cell.code is not None and cell is not coded.input else cell
        for name, cell in coded.cells.items()
    }  # fmt: skip
    errors = [
        np.abs(Emulator(c, law="rate").run(new, sweeps=8).outputs[-1] - exact(circuit, new)).mean()
        for c in (coded, Circuit(cells))
    ]
    assert errors[0] < 0.7 * errors[1]


def test_the_law_rate_has_no_silence_and_no_order_of_depth():
    circuit = calibrate_rates(fuse(graphs.mlp()), graphs.samples(graphs.mlp(), 20))
    with pytest.raises(ConversionError, match="no number of sweeps"):
        Emulator(circuit, law="rate").run(np.zeros((1, 6)))
    with pytest.raises(ConversionError, match="whose events never end"):
        Emulator(circuit, law="rate", schedule="depth")
    with pytest.raises(ConversionError, match=r"Emulator.events: got 'burst'"):
        Emulator(circuit, events="burst")
