"""The networks of `rheobase bench`, with the published parameters; one function per workload."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.connectivity import conv2d, dense, fixed_in, one_to_one, random
from ..engine.distributions import uniform
from ..engine.network import Network
from ..engine.parts import Population, Probe, Projection
from ..engine.sources import PoissonSource, SpikeSource
from ..neurons import LIF, CurrentLIF, Leaky
from ..neurons.errors import SpecError
from ..neurons.units import ms, mV

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
    n_exc, n_inh = _sizes("cuba", scale, 3200, 800)
    net = Network(seed=seed)
    model = CurrentLIF(
        20 * ms, tau_syn_exc=5 * ms, tau_syn_inh=10 * ms, v_rest=-49 * mV, threshold=-50 * mV,
        v_reset=-60 * mV, refractory=5 * ms,
    )  # fmt: skip
    start = {"v": uniform(-60 * mV, -50 * mV)}
    neurons = net.add(Population(n_exc + n_inh, model, name="neurons", initial=start))
    pairs = random(p=min(1.0, 0.02 / scale), self_connections=False)
    exc, inh = neurons[:n_exc], neurons[n_exc:]
    net.add(Projection(exc, neurons, pairs, weight=1.62 * mV, receptor="excitatory", name="exc"))
    net.add(Projection(inh, neurons, pairs, weight=-9.0 * mV, receptor="inhibitory", name="inh"))
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
    n_exc, n_inh = _sizes("brunel", scale, 10_000, 2_500)
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
    hidden = _sizes("mlp", scale, *MLP_WIDTHS[1:-1])
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
        c_in, c_out = _sizes("conv", scale, c_in, c_out)
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


def _sizes(name: str, scale: float, *sizes: int) -> tuple[int, ...]:
    if not scale > 0 or not np.isfinite(scale):
        raise SpecError(f"{name}.scale: got {scale!r}; allowed is a finite number above 0")
    return tuple(max(1, round(size * scale)) for size in sizes)
