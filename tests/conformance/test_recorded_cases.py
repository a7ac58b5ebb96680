"""Networks recorded with snnTorch give the recorded spikes, one for one, and the exact counts."""

import json
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb

DATA = Path(__file__).parent / "data"
STEPS, TRIALS = 25, 8


@pytest.fixture(scope="module")
def cases():
    with np.load(DATA / "cases.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def exact():
    return json.loads((DATA / "cases.json").read_text())


def unpacked(cases, name, n):
    return np.unpackbits(cases[name], axis=-1, count=n).transpose(1, 0, 2)


def perceptron(cases, source):
    net = rb.Network()
    source = net.add(source)
    hidden = net.add(rb.Population(256, rb.Leaky(0.9), name="hidden"))
    out = net.add(rb.Population(10, rb.Leaky(0.9), name="out"))
    net.add(rb.Projection(source, hidden, rb.dense(), weight=cases["W1"], delay=0.0))
    net.add(rb.Projection(hidden, out, rb.dense(), weight=cases["W2"], delay=0.0))
    return net, source, [net.add(rb.Probe(hidden)), net.add(rb.Probe(out))]


def inputs_of(case, cases):
    if case == "A":
        return rb.SpikeSource(784), unpacked(cases, "x_A", 784)
    if case == "C":
        return rb.FrameSource(784), cases["x_C"]
    return rb.FrameSource(784), cases["x_E"].transpose(1, 0, 2)


@pytest.mark.parametrize("case", ["A", "C", "E"])
def test_a_perceptron_gives_the_recorded_spikes_and_counts(simulator, raster, cases, exact, case):
    source, x = inputs_of(case, cases)
    net, source, probes = perceptron(cases, source)
    result = simulator(net, 1e-3, batch=TRIALS).run(STEPS * 1e-3, inputs={source: x})
    for probe, name, n in zip(probes, ("S1", "S2"), (256, 10), strict=True):
        recorded = unpacked(cases, f"{case}_{name}", n)
        np.testing.assert_array_equal(raster(result[probe], STEPS, TRIALS), recorded)
    first, second = result.counts.projections
    assert (first.events, second.events) == (exact[case]["eff_l1"], exact[case]["eff_l2"])
    assert (first.dense_events, second.dense_events) == (exact[case]["dense_l1"], exact[case]["dense_l2"])
    assert (first.arithmetic, second.arithmetic) == ("ac" if case == "A" else "mac", "ac")
    assert result.counts.spikes == exact[case]["spikes_h"] + exact[case]["spikes_o"]


def test_a_convolution_gives_the_recorded_spikes_and_counts(simulator, raster, cases, exact):
    net = rb.Network()
    source = net.add(rb.SpikeSource((1, 28, 28)))
    hidden = net.add(rb.Population((8, 14, 14), rb.Leaky(0.9), name="hidden"))
    out = net.add(rb.Population(10, rb.Leaky(0.9), name="out"))
    conv = rb.conv2d(stride=2, padding=2)
    net.add(rb.Projection(source, hidden, conv, weight=cases["Wc"], delay=0.0))
    net.add(rb.Projection(hidden, out, rb.dense(), weight=cases["Wl"], delay=0.0))
    probes = [net.add(rb.Probe(hidden)), net.add(rb.Probe(out))]
    x = unpacked(cases, "x_A", 784)
    result = simulator(net, 1e-3, batch=TRIALS).run(STEPS * 1e-3, inputs={source: x})
    for probe, name, n in zip(probes, ("S1", "S2"), (1568, 10), strict=True):
        recorded = unpacked(cases, f"G_{name}", n)
        np.testing.assert_array_equal(raster(result[probe], STEPS, TRIALS), recorded)
    conv_counts, linear = result.counts.projections
    assert (conv_counts.events, linear.events) == (exact["G"]["eff_conv"], exact["G"]["eff_lin"])
    assert conv_counts.dense_events == exact["G"]["dense_conv_border_aware"]
    assert linear.dense_events == exact["G"]["dense_lin"]
