"""Bad input is one clear error, where it is given: it names the object, the field, and what is allowed."""

import re

import numpy as np
import pytest
from scipy import stats

import rheobase as rb
from rheobase.engine.planning import make_plan

NAN, INF = float("nan"), float("inf")


def pop(n=4, **kwargs):
    return rb.Population(n, rb.LIF(20e-3), **kwargs)


def image(*shape):
    return rb.Population(shape, rb.IF())


@pytest.mark.parametrize("n", [0, -1, 2.5, NAN, "3", True, None, (), (2, 0), (2, -3), (2, 1.5), (True, 2)])
def test_sizes_are_whole_numbers_from_one(n):
    for make in (
        pop,
        lambda n: rb.PoissonSource(n, rate=1.0),
        rb.SpikeSource,
        rb.CurrentSource,
        rb.FrameSource,
    ):
        with pytest.raises(rb.SpecError, match=re.escape(f"got {n!r}; allowed is a whole number from 1")):
            make(n)


@pytest.mark.parametrize("name", ["", "  ", 3, b"exc", "a\0b"])
def test_names_are_texts_that_are_not_empty(name):
    with pytest.raises(rb.SpecError, match=r"name: got .*; allowed is a text"):
        pop(name=name)


@pytest.mark.parametrize("rate", [-1.0, NAN, INF, "fast", [1.0, 2.0], [1.0, 1.0, -1.0], None, True])
def test_poisson_rates_are_finite_and_not_negative(rate):
    with pytest.raises(rb.SpecError, match=r"PoissonSource\.rate: got .*not below 0"):
        rb.PoissonSource(3, rate=rate)


@pytest.mark.parametrize(
    ("times", "rates", "words"),
    [
        ([], [], "times"),
        ([0.1], [1.0], "start at 0"),
        ([0.0, 0.0], [1.0, 1.0], "ascending"),
        ([0.0, NAN], [1.0, 1.0], "times"),
        ([0.0, INF], [1.0, 1.0], "times"),
        ([0.0, 0.1], [1.0], r"rates: got shape \(1,\); allowed is \(2,\) or \(2, 3\)"),
        ([0.0], [-1.0], "rates"),
        ([0.0], [NAN], "rates"),
    ],
)
def test_changing_rates_need_ascending_times_and_one_rate_each(times, rates, words):
    with pytest.raises(rb.SpecError, match=words):
        rb.RateSource(3, times=times, rates=rates)


@pytest.mark.parametrize(
    ("times", "ids", "words"),
    [
        ([0.1], None, "give both times and ids, or neither"),
        ([0.1], [0, 1], "two lists of one length"),
        ([0.2, 0.1], [0, 0], r"not ascending at index 1 .*sort times and ids"),
        ([-0.1], [0], "finite times from 0"),
        ([NAN], [0], "finite times from 0"),
        ([0.1], [3], "whole numbers from 0 to 2"),
        ([0.1], [-1], "whole numbers from 0 to 2"),
        ([0.1], [0.5], "whole numbers from 0 to 2"),
    ],
)
def test_given_spikes_are_sorted_finite_and_in_range(times, ids, words):
    with pytest.raises(rb.SpecError, match=words):
        rb.SpikeSource(3, times=times, ids=ids)


@pytest.mark.parametrize("values", [[1.0, 2.0], [[1.0], [2.0]], [[[0.0] * 3]], [0.0, NAN, 0.0], 1.0])
def test_currents_have_one_finite_value_per_channel(values):
    with pytest.raises(rb.SpecError, match=r"CurrentSource\.values: got"):
        rb.CurrentSource(3, values=values)


@pytest.mark.parametrize("dt", [0.0, -1e-3, NAN, INF, "1 ms", True])
def test_row_lengths_are_positive_times(dt):
    with pytest.raises(rb.SpecError, match=r"dt: got .*a finite number above 0, in s"):
        rb.CurrentSource(3, values=[0.0, 0.0, 0.0], dt=dt)


def test_a_frame_has_its_declared_shape():
    with pytest.raises(rb.SpecError, match=r"got shape \(2, 3\); allowed is \(3, 2\)"):
        rb.FrameSource((3, 2), values=np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("initial", "words"),
    [
        ({"u": 0.0}, r"unknown state variable 'u'.*\['v'"),
        ({"v": [0.0, 1.0]}, r"initial\['v'\]: got shape \(2,\)"),
        ({"v": NAN}, r"initial\['v'\]: got nan"),
        ({"v": "rest"}, r"initial\['v'\]: got 'rest'"),
    ],
)
def test_initial_values_are_of_known_variables_and_of_the_right_shape(initial, words):
    with pytest.raises(rb.SpecError, match=words):
        pop(initial=initial)


def test_a_model_with_arrays_fits_its_population():
    with pytest.raises(rb.SpecError, match="its arrays describe 3 neurons, the population has 4"):
        rb.Population(4, rb.LIF([0.01, 0.02, 0.03]))
    with pytest.raises(rb.SpecError, match="allowed is a NeuronModel"):
        rb.Population(4, "LIF")


@pytest.mark.parametrize(
    "key",
    [
        3,
        slice(2, 2),
        slice(0, 4, 0),
        slice(9, 12),
        "a",
        [],
        [1, 1],
        [9],
        [-1],
        [0.5],
        [[1]],
        [[1, 2], [3]],
        (1, 2),
        [True],
        slice("a"),
    ],
)
def test_slices_are_of_neurons_that_there_are(key):
    with pytest.raises(rb.SpecError, match="allowed is a slice"):
        pop()[key]


@pytest.mark.parametrize("p", [-0.1, 1.1, NAN, "half", True, None])
def test_probabilities_lie_between_zero_and_one(p):
    with pytest.raises(rb.SpecError, match=r"random\.p: got .*; allowed is a probability"):
        rb.random(p=p)


@pytest.mark.parametrize("make", [rb.fixed_in, rb.fixed_out, rb.fixed_total])
@pytest.mark.parametrize("k", [0, -1, 1.5, NAN, True])
def test_degrees_are_whole_numbers_from_one(make, k):
    with pytest.raises(rb.SpecError, match=f"{make.__name__}.*whole number from 1"):
        make(k)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rb.conv2d(stride=0), "conv2d.stride: got 0"),
        (lambda: rb.conv2d(padding=-1), "conv2d.padding: got -1"),
        (lambda: rb.conv2d(dilation=(1, 2, 3)), "conv2d.dilation"),
        (lambda: rb.conv2d(groups=0), "conv2d.groups"),
        (lambda: rb.rows(0), "rows.n: got 0"),
        (lambda: rb.rows(2, [0, 1, 2]), "rows.order: got 3 indices"),
        (lambda: rb.rows(2, [0, 1, 2, 2]), "rows.order: got 4 indices; allowed is every neuron"),
        (lambda: rb.pool2d(0), "pool2d.size"),
        (lambda: rb.pool2d(2, kind="max"), "a maximum is an Operator"),
        (lambda: rb.explicit([0, 1], [0]), "they must be pairs"),
        (lambda: rb.explicit([-1], [0]), "indices from 0"),
        (lambda: rb.explicit([0.5], [0]), "indices from 0"),
        (lambda: rb.explicit(np.array([2**63], np.uint64), [0]), "indices from 0"),
        (lambda: rb.conv2d(1.5), "conv2d.stride: got 1.5"),
        (lambda: rb.pool2d(None), "pool2d.size: got None"),
        (lambda: rb.sparse("weights"), "sparse.matrix: got 'weights'"),
        (lambda: rb.sparse([[1.0, 2.0], [3.0]]), "sparse.matrix"),
        (lambda: rb.normal("a", 1.0), "normal.mean: got 'a'"),
        (lambda: rb.normal(1.0, None), "normal.sd: got None"),
        (lambda: rb.uniform(True, 2.0), "uniform.low: got True"),
        (lambda: rb.lognormal(1.0, 1e200).table(), "beyond what float64 holds"),
        (lambda: rb.RateSource(2, ["x"], [1.0]), "RateSource.times: got"),
        (lambda: rb.RateSource(2, [0.0], ["x"]), "RateSource.rates: got"),
        (lambda: rb.SpikeSource(2, ["x"], [0]), "SpikeSource.times: got"),
        (lambda: rb.SpikeSource(2, [0.1], ["a"]), "SpikeSource.ids: got <U1 values"),
        (lambda: rb.CurrentSource(2, [[1, 2], [3]]), "CurrentSource.values: got"),
        (lambda: rb.FrameSource(2, "ab"), "FrameSource.values: got 'ab'"),
        (lambda: rb.PoissonSource(2, "40"), "PoissonSource.rate: got '40'"),
        (lambda: rb.Operator("softmax", None), "Operator.inputs: got None"),
        (lambda: rb.Population(2, rb.IF(), initial=None), "initial: got None"),
        (lambda: rb.LIF(np.full((4, 1), 0.02)), "LIF.tau"),
        (lambda: rb.Probe(pop(3), spool=3), "spool: got 3"),
        (lambda: rb.sparse([[NAN]]), "NaN or infinite"),
        (lambda: rb.random(0.5, multiple=True), "use fixed_total"),
        (lambda: rb.random(0.5, procedural=True), "not available yet"),
        (lambda: rb.fixed_in(3, multiple="x"), r"fixed_in\.multiple: got 'x'; allowed is True or False"),
        (lambda: rb.all_to_all(self_connections=0), r"all_to_all\.self_connections: got 0"),
        (lambda: rb.dense(self_connections="no"), r"dense\.self_connections: got 'no'"),
        (lambda: rb.grid(3, periodic="x"), r"grid\.periodic: got 'x'"),
        (lambda: rb.scattered(3, 1.0, periodic=1), r"scattered\.periodic: got 1"),
        (lambda: rb.normal(0.0, -1.0), "sd >= 0"),
        (lambda: rb.normal(NAN, 1.0), "normal.mean"),
        (lambda: rb.normal(0.0, 1.0, low=1.0, high=0.0), "low < high"),
        (lambda: rb.uniform(1.0, 0.0), "uniform"),
        (lambda: rb.lognormal(-1.0, 1.0), "mean > 0"),
        (lambda: rb.empirical([]), "empirical.samples"),
        (lambda: rb.empirical([1.0, NAN]), "finite numbers"),
    ],
)
def test_patterns_and_distributions_refuse_what_they_cannot_be(make, words):
    with pytest.raises(rb.SpecError, match=words):
        make()


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"weight": NAN}, "weight: got nan"),
        ({"weight": "strong"}, "weight: got 'strong'"),
        ({"weight": np.ones((3, 4))}, r"weight: got shape \(3, 4\); .*\(4, 3\)"),
        ({"delay": -1e-3}, "delay: got -0.001 s; allowed are times from 0"),
        ({"delay": NAN}, "delay: got nan"),
        ({"delay": rb.normal(1e-3, 1e-3)}, "delay: got -.* s; allowed are times from 0"),
        ({"correlation": 0.5}, "correlation: weight is 1.0; allowed are two distributions"),
        ({"correlation": 1.5} | dict.fromkeys(("weight", "delay"), rb.uniform(1e-3, 2e-3)), "from -1 to 1"),
        ({"receptor": "gaba"}, r"receptor: got 'gaba'; exc has \('input',\)"),
        ({"rule": "STDP"}, "rule: got 'STDP'; allowed is a PlasticityRule"),
        ({"delivery": "fast"}, "delivery: got 'fast'"),
    ],
)
def test_projections_refuse_bad_weights_delays_receptors_and_rules(kwargs, words):
    with pytest.raises(rb.SpecError, match=words):
        rb.Projection(pop(3), pop(4, name="exc"), rb.dense(), **({"weight": 1.0} | kwargs))


@pytest.mark.parametrize("field", ["weight", "delay"])
def test_positions_of_an_image_share_their_weights_and_delays(field):
    drawn = {field: rb.uniform(1e-3, 3e-3)}
    with pytest.raises(rb.SpecError, match=rf"{field}: got Uniform.*; allowed for conv2d is"):
        rb.Projection(
            image(1, 4, 4), image(1, 2, 2), rb.conv2d(stride=2), **({"weight": np.ones((1, 1, 2, 2))} | drawn)
        )
    with pytest.raises(rb.SpecError, match=rf"{field}: got Uniform.*; allowed for pool2d is a number"):
        rb.Projection(image(1, 4, 4), image(1, 2, 2), rb.pool2d(2), **drawn)
    with pytest.raises(rb.SpecError, match=rf"{field}: got Uniform.*; allowed for rows is a number"):
        rb.Projection(pop(4), pop(6), rb.rows(2), **drawn)


def test_the_weights_of_a_matrix_are_multiplied_not_drawn():
    matrix = rb.sparse([[0.0, 10.0], [-1000.0, 0.0]])
    with pytest.raises(rb.SpecError, match="allowed for sparse is a number or an array, which multiplies"):
        rb.Projection(pop(2), pop(2), matrix, weight=rb.uniform(0.9, 1.1))


def test_a_description_keeps_arrays_of_its_own():
    net = rb.Network()
    weight, first, ids = np.ones((3, 3)), np.zeros(3), np.array([0, 2])
    exc = net.add(rb.Population(3, rb.IF(), initial={"v": first}))
    dense = net.add(rb.Projection(exc, exc, rb.dense(), weight=weight))
    drawn = net.add(rb.Projection(exc, exc, rb.dense(), weight=rb.normal(1.0, 0.1), name="drawn"))
    probe = net.add(rb.Probe(exc, ids=ids))
    weight[:], first[:], ids[:] = NAN, NAN, 1
    assert (dense.weight == 1).all()
    assert (exc.initial["v"] == 0).all()
    assert probe.ids.tolist() == [0, 2]
    sim = rb.Simulator(net, 1e-3, backend="reference")
    sim.weights(dense)[:] = NAN
    assert (sim.weights(dense) == 1).all()
    values = sim.weights(drawn)
    assert values.shape == (3, 3)
    assert np.unique(values).size > 5
    assert abs(values.mean() - 1.0) < 0.15


def test_equal_patterns_have_equal_hashes():
    for make in (lambda: rb.random(0.1), lambda: rb.explicit([0, 1], [1, 0]), rb.dense):
        assert make() == make()
        assert hash(make()) == hash(make())


@pytest.mark.parametrize(("low", "high"), [(8.0, np.inf), (9.0, np.inf), (12.0, 12.5), (-np.inf, -9.0)])
def test_a_normal_distribution_is_right_far_out_in_either_tail(low, high):
    found = rb.normal(0.0, 1.0, low=low, high=high).table()
    assert (np.diff(found) > 0).all()
    assert (found >= low).all()
    assert (found <= high).all()
    assert found.mean() == pytest.approx(stats.truncnorm.mean(low, high), rel=1e-5)


def test_projections_go_from_groups_to_what_takes_input():
    with pytest.raises(rb.SpecError, match="pre: got 'a'; allowed is a group"):
        rb.Projection("a", pop(), rb.dense())
    with pytest.raises(rb.SpecError, match="is a PoissonSource and takes no input"):
        rb.Projection(pop(), rb.PoissonSource(3, rate=1.0), rb.dense())
    with pytest.raises(rb.SpecError, match="allowed is one of random"):
        rb.Projection(pop(), pop(), 0.1)


def test_patterns_fit_both_ends():
    for connectivity, words in (
        (rb.one_to_one(), "ends of one size, got 3 and 4"),
        (rb.explicit([3], [0]), "pre index 3 is out of range; pre has 3 neurons"),
        (rb.explicit([0], [4]), "post index 4 is out of range; post has 4 neurons"),
        (rb.sparse(np.ones((3, 4))), r"\[n_post, n_pre\] is \(4, 3\)"),
        (rb.conv2d(), r"shape \(channels, height, width\)"),
        (rb.rows(2), "2 rows need ends of a multiple of so many, got 3 and 4"),
        (rb.rows(1, [1, 0]), "rows.order has 2 indices; pre has 3 neurons"),
    ):
        with pytest.raises(rb.SpecError, match=words):
            rb.Projection(pop(3), pop(4), connectivity, weight=1.0)
    with pytest.raises(rb.SpecError, match=r"conv2d of \(1, 4, 4\) gives \(2, 2, 2\), but post has"):
        rb.Projection(image(1, 4, 4), image(2, 4, 4), rb.conv2d(), weight=np.ones((2, 1, 3, 3)))
    with pytest.raises(rb.SpecError, match=r"weight: got shape \(2, 2, 3, 3\)"):
        rb.Projection(image(1, 4, 4), image(2, 2, 2), rb.conv2d(), weight=np.ones((2, 2, 3, 3)))
    with pytest.raises(rb.SpecError, match=r"pool2d of \(1, 4, 4\) gives \(1, 2, 2\)"):
        rb.Projection(image(1, 4, 4), image(1, 4, 4), rb.pool2d(2), weight=1.0)


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        (("exc",), {}, "target: got 'exc'"),
        ((pop(),), {"variable": "u"}, r"variable: got 'u'; .*'spikes', 'counts', 'v'"),
        ((pop(), "v"), {"every": 0.0}, "every: got 0.0"),
        ((pop(), "v"), {"every": NAN}, "every: got nan"),
        ((pop(),), {"start": -1.0}, "start: got -1.0"),
        ((pop(),), {"start": 0.2, "stop": 0.1}, "stop: got 0.1; allowed is a time after start=0.2 s"),
        ((pop(),), {"stop": NAN}, "stop: got nan"),
        ((pop(),), {"stop": "end"}, "stop: got 'end'"),
        ((pop(),), {"ids": [4]}, "ids: allowed are indices from 0 to 3"),
        ((pop(),), {"ids": []}, "ids"),
        ((pop(),), {"ids": [0.5]}, "ids"),
        ((pop(),), {"ids": [1, 1]}, "none twice"),
        ((pop(), "v"), {"spool": "file"}, "only spikes can be spooled"),
    ],
)
def test_probes_ask_for_what_there_is(args, kwargs, words):
    with pytest.raises(rb.SpecError, match=words):
        rb.Probe(*args, **kwargs)


def test_a_probe_on_a_huge_population_costs_nothing():
    assert rb.Probe(pop(10**15)).target.n == 10**15


def test_operators_read_populations_along_their_last_axis():
    with pytest.raises(rb.SpecError, match="allowed is a Population"):
        rb.Operator("softmax", rb.PoissonSource(3, rate=1.0))
    with pytest.raises(rb.SpecError, match=r"kind: got 'hardmax'; there are \['add'"):
        rb.Operator("hardmax", pop())
    with pytest.raises(rb.SpecError, match="axis"):
        rb.Operator("softmax", image(2, 3, 4), axis=7)
    assert rb.Operator("softmax", image(2, 3, 4), axis=0).shape == (2, 3, 4)
    assert rb.Operator("max", image(2, 3, 4), axis=1).shape == (2, 4)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rb.Read(rb.PoissonSource(3, rate=1.0)), "Read.group: got .*allowed is a Population or"),
        (lambda: rb.Read(pop(), "totl"), r"Read.variable: got 'totl'; of Population can be read \['v'\]"),
        (lambda: rb.Read(told(), index=[[0, 4]]), "Read.index: allowed is an array of indices from 0 to 3"),
        (lambda: rb.Read(told(), index=[[0], [1, 2]]), "Read.index"),
        (lambda: rb.Read(told(), index=[0.5]), "Read.index"),
        (lambda: rb.Operator("matmul", [told()]), r"matmul reads 2 \(a, b\), got 1"),
        (lambda: rb.Operator("matmul", [told(2, 3), told(2, 3)]), r"reads \(..., m, k\) and \(..., k, n\)"),
        (lambda: rb.Operator("product", [told(2, 3), told(6)]), "product reads arguments of one shape"),
        (
            lambda: rb.Operator("scan", [told(2, 3)] * 3 + [told(2, 4)]),
            r"q, k and a \(..., tokens",
        ),
        (lambda: rb.Operator("add", []), "allowed is one argument or more"),
        (lambda: rb.Operator("max", [(told(2, 3), told(3, 2))]), "side by side in a row has the shapes"),
        (lambda: rb.Operator("map", told()), "options\\['function'\\]: got None; allowed is one of"),
        (lambda: rb.Operator("map", told(), options={"function": "gleu"}), "the nearest is 'gelu'"),
        (
            lambda: rb.Operator("map", told(), options={"function": "clamp"}),
            "clamp takes 2 finite numbers",
        ),
        (lambda: rb.Operator("top_k", told()), "options\\['k'\\]: got None; allowed is a finite number"),
        (lambda: rb.Operator("top_k", told(), options={"k": 1.5}), "a whole number k from 1, but k is 1.5"),
        (lambda: rb.Operator("softmax", told(), options={"tau": 1.0}), "got 'tau'; softmax has none"),
        (
            lambda: rb.Operator("normalise", told(), options={"eps": NAN}),
            "got nan; allowed is a finite",
        ),
        (lambda: rb.Operator("normalise", told(), options={"centred": 1}), "allowed is True or False"),
        (lambda: rb.Operator("softmax", told(), output=told(3)), "has 3 neurons; allowed are 4"),
        (lambda: rb.Operator("softmax", told(), output=pop(4)), "of a model that takes what an operator"),
    ],
)
def test_what_operators_cannot_read_or_write_is_refused(make, words):
    with pytest.raises(rb.SpecError, match=words):
        make()


def told(*shape):
    return rb.Population(shape or 4, rb.EventNeuron(0.1))


def test_what_an_operator_writes_hears_nothing_else():
    def written(*more):
        net = rb.Network()
        a, b, c = (net.add(rb.Population(4, rb.EventNeuron(0.1), name=name)) for name in "abc")
        net.add(rb.Operator("softmax", a, output=b, name="soft"))
        for make in more:
            net.add(make(a, b, c))
        return make_plan(net, 1e-3)

    assert written().written == {"b": "soft"}
    with pytest.raises(rb.PlanError, match="soft writes what stands in place of all input of b"):
        written(lambda a, b, c: rb.Projection(c, b, rb.one_to_one()))
    with pytest.raises(rb.PlanError, match="soft writes b already"):
        written(lambda a, b, c: rb.Operator("softmax", c, output=b))
    with pytest.raises(rb.PlanError, match="zero delay form a cycle: a -> soft -> b -> a"):
        written(lambda a, b, c: rb.Projection(b, a, rb.one_to_one(), delay=0.0))


def test_a_network_holds_each_name_and_each_part_once():
    net = rb.Network()
    exc = net.add(pop(name="exc"))
    with pytest.raises(rb.SpecError, match="the name 'exc' is taken by a Population"):
        net.add(pop(name="exc"))
    with pytest.raises(rb.SpecError, match="has been added before"):
        net.add(exc)
    with pytest.raises(rb.SpecError, match="got 'exc'"):
        net.add("exc")
    with pytest.raises(rb.SpecError, match=r"no part is called 'inh'; there are \['exc'\]"):
        net["inh"]


def test_adding_a_part_looks_at_no_other(monkeypatch):
    net = rb.Network()
    pops = [net.add(pop()) for _ in range(5)]
    assert [part.name for part in pops] == ["lif", "lif 2", "lif 3", "lif 4", "lif 5"]
    net.add(pop(name="lif 6"))
    names, twin = [*net._parts], pop(name="lif 3")
    monkeypatch.setattr(rb.Network, "__iter__", None)  # as all others would be found
    assert net.add(pop()).name == "lif 7"
    assert net.add(rb.Projection(pops[0], pops[4], rb.dense())).name == "lif->lif 5"
    assert pops[2] in net
    assert "lif 3" in net
    assert twin not in net
    assert 3 not in net
    assert net.copy().add(pop()).name == "lif 8"
    assert [*net._parts][: len(names)] == names


def test_a_network_refuses_probes_and_projections_of_strangers():
    net = rb.Network()
    exc, stranger = net.add(pop(name="exc")), pop(name="stranger")
    for part in (
        rb.Probe(stranger),
        rb.Projection(exc, stranger, rb.dense()),
        rb.Operator("softmax", stranger),
    ):
        with pytest.raises(rb.SpecError, match="refers to stranger, which this network does not hold"):
            net.add(part)
    assert len(net) == 1


@pytest.mark.parametrize("seed", [-1, 2**64, 0.5, "a", True, None])
def test_seeds_are_64_bit_numbers(seed):
    with pytest.raises(rb.SpecError, match=r"Network\.seed: got"):
        rb.Network(seed=seed)


def test_other_weights_are_for_projections_of_the_network():
    net = rb.Network()
    exc = net.add(pop(name="exc"))
    loop = net.add(rb.Projection(exc, exc, rb.dense(), weight=1.0))
    assert net.with_weights({loop: 2.0}).projections[0].weight == 2.0
    assert loop.weight == 1.0
    for key in ("exc", "nobody"):
        with pytest.raises(rb.SpecError, match=f"'{key}' is not a projection"):
            net.with_weights({key: 2.0})
    with pytest.raises(rb.SpecError, match="weight: got nan"):
        net.with_weights({loop: NAN})
    with pytest.raises(rb.SpecError, match="with_weights: got int"):
        net.with_weights(3)


def test_a_part_takes_the_place_of_one_of_its_name_and_kind():
    net = rb.Network()
    cells = net.add(pop(name="cells"))
    for part in (3, pop(name="other"), pop(), rb.Probe(cells, name="cells")):
        with pytest.raises(rb.SpecError, match="allowed is a part with the name of one like it"):
            net.with_part(part)
