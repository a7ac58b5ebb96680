"""Probes of projections: weights that learn, and the state of short-term rules, over time."""

import numpy as np
import pytest

import rheobase as rb

DT = 1e-3
RULE = rb.STDP(20e-3, 20e-3, a_pre=0.05, a_post=-0.03, w_max=1.0)


def learning(conn=None, **probed):
    net = rb.Network(seed=3)
    source = net.add(rb.PoissonSource(12, rate=150.0, name="in"))
    out = net.add(rb.Population(8, rb.LIF(10e-3), name="out"))
    conn = conn or rb.random(p=0.5)
    spread = rb.uniform(1e-3, 4e-3) if conn.kind == "random" else None
    net.add(rb.Projection(source, out, conn, weight=rb.uniform(0.2, 0.6), delay=spread, rule=RULE, name="p"))
    net.add(rb.Projection(out, out, rb.dense(), weight=0.05, rule=rb.TsodyksMarkram(0.4, 0.1), name="s"))
    for variable, name in (("weight", "p"), ("x", "p"), ("y", "p"), ("x", "s"), ("u", "s"), ("last", "s")):
        net.add(rb.Probe(net[name], variable, name=f"{variable} of {name}", **probed))
    net.add(rb.Probe(out, name="spikes"))
    return net


@pytest.mark.parametrize("conn", [None, rb.dense()], ids=["sparse", "dense"])
def test_samples_are_what_a_run_that_stops_there_would_show(simulator, conn):
    net = learning(conn)
    result = simulator(net, DT).run(30e-3)
    weights = result["weight of p"]
    assert weights.values.shape == (30, weights.ids.size)
    assert weights.group == "p"
    stopping = simulator(net, DT)
    for k in range(30):
        stopping.run(DT)
        np.testing.assert_array_equal(weights.values[k], stopping.weights("p").reshape(-1))
        for variable in ("x", "y"):
            seen = stopping.state("p")[variable].reshape(-1)
            np.testing.assert_array_equal(result[f"{variable} of p"].values[k], seen)
        for variable in ("x", "u", "last"):
            record = result[f"{variable} of s"]
            np.testing.assert_array_equal(record.values[k], stopping.state("s")[variable])
    assert np.abs(weights.values[-1] - weights.values[0]).max() > 1e-3
    np.testing.assert_allclose(weights.times, np.arange(30) * DT)


def test_a_matrix_without_its_diagonal_is_recorded_as_one_with_zeros_there():
    net = rb.Network()
    train = net.add(rb.SpikeSource(5, times=[0, 2e-3, 4e-3], ids=[0, 1, 4]))
    cells = net.add(rb.Population(5, rb.IF(threshold=1.0)))
    net.add(rb.Projection(train, cells, rb.one_to_one(), delay=0.0))
    apart = rb.all_to_all(self_connections=False)
    learns = net.add(rb.Projection(cells, cells, apart, weight=0.5, rule=RULE))
    probe = net.add(rb.Probe(learns, "weight", every=9e-3))
    sim = rb.Simulator(net, DT, backend="reference")
    first, last = sim.run(10 * DT)[probe].values.reshape(2, 5, 5)
    np.testing.assert_array_equal(first, 0.5 * (1 - np.eye(5)))
    np.testing.assert_array_equal(last, sim.weights(learns))
    assert last[1, 0] > 0.5
    assert len(np.unique(last)) > 3


def test_windows_and_ids_hold_for_synapses_too(simulator):
    whole = simulator(learning(), DT).run(60e-3)
    net = learning(every=7e-3, start=10e-3, stop=45e-3, ids=[5, 1])
    sim = simulator(net, DT, batch=2)
    first, second = sim.run(20e-3), sim.run(40e-3)
    for name in ("weight of p", "x of s"):
        times = np.concatenate([part[name].times for part in (first, second)])
        np.testing.assert_allclose(times, [10e-3, 17e-3, 24e-3, 31e-3, 38e-3])
        values = np.concatenate([part[name].values for part in (first, second)], axis=1)
        steps = np.rint(times / DT).astype(int)
        np.testing.assert_array_equal(values[0], whole[name].values[steps][:, [5, 1]])
        assert first[name].ids.tolist() == [5, 1]
        assert not np.array_equal(values[0], values[1])


def test_adding_a_probe_of_synapses_changes_nothing(simulator):
    net = learning()
    plain = rb.Network(seed=3)
    for part in net:
        if not isinstance(part, rb.Probe) or part.name == "spikes":
            plain.add(part)
    one, other = (simulator(n, DT).run(0.05)["spikes"] for n in (net, plain))
    assert len(one) > 20
    np.testing.assert_array_equal(one.steps, other.steps)
    np.testing.assert_array_equal(one.ids, other.ids)


def test_they_are_saved_with_their_network_and_set_parameters_keep_them(tmp_path):
    net = learning()
    net.save(tmp_path / "net.toml")
    again = rb.Network.load(tmp_path / "net.toml")
    assert again["weight of p"].target is again["p"]
    sims = [rb.Simulator(n, DT, backend="reference") for n in (net, again)]
    for sim in sims:
        sim.set("out", tau=5e-3)
    one, other = (sim.run(0.02)["weight of p"].values for sim in sims)
    np.testing.assert_array_equal(one, other)


def test_what_does_not_change_cannot_be_probed():
    source, out = rb.PoissonSource(3, rate=1.0), rb.Population(3, rb.IF(), name="out")
    static = rb.Projection(source, out, rb.dense(), weight=0.1, name="p")
    with pytest.raises(rb.SpecError, match=r"got 'weight'; p has nothing that changes: no rule"):
        rb.Probe(static, "weight")
    plastic = rb.Projection(source, out, rb.dense(), weight=0.1, rule=RULE, name="p")
    with pytest.raises(rb.SpecError, match=r"got 'spikes'; p has \('weight', 'x', 'y'\)"):
        rb.Probe(plastic)
    net = rb.Network()
    for part in (source, out, plastic):
        net.add(part)
    net.add(rb.Probe(plastic, "weight", ids=[9], name="w"))
    with pytest.raises(rb.SpecError, match=r"w\.ids: allowed are indices from 0 to 8"):
        rb.Simulator(net, DT, backend="reference")
