"""Backend, threads, pieces, batch, order, zero weights, probes and files do not change what happens."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_networks import DT, STEPS, recipes

import rheobase as rb
from rheobase.engine.backends.registry import BACKENDS

FAST = next((b.name for b in BACKENDS.values() if b.available), "reference")
PRECISIONS = st.sampled_from([None, None, "float32", "float64"])


def examples(number):
    """Give the same examples in every run, and no deadline: the first of a kind compiles."""
    return settings(
        derandomize=True,
        deadline=None,
        max_examples=number,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def simulate(net, seconds=STEPS * DT, *, backend=FAST, inputs=None, **options):
    simulator = rb.Simulator(net, DT, backend=backend, **options)
    return simulator.run(seconds, inputs=inputs), simulator


@examples(35)
@given(recipe=recipes(), precision=PRECISIONS, batch=st.sampled_from([None, None, 2]))
def test_every_backend_equals_the_reference(assert_same, compiled, recipe, precision, batch):
    results, simulators = zip(
        *(
            simulate(recipe.build(), backend=name, precision=precision, batch=batch)
            for name in ("reference", compiled)
        ),
        strict=True,
    )
    assert_same(*results)
    assert results[0].counts == results[1].counts
    for k, link in enumerate(recipe.links):
        if link.plastic:
            mine, theirs = (simulator.weights(f"link{k}") for simulator in simulators)
            np.testing.assert_array_equal(mine, theirs)


@examples(15)
@given(recipe=recipes(), batch=st.sampled_from([None, 3]))
def test_threads_do_not_matter(assert_same, compiled, recipe, batch):
    one, two = (simulate(recipe.build(), backend=compiled, batch=batch, threads=k)[0] for k in (1, 2))
    assert_same(one, two)
    assert one.counts == two.counts


@examples(15)
@given(recipe=recipes(), cuts=st.lists(st.integers(1, STEPS - 1), min_size=1, max_size=3, unique=True))
def test_pieces_make_one_run(assert_same, compiled, recipe, cuts):
    whole, _ = simulate(recipe.build(), backend=compiled)
    simulator = rb.Simulator(recipe.build(), DT, backend=compiled)
    ends = [0, *sorted(cuts), STEPS]
    pieces = [simulator.run(steps * DT) for steps in np.diff(ends).tolist()]
    assert_same(whole, pieces)
    assert sum(piece.counts.synaptic_events for piece in pieces) == whole.counts.synaptic_events


@examples(15)
@given(recipe=recipes(), cut=st.integers(1, STEPS - 1))
def test_a_checkpoint_does_not_matter(assert_same, tmp_path_factory, compiled, recipe, cut):
    whole, _ = simulate(recipe.build(), backend=compiled)
    path = tmp_path_factory.mktemp("checkpoint") / "state.npz"
    first, simulator = simulate(recipe.build(), cut * DT, backend=compiled)
    simulator.checkpoint(path)
    other = "reference" if cut % 2 else compiled
    second = rb.Simulator.resume(path, backend=other).run((STEPS - cut) * DT)
    assert_same(whole, [first, second])


@examples(20)
@given(recipe=recipes())
def test_more_probes_do_not_matter(assert_same, recipe):
    assert_same(simulate(recipe.build())[0], simulate(recipe.build(extra_probes=True))[0])


@examples(20)
@given(recipe=recipes(plastic=False))
def test_a_saved_and_loaded_network_is_the_same(assert_same, tmp_path_factory, recipe):
    path = tmp_path_factory.mktemp("network") / "net.toml"
    recipe.build().save(path)
    assert_same(simulate(recipe.build())[0], simulate(rb.Network.load(path))[0])


@st.composite
def listed(draw):
    """Draw explicit networks with given input: (n, pairs, weights, delays, trials of input)."""
    n = draw(st.sampled_from([3, 10, 40]))
    size = draw(st.integers(1, 4 * n))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pairs = rng.integers(0, n, (2, size))
    weight, delay = rng.integers(-32, 65, size) / 64, rng.integers(1, 12, size) * DT
    trials = draw(st.integers(1, 3))
    return n, pairs, weight, delay, rng.random((trials, STEPS, n)) < 0.15


def explicit_network(n, pairs, weight, delay, tau):
    net = rb.Network()
    source = net.add(rb.SpikeSource(n, name="input"))
    pop = net.add(rb.Population(n, rb.LIF(tau), name="pop"))
    net.add(rb.Projection(source, pop, rb.one_to_one(), weight=0.75, delay=0.0))
    net.add(rb.Projection(pop, pop, rb.explicit(*pairs), weight=weight, delay=delay))
    net.add(rb.Probe(pop, name="spikes"))
    net.add(rb.Probe(pop, "v", name="state"))
    return net


@examples(20)
@given(case=listed())
def test_a_batch_equals_single_runs(case):
    n, pairs, weight, delay, inputs = case
    tau = np.linspace(5e-3, 20e-3, n)
    net = explicit_network(n, pairs, weight, delay, tau)
    batch, _ = simulate(net, inputs={"input": inputs}, batch=len(inputs))
    for trial, given_ in enumerate(inputs):
        single, _ = simulate(net, inputs={"input": given_})
        np.testing.assert_array_equal(batch["state"].values[trial], single["state"].values)
        here = batch["spikes"].trials == trial
        assert batch["spikes"].ids[here].tolist() == single["spikes"].ids.tolist()


@examples(20)
@given(case=listed(), seed=st.integers(0, 1000))
def test_the_order_of_neurons_and_synapses_does_not_matter(case, seed):
    n, pairs, weight, delay, inputs = case
    tau = np.linspace(5e-3, 20e-3, n)
    rng = np.random.default_rng(seed)
    order, shuffle = rng.permutation(n), rng.permutation(weight.size)
    new = np.argsort(order)  # where each neuron went: neuron order[k] is now neuron k
    usual, _ = simulate(explicit_network(n, pairs, weight, delay, tau), inputs={"input": inputs[0]})
    moved = explicit_network(n, new[pairs][:, shuffle], weight[shuffle], delay[shuffle], tau[order])
    other, _ = simulate(moved, inputs={"input": inputs[0][:, order]})
    np.testing.assert_array_equal(other["state"].values, usual["state"].values[:, order])


@examples(20)
@given(case=listed(), seed=st.integers(0, 1000))
def test_synapses_of_weight_zero_do_not_matter(assert_same, case, seed):
    n, pairs, weight, delay, inputs = case
    rng = np.random.default_rng(seed)
    more = rng.integers(0, n, (2, 50))
    usual, _ = simulate(explicit_network(n, pairs, weight, delay, 9e-3), inputs={"input": inputs[0]})
    padded = explicit_network(
        n,
        np.concatenate([more, pairs], axis=1),
        np.concatenate([np.zeros(50), weight]),
        np.concatenate([rng.integers(1, 12, 50) * DT, delay]),
        9e-3,
    )
    assert_same(usual, simulate(padded, inputs={"input": inputs[0]})[0])


@examples(20)
@given(case=listed(), shift=st.integers(1, 9))
def test_later_input_is_a_later_run(case, shift):
    n, pairs, weight, delay, inputs = case
    net = explicit_network(n, pairs, weight, delay, 9e-3)
    late = np.concatenate([np.zeros((shift, n), bool), inputs[0]])
    usual, _ = simulate(net, inputs={"input": inputs[0]})
    other, _ = simulate(net, (STEPS + shift) * DT, inputs={"input": late})
    np.testing.assert_array_equal(other["state"].values[shift:], usual["state"].values)
    assert (other["spikes"].steps - shift).tolist() == usual["spikes"].steps.tolist()
