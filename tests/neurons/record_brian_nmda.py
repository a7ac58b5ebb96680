"""Record a neuron with AMPA, GABA and NMDA receptors in Brian2: run with its Python to make brian_nmda.npz.

Usage: python tests/neurons/record_brian_nmda.py   (recorded with Brian2 2.9)

Brian2 has equations instead of models: the block by magnesium is that of Jahr and Stevens (1990), the NMDA
conductance the difference of two exponentials, scaled to a peak of 1.
"""

from __future__ import annotations

import math
from pathlib import Path

import brian2 as b
import numpy as np

STEPS, DT_MS = 3000, 0.1
EQUATIONS = """
dv/dt = (g_L * (E_L - v) + (ampa + nmda * block) * (0*mV - v) + gaba * (E_gaba - v)) / C : volt (unless refractory)
block = 1 / (1 + 1.0 / 3.57 * exp(-0.062 * v / mV)) : 1
dampa/dt = -ampa / (2*ms) : siemens
dgaba/dt = -gaba / (8*ms) : siemens
dnmda/dt = -nmda / (50*ms) + growth * rise : siemens
drise/dt = -rise / (2*ms) : siemens
"""  # noqa: E501
WEIGHTS = {"ampa": (0.06, 10.0), "gaba": (0.03, 4.0), "rise": (0.02, 12.0)}


def main() -> None:
    """Draw input for each receptor, run, and write what v did and when it fired."""
    b.prefs.codegen.target = "numpy"
    b.defaultclock.dt = DT_MS * b.ms
    peak = 50 * 2 / 48 * math.log(25)
    scale = 1 / (math.exp(-peak / 50) - math.exp(-peak / 2))
    space = {"g_L": 10 * b.nS, "E_L": -70 * b.mV, "E_gaba": -75 * b.mV, "C": 200 * b.pF}
    # dnmda/dt = -nmda / tau + growth rise has the solution growth tau tau_rise / (tau - tau_rise) (...).
    space["growth"] = scale * 48 / (50 * 2) / b.ms
    neuron = b.NeuronGroup(
        1, EQUATIONS, threshold="v >= -50*mV", reset="v = -60*mV", refractory=3 * b.ms, method="rk4",
        namespace=space,
    )  # fmt: skip
    neuron.v = -70 * b.mV
    rng, recorded, parts = np.random.default_rng(0), {}, []
    for name, (share, most) in WEIGHTS.items():
        steps = np.flatnonzero(rng.random(STEPS) < share)
        weights = rng.uniform(0.0, most, steps.size).round(3)
        recorded |= {f"{name}_steps": steps.astype(np.int32), f"{name}_weights": weights}
        source = b.SpikeGeneratorGroup(steps.size, np.arange(steps.size), steps * DT_MS * b.ms)
        synapses = b.Synapses(source, neuron, "w : siemens", on_pre=f"{name}_post += w")
        synapses.connect()
        synapses.w = weights * b.nS
        parts += [source, synapses]
    # Its value at the start of step k is that at the end of step k - 1, after the reset.
    potential, spikes = b.StateMonitor(neuron, "v", record=True, when="start"), b.SpikeMonitor(neuron)
    b.Network(neuron, parts, potential, spikes).run((STEPS + 1) * DT_MS * b.ms)
    recorded["v"] = np.asarray(potential.v[0] / b.mV)[1:]
    recorded["spikes"] = np.rint(np.asarray(spikes.t / b.ms) / DT_MS).astype(np.int32)
    print(recorded["spikes"].size, "spikes")
    np.savez_compressed(Path(__file__).with_name("brian_nmda.npz"), **recorded)


if __name__ == "__main__":
    main()
