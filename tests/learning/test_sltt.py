"""Learning step by step: its equations, its memory, and how near it comes to the gradient through time."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning.surrogate import Triangle

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
from torch.nn.functional import cross_entropy, mse_loss, one_hot  # noqa: E402

from rheobase.learning.delays import LearnedDelays  # noqa: E402
from rheobase.learning.dsr import spike_representation  # noqa: E402
from rheobase.learning.eprop import eprop  # noqa: E402
from rheobase.learning.hlop import HLOP  # noqa: E402
from rheobase.learning.sltt import cross_entropy_and_square, sltt  # noqa: E402
from rheobase.learning.traces import ottt  # noqa: E402

BATCH = 16


def network(sizes, tau, *, seed=0, normed=False, compiled=False):
    """The neurons of the method's source in layers, and a read-out that only weighs."""
    rng, net, hidden = np.random.default_rng(seed), rb.Network(), []
    before = net.add(rb.FrameSource(sizes[0], name="x"))
    model = rb.Leaky(1.0 - 1.0 / tau, reset="soft", reset_delay=False)
    for k, n in enumerate(sizes[1:]):
        last = k == len(sizes) - 2
        layer = net.add(rb.Population(n, rb.Leaky(0.0, reset="none") if last else model, name=f"layer{k}"))
        weight = rng.normal(0.0 if normed else 0.05, np.sqrt(2.0 / before.n), (n, before.n))
        net.add(rb.Projection(before, layer, rb.dense(), weight=weight, delay=0.0, name=f"w{k}"))
        hidden += [] if last else [f"w{k}"]
        before = layer
    return rb.to_torch(
        net, surrogate=Triangle(), outputs=(before, "v"), precision="float32", compiled=compiled,
        detach_reset=False, batch_norm=hidden if normed else None,
    )  # fmt: skip


def data(n=30, steps=6, classes=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(steps, BATCH, n, generator=generator)
    return x, torch.randint(0, classes, (BATCH,), generator=generator)


def gradients(module):
    return {name: p.grad.clone() for name, p in module.named_parameters()}


@pytest.mark.parametrize("compiled", [False, True])
def test_with_one_step_it_is_backpropagation_bit_for_bit(compiled):
    module, (x, labels) = network((30, 20, 20, 4), 1.1, compiled=compiled), data(steps=1)
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


@pytest.mark.parametrize(
    ("k", "chunk", "compiled"), [(None, 1, False), (None, 4, True), (2, 1, False), (3, 4, True)]
)
def test_it_is_the_loop_of_its_source_and_losses_are_divided_by_all_steps(k, chunk, compiled):
    tau, (x, labels) = 1.6, data()
    module, used = network((30, 20, 20, 4), tau, compiled=compiled), []

    def loss(v, t):
        used.append(t)
        return cross_entropy(v, labels)

    found = sltt(module, x, loss, k=k, chunk=chunk, generator=torch.Generator().manual_seed(3))
    weights = [module.projections[f"w{k}"].weight.detach() for k in range(3)]
    summed, total, expected = by_hand(weights, x, labels, tau, used)
    assert len(set(used)) == (k or 6)
    torch.testing.assert_close(found.outputs, total)
    for name, gradient in zip(("w0", "w1", "w2"), expected, strict=True):
        torch.testing.assert_close(module.projections[name].weight.grad, gradient)
    assert float(found.loss) == pytest.approx(summed)


def joined(model, joins, **options):
    """Input x and populations a, b and out, joined as (from, to, delay); what is learned, as `to_torch`."""
    rng, net = np.random.default_rng(0), rb.Network()
    net.add(rb.SpikeSource(12, name="x"))
    for name, n in (("a", 10), ("b", 8), ("out", 4)):
        net.add(rb.Population(n, model, name=name))
    for pre, post, delay in joins:
        weight = rng.normal(0.15, 0.4, (net[post].n, net[pre].n))
        net.add(rb.Projection(net[pre], net[post], rb.dense(), weight=weight, delay=delay))
    return rb.to_torch(net, outputs=["b", "out"], **options)


#: Populations that hear one another and themselves, at once and later.
LOOP = [
    ("x", "a", 2e-3), ("a", "b", 0.0), ("b", "a", 1e-3), ("a", "a", 1e-3), ("b", "out", 0.0),
    ("a", "out", 2e-3),
]  # fmt: skip
#: One that hears itself alone, which kernels run, and delays to be learned.
ALONE = [("x", "a", 0.0), ("a", "a", 2e-3), ("a", "b", 0.0), ("b", "out", rb.uniform(1e-3, 3e-3))]


@pytest.mark.parametrize(
    "make",
    [
        lambda: joined(
            rb.ALIF(5e-3, tau_lift=20e-3, lift_step=0.1, tau_w=10e-3, b=0.05, a=0.1),
            LOOP,
            detach_reset=False,
            compiled=False,
        ),
        lambda: joined(
            rb.LIF(5e-3, threshold=0.3, refractory=1e-3),
            LOOP,
            train={"a": ["tau"]},
            batch_norm=["x->a", "b->out"],
            compiled=False,
        ),
        lambda: joined(rb.Leaky(0.9), ALONE, delays={"b->out": LearnedDelays(3e-3)}),
    ],
    ids=["adaptive", "normalised", "delayed"],
)
def test_steps_at_once_have_the_gradients_of_steps_one_by_one(make):
    x = (torch.rand(11, 5, 12, generator=torch.Generator().manual_seed(2)) < 0.4).float()
    goals, found = {}, []

    def loss(sent, step):
        for name, spikes in sent.items():
            goals.setdefault((name, step), torch.randn(spikes.shape))
        return sum((spikes * goals[name, step]).sum() for name, spikes in sent.items())

    for chunk in (1, 4, 64):
        torch.manual_seed(0)
        module = make()
        stepwise = sltt(module, x, loss, chunk=chunk)
        found.append((stepwise, gradients(module), [b.clone() for b in module.buffers()]))
    (expected, by_step, buffers), *others = found
    assert all(0.05 < float(counts.mean()) / 11 < 0.6 for counts in expected.outputs.values())
    for ours, back, now in others:
        assert all(torch.equal(ours.outputs[name], counts) for name, counts in expected.outputs.items())
        for name, state in expected.state.cells.items():
            torch.testing.assert_close(ours.state.cells[name], state, rtol=1e-4, atol=1e-5)
        assert all(torch.allclose(*pair) for pair in zip(now, buffers, strict=True))
        torch.testing.assert_close(ours.loss, expected.loss)
        for name, gradient in by_step.items():
            assert float((back[name] - gradient).abs().max()) <= 2e-5 * float(gradient.abs().max()) > 0, name
    module.zero_grad()
    sent = module(x)
    sum(loss({name: spikes[t] for name, spikes in sent.items()}, t) / 11 for t in range(11)).backward()
    for name, gradient in gradients(module).items():  # what is left out is not nothing
        assert float((gradient - by_step[name]).abs().max()) > 0.01 * float(gradient.abs().max()), name


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
            lambda x=x, labels=labels: sltt(module, x, lambda v, t: cross_entropy(v, labels), chunk=1)
        )
    x, labels = data(steps=32)
    at_once = [
        most_bytes(lambda n=n: sltt(module, data(steps=n)[0], lambda v, t: cross_entropy(v, labels), chunk=8))
        for n in (8, 32)
    ]
    assert found[1] < at_once[0] == at_once[1] <= 8.1 * found[1]
    through_time = most_bytes(lambda: sum(cross_entropy(v, labels) for v in module(x)).backward())
    assert found[1] > 0
    assert found[32] / found[1] <= 1.05
    assert through_time / found[32] > 10


def test_as_many_steps_run_at_once_as_numbers_are_worth_it(monkeypatch):
    module, (x, labels), sizes = network((30, 20, 20, 4), 1.1), data(), []
    assert [module.steps_at_once(batch) for batch in (1, 1 << 13, 1 << 20)] == [64, (1 << 9) // 74, 1]
    run = module.run_detached
    monkeypatch.setattr(module, "run_detached", lambda *given: sizes.append(len(given[0])) or run(*given))
    for batch, expected in ((BATCH, [6]), (1 << 14, [3, 3])):
        sizes.clear()
        many = x[:, :1].expand(-1, batch, -1)
        sltt(module, many, lambda v, t, batch=batch: cross_entropy(v, labels[:1].expand(batch)))
        assert sizes == expected


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


def test_steps_at_once_are_refused_where_weights_or_gradients_would_be_others():
    module, (x, labels) = network((30, 4), 1.1), data()

    class Stepped:
        run = module.run

    for refused, options, message in (
        (module, {"chunk": 0}, "got 0; allowed is a whole number of steps from 1"),
        (module, {"chunk": 2.0}, "got 2.0; allowed is a whole number of steps from 1"),
        (
            module,
            {"chunk": 2, "online": object()},
            "got 2 with an optimiser that steps `online`; allowed is 1",
        ),
        (Stepped(), {"chunk": 2}, "got 2 with a module without `run_detached`; allowed is 1"),
    ):
        with pytest.raises(rb.SpecError, match=f"chunk: {message}"):
            sltt(refused, x, lambda v, t: cross_entropy(v, labels), **options)
    assert float(sltt(Stepped(), x, lambda v, t: cross_entropy(v, labels)).loss) > 0


def test_what_is_no_module_and_a_loss_that_is_no_number_are_refused():
    module, (x, _) = network((30, 4), 1.1), data()
    for learn in (
        lambda net: sltt(net, x, lambda v, t: v.sum()),
        lambda net: ottt(net, x, lambda v, t: v.sum()),
        lambda net: eprop(net, x, lambda v, t: v.sum()),
        lambda net: HLOP(net, {"x": 1}),
        lambda net: spike_representation(net).__enter__(),
    ):
        with pytest.raises(rb.SpecError, match=r"module: got a Network; .* such as rb\.to_torch"):
            learn(rb.Network())
    with pytest.raises(rb.SpecError, match=r"module: got a Linear; allowed is one that has `run"):
        sltt(torch.nn.Linear(2, 2), x, lambda v, t: v.sum())
    for loss, got in ((lambda v, t: None, "NoneType"), (lambda v, t: v, r"\(16, 4\)")):
        with pytest.raises(rb.SpecError, match=f"loss: got {got}; allowed is a function of"):
            sltt(module, x, loss)


def test_an_input_or_an_output_without_steps_is_refused():
    module = network((30, 4), 1.1)
    with pytest.raises(rb.SpecError, match=r"input: got \(0, 16, 30\); allowed is a tensor"):
        sltt(module, torch.ones(0, 16, 30), lambda v, t: v.sum())
    net = module.network()
    net.add(rb.Probe(net["layer0"], "counts"))
    with pytest.raises(rb.SpecError, match=r"output: got \(2, 4\) for 3 steps; .* take spikes instead"):
        sltt(rb.to_torch(net, compiled=False), torch.ones(3, 2, 30), lambda v, t: v.sum())


def through_time(module, x, loss):
    """Add the gradients of backpropagation through time; statistics of normalisations are those of a step."""
    state, total = None, 0.0
    for t in range(len(x)):
        found, state = module.run(x[t : t + 1], state)
        total = total + loss(found[0], t) / len(x)
    total.backward()


def test_gradients_are_near_those_through_time_the_less_the_slower_and_deeper(images):
    def cosine(depth, tau, poisson):
        module = network((784, *[64] * (depth - 1), 10), tau, normed=True)
        x = frames[poisson]
        found = []
        for learn in (through_time, sltt):
            learn(module, x, lambda v, t: cross_entropy_and_square(v, labels))
            found.append(torch.cat([p.grad.flatten() for p in module.parameters()]))
            module.zero_grad()
        return float(torch.cosine_similarity(*found, dim=0))

    shown, labels = (part[:48] for part in images(rb.datasets.calibration_digits()))
    drawn = torch.rand(6, *shown.shape, generator=torch.Generator().manual_seed(0)) < shown
    frames = {False: shown.expand(6, -1, -1), True: drawn.float()}
    taus = (1.1, 1.25, 2.0, 4.0)
    found = {(d, p): [cosine(d, tau, p) for tau in taus] for d in (3, 5) for p in (False, True)}
    for row in found.values():
        assert row[0] >= 0.99
        assert all(np.diff(row) < 0)
    for poisson in (False, True):
        assert all(np.subtract(found[5, poisson], found[3, poisson]) < 0)


@pytest.mark.slow
def test_networks_learn_as_well_as_through_time(images):
    (x, labels), (others, right) = images(rb.datasets.digits()), images(rb.datasets.calibration_digits())

    def accuracy(learn, seed, rate=0.1, **options):
        module = network((784, 128, 128, 10), 1.1, seed=seed, normed=True)
        optimiser = torch.optim.SGD(module.parameters(), lr=rate, momentum=0.9)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 120)
        generator = torch.Generator().manual_seed(seed)
        for _ in range(6):
            for batch in torch.randperm(1000, generator=generator).split(50):
                frames, wanted = x[batch].expand(6, -1, -1), labels[batch]
                learn(module, frames, lambda v, t, y=wanted: cross_entropy_and_square(v, y), **options)
                optimiser.step()
                optimiser.zero_grad()
                schedule.step()
        module.eval()
        with torch.no_grad():
            answer = module(others.expand(6, -1, -1)).sum(dim=0).argmax(dim=1)
        return float((answer == right).float().mean())

    def mean(*arguments, **options):
        return np.mean([accuracy(*arguments[:1], seed, *arguments[1:], **options) for seed in range(3)])

    best = mean(through_time)
    assert best >= 0.84
    assert mean(sltt) >= best - 0.015
    assert mean(sltt, 0.3, k=2) >= best - 0.015  # losses are divided by 6 steps, so gradients are a third
