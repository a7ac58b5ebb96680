"""Tasks one after another: what is scored, when, and what a permutation leaves as it was."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning.continual import Continual, Task, permuted, run_tasks


def task(name="digits", n=6):
    rng = np.random.default_rng(0)
    return Task(name, rng.random((n, 3, 4)), np.arange(n), rng.random((2, 3, 4)), np.arange(2))


def test_transfer_is_what_tasks_gained_since_and_before_they_were_learned():
    accuracy = np.array([[0.9, 0.3, 0.1], [0.8, 0.7, 0.4], [0.6, 0.8, 0.9]])
    found = Continual(accuracy, np.array([0.5, 0.1, 0.2]), ("a", "b", "c"))
    assert found.average == pytest.approx((0.6 + 0.8 + 0.9) / 3)
    assert found.backward == pytest.approx(((0.6 - 0.9) + (0.8 - 0.7)) / 2)
    assert found.forward == pytest.approx(((0.3 - 0.1) + (0.4 - 0.2)) / 2)
    alone = Continual(np.array([[0.9]]), np.array([0.1]), ("a",))
    assert np.isnan(alone.backward)
    assert np.isnan(alone.forward)


def test_all_tasks_are_scored_before_the_first_and_after_each():
    tasks, learned, scored = permuted(task(), 3), [], []

    def score(other):
        scored.append((len(learned), other.name))
        return len(scored) / 100

    found = run_tasks(tasks, lambda t: learned.append(t.name), score)
    names = ["digits", "digits 1", "digits 2"]
    assert learned == names
    assert scored == [(k, name) for k in range(4) for name in names]
    np.testing.assert_allclose(found.first, [0.01, 0.02, 0.03])
    np.testing.assert_allclose(found.accuracy, np.arange(4, 13).reshape(3, 3) / 100)


def test_permuted_tasks_hold_the_same_numbers_in_another_order_for_each():
    first, second, third = permuted(task(), 3, seed=5)
    assert first.name == "digits"
    assert not np.array_equal(second.x, third.x)
    for other in (second, third):
        order = [int(np.flatnonzero(first.x[0].ravel() == value)[0]) for value in other.x[0].ravel()]
        assert sorted(order) == list(range(12)) != order
        for before, after in ((first.x, other.x), (first.x_test, other.x_test)):
            assert after.shape == before.shape
            np.testing.assert_array_equal(after.reshape(-1, 12), before.reshape(-1, 12)[:, order])
    np.testing.assert_array_equal(permuted(task(), 3, seed=5)[2].x, third.x)


def test_tasks_without_samples_or_with_one_name_are_refused():
    with pytest.raises(rb.SpecError, match="Task t: got 2 samples and 1 classes"):
        Task("t", np.eye(2), np.zeros(1), np.eye(2), np.zeros(2))
    with pytest.raises(rb.SpecError, match=r"run_tasks\.tasks: got \['digits', 'digits'\]"):
        run_tasks([task(), task()], lambda t: None, lambda t: 1.0)
    with pytest.raises(rb.SpecError, match=r"run_tasks\.tasks: got \[\]"):
        run_tasks([], lambda t: None, lambda t: 1.0)
