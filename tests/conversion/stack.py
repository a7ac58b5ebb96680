"""A network with every pattern of synapses, in the simulator and as a torch module."""

import functools

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")

STEPS, BATCH = 30, 3
#: What is compiled has the same numbers: see test_sequence.py.
to_torch = functools.partial(rb.to_torch, compiled=False)
MODELS = {
    "leaky": rb.Leaky(0.9),
    "leaky hard": rb.Leaky(0.8, reset="hard", v_reset=-0.1),
    "lif": rb.LIF(20e-3, refractory=2e-3),
    "lif soft": rb.LIF(15e-3, reset="soft", drive=0.1),
    "if": rb.IF(threshold=1.5),
    "current": rb.CurrentLIF(20e-3, 5e-3, threshold=0.3, v_reset=0.0),
    "alpha": rb.AlphaLIF(20e-3, 5e-3, threshold=0.2),
    "cuba": rb.CubaLIF(20e-3, 5e-3, w_in=4.0, resistance=4.0, reset="soft"),
    "adaptive": rb.ALIF(20e-3, tau_lift=50e-3, lift_step=0.1, tau_w=30e-3, b=0.05, a=0.1),
}


def stack(model, seed=0):
    """Layers of one model with every pattern of synapses, delays, and something that comes back."""
    rng = np.random.default_rng(seed)
    net = rb.Network(seed=3)
    x = net.add(rb.SpikeSource((2, 5, 5), name="x"))
    conv = net.add(rb.Population((3, 4, 4), model, name="conv"))
    pool = net.add(rb.Population((3, 2, 2), model, name="pool"))
    hidden = net.add(rb.Population(14, model, name="hidden", initial={"v": rb.uniform(0.0, 0.1)}))
    out = net.add(rb.Population(6, model, name="out"))

    def connect(pre, post, pattern, weight, **others):
        net.add(rb.Projection(pre, post, pattern, weight=weight, **others))

    connect(x, conv, rb.conv2d(), rng.normal(0.25, 0.4, (3, 2, 2, 2)), delay=0.0)
    connect(conv, pool, rb.pool2d(2), 2.0, delay=0.0)
    connect(pool, hidden, rb.dense(), rng.normal(0.3, 0.6, (14, 12)), delay=2e-3)
    connect(hidden, hidden, rb.random(p=0.3), rb.normal(0.0, 0.3), delay=rb.uniform(1e-3, 4e-3))
    connect(hidden[2:10], out[1:], rb.dense(), rng.normal(0.2, 0.5, (5, 8)), delay=0.0)
    connect(
        hidden,
        out,
        rb.explicit([3, 1, 4, 1], [1, 5, 0, 5]),
        rng.normal(0.5, 0.2, 4),
        delay=[1e-3, 2e-3, 2e-3, 1e-3],
    )
    connect(out, out, rb.one_to_one(), -0.2, delay=1e-3)
    connect(out, hidden, rb.dense(), rng.normal(0.0, 0.3, (14, 6)))
    for name in ("conv", "pool", "hidden", "out"):
        net.add(rb.Probe(net[name], name=f"{name} spikes"))
        net.add(rb.Probe(net[name], "v", name=f"{name} v"))
    return net


def spikes_in(seed=1, rate=0.35):
    return (np.random.default_rng(seed).random((STEPS, BATCH, 2, 5, 5)) < rate).astype(np.float32)


def simulated(net, x, **options):
    """Return what the probes of a network record, (steps, batch, n), by name."""
    sim = rb.Simulator(net, dt=1e-3, backend="reference", batch=x.shape[1], **options)
    given = x.reshape(*x.shape[:2], -1).transpose(1, 0, 2).astype(int)
    result, found = sim.run(len(x) * 1e-3, inputs={net.sources[0].label: given}), {}
    for probe in net.probes:
        record = result[probe]
        if probe.variable == "spikes":
            found[probe.name] = np.zeros((len(x), x.shape[1], probe.group.n), np.float32)
            found[probe.name][record.steps, record.trials, record.ids] = 1.0
        else:
            found[probe.name] = np.asarray(record.values).transpose(1, 0, 2)
    return found


def computed(module, x):
    with torch.no_grad():
        return {name: value.numpy() for name, value in module(torch.from_numpy(x)).items()}
