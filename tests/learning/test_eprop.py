"""e-prop: the gradient through time where nothing comes back, and where spikes of others are cut, by hand."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning.surrogate import Triangle

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
from rheobase.learning.delays import LearnedDelays  # noqa: E402
from rheobase.learning.eprop import Feedback, eprop  # noqa: E402

STEPS, BATCH, N = 10, 3, 7
BUMP = Triangle(0.3)


def spikes_in(n=5, rate=0.4, seed=1):
    return torch.from_numpy((np.random.default_rng(seed).random((STEPS, BATCH, n)) < rate).astype(float))


def goals(n, seed=2):
    return torch.randn(STEPS, BATCH, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradients(module):
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def to_torch(net, **options):
    options = {"surrogate": BUMP, "compiled": False, "precision": "float32", **options}
    return rb.to_torch(net, **options).double()


MODELS = {
    "lif hard": rb.LIF(8e-3, refractory=2e-3),
    "lif soft": rb.LIF(np.linspace(4e-3, 9e-3, 12), reset="soft"),
    "late": rb.Leaky(0.8, reset="soft"),
    "current": rb.CurrentLIF(8e-3, 4e-3, threshold=0.15),
    "adaptive": rb.ALIF(8e-3, tau_lift=20e-3, lift_step=0.3, tau_w=10e-3, a=0.1, b=0.2),
}


def one_layer(model):
    """Every kind of synapses onto one population."""
    rng, net = np.random.default_rng(0), rb.Network()
    x, y = net.add(rb.SpikeSource((1, 4, 5), name="x")), net.add(rb.Population((4, 1, 3), model, name="y"))
    w = net.add(rb.SpikeSource((4, 2, 6), name="w"))
    z = net.add(rb.SpikeSource(12, name="z"))

    def connect(pre, post, pattern, weight, name, **others):
        net.add(rb.Projection(pre, post, pattern, weight=weight, name=name, **others))

    connect(x, y, rb.conv2d(), rng.normal(0.1, 0.3, (4, 1, 4, 3)), "conv", delay=0.0)
    grouped = rng.normal(0.0, 0.3, (4, 2, 2, 2))
    connect(w, y, rb.conv2d(stride=2, groups=2), grouped, "grouped", delay=0.0)
    connect(w, y, rb.pool2d(2), 0.1, "pool", delay=1e-3)
    connect(z[3:9], y[2:], rb.dense(), rng.normal(0.1, 0.3, (10, 6)), "dense", delay=2e-3)
    pairs = rng.integers(0, 12, (2, 30))
    connect(
        z, y, rb.explicit(*pairs), rng.normal(0.1, 0.3, 30), "listed", delay=rng.integers(1, 4, 30) * 1e-3
    )
    connect(z, y, rb.one_to_one(), rng.normal(0.2, 0.3, 12), "pairs", delay=1e-3)
    return net


@pytest.mark.parametrize(("name", "detach_reset"), [*((name, True) for name in MODELS), ("adaptive", False)])
def test_of_a_single_layer_it_is_the_gradient_through_time(name, detach_reset):
    module = to_torch(one_layer(MODELS[name]), outputs=["y", ("y", "v")], detach_reset=detach_reset)
    x, goal = {"x": spikes_in(20), "z": spikes_in(12, seed=3), "w": spikes_in(48, 0.2, 4)}, goals(12)

    def loss(found, t):
        return (found["y"] * goal[t]).mean() + (found["v of y"] - goal[t]).square().mean()

    whole = module(x)
    assert 0.02 < float(whole["y"].detach().mean()) < 0.8
    sum(loss({k: v[t] for k, v in whole.items()}, t) / STEPS for t in range(STEPS)).backward()
    expected = gradients(module)
    module.zero_grad()
    eprop(module, x, loss)
    assert set(expected) == set(gradients(module))
    for label, gradient in gradients(module).items():
        torch.testing.assert_close(gradient, expected[label], rtol=1e-9, atol=1e-13, msg=label)


def recurrent(model=None, tau=6e-3, delay=0.0):
    """Adapting neurons that hear each other, and leaky ones that read them out."""
    rng, net = np.random.default_rng(0), rb.Network()
    model = (
        rb.ALIF(10e-3, tau_lift=20e-3, lift_step=0.4, reset="soft", reset_by=1.0) if model is None else model
    )
    x, y = net.add(rb.SpikeSource(5, name="x")), net.add(rb.Population(N, model, name="y"))
    out = net.add(rb.Population(3, rb.LI(tau), name="read"))
    for name, pre, post, late in (("in", x, y, 0.0), ("rec", y, y, 1e-3), ("out", y, out, delay)):
        weight = rng.normal(0.4 if name == "in" else 0.1, 0.4, (post.n, pre.n))
        net.add(rb.Projection(pre, post, rb.dense(), weight=weight, delay=late, name=name))
    return to_torch(net, outputs=("read", "v"))


class Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx, distance):
        ctx.save_for_backward(distance)
        return (distance >= 0).to(distance)

    @staticmethod
    def backward(ctx, gradient):
        (distance,) = ctx.saved_tensors
        return gradient * 0.3 * (1.0 - distance.abs()).clamp(min=0.0)


def cut(weights, x, goal, back=None):
    """The same network by its equations, where no gradient passes from a spike to other neurons later.

    `back`: other weights that carry errors from the read-out to the neurons.
    """
    w_in, w_rec, w_out = (w.clone().requires_grad_() for w in weights)
    keep, keep_lift, keep_out = (np.exp(-1.0 / tau) for tau in (10.0, 20.0, 6.0))
    v = lift = z = torch.zeros(BATCH, N, dtype=torch.float64)
    out, loss, values = torch.zeros(BATCH, 3, dtype=torch.float64), 0.0, []
    for t in range(STEPS):
        v, lift = keep * v + x[t] @ w_in.T + z.detach() @ w_rec.T, keep_lift * lift
        z = Step.apply(v - 1.0 - lift)
        v, lift = v - z.detach(), lift + 0.4 * z
        read = z @ w_out.T
        if back is not None:
            read = z.detach() @ w_out.T + (z - z.detach()) @ back.T
        out = keep_out * out + read
        values.append(out.detach())
        loss = loss + (out - goal[t]).square().mean() / STEPS
    loss.backward()
    return torch.stack(values).sum(dim=0), [w.grad for w in (w_in, w_rec, w_out)]


@pytest.mark.parametrize("kind", ["symmetric", "random", "adaptive"])
def test_with_recurrence_it_is_the_gradient_through_time_without_later_spikes_of_others(kind):
    module, x, goal = recurrent(), spikes_in(), goals(3)
    labels = [f"projections.{name}.weight" for name in ("in", "rec", "out")]
    weights = [dict(module.named_parameters())[label].detach() for label in labels]
    back = None if kind == "symmetric" else Feedback(module, kind, generator=torch.Generator().manual_seed(0))
    values, expected = cut(weights, x, goal, back and back.of("projections.out"))
    found = eprop(module, x, lambda v, t: (v - goal[t]).square().mean(), feedback=back)
    torch.testing.assert_close(found.outputs, values, rtol=1e-6, atol=1e-6)
    for label, gradient in zip(labels, expected, strict=True):
        torch.testing.assert_close(gradients(module)[label], gradient, rtol=1e-5, atol=1e-8, msg=label)
    if kind == "adaptive":
        assert torch.equal(back.weights[0].grad, gradients(module)["projections.out.weight"])
    elif kind == "random":
        assert back.of("projections.in") is None
        assert back.weights[0].grad is None
        assert not torch.equal(back.of("projections.out"), weights[2])


def test_what_is_left_out_matters():
    module, x, goal = recurrent(), spikes_in(), goals(3)
    (module(x) - goal).square().mean().backward()
    whole = gradients(module)
    module.zero_grad()
    eprop(module, x, lambda v, t: (v - goal[t]).square().mean())
    for name, least, most in (("in", 0.005, 0.5), ("rec", 0.005, 0.5), ("out", -1e-9, 1e-9)):
        ours, theirs = (found[f"projections.{name}.weight"].flatten() for found in (gradients(module), whole))
        assert least <= 1.0 - float(torch.cosine_similarity(ours, theirs, dim=0)) <= most


def test_memory_does_not_grow_with_the_number_of_steps(most_bytes):
    module, x = recurrent(), spikes_in()
    found = [most_bytes(lambda n=n: eprop(module, x[:n], lambda v, t: v.square().mean())) for n in (2, STEPS)]
    assert found[1] <= 1.05 * found[0]


def test_frozen_weights_stay_and_a_run_goes_on_from_a_state():
    module, x = recurrent(), spikes_in()
    module.projections["rec"].weight.requires_grad_(False)
    first = eprop(module, x[:5], lambda v, t: v.square().mean())
    second = eprop(module, x[5:], lambda v, t: v.square().mean(), state=first.state)
    assert set(gradients(module)) == {"projections.in.weight", "projections.out.weight"}
    whole = module(x).detach().sum(dim=0)
    torch.testing.assert_close(first.outputs + second.outputs, whole)


def test_what_has_no_eligibility_is_refused():
    def learn(module, **options):
        eprop(module, spikes_in(module.plan.network.sources[0].n), lambda v, t: v.square().mean(), **options)

    with pytest.raises(rb.ConversionError, match=r"out: got a delay of 1 steps to a read-out; allowed is 0"):
        learn(recurrent(delay=1e-3))
    with pytest.raises(rb.ConversionError, match="read: got a read-out whose neurons remember differently"):
        learn(recurrent(tau=np.array([5e-3, 6e-3, 7e-3])))
    net = rb.Network()
    x, y = net.add(rb.SpikeSource((1, 4, 4), name="x")), net.add(rb.Population((1, 2, 2), rb.LI(5e-3)))
    net.add(rb.Projection(x, y, rb.pool2d(2), weight=1.0, delay=0.0, name="pool"))
    with pytest.raises(rb.ConversionError, match=r"in: got batch normalisation in training, by which"):
        learn(to_torch(recurrent().network(), batch_norm="in"))
    with pytest.raises(rb.ConversionError, match=r"rec: eprop has no eligibilities for LearnedSynapses"):
        learn(to_torch(recurrent().network(), delays={"rec": LearnedDelays(3e-3)}))
    with pytest.raises(rb.SpecError, match=r"module: got Linear; allowed is what rheobase.to_torch returns"):
        eprop(torch.nn.Linear(2, 2), spikes_in(), lambda v, t: v.sum())
    with pytest.raises(rb.SpecError, match=r"Feedback.kind: got 'fixed'"):
        Feedback(recurrent(), "fixed")
    with pytest.raises(
        rb.SpecError, match=r"Feedback.module: got \['projections.pool'\] .*; allowed are dense"
    ):
        Feedback(to_torch(net))
