"""Neurons that make their own upstroke, from their equations: step by step, and to the tolerance of a solver.

One neuron at a time, in float64. Step by step, input is a list with one number per step, and what is returned
are lists with one number per step.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import solve_ivp

#: Runge-Kutta methods: the weight of each slope, and how far one goes ahead along the last to find it.
METHODS = {
    "euler": ([1.0], [0.0]),
    "heun": ([1 / 2, 1 / 2], [0.0, 1.0]),
    "rk4": ([1 / 6, 1 / 3, 1 / 3, 1 / 6], [0.0, 1 / 2, 1 / 2, 1.0]),
}


def izhikevich(inputs, currents, dt_ms, *, a, b, c, d, drive=0.0, method="half_steps", v_peak=30.0):
    """dv/dt = 0.04 v^2 + 5 v + 140 - u + I, du/dt = a (b v - u); then v += input."""
    v, u = -65.0, -65.0 * b
    sent, v_trace, u_trace = [], [], []
    for x, current in zip(inputs, currents, strict=True):
        total = drive + current
        if method == "euler":
            new_u = u + dt_ms * a * (b * v - u)
            v += dt_ms * (0.04 * v**2 + 5 * v + 140 - u + total)
        else:
            for _ in range(2):
                v += 0.5 * dt_ms * (0.04 * v**2 + 5 * v + 140 - u + total)
            new_u = u + dt_ms * a * (b * v - u)
        v, u = v + x, new_u
        fires = v >= v_peak
        if fires:
            v, u = c, u + d
        sent.append(float(fires))
        v_trace.append(v)
        u_trace.append(u)
    return sent, v_trace, u_trace


def exponential(inputs, currents, dt, *, capacitance, g_leak, v_rest, threshold, slope_factor, v_peak,
                v_reset, drive=0.0, tau_w=None, a=0.0, b=0.0, refractory=0.0, method="heun",
                synapses=()):  # fmt: skip
    """C dv/dt = g (E - v) + g D exp((v - T) / D) - w + I + sum of synapses, tau_w dw/dt = a (v - E) - w.

    `inputs` holds one list for each synapse, or a single one that adds to v if there is none. A synapse is
    (tau, reversal), a current where the reversal is None. What enters the right-hand side is at most
    v_peak. Returns sent, v and w.
    """
    weights, ahead = METHODS[method]
    silence, silent = math.floor(refractory / dt + 0.5), 0
    v, w, opened = v_rest, 0.0, [0.0] * len(synapses)
    sent, v_trace, w_trace = [], [], []
    for step, current in enumerate(currents):

        def slopes(v, w, late, opened=tuple(opened), current=current, held=silent > 0):
            v = min(v, v_peak)
            total = g_leak * (v_rest - v) + g_leak * slope_factor * math.exp((v - threshold) / slope_factor)
            total += drive + current - w
            for (tau, reversal), now in zip(synapses, opened, strict=True):
                left = now * math.exp(-late / tau)
                total += left if reversal is None else left * (reversal - v)
            follows = (a * (v - v_rest) - w) / tau_w if tau_w else 0.0
            return (0.0 if held else total / capacitance), follows

        dv, dw, last = 0.0, 0.0, (0.0, 0.0)
        for weight, share in zip(weights, ahead, strict=True):
            last = slopes(v + share * dt * last[0], w + share * dt * last[1], share * dt)
            dv, dw = dv + weight * dt * last[0], dw + weight * dt * last[1]
        v, w = v + dv, w + dw
        if not synapses and not silent:
            v += inputs[0][step]
        for k, (tau, _) in enumerate(synapses):
            opened[k] = opened[k] * math.exp(-dt / tau) + inputs[k][step]
        fires = not silent and v >= v_peak
        silent = silence if fires else max(0, silent - 1)
        if fires:
            v, w = v_reset, w + b
        sent.append(float(fires))
        v_trace.append(v)
        w_trace.append(w)
    return sent, v_trace, w_trace


def solve(slopes, start, seconds, *, v_peak, reset, at=()):
    """Solve d(v, ...)/dt = slopes(t, y) to a tolerance of 1e-10, with `reset(y)` where v reaches the peak.

    Returns the spike times, and y at each of the times `at`.
    """

    def peak(t, y):
        return y[0] - v_peak

    peak.terminal, peak.direction = True, 1.0
    t, y, at = 0.0, np.array(start, dtype=float), np.asarray(at, dtype=float)
    spikes, seen = [], np.full((at.size, y.size), np.nan)
    while t < seconds:
        done = solve_ivp(
            slopes, (t, seconds), y, "DOP853", rtol=1e-10, atol=1e-10 * np.abs(start).max(), events=peak,
            dense_output=True,
        )  # fmt: skip
        within = (at >= t) & (at <= done.t[-1])
        seen[within] = done.sol(at[within]).T if within.any() else seen[within]
        t, y = done.t[-1], done.y[:, -1]
        if done.status == 1:
            spikes.append(t)
            y = reset(y)
    return np.array(spikes), seen
