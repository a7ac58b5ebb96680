"""What quantising costs, cell by cell, and bits where they are worth most."""

import numpy as np
import pytest

from rheobase.conversion.circuits.codes import quantised
from rheobase.conversion.circuits.emulate import Emulator
from rheobase.conversion.circuits.evaluate import exact
from rheobase.conversion.circuits.fuse import fuse
from rheobase.conversion.circuits.losses import losses, mixed_bits
from rheobase.conversion.circuits.thresholds import calibrate
from rheobase.neurons.errors import ConversionError
from tests.conversion import graphs


def test_the_loss_of_the_answer_is_its_error_by_its_variance():
    graph = graphs.attention()
    circuit, x = fuse(graph), graphs.samples(graph, 60)
    coded = calibrate(circuit, x, bits=4)
    found = losses(circuit, coded, x)
    wanted = exact(circuit, x)
    expected = ((quantised(coded, x) - wanted) ** 2).mean() / wanted.var(axis=0).mean()
    assert found[circuit.output.name] == pytest.approx(expected, rel=1e-4)
    assert set(found) == set(circuit.cells)
    assert 0 < found["input0"] < 1e-3 < found["normalise2"] < 0.1


def test_more_bits_lose_less_in_every_cell_that_tells():
    graph = graphs.mlp()
    circuit, x = fuse(graph), graphs.samples(graph, 200)
    coarse, fine = (losses(circuit, calibrate(circuit, x, bits=bits), x) for bits in (3, 6))
    assert all(coarse[name] > 4 * fine[name] for name in circuit.told - {"input0"})


def answer(graph, widths, x):
    circuit = fuse(graph)
    coded = calibrate(circuit, graphs.samples(graph, 64), bits=widths)
    error = ((quantised(coded, x) - exact(circuit, x)) ** 2).mean()
    return error, Emulator(coded, schedule="depth").run(x).operations.sum() / len(x)


def test_mixed_bits_keep_to_the_operations_and_lose_less():
    graph = graphs.attention()
    widths = mixed_bits(fuse(graph), graphs.samples(graph, 64), bits=5)
    assert {4, 6} <= set(widths.values()) <= {4, 5, 6}
    x = graphs.samples(graph, 100, 1)
    (mixed, cost), (uniform, all_alike) = answer(graph, widths, x), answer(graph, 5, x)
    assert mixed < 0.95 * uniform
    assert cost < 1.03 * all_alike


def test_a_budget_is_kept_or_refused():
    graph = graphs.mlp()
    circuit, sample = fuse(graph), graphs.samples(graph, 64)
    operations = answer(graph, 5, sample)[1]
    widths = mixed_bits(circuit, sample, bits=5, budget=0.93 * operations)
    assert answer(graph, widths, sample)[1] < 0.96 * operations
    with pytest.raises(ConversionError, match=r"mixed_bits.budget: got 1; with a bit less wherever it saves"):
        mixed_bits(circuit, sample, bits=5, budget=1)
    assert np.mean([*widths.values()]) < 5
