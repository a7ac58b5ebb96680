"""Time to first spike: a neuron spikes once or never, and when says what the quantised network has."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion.circuits.codes import quantised, settled
from rheobase.conversion.circuits.fuse import fuse
from rheobase.conversion.circuits.thresholds import calibrate
from rheobase.conversion.circuits.windows import require_first_spikes, windows_of
from rheobase.conversion.layers import Affine, ReLU, forward
from rheobase.conversion.spiking.converted import Converted
from tests.conversion import graphs


def relu_cnn():
    """Max pooling behind a ReLU, a residual block, mean pooling, two linear layers."""
    d = graphs.Draft(2, 6, 6, seed=3)
    x = d.pool("max_pool", d.map(d.conv(d.x, 4), "relu"), 3, 2, 1)
    y = d.conv(d.map(d.conv(x, 4), "relu"), 4)
    x = d.pool("mean_pool", d.map(d.sum(x, y), "relu"), 2, 1)
    flat = d.wire(x, np.arange(16))
    return d.graph(d.linear(d.map(d.linear(flat, 9), "relu"), 3))


@pytest.fixture(scope="module")
def cnn():
    """The graph, and inputs."""
    return relu_cnn(), np.random.default_rng(8).uniform(size=(60, 2, 6, 6)).astype(np.float32)


#: Of the cells that tell something, five beside the input.
MIXED = {"": 3, "conv4": 2, "linear11": 4}


def converted(cnn, bits=3, *, spikes_in=False):
    graph, x = cnn
    circuit = calibrate(fuse(graph), x, bits=bits, rest=False, input_bits=4).on_grid()
    return Converted(graph, circuit, law="ttfs", spikes_in=spikes_in)


def layered(seed=2):
    rng = np.random.default_rng(seed)
    sizes = (7, 12, 9, 4)
    weights = [rng.normal(size=(n, m)) / np.sqrt(m) for m, n in pairwise(sizes)]
    affine = [Affine(w, 0.2 * rng.normal(size=len(w))) for w in weights]
    return [affine[0], ReLU(), affine[1], ReLU(), affine[2]], rng.uniform(size=(80, 7))


@pytest.mark.parametrize(("bits", "spikes_in"), [(3, False), (MIXED, True)])
def test_at_the_end_it_is_the_quantised_network(cnn, bits, spikes_in):
    snn = converted(cnn, bits, spikes_in=spikes_in)
    found = snn.verify(cnn[1][:5], backends=["reference"])
    assert set(found.sweeps) == {("reference", "depth")}
    assert found.cells == len(snn.circuit.cells)


@pytest.mark.parametrize("spikes_in", [False, True])
def test_each_neuron_spikes_once_or_never_and_when_is_its_value(cnn, spikes_in):
    snn = converted(cnn, MIXED, spikes_in=spikes_in)
    assert MIXED.keys() - {""} < snn.circuit.told
    told = [cell for cell in snn.circuit.cells.values() if cell.code is not None]
    net, x = snn.network, cnn[1][:6]
    probes = {cell.name: net.add(rb.Probe(net[cell.name])) for cell in told}
    result = snn.run(x, backend="reference").result
    n = settled(snn.circuit, x.reshape(6, -1)).counts
    windows = windows_of(snn.circuit, spikes_in)
    for cell in told:
        record, counts = result[probes[cell.name]], n[cell.name].astype(int)
        assert np.array_equal(record.counts(), counts > 0)
        first = cell is snn.circuit.input
        if first and not spikes_in:
            assert (record.steps == 0).all()
            continue
        end = windows.starts[cell.name] + (cell.code.high if first else windows.length)
        assert np.array_equal(record.steps, end - counts[record.trials, record.ids])
        assert 0 < len(record) < counts.size
    assert len(told) == 6
    assert snn.steps_per_sweep == windows.steps == 1 + 15 * spikes_in + 5 * 15


def test_spike_times_are_those_of_potentials_in_exact_fractions(twins):
    layers, sample = layered()
    snn = rb.convert(layers, sample, law="ttfs", input="spikes", input_bits=5)
    net, x = snn.network, sample[:3].astype(np.float32)
    _, *told, answer = snn.circuit.cells.values()
    probes = [net.add(rb.Probe(net[cell.name])) for cell in told]
    run = snn.run(x, backend="reference")
    weights = [exactly(cell.terms[0].values["weight"]) for cell in (*told, answer)]
    biases = [exactly(cell.bias) for cell in (*told, answer)]
    thetas, highs = [exactly(cell.code.theta) for cell in told], [cell.code.high for cell in told]
    for trial, counts in enumerate(snn.whole(x)):
        times = [1 + 31 - n if n else None for n in counts.tolist()]
        expected, u = twins.first_spikes.layers(times, 32, weights, biases, thetas, 15, highs)
        for probe, steps in zip(probes, expected, strict=True):
            record = run.result[probe]
            mine = record.trials == trial
            got = dict(zip(record.ids[mine].tolist(), record.steps[mine].tolist(), strict=True))
            assert got == {k: t for k, t in enumerate(steps) if t is not None}
            assert 2 < len(got) < record.n
        assert [Fraction(float(v)) for v in run.outputs[trial]] == u


def exactly(array):
    return [exactly(row) if np.ndim(row) else Fraction(float(row)) for row in array]


def test_more_steps_come_nearer_to_the_trained_network():
    layers, x = layered(5)
    wanted = forward(layers, x)
    errors = []
    for bits in (3, 5, 8):
        snn = rb.convert(layers, x, law="ttfs", bits=bits)
        assert snn.steps_per_sweep == 1 + 2 * (2**bits - 1)
        found = quantised(snn.circuit, x)
        errors.append(np.sqrt(np.mean((found - wanted) ** 2) / np.mean(wanted**2)))
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    assert errors[2] < 0.01


def test_what_is_no_relu_is_named_with_its_place_and_another_law(cnn):
    circuit = calibrate(fuse(graphs.ALL["attention"]()), np.random.default_rng(0).normal(size=(40, 4, 6)))
    with pytest.raises(rb.ConversionError, match="law='delta'") as caught:
        require_first_spikes(circuit, spikes_in=True)
    for part in (
        "input0: an input with values below zero; with input='current'",
        "softmax12: softmax, an operator that is no ReLU",
        "linear15, add16: values of both signs that others hear",
    ):
        assert part in str(caught.value)
    circuit = calibrate(fuse(graphs.mlp()), np.random.default_rng(0).normal(size=(40, 6)))
    with pytest.raises(rb.ConversionError, match="linear3, map4: gelu, a function that is no ReLU"):
        require_first_spikes(circuit, spikes_in=False)


def test_streams_and_early_exits_are_refused(cnn):
    snn, x = converted(cnn), cnn[1][:2]
    with pytest.raises(rb.ConversionError, match="no answer before its end"):
        snn.run(x, exit=rb.Stable(0.1), backend="reference")
    with pytest.raises(rb.ConversionError, match=r"one pass of 36 steps"):
        snn.run(x, steps=2, backend="reference")
    with pytest.raises(rb.ConversionError, match="tune_exit: got law='ttfs'"):
        snn.tune_exit(x, budget=0.5, backend="reference")
    with pytest.raises(rb.ConversionError, match="allowed is 'delta'"):
        next(snn.stream(x, backend="reference"))


def test_it_is_compared_and_kept_like_the_others(cnn, tmp_path):
    snn, x = converted(cnn, spikes_in=True), cnn[1][:20]
    found = snn.compare(x, backend="reference")
    assert [point.when for point in found.points] == ["51 steps"]
    assert all(layer.error is not None for layer in found.layers)
    snn.save(tmp_path / "spikes.npz")
    again = rb.Converted.load(tmp_path / "spikes.npz")
    np.testing.assert_array_equal(
        again.run(x[:3], backend="reference").outputs, snn.run(x[:3], backend="reference").outputs
    )
    again.network.save(tmp_path / "one.toml")
    rb.Network.load(tmp_path / "one.toml").save(tmp_path / "two.toml")
    assert (tmp_path / "one.toml").read_bytes() == (tmp_path / "two.toml").read_bytes()
    assert "law ttfs, 51 steps" in repr(again)
