"""What is zero in a module: seen, counted by the engine, and made more by losses."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from rheobase.learning.sparsity import TopK, density, density_loss, rate_loss, recorded  # noqa: E402
from rheobase.learning.surrogate import Triangle  # noqa: E402

torch.set_num_threads(1)


def mlp(*between, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), *(between or (nn.ReLU(),)), nn.Linear(16, 5))


@pytest.mark.parametrize("k", [1, 3, 8, 20])
def test_the_largest_stay_and_of_equal_ones_the_first(k):
    rows = torch.tensor([*itertools.product([-1.0, 0.0, 1.0, 2.0], repeat=4)]).repeat(1, 2)
    for row, got in zip(rows.tolist(), TopK(k)(rows).tolist(), strict=True):
        order = sorted(range(8), key=lambda i: (-row[i], i))[:k]
        assert got == [max(v, 0.0) if i in order else 0.0 for i, v in enumerate(row)]


def test_gradients_pass_to_those_that_stay():
    x = torch.tensor([[3.0, 1.0, 2.0, -5.0], [-1.0, -2.0, 4.0, -3.0]], requires_grad=True)
    (TopK(2)(x) * torch.tensor([1.0, 10.0, 100.0, 1000.0])).sum().backward()
    assert x.grad.tolist() == [[1.0, 0.0, 100.0, 0.0], [0.0, 0.0, 100.0, 0.0]]


@pytest.mark.parametrize("law", ["value", "delta"])
def test_the_second_product_takes_exactly_k_times_d_weights_for_each_token(law):
    model, tokens = mlp(TopK(3)).eval(), torch.randn(9, 6)
    assert density(model, tokens) == {"1": 3 / 16}
    spiking = rb.convert(model, tokens.numpy(), law=law, events="graded", bits=8)
    answer = spiking.run(tokens.numpy(), backend="reference")
    assert answer.operations.tolist() == [3 * 5] * 9
    second = answer.result.counts.projections[-1]
    assert (second.sent, second.events, second.arithmetic) == (9 * 3, 9 * 3 * 5, "mac")
    expected = model(tokens).detach().numpy()
    np.testing.assert_allclose(answer.outputs, expected, atol=1e-6 if law == "value" else 0.02)
    if law == "delta":
        spiking.verify(tokens[:3].numpy(), backends=["reference"])


def test_the_density_of_a_module_is_the_share_of_weights_that_the_engine_counts():
    model, tokens = mlp().eval(), torch.randn(9, 6)
    spiking = rb.convert(model, tokens.numpy(), law="value")
    result = spiking.run(tokens.numpy(), backend="reference").result
    second = result.counts.projections[-1]
    assert (
        second.events == round(density(model, tokens)["1"] * 9 * 16) * 5 < second.dense_events == 9 * 16 * 5
    )


def test_hooks_go_when_the_with_ends_and_calls_are_told_apart():
    shared = nn.ReLU()
    model = nn.Sequential(nn.Linear(3, 3), shared, nn.Linear(3, 3), shared)
    x = torch.randn(2, 3)
    with recorded(model) as seen:
        model(x)
    assert list(seen) == ["1", "1#2"]
    model(x)
    assert list(seen) == ["1", "1#2"]
    assert not any(part._forward_hooks for part in model.modules())
    with recorded(model, nn.Linear) as again:
        model(x)
    assert list(again) == ["0", "2"]
    with pytest.raises(RuntimeError), recorded(model):
        model(torch.randn(2, 9))
    assert not any(part._forward_hooks for part in model.modules())


def test_density_leaves_the_module_as_it_was_and_tokens_of_a_mask_count_alone():
    model = nn.Sequential(nn.Dropout(0.5), nn.ReLU())
    x = torch.tensor([[[1.0, 1.0], [0.0, 0.0]], [[1.0, -1.0], [0.0, 0.0]]])
    assert density(model, x) == {"1": 3 / 8}
    mask = torch.tensor([[True, False], [True, False]])
    assert density(model, x, mask=mask) == {"1": 3 / 4}
    assert density(model, x, above=1.0) == {"1": 0.0}
    assert model.training
    assert float(density_loss(x.relu(), mask=mask)) == pytest.approx(0.75, abs=1e-6)


def test_a_new_layer_has_half_of_its_units_on():
    assert density(mlp(), torch.randn(2000, 6))["1"] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("eps", [1e-4, 0.1])
def test_the_gradient_of_the_density_is_its_formula(eps):
    layers = [torch.randn(4, 3, dtype=torch.float64, requires_grad=True) * 0.1 for _ in range(2)]
    for z in layers:
        z.retain_grad()
    density_loss(layers, eps=eps).backward()
    for z in layers:
        formula = 2 * z * eps / (z**2 + eps) ** 2 / (12 * 2)
        torch.testing.assert_close(z.grad, formula.detach(), rtol=1e-10, atol=0.0)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("over", ["neuron", "layer"])
def test_bounds_of_counts_are_what_they_say(power, over):
    spikes = (torch.rand(10, 4, 6) < torch.linspace(0.0, 1.0, 6)).double()
    total = 0.0
    for counts in spikes.sum(dim=0).tolist():
        seen = counts if over == "neuron" else [sum(counts) / 6]
        total += sum((max(c - 5, 0) + max(2 - c, 0)) ** power for c in seen) / len(seen) / 4
    options = {"lower": 2.0, "upper": 5.0, "power": power, "over": over}
    assert float(rate_loss(spikes, **options)) == pytest.approx(total)
    assert float(rate_loss(spikes.sum(dim=0), **options)) == pytest.approx(total)


def test_a_rate_comes_to_its_bounds_in_the_simulator():
    net = rb.Network(seed=0)
    x = net.add(rb.SpikeSource(20, name="x"))
    cells = net.add(rb.Population(12, rb.LIF(20e-3, reset="soft"), name="cells"))
    weight = np.random.default_rng(0).normal(0.2, 0.4, (12, 20))
    net.add(rb.Projection(x, cells, rb.dense(), weight=weight, delay=0.0))
    module = rb.to_torch(net, surrogate=Triangle(width=3.0), compiled=False)
    spikes = (np.random.default_rng(1).random((20, 8, 20)) < 0.3).astype(np.float32)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(60):
        loss = rate_loss(module(torch.from_numpy(spikes)), lower=2.0, upper=4.0, power=1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    outside, means = [], []
    for one in (net.with_weights({}), rb.from_torch(module)):
        probe = one.add(rb.Probe(one["cells"]))
        sim = rb.Simulator(one, dt=1e-3, batch=8, backend="reference")
        result = sim.run(20e-3, inputs={"x": spikes.transpose(1, 0, 2).astype(int)})
        counts = torch.from_numpy(result[probe].counts()).double()
        outside.append(float(rate_loss(counts, lower=2.0, upper=4.0, power=1)))
        means.append(next(p for p in result.counts.populations if p.name == "cells").spikes / counts.numel())
    assert outside[1] < 0.3 * outside[0]
    assert means[0] > 4.0
    assert 2.0 <= means[1] <= 4.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TopK(0), "TopK.k: got 0"),
        (lambda: TopK(True), "TopK.k: got True"),
        (
            lambda: density(nn.Linear(2, 2), torch.ones(1, 2)),
            "it holds no ReLU, ReLU6, TopK, DeltaActivation",
        ),
        (lambda: density_loss([]), "got 0 activations"),
        (lambda: density_loss(torch.ones(2), eps=0.0), "eps=0.0"),
        (lambda: density_loss(torch.ones(2, 3), mask=torch.ones(3, dtype=bool)), r"mask: got shape \(3,\)"),
        (lambda: rate_loss(torch.ones(3), upper=1.0), r"got shape \(3,\)"),
        (lambda: rate_loss(torch.ones(3, 2)), "lower=None, upper=None"),
        (lambda: rate_loss(torch.ones(3, 2), lower=2.0, upper=1.0), "lower <= upper"),
        (lambda: rate_loss(torch.ones(3, 2), upper=1.0, power=3), "power=3"),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(rb.SpecError, match=message):
        call()


def test_a_method_of_training_is_loaded_with_torch_when_it_is_first_used():
    code = (
        "import sys, rheobase as rb; rb.learning.STDP; assert 'torch' not in sys.modules; "
        "rb.learning.sparsity.TopK(2); assert 'torch' in sys.modules; "
        "assert not hasattr(rb.learning, 'sparse')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
