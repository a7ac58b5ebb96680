"""The cochlea, stage by stage against closed forms, and as a whole."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.datasets import Cochlea
from rheobase.datasets.cochlea import _BushyCells, _Fibres, _Filters, _HairCells

RATE = 16_000
DT = 1.0 / RATE


def tone(frequency: float, seconds: float = 0.1) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) * DT)


def test_channels_are_equally_spaced_in_erbs():
    # 21.4 log10(1 + 4.37 f / 1000) ERBs lie below a frequency; at 1 kHz that is 15.6.
    ear = Cochlea(channels=12, low=50.0, high=6000.0)
    number = 21.4 * np.log10(1 + 4.37e-3 * ear.centres)
    np.testing.assert_allclose(np.diff(number), number[1] - number[0])
    assert ear.centres[[0, -1]] == pytest.approx([50.0, 6000.0])
    assert Cochlea(channels=1, low=1e3, high=1e3).centres == pytest.approx(1e3)


@pytest.mark.parametrize(("away", "gain"), [(0.0, 1.0), (1.0, 0.25), (-1.0, 0.25), (2.0, 0.04)])
def test_a_filter_passes_its_frequency_and_falls_off_as_a_gammatone_does(away, gain):
    # |H| = (1 + ((f - centre) / b)^2)^-2, in the middle of the band.
    centre = 1000.0
    width = 1.019 * 24.7 * (1 + 4.37 * centre / 1000)
    filters = _Filters(np.array([centre]), DT)
    answer = np.array([filters.step(s)[0] for s in tone(centre + away * width, 0.08)])
    assert np.abs(answer[-400:]).max() == pytest.approx(gain, rel=0.06)


def test_an_impulse_answer_is_the_published_one():
    centre, n = 800.0, 300
    width = 1.019 * 24.7 * (1 + 4.37 * centre / 1000)
    filters = _Filters(np.array([centre]), DT)
    answer = np.array([filters.step(float(k == 0))[0] for k in range(n)])
    # t^3 exp(-2 pi b t) cos(2 pi f t), to which four discrete low-passes come close after the first samples.
    t = (np.arange(n) + 2) * DT  # (k + 1)(k + 2)(k + 3) is about (k + 2)^3
    expected = t**3 * np.exp(-2 * np.pi * width * (t - 2 * DT)) * np.cos(2 * np.pi * centre * (t - 2 * DT))
    expected *= np.linalg.norm(answer) / np.linalg.norm(expected)  # the gain is held above
    np.testing.assert_allclose(answer, expected, atol=0.03 * abs(expected).max())


@pytest.mark.parametrize("displacement", [0.0, 20.0, 1e6, -10.0])
def test_hair_cells_settle_where_their_equations_stand_still(displacement):
    cells = _HairCells(1, DT)
    start = cells.step(np.array([0.0]))[0]
    for _ in range(int(0.5 / DT)) if displacement else []:
        start = cells.step(np.array([displacement]))[0]
    opened = max(displacement + 5.0, 0.0)
    k = 2000.0 * opened / (opened + 300.0)
    cleft = 5.05 * k / (2500.0 * k + 5.05 * 9080.0)
    assert start == pytest.approx(50_000 * cleft, rel=1e-3, abs=1e-2)


def test_silence_is_spontaneous_and_a_beginning_is_loudest():
    cells = _HairCells(1, DT)
    # Meddis: about 65 spikes a second without a sound.
    assert cells.step(np.zeros(1))[0] == pytest.approx(64.8, abs=0.1)
    loud = [cells.step(np.full(1, 300.0))[0] for _ in range(1600)]
    assert max(loud) > 4 * loud[-1]
    assert np.argmax(loud) * DT < 2e-3


def test_fibres_fire_at_their_rate_and_rest_for_a_millisecond():
    rng = np.random.default_rng(0)
    fibres = _Fibres(50, 40, DT, rng)
    counts = np.array([fibres.step(np.full(50, 300.0)) for _ in range(8000)])
    # A dead time of 16 steps: on average one spike in 16 steps + 1 / p.
    expected = 1.0 / (16 + RATE / 300.0 - 1)
    assert counts.mean() / 40 == pytest.approx(expected, rel=0.01)
    ones = _Fibres(1, 1, DT, rng)
    times = np.flatnonzero([ones.step(np.full(1, 1e6))[0] for _ in range(500)])
    assert (np.diff(times) == 16).all()


def test_bushy_cells_fire_when_enough_fibres_do_together():
    cells = _BushyCells(3, 0.25, 0.5e-3, DT)
    together, apart = np.array([4, 3, 0]), np.array([0, 0, 1])
    assert cells.step(together).tolist() == [0]
    # One spike in every step settles at 0.25 / (1 - exp(-1/8)) = 2.1, and a cell rests for 16 steps.
    fired = [cells.step(apart).tolist() for _ in range(60)]
    first = next(k for k in range(1, 60) if 0.25 * (1 - np.exp(-k / 8)) / (1 - np.exp(-1 / 8)) >= 1)
    at = [k + 1 for k, ids in enumerate(fired) if ids]
    assert at[0] == first
    assert at[1] - at[0] == 15 + first


def test_a_tone_is_heard_at_its_place_and_in_its_phase():
    ear = Cochlea(channels=48, high=4000.0)
    for frequency in (300.0, 1200.0):
        spikes = ear.listen(tone(frequency, 0.15), RATE)
        counts = np.bincount(spikes.x, minlength=48)
        nearest = np.abs(ear.centres - frequency).argmin()
        assert abs(counts @ np.arange(48) / counts.sum() - nearest) < 4
        assert counts[nearest] > 5
    low = ear.listen(tone(300.0, 0.15), RATE)
    phases = np.exp(2j * np.pi * 300.0 * low.seconds[low.x == np.abs(ear.centres - 300.0).argmin()])
    assert abs(phases.mean()) > 0.8


def test_silence_is_almost_silent_and_the_seed_says_which_spikes():
    ear = Cochlea(channels=64)
    # About one spike a second of each channel.
    assert len(ear.listen(np.zeros(1600), RATE)) < 3 * 64 * 0.1
    sound = np.random.default_rng(0).normal(size=800)
    spikes = ear.listen(sound, RATE, seed=1)
    assert len(spikes) > 20
    assert spikes == ear.listen(1000.0 * sound, RATE, seed=1)  # loudness is set by `level`
    assert spikes != ear.listen(sound, RATE, seed=2)
    louder = Cochlea(channels=64, level=85.0).listen(sound, RATE, seed=1)
    assert len(louder) > len(spikes)
    assert len(ear.listen(np.zeros(0), RATE)) == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Cochlea(channels=0), r"Cochlea\.channels: got 0; allowed is a whole number from 1"),
        (lambda: Cochlea(tau=-1.0), r"Cochlea\.tau: got -1.0"),
        (lambda: Cochlea(low=9000.0), r"Cochlea\.low: got 9000, above high=6000"),
        (lambda: Cochlea().listen(np.zeros(9), 8000), r"listen\.rate: got 8000; allowed is more than twice"),
        (lambda: Cochlea().listen(np.zeros((9, 2)), RATE), r"listen\.sound: got shape \(9, 2\)"),
        (lambda: Cochlea().listen([0.0, np.nan], RATE), "are not finite"),
    ],
)
def test_sounds_and_ears_that_cannot_be_are_named(wrong, message):
    with pytest.raises(rb.SpecError, match=message):
        wrong()
