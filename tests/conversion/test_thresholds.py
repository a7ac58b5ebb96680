"""Thetas by squared error: against the best that a fine search finds."""

import numpy as np
import pytest

from rheobase.conversion.circuits.codes import quantised
from rheobase.conversion.circuits.evaluate import exact
from rheobase.conversion.circuits.fuse import fuse
from rheobase.conversion.circuits.thresholds import FLOORS, calibrate
from tests.conversion import graphs
from tests.conversion.graphs import Draft


def passing(n, function="relu"):
    """n values, as they are, behind a function."""
    d = Draft(n)
    eye = d.add("linear", [d.x], (n,), {"weight": np.eye(n), "bias": np.zeros(n)})
    y = d.map(eye, function)
    return fuse(d.graph(d.add("linear", [y], (n,), {"weight": np.eye(n), "bias": np.zeros(n)}))), eye


def error(x, theta, high):
    return ((np.clip(np.floor(x / theta + 0.5), 0, high) * theta - x) ** 2).mean()


@pytest.mark.parametrize("bits", [2, 4])
def test_theta_has_nearly_the_smallest_squared_error(bits):
    rng = np.random.default_rng(0)
    circuit, name = passing(1)
    x = rng.exponential(size=(900, 1)).astype(np.float32)
    theta = calibrate(circuit, x, bits=bits, input_bits=16).cells[name].code.theta[0]
    finest = min(error(x, t, 2**bits - 1) for t in np.linspace(0.01, 3, 1500))
    assert error(x, theta, 2**bits - 1) <= 1.03 * finest


def test_theta_of_values_spread_evenly_splits_their_range():
    x = np.linspace(0, 1, 4000, dtype=np.float32)[:, None]
    circuit, name = passing(1)
    code = calibrate(circuit, x, bits=3, input_bits=16).cells[name].code
    assert code.theta[0] == pytest.approx(1 / 7.5, rel=0.06)  # the last level serves half a step more


def test_each_neuron_has_a_theta_of_its_own_but_not_below_the_floor():
    rng = np.random.default_rng(1)
    circuit, name = passing(3)
    x = rng.uniform(size=(500, 3)).astype(np.float32) * np.array([1.0, 0.3, 0.001], np.float32)
    theta = calibrate(circuit, x, bits=4, input_bits=16).cells[name].code.theta
    assert theta[1] == pytest.approx(0.3 * theta[0], rel=0.2)
    assert theta[2] == pytest.approx(FLOORS[0] * theta[0], rel=0.2)
    shared = calibrate(circuit, x, bits=4, input_bits=16, grain="tensor").cells[name].code.theta
    assert (shared == shared[0]).all()


def test_values_that_are_hardly_negative_get_a_range_that_is_hardly_so():
    rng = np.random.default_rng(2)
    circuit, name = passing(1, "gelu")
    code = calibrate(circuit, rng.normal(size=(900, 1)), bits=4, input_bits=16).cells[name].code
    assert -3 <= code.low <= -1
    assert code.high - code.low == 15


def test_the_mean_error_of_totals_is_taken_back():
    graph = graphs.mlp()
    circuit, x = fuse(graph), graphs.samples(graph, 400)
    with_, without = (calibrate(circuit, x, bits=3, correct=correct) for correct in (True, False))
    mean = [(quantised(one, x) - exact(circuit, x)).mean(axis=0) for one in (with_, without)]
    assert np.abs(mean[0]).max() < 1e-5 < np.abs(mean[1]).max()


def test_more_bits_leave_less_error():
    graph = graphs.attention()
    circuit, x, new = fuse(graph), graphs.samples(graph, 200), graphs.samples(graph, 50, 1)
    coded = [calibrate(circuit, x, bits=bits, input_bits=14) for bits in (4, 6, 8)]
    coarse, fine, finest = (((quantised(one, new) - exact(circuit, new)) ** 2).mean() for one in coded)
    assert coarse > 5 * fine > 25 * finest


def test_bits_can_be_given_cell_by_cell():
    graph = graphs.mlp()
    coded = calibrate(fuse(graph), graphs.samples(graph, 100), bits={"": 3, "linear3": 6})
    assert coded.cells["linear1"].code.high == 7
    assert coded.cells["linear3"].code.high - coded.cells["linear3"].code.low == 63


def test_what_others_only_add_up_is_told_in_one_bit_more():
    graph = graphs.mixer()
    coded = calibrate(fuse(graph), graphs.samples(graph, 60), bits=4)
    assert coded.cells["add13"].code.high == 2**4 - 1  # the residual stream, with its sign
    assert coded.cells["normalise14"].code.high == 2**3 - 1


def test_a_cell_that_the_sample_never_moves_can_still_be_told():
    circuit, name = passing(2)
    coded = calibrate(circuit, np.zeros((50, 2), np.float32))
    assert (coded.cells[name].code.theta > 0).all()


def test_taking_an_error_back_costs_no_sign():
    graph = graphs.ALL["residual_cnn"]()
    circuit = calibrate(fuse(graph), graphs.samples(graph, 60, 9))
    mean = circuit.cells["wire10"]  # of what a ReLU lets through
    assert mean.bias.min() < 0
    assert (mean.code.low, mean.code.high) == (0, 15)
