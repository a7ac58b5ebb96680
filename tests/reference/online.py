"""Online training through time from its equations, layer by layer, in float64."""

from __future__ import annotations

import numpy as np


def ottt(weights, x, leak, slope, goal, rate=0.0):
    """Return the spikes of the last layer and the gradient of each weight matrix.

    x is [steps, batch, n]; a layer is u <- leak u + W s, spikes where u >= 1, then u <- u - 1. The loss of a
    step is the mean over all of (spikes - goal)^2, divided by the steps; the derivative of a spike is
    `slope` of the distance above threshold. A layer's error times the trace a <- leak a + s of what came in
    is the gradient of its weights, and no error goes back in time. With a rate, weights move by it times
    their gradient after every step.
    """
    steps, batch = x.shape[:2]
    weights = list(weights)
    potential = [np.zeros((batch, len(w))) for w in weights]
    trace = [np.zeros((batch, w.shape[1])) for w in weights]
    found = [np.zeros(w.shape) for w in weights]
    sent = []
    for t in range(steps):
        s, above = x[t], []
        for k, w in enumerate(weights):
            trace[k] = leak * trace[k] + s
            potential[k] = leak * potential[k] + s @ w.T
            above.append(potential[k] - 1.0)
            s = (above[k] >= 0).astype(float)
            potential[k] = potential[k] - s
        sent.append(s)
        error = 2.0 * (s - goal) / goal.size / steps
        for k in reversed(range(len(weights))):
            delta = error * slope(above[k])
            gradient = delta.T @ trace[k]
            error = delta @ weights[k]
            found[k] += gradient
            weights[k] = weights[k] - rate * gradient
    return np.array(sent), found
