"""Record what Brian2 makes of the AdEx neuron's firing patterns: run it to make brian_adex.npz anew.

Usage: python tests/neurons/record_brian_adex.py   (a Python with Brian2; recorded with 2.9)
"""

from __future__ import annotations

from pathlib import Path

import brian2 as b
import numpy as np

# pF, nS, mV, nS, ms, pA, mV, pA
PATTERNS = {
    "tonic": (200, 10, -70, 2, 30, 0, -58, 500),
    "adapting": (200, 12, -70, 2, 300, 60, -58, 500),
    "initial_burst": (130, 18, -58, 4, 150, 120, -50, 400),
    "bursting": (200, 10, -58, 2, 120, 100, -46, 210),
    "delayed_accelerating": (200, 12, -70, -10, 300, 0, -58, 300),
    "delayed_bursting": (100, 10, -65, -10, 90, 30, -47, 110),
    "transient": (100, 10, -65, 10, 90, 100, -47, 180),
    "irregular": (100, 12, -60, -11, 130, 30, -48, 160),
}
EQUATIONS = """
dv/dt = (g_l * (e_l - v) + g_l * 2*mV * exp((v + 50*mV) / (2*mV)) + stimulus - w) / c : volt
dw/dt = (a * (v - e_l) - w) / tau_w : amp
"""
STEPS, EVERY = 5000, 10


def record(values: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return spike steps, and v (volt) and w (ampere) after every tenth step of 0.1 ms."""
    names = ("c", "g_l", "e_l", "a", "tau_w", "b", "v_r", "stimulus")
    units = (b.pF, b.nS, b.mV, b.nS, b.ms, b.pA, b.mV, b.pA)
    space = {name: value * unit for name, value, unit in zip(names, values, units, strict=True)}
    b.defaultclock.dt = 0.1 * b.ms
    cell = b.NeuronGroup(
        1, EQUATIONS, threshold="v >= 0*mV", reset="v = v_r; w += b", method="euler", namespace=space
    )
    cell.v = space["e_l"]
    spikes = b.SpikeMonitor(cell)
    traces = b.StateMonitor(cell, ["v", "w"], record=True, when="end")
    network = b.Network(cell, spikes, traces)
    network.run(STEPS * 0.1 * b.ms)
    kept = np.array([traces.v[0], traces.w[0]])[:, EVERY - 1 :: EVERY]
    return np.rint(np.asarray(spikes.t / b.ms) * 10).astype(np.int32), kept


if __name__ == "__main__":
    b.prefs.codegen.target = "numpy"
    recorded: dict[str, np.ndarray] = {}
    for name, values in PATTERNS.items():
        spikes, traces = record(values)
        recorded |= {f"{name}_spikes": spikes, f"{name}_traces": traces}
        print(name, spikes.size, spikes[:12])
    np.savez_compressed(Path(__file__).with_name("brian_adex.npz"), **recorded)
