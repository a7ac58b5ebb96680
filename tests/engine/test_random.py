"""The generator: published outputs, fair bits, exact laws, and keys that tell streams apart."""

import numpy as np
import pytest
from scipy import stats

from rheobase.engine.poisson import count_table
from rheobase.engine.random import (
    below,
    binomial,
    bits_array,
    draw64,
    normal_of,
    paired_bits_array,
    plain,
    stream_key,
    to_unit,
    uniform_array,
    uniform_of,
)

KEYS = [stream_key(seed, name, "stage") for seed in (0, 1) for name in ("a", "b")]


def test_draws_are_those_of_splitmix64():
    # The first outputs for the seed 1234567, as published with the generator's reference code.
    assert [int(draw64(np.uint64(1234567), k)) for k in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_streams_differ_by_seed_part_stage_and_trial():
    keys = {
        int(stream_key(seed, part, stage, trial))
        for seed in (0, 1)
        for part in ("a", "b", "ab")
        for stage in ("noise", "pairs")
        for trial in (0, 1)
    }
    assert len(keys) == 24


def ones(words):
    return np.unpackbits(np.ascontiguousarray(words).view(np.uint8)).reshape(words.size, -1)


@pytest.mark.parametrize("draw", [bits_array, paired_bits_array])
@pytest.mark.parametrize("key", KEYS)
def test_every_bit_is_fair_and_tells_nothing_of_another(draw, key):
    bits = ones(draw(key, np.arange(20_000))).astype(float)
    # 4.5 standard errors: of 32 bits, or 496 pairs, one false alarm in some hundred keys.
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 4.5 * 0.5 / np.sqrt(20_000)
    correlation = np.corrcoef(bits.T) - np.eye(32)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(20_000)


@pytest.mark.parametrize("draw", [bits_array, paired_bits_array])
def test_neighbours_and_consecutive_steps_are_independent(draw):
    step = [draw(draw64(KEYS[0], now), np.arange(20_000)) / 2.0**32 for now in range(3)]
    for one, other in ((step[0][1:], step[0][:-1]), (step[0][2:], step[0][:-2]), (step[0], step[1])):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(20_000)
    assert stats.kstest(step[2], "uniform").pvalue > 1e-3


def test_a_neighbouring_index_changes_half_of_the_bits():
    index = np.arange(4096)
    flipped = [ones(bits_array(KEYS[0], index) ^ bits_array(KEYS[0], index ^ (1 << b))) for b in range(20)]
    assert np.abs(np.mean(flipped, axis=(1, 2)) - 0.5).max() < 4 * 0.5 / np.sqrt(4096 * 32)


def test_the_halves_of_a_pair_are_those_of_one_hash():
    index = np.arange(100)
    pairs, upper = bits_array(KEYS[0], index >> 1), paired_bits_array(KEYS[0], index) >> np.uint32(16)
    assert (upper[0::2] == (pairs[0::2] & 0xFFFF) ^ 0x8000).all()
    assert (upper[1::2] == (pairs[1::2] >> np.uint32(16)) ^ 0x8000).all()


def test_uniform_numbers_lie_strictly_between_zero_and_one():
    assert 0.0 < to_unit(np.uint64(0)) < to_unit(np.uint64(2**64 - 1)) < 1.0
    assert stats.kstest(uniform_array(KEYS[1], 20_000), "uniform").pvalue > 1e-3


def places():
    """Return 32 random bits from everywhere, and every place near the ends and the middle."""
    edges = np.concatenate([np.arange(1 << 16), (1 << 31) + np.arange(-(1 << 16), 1 << 16)])
    scales = (2.0 ** np.linspace(0, 31, 100_000)).astype(np.int64)
    some = bits_array(KEYS[0], np.arange(200_000)).astype(np.int64)
    one = np.concatenate([edges, scales, some])
    return np.unique(np.concatenate([one, (1 << 32) - 1 - one])).astype(np.uint32)


def test_normal_numbers_are_quantiles_within_their_stated_error_in_the_tails_too():
    bits = places()
    nearer = np.minimum(bits, ~bits)
    exact = np.where(bits == nearer, 1, -1) * stats.norm.ppf((nearer + 0.5) / 2.0**32)
    ours = plain(normal_of)(bits)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, exact, rtol=5e-7)
    np.testing.assert_allclose(ours[[0, -1]], [-6.337957, 6.337957], atol=2e-6)
    # No two places are told apart in the wrong order by more than the error.
    assert np.all(np.diff(ours) > -1e-6)


def test_the_source_that_cuda_takes_has_the_bits_of_the_lines_it_comes_from():
    from rheobase.engine.backends.cuda.source import separated

    bits = places()
    for draw in (normal_of, uniform_of):
        namespace = {"device": lambda function: function, "mul": np.multiply, "np": np}
        exec(separated(plain(draw), "number_of"), namespace)
        np.testing.assert_array_equal(namespace["number_of"](bits), plain(draw)(bits))


def test_compiled_draws_have_the_bits_of_those_on_arrays():
    bits = places()[::97]
    for draw in (normal_of, uniform_of):
        np.testing.assert_array_equal([draw(b) for b in bits], plain(draw)(bits))


def test_uniform_numbers_are_the_upper_24_bits():
    bits = np.array([0, 255, 256, 2**32 - 1], np.uint32)
    np.testing.assert_array_equal(plain(uniform_of)(bits), [0.0, 0.0, 2.0**-24, 1.0 - 2.0**-24])


def test_whole_numbers_below_n_are_equally_likely():
    drawn = [below(np.uint64(draw64(KEYS[2], k)), 7) for k in range(14_000)]
    assert stats.chisquare(np.bincount(drawn, minlength=7)).pvalue > 1e-3


@pytest.mark.parametrize(("n", "p"), [(1, 0.3), (10, 0.5), (1000, 0.001), (1000, 0.7), (10**6, 1e-5)])
def test_binomial_numbers_follow_their_law(n, p):
    # Over equally spaced uniforms, each value must come up as often as it is likely.
    grid = (np.arange(20_000) + 0.5) / 20_000
    drawn = np.array([binomial(n, p, u) for u in grid])
    values = np.arange(drawn.min(), drawn.max() + 1)
    share = np.bincount(drawn - drawn.min()) / grid.size
    assert np.abs(share - stats.binom.pmf(values, n, p)).max() < 2 / grid.size
    assert stats.binom.pmf(values, n, p).sum() > 0.999


@pytest.mark.parametrize(("n", "p", "value"), [(0, 0.5, 0), (9, 0.0, 0), (9, 1.0, 9)])
def test_binomial_numbers_without_chance(n, p, value):
    assert binomial(n, p, 0.3) == value


@pytest.mark.parametrize("mean", [1e-4, 0.3, 1.0, 7.5, 300.0])
def test_thresholds_of_poisson_counts_are_its_cumulative_law(mean):
    table = count_table("source", np.array([mean]))
    counts = table.base[0] + np.arange(table.lengths[0])
    np.testing.assert_allclose(
        table.thresholds[0, : counts.size] / 2.0**32, stats.poisson.cdf(counts, mean), atol=2.0**-32
    )
    if table.base[0] > 0:
        assert stats.poisson.cdf(table.base[0] - 1, mean) < 2.0**-32
    bits = np.array([0, 2**31, 2**32 - 1], np.uint32)
    expected = np.maximum(stats.poisson.ppf((bits + 0.5) / 2.0**32, mean), table.base[0])
    assert np.abs(table.counts(bits, 0) - expected).max() <= 1
