"""Networks trained to be sparse, on small digits: what the engine counts, and what they still know."""

import copy

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")
datasets = pytest.importorskip("sklearn.datasets")
from torch import nn  # noqa: E402
from torch.nn.functional import cross_entropy  # noqa: E402

from rheobase.learning.delta_activation import DeltaActivation, delta_loss  # noqa: E402
from rheobase.learning.sparsity import TopK, density, density_loss, rate_loss, recorded  # noqa: E402
from rheobase.learning.surrogate import FastSigmoid  # noqa: E402

pytestmark = pytest.mark.slow
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def digits():
    """Images (1797, 8, 8) between 0 and 1 and their labels, in an order of their own."""
    images, labels = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    return (images[order] / 16).astype(np.float32).reshape(-1, 8, 8), labels[order]


def train(model, parameters, loss_of, n, *, epochs, lr, batch=64, cycle=False):
    """Minimise the loss of batches of the first n samples, at one rate or at one that rises and falls."""
    optimiser = torch.optim.Adam(parameters, lr)
    steps = epochs * -(-n // batch)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, steps, pct_start=0.1) if cycle else None
    for _ in range(epochs):
        for indices in torch.randperm(n).split(batch):
            loss = loss_of(indices)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if rate is not None:
                rate.step()
    return model


def jitter(images, seed, frames=8):
    """Return digits that tremble on a canvas of 12 x 12, with noise: (frames, n, 144)."""
    rng = np.random.default_rng(seed)
    canvas = np.zeros((frames, len(images), 12, 12), np.float32)
    place = rng.integers(1, 4, (len(images), 2))
    for t in range(frames):
        for i, (row, column) in enumerate(place):
            canvas[t, i, row : row + 8, column : column + 8] = images[i]
        place = np.clip(place + rng.integers(-1, 2, place.shape), 0, 4)
    noisy = canvas + rng.normal(0.0, 0.03, canvas.shape)
    return np.clip(noisy, 0.0, None).astype(np.float32).reshape(frames, len(images), 144)


def test_a_loss_on_changes_leaves_a_quarter_of_the_multiplications_at_no_loss_of_accuracy(digits):
    images, labels = digits
    frames, wanted = torch.from_numpy(jitter(images[:1400], 1)), torch.from_numpy(labels[:1400])
    new, fan_out = jitter(images[1400:], 2), (128, 128, 10)

    def measured(rate, turned):
        torch.manual_seed(0)
        model = nn.Sequential(
            DeltaActivation(f="identity", turned=turned), nn.Linear(144, 128), DeltaActivation(turned=turned),
            nn.Linear(128, 128), DeltaActivation(turned=turned), nn.Linear(128, 10),
        )  # fmt: skip

        def loss_of(indices):
            with recorded(model) as seen:
                out = model(frames[:, indices]).flatten(0, 1)
            changes = sum(delta_loss(a, fan_out=n / 128) for a, n in zip(seen.values(), fan_out, strict=True))
            return cross_entropy(out, wanted[indices].repeat(8)) + rate * changes

        train(model, model.parameters(), loss_of, 1400, epochs=40, lr=1e-3)
        spiking = rb.convert(model.eval(), new[:, :50].reshape(-1, 144), events="graded", input_bits=12)
        told = [*spiking.stream(new)]
        # Exactly what one pass through the quantised network gives, frame by frame.
        for frame, answer in zip(new[::7], told[::7], strict=True):
            np.testing.assert_array_equal(answer.outputs, spiking.run(frame).outputs)
        macs = sum(answer.operations.sum() for answer in told) / (
            new[..., 0].size * (144 * 128 + 128 * 128 + 1280)
        )
        found = np.stack([answer.labels for answer in told])
        with torch.no_grad():
            agree = (model(torch.from_numpy(new)).argmax(2).numpy() == found).mean()
        return (found[-1] == labels[1400:]).mean(), macs, agree

    accuracy, macs, _ = measured(0.0, True)
    sparse, fewer, agree = measured(5.0, True)
    _, ordinary, _ = measured(5.0, False)
    print(
        f"accuracy {accuracy:.3f} -> {sparse:.3f}, MACs {macs:.3f} -> {fewer:.3f}, not turned {ordinary:.3f}"
    )
    assert fewer <= 0.25
    assert sparse >= accuracy - 0.03
    assert agree > 0.99
    assert ordinary > 1.5 * fewer


class Block(nn.Module):
    """A residual MLP, with a small adapter before it."""

    def __init__(self):
        super().__init__()
        self.inside, self.act, self.outside = nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 64)
        self.down, self.up = nn.Linear(64, 8), nn.Linear(8, 64)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x):
        x = x + self.up(torch.relu(self.down(x)))
        return x + self.outside(self.act(self.inside(x)))


def test_adapters_make_frozen_blocks_sparse_at_no_loss_of_accuracy(digits):
    images, labels = digits
    wanted, found = torch.from_numpy(labels), []
    upright = torch.from_numpy(images).flatten(1)
    mirrored = torch.from_numpy(images).flip(2).flatten(1)

    def tuned(model, x, epochs, rate=0.0, eps=1e-7):
        def loss_of(indices):
            with recorded(model) as seen:
                out = model(x[indices])
            return cross_entropy(out, wanted[indices]) + rate * density_loss(seen, eps=eps)

        trained = [p for p in model.parameters() if p.requires_grad]
        return train(model, trained, loss_of, 1300, epochs=epochs, lr=1e-3)

    for seed in range(3):
        torch.manual_seed(seed)
        model = nn.Sequential(Block(), Block(), Block(), nn.Linear(64, 10))
        for name, p in model.named_parameters():
            p.requires_grad_(".up" not in name and ".down" not in name)
        tuned(model, upright, 10)
        frozen = {name: p.clone() for name, p in model.named_parameters() if "side" in name}
        for name, p in model.named_parameters():
            p.requires_grad_(name not in frozen)
        for loss in ({}, {"rate": 1.0}, {"rate": 5.0, "eps": 1e-2}):
            torch.manual_seed(seed)
            one = tuned(copy.deepcopy(model), mirrored, 40, **loss)
            assert all(torch.equal(p, one.get_parameter(name)) for name, p in frozen.items())
            share = np.mean([*density(one, mirrored[1300:]).values()])
            found.append((share, (one(mirrored[1300:]).argmax(1) == wanted[1300:]).float().mean().item()))
    shares, accuracies = np.moveaxis(np.reshape(found, (3, 3, 2)), 2, 0)
    print(f"density {shares.round(3).tolist()}, accuracy {accuracies.round(3).tolist()}")
    assert (shares[:, 1] <= 0.85 * shares[:, 0]).all()
    assert (shares[:, 2] <= 0.70 * shares[:, 0]).all()
    assert (accuracies.mean(axis=0) >= accuracies[:, 0].mean() - 0.015).all()


class Residual(nn.Module):
    """An MLP whose input is normalised, and to which its output is added, as in a transformer."""

    def __init__(self, hidden, act):
        super().__init__()
        self.mlp = nn.Sequential(nn.LayerNorm(64), nn.Linear(64, hidden), act, nn.Linear(hidden, 64))

    def forward(self, x):
        return x + self.mlp(x)


def stacked(blocks, hidden, k=None):
    parts = [Residual(hidden, TopK(k) if k else nn.ReLU()) for _ in range(blocks)]
    return nn.Sequential(*parts, nn.LayerNorm(64), nn.Linear(64, 10))


def test_wide_layers_that_learn_labels_by_heart_grow_sparse_and_wider_ones_sparser(digits):
    x = (torch.from_numpy(digits[0][:1200]).flatten(1) - 0.3) / 0.37
    found = []
    for seed in range(3):
        labels = torch.randint(0, 10, (1200,), generator=torch.Generator().manual_seed(seed))
        for hidden in (256, 1024):
            torch.manual_seed(seed)
            model = stacked(4, hidden)
            start = np.mean([*density(model, x).values()])
            train(
                model,
                model.parameters(),
                lambda i, m=model, y=labels: cross_entropy(m(x[i]), y[i]),
                1200,
                epochs=20,
                lr=3e-3,
                cycle=True,
            )
            known = (model(x).argmax(1) == labels).float().mean()
            found.append((start, np.mean([*density(model, x).values()]), known))
    start, end, known = np.moveaxis(np.reshape(found, (3, 2, 3)), 2, 0)
    print(f"density {start.round(3).tolist()} -> {end.round(3).tolist()}, known {known.round(3).tolist()}")
    assert (abs(start - 0.5) <= 0.03).all()
    assert (end <= 0.35).all()
    assert (end[:, 1] < end[:, 0]).all()
    assert (known > 0.9).all()


def test_few_active_neurons_learn_fewer_wrong_labels_by_heart(digits):
    images, labels = digits
    x, labels = (torch.from_numpy(images).flatten(1) - 0.3) / 0.37, torch.from_numpy(labels)
    found = []
    for seed in range(3):
        draw = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(x), generator=draw)
        told, true = labels[order], labels[order]
        wrong = torch.rand(len(x), generator=draw) < 0.4
        told = torch.where(wrong, torch.randint(0, 10, told.shape, generator=draw), told)
        for k in (None, 13, 6):
            torch.manual_seed(seed)
            model = stacked(1, 128, k)
            train(
                model,
                model.parameters(),
                lambda i, m=model, x=x[order], y=told: cross_entropy(m(x[i]), y[i]),
                1200,
                epochs=60,
                lr=1e-3,
            )
            right = model(x[order]).argmax(1) == true
            by_heart = (model(x[order]).argmax(1) == told)[:1200][wrong[:1200]]
            found.append((right[1200:].float().mean(), by_heart.float().mean()))
    accuracy, by_heart = np.moveaxis(np.reshape(found, (3, 3, 2)), 2, 0)
    print(f"accuracy {accuracy.round(3).tolist()}, wrong labels known {by_heart.round(3).tolist()}")
    dense, tenth, twentieth = accuracy.mean(axis=0)
    assert tenth >= dense
    assert twentieth >= dense + 0.05
    assert (by_heart[:, 0] > by_heart[:, 1]).all()
    assert (by_heart[:, 1] > by_heart[:, 2]).all()


def test_a_bound_on_spike_counts_costs_spikes_and_energy_but_hardly_accuracy(digits):
    images, labels = digits
    steps, cut = 20, 1200
    rng = np.random.default_rng(0)
    spikes = (rng.random((steps, len(labels), 64)) < 0.5 * images.reshape(-1, 64)).astype(np.float32)
    given, wanted = torch.from_numpy(spikes), torch.from_numpy(labels)

    def measured(seed, rate):
        draw = np.random.default_rng(seed)
        torch.manual_seed(seed)
        net = rb.Network(seed=0)
        x = net.add(rb.SpikeSource(64, name="x"))
        hidden = net.add(rb.Population(100, rb.LIF(10e-3, reset="soft"), name="hidden"))
        out = net.add(rb.Population(10, rb.LI(20e-3), name="out"))
        net.add(rb.Projection(x, hidden, rb.dense(), weight=draw.normal(0.05, 0.15, (100, 64)), delay=0.0))
        net.add(rb.Projection(hidden, out, rb.dense(), weight=draw.normal(0.0, 0.1, (10, 100)), delay=0.0))
        module = rb.to_torch(net, surrogate=FastSigmoid(5.0), outputs=["hidden", ("out", "v")])

        def loss_of(indices):
            sent, v = module(given[:, indices]).values()
            return cross_entropy(v.mean(0), wanted[indices]) + rate * rate_loss(sent, upper=1.0, power=1)

        train(module, module.parameters(), loss_of, cut, epochs=12, lr=3e-3, batch=100)
        trained = rb.from_torch(module)
        probe = trained.add(rb.Probe(trained["out"], "v"))
        sim = rb.Simulator(trained, dt=1e-3, batch=len(labels) - cut)
        result = sim.run(steps * 1e-3, inputs={"x": spikes[:, cut:].transpose(1, 0, 2).astype(int)})
        accuracy = (result[probe].values.mean(axis=1).argmax(axis=1) == labels[cut:]).mean()
        fired = next(p.spikes for p in result.counts.populations if p.name == "hidden")
        cost = rb.energy(result, "loihi")
        return accuracy, fired, cost.by_projection["hidden->out"], cost.joules

    found = np.array([[measured(seed, rate) for rate in (0.0, 0.1)] for seed in range(3)])
    accuracy, fired, synapses, joules = np.moveaxis(found, 2, 0)
    share = {"spikes": fired, "energy of their synapses": synapses, "energy": joules}
    kept = {name: (x[:, 1] / x[:, 0]).round(3).tolist() for name, x in share.items()}
    print(f"accuracy {accuracy.round(3).tolist()}, of {kept}")
    assert (fired[:, 1] < 0.45 * fired[:, 0]).all()
    np.testing.assert_allclose(synapses[:, 1] / synapses[:, 0], fired[:, 1] / fired[:, 0], rtol=1e-9)
    assert (joules[:, 1] < 0.9 * joules[:, 0]).all()
    assert accuracy[:, 1].mean() > accuracy[:, 0].mean() - 0.015
