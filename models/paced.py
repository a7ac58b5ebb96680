"""The workload `event` of `rheobase bench`: neurons to which something happens as often as one says."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..engine.connectivity import fixed_in
from ..engine.network import Network
from ..engine.parts import Population, Probe, Projection
from ..engine.sources import SpikeSource
from ..neurons import LIF, CurrentLIF
from ..neurons.units import ms
from .scaling import scaled_sizes


def paced(
    seed: int = 0,
    scale: float = 1.0,
    *,
    rate: float = 100.0,
    seconds: float = 1.0,
    model: Literal["LIF", "CurrentLIF"] = "LIF",
) -> Network:
    """Return 4,000 inputs onto 4,000 neurons, each of which gets a given number of events a second.

    50 excitatory and 50 inhibitory synapses onto each neuron, with a delay of 1 ms. Inputs fire at random
    times off any grid, drawn once, so that runs with and without steps get the same ones. Weights fall with
    the root of the rate: potentials always spread by 0.4 of the threshold, and neurons fire a few times a
    second. Made for steps of 0.1 ms, or none.

    Parameters
    ----------
    seed : int
        Seed of the network; input spikes come from NumPy's generator of [seed, 0].
    scale : float
        Factor on the number of neurons and of inputs; in-degrees stay where they are at most a tenth of
        the inputs of a kind, and are a tenth of them below.
    rate : float
        Synaptic events per neuron and second.
    seconds : float
        How long inputs fire.
    model : "LIF" or "CurrentLIF"
        Whether an event moves v at once, or a current of 5 ms that moves v.

    Examples
    --------
    >>> paced(scale=0.1, rate=10.0)["neurons"].n
    400
    """
    n, half = scaled_sizes("event", scale, 4000, 2000)
    k = max(1, min(50, half // 10))
    tau, tau_syn = 20 * ms, 5 * ms
    rng = np.random.default_rng([seed, 0])
    n_spikes = rng.poisson(rate * seconds * half / k)
    net = Network(seed=seed)
    times, ids = np.sort(rng.uniform(0.0, seconds, n_spikes)), rng.integers(0, 2 * half, n_spikes)
    inputs = net.add(SpikeSource(2 * half, times=times, ids=ids, name="inputs"))
    # Campbell's theorem: the variance of v is the rate times the integral of the squared response.
    weight = 0.4 / np.sqrt(rate * tau / 2)
    if model == "CurrentLIF":
        weight *= np.sqrt(tau * (tau + tau_syn)) / tau_syn
    cells = LIF(tau, refractory=2 * ms) if model == "LIF" else CurrentLIF(tau, tau_syn, refractory=2 * ms)
    neurons = net.add(Population(n, cells, name="neurons"))
    for name, sources, sign in (("exc", inputs[:half], 1.0), ("inh", inputs[half:], -1.0)):
        net.add(Projection(sources, neurons, fixed_in(k), weight=sign * weight, delay=1 * ms, name=name))
    net.add(Probe(neurons, name="spikes"))
    return net
