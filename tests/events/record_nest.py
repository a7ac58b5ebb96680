"""Record NEST's neurons with exact spike times, on input off the grid: run with NEST's Python to make
nest_precise.npz anew.

Usage: python tests/events/record_nest.py   (recorded with NEST 3.10)
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
    "I_e": 300.0,
}
#: Model, its own parameters, and mean and standard deviation of weights in pA, for "delta" in mV.
CASES = {
    "exp": ("iaf_psc_exp_ps", {"tau_syn_ex": 2.0, "tau_syn_in": 5.0}, (200.0, 400.0)),
    "lossless": ("iaf_psc_exp_ps_lossless", {"tau_syn_ex": 2.0, "tau_syn_in": 2.0}, (200.0, 400.0)),
    "delta": ("iaf_psc_delta_ps", {}, (0.3, 1.0)),
}
#: In ms, but for the number.
RESOLUTION, DELAY, DURATION, N_INPUTS = 0.1, 1.0, 1000.0, 1500


def record(model: str, parameters: dict[str, float], times: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return when a neuron fires, in ms, if spikes of these weights are sent at these times, in ms."""
    nest.ResetKernel()
    nest.resolution = RESOLUTION
    neuron = nest.Create(model, params={**COMMON, **parameters})
    given = {"spike_times": times, "spike_weights": weights, "precise_times": True}
    nest.Connect(nest.Create("spike_generator", params=given), neuron, syn_spec={"delay": DELAY})
    spikes = nest.Create("spike_recorder")
    nest.Connect(neuron, spikes)
    nest.Simulate(DURATION)
    return np.array(spikes.events["times"])


def main() -> None:
    """Record each case into one file."""
    recorded: dict[str, np.ndarray] = {}
    for case, (model, parameters, (mean, sd)) in CASES.items():
        rng = np.random.default_rng(1)
        times = np.sort(rng.uniform(RESOLUTION, DURATION - DELAY, N_INPUTS)).round(7)
        weights = rng.normal(mean, sd, N_INPUTS).round(3)
        spikes = record(model, parameters, times, weights)
        recorded |= {f"{case}_times": times, f"{case}_weights": weights, f"{case}_spikes": spikes}
    np.savez_compressed(Path(__file__).with_name("nest_precise.npz"), **recorded)


if __name__ == "__main__":
    main()
