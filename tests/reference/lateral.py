"""Lateral connections written by hand from their equations, one input at a time."""

import numpy as np


def learn(old, new, drift, x, rate, iterations=5, clip=10.0, told=lambda y: y):
    """Return new rows and their momentum after a batch: D = <y (x - H^T y)^T> of all rows, new ones move.

    `told`: what subspace neurons tell of their y.
    """
    new, drift = new.copy(), drift.copy()
    for _ in range(iterations):
        rows = np.vstack([old, new])
        change = np.zeros_like(rows)
        for one in x:
            y = told(rows @ one)
            change += np.outer(y, one - rows.T @ y)
        change = np.clip(change / len(x), -clip, clip)[len(old) :]
        drift = 0.9 * drift + 0.1 * change
        new = new + rate * drift
    return new, drift
