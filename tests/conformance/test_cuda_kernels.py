"""Kernels of the CUDA backend as machine code, for every kind of neuron, rule, operator and projection.

No GPU is needed, and a type error does not wait for one. What the kernels compute is held to the conformance
suite in the simulator (`test_cuda_simulated.py`), and on a GPU by `pytest tests --backend cuda`.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
from functools import partial

import numpy as np
import pytest

import rheobase as rb
import rheobase.neurons
from rheobase.engine.planning import make_plan
from rheobase.learning import Normalise, Scale

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed"
)


def variants():
    """Return the family, and every law and alphabet of the graded models, by network.

    Firing is written once for all models: one has all its variants, the others each option once. Most of
    what is compiled is the same for every network, so that models share a few.
    """
    firing = [
        {"reset": reset, "strict": strict, "reset_delay": delay, "refractory": refractory}
        for reset, (strict, delay, refractory) in itertools.product(
            ("hard", "soft", "none"), [(False, False, 0.0), (True, True, 2e-3), (False, True, 0.0)]
        )
    ]
    made = {"apart": [rb.LI(10e-3), rb.ReLU(bias=0.1), rb.ReLU(bias=np.arange(3.0))]}
    made["lif"] = [rb.LIF(20e-3, **options) for options in firing]
    made["leaky"] = [rb.Leaky(0.9, **options) for options in firing[::4]]
    made["leaky"] += [rb.IF(drive=0.1, **options) for options in firing[::4]]
    made["leaky"] += [rb.Leaky(0.9, leak=leak, drive=0.1) for leak in ("relax", "blend")]
    made["current"] = [rb.CurrentLIF(10e-3, 5e-3, **options) for options in firing[::4]]
    made["current"] += [rb.CubaLIF(10e-3, 5e-3, **options) for options in firing[::4]]
    made["current"] += [
        rb.Alpha(0.9, 0.8),
        rb.Alpha(0.9, np.array([0.1, 0.2, 0.3]), reset="none", strict=False),
    ]
    made["lif"] += [rb.LIF(np.array([1e-2, 2e-2, 3e-2]), refractory=np.array([0.0, 2e-3, 1e-3]))]
    made["adaptive"] = [rb.ALIF(2e-2, tau_lift=0.1, tau_w=0.2, a=0.5, **options) for options in firing[::3]]
    made["adaptive"] += [rb.ALIF(2e-2, tau_lift=0.1, reset="soft"), rb.ALIF(2e-2, tau_w=np.full(3, 0.1))]
    made["apart"] += [rb.LIF(2e-2, noise=0.2, noise_tau=5e-3, refractory=2e-3, escape=0.1)]
    made["apart"] += [rb.LI(1e-2, noise=np.full(3, 0.1))]
    made["apart"] += [rb.Sigmoid(), rb.SigmaDelta(0.5), rb.OrnsteinUhlenbeck(0.1, 5e-3, hold=2e-3)]
    made["adaptive"] += [rb.LIF(20e-3, resistance=2.0, integration="euler"), rb.IF(resistance=2.0)]
    made["adaptive"] += [make(graded=True) for make in (rb.LI, partial(rb.CubaLI, 10e-3, 5e-3))]
    made["nonlinear"] = [rb.Izhikevich(method=method) for method in ("half_steps", "euler")]
    made["nonlinear"] += [rb.ExpIF(method="rk4"), rb.AdEx(refractory=2e-3, v_peak=np.full(3, -0.01))]
    currents = [rb.Receptor("input", 5e-3), rb.Receptor("slow", 9e-3, tau_rise=1e-3, reversal=0.0)]
    made["nonlinear"] += [rb.AdEx(currents, method=method) for method in ("euler", "heun", "rk4")]
    made["current"] += [rb.CurrentLIF(10e-3, tau_syn_exc=5e-3, tau_syn_inh=10e-3, refractory=2e-3)]
    fast, slow = rb.Receptor("fast", 2e-3), rb.Receptor("slow", 5e-2, tau_rise=2e-3)
    made["current"] += [rb.CurrentLI(10e-3, synapses=[slow]), rb.AlphaLIF(10e-3, 2e-3, reset_delay=True)]
    made["current"] += [rb.CurrentLIF(10e-3, synapses=[slow, rb.Receptor("own", [1e-3, 2e-3, 3e-3]), fast])]
    made["nonlinear"] += [conductance(), conductance(method="rk4", **firing[4])]
    laws = itertools.product(("delta", "rate"), ("pow2", "unit", "graded"), ("nearest", "floor"))
    made["apart"] += [rb.TsodyksMarkram(), rb.TsodyksMarkram(np.array([0.1, 0.2, 0.3]), 0.1, 0.5)]
    made["events"] = [rb.EventNeuron(0.1, law=law, events=e, rounding=r) for law, e, r in laws]
    made["events"] += [
        rb.EventNeuron(law="value"),
        rb.EventNeuron(burst=True),
        rb.EventNeuron(coarse=4, hold=0.5),
    ]
    made["events"] += [rb.EventNeuron(f="clamp", parameters=(-1, 1)), rb.EventNeuron(law="rate", f="gelu")]
    made["events"] += [rb.EventNeuron(0.1, law="rate", events="unit", signed=False)]
    made["events"] += [rb.FirstSpike(0.1, start=15, origin=3)]
    return made


def conductance(**options):
    ampa = rb.Receptor("ampa", 2e-3, reversal=0.0)
    gaba = rb.Receptor("gaba", [5e-3, 6e-3, 7e-3], tau_rise=[5e-3, 3e-3, 1e-3], reversal=-0.07)
    nmda = rb.Receptor("nmda", 0.1, tau_rise=2e-3, reversal=0.0, magnesium=1.0)
    return rb.ConductanceLIF([ampa, gaba, nmda], **options)


def driven(models):
    """Return a network in which each model is driven by spikes and by values, and recorded."""
    net = rb.Network()
    spikes, values = net.add(rb.SpikeSource(3)), net.add(rb.CurrentSource(3))
    for model in models:
        population = net.add(rb.Population(3, model))
        if population.receptors:
            net.add(rb.Projection(spikes, population, rb.random(p=0.5), weight=0.5))
            net.add(rb.Projection(values, population, rb.one_to_one(), weight=0.5))
        net.add(rb.Probe(population, "v" if model.states[0].name == "v" else "spikes"))
    return net


def wired():
    """Return a network with every kind of source, projection, probe and operator."""
    net = rb.Network()
    noise = net.add(rb.PoissonSource(8, rate=np.linspace(10.0, 80.0, 8)))
    rates = net.add(rb.RateSource(6, [0.0, 0.1], [10.0, 20.0]))
    private = net.add(rb.PoissonSource(12, rate=900.0))
    frames = net.add(rb.FrameSource((2, 6, 6)))
    image = net.add(rb.Population((4, 4, 4), rb.LIF(10e-3)))
    pooled = net.add(rb.Population((4, 2, 2), rb.EventNeuron(0.25, bits=4)))
    out = net.add(rb.Population(12, rb.CurrentLIF(10e-3, tau_syn_exc=3e-3, tau_syn_inh=5e-3)))
    soft = net.add(rb.Operator("softmax", [pooled]))
    last = net.add(rb.Population(16, rb.LI(10e-3)))
    net.add(rb.Projection(frames, image, rb.conv2d(), weight=np.ones((4, 2, 3, 3)), delay=0.0))
    net.add(rb.Projection(image, pooled, rb.pool2d(2), delay=0.0))
    net.add(rb.Projection(soft, last, rb.dense(), weight=0.1, delay=0.0))
    inhibitory = {"receptor": "inhibitory"}
    net.add(rb.Projection(noise, out, rb.dense(), weight=rb.uniform(0.0, 0.1), **inhibitory))
    net.add(rb.Projection(private, out, rb.one_to_one(), weight=0.1, receptor="excitatory"))
    net.add(rb.Projection(rates, out, rb.random(p=0.5), weight=0.1, delay=2e-3, **inhibitory))
    net.add(rb.Projection(out, out, rb.random(p=0.5), weight=0.1, delay=rb.uniform(1e-3, 5e-3), **inhibitory))
    rule = stdp("all", "additive")
    net.add(rb.Projection(noise, out, rb.random(p=0.5), weight=0.1, rule=rule, **inhibitory))
    for variable in ("spikes", "counts", "v"):
        net.add(rb.Probe(out, variable))
    return net


def operated():
    """Return a network with an operator of every kind, which tell or write what they compute."""
    net = rb.Network()
    rate, delta = (
        net.add(rb.Population((2, 3, 3), rb.EventNeuron(0.1, law=law))) for law in ("rate", "delta")
    )
    kinds = [
        ("map", 1, {"function": "clamp", "parameters": [0.0, 1.0]}),
        ("product", 2, {"function": "gelu"}),
    ]
    kinds += [("max", 1, {}), ("matmul", 2, {}), ("scan", 4, {}), ("normalise", 1, {}), ("softmax", 1, {})]
    kinds += [("top_k", 1, {"k": 2})]
    for k, (kind, n, options) in enumerate(kinds):
        reads = [rb.Read((rate, delta)[i % 2], ("total", "told")[k % 2]) for i in range(n)]
        model = rb.EventNeuron(0.1, law=("delta", "rate", "value")[k % 3])
        output = net.add(rb.Population((2, 3, 3), model)) if kind != "max" else None
        net.add(rb.Operator(kind, reads, output=output, options=options))
    return net


def stdp(pairing, dependence, a_pre=0.01):
    return rb.STDP(
        20e-3, 20e-3, a_pre=a_pre, a_post=-a_pre, w_max=1.0, dependence=dependence, pairing=pairing
    )


def learning():
    """Return a network with each option of STDP, with each of the others, and every other rule."""
    net = rb.Network()
    noise = net.add(rb.PoissonSource(8, rate=20.0))
    out = net.add(rb.Population(8, rb.LIF(10e-3)))
    for pairing, dependence in itertools.product(("all", "nearest"), ("additive", "multiplicative")):
        rule = stdp(pairing, dependence, 0.01 if (pairing == "all") == (dependence == "additive") else -0.01)
        net.add(rb.Projection(noise, out, rb.random(p=0.5), weight=0.5, rule=rule))
    total, rate = Normalise(1.0, every=0.1), Scale(5.0, tau=1.0, tau_scale=10.0, every=0.1)
    for rule in (
        rb.TripletSTDP.preset("visual cortex", w_max=1.0, homeostasis=total),
        rb.Hebb(20e-3, lr=0.01, w_max=1.0, homeostasis=rate),
        rb.Oja(20e-3, lr=0.01, w_max=1.0),
        rb.BCM(20e-3, 1.0, lr=0.01, rate=10.0, w_max=1.0),
    ):
        net.add(rb.Projection(noise, out, rb.random(p=0.5), weight=0.5, rule=rule))
    reward = rb.RewardSTDP(20e-3, 20e-3, 1.0, 0.2, a_pre=0.1, a_post=-0.1, w_max=1.0, homeostasis=total)
    net.add(rb.Projection(noise, out, rb.dense(), weight=0.5, rule=reward, modulator=out))
    return net


NETWORKS = {
    **{name: (lambda models=models: driven(models)) for name, models in variants().items()},
    "wired": wired,
    "operated": operated,
    "learning": learning,
}
CASES = [(name, None) for name in NETWORKS] + [("wired", p) for p in ("fixed", "float32", "float64")]
CASES += [("apart", "float64")]
# What differs between cards is the compiler's business: the older one gets the kernels of most kinds.
CASES = [(*case, (9, 0)) for case in CASES] + [(name, None, (8, 0)) for name in ("wired", "learning", "lif")]


def compiled(net, precision, cc):
    from rheobase.engine.backends.cuda import compile as compiler
    from rheobase.engine.backends.cuda import kernel
    from rheobase.engine.backends.cuda.bind import Binder
    from rheobase.engine.backends.cuda.generate import kernel_source

    plan = make_plan(net, 1e-3, precision=precision)
    binder = Binder(plan, threads=1)
    source = kernel_source(binder.kinds(), plan.real, len(binder.store.table))
    block, registers = kernel.block_of(binder.used)
    run, types = kernel.load_kernel(source, registers).py_func, kernel.signature(plan.real)
    return compiler.machine_code(run, types, cc, threads=block), registers


@pytest.mark.parametrize(("name", "precision", "cc"), CASES)
def test_every_kind_of_network_becomes_machine_code_without_fused_operations(name, precision, cc):
    code, registers = compiled(NETWORKS[name](), precision, cc)
    assert code.code.startswith(b"\x7fELF")
    assert code.cooperative
    assert code.registers is not None
    assert code.registers <= registers
    assert f".target sm_{cc[0]}{cc[1]}" in code.ptx
    assert "fma." not in code.ptx
    if precision != "float64":
        # Weights that learn are rounded through double precision; nothing is computed in it.
        lines = [line for line in code.ptx.splitlines() if ".f64" in line]
        doubles = [line for line in lines if not re.match(r"\t(cvt|mov|\.reg)", line)]
        assert not doubles


@pytest.mark.parametrize("model", [rb.ALIF(2e-2, tau_lift=0.1, tau_w=0.2, a=0.5), conductance()])
def test_whole_sequences_forward_and_back_become_machine_code_without_fused_operations(model):
    from rheobase.engine.backends.cuda import compile as compiler
    from rheobase.engine.backends.cuda import recurrent
    from rheobase.engine.backends.cuda.sequence import backward_kernel, forward_kernel
    from rheobase.engine.backends.sequence import Form, Passage
    from rheobase.learning.surrogate import ATan

    constants = {name: np.asarray(value) for name, value in model.constants(1e-3).items()}
    form = Form(
        arrays=frozenset(name for name, value in constants.items() if value.ndim),
        integers=frozenset(name for name, value in constants.items() if value.dtype.kind == "i"),
        arriving=model.receptors,
        wanted=("v",),
        apart=("v",),
        surrogate=ATan().variant,
    )
    passage = Passage.of(model, form)
    alone = [(kernel(passage), None) for kernel in (forward_kernel, backward_kernel)]
    joined, backs = [], ((model.receptors[0], 1), (model.receptors[-1], 2))
    if isinstance(model, rb.ConductanceLIF):  # of which a thread must hold the most
        kernels = recurrent.forward_kernel, recurrent.backward_kernel
        joined = [(kernel(passage, backs), recurrent.THREADS) for kernel in kernels]
    for kernel, threads in [*alone, *joined]:
        code = compiler.machine_code(kernel.function.py_func, kernel.types(), (9, 0), threads=threads)
        assert code.spilled == 0
        assert "fma." not in code.ptx
        assert ".f64" not in code.ptx


def test_the_family_is_complete():
    family = {m for m in vars(rb.neurons).values() if isinstance(m, type) and issubclass(m, rb.NeuronModel)}
    assert family - {rb.NeuronModel} <= {type(m) for models in variants().values() for m in models}


def test_without_our_product_the_compiler_would_fuse():
    from numba import cuda, types

    def plain(a, b):
        a[0] = a[0] * b[0] + b[1]

    ptx, _ = cuda.compile_ptx(plain, (types.float32[::1], types.float32[::1]), cc=(8, 0))
    assert "fma." in ptx
