"""Batch normalisation and dropout of networks as torch modules: torch's numbers, the simulator's spikes."""

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")

from tests.conversion.stack import (  # noqa: E402
    MODELS,
    computed,
    simulated,
    spikes_in,
    stack,
    to_torch,
)  # fmt: skip


def adder(n_or_shape, shape, pattern, weight):
    """Neurons that hold what arrives in a step, and nothing else."""
    net = rb.Network()
    x = net.add(rb.CurrentSource(shape, name="x"))
    y = net.add(rb.Population(n_or_shape, rb.Leaky(0.0, reset="none", threshold=1e6), name="y"))
    net.add(rb.Projection(x, y, pattern, weight=weight, delay=0.0, name="w"))
    return net


@pytest.mark.parametrize("image", [False, True])
def test_sums_are_normalised_as_torch_does_it_in_training_and_in_evaluation(image):
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    if image:
        weight = rng.normal(size=(3, 2, 2, 2))
        net, norm = adder((3, 4, 4), (2, 5, 5), rb.conv2d(), weight), torch.nn.BatchNorm2d(3)
        layer = torch.nn.Conv2d(2, 3, 2, bias=False)
    else:
        weight = rng.normal(size=(4, 6))
        net, norm = adder(4, 6, rb.dense(), weight), torch.nn.BatchNorm1d(4)
        layer = torch.nn.Linear(6, 4, bias=False)
    module = to_torch(net, batch_norm="y", outputs=("y", "v"))
    layer.weight.data.copy_(torch.from_numpy(weight))
    for one in (norm, module.projections["w"].norm):
        one.weight.data.copy_(torch.linspace(0.5, 2.0, one.num_features))
        one.bias.data.copy_(torch.linspace(-1.0, 1.0, one.num_features))
    for training in (True, True, False):
        x = torch.randn(5, 3, *net["x"].shape, generator=generator)
        expected = norm.train(training)(layer(x.flatten(0, 1))).reshape(5, 3, -1)
        found = module.train(training)(x)
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)
        (ours,) = torch.autograd.grad((found**3).sum(), module.projections["w"].weight)
        (theirs,) = torch.autograd.grad((expected**3).sum(), layer.weight)
        assert float((ours - theirs).abs().max()) < 1e-4 * float(theirs.abs().max())


def test_the_network_of_a_normalised_module_gives_its_spikes_and_states():
    net, x = stack(MODELS["leaky"]), spikes_in()
    module = to_torch(
        net, precision="fixed", batch_norm=["conv", "hidden", net["out"]], dropout={"conv": 0.2}
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for synapses in module.projections.values():
            if synapses.norm is not None:
                synapses.norm.weight.uniform_(0.1, 0.6, generator=generator)
                synapses.norm.bias.uniform_(-0.1, 0.2, generator=generator)
        for _ in range(3):
            module(torch.from_numpy(x))
    module.eval()
    trained = rb.from_torch(module)
    ours, theirs = computed(module, x), simulated(trained, x, precision="fixed")
    for name in ("conv", "hidden", "out"):
        assert 0.02 < theirs[f"{name} spikes"].mean() < 0.6
        for what in ("spikes", "v"):
            np.testing.assert_array_equal(ours[f"{name} {what}"], theirs[f"{name} {what}"], err_msg=name)
    normed = [name for name, s in module.projections.items() if s.norm is not None]
    assert len(normed) == 7  # all but pooling
    assert len(trained.sources) == 1 + len(normed)
    again = computed(to_torch(trained, precision="fixed"), x)
    np.testing.assert_array_equal(again["out spikes"], theirs["out spikes"])


def test_dropout_leaves_out_what_others_get_in_training_and_nothing_else():
    net = rb.Network()
    x = net.add(rb.SpikeSource(50, name="x"))
    a = net.add(rb.Population(50, rb.IF(threshold=0.5), name="a"))
    b = net.add(rb.Population(50, rb.Leaky(0.0, reset="none", threshold=1e6), name="b"))
    net.add(rb.Projection(x, a, rb.one_to_one(), delay=0.0))
    net.add(rb.Projection(a, b, rb.one_to_one(), weight=3.0))
    module, x = to_torch(net, outputs=["a", ("b", "v")], dropout={a: 0.25}), torch.ones(20, 2, 50)
    torch.manual_seed(0)
    found = module(x)
    assert found["a"].all()
    values, counts = found["v of b"][1:].unique(return_counts=True)
    assert values.tolist() == [0.0, 4.0]
    assert int(counts[0]) / int(counts.sum()) == pytest.approx(0.25, abs=0.04)
    first, state = module.run(x[:7])
    second, _ = module.run(x[7:], state)
    pieces = torch.cat([first["v of b"], second["v of b"]])
    assert pieces[1:].unique().tolist() == [0.0, 4.0]
    assert module.eval()(x)["v of b"][1:].unique().tolist() == [3.0]


def test_what_cannot_be_normalised_or_dropped_is_refused():
    net = stack(MODELS["leaky"])
    constant = net.add(rb.CurrentSource(6, values=np.ones(6), name="constant"))
    net.add(rb.Projection(constant, net["out"], rb.one_to_one(), delay=0.0, name="bias"))
    for options, match, error in (
        ({"batch_norm": "conv->pool"}, "conv->pool is pool2d, whose targets share", rb.ConversionError),
        ({"batch_norm": ["bias"]}, "bias has a source that sends the same in every", rb.ConversionError),
        ({"batch_norm": ["x"]}, "batch_norm: got 'x'; allowed are projections", rb.SpecError),
        ({"batch_norm": 3}, "batch_norm: got 3", rb.SpecError),
        ({"dropout": {"x": 0.1}}, "dropout: got 'x'; allowed are populations", rb.SpecError),
        ({"dropout": {"hidden": 1.0}}, "dropout of hidden: got 1.0; allowed is a share", rb.SpecError),
        ({"dropout": 0.1}, "dropout: got 0.1; allowed is a dict", rb.SpecError),
    ):
        with pytest.raises(error, match=match):
            to_torch(net, **options)
    module = to_torch(adder(4, 6, rb.dense(), np.ones((4, 6))), batch_norm="w")
    with pytest.raises(rb.RunError, match="batch_norm of w: one number for each neuron has no variance"):
        module(torch.ones(1, 1, 6))
