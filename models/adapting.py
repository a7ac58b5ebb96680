"""The workload `adex` of `rheobase bench`: a cortical network of adapting neurons."""

from __future__ import annotations

import numpy as np

from ..engine.connectivity import random
from ..engine.distributions import uniform
from ..engine.network import Network
from ..engine.parts import Population, Probe, Projection
from ..neurons import AdEx, Receptor
from ..neurons.units import ms, mV, nS, pA, pF
from .scaling import scaled_sizes


def adex(seed: int = 0, scale: float = 1.0) -> Network:
    """Return a network of 4,000 AdEx neurons with conductances, in the asynchronous irregular state.

    3,200 excitatory neurons, which adapt with every spike, and 800 inhibitory ones, which do so by their
    potential alone; every pair is joined with probability 0.02, a delay of one step. A constant current
    just above the rheobase drives all of them. 15 to 20 Hz. Made for steps of 0.1 ms.

    Parameters
    ----------
    seed : int
        Seed of the network.
    scale : float
        Factor on the number of neurons; the mean number of synapses per neuron stays.

    Notes
    -----
    Source: A. Destexhe, Journal of Computational Neuroscience 27:493 (2009), for neurons and synapses.

    Examples
    --------
    >>> adex(scale=0.1)["neurons"].n
    400
    """
    n_exc, n_inh = scaled_sizes("adex", scale, 3200, 800)
    net = Network(seed=seed)
    model = AdEx(
        (Receptor("excitatory", 5 * ms, reversal=0.0), Receptor("inhibitory", 10 * ms, reversal=-80 * mV)),
        capacitance=200 * pF, g_leak=10 * nS, v_rest=-60 * mV, threshold=-50 * mV, slope_factor=2.5 * mV,
        v_peak=-30 * mV, v_reset=-60 * mV, refractory=2.5 * ms, drive=100 * pA, tau_w=600 * ms, a=1 * nS,
        b=np.repeat([5 * pA, 0.0], [n_exc, n_inh]),
    )  # fmt: skip
    start = {"v": uniform(-60 * mV, -50 * mV)}
    neurons = net.add(Population(n_exc + n_inh, model, name="neurons", initial=start))
    pairs = random(p=min(1.0, 0.02 / scale), self_connections=False)
    for sources, weight, receptor in (
        (neurons[:n_exc], 6 * nS, "excitatory"),
        (neurons[n_exc:], 67 * nS, "inhibitory"),
    ):
        net.add(Projection(sources, neurons, pairs, weight=weight, receptor=receptor, name=receptor[:3]))
    net.add(Probe(neurons, name="spikes"))
    return net
