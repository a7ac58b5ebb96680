"""Statistics of spike trains: closed forms of renewal processes, and elephant on the same trains."""

import time
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.engine.records import SpikeRecord, TraceRecord

DT = 1e-4


def record_of(trains, *, seconds, dt=DT, n_trials=1, n=None):
    """Return a record of trains (trial, id) -> steps."""
    rows = sorted((trial, int(step), id) for (trial, id), steps in trains.items() for step in steps)
    trials, steps, ids = np.array(rows).T if rows else ([], [], [])
    n = n or max(id for _, id in trains) + 1
    return SpikeRecord(steps=steps, ids=ids, trials=trials, dt=dt, n=n, n_trials=n_trials, stop=seconds)


def gamma_trains(seed, *, shape, rate, n, seconds, n_trials=1):
    """Renewal processes whose intervals are gamma distributed, in equilibrium after a second."""
    rng = np.random.default_rng(seed)
    number = int(rate * (seconds + 1.0) * 1.5) + 50
    times = np.cumsum(rng.gamma(shape, 1.0 / (shape * rate), (n_trials, n, number)), axis=-1) - 1.0
    found = {}
    for trial in range(n_trials):
        for id in range(n):
            here = times[trial, id][(times[trial, id] >= 0) & (times[trial, id] < seconds)]
            found[trial, id] = np.floor(here / DT).astype(np.int64)
    return record_of(found, seconds=seconds, n_trials=n_trials)


def within(values, expected, sigmas=4.0):
    """Hold the mean of independent values to a figure: 4 standard errors fail once in 16,000 by chance."""
    values = np.asarray(values)
    error = values.std(ddof=1) / np.sqrt(values.size)
    assert abs(values.mean() - expected) < sigmas * error, (values.mean(), expected, error)


@pytest.mark.parametrize("shape", [1.0, 2.0, 5.0])
def test_gamma_processes_have_their_irregularity_and_variability(shape):
    """Intervals of shape k: CV 1 / sqrt(k), Lv 3 / (2 k + 1), Fano factor of long counts 1 / k."""
    record = gamma_trains(int(shape), shape=shape, rate=20.0, n=150, seconds=40.0, n_trials=2)
    # The CV of m intervals is too small by a share of about 1 / m, here 1600.
    within(record.cv() * (1 + 1 / 1600), 1 / np.sqrt(shape))
    within(record.lv(), 3 / (2 * shape + 1))
    # Counts of 5 s: the Fano factor tends to CV^2 by (1 - k^2) / (6 k^2) of a mean count of 100; 16
    # counts from which their own mean was taken have 15/16 of the variance.
    expected = 1 / shape + (1 - 1 / shape**2) / (6 * 100)
    within(record.fano(5.0) * 16 / 15, expected)
    within(record.rates(), 20.0)


def test_cv2_of_a_poisson_process_is_one_and_does_not_see_a_slow_change_of_rate():
    steady = gamma_trains(1, shape=1.0, rate=20.0, n=200, seconds=20.0)
    within(steady.cv2(), 1.0)
    # Time bent so that the rate rises from 0 to 40 Hz: the CV is far from 1, CV2 is not.
    bent = {
        (0, id): np.floor(np.sqrt(steady.train(id) / 20.0) * 20.0 / DT).astype(np.int64)
        for id in range(steady.n)
    }
    changing = record_of(bent, seconds=20.0)
    assert np.mean(changing.cv()) > 1.15
    assert abs(np.mean(changing.cv2()) - 1.0) < 0.02


def test_a_refractory_constant_takes_dead_time_out_of_lv():
    """Poisson intervals plus a dead time R: LvR with that R is nearly that of the Poisson process."""
    rng = np.random.default_rng(3)
    dead, mean = 3e-3, 60e-3
    times = np.cumsum(dead + rng.exponential(mean, (200, 400)), axis=-1)
    trains = {(0, id): np.floor(row[row < 20.0] / DT).astype(np.int64) for id, row in enumerate(times)}
    record = record_of(trains, seconds=20.0)
    plain, corrected = record.lv().mean(), record.lv(refractory=dead).mean()
    # The intervals are R + a and R + b; given s = a + b, |a - b| is uniform from 0 to s.
    s = rng.gamma(2.0, mean, 4_000_000)
    expected = np.mean((s / (s + 2 * dead)) ** 2 * (1 + 4 * dead / (s + 2 * dead)))
    assert plain < 0.92
    assert abs(corrected - expected) < 0.01
    assert expected > 0.96


def test_a_clock_is_regular_in_every_measure():
    clock = record_of({(0, 0): range(0, 1000, 10), (0, 1): range(3, 1000, 10)}, seconds=0.1)
    for measure in (clock.cv(), clock.cv2(), clock.lv(), clock.fano(1e-2)):
        np.testing.assert_array_equal(measure, [0.0, 0.0])
    edges, counts = clock.intervals().histogram(1e-3)
    np.testing.assert_allclose(edges, [0.0, 1e-3, 2e-3], atol=1e-15)
    np.testing.assert_array_equal(counts, [0, 198])


def test_intervals_never_span_two_neurons_or_trials():
    record = record_of(
        {(0, 0): [1, 4], (0, 1): [2, 9, 10], (1, 0): [3], (1, 1): [0, 8]}, seconds=0.01, n_trials=2
    )
    intervals = record.intervals()
    np.testing.assert_allclose(intervals.seconds, np.array([3, 7, 1, 8]) * DT)
    assert intervals.ids.tolist() == [0, 1, 1, 1]
    assert intervals.trials.tolist() == [0, 0, 0, 1]
    assert np.isnan(record.cv2()[0])
    assert record.cv2()[1] == pytest.approx(2 * 6 / 8)


def test_spikes_of_one_step_are_intervals_of_zero():
    twice = record_of({(0, 0): [3, 3, 3, 5]}, seconds=0.01)
    np.testing.assert_allclose(twice.cv2(), [(0.0 + 2.0) / 2])
    assert twice.autocorrelation(DT, DT).pairs.tolist() == [0.0, 6.0, 0.0]


def test_what_elephant_says_of_the_same_trains():
    data = np.load(Path(__file__).parent / "data" / "elephant.npz")
    steps, ids = data["steps"].astype(np.int64), data["ids"]
    order = np.lexsort((ids, steps))
    record = SpikeRecord(
        steps=steps[order], ids=ids[order], trials=np.zeros(steps.size), dt=1e-3, n=6, stop=20.0
    )
    np.testing.assert_allclose(record.rates(), data["rates"], rtol=1e-12)
    np.testing.assert_allclose(record.cv(), data["cv"], rtol=1e-9)
    np.testing.assert_allclose(record.cv2(), data["cv2"], rtol=1e-9)
    np.testing.assert_allclose(record.lv(), data["lv"], rtol=1e-9)
    np.testing.assert_allclose(record.lv(refractory=5e-3), data["lvr"], rtol=1e-9)
    np.testing.assert_allclose(record.correlations(5e-3), data["correlations"], atol=1e-12)
    # elephant's Fano factor takes the six trains as trials of one.
    as_trials = SpikeRecord(
        steps=steps, ids=np.zeros(steps.size), trials=ids, dt=1e-3, n=1, n_trials=6, stop=20.0
    )
    np.testing.assert_allclose(as_trials.fano(), [float(data["fano"])], rtol=1e-12)
    cross = record.select([4]).cross_correlation(record.select([5]), 1e-3, 50e-3)
    np.testing.assert_array_equal(cross.pairs, data["cross"])
    auto = data["auto"].astype(float)
    auto[50] = 0  # elephant pairs each spike with itself
    np.testing.assert_array_equal(record.select([2]).autocorrelation(1e-3, 50e-3).pairs, auto)


def test_poisson_trains_have_flat_correlograms_at_their_rate():
    record = gamma_trains(8, shape=1.0, rate=20.0, n=100, seconds=20.0)
    auto = record.autocorrelation(5e-3, 0.1)
    beside = np.arange(auto.lags.size) != 20
    # 40,000 spikes x 20 Hz x 5 ms: 4,000 pairs in a bin; 5 sigma of 20 bins by chance once in 10^5.
    deviation = (auto.pairs[beside] - auto.exposure[beside] * 20.0) / np.sqrt(auto.pairs[beside])
    assert np.abs(deviation[:20]).max() < 5.0
    np.testing.assert_allclose(auto.pairs, auto.pairs[::-1])
    cross = record.select(range(50)).cross_correlation(record.select(range(50, 100)), 5e-3, 0.1)
    assert np.abs((cross.rate / (50 * 20.0) - 1.0).mean()) < 0.01


def test_the_autocorrelogram_of_a_gamma_process_is_its_renewal_density():
    """Shape 2 and rate r: h(t) = r (1 - exp(-4 r t))."""
    record = gamma_trains(9, shape=2.0, rate=20.0, n=200, seconds=20.0)
    auto = record.autocorrelation(2e-3, 60e-3)
    later = auto.lags > 1e-9
    expected = 20.0 * (1 - np.exp(-4 * 20.0 * auto.lags[later]))
    error = expected / np.sqrt(np.maximum(auto.pairs[later], 1.0))
    assert np.abs((auto.rate[later] - expected) / error).max() < 4.5  # 30 bins: by chance once in 5,000
    assert auto.rate[later][0] < 5.0


def test_a_delayed_copy_shows_at_its_lag_and_in_no_other_bin():
    rng = np.random.default_rng(2)
    steps = np.sort(rng.choice(99_000, 200, replace=False))
    record = record_of({(0, 0): steps, (0, 1): steps + 37}, seconds=10.0)
    cross = record.select([0]).cross_correlation(record.select([1]), DT, 5e-3)
    assert cross.pairs[50 + 37] >= 200
    assert cross.lags[np.argmax(cross.pairs)] == pytest.approx(37 * DT)
    back = record.select([1]).cross_correlation(record.select([0]), DT, 5e-3)
    np.testing.assert_array_equal(back.pairs, cross.pairs[::-1])


@pytest.mark.parametrize("width", [1, 4, 5])
def test_correlograms_count_what_a_loop_over_all_pairs_counts(width):
    rng = np.random.default_rng(width)
    trains = {(t, i): np.sort(rng.integers(0, 300, 40)) for t in range(2) for i in range(3)}
    record = record_of(trains, seconds=0.03, n_trials=2)
    bins = 6

    def binned(lags):
        out = np.zeros(2 * bins + 1)
        for lag in lags:
            for k in range(-bins, bins + 1):
                distance = abs(lag - k * width)
                out[k + bins] += 1.0 if 2 * distance < width else 0.5 * (2 * distance == width)
        return out

    def lags_of(a, b, same):
        return [
            int(y) - int(x)
            for t in range(2)
            for j, x in enumerate(trains[t, a])
            for k, y in enumerate(trains[t, b])
            if not (same and j == k)
        ]

    auto = record.autocorrelation(width * DT, bins * width * DT)
    np.testing.assert_allclose(auto.pairs, binned([lag for i in range(3) for lag in lags_of(i, i, True)]))
    cross = record.select([0, 2]).cross_correlation(record.select([1]), width * DT, bins * width * DT)
    np.testing.assert_allclose(cross.pairs, binned([*lags_of(0, 1, False), *lags_of(2, 1, False)]))


def test_shared_spikes_correlate_by_their_share():
    """Poisson trains of 30 Hz of which 10 Hz are shared: correlation 1/3 in any bin; chi accordingly."""
    rng = np.random.default_rng(4)
    shared = rng.random((10, 100_000)) < 1e-3
    trains = {
        (trial, id): np.flatnonzero(shared[trial] | (rng.random(100_000) < 2e-3))
        for trial in range(10)
        for id in range(8)
    }
    record = record_of(trains, seconds=10.0, n_trials=10)
    matrix = record.correlations(5e-3)
    pairs = matrix[np.triu_indices(8, 1)]
    # 20,000 bins: one coefficient is good to 0.007, and the mean of 28 that share trains to about 0.005.
    assert abs(pairs.mean() - 1 / 3) < 0.02
    np.testing.assert_allclose(np.diag(matrix), 1.0, rtol=1e-12)
    assert record.synchrony(5e-3) ** 2 == pytest.approx((1 + 7 / 3) / 8, abs=0.02)


def test_synchrony_reaches_from_independence_to_identity():
    alone = gamma_trains(6, shape=1.0, rate=30.0, n=100, seconds=20.0)
    assert alone.synchrony(10e-3) == pytest.approx(0.1, rel=0.05)
    same = record_of({(0, id): range(0, 1000, 7) for id in range(5)}, seconds=0.1)
    assert same.synchrony(2e-3) == pytest.approx(1.0)
    silent = record_of({(0, 0): []}, seconds=0.1, n=3)
    assert np.isnan(silent.synchrony(1e-3))
    assert np.isnan(silent.correlations(1e-3)).all()
    assert np.isnan(silent.fano()).all()


def test_population_rates_are_counts_over_neurons_and_seconds():
    record = record_of({(0, 0): [0, 12, 99], (0, 1): [13], (1, 1): [50]}, seconds=0.0105, n_trials=2)
    times, rates = record.population_rate(2e-3)
    np.testing.assert_allclose(times, [1e-3, 3e-3, 5e-3, 7e-3, 9e-3])
    np.testing.assert_allclose(rates, [[750, 0, 0, 0, 250], [0, 0, 250, 0, 0]])
    np.testing.assert_array_equal(record.binned(2e-3).sum(axis=1) / (2 * 2e-3), rates)


def test_smoothing_is_a_gaussian_that_keeps_a_constant_rate_up_to_the_edge():
    record = record_of({(0, 0): [5000]}, seconds=1.0)
    times, rates = record.population_rate(1e-3, smooth=20e-3)
    expected = np.exp(-0.5 * ((times - 0.5005) / 20e-3) ** 2) / (20e-3 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(rates[0], expected, atol=1e-4)
    steady = record_of({(0, 0): range(0, 10_000, 10)}, seconds=1.0)
    np.testing.assert_allclose(steady.population_rate(1e-3, smooth=20e-3)[1], 1000.0, rtol=1e-9)


def test_a_selection_is_a_record_of_its_own():
    record = record_of({(0, 0): [10, 20], (0, 2): [15, 30], (1, 2): [5]}, seconds=0.01, n_trials=2)
    part = record.select([2], start=1e-3, stop=3e-3)
    assert part.steps.tolist() == [15]
    assert (part.n, part.start, part.stop, part.n_trials) == (1, 1e-3, 3e-3, 2)
    assert part.rate() == pytest.approx(1 / (2 * 2e-3))
    assert part.counts().tolist() == [[1], [0]]
    assert record.select([2, 0]).counts().tolist() == [[2, 2], [1, 0]]
    for bad in ([3], [0, 0], [0.5]):
        with pytest.raises(rb.SpecError, match="recorded are 3 from 0 to 2"):
            record.select(bad)
    with pytest.raises(rb.SpecError, match=r"recorded are 0 s to 0\.01 s"):
        record.select(stop=0.02)


def test_widths_that_cannot_be_are_refused():
    record = record_of({(0, 0): [1]}, seconds=0.01)
    with pytest.raises(
        rb.SpecError, match=r"binned.width: got 0.00015 s; allowed are whole steps of 0.0001 s"
    ):
        record.binned(1.5e-4)
    with pytest.raises(rb.SpecError, match="above 0"):
        record.population_rate(1e-3, smooth=0.0)
    with pytest.raises(rb.SpecError, match="the same steps and trials"):
        record.cross_correlation(record.select(stop=5e-3), 1e-3, 2e-3)


def test_a_trace_around_spikes_is_their_kernel():
    """A leaky trace kicked by sparse spikes: its triggered average is the exponential."""
    steps = np.arange(100, 10_000, 500)
    trace = np.zeros(10_000)
    for step in steps:
        trace[step:] += np.exp(-(np.arange(10_000 - step)) * DT / 5e-3)
    record = TraceRecord(times=np.arange(10_000) * DT, values=np.stack([trace, -trace], 1)[None], ids=[0, 1])
    spikes = record_of({(0, 0): steps}, seconds=1.0)
    lags, average = record.triggered(spikes, 2e-3, 10e-3)
    expected = np.where(lags > -1e-9, np.exp(-lags / 5e-3), 0.0)
    np.testing.assert_allclose(average, np.stack([expected, -expected], 1), atol=1e-4)
    np.testing.assert_allclose(record.mean(), [[trace.mean(), -trace.mean()]])
    np.testing.assert_allclose(record.sd(), [[trace.std(), trace.std()]])
    assert record.synchrony() == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(rb.SpecError, match="spikes of 2 trials; recorded are 1"):
        record.triggered(record_of({(1, 0): [3]}, seconds=1.0, n_trials=2), 1e-3, 1e-3)


def test_a_million_spikes_take_well_under_a_second_each():
    rng = np.random.default_rng(0)
    steps, ids = rng.integers(0, 100_000, 1_000_000), rng.integers(0, 10_000, 1_000_000)
    order = np.lexsort((ids, steps))
    record = SpikeRecord(
        steps=steps[order], ids=ids[order], trials=np.zeros(ids.size), dt=DT, n=10_000, stop=10.0
    )
    start = time.perf_counter()
    assert record.cv().size == record.cv2().size == record.lv().size == record.fano(1.0).size == 10_000
    record.population_rate(1e-3, smooth=5e-3)
    record.autocorrelation(1e-3, 50e-3)
    record.cross_correlation(record, 1e-3, 50e-3)
    assert time.perf_counter() - start < 10.0  # 1.5 s of a free core
