"""Spike representation: rates follow weighted inputs, and gradients are those of a network of rates."""

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
from rheobase.learning.dsr import spike_representation  # noqa: E402

TAU, BY, STEPS, BATCH = 20.0, 0.8, 30, 5
KEEP = float(np.float32(np.exp(-1.0 / TAU)))


def network(sizes=(8, 7, 6, 3), model=None, seed=0):
    rng, net = np.random.default_rng(seed), rb.Network()
    model = rb.LIF(TAU * 1e-3, threshold=0.3 * BY, reset="soft", reset_by=BY) if model is None else model
    before = net.add(rb.CurrentSource(sizes[0], name="x"))
    for k, n in enumerate(sizes[1:]):
        last = k == len(sizes) - 2
        layer = net.add(rb.Population(n, rb.LI(TAU * 1e-3) if last else model, name=f"layer{k}"))
        weight = rng.normal(0.1, 0.4, (n, before.n))
        net.add(rb.Projection(before, layer, rb.dense(), weight=weight, delay=0.0, name=f"w{k}"))
        before = layer
    return net


def to_torch(net, **options):
    return rb.to_torch(net, compiled=False, precision="float32", **options).double()


def data():
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(1, BATCH, 8, generator=generator, dtype=torch.float64).expand(STEPS, -1, -1)
    return x, torch.randn(BATCH, 3, generator=generator, dtype=torch.float64)


def weighted(values):
    weights = KEEP ** np.arange(STEPS - 1, -1, -1.0)
    return (torch.from_numpy(weights / weights.sum()).reshape(-1, 1, 1) * values).sum(dim=0)


def test_rates_follow_weighted_inputs_but_for_what_is_left_in_the_potential():
    net = network(sizes=(8, 20, 3))
    module, (x, _) = to_torch(net, outputs=["layer0", ("layer0", "v")]), data()
    found = module(x)
    total = weighted(x @ module.projections["w0"].weight.T)
    memory = (1.0 - KEEP**STEPS) / (1.0 - KEEP)
    left = found["v of layer0"][-1] / memory
    torch.testing.assert_close(weighted(found["layer0"]), (total - left) / BY, rtol=1e-5, atol=1e-6)
    steady = (total > 0) & (total < BY)
    assert 0.2 < float(steady.double().mean()) < 0.9
    assert float((weighted(found["layer0"]) - total / BY)[steady].detach().abs().max()) < 1.0 / memory


def test_gradients_are_those_of_a_network_of_rates():
    module, (x, goal) = to_torch(network(), outputs=["layer0", "layer1", ("layer2", "v")]), data()
    plain = module(x)
    with spike_representation(module):
        found = module(x)
        (found["v of layer2"][-1] * goal).sum().backward()
    assert all(torch.equal(found[name], plain[name]) for name in plain)
    rate, weights = weighted(x), []
    for k in range(3):
        w = module.projections[f"w{k}"].weight.detach().clone().requires_grad_()
        weights.append(w)
        total = rate @ w.T
        if k < 2:
            slope = (total / BY).clamp(0.0, 1.0)
            rate = slope + (weighted(plain[f"layer{k}"]) - slope).detach()
    (total * (1.0 - KEEP**STEPS) / (1.0 - KEEP) * goal).sum().backward()
    for k, w in enumerate(weights):
        gradient = module.projections[f"w{k}"].weight.grad
        assert gradient.any()
        torch.testing.assert_close(gradient, w.grad, rtol=1e-5, atol=1e-8)
    assert not any(cell._forward_hooks for cell in module.cells.values())


def test_what_has_no_such_rate_is_refused():
    def refused(net, match):
        with pytest.raises(rb.ConversionError, match=match), spike_representation(to_torch(net)):
            pass

    refused(network(model=rb.LIF(20e-3)), r"layer0: got a LIF with {'reset': 'hard'}; allowed are neurons")
    refused(network(model=rb.Leaky(0.9, reset="soft")), r"got a Leaky with {'reset_delay': True}")
    refused(network(model=rb.LIF(10e-3, reset="soft")), r"got leaks of .*; allowed is one for all")
    refused(network(model=rb.CurrentLIF(10e-3, 5e-3, reset="soft")), r"CurrentLIF: got neurons that remember")
    net = network()
    net.add(rb.Projection(net["layer0"], net["layer0"], rb.dense(), weight=0.1))
    refused(net, "got a network that feeds back")


@pytest.mark.slow
def test_digits_are_learned(images):
    (x, labels), (others, right) = images(rb.datasets.digits()), images(rb.datasets.calibration_digits())
    rng, net = np.random.default_rng(0), rb.Network()
    before = net.add(rb.CurrentSource(784, name="x"))
    hidden = rb.LIF(TAU * 1e-3, threshold=0.3, reset="soft", reset_by=1.0)
    for n, model in ((100, hidden), (10, rb.LI(TAU * 1e-3))):
        layer = net.add(rb.Population(n, model, name=f"{n}"))
        weight = rng.normal(0.0, np.sqrt(2.0 / before.n), (n, before.n))
        net.add(rb.Projection(before, layer, rb.dense(), weight=weight, delay=0.0))
        before = layer
    module = rb.to_torch(net, outputs=(before, "v"), compiled=False, precision="float32")
    optimiser = torch.optim.Adam(module.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(8):
        for batch in torch.randperm(1000, generator=generator).split(50):
            with spike_representation(module):
                answer = module(x[batch].expand(20, -1, -1))[-1] / 10.0
            torch.nn.functional.cross_entropy(answer, labels[batch]).backward()
            optimiser.step()
            optimiser.zero_grad()
    with torch.no_grad():
        found = module(others.expand(20, -1, -1))[-1].argmax(dim=1)
    assert float((found == right).float().mean()) >= 0.84
