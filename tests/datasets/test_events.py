"""Events have one form, whatever they came from: in order, checked, read-only, compared by value."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.datasets import Events

CAMERA = (2, 3, 4)


def some(n: int = 200, seed: int = 0) -> Events:
    draw = np.random.default_rng(seed)
    return Events(
        np.sort(draw.integers(0, 50_000, n)),
        draw.integers(0, 4, n),
        draw.integers(0, 3, n),
        draw.integers(0, 2, n),
        shape=CAMERA,
    )


def test_what_is_not_in_order_is_sorted_and_what_comes_together_stays_in_order():
    events = Events([7, 3, 7, 3, 0], x=[0, 1, 2, 3, 4])
    assert events.t_us.tolist() == [0, 3, 3, 7, 7]
    assert events.x.tolist() == [4, 1, 3, 0, 2]


def test_arrays_have_one_type_are_copies_and_read_only():
    t = np.array([1, 2], np.uint32)
    events = Events(t, x=np.array([1, 2], np.int8), p=np.array([True, False]))
    t[0] = 99
    assert events.t_us.tolist() == [1, 2]
    assert [events.t_us.dtype, events.x.dtype, events.y.dtype, events.p.dtype] == ["i8", "u2", "u2", "i1"]
    with pytest.raises(ValueError, match="read-only"):
        events.x[0] = 0


def test_a_cochlea_has_rows_of_zero_and_polarities_of_one():
    events = Events([1, 2], x=[5, 6], shape=(7,))
    assert events.y.tolist() == [0, 0]
    assert events.p.tolist() == [1, 1]
    assert events.ids().tolist() == [5, 6]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"t_us": [-1]}, r"Events.t_us: got -1 to -1; allowed are 0 to"),
        ({"t_us": [0.5]}, r"Events.t_us: got float64 .* whole numbers of microseconds"),
        ({"t_us": [[1]]}, r"Events.t_us: .* shape \(1, 1\)"),
        ({"t_us": [1, 2]}, r"got 2 t_us, 1 x, 1 y and 1 p; they must be"),
        ({"x": [70_000]}, r"Events.x: got 70000 to 70000; allowed are 0 to 65535"),
        ({"p": [2]}, r"Events.p: got 2 to 2; allowed are 0 to 1"),
        ({"x": ["a"]}, r"Events.x: got <U1"),
        ({"x": [4], "shape": CAMERA}, r"Events.x: got 4; allowed are 0 to 3 for the shape \(2, 3, 4\)"),
        ({"y": [3], "shape": CAMERA}, r"Events.y: got 3; allowed are 0 to 2"),
        ({"y": [1], "shape": (5,)}, r"Events.y: got 1; allowed are 0 to 0"),
        ({"shape": (3, 4)}, r"Events.shape: got \(3, 4\); allowed is \(channels,\) or"),
        ({"shape": (4, 3, 2)}, r"1 or 2 polarities, and they stand first"),
    ],
)
def test_what_cannot_be_events_is_refused_by_name(given, said):
    with pytest.raises(rb.SpecError, match=said):
        Events(**{"t_us": [0], "x": [0], **given})


def test_ids_are_those_of_a_population_of_the_same_shape():
    events = some()
    taken = np.zeros(CAMERA, int)
    np.add.at(taken, (events.p, events.y, events.x), 1)
    np.testing.assert_array_equal(np.bincount(events.ids(), minlength=24), taken.ravel())
    np.testing.assert_array_equal(np.bincount(events.ids((1, 3, 4)), minlength=12), taken.sum(axis=0).ravel())


def test_a_stretch_of_time_has_its_beginning_and_not_its_end():
    events = Events([0, 999, 1000, 1999, 2000], x=[0, 1, 2, 3, 4])
    part = events.between(0.001, 0.002)
    assert part.x.tolist() == [2, 3]
    assert part.delayed(-0.001).t_us.tolist() == [0, 999]
    with pytest.raises(rb.SpecError, match="got -1"):
        part.delayed(-0.001001)


def test_parts_put_together_are_the_whole():
    events = some()
    parts = [events.between(k * 0.01, (k + 1) * 0.01) for k in (4, 2, 0, 1, 3)]
    assert Events.concatenate(parts) == events
    assert Events.concatenate(parts[1:]) != events
    with pytest.raises(rb.SpecError, match="allowed is one"):
        Events.concatenate([events, Events([0], x=[0])])


def test_masks_and_slices_choose_events():
    events = some()
    assert np.all(events[events.p == 1].p == 1)
    assert events[10:20] == events[np.arange(10, 20)]
    with pytest.raises(rb.SpecError, match="a slice, a mask"):
        events[3]


@pytest.mark.parametrize("order", ["xytp", "tpxy", "txyp", "xypt"])
def test_structured_arrays_come_and_go_in_any_order(order):
    events = some()
    array = events.to_structured(order)
    assert array.dtype.names == tuple(order)
    assert Events.from_structured(array, shape=CAMERA) == events


@pytest.mark.parametrize(
    "dtype",
    [
        [("t", "u8"), ("x", "u2"), ("y", "u2"), ("p", "?")],
        [("x", "i2"), ("y", "i2"), ("timestamp", "i8"), ("polarity", "i1")],
        [("t", "f8"), ("x", "u2"), ("y", "u2"), ("on", "?")],
    ],
)
def test_polarities_and_times_of_every_type_are_known(dtype):
    events = some()
    array = np.empty(len(events), dtype)
    for name, values in zip("txyp", (events.t_us, events.x, events.y, events.p), strict=True):
        array[next(field for field in array.dtype.names if field[0] in (name, "o" * (name == "p")))] = values
    assert Events.from_structured(array, shape=CAMERA) == events


def test_times_in_half_precision_seconds_do_not_overflow():
    array = np.array([(1.0, 3)], dtype=[("t", "f2"), ("x", "u2")])
    assert Events.from_structured(array, unit=1.0).t_us.tolist() == [1_000_000]


def test_a_structured_array_without_times_is_refused():
    with pytest.raises(rb.SpecError, match="needed are t and x"):
        Events.from_structured(np.zeros(1, [("x", "i2")]))
