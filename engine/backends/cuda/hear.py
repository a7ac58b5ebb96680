"""What neurons that are joined all to all hear of each other, and what they hand back: sums in one order.

Import this module only where CUDA is wanted: see `words`.
"""

from __future__ import annotations

from typing import Any

from .words import device, f4, mul, ones, u4


@device
def list_sent(words: Any, bits: Any, i: Any) -> Any:
    """Return how many neurons before the i-th have their bit set, by words from `bits` on."""
    before = 0
    for k in range(i >> 5):
        before += ones(words[bits + k])
    return before + ones(words[bits + (i >> 5)] & ((u4(1) << u4(i & 31)) - u4(1)))


@device
def is_set(words: Any, bits: Any, i: Any) -> Any:
    """Return whether the i-th neuron has its bit set."""
    return (words[bits + (i >> 5)] >> u4(i & 31)) & u4(1) != u4(0)


@device
def heard(weights: Any, ids: Any, values: Any, place: Any, count: Any, n: Any, i: Any) -> Any:
    """Return what neuron i hears: its weights [n, n] by source, times values, of a list from a place on.

    Four are asked for before the first is added: memory answers late.
    """
    total = f4(0.0)
    whole = count - (count & 3)
    for k in range(place, place + whole, 4):
        a, b = weights[ids[k] * n + i], weights[ids[k + 1] * n + i]
        c, d = weights[ids[k + 2] * n + i], weights[ids[k + 3] * n + i]
        total = f4(total + mul(a, values[k]))
        total = f4(total + mul(b, values[k + 1]))
        total = f4(total + mul(c, values[k + 2]))
        total = f4(total + mul(d, values[k + 3]))
    for k in range(place + whole, place + count):
        total = f4(total + mul(weights[ids[k] * n + i], values[k]))
    return total


@device
def handed_back(weights: Any, gradients: Any, place: Any, n: Any, i: Any) -> Any:
    """Return what all n targets hand back to neuron i: its weights [n, n] by target, times gradients."""
    total = f4(0.0)
    whole = n - (n & 3)
    for k in range(0, whole, 4):
        a, b = weights[k * n + i], weights[(k + 1) * n + i]
        c, d = weights[(k + 2) * n + i], weights[(k + 3) * n + i]
        total = f4(total + mul(a, gradients[place + k]))
        total = f4(total + mul(b, gradients[place + k + 1]))
        total = f4(total + mul(c, gradients[place + k + 2]))
        total = f4(total + mul(d, gradients[place + k + 3]))
    for k in range(whole, n):
        total = f4(total + mul(weights[k * n + i], gradients[place + k]))
    return total
