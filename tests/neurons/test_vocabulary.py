"""The words of the vocabulary against NumPy in float64 and against closed truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rheobase.neurons import vocabulary as words


def test_exp_in_single_precision_is_within_its_stated_error():
    x = np.linspace(-87, 88, 400_001, dtype=np.float32)
    truth = np.exp(x.astype(np.float64))
    ours = words.exp(x)
    assert ours.dtype == np.float32
    assert np.max(np.abs(ours / truth - 1)) < 2e-7


def test_exp_neither_overflows_nor_hides_nan():
    ours = words.exp(np.array([-1e9, 1e9, np.nan, 0.0], np.float32))
    assert 0 <= ours[0] < 1e-37
    assert 1e38 < ours[1] < np.inf
    assert np.isnan(ours[2])
    assert ours[3] == 1.0


def test_exp_in_double_precision_is_within_its_stated_error():
    x = np.linspace(-708.0, 709.0, 200_001)
    exact = np.exp(x.astype(np.longdouble))
    assert np.max(np.abs(words.exp(x) / exact - 1)) < 4e-16
    assert words.exp(x).dtype == np.float64
    assert np.isnan(words.exp(np.array([np.nan]))).all()


def test_exp_of_one_number_is_the_same_as_in_an_array():
    x = np.float32(1.2345)
    assert words.exp(x) == words.exp(np.array([x]))[0]


def test_nearest_power_of_two_of_whole_numbers(twins):
    d = np.arange(-600, 601)
    np.testing.assert_array_equal(words.nearest_pow2(d), [twins.neurons.power_of_two(int(k)) for k in d])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nearest_power_of_two_of_fractions(twins, dtype):
    d = (np.random.default_rng(1).normal(size=500) * 2.0 ** np.arange(-10, 10).repeat(25)).astype(dtype)
    ours = words.nearest_pow2(d)
    assert ours.dtype == dtype
    np.testing.assert_array_equal(ours, [twins.neurons.power_of_two(float(k)) for k in d])


def test_remainder_after_a_power_of_two_is_at_most_a_third():
    d = np.arange(1, 2000)
    assert np.max(np.abs(d - words.nearest_pow2(d)) / d) <= 1 / 3


def test_spike_counts_the_threshold_itself_as_reached():
    np.testing.assert_array_equal(words.spike(np.array([-1e-30, 0.0, -0.0, 1e-30])), [0, 1, 1, 1])


def test_where_takes_any_number_but_zero_as_true():
    np.testing.assert_array_equal(words.where(np.array([0.0, 1.0, -2.0]), 5.0, 7.0), [7, 5, 5])


def test_minimum_maximum_and_floor():
    assert words.minimum(2.0, -3.0) == -3.0
    assert words.maximum(2.0, -3.0) == 2.0
    assert words.floor(-0.5) == math.floor(-0.5) == -1


@pytest.mark.parametrize("word", words.DRAWS)
def test_draws_have_no_meaning_outside_a_run(word):
    with pytest.raises(RuntimeError, match=rf"{word}\(\) .*only inside a run"):
        getattr(words, word)(0)
