"""What is set between runs: parameters, states, rates and weights, on every backend, and what is refused."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine.plan import recipe_of_projection

DT = 1e-3
RULE = rb.STDP(20e-3, 20e-3, a_pre=0.02, a_post=-0.01, w_max=1.0)


def make(**changes):
    """A bit of everything; `changes` are made to the description: what `set` should lead to."""
    given = {"rate": 80.0, "lone": 300.0, "tau": 20e-3, "weight": 0.2, "U": 0.5, "a_pre": 0.02, **changes}
    net = rb.Network(seed=2)
    source = net.add(rb.PoissonSource(30, rate=given["rate"], name="in"))
    lone = net.add(rb.PoissonSource(20, rate=given["lone"], name="lone"))
    out = net.add(rb.Population(20, rb.LIF(given["tau"]), name="out"))
    net.add(rb.Projection(lone, out, rb.one_to_one(), weight=0.1, delay=4e-3, name="alone"))
    net.add(rb.Projection(source, out, rb.fixed_in(5), weight=given["weight"], delay=3e-3, name="static"))
    rule = rb.STDP(20e-3, 20e-3, a_pre=given["a_pre"], a_post=-0.01, w_max=1.0)
    net.add(rb.Projection(source[:12], out, rb.dense(), weight=0.1, rule=rule, name="plastic"))
    short = rb.TsodyksMarkram(U=given["U"], tau_rec=50e-3)
    net.add(rb.Projection(out, out, rb.random(p=0.3), weight=0.1, rule=short, name="short"))
    net.add(rb.Probe(out, name="spikes"))
    net.add(rb.Probe(out[3:9], "v", name="v"))
    return net


def same(one, other):
    for column in ("steps", "ids"):
        np.testing.assert_array_equal(getattr(one["spikes"], column), getattr(other["spikes"], column))
    np.testing.assert_array_equal(one["v"].values, other["v"].values)


#: What is set, and the change of the description that it must be equal to from the beginning.
SETTINGS = {
    "a rate": ("in", {"rate": 200.0}),
    "a rate that asks for another grid": ("in", {"rate": 1e7}),
    "the rate of a private source": ("lone", {"rate": 900.0}),
    "a time constant": ("out", {"tau": 5e-3}),
    "a static weight": ("static", {"weight": 0.4}),
    "a parameter of a rule": ("plastic", {"a_pre": 0.2}),
    "a parameter of a short-term rule": ("short", {"U": 0.9}),
}


@pytest.mark.parametrize("which", SETTINGS)
def test_at_time_0_setting_is_as_if_it_had_been_described_so(simulator, which):
    part, values = SETTINGS[which]
    sim = simulator(make(), DT)
    before = sim.run(0.05)
    sim.reset()
    sim.set(part, **values)
    described = {"rate": "lone"} if part == "lone" else {}
    expected = simulator(make(**{described.get(key, key): value for key, value in values.items()}), DT)
    after = sim.run(0.05)
    same(after, expected.run(0.05))
    assert not np.array_equal(before["v"].values, after["v"].values)
    sim.reset()
    same(sim.run(0.05), after)


@pytest.mark.parametrize("which", SETTINGS)
def test_what_is_set_amid_a_run_is_the_same_everywhere_and_in_a_checkpoint(which, tmp_path, compiled):
    part, values = SETTINGS[which]
    sims = [rb.Simulator(make(), DT, backend=name) for name in ("reference", compiled)]
    for sim in sims:
        sim.run(0.03)
        sim.set(sim.plan.network[part], **values)
        sim.checkpoint(tmp_path / f"{sim._backend.name}.npz")
    expected, mine = (sim.run(0.04) for sim in sims)
    same(mine, expected)
    same(rb.Simulator.resume(tmp_path / "reference.npz", backend=compiled).run(0.04), expected)
    same(rb.Simulator.resume(tmp_path / f"{compiled}.npz").run(0.04), expected)
    for name in ("static", "plastic"):
        np.testing.assert_array_equal(sims[0].weights(name), sims[1].weights(name))


def test_synapses_are_laid_out_anew_only_where_they_change(compiled, monkeypatch):
    sim = rb.Simulator(make(), DT, backend=compiled)
    if compiled != "numba":
        pytest.skip("it lays them out each time")
    drawn = []

    def draw(part, *others):
        drawn.append(part.label)
        return recipe_of_projection(part, *others)

    monkeypatch.setattr("rheobase.engine.plan.recipe_of_projection", draw)
    sim.set("out", tau=10e-3, drive=0.5)
    sim.set("in", rate=9e3)
    assert "static" not in drawn
    sim.run(5e-3)
    sim.set("static", weight=0.3)
    assert "static" in drawn


def test_a_membrane_goes_on_from_where_it_is_with_its_new_time_constant(simulator):
    net = rb.Network()
    cells = net.add(rb.Population(3, rb.LI(20e-3, drive=1.0), name="cells"))
    v = net.add(rb.Probe(cells, "v"))
    sim = simulator(net, DT, precision="float64")
    first = sim.run(10e-3)[v].values[-1]
    sim.set(cells[1:], tau=np.array([5e-3, 40e-3]))
    second = sim.run(10e-3)[v].values[-1]
    taus = np.array([20e-3, 5e-3, 40e-3])
    np.testing.assert_allclose(first, 1.0 - np.exp(-10 / 20), rtol=1e-12)
    np.testing.assert_allclose(second, 1.0 - (1.0 - first) * np.exp(-10e-3 / taus), rtol=1e-12)
    assert sim.now == pytest.approx(20e-3)


def test_state_is_set_in_whole_or_in_part_and_for_each_trial(simulator):
    net = rb.Network()
    cells = net.add(rb.Population(4, rb.IF(threshold=9.0), name="cells"))
    sim = simulator(net, DT, batch=2)
    sim.run(2e-3)
    sim.set(cells, v=0.5)
    sim.set(cells[1:3], v=[1.0, 2.0])
    sim.set("cells", v=sim.state(cells)["v"] + [[0.0], [4.0]])
    sim.run(2e-3)
    assert sim.state(cells)["v"].tolist() == [[0.5, 1.0, 2.0, 0.5], [4.5, 5.0, 6.0, 4.5]]
    sim.reset()
    assert not sim.state(cells)["v"].any()


def test_images_are_set_by_the_users_index(simulator):
    net = rb.Network()
    image = net.add(rb.PoissonSource((2, 5, 5), rate=1.0))
    cells = net.add(rb.Population((3, 3, 3), rb.IF(threshold=9.0), name="cells"))
    net.add(rb.Projection(image, cells, rb.conv2d(), weight=np.zeros((3, 2, 3, 3))))
    sim = simulator(net, DT)
    sim.set(cells, v=np.arange(27.0), threshold=np.arange(27.0) + 10.0)
    sim.run(DT)
    assert sim.state(cells)["v"].tolist() == list(range(27))


def test_users_keep_their_parts(simulator):
    net = make()
    sim = simulator(net, DT)
    for _ in range(2):
        sim.set(net["out"], tau=10e-3)
        sim.set(net["in"][9::-1], rate=np.arange(10.0))
        sim.set(net["short"], x=0.5, u=0.25)
    result = sim.run(0.02)
    assert result[net["spikes"]] is result["spikes"]
    assert sim.state(net["out"])["v"].shape == (20,)
    assert sim.weights(net["plastic"]).shape == (20, 12)
    assert sim.plan.network["in"].rate.tolist() == [*range(9, -1, -1), *[80.0] * 20]
    assert net["in"].rate == 80.0


def weighted(conn, weight, rule=None, delay=None):
    net = rb.Network(seed=4)
    a = net.add(rb.PoissonSource(12, rate=200.0, name="a"))
    b = net.add(rb.Population(10, rb.LIF(20e-3), name="b"))
    net.add(rb.Projection(a, b, conn, weight=weight, delay=delay, rule=rule, name="p"))
    net.add(rb.Probe(b, name="spikes"))
    net.add(rb.Probe(b, "v", name="v"))
    return net


_rng = np.random.default_rng(0)
_pairs = _rng.integers(0, 12, 30), _rng.integers(0, 10, 30)
_matrix = np.where(_rng.random((10, 12)) < 0.3, _rng.uniform(0.1, 0.5, (10, 12)), 0.0)
WEIGHTED = {
    "dense": (rb.dense(), _rng.uniform(0.0, 0.4, (10, 12)), None),
    "drawn": (rb.random(p=0.4), rb.uniform(0.0, 0.6), rb.uniform(1e-3, 4e-3)),
    "listed": (rb.explicit(*_pairs), _rng.uniform(0.0, 0.6, 30), _rng.integers(1, 5, 30) * DT),
    "matrix": (rb.sparse(_matrix), 1.0, None),
    "degrees": (rb.fixed_out(4), 0.3, 2e-3),
}


@pytest.mark.parametrize("rule", [None, RULE], ids=["static", "plastic"])
@pytest.mark.parametrize("which", WEIGHTED)
def test_weights_that_come_out_can_go_in(simulator, which, rule):
    conn, weight, delay = WEIGHTED[which]
    net = weighted(conn, weight, rule, delay)
    sim = simulator(net, DT)
    start = sim.weights("p")
    first = sim.run(0.05)
    # Setting what is there changes nothing; neither does going through other weights and back.
    sim.set("p", weight=sim.weights("p"))
    kept = sim.weights("p")
    sim.set("p", weight=kept * 0.5)
    np.testing.assert_allclose(sim.weights("p"), kept * 0.5, rtol=1e-6)
    sim.set("p", weight=kept)
    np.testing.assert_array_equal(sim.weights("p"), kept)
    if rule is not None:
        assert np.abs(kept - start).max() > 1e-3
    whole = simulator(weighted(conn, weight, rule, delay), DT)
    np.testing.assert_array_equal(first["v"].values, whole.run(0.05)["v"].values)
    if rule is not None or which == "dense":
        same(sim.run(0.05), whole.run(0.05))
    # And a network takes them: a plan for the same weights as a list, whose synapses are the same.
    again = simulator(net.with_weights({"p": start}), DT)
    np.testing.assert_allclose(again.weights("p"), start, rtol=1e-6)
    mine, theirs = again.synapses("p"), simulator(net, DT).synapses("p")
    for column in ("pre", "post", "delay"):
        np.testing.assert_array_equal(getattr(mine, column), getattr(theirs, column))


@pytest.mark.parametrize("which", WEIGHTED)
def test_a_list_of_synapses_makes_the_same_network(simulator, which):
    conn, weight, delay = WEIGHTED[which]
    sim = simulator(weighted(conn, weight, None, delay), DT, precision="float64")
    edges = sim.synapses("p")
    listed = rb.explicit(edges.pre, edges.post)
    twin = simulator(weighted(listed, edges.weight, None, edges.delay), DT, precision="float64")
    one, other = sim.run(0.05), twin.run(0.05)
    np.testing.assert_allclose(one["v"].values, other["v"].values, rtol=0, atol=1e-12)
    assert len(one["spikes"]) > 20
    dense = np.zeros((10, 12))
    np.add.at(dense, (edges.post, edges.pre), edges.weight)
    np.testing.assert_allclose(edges.to_scipy().toarray(), dense)
    table = edges.to_array()
    assert table.dtype.names == ("pre", "post", "weight", "delay")
    np.testing.assert_array_equal(table["weight"], sim.weights("p").reshape(-1))


def test_listed_weights_keep_the_order_of_their_list(simulator):
    for rule in (None, RULE):
        pre, post = [2, 0, 2, 1], [1, 0, 0, 1]
        net = rb.Network()
        a, b = (net.add(rb.Population(3, rb.IF(), name=name)) for name in "ab")
        given, delay = [0.4, 0.3, 0.2, 0.1], [4e-3, 3e-3, 2e-3, 1e-3]
        net.add(
            rb.Projection(
                a,
                b,
                rb.explicit(pre, post),
                weight=given,
                delay=[4e-3, 3e-3, 2e-3, 1e-3],
                rule=rule,
                name="p",
            )
        )
        sim = simulator(net, DT)
        np.testing.assert_allclose(sim.weights("p"), given, rtol=1e-7)
        edges = sim.synapses("p")
        assert (edges.pre.tolist(), edges.post.tolist()) == (pre, post)
        np.testing.assert_allclose(edges.delay, delay)


@pytest.mark.parametrize("kind", ["conv", "pool"])
def test_connections_of_images_are_those_that_deliver(simulator, kind):
    net = rb.Network()
    image = net.add(rb.SpikeSource((2, 6, 5)))
    if kind == "conv":
        conn, shape = rb.conv2d(stride=2, padding=1, groups=2), (4, 3, 3)
        weight = np.random.default_rng(1).normal(size=(4, 1, 3, 3))
    else:
        conn, shape, weight = rb.pool2d(2), (2, 3, 2), 1.0
    out = net.add(rb.Population(shape, rb.IF(threshold=1e9), name="out"))
    p = net.add(rb.Projection(image, out, conn, weight=weight, delay=0.0))
    sim = simulator(net, DT, precision="float64")
    edges = sim.synapses(p)
    assert len(edges) == sim.run(DT).counts.projections[0].n_synapses
    spikes = np.random.default_rng(0).integers(0, 2, (1, 60))
    sim.reset()
    sim.run(DT, inputs={image: spikes})
    np.testing.assert_allclose(sim.state(out)["v"], edges.to_scipy() @ spikes[0], atol=1e-12)


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [
        ("out", {}, r"no values for out"),
        ("out", {"taw": 1.0}, r"out: LIF has no 'taw' \(the nearest is 'tau'\)"),
        ("out", {"reset": "soft"}, r"out\.reset: is an option of LIF; it is fixed"),
        ("out", {"tau": -1.0}, r"LIF\.tau: got -1\.0"),
        ("out", {"tau": np.ones(7)}, r"7 neurons"),
        ("out", {"v": np.ones(7)}, r"out\.v: got shape \(7,\)"),
        ("out", {"v": np.nan}, r"out\.v"),
        ("out", {"refractory": 2e-3}, r"out: with refractory so changed its state variables would be"),
        ("in", {"rate": -1.0}, r"in\.rate: got -1\.0"),
        ("in", {"n": 3}, r"in\.n: a PoissonSource has rate to change"),
        ("static", {"delay": 1e-3}, r"static\.delay: it is fixed"),
        ("static", {"connectivity": rb.dense()}, r"static\.connectivity: it is fixed"),
        ("static", {"tau": 1.0}, r"static: has no 'tau'"),
        ("static", {"weight": np.ones(3)}, r"static\.weight: got shape \(3,\)"),
        ("plastic", {"weight": 2.0}, r"plastic\.weight: got weights from 2 to 2; .* 0 to 1"),
        ("plastic", {"w_max": 0.05}, r"plastic\.weight: got weights from .* 0 to 0\.05"),
        ("plastic", {"pairing": "nearest"}, r"plastic\.pairing: is an option of STDP"),
        ("short", {"x": 3.0}, r"short\.x: got 3\.0; allowed is .*, not below 0, not above 1"),
        ("short", {"u": np.linspace(-0.1, 1.0, 20)}, r"short\.u: got values from -0\.1 to 1\.0; allowed is"),
        ("short", {"last": -2}, r"short\.last: got -2; allowed is .*, not below -1"),
        ("short", {"last": 0.5}, r"short\.last: got 0\.5; allowed are whole numbers"),
        ("short", {"last": 2**40}, r"short\.last: got 1099511627776; allowed are whole numbers"),
        ("short", {"V": 1.0}, r"short: TsodyksMarkram has no 'V'"),
        ("spikes", {"start": 0.0}, r"spikes holds no parameters"),
        ("nobody", {"v": 0.0}, r"no part is called 'nobody'"),
    ],
)
def test_what_cannot_be_set_is_refused_by_name_and_changes_nothing(part, values, message):
    sim = rb.Simulator(make(), DT, backend="reference")
    sim.run(5e-3)
    before, plan = sim._machine.snapshot(), sim.plan
    with pytest.raises((rb.SpecError, rb.PlanError), match=message):
        sim.set(part, **values)
    assert sim.plan is plan
    for key, value in sim._machine.snapshot().items():
        np.testing.assert_array_equal(value, before[key])


def test_weights_that_no_grid_holds_are_refused_and_the_simulation_goes_on():
    net = rb.Network(seed=0)
    source = net.add(rb.PoissonSource(10, rate=100.0))
    out = net.add(rb.Population(10, rb.LIF(20e-3), name="out"))
    net.add(rb.Projection(source, out, rb.fixed_in(3), weight=0.5, name="p"))
    net.add(rb.Projection(source, out, rb.fixed_in(3), weight=0.25, name="q"))
    sim = rb.Simulator(net, DT, backend="reference")
    with pytest.raises(rb.PlanError, match=r"fixed point cannot hold the weights of 'q'"):
        sim.set("p", weight=1e12)
    assert sim.weights("p").max() == 0.5
    sim.run(10e-3)
