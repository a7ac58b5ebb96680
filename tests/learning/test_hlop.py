"""Projected gradients against torch's own, what layers hear, and what is refused and warned of."""

import warnings

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")
functional = torch.nn.functional

from rheobase.learning.hlop import HLOP, Lateral, ProtectionWarning  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread_and_seed():
    """What is multiplied here is small; rows are drawn alike in every run."""
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(seed=0, conv=False, cell=None):
    """Two layers of spiking neurons, the first dense or convolutional."""
    rng = np.random.default_rng(seed)
    net = rb.Network(seed=seed)
    x = net.add(rb.SpikeSource((2, 6, 6), name="x"))
    cell = rb.Leaky(0.5, reset_delay=False) if cell is None else cell
    hidden = net.add(rb.Population((3, 4, 4), cell, name="hidden"))
    out = net.add(rb.Population(5, cell, name="out"))
    if conv:
        kernel = rng.normal(0.1, 0.3, (3, 2, 3, 3))
        net.add(rb.Projection(x, hidden, rb.conv2d(padding=1, dilation=2), weight=kernel, delay=0.0))
    else:
        net.add(rb.Projection(x, hidden, rb.dense(), weight=rng.normal(0.1, 0.2, (48, 72)), delay=0.0))
    net.add(rb.Projection(hidden, out, rb.dense(), weight=rng.normal(0.1, 0.3, (5, 48)), delay=0.0))
    return net


def spikes(steps=4, batch=6, seed=2):
    return torch.from_numpy((np.random.default_rng(seed).random((steps, batch, 72)) < 0.3).astype(np.float32))


def layers(kind):
    """Return a module, an input, and the first layer's name, function and rows of its input."""
    if kind == "linear":
        layer = torch.nn.Linear(12, 7, bias=False)
        x = torch.rand(9, 12)
        return torch.nn.Sequential(layer, torch.nn.Linear(7, 3, bias=False)), x, "0", functional.linear
    layer = torch.nn.Conv2d(2, 4, 3, stride=2, padding=2, dilation=2, bias=False)
    x = torch.rand(5, 2, 7, 7)
    head = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3, bias=False))
    return torch.nn.Sequential(layer, head), x, "0", None


@pytest.mark.parametrize("levels", [None, 4], ids=["numbers", "levels"])
@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_the_gradient_is_that_of_the_projected_input_and_errors_below_stay(kind, levels):
    """As torch has the gradient where only what is left of x passes through a weight that learns."""
    module, x, name, _ = layers(kind)
    hlop = HLOP(module, {name: 3}, levels=levels, bound=3.0)
    hlop.next_task({})
    x.requires_grad_()
    loss = module(x).square().sum()
    loss.backward()
    error_below, x.grad = x.grad, None
    hlop.project()
    found, layer = module[0].weight.grad.clone(), module[0]

    old, flat = hlop[name].old, layer.weight.detach()
    if kind == "linear":
        rows = x.detach()
    else:
        rows = functional.unfold(x.detach(), 3, padding=2, stride=2, dilation=2).transpose(1, 2).flatten(0, 1)
    y = rows @ old.T
    if levels is not None:
        y = torch.round(y.clamp(-3.0, 3.0) / 0.75) * 0.75
    left = rows - y @ old
    weight = flat.clone().requires_grad_()
    now = left @ weight.reshape(len(flat), -1).T + (rows - left) @ flat.reshape(len(flat), -1).T
    if kind == "conv":
        now = now.reshape(len(x), -1, len(flat)).transpose(1, 2).reshape(len(x), len(flat), 4, 4)
    module[1](now).square().sum().backward()
    torch.testing.assert_close(found, weight.grad, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found, torch.autograd.grad(module(x).square().sum(), layer.weight)[0], rtol=0.1)

    x.grad = None
    module(x).square().sum().backward()
    torch.testing.assert_close(x.grad, error_below)


@pytest.mark.parametrize("conv", [False, True], ids=["dense", "conv"])
def test_projections_of_a_network_are_protected(conv):
    module = rb.to_torch(network(conv=conv), compiled=False)
    hlop = HLOP(module, {"x->hidden": 6, "hidden->out": 4})
    hlop.next_task({})
    module(spikes()).sum().backward()
    before = {name: module.projections[name].weight.grad.clone() for name in ("x->hidden", "hidden->out")}
    hlop.project()
    for name, unprojected in before.items():
        gradient = module.projections[name].weight.grad.flatten(1)
        old = hlop[name].old
        assert (gradient @ old.T).norm() < 1e-6 * gradient.norm()
        assert (unprojected.flatten(1) @ old.T).norm() > 0.01 * unprojected.norm()
        torch.testing.assert_close(gradient, unprojected.flatten(1) @ (torch.eye(old.shape[1]) - old.T @ old))


def test_what_comes_to_a_layer_is_what_the_layers_before_have_sent():
    module = rb.to_torch(network(conv=True), outputs=["hidden", "out"], compiled=False)
    hlop = HLOP(module, {"x->hidden": 2, "hidden->out": 2})
    x = spikes()
    hidden = module(x)["hidden"]
    assert torch.equal(hlop.activity("hidden->out"), hidden.flatten(0, 1))
    assert torch.equal(hlop.activity("x->hidden"), windows(x))
    learned = Lateral(18)
    learned.load_state_dict(hlop["x->hidden"].state_dict())
    learned.learn(windows(x))
    hlop.learn()
    torch.testing.assert_close(hlop["x->hidden"].new, learned.new)


def test_a_step_leaves_what_old_rows_span_of_the_weights_and_learns():
    net = torch.nn.Sequential(torch.nn.Linear(6, 4, bias=False))
    hlop = HLOP(net, {"0": 2})
    hlop.next_task({"0": 2})
    weight, new = net[0].weight.detach().clone(), hlop["0"].new.clone()
    net(torch.rand(3, 6)).square().sum().backward()
    hlop.step(torch.optim.SGD(net.parameters(), lr=0.1))
    moved = net[0].weight.detach() - weight
    assert moved.norm() > 0.01
    assert (moved @ hlop["0"].old.T).abs().max() < 1e-6
    assert not torch.equal(hlop["0"].new, new)


def windows(x):
    """What the kernel of a network sees of two images of 6 by 6 each."""
    return functional.unfold(x.reshape(-1, 2, 6, 6), 3, padding=1, dilation=2).transpose(1, 2).flatten(0, 1)


def test_online_training_through_time_is_protected_and_its_traces_learned():
    from rheobase.learning.traces import ottt

    module = rb.to_torch(network(conv=True), outputs=["hidden", "out"], compiled=False)
    hlop = HLOP(module, {"x->hidden": 6, "hidden->out": 4}, seen="traces")
    hlop.next_task({"hidden->out": 3})
    ottt(module, spikes(), lambda sent, step: (sent["out"] - 0.5).square().sum())
    hlop.project()
    sent = module.eval()(spikes())["hidden"].detach()
    for name, steps, rows in (("x->hidden", spikes(), windows), ("hidden->out", sent, lambda e: e)):
        expected, e = [], torch.zeros(steps.shape[1:])
        for s in steps:
            e = 0.5 * e + s
            expected.append(e)
        for _ in range(2):  # traces begin anew
            torch.testing.assert_close(hlop.activity(name), rows(torch.cat(expected)))
        gradient = module.projections[name].weight.grad.flatten(1)
        assert gradient.norm() > 0.01
        assert (gradient @ hlop[name].old.T).norm() < 1e-6 * gradient.norm()
    learned = Lateral(48)
    learned.load_state_dict(hlop["hidden->out"].state_dict())
    before = learned.new.clone()
    learned.learn(hlop.activity("hidden->out"))
    hlop.learn()
    torch.testing.assert_close(hlop["hidden->out"].new, learned.new)
    assert not torch.equal(learned.new, before)


@pytest.mark.parametrize("levels", [None, 4], ids=["numbers", "levels"])
def test_training_by_rates_is_protected_and_weighted_rates_learned(levels):
    """The gradient is that of errors, summed over steps, and of what old rows leave of weighted rates."""
    from rheobase.learning.dsr import spike_representation

    cell = rb.Leaky(0.5, reset="soft", reset_delay=False)
    module = rb.to_torch(network(conv=True, cell=cell), outputs=["hidden", "out"], compiled=False)
    errors, shares = {}, torch.tensor([1.0, 2.0, 4.0, 8.0]).reshape(-1, 1, 1) / 15.0

    def keep(name):
        def hook(layer, given, added):
            added.register_hook(lambda error: errors.__setitem__(name, error.sum(dim=0)))

        return hook

    for name, layer in module.projections.items():
        layer.register_forward_hook(keep(name))
    hlop = HLOP(module, {"x->hidden": 6, "hidden->out": 4}, seen="rates", levels=levels, bound=1.0)
    hlop.next_task({})
    with spike_representation(module):
        found = module(spikes())
        (found["out"] - 0.5).square().sum().backward()
    hlop.project()
    pixels = errors["x->hidden"].reshape(6, 3, 16).transpose(1, 2).flatten(0, 1)
    for name, rates, error in (
        ("x->hidden", windows((shares * spikes()).sum(dim=0)), pixels),
        ("hidden->out", (shares * found["hidden"].detach()).sum(dim=0), errors["hidden->out"]),
    ):
        torch.testing.assert_close(hlop.activity(name), rates)
        old = hlop[name].old
        y = rates @ old.T
        told = y if levels is None else torch.round(y.clamp(-1.0, 1.0) * 4.0) / 4.0
        expected = error.T @ (rates - told @ old)
        assert expected.norm() > 0.01
        torch.testing.assert_close(module.projections[name].weight.grad.flatten(1), expected)


@pytest.mark.parametrize(("seen", "shown"), [("events", (4, 4)), ("events", (4, 2)), ("traces", (4, 4))])
def test_an_image_that_is_shown_in_all_steps_teaches_as_its_copies_do(seen, shown):
    images, learned = torch.rand(2, 3, 6, generator=torch.Generator().manual_seed(0)), []
    for copied in (False, True):
        net = torch.nn.Sequential(torch.nn.Linear(6, 4, bias=False))
        generator = torch.Generator().manual_seed(1)
        hlop = HLOP(net, {"0": 2}, rate=0.1, seen=seen, decay=0.5, generator=generator)
        batch = [image.expand(steps, -1, -1) for image, steps in zip(images, shown, strict=True)]
        for x in batch:
            net(x.clone(memory_format=torch.contiguous_format) if copied else x)
        if seen == "events":
            assert torch.equal(hlop.activity("0"), torch.cat(batch).flatten(0, 1))
        hlop.learn()
        learned.append(hlop["0"].new)
    torch.testing.assert_close(*learned)


def test_errors_that_never_came_back_are_named():
    net = torch.nn.Sequential(torch.nn.Linear(6, 4, bias=False))
    hlop = HLOP(net, {"0": 2}, levels=40)
    hlop.next_task({})
    net(torch.rand(3, 6)).sum().backward()
    net(torch.rand(3, 6))
    with pytest.raises(rb.RheobaseError, match=r"HLOP\.project: with levels= it needs the error"):
        hlop.project()


def test_only_the_last_batch_in_training_is_learned():
    net = torch.nn.Sequential(torch.nn.Linear(6, 4, bias=False))
    hlop = HLOP(net, {"0": 2})
    batches = torch.rand(4, 3, 6)
    net(batches[0]).sum().backward()
    hlop.project()
    net(batches[1])  # the next batch, in two parts
    net(batches[2])
    with torch.no_grad():
        net(batches[3])
    net.eval()(batches[3])
    assert torch.equal(hlop.activity("0"), batches[1:3].flatten(0, 1))
    hlop.learn()
    hlop.close()
    net.train()(batches[0])
    assert torch.equal(hlop.activity("0"), batches[1:3].flatten(0, 1))


def test_a_layer_of_which_nothing_was_heard_is_named():
    hlop = HLOP(torch.nn.Sequential(torch.nn.Linear(6, 4, bias=False)), {"0": 2})
    with pytest.raises(rb.RunError, match="nothing was heard of 0"):
        hlop.learn()
    hlop.next_task({})
    hlop.learn()


def test_activity_that_is_given_is_learned_in_its_place():
    net = torch.nn.Sequential(torch.nn.Linear(6, 4, bias=False))
    hlop, other = HLOP(net, {"0": 2}, rate=0.1), Lateral(6, rate=0.1)
    other.load_state_dict(hlop["0"].state_dict())
    x = torch.rand(5, 6)
    net(torch.rand(3, 6))
    hlop.learn({"0": x})
    other.learn(x)
    assert torch.equal(hlop["0"].new, other.new)
    assert len(other.new) == 2


def test_state_dicts_keep_rows_of_all_tasks():
    net = torch.nn.Sequential(torch.nn.Linear(6, 4, bias=False))
    grown, fresh = HLOP(net, {"0": 2}), HLOP(net, {"0": 2})
    grown.next_task({"0": 3})
    fresh.load_state_dict(grown.state_dict())
    assert torch.equal(fresh["0"].rows, grown["0"].rows)
    assert len(fresh["0"].old) == 2


def test_optimisers_that_break_the_protection_are_warned_of_once():
    net = torch.nn.Sequential(torch.nn.Linear(6, 4, bias=False))
    hlop = HLOP(net, {"0": 2})
    for optimiser, reason in (
        (torch.optim.Adam(net.parameters()), "Adam may scale weights one by one"),
        (torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=1e-4), "weight decay shrinks"),
    ):
        net(torch.rand(3, 6)).sum().backward()
        with pytest.warns(ProtectionWarning, match=reason):
            hlop.step(optimiser)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hlop.step(optimiser)
        hlop.step(torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9))


def test_what_is_not_protected_is_warned_of_by_name():
    net = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.BatchNorm1d(4))
    with pytest.warns(ProtectionWarning, match=r"nothing protects 0\.bias, 1 \(BatchNorm1d\)"):
        HLOP(net, {"0": 2})
    net[0].bias.requires_grad_(False)
    net[1].requires_grad_(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        HLOP(net, {"0": 2})


def test_layers_and_rows_that_do_not_fit_are_refused():
    net = torch.nn.Sequential(
        torch.nn.Linear(6, 4, bias=False), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3, groups=2)
    )
    with pytest.raises(rb.SpecError, match=r"0 layers are called 'h1'; allowed are \['0'\]"):
        HLOP(net, {"h1": 2})
    for name, kind in (("1", "ReLU"), ("2", "Conv2d")):
        with pytest.raises(rb.SpecError, match=f"{name} is {kind}; allowed are dense"):
            HLOP(net, {name: 2})
    with pytest.raises(rb.SpecError, match="got 7; allowed is a whole number from 0 to 6"):
        HLOP(net, {"0": 7})
    hlop = HLOP(net, {"0": 2})
    with pytest.raises(rb.SpecError, match="got 5; allowed is a whole number from 0 to 4"):
        hlop.next_task({"0": 5})
    with pytest.raises(rb.SpecError, match=r"HLOP: got '1'; allowed are \['0'\]"):
        hlop.next_task({"1": 5})
    with pytest.raises(
        rb.SpecError, match=r"HLOP\.seen: got 'spikes'; allowed are 'events', 'traces', 'rates'"
    ):
        HLOP(net, {"0": 2}, seen="spikes")
    with pytest.raises(rb.SpecError, match="decay of 0: got None; allowed is a number from 0 to 1"):
        HLOP(net, {"0": 2}, seen="traces")
