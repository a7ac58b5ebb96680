"""Checkpoint files: network, state and info come back as they were."""

from dataclasses import dataclass

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine.checkpoint import read_checkpoint, write_checkpoint
from rheobase.neurons.vocabulary import spike, uniform, where


def network():
    net = rb.Network(seed=5)
    a = net.add(rb.Population(30, rb.LIF(np.linspace(0.01, 0.02, 30)), name="a"))
    net.add(rb.Projection(a, a, rb.dense(), weight=np.eye(30)))
    return net


def test_network_state_and_info_come_back(tmp_path):
    state = {
        "a/v": np.linspace(0, 1, 30, dtype=np.float32),
        "ring": np.zeros((3, 0), np.int32),
        "step": np.int64(7),
    }
    write_checkpoint(
        tmp_path / "c.npz", network(), state, {"dt": 1e-3, "backend": "numba", "step": np.int64(7)}
    )
    net, again, info = read_checkpoint(tmp_path / "c.npz")
    assert net.seed == 5
    np.testing.assert_array_equal(net["a"].model.tau, np.linspace(0.01, 0.02, 30))
    np.testing.assert_array_equal(net.projections[0].weight, np.eye(30))
    assert set(again) == set(state)
    for name, array in state.items():
        np.testing.assert_array_equal(again[name], array)
        assert again[name].dtype == array.dtype
        assert again[name].shape == array.shape
        assert again[name].flags.writeable
    assert info == {"dt": 1e-3, "backend": "numba", "step": 7}


def test_a_changed_state_is_noticed(tmp_path):
    path = tmp_path / "c.npz"
    write_checkpoint(path, network(), {"v": np.arange(1000.0)}, {})
    data = bytearray(path.read_bytes())
    place = data.index(np.float64(500.0).tobytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(rb.FormatError, match="damaged"):
        read_checkpoint(path)


def test_a_result_is_not_taken_for_a_checkpoint(tmp_path):
    from rheobase.engine.counts import Counts
    from rheobase.engine.result import Result, RunInfo

    counts = Counts(steps=1, trials=1, dt=1e-3, populations=(), projections=())
    info = RunInfo(backend="numba", threads=1, precision="fixed", dt=1e-3, steps=1, wall_s=0.1)
    Result(records={}, counts=counts, info=info).save(tmp_path / "r.npz")
    with pytest.raises(rb.FormatError, match="holds a 'rheobase result', not a 'rheobase checkpoint'"):
        read_checkpoint(tmp_path / "r.npz")


def test_state_that_is_not_numbers_is_refused_when_writing(tmp_path):
    with pytest.raises(rb.SpecError, match="state/v"):
        write_checkpoint(tmp_path / "c.npz", network(), {"v": np.array(["a"])}, {})
    assert not list(tmp_path.iterdir())


def noisy():
    """A recurrent network with delays of several steps, noise, and plastic synapses."""
    net = rb.Network(seed=11)
    noise = net.add(rb.PoissonSource(20, rate=300.0, name="noise"))
    exc = net.add(rb.Population(30, rb.LIF(tau=20e-3), name="exc"))
    rule = rb.STDP(20e-3, 20e-3, a_pre=0.02, a_post=-0.02, w_max=1.0)
    net.add(rb.Projection(noise, exc, rb.random(p=0.3), weight=0.3, delay=rb.uniform(1e-3, 7e-3)))
    net.add(rb.Projection(exc, exc, rb.fixed_in(5), weight=0.2, delay=9e-3))
    net.add(rb.Projection(noise, exc, rb.random(p=0.2), weight=0.1, rule=rule, name="plastic"))
    net.add(rb.Probe(exc, name="spikes"))
    net.add(rb.Probe(exc, "v", every=1e-3, name="v"))
    return net


@pytest.mark.parametrize("backends", [("reference", "reference"), ("numba", "numba"), ("numba", "reference")])
@pytest.mark.parametrize("batch", [None, 2])
def test_a_resumed_simulation_is_one_that_never_stopped(backends, batch, tmp_path):
    first, second = backends
    whole = rb.Simulator(noisy(), dt=1e-3, backend=first, batch=batch)
    whole.run(0.043)
    expected = whole.run(0.06)
    assert len(expected["spikes"]) > 20
    half = rb.Simulator(noisy(), dt=1e-3, backend=first, batch=batch)
    half.run(0.043)
    half.checkpoint(tmp_path / "c.npz")
    again = rb.Simulator.resume(tmp_path / "c.npz", backend=second)
    assert again.now == pytest.approx(0.043)
    result = again.run(0.06)
    np.testing.assert_array_equal(result["spikes"].steps, expected["spikes"].steps)
    np.testing.assert_array_equal(result["spikes"].ids, expected["spikes"].ids)
    np.testing.assert_array_equal(result["spikes"].trials, expected["spikes"].trials)
    np.testing.assert_array_equal(result["v"].values, expected["v"].values)
    np.testing.assert_array_equal(again.weights("plastic"), whole.weights("plastic"))
    assert result.counts.projections == expected.counts.projections


def test_a_checkpoint_without_its_state_is_refused(tmp_path):
    write_checkpoint(tmp_path / "c.npz", noisy(), {}, {"dt": 1e-3})
    with pytest.raises(rb.FormatError, match=r"c\.npz"):
        rb.Simulator.resume(tmp_path / "c.npz")
    info = {"dt": 1e-3, "backend": "reference", "precision": None, "batch": None, "threads": None}
    write_checkpoint(tmp_path / "c.npz", noisy(), {"state/exc/v": np.zeros(7)}, info)
    with pytest.raises(rb.FormatError, match="does not hold the state"):
        rb.Simulator.resume(tmp_path / "c.npz")


def _delayed():
    net = rb.Network(seed=1)
    source = net.add(rb.SpikeSource(5, times=[0.0, 1e-3, 1e-3], ids=[0, 1, 4], name="s"))
    pop = net.add(rb.Population(5, rb.IF(), name="p"))
    net.add(rb.Projection(source, pop, rb.one_to_one(), weight=0.3, delay=4e-3))
    return net


@pytest.mark.parametrize("backend", ["reference", "numba"])
@pytest.mark.parametrize(
    "changes",
    [
        {"flight/s/steps": np.array([0, 1])},
        {"flight/s/steps": np.array([[0, 1, 1]])},
        {"flight/s/steps": np.array([0, 1, 2])},
        {"flight/s/steps": np.array([0, 1, -3])},
        {"flight/s/places": np.array([0, 1, 5])},
        {"flight/s/places": np.array([0, 1, -1])},
        {"flight/s/places": np.array([0.0, 1.0, 4.5])},
        {"flight/s/trials": np.array([0, 0, 1])},
        {"flight/s/payloads": np.array([1.0, 1.0, np.nan])},
        {f"flight/s/{name}": np.zeros(3, int) for name in ("trials", "steps", "places")},
        {"now": np.array([-5])},
        {"now": np.array([10**12])},
        {"state/p/v": np.zeros((1, 5), np.int32)},
    ],
    ids=str,
)
def test_a_state_that_no_run_could_have_is_refused(backend, changes, tmp_path):
    sim = rb.Simulator(_delayed(), 1e-3, backend=backend)
    sim.run(2e-3)
    sim.checkpoint(tmp_path / "c.npz")
    net, state, info = read_checkpoint(tmp_path / "c.npz")
    assert state["flight/s/places"].tolist() == [0, 1, 4]
    write_checkpoint(tmp_path / "c.npz", net, state | changes, info)
    with pytest.raises(rb.FormatError, match="does not hold the state of its network"):
        rb.Simulator.resume(tmp_path / "c.npz")


def test_resuming_checks_the_number_of_threads(tmp_path):
    rb.Simulator(_delayed(), 1e-3).checkpoint(tmp_path / "c.npz")
    with pytest.raises(rb.SpecError, match="threads: got 0"):
        rb.Simulator.resume(tmp_path / "c.npz", threads=0)
    assert rb.Simulator.resume(tmp_path / "c.npz", threads=np.int64(2)).run(1e-3).info.threads == 2


@dataclass(frozen=True, eq=False)
class Unreliable(rb.NeuronModel):
    """Keeps a spike to itself half of the time."""

    @staticmethod
    def flow(v):
        return v

    @staticmethod
    def jump(v, input):
        return v + input

    @staticmethod
    def fire(v):
        reached = spike(v - 1.0)
        return where(uniform(0) < 0.5, 0.0, reached), where(reached, 0.0, v)


def test_a_model_of_ones_own_resumes_where_it_is_named(tmp_path):
    def start():
        net = rb.Network(seed=1)
        drive = net.add(rb.PoissonSource(20, rate=400.0))
        cells = net.add(rb.Population(20, Unreliable(), name="cells"))
        net.add(rb.Projection(drive, cells, rb.one_to_one(), weight=0.6))
        net.add(rb.Probe(cells, name="spikes"))
        return rb.Simulator(net, 1e-3, backend="reference")

    whole = start().run(0.05)["spikes"]
    sim = start()
    first = sim.run(0.02)["spikes"]
    sim.checkpoint(tmp_path / "own.npz")
    with pytest.raises(rb.FormatError, match="models="):
        rb.Simulator.resume(tmp_path / "own.npz")
    rest = rb.Simulator.resume(tmp_path / "own.npz", models={"Unreliable": Unreliable}).run(0.03)["spikes"]
    assert first.ids.tolist() + rest.ids.tolist() == whole.ids.tolist()
    assert whole.ids.size > 50
