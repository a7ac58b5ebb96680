"""PyNN scripts run by changing one import, and do what they do on NEST and Brian2 (record_peers.py)."""

from pathlib import Path

import numpy as np
import pytest
from scripts import SCRIPTS

DATA = Path(__file__).parent / "data"
#: By how much samples may differ, in PyNN's units: NEST integrates conductances by another method.
CLOSE = {"cond_exp": 2e-4, "cond_alpha": 5e-4}


@pytest.mark.parametrize(
    "name", ["curr_exp", "curr_alpha", "curr_delta", "cond_exp", "cond_alpha", "izhikevich", "balanced"]
)
def test_spikes_and_samples_are_those_of_nest(name, sim):
    nest = np.load(DATA / f"{name}_nest.npz")
    ours = SCRIPTS[name](sim)
    assert ours["spikes"].shape[1] > 50
    for key in nest:
        if key in ("spikes", "inhibitory"):
            assert ours[key].shape == nest[key].shape
            np.testing.assert_allclose(ours[key], nest[key], atol=1e-4)
        else:
            # The first row: PyNN draws random initial values anew when NEST's are asked for.
            np.testing.assert_allclose(ours[key][1:], nest[key][1:], atol=CLOSE.get(name, 1e-5))


def test_adaptive_neurons_fire_in_the_step_in_which_nest_s_do(sim):
    """NEST takes shorter steps in an upstroke, which may end it one step of the grid earlier or later."""
    nest = np.load(DATA / "adaptive_nest.npz")
    ours = SCRIPTS["adaptive"](sim)
    assert ours["spikes"].shape[1] == nest["spikes"].shape[1] == 64
    np.testing.assert_array_equal(ours["spikes"][0], nest["spikes"][0])
    late = np.abs(ours["spikes"][1] - nest["spikes"][1])
    assert late.max() < 0.11
    assert (late > 0.05).mean() < 0.3
    # Where nobody has fired yet, all samples are the same.
    first = int(nest["spikes"][1].min() * 10) - 5
    np.testing.assert_allclose(ours["v"][1:first], nest["v"][1:first], atol=2e-3)
    np.testing.assert_allclose(ours["w"][1:first], nest["w"][1:first], atol=1e-5)


def test_a_sine_drives_the_membranes_that_it_drives_in_nest(sim):
    nest, ours = np.load(DATA / "sine_nest.npz"), SCRIPTS["sine"](sim)
    assert np.ptp(nest["current"][:, 1]) > 5.0
    for key, close in (("current", 1e-5), ("conductance", 1e-4)):
        np.testing.assert_allclose(ours[key], nest[key], atol=close)


def test_short_term_plasticity_is_nest_s_as_far_as_currents_are_short(sim):
    """NEST's tsodyks_synapse keeps what is being released from recovering: 3 ms of hundreds."""
    nest = np.load(DATA / "short_term_nest.npz")["v"]
    ours = SCRIPTS["short_term"](sim)["v"]
    lifted = nest.max(axis=0) + 65.0
    assert (lifted > 2.0).all()
    np.testing.assert_array_less(np.abs(ours - nest).max(axis=0) / lifted, 0.022)


def test_plastic_weights_are_sums_over_pairs_and_those_of_brian(sim):
    """With a lag s from arrival to spike: + 0.02 w_max exp(-s / 15 ms), or - 0.018 w_max exp(s / 25 ms)."""
    brian = np.load(DATA / "plastic_brian2.npz")
    ours = SCRIPTS["plastic"](sim)
    fired = np.rint(ours["spikes"][1] * 10)
    assert fired.size == 10
    for k, weight in enumerate(ours["weights"]):
        arrived = np.rint(ours["before"][1][ours["before"][0] == k] * 10) + 10
        lag = (fired[:, None] - arrived[arrived <= 2000]) / 10
        up, down = np.exp(-lag[lag > 0] / 15.0).sum(), np.exp(lag[lag < 0] / 25.0).sum()
        assert weight == pytest.approx(0.01 + 0.02 * (0.02 * up - 0.018 * down), rel=1e-5)
        # Brian2 pairs an arrival with a spike of the same step, too.
        together = 0.02 * 0.02 * np.count_nonzero(lag == 0)
        assert weight + together == pytest.approx(float(brian["weights"][k]), abs=2e-6)
