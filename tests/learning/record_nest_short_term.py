"""Record what NEST's Tsodyks-Markram synapses deliver: run with NEST's Python to make the .npz anew.

Usage: python tests/learning/record_nest_short_term.py   (recorded with NEST 3.10)
"""

from __future__ import annotations

from pathlib import Path

import nest
import numpy as np

#: U, and tau_rec and tau_facil in ms: the depressing, facilitating and mixed synapses of the literature.
CASES = {
    "depressing": (0.5, 800.0, 0.0),
    "facilitating": (0.03, 130.0, 530.0),
    "mixed": (0.32, 144.0, 60.0),
}


def amplitudes(model: str, parameters: dict[str, float], train: np.ndarray) -> np.ndarray:
    """Return how far each spike of a train, in ms, lifts a cell without a leak, in mV, at a weight of 1."""
    nest.ResetKernel()
    nest.resolution = 0.1
    source = nest.Create("spike_generator", params={"spike_times": train})
    relay = nest.Create("parrot_neuron")
    cell = nest.Create("iaf_psc_delta", params={"tau_m": 1e12, "V_th": 1e9, "E_L": 0.0, "V_m": 0.0})
    nest.Connect(source, relay, syn_spec={"delay": 0.1})
    nest.Connect(relay, cell, syn_spec={"synapse_model": model, "weight": 1.0, "delay": 0.1, **parameters})
    meter = nest.Create("multimeter", params={"interval": 0.1, "record_from": ["V_m"]})
    nest.Connect(meter, cell)
    nest.Simulate(float(train[-1]) + 2.0)
    lifted = np.diff(np.concatenate([[0.0], meter.events["V_m"]]))
    return lifted[lifted > 0]


if __name__ == "__main__":
    train = np.unique(np.random.default_rng(0).exponential(30.0, 24).cumsum().round(1)) + 1.0
    recorded = {"train": train}
    for name, (U, tau_rec, tau_facil) in CASES.items():
        common = {"U": U, "tau_rec": tau_rec, "tau_fac": tau_facil}
        # Its u starts at 0.5, whatever U is, unless it is told.
        recorded[name] = amplitudes("tsodyks2_synapse", {**common, "u": U}, train)
        # With currents that last no time it is the same synapse.
        recorded[f"{name}_first"] = amplitudes("tsodyks_synapse", {**common, "tau_psc": 1e-4}, train)
    np.savez_compressed(Path(__file__).with_name("nest_short_term.npz"), **recorded)
