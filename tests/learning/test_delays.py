"""Learned delays: the numbers of the package dcls, the simulator's spikes, and what a user does with them."""

from pathlib import Path

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")

from rheobase.learning import delays  # noqa: E402
from rheobase.learning.delays import LearnedDelays, bells, delayed_sums  # noqa: E402

DCLS = np.load(Path(__file__).with_name("dcls.npz"))
LONGEST = int(DCLS["single_y"].shape[-1] - DCLS["x"].shape[-1]) * 2 + 1


def recorded(case):
    """Return the input in our order (steps, batch, n), weights, our positions, and dcls's numbers."""
    values = {
        key.removeprefix(f"{case}_"): torch.from_numpy(DCLS[key]) for key in DCLS if key.startswith(case)
    }
    x = torch.from_numpy(DCLS["x"]).permute(2, 0, 1)
    # Its tap k sees what was sent LONGEST - 1 - k steps before, ours one step earlier.
    return x, values["weight"], (LONGEST + 1) / 2 - values["position"][0], values


@pytest.mark.parametrize("case", ["single", "double"])
def test_values_and_gradients_are_those_of_dcls(case):
    x, weight, position, theirs = recorded(case)
    after, steps = (LONGEST - 1) // 2, len(x)
    window = torch.nn.functional.pad(x, (0, 0, 0, 0, LONGEST, after)).requires_grad_()
    weight, position = weight.requires_grad_(), position.requires_grad_()
    taps = (weight * bells(position, float(theirs["width"]) + delays.FLOOR, LONGEST)).sum(dim=-1)
    y = delayed_sums(window, taps)
    torch.testing.assert_close(y[1:].permute(1, 2, 0), theirs["y"])
    (y[1:].permute(1, 2, 0) * theirs["goal"]).sum().backward()
    torch.testing.assert_close(weight.grad, theirs["d_weight"])
    torch.testing.assert_close(-position.grad, theirs["d_position"][0])  # the sign of its positions
    torch.testing.assert_close(window.grad[LONGEST : LONGEST + steps].permute(1, 2, 0), theirs["d_x"])


@pytest.mark.parametrize(
    ("steps", "longest"), [(1, 7), (9, 1), (700, 25), (300, 60), (3, 12), (129, 2), (256, 4)]
)
def test_sums_over_delays_are_a_convolution_whatever_the_sizes(steps, longest):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(steps + longest - 1, 2, 3, dtype=torch.float64, generator=generator)
    taps = torch.randn(longest, 4, 3, dtype=torch.float64, generator=generator)
    kernel = taps.flip(0).permute(1, 2, 0)
    expected = torch.nn.functional.conv1d(x.permute(1, 2, 0), kernel).permute(2, 0, 1)
    torch.testing.assert_close(delayed_sums(x, taps), expected, atol=1e-11, rtol=1e-11)
    single = delayed_sums(x.float(), taps.float()).double()
    assert float((single - expected).abs().max()) < 1e-5 * float(expected.abs().max())


def network(model=None, seed=0):
    """Matrices and lists of synapses, each with its own delay, forward and back."""
    rng = np.random.default_rng(seed)
    model = rb.Leaky(0.3, reset="hard", reset_delay=False) if model is None else model
    net = rb.Network(seed=1)
    x = net.add(rb.SpikeSource(12, name="x"))
    hidden = net.add(rb.Population(20, model, name="hidden"))
    out = net.add(rb.Population(6, model, name="out"))

    def connect(name, pre, post, pattern, weight, delay):
        net.add(rb.Projection(pre, post, pattern, weight=weight, delay=delay, name=name))

    connect("in", x, hidden, rb.dense(), rng.normal(0.3, 0.4, (20, 12)), rb.uniform(1e-3, 15e-3))
    connect("same", x, out, rb.dense(), rng.normal(0.2, 0.2, (6, 12)), None)
    connect(
        "read",
        hidden[2:18],
        out,
        rb.dense(),
        rng.normal(0.2, 0.4, (6, 16)),
        rng.integers(1, 9, (6, 16)) * 1e-3,
    )
    connect("back", hidden, hidden, rb.random(p=0.3), rb.normal(0.0, 0.3), rb.uniform(1e-3, 5e-3))
    connect(
        "pairs", hidden, out, rb.explicit([3, 3, 1], [5, 5, 0]), rng.normal(0.5, 0.2, 3), [1e-3, 4e-3, 2e-3]
    )
    for name in ("hidden", "out"):
        net.add(rb.Probe(net[name], name=f"{name} spikes"))
    return net


def learning(net=None, longest=15e-3, **options):
    net = network() if net is None else net
    learned = dict.fromkeys((p.label for p in net.projections), LearnedDelays(longest, sigma=2.0))
    return rb.to_torch(net, delays=learned, compiled=False, **options)


def spikes_in(steps=30, batch=3):
    return (torch.rand(steps, batch, 12, generator=torch.Generator().manual_seed(2)) < 0.25).float()


def simulated(net, x, **options):
    given = x.numpy().transpose(1, 0, 2).astype(int)
    sim = rb.Simulator(net, dt=1e-3, backend="reference", batch=x.shape[1], **options)
    return sim.run(len(x) * 1e-3, inputs={"x": given})


def differing(module, x, **options):
    """Return how many spikes the simulator, of the module's network, sends, and how many of them differ."""
    result, found = simulated(rb.from_torch(module), x, **options), module.eval()(x)
    sent = {name: torch.zeros_like(spikes) for name, spikes in found.items()}
    for name, raster in sent.items():
        raster[result[name].steps, result[name].trials, result[name].ids] = 1.0
    return sum(int(s.sum()) for s in sent.values()), sum(int((s != found[n]).sum()) for n, s in sent.items())


@pytest.mark.parametrize("precision", [None, "fixed"])
def test_a_trained_network_sends_no_spike_otherwise_in_the_simulator(precision):
    module, x = learning(precision=precision, batch_norm=["in"], dropout={"hidden": 0.1}), spikes_in()
    before = {name: s.rounded() for name, s in module.projections.items()}
    weights = [p for name, p in module.named_parameters() if not name.endswith("position")]
    optimiser = torch.optim.Adam(
        [{"params": weights, "lr": 1e-2}, {"params": delays.positions(module), "lr": 1.0}]
    )
    torch.manual_seed(0)
    for epoch in range(4):
        delays.narrow(module, epoch, 4)
        rates = module.train()(x)["out spikes"].mean(dim=0)
        optimiser.zero_grad()
        (rates - torch.linspace(0.0, 0.4, 6)).square().sum().backward()
        optimiser.step()
    sent, differ = differing(module, x, precision=precision)
    assert 50 < sent
    assert differ == 0
    trained = rb.from_torch(module)
    for name, synapses in module.projections.items():
        now = synapses.rounded()
        assert not torch.equal(now, before[name])
        np.testing.assert_array_equal(np.rint(trained[name].delay / 1e-3), now)
    assert trained["in"].delay.shape == (20, 12)
    assert trained["back"].connectivity.kind == "explicit"


def test_an_untrained_module_comes_back_as_the_network_that_it_was():
    net = network()
    back = rb.from_torch(learning(net))
    assert [part.name for part in back] == [part.name for part in net]
    for name in ("in", "read", "back", "pairs"):
        assert back[name].delay is net[name].delay
    assert not rb.from_torch(learning(net))["same"].delay.ravel().std() > 0


def test_bells_in_pieces_are_bells_at_once_and_single_steps_too():
    net = network(rb.Leaky(0.5, reset="none", threshold=1e9))
    for name in ("hidden", "out"):
        net.add(rb.Probe(net[name], "v", name=f"{name} v"))
    module, x = learning(net), spikes_in()
    whole, state, pieces = module(x), None, []
    for piece in x.split([1, 3, 17, 9]):
        found, state = module.run(piece, state)
        pieces.append(found)
    for name in ("hidden v", "out v"):
        torch.testing.assert_close(
            torch.cat([piece[name] for piece in pieces]), whole[name], atol=1e-5, rtol=1e-4
        )


def test_gradients_of_positions_are_differences():
    module = learning(
        surrogate=lambda d: torch.sigmoid(5.0 * d), detach_reset=False, precision="float32"
    ).double()
    x = spikes_in(12, 1).double()

    def loss():
        return module(x)["out spikes"].square().sum()

    loss().backward()
    for name, synapses in module.projections.items():
        place = int(synapses.position.grad.abs().argmax())
        flat, found = synapses.position.data.view(-1), []
        flat[place] += 0.3  # within its bounds
        module.zero_grad()
        loss().backward()
        for sign in (1, -1):
            flat[place] += sign * 1e-6
            found.append(float(loss().detach()))
            flat[place] -= sign * 1e-6
        slope = (found[0] - found[1]) / 2e-6
        assert float(synapses.position.grad.view(-1)[place]) == pytest.approx(slope, rel=1e-5, abs=1e-8), name


def test_widths_narrow_positions_stay_within_bounds_and_fixed_ones_where_they_are():
    module, x = learning(), spikes_in()
    assert list(module.projections["in"].state_dict()) == ["weight", "position", "sigma"]
    delays.narrow(module, 0, 40)
    assert float(module.projections["in"].sigma) == pytest.approx(7.27)
    delays.narrow(module, 30, 40)
    assert float(module.projections["in"].sigma) == pytest.approx(0.5)
    assert delays.sigma_at(3, 40, 1) == 0.5
    with torch.no_grad():
        for position in delays.positions(module):
            position += 20.0 * torch.randn(position.shape, generator=torch.Generator().manual_seed(0))
    module(x)
    assert all(1 <= position.min() and position.max() <= 15 for position in delays.positions(module))
    delays.fix(module)
    hard = module(x)["out spikes"]
    assert torch.equal(hard, module.eval()(x)["out spikes"])
    module.train()(x)["out spikes"].sum().backward()
    assert module.projections["in"].position.grad is None
    assert module.projections["in"].weight.grad.any()
    again = learning()
    again.load_state_dict(module.state_dict())
    assert torch.equal(again(x)["out spikes"], hard)


def test_what_cannot_be_learned_is_refused():
    net = network()
    y = net.add(rb.Population((1, 3, 4), rb.LIF(20e-3), name="y"))
    net.add(rb.Projection(net["x"], y, rb.one_to_one(), delay=0.0, name="at once"))
    z = net.add(rb.Population((2, 2, 3), rb.LIF(20e-3), name="z"))
    net.add(rb.Projection(y, z, rb.conv2d(), weight=np.ones((2, 1, 2, 2)), name="conv"))
    for given, match, error in (
        ({"conv": LearnedDelays(5e-3)}, "conv is conv2d, whose synapses share a delay", rb.ConversionError),
        ({"in": 5e-3}, "delays of in: got 0.005; allowed is a LearnedDelays", rb.SpecError),
        ({"x": LearnedDelays(5e-3)}, "delays: got 'x'; allowed are projections", rb.SpecError),
        (
            {"in": LearnedDelays(5e-3)},
            "delays of in: its delays are 1 to 15 steps, the longest",
            rb.SpecError,
        ),
        ({"at once": LearnedDelays(5e-3)}, "at once: its delays are 0 to 0 steps", rb.SpecError),
    ):
        with pytest.raises(error, match=match):
            rb.to_torch(net, delays=given)
    for longest, sigma in ((0.0, None), ("5", None), (5e-3, 0.0)):
        with pytest.raises(rb.SpecError, match=r"LearnedDelays\.(longest|sigma): got"):
            LearnedDelays(longest, sigma)
    with pytest.raises(rb.SpecError, match="it learns no delays"):
        delays.positions(torch.nn.Linear(2, 2))
    with pytest.raises(rb.SpecError, match="sigma: got -1"):
        delays.set_sigma(learning(), -1)
