"""Circuits on the engine do what the emulator does: event for event, sweep for sweep, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion.circuits.emulate import Emulator
from rheobase.conversion.circuits.evaluate import exact_signals, unfolded
from rheobase.conversion.circuits.fuse import fuse
from rheobase.conversion.circuits.rates import calibrate_rates
from rheobase.conversion.circuits.thresholds import calibrate
from rheobase.conversion.spiking.converted import Converted
from tests.conversion import graphs

#: Each with something that the others lack: the compiled backend runs these.
FEW = ("residual_cnn", "attention", "gated")


def settling(name, **how):
    graph = graphs.ALL[name]()
    circuit = calibrate(fuse(graph), graphs.samples(graph, 60, 9), bits=5).on_grid()
    return Converted(graph, circuit, **how), graphs.samples(graph, 3)


def check_course(snn, x, schedule, backend):
    """Compare outputs, operations and the events of every cell after each sweep."""
    expected = Emulator(snn.circuit, events=snn.events, schedule=schedule).run(x)
    sweeps = snn.sweeps(len(x), schedule=schedule, backend=backend)
    sweeps.feed(snn.whole(snn.checked(x)))
    for t, outputs in enumerate(expected.outputs):
        result = sweeps.sweep()
        np.testing.assert_array_equal(sweeps.outputs().reshape(len(x), -1), outputs)
        sent = {p.name: p.spikes_by_trial for p in result.counts.populations}
        assert {name: tuple(packets[t]) for name, packets in expected.packets.items()} == {
            name: sent[name] for name in expected.packets
        }
    assert sweeps.sweep().counts.spikes == 0
    whole = snn.run(x, schedule=schedule, backend=backend)
    np.testing.assert_array_equal(
        whole.operations_over_time, np.cumsum(expected.operations, axis=0)[: len(whole.over_time)]
    )
    np.testing.assert_array_equal(whole.first_layer, expected.first.sum(axis=0))


@pytest.mark.parametrize("schedule", ["concurrent", "depth"])
@pytest.mark.parametrize("name", graphs.ALL)
def test_every_sweep_is_that_of_the_emulator(name, schedule):
    snn, x = settling(name)
    check_course(snn, x, schedule, "reference")


@pytest.mark.parametrize("events", ["unit", "graded"])
@pytest.mark.parametrize("name", ["residual_cnn", "attention"])
def test_other_alphabets_too(name, events):
    snn, x = settling(name, events=events)
    check_course(snn, x, "concurrent", "reference")


@pytest.mark.parametrize("name", FEW)
def test_so_it_is_on_the_compiled_backend(name):
    snn, x = settling(name)
    for schedule in ("concurrent", "depth"):
        check_course(snn, x, schedule, "numba")


@pytest.mark.parametrize("name", graphs.ALL)
def test_the_second_of_two_frames_is_what_it_is_alone(name):
    snn, x = settling(name)
    alone = snn.run(x[1:2], backend="reference")
    second = [*snn.stream(x[:2], backend="reference")][1]
    np.testing.assert_array_equal(second.outputs, alone.outputs)


@pytest.mark.parametrize("name", graphs.ALL)
def test_the_value_law_is_the_trained_network(name):
    graph = graphs.ALL[name]()
    x, exact = graphs.samples(graph, 3), fuse(graph)
    snn = Converted(graph, calibrate(exact, graphs.samples(graph, 60, 9), correct=False), law="value")
    original = exact_signals(exact, unfolded(exact, np.asarray(x, np.float32))).totals[exact.output.name]
    found = snn.run(x, backend="reference").outputs.reshape(len(x), -1)
    np.testing.assert_allclose(found, original, atol=1e-5 * max(1.0, np.abs(original).max()))


@pytest.mark.parametrize(
    ("name", "signed"), [*((name, False) for name in graphs.ALL), ("residual_cnn", True)]
)
def test_rates_are_those_of_the_emulator(name, signed):
    # Weights of the rate law lie on no grid, so that in another order of adding a spike may come a step later
    # or earlier: nothing else may differ.
    graph = graphs.ALL[name]()
    circuit = calibrate_rates(fuse(graph), graphs.samples(graph, 60, 9), signed=signed)
    x = graphs.samples(graph, 12)
    expected = Emulator(circuit, law="rate").run(x, 24).outputs
    found = Converted(graph, circuit, law="rate").run(x, steps=24, backend="reference").over_time
    error = np.abs(found.reshape(expected.shape) - expected).max(axis=2) / np.abs(expected[-1]).max()
    assert (error < 1e-4).mean() > 0.95
    assert error.max() < 0.05


def test_a_rate_network_of_relus_is_plain_integrate_and_fire():
    graph = graphs.ALL["residual_cnn"]()
    circuit = calibrate_rates(fuse(graph), graphs.samples(graph, 60, 9))
    net = Converted(graph, circuit, law="rate").network
    plain = {p.name for p in net.populations if isinstance(p.model, rb.IF)}
    told = [c for c in circuit.cells.values() if c.function == "relu" and c.rows is None]
    assert plain == {cell.name for cell in told} | {circuit.output.name}
