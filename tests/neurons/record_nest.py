"""Record what NEST's neurons do on a noisy input: run with NEST's Python to make nest_neurons.npz anew.

Usage: python tests/neurons/record_nest.py   (recorded with NEST 3.10)
"""

from __future__ import annotations

from pathlib import Path

import nest
import numpy as np

COMMON = {
    "C_m": 250.0,
    "tau_m": 10.0,
    "E_L": -65.0,
    "V_reset": -65.0,
    "V_th": -50.0,
    "t_ref": 2.0,
    "V_m": -65.0,
}
CASES = {
    "one": ("iaf_psc_exp", {"tau_syn_ex": 0.5, "tau_syn_in": 0.5, "I_e": 100.0}, (300.0, 400.0)),
    "two": ("iaf_psc_exp", {"tau_syn_ex": 2.0, "tau_syn_in": 5.0, "I_e": 100.0}, (300.0, 400.0)),
    "delta": ("iaf_psc_delta", {"I_e": 100.0}, (0.2, 0.6)),
}
STEPS = 2000


def record(model: str, parameters: dict[str, object], weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return spike steps and the potential after each step, in mV, for one event per step from step 1 on.

    Where a neuron has numbered receptors (`tau_syn`), events go to each in turn.
    """
    nest.ResetKernel()
    nest.resolution = 0.1
    neuron = nest.Create(model, params=parameters)
    times, n_receptors = np.arange(1, weights.size + 1) * 0.1, len(parameters.get("tau_syn", [0]))
    for k in range(n_receptors):
        mine = {"spike_times": times[k::n_receptors], "spike_weights": weights[k::n_receptors]}
        source = nest.Create("spike_generator", params=mine)
        receptor = {"receptor_type": k + 1} if "tau_syn" in parameters else {}
        nest.Connect(source, neuron, syn_spec={"delay": 0.1, **receptor})
    meter = nest.Create("multimeter", params={"interval": 0.1, "record_from": ["V_m"]})
    nest.Connect(meter, neuron)
    spikes = nest.Create("spike_recorder")
    nest.Connect(neuron, spikes)
    nest.Simulate(STEPS * 0.1 + 0.2)
    return np.rint(spikes.events["times"] * 10).astype(np.int32) - 1, meter.events["V_m"][:STEPS]


def record_all(cases: dict[str, tuple[str, dict[str, object], tuple[float, float]]], name: str) -> None:
    """Record each case, (model, parameters, mean and standard deviation of weights), into one file."""
    recorded: dict[str, np.ndarray] = {}
    for case, (model, parameters, (mean, sd)) in cases.items():
        weights = np.random.default_rng(0).normal(mean, sd, STEPS - 1).round(3)
        steps, potential = record(model, parameters, weights)
        recorded |= {f"{case}_weights": weights, f"{case}_spikes": steps, f"{case}_v": potential}
    np.savez_compressed(Path(__file__).with_name(name), **recorded)


if __name__ == "__main__":
    full = {name: (model, COMMON | given, drawn) for name, (model, given, drawn) in CASES.items()}
    record_all(full, "nest_neurons.npz")
