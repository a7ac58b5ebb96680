"""A population that hears itself, in kernels, against torch's own operations step by step."""

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")

from rheobase.learning.binding.cell import Cell  # noqa: E402

STEPS, BATCH = 12, 3


def network(model, weight=0.3):
    """Return 8 -> 10 -> 4 neurons, those in the middle joined twice, with delays of one step and of two."""
    rng, net = np.random.default_rng(0), rb.Network()
    x = net.add(rb.SpikeSource(8, name="x"))
    middle = net.add(rb.Population(10, model, name="middle"))
    out = net.add(rb.Population(4, rb.Leaky(0.9), name="out"))
    for k, (pre, post, delay) in enumerate(
        [(x, middle, 0.0), (middle, middle, 1e-3), (middle, middle, 2e-3), (middle, out, 1e-3)]
    ):
        w = rng.normal(0.3 * weight, weight, (post.n, pre.n))
        net.add(rb.Projection(pre, post, rb.dense(), weight=w, delay=delay, name=f"w{k}"))
    return net


def trained(net, *, pieces=(STEPS,), **options):
    """Return what a module sends, and the gradients of its weights; each piece goes on from the last one."""
    module = rb.to_torch(net, outputs=["middle", "out"], **options)
    x = (torch.rand(STEPS, BATCH, 8, generator=torch.Generator().manual_seed(1)) < 0.3).float()
    found, state = [], None
    for piece in x.split(list(pieces)):
        sent, state = module.run(piece, state)
        found.append(sent)
    sent = {name: torch.cat([piece[name] for piece in found]) for name in found[0]}
    generator = torch.Generator().manual_seed(2)
    sum((s * torch.randn(s.shape, generator=generator)).sum() for s in sent.values()).backward()
    return [s.detach() for s in sent.values()], [w.grad for w in module.parameters()]


def agree(ours, expected):
    assert 0.05 < float(expected[0][0].mean()) < 0.6
    assert all(torch.equal(*pair) for pair in zip(ours[0], expected[0], strict=True))
    for got, wanted in zip(ours[1], expected[1], strict=True):
        assert float((got - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max()) > 0


@pytest.mark.parametrize(
    "model",
    [rb.Leaky(0.9), pytest.param(rb.Izhikevich(), marks=pytest.mark.slow)],
    ids=lambda model: type(model).__name__,
)
def test_kernels_give_the_spikes_and_gradients_of_torchs_operations(model, monkeypatch):
    net = network(model, 0.3 if isinstance(model, rb.Leaky) else 25.0)
    expected = trained(net, compiled=False)
    # Otherwise that would be what runs.
    monkeypatch.setattr(Cell, "step", lambda *args: pytest.fail("torch's operations were run"))
    agree(trained(net), expected)


def test_gradients_pass_from_one_piece_of_a_run_to_the_piece_before():
    net = network(rb.Leaky(0.9))
    agree(trained(net, pieces=(5, 1, 6)), trained(net, compiled=False))


def test_many_events_are_weighed_one_by_one(monkeypatch):
    from rheobase.conversion.modules import dense

    net = network(rb.Leaky(0.9))
    expected = trained(net, compiled=False)
    monkeypatch.setattr(dense, "WORTH", 1)
    monkeypatch.setattr(dense, "SPARSE", 0.9)
    sent, gradients = trained(net)
    assert torch.equal(sent[0], expected[0][0])
    for got, wanted in zip(gradients, expected[1], strict=True):
        assert float((got - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())


def test_what_takes_hold_of_a_projection_sees_every_step():
    seen = []
    module = rb.to_torch(network(rb.Leaky(0.9)))
    module.projections["w1"].register_forward_hook(lambda *args: seen.append(args[2].shape))
    module(torch.ones(STEPS, BATCH, 8))
    assert seen == [(BATCH, 10)] * STEPS
