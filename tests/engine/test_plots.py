"""What drawings contain: every spike at its place, names and units on the axes."""

from io import BytesIO

import matplotlib as mpl
import numpy as np
import pytest

import rheobase as rb
from rheobase.engine.counts import Counts
from rheobase.engine.records import CountRecord, SpikeRecord, TraceRecord
from rheobase.engine.result import Result, RunInfo

mpl.use("Agg")
DT = 1e-3


@pytest.fixture
def result():
    rng = np.random.default_rng(1)
    records = {}
    for name, n in (("exc", 6), ("inh", 3)):
        trials, ids, steps = np.nonzero(rng.random((2, n, 200)) < 0.05)
        order = np.lexsort((ids, steps, trials))
        records[f"spikes of {name}"] = SpikeRecord(
            steps=steps[order],
            ids=ids[order],
            trials=trials[order],
            dt=DT,
            n=n,
            n_trials=2,
            stop=0.2,
            group=name,
        )
    values = rng.normal(-60e-3, 2e-3, (2, 200, 6))
    records["v"] = TraceRecord(
        times=np.arange(200) * DT, values=values, ids=np.arange(6), variable="v", unit="V", group="exc"
    )
    records["n"] = CountRecord(counts=[3, 4], ids=[0, 1], seconds=0.2, group="more")
    counts = Counts(steps=200, trials=2, dt=DT, populations=(), projections=())
    info = RunInfo(backend="reference", threads=1, precision="fixed", dt=DT, steps=200, trials=2, wall_s=0.1)
    yield Result(records=records, counts=counts, info=info)
    import matplotlib.pyplot as plt

    plt.close("all")


def test_a_raster_has_every_spike_in_the_band_of_its_population_and_trial(result):
    ax = result.raster()
    exc, inh = result["spikes of exc"], result["spikes of inh"]
    first, second = (np.asarray(dots.get_offsets()) for dots in ax.collections)
    np.testing.assert_allclose(first, np.stack([exc.times, exc.trials * 6 + exc.ids], 1))
    np.testing.assert_allclose(second, np.stack([inh.times, 12 + inh.trials * 3 + inh.ids], 1))
    assert [text.get_text() for text in ax.get_yticklabels()] == ["exc", "inh"]
    assert ax.yaxis_inverted()
    assert ax.get_xlabel() == "time (s)"
    assert ax.get_xlim() == (0.0, 0.2)
    colours = {tuple(dots.get_facecolor()[0]) for dots in ax.collections}
    assert len(colours) == 2
    alone = result.raster("spikes of inh")
    assert alone.get_ylabel() == "neuron of inh"
    assert not alone.yaxis_inverted()


def test_rates_stand_below_a_raster_on_the_same_axis_of_time(result):
    from matplotlib.figure import Figure

    ax = result.raster(rate=10e-3)
    below = ax.figure.axes[1]
    assert below.get_shared_x_axes().joined(ax, below)
    np.testing.assert_allclose(
        below.lines[1].get_ydata(), result["spikes of inh"].population_rate(10e-3)[1].mean(axis=0)
    )
    assert (ax.get_xlabel(), below.get_xlabel()) == ("", "time (s)")
    with pytest.raises(rb.SpecError, match=r"raster.rate"):
        result.raster(ax=Figure().add_axes((0, 0, 1, 1)), rate=10e-3)


def test_activity_is_the_mean_of_trials_within_its_standard_error(result):
    ax = result.activity(width=20e-3, smooth=30e-3)
    times, rates = result["spikes of exc"].population_rate(20e-3, smooth=30e-3)
    np.testing.assert_allclose(ax.lines[0].get_xdata(), times)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), rates.mean(axis=0))
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    error = np.abs(rates[0] - rates[1]) / 2  # of two values
    assert band.max() == pytest.approx((rates.mean(axis=0) + error).max())
    assert ax.get_ylabel() == "rate (Hz)"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["exc", "inh"]


def test_rates_are_counted_in_bins_that_all_share(result):
    ax = result.rates()
    shown = [patch.get_data() for patch in ax.patches[1::2]]
    assert [int(data.values.sum()) for data in shown] == [6, 3, 2]
    np.testing.assert_array_equal(shown[0].edges, shown[2].edges)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[2] == "more, 17.5 Hz"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("rate (Hz)", "neurons")


def test_intervals_are_drawn_as_a_density(result):
    ax = result.intervals("spikes of exc", width=10e-3, longest=0.2)
    data = ax.patches[1].get_data()
    assert (data.values * np.diff(data.edges) / 1e3).sum() == pytest.approx(1.0)
    assert data.edges[1] == pytest.approx(10.0)
    record = result["spikes of exc"]
    cv = record.cv()[np.isfinite(record.cv())].mean()
    assert ax.get_legend().get_texts()[0].get_text() == f"exc, CV {cv:.2f}"
    assert ax.get_xlabel() == "inter-spike interval (ms)"
    assert result.intervals() is not None


def test_a_correlogram_shows_rates_by_lag_and_the_level_of_independence(result):
    exc, inh = result["spikes of exc"], result["spikes of inh"]
    ax = result.correlogram("spikes of exc", "spikes of inh", width=5e-3, max_lag=50e-3)
    data = ax.patches[0].get_data()
    np.testing.assert_allclose(data.values, exc.cross_correlation(inh, 5e-3, 50e-3).rate)
    np.testing.assert_allclose(data.edges[[0, -1]], [-52.5, 52.5])
    assert ax.lines[0].get_ydata()[0] == pytest.approx(3 * inh.rate())
    own = result.correlogram("spikes of exc", width=5e-3)
    assert own.lines[0].get_ydata()[0] == pytest.approx(exc.rate(), rel=0.2)
    assert own.get_ylabel() == "rate given a spike at 0 (Hz)"


def test_traces_are_printed_in_millivolt_with_threshold_and_spikes(result):
    ax = result.traces("v", ids=[4, 1], trial=1, threshold=-55e-3, spikes="spikes of exc")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), result["v"].values[1, :, 4] * 1e3)
    np.testing.assert_allclose(ax.lines[2].get_ydata(), -55.0)
    bars = [segment[:, 0] for segment in ax.collections[1].get_segments()]
    np.testing.assert_allclose([x[0] for x in bars], result["spikes of exc"].train(1, 1))
    assert ax.get_ylabel() == "v (mV)"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["neuron 4", "neuron 1"]
    assert len(result.traces().lines) == 5


def test_drawings_go_where_they_are_told_to(result):
    from matplotlib.figure import Figure

    axes = Figure().subplots(3, 2).ravel()
    draw = (
        result.raster, result.activity, result.rates, result.intervals, result.correlogram, result.traces
    )  # fmt: skip
    drawn = [one(ax=ax) for one, ax in zip(draw, axes, strict=True)]
    assert drawn == list(axes)
    axes[0].figure.savefig(BytesIO(), format="svg")


def test_a_record_of_another_kind_is_refused_by_name(result):
    with pytest.raises(rb.SpecError, match=r"Result.raster: probe 'v' recorded no spikes"):
        result.raster("v")
    with pytest.raises(rb.SpecError, match=r"Result.traces: probe 'spikes of exc' recorded no samples"):
        result.traces("spikes of exc")
    with pytest.raises(rb.SpecError, match="there are 0 to 1"):
        result.traces(trial=2)
