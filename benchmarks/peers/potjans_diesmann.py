"""The numbers of the cortical microcircuit for peers, in mV, ms, pF, pA and Hz.

T. C. Potjans and M. Diesmann, Cerebral Cortex 24:785 (2014). Written apart from
`rheobase.models.microcircuit`, so that each can be checked with the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NAMES = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
# Neurons, external synapses, mean and sd of the first potential, rate at full scale.
TABLE = """
L23E 20683 1600 -68.28 5.36 0.903
L23I  5834 1500 -63.16 4.57 2.965
L4E  21915 2100 -63.33 4.74 4.414
L4I   5479 1900 -63.45 4.94 5.876
L5E   4850 2000 -63.11 4.94 7.569
L5I   1065 1900 -61.66 4.55 8.633
L6E  14395 2900 -66.72 5.46 1.105
L6I   2948 2100 -61.43 4.48 7.829
"""
# Rows are targets, columns sources.
JOINED = """
0.1009 0.1689 0.0437 0.0818 0.0323 0.0    0.0076 0.0
0.1346 0.1371 0.0316 0.0515 0.0755 0.0    0.0042 0.0
0.0077 0.0059 0.0497 0.135  0.0067 0.0003 0.0453 0.0
0.0691 0.0029 0.0794 0.1597 0.0033 0.0    0.1057 0.0
0.1004 0.0622 0.0505 0.0057 0.0831 0.3726 0.0204 0.0
0.0548 0.0269 0.0257 0.0022 0.06   0.3158 0.0086 0.0
0.0156 0.0066 0.0211 0.0166 0.0572 0.0197 0.0396 0.2252
0.0364 0.001  0.0034 0.0005 0.0277 0.008  0.0658 0.1443
"""
C_M, TAU_M, TAU_S, E_L, THRESHOLD, REFRACTORY = 250.0, 10.0, 0.5, -65.0, -50.0, 2.0
PSP, EXTERNAL_HZ, WEIGHT_SPREAD = 0.15, 8.0, 0.1
#: Mean and standard deviation of delays by the sign of their source.
DELAYS = {"E": (1.5, 0.75), "I": (0.75, 0.375)}


@dataclass(frozen=True)
class Microcircuit:
    """One network: arrays in the order of `NAMES`, matrices [target, source]."""

    sizes: np.ndarray
    synapses: np.ndarray
    weights: np.ndarray
    drive_weight: float
    drive_in_degrees: np.ndarray
    currents: np.ndarray
    v_means: np.ndarray
    v_sds: np.ndarray


def describe(scale: float) -> Microcircuit:
    """Return the network with neurons and synapses onto each of them scaled together."""
    numbers = np.array([line.split()[1:] for line in TABLE.split("\n") if line], dtype=float)
    sizes, external, v_means, v_sds, rates = numbers.T
    joined = np.array(JOINED.split(), dtype=float).reshape(8, 8)
    full = np.round(np.log(1 - joined) / np.log1p(-1 / (sizes[:, None] * sizes)))
    psc = _current_of(PSP)
    weights = np.where([name[-1] == "E" for name in NAMES], psc, -4 * psc) * np.ones((8, 1))
    weights[0, 2] = 2 * psc
    mean_input = (weights * full / sizes[:, None] * rates).sum(axis=1) + psc * external * EXTERNAL_HZ
    return Microcircuit(
        sizes=np.maximum(np.round(sizes * scale), 1).astype(int),
        synapses=np.round(full * scale**2).astype(int),
        weights=weights / scale**0.5,
        drive_weight=psc / scale**0.5,
        drive_in_degrees=external * scale,
        currents=1e-3 * TAU_S * (1 - scale**0.5) * mean_input,
        v_means=v_means,
        v_sds=v_sds,
    )


def _current_of(psp: float) -> float:
    """Return the amplitude of a synaptic current whose potential peaks at `psp`, seen at its peak time."""
    at = np.log(TAU_M / TAU_S) * TAU_M * TAU_S / (TAU_M - TAU_S)
    height = TAU_M * TAU_S / (TAU_M - TAU_S) / C_M * (np.exp(-at / TAU_M) - np.exp(-at / TAU_S))
    return psp / float(height)
