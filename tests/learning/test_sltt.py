"""Learning step by step: its equations, its memory, and how near it comes to the gradient through time."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning.surrogate import Triangle

torch = pytest.importorskip("torch")
from torch.nn.functional import cross_entropy, mse_loss, one_hot  # noqa: E402

from rheobase.learning.sltt import cross_entropy_and_square, sltt  # noqa: E402

BATCH = 16


def network(sizes, tau, *, seed=0, gain=1.0):
    """The neurons of the method's source in layers, and a readout that only weighs."""
    rng, net = np.random.default_rng(seed), rb.Network()
    before = net.add(rb.FrameSource(sizes[0], name="x"))
    model = rb.Leaky(1.0 - 1.0 / tau, reset="soft", reset_delay=False)
    for k, n in enumerate(sizes[1:]):
        last = k == len(sizes) - 2
        layer = net.add(rb.Population(n, rb.Leaky(0.0, reset="none") if last else model, name=f"layer{k}"))
        weight = rng.normal(0.05, gain * np.sqrt(2.0 / before.n), (n, before.n))
        net.add(rb.Projection(before, layer, rb.dense(), weight=weight, delay=0.0, name=f"w{k}"))
        before = layer
    options = {"surrogate": Triangle(), "outputs": (before, "v"), "compiled": False, "detach_reset": False}
    return rb.to_torch(net, precision="float32", **options)


def data(n=30, steps=6, classes=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(steps, BATCH, n, generator=generator)
    return x, torch.randint(0, classes, (BATCH,), generator=generator)


def gradients(module):
    return {name: p.grad.clone() for name, p in module.named_parameters()}


def test_with_one_step_it_is_backpropagation_bit_for_bit():
    module, (x, labels) = network((30, 20, 20, 4), 1.1), data(steps=1)
    cross_entropy_and_square(module(x)[0], labels).backward()
    expected = gradients(module)
    module.zero_grad()
    found = sltt(module, x, lambda v, t: cross_entropy_and_square(v, labels))
    assert all(torch.equal(g, expected[name]) for name, g in gradients(module).items())
    assert expected["projections.w0.weight"].any()
    assert torch.equal(found.outputs, module(x)[0].detach())


def by_hand(weights, x, labels, tau, used):
    """The source's loop over time with torch alone; returns loss, summed outputs and gradients."""
    weights = [w.clone().requires_grad_() for w in weights]
    potentials, total, loss = [0.0] * (len(weights) - 1), 0.0, 0.0
    for t, s in enumerate(x):
        for k, w in enumerate(weights[:-1]):
            v = potentials[k] * (1.0 - 1.0 / tau) + s @ w.T
            still = v.detach()
            s = (still >= 1.0).float() + (v - still) * (1.0 - (still - 1.0).abs()).clamp(min=0.0)
            potentials[k] = (v - s).detach()
        out = s @ weights[-1].T
        total = total + out.detach()
        if t in used:
            part = cross_entropy(out, labels) / len(x)
            part.backward()
            loss += part.item()
    return loss, total, [w.grad for w in weights]


@pytest.mark.parametrize("k", [None, 2])
def test_it_is_the_loop_of_its_source_and_losses_are_divided_by_all_steps(k):
    tau, (x, labels) = 1.6, data()
    module, used = network((30, 20, 20, 4), tau), []

    def loss(v, t):
        used.append(t)
        return cross_entropy(v, labels)

    found = sltt(module, x, loss, k=k, generator=torch.Generator().manual_seed(3))
    weights = [module.projections[f"w{k}"].weight.detach() for k in range(3)]
    summed, total, expected = by_hand(weights, x, labels, tau, used)
    assert len(set(used)) == (k or 6)
    torch.testing.assert_close(found.outputs, total)
    for name, gradient in zip(("w0", "w1", "w2"), expected, strict=True):
        torch.testing.assert_close(module.projections[name].weight.grad, gradient)
    assert float(found.loss) == pytest.approx(summed)


def test_steps_are_drawn_uniformly_and_run_on_all_alike():
    class Counted:
        def run(self, x, state):
            return x * weight, x

    weight, counts = torch.ones((), requires_grad=True), np.zeros(6)
    generator = torch.Generator().manual_seed(7)
    x = torch.arange(6.0).reshape(6, 1, 1)

    def loss(y, t):
        assert y.requires_grad
        counts[t] += 1
        return y.sum()

    for _ in range(400):
        found = sltt(Counted(), x, loss, k=2, generator=generator)
        assert float(found.outputs) == 15.0
    assert counts.sum() == 800
    assert np.abs(counts - 800 / 6).max() < 4 * np.sqrt(400 * 2 / 6 * 4 / 6)  # 4 standard deviations


def test_memory_for_gradients_does_not_grow_with_the_number_of_steps(most_bytes):
    module = network((30, 20, 20, 4), 1.1)
    found = {}
    for steps in (1, 32):
        x, labels = data(steps=steps)
        found[steps] = most_bytes(
            lambda x=x, labels=labels: sltt(module, x, lambda v, t: cross_entropy(v, labels))
        )
    x, labels = data(steps=32)
    through_time = most_bytes(lambda: sum(cross_entropy(v, labels) for v in module(x)).backward())
    assert found[1] > 0
    assert found[32] / found[1] <= 1.05
    assert through_time / found[32] > 10


def test_the_loss_of_a_step_is_what_its_equation_says():
    out, labels = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), torch.arange(5) % 4
    entropy = cross_entropy(out, labels)
    expected = 0.95 * entropy + 0.05 * (out - 1.0).square().mean()
    torch.testing.assert_close(cross_entropy_and_square(out, labels), expected)
    expected = 0.8 * entropy + 0.2 * mse_loss(out, one_hot(labels, 4).float())
    torch.testing.assert_close(cross_entropy_and_square(out, labels, share=0.2, target=None), expected)


@pytest.mark.parametrize("k", [0, 7, 1.5, True])
def test_a_number_of_steps_that_is_none_is_refused(k):
    module, (x, labels) = network((30, 4), 1.1), data()
    with pytest.raises(rb.SpecError, match=f"k: got {k}; allowed is a whole number from 1 to the 6 steps"):
        sltt(module, x, lambda v, t: cross_entropy(v, labels), k=k)


def test_an_input_or_an_output_without_steps_is_refused():
    module = network((30, 4), 1.1)
    with pytest.raises(rb.SpecError, match=r"input: got \(0, 16, 30\); allowed is a tensor"):
        sltt(module, torch.ones(0, 16, 30), lambda v, t: v.sum())
    net = module.network()
    net.add(rb.Probe(net["layer0"], "counts"))
    with pytest.raises(rb.SpecError, match=r"output: got \(2, 4\) for one step; .* take spikes instead"):
        sltt(rb.to_torch(net, compiled=False), torch.ones(3, 2, 30), lambda v, t: v.sum())
