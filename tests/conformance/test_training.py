"""Training on every backend's device: the bits and the gradients that torch's own operations give.

On Numba's simulator of a card its kernels run on the processor, and so do torch's.
"""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning.surrogate import ATan

torch = pytest.importorskip("torch")

from rheobase.conversion.modules import kinds  # noqa: E402
from rheobase.conversion.modules.loops import CpuLoops, CudaLoops  # noqa: E402
from rheobase.conversion.modules.sequence import SequenceCell  # noqa: E402
from rheobase.learning.binding.cell import Cell  # noqa: E402

STEPS, BATCH, N = 30, 3, 7
MODELS = {
    "refractory": rb.LIF(np.linspace(5e-3, 30e-3, N), refractory=2e-3),
    "adaptive": rb.ALIF(20e-3, tau_lift=50e-3, lift_step=0.1, tau_w=30e-3, b=0.05, a=0.1, reset="soft"),
}


@pytest.fixture
def device(compiled, monkeypatch):
    """Where tensors lie; the kernels of the backend are those that run."""
    loops = CudaLoops() if compiled == "cuda" else CpuLoops()
    monkeypatch.setattr(kinds, "loops_on", lambda kind: loops)
    kinds.lists_of.cache_clear()
    return "cuda" if compiled == "cuda" and torch.cuda.is_available() else "cpu"


@pytest.mark.parametrize(
    ("name", "detach", "train", "detached"),
    [
        ("refractory", False, ["tau", "threshold"], False),
        ("refractory", False, ["tau", "threshold"], True),
        ("adaptive", True, [], False),
    ],
)
def test_values_are_the_same_bits_and_gradients_the_same_numbers(name, detach, train, detached, device):
    model, found = MODELS[name], []
    for kind in (Cell, SequenceCell):
        torch.manual_seed(0)
        inputs = {
            port: (torch.randn(STEPS, BATCH, N) * 0.5 + 0.2).to(device).requires_grad_()
            for port in model.receptors
        }
        state = {
            s.name: torch.full((BATCH, N), 4, dtype=torch.int32, device=device)
            if s.kind == "integer"
            else (torch.rand(BATCH, N) * 0.1).to(device).requires_grad_()
            for s in model.used_states
        }
        cell = kind(model, dt=1e-3, surrogate=ATan(), detach_reset=detach, train=train).to(device)
        sent, traces, last = cell(inputs, state, 3, ["v"], detached=detached)
        goals = [torch.randn(x.shape).to(device) for x in (sent, traces["v"], *last.values())]
        sum(
            (x * goal).sum() for x, goal in zip((sent, traces["v"], *last.values()), goals, strict=True)
        ).backward()
        given = [*inputs.values(), *(x for x in state.values() if x.requires_grad), *cell.parameters()]
        back = [torch.zeros_like(x) if x.grad is None else x.grad for x in given]
        found.append(([sent, traces["v"], *last.values()], back))
    (values, gradients), (compiled, back) = found
    assert detached == (not any(gradients[len(inputs)].flatten()))  # of the first state
    assert 0.02 < float(values[0].detach().mean()) < 0.5
    assert all(torch.equal(*pair) for pair in zip(values, compiled, strict=True))
    for expected, ours in zip(gradients, back, strict=True):
        assert float((expected - ours).abs().max()) <= 1e-5 * float(expected.abs().max())


@pytest.mark.skipif("not config.getoption('backend')", reason="run with --backend: one at a time")
def test_a_training_step_of_a_network_is_that_of_torchs_own_operations(device):
    rng, found = np.random.default_rng(1), []
    net = rb.Network()
    before = net.add(rb.SpikeSource(6, name="x"))
    for name, model in {**MODELS, "out": rb.LI(10e-3)}.items():
        layer = net.add(rb.Population(N, model, name=name))
        weight = rng.normal(0.5, 0.5, (N, before.n))
        net.add(rb.Projection(before, layer, rb.dense(), weight=weight, delay=0.0))
        before = layer
    x = torch.from_numpy((rng.random((STEPS, BATCH, 6)) < 0.5).astype(np.float32)).to(device)
    outputs = ["refractory", ("adaptive", "v"), ("out", "v")]
    for compiled in (False, True):
        module = rb.to_torch(net, dt=1e-3, surrogate=ATan(), outputs=outputs, compiled=compiled).to(device)
        sent = module(x)
        sum((value * value).sum() for value in sent.values()).backward()
        found.append((sent, [p.grad for p in module.parameters()]))
    (values, gradients), (ours, back) = found
    assert 0 < int(values["refractory"].count_nonzero())
    assert all(torch.equal(value, ours[name]) for name, value in values.items())
    for expected, got in zip(gradients, back, strict=True):
        assert float((expected - got).abs().max()) <= 1e-5 * float(expected.abs().max())


@pytest.mark.skipif("not config.getoption('backend')", reason="run with --backend: one at a time")
def test_neurons_that_hear_themselves_go_on_from_piece_to_piece_as_in_a_run(device, monkeypatch):
    # On a card it is one launch each way, and not one for each step.
    monkeypatch.setattr(CudaLoops, "there", lambda *args: pytest.fail("it went step by step"))
    rng, found, steps, n = np.random.default_rng(1), [], 9, 37
    net = rb.Network()
    x = net.add(rb.SpikeSource(6, name="x"))
    model = rb.CurrentLIF(20e-3, tau_syn_exc=5e-3, tau_syn_inh=8e-3, threshold=0.3)
    joined = net.add(rb.Population(n, model, name="joined"))
    drive = rng.normal(0.5, 0.3, (n, 6))
    net.add(rb.Projection(x, joined, rb.dense(), weight=drive, delay=0.0, receptor="excitatory"))
    for delay, receptor in ((1e-3, "inhibitory"), (3e-3, "excitatory"), (2e-3, "inhibitory")):
        weight = rng.normal(0.02, 0.05, (n, n)) * (-1.0 if receptor == "inhibitory" else 1.0)
        net.add(rb.Projection(joined, joined, rb.dense(), weight=weight, delay=delay, receptor=receptor))
    spikes = (rng.random((steps, BATCH, 6)) < 0.4).astype(np.float32)
    outputs = ["joined", ("joined", "v")]
    for ours in (False, True):
        module = rb.to_torch(net, dt=1e-3, surrogate=ATan(), outputs=outputs, compiled=ours).to(device)
        state, total, pieces = None, 0.0, []
        for piece in torch.from_numpy(spikes).to(device).split([2, 3, 4]):
            sent, state = module.run(piece, state)
            total = total + (sent["v of joined"] - 0.1).square().sum() + sent["joined"].square().sum()
            pieces.append(sent)
        total.backward()
        values = [torch.cat([piece[name] for piece in pieces]).detach().cpu() for name in pieces[0]]
        found.append((values, [p.grad.cpu() for p in module.parameters()]))
    (values, gradients), (own, back) = found
    assert 0.05 < float(values[0].mean()) < 0.6
    assert torch.equal(values[0], own[0])
    torch.testing.assert_close(own[1], values[1], rtol=1e-5, atol=1e-6)
    for expected, got in zip(gradients, back, strict=True):
        assert float((expected - got).abs().max()) <= 1e-5 * float(expected.abs().max()) > 0
