"""Circuits sweep by sweep: silent exactly at the quantised answer, in any order, with all events counted."""

import numpy as np
import pytest

from rheobase.conversion.circuits.codes import event_of, events_for, quantised, tell
from rheobase.conversion.circuits.emulate import Emulator
from rheobase.conversion.circuits.evaluate import Signals, totals_of
from rheobase.conversion.circuits.fuse import fuse
from rheobase.conversion.circuits.thresholds import calibrate
from tests.conversion import graphs
from tests.conversion.graphs import Draft


def settling(name, bits=5, rest=True):
    graph = graphs.ALL[name]()
    return calibrate(fuse(graph), graphs.samples(graph, 60, 9), bits=bits, rest=rest).on_grid(), graph


@pytest.mark.parametrize("schedule", ["concurrent", "depth"])
@pytest.mark.parametrize("events", ["pow2", "unit", "graded"])
@pytest.mark.parametrize("name", graphs.ALL)
def test_at_silence_the_answer_is_the_quantised_network_s(name, events, schedule):
    circuit, graph = settling(name)
    x = graphs.samples(graph, 4)
    run = Emulator(circuit, events=events, schedule=schedule).run(x)
    np.testing.assert_array_equal(run.outputs[-1], quantised(circuit, x))


@pytest.mark.parametrize("name", graphs.ALL)
def test_any_order_of_events_leads_to_the_same_answer(name):
    """A few neurons of one cell at a time, in no order, each with any event that its alphabet allows."""
    circuit, graph = settling(name, 4)
    x = graphs.samples(graph, 2).astype(np.float32)
    rng = np.random.default_rng(7)
    if circuit.input.function == "one_hot":
        x = np.eye(7, dtype=np.float32)[x.astype(int)].reshape(2, -1)
    signals, cells = Signals(), [*circuit.cells.values()]
    for cell in cells:
        signals.totals[cell.name] = np.zeros((2, cell.n), np.float32)
        if cell.code is not None:
            tell(cell, np.zeros((2, cell.n), np.float32), signals)
    for _ in range(40):  # in disorder
        for cell in rng.permutation(np.array(cells, object)):
            _some(
                circuit,
                cell,
                signals,
                x,
                rng.random((2, cell.n)) < 0.3,
                rng.choice(["unit", "pow2", "graded"]),
            )
    quiet = False
    while not quiet:  # then until nobody has anything to tell
        quiet = not any([_some(circuit, cell, signals, x, True, "pow2") for cell in cells])
    np.testing.assert_array_equal(
        signals.totals[circuit.output.name], quantised(circuit, graphs.samples(graph, 2))
    )


def _some(circuit, cell, signals, x, chosen, events):
    u = x if cell is circuit.input else totals_of(cell, signals, x)
    signals.totals[cell.name] = u
    if cell.code is None:
        return False
    e = np.where(chosen, event_of(cell, u, signals.counts[cell.name], events, 9), 0).astype(np.float32)
    tell(cell, signals.counts[cell.name] + e, signals)
    return bool(e.any())


@pytest.mark.parametrize(("largest", "bound"), [(31, 3), (127, 4), (255, 5)])
def test_a_number_is_told_in_few_powers_of_two(largest, bound):
    n = np.arange(-largest, largest + 1).astype(float)
    assert events_for(n, "pow2").max() == bound
    assert (events_for(n, "unit") == np.abs(n)).all()
    assert (events_for(n, "graded") == (n != 0)).all()


def test_events_times_fan_out_are_counted_one_by_one():
    circuit, graph = settling("mlp", rest=False)
    x = graphs.samples(graph, 3)
    run = Emulator(circuit).run(x)
    told = run.signals.counts
    assert (run.first.sum(axis=0) == 8 * (told["input0"] != 0).sum(axis=1)).all()
    expected = 7 * run.packets["linear1"].sum(axis=0) + 3 * run.packets["linear3"].sum(axis=0)
    assert (run.operations.sum(axis=0) == expected).all()
    ordered = Emulator(circuit, schedule="depth").run(x)
    assert (ordered.packets["linear1"][0] == events_for(told["linear1"], "pow2").sum(axis=1)).all()


def test_a_pixel_at_the_edge_reaches_fewer():
    d = Draft(1, 4, 4)
    circuit = calibrate(fuse(d.graph(d.conv(d.x, 2))), np.ones((5, 16)), rest=False).on_grid()
    corner, edge, inside = (np.eye(16)[[place]] for place in (0, 1, 5))
    found = [Emulator(circuit).run(x).first.sum() for x in (corner, edge, inside)]
    assert found == [2 * 4, 2 * 6, 2 * 9]


def test_events_of_both_factors_of_a_matrix_product_are_counted():
    d = Draft(2, 3)
    q, k = d.linear(d.x, 4), d.swap(d.linear(d.x, 4))
    graph = d.graph(d.matmul(q, k))
    circuit = calibrate(fuse(graph), graphs.samples(graph, 50), rest=False).on_grid()
    run = Emulator(circuit, events="graded").run(graphs.samples(graph, 3))
    told = [(run.signals.counts[name] != 0).sum() for name in (q, k)]
    assert run.operations.sum() == 2 * sum(told)


def test_operators_compute_what_changed_and_no_more():
    circuit, graph = settling("mixer", rest=False)
    ordered = Emulator(circuit, schedule="depth").run(graphs.samples(graph, 2))
    rows = sum(cell.n for cell in circuit.cells.values() if cell.rows and cell.rows.kind == "normalise")
    assert ordered.evaluations["normalise"] == 2 * (rows - 5)  # the first of five tokens is constant
    still = np.zeros((1, 12))
    silent = Emulator(circuit).run(still).signals
    assert sum(Emulator(circuit).run(still, start=silent).evaluations.values()) == 0


def test_cells_start_where_most_samples_are_near():
    (resting, graph), (empty, _) = settling("mixer"), settling("mixer", rest=False)
    x = graphs.samples(graph, 60, 9)
    runs = [Emulator(circuit, schedule="depth").run(x) for circuit in (resting, empty)]
    np.testing.assert_array_equal(*(run.outputs[-1] for run in runs))
    assert runs[0].operations.sum() < 0.98 * runs[1].operations.sum()


def test_events_end_and_then_cost_nothing():
    circuit, graph = settling("residual_cnn")
    run = Emulator(circuit).run(graphs.samples(graph, 3), sweeps=40)
    last = run.silent.max()
    assert 1 < last <= 4 * 4  # cells in a row, with at most four events each
    assert run.operations[last:].sum() == 0
    assert sum(sent[last - 1].sum() for sent in run.packets.values()) > 0


def test_a_next_frame_costs_its_change_and_ends_where_it_would_have_alone():
    circuit, graph = settling("residual_cnn")
    first = graphs.samples(graph, 3)
    second = first.copy()
    second[:, :4] += 0.5
    emulator = Emulator(circuit)
    run = emulator.run(first)
    again = emulator.run(second, start=run.signals)
    np.testing.assert_array_equal(again.outputs[-1], quantised(circuit, second))
    assert again.operations.sum() < 0.6 * run.operations.sum()
    assert emulator.run(second, start=again.signals).operations.sum() == 0
