"""The queue of pending events: order, growth, and what it holds."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from rheobase.engine.backends.event.queue import (
    PENDING,
    drop_first,
    fill,
    grown,
    listed,
    make_queue,
    push,
    ready,
)


@njit
def _take(queue, n, until):
    out = np.full((n, 3), -1)
    for k in range(n):
        if not ready(queue, until):
            break
        out[k] = queue.heap[0]
        drop_first(queue)
    return out


@njit
def _push(queue, time, code, extra):
    push(queue, time, code, extra)


@pytest.mark.parametrize("spread", [1, 100, 10**12])
@pytest.mark.parametrize("shift", [0, 10, 30])
def test_events_come_in_order_of_time_code_and_extra_however_they_were_put_in(spread, shift):
    rng = np.random.default_rng(spread + shift)
    events = np.stack([rng.integers(0, spread, 3000), rng.integers(0, 5, 3000), rng.integers(0, 3, 3000)], 1)
    queue = make_queue(3000, shift=shift)
    fill(queue, events)
    order = np.lexsort(events.T[::-1])
    assert np.array_equal(listed(queue), events[order])
    assert np.array_equal(_take(queue, 3000, 2**61), events[order])
    assert queue.words[PENDING] == 0


@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from([0, 1, 7, 300, 10**6, 10**13]), st.integers(0, 3))),
    st.sampled_from([0, 12]),
)
@settings(max_examples=60, deadline=None)
def test_putting_in_and_taking_out_by_turns_is_what_a_heap_does(steps, shift):
    queue, heap, now, k = make_queue(8, shift=shift), [], 0, 0
    for pops, ahead, code in steps:
        for _ in range(pops):
            expected = heapq.heappop(heap) if heap else (-1, -1, -1)
            assert tuple(_take(queue, 1, 2**61)[0]) == expected
            now = max(now, expected[0])
        if len(heap) == len(queue.heap):
            queue = grown(queue, 2 * len(heap), now)
        for event in ((now + ahead, code, k), (now, code, k)):
            if len(heap) == len(queue.heap):
                queue = grown(queue, 2 * len(heap), now)
            _push(queue, *event)
            heapq.heappush(heap, event)
            k += 1
    rest = [heapq.heappop(heap) for _ in range(len(heap))]
    assert [tuple(event) for event in listed(queue).tolist()] == rest
    assert [tuple(event) for event in _take(queue, len(rest), 2**61).tolist()] == rest


def test_nothing_is_taken_that_is_not_before_the_end():
    queue = make_queue(10, shift=3)
    fill(queue, np.array([[5, 0, 0], [90, 0, 0], [10**9, 0, 0]]))
    assert _take(queue, 9, 90)[:2, 0].tolist() == [5, -1]
    _push(queue, 20, 0, 0)
    assert _take(queue, 9, 91)[:3, 0].tolist() == [20, 90, -1]
    assert listed(queue)[:, 0].tolist() == [10**9]


def test_buckets_become_as_wide_as_events_are_far_apart():
    rng = np.random.default_rng(1)
    widths = []
    for gap in (10**3, 10**9):
        queue, now = make_queue(1000, shift=20), np.sort(rng.integers(0, 1000 * gap, 1000))
        fill(queue, np.stack([now, np.zeros(1000, int), np.arange(1000)], axis=1))
        for _ in range(300):
            taken = _take(queue, 100, 2**61)
            later = taken + np.array([1000 * gap, 0, 0])
            fill(queue, later)
        widths.append(queue.words[4] - np.log2(gap))
    assert abs(widths[0] - widths[1]) < 6
