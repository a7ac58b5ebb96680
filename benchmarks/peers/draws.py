"""Numbers that every engine takes alike, because too much hangs on them."""

from __future__ import annotations

import numpy as np


def sparse_drives(seed: int, n: int) -> np.ndarray:
    """Return the constant drive of each neuron of `sparse` in mV, as `rheobase.models.benchmarks` draws it.

    Few neurons are driven past the threshold; how many of them are excitatory decides the rate, which
    from one draw to the next goes from 0.6 to 1.8 Hz at a tenth of the size.
    """
    return np.random.default_rng([seed, 0]).uniform(8.0, 20.2, n)


#: How far conductances of `coba` lie apart at the start: mean and standard deviation, log-normal, in nS.
COBA_STARTS = {"excitatory": (30.0, 50.0), "inhibitory": (200.0, 500.0)}


def coba_starts() -> dict[str, tuple[float, float]]:
    """Return mean and standard deviation of the logarithm of conductances in nS at the start of `coba`."""
    found = {}
    for name, (mean, sd) in COBA_STARTS.items():
        variance = float(np.log1p((sd / mean) ** 2))
        found[name] = (float(np.log(mean)) - variance / 2, variance**0.5)
    return found
