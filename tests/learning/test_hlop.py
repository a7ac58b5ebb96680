"""Lateral connections against a twin and the principal subspace, projected gradients against torch's own."""

import warnings

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")
functional = torch.nn.functional

from rheobase.learning.hlop import HLOP, Lateral, ProtectionWarning  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    """What is multiplied here is small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def in_a_subspace(n, k, samples, seed=0, noise=0.05):
    """Return inputs most of whose energy lies in k dimensions, the strongest direction 3 times as strong."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(n, k)))[0].T
    x = rng.normal(size=(samples, k)) * np.linspace(3.0, 1.0, k) @ basis
    return torch.from_numpy((x + noise * rng.normal(size=(samples, n))).astype(np.float32))


def learned(x, rows, batches=150, **options):
    lateral = Lateral(x.shape[1], **{"rate": 0.02, **options})
    lateral.grow(rows, torch.Generator().manual_seed(1))
    for k in range(batches):
        lateral.learn(x[20 * (k % 10) : 20 * (k % 10) + 20])
    return lateral


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
        net.add(rb.Projection(x, hidden, rb.conv2d(), weight=kernel, delay=0.0))
    else:
        net.add(rb.Projection(x, hidden, rb.dense(), weight=rng.normal(0.1, 0.2, (48, 72)), delay=0.0))
    net.add(rb.Projection(hidden, out, rb.dense(), weight=rng.normal(0.1, 0.3, (5, 48)), delay=0.0))
    return net


def spikes(steps=4, batch=6, seed=2):
    return torch.from_numpy((np.random.default_rng(seed).random((steps, batch, 72)) < 0.3).astype(np.float32))


def layers(kind):
    """Return a module, an input, and the first layer's name, function and rows of its input."""
    torch.manual_seed(0)
    if kind == "linear":
        layer = torch.nn.Linear(12, 7, bias=False)
        x = torch.rand(9, 12)
        return torch.nn.Sequential(layer, torch.nn.Linear(7, 3, bias=False)), x, "0", functional.linear
    layer = torch.nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False)
    x = torch.rand(5, 2, 7, 7)
    head = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3, bias=False))
    return torch.nn.Sequential(layer, head), x, "0", None


@pytest.mark.parametrize("samples", [8, 40], ids=["fewer than inputs", "more"])
@pytest.mark.parametrize("old", [0, 3])
def test_rows_change_as_their_equations_say(twins, samples, old):
    x = in_a_subspace(15, 6, samples, seed=4)
    lateral = Lateral(15, rate=0.03, clip=0.4, exact=False)
    lateral.grow(old)
    lateral.merge()
    lateral.grow(4)
    before = {name: getattr(lateral, name).numpy().astype(np.float64) for name in ("old", "new", "drift")}
    expected = before["new"], before["drift"]
    for _ in range(3):
        lateral.learn(x)
        expected = twins.lateral.learn(before["old"], *expected, x.numpy().astype(np.float64), 0.03, clip=0.4)
    np.testing.assert_allclose(lateral.new.numpy(), expected[0], atol=2e-6)
    np.testing.assert_allclose(lateral.drift.numpy(), expected[1], atol=2e-6)
    np.testing.assert_array_equal(lateral.old.numpy(), before["old"])
    assert np.abs(expected[1]).max() > 0.01


def test_rows_converge_to_the_principal_subspace_and_to_be_orthonormal():
    x = in_a_subspace(30, 12, 200)
    lateral = Lateral(30, rate=0.02)
    lateral.grow(6, torch.Generator().manual_seed(1))
    for _ in range(200):
        lateral.learn(x)
    principal = np.linalg.svd(x.numpy(), full_matrices=False)[2][:6]
    ours = np.linalg.qr(lateral.new.numpy().T)[0]
    assert np.linalg.svd(principal @ ours)[1].min() > 0.999
    assert lateral.deviation() < 0.01
    lateral.merge()
    gradient = torch.randn(8, 30, generator=torch.Generator().manual_seed(2)) @ x.T @ x
    size = gradient.norm()
    lateral.project(gradient)
    assert (gradient @ lateral.old.T).norm() < 0.01 * gradient.norm() < 0.01 * size
    best = ((x.numpy() @ principal.T) ** 2).sum() / (x.numpy() ** 2).sum()
    assert lateral.captured(x) == pytest.approx(best, abs=1e-3)


def test_new_rows_learn_what_old_ones_leave():
    first, second = in_a_subspace(30, 4, 200, seed=0), in_a_subspace(30, 4, 200, seed=1)
    lateral = learned(first, 4)
    assert lateral.captured(first) > 0.98
    assert lateral.captured(second) < 0.5
    lateral.merge()
    lateral.grow(4, torch.Generator().manual_seed(3))
    old = lateral.old.clone()
    for k in range(300):
        lateral.learn(second[20 * (k % 10) : 20 * (k % 10) + 20])
    assert torch.equal(lateral.old, old)
    assert lateral.captured(first) > 0.97
    assert lateral.captured(second) > 0.95
    assert lateral.deviation() < 0.02
    assert (lateral.new @ old.T).abs().max() < 1e-6


def test_what_is_left_of_a_gradient_has_nothing_in_the_span_of_rows_of_any_task():
    lateral, spanned = Lateral(30, rate=0.02), []
    for seed in range(3):
        lateral.grow(4, torch.Generator().manual_seed(seed))
        x = in_a_subspace(30, 6, 200, seed=seed)
        for _ in range(10):
            lateral.learn(x)
        spanned.append(lateral.new.clone())
        lateral.merge()
    assert (spanned[0] @ spanned[0].T - torch.eye(4)).abs().max() > 0.01
    assert lateral.deviation() < 1e-6
    gradient = torch.randn(8, 30, generator=torch.Generator().manual_seed(2))
    lateral.project(gradient)
    assert gradient.norm() > 5.0
    assert (gradient @ torch.cat(spanned).T).abs().max() < 1e-5


def test_rows_that_span_nothing_of_their_own_are_left_out():
    lateral = Lateral(9)
    lateral.grow(2, torch.Generator().manual_seed(0))
    lateral.merge()
    own = torch.linalg.qr(torch.randn(9, 3, generator=torch.Generator().manual_seed(1))).Q.T
    lateral.new = torch.stack([own[0], own[0] + 1e-5 * own[1], 0.3 * own[2], lateral.old[0], 0.0 * own[0]])
    lateral.merge()
    assert len(lateral.old) == 4
    assert lateral.deviation() < 1e-6
    torch.testing.assert_close(own[[0, 2]] @ lateral.old.T @ lateral.old, own[[0, 2]])
    assert len(lateral.new) == len(lateral.drift) == 0


def test_rows_are_kept_as_they_were_learned_if_not_exact():
    lateral = Lateral(30, exact=False)
    lateral.grow(8, torch.Generator().manual_seed(0))
    lateral.learn(in_a_subspace(30, 4, 200))
    learned = lateral.new.clone()
    lateral.merge()
    assert torch.equal(lateral.old, learned)
    lateral.grow(8, torch.Generator().manual_seed(1))
    assert (lateral.new @ learned.T).abs().max() > 0.1
    assert lateral.deviation() > 0.1


def test_subspace_neurons_that_tell_in_many_levels_learn_as_those_that_tell_numbers():
    x = in_a_subspace(30, 12, 200)
    exact, fine, coarse = (learned(x, 6, 60, levels=levels) for levels in (None, 20_000, 40))
    torch.testing.assert_close(fine.new, exact.new, atol=2e-3, rtol=0.0)
    assert coarse.captured(x) > exact.captured(x) - 0.02
    assert torch.equal(coarse.activity(torch.eye(30), 7.3 * torch.eye(30)[:2])[0], torch.tensor([7.5, 0.0]))
    assert float(coarse.activity(torch.eye(30), 99.0 * torch.eye(30)).max()) == 20.0


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
        rows = functional.unfold(x.detach(), 3, padding=1, stride=2).transpose(1, 2).flatten(0, 1)
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
        assert (unprojected.flatten(1) @ old.T).norm() > 0.1 * unprojected.norm()
        torch.testing.assert_close(gradient, unprojected.flatten(1) @ (torch.eye(old.shape[1]) - old.T @ old))


def test_what_comes_to_a_layer_is_what_the_layers_before_have_sent():
    module = rb.to_torch(network(conv=True), outputs=["hidden", "out"], compiled=False)
    hlop = HLOP(module, {"x->hidden": 2, "hidden->out": 2})
    x = spikes()
    hidden = module(x)["hidden"]
    assert torch.equal(hlop.activity("hidden->out"), hidden.flatten(0, 1))
    assert torch.equal(hlop.activity("x->hidden"), windows(x))


def windows(x):
    """What a kernel of 3 by 3 sees of two images of 6 by 6 each."""
    return functional.unfold(x.reshape(-1, 2, 6, 6), 3).transpose(1, 2).flatten(0, 1)


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
        torch.testing.assert_close(hlop.activity(name), rows(torch.cat(expected)))
        gradient = module.projections[name].weight.grad.flatten(1)
        assert gradient.norm() > 0.01
        assert (gradient @ hlop[name].old.T).norm() < 1e-6 * gradient.norm()
    before = hlop["hidden->out"].new.clone()
    hlop.learn()
    assert not torch.equal(hlop["hidden->out"].new, before)


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


@pytest.mark.parametrize("shown", [(4, 4), (4, 2)])
def test_an_image_that_is_shown_in_all_steps_teaches_as_its_copies_do(shown):
    images, learned = torch.rand(2, 3, 6, generator=torch.Generator().manual_seed(0)), []
    for copied in (False, True):
        net = torch.nn.Sequential(torch.nn.Linear(6, 4, bias=False))
        hlop = HLOP(net, {"0": 2}, rate=0.1, generator=torch.Generator().manual_seed(1))
        batch = [image.expand(steps, -1, -1) for image, steps in zip(images, shown, strict=True)]
        for x in batch:
            net(x.clone(memory_format=torch.contiguous_format) if copied else x)
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
