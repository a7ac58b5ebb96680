"""Every pattern delivers what its matrix says: input of a step = matrix times spikes of the step."""

import numpy as np
import pytest
from scipy import sparse

import rheobase as rb

N_PRE, N_POST, STEPS = 23, 31, 40


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def spikes(rng):
    return rng.poisson(0.2, (STEPS, N_PRE))


def steps_of_64(rng, size):
    """Weights that every grid and float32 hold exactly."""
    return rng.integers(-64, 65, size) / 64


def summed(matrix, spikes):
    return np.cumsum(spikes @ matrix.T, axis=0)


def test_explicit_pairs_add_up_where_they_are_listed_twice(received, rng, spikes):
    pre, post = rng.integers(0, N_PRE, 200), rng.integers(0, N_POST, 200)
    weight = steps_of_64(rng, 200)
    matrix = np.zeros((N_POST, N_PRE))
    np.add.at(matrix, (post, pre), weight)
    v, _ = received(rb.explicit(pre, post), weight, spikes, n_post=N_POST)
    np.testing.assert_array_equal(v, summed(matrix, spikes))


def test_a_sparse_matrix_is_scaled_by_the_weight(received, rng, spikes):
    matrix = np.where(rng.random((N_POST, N_PRE)) < 0.3, steps_of_64(rng, (N_POST, N_PRE)), 0.0)
    v, _ = received(rb.sparse(sparse.csr_array(matrix)), 0.5, spikes, n_post=N_POST)
    np.testing.assert_array_equal(v, summed(0.5 * matrix, spikes))


def test_one_to_one_joins_equal_indices(received, rng, spikes):
    weight = steps_of_64(rng, N_PRE)
    v, _ = received(rb.one_to_one(), weight, spikes, n_post=N_PRE)
    np.testing.assert_array_equal(v, summed(np.diag(weight), spikes))


@pytest.mark.parametrize("delivery", [None, "sparse"])
@pytest.mark.parametrize("precision", [None, "fixed", "float64"])
def test_dense_takes_weights_as_post_by_pre(received, rng, spikes, precision, delivery):
    matrix = steps_of_64(rng, (N_POST, N_PRE))
    options = {} if delivery is None else {"delivery": delivery}
    v, sim = received(rb.dense(), matrix, spikes, n_post=N_POST, precision=precision, **options)
    np.testing.assert_array_equal(v, summed(matrix, spikes))
    assert sim.plan.projections["p"].storage == (delivery or "dense")


def test_all_to_all_sends_one_weight_to_everyone(received, spikes):
    v, _ = received(rb.all_to_all(), 0.25, spikes, n_post=N_POST)
    np.testing.assert_array_equal(v, summed(np.full((N_POST, N_PRE), 0.25), spikes))


@pytest.mark.parametrize(
    "connectivity",
    [
        rb.random(p=0.3),
        rb.fixed_in(9),
        rb.fixed_in(9, multiple=True),
        rb.fixed_out(11),
        rb.fixed_out(40, multiple=True),
        rb.fixed_total(300),
        rb.fixed_total(300, multiple=False),
    ],
    ids=["random", "fixed_in", "fixed_in-m", "fixed_out", "fixed_out-m", "fixed_total-m", "fixed_total"],
)
def test_random_patterns_deliver_what_one_spike_at_a_time_shows(received, spikes, connectivity):
    # One spike per source in turn reads the matrix off the neurons; then any spikes must add up to it.
    probe, _ = received(connectivity, 0.125, np.eye(N_PRE, dtype=int), n_post=N_POST)
    matrix = np.diff(probe, axis=0, prepend=0.0).T
    number = np.rint(matrix / 0.125).astype(int)
    np.testing.assert_array_equal(matrix, number * 0.125)
    kind = connectivity.kind
    if kind == "fixed_in":
        assert (number.sum(axis=1) == 9).all()
    if kind == "fixed_out":
        assert (number.sum(axis=0) == connectivity.k).all()
    if kind == "fixed_total":
        assert number.sum() == 300
    if not connectivity.multiple:
        assert number.max() == 1
    v, _ = received(connectivity, 0.125, spikes, n_post=N_POST)
    np.testing.assert_array_equal(v, summed(matrix, spikes))


def test_drawn_weights_do_not_depend_on_storage(received):
    spikes = np.eye(N_PRE, dtype=int)
    dense, listed = (
        received(
            rb.all_to_all(), rb.normal(0.0, 1.0), spikes, n_post=N_POST, delivery=how, precision="float32"
        )[0]
        for how in ("dense", "sparse")
    )
    np.testing.assert_array_equal(dense, listed)


def test_another_seed_draws_another_matrix(received):
    one, two = (
        received(rb.random(p=0.3), 1.0, np.eye(N_PRE, dtype=int), n_post=N_POST, seed=seed)[0]
        for seed in (1, 2)
    )
    assert (one != two).any()


def test_slices_join_only_their_neurons(simulator, raster):
    net = rb.Network()
    pre = net.add(rb.SpikeSource(6))
    post = net.add(rb.Population(8, rb.IF(threshold=1.0)))
    net.add(rb.Projection(pre[2:5], post[4:7], rb.one_to_one(), weight=1.0, delay=0.0))
    net.add(rb.Projection(pre[:1], post[:2], rb.dense(), weight=[[1.0], [1.0]], delay=0.0))
    probe = net.add(rb.Probe(post))
    result = simulator(net, 1e-3).run(1e-3, inputs={pre: np.ones((1, 6), int)})
    assert raster(result[probe], 1)[0].tolist() == [1, 1, 0, 0, 1, 1, 1, 0]
    assert [p.events for p in result.counts.projections] == [3, 2]


def test_ends_may_be_every_second_neuron_or_any_list_of_them(simulator):
    rng = np.random.default_rng(3)
    net = rb.Network()
    pre = net.add(rb.SpikeSource(12))
    post = net.add(rb.Population((3, 5), rb.IF(threshold=1e9)))
    matrix = steps_of_64(rng, (5, 6))
    net.add(rb.Projection(pre[::2], post[::3], rb.dense(), weight=matrix, delay=0.0))
    net.add(
        rb.Projection(pre[[11, 3, 5]], post[[2, 14, 7]], rb.one_to_one(), weight=[1.0, 2.0, 4.0], delay=0.0)
    )
    mask = np.arange(15) % 4 == 1
    net.add(rb.Projection(pre[::-1][:4], post[mask], rb.sparse(matrix[:4, :4]), delay=0.0))
    net.add(
        rb.Projection(pre[6:], post[10:][::-1], rb.explicit([0, 5], [0, 4]), weight=[8.0, 0.5], delay=0.0)
    )
    whole = np.zeros((15, 12))
    whole[np.ix_(np.arange(0, 15, 3), np.arange(0, 12, 2))] += matrix
    whole[[2, 14, 7], [11, 3, 5]] += [1.0, 2.0, 4.0]
    whole[np.ix_(np.flatnonzero(mask), [11, 10, 9, 8])] += matrix[:4, :4]
    whole[[14, 10], [6, 11]] += [8.0, 0.5]
    probe = net.add(rb.Probe(post[[14, 0, 7]], "v"))
    everyone = net.add(rb.Probe(post, "v"))
    spikes = rng.poisson(0.3, (20, 12))
    result = simulator(net, 1e-3).run(0.02, inputs={pre: spikes})
    np.testing.assert_array_equal(result[everyone].values, summed(whole, spikes))
    np.testing.assert_array_equal(result[probe].of(7), summed(whole, spikes)[:, 7])


def test_a_matrix_of_weights_leaves_its_diagonal_out_where_no_neuron_connects_to_itself(simulator):
    net = rb.Network()
    start = net.add(rb.SpikeSource(6))
    pop = net.add(rb.Population(6, rb.IF(threshold=1.0)))
    matrix = np.arange(1, 37).reshape(6, 6) / 64
    net.add(rb.Projection(start, pop, rb.one_to_one(), weight=1.0, delay=0.0))
    p = net.add(rb.Projection(pop, pop, rb.dense(self_connections=False), weight=matrix))
    probe = net.add(rb.Probe(pop, "v"))
    sim = simulator(net, 1e-3)
    result = sim.run(2e-3, inputs={start: [[0, 0, 1, 0, 0, 0]]})
    expected = matrix[:, 2].copy()
    expected[2] = 0.0
    np.testing.assert_array_equal(result[probe].values[1], expected)
    assert result.counts.projections[1].events == 5
    np.testing.assert_array_equal(sim.weights(p), matrix * (1 - np.eye(6)))
    assert len(sim.synapses(p)) == 30


def test_a_neuron_does_not_connect_to_itself_unless_allowed(simulator):
    for allowed in (False, True):
        net = rb.Network(seed=3)
        start = net.add(rb.SpikeSource(20))
        pop = net.add(rb.Population(20, rb.IF(threshold=1.0)))
        net.add(rb.Projection(start, pop, rb.one_to_one(), weight=1.0, delay=0.0))
        net.add(rb.Projection(pop, pop, rb.random(p=1.0, self_connections=allowed), weight=0.25))
        probe = net.add(rb.Probe(pop, "v"))
        result = simulator(net, 1e-3).run(2e-3, inputs={start: np.eye(20, dtype=int)[:1]})
        expected = np.full(20, 0.25)
        expected[0] = 0.25 if allowed else 0.0
        np.testing.assert_array_equal(result[probe].values[1], expected)


def test_drawn_weights_and_delays_follow_their_distributions(received):
    spikes = np.zeros((60, 2000), int)
    spikes[0] = 1
    v, sim = received(rb.one_to_one(), rb.normal(0.5, 0.1), spikes, n_post=2000, delay=rb.uniform(0.01, 0.05))
    weight = v[-1]
    arrival = (v != 0).argmax(axis=0)
    # Four standard errors of mean and standard deviation: one false alarm in 16,000.
    assert abs(weight.mean() - 0.5) < 4 * 0.1 / np.sqrt(2000)
    assert abs(weight.std() - 0.1) < 4 * 0.1 / np.sqrt(4000)
    assert abs(arrival.mean() - 30) < 4 * 40 / np.sqrt(12 * 2000)
    assert arrival.min() >= 10
    assert arrival.max() <= 50
    assert abs(np.corrcoef(weight, arrival)[0, 1]) < 4 / np.sqrt(2000)
    assert sim.plan.projections["p"].delays == tuple(range(10, 51))


def test_connections_by_distance_deliver_their_weight_after_their_delay(simulator):
    period, n_pre, n_post = (1.0, 1.0), 30, 40
    net = rb.Network(seed=4)
    place = rb.scattered(n_pre, period, seed=2, periodic=True)
    there = rb.scattered(n_post, period, seed=3, periodic=True)
    pre = net.add(rb.SpikeSource(n_pre, positions=place))
    post = net.add(rb.Population(n_post, rb.IF(threshold=1e9), positions=there))
    near = rb.distance(rb.disc(1.0, radius=0.3))
    weight, delay = rb.by_distance(rb.cone(1.0, 0.4)), rb.conduction(velocity=20.0, offset=1e-3)
    net.add(rb.Projection(pre, post, near, weight=weight, delay=delay))
    probe = net.add(rb.Probe(post, "v"))
    # One source in every 20th step: nothing is under way when the next one spikes.
    spikes = np.zeros((20 * n_pre, n_pre), int)
    spikes[20 * np.arange(n_pre), np.arange(n_pre)] = 1
    got = np.diff(
        simulator(net, 1e-3).run(0.02 * n_pre, inputs={pre: spikes})[probe].values, axis=0, prepend=0.0
    )
    got = got.reshape(n_pre, 20, n_post)
    side = np.abs(place.points[:, None] - there.points)
    d = np.sqrt((np.minimum(side, 1.0 - side) ** 2).sum(axis=2))
    np.testing.assert_allclose(got.sum(axis=1), np.where(d <= 0.3, 1 - d / 0.4, 0.0), atol=1e-4)
    arrival = np.where(d <= 0.3, np.rint(1.0 + d * 50.0), 0)
    at_edge = np.abs(d * 50.0 % 1 - 0.5) < 0.01
    np.testing.assert_array_equal(np.abs(got).argmax(axis=1)[~at_edge], arrival[~at_edge])
