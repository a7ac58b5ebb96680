"""Whole numbers: what shares a theta, what range they have, and totals that are exact on grids."""

from dataclasses import replace

import numpy as np
import pytest

from rheobase.conversion.circuits.circuit import Cell, Circuit, Code, Term
from rheobase.conversion.circuits.codes import aim, classes, input_code, never_negative, quantised, range_of
from rheobase.conversion.circuits.fuse import fuse
from rheobase.conversion.circuits.thresholds import calibrate
from rheobase.neurons.errors import ConversionError
from tests.conversion import graphs
from tests.conversion.graphs import Draft
from tests.reference import images
from tests.reference import quantised as twin


def circuit_of(*cells):
    return Circuit({cell.name: cell for cell in cells})


def coded(graph, bits=5, n=60):
    return calibrate(fuse(graph), graphs.samples(graph, n, 9), bits=bits)


def test_a_count_is_the_nearest_one_in_range_and_ties_go_up():
    cell = Cell("x", (6,), function="relu", code=Code(np.full(6, 0.5, np.float32), 0, 3))
    u = np.array([[-1.0, 0.24, 0.25, 0.74, 1.25, 9.0]], np.float32)
    assert aim(cell, u).tolist() == [[0, 0, 1, 1, 3, 3]]


@pytest.mark.parametrize("grain", ["neuron", "channel", "tensor"])
def test_neurons_that_share_weights_share_a_theta(grain):
    circuit = fuse(graphs.residual_cnn())
    by_channel = classes(circuit, circuit.cells["max_pool3"], grain).reshape(4, 9)
    assert (by_channel == by_channel[:, :1]).all()
    assert len(np.unique(by_channel)) == (1 if grain == "tensor" else 4)


def test_neurons_of_a_flat_layer_have_thetas_of_their_own():
    circuit = fuse(graphs.mlp())
    assert len(np.unique(classes(circuit, circuit.cells["linear1"], "neuron"))) == 8


def test_tokens_that_are_mixed_along_two_axes_share_one_theta():
    d = Draft(4, 3)
    x = d.map(d.linear(d.x, 5), "relu")
    circuit = fuse(d.graph(d.sum(d.linear(x, 5), d.swap(d.linear(d.swap(x), 4)))))
    found = classes(circuit, circuit.cells["linear1"], "neuron")
    assert len(np.unique(found)) == 1  # tokens share by the first, channels by the second


def test_tokens_that_only_one_linear_operation_reads_have_a_theta_for_each_channel():
    circuit = fuse(graphs.mixer())
    found = classes(circuit, circuit.cells["linear15"], "neuron").reshape(5, 7)
    assert (found == found[:1]).all()
    assert len(np.unique(found)) == 7


def test_values_that_are_never_negative_have_a_range_without_a_sign():
    circuit = fuse(graphs.residual_cnn())
    assert range_of(circuit, circuit.cells["max_pool3"], 4) == (0, 15)
    assert never_negative(circuit, circuit.cells["wire10"])  # a mean of what is not
    circuit = fuse(graphs.attention())
    assert range_of(circuit, circuit.cells["softmax12"], 4) == (0, 15)
    assert range_of(circuit, circuit.cells["normalise2"], 4) == (-7, 7)


def test_pixels_are_told_as_they_are():
    circuit = fuse(graphs.mlp())
    pixels = np.arange(256, dtype=np.float32) / np.float32(255)
    code = input_code(circuit, pixels, 8)
    cell = Cell("x", (256,), code=Code(np.full(256, code.theta[0]), code.low, code.high))
    assert aim(cell, pixels[None]).tolist() == [[*range(256)]]


@pytest.mark.parametrize("name", graphs.ALL)
def test_grids_move_weights_by_at_most_half_a_step_and_hold_all_sums(name):
    graph = graphs.ALL[name]()
    circuit = coded(graph)
    x = graphs.samples(graph, 20)
    for cell in circuit.on_grid().cells.values():
        if cell.step is None:
            continue
        assert np.log2(cell.step) == round(np.log2(cell.step))
        sums = np.abs(cell.bias)
        for term in cell.terms:
            weight = term.values["weight"] / cell.step
            assert (weight == np.rint(weight)).all()
            assert np.abs(weight).max() <= 32767
        assert sums.max() <= 2**24 * cell.step
    before, after = quantised(circuit, x), quantised(circuit.on_grid(), x)
    assert np.abs(after - before).mean() <= 0.02 * np.abs(before).mean()


def test_totals_on_grids_are_those_of_whole_numbers():
    """In any order: float32 sums of many more terms than fit in 24 bits of mantissa lose bits otherwise."""
    rng = np.random.default_rng(0)
    theta = rng.uniform(0.01, 1.0, 3000).astype(np.float32)
    term = Term("x", "linear", {"weight": rng.normal(size=(5, 3000))})
    circuit = circuit_of(
        Cell("x", (3000,), code=Code(theta, -127, 127)), Cell("y", (5,), (term,), rng.normal(size=5))
    ).on_grid()
    cell = circuit.output
    n = rng.integers(-127, 128, 3000)
    whole = np.rint(cell.terms[0].values["weight"] / cell.step).astype(np.int64) @ n
    expected = (whole + np.rint(cell.bias / cell.step).astype(np.int64)) * cell.step
    for order in (np.arange(3000), rng.permutation(3000)):
        shuffled = replace(term, values={"weight": cell.terms[0].values["weight"][:, order]})
        again = circuit_of(
            replace(circuit.input, code=Code(theta[order], -127, 127)), replace(cell, terms=(shuffled,))
        )
        found = quantised(again, (n * theta.astype(np.float64))[order][None])
        np.testing.assert_array_equal(found[0], expected)


def test_mean_pooling_on_a_grid_is_a_convolution_or_its_window_entry_by_entry():
    d = Draft(2, 5, 5)
    x = d.map(d.conv(d.x, 3), "relu")
    circuit = coded(d.graph(d.pool("mean_pool", x, 3, 1, 1)), bits=8)
    whole = circuit.on_grid()
    assert [term.op for term in circuit.output.terms] == ["mean_pool"]
    assert [term.op for term in whole.output.terms] == ["wire"] * 9  # windows over the edge hold less
    x = graphs.samples(d.graph(x), 4)
    moved = np.abs(quantised(whole, x) - quantised(circuit, x))
    assert np.median(moved) < 1e-4  # where a rounded weight moves no count
    assert moved.max() < 0.01


def test_thetas_that_differ_where_weights_are_shared_are_refused():
    circuit = coded(graphs.residual_cnn())
    cell = circuit.cells["max_pool3"]
    torn = replace(cell, code=Code(np.linspace(1, 2, 36, dtype=np.float32), 0, 15))
    with pytest.raises(ConversionError, match=r"conv4.*shared by neurons of max_pool3 with different thetas"):
        Circuit({**circuit.cells, cell.name: torn}).on_grid()


def test_cells_without_a_code_are_named():
    with pytest.raises(ConversionError, match="input0: has no code"):
        fuse(graphs.mlp()).on_grid()


@pytest.mark.parametrize("seed", range(3))
def test_a_quantised_mlp_is_that_of_whole_numbers(seed):
    graph = graphs.mlp(seed)
    circuit = coded(graph).on_grid()
    cells = [*circuit.cells.values()]
    whole = [
        [np.rint(a / cell.step) for a in (cell.terms[0].values["weight"], cell.bias)] for cell in cells[1:]
    ]
    for x in graphs.samples(graph, 20).astype(np.float32):
        expected, nearest = twin.layers(
            x, [c.code.theta for c in cells[:-1]], [(c.code.low, c.code.high) for c in cells[:-1]],
            [w for w, _ in whole], [c.step for c in cells[1:]], [b for _, b in whole], [twin.relu, twin.gelu],
        )  # fmt: skip
        if nearest > 1e-5:  # the twin computes gelu in double precision
            np.testing.assert_array_equal(quantised(circuit, x[None])[0], expected)


def test_a_quantised_convolution_is_that_of_whole_numbers():
    d = Draft(2, 6, 6)
    conv = d.map(d.conv(d.x, 3, stride=2, groups=1), "relu")
    graph = d.graph(d.conv(conv, 2, padding=0, size=2))
    circuit = coded(graph).on_grid()
    first, hidden, last = circuit.cells.values()

    def convolved(cell, n, shape, stride, padding):
        kernels, bias = (np.rint(a / cell.step) for a in (cell.terms[0].values["weight"], cell.bias))
        sums = images.convolve(n.reshape(shape), kernels, (stride,) * 2, ((padding,) * 2,) * 2, (1, 1), 1)
        return (sums.reshape(-1) + bias) * cell.step

    for x in graphs.samples(graph, 10).astype(np.float32):
        n, _ = twin.count(x, first.code.theta, first.code.low, first.code.high)
        u = convolved(hidden, n, (2, 6, 6), 2, 1).astype(np.float32)
        n, _ = twin.count(twin.relu(u), hidden.code.theta, 0, hidden.code.high)
        np.testing.assert_array_equal(quantised(circuit, x[None])[0], convolved(last, n, (3, 3, 3), 1, 0))


def test_a_quantised_attention_is_that_of_whole_numbers():
    d = Draft(4, 3)
    q, k, v = (d.map(d.linear(d.x, 3), "tanh") for _ in range(3))
    shares = d.softmax(d.matmul(q, d.swap(k)))
    graph = d.graph(d.matmul(shares, v))
    q, k, v = (d.nodes[name].inputs[0] for name in (q, k, v))
    circuit = coded(graph).on_grid()

    def told(name, value):
        cell = circuit.cells[name]
        n, distance = twin.count(value, cell.code.theta.reshape(value.shape), cell.code.low, cell.code.high)
        distances.append(distance)
        return n * cell.code.theta.reshape(value.shape).astype(float)

    compared = 0
    for x in graphs.samples(graph, 20).astype(np.float32):
        distances = []
        n, _ = twin.count(x, circuit.input.code.theta, circuit.input.code.low, circuit.input.code.high)
        sums = []
        for name in (q, k, v):
            cell = circuit.cells[name]
            weight, bias = (np.rint(a / cell.step) for a in (cell.terms[0].values["weight"], cell.bias))
            rows = n.reshape(4, 3) @ weight.T.astype(int) + bias.reshape(4, 3).astype(int)
            sums.append(told(name, np.tanh(rows * cell.step)))
        expected = twin.attention(*sums, lambda value: told(shares, value))
        if min(distances) > 1e-5:  # the twin computes the softmax in double precision
            compared += 1
            np.testing.assert_allclose(
                quantised(circuit, x[None])[0], expected.reshape(-1), rtol=0, atol=1e-6
            )
    assert compared > 10
