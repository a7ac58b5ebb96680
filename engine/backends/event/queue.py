"""The queue of pending events: a ring of buckets by time, of which the next lies in a small heap.

Events are ordered by (time, code, extra), whatever the order in which they came. One is put into its
bucket without a look at others; a bucket's events are only ordered when its time has come, within the
cache. What lies beyond the ring waits in a list of its own. The width of a bucket follows what is
found in them, so that a million pending events cost about what a thousand do.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...compiled import compiled, inlined

#: Words of `Queue.words`: events in the heap, first free entry, number of pending events, bucket to be
#: loaded next, the bucket's width as a power of two, events in the ring, first beyond it, earliest bucket
#: of those beyond, buckets loaded, empty buckets passed, and events taken since the last look.
HEAP, FREE, PENDING, NEXT, SHIFT, IN_RING, BEYOND, FIRST_BEYOND, LOADS, EMPTY, TAKEN = range(11)
_END = -1
_NEVER = 2**62
#: Buckets are made narrower where more events are found in one, and wider where fewer.
_MANY, _FEW = 48, 3
#: Loads between two looks at the width, at most.
_LOOK = 64


class Queue(NamedTuple):
    """Pending events.

    Attributes
    ----------
    heap : int64 (capacity, 3)
        Events of the buckets that have been loaded, a binary heap of (time, code, extra).
    pool : int64 (capacity, 3)
        Events in the ring and beyond.
    following : int32 (capacity,)
        The next entry of the pool in the same bucket, or free.
    ring : int32 (buckets,)
        The first entry of each bucket; their number is a power of two.
    words : int64 (11,)
        See `HEAP` and its neighbours.
    """

    heap: np.ndarray
    pool: np.ndarray
    following: np.ndarray
    ring: np.ndarray
    words: np.ndarray


def make_queue(capacity: int, *, shift: int, now: int = 0) -> Queue:
    """Return an empty queue for so many events.

    Parameters
    ----------
    capacity
        Events that can be pending at a time.
    shift
        First width of a bucket, in steps, as a power of two.
    now
        No event will be earlier.
    """
    buckets = 1 << max((capacity // 8).bit_length(), 6)
    following = np.arange(1, capacity + 1, dtype=np.int32)
    following[-1:] = _END
    words = np.zeros(11, np.int64)
    words[[NEXT, SHIFT, BEYOND, FIRST_BEYOND]] = now >> shift, shift, _END, _NEVER
    return Queue(
        np.empty((capacity, 3), np.int64),
        np.empty((capacity, 3), np.int64),
        following,
        np.full(buckets, _END, np.int32),
        words,
    )


def listed(queue: Queue) -> np.ndarray:
    """Return all pending events in order, int64 (n, 3): time, code, extra."""
    out = np.empty((int(queue.words[PENDING]), 3), np.int64)
    _list_all(queue, out)
    return out[np.lexsort((out[:, 2], out[:, 1], out[:, 0]))]


def grown(queue: Queue, capacity: int, now: int) -> Queue:
    """Return a queue with the same events and room for more."""
    larger = make_queue(capacity, shift=int(queue.words[SHIFT]), now=now)
    fill(larger, listed(queue))
    return larger


@compiled()
def fill(queue: Any, events: Any) -> None:
    """Put events (n, 3) into a queue that has room for them."""
    for k in range(len(events)):
        push(queue, events[k, 0], events[k, 1], events[k, 2])


@inlined
def push(queue: Any, time: Any, code: Any, extra: Any) -> None:
    """Add an event; there must be room."""
    words = queue.words
    words[PENDING] += 1
    bucket = time >> words[SHIFT]
    if bucket < words[NEXT]:
        _sift_up(queue.heap, words[HEAP], time, code, extra)
        words[HEAP] += 1
        return
    at = words[FREE]
    words[FREE] = queue.following[at]
    queue.pool[at, 0], queue.pool[at, 1], queue.pool[at, 2] = time, code, extra
    _place(queue, at, bucket)


@inlined
def _place(queue: Any, at: Any, bucket: Any) -> None:
    """Chain an entry of the pool to its bucket, or to those beyond the ring."""
    words, ring = queue.words, queue.ring
    if bucket - words[NEXT] < ring.size:
        slot = bucket & (ring.size - 1)
        queue.following[at] = ring[slot]
        ring[slot] = at
        words[IN_RING] += 1
    else:
        queue.following[at] = words[BEYOND]
        words[BEYOND] = at
        words[FIRST_BEYOND] = min(words[FIRST_BEYOND], bucket)


@inlined
def ready(queue: Any, until: Any) -> Any:
    """Bring the earliest event to the top of the heap; return whether there is one before `until`."""
    return (queue.words[HEAP] > 0 or _load(queue, until)) and queue.heap[0, 0] < until


@compiled()
def _load(queue: Any, until: Any) -> Any:
    """Load the next bucket that is not empty; return whether there is one that begins before `until`."""
    words, ring = queue.words, queue.ring
    while words[HEAP] == 0:
        if words[PENDING] == 0:
            return False
        if words[LOADS] >= _LOOK or (words[TAKEN] >= _LOOK * _MANY and words[LOADS] > 0):
            _adapt(queue)
        if words[IN_RING] == 0:
            if words[FIRST_BEYOND] >= (until >> words[SHIFT]) + 1:
                return False
            words[NEXT] = words[FIRST_BEYOND]
        if words[FIRST_BEYOND] <= words[NEXT]:
            _fetch_beyond(queue)
        if (words[NEXT] << words[SHIFT]) >= until:
            return False
        slot = words[NEXT] & (ring.size - 1)
        at = ring[slot]
        words[NEXT] += 1
        if at == _END:
            words[EMPTY] += 1
            continue
        ring[slot] = _END
        words[LOADS] += 1
        while at != _END:
            after = queue.following[at]
            _sift_up(queue.heap, words[HEAP], queue.pool[at, 0], queue.pool[at, 1], queue.pool[at, 2])
            words[HEAP] += 1
            words[IN_RING] -= 1
            queue.following[at] = words[FREE]
            words[FREE] = at
            at = after
    return True


@inlined
def drop_first(queue: Any) -> None:
    """Take the event at the top of the heap away."""
    words, heap = queue.words, queue.heap
    words[PENDING] -= 1
    words[TAKEN] += 1
    words[HEAP] -= 1
    n = words[HEAP]
    if n == 0:
        return
    time, code, extra = heap[n, 0], heap[n, 1], heap[n, 2]
    at, child = 0, 1
    while child < n:
        if child + 1 < n and _before(heap, child + 1, heap[child, 0], heap[child, 1], heap[child, 2]):
            child += 1
        if not _before(heap, child, time, code, extra):
            break
        heap[at, 0], heap[at, 1], heap[at, 2] = heap[child, 0], heap[child, 1], heap[child, 2]
        at, child = child, 2 * child + 1
    heap[at, 0], heap[at, 1], heap[at, 2] = time, code, extra


@inlined
def _sift_up(heap: Any, at: Any, time: Any, code: Any, extra: Any) -> None:
    while at > 0:
        parent = (at - 1) >> 1
        if _before(heap, parent, time, code, extra):
            break
        heap[at, 0], heap[at, 1], heap[at, 2] = heap[parent, 0], heap[parent, 1], heap[parent, 2]
        at = parent
    heap[at, 0], heap[at, 1], heap[at, 2] = time, code, extra


@inlined
def _before(heap: Any, at: Any, time: Any, code: Any, extra: Any) -> Any:
    """Return whether an entry of the heap comes before an event."""
    if heap[at, 0] != time:
        return heap[at, 0] < time
    if heap[at, 1] != code:
        return heap[at, 1] < code
    return heap[at, 2] < extra


@compiled()
def _fetch_beyond(queue: Any) -> None:
    """Put into the ring what has come within its reach."""
    words = queue.words
    at = words[BEYOND]
    words[BEYOND], words[FIRST_BEYOND] = _END, _NEVER
    while at != _END:
        after = queue.following[at]
        _place(queue, at, queue.pool[at, 0] >> words[SHIFT])
        at = after


@compiled()
def _adapt(queue: Any) -> None:
    """Change the width of buckets where they are too full or too empty, if enough was taken to pay for it."""
    words = queue.words
    if words[TAKEN] < words[PENDING] >> 2:
        return
    full, change = words[TAKEN] // words[LOADS], 0
    if full > _MANY:
        while (full >> -change) > _MANY // 4 and words[SHIFT] + change > 0:
            change -= 1
    elif full < _FEW and words[EMPTY] > words[LOADS]:
        while (words[EMPTY] // words[LOADS]) >> change > 0 and words[SHIFT] + change < 60:
            change += 1
    if change != 0:
        _rebuild(queue, words[SHIFT] + change)
    words[LOADS], words[EMPTY], words[TAKEN] = 0, 0, 0


@compiled()
def _rebuild(queue: Any, shift: Any) -> None:
    """Give buckets another width; the heap is empty."""
    words, ring, following = queue.words, queue.ring, queue.following
    chain = words[BEYOND]
    for slot in range(ring.size):
        at = ring[slot]
        while at != _END:
            after = following[at]
            following[at] = chain
            chain = at
            at = after
        ring[slot] = _END
    words[NEXT] = (words[NEXT] << words[SHIFT]) >> shift
    words[SHIFT], words[IN_RING] = shift, 0
    words[BEYOND] = chain
    _fetch_beyond(queue)


@compiled()
def _list_all(queue: Any, out: Any) -> None:
    n = queue.words[HEAP]
    for k in range(n):
        for j in range(3):
            out[k, j] = queue.heap[k, j]
    for slot in range(-1, queue.ring.size):
        at = queue.words[BEYOND] if slot < 0 else np.int64(queue.ring[slot])
        while at != _END:
            for j in range(3):
                out[n, j] = queue.pool[at, j]
            n += 1
            at = np.int64(queue.following[at])
