"""Layers whose neurons spike once, by potentials in exact fractions. Imports nothing of ours.

A spike at t, of a window that ends at `end`, gives those that hear it a slope from t to end.
In its own window a potential rises by theta in each step, and the neuron spikes where it first reaches a
threshold of so many thetas as the window has steps, less a half.
"""

from fractions import Fraction


def potential(now, bias, weights, times, end):
    """What slopes have made of a potential by the beginning of a step; `times`: None for no spike."""
    spiked = ((w, t) for w, t in zip(weights, times, strict=True) if t is not None and t < now)
    return bias + sum((w * (min(now, end) - t) for w, t in spiked), Fraction(0))


def first_spike(u, theta, start, window, high):
    """The step of the spike of a neuron that its window finds at u; None for no spike."""
    for t in range(start + window - high, start + window):
        if u + theta * (t - start) >= theta * (window - Fraction(1, 2)):
            return t
    return None


def layers(times, end, weights, biases, thetas, window, highs):
    """Spike times of every layer, one window behind the other, and the potentials that the last ends with.

    All numbers but times are fractions; `thetas` and `highs` of each layer but the last, which never spikes.
    """
    found = []
    for k, (matrix, bias) in enumerate(zip(weights, biases, strict=True)):
        u = [potential(end, b, row, times, end) for row, b in zip(matrix, bias, strict=True)]
        if k == len(weights) - 1:
            return found, u
        times = [first_spike(v, q, end, window, highs[k]) for v, q in zip(u, thetas[k], strict=True)]
        found.append(times)
        end += window
