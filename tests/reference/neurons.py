"""Neuron models from their equations, one neuron at a time, in float64, with plain loops.

Each function takes the input of one neuron as a list with one number per step (already summed over
synapses) and returns lists with one number per step: what was sent, and the state after the step.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import expm


class Trigger:
    """Threshold, reset and refractory time of one neuron."""

    def __init__(self, dt, threshold=1.0, reset="hard", v_reset=0.0, reset_by=None, refractory=0.0,
                 strict=False, reset_delay=False):  # fmt: skip
        self.threshold = threshold
        self.reset = reset
        self.v_reset = v_reset
        self.amount = threshold if reset_by is None else reset_by
        self.silence = math.floor(refractory / dt + 0.5)
        self.strict = strict
        self.late = reset_delay
        self.steps_left = 0
        self.owed = False

    def begin(self, v):
        """Reset to v_reset that the last step's spike still owes: before time passes."""
        return self.v_reset if self.owed and self.reset == "hard" else v

    def end(self, v):
        """Subtraction that the last step's spike still owes: after input; then the threshold."""
        if self.owed and self.reset == "soft":
            v = v - self.amount
        self.owed = False
        if self.steps_left > 0:
            self.steps_left -= 1
            return 0.0, v
        fires = v > self.threshold if self.strict else v >= self.threshold
        if not fires:
            return 0.0, v
        self.steps_left = self.silence
        if self.late:
            self.owed = True
        elif self.reset == "hard":
            v = self.v_reset
        elif self.reset == "soft":
            v = v - self.amount
        return 1.0, v

    @property
    def held(self):
        return self.steps_left > 0


class LiftedTrigger(Trigger):
    """One whose threshold each spike lifts by `step`, a lift that decays with `tau`.

    Where nothing else is said, a subtraction takes off the threshold as it stands.
    """

    def __init__(self, dt, threshold=1.0, *, tau, step, reset_by=None, **firing):
        super().__init__(dt, threshold, reset_by=reset_by, **firing)
        self.rest, self.decay, self.step, self.lift = threshold, math.exp(-dt / tau), step, 0.0
        self.follows = reset_by is None

    def end(self, v):
        self.lift *= self.decay
        self.threshold = self.rest + self.lift
        if self.follows:
            self.amount = self.threshold
        fired, v = super().end(v)
        self.lift += fired * self.step
        return fired, v


def _run(inputs, v, trigger, move):
    sent, trace = [], []
    for x in inputs:
        v = trigger.begin(v)
        if not trigger.held:
            v = move(v, x)
        s, v = trigger.end(v)
        sent.append(s)
        trace.append(v)
    return sent, trace


def integrate_and_fire(inputs, dt, *, drive=0.0, v=0.0, reset="soft", **firing):
    """dv = input + drive."""
    return _run(inputs, v, Trigger(dt, reset=reset, **firing), lambda v, x: v + x + drive)


def lif(inputs, dt, *, tau, v_rest=0.0, drive=0.0, v=None, **firing):
    """tau dv/dt = v_rest + drive - v over the step, then v += input."""
    end = v_rest + drive
    start = v_rest if v is None else v
    return _run(inputs, start, Trigger(dt, **firing), lambda v, x: end + (v - end) * math.exp(-dt / tau) + x)


def leaky(inputs, dt, *, beta, leak="decay", drive=0.0, v=0.0, reset="soft", reset_delay=True, strict=True,
          **firing):  # fmt: skip
    """Take one of three discrete leaks, with the drive as part of the input."""
    moves = {
        "decay": lambda v, x: beta * v + (x + drive),
        "relax": lambda v, x: v + (1 - beta) * (x + drive - v),
        "blend": lambda v, x: beta * v + (1 - beta) * (x + drive),
    }
    trigger = Trigger(dt, reset=reset, reset_delay=reset_delay, strict=strict, **firing)
    return _run(inputs, v, trigger, moves[leak])


def leaky_integrator(inputs, dt, *, tau, v_rest=0.0, drive=0.0):
    """Integrate as `lif` does, without a threshold."""
    return lif(inputs, dt, tau=tau, v_rest=v_rest, drive=drive, threshold=math.inf, reset="none")


def current_lif(inputs, dt, *, tau, tau_syn, capacitance=None, v_rest=0.0, drive=0.0, v=None, **firing):
    """tau dv/dt = v_rest + R (drive + sum i) - v; tau_k di_k/dt = -i_k; then i_k += input.

    `inputs` and `tau_syn` hold one entry per current: lists of numbers, and time constants. Returns
    sent, v, and a list of the currents' traces.
    """
    resistance = 1.0 if capacitance is None else tau / capacitance
    end = v_rest + resistance * drive

    def response(tau_k):
        """What a unit current at the start of the step adds to v at its end."""
        if tau_k == tau:
            return resistance * dt / tau * math.exp(-dt / tau)
        return resistance * tau_k / (tau - tau_k) * (math.exp(-dt / tau) - math.exp(-dt / tau_k))

    trigger = Trigger(dt, **firing)
    v = v_rest if v is None else v
    currents = [0.0] * len(tau_syn)
    sent, trace, current_traces = [], [], [[] for _ in tau_syn]
    for step in range(len(inputs[0])):
        v = trigger.begin(v)
        if not trigger.held:
            v = end + (v - end) * math.exp(-dt / tau)
            v += sum(response(t) * i for t, i in zip(tau_syn, currents, strict=True))
        for k, tau_k in enumerate(tau_syn):
            currents[k] = currents[k] * math.exp(-dt / tau_k) + inputs[k][step]
            current_traces[k].append(currents[k])
        s, v = trigger.end(v)
        sent.append(s)
        trace.append(v)
    return sent, trace, current_traces


def adaptive_lif(inputs, currents, dt, *, tau, tau_lift=None, lift_step=0.0, tau_w=None, a=0.0, b=0.0,
                 capacitance=None, threshold=1.0, v_rest=0.0, drive=0.0, v=None, reset_by=None,
                 **firing):  # fmt: skip
    """tau dv/dt = v_rest - v + R (drive + current - w), tau_w dw/dt = a (v - v_rest) - w; then v += input.

    It fires at threshold + lift, tau_lift dlift/dt = -lift; a spike adds b to w and lift_step to lift.
    Returns sent, v, w and lift.
    """
    resistance = 1.0 if capacitance is None else tau / capacitance
    trigger = LiftedTrigger(
        dt, threshold, tau=tau_lift or 1.0, step=lift_step if tau_lift else 0.0, reset_by=reset_by, **firing
    )
    w = 0.0
    v = v_rest if v is None else v
    slow = tau_w or 1.0
    by_itself = [a / slow, -1 / slow, 0.0]
    moving = expm(dt * np.array([[-1 / tau, -resistance / tau, resistance / tau], by_itself, [0.0] * 3]))
    holding = expm(dt * np.array([[0.0] * 3, by_itself, [0.0] * 3]))
    sent, traces = [], ([], [], [])
    for x, current in zip(inputs, currents, strict=True):
        v = trigger.begin(v)
        dv, w, _ = (holding if trigger.held else moving) @ [v - v_rest, w, drive + current]
        v = v_rest + dv + (0.0 if trigger.held else x)
        s, v = trigger.end(v)
        w += s * b
        sent.append(s)
        for trace, value in zip(traces, (v, w, trigger.lift), strict=True):
            trace.append(value)
    return sent, *traces


def cuba_lif(inputs, dt, *, tau, tau_syn, w_in=1.0, resistance=1.0, v_rest=0.0, euler=False, **firing):
    """tau_syn di/dt = w_in input - i with the input held, then tau dv/dt = v_rest + R i - v with i held."""
    share, share_syn = (dt / x if euler else 1 - math.exp(-dt / x) for x in (tau, tau_syn))
    trigger, i, v = Trigger(dt, **firing), 0.0, v_rest
    sent, trace, currents = [], [], []
    for x in inputs:
        i = (1 - share_syn) * i + share_syn * w_in * x
        v = trigger.begin(v)
        if not trigger.held:
            v = (1 - share) * v + share * (v_rest + resistance * i)
        s, v = trigger.end(v)
        sent.append(s)
        trace.append(v)
        currents.append(i)
    return sent, trace, currents


def relu(inputs, *, bias=0.0):
    """Send max(0, input + bias) of each step on its own."""
    return [max(0.0, x + bias) for x in inputs]


def power_of_two(d):
    """Nearest signed power of two, the larger one where two are as near; 0 for 0."""
    if d == 0:
        return 0.0
    candidates = [2.0**k for k in range(-40, 40)]
    return math.copysign(min(candidates, key=lambda p: (abs(abs(d) - p), -p)), d)


def event_neuron(inputs, *, theta=1.0, law="delta", events="pow2", bits=4, rounding="nearest", f="relu",
                 signed=True, bias=0.0, coarse=1, hold=0.0):  # fmt: skip
    """Run the error-feedback neuron from the totals of all it received and all it sent.

    delta: n* = clip(round(f(total)/theta)); rate: n* = round(t f(total/t)/theta), which for relu and
    identity is round(f(total)/theta); value: sends f(input). Returns sent and n.
    """
    transfer = (lambda x: max(0.0, x)) if f == "relu" else (lambda x: x)
    high = 2**bits - 1 if f == "relu" else 2 ** (bits - 1) - 1
    low = 0 if f == "relu" else -high
    total, n = (bias, 0) if law == "delta" else (0.0, 0)
    sent, told = [], []
    for t, x in enumerate(inputs):
        if law == "value":
            sent.append(transfer(x + bias))
            told.append(0)
            continue
        total += x if law == "delta" else x + bias
        units = transfer(total) / theta + (0.5 if rounding == "nearest" else 0.0)
        aim = math.floor(units)
        if law == "delta":
            e = min(max(aim, low), high) - n
        else:
            e = min(max(aim - n, -high), high)
            e = e if signed else max(e, 0)
        if events == "unit":
            e = (e > 0) - (e < 0)
        elif events == "pow2":
            e = power_of_two(e)
        if abs(e) * 2**t < coarse or n - hold < units < n + 1 + hold:
            e = 0
        n += int(e)
        sent.append(float(e))
        told.append(n)
    return sent, told


def sigma_delta(inputs, *, threshold, f="relu", bias=0.0):
    """Run the sigma-delta neuron as Lava has it, from changes and their remainders; return values sent."""
    transfer = (lambda x: max(0.0, x)) if f == "relu" else (lambda x: x)
    sigma, last, residue, sent = 0.0, 0.0, 0.0, []
    for x in inputs:
        sigma += x
        activation = transfer(sigma + bias)
        delta = activation - last + residue
        told = delta if abs(delta) >= threshold else 0.0
        residue, last = delta - told, activation
        sent.append(told)
    return sent
