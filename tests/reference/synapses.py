"""Neurons with shaped synaptic currents and conductances, from their equations, in float64.

As in `neurons.py`, whose `Trigger` fires and resets them: each function takes one neuron's input as lists
with one number per step, one list for each receptor.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import solve_ivp


def time_course(tau, tau_rise, t):
    """What an input of 1 makes t seconds later, with a peak of 1: one of three shapes."""
    if tau_rise is None:
        return math.exp(-t / tau)
    if tau_rise == tau:
        return t / tau * math.exp(1 - t / tau)
    peak = tau * tau_rise / (tau - tau_rise) * math.log(tau / tau_rise)
    height = math.exp(-peak / tau) - math.exp(-peak / tau_rise)
    return (math.exp(-t / tau) - math.exp(-t / tau_rise)) / height


def superposed(inputs, dt, tau, tau_rise):
    """Return a function of (step, part): the sum over all input so far, a part of a step after `step`.

    Without memory from step to step: each is summed anew from every input, which is slow and plain.
    """

    def value(step, part):
        given = [(k, x) for k, x in enumerate(inputs[: step + 1]) if x]
        return sum(x * time_course(tau, tau_rise, (step - k + part) * dt) for k, x in given)

    return value


def current_lif(trigger, inputs, dt, *, tau, receptors, capacitance=None, v_rest=0.0, drive=0.0):
    """Let v move by the integral of all currents' closed forms, by Gauss's rule on each step.

    `receptors` holds (tau, tau_rise or None) for each list of inputs. tau dv/dt = v_rest + R (drive + sum
    i) - v; input of a step acts from the next one on. Returns sent and v.
    """
    nodes, weights = np.polynomial.legendre.leggauss(10)
    resistance = 1.0 if capacitance is None else tau / capacitance
    currents = [superposed(x, dt, *times) for x, times in zip(inputs, receptors, strict=True)]
    v, sent, trace = v_rest, [], []
    for step in range(len(inputs[0])):
        v = trigger.begin(v)
        if not trigger.held:
            v = v_rest + resistance * drive + (v - v_rest - resistance * drive) * math.exp(-dt / tau)
            for part, weight in zip((1 + nodes) / 2, weights / 2, strict=True):
                total = sum(current(step - 1, part) for current in currents)
                v += weight * dt / tau * resistance * total * math.exp(-(1 - part) * dt / tau)
        s, v = trigger.end(v)
        sent.append(s)
        trace.append(v)
    return sent, trace


def conductance_slope(v, conductances, *, receptors, capacitance, g_leak, v_rest, drive):
    """C dv/dt = g_leak (v_rest - v) + sum g B(v) (E - v) + drive; B is the block by magnesium."""
    total = g_leak * (v_rest - v) + drive
    for g, (_, _, reversal, magnesium) in zip(conductances, receptors, strict=True):
        block = 1.0 if magnesium is None else 1 / (1 + magnesium / 3.57 * math.exp(-0.062 * v * 1e3))
        total += g * block * (reversal - v)
    return total / capacitance


def conductance_lif(trigger, inputs, dt, *, receptors, capacitance=200e-12, g_leak=10e-9, v_rest=-60e-3,
                    drive=0.0):  # fmt: skip
    """Solve the equation within each step to ten digits, with conductances summed over all input so far.

    `receptors` holds (tau, tau_rise or None, reversal, magnesium or None) for each list of inputs. Returns
    sent, v, and a list of the conductances' traces.
    """
    space = {"receptors": receptors, "capacitance": capacitance, "g_leak": g_leak}
    space |= {"v_rest": v_rest, "drive": drive}
    courses = [superposed(x, dt, *r[:2]) for x, r in zip(inputs, receptors, strict=True)]
    v, sent, trace = v_rest, [], []
    for step in range(len(inputs[0])):
        v = trigger.begin(v)
        if not trigger.held:

            def slope(t, y, before=step - 1):
                return [conductance_slope(y[0], [course(before, t / dt) for course in courses], **space)]

            v = solve_ivp(slope, (0.0, dt), [v], method="DOP853", rtol=1e-10, atol=1e-14).y[0, -1]
        s, v = trigger.end(v)
        sent.append(s)
        trace.append(v)
    return sent, trace, [[course(step, 0.0) for step in range(len(inputs[0]))] for course in courses]
