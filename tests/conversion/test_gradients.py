"""Gradients: differences of neurons whose spikes are smooth, and those of snnTorch's loops."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning.surrogate import ATan

torch = pytest.importorskip("torch")
STEPS, BATCH, N = 12, 2, 4

#: Model, mean weights by receptor, and how wide the smooth step is, in the unit of v.
MODELS = {
    "conductance": (rb.ConductanceLIF(), {"excitatory": 30e-9, "inhibitory": 10e-9}, 2e-3),
    "adex": (rb.AdEx(v_peak=-40e-3), {"input": 3e-3, "current": 200e-12}, 2e-3),
    "izhikevich": (rb.Izhikevich(), {"input": 8.0, "current": 8.0}, 1.0),
    "cuba": (rb.CubaLIF(20e-3, 5e-3, w_in=4.0, resistance=4.0), {"input": 0.3}, 0.1),
}  # fmt: skip


def layer(model, weights):
    rng, net = np.random.default_rng(0), rb.Network()
    x, y = net.add(rb.SpikeSource(5, name="x")), net.add(rb.Population(N, model, name="y"))
    for receptor, mean in weights.items():
        weight = mean * (1.0 + 0.3 * rng.normal(size=(N, 5)))
        net.add(rb.Projection(x, y, rb.dense(), weight=weight, delay=0.0, receptor=receptor, name=receptor))
    return net


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_the_differences_of_smooth_neurons(name):
    model, means, unit = MODELS[name]
    module = rb.to_torch(
        layer(model, means), outputs=["y", ("y", "v")], surrogate=lambda d: torch.sigmoid(d / unit),
        detach_reset=False, precision="float32", compiled=False,
    ).double()  # fmt: skip
    rng = np.random.default_rng(1)
    x = torch.from_numpy((rng.random((STEPS, BATCH, 5)) < 0.4).astype(float))
    goal = torch.from_numpy(rng.normal(size=(STEPS, BATCH, N)))

    def loss():
        found = module(x)
        return (found["y"] * goal).sum() + ((found["v of y"] / unit) * goal).sum() * 0.1

    loss().backward()
    assert 0.02 < float(module(x)["y"].detach().mean()) < 0.8
    for label, weights in module.named_parameters():
        flat, expected = weights.data.view(-1), []
        by = 1e-5 * means[label.split(".")[1]]
        for sign in (1, -1):
            flat[3] += sign * by
            expected.append(float(loss().detach()))
            flat[3] -= sign * by
        slope = (expected[0] - expected[1]) / (2 * by)
        assert abs(slope) * means[label.split(".")[1]] > 1e-3
        assert float(weights.grad.view(-1)[3]) == pytest.approx(slope, rel=1e-5), label


def test_gradients_of_loops_are_those_of_snntorch():
    snn = pytest.importorskip("snntorch")
    torch.manual_seed(0)
    options = {"spike_grad": snn.surrogate.atan(2.0)}
    layers = [
        torch.nn.Linear(12, 10, bias=False), snn.RLeaky(0.8, linear_features=10, **options),
        torch.nn.Linear(10, 8, bias=False), snn.RSynaptic(0.5, 0.9, linear_features=8, **options),
        torch.nn.Linear(8, 3, bias=False), snn.Synaptic(0.4, 0.7, **options),
    ]  # fmt: skip
    for k in (0, 2, 4):
        layers[k].weight.data.mul_(3.0)
    x = (torch.rand(20, 4, 12) < 0.4).float()
    goal = torch.randn(20, 4, 3)
    module = rb.to_torch(rb.from_torch(layers), surrogate=ATan(2.0), compiled=False)
    found = module(x)
    (found * goal).sum().backward()
    sent = []
    for cell in layers[1::2]:
        cell.init_hidden, cell.output = True, False
        getattr(cell, "reset_mem", lambda: None)()
    for frame in x:
        for one in layers:
            frame = one(frame)
        sent.append(frame)
    assert torch.equal(torch.stack(sent), found)
    (torch.stack(sent) * goal).sum().backward()
    ours = {p.detach().numpy().tobytes(): p.grad for p in module.parameters()}
    theirs = [p for one in layers for p in one.parameters() if p.grad is not None and p.ndim == 2]
    assert len(theirs) == 5
    for p in theirs:
        gradient = ours[p.detach().numpy().tobytes()]
        assert float((gradient - p.grad).abs().max()) <= 1e-5 * float(p.grad.abs().max())
