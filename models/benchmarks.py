"""The networks of `rheobase bench`, with the published parameters; one function per workload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..engine.connectivity import all_to_all, conv2d, dense, fixed_in, one_to_one, random
from ..engine.distributions import Distribution, lognormal, normal, uniform
from ..engine.network import Network
from ..engine.parts import Population, Probe, Projection
from ..engine.sources import PoissonSource, SpikeSource
from ..learning import STDP, PlasticityRule, RewardSTDP, TripletSTDP
from ..neurons import LIF, ConductanceLIF, CurrentLIF, Leaky, NeuronModel
from ..neurons.errors import SpecError
from ..neurons.units import ms, mV, nS
from .scaling import scaled_sizes

# Factors on normal weights / sqrt(fan-in) at which 5 % of neurons fire per step, found by
# benchmarks/tune_gains.py.
MLP_WIDTHS = (784, 1024, 1024, 10)
MLP_GAINS = (1.996, 1.806, 1.624)
CONV_LAYERS = ((32, 64, 32), (64, 64, 16), (128, 128, 8))
CONV_GAINS = (2.051, 2.129, 2.423)


def cuba(seed: int = 0, scale: float = 1.0) -> Network:
    """Return the current-based network of 4,000 neurons that simulators have long been compared on.

    3,200 excitatory and 800 inhibitory neurons, every pair joined with probability 0.02, a delay of
    one step; it keeps itself active at 5 to 6 Hz. Made for steps of 0.1 ms.

    Parameters
    ----------
    seed : int
        Seed of the network.
    scale : float
        Factor on the number of neurons; the mean number of synapses per neuron stays.

    Notes
    -----
    Source: R. Brette et al., Journal of Computational Neuroscience 23:349 (2007), benchmark 2.

    Examples
    --------
    >>> cuba()["neurons"].n
    4000
    """
    model = CurrentLIF(
        20 * ms, tau_syn_exc=5 * ms, tau_syn_inh=10 * ms, v_rest=-49 * mV, threshold=-50 * mV,
        v_reset=-60 * mV, refractory=5 * ms,
    )  # fmt: skip
    start = {"v": uniform(-60 * mV, -50 * mV)}
    return _vogels_abbott("cuba", model, start, {"exc": 1.62 * mV, "inh": -9.0 * mV}, seed, scale)


def coba(seed: int = 0, scale: float = 1.0) -> Network:
    """Return the conductance-based network of 4,000 neurons that simulators have long been compared on.

    Joined as `cuba`. Neurons of 200 pF and 10 nS, resting potential and reset -60 mV, threshold -50 mV,
    refractory 5 ms; excitatory conductances of 6 nS that decay with 5 ms towards 0 mV, inhibitory ones of
    67 nS, 10 ms, -80 mV. Conductances start high and far apart, which sets it off: at rest it would stay
    silent. Then it keeps itself active at 17 to 20 Hz. Made for steps of 0.1 ms.

    Parameters
    ----------
    seed, scale
        As for `cuba`.

    Notes
    -----
    Source: R. Brette et al., Journal of Computational Neuroscience 23:349 (2007), benchmark 1.

    Examples
    --------
    >>> coba()["neurons"].model.receptors
    ('excitatory', 'inhibitory')
    """
    start = {
        "v": normal(-65 * mV, 5 * mV),
        "g_excitatory": lognormal(30 * nS, 50 * nS),
        "g_inhibitory": lognormal(200 * nS, 500 * nS),
    }
    return _vogels_abbott("coba", ConductanceLIF(), start, {"exc": 6 * nS, "inh": 67 * nS}, seed, scale)


def _vogels_abbott(
    name: str,
    model: NeuronModel,
    start: Mapping[str, Distribution],
    weights: Mapping[str, float],
    seed: int,
    scale: float,
) -> Network:
    """Return four excitatory neurons to an inhibitory one, 80 synapses onto each at any scale."""
    n_exc, n_inh = scaled_sizes(name, scale, 3200, 800)
    net = Network(seed=seed)
    neurons = net.add(Population(n_exc + n_inh, model, name="neurons", initial=start))
    pairs = random(p=min(1.0, 0.02 / scale), self_connections=False)
    ends = {"exc": (neurons[:n_exc], "excitatory"), "inh": (neurons[n_exc:], "inhibitory")}
    for name, (sources, receptor) in ends.items():
        weight = weights[name]
        net.add(Projection(sources, neurons, pairs, weight=weight, receptor=receptor, name=name))
    net.add(Probe(neurons, name="spikes"))
    return net


def brunel(seed: int = 0, scale: float = 1.0) -> Network:
    """Return a sparse network of 12,500 neurons in the asynchronous irregular state.

    10,000 excitatory and 2,500 inhibitory neurons, 1,000 and 250 synapses onto each (no pair joined
    twice, none to itself), instantaneous synapses of 0.2 mV and -1.2 mV after 1.5 ms, and a Poisson
    drive of twice the rate that would just reach threshold. 14 to 15 Hz. Made for steps of 0.1 ms.

    Parameters
    ----------
    seed : int
        Seed of the network.
    scale : float
        Factor on the number of neurons. In-degrees stay where they are at most a tenth of the
        sources, and are a tenth of them below.

    Notes
    -----
    Source: N. Brunel, Journal of Computational Neuroscience 8:183 (2000), with stronger synapses.

    Examples
    --------
    >>> brunel(scale=0.1)["neurons"].n
    1250
    """
    n_exc, n_inh = scaled_sizes("brunel", scale, 10_000, 2_500)
    k_exc, k_inh = max(1, min(1000, n_exc // 10)), max(1, min(250, n_inh // 10))
    weight, tau, threshold = 0.2 * mV, 20 * ms, 20 * mV
    net = Network(seed=seed)
    model = LIF(tau, threshold=threshold, v_reset=10 * mV, refractory=2 * ms)
    start = {"v": uniform(0.0, threshold)}
    neurons = net.add(Population(n_exc + n_inh, model, name="neurons", initial=start))
    drive = net.add(PoissonSource(neurons.n, rate=2.0 * threshold / (weight * tau), name="drive"))
    net.add(Projection(drive, neurons, one_to_one(), weight=weight, name="external"))
    for name, sources, k, w in (
        ("exc", neurons[:n_exc], k_exc, weight),
        ("inh", neurons[n_exc:], k_inh, -6.0 * weight),
    ):
        pairs = fixed_in(k, self_connections=False)
        net.add(Projection(sources, neurons, pairs, weight=w, delay=1.5 * ms, name=name))
    net.add(Probe(neurons, name="spikes"))
    return net


def sparse(seed: int = 0, scale: float = 1.0) -> Network:
    """Return a large sparse network, 100,000 neurons and 100 million synapses, that fires at about 1 Hz.

    80,000 excitatory and 20,000 inhibitory neurons, 800 and 200 synapses onto each (no pair joined
    twice, none to itself), instantaneous synapses of 0.1 mV and -0.5 mV after 1 to 10 ms. A constant
    drive lifts each neuron to somewhere between 8 and 20.2 mV, so that few of them reach the
    threshold of 20 mV by themselves. Made for steps of 0.1 ms.

    Parameters
    ----------
    seed : int
        Seed of the network; the drives come from NumPy's generator of [seed, 0].
    scale : float
        Factor on the number of neurons. In-degrees stay where they are at most a fifth of the
        sources, and are a fifth of them below.

    Examples
    --------
    >>> sparse(scale=0.01)["neurons"].n
    1000
    """
    n_exc, n_inh = scaled_sizes("sparse", scale, 80_000, 20_000)
    weight, threshold, delay = 0.1 * mV, 20 * mV, uniform(1 * ms, 10 * ms)
    drive = np.random.default_rng([seed, 0]).uniform(8 * mV, 20.2 * mV, n_exc + n_inh)
    net = Network(seed=seed)
    model = LIF(20 * ms, threshold=threshold, v_reset=10 * mV, refractory=2 * ms, drive=drive)
    start = {"v": uniform(0.0, threshold)}
    neurons = net.add(Population(n_exc + n_inh, model, name="neurons", initial=start))
    for name, sources, most, w in (
        ("exc", neurons[:n_exc], 800, weight),
        ("inh", neurons[n_exc:], 200, -5.0 * weight),
    ):
        pairs = fixed_in(max(1, min(most, sources.n // 5)), self_connections=False)
        net.add(Projection(sources, neurons, pairs, weight=w, delay=delay, name=name))
    net.add(Probe(neurons, name="spikes"))
    return net


def stdp(seed: int = 0, scale: float = 1.0, rule: str = "pair") -> Network:
    """Return 1,000 Poisson inputs onto 100 neurons through synapses that learn from their spikes.

    Inputs at 15 Hz, all to all; a weight is what a spike adds to a synaptic current of 5 ms, between
    0 and 0.5 mV, and starts anywhere there. 2.8 to 3.7 Hz. Made for steps of 0.1 ms.

    Parameters
    ----------
    seed : int
        Seed of the network.
    scale : float
        Factor on the number of neurons; each keeps its thousand inputs.
    rule : str
        "pair": additive, by up to 1 % of the range for each pair of spikes, down 1.05 times as far as up,
        with traces of 20 ms. "triplet": what was fitted to visual cortex, as shares of the range. "reward":
        pairs as in "pair" make synapses eligible for 1 s; a modulator that fires at 10 Hz, whose spikes add
        1 to what fades with 0.2 s, turns that into weight where it is above 1.

    Notes
    -----
    Sources: S. Song, K. D. Miller, L. F. Abbott, Nature Neuroscience 3:919 (2000); J.-P. Pfister,
    W. Gerstner, Journal of Neuroscience 26:9673 (2006); E. M. Izhikevich, Cerebral Cortex 17:2443 (2007).

    Examples
    --------
    >>> stdp()["learning"].rule.bounds
    (0.0, 0.0005)
    """
    (n,) = scaled_sizes("stdp", scale, 100)
    w_max = 0.5 * mV
    net = Network(seed=seed)
    inputs = net.add(PoissonSource(1000, rate=15.0, name="inputs"))
    model = CurrentLIF(20 * ms, 5 * ms, threshold=20 * mV, refractory=2 * ms)
    neurons = net.add(Population(n, model, name="neurons"))
    learns = plastic_rule(rule, w_max)
    modulator = net.add(PoissonSource(1, rate=10.0, name="modulator")) if learns.modulated else None
    ends: dict[str, Any] = {"rule": learns, "modulator": modulator, "name": "learning"}
    net.add(Projection(inputs, neurons, all_to_all(), weight=uniform(0.0, w_max), **ends))
    net.add(Probe(neurons, name="spikes"))
    return net


def plastic_rule(name: str, w_max: float) -> PlasticityRule:
    """Return a rule of the network `stdp`, for weights from 0 to `w_max`.

    Raises
    ------
    SpecError
        If there is none of this name.

    Examples
    --------
    >>> plastic_rule("reward", 1.0).baseline
    1.0
    """
    pair: dict[str, Any] = {"a_pre": 0.01 * w_max, "a_post": -1.05 * 0.01 * w_max, "w_max": w_max}
    if name == "pair":
        return STDP(20 * ms, 20 * ms, **pair)
    if name == "triplet":
        return TripletSTDP.preset("visual cortex", w_max=w_max, scale=w_max)
    if name == "reward":
        return RewardSTDP(20 * ms, 20 * ms, tau_c=1.0, tau_d=0.2, baseline=1.0, **pair)
    raise SpecError(f"stdp.rule: got {name!r}; there are ['pair', 'reward', 'triplet']")


def mlp(seed: int = 0, scale: float = 1.0) -> Network:
    """Return three dense layers of spiking neurons, 784-1024-1024-10, without delay.

    Leak 0.9 per step, threshold 1, soft reset in the same step; random weights at which input of
    5 % activity makes 5 % of each layer fire. The input is fed: see `spike_inputs`.

    Parameters
    ----------
    seed : int
        Seed of the weights.
    scale : float
        Factor on the width of the two hidden layers.

    Examples
    --------
    >>> mlp()["layer 2"].n
    1024
    """
    hidden = scaled_sizes("mlp", scale, *MLP_WIDTHS[1:-1])
    widths = (MLP_WIDTHS[0], *hidden, MLP_WIDTHS[-1])
    net = Network(seed=seed)
    layer: Any = net.add(SpikeSource(widths[0], name="input"))
    for i, gain in enumerate(MLP_GAINS):
        weight = _normal_weights(seed, i, (widths[i + 1], widths[i]), gain)
        target = net.add(Population(widths[i + 1], _layer_model(), name=f"layer {i + 1}"))
        net.add(Projection(layer, target, dense(), weight=weight, delay=0.0, name=f"weights {i + 1}"))
        layer = target
    net.add(Probe(layer, "counts", name="output"))
    return net


def conv(seed: int = 0, scale: float = 1.0) -> Network:
    """Return three separate 3x3 convolutions with spiking neurons, side by side, each with its input.

    32 -> 64 channels at 32x32, 64 -> 64 at 16x16 and 128 -> 128 at 8x8, neurons as in `mlp`. The
    inputs are fed: see `spike_inputs`.

    Parameters
    ----------
    seed : int
        Seed of the weights.
    scale : float
        Factor on the number of channels.

    Examples
    --------
    >>> conv()["layer 3"].shape
    (128, 8, 8)
    """
    net = Network(seed=seed)
    for i, ((c_in, c_out, side), gain) in enumerate(zip(CONV_LAYERS, CONV_GAINS, strict=True)):
        c_in, c_out = scaled_sizes("conv", scale, c_in, c_out)
        source = net.add(SpikeSource((c_in, side, side), name=f"input {i + 1}"))
        target = net.add(Population((c_out, side, side), _layer_model(), name=f"layer {i + 1}"))
        kernel = _normal_weights(seed, i, (c_out, c_in, 3, 3), gain)
        pattern = conv2d(padding=1)
        net.add(Projection(source, target, pattern, weight=kernel, delay=0.0, name=f"kernel {i + 1}"))
        net.add(Probe(target, "counts", name=f"output {i + 1}"))
    return net


def spike_inputs(
    network: Network, *, seed: int, steps: int, dt: float, batch: int = 1, activity: float = 0.05
) -> dict[SpikeSource, list[tuple[np.ndarray, np.ndarray]]]:
    """Draw Bernoulli input for every SpikeSource of a network: a pair (times, ids) for each trial.

    Sources count from 0 in the order of the network, and draw step by step from NumPy's generator of
    [seed, source, 1], so that another program can draw the same.

    Examples
    --------
    >>> net = mlp()
    >>> [(times, ids)] = spike_inputs(net, seed=0, steps=100, dt=1e-3)[net["input"]]
    >>> 3500 < times.size < 4300
    True
    """
    drawn = {}
    for k, source in enumerate(network.of(SpikeSource)):
        rng = np.random.default_rng([seed, k, 1])
        fires = np.empty((steps, batch, source.n), dtype=bool)
        for step in fires:
            np.less(rng.random(step.shape, dtype=np.float32), activity, out=step)
        pairs = [np.nonzero(fires[:, trial]) for trial in range(batch)]
        drawn[source] = [(at * dt, ids) for at, ids in pairs]
    return drawn


def _layer_model() -> Leaky:
    return Leaky(0.9, threshold=1.0, reset="soft", reset_delay=False)


def _normal_weights(seed: int, layer: int, shape: tuple[int, ...], gain: float) -> np.ndarray:
    """Draw weights from NumPy's generator of [seed, layer, 0], as the peers' scripts do."""
    weight = np.random.default_rng([seed, layer, 0]).standard_normal(shape, dtype=np.float32)
    return weight * np.float32(gain / np.sqrt(np.prod(shape[1:])))
