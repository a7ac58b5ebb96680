"""Runs of neurons as operators of torch: what its tracers and checks make of them."""

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")

from rheobase.conversion.modules import operators  # noqa: E402
from rheobase.conversion.modules.dense import event_product  # noqa: E402

#: Torch's checks but for the one that compiles, which is a test of its own here.
CHECKS = ("test_schema", "test_autograd_registration", "test_faketensor")
STEPS, BATCH = 12, 80


def module(**options):
    """Return 24 -> 20 -> 4 neurons as a module; those in the middle hear themselves."""
    rng, net = np.random.default_rng(0), rb.Network()
    x = net.add(rb.SpikeSource(24, name="x"))
    middle = net.add(rb.Population(20, rb.Leaky(0.9), name="middle"))
    out = net.add(rb.Population(4, rb.Leaky(0.9), name="out"))
    for name, (pre, post, delay) in {
        "into": (x, middle, 0.0),
        "back": (middle, middle, 1e-3),
        "up": (middle, out, 0.0),
    }.items():
        weight = rng.normal(0.05, 0.3, (post.n, pre.n))
        net.add(rb.Projection(pre, post, rb.dense(), weight=weight, delay=delay, name=name))
    return rb.to_torch(net, outputs=["middle", "out"], **options)


def spikes(steps=STEPS, batch=BATCH):
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(steps, batch, 24, generator=generator) < 0.2).float()


def trained(module, run=None):
    """Return outputs and gradients."""
    module.zero_grad()
    found = [*(module if run is None else run)(spikes()).values()]
    sum(x.square().sum() for x in found).backward()
    return [*(x.detach() for x in found), *(p.grad for p in module.parameters())]


def test_torchs_own_checks_of_operators_pass(monkeypatch):
    calls, net = [], module()
    direct = operators._Direct.apply
    monkeypatch.setattr(operators._Direct, "apply", lambda call, *x: calls.append(call) or direct(call, *x))
    net(spikes(4, 3))
    assert [call[0].split(";")[4] for call in calls] == ["input 1", ""]
    for call in calls:
        inputs = [x.detach().requires_grad_() for x in call[3]]
        given = (*call[:3], inputs, *call[4:])
        torch.library.opcheck(torch.ops.rheobase.sequence.default, given, test_utils=CHECKS)
    product = spikes(), torch.randn(20, 24, requires_grad=True)
    torch.library.opcheck(event_product, product, test_utils=CHECKS)


def test_torch_compiles_a_network_without_a_break_and_to_the_same_numbers():
    net = module()
    expected = trained(net)
    assert 0.05 < float(expected[0].mean()) < 0.6
    compiled = trained(net, torch.compile(net, backend="eager", fullgraph=True))
    assert all(torch.equal(*pair) for pair in zip(compiled, expected, strict=True))


def test_an_exported_network_is_some_operators_and_comes_back_from_its_file(tmp_path):
    net = module()
    program = torch.export.export(net, (spikes(),))
    called = {str(node.target) for node in program.graph.nodes if "rheobase" in str(node.target)}
    assert called == {"rheobase.sequence.default", "rheobase.event_product.default"}
    torch.export.save(program, tmp_path / "net.pt2")
    again = torch.export.load(tmp_path / "net.pt2").module()(spikes())
    assert all(torch.equal(again[name], x) for name, x in net(spikes()).items())


@pytest.mark.slow
def test_networks_that_torch_cannot_compile_whole_have_the_same_gradients_in_parts():
    expected = None
    for compiled in (False, True):
        rng, net = np.random.default_rng(0), rb.Network()
        x = net.add(rb.SpikeSource(24, name="x"))
        a, b = (net.add(rb.Population(8, rb.Leaky(0.9), name=name)) for name in "ab")
        for pre, post in ((x, a), (a, b), (b, a)):
            net.add(rb.Projection(pre, post, rb.dense(), weight=rng.normal(0.1, 0.3, (post.n, pre.n))))
        loop = rb.to_torch(net, outputs=["a", "b"])
        found = trained(loop, torch.compile(loop, backend="eager") if compiled else None)
        expected = expected or found
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def test_gradients_of_gradients_are_refused_and_unknown_neurons_named():
    net = module()
    first = torch.autograd.grad(net(spikes())["out"].square().sum(), [*net.parameters()], create_graph=True)
    with pytest.raises(rb.RunError, match="compiled=False"):
        sum(x.sum() for x in first).backward()
    with pytest.raises(rb.RunError, match="make a module"):
        torch.ops.rheobase.sequence("LIF 0;input;;;;", 0, [], [torch.zeros(1, 1, 1)], [], [], [], [])
