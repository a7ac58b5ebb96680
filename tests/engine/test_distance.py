"""Connections by distance: every pair with its own probability, exactly where space says, wrapped or not."""

import numpy as np
import pytest
from scipy import stats

import rheobase as rb
from rheobase.engine.planning import make_plan


def drawn(connectivity, pre, post=None, *, seed=0, weight=1.0, delay=None, threads=1):
    """Return the synapses between two populations at these positions; one population if post is left out."""
    net = rb.Network(seed=seed)
    a = net.add(rb.Population(len(np.asarray(getattr(pre, "points", pre))), rb.IF(), positions=pre, name="a"))
    b = a
    if post is not None:
        b = net.add(rb.Population(len(getattr(post, "points", post)), rb.IF(), positions=post, name="b"))
    net.add(rb.Projection(a, b, connectivity, weight=weight, delay=delay, name="p"))
    return make_plan(net, 1e-3).synapses("p")


def matrix(synapses, n_post):
    out = np.zeros((synapses.indptr.size - 1, n_post), int)
    np.add.at(out, (synapses.sources(), synapses.targets), 1)
    return out


def apart(x, y, period=None):
    """Distances of all pairs, by looking at every image of the target next door."""
    x, y = (np.asarray(points, float).reshape(len(points), -1) for points in (x, y))
    sides = np.abs(x[:, None] - y[None])
    if period is not None:
        sides = np.min([np.abs(x[:, None] - y[None] + k * np.asarray(period)) for k in (-1, 0, 1)], axis=0)
    return np.sqrt((sides**2).sum(axis=-1))


PROFILES = {
    "gaussian": (rb.gaussian(0.6, sd=0.12), lambda d: 0.6 * np.exp(-(d**2) / (2 * 0.12**2))),
    "cut": (rb.gaussian(0.3, sd=0.3, cutoff=0.2), lambda d: 0.3 * np.exp(-(d**2) / 0.18) * (d <= 0.2)),
    "exponential": (rb.exponential(0.2, scale=0.2), lambda d: 0.2 * np.exp(-d / 0.2)),
    "disc": (rb.disc(0.4, radius=0.15), lambda d: 0.4 * (d <= 0.15)),
    "cone": (rb.cone(1.0, radius=0.3), lambda d: np.maximum(0.0, 1 - d / 0.3)),
    "hat": (
        rb.mexican_hat(0.9, 0.1, surround=0.5, surround_sd=0.2),
        lambda d: np.maximum(0.9 * np.exp(-(d**2) / 0.02) - 0.5 * np.exp(-(d**2) / 0.08), 0.0),
    ),
    "ring": (
        rb.tabulated([0.1, 0.2, 0.25, 0.4], [0.0, 0.8, 0.8, 0.1]),
        lambda d: np.interp(d, [0.1, 0.2, 0.25, 0.4], [0.0, 0.8, 0.8, 0.1], right=0.0),
    ),
}


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_pairs_are_connected_with_the_probability_of_their_distance(name, dimensions):
    profile, law = PROFILES[name]
    periodic = dimensions != 3
    pre, post = (rb.scattered(n, (1.0,) * dimensions, seed=n, periodic=periodic) for n in (500, 900))
    d = apart(pre.points, post.points, pre.period)
    p = law(d)
    number = matrix(drawn(rb.distance(profile), pre, post), 900)
    assert number.max() == 1
    # Each of 20 bins of distance has a number of pairs drawn with known probabilities: within 4.5 standard
    # deviations (and where these are few, 6 and 6 pairs more), one false alarm in some 500 for all of these.
    edges = np.quantile(d, np.linspace(0, 1, 21))
    where = np.clip(np.searchsorted(edges, d.ravel()) - 1, 0, 19)
    found, expected, spread = (np.bincount(where, x.ravel(), minlength=20) for x in (number, p, p * (1 - p)))
    limit = np.where(spread < 25, 6 * np.sqrt(spread) + 6 * (spread > 0), 4.5 * np.sqrt(spread))
    assert np.all(np.abs(found - expected) <= limit + 1e-6)
    assert not number[p == 0].any()
    # And no pattern is left in rows or columns: sums of squares of nearly standard normal numbers.
    for axis in (0, 1):
        mean, var = p.sum(axis=axis), (p * (1 - p)).sum(axis=axis)
        wide = var > 2
        if not wide.any():
            continue
        chi2 = ((number.sum(axis=axis) - mean)[wide] ** 2 / var[wide]).sum()
        assert 1e-4 < stats.chi2.sf(chi2, wide.sum()) < 1 - 1e-4


def test_pairs_are_independent_of_one_another():
    # The same network from 400 seeds: variance and covariance of pairs that lie together.
    place = rb.grid((8, 8), spacing=0.1)
    seen = np.array(
        [matrix(drawn(rb.distance(rb.gaussian(0.5, sd=0.2)), place, seed=s), 64)[27] for s in range(400)]
    )
    p = 0.5 * np.exp(-(apart(place.points, place.points)[27] ** 2) / (2 * 0.2**2))
    assert np.all(np.abs(seen.mean(axis=0) - p) < 4.5 * np.sqrt(p * (1 - p) / 400) + 1 / 400)
    r = np.corrcoef(seen[:, p > 0.1].T)
    np.fill_diagonal(r, 0.0)
    assert np.abs(r).max() < 5 / np.sqrt(400)


@pytest.mark.parametrize("spacing", [1.0, 0.1, 1e-6])
@pytest.mark.parametrize(
    ("shape", "neighbours"), [((40,), 2), ((12, 15), 4), ((6, 5, 7), 6)], ids=["ring", "torus", "3-d"]
)
def test_a_radius_of_one_step_connects_nearest_neighbours(shape, neighbours, spacing):
    nearest = rb.distance(rb.disc(1.0, radius=spacing), self_connections=False)
    place = rb.grid(shape, spacing=spacing, periodic=True)
    number = matrix(drawn(nearest, place), len(place.points))
    index = np.arange(number.shape[0]).reshape(shape)
    expected = np.zeros_like(number)
    for axis in range(len(shape)):
        for step in (-1, 1):
            expected[index.ravel(), np.roll(index, step, axis).ravel()] = 1
    assert (expected.sum(axis=1) == neighbours).all()
    np.testing.assert_array_equal(number, expected)
    # Without the wrap those at the rim have fewer.
    open_ended = matrix(drawn(nearest, rb.grid(shape, spacing=spacing)), number.shape[0])
    assert (open_ended <= number).all()
    corner = int(np.ravel_multi_index((0,) * len(shape), shape))
    assert open_ended[corner].sum() == len(shape)


def test_a_neuron_connects_to_itself_only_if_allowed():
    place = rb.grid((10, 10))
    for allowed in (True, False):
        number = matrix(drawn(rb.distance(rb.disc(1.0, 2.0), self_connections=allowed), place), 100)
        assert np.all(np.diagonal(number) == allowed)


def test_clustered_positions_are_no_harder_than_even_ones():
    rng = np.random.default_rng(3)
    points = np.concatenate([rng.normal(0, 1e-3, (300, 2)), rng.normal(50, 10, (300, 2)), np.zeros((40, 2))])
    number = matrix(drawn(rb.distance(rb.disc(1.0, radius=3e-3)), points), 640)
    np.testing.assert_array_equal(number, apart(points, points) <= 3e-3)


def test_weights_and_delays_follow_the_distance():
    place = rb.scattered(300, (1.0, 2.0), seed=1, periodic=True)
    near = rb.distance(rb.gaussian(0.5, sd=0.3))
    delay = rb.conduction(velocity=50.0, offset=2e-3)
    synapses = drawn(near, place, weight=rb.by_distance(rb.exponential(2.0, 0.4)), delay=delay)
    d = apart(place.points, place.points, place.period)[synapses.sources(), synapses.targets]
    np.testing.assert_allclose(synapses.weight_values(), 2.0 * np.exp(-d / 0.4), rtol=1e-4)
    steps = (2e-3 + d / 50.0) / 1e-3
    assert np.abs(synapses.delay_steps() - steps).max() < 0.5 + 1e-2
    assert len(np.unique(synapses.delay_steps())) > 15


@pytest.mark.parametrize("pattern", [rb.random(p=0.3), rb.fixed_in(5), rb.all_to_all(), rb.one_to_one()],
                         ids=lambda c: c.kind)  # fmt: skip
def test_any_pattern_takes_weights_and_delays_by_distance(pattern):
    pre, post = rb.scattered(40, 3.0, seed=1), rb.scattered(40, 3.0, seed=2)
    delay = rb.conduction(velocity=1e2)
    synapses = drawn(pattern, pre, post, weight=rb.by_distance(rb.cone(1.0, 3.0)), delay=delay)
    d = apart(pre.points, post.points)[synapses.sources(), synapses.targets]
    np.testing.assert_allclose(synapses.weight_values(), 1 - d / 3.0, atol=1e-4)
    # Neurons at one place are one step apart.
    assert np.abs(synapses.delay_steps() - np.maximum(d * 10, 1)).max() < 0.51


def test_the_plan_knows_about_how_many_connections_there_will_be():
    net = rb.Network(seed=1)
    place = rb.scattered(3000, (1.0, 1.0), seed=5)
    pop = net.add(rb.Population(3000, rb.IF(), positions=place))
    near = rb.distance(rb.gaussian(0.3, sd=0.05))
    p = net.add(rb.Projection(pop, pop, near, weight=0.5, name="p"))
    plan = make_plan(net, 1e-3)
    found = plan.degrees(p.name, 1).sum()
    assert plan.projections["p"].expected == pytest.approx(found, rel=0.05)
    # The bound on a neuron's sum holds, and is not far off.
    in_degree = np.bincount(plan.synapses("p").targets).max()
    grid = plan.receptor(plan.projections["p"]).grid
    bound = (2**31 - 1) * grid.step / grid.headroom / 0.5
    assert in_degree < bound < 4 * (in_degree + 30)


def test_threads_share_the_rows_and_draw_the_same():
    net = rb.Network(seed=1)
    pop = net.add(rb.Population(2000, rb.IF(), positions=rb.scattered(2000, (1.0, 1.0))))
    net.add(rb.Projection(pop, pop, rb.distance(rb.gaussian(0.3, sd=0.05)), name="p"))
    one, three = (make_plan(net, 1e-3).degrees("p", threads) for threads in (1, 3))
    np.testing.assert_array_equal(one, three)


@pytest.mark.filterwarnings("error")
def test_nobody_is_warned_of_neurons_that_lie_side_by_side():
    net = rb.Network(seed=1)
    pop = net.add(rb.Population(50, rb.IF(), positions=rb.scattered(50, (1.0, 1.0))))
    near = rb.distance(rb.gaussian(0.3, sd=0.1))
    net.add(rb.Projection(pop, pop, near, delay=rb.conduction(velocity=100.0), name="p"))
    sim = rb.Simulator(net, dt=1e-3, backend="reference")
    assert sim.plan.projections["p"].delays[0] == 1


def test_slices_keep_their_places():
    net = rb.Network(seed=0)
    pop = net.add(rb.Population(20, rb.IF(), positions=np.arange(20.0)))
    net.add(
        rb.Projection(pop[5:15], pop[10:], rb.distance(rb.disc(1.0, 1.0), self_connections=False), name="p")
    )
    synapses = make_plan(net, 1e-3).synapses("p")
    pairs = sorted(zip((synapses.sources() + 5).tolist(), (synapses.targets + 10).tolist(), strict=True))
    expected = [(i, j) for i in range(5, 15) for j in range(10, 20) if abs(i - j) == 1]
    assert pairs == expected


def test_scattered_points_fill_their_space_and_differ_by_seed():
    one, two = (rb.scattered(5000, (2.0, 3.0), seed=s).points for s in (1, 2))
    for axis, length in enumerate((2.0, 3.0)):
        assert stats.kstest(one[:, axis] / length, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(one.T)[0, 1]) < 4 / np.sqrt(5000)
    assert not np.any(one == two)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rb.gaussian(0.5, sd=0.0), "sd: got 0.0; allowed is a number above 0"),
        (lambda: rb.gaussian(np.nan, sd=1.0), "peak: got nan"),
        (lambda: rb.exponential("a", 1.0), "peak: got 'a'"),
        (lambda: rb.disc(0.5, radius=-1.0), "radius: got -1"),
        (lambda: rb.gaussian(0.5, 1.0, cutoff=np.nan), "cutoff: got nan"),
        (lambda: rb.mexican_hat(0.5, 1.0, surround=-1.0, surround_sd=1.0), "surround"),
        (lambda: rb.tabulated([0.0, 1.0], [1.0]), "2 distances and 1 values"),
        (lambda: rb.tabulated([1.0, 0.0], [1.0, 1.0]), "each above the one before"),
        (lambda: rb.tabulated([], []), "not empty"),
        (lambda: rb.distance(0.1), "allowed is a profile"),
        (lambda: rb.distance(rb.gaussian(1.5, 1.0)), "reaches 1.5; allowed are probabilities up to 1"),
        (lambda: rb.distance(rb.disc(0.5, 1.0), multiple=True), "one synapse at most"),
        (lambda: rb.by_distance(0.1), "allowed is a profile"),
        (lambda: rb.conduction(0.0), "need velocity > 0"),
        (lambda: rb.grid((0, 2)), "grid.shape"),
        (lambda: rb.grid(10**12), r"grid.shape: got 1000000000000, which needs about 2.4e\+04 GB"),
        (lambda: rb.grid((2**40, 2**40)), "grid.shape: got .*allowed are fewer points"),
        (lambda: rb.scattered(10**12, (1.0, 1.0)), "scattered.n: got .*allowed are fewer points"),
        (lambda: rb.grid((2, 2), spacing=(1.0, 1.0, 1.0)), "grid.spacing"),
        (lambda: rb.scattered(0, 1.0), "scattered.n"),
        (lambda: rb.positions(np.zeros((3, 4))), r"shape \(3, 4\)"),
        (lambda: rb.positions([0.0, np.inf]), "finite"),
        (lambda: rb.positions([[0.0, 1.0], [2.0]]), "rows of different lengths"),
        (lambda: rb.scattered(3, 1.0, seed="one"), "scattered.seed: got 'one'"),
        (lambda: rb.positions([0.0, 1.0], period=0.0), "period"),
        (lambda: rb.Population(3, rb.IF(), positions=[0.0, 1.0]), "got 2 points; allowed are 3"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(make, message):
    with pytest.raises(rb.SpecError, match=message):
        make()


def test_ends_must_share_a_space():
    near = rb.distance(rb.disc(1.0, 1.0))
    flat = rb.Population(4, rb.IF(), positions=rb.grid((2, 2)), name="flat")
    with pytest.raises(rb.SpecError, match="bare has no positions"):
        rb.Projection(flat, rb.Population(4, rb.IF(), name="bare"), near)
    with pytest.raises(rb.SpecError, match=r"different spaces: flat in 2 dimensions .* line in 1"):
        rb.Projection(flat, rb.Population(4, rb.IF(), positions=rb.grid(4), name="line"), near)
    with pytest.raises(rb.SpecError, match="different spaces"):
        rb.Projection(flat, rb.Population(4, rb.IF(), positions=rb.grid((2, 2), periodic=True)), near)
    with pytest.raises(rb.SpecError, match="delay"):
        rb.Projection(flat, flat, near, delay=rb.by_distance(rb.cone(-1.0, 1.0)))
