"""What sources send: Poisson counts of the right law, rates that change, given spikes, values, frames."""

from types import MappingProxyType

import numpy as np
import pytest
from scipy import stats

import rheobase as rb


def sent(simulator, source, seconds, dt=1e-3, batch=None, inputs=None, seed=0):
    net = rb.Network(seed=seed)
    source = net.add(source)
    probe = net.add(rb.Probe(source))
    result = simulator(net, dt, batch=batch).run(seconds, inputs=None if inputs is None else {source: inputs})
    return result[probe], result


@pytest.mark.parametrize("rate", [20.0, 900.0, 12000.0])
def test_poisson_counts_follow_their_law(simulator, raster, rate):
    record, result = sent(simulator, rb.PoissonSource(200, rate=rate), 0.5)
    counts = raster(record, 500).reshape(-1)
    mean = rate * 1e-3
    edges = np.arange(stats.poisson.ppf(1e-3, mean), stats.poisson.ppf(1 - 1e-3, mean) + 1)
    expected = np.diff(np.concatenate([[0.0], stats.poisson.cdf(edges, mean), [1.0]])) * counts.size
    observed = np.histogram(counts, np.concatenate([[-0.5], edges + 0.5, [np.inf]]))[0]
    # The seed is fixed; a right sampler would fail one seed in a thousand.
    assert stats.chisquare(observed, expected).pvalue > 1e-3
    assert result.counts.source_spikes == counts.sum()


def test_poisson_trains_are_independent_of_each_other_and_of_time(simulator, raster):
    trains = raster(sent(simulator, rb.PoissonSource(50, rate=300.0), 4.0)[0], 4000).T
    correlation = np.corrcoef(trains)[np.triu_indices(50, 1)]
    assert abs(correlation.mean()) < 4 / np.sqrt(4000 * correlation.size)
    assert abs(correlation.std() * np.sqrt(4000) - 1) < 0.1
    shifted = [np.corrcoef(train[1:], train[:-1])[0, 1] for train in trains]
    assert abs(np.mean(shifted)) < 4 / np.sqrt(4000 * 50)


def test_each_train_has_its_own_rate(simulator):
    rates = np.array([0.0, 10.0, 100.0, 1000.0])
    record, _ = sent(simulator, rb.PoissonSource(4, rate=rates), 10.0)
    number = record.counts()[0]
    assert number[0] == 0
    assert (np.abs(number - 10 * rates) <= 4 * np.sqrt(10 * rates)).all()


def test_rates_change_at_their_times(simulator, raster):
    source = rb.RateSource(100, times=[0.0, 0.1, 0.15], rates=[50.0, 0.0, 400.0])
    counts = raster(sent(simulator, source, 0.25)[0], 250)
    assert counts[100:150].sum() == 0
    assert abs(counts[:100].sum() - 500) < 4 * np.sqrt(500)
    assert abs(counts[150:].sum() - 4000) < 4 * np.sqrt(4000)


def test_rates_may_differ_between_trains(simulator):
    source = rb.RateSource(2, times=[0.0, 1.0], rates=[[100.0, 0.0], [0.0, 100.0]])
    record, _ = sent(simulator, source, 2.0)
    assert record.times[record.ids == 0].max() < 1.0
    assert record.times[record.ids == 1].min() >= 1.0


def test_trials_have_noise_of_their_own_and_the_first_is_that_of_a_single_run(simulator, raster):
    source = rb.PoissonSource(20, rate=100.0)
    single = raster(sent(simulator, source, 0.2)[0], 200)
    batch = raster(sent(simulator, rb.PoissonSource(20, rate=100.0), 0.2, batch=3)[0], 200, 3)
    np.testing.assert_array_equal(batch[0], single)
    assert (batch[0] != batch[1]).any()
    assert (batch[1] != batch[2]).any()


def test_given_spikes_are_sent_at_their_steps_by_their_trains(simulator):
    source = rb.SpikeSource(3, times=[0.0, 1.4e-3, 1.6e-3, 2.0e-3, 2.1e-3], ids=[2, 1, 0, 0, 1])
    record, result = sent(simulator, source, 5e-3)
    assert record.steps.tolist() == [0, 1, 2, 2, 2]
    assert record.ids.tolist() == [2, 1, 0, 0, 1]
    assert result.counts.populations[0].spikes == 5


@pytest.mark.parametrize("form", ["pair", "list", "counts", "booleans", "per trial", "shaped"])
def test_every_form_of_given_spikes_means_the_same(simulator, raster, form):
    counts = np.random.default_rng(2).random((2, 8, 6)) < 0.3
    steps, ids = np.nonzero(counts[0])
    inputs = {
        "pair": (steps * 1e-3, ids),
        "list": [(s * 1e-3, i) for s, i in map(np.nonzero, counts)],
        "counts": counts[0].astype(int),
        "booleans": counts[0],
        "per trial": counts,
        "shaped": counts.reshape(2, 8, 2, 3),
    }[form]
    record, _ = sent(simulator, rb.SpikeSource((2, 3)), 8e-3, batch=2, inputs=inputs)
    both = form in ("list", "per trial", "shaped")
    np.testing.assert_array_equal(raster(record, 8, 2), counts if both else counts[[0, 0]])


def values_received(simulator, source, seconds, inputs=None, batch=None, runs=1):
    net = rb.Network()
    source = net.add(source)
    post = net.add(rb.Population(source.shape, rb.ReLU(bias=0.0)))
    net.add(rb.Projection(source, post, rb.one_to_one(), weight=1.0, delay=0.0))
    probe = net.add(rb.Probe(post, "v"))
    sim = simulator(net, 1e-3, batch=batch)
    parts = [sim.run(seconds, inputs=None if inputs is None else {source: inputs}) for _ in range(runs)]
    return np.concatenate([part[probe].values for part in parts], axis=-2), parts[-1]


def test_a_current_source_holds_one_row_for_ever(simulator):
    v, result = values_received(simulator, rb.CurrentSource(3, values=[0.0, 0.5, -1.0]), 4e-3, runs=2)
    np.testing.assert_array_equal(v, np.tile([0.0, 0.5, -1.0], (8, 1)))
    assert result.counts.populations[0].spikes == 2 * 4  # zeros are skipped


def test_a_current_source_steps_through_its_rows_and_ends(simulator):
    source = rb.CurrentSource(1, values=[[1.0], [2.0], [3.0]], dt=2e-3)
    v, _ = values_received(simulator, source, 4e-3, runs=2)
    assert v[:, 0].tolist() == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 0.0, 0.0]


def test_given_currents_count_from_the_beginning_of_the_run(simulator):
    rows = np.array([[1.0, 2.0], [3.0, 0.0]])
    v, _ = values_received(simulator, rb.CurrentSource(2), 3e-3, inputs=rows, runs=2)
    np.testing.assert_array_equal(v, np.tile([[1.0, 2.0], [3.0, 0.0], [0.0, 0.0]], (2, 1)))


@pytest.mark.parametrize("shape", [(4,), (2, 2)])
@pytest.mark.parametrize("form", ["one", "steps", "trials", "trials and steps"])
def test_every_form_of_frames(simulator, form, shape):
    rng = np.random.default_rng(3)
    lead = {"one": (), "steps": (5,), "trials": (2,), "trials and steps": (2, 5)}[form]
    frames = rng.integers(-8, 8, (*lead, *shape)) / 8
    batch = 2 if "trials" in form else None
    v, _ = values_received(simulator, rb.FrameSource(shape), 5e-3, frames, batch=batch)
    flat = frames.reshape(*lead, 4)
    if form == "one":
        flat = np.tile(flat, (5, 1))
    elif form == "trials":
        flat = np.repeat(flat[:, None], 5, axis=1)
    np.testing.assert_array_equal(v, flat)


def test_a_described_frame_is_sent_in_every_step(simulator):
    v, _ = values_received(simulator, rb.FrameSource((2, 2), values=[[1.0, 0.0], [0.5, 2.0]]), 3e-3)
    np.testing.assert_array_equal(v, np.tile([1.0, 0.0, 0.5, 2.0], (3, 1)))


def test_a_source_that_is_left_empty_is_silent(simulator):
    for source in (rb.CurrentSource(2), rb.FrameSource(2)):
        v, result = values_received(simulator, source, 3e-3)
        assert not v.any()
        assert result.counts.populations[0].spikes == 0
    record, _ = sent(simulator, rb.SpikeSource(2), 3e-3)
    assert len(record) == 0


@pytest.mark.parametrize("ids", [[0, 1], [1, 0]])
def test_times_that_descend_are_refused_within_a_step_too(simulator, ids):
    net = rb.Network()
    source = net.add(rb.SpikeSource(2, name="source"))
    with pytest.raises(rb.SpecError, match="not ascending at index 1"):
        simulator(net, 1e-3).run(20e-3, inputs={source: ([0.0104, 0.0101], ids)})


class OnCard(np.ndarray):
    """Stands for a CuPy array: it lies elsewhere until it is asked for."""

    __cuda_array_interface__ = MappingProxyType({})

    def get(self):
        return np.asarray(self)


@pytest.mark.parametrize("shape", [(6,), (2, 1, 3)])
@pytest.mark.parametrize("kind", [np.bool_, np.uint8, np.int64])
def test_counts_may_lie_on_a_card(simulator, kind, shape):
    rng = np.random.default_rng(3)
    counts = (rng.random((2, 9, *shape)) < 0.4).astype(kind)
    net = rb.Network()
    source = net.add(rb.SpikeSource(shape))
    net.add(rb.Projection(source, net.add(rb.Population(6, rb.IF(threshold=2.0))), rb.random(p=0.5)))
    spikes = net.add(rb.Probe(source))
    sim = simulator(net, 1e-3, batch=2)
    found = [sim.run(9e-3, inputs={source: given})[spikes] for given in (counts, counts.view(OnCard))]
    raster = np.zeros((2, 9, 6), int)
    np.add.at(raster, (found[1].trials, found[1].steps - 9, found[1].ids), 1)
    np.testing.assert_array_equal(raster, counts.reshape(2, 9, 6))
    np.testing.assert_array_equal(found[0].ids, found[1].ids)
