"""Traces of what came in: OTTT by its equations, and where it is the gradient through time."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning.surrogate import ATan

torch = pytest.importorskip("torch")
from rheobase.learning.binding.weighing import weighing_in, weights_see  # noqa: E402
from rheobase.learning.traces import PresynapticTraces, leak_of, ottt  # noqa: E402

STEPS, BATCH = 12, 4


def layers(model, sizes=(10, 8, 6, 3), seed=0):
    """A stack of layers without delays, in double precision, and its weights."""
    rng, net = np.random.default_rng(seed), rb.Network()
    before, weights = net.add(rb.SpikeSource(sizes[0], name="x")), []
    for k, n in enumerate(sizes[1:]):
        layer = net.add(rb.Population(n, model, name=f"layer{k}"))
        weights.append(rng.normal(0.2, 0.4, (n, before.n)).astype(np.float32))
        net.add(rb.Projection(before, layer, rb.dense(), weight=weights[-1], delay=0.0, name=f"w{k}"))
        before = layer
    module = rb.to_torch(net, surrogate=ATan(2.0), compiled=False, precision="float32")
    return module.double(), [w.astype(float) for w in weights]


def spikes_in(n, seed=1, rate=0.4):
    return torch.from_numpy((np.random.default_rng(seed).random((STEPS, BATCH, n)) < rate).astype(float))


def test_ottt_follows_its_equations(twins):
    module, weights = layers(rb.Leaky(0.5, reset="soft", reset_delay=False))
    x, goal = spikes_in(10), np.random.default_rng(2).random((BATCH, 3))
    sent, expected = twins.online.ottt(weights, x.numpy(), 0.5, ATan(2.0), goal)
    assert 0.1 < sent.mean() < 0.9
    found = ottt(module, x, lambda y, t: (y - torch.from_numpy(goal)).square().mean())
    np.testing.assert_array_equal(found.outputs, sent.sum(axis=0))
    assert float(found.loss) == pytest.approx(np.mean((sent - goal) ** 2))
    for k, gradient in enumerate(expected):
        np.testing.assert_allclose(module.projections[f"w{k}"].weight.grad, gradient, rtol=1e-9, atol=1e-15)


def through_time(module, x, loss):
    """Return the gradients of all weights by backpropagation through time."""
    found = module(x)
    sum(loss(found[t], t) / len(x) for t in range(len(x))).backward()
    return {name: p.grad.clone() for name, p in module.named_parameters()}


def image_network():
    net, rng = rb.Network(), np.random.default_rng(3)
    x, y = net.add(rb.SpikeSource((2, 5, 5), name="x")), net.add(rb.Population((3, 4, 4), rb.LI(5e-3)))
    net.add(rb.Projection(x, y, rb.conv2d(), weight=rng.normal(size=(3, 2, 2, 2)), delay=0.0, name="conv"))
    pairs = rng.integers(0, 48, (2, 200))
    net.add(rb.Projection(x, y, rb.explicit(*pairs), weight=rng.normal(size=200),
                          delay=rng.integers(1, 5, 200) * 1e-3, name="listed"))  # fmt: skip
    return rb.to_torch(net, compiled=False, precision="float32").double()


def test_where_nothing_fires_ottt_is_the_gradient_through_time_for_kernels_and_delayed_synapses_too():
    module, x = image_network(), spikes_in(50)
    goal = torch.randn(STEPS, BATCH, 48, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss = lambda v, t: (v * goal[t]).mean() + v.square().mean()  # noqa: E731
    expected = through_time(module, x, loss)
    module.zero_grad()
    ottt(module, x, loss)
    for name, p in module.named_parameters():
        torch.testing.assert_close(p.grad, expected[name], rtol=1e-10, atol=1e-14)


def test_what_weights_see_changes_their_gradient_and_nothing_else():
    model = torch.nn.Sequential(torch.nn.Conv1d(2, 3, 2), torch.nn.Flatten(), torch.nn.Linear(9, 2)).double()
    x = torch.randn(5, 2, 4, dtype=torch.float64, requires_grad=True)
    model(x).sum().backward()
    plain, below, before = model(x), x.grad.clone(), [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    x.grad = None
    with weights_see(model, lambda key, events: 3.0 * events if key[0] == "0" else events):
        seen = model(x)
        seen.sum().backward()
    assert torch.equal(seen, plain)
    torch.testing.assert_close(x.grad, below)
    for factor, p, gradient in zip((3.0, 1.0, 1.0, 1.0), model.parameters(), before, strict=True):
        torch.testing.assert_close(p.grad, factor * gradient)  # a bias sees no events
    assert not any(m._forward_hooks for m in weighing_in(model).values())


def test_online_a_step_of_the_optimiser_follows_every_step_of_the_network(twins):
    module, weights = layers(rb.Leaky(0.5, reset="soft", reset_delay=False))
    x, goal, sgd = spikes_in(10), np.zeros((BATCH, 3)), torch.optim.SGD(module.parameters(), lr=2.0)
    _, moved = twins.online.ottt(weights, x.numpy(), 0.5, ATan(2.0), goal, rate=2.0)
    _, at_once = twins.online.ottt(weights, x.numpy(), 0.5, ATan(2.0), goal)
    ottt(module, x, lambda y, t: y.square().mean(), online=sgd)
    for k, weight in enumerate(weights):
        np.testing.assert_allclose(module.projections[f"w{k}"].weight.detach(), weight - 2.0 * moved[k])
    assert not np.allclose(moved[0], at_once[0], rtol=0.01)
    assert module.projections["w0"].weight.grad is None


@pytest.mark.parametrize(
    ("model", "kept"),
    [
        (rb.Leaky(0.8, reset="hard"), 0.8),
        (rb.LIF(20e-3, v_rest=-0.2, refractory=2e-3), np.exp(-1 / 20)),
        (rb.IF(), 1.0),
        (rb.LI(np.full(3, 10e-3)), np.exp(-1 / 10)),
    ],
)
def test_traces_decay_as_the_neurons_behind_the_synapse_do(model, kept):
    module, _ = layers(model, sizes=(2, 3))
    assert leak_of(module.cell("layer0")) == pytest.approx(kept, rel=1e-6)
    assert PresynapticTraces(module).decays == {"projections.w0": pytest.approx(kept, rel=1e-6)}


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (rb.CurrentLIF(20e-3, 5e-3), r"CurrentLIF: got neurons that remember \['i'\]"),
        (rb.ALIF(20e-3, tau_lift=0.1, lift_step=0.1), r"ALIF: got neurons that remember \['lift'\]"),
        (rb.ExpIF(), "ExpIF: got neurons that keep from"),
        (rb.Leaky(np.array([0.5, 0.5, 0.6])), r"Leaky: got neurons that keep from 0.5 to 0.6"),
    ],
)
def test_neurons_for_which_no_such_trace_stands_are_refused(model, match):
    module, _ = layers(model, sizes=(2, 3))
    with pytest.raises(rb.ConversionError, match=match):
        PresynapticTraces(module)
    assert PresynapticTraces(module, {"projections.w0": 0.5}).decays == {"projections.w0": 0.5}


@pytest.mark.parametrize("decay", [None, 1.5, {"1": 0.5}])
def test_a_decay_that_is_no_share_or_missing_is_refused(decay):
    with pytest.raises(rb.SpecError, match=r"decay of 0: got .*; allowed is a number from 0 to 1"):
        PresynapticTraces(torch.nn.Sequential(torch.nn.Linear(2, 2)), decay)
