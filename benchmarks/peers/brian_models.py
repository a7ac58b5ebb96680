"""The recurrent workloads in Brian2's terms; `brian_networks.py` compiles and runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from draws import coba_starts, sparse_drives
from potjans_diesmann import DELAYS, NAMES, WEIGHT_SPREAD, describe

STEP_MS = 0.1


@dataclass
class Model:
    """Parts of a network: who is watched, and what else there is."""

    neurons: Any
    synapses: list[Any]
    others: list[Any] = field(default_factory=list)
    record: bool = True
    #: Sizes of the populations that lie one after the other in `neurons`, by name.
    populations: dict[str, int] = field(default_factory=dict)
    #: Returns more facts after a run.
    more: Callable[[], dict[str, Any]] = dict


def _cuba(b: Any, scale: float, seed: int) -> Model:
    """Brette et al. 2007, benchmark 2."""
    n_exc, n_inh = round(3200 * scale), round(800 * scale)
    space = {"tau_m": 20 * b.ms, "tau_e": 5 * b.ms, "tau_i": 10 * b.ms, "rest": -49 * b.mV}
    equations = """
    dv/dt = (ge + gi - (v - rest)) / tau_m : volt (unless refractory)
    dge/dt = -ge / tau_e : volt
    dgi/dt = -gi / tau_i : volt
    """
    neurons = b.NeuronGroup(
        n_exc + n_inh, equations, threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * b.ms,
        method="exact", namespace=space,
    )  # fmt: skip
    neurons.v = "-60*mV + rand()*10*mV"
    synapses = []
    for sources, jump in ((neurons[:n_exc], "ge_post += 1.62*mV"), (neurons[n_exc:], "gi_post += -9*mV")):
        # No delay: Brian delivers after a step's update, so that a spike acts from the next step on.
        synapses.append(b.Synapses(sources, neurons, on_pre=jump))
        synapses[-1].connect(condition=f"i + {sources.start} != j", p=min(1.0, 0.02 / scale))
    return Model(neurons, synapses)


def _coba(b: Any, scale: float, seed: int) -> Model:
    """Brette et al. 2007, benchmark 1; Brian2's own example has this method too."""
    n_exc, n_inh = round(3200 * scale), round(800 * scale)
    space = {"C": 200 * b.pF, "g_L": 10 * b.nS, "E_L": -60 * b.mV, "E_e": 0 * b.mV, "E_i": -80 * b.mV}
    space |= {"tau_e": 5 * b.ms, "tau_i": 10 * b.ms}
    equations = """
    dv/dt = (g_L * (E_L - v) + ge * (E_e - v) + gi * (E_i - v)) / C : volt (unless refractory)
    dge/dt = -ge / tau_e : siemens
    dgi/dt = -gi / tau_i : siemens
    """
    neurons = b.NeuronGroup(
        n_exc + n_inh, equations, threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * b.ms,
        method="exponential_euler", namespace=space,
    )  # fmt: skip
    neurons.v = "-65*mV + randn()*5*mV"
    for variable, (mean, sd) in zip(("ge", "gi"), coba_starts().values(), strict=True):
        setattr(neurons, variable, f"exp({mean!r} + {sd!r}*randn())*nS")
    synapses = []
    for sources, jump in ((neurons[:n_exc], "ge_post += 6*nS"), (neurons[n_exc:], "gi_post += 67*nS")):
        synapses.append(b.Synapses(sources, neurons, on_pre=jump))
        synapses[-1].connect(condition=f"i + {sources.start} != j", p=min(1.0, 0.02 / scale))
    return Model(neurons, synapses)


def _adex(b: Any, scale: float, seed: int) -> Model:
    """Destexhe 2009, driven by a constant current; by a method of the order that ours has."""
    n_exc, n_inh = round(3200 * scale), round(800 * scale)
    space = {"C": 200 * b.pF, "g_L": 10 * b.nS, "E_L": -60 * b.mV, "V_T": -50 * b.mV, "D_T": 2.5 * b.mV}
    space |= {"a": 1 * b.nS, "tau_w": 600 * b.ms, "constant": 100 * b.pA, "E_e": 0 * b.mV, "E_i": -80 * b.mV}
    space |= {"tau_e": 5 * b.ms, "tau_i": 10 * b.ms}
    equations = """
    dv/dt = (g_L * (E_L - v) + g_L * D_T * exp((v - V_T) / D_T) - w + constant
             + ge * (E_e - v) + gi * (E_i - v)) / C : volt (unless refractory)
    dw/dt = (a * (v - E_L) - w) / tau_w : amp
    dge/dt = -ge / tau_e : siemens
    dgi/dt = -gi / tau_i : siemens
    growth : amp (constant)
    """
    neurons = b.NeuronGroup(
        n_exc + n_inh, equations, threshold="v > -30*mV", reset="v = -60*mV; w += growth",
        refractory=2.5 * b.ms, method="rk2", namespace=space,
    )  # fmt: skip
    neurons.v = "-60*mV + rand()*10*mV"
    neurons.growth = np.repeat([5.0, 0.0], [n_exc, n_inh]) * b.pA
    synapses = []
    for sources, jump in ((neurons[:n_exc], "ge_post += 6*nS"), (neurons[n_exc:], "gi_post += 67*nS")):
        synapses.append(b.Synapses(sources, neurons, on_pre=jump, delay=STEP_MS * b.ms))
        synapses[-1].connect(condition=f"i + {sources.start} != j", p=min(1.0, 0.02 / scale))
    return Model(neurons, synapses)


def _brunel(b: Any, scale: float, seed: int) -> Model:
    """Brunel's sparse network with fixed in-degrees, no pair joined twice, none to itself."""
    n_exc, n_inh = round(10_000 * scale), round(2_500 * scale)
    k_exc, k_inh = min(1000, n_exc // 10), min(250, n_inh // 10)
    weight, tau, threshold = 0.2, 20e-3, 20.0
    drive_hz = 2.0 * threshold / (weight * tau)
    neurons = b.NeuronGroup(
        n_exc + n_inh, "dv/dt = -v / (20*ms) : volt (unless refractory)", threshold="v > 20*mV",
        reset="v = 10*mV", refractory=2 * b.ms, method="exact",
    )  # fmt: skip
    neurons.v = "rand()*20*mV"
    synapses, rng = [], np.random.default_rng(seed)
    for sources, jump, k in ((neurons[:n_exc], weight, k_exc), (neurons[n_exc:], -6.0 * weight, k_inh)):
        synapses.append(b.Synapses(sources, neurons, on_pre=f"v_post += {jump}*mV", delay=1.5 * b.ms))
        synapses[-1].connect(**_fixed_in(rng, sources.start, len(sources), len(neurons), k))
    # One binomial number per neuron and step stands for its thousand external synapses.
    noise = b.PoissonInput(neurons, "v", 1000, drive_hz / 1000 * b.Hz, weight=weight * b.mV)
    return Model(neurons, synapses, [noise])


def _sparse(b: Any, scale: float, seed: int) -> Model:
    """Many neurons with a constant drive, fixed in-degrees and a delay of its own for every synapse."""
    n_exc, n_inh = round(80_000 * scale), round(20_000 * scale)
    neurons = b.NeuronGroup(
        n_exc + n_inh, "dv/dt = (mu - v) / (20*ms) : volt (unless refractory)\nmu : volt (constant)",
        threshold="v > 20*mV", reset="v = 10*mV", refractory=2 * b.ms, method="exact",
    )  # fmt: skip
    neurons.v = "rand()*20*mV"
    neurons.mu = sparse_drives(seed, n_exc + n_inh) * b.mV
    synapses, rng = [], np.random.default_rng(seed)
    for sources, jump, most in ((neurons[:n_exc], 0.1, 800), (neurons[n_exc:], -0.5, 200)):
        synapses.append(b.Synapses(sources, neurons, on_pre=f"v_post += {jump}*mV"))
        k = min(most, len(sources) // 5)
        synapses[-1].connect(**_fixed_in(rng, sources.start, len(sources), len(neurons), k))
        synapses[-1].delay = "1*ms + rand()*9*ms"
    return Model(neurons, synapses)


def _fixed_in(rng: np.random.Generator, start: int, n_pre: int, n_post: int, k: int) -> dict[str, np.ndarray]:
    """Draw k sources for every target, sorted by source.

    That order lets Brian read a spike's synapses in one piece: with its own generator syntax, which
    goes target by target, delivery took 1.7 times as long.
    """
    pre = np.empty((n_post, k), dtype=np.min_scalar_type(n_pre))
    for target in range(n_post):
        own = target - start
        inside = 0 <= own < n_pre
        drawn = rng.choice(n_pre - inside, k, replace=False, shuffle=False)
        pre[target] = drawn + (drawn >= own) if inside else drawn
    order = np.argsort(pre.ravel(), kind="stable")
    post = np.repeat(np.arange(n_post, dtype=np.int32), k)
    return {"i": pre.ravel()[order].astype(np.int32), "j": post[order]}


def _microcircuit(b: Any, scale: float, seed: int) -> Model:
    """Potjans and Diesmann 2014: one group and one set of synapses, which is fastest here."""
    circuit, rng = describe(scale), np.random.default_rng(seed)
    space = {"E_L": -65 * b.mV, "tau_m": 10 * b.ms, "tau_s": 0.5 * b.ms, "C": 250 * b.pF}
    equations = """
    dv/dt = (E_L - v) / tau_m + (current + constant) / C : volt (unless refractory)
    dcurrent/dt = -current / tau_s : amp
    constant : amp (constant)
    """
    neurons = b.NeuronGroup(
        circuit.sizes.sum(), equations, threshold="v > -50*mV", reset="v = E_L", refractory=2 * b.ms,
        method="exact", namespace=space,
    )  # fmt: skip
    means, sds = np.repeat(circuit.v_means, circuit.sizes), np.repeat(circuit.v_sds, circuit.sizes)
    neurons.v = rng.normal(means, sds) * b.mV
    neurons.constant = np.repeat(circuit.currents, circuit.sizes) * b.pA
    stops = np.cumsum(circuit.sizes)
    starts = stops - circuit.sizes
    drive = []
    for start, stop, degree in zip(starts, stops, circuit.drive_in_degrees, strict=True):
        n, weight = max(1, round(degree)), circuit.drive_weight * b.pA
        drive.append(
            b.PoissonInput(neurons[start:stop], "current", n, 8.0 * degree / n * b.Hz, weight=weight)
        )
    pre, post, weight, delay = _joined(rng, circuit, starts)
    synapses = b.Synapses(neurons, neurons, "w : amp", on_pre="current_post += w")
    synapses.connect(i=pre, j=post)
    synapses.w, synapses.delay = weight * b.pA, delay * b.ms
    populations = dict(zip(NAMES, circuit.sizes.tolist(), strict=True))
    return Model(neurons, [synapses], drive, record=False, populations=populations)


def _joined(rng: np.random.Generator, circuit: Any, starts: np.ndarray) -> list[np.ndarray]:
    """Draw sources, targets, weights (pA) and delays (ms), by source and delay, as Brian reads them."""
    drawn = []
    for (target, source), number in np.ndenumerate(circuit.synapses):
        mean, sign = circuit.weights[target, source], np.sign(circuit.weights[target, source])
        pre = starts[source] + rng.integers(circuit.sizes[source], size=number)
        post = starts[target] + rng.integers(circuit.sizes[target], size=number)
        weight = sign * _above(rng, 0.0, abs(mean), WEIGHT_SPREAD * abs(mean), number)
        delay = _above(rng, STEP_MS, *DELAYS[NAMES[source][-1]], number)
        drawn.append((pre.astype(np.int32), post.astype(np.int32), weight, delay))
    pre, post, weight, delay = map(np.concatenate, zip(*drawn, strict=True))
    order = np.lexsort((delay, pre))
    return [pre[order], post[order], weight[order], delay[order]]


def _above(rng: np.random.Generator, low: float, mean: float, sd: float, size: int) -> np.ndarray:
    """Draw normal numbers, those below `low` anew."""
    values = rng.normal(mean, sd, size)
    while (below := np.flatnonzero(values < low)).size:
        values[below] = rng.normal(mean, sd, below.size)
    return values


def _stdp(b: Any, scale: float, seed: int, rule: str = "pair") -> Model:
    """Plasticity on all synapses from Poisson inputs; traces are brought up to date by events.

    What waits for a reward is integrated at each step, as in Brian2's own example of it.
    """
    w_max = 0.5
    equations = """
    dv/dt = (current - v) / (20*ms) : volt (unless refractory)
    dcurrent/dt = -current / (5*ms) : volt
    """
    others = []
    if rule == "reward":
        # Synapses see what belongs to their neurons: each input knows of the modulator.
        inputs = b.NeuronGroup(
            1000, "dd/dt = -d / (200*ms) : 1", threshold="rand() < 15*Hz*dt", method="exact"
        )
        modulator = b.PoissonGroup(1, rates=10 * b.Hz)
        others = [modulator, b.Synapses(modulator, inputs, on_pre="d_post += 1")]
        others[1].connect()
    else:
        inputs = b.PoissonGroup(1000, rates=15 * b.Hz)
    neurons = b.NeuronGroup(
        round(100 * scale), equations, threshold="v > 20*mV", reset="v = 0*mV", refractory=2 * b.ms,
        method="exact",
    )  # fmt: skip
    variables, arrives, fires = _RULES[rule]
    synapses = b.Synapses(
        inputs, neurons, variables, on_pre=f"current_post += w\n{arrives}", on_post=fires,
        namespace={"top": w_max * b.mV}, method="euler" if rule == "reward" else None,
    )  # fmt: skip
    synapses.connect()
    synapses.w = "rand() * top"
    counter = b.SpikeMonitor(inputs, record=False)

    def more() -> dict[str, Any]:
        shares = np.asarray(synapses.w / b.mV) / w_max
        events = int(np.asarray(counter.count).sum()) * len(neurons)
        return {"weight_mean": shares.mean(), "weight_sd": shares.std(), "synaptic_events": events}

    return Model(neurons, [synapses], [inputs, counter, *others], more=more)


_PAIR = """
    dx/dt = -x / (20*ms) : 1 (event-driven)
    dy/dt = -y / (20*ms) : 1 (event-driven)
"""
#: Of each rule the variables of a synapse, and what a spike does that arrives, or that the target sends.
_RULES = {
    "pair": (
        f"w : volt {_PAIR}",
        "x += 1\nw = clip(w - 0.0105 * top * y, 0*mV, top)",
        "y += 1\nw = clip(w + 0.01 * top * x, 0*mV, top)",
    ),
    "reward": (
        f"""
        dw/dt = c * (d_pre - 1) / second : volt (clock-driven)
        dc/dt = -c / second : volt (clock-driven)
        {_PAIR}""",
        "x += 1\nc -= 0.0105 * top * y\nw = clip(w, 0*mV, top)",
        "y += 1\nc += 0.01 * top * x\nw = clip(w, 0*mV, top)",
    ),
    "triplet": (
        """
        w : volt
        dr1/dt = -r1 / (16.8*ms) : 1 (event-driven)
        dr2/dt = -r2 / (101*ms) : 1 (event-driven)
        do1/dt = -o1 / (33.7*ms) : 1 (event-driven)
        do2/dt = -o2 / (125*ms) : 1 (event-driven)
        """,
        "w = clip(w - o1 * (7e-3 + 2.3e-4 * r2) * top, 0*mV, top)\nr1 += 1\nr2 += 1",
        "w = clip(w + r1 * (5e-10 + 6.2e-3 * o2) * top, 0*mV, top)\no1 += 1\no2 += 1",
    ),
}


WORKLOADS: dict[str, Callable[..., Model]] = {
    "cuba": _cuba,
    "coba": _coba,
    "adex": _adex,
    "brunel": _brunel,
    "microcircuit": _microcircuit,
    "sparse": _sparse,
    "stdp": _stdp,
}
