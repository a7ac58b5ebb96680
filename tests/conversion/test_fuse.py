"""From a graph to a circuit: the same function, in as few cells as need be."""

import numpy as np
import pytest

from rheobase.conversion.circuits.evaluate import exact
from rheobase.conversion.circuits.fuse import fuse
from rheobase.neurons.errors import ConversionError
from tests.conversion import graphs
from tests.conversion.graphs import Draft
from tests.reference import graphs as twin


def described(circuit):
    """Every cell by what computes its totals, with a mark where it tells them."""

    def work(cell):
        if cell.rows is not None:
            return f"{cell.rows.kind}({', '.join(f'{what} {name}' for name, what, _ in cell.rows.reads)})"
        return " + ".join(f"{term.op} {term.source}" for term in cell.terms)

    return {
        name: f"{work(cell)} {cell.function}{'!' if name in circuit.told else ''}"
        for name, cell in circuit.cells.items()
    }  # fmt: skip


@pytest.mark.parametrize("name", graphs.ALL)
def test_a_circuit_computes_what_the_graph_does(name):
    graph = graphs.ALL[name]()
    x = graphs.samples(graph, 3)
    expected = [twin.answer(graph.nodes, graph.output, one) for one in x]
    np.testing.assert_allclose(exact(fuse(graph), x), expected, rtol=0, atol=1e-6)


def test_a_function_behind_a_sum_is_the_function_of_its_cell():
    assert described(fuse(graphs.mlp())) == {
        "input0": " identity!",
        "linear1": "linear input0 relu!",
        "linear3": "linear linear1 gelu!",
        "linear5": "linear linear3 identity",
    }


def test_pooling_takes_the_largest_total_and_its_relu_follows_behind():
    cells = described(fuse(graphs.residual_cnn()))
    assert cells["conv1"] == "conv input0 identity"
    assert cells["max_pool3"] == "max(total conv1) relu!"


def test_a_residual_sum_hears_its_stream_and_the_last_linear_operation_of_its_branch():
    cells = described(fuse(graphs.residual_cnn()))
    assert cells["add7"] == "wire max_pool3 + conv conv4 relu!"
    assert "conv6" not in cells


def test_rows_read_totals_and_products_of_matrices_read_events():
    cells = described(fuse(graphs.attention()))
    assert cells["linear1"] == "linear input0 identity!"  # for the residual sum
    assert cells["normalise2"] == "normalise(total linear1) identity!"
    assert cells["matmul8"] == "matmul(told linear3, told linear3) identity"
    assert cells["add11.product"] == "product(total matmul8, total add11.product.by) identity"
    assert cells["softmax12"] == "softmax(total add11.add) identity!"


def test_a_sum_that_only_operators_read_tells_nothing():
    cells = described(fuse(graphs.mixer()))
    assert cells["add18"] == "wire add13 + linear linear15 identity"
    assert cells["normalise19"] == "normalise(total add18) identity!"


def test_a_gate_reads_both_totals_and_computes_the_function_on_the_way():
    circuit = fuse(graphs.gated())
    assert described(circuit)["product7"] == "product(total wire4, total wire5) identity!"
    assert circuit.cells["product7"].rows.options == {"function": "silu", "parameters": ()}


def test_halves_of_a_linear_operation_are_linear_operations():
    d = Draft(4)
    both = d.linear(d.x, 6)
    halves = [d.map(d.wire(both, part), "relu") for part in (np.arange(4), np.arange(4, 6))]
    graph = d.graph(d.linear(d.wire(halves, np.arange(6)), 2))
    circuit = fuse(graph)
    assert [cell.terms[0].values["weight"].shape for cell in circuit.cells.values() if cell.terms] == [
        (4, 4), (2, 4), (2, 6)
    ]  # fmt: skip
    assert [term.source for term in circuit.output.terms] == ["wire2", "wire4"]


def test_gains_and_shifts_go_into_weights_and_biases():
    d = Draft(2, 3, 3)
    gain, shift = np.array([2.0, 0.0, -3.0]), np.array([1.0, -1.0, 0.5])
    normed = d.scale(d.conv(d.x, 3), gain[:, None, None], shift[:, None, None])
    circuit = fuse(d.graph(d.linear(d.map(normed, "relu"), 2)))
    conv = d.nodes["conv1"].values
    cell = circuit.cells[normed]
    np.testing.assert_allclose(cell.terms[0].values["weight"], conv["weight"] * gain[:, None, None, None])
    np.testing.assert_allclose(cell.bias.reshape(3, 9), np.tile((conv["bias"] * gain + shift)[:, None], 9))


def test_a_gain_in_front_of_a_linear_operation_goes_into_its_weights():
    d = Draft(3, 4)
    y = d.linear(d.scale(d.norm(d.linear(d.x, 4)), np.arange(1.0, 5), 0.5), 5)
    circuit = fuse(d.graph(y))
    weight, bias = d.nodes[y].values["weight"], d.nodes[y].values["bias"]
    np.testing.assert_allclose(circuit.output.terms[0].values["weight"], weight * np.arange(1.0, 5))
    np.testing.assert_allclose(circuit.output.bias.reshape(3, 5)[0], weight @ np.full(4, 0.5) + bias)


def test_a_transposition_behind_a_linear_operation_is_how_others_read():
    d = Draft(3, 4)
    y = d.map(d.swap(d.linear(d.x, 5)), "relu")
    circuit = fuse(d.graph(d.linear(y, 2)))
    cell = circuit.cells["wire2"]
    assert cell.shape == (3, 5)
    np.testing.assert_array_equal(circuit.output.terms[0].index, np.arange(15).reshape(3, 5).T.reshape(-1))


def test_a_sum_that_is_told_with_and_without_its_relu_becomes_two_cells():
    cells = described(fuse(graphs.tangled()))
    assert cells["conv1"] == "conv input0 relu!"
    assert cells["conv1.identity.events"] == "map(total conv1) identity!"


def test_an_answer_behind_a_function_is_computed_by_an_operator():
    d = Draft(3)
    assert (
        described(fuse(d.graph(d.softmax(d.linear(d.x, 4)))))["softmax2"] == "softmax(total linear1) identity"
    )
    d = Draft(3)
    circuit = fuse(d.graph(d.map(d.linear(d.x, 4), "sigmoid")))
    assert circuit.output.rows.kind == "map"
    assert not circuit.told - {"input0"}


def test_an_answer_that_is_also_told_has_a_cell_of_its_own():
    d = Draft(3)
    y = d.linear(d.x, 3)
    d.linear(y, 2)  # somebody's, but not the answer's
    circuit = fuse(d.graph(y))
    assert circuit.output.name == "linear1.answer"


def test_indices_are_told_one_neuron_for_each():
    circuit = fuse(graphs.words())
    assert circuit.input.shape == (5, 7)
    assert circuit.input.function == "one_hot"


def test_an_input_that_is_looked_up_and_read_as_numbers_is_refused():
    d = Draft(4)
    looked_up = d.add("embedding", [d.x], (4, 1), {"weight": np.ones((9, 1))})
    with pytest.raises(ConversionError, match=r"looked up by an embedding, and read as numbers by linear2"):
        fuse(d.graph(d.sum(d.linear(d.x, 4), d.wire(looked_up, np.arange(4)))))


def test_computed_indices_are_refused():
    d = Draft(4)
    with pytest.raises(ConversionError, match="embedding2: an embedding reads indices that are computed"):
        fuse(d.graph(d.add("embedding", [d.linear(d.x, 4)], (4, 1), {"weight": np.ones((9, 1))})))


def test_an_answer_that_does_not_depend_on_the_input_is_refused():
    d = Draft(4)
    with pytest.raises(ConversionError, match="does not depend on the input"):
        fuse(d.graph(d.map(d.constant(np.ones(3)), "relu")))
