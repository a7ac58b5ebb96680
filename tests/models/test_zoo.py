"""Every block of the zoo: its gradients, its graph, its cost, and what untrained weights lose as spikes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion.circuits.circuit import Circuit
from rheobase.conversion.circuits.emulate import Emulator
from rheobase.conversion.circuits.evaluate import exact
from rheobase.conversion.circuits.fuse import fuse
from rheobase.conversion.circuits.rates import calibrate_rates
from rheobase.conversion.circuits.thresholds import calibrate
from rheobase.conversion.graphs.forward import forward
from rheobase.conversion.graphs.graph import Graph
from rheobase.conversion.graphs.work import multiplications
from rheobase.conversion.spiking.converted import Converted
from rheobase.conversion.trace import graph_of
from rheobase.models.zoo import ZOO, block
from tests.models.zoo_data import one_thread, samples_of  # noqa: F401

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=ZOO)
def name(request):
    return request.param


def smallest(name: str) -> int:
    return -(-16 // ZOO[name].multiple) * ZOO[name].multiple


def untrained(name: str, act: str = "relu", norm: str = "batch") -> torch.nn.Module:
    """Return a narrow network with no weight where it starts, and statistics of its data."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = block(name, width=smallest(name), act=act, norm=norm)
        with torch.no_grad():
            for p in model.parameters():
                p.add_(0.02 * torch.randn_like(p))
    x = torch.from_numpy(samples_of(ZOO[name].data)[0][:200])
    with torch.no_grad():
        for _ in range(20):
            model.train()(x)
    return model.eval()


@dataclass(frozen=True)
class Traced:
    """A network, 8 samples, its answers, its largest answer to 64, its operations and its cells."""

    model: torch.nn.Module
    x: np.ndarray
    expected: np.ndarray
    largest: float
    graph: Graph
    circuit: Circuit

    def error(self, answers: np.ndarray) -> float:
        """Return the largest error as a part of the largest answer."""
        return float(np.abs(answers - self.expected).max()) / self.largest


@cache
def traced(name: str) -> Traced:
    model, x = untrained(name), calibration_samples(name)
    with torch.no_grad():
        answers = model(torch.from_numpy(x)).numpy()
    graph = graph_of(model, x[:2])
    return Traced(model, x[:8], answers[:8], float(np.abs(answers).max()), graph, fuse(graph))


def calibration_samples(name: str) -> np.ndarray:
    """Return what thetas are chosen by: what is tested is among them, so that it is not clipped."""
    return samples_of(ZOO[name].data)[0][:64]


def test_as_published_gradients_reach_every_parameter(name):
    model = untrained(name, *ZOO[name].published).train()
    x = torch.from_numpy(samples_of(ZOO[name].data)[0][:16])
    y = model(x)
    assert y.shape == (16, 10 if ZOO[name].data == "digits" else 1)
    (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
    silent = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_the_graph_and_the_circuit_compute_what_torch_does(name):
    case = traced(name)
    assert np.abs(forward(case.graph, case.x) - case.expected).max() < 1e-5
    assert np.abs(exact(case.circuit, case.x) - case.expected).max() < 1e-5


def test_multiplications_are_those_of_the_closed_formula(name):
    graph = traced(name).graph
    assert sum(map(multiplications, graph.nodes.values())) == ZOO[name].macs(smallest(name))


def test_one_bit_spikes_near_the_original_with_time(name):
    case = traced(name)
    circuit = calibrate_rates(case.circuit, calibration_samples(name)[:16], horizon=32)
    run = Emulator(circuit, law="rate").run(case.x, 32)
    errors = [case.error(run.outputs[steps - 1]) for steps in (4, 32)]
    assert errors[1] <= 0.1
    assert errors[1] < 0.6 * errors[0]


def test_small_steps_of_the_delta_law_equal_the_original_and_an_unchanged_frame_costs_nothing(name):
    case = traced(name)
    few = calibration_samples(name)[:24]
    fine = calibrate(case.circuit, few, bits=18, input_bits=18, correct=False, rest=False)
    emulator = Emulator(fine, events="graded")
    first = emulator.run(case.x)
    assert case.error(first.outputs[-1]) < 1e-3
    assert first.operations.sum() > 0
    again = emulator.run(case.x, start=first.signals)
    assert again.operations.sum() == again.first.sum() == 0
    assert all(packets.sum() == 0 for packets in again.packets.values())


def test_the_engine_settles_at_the_quantised_network_bit_for_bit(name):
    case = traced(name)
    coded = calibrate(case.circuit, calibration_samples(name), bits=4).on_grid()
    Converted(case.graph, coded).verify(case.x[:2], backends=["reference"])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"name": "poolfromer"}, "nearest is 'poolformer'"),
        ({"name": "convit", "width": 32}, r"got 32; of 'convit', allowed are multiples of 9"),
        ({"name": "gla", "width": 0}, "multiples of 8"),
        ({"name": "gla", "act": "rleu"}, "block.activation: got 'rleu'"),
        ({"name": "gla", "norm": "btach"}, "block.norm: got 'btach'"),
    ],
)
def test_what_there_is_not_is_refused(kwargs, message):
    with pytest.raises(rb.SpecError, match=message):
        block(**kwargs)
