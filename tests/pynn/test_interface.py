"""What a PyNN script can ask for, beside networks made by hand and lists that PyNN makes by itself."""

import importlib

import numpy as np
import pyNN.mock
import pyNN.random
import pytest
from scipy import stats

import rheobase as rb

CELL = {"tau_m": 20.0, "cm": 0.2, "v_rest": -65.0, "v_thresh": -50.0, "v_reset": -65.0, "tau_refrac": 2.0}


def spikes_of(population, segment=-1):
    block = population.get_data("spikes")
    return [train.rescale("ms").magnitude.round(6).tolist() for train in block.segments[segment].spiketrains]


def test_views_and_assemblies_are_the_network_that_one_would_make_by_hand(sim):
    first = sim.Population(4, sim.SpikeSourceArray(spike_times=[1.0, 3.0]))
    second = sim.Population(3, sim.SpikeSourceArray(spike_times=[2.0]))
    a = sim.Population(5, sim.IF_curr_exp(**CELL))
    b = sim.Population(4, sim.IF_curr_exp(**CELL))
    pairs = [(0, 0, 30.0, 0.5), (1, 2, 40.0, 1.0), (2, 3, 30.0, 0.5), (3, 4, 25.0, 2.0)]
    sim.Projection(
        first[1:3] + second[[0, 2]], a[3:] + b[1:], sim.FromListConnector(pairs), receptor_type="excitatory"
    )
    a.record("spikes")
    b.record("spikes")
    sim.run(20.0)

    net = rb.Network()
    sent = {"first": [9, 29], "second": [19]}
    sources = {
        name: net.add(
            rb.SpikeSource(n, np.repeat(steps, n) * 1e-4, np.tile(np.arange(n), len(steps)), name=name)
        )
        for (name, steps), n in zip(sent.items(), (4, 3), strict=True)
    }
    model = rb.CurrentLIF(
        20e-3, tau_syn_exc=5e-3, tau_syn_inh=5e-3, capacitance=0.2e-9, v_rest=-65e-3, v_reset=-65e-3,
        threshold=-50e-3, refractory=2e-3,
    )  # fmt: skip
    cells = {name: net.add(rb.Population(n, model, name=name)) for name, n in (("a", 5), ("b", 4))}
    for pre, i, post, j, weight, delay in (
        ("first", 1, "a", 3, 30e-9, 0.5e-3), ("first", 2, "b", 1, 40e-9, 1e-3),
        ("second", 0, "b", 2, 30e-9, 0.5e-3), ("second", 2, "b", 3, 25e-9, 2e-3),
    ):  # fmt: skip
        net.add(rb.Projection(sources[pre], cells[post], rb.explicit([i], [j]), weight=weight, delay=delay,
                              receptor="excitatory"))  # fmt: skip
    probes = {name: net.add(rb.Probe(group)) for name, group in cells.items()}
    result = rb.Simulator(net, dt=1e-4, backend="reference").run(20e-3)
    for name, population in (("a", a), ("b", b)):
        record = result[probes[name]]
        expected = [((record.train(id) / 1e-4 + 1) * 0.1).round(6).tolist() for id in range(record.n)]
        assert spikes_of(population) == expected
    assert sum(map(len, spikes_of(b))) >= 3


CONNECTORS = {
    "all": lambda sim, rng: sim.AllToAllConnector(allow_self_connections=False),
    "one": lambda sim, rng: sim.OneToOneConnector(),
    "probability": lambda sim, rng: sim.FixedProbabilityConnector(0.4, rng=rng),
    "pre": lambda sim, rng: sim.FixedNumberPreConnector(3, rng=rng),
    "post": lambda sim, rng: sim.FixedNumberPostConnector(3, rng=rng),
    "total": lambda sim, rng: sim.FixedTotalNumberConnector(17, rng=rng),
    "distance": lambda sim, rng: sim.DistanceDependentProbabilityConnector("exp(-d / 3)", rng=rng),
    "array": lambda sim, rng: sim.ArrayConnector(np.arange(64).reshape(8, 8) % 3 == 0),
    "list": lambda sim, rng: sim.FromListConnector([(0, 1, 0.5, 1.0), (0, 1, 0.25, 2.0), (7, 0, 0.1, 0.3)]),
}  # fmt: skip


@pytest.mark.parametrize("name", CONNECTORS)
def test_connectors_list_what_pynn_lists_by_itself(name, sim):
    found = []
    pyNN.mock.setup(timestep=0.1, min_delay=0.1)
    for module in (sim, pyNN.mock):
        rng = pyNN.random.NumpyRNG(4)
        cells = module.Population(8, module.IF_curr_exp())
        synapse = module.StaticSynapse(
            weight=pyNN.random.RandomDistribution("uniform", (0.1, 0.5), rng=rng), delay=0.4
        )
        projection = module.Projection(
            cells, cells, CONNECTORS[name](module, rng), synapse, receptor_type="excitatory"
        )
        attributes = ("presynaptic_index", "postsynaptic_index", "weight", "delay")
        # The mock keeps weights and delays under names in capitals.
        names = attributes if module is sim else [*attributes[:2], "WEIGHT", "DELAY"]
        found.append([tuple(getattr(c, name) for name in names) for c in projection.connections])
    assert len(found[0]) > 2
    np.testing.assert_allclose(sorted(found[0]), sorted(found[1]), rtol=1e-12)


def test_attributes_are_read_as_lists_and_matrices_and_set(sim):
    cells = sim.Population(3, sim.IF_curr_exp())
    rows = [(0, 1, 0.5, 1.0), (0, 1, 0.25, 2.04), (2, 0, 0.1, 0.3)]
    projection = sim.Projection(cells, cells, sim.FromListConnector(rows), receptor_type="excitatory")
    assert len(projection) == 3
    listed = sorted(projection.get(["weight", "delay"], "list"))
    np.testing.assert_allclose(listed, [(0, 1, 0.25, 2.0), (0, 1, 0.5, 1.0), (2, 0, 0.1, 0.3)])
    weights = [one.weight for one in projection if one.presynaptic_index == 0]
    expected = {"sum": 0.75, "min": 0.25, "max": 0.5, "first": weights[0], "last": weights[1]}
    for joined, value in expected.items():
        matrix = projection.get("weight", "array", multiple_synapses=joined)
        assert matrix[0, 1] == pytest.approx(value)
        assert np.isnan(matrix[1, 1])
    projection.set(weight=0.7)
    assert projection.get("weight", "list", with_address=False) == [0.7] * 3
    last = next(one for one in projection if one.presynaptic_index == 2)
    last.weight = 0.9
    assert sorted(round(one.weight, 6) for one in projection) == [0.7, 0.7, 0.9]
    assert last.as_tuple("postsynaptic_index", "delay") == pytest.approx((0, 0.3))


def test_parameters_read_back_as_they_were_written(sim):
    cells = sim.Population(4, sim.IF_cond_exp(tau_m=[10.0, 11.0, 12.0, 13.0], v_rest=-70.0), label="cells")
    assert cells.get("tau_m").tolist() == [10.0, 11.0, 12.0, 13.0]
    cells[1:3].set(tau_m=20.0, cm=0.3)
    assert cells.get(["tau_m", "v_rest"]) == [pytest.approx([10.0, 20.0, 20.0, 13.0]), -70.0]
    assert cells[2].cm == 0.3
    cells[0].tau_m = 15.0
    assert cells[:2].get("tau_m").tolist() == [15.0, 20.0]
    sources = sim.Population(2, sim.SpikeSourceArray())
    sources.set(spike_times=[sim.Sequence([1.0]), sim.Sequence([2.0, 3.0])])
    assert sources.get("spike_times")[1].value.tolist() == [2.0, 3.0]


def test_samples_begin_with_the_initial_value_and_follow_at_their_interval(sim):
    cells = sim.Population(3, sim.IF_curr_exp(**CELL))
    cells.initialize(v=[-60.0, -61.0, -62.0])
    cells[1:].record("v", sampling_interval=0.5)
    sim.run(10.0)
    (signal,) = cells.get_data().segments[0].analogsignals
    assert signal.shape == (21, 2)
    assert str(signal.units.dimensionality) == "mV"
    times = signal.times.rescale("ms").magnitude
    np.testing.assert_allclose(times, np.arange(21) * 0.5)
    expected = -65.0 + (np.array([[-61.0, -62.0]]) + 65.0) * np.exp(-times / 20.0)[:, None]
    np.testing.assert_allclose(signal.magnitude, expected, atol=1e-4)


def test_pieces_callbacks_and_clearing_make_the_whole(sim):
    def build():
        sim.setup(timestep=0.1, backend="reference", rng_seed=3)
        noise = sim.Population(10, sim.SpikeSourcePoisson(rate=300.0))
        cells = sim.Population(5, sim.IF_curr_exp(**CELL))
        synapse = sim.StaticSynapse(weight=0.9)
        sim.Projection(noise, cells, sim.AllToAllConnector(), synapse, receptor_type="excitatory")
        cells.record(["spikes", "v"])
        return cells

    cells = build()
    sim.run(60.0)
    whole, v = spikes_of(cells), cells.get_data("v").segments[0].analogsignals[0].magnitude
    assert sum(map(len, whole)) > 20
    cells, seen = build(), []
    sim.run(20.0, callbacks=[lambda t: seen.append(t) or t + 5.0])
    assert seen[:3] == pytest.approx([0.0, 5.0, 10.0])
    first, v1 = cells.get_data(clear=True).segments[0], None
    v1 = first.analogsignals[0].magnitude
    sim.run_until(60.0)
    second = cells.get_data().segments[0]
    joined = [
        [*a.magnitude.round(6), *b.magnitude.round(6)]
        for a, b in zip(first.spiketrains, second.spiketrains, strict=True)
    ]
    assert joined == whole
    v2 = second.analogsignals[0]
    assert float(v2.t_start.rescale("ms")) == pytest.approx(20.0)
    np.testing.assert_array_equal(np.concatenate([v1, v2.magnitude[1:]]), v)


def test_reset_begins_a_segment_with_other_noise_and_the_same_network(sim):
    noise = sim.Population(20, sim.SpikeSourcePoisson(rate=100.0))
    noise.record("spikes")
    sim.run(100.0)
    sim.reset()
    assert sim.get_current_time() == 0.0
    sim.run(50.0)
    block = noise.get_data()
    assert [float(s.spiketrains[0].t_stop.rescale("ms")) for s in block.segments] == pytest.approx(
        [100.0, 50.0]
    )
    before = [t.magnitude[t.magnitude < 50.0].tolist() for t in block.segments[0].spiketrains]
    after = [t.magnitude.tolist() for t in block.segments[1].spiketrains]
    assert before != after
    assert sum(map(len, after)) == pytest.approx(100, abs=45)  # 4.5 sigma


def test_poisson_sources_start_and_stop_when_they_are_told_to(sim):
    source = sim.Population(400, sim.SpikeSourcePoisson(rate=50.0, start=20.0, duration=100.0))
    source[:200].set(rate=100.0)
    source[200:].set(start=50.0)
    source.record("spikes")
    sim.run(200.0)
    trains = spikes_of(source)
    early, late = np.concatenate(trains[:200]), np.concatenate(trains[200:])
    assert early.min() > 20.0
    assert early.max() <= 120.0
    assert late.min() > 50.0
    assert late.max() <= 150.0
    # 200 trains of 100 ms: 2000 and 1000 spikes, within 4.5 sigma (once in 100,000)
    assert early.size == pytest.approx(2000, abs=200)
    assert late.size == pytest.approx(1000, abs=142)
    assert source.get_spike_counts()[int(source.first_id)] == len(trains[0])


def test_spikes_can_be_given_between_runs(sim):
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[5.0]))
    source.record("spikes")
    sim.run(10.0)
    source.set(spike_times=[12.0, 15.0])
    sim.run(10.0)
    assert spikes_of(source) == [[5.0, 12.0, 15.0]]


def test_data_are_written_as_any_pynn_simulator_writes_them(sim, tmp_path):
    import neo

    cells = sim.Population(2, sim.IF_curr_exp(i_offset=2.0))
    cells.record("spikes", to_file=str(tmp_path / "spikes.pkl"))
    sim.run(50.0)
    sim.end()
    block = neo.PickleIO(str(tmp_path / "spikes.pkl")).read_block()
    assert block.annotations["simulator"] == "rheobase"
    assert len(block.segments[0].spiketrains[0]) > 1


def test_a_script_finds_the_simulator_by_its_name(sim):
    assert importlib.import_module("pyNN.rheobase") is sim
    assert {"IF_cond_exp", "IF_curr_alpha", "Izhikevich"} < set(sim.list_standard_models())
    net = sim.Network(sim.Population(2, sim.IF_curr_exp()))
    assert net.sim is sim


@pytest.mark.parametrize(
    "name",
    [
        "HH_cond_exp",
        "GIF_cond_exp",
        "SpikeSourceGamma",
        "GutigWeightDependence",
        "CSAConnector",
        "SmallWorldConnector",
    ],
)
def test_what_is_missing_is_refused_by_its_name(sim, name):
    with pytest.raises(rb.SpecError, match=f"{name}: rheobase.pynn does not have it"):
        getattr(sim, name)()
    assert name not in sim.list_standard_models()


def test_a_name_that_pynn_has_not_either_is_none(sim):
    with pytest.raises(AttributeError, match=r"IF_curr_expo.*nearest is 'IF_curr_exp'"):
        _ = sim.IF_curr_expo
    assert not hasattr(sim, "colour")


def mechanism(sim, **options):
    return sim.STDPMechanism(
        sim.SpikePairRule(),
        sim.AdditiveWeightDependence(),
        weight=0.5,
        **{"dendritic_delay_fraction": 0.0, **options},
    )


def test_what_cannot_be_is_one_error_that_says_so(sim):
    with pytest.raises(rb.SpecError, match="dendritic_delay_fraction=0"):
        mechanism(sim, dendritic_delay_fraction=1.0)
    with pytest.raises(rb.SpecError, match="allowed are a SpikePairRule"):
        sim.STDPMechanism(sim.SpikePairRule(), None, dendritic_delay_fraction=0.0)
    with pytest.raises(rb.SpecError, match="allowed is a cell type of rheobase"):
        sim.Population(2, pyNN.mock.IF_curr_exp())
    with pytest.raises(rb.SpecError, match="has no 'w' to begin with"):
        sim.Population(2, sim.IF_curr_exp()).initialize(w=1.0)
    cells = sim.Population(1, sim.IF_curr_exp())
    early = sim.Population(1, sim.SpikeSourceArray(spike_times=[0.0]), label="early")
    with pytest.raises(rb.SpecError, match=r"early.spike_times: got a spike before 0.1 ms"):
        sim.run(1.0)
    early.set(spike_times=[0.5])
    sim.run(1.0)
    for change in (
        lambda: sim.Population(2, sim.IF_curr_exp()),
        lambda: early.record("spikes"),
        lambda: cells.initialize(v=0.0),
        lambda: sim.Projection(early, cells, sim.OneToOneConnector()),
    ):
        with pytest.raises(rb.RunError, match="after a run"):
            change()
    sim.reset()
    early.record("spikes")
    sim.run(1.0)
    assert spikes_of(early) == [[0.5]]


def potential(population):
    (signal,) = population.get_data("v").segments[-1].analogsignals
    return signal.magnitude


def relaxed(t, tau, start, goal):
    """A leaky membrane t ms after it was at `start`."""
    return goal + (start - goal) * np.exp(-t / tau)


def test_injected_currents_charge_the_membranes_that_they_are_injected_into(sim):
    """R = 100 MOhm, tau = 20 ms: 0.05 nA from 5 ms to 25 ms, and steps of 0.02 and -0.04 nA."""
    sim.setup(timestep=0.1, backend="reference", precision="float64")
    cells = sim.Population(4, sim.IF_curr_exp(**CELL), initial_values={"v": -65.0})
    sources = sim.Population(1, sim.SpikeSourceArray())
    pulse = sim.DCSource(amplitude=0.05, start=5.0, stop=25.0)
    pulse.inject_into(cells[1:3])
    steps = sim.StepCurrentSource(times=[10.0, 30.0], amplitudes=[0.02, -0.04])
    cells[3].inject(steps)
    cells.record("v")
    sim.run(17.3)
    sim.run(22.7)
    v, t = potential(cells), np.arange(401) * 0.1
    np.testing.assert_allclose(v[:, 0], -65.0)
    charged = relaxed(20.0, 20.0, -65.0, -60.0)
    expected = np.select(
        [t <= 5.0, t <= 25.0],
        [-65.0, relaxed(t - 5.0, 20.0, -65.0, -60.0)],
        relaxed(t - 25.0, 20.0, charged, -65.0),
    )
    np.testing.assert_allclose(v[:, 1], expected, atol=1e-5)
    np.testing.assert_array_equal(v[:, 1], v[:, 2])
    lifted = relaxed(20.0, 20.0, -65.0, -63.0)
    expected = np.select(
        [t <= 10.0, t <= 30.0], [-65.0, relaxed(t - 10.0, 20.0, -65.0, -63.0)],
        relaxed(t - 30.0, 20.0, lifted, -69.0),
    )  # fmt: skip
    np.testing.assert_allclose(v[:, 3], expected, atol=1e-5)
    assert pulse.amplitude == 0.05
    shown = pulse.get_data()
    assert shown.magnitude[[49, 50, 249, 250]].ravel().tolist() == [0.0, 0.05, 0.05, 0.0]
    with pytest.raises(rb.SpecError, match="a SpikeSourceArray takes no current"):
        pulse.inject_into(sources)


def noisy(sim, pieces=(40.0,), seed=1, **parameters):
    """A cell with a noisy current, run in pieces: the source, and the potential."""
    sim.setup(timestep=0.1, backend="reference", precision="float64", rng_seed=seed)
    cells = sim.Population(2, sim.IF_curr_exp(**CELL), initial_values={"v": -65.0})
    source = sim.NoisyCurrentSource(**{"mean": 0.02, "stdev": 0.05, "dt": 0.5, **parameters})
    cells.inject(source)
    cells.record("v")
    for piece in pieces:
        sim.run(piece)
    return source, potential(cells)


def test_a_noisy_current_is_held_between_its_draws_and_charges_every_cell_alike(sim):
    source, v = noisy(sim, start=5.0, stop=30.2)
    current = source.get_data().magnitude.ravel()
    assert not current[:50].any()
    assert not current[302:].any()
    values = current[50:300].reshape(-1, 5)
    np.testing.assert_array_equal(values, np.repeat(values[:, :1], 5, axis=1))
    assert np.unique(values).size == 50
    # 100 MOhm and 20 ms: what each step's current charges, in mV.
    expected = [-65.0]
    for step in range(400):
        expected.append(relaxed(0.1, 20.0, expected[-1], -65.0 + 100.0 * current[step]))
    np.testing.assert_allclose(v[:, 0], expected, atol=1e-9)
    np.testing.assert_array_equal(v[:, 0], v[:, 1])
    np.testing.assert_array_equal(noisy(sim, pieces=(7.3, 32.7), start=5.0, stop=30.2)[1], v)
    assert not np.array_equal(noisy(sim, seed=2, start=5.0, stop=30.2)[1], v)


def test_a_noisy_current_is_white_and_normal(sim):
    steps = np.arange(100_000)
    sim.setup(timestep=0.1, rng_seed=3)
    one, two = (sim.NoisyCurrentSource(mean=0.3, stdev=0.2, dt=0.1) for _ in range(2))
    values = (one.currents(steps, 0.1) - 0.3) / 0.2
    assert stats.kstest(values, "norm").pvalue > 1e-3
    other = (two.currents(steps, 0.1) - 0.3) / 0.2
    for later in (values[1:], values[5:], other):
        assert abs(np.corrcoef(values[: later.size], later)[0, 1]) < 4 / np.sqrt(steps.size)
    with pytest.raises(rb.SpecError, match=r"NoisyCurrentSource\.dt: got 0\.25 ms; allowed are multiples"):
        noisy(sim, dt=0.25)


def test_parameters_and_weights_can_change_between_runs(sim):
    sim.setup(timestep=0.1, backend="reference", precision="float64")
    cells = sim.Population(2, sim.IF_curr_exp(**CELL, i_offset=0.05), initial_values={"v": -65.0})
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[45.0, 65.0]))
    projection = sim.Projection(
        source, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.1, delay=1.0)
    )
    noise = sim.Population(100, sim.SpikeSourcePoisson(rate=0.0))
    cells.record("v")
    noise.record("spikes")
    sim.run(20.0)
    cells[1:].set(i_offset=-0.05)
    noise.set(rate=500.0)
    sim.run(20.0)
    v, t = potential(cells), np.arange(401) * 0.1
    np.testing.assert_allclose(v[:, 0], relaxed(t, 20.0, -65.0, -60.0), atol=1e-5)
    turned = relaxed(t[200:] - 20.0, 20.0, relaxed(20.0, 20.0, -65.0, -60.0), -70.0)
    np.testing.assert_allclose(v[200:, 1], turned, atol=1e-5)
    spikes = np.concatenate(spikes_of(noise))
    assert spikes.min() > 20.0
    assert spikes.size == pytest.approx(1000, abs=142)
    sim.run(20.0)
    projection.set(weight=0.3)
    sim.run(20.0)
    v, t = potential(cells)[:, 0], np.arange(801) * 0.1
    # An exponential current of 1 nA (5 ms) on 0.2 nF and 20 ms, from its arrival on, in mV.
    unit = (20.0 * 5.0 / 15.0) / 0.2 * (np.exp(-t / 20.0) - np.exp(-t / 5.0))
    lifted = v - relaxed(t, 20.0, -65.0, -60.0)
    np.testing.assert_allclose(lifted[:460], 0.0, atol=1e-5)
    np.testing.assert_allclose(lifted[460:660], 0.1 * unit[:200], atol=1e-5)
    np.testing.assert_allclose(lifted[660:], 0.1 * unit[200:341] + 0.3 * unit[:141], atol=1e-5)


def test_plastic_weights_are_read_in_the_order_in_which_synapses_are_listed(sim):
    rng = np.random.default_rng(5)
    pre, post = rng.permutation(12) % 4, rng.integers(0, 3, 12)
    rows = [
        (int(i), int(j), w, d)
        for i, j, w, d in zip(pre, post, rng.random(12), rng.integers(1, 9, 12), strict=True)
    ]
    sources = sim.Population(4, sim.SpikeSourceArray(spike_times=[2.0]))
    cells = sim.Population(3, sim.IF_curr_exp())
    learning = mechanism(sim)
    projection = sim.Projection(
        sources, cells, sim.FromListConnector(rows), learning, receptor_type="excitatory"
    )
    sim.run(5.0)
    found = sorted(projection.get(["weight", "delay"], "list"))
    np.testing.assert_allclose(found, sorted((i, j, w, d) for i, j, w, d in rows), rtol=1e-6)
