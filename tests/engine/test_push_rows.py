"""Rows for pushing hold the synapses of the layout's rows, whoever draws them and however many threads do."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine import planning
from rheobase.engine.backends.cuda.rows import push_rows
from rheobase.engine.layout import cells_of, sparse_rows
from rheobase.engine.planning import make_plan

N_PRE, N_POST = 70, 90


def network(*joined, pre=(N_PRE,), post=(N_POST,)):
    """Return two populations and projections between them; each is its ends' slices, pattern and options."""
    net = rb.Network()
    a = net.add(rb.Population(pre, rb.LIF(0.02), name="a"))
    b = net.add(rb.Population(post, rb.CurrentLIF(0.02, tau_syn_exc=5e-3, tau_syn_inh=5e-3), name="b"))
    for k, (from_, to, pattern, options) in enumerate(joined):
        ends = (a if from_ is None else a[from_], b if to is None else b[to])
        given = {"weight": 0.5, "delay": 1e-3, "receptor": "excitatory", **options}
        net.add(rb.Projection(*ends, pattern, name=f"p{k}", **given))
    return net


def plan_of(net, **options):
    return make_plan(net, 1e-3, **options)


def as_listed(plan, names):
    """Return the specification's synapses: source, cell, delay and weight of each, sorted."""
    rows = sparse_rows(plan, names, cells_of(plan, "fixed"))
    return sorted(zip(rows.sources(), rows.cells, rows.delays, rows.weights, strict=True))


def as_pushed(rows):
    words = rows.synapses
    weights = rows.weights if rows.weights.size else words >> 48
    assert not (rows.weights.size and (words >> 48).any())
    sources = np.repeat(np.arange(rows.starts.size - 1), np.diff(rows.starts))
    return sorted(zip(sources, words & 0xFFFFFFFF, (words >> 32) & 0xFFFF, weights, strict=True))


def deliveries(plan):
    return [step.names for step in plan.steps if step.kind == "deliver"]


def assert_rows_agree(plan, threads=2):
    for names in deliveries(plan):
        rows = push_rows(plan, names, cells_of(plan, "fixed"), threads)
        expected = as_listed(plan, names)
        assert expected
        assert as_pushed(rows) == expected
        assert rows.longest == np.diff(rows.starts).max()


def explicit(n=300, n_post=N_POST):
    rng = np.random.default_rng(0)
    return rb.explicit(rng.integers(0, N_PRE, n), rng.integers(0, n_post, n))


PATTERNS = {
    "random": rb.random(p=0.1),
    "fixed_in": rb.fixed_in(8),
    "fixed_in, multiple": rb.fixed_in(100, multiple=True),
    "fixed_out": rb.fixed_out(9),
    "fixed_out, multiple": rb.fixed_out(200, multiple=True),
    "fixed_total": rb.fixed_total(800),
    "fixed_total, multiple": rb.fixed_total(4000, multiple=True),
    "explicit": explicit(),
}
DRAWN = {"weight": rb.normal(0.5, 0.2), "delay": rb.uniform(1e-3, 40e-3)}


@pytest.mark.parametrize("options", [{}, DRAWN, {"weight": -0.25}], ids=["alike", "drawn", "negative"])
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS.keys())
def test_every_pattern_has_the_synapses_of_the_layout(pattern, options):
    assert_rows_agree(plan_of(network((None, None, pattern, options))))


@pytest.mark.parametrize("pattern", [rb.one_to_one(), rb.random(p=0.2)], ids=["one_to_one", "random"])
def test_slices_are_rows_and_cells_of_their_groups(pattern):
    net = network((slice(20, 60), slice(45, 85), pattern, {}))
    plan = plan_of(net)
    assert_rows_agree(plan)
    (names,) = deliveries(plan)
    lengths = np.diff(push_rows(plan, names, cells_of(plan, "fixed")).starts)
    assert lengths[20:60].all()
    assert not lengths[:20].any()
    assert not lengths[60:].any()


def test_listed_weights_and_delays_go_by_the_order_of_the_list():
    weights, delays = np.linspace(-1, 1, 300), 1e-3 * (1 + np.arange(300) % 7)
    assert_rows_agree(plan_of(network((None, None, explicit(), {"weight": weights, "delay": delays}))))


def test_projections_of_one_source_share_their_rows():
    net = network(
        (None, None, rb.random(p=0.1), DRAWN),
        (slice(10, 50), None, rb.fixed_out(9), {"delay": 3e-3}),
        (None, slice(30, 60), explicit(20, 30), {"weight": -0.3, "receptor": "inhibitory", "delay": 65.535}),
    )
    net.add(rb.Projection(net["a"], net["a"], rb.fixed_in(5, self_connections=False), weight=0.1, delay=2e-3))
    plan = plan_of(net)
    assert [len(names) for names in deliveries(plan)] == [4]
    assert_rows_agree(plan)


def test_rows_and_cells_of_images_are_places_of_storage():
    net = network(
        (None, None, rb.random(p=0.3), {"weight": rb.normal(0.5, 0.2)}), pre=(2, 5, 6), post=(3, 5, 6)
    )
    kernel = np.full((3, 2, 3, 3), 0.01)
    net.add(
        rb.Projection(
            net["a"], net["b"], rb.conv2d(padding=1), weight=kernel, receptor="inhibitory", delay=1e-3
        )
    )
    plan = plan_of(net)
    assert plan.groups["a"].order is not None
    (names,) = (step.names for step in plan.steps if step.kind == "deliver" and "sparse" in step.detail)
    rows = push_rows(plan, names, cells_of(plan, "fixed"))
    assert as_pushed(rows) == as_listed(plan, names)


@pytest.mark.parametrize("beside", [(), ((None, None, rb.fixed_in(3), {"receptor": "inhibitory"}),)])
def test_weights_that_16_bits_cannot_hold_stand_apart(beside):
    weights = np.where(np.arange(300) % 2, 1e-4, 1000.0)
    net = network(
        (None, None, rb.explicit(np.arange(300) % N_PRE, np.arange(300) % N_POST), {"weight": weights}),
        *beside,
    )
    plan = plan_of(net)
    (names,) = deliveries(plan)
    assert push_rows(plan, names, cells_of(plan, "fixed")).weights.size > 0
    assert_rows_agree(plan)


def test_no_synapses_are_empty_rows():
    plan = plan_of(network((None, None, rb.explicit([], []), {})))
    rows = push_rows(plan, ("p0",), cells_of(plan, "fixed"), threads=2)
    assert rows.synapses.size == rows.longest == 0
    assert rows.starts.tolist() == [0] * (N_PRE + 1)


def test_threads_draw_the_same():
    net = rb.Network()
    a = net.add(rb.Population(3000, rb.LIF(0.02), name="a"))
    net.add(rb.Projection(a, a, rb.fixed_total(700_000, multiple=True), name="p0", **DRAWN))
    net.add(rb.Projection(a, a, rb.random(p=0.02), name="p1", **DRAWN))
    made = []
    for threads in (1, 3):
        plan = plan_of(net)
        made.append(push_rows(plan, ("p0", "p1"), cells_of(plan, "fixed"), threads))
    assert made[0].longest == made[1].longest
    np.testing.assert_array_equal(made[0].starts, made[1].starts)
    np.testing.assert_array_equal(made[0].synapses, made[1].synapses)


def crowd(source, *, degree):
    """Return the plan of 600 synapses onto each of a few neurons, where the plan counted on `degree`."""
    net = rb.Network()
    pre = net.add(source)
    pop = net.add(rb.Population(4, rb.IF(), name="pop"))
    net.add(rb.Projection(pre, pop, rb.random(p=1.0), weight=1.0, name="many"))
    # Beside these weights a unit's spikes need 32 bits; a train of up to 255 a step is left 16.
    if isinstance(source, rb.Population):
        net.add(rb.Projection(pre[:4], pop, rb.one_to_one(), weight=0.0007, name="weak"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "in_degree_bound", lambda p: degree)
        return plan_of(net)


SOURCES = {16: lambda: rb.SpikeSource(600, name="pre"), 32: lambda: rb.Population(600, rb.IF(), name="pre")}


@pytest.mark.parametrize("bits", [16, 32])
def test_sums_that_could_overflow_are_refused_where_the_layout_refuses_them(bits):
    plan = crowd(SOURCES[bits](), degree=500.0)
    assert plan.groups["pop"].receptors[0].grid.bits == bits
    (names,) = deliveries(plan)
    for rows in (sparse_rows, push_rows):
        with pytest.raises(rb.PlanError, match=r"many.*: the input of one neuron may reach .* steps"):
            rows(plan, names, cells_of(plan, "fixed"))


@pytest.mark.parametrize("bits", [16, 32])
def test_sums_that_just_fit_are_taken(bits):
    plan = crowd(SOURCES[bits](), degree=601.0)
    assert plan.groups["pop"].receptors[0].grid.headroom < 2
    assert_rows_agree(plan)


def test_delays_that_16_bits_do_not_hold_are_refused_by_the_plan():
    with pytest.raises(rb.PlanError, match=r"p0\.delay: got 65\.536 s, .* allowed are up to 65535 steps"):
        plan_of(network((None, None, rb.one_to_one(), {"delay": 65.536}), post=(N_PRE,)))
