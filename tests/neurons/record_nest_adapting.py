"""Record what NEST's adapting neurons do on a noisy input: run it to make nest_adapting.npz anew.

Usage: python tests/neurons/record_nest_adapting.py   (a Python with NEST; recorded with 3.10)

NEST solves the aeif neurons with steps of its own to a tolerance within each step of the simulation, and
resets within it; so short steps of the simulation show the solution of the equations, which others approach.
"""

from __future__ import annotations

from pathlib import Path

import nest
import numpy as np

AEIF = {"V_reset": -60.0, "t_ref": 2.0, "V_peak": 0.0, "gsl_error_tol": 1e-10}
EXP = {"tau_syn_ex": 5.0, "tau_syn_in": 10.0}
#: Input of the aeif neurons arrives so long after it was sent, so that it lies on the grid of longer steps.
LONGER_MS = 0.05
#: Model, parameters, step (ms), mean and spread of the weights, steps between two of them, steps in all.
CASES = {
    "izhikevich_euler": ("izhikevich", {"I_e": 10.0, "U_m": -13.0}, 0.1, (0.1, 0.8), 1, 5000),
    "izhikevich_half": (
        "izhikevich",
        {"consistent_integration": False, "U_m": -13.0},
        1.0,
        (9.0, 4.0),
        1,
        1000,
    ),
    "aeif_psc_delta": ("aeif_psc_delta", {**AEIF, "I_e": 1200.0}, 0.01, (0.2, 0.5), 100, 20_000),
    "aeif_psc_exp": ("aeif_psc_exp", {**AEIF, **EXP, "I_e": 1200.0}, 0.01, (30.0, 60.0), 100, 20_000),
    "aeif_cond_exp": (
        "aeif_cond_exp",
        {**AEIF, **EXP, "E_in": -80.0, "I_e": 1200.0},
        0.01,
        (0.5, 2.0),
        100,
        20_000,
    ),
}


def record(
    model: str, parameters: dict[str, float], dt: float, weights: np.ndarray, apart: int, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return spike steps, and potential (mV) and second variable after each step, as [2, steps]."""
    nest.ResetKernel()
    nest.resolution = dt
    neuron = nest.Create(model, params=parameters)
    times = np.arange(1, weights.size + 1) * apart * dt
    source = nest.Create("spike_generator", params={"spike_times": times.round(3), "spike_weights": weights})
    nest.Connect(source, neuron, syn_spec={"delay": dt if apart == 1 else LONGER_MS})
    names = ["V_m", "U_m" if model == "izhikevich" else "w"]
    meter = nest.Create("multimeter", params={"interval": dt, "record_from": names})
    nest.Connect(meter, neuron)
    spikes = nest.Create("spike_recorder")
    nest.Connect(neuron, spikes)
    nest.Simulate((steps + 2) * dt)
    traces = np.array([meter.events[name][:steps] for name in names])
    return np.rint(spikes.events["times"] / dt).astype(np.int32) - 1, traces


if __name__ == "__main__":
    recorded: dict[str, np.ndarray] = {}
    for name, (model, parameters, dt, (mean, sd), apart, steps) in CASES.items():
        weights = np.random.default_rng(0).normal(mean, sd, (steps - 1) // apart).round(3)
        times, traces = record(model, parameters, dt, weights, apart, steps)
        # The input comes every so many steps; so often is enough of the traces, too.
        recorded |= {f"{name}_weights": weights, f"{name}_spikes": times}
        recorded[f"{name}_traces"] = traces[:, apart - 1 :: apart]
        print(name, times.size, traces.min(axis=1), traces.max(axis=1))
    np.savez_compressed(Path(__file__).with_name("nest_adapting.npz"), **recorded)
