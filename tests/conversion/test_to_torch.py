"""Networks as torch modules: the simulator's spikes, gradients of smooth models and snnTorch, and back."""

import pickle

import numpy as np
import pytest

import rheobase as rb
from rheobase.learning.surrogate import ATan

torch = pytest.importorskip("torch")

from tests.conversion.stack import (  # noqa: E402
    MODELS,
    STEPS,
    computed,
    simulated,
    spikes_in,
    stack,
    to_torch,
)  # fmt: skip

TRAINED = {
    "leaky hard": ["beta", "v_reset"],
    "lif soft": ["tau"],
    "alpha": ["tau", "tau_syn"],
    "adaptive": ["tau_w", "b"],
}


@pytest.mark.parametrize("name", MODELS)
def test_on_a_grid_a_module_gives_the_spikes_and_states_of_the_simulator(name):
    net, x = stack(MODELS[name]), spikes_in()
    ours = computed(to_torch(net, precision="fixed"), x)
    theirs = simulated(net, x, precision="fixed")
    assert theirs["out spikes"].any()
    assert not theirs["hidden spikes"].all()
    for probe, values in theirs.items():
        np.testing.assert_array_equal(ours[probe], values, err_msg=probe)


def test_with_real_sums_spikes_differ_only_after_a_neuron_came_within_rounding_of_its_threshold():
    net, x = stack(MODELS["leaky"]), spikes_in(rate=0.5)
    ours, theirs = computed(to_torch(net), x), simulated(net, x)
    same = np.cumprod([(ours["out spikes"] == theirs["out spikes"]).all(axis=(1, 2))])
    end = int(same.sum())
    for probe in ("conv v", "pool v", "hidden v", "out v"):
        np.testing.assert_allclose(ours[probe][:end], theirs[probe][:end], atol=2e-5, err_msg=probe)
    if end < STEPS:  # a tie: the potential is at the threshold for all that rounding can say
        where = ours["out spikes"][end] != theirs["out spikes"][end]
        assert np.abs(theirs["out v"][end][where] - 1.0).max() < 2e-5


def test_a_run_in_pieces_is_the_run_at_once():
    module, x = (
        to_torch(stack(MODELS["lif"]), precision="fixed"),
        torch.from_numpy(spikes_in()),
    )
    whole = module(x)
    first, state = module.run(x[:7])
    second, state = module.run(x[7:8], state.detach())
    third, state = module.run(x[8:], state)
    for probe, values in whole.items():
        assert torch.equal(torch.cat([first[probe], second[probe], third[probe]]), values)
    assert state.now == STEPS


@pytest.mark.parametrize("name", ["leaky hard", "lif soft", "alpha", "adaptive"])
def test_gradients_are_the_differences_of_a_model_whose_spikes_are_smooth(name):
    net, x = stack(MODELS[name]), torch.from_numpy(spikes_in()[:6, :1])
    module = to_torch(
        net, outputs=["out", ("out", "v")], surrogate=lambda d: torch.sigmoid(5.0 * d), detach_reset=False,
        precision="float32", train={"hidden": "threshold", net["out"]: ["threshold", *TRAINED[name]]},
    ).double()  # fmt: skip
    goal = torch.randn(6, 1, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def loss():
        found = module(x)
        return (found["out"] * goal).sum() + (found["v of out"] ** 2 * goal).sum()

    loss().backward()
    rng = np.random.default_rng(0)
    for label, weights in module.named_parameters():
        place = int(rng.integers(weights.numel()))
        flat, expected = weights.data.view(-1), []
        by = 1e-6 * float(flat[place].abs()) if "cells" in label else 1e-6
        for sign in (1, -1):
            flat[place] += sign * by
            expected.append(float(loss().detach()))
            flat[place] -= sign * by
        slope = (expected[0] - expected[1]) / (2 * by)
        assert float(weights.grad.view(-1)[place]) == pytest.approx(slope, rel=1e-5, abs=1e-7), label


@pytest.mark.parametrize(("reset", "theirs"), [("soft", "subtract"), ("hard", "zero"), ("none", "none")])
def test_gradients_are_those_of_snntorch_on_the_same_network(reset, theirs):
    snn = pytest.importorskip("snntorch")
    rng = np.random.default_rng(5)
    weights = [rng.normal(0.1, 0.4, shape).astype(np.float32) for shape in ((16, 12), (16, 16), (4, 16))]
    x = torch.from_numpy((rng.random((25, 5, 12)) < 0.3).astype(np.float32))
    goal = torch.from_numpy(rng.normal(size=(25, 5, 4)).astype(np.float32))
    net = rb.Network()
    before = net.add(rb.SpikeSource(12, name="x"))
    for k, weight in enumerate(weights):
        layer = net.add(rb.Population(len(weight), rb.Leaky(0.9, reset=reset), name=f"layer{k}"))
        net.add(rb.Projection(before, layer, rb.dense(), weight=weight, delay=0.0, name=f"w{k}"))
        before = layer
    module = to_torch(net, surrogate=ATan(2.0), outputs=["layer2", ("layer2", "v")])
    linears = [torch.nn.Linear(w.shape[1], w.shape[0], bias=False) for w in weights]
    cells = [snn.Leaky(0.9, spike_grad=snn.surrogate.atan(2.0), reset_mechanism=theirs) for _ in weights]
    for linear, weight in zip(linears, weights, strict=True):
        linear.weight.data.copy_(torch.from_numpy(weight))
    memories, spikes, potentials = [cell.init_leaky() for cell in cells], [], []
    for frame in x:
        for k in range(3):
            frame, memories[k] = cells[k](linears[k](frame), memories[k])
        spikes.append(frame)
        potentials.append(memories[-1])
    found = module(x)
    assert torch.equal(found["layer2"], torch.stack(spikes))
    assert 0.02 < float(found["layer2"].detach().mean()) < 0.98
    for sent, v in ((found["layer2"], found["v of layer2"]), (torch.stack(spikes), torch.stack(potentials))):
        ((sent * goal).sum() + (v * goal.abs()).sum()).backward()
    for k, linear in enumerate(linears):
        ours, expected = module.projections[f"w{k}"].weight.grad, linear.weight.grad
        assert float((ours - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_a_trained_module_comes_back_and_is_simulated_spike_for_spike():
    net, x = stack(MODELS["leaky"]), spikes_in()
    module = to_torch(net, precision="fixed", train={"hidden": ["beta", "threshold"]})
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(2):
        found = module(torch.from_numpy(x))
        optimiser.zero_grad()
        (found["out spikes"].mean(dim=0) - torch.linspace(0.0, 0.3, 6)).pow(2).sum().backward()
        optimiser.step()
    trained = rb.from_torch(module)
    ours, theirs = computed(module, x), simulated(trained, x, precision="fixed")
    for probe, values in theirs.items():
        np.testing.assert_array_equal(ours[probe], values, err_msg=probe)
    assert trained["hidden"].model.beta != 0.9
    assert trained["out"] is net["out"]
    by_state = net.with_weights(
        {k: w for k, w in module.state_dict().items() if k.startswith("projections.")}
    )
    for p in trained.projections:
        np.testing.assert_array_equal(by_state[p.name].weight, p.weight)
    before = simulated(net, x, precision="fixed")
    assert not np.array_equal(before["hidden v"], theirs["hidden v"])


def test_an_untrained_module_comes_back_as_the_network_that_it_was(tmp_path):
    net = stack(MODELS["lif"])
    back = rb.from_torch(to_torch(net))
    assert repr(back) == repr(net)
    assert all(one is other for one, other in zip(back, net, strict=True))


def test_outputs_are_those_asked_for_or_what_leads_nowhere():
    net = rb.Network()
    x, y = net.add(rb.SpikeSource(3, name="x")), net.add(rb.CurrentSource(2, name="y"))
    a, b = (
        net.add(rb.Population(4, rb.LIF(20e-3), name="a")),
        net.add(rb.Population(2, rb.LI(20e-3), name="b.c")),
    )
    for pre, post in ((x, a), (y, b), (a, b)):
        net.add(rb.Projection(pre, post, rb.all_to_all(), weight=0.5))
    given = {"x": torch.ones(6, 2, 3), y: torch.ones(6, 2, 2)}
    assert to_torch(net)(given).shape == (6, 2, 2)
    several = to_torch(net, outputs=[a, ("a", "v"), "b.c"])(given)
    assert {name: tuple(value.shape) for name, value in several.items()} == {
        "a": (6, 2, 4), "v of a": (6, 2, 4), "b.c": (6, 2, 2),
    }  # fmt: skip
    assert several["a"].detach().any()
    assert torch.equal(several["b.c"], to_torch(net)(given))
    net.add(rb.Probe(a, "counts", ids=[2], name="how many"))
    assert torch.equal(to_torch(net)(given), several["a"].sum(dim=0)[:, 2:3])


def refused(change, match, error=rb.ConversionError, **options):
    net = stack(MODELS["lif"])
    change(net)
    with pytest.raises(error, match=match):
        to_torch(net, **options)


def test_what_has_no_gradient_is_refused_by_name():
    def plastic(net):
        net.add(
            rb.Projection(
                net["x"],
                net["out"],
                rb.all_to_all(),
                rule=rb.STDP(20e-3, 20e-3, a_pre=0.1, a_post=-0.1, w_max=1.0),
                name="p",
            )
        )

    refused(plastic, r"to_torch: \['p'\] cannot be trained by gradients")
    refused(
        lambda net: net.add(rb.Population(2, rb.LIF(20e-3, noise=0.1), name="noisy")),
        r"noisy: LIF uses \['normal'\], which no gradient passes",
    )
    refused(
        lambda net: net.add(rb.Operator("softmax", rb.Read(net["out"], "v"))),
        "operator.* cannot be trained by gradients",
    )
    for train, match in (
        (
            {"hidden": "reset"},
            r"LIF.reset: got no number that can be trained; there are \[.*'tau'",
        ),
        ({"hidden": "v_rest"}, "LIF.v_rest: it cannot be trained: neurons start there"),
        ({"hidden": "escape_rate"}, "LIF.escape_rate: the rules do not depend on it"),
    ):
        refused(lambda net: None, match, train=train)
    refused(lambda net: None, "train: got 'x'; allowed are populations", rb.SpecError, train={"x": "tau"})
    refused(lambda net: None, "train: got 3", rb.SpecError, train=3)
    refused(lambda net: None, "train of hidden: got None", rb.SpecError, train={"hidden": None})
    refused(lambda net: None, "precision: got 'float64'", rb.SpecError, precision="float64")
    refused(lambda net: None, "surrogate: got 3", rb.SpecError, surrogate=3)
    refused(lambda net: None, r"surrogate: got <class .*\.ATan'>", rb.SpecError, surrogate=ATan)
    refused(lambda net: None, "out has no 'w'", rb.SpecError, outputs=("out", "w"))
    refused(lambda net: None, "outputs: got 'x'", rb.SpecError, outputs="x")
    with pytest.raises(rb.ConversionError, match="layers without a neuron"):
        rb.from_torch(torch.nn.Linear(2, 2))
    with pytest.raises(rb.SpecError, match=r"to_torch\.network: got a int"):
        to_torch(3)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (torch.ones(3, 2, 7), r"input of x: got \(3, 2, 7\); allowed is a tensor \(steps, batch, 50\)"),
        (np.ones((3, 2, 50)), "input of x: got ndarray"),
        ({"y": torch.ones(3, 2, 50)}, r"input: got \['y'\]; allowed is a tensor for each of \['x'\]"),
        (torch.ones(0, 2, 50), "allowed are the same steps and batch for all, and not 0"),
        (torch.ones(3, 2, 50, dtype=torch.complex64), "got torch.complex64; allowed are real"),
    ],
)
def test_an_input_that_does_not_fit_is_refused(given, match):
    with pytest.raises(rb.SpecError, match=match):
        to_torch(stack(MODELS["lif"]))(given)


def test_a_state_of_another_network_or_number_of_samples_is_refused():
    module, other = (to_torch(stack(MODELS[name])) for name in ("lif", "leaky"))
    spikes = torch.ones(3, 2, 50)
    for state in (module.run(spikes[:, :1])[1], other.run(spikes)[1], 5):
        with pytest.raises(rb.SpecError, match=r"allowed is a state that `run` .* as the input has, 2"):
            module(spikes, state)


def test_inputs_may_be_sparse_and_what_casts_by_itself_changes_nothing():
    module, spikes = to_torch(stack(MODELS["lif"])), (torch.rand(5, 2, 50) < 0.3).float()
    expected = module(spikes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = module(spikes.to_sparse())
    assert all(torch.equal(cast[name], values) for name, values in expected.items())
    with pytest.raises(rb.SpecError, match=r"parameters are torch\.float16; allowed are float32 and float64"):
        module.half()(spikes)


@pytest.mark.parametrize(
    ("model", "name", "least"),
    [(rb.LIF(20e-3), "tau", 1e-3), (rb.AdEx(), "b", -1.01), (rb.Leaky(np.full(3, 0.9)), "beta", 0.0)],
)
def test_parameters_in_any_unit_are_trained_at_one_rate_and_stay_within_bounds(model, name, least):
    net = rb.Network()
    x = net.add(rb.CurrentSource(3, name="x"))
    y = net.add(rb.Population(3, model, name="y"))
    net.add(rb.Projection(x, y, rb.one_to_one(), weight=1e-9, delay=0.0))
    module = to_torch(net, train={"y": [name]}, outputs=("y", "v"))
    (parameter,) = (p for key, p in module.named_parameters() if key.startswith("cells"))
    assert rb.from_torch(module)["y"] == net["y"]
    for factor, expected in ((1.01, 1.01), (-1.0, least)):
        with torch.no_grad():
            parameter.mul_(factor)
        before, after = (np.mean(getattr(n["y"].model, name)) for n in (net, rb.from_torch(module)))
        assert after == pytest.approx(expected * before, rel=1e-6)
        assert torch.isfinite(module(torch.ones(3, 1, 3))).all()


def test_a_simulator_takes_the_spikes_of_a_module_with_two_axes_swapped():
    net = stack(MODELS["leaky"])
    net.add(rb.Probe(net["x"], name="sent"))
    sim = rb.Simulator(net, dt=1e-3, backend="reference", batch=2)
    spikes = (torch.rand(4, 2, 50) < 0.5).float()
    turned = spikes.swapaxes(0, 1)
    sent = sim.run(4e-3, inputs={"x": turned})["sent"]
    assert np.array_equal(sent.counts(), turned.sum(dim=1))
    for given, match in ((spikes, "swap the first two axes"), (0.5 * turned, "got float32 of")):
        with pytest.raises(rb.SpecError, match=match):
            sim.run(4e-3, inputs={"x": given})


def test_grids_follow_weights_that_are_changed_behind_torchs_back():
    net = rb.Network()
    x, y = net.add(rb.SpikeSource(3, name="x")), net.add(rb.Population(2, rb.Leaky(0.9), name="y"))
    net.add(rb.Projection(x, y, rb.dense(), weight=0.3, delay=0.0, name="w"))
    module, spikes = to_torch(net, precision="fixed", train={"y": "beta"}), torch.ones(2, 1, 3)
    module(spikes)
    module.projections["w"].weight.data.mul_(500.0)
    module(spikes)
    again = to_torch(rb.from_torch(module), precision="fixed")
    assert module.projections["w"].step == again.projections["w"].step > 1e-3
    assert "Dense(x -> y, weight=(2, 3), delays=(0,))" in repr(module)
    assert "Trained(beta)" in repr(module)


def test_a_pickled_module_makes_its_neurons_known_where_it_is_opened(monkeypatch):
    data = pickle.dumps(rb.to_torch(stack(MODELS["leaky"])))
    monkeypatch.setattr("rheobase.conversion.modules.kinds._KINDS", {})
    from rheobase.conversion.modules import kinds

    assert {cell.kind for cell in pickle.loads(data).cells.values()} == set(kinds._KINDS)


def test_modules_are_pickled_and_what_torch_prunes_is_not_a_step_behind():
    net = rb.Network()
    x, y = net.add(rb.SpikeSource(3, name="x")), net.add(rb.Population(2, rb.Leaky(0.9), name="y"))
    net.add(rb.Projection(x, y, rb.dense(), weight=[[0.1, 0.2, 0.7], [0.6, 0.2, 0.1]], delay=0.0))
    module, spikes = to_torch(net, outputs=("y", "v")), torch.ones(3, 1, 3)
    assert torch.equal(pickle.loads(pickle.dumps(module))(spikes), module(spikes))
    synapses = module.projections["x->y"]
    torch.nn.utils.prune.l1_unstructured(synapses, "weight", 0.5)
    with torch.no_grad():
        synapses.weight_orig.mul_(2.0)
    pruned = rb.from_torch(module)["x->y"].weight
    assert np.count_nonzero(pruned) == 3
    assert pruned[0, 2] == pytest.approx(1.4)
    assert torch.allclose(module(spikes), to_torch(rb.from_torch(module), outputs=("y", "v"))(spikes))
    with pytest.raises(rb.SpecError, match=r"weight_orig' is not a projection .* rb\.from_torch"):
        net.with_weights(module.state_dict())
    of_parameters = net.with_weights(dict(to_torch(net).named_parameters()))
    assert np.allclose(of_parameters["x->y"].weight, net["x->y"].weight)
