"""Every event is counted in exactly one step, on a time base that begins at 0, whoever counts."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rheobase as rb
from rheobase.datasets import Events, bin_events, collate

UNITS = (2, 2, 3)


def counted_by_hand(events: Events, dt_us: int, steps: int) -> np.ndarray:
    frames = np.zeros((steps, *UNITS), int)
    for t, x, y, p in zip(events.t_us, events.x, events.y, events.p, strict=True):
        frames[int(t) // dt_us, p, y, x] += 1
    return frames


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 9_999), st.integers(0, 2), st.integers(0, 1), st.integers(0, 1))),
    st.sampled_from([1, 7, 100, 300, 1000, 20_000]),
)
def test_every_event_is_counted_once_and_where_it_lies(listed, dt_us):
    t, x, y, p = np.array(listed, int).reshape(-1, 4).T
    events = Events(t, x, y, p, shape=UNITS)
    steps = 10_000 // dt_us + 1
    frames = bin_events(events, dt_us * 1e-6, steps).dense(np.int64)
    np.testing.assert_array_equal(frames, counted_by_hand(events, dt_us, steps))


def test_time_begins_at_zero_and_not_at_the_first_event():
    assert bin_events(Events([3500], x=[0], shape=(1,)), 1e-3).dense().ravel().tolist() == [0, 0, 0, 1]


def test_steps_of_broken_microseconds_begin_where_they_should():
    dt = 1 / 3000  # the third step begins at 1,000 microseconds, give or take a rounding
    events = Events([333, 334, 666, 667, 999, 1000, 3_000_000_000], x=[0] * 7, shape=(1,))
    assert bin_events(events, dt).steps.tolist() == [0, 1, 2, 3, 9_000_000]
    # 250,000 microseconds are 15 frames of a film, but not of sixtieths as floating point has them.
    assert bin_events(Events([249_999, 250_000], x=[0, 0], shape=(1,)), 1 / 60).steps.tolist() == [14, 15]


def test_events_after_the_last_step_are_refused_unless_they_are_to_be_left_out():
    events = Events([0, 1000, 2000, 2001], x=[0, 0, 0, 0], shape=(1,))
    with pytest.raises(rb.SpecError, match=r"2 of 4 events lie after 2 steps .* allowed are from 3 steps"):
        bin_events(events, 1e-3, 2)
    assert bin_events(events, 1e-3, 2, clip=True).dense().sum() == 2


def test_polarities_can_be_counted_together():
    events = Events([0, 1], x=[0, 0], y=[1, 1], p=[0, 1], shape=UNITS)
    assert bin_events(events, 1e-3, shape=(1, 2, 3)).dense()[0, 0, 1, 0] == 2


def test_a_count_that_its_type_cannot_hold_is_refused():
    events = Events([0] * 300, x=[0] * 300, shape=(1,))
    with pytest.raises(rb.SpecError, match="uint8 ends at 255; a unit sent 300"):
        bin_events(events, 1e-3).dense()
    assert bin_events(events, 1e-3).dense(np.float32).item() == 300


@pytest.mark.parametrize("wrong", [{"dt": 0.0}, {"dt": "1"}, {"steps": 1.5}, {"steps": -1}, {"shape": (3,)}])
def test_what_makes_no_steps_is_refused(wrong):
    events = Events([0], x=[0], y=[1], shape=UNITS)
    with pytest.raises(rb.SpecError):
        bin_events(events, **{"dt": 1e-3, **wrong})


@pytest.mark.parametrize("form", ["times on the grid", "sparse counts", "dense counts"])
def test_a_simulation_receives_what_was_counted(form):
    draw = np.random.default_rng(0)
    events = Events(*(draw.integers(0, high, 300) for high in (20_000, 3, 2, 2)), shape=UNITS)
    binned = bin_events(events, 1e-3, 20)
    net = rb.Network()
    source = net.add(rb.SpikeSource(events.shape))
    counts, spikes = net.add(rb.Probe(source, "counts")), net.add(rb.Probe(source))
    given = {
        "times on the grid": events.spikes(dt=1e-3),
        "sparse counts": binned.spikes(),
        "dense counts": binned.dense(),
    }
    result = rb.Simulator(net, dt=1e-3, backend="reference").run(20e-3, inputs={source: given[form]})
    np.testing.assert_array_equal(result[counts].counts.ravel(), binned.dense().sum(axis=0).ravel())
    found = set(zip(result[spikes].steps.tolist(), result[spikes].ids.tolist(), strict=True))
    assert found == set(zip(binned.steps.tolist(), binned.ids.tolist(), strict=True))


def test_the_trials_of_a_batch_are_recordings():
    net = rb.Network()
    source = net.add(rb.SpikeSource(2))
    probe = net.add(rb.Probe(source))
    events = [Events([0, 1600], x=[0, 1], shape=(2,)), Events([700], x=[1], shape=(2,))]
    sim = rb.Simulator(net, dt=1e-3, backend="reference", batch=2)
    record = sim.run(3e-3, inputs={source: [e.spikes(dt=1e-3) for e in events]})[probe]
    found = sorted(zip(record.trials.tolist(), record.steps.tolist(), record.ids.tolist(), strict=True))
    assert found == [(0, 0, 0), (0, 1, 1), (1, 0, 1)]


def test_a_data_loader_makes_tensors_of_events():
    torch = pytest.importorskip("torch")
    draw = np.random.default_rng(1)
    data = [
        (Events(*(draw.integers(0, h, 40) for h in (5000, 3, 2, 2)), shape=UNITS), k % 3) for k in range(6)
    ]
    to_batch = pickle.loads(pickle.dumps(collate(1e-3, 5)))  # as workers get it
    (spikes, labels), last = torch.utils.data.DataLoader(data, batch_size=4, collate_fn=to_batch)
    assert (spikes.shape, spikes.dtype, labels.tolist()) == ((5, 4, 12), torch.float32, [0, 1, 2, 0])
    np.testing.assert_array_equal(last[0][:, 1], bin_events(data[5][0], 1e-3, 5).dense().reshape(5, 12))
    images = collate(1e-3, 5, flat=False)([(events, "a") for events, _ in data])
    assert (images[0].shape, images[1]) == ((5, 6, *UNITS), ["a"] * 6)
    torch.testing.assert_close(images[0].reshape(5, 6, 12)[:, :4], spikes)


def test_a_batch_of_several_shapes_is_refused():
    pytest.importorskip("torch")
    two = [(Events([0], x=[0], shape=(n,)), 0) for n in (2, 3)]
    with pytest.raises(rb.SpecError, match="give one that holds them all"):
        collate(1e-3, 1)(two)
    assert collate(1e-3, 1, shape=(3,))(two)[0].shape == (1, 2, 3)
