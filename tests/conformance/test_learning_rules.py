"""Rules that need all that rules can have, in one network: the same bits on every backend, however it is run.

Others are in tests/learning. With more rules it compiles for longer, and is run by --slow.
"""

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning import Normalise, Scale

DT, SECONDS = 1e-3, 0.06


def network(which):
    net = rb.Network(seed=4)
    source = net.add(rb.PoissonSource(24, rate=60.0, name="in"))
    out = net.add(rb.Population(14, rb.LIF(10e-3, refractory=2e-3), name="out"))
    dopamine = net.add(rb.CurrentSource(2, values=np.tile([[0.0, 0.0], [3.0, -1.0]], (30, 1)), dt=1e-3))
    total, rate = Normalise(1.5, every=5e-3), Scale(30.0, tau=0.05, tau_scale=0.2, every=4e-3)
    triplet = rb.TripletSTDP.preset("visual cortex", w_max=1.0, a2_plus=0.01, homeostasis=total)
    pairs = {"a_pre": 0.5, "a_post": -0.2, "every": 7e-3, "w_max": 1.0}
    reward = rb.RewardSTDP(20e-3, 20e-3, 0.1, 0.05, **pairs, homeostasis=total)
    bcm = {"lr": 0.02, "rate": 50.0, "w_max": 1.0}
    rules = {
        "triplet": (triplet, rb.random(p=0.4), None),
        "bcm": (rb.BCM(20e-3, 0.1, **bcm), rb.dense(), None),
        "reward": (reward, rb.dense(), dopamine),
    }
    if which == "all":
        rules["reward, alone"] = rb.RewardSTDP(20e-3, 20e-3, 0.1, 0.05, **pairs), rb.random(p=0.3), source
        rules["bcm, scaled"] = rb.BCM(20e-3, 0.1, **bcm, homeostasis=rate), rb.dense(), None
        rules["hebb"] = rb.Hebb(15e-3, lr=0.02, homeostasis=total, w_max=1.0), rb.dense(), None
        rules["oja"] = rb.Oja(20e-3, lr=0.02, w_max=1.0, homeostasis=rate), rb.random(p=0.2), None
    for name, (rule, conn, modulator) in rules.items():
        delay = rb.uniform(1e-3, 4e-3) if conn.kind == "random" else 2e-3
        ends = {"rule": rule, "modulator": modulator, "name": name}
        weight = rb.uniform(0.02, 0.15)
        net.add(rb.Projection(source, out, conn, weight=weight, delay=delay, **ends))
    net.add(rb.Probe(out, name="spikes"))
    return net


def learned(sim):
    """Return weights by projection, and what else their rules remember."""
    found = {p.label: sim.weights(p) for p in sim.plan.network.projections}
    states = {name: sim.state(name) for name in found}
    return found | {f"{key} of {name}": v for name, state in states.items() for key, v in state.items()}


@pytest.fixture(scope="module", params=["few", pytest.param("all", marks=pytest.mark.slow)])
def expected(request):
    """Which rules, and what the reference does with them in two trials."""
    sim = rb.Simulator(network(request.param), DT, backend="reference", batch=2)
    before = learned(sim)
    return request.param, sim.run(SECONDS), learned(sim), before


def test_rules_learn_the_same_bits_on_any_number_of_threads(simulator, expected):
    which, result, weights, before = expected
    for threads in (1, 2):
        sim = simulator(network(which), DT, batch=2, threads=threads)
        mine = sim.run(SECONDS)
        for field in ("steps", "ids", "trials"):
            np.testing.assert_array_equal(getattr(mine["spikes"], field), getattr(result["spikes"], field))
        assert mine.counts == result.counts
        for name, found in learned(sim).items():
            np.testing.assert_array_equal(found, weights[name])
            assert np.mean(found != before[name]) > 0.5, name
    assert len(result["spikes"]) > 50


def test_rules_go_on_where_a_checkpoint_was_written(simulator, expected, tmp_path, backend):
    which, _, weights, _ = expected
    sim = simulator(network(which), DT, batch=2)
    for k, (seconds, other) in enumerate(((0.023, "reference"), (0.015, backend))):
        sim.run(seconds)
        sim.checkpoint(tmp_path / f"{k}.npz")
        sim = rb.Simulator.resume(tmp_path / f"{k}.npz", backend=other)
    sim.run(SECONDS - 0.038)
    for name, found in learned(sim).items():
        np.testing.assert_array_equal(found, weights[name])


def test_all_rules_are_written_to_a_file_and_read_again(tmp_path):
    net = network("all")
    net.save(tmp_path / "net.toml")
    read = rb.Network.load(tmp_path / "net.toml")
    for p in net.projections:
        assert read[p.label].rule == p.rule
        assert getattr(read[p.label].modulator, "name", None) == getattr(p.modulator, "name", None)
