"""Drawn patterns: exact degrees, fair pairs, no self or double where these are excluded, keys by name."""

import numpy as np
import pytest
from scipy import stats

import rheobase as rb
from rheobase.engine.draw import draw_synapses
from rheobase.engine.planning import make_plan
from rheobase.engine.recipes import CHUNK, recipe_of


def drawn(
    connectivity, n_pre, n_post, *, name="p", seed=0, self_shift=None, weights=None, delays=None, **options
):
    selves = None
    if self_shift is not None:
        selves = np.arange(n_pre) + self_shift
        selves[(selves < 0) | (selves >= n_post)] = -1
    return draw_synapses(
        recipe_of(connectivity, n_pre, n_post, seed=seed, name=name, selves=selves, **options),
        weights=np.ones(1) if weights is None else weights, drawn_weights=weights is not None,
        delays=np.ones(1, np.int64) if delays is None else delays, drawn_delays=delays is not None,
    )  # fmt: skip


def matrix(synapses, n_post):
    out = np.zeros((synapses.indptr.size - 1, n_post), int)
    np.add.at(out, (synapses.sources(), synapses.targets), 1)
    return out


def fair(observed, expected):
    """Pass a chi-square test; fixed seeds, one false alarm in a thousand."""
    return stats.chisquare(observed, np.broadcast_to(expected, observed.shape)).pvalue > 1e-3


@pytest.mark.parametrize("p", [0.003, 0.2, 0.9])
def test_random_pairs_have_binomial_degrees_and_equally_likely_targets(p):
    number = matrix(drawn(rb.random(p=p), 400, 500), 500)
    assert number.max() == 1
    for axis, n in ((0, 400), (1, 500)):
        degrees = number.sum(axis=axis)
        spread = (degrees - n * p) ** 2 / (n * p * (1 - p))
        # A sum of squares of standard normal numbers, nearly.
        assert 1e-3 < stats.chi2.sf(spread.sum(), degrees.size) < 1 - 1e-3
    assert abs(number.sum() - p * number.size) < 4 * np.sqrt(p * (1 - p) * number.size)


@pytest.mark.parametrize("k", [3, 40, 97])
def test_fixed_in_degrees_draw_every_source_equally_often(k):
    number = matrix(drawn(rb.fixed_in(k), 100, 600), 600)
    assert (number.sum(axis=0) == k).all()
    assert number.max() == 1
    assert fair(number.sum(axis=1) if k < 50 else 600 - number.sum(axis=1), 600 * min(k, 100 - k) / 100)


@pytest.mark.parametrize("k", [3, 40, 97])
def test_fixed_out_degrees_draw_every_target_equally_often(k):
    number = matrix(drawn(rb.fixed_out(k), 600, 100), 100)
    assert (number.sum(axis=1) == k).all()
    assert number.max() == 1
    assert fair(number.sum(axis=0) if k < 50 else 600 - number.sum(axis=0), 600 * min(k, 100 - k) / 100)


@pytest.mark.parametrize("make", [rb.fixed_in, rb.fixed_out])
def test_multiple_synapses_are_drawn_with_replacement(make):
    number = matrix(drawn(make(30, multiple=True), 20, 20), 20)
    assert (number.sum(axis=0 if make is rb.fixed_in else 1) == 30).all()
    assert number.max() > 1
    observed = np.bincount(number.reshape(-1), minlength=7)
    observed = np.append(observed[:6], observed[6:].sum())
    likely = stats.binom.pmf(np.arange(6), 30, 0.05)
    assert fair(observed, 400 * np.append(likely, 1 - likely.sum()))


@pytest.mark.parametrize("multiple", [True, False])
def test_fixed_totals_are_exact_and_spread_evenly(multiple):
    synapses = drawn(rb.fixed_total(30_000, multiple=multiple), 250, 400)
    number = matrix(synapses, 400)
    assert number.sum() == synapses.n == 30_000
    assert (number.max() == 1) == (not multiple)
    assert fair(number.sum(axis=1), 120)
    assert fair(number.sum(axis=0), 75)


def test_fixed_totals_are_even_over_chunks_of_targets():
    n_post = 2 * CHUNK + 700
    targets = drawn(rb.fixed_total(200_000), 30, n_post).targets
    sizes = np.array([CHUNK, CHUNK, 700])
    assert fair(np.bincount(targets // CHUNK), 200_000 * sizes / n_post)
    assert targets.max() == n_post - 1


@pytest.mark.parametrize(
    "connectivity",
    [
        rb.random(p=0.6, self_connections=False),
        rb.fixed_in(25, self_connections=False),
        rb.fixed_in(60, multiple=True, self_connections=False),
        rb.fixed_out(25, self_connections=False),
        rb.fixed_total(900, self_connections=False),
        rb.fixed_total(600, multiple=False, self_connections=False),
    ],
    ids=lambda c: c.kind,
)
@pytest.mark.parametrize("shift", [0, 7])
def test_no_neuron_is_joined_to_itself_where_that_is_excluded(connectivity, shift):
    synapses = drawn(connectivity, 40, 40, self_shift=shift)
    assert not np.any(synapses.targets == synapses.sources() + shift)
    if connectivity.kind == "fixed_total" and connectivity.multiple:
        assert synapses.n == connectivity.n
    if connectivity.kind.startswith("fixed_in"):
        assert (np.bincount(synapses.targets, minlength=40) == connectivity.k).all()


@pytest.mark.parametrize(
    "connectivity",
    [rb.random(p=0.3), rb.fixed_in(5), rb.fixed_out(5), rb.fixed_total(200)],
    ids=lambda c: c.kind,
)
def test_a_pattern_is_keyed_by_seed_and_name_alone(connectivity):
    usual, again = (drawn(connectivity, 30, 30).targets for _ in range(2))
    np.testing.assert_array_equal(usual, again)
    for other in ({"seed": 1}, {"name": "q"}):
        assert drawn(connectivity, 30, 30, **other).targets.tolist() != usual.tolist()


@pytest.mark.parametrize(
    "connectivity",
    [rb.random(p=0.5), rb.fixed_in(50), rb.fixed_out(50), rb.fixed_total(5000)],
    ids=lambda c: c.kind,
)
def test_weights_and_delays_are_drawn_from_their_quantiles_and_apart(connectivity):
    quantiles = rb.normal(0.0, 1.0).table()
    delays = np.arange(65_536) // 8192 + 1
    synapses = drawn(connectivity, 100, 100, weights=quantiles, delays=delays)
    weight, delay = synapses.weight_values(), synapses.delay_steps()
    assert stats.kstest(weight, "norm").pvalue > 1e-3
    assert fair(np.bincount(delay)[1:], synapses.n / 8)
    assert abs(np.corrcoef(weight, delay)[0, 1]) < 4 / np.sqrt(synapses.n)


@pytest.mark.parametrize("rho", [0.5, -0.8, 1.0, -1.0])
def test_weights_and_delays_have_their_correlation_and_keep_their_laws(rho):
    scores, delays = rb.normal(0.0, 1.0).table(), rb.normal(100.0, 15.0).table()
    synapses = drawn(rb.random(p=0.5), 200, 200, weights=scores, delays=delays, correlation=rho)
    weight, delay = synapses.weight_values(), synapses.delay_steps()
    # Fisher's transform has a standard error of 1 / sqrt(n): one false alarm in 16,000.
    if abs(rho) < 1:
        z = np.arctanh(np.corrcoef(weight, delay)[0, 1]) - np.arctanh(rho)
        assert abs(z) < 4 / np.sqrt(synapses.n)
    else:
        np.testing.assert_allclose((delay - 100.0) / 15.0, rho * weight, atol=2e-3)
    assert stats.kstest(weight, "norm").pvalue > 1e-3
    assert stats.kstest((delay - 100.0) / 15.0, "norm").pvalue > 1e-3
    alone = drawn(rb.random(p=0.5), 200, 200, weights=scores, delays=delays)
    np.testing.assert_array_equal(weight, alone.weight_values())


def test_skewed_laws_are_joined_by_their_ranks():
    weights, delays = rb.lognormal(1.0, 2.0).table(), rb.uniform(1.0, 2.0).table()
    synapses = drawn(rb.fixed_in(100), 400, 400, weights=weights, delays=delays, correlation=0.7)
    rank = stats.spearmanr(synapses.weight_values(), synapses.delay_steps()).statistic
    # Of a Gaussian copula: 6 / pi * asin(rho / 2). Its standard error is below 1 / sqrt(n).
    assert abs(rank - 6 / np.pi * np.arcsin(0.35)) < 4 / np.sqrt(synapses.n)


def test_samples_are_drawn_evenly_and_in_pairs_where_that_is_asked_for():
    weights, delays = np.array([3.0, -1.0, 2.0, 7.0, 0.5]), np.array([4.0, 4.0, 1.0, 2.0, 9.0])
    tables = {"weights": rb.empirical(weights).table(), "delays": rb.empirical(delays).table()}
    pairs = drawn(rb.random(p=0.5), 100, 100, correlation=1.0, **tables)
    place = np.searchsorted(np.sort(weights), pairs.weight_values())
    which = np.argsort(weights)[place]
    np.testing.assert_array_equal(pairs.delay_steps(), delays[which])
    assert fair(np.bincount(which), pairs.n / 5)
    apart = drawn(rb.random(p=0.5), 100, 100, **tables)
    assert len({*zip(apart.weight_values(), apart.delay_steps(), strict=True)}) == 20


@pytest.mark.parametrize(
    ("distribution", "law"),
    [
        (rb.normal(1.0, 0.5), stats.norm(1.0, 0.5)),
        (rb.normal(1.0, 0.5, low=0.8, high=2.0), stats.truncnorm(-0.4, 2.0, loc=1.0, scale=0.5)),
        (rb.uniform(-1.0, 3.0), stats.uniform(-1.0, 4.0)),
        (rb.lognormal(2.0, 1.0), stats.lognorm(np.sqrt(np.log(1.25)), scale=2.0 / np.sqrt(1.25))),
    ],
    ids=lambda x: type(x).__name__,
)
def test_tables_hold_the_quantiles_of_their_law(distribution, law):
    table = distribution.table()
    np.testing.assert_allclose(table, law.ppf((np.arange(65_536) + 0.5) / 65_536), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shift", [0, 3, -3])
def test_single_synapses_without_selves_are_exactly_as_many_as_asked_for(shift):
    pairs = 100 - (10 - abs(shift))
    for n in (1, 50, pairs):
        pattern = rb.fixed_total(n, multiple=False, self_connections=False)
        number = matrix(drawn(pattern, 10, 10, self_shift=shift), 10)
        assert number.sum() == n
        assert number.max() == 1
        assert not np.diagonal(number, shift).any()
    seen = sum(
        matrix(drawn(rb.fixed_total(20, multiple=False, self_connections=False), 10, 10, seed=s,
                     self_shift=shift), 10)
        for s in range(1000)
    )  # fmt: skip
    others = ~np.eye(10, k=shift, dtype=bool)
    assert fair(seen[others], seen.sum() / pairs)


@pytest.mark.parametrize(
    "pattern",
    [
        rb.random(p=1.0, self_connections=False),
        rb.fixed_in(3, self_connections=False),
        rb.fixed_out(2, self_connections=False),
        rb.fixed_total(40, self_connections=False),
        rb.fixed_total(9, multiple=False, self_connections=False),
        rb.distance(rb.disc(1.0, 100.0), self_connections=False),
        rb.all_to_all(self_connections=False),
    ],
    ids=lambda c: c.kind,
)
def test_slices_that_overlap_in_any_order_leave_no_neuron_to_itself(pattern):
    net = rb.Network(seed=1)
    pop = net.add(rb.Population(10, rb.IF(), positions=np.arange(10.0)))
    pre, post = [7, 2, 9, 4], [4, 1, 7]
    net.add(rb.Projection(pop[pre], pop[post], pattern, name="p"))
    synapses = make_plan(net, 1e-3).synapses("p")
    sources, targets = np.array(pre)[synapses.sources()], np.array(post)[synapses.targets]
    assert not np.any(sources == targets)
    # Of the 12 pairs two are a neuron with itself.
    wanted = {"fixed_in": 9, "fixed_out": 8, "random": 10, "distance": 10, "dense": 10}
    assert synapses.n == (pattern.n if pattern.kind == "fixed_total" else wanted[pattern.kind])


def test_totals_without_selves_are_even_over_what_pairs_there_are():
    # The last chunk has one target, which is one of the sources itself.
    n = CHUNK + 1
    synapses = drawn(rb.fixed_total(400_000, self_connections=False), n, n, self_shift=0)
    assert synapses.n == 400_000
    sources = synapses.sources()
    assert (sources != synapses.targets).all()
    assert fair(np.bincount(sources // 1639), 400_000 * np.bincount(np.arange(n) // 1639) / n)
    few = drawn(rb.fixed_total(3000, self_connections=False), 3, 3, self_shift=0)
    number = matrix(few, 3)
    assert not np.diagonal(number).any()
    assert fair(number[~np.eye(3, dtype=bool)], 500)


def test_weights_of_a_matrix_without_its_diagonal_go_in_as_they_come_out():
    net = rb.Network()
    pop = net.add(rb.Population(4, rb.IF()))
    rule = rb.STDP(20e-3, 20e-3, a_pre=0.1, a_post=0.1, w_max=20.0)
    matrix = np.arange(16.0).reshape(4, 4)
    for name, learning in (("static", None), ("plastic", rule)):
        pattern = rb.all_to_all(self_connections=False)
        net.add(rb.Projection(pop, pop, pattern, weight=matrix, rule=learning, name=name))
    sim = rb.Simulator(net, 1e-3, backend="reference")
    off = matrix * (1 - np.eye(4))
    for name in ("static", "plastic"):
        np.testing.assert_array_equal(sim.weights(name), off)
        sim.set(name, weight=sim.weights(name)[::-1, ::-1])
        np.testing.assert_array_equal(sim.weights(name), off[::-1, ::-1])
        found = sim.synapses(name)
        np.testing.assert_array_equal(found.to_scipy().toarray(), off[::-1, ::-1])


@pytest.mark.parametrize(
    "pattern",
    [
        rb.dense(), rb.all_to_all(self_connections=False), rb.explicit([1, 0, 2], [2, 0, 1]),
        rb.one_to_one(), rb.random(0.7),
    ],
)  # fmt: skip
def test_other_weights_leave_the_delays_that_were_drawn_with_the_old_ones(pattern):
    net = rb.Network(seed=2)
    a = net.add(rb.Population(3, rb.IF()))
    drawn = {"weight": rb.normal(0.3, 0.1), "delay": rb.uniform(1e-3, 9e-3), "correlation": 0.5}
    p = net.add(rb.Projection(a, a, pattern, **drawn))
    before = rb.Simulator(net, dt=1e-3, backend="reference")
    other = net.with_weights({p: 2.0 * before.weights(p)})
    after = rb.Simulator(other, dt=1e-3, backend="reference")
    was, now = before.synapses(p), after.synapses(other[p.label])
    assert now.delay.tolist() == was.delay.tolist()
    assert now.weight == pytest.approx(2.0 * was.weight, rel=1e-3)
    assert (now.pre.tolist(), now.post.tolist()) == (was.pre.tolist(), was.post.tolist())
