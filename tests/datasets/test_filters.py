"""Noise is taken out, pixels are blinded and surfaces drawn as loops over events do it, and as tonic does."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.datasets import Events, denoise, refractory, time_surface

SHAPE = (2, 12, 10)


def recording(seed: int, n: int = 400, start: int = 0) -> Events:
    draw = np.random.default_rng(seed)
    t = start + np.sort(draw.integers(0, 50_000, n))
    return Events(t, *(draw.integers(0, high, n) for high in (10, 12, 2)), SHAPE)


@pytest.mark.parametrize("within_us", [100, 1000, 5000])
def test_an_event_stays_where_a_neighbour_came_shortly_before(within_us):
    last, kept, events = {}, [], recording(0)
    for k, (t, x, y) in enumerate(
        zip(events.t_us.tolist(), events.x.tolist(), events.y.tolist(), strict=True)
    ):
        around = ((x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1))
        if any(t - last.get(pixel, -(10**9)) < within_us for pixel in around):
            kept.append(k)
        last[x, y] = t
    assert 0 < len(kept) < len(events)
    assert denoise(events, within_us * 1e-6) == events[kept]


def test_tonic_takes_out_the_same_noise():
    functional = pytest.importorskip("tonic").functional
    # Its pixels begin as if they had all sent an event at 0.
    events = recording(1, start=1000)
    theirs = functional.denoise_numpy(events.to_structured(), filter_time=1000)
    assert denoise(events, 1e-3) == Events.from_structured(theirs, shape=SHAPE)


def test_a_blind_unit_sends_nothing_and_is_not_blinded_for_longer():
    last, kept, events = {}, [], recording(2, 2000)
    for k, (t, unit) in enumerate(zip(events.t_us.tolist(), events.ids().tolist(), strict=True)):
        if t - last.get(unit, -(10**9)) >= 4000:
            kept.append(k)
            last[unit] = t
    assert 0 < len(kept) < len(events)
    assert refractory(events, 4e-3) == events[kept]


def test_a_surface_tells_how_fresh_each_event_is():
    events, tau, dt = recording(3), 7e-3, 10e-3
    surface = time_surface(events, tau, dt, 4)
    for step in range(4):
        before = events.t_us < (step + 1) * 10_000
        expected = np.zeros(240)
        for t, unit in zip(events.seconds[before], events.ids()[before], strict=True):
            expected[unit] = np.exp(-((step + 1) * dt - t) / tau)
        np.testing.assert_allclose(surface[step].ravel(), expected, rtol=1e-6)


def test_tonic_draws_the_same_surfaces():
    functional = pytest.importorskip("tonic").functional
    # Its steps begin at the first event, and the last is left out.
    events = Events.concatenate([Events([0], [0], [0], shape=SHAPE), recording(4)])
    theirs = functional.to_timesurface_numpy(events.to_structured(), SHAPE[::-1], dt=10_000, tau=5_000)
    np.testing.assert_allclose(time_surface(events, 5e-3, 10e-3, len(theirs)), theirs, atol=1e-6)


def test_nothing_comes_of_nothing():
    none = Events([], [], shape=SHAPE)
    assert len(denoise(none, 1e-3)) == len(refractory(none, 1e-3)) == 0
    assert not time_surface(none, 1e-3, 1e-3, 3).any()


@pytest.mark.parametrize("wrong", [0.0, -1.0, "1 ms", np.nan])
def test_a_stretch_of_time_must_be_one(wrong):
    events = recording(0)
    with pytest.raises(rb.SpecError, match=r"denoise.within: got .* a number of seconds above 0"):
        denoise(events, wrong)
    with pytest.raises(rb.SpecError, match=r"refractory\.period"):
        refractory(events, wrong)
    with pytest.raises(rb.SpecError, match=r"time_surface\.tau"):
        time_surface(events, wrong, 1e-3, 1)
