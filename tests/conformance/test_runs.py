"""One simulation in pieces, in a batch, from a checkpoint, after a reset: always the same numbers."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import rheobase as rb
from rheobase.neurons.model import State
from rheobase.neurons.vocabulary import spike


def loop(seed=0):
    """Noise into a recurrent population with many delays, and a distribution of first values."""
    net = rb.Network(seed=seed)
    noise = net.add(rb.PoissonSource(40, rate=300.0, name="noise"))
    model = rb.CurrentLIF(10e-3, tau_syn_exc=3e-3, tau_syn_inh=5e-3, refractory=2e-3)
    pop = net.add(rb.Population(60, model, name="pop", initial={"v": rb.uniform(0.0, 1.0)}))
    options = {"receptor": "excitatory"}
    net.add(rb.Projection(noise, pop, rb.random(p=0.3), weight=0.5, delay=3e-3, **options))
    delays = rb.uniform(1e-3, 12e-3)
    net.add(rb.Projection(pop, pop, rb.fixed_in(8), weight=0.2, delay=delays, **options))
    net.add(
        rb.Projection(
            pop, pop, rb.fixed_out(4), weight=rb.normal(-0.3, 0.05), delay=delays, receptor="inhibitory"
        )
    )
    net.add(rb.Probe(pop, name="spikes"))
    net.add(rb.Probe(pop, "v", every=2e-3, name="v"))
    return net


def numbers(results):
    """Join the records of consecutive runs."""
    spikes = [r["spikes"] for r in results]
    events = np.concatenate([np.stack([s.trials, s.steps, s.ids]) for s in spikes], axis=1)
    return events[:, np.lexsort(events[::-1])], np.concatenate([r["v"].values for r in results], axis=-2)


def assert_same(one, other):
    for a, b in zip(numbers(one), numbers(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(one[0]["spikes"]) > 20


def test_a_run_in_pieces_is_one_run(simulator):
    whole = simulator(loop(), 1e-3).run(0.2)
    sim = simulator(loop(), 1e-3)
    pieces = [sim.run(seconds) for seconds in (1e-3, 0.036, 0.1, 0.063)]
    assert_same([whole], pieces)
    total = pieces[0].counts + pieces[1].counts + pieces[2].counts + pieces[3].counts
    assert total == whole.counts
    assert pieces[2].info.start_step == 37
    assert sim.now == pytest.approx(0.2)


def test_a_run_returns_only_its_own_stretch(simulator):
    sim = simulator(loop(), 1e-3)
    sim.run(0.1)
    second = sim.run(0.1)
    assert second["spikes"].steps.min() >= 100
    assert second["v"].times[0] == pytest.approx(0.1)
    assert (second["spikes"].start, second["spikes"].stop) == pytest.approx((0.1, 0.2))


def test_a_batch_has_the_single_run_as_its_first_trial(simulator):
    single = simulator(loop(), 1e-3).run(0.1)
    batch = simulator(loop(), 1e-3, batch=3).run(0.1)
    np.testing.assert_array_equal(batch["v"].values[0], single["v"].values)
    first = batch["spikes"].trials == 0
    assert batch["spikes"].steps[first].tolist() == single["spikes"].steps.tolist()
    assert batch["spikes"].ids[first].tolist() == single["spikes"].ids.tolist()
    assert (batch["v"].values[1] != batch["v"].values[0]).any()
    assert batch.counts.updates == 3 * single.counts.updates


def test_trials_of_a_batch_do_not_depend_on_their_number(simulator):
    two, three = (simulator(loop(), 1e-3, batch=k).run(0.05) for k in (2, 3))
    np.testing.assert_array_equal(two["v"].values, three["v"].values[:2])


@pytest.mark.parametrize("batch", [None, 2])
def test_a_checkpoint_goes_on_as_if_never_stopped(simulator, tmp_path, batch):
    whole = simulator(loop(), 1e-3, batch=batch)
    whole.run(0.07)
    whole.checkpoint(tmp_path / "state.npz")
    resumed = rb.Simulator.resume(tmp_path / "state.npz")
    assert resumed.now == whole.now
    expected, got = whole.run(0.1), resumed.run(0.1)
    assert_same([expected], [got])
    assert got.counts == expected.counts


def test_a_checkpoint_goes_on_with_other_threads_and_on_another_backend(simulator, tmp_path):
    whole = simulator(loop(), 1e-3)
    whole.run(0.07)
    whole.checkpoint(tmp_path / "state.npz")
    expected = whole.run(0.1)
    for options in ({"backend": "reference"}, {"backend": "numba", "threads": 1}, {"threads": 2}):
        assert_same([expected], [rb.Simulator.resume(tmp_path / "state.npz", **options).run(0.1)])


def test_a_checkpoint_of_an_untouched_simulator_starts_anew(simulator, tmp_path):
    simulator(loop(), 1e-3).checkpoint(tmp_path / "state.npz")
    assert_same([simulator(loop(), 1e-3).run(0.1)], [rb.Simulator.resume(tmp_path / "state.npz").run(0.1)])


def test_reset_goes_back_to_time_zero_with_the_same_noise(simulator):
    sim = simulator(loop(), 1e-3)
    first = sim.run(0.1)
    sim.reset()
    assert sim.now == 0
    second = sim.run(0.1)
    assert_same([first], [second])
    assert first.counts == second.counts


def test_another_seed_is_another_run(simulator):
    one, two = (simulator(loop(seed), 1e-3).run(0.1) for seed in (0, 1))
    assert one["spikes"].steps.tolist() != two["spikes"].steps.tolist()


@pytest.mark.parametrize("precision", ["fixed", "float32", "float64"])
def test_precisions_agree_on_what_happens(simulator, precision):
    usual = simulator(loop(), 1e-3).run(0.02)
    other = simulator(loop(), 1e-3, precision=precision).run(0.02)
    np.testing.assert_allclose(other["v"].values, usual["v"].values, atol=2e-3)
    assert other.info.precision == precision


def test_first_values_are_numbers_arrays_or_draws(simulator):
    net = rb.Network(seed=4)
    values = np.linspace(0.0, 0.5, 6)
    image = net.add(rb.Population((2, 1, 3), rb.LIF(10e-3), name="image", initial={"v": values}))
    drawn = net.add(rb.Population(3000, rb.LIF(10e-3), name="drawn", initial={"v": rb.uniform(0.2, 0.6)}))
    resting = net.add(rb.Population(2, rb.LIF(10e-3, v_rest=-0.5), name="resting"))
    other = net.add(rb.Population((2, 1, 3), rb.IF(), name="other"))
    # A convolution makes the image be stored channel last: users must not notice.
    net.add(rb.Projection(image, other, rb.conv2d(), weight=np.ones((2, 2, 1, 1))))
    sim = simulator(net, 1e-3, batch=2)
    np.testing.assert_array_equal(sim.state(image)["v"], np.float32([values, values]))
    np.testing.assert_array_equal(sim.state("resting")["v"], np.full((2, 2), -0.5))
    v = sim.state(drawn)["v"]
    assert v.min() >= np.float32(0.2)
    assert v.max() <= np.float32(0.6)
    # Four standard errors of a uniform's mean.
    assert (np.abs(v.mean(axis=1) - 0.4) < 4 * 0.4 / np.sqrt(12 * 3000)).all()
    assert (v[0] != v[1]).any()
    assert resting.n == 2


@pytest.mark.parametrize("image", [False, True])
def test_a_nan_is_named_with_its_neuron_and_step(simulator, image):
    net = rb.Network()
    shape = (2, 2, 2) if image else 8
    source = net.add(rb.SpikeSource(8))
    pop = net.add(rb.Population(shape, rb.IF(threshold=3e38, reset="none"), name="victim"))
    # Two infinities of opposite sign: 3e38 twice overflows float32, then minus infinity arrives.
    pairs = rb.explicit([0, 0, 1, 1], [5, 5, 5, 5])
    net.add(rb.Projection(source, pop, pairs, weight=[3e38, 3e38, -3e38, -3e38], delay=0.0))
    if image:
        end = net.add(rb.Population((1, 2, 2), rb.IF()))
        net.add(rb.Projection(pop, end, rb.conv2d(), weight=np.ones((1, 2, 1, 1))))
    sim = simulator(net, 1e-3, precision="float32")
    with pytest.raises(
        rb.RunError, match=r"victim: v of neuron 5 became NaN in step 7 \(t = 0.007 s\), trial 0"
    ):
        sim.run(0.02, inputs={source: ([2e-3, 7e-3], [0, 1])})


def test_events_are_counted_where_they_are_caused(simulator):
    net = rb.Network()
    source = net.add(rb.SpikeSource(2, times=[0.0, 4e-3, 4e-3], ids=[0, 0, 1]))
    pop = net.add(rb.Population(3, rb.IF(threshold=10.0)))
    net.add(rb.Projection(source, pop, rb.explicit([0, 0, 1], [0, 1, 2]), weight=1.0, delay=3e-3))
    counts = simulator(net, 1e-3).run(5e-3).counts
    (projection,) = counts.projections
    assert projection.events == 2 + 2 + 1  # also those that would arrive after the end
    assert projection.dense_events == 3 * 5
    assert projection.n_synapses == 3
    assert counts.updates == 15


def test_the_weights_of_a_projection_are_those_described(simulator):
    net = rb.Network()
    pop = net.add(rb.Population(3, rb.IF()))
    dense = net.add(rb.Projection(pop, pop, rb.dense(), weight=np.arange(9.0).reshape(3, 3)))
    pairs = net.add(rb.Projection(pop, pop, rb.explicit([2, 0], [1, 1]), weight=[0.1, 0.2]))
    sim = simulator(net, 1e-3)
    np.testing.assert_array_equal(sim.weights(dense), np.arange(9.0).reshape(3, 3))
    assert sim.weights(pairs.name).tolist() == [0.1, 0.2]


def test_what_is_added_to_a_network_later_does_not_touch_its_simulators(simulator):
    net = loop()
    sim = simulator(net, 1e-3)
    first = sim.run(0.05)
    late = net.add(rb.Probe(net["pop"], "v"))
    net.add(rb.Projection(net["pop"], net["pop"], rb.one_to_one(), weight=5.0, receptor="excitatory"))
    assert_same([simulator(loop(), 1e-3).run(0.1)], [first, sim.run(0.05)])
    with pytest.raises(rb.SpecError, match="no probe is called"):
        first[late]


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_counts_of_small_noisy_populations_are_the_same_for_any_number_of_threads(simulator, threads):
    def run(make, **options):
        net = rb.Network(seed=1)
        for n in (1, 3, 70):
            source = net.add(rb.PoissonSource(n, rate=900.0, name=f"source{n}"))
            pop = net.add(rb.Population(n, rb.LIF(tau=20e-3), name=f"pop{n}"))
            net.add(rb.Projection(source, pop, rb.one_to_one(), weight=0.3, delay=2e-3))
        return make(net, 1e-3, **options).run(0.3).counts

    counts = run(simulator, threads=threads)
    assert counts == run(rb.Simulator, backend="reference")
    assert counts.source_spikes == pytest.approx(900 * 0.3 * 74, rel=0.05)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_nan_is_named_for_any_number_of_threads(simulator, threads):
    net = rb.Network()
    source = net.add(rb.SpikeSource(2))
    for k, delay in enumerate((2e-3, 1e-3, 1e-3)):
        pop = net.add(rb.Population(300, rb.IF(threshold=3e38, reset="none"), name=f"p{k}"))
        pairs = rb.explicit([0, 0, 1, 1] * 2, np.repeat([290, 170], 4))
        net.add(rb.Projection(source, pop, pairs, weight=[3e38, 3e38, -3e38, -3e38] * 2, delay=delay))
    sim = simulator(net, 1e-3, precision="float32", threads=threads)
    for _ in range(5):
        with pytest.raises(rb.RunError, match="p1: v of neuron 170 became NaN in step 8"):
            sim.run(0.02, inputs={source: ([2e-3, 7e-3], [0, 1])})
        sim.reset()


def test_a_reset_after_a_failure_forgets_what_probes_had_seen(simulator):
    net = rb.Network()
    drive, doom = net.add(rb.SpikeSource(3)), net.add(rb.CurrentSource(1))
    pop = net.add(rb.Population(3, rb.IF(threshold=1.0)))
    lost = net.add(rb.Population(1, rb.LI(20e-3)))
    net.add(rb.Projection(drive, pop, rb.one_to_one(), delay=1e-3))
    for sign, delay in ((1.0, 1e-3), (-1.0, 2e-3)):
        net.add(rb.Projection(doom, lost, rb.one_to_one(), weight=3e38 * sign, delay=delay))
    probes = [net.add(rb.Probe(pop, what)) for what in ("spikes", "counts", "v")]
    sim = simulator(net, 1e-3)
    values = np.zeros((40, 1))
    values[30:32] = 3.0
    with pytest.raises(rb.RunError):
        sim.run(0.04, inputs={drive: np.ones((40, 3), int), doom: values})
    sim.reset()
    silent = sim.run(0.02)
    assert len(silent[probes[0]]) == 0
    assert not silent[probes[1]].counts.any()
    assert silent[probes[2]].values.shape == (20, 3)
    assert silent.counts.spikes == 0


def test_input_currents_and_graded_integrators_run_alike_everywhere(simulator):
    rng = np.random.default_rng(2)
    net = rb.Network()
    drive = net.add(rb.CurrentSource(3))
    filtered = net.add(rb.Population(3, rb.LI(2.0, resistance=0.5, integration="euler", graded=True)))
    cells = net.add(rb.Population(3, rb.CubaLIF(4.0, 2.0, resistance=2.0, integration="euler", strict=True)))
    for pre, post in ((drive, filtered), (filtered, cells)):
        net.add(rb.Projection(pre, post, rb.one_to_one(), delay=0.0))
    alphas = net.add(rb.Population(3, rb.Alpha(0.5, 0.25)))
    net.add(rb.Projection(drive, alphas, rb.one_to_one(), delay=0.0))
    probes = net.add(rb.Probe(filtered, "v")), net.add(rb.Probe(cells)), net.add(rb.Probe(cells, "v"))
    answers = net.add(rb.Probe(alphas, "v"))
    inputs = rng.integers(-8, 33, (40, 3)) / 4.0
    result = simulator(net, 1.0).run(40.0, inputs={drive: inputs})
    x, i, v, z = np.zeros((4, 40, 3), np.float32)
    for t in range(40):  # every number is a short binary fraction, or rounds alike
        x[t] = x[t - 1] / 2 + inputs[t] / 4
        i[t] = i[t - 1] / 2 + x[t] / 2
        v[t] = v[t - 1] * 3 / 4 + i[t] / 2
        z[t] = v[t] > 1
        v[t][z[t] == 1] = 0
    a, b, answer = np.zeros((3, 40, 3), np.float32)
    for t in range(40):
        a[t], b[t] = a[t - 1] / 2 + inputs[t], b[t - 1] / 4 - inputs[t]
        answer[t] = 2 * (a[t] + b[t])
        a[t][answer[t - 1] > 1] = b[t][answer[t - 1] > 1] = answer[t][answer[t - 1] > 1] = 0
    assert (answer > 1).sum() > 10
    np.testing.assert_array_equal(result[answers].values, answer)
    assert z.sum() > 10
    np.testing.assert_array_equal(result[probes[0]].values, x)
    np.testing.assert_array_equal(result[probes[1]].steps, np.nonzero(z)[0])
    np.testing.assert_array_equal(result[probes[2]].values, v)


def test_a_refractory_time_longer_than_any_run_is_for_ever(simulator):
    net = rb.Network()
    # 2.2e9 steps do not fit 32 bits, 2**31 - 10 do but not when the step of the spike is added.
    silence = np.array([2.2e6, (2**31 - 10) * 1e-3, 1e30, 4e-3])
    pop = net.add(rb.Population(4, rb.LIF(20e-3, drive=2.0, refractory=silence)))
    counts = net.add(rb.Probe(pop, "counts"))
    found = simulator(net, 1e-3).run(0.5)[counts].counts
    assert found[:3].tolist() == [1, 1, 1]
    assert found[3] > 20


def test_counts_tell_what_a_slice_sent(simulator):
    net = rb.Network(seed=3)
    source = net.add(rb.PoissonSource(40, rate=200.0))
    a, b = (net.add(rb.Population(40, rb.IF(threshold=1.0), name=name)) for name in "ab")
    net.add(rb.Projection(source, a, rb.one_to_one(), delay=1e-3))
    for pre, post in ((a[:10], b[:10]), (a[5:15], b[:10])):
        net.add(rb.Projection(pre, post, rb.one_to_one(), delay=2e-3))
    spikes = net.add(rb.Probe(a))
    result = simulator(net, 1e-3).run(0.2)
    ids = result[spikes].ids
    first, second = result.counts.projections[1:]
    assert (first.senders, second.senders) == (10, 10)
    assert first.sent == first.packets == first.events == np.count_nonzero(ids < 10)
    assert second.sent == np.count_nonzero((ids >= 5) & (ids < 15))
    assert second.packets == np.count_nonzero((ids >= 10) & (ids < 15))
    # Packets to b: one for each spike of the fifteen neurons that reach it.
    sanafe = rb.hardware.Chip.load("loihi-sanafe")
    packets = result.counts.source_spikes + np.count_nonzero(ids < 15)
    priced = rb.energy(result, sanafe).parts["packet"]
    assert priced == pytest.approx(packets * sanafe.constants["packet"].si, rel=1e-12)
    additions = result.counts.source_spikes + first.events + second.events
    assert rb.hardware.counts(result, "syops")["ACs"] == pytest.approx(additions, rel=1e-12)


def test_names_of_parts_never_mix_their_counts(simulator):
    net = rb.Network(seed=0)
    source = net.add(rb.PoissonSource(20, rate=100.0))
    names = ("p changes", "changes/p", "sent/p")
    pops = [net.add(rb.Population(20, rb.IF(threshold=1.0), name=name)) for name in names]
    rule = rb.STDP(20e-3, 20e-3, a_pre=0.01, a_post=-0.01, w_max=2.0)
    net.add(rb.Projection(source, pops[0], rb.one_to_one(), weight=1.0, rule=rule, name="p"))
    for pop in pops[1:]:
        net.add(rb.Projection(source, pop, rb.one_to_one(), weight=1.0))
    probes = [net.add(rb.Probe(pop)) for pop in pops]
    result = simulator(net, 1e-3).run(0.2)
    spikes = {p.name: p.spikes for p in result.counts.populations}
    for name, probe in zip(names, probes, strict=True):
        assert spikes[name] == len(result[probe]) > 100


@dataclass(frozen=True, eq=False)
class Clock(rb.NeuronModel):
    """Its v is seven tenths of the step's number."""

    states: ClassVar = (State("v"),)

    @staticmethod
    def flow(v: Any, now: Any):
        return v * 0.0 + now * 0.7

    @staticmethod
    def jump(v: Any, input: Any):
        return v + input

    @staticmethod
    def fire(v: Any):
        return spike(v - 1e9), v


@pytest.mark.parametrize(("precision", "real"), [(None, np.float32), ("float64", np.float64)])
def test_whole_numbers_meet_others_in_the_type_of_the_plan(simulator, precision, real):
    net = rb.Network()
    pop = net.add(rb.Population(3, Clock()))
    v = net.add(rb.Probe(pop, "v"))
    values = simulator(net, 1e-3, precision=precision).run(0.1)[v].values
    expected = np.arange(100).astype(real) * real(0.7)
    np.testing.assert_array_equal(values, np.broadcast_to(expected[:, None], (100, 3)))


@pytest.mark.parametrize("steps", [6, 7])
def test_a_machine_goes_back_to_a_snapshot_whatever_it_did_since(simulator, steps):
    net = rb.Network(seed=1)
    source = net.add(rb.PoissonSource(20, rate=300.0))
    a, b = (net.add(rb.Population(17, rb.IF(threshold=1.0), name=name)) for name in "ab")
    for pre, post, weight, delay in [(source, a, 0.3, 1), (a, b, 0.3, 0), (b, a, 0.3, 1), (a, a, -0.1, 3)]:
        net.add(rb.Projection(pre, post, rb.fixed_in(6), weight=weight, delay=delay * 1e-3))
    machine = simulator(net, 1e-3)._machine
    machine.advance(20)
    saved = machine.snapshot()
    machine.advance(10)
    expected = machine.snapshot()
    for since in (steps, 1):
        machine.restore(saved)
        machine.advance(since)
    machine.restore(saved)
    machine.advance(10)
    for key, values in machine.snapshot().items():
        np.testing.assert_array_equal(values, expected[key], err_msg=key)
