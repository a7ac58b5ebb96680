"""The helpers against closed forms: Poisson and regular trains, shared input, runs that hang together."""

from __future__ import annotations

import numpy as np
import pytest


def poisson(rng, n, rate, seconds):
    """Exact Poisson trains: a Poisson number of uniform times."""
    count = rng.poisson(rate * seconds, n)
    return rng.uniform(0.0, seconds, count.sum()), np.repeat(np.arange(n), count)


def test_rates_are_spikes_over_seconds(measure):
    ids = np.array([0, 2, 2, 2])
    assert measure.rates(ids, 4, 2.0).tolist() == [0.5, 0.0, 1.5, 0.0]


def test_a_poisson_train_has_a_cv_of_one(measure):
    rng = np.random.default_rng(1)
    times, ids = poisson(rng, 50, 40.0, 100.0)
    assert measure.cv_isi(times, ids, 50).mean() == pytest.approx(1.0, abs=0.01)


def test_a_gamma_train_has_a_cv_of_one_over_root_k(measure):
    rng = np.random.default_rng(2)
    times = np.cumsum(rng.gamma(4.0, 0.01, (20, 5000)), axis=1)
    ids = np.repeat(np.arange(20), 5000)
    shuffled = rng.permutation(times.size)
    cv = measure.cv_isi(times.ravel()[shuffled], ids[shuffled], 20)
    assert cv.mean() == pytest.approx(0.5, abs=0.01)


def test_a_regular_train_has_a_cv_of_zero(measure):
    times = np.concatenate([np.arange(20) * 0.125, np.arange(20) * 0.25])
    assert measure.cv_isi(times, np.repeat([0, 1], 20), 2) == pytest.approx([0.0, 0.0], abs=1e-12)


def test_neurons_with_too_few_spikes_have_no_cv(measure):
    times, ids = np.array([0.1, 0.2, 0.4, 0.1, 0.2]), np.array([1, 1, 1, 2, 2])
    cv = measure.cv_isi(times, ids, 4, min_spikes=3)
    assert np.isnan(cv[[0, 2, 3]]).all()
    assert cv[1] == pytest.approx(0.05 / 0.15)


def test_independent_trains_are_uncorrelated(measure):
    rng = np.random.default_rng(3)
    times, ids = poisson(rng, 60, 30.0, 50.0)
    pairs = measure.pair_correlations(times, ids, np.arange(60), bin_s=0.01, start=0.0, stop=50.0)
    assert pairs.size == 60 * 59 // 2
    assert pairs.mean() == pytest.approx(0.0, abs=0.003)
    assert pairs.std() == pytest.approx(1 / np.sqrt(5000), rel=0.1)


def test_trains_that_share_a_part_correlate_by_that_part(measure):
    rng = np.random.default_rng(4)
    shared, _ = poisson(rng, 1, 30.0, 200.0)
    own, ids = poisson(rng, 20, 70.0, 200.0)
    times = np.concatenate([own, np.tile(shared, 20)])
    ids = np.concatenate([ids, np.repeat(np.arange(20), shared.size)])
    pairs = measure.pair_correlations(times, ids, np.arange(20), bin_s=0.01, start=0.0, stop=200.0)
    assert pairs.mean() == pytest.approx(0.3, abs=0.02)


def test_correlations_keep_the_order_of_pairs_and_mark_silent_neurons(measure):
    times, ids = np.array([0.05, 0.25, 0.05, 0.25, 0.15]), np.array([7, 7, 3, 3, 5])
    pairs = measure.pair_correlations(times, ids, np.array([3, 4, 5, 7]), bin_s=0.1, start=0.0, stop=0.4)
    assert pairs[2] == pytest.approx(1.0)
    assert pairs[1] == pytest.approx(-1 / np.sqrt(3))
    assert np.isnan(pairs[[0, 3, 4]]).all()


def test_spikes_outside_the_window_do_not_count(measure):
    plan = {"start": 1.0, "stop": 2.0, "bin_s": 0.1, "min_spikes": 2, "cv_every": 1, "pairs_every": 1}
    times, ids = np.array([0.5, 1.0, 1.5, 2.0, 1.25]), np.array([0, 0, 0, 0, 1])
    found = measure.describe(times, ids, n_exc=1, n_inh=1, plan=plan)
    assert (found["rate_exc"], found["rate_inh"]) == (2.0, 1.0)


def test_a_difference_of_means_is_counted_in_standard_errors(measure):
    a, b = np.array([1.0, 2.0, 3.0]), np.array([4.0, 6.0, 8.0])
    assert measure.welch(a, b) == pytest.approx(-4.0 / np.sqrt(1 / 3 + 4 / 3))


def clustered(rng, shift=0.0):
    """Ten runs whose values share an offset each: dependent within a run, independent between runs."""
    return [rng.normal(rng.normal(0.0, 0.3) + shift, 1.0, 200) for _ in range(10)]


def test_runs_of_one_law_are_told_apart_no_more_often_than_stated(measure):
    rng = np.random.default_rng(5)
    p = [
        measure.kolmogorov_smirnov_by_run(clustered(rng), clustered(rng), permutations=999, seed=i)[1]
        for i in range(100)
    ]
    # 100 draws at 5 %: more than 12 happens about once in 700 such tests.
    assert np.count_nonzero(np.array(p) <= 0.05) <= 12


def test_runs_of_another_law_are_told_apart(measure):
    rng = np.random.default_rng(6)
    _, p = measure.kolmogorov_smirnov_by_run(clustered(rng), clustered(rng, shift=0.8))
    assert p < 0.0025


def test_the_distance_is_that_of_scipy(measure):
    scipy_stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(7)
    ours, theirs = clustered(rng), clustered(rng, shift=0.4)
    distance, _ = measure.kolmogorov_smirnov_by_run(ours, theirs, permutations=1000)
    expected = scipy_stats.ks_2samp(np.concatenate(ours), np.concatenate(theirs)).statistic
    assert distance == pytest.approx(expected, abs=1e-12)
