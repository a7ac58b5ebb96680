"""Record how NEST's triplet synapse changes: run with NEST's Python to make nest_triplet.npz anew.

Usage: python tests/learning/record_nest_triplet.py   (recorded with NEST 3.10)

NEST's delay is dendritic: the synapse learns of a spike of its target one delay late, and of one of its
source at once. So what is recorded as `post` is when the synapse learns of it.
"""

from __future__ import annotations

from pathlib import Path

import nest
import numpy as np

STEP_MS, STEPS, DELAY = 1.0, 2000, 1
#: Rates of both trains (per step), and what is not as in NEST's defaults, the fit to visual cortex.
CASES = {
    "visual_cortex": (0.02, 0.02, {}),
    "hippocampus": (
        0.03,
        0.015,
        {
            "tau_plus_triplet": 946.0, "Aplus": 6.1e-3, "Aplus_triplet": 6.7e-3, "Aminus": 1.6e-3,
            "Aminus_triplet": 1.4e-3, "tau_minus_triplet": 27.0,
        },
    ),
    "bounded": (0.04, 0.04, {"Aplus": 0.1, "Aplus_triplet": 0.04, "Aminus": 0.15, "Aminus_triplet": 0.05}),
}  # fmt: skip


def record(pre: np.ndarray, post: np.ndarray, changed: dict[str, float]) -> np.ndarray:
    """Return the weight after each spike of the source, from 1, with bounds 0 and 2."""
    nest.ResetKernel()
    nest.resolution = STEP_MS
    changed = dict(changed)
    target = {"tau_minus": 33.7, "tau_minus_triplet": changed.pop("tau_minus_triplet", 125.0)}
    ends = nest.Create("parrot_neuron", 2)
    ends[1].set(**target)
    for neuron, train in zip(ends, (pre, post), strict=True):
        source = nest.Create("spike_generator", params={"spike_times": train * STEP_MS})
        nest.Connect(source, neuron, syn_spec={"delay": STEP_MS})
    recorder = nest.Create("weight_recorder")
    nest.CopyModel("stdp_triplet_synapse", "learning", {"weight_recorder": recorder, "Wmax": 2.0, **changed})
    # What comes to the second port of a parrot is not repeated.
    spec = {"synapse_model": "learning", "weight": 1.0, "delay": DELAY * STEP_MS, "receptor_type": 1}
    nest.Connect(ends[0], ends[1], syn_spec=spec)
    nest.Simulate((STEPS + 10) * STEP_MS)
    return np.array(recorder.events["weights"])


if __name__ == "__main__":
    rng, recorded = np.random.default_rng(0), {}
    for name, (rate_pre, rate_post, changed) in CASES.items():
        pre, post = (np.flatnonzero(rng.random(STEPS) < rate) + 1 for rate in (rate_pre, rate_post))
        if name == "bounded":  # at a bound it matters what NEST does first where both come at once
            post = np.setdiff1d(post, pre - DELAY)
        recorded |= {f"{name}_pre": pre, f"{name}_post": post + DELAY}
        recorded[f"{name}_weights"] = record(pre, post, changed)
    np.savez_compressed(Path(__file__).with_name("nest_triplet.npz"), **recorded)
