"""Fixed point: weights on a grid, sums that are exact, and refusals where they could not be."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rheobase as rb
from rheobase.engine import planning
from rheobase.engine.grid import Load, choose_grid

BACKENDS = ("reference", "numba")


def network(weight, pairs, *, spikes, threshold=1e9):
    """Spikes of a source in one step into neurons that never fire."""
    net = rb.Network()
    pre, post = pairs
    source = net.add(rb.SpikeSource(max(pre) + 1, name="source"))
    pop = net.add(rb.Population(max(post) + 1, rb.IF(threshold=threshold), name="pop"))
    net.add(rb.Projection(source, pop, rb.explicit(*pairs), weight=weight, delay=0.0, name="p"))
    net.add(rb.Probe(pop, "v", name="v"))
    return net, {source: np.atleast_2d(spikes)}


def grid_of(weight, pairs, **options):
    net, _ = network(weight, pairs, spikes=[1], **options)
    return rb.Simulator(net, 1e-3, backend="reference").plan.groups["pop"].receptors[0].grid


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_sum_is_the_exact_sum_of_the_rounded_weights(backend):
    rng = np.random.default_rng(5)
    pre, post = rng.integers(0, 60, 2000), rng.integers(0, 8, 2000)
    weight, spikes = rng.normal(0.0, 1.0, 2000), rng.poisson(1.5, 60)
    net, inputs = network(weight, (pre, post), spikes=spikes)
    sim = rb.Simulator(net, 1e-3, backend=backend)
    grid = sim.plan.groups["pop"].receptors[0].grid
    v = sim.run(1e-3, inputs=inputs)["v"].values[0]
    step = Fraction(2) ** grid.exponent
    for target in range(8):
        mine = post == target
        # Python's rounding of a fraction is to nearest even, as the grid's.
        exact = sum(
            round(Fraction(w) / step) * step * int(spikes[i])
            for w, i in zip(weight[mine].tolist(), pre[mine], strict=True)
        )
        assert v[target] == np.float32(float(exact))


def test_the_order_of_synapses_does_not_change_a_sum():
    rng = np.random.default_rng(1)
    pre, weight = np.arange(500), rng.normal(0.0, 1.0, 500)
    values = []
    for _ in range(5):
        order = rng.permutation(500)
        net, inputs = network(weight[order], (pre[order], np.zeros(500, int)), spikes=np.ones(500, int))
        values.append(rb.Simulator(net, 1e-3, backend="numba").run(1e-3, inputs=inputs)["v"].values[0, 0])
    assert len(set(values)) == 1


@given(
    largest=st.floats(1e-12, 1e12),
    shares=st.lists(st.floats(0.5, 1.0), min_size=1, max_size=20),
    fan_in=st.floats(1.0, 1e4),
)
def test_a_grid_is_the_finest_power_of_two_that_holds_weights_and_sums(largest, shares, fan_in):
    weights = largest * np.array(shares)
    grid = choose_grid("r", [Load("p", weights, None, False, float(weights.max() * fan_in))])
    limit = 2 ** (grid.bits - 1) - 1
    stored = grid.to_integers(weights)
    assert np.abs(stored).max() <= limit
    assert weights.max() * fan_in / grid.step <= 2**31 - 1
    assert np.abs(stored * grid.step - weights).max() <= grid.step / 2
    # With steps half as wide, one of the two would not fit.
    half = grid.step / 2
    assert weights.max() / half > limit or weights.max() * fan_in / half > 2**31 - 1


def test_weights_that_16_bits_round_too_much_get_32():
    assert grid_of([1.0, 0.25], ([0, 1], [0, 1])).bits == 16
    # The step is 2**-14: 0.004 is 65.5 of them, and alone onto its neuron it may move by 1 %.
    assert grid_of([1.0, 0.004], ([0, 1], [0, 1])).rounding == pytest.approx(0.5 / 65.5, rel=0.1)
    wide = grid_of([1.0, 0.0007], ([0, 1], [0, 1]))
    assert wide.bits == 32
    assert wide.rounding < 0.01


def test_a_weight_that_is_nothing_beside_the_others_may_round_to_nothing():
    assert grid_of([1.0, 1e-9], ([0, 1], [0, 0])).bits == 16
    # A million normal weights hold some that are a millionth of the rest.
    rng = np.random.default_rng(0)
    pre, post = np.tile(np.arange(1000), 200), np.repeat(np.arange(200), 1000)
    assert grid_of(rng.normal(0.0, 1.0, 200_000), (pre, post)).rounding < 1e-3


def test_what_32_bits_cannot_hold_is_refused_with_what_to_do():
    with pytest.raises(rb.PlanError, match=r"pop.input: fixed point cannot hold the weights of 'p'.*float32"):
        grid_of([1e6, 1e-6], ([0, 1], [0, 1]))


def test_a_projection_of_weak_synapses_is_not_lost_beside_strong_ones():
    net = rb.Network()
    source = net.add(rb.SpikeSource(1))
    pop = net.add(rb.Population(1, rb.IF(threshold=1e9)))
    net.add(rb.Projection(source, pop, rb.one_to_one(), weight=1e6, delay=0.0))
    net.add(rb.Projection(source, pop, rb.one_to_one(), weight=1e-6, delay=0.0, name="weak"))
    with pytest.raises(rb.PlanError, match="'weak'"):
        rb.Simulator(net, 1e-3, backend="reference")


@pytest.mark.parametrize("backend", BACKENDS)
def test_sums_reach_their_bound_without_overflow(backend):
    # 300 synapses of one weight from a train of 255 spikes a step: the plan must leave room for all.
    net, inputs = network([1.0] * 300, (range(300), [0] * 300), spikes=[255] * 300)
    for sign in (1.0, -1.0):
        negative = net.with_weights({"p": [sign] * 300})
        v = rb.Simulator(negative, 1e-3, backend=backend).run(1e-3, inputs={"source": inputs[net["source"]]})
        assert v["v"].values[0, 0] == sign * 300 * 255


def test_synapses_beyond_the_bound_are_refused_when_they_are_drawn(monkeypatch):
    # The bound on a random in-degree is so wide that no draw exceeds it; here it is too narrow, and
    # leaves so little room that what is drawn is added up.
    monkeypatch.setattr(planning, "in_degree_bound", lambda p: 500.0)
    net = rb.Network()
    source = net.add(rb.SpikeSource(600))
    pop = net.add(rb.Population(4, rb.IF()))
    net.add(rb.Projection(source, pop, rb.random(p=1.0), weight=1.0, name="many"))
    for backend in BACKENDS:
        # 600 synapses of 2**14 steps and up to 255 spikes each.
        with pytest.raises(rb.PlanError, match=r"many: the input of one neuron may reach .* steps"):
            rb.Simulator(net, 1e-3, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_target_that_is_no_source_may_get_more_than_its_share(backend):
    # Without connections to itself the one source sends all to the other neuron, twice the mean.
    net = rb.Network()
    pair = net.add(rb.Population(2, rb.IF(threshold=1.0, reset="none"), name="pair"))
    single = net.add(rb.Population(1, rb.IF(threshold=1.0, reset="none"), name="single"))
    start = net.add(rb.SpikeSource(1, [0.0], [0], name="start"))
    all_but = rb.fixed_total(760_000, self_connections=False)
    net.add(rb.Projection(single, pair, rb.fixed_in(300_000, multiple=True), weight=1.0, name="many"))
    net.add(rb.Projection(pair[:1], pair, all_but, weight=1.0, name="more"))
    for target in (single, pair[:1]):
        net.add(rb.Projection(start, target, rb.one_to_one(), weight=1.5, delay=0.0, name=f"to {target!r}"))
    v = net.add(rb.Probe(pair, "v"))
    result = rb.Simulator(net, 1e-3, backend=backend).run(2e-3)
    assert result[v].values[1, 1] == 1_060_000.0
