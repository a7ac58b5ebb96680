"""Quantised networks with whole numbers, layer by layer, from their definitions. Imports nothing of ours.

Weights are whole numbers of steps; sums are exact. All return whole numbers that are told, or totals.
"""

import math

import numpy as np


def count(value, theta, low, high):
    """The whole number nearest to value / theta; ties go up; also how far all are from a tie."""
    units = value / theta
    distance = np.abs(units - np.floor(units) - 0.5).min()
    return np.clip(np.floor(units + 0.5), low, high).astype(np.int64), distance


def sums(weights, step, n, bias):
    """step * (weights @ n + bias), in whole numbers."""
    return (weights.astype(np.int64) @ n + bias.astype(np.int64)) * step


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def relu(x):
    return np.maximum(x, 0)


def layers(x, theta, bounds, weights, steps, biases, functions):
    """A stack of linear layers: totals of the last, and the smallest distance from a tie."""
    n, nearest = count(x, theta[0], *bounds[0])
    for i, (w, step, b) in enumerate(zip(weights, steps, biases, strict=True)):
        u = sums(w, step, n, b)
        if i == len(weights) - 1:
            return u, nearest
        n, distance = count(functions[i](u), theta[i + 1], *bounds[i + 1])
        nearest = min(nearest, distance)


def softmax(rows):
    e = np.exp(rows - rows.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention(q, k, v, shares):
    """softmax(q k^T) v for one head: values that have been told; `shares` tells the softmax again."""
    return shares(softmax(q @ k.T)) @ v
