"""Record how NEST's dopamine synapse changes: run with NEST's Python to make nest_dopamine.npz anew.

Usage: python tests/learning/record_nest_dopamine.py   (recorded with NEST 3.10)

NEST's delay is dendritic: the synapse learns of a spike of its target one delay late, and of one of its
source at once. What is recorded as `post` and `dopamine` is when the synapse learns of it.
"""

from __future__ import annotations

from pathlib import Path

import nest
import numpy as np

STEP_MS, STEPS, DELAY = 1.0, 2000, 1
TIMES = {"tau_plus": 20.0, "tau_c": 300.0, "tau_n": 80.0}
CHANGES = {"A_plus": 0.02, "A_minus": 0.03, "b": 0.002, "Wmin": -50.0, "Wmax": 50.0}
TAU_MINUS = 25.0


def record(pre: np.ndarray, post: np.ndarray, dopamine: np.ndarray) -> np.ndarray:
    """Return the weight at each spike of the source, from 1."""
    nest.ResetKernel()
    nest.resolution = STEP_MS
    relays = nest.Create("parrot_neuron", 3)
    relays[1].tau_minus = TAU_MINUS
    for neuron, train in zip(relays, (pre, post, dopamine), strict=True):
        source = nest.Create("spike_generator", params={"spike_times": train * STEP_MS})
        nest.Connect(source, neuron, syn_spec={"delay": STEP_MS})
    transmitter = nest.Create("volume_transmitter")
    nest.Connect(relays[2], transmitter, syn_spec={"delay": DELAY * STEP_MS})
    recorder = nest.Create("weight_recorder")
    common = {"volume_transmitter": transmitter, "weight_recorder": recorder, **TIMES, **CHANGES}
    nest.CopyModel("stdp_dopamine_synapse", "learning", common)
    # What comes to the second port of a parrot is not repeated.
    spec = {"synapse_model": "learning", "weight": 1.0, "delay": DELAY * STEP_MS, "receptor_type": 1}
    nest.Connect(relays[0], relays[1], syn_spec=spec)
    nest.Simulate((STEPS + 10) * STEP_MS)
    return np.array(recorder.events["weights"])


if __name__ == "__main__":
    rng = np.random.default_rng(1)
    pre, post, dopamine = (np.flatnonzero(rng.random(STEPS) < rate) + 1 for rate in (0.03, 0.03, 0.01))
    post = np.setdiff1d(post, pre - DELAY)  # what NEST does first where both come at once is its own affair
    np.savez_compressed(
        Path(__file__).with_name("nest_dopamine.npz"),
        pre=pre, post=post + DELAY, dopamine=dopamine + DELAY, weights=record(pre, post, dopamine),
    )  # fmt: skip
