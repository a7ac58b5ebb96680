"""Rules that need all that rules can have, in one network: the same bits on every backend, however it is run.

Others are in tests/learning.
"""

import numpy as np
import pytest

import rheobase as rb

DT, SECONDS = 1e-3, 0.06


def network():
    net = rb.Network(seed=4)
    source = net.add(rb.PoissonSource(24, rate=60.0, name="in"))
    out = net.add(rb.Population(14, rb.LIF(10e-3, refractory=2e-3), name="out"))
    for name, rule, conn in (
        ("triplet", rb.TripletSTDP.preset("visual cortex", w_max=1.0, a2_plus=0.01), rb.random(p=0.4)),
        ("bcm", rb.BCM(20e-3, 0.1, lr=0.02, rate=50.0, w_max=1.0), rb.dense()),
    ):
        delay = rb.uniform(1e-3, 4e-3) if conn.kind == "random" else 2e-3
        drawn = rb.uniform(0.02, 0.15)
        net.add(rb.Projection(source, out, conn, weight=drawn, delay=delay, rule=rule, name=name))
    dopamine = net.add(rb.CurrentSource(2, values=np.tile([[0.0, 0.0], [3.0, -1.0]], (30, 1)), dt=1e-3))
    for name, conn, modulator in (("listed", rb.random(p=0.3), source), ("dense", rb.dense(), dopamine)):
        rule = rb.RewardSTDP(20e-3, 20e-3, 0.1, 0.05, a_pre=0.5, a_post=-0.2, every=7e-3, w_max=1.0)
        ends = {"modulator": modulator, "name": f"reward {name}"}
        net.add(rb.Projection(source, out, conn, weight=0.02, rule=rule, **ends))
    net.add(rb.Probe(out, name="spikes"))
    return net


LEARNING = [p.label for p in network().projections if p.rule is not None]


@pytest.fixture(scope="module")
def expected():
    """What the reference does, with two trials."""
    sim = rb.Simulator(network(), DT, backend="reference", batch=2)
    return sim.run(SECONDS), {name: sim.weights(name) for name in LEARNING}


def test_all_rules_learn_the_same_bits_on_any_number_of_threads(simulator, expected):
    result, weights = expected
    before = rb.Simulator(network(), DT, backend="reference", batch=2)
    for threads in (1, 2):
        sim = simulator(network(), DT, batch=2, threads=threads)
        mine = sim.run(SECONDS)
        for field in ("steps", "ids", "trials"):
            np.testing.assert_array_equal(getattr(mine["spikes"], field), getattr(result["spikes"], field))
        assert mine.counts == result.counts
        for name in LEARNING:
            np.testing.assert_array_equal(sim.weights(name), weights[name])
            assert np.mean(weights[name] != before.weights(name)) > 0.5, name
    assert len(result["spikes"]) > 50


def test_all_rules_go_on_where_a_checkpoint_was_written(simulator, expected, tmp_path, backend):
    sim = simulator(network(), DT, batch=2)
    for k, (seconds, other) in enumerate(((0.023, "reference"), (0.015, backend))):
        sim.run(seconds)
        sim.checkpoint(tmp_path / f"{k}.npz")
        sim = rb.Simulator.resume(tmp_path / f"{k}.npz", backend=other)
    sim.run(SECONDS - 0.038)
    for name in LEARNING:
        np.testing.assert_array_equal(sim.weights(name), expected[1][name])


def test_all_rules_are_written_to_a_file_and_read_again(tmp_path):
    network().save(tmp_path / "net.toml")
    read = rb.Network.load(tmp_path / "net.toml")
    for name in LEARNING:
        assert read[name].rule == network()[name].rule
