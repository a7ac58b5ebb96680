"""Plans: what they decide, how they print and differ, and what they refuse before anything is built."""

import cProfile
import pstats
import re
from itertools import pairwise

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine import memory, planning
from rheobase.engine.planning import make_plan


def network(**changes):
    net = rb.Network(seed=changes.pop("seed", 0))
    options = {"p": 0.2, "weight": 0.1, "delay": 3e-3} | changes
    noise = net.add(rb.PoissonSource(30, rate=20.0, name="noise"))
    exc = net.add(rb.Population(40, rb.LIF(20e-3), name="exc"))
    out = net.add(rb.Population(10, rb.LI(20e-3), name="out"))
    net.add(rb.Projection(noise, exc, rb.one_to_one() if noise.n == exc.n else rb.random(p=0.5), name="in"))
    recurrent = rb.random(p=options["p"])
    net.add(
        rb.Projection(exc, exc, recurrent, weight=options["weight"], delay=options["delay"], name="again")
    )
    net.add(rb.Projection(exc, out, rb.dense(), weight=np.ones((10, 40)), delay=0.0, name="read"))
    net.add(rb.Probe(out, "v", name="trace"))
    return net


def test_steps_are_in_the_order_of_a_step_level_by_level():
    plan = make_plan(network(), 1e-3)
    kinds = [(step.level, step.kind, step.names[0]) for step in plan.steps]
    assert kinds == [
        (0, "emit", "noise"),
        (0, "deliver", "in"),
        (0, "deliver", "again"),
        (0, "update", "exc"),
        (1, "deliver", "read"),
        (1, "update", "out"),
        (1, "record", "trace"),
    ]


def test_a_printed_plan_says_what_was_decided_and_why():
    text = str(make_plan(network(), 1e-3, trials=2))
    for words in (
        "dt 0.001 s, 2 trial(s), seed 0, state float32, 2 level(s), longest delay 3 step(s)",
        "group exc: 40 x LIF, level 0",
        "receptor input: fixed point, step 2**",
        "receptor input: float sum",
        "projection again: random as sparse, fixed, about 320 connections, delay 3 step(s)",
        "integer sums are exact",
        "projection read: dense as dense, float, about 400 connections, delay 0 step(s)",
        "a weight for every pair, summed in a fixed order",
        "deliver  read  (dense, float)",
    ):
        assert words in text, words


def test_two_plans_differ_in_exactly_the_lines_that_differ():
    plan = make_plan(network(), 1e-3)
    assert plan.diff(make_plan(network(), 1e-3)) == ""
    changed = plan.diff(make_plan(network(delay=5e-3), 1e-3)).splitlines()
    assert [line[0] for line in changed] == ["-", "+", "@", "-", "+", "@", "-", "+"]
    assert "longest delay 3" in changed[3]
    assert "longest delay 5" in changed[4]
    with pytest.raises(rb.SpecError, match=r"Plan.diff: got int"):
        plan.diff(3)


@pytest.mark.parametrize(
    ("precision", "again", "read", "state"),
    [
        (None, "fixed", "float", "float32"),
        ("fixed", "fixed", "fixed", "float32"),
        ("float32", "float", "float", "float32"),
        ("float64", "float", "float", "float64"),
    ],
)
def test_precision_is_chosen_per_projection_or_as_asked(precision, again, read, state):
    plan = make_plan(network(), 1e-3, precision=precision)
    assert (plan.projections["again"].arithmetic, plan.projections["read"].arithmetic) == (again, read)
    assert plan.real == np.dtype(state)


def test_synapses_of_a_matrix_may_each_have_their_own_delay():
    rng, found = np.random.default_rng(0), []
    weight, delay = rng.normal(0.5, 0.3, (6, 5)), rng.integers(1, 9, (6, 5)) * 1e-3
    post, pre = np.indices(weight.shape).reshape(2, -1)
    x = (rng.random((2, 60, 5)) < 0.3).astype(int)
    for pattern, shape in ((rb.dense(), (6, 5)), (rb.explicit(pre, post), (30,))):
        net = rb.Network()
        source, cells = net.add(rb.SpikeSource(5, name="x")), net.add(rb.Population(6, rb.LIF(10e-3)))
        values = {"weight": weight.reshape(shape), "delay": delay.reshape(shape)}
        p = net.add(rb.Projection(source, cells, pattern, **values))
        probe = net.add(rb.Probe(cells))
        sim = rb.Simulator(net, dt=1e-3, backend="reference", batch=2)
        np.testing.assert_allclose(sim.synapses(p).to_scipy("delay").toarray(), delay)
        record = sim.run(60e-3, inputs={"x": x})[probe]
        found.append((record.steps.tolist(), record.trials.tolist(), record.ids.tolist()))
    assert found[0] == found[1]
    assert len(found[0][0]) > 50
    assert (
        "its delays differ"
        in make_plan(
            net.with_part(rb.Projection(source, cells, rb.dense(), weight=weight, delay=delay, name=p.name)),
            1e-3,
        )
        .projections[p.name]
        .reason
    )
    with pytest.raises(rb.SpecError, match=r"delay: got shape \(5, 6\)"):
        rb.Projection(source, cells, rb.dense(), delay=delay.T)


def test_a_network_too_big_for_memory_is_refused_with_an_estimate():
    net = rb.Network()
    pop = net.add(rb.Population(1_000_000, rb.LIF(20e-3), name="pop"))
    net.add(rb.Projection(pop, pop, rb.random(p=0.5), name="huge"))
    with pytest.raises(rb.PlanError) as caught:
        rb.Simulator(net, 1e-3)
    message = str(caught.value)
    needed, left = (float(number) for number in re.findall(r"([0-9.e+]+) GB", message))
    # Half a million million synapses of 4 bytes.
    assert 2e3 <= needed < 3e3
    assert left < needed
    assert "'huge'" in message or "huge with 5e+11 synapses" in message


@pytest.mark.parametrize(
    "connectivity",
    [rb.random(p=0.1), rb.fixed_in(200), rb.fixed_out(200), rb.fixed_total(400_000)],
    ids=lambda c: c.kind,
)
@pytest.mark.parametrize("drawn", [False, True])
def test_the_estimate_bounds_what_drawing_and_storing_hold(connectivity, drawn):
    """What is held at once: lists of what is not drawn row by row, and the packed synapses."""
    net = rb.Network()
    pop = net.add(rb.Population(2000, rb.LIF(20e-3)))
    weight = rb.normal(0.1, 0.01) if drawn else 0.1
    net.add(rb.Projection(pop, pop, connectivity, weight=weight, delay=rb.uniform(1e-3, 5e-3), name="p"))
    sim = rb.Simulator(net, 1e-3)
    recipe, n = sim.plan.recipe("p"), sim.plan.degrees("p").sum()
    held = sum(array.nbytes for array in recipe if isinstance(array, np.ndarray))
    turned_round = 4 * recipe.order.size
    estimate = memory.estimate_bytes(sim.plan.groups, sim.plan.projections, 1)
    assert held + turned_round + sim._machine.synapse_bytes < 1.15 * estimate
    assert estimate < 24 * n + 1e6


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda pop: rb.Projection(pop, pop, rb.fixed_in(6)), "fixed_in.6. needs 6 different sources"),
        (lambda pop: rb.Projection(pop, pop, rb.fixed_out(6)), "fixed_out.6. needs 6 different targets"),
        (
            lambda pop: rb.Projection(pop, pop, rb.fixed_in(5, self_connections=False)),
            "needs 5 different sources, there are 4",
        ),
        (lambda pop: rb.Projection(pop, pop, rb.fixed_total(26, multiple=False)), "26 single synapses of 25"),
        (
            lambda pop: rb.Projection(pop, pop, rb.fixed_total(21, multiple=False, self_connections=False)),
            "21 single synapses of 20",
        ),
        (
            lambda pop: rb.Projection(pop[:1], pop[:1], rb.fixed_total(1, self_connections=False)),
            "1 single synapses of 0",
        ),
        (lambda pop: rb.Projection(pop, pop, rb.explicit([0], [1]), delay=1e17), "allowed are up to 65535"),
        (lambda pop: rb.Projection(pop, pop, rb.random(p=0.5), delivery="dense"), "stored as 'sparse'"),
        (
            lambda pop: rb.Projection(pop, pop, rb.explicit([0, 1], [1, 2]), delay=[0.0, 1e-3]),
            "some delays are zero and some are not",
        ),
        (lambda pop: rb.Projection(pop, pop, rb.one_to_one(), delay=100.0), "allowed are up to 65535 steps"),
    ],
)
def test_what_a_projection_cannot_be_is_refused_by_name(make, words):
    net = rb.Network()
    pop = net.add(rb.Population(5, rb.IF()))
    projection = make(pop)
    object.__setattr__(projection, "name", "culprit")
    net.add(projection)
    with pytest.raises(rb.PlanError, match=f"culprit.*{words}"):
        make_plan(net, 1e-3)


def test_a_spike_train_is_no_current():
    net = rb.Network()
    net.add(rb.PoissonSource(3, rate=1e9, name="flood"))
    with pytest.raises(rb.PlanError, match=r"flood: 1e\+06 spikes per step.*use a CurrentSource"):
        make_plan(net, 1e-3)


def test_bounds_of_payloads_are_what_a_source_can_send():
    assert planning.payload_bound(rb.SpikeSource(1), 1e-3) == 255
    assert planning.payload_bound(rb.PoissonSource(1, rate=0.0), 1e-3) == 1
    # Beyond this count there is less than half of 2**-32.
    from scipy.stats import poisson

    bound = planning.payload_bound(rb.PoissonSource(1, rate=1000.0), 1e-3)
    assert poisson.sf(bound, 1.0) < 2.0**-32 < poisson.sf(bound - 2, 1.0)


def test_disjoint_slices_of_a_population_have_no_selves():
    net = rb.Network()
    pop = net.add(rb.Population(100, rb.IF()))
    p = net.add(rb.Projection(pop[:50], pop[50:], rb.fixed_in(50, self_connections=False)))
    assert make_plan(net, 1e-3).synapses(p.label).n == 2500


def test_pairs_beyond_32_bits_are_refused_where_each_is_drawn_once():
    net = rb.Network()
    pop = net.add(rb.Population(47_000, rb.IF()))
    net.add(rb.Projection(pop, pop, rb.fixed_total(5, multiple=False)))
    with pytest.raises(rb.PlanError, match="2209000000 pairs; without multiple=True allowed are fewer"):
        make_plan(net, 1e-3)


def test_a_spike_after_the_longest_run_is_refused_where_it_is_described():
    net = rb.Network()
    net.add(rb.SpikeSource(1, [0.0, 5e8], [0, 0], name="far"))
    with pytest.raises(rb.SpecError, match=r"far: a spike at 5e\+08 s falls into step .*allowed are"):
        rb.Simulator(net, 1e-4, backend="reference")
    net = rb.Network()
    source = net.add(rb.SpikeSource(1, name="given"))
    with pytest.raises(rb.SpecError, match="given: a spike at 1e\\+300 s falls into step"):
        rb.Simulator(net, 1e-4, backend="reference").run(1.0, inputs={source: ([0.0, 1e300], [0, 0])})


def test_a_simulator_says_how_its_synapses_lie_in_memory():
    net = rb.Network()
    source = net.add(rb.SpikeSource((1, 4, 4), name="source"))
    image = net.add(rb.Population((2, 4, 4), rb.IF(), name="image"))
    pop = net.add(rb.Population(40, rb.IF(), name="pop"))
    kernel, matrix = np.ones((2, 1, 3, 3)), np.ones((40, 32))
    net.add(rb.Projection(source, image, rb.conv2d(padding=1), weight=kernel, name="kernel"))
    net.add(rb.Projection(image, pop, rb.dense(), weight=matrix, name="matrix"))
    net.add(rb.Projection(pop, pop, rb.fixed_in(5), weight=0.1, name="one"))
    net.add(rb.Projection(pop, pop, rb.fixed_in(3), weight=0.1, delay=2e-3, name="two"))
    assert str(rb.Simulator(net, 1e-3, threads=1)).splitlines()[1:] == [
        "  kernel: a kernel of 18 weights of 4 bytes, without indices",
        "  matrix: 32 rows of 40 weights, in tiles of 128 bytes",
        "  one and two: 320 synapses of 2 bytes, 1 block(s) of 48 cells a part, delays of 1 to 2 steps",
    ]
    drawn = rb.Network()
    drawn.add(pop)
    drawn.add(rb.Projection(pop, pop, rb.random(p=1.0), weight=rb.normal(1.0, 0.1)))
    for precision, size in ((None, 4), ("float64", 12)):
        assert f" 1,600 synapses of {size} bytes" in str(rb.Simulator(drawn, 1e-3, precision=precision))


def test_rows_keep_no_list_where_both_ends_can_be_stored_row_by_row():
    """Channels of an image stand last, as rows of channels need it; rows along its width do not."""
    rng, order = np.random.default_rng(0), np.arange(24).reshape(2, 12).T.reshape(-1)
    net = rb.Network()
    image = net.add(rb.Population((2, 3, 4), rb.IF(), name="image"))
    net.add(rb.Projection(image, image, rb.conv2d(), weight=np.ones((2, 2, 1, 1)), name="conv"))
    weights = {}
    for name, pattern, n_out in (("channels", rb.rows(12, order), 5), ("width", rb.rows(6), 3)):
        post = net.add(rb.Population(pattern.n * n_out, rb.IF(), name=f"of {name}"))
        weights[name] = rng.integers(1, 9, (n_out, 24 // pattern.n)) / 4
        net.add(rb.Projection(image, post, pattern, weight=weights[name], name=name))
    sim = rb.Simulator(net, 1e-3, backend="reference")
    assert {name: p.storage for name, p in sim.plan.projections.items()} == {
        "conv": "conv2d", "channels": "rows", "width": "sparse",
    }  # fmt: skip
    for name, weight in weights.items():
        np.testing.assert_array_equal(sim.weights(name), weight)
        by_row = np.kron(np.eye(24 // weight.shape[1]), weight)
        expected = by_row[:, np.argsort(order)] if name == "channels" else by_row
        np.testing.assert_array_equal(sim.synapses(name).to_scipy().toarray(), expected)
    sim.set("width", weight=weights["width"] + 1)
    assert sim.weights("width").sum() == weights["width"].sum() + 12


def test_another_population_of_the_same_model_costs_little_however_many_there_are():
    def calls(n):
        net = rb.Network()
        chain = [net.add(rb.Population(3, rb.LIF(20e-3))) for _ in range(n)]
        for pre, post in pairwise(chain):
            net.add(rb.Projection(pre, post, rb.one_to_one()))
        with cProfile.Profile() as profile:
            rb.Simulator(net, 1e-3, backend="reference")
        return pstats.Stats(profile).total_calls

    calls(2)
    few, some, many = (calls(n) for n in (20, 60, 100))
    # Rules are prepared once (it took 20,000 calls), and nobody asks every part about every other.
    assert some - few < 40 * 5000
    assert many - some < 1.1 * (some - few)
