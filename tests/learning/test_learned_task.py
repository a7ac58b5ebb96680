"""What delays are good for: patterns that only times tell apart, with learned, drawn, or equal ones."""

import functools
import importlib.util
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.datasets import latency_patterns

torch = pytest.importorskip("torch")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "11_learn_delays.py"
SEEDS = range(3)


@functools.cache
def example():
    spec = importlib.util.spec_from_file_location("learn_delays", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def trained(arm, seed):
    torch.set_num_threads(1)
    return example().trained(arm, seed, epochs=25)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_learned_delays_tell_what_drawn_ones_tell_less_well_and_equal_ones_not_at_all(seed):
    (none,), (fixed, _) = trained("none", seed)[1], trained("fixed", seed)[1]
    module, (learned, afterwards) = trained("learned", seed)
    assert none <= 0.15  # chance is 0.1
    assert learned >= 0.92  # with delays rounded
    assert learned - fixed >= 0.04
    assert afterwards >= 0.98  # once weights were trained for delays of whole steps
    sent, differ = example().differing(module, example().patterns(seed, 1)[0][:, :100])
    assert sent > 5000
    assert differ == 0


@pytest.mark.slow
def test_what_learned_delays_win_over_drawn_ones_is_eight_points_on_average():
    won = [trained("learned", seed)[1][0] - trained("fixed", seed)[1][0] for seed in SEEDS]
    assert np.mean(won) >= 0.08


def test_patterns_of_a_class_differ_by_times_alone():
    data, other = latency_patterns(400, jitter=0.0), latency_patterns(400, jitter=0.0, part=1)
    assert (data.spikes.sum(axis=1) == 1).all()
    assert (data.spikes.sum(axis=2) <= 1).all()  # no two channels fire together
    times = data.spikes.argmax(axis=1)
    moved = times - data.latencies[data.labels]
    assert (moved == moved[:, :1]).all()
    assert set(moved[:, 0]) == set(range(20))
    assert np.array_equal(data.latencies, other.latencies)
    assert not np.array_equal(data.labels, other.labels)
    assert sorted(map(tuple, np.sort(data.latencies))) == [tuple(range(0, 24, 2))] * 10
    jittered = latency_patterns(400).spikes.argmax(axis=1) - times
    assert 0.35 < jittered.std() < 0.45  # the root of P(|x| > 0.5), where x has a standard deviation of 0.35
    for name, value in (("n", 0), ("jitter", -1.0), ("part", -1), ("classes", 2.5)):
        with pytest.raises(rb.SpecError, match=f"latency_patterns.{name}: got"):
            latency_patterns(**{"n": 3} | {name: value})
