"""The cortical microcircuit of Potjans and Diesmann: what lies under one square millimetre of cortex.

The numbers are those of T. C. Potjans and M. Diesmann, Cerebral Cortex 24:785 (2014), tables 4 and 5,
with the initial potentials, rates and scaling of the community's reference model.
"""

from __future__ import annotations

import numpy as np

from ..engine.connectivity import fixed_total, one_to_one
from ..engine.distributions import Normal, normal
from ..engine.network import Network
from ..engine.parts import Population, Probe, Projection
from ..engine.sources import PoissonSource
from ..neurons import CurrentLIF
from ..neurons.units import ms, mV, pF
from .scaling import check_scale, scaled_sizes

#: Layers 2/3 to 6, excitatory and inhibitory; all arrays below are in this order.
POPULATIONS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
SIZES = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
#: Synapses onto each neuron from outside, each with a Poisson train of `EXTERNAL_RATE` hertz.
EXTERNAL_IN_DEGREES = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
EXTERNAL_RATE = 8.0
#: Probability that a pair is joined at least once, [target, source].
PROBABILITIES = np.array(
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
    ]
)
#: Rates of the populations at full scale, in hertz: what a scaled-down network is compensated for.
REFERENCE_RATES = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])
#: Mean and standard deviation of the initial potentials, in volt.
V_MEANS = np.array([-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43]) * mV
V_SDS = np.array([5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48]) * mV

TAU, TAU_SYN, CAPACITANCE = 10 * ms, 0.5 * ms, 250 * pF
#: Height of an excitatory potential; an inhibitory synapse is this many times stronger.
PSP, INHIBITION, WEIGHT_SPREAD = 0.15 * mV, -4.0, 0.1
STEP = 0.1 * ms
DELAYS = {"E": normal(1.5 * ms, 0.75 * ms, low=STEP), "I": normal(0.75 * ms, 0.375 * ms, low=STEP)}


def microcircuit(
    seed: int = 0,
    scale: float = 1.0,
    *,
    n_scale: float | None = None,
    k_scale: float | None = None,
    record: bool = True,
) -> Network:
    """Return the microcircuit: 77,169 neurons in eight populations, 299 million synapses at full scale.

    Populations are named L23E, L23I, L4E, L4I, L5E, L5I, L6E and L6I, projections "L4E to L23E", each
    population's Poisson drive "drive L4E" and its spike probe "spikes L4E". Made for steps of 0.1 ms.

    Parameters
    ----------
    seed : int
        Seed of the network.
    scale : float
        Factor on the number of neurons and on the number of synapses onto each of them.
    n_scale, k_scale : float, optional
        The two factors apart; `scale` where left out.
    record : bool
        Whether to record the spikes of all populations. Rates can be had without, from
        `result.counts`.

    Returns
    -------
    Network
        Units are SI: volt, ampere, second, hertz.

    Raises
    ------
    SpecError
        If a factor is not a finite number above 0.

    Notes
    -----
    Source: T. C. Potjans and M. Diesmann, Cerebral Cortex 24:785 (2014). A projection has a fixed
    number of synapses between pairs drawn uniformly, so that a pair may be joined several times and a
    neuron to itself. Weights and delays are normal, weights cut where they would change their sign,
    delays at one step.

    With fewer synapses weights grow by 1 / sqrt(k_scale), which keeps the variance of the input, and
    a constant current makes up for the mean that is then missing: S. J. van Albada, M. Helias and
    M. Diesmann, PLoS Computational Biology 11:e1004490 (2015).

    Examples
    --------
    >>> import rheobase as rb
    >>> net = microcircuit(scale=0.01)
    >>> [population.n for population in net.populations]
    [207, 58, 219, 55, 48, 11, 144, 29]
    >>> result = rb.Simulator(net, dt=1e-4).run(0.01)
    >>> result["spikes L4E"].n_trials
    1
    """
    check_scale("microcircuit.scale", scale)
    n_scale = check_scale("microcircuit.n_scale", scale if n_scale is None else n_scale)
    k_scale = check_scale("microcircuit.k_scale", scale if k_scale is None else k_scale)
    net = Network(seed=seed)
    groups = _populations(net, n_scale, k_scale)
    _projections(net, groups, n_scale, k_scale)
    if record:
        for group in groups:
            net.add(Probe(group, name=f"spikes {group.name}"))
    return net


def psc_amplitude(psp: float = PSP) -> float:
    """Return the synaptic current in ampere whose potential reaches `psp` volt at its peak.

    Examples
    --------
    >>> round(psc_amplitude() * 1e12, 2)
    87.81
    """
    ratio, difference = TAU / TAU_SYN, TAU_SYN - TAU
    bend = ratio ** (TAU / difference) - ratio ** (TAU_SYN / difference)
    return float(psp / (TAU * TAU_SYN / CAPACITANCE / difference * bend))


def synapse_numbers() -> np.ndarray:
    """Return the synapses between populations at full scale, [target, source], whole numbers.

    K = ln(1 - p) / ln(1 - 1 / (N_source N_target)): with so many drawn, a pair is joined at least
    once with probability p.

    Examples
    --------
    >>> int(synapse_numbers().sum())
    298880970
    """
    pairs = np.outer(SIZES, SIZES).astype(np.float64)
    numbers: np.ndarray = np.rint(np.log1p(-PROBABILITIES) / np.log1p(-1.0 / pairs)).astype(np.int64)
    return numbers


def mean_weights() -> np.ndarray:
    """Return the mean weights at full scale, [target, source], in ampere.

    Examples
    --------
    >>> (mean_weights()[0] / psc_amplitude()).tolist()
    [1.0, -4.0, 2.0, -4.0, 1.0, -4.0, 1.0, -4.0]
    """
    signs = [1.0 if name.endswith("E") else INHIBITION for name in POPULATIONS]
    weights = psc_amplitude() * np.tile(signs, (len(POPULATIONS), 1))
    weights[POPULATIONS.index("L23E"), POPULATIONS.index("L4E")] *= 2.0
    return weights


def compensating_drive(k_scale: float) -> np.ndarray:
    """Return the constant current of each population, in ampere, for in-degrees scaled by `k_scale`.

    tau_syn (1 - sqrt(k)) (sum over sources of weight, in-degree and rate, and of the drive likewise):
    the mean input that is missing when there are k times as many synapses of 1 / sqrt(k) the weight.

    Examples
    --------
    >>> float(compensating_drive(1.0).sum())
    0.0
    """
    in_degrees = synapse_numbers() / SIZES[:, np.newaxis]
    recurrent = (mean_weights() * in_degrees) @ REFERENCE_RATES
    external = psc_amplitude() * EXTERNAL_IN_DEGREES * EXTERNAL_RATE
    drive: np.ndarray = TAU_SYN * (1.0 - np.sqrt(k_scale)) * (recurrent + external)
    return drive


def _populations(net: Network, n_scale: float, k_scale: float) -> list[Population]:
    """Add the populations and their Poisson drive, one train for each neuron."""
    sizes = scaled_sizes("microcircuit", n_scale, *SIZES.tolist())
    currents, weight = compensating_drive(k_scale), psc_amplitude() / np.sqrt(k_scale)
    groups = []
    for i, (name, n) in enumerate(zip(POPULATIONS, sizes, strict=True)):
        model = CurrentLIF(
            TAU, TAU_SYN, capacitance=CAPACITANCE, v_rest=-65 * mV, v_reset=-65 * mV, threshold=-50 * mV,
            refractory=2 * ms, drive=float(currents[i]),
        )  # fmt: skip
        start = {"v": normal(float(V_MEANS[i]), float(V_SDS[i]))}
        group = net.add(Population(n, model, name=name, initial=start))
        rate = float(EXTERNAL_IN_DEGREES[i] * k_scale * EXTERNAL_RATE)
        source = net.add(PoissonSource(n, rate=rate, name=f"drive {name}"))
        net.add(Projection(source, group, one_to_one(), weight=weight, name=f"drive to {name}"))
        groups.append(group)
    return groups


def _projections(net: Network, groups: list[Population], n_scale: float, k_scale: float) -> None:
    """Add the synapses between populations, except where there are none."""
    numbers = np.rint(synapse_numbers() * n_scale * k_scale).astype(np.int64)
    weights = mean_weights() / np.sqrt(k_scale)
    for (i, j), number in np.ndenumerate(numbers):
        if number:
            source, target = groups[j], groups[i]
            net.add(
                Projection(
                    source,
                    target,
                    fixed_total(int(number)),
                    weight=_one_sign(float(weights[i, j])),
                    delay=DELAYS[POPULATIONS[j][-1]],
                    name=f"{source.name} to {target.name}",
                )
            )


def _one_sign(mean: float) -> Normal:
    spread = WEIGHT_SPREAD * abs(mean)
    return normal(mean, spread, low=0.0) if mean > 0 else normal(mean, spread, high=0.0)
