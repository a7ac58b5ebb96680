"""The event camera's pixels: crossings in closed form, a plain twin, and what each imperfection does."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.datasets import EventCamera


def ramp(rise: float, seconds: float = 0.5, frames: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Return one pixel whose logarithm rises linearly, in frames at uneven times."""
    times = np.linspace(0.0, 1.0, frames) ** 1.5 * seconds
    return np.exp(rise * times / seconds).reshape(-1, 1, 1), times


@pytest.mark.parametrize(("rise", "threshold"), [(1.0, 0.3), (-1.0, 0.3), (3.0, 0.17), (0.2, 0.25)])
def test_a_logarithmic_ramp_gives_events_in_closed_form(rise, threshold):
    events = EventCamera(on=threshold, off=threshold, floor=0.0).watch(*ramp(rise))
    n = int(abs(rise) / threshold)
    np.testing.assert_allclose(events.t_us, np.arange(1, n + 1) * threshold / abs(rise) * 5e5, atol=0.5)
    assert (events.p == (rise > 0)).all()
    assert events.shape == (2, 1, 1)


def test_a_refractory_pixel_starts_anew_from_what_it_sees_when_it_wakes():
    # From event to event: the blind time, then the time for one threshold.
    events = EventCamera(on=0.1, floor=0.0, refractory=0.02).watch(*ramp(1.0))
    first, period = 0.05, 0.02 + 0.05
    np.testing.assert_allclose(
        events.t_us / 1e6, first + period * np.arange(int((0.5 - first) / period) + 1), atol=1e-6
    )


def twin(levels, times, camera, step=2e-6):
    """Return (microseconds, polarity) of one pixel, by walking along its signal in small steps."""
    found, memory, ready = [], levels[0], None
    walk = np.union1d(np.arange(times[0], times[-1], step), times)
    for t, level in zip(walk.tolist(), np.interp(walk, times, levels).tolist(), strict=True):
        if ready is not None:
            if t < ready:
                continue
            memory, ready = np.interp(ready, times, levels), None
        while level >= memory + camera.on or level <= memory - camera.off:
            up = level > memory
            memory += camera.on if up else -camera.off
            found.append((t * 1e6, int(up)))
            if camera.refractory:
                ready = t + camera.refractory
                break
    return np.array(found)


@pytest.mark.parametrize("refractory", [0.0, 3e-3])
def test_pixels_send_what_a_walk_along_their_signal_finds(refractory):
    rng = np.random.default_rng(5)
    camera = EventCamera(on=0.3, off=0.2, refractory=refractory, floor=0.0)
    times = np.sort(rng.random(30)) * 0.1
    levels = rng.normal(size=(30, 2, 3))
    events = camera.watch(np.exp(levels), times)
    n = 0
    for y, x in np.ndindex(2, 3):
        mine = events[(events.x == x) & (events.y == y)]
        expected = twin(levels[:, y, x], times, camera)
        np.testing.assert_array_equal(mine.p, expected[:, 1])
        # A step of the twin is 2 us; what it sees late when a pixel wakes makes the next event late too.
        assert abs(mine.t_us - expected[:, 0]).max() <= (3 if refractory == 0 else 60)
        n += len(mine)
    assert n == len(events) > 100


def test_a_still_scene_is_silent_and_a_negative_one_changes_signs():
    scene = np.tile(np.random.default_rng(0).random((1, 5, 6)), (10, 1, 1))
    times = np.arange(10) / 100
    assert len(EventCamera(mismatch=0.1, refractory=1e-3, cutoff=50.0).watch(scene, times)) == 0
    film = np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 0.3, (10, 5, 6)), axis=0))
    camera = EventCamera(floor=0.0)
    bright, dark = camera.watch(film, times), camera.watch(1.0 / film, times)
    assert len(bright) > 100
    for field in ("t_us", "x", "y"):
        np.testing.assert_array_equal(getattr(bright, field), getattr(dark, field))
    np.testing.assert_array_equal(bright.p, 1 - dark.p)


def test_noise_is_as_frequent_as_asked_and_drawn_by_the_seed():
    scene, times = np.ones((2, 20, 20)), [0.0, 5.0]
    camera = EventCamera(noise=2.0)
    events = camera.watch(scene, times, seed=1)
    # 4,000 are expected; their standard deviation is 63.
    assert abs(len(events) - 4000) < 5 * 63
    assert abs(events.p.mean() - 0.5) < 5 * 0.5 / 63
    assert events == camera.watch(scene, times, seed=1)
    assert events != camera.watch(scene, times, seed=2)


def test_thresholds_differ_between_pixels_as_much_as_asked():
    rise, seconds = 10.0, 0.5
    film, times = ramp(rise, seconds)
    film = np.broadcast_to(film, (len(film), 60, 60))
    events = EventCamera(on=0.5, mismatch=0.05, floor=0.0).watch(film, times)
    first = np.full((60, 60), np.inf)
    np.minimum.at(first, (events.y, events.x), events.t_us / 1e6 * rise / seconds)
    assert first.mean() == pytest.approx(0.5, abs=5 * 0.025 / 60)
    assert first.std() == pytest.approx(0.025, rel=0.06)


def test_a_slow_photoreceptor_answers_a_step_exponentially():
    # Brightness jumps within a microsecond; the events of 0.1 each then come at -tau ln(1 - k 0.1 / jump).
    times = np.array([0.0, 0.01, 0.010001, *np.linspace(0.0101, 0.2, 4000)])
    film = np.exp(np.where(times > 0.0100005, 1.0, 0.0)).reshape(-1, 1, 1)
    tau = 1.0 / (2 * np.pi * 10.0)
    events = EventCamera(on=0.1, cutoff=10.0, floor=0.0).watch(film, times)
    k = np.arange(1, 10)
    np.testing.assert_allclose(events.t_us[:9] / 1e6, 0.01 - tau * np.log(1 - 0.1 * k), atol=5e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: EventCamera(on=0.0), r"EventCamera\.on: got 0.0; allowed is a finite number > 0"),
        (lambda: EventCamera(noise=-1.0), r"EventCamera\.noise: got -1.0; allowed is a finite number >= 0"),
        (
            lambda: EventCamera().watch(np.ones((3, 4)), [0, 1, 2]),
            r"shape \(3, 4\) and times of shape \(3,\)",
        ),
        (lambda: EventCamera().watch(np.ones((2, 4, 4)), [1, 1]), r"watch\.times: allowed are seconds"),
        (lambda: EventCamera().watch(-np.ones((2, 4, 4)), [0, 1]), r"watch\.frames: got intensities from -1"),
        (lambda: EventCamera(floor=0).watch(np.zeros((2, 4, 4)), [0, 1]), "above 0 where floor is 0"),
    ],
)
def test_films_and_pixels_that_cannot_be_are_named(wrong, message):
    with pytest.raises(rb.SpecError, match=message):
        wrong()
