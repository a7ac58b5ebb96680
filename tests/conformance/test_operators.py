"""Operators: what receivers hold is the function of the input, recomputed only where it changed."""

import numpy as np
import pytest
from scipy.special import softmax

import rheobase as rb


@pytest.fixture
def attention():
    """Give scores of 3 rows of 4, their softmax, and a population that adds up its events."""
    net = rb.Network()
    source = net.add(rb.CurrentSource(12, name="source"))
    scores = net.add(rb.Population((3, 4), rb.IF(threshold=1e9), name="scores"))
    row = net.add(rb.Operator("softmax", scores, name="row"))
    total = net.add(rb.Population((3, 4), rb.IF(threshold=1e9), name="total"))
    net.add(rb.Projection(source, scores, rb.one_to_one(), weight=1.0, delay=0.0))
    net.add(rb.Projection(row, total, rb.one_to_one(), weight=1.0, delay=0.0))
    probes = [net.add(rb.Probe(row, "value")), net.add(rb.Probe(total, "v")), net.add(rb.Probe(scores, "v"))]
    return net, source, probes


@pytest.mark.parametrize(("precision", "error"), [(None, 5e-6), ("float64", 1e-13)])
def test_softmax_of_every_row(simulator, attention, precision, error):
    net, source, probes = attention
    x = np.random.default_rng(0).normal(0.0, 2.0, (20, 12))
    result = simulator(net, 1e-3, precision=precision).run(20e-3, inputs={source: x})
    value, total, scores = (result[probe].values for probe in probes)
    expected = softmax(np.cumsum(x, axis=0).reshape(20, 3, 4), axis=-1).reshape(20, 12)
    np.testing.assert_allclose(value, expected, atol=error)
    np.testing.assert_allclose(total, expected, atol=error)
    np.testing.assert_allclose(scores, np.cumsum(x, axis=0), atol=1e-5)


def test_only_rows_that_changed_are_recomputed(simulator, attention):
    net, source, _ = attention
    x = np.zeros((10, 12))
    x[4, 5] = 1.0  # row 1
    x[7] = 0.5  # every row, by a constant: recomputed, but nothing to tell
    sim = simulator(net, 1e-3)
    result = sim.run(10e-3, inputs={source: x})
    (counts,) = result.counts.operators
    assert counts.rows == 3 + 1 + 3
    assert counts.spikes == 12 + 4
    assert counts.evaluations == {"exp": 28, "add": 56, "divide": 28}
    assert sim.run(5e-3).counts.operators[0].rows == 0


def test_an_operator_goes_on_from_a_checkpoint(simulator, attention, tmp_path):
    net, source, probes = attention
    x = np.random.default_rng(1).normal(size=(10, 12))
    whole = simulator(net, 1e-3)
    whole.run(5e-3, inputs={source: x[:5]})
    whole.checkpoint(tmp_path / "half.npz")
    resumed = rb.Simulator.resume(tmp_path / "half.npz")
    expected = whole.run(5e-3, inputs={source: x[5:]})
    got = resumed.run(5e-3, inputs={"source": x[5:]})
    for probe in probes:
        np.testing.assert_array_equal(got[probe.name].values, expected[probe].values)
    assert got.counts.operators == expected.counts.operators
