"""Whole sequences in compiled loops, forward and back, against the simulator, and by several threads."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning.surrogate import ATan

torch = pytest.importorskip("torch")

from rheobase.conversion.modules.sequence import SequenceCell  # noqa: E402

STEPS, BATCH, N = 30, 3, 7
ADAPTIVE = rb.ALIF(20e-3, tau_lift=50e-3, lift_step=0.1, tau_w=30e-3, b=0.05, a=0.1, reset="soft")


def test_layers_with_few_events_add_them_up_as_the_simulator_does_and_have_torchs_gradients():
    rng = np.random.default_rng(2)
    x = (rng.random((60, 8, 40)) < 0.15).astype(np.float32)
    net = rb.Network()
    before = net.add(rb.SpikeSource(40, name="x"))
    for k, n in enumerate((70, 40)):  # one wide enough to add up its gradient by events, one not
        layer = net.add(rb.Population(n, rb.Leaky(0.8), name=f"layer{k}"))
        weight = rng.normal(0.08, 0.4, (n, before.n))
        net.add(rb.Projection(before, layer, rb.dense(), weight=weight, delay=0.0, name=f"w{k}"))
        net.add(rb.Probe(layer, "v", name=f"v{k}"))
        before = layer
    result = rb.Simulator(net, dt=1e-3, backend="reference", batch=8).run(
        60e-3, inputs={"x": x.transpose(1, 0, 2).astype(int)}
    )
    gradients, goal = [], torch.from_numpy(rng.normal(size=(60, 8, 40)).astype(np.float32))
    for compiled in (True, False):
        module = rb.to_torch(net, compiled=compiled)
        found = module(torch.from_numpy(x))
        (found["v1"] * goal).sum().backward()
        gradients.append([weight.grad for weight in module.parameters()])
        if compiled:
            for name, trace in found.items():  # in real numbers, and yet the same bits
                np.testing.assert_array_equal(trace.detach().numpy(), result[name].values.transpose(1, 0, 2))
    for ours, expected in zip(*gradients, strict=True):
        assert float((ours - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_events_are_added_up_and_weighed_as_products_of_matrices_are():
    from rheobase.engine.backends.numba_cpu import products

    x = np.where(np.random.default_rng(0).random((90, 40)) < 0.1, np.float32(1.5), np.float32(0.0))
    events = products.list_events(x, 0.25)
    weights = np.random.default_rng(1).normal(size=(40, 70)).astype(np.float32)
    dy = np.random.default_rng(2).normal(size=(90, 70)).astype(np.float32)
    alone = products.add_events(events, weights), products.weigh_events(events, dy)
    np.testing.assert_allclose(alone[0], x @ weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(alone[1], x.T @ dy, rtol=1e-4, atol=1e-5)


def test_threads_share_neurons_without_changing_a_bit(monkeypatch):
    from rheobase.conversion.modules import loops

    cell = SequenceCell(ADAPTIVE, dt=1e-3, surrogate=ATan())
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(loops, "WORTH", 1 if threads > 1 else 1 << 30)
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        torch.manual_seed(0)
        inputs = {port: torch.randn(STEPS, BATCH, N).requires_grad_() for port in cell.model.receptors}
        state = {s.name: torch.zeros(BATCH, N) for s in cell.model.used_states}
        sent, traces, _ = cell(inputs, state, 0, ["v"])
        (sent + traces["v"]).sum().backward()
        found.append([sent, traces["v"], *(value.grad for value in inputs.values())])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


def test_too_many_events_are_not_listed():
    from rheobase.engine.backends.numba_cpu.products import list_events

    x = np.eye(8, dtype=np.float32)
    events = list_events(x, 0.125)
    assert events is not None
    assert events.ids.tolist() == events.rows.tolist() == [*range(8)]
    x[3, 5] = 2.0
    assert list_events(x, 0.125) is None
    more = list_events(x, 0.2)
    assert more is not None
    assert (more.ids.tolist(), more.rows.tolist()) == (
        [0, 1, 2, 3, 5, 4, 5, 6, 7],
        [0, 1, 2, 3, 3, 4, 5, 6, 7],
    )
    assert more.values.tolist() == [1, 1, 1, 1, 2, 1, 1, 1, 1]
