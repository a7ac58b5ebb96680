"""Networks on disk: what is read is what was written, and what cannot be read says why."""

import dataclasses
import tomllib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rheobase as rb
from rheobase.conversion.sonata import read_sonata_spikes
from rheobase.engine.distributions import Distribution
from rheobase.engine.experiment import read_experiment
from rheobase.engine.groups import Group, Part, Slice
from rheobase.engine.serialise import network_from_dict, network_to_dict
from rheobase.engine.toml_text import toml_text
from rheobase.neurons.model import NeuronModel, Parameter


def same(a, b):
    """Whether two values of descriptions are equal, arrays and ends included."""
    if isinstance(a, Part) and isinstance(b, Part):
        return a.name == b.name
    if isinstance(a, Slice):
        return isinstance(b, Slice) and (a.group.name, a.chosen) == (b.group.name, b.chosen)
    if isinstance(a, rb.Read):
        return isinstance(b, rb.Read) and same(vars(a), vars(b))
    if isinstance(a, dict):
        return set(a) == set(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (np.ndarray, list)) or isinstance(b, np.ndarray):
        return np.array_equal(np.asarray(a), np.asarray(b))
    if isinstance(a, tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and a == b


def assert_same(net, again):
    assert again.seed == net.seed
    assert [part.name for part in again] == [part.name for part in net]
    for mine, theirs in zip(net, again, strict=True):
        assert type(mine) is type(theirs)
        for field in dataclasses.fields(mine):
            a, b = getattr(mine, field.name), getattr(theirs, field.name)
            assert same(a, b), f"{mine.name}.{field.name}: {a!r} is not {b!r}"


def everything():
    """One of each: every source, pattern, distribution, kind of value."""
    net = rb.Network(seed=2**64 - 1)
    rng = np.random.default_rng(0)
    noise = net.add(rb.PoissonSource(20, rate=40.0))
    varied = net.add(rb.RateSource((2, 3), times=[0.0, 0.1], rates=[[1.0] * 6, [2.0] * 6], name='a "b" é\n'))
    given = net.add(rb.SpikeSource(3, times=[0.0, 0.1], ids=[2, 0]))
    empty = net.add(rb.SpikeSource(20, name="fed"))
    drive = net.add(rb.CurrentSource(20, values=rng.normal(size=(5, 20)), dt=2e-3))
    frame = net.add(rb.FrameSource((2, 6, 6), values=rng.normal(size=(2, 6, 6))))
    exc = net.add(
        rb.Population(
            20, rb.LIF(np.linspace(0.01, 0.02, 20)), name="exc", initial={"v": rb.uniform(0.0, 0.5)}
        )
    )
    spikes = net.add(rb.Probe(exc, start=0.1, stop=0.2))
    image = net.add(rb.Population((3, 4, 4), rb.IF(), initial={"v": rng.normal(size=48)}))
    small = net.add(rb.Population((3, 2, 2), rb.ReLU()))
    scores = net.add(rb.Population((4, 5), rb.LI(10e-3)))
    soft = net.add(rb.Operator("softmax", scores))
    told, last = (net.add(rb.Population((4, 4), rb.EventNeuron(0.1))) for _ in range(2))
    columns = rb.Read(told, "told", np.arange(16).reshape(4, 4).T)
    product = net.add(
        rb.Operator(
            "matmul",
            [
                soft,
                (
                    rb.Read(told, index=[[0], [3], [-1], [3], [1]]),
                    rb.Read(last, index=np.arange(15).reshape(5, 3)),
                ),
            ],
        )
    )
    net.add(rb.Operator("normalise", columns, axis=0, output=last, options={"eps": 0.5, "centred": False}))
    net.add(rb.Operator("map", product, options={"function": "clamp", "parameters": [0.0, 1.0]}))
    add = net.add
    add(rb.Projection(noise, exc, rb.random(p=0.2), weight=rb.normal(1.0, 0.1, low=0.0), delay=2e-3))
    add(
        rb.Projection(
            exc, exc, rb.fixed_in(3, self_connections=False), weight=0.1, delay=rb.uniform(1e-3, 2e-3)
        )
    )
    add(rb.Projection(exc[:10], exc[5:], rb.fixed_out(2, multiple=True), weight=rb.lognormal(1.0, 0.5)))
    add(rb.Projection(exc, exc, rb.fixed_total(7), weight=-0.5, name="total"))
    add(rb.Projection(empty, exc, rb.one_to_one(), weight=np.arange(20.0), delay=np.full(20, 1e-3)))
    add(rb.Projection(drive, exc, rb.dense(), weight=rng.normal(size=(20, 20)).astype(np.float32)))
    add(rb.Projection(varied, exc, rb.all_to_all(), weight=0.25, delay=0.0))
    late = rng.integers(1, 9, (20, 20)) * 1e-3
    add(rb.Projection(exc, exc, rb.dense(), weight=rng.normal(size=(20, 20)), delay=late, name="late"))
    add(rb.Projection(frame, image, rb.conv2d(stride=1), weight=rng.normal(size=(3, 2, 3, 3)), delay=0.0))
    add(rb.Projection(image, small, rb.pool2d(2), weight=1.0))
    turned = rb.rows(4, order=np.arange(20).reshape(5, 4).T.reshape(-1))
    add(rb.Projection(exc, small, turned, weight=rng.normal(size=(3, 5)), delay=0.0))
    add(rb.Projection(given, exc, rb.explicit([0, 2], [1, 1]), weight=[0.5, 0.25]))
    matrix = (rng.random((20, 20)) < 0.1) * rng.normal(size=(20, 20))
    rule = rb.STDP(20e-3, 15e-3, a_pre=0.01, a_post=-0.01, w_max=1.0)
    add(rb.Projection(exc, exc, rb.sparse(matrix), name="sparse"))
    add(
        rb.Projection(
            noise, exc, rb.random(p=0.5), weight=0.5, rule=rule, delivery="sparse", receptor="input"
        )
    )
    place = rb.scattered(30, (1.0, 2.0), periodic=True)
    sheet = add(rb.Population(30, rb.LIF(20e-3), positions=place, name="sheet"))
    feed = add(rb.PoissonSource(4, rate=1.0, positions=rb.positions(rng.normal(size=(4, 2)), (1.0, 2.0))))
    near = rb.distance(rb.mexican_hat(0.9, 0.1, surround=0.4, surround_sd=0.2), self_connections=False)
    add(rb.Projection(sheet, sheet, near, weight=rb.by_distance(rb.gaussian(1.0, 0.3))))
    pairs = {"weight": rb.empirical([0.5, 0.1, 0.3]), "delay": rb.empirical(np.linspace(1e-3, 2e-3, 40))}
    add(rb.Projection(sheet, exc, rb.fixed_out(3), correlation=1.0, **pairs))
    table = rb.distance(rb.tabulated([0.0, 0.5], [1.0, 0.2]))
    add(rb.Projection(feed, sheet[:7], table, delay=rb.conduction(velocity=0.3)))
    add(rb.Projection(exc[::2], exc[[3, 1, 2]], rb.random(p=0.5)))
    add(rb.Projection(exc[::-1], sheet[np.arange(30) % 3 > 0], rb.fixed_in(2)))
    add(rb.Probe(exc[2:9], "v", every=1e-3, ids=[0, 3]))
    add(rb.Probe(soft, "value"))
    add(rb.Probe(image, "counts"))
    assert spikes.name
    return net


def test_every_kind_of_part_comes_back_equal_and_in_order(tmp_path):
    net = everything()
    net.save(tmp_path / "net.toml")
    assert_same(net, rb.Network.load(tmp_path / "net.toml"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.npz", "net.toml"]


def test_a_second_round_writes_the_same_bytes(tmp_path):
    everything().save(tmp_path / "one.toml")
    rb.Network.load(tmp_path / "one.toml").save(tmp_path / "two.toml")
    assert (tmp_path / "one.toml").read_bytes() == (tmp_path / "two.toml").read_bytes()
    assert (tmp_path / "one.npz").read_bytes()[:30] == (tmp_path / "two.npz").read_bytes()[:30]


def test_plain_data_alone_holds_the_whole_network():
    net = everything()
    assert_same(net, network_from_dict(network_to_dict(net)))


def test_a_network_of_small_parts_is_one_readable_file(tmp_path):
    net = rb.Network(seed=4)
    exc = net.add(rb.Population(400, rb.LIF(tau=20e-3), name="exc"))
    net.add(rb.Projection(exc, exc, rb.random(p=0.2), weight=rb.normal(0.3, 0.1)))
    net.save(tmp_path / "net.toml")
    assert [p.name for p in tmp_path.iterdir()] == ["net.toml"]
    data = tomllib.loads((tmp_path / "net.toml").read_text())
    assert data["network"]["seed"] == 4
    assert data["population"][0]["model"]["LIF"]["tau"] == 0.02
    assert data["projection"][0]["connectivity"]["random"]["p"] == 0.2


def test_a_file_written_by_hand_means_what_the_constructors_mean(tmp_path):
    (tmp_path / "experiment.toml").write_text("""
        [network]
        seed = 3
        [[source]]
        name = "noise"
        kind = "PoissonSource"
        n = 100
        rate = 40.0
        [[population]]
        name = "exc"
        n = 400
        model = {LIF = {tau = 20e-3}}
        [[projection]]
        pre = "noise"
        post = {group = "exc", stop = 100}
        connectivity = {random = {p = 0.2}}
        weight = {normal = {mean = 0.3, sd = 0.1}}
        delay = 2e-3
        [[projection]]
        pre = "exc"
        post = "exc"
        connectivity = "one_to_one"
        [[probe]]
        target = "exc"
        [simulator]
        dt = 1e-3
        [run]
        duration = 0.5
    """)
    net = rb.Network(seed=3)
    exc = net.add(rb.Population(400, rb.LIF(tau=20e-3), name="exc"))
    noise = net.add(rb.PoissonSource(100, rate=40.0, name="noise"))
    net.add(rb.Projection(noise, exc[:100], rb.random(p=0.2), weight=rb.normal(0.3, 0.1), delay=2e-3))
    net.add(rb.Projection(exc, exc, rb.one_to_one()))
    net.add(rb.Probe(exc))
    experiment = read_experiment(tmp_path / "experiment.toml")
    assert_same(net, experiment.network)
    assert experiment.simulator == {"dt": 1e-3}
    assert experiment.run == {"duration": 0.5}


@dataclasses.dataclass(frozen=True, eq=False)
class Mine(NeuronModel):
    tau: float = Parameter(unit="s", above=0.0)

    @staticmethod
    def flow(v):
        return v

    @staticmethod
    def jump(v, input):
        return v + input

    @staticmethod
    def fire(v):
        return v, v


def test_a_model_of_ones_own_is_named_by_whoever_reads(tmp_path):
    net = rb.Network()
    net.add(rb.Population(2, Mine(tau=0.5)))
    path = tmp_path / "net.toml"
    net.save(path)
    assert_same(net, rb.Network.load(path, models={"Mine": Mine}))
    with pytest.raises(rb.FormatError, match="a class of your own is named by models="):
        rb.Network.load(path)
    with pytest.raises(rb.SpecError, match="taken by a class of rheobase"):
        rb.Network.load(path, models={"LIF": Mine})


def test_two_classes_of_one_name_are_not_written(tmp_path):
    net = rb.Network()
    net.add(rb.Population(2, type("LIF", (Mine,), {"__module__": "elsewhere"})(tau=0.5)))
    with pytest.raises(rb.SpecError, match=r"elsewhere.LIF from another class called LIF"):
        net.save(tmp_path / "net.toml")
    assert not any(tmp_path.iterdir())


POPULATION = '[[population]]\nname = "exc"\nn = 4\nmodel = "IF"\n'


@pytest.mark.parametrize("path", [3, None, b"net.toml", "net\0.toml"])
def test_what_is_no_path_is_refused_by_whoever_reads_or_writes(path):
    net = rb.Network()
    net.add(rb.Population(1, rb.IF()))
    sim = rb.Simulator(net, dt=1e-3, backend="reference")
    result = sim.run(1e-3)
    callers = [
        rb.Network.load, rb.Result.load, rb.Simulator.resume, rb.read_edges, rb.read_sonata,
        read_sonata_spikes, net.save, result.save, sim.checkpoint, lambda path: rb.write_nir(net, path),
    ]  # fmt: skip
    for call in callers:
        with pytest.raises(rb.SpecError, match=r"path: got .*; allowed is the path of a file"):
            call(path)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", rb.FormatError, "describes no network"),
        ("[network", rb.FormatError, "not TOML"),
        ("a = " + "[" * 100_000, rb.FormatError, "not TOML"),
        ("network = 3", rb.FormatError, r"\[network\]: got '3'"),
        ("[network]\nsed = 1", rb.FormatError, "unknown key 'sed'"),
        ("[network]\nseed = -1", rb.SpecError, "seed"),
        ("[network]\nformat = 2", rb.FormatError, "this version reads 1"),
        ("[network]\n[neurons]", rb.FormatError, r"unknown table \[neurons\]"),
        ("[population]\nn = 3", rb.FormatError, r"start with \[\[population\]\]"),
        (POPULATION.replace("n = 4", "n = -4"), rb.SpecError, r"\[\[population\]\] 'exc'.*got -4"),
        (POPULATION.replace("n = 4", "n = 4\nshape = [2, 2]"), rb.FormatError, "give n or shape"),
        (
            POPULATION.replace("n = 4", "n = 4\nsize = 4"),
            rb.FormatError,
            r"unknown key 'size'; allowed are .*'n', 'shape'",
        ),
        (POPULATION.replace('"IF"', '"IFF"'), rb.FormatError, "'exc'.model: got .*IFF.*'CurrentLIF'"),
        (POPULATION.replace('"IF"', '"os.system"'), rb.FormatError, "got .*os.system"),
        (
            POPULATION.replace('"IF"', "{LIF = {tau = -1.0}}"),
            rb.SpecError,
            r"'exc'.model.LIF: LIF.tau: got -1.0",
        ),
        (POPULATION.replace('"IF"', "{LIF = {tua = 1.0}}"), rb.FormatError, "tua"),
        (POPULATION.replace('"IF"', "{LIF = 3}"), rb.FormatError, "allowed is a table"),
        (POPULATION.replace('"IF"', '{LIF = {tau = {array = "k"}}}'), rb.FormatError, "no array 'k' beside"),
        (POPULATION.replace('"IF"', '{LIF = {tau = [1.0, "a"]}}'), rb.FormatError, "not an array of numbers"),
        (POPULATION + POPULATION, rb.SpecError, "name 'exc' is taken"),
        (POPULATION + '[[probe]]\ntarget = "inh"', rb.SpecError, "no part is called 'inh'"),
        (POPULATION + "[[probe]]\ntarget = 3", rb.FormatError, "target"),
        (POPULATION + '[[probe]]\ntarget = {group = "exc", stop = 9}', rb.SpecError, "exc has 4 neurons"),
        (POPULATION + '[[probe]]\ntarget = "exc"\nstop = "end"', rb.SpecError, "stop: got 'end'"),
        (POPULATION + '[[probe]]\ntarget = "exc"\nevery = 1979-05-27', rb.SpecError, "every"),
        ("[simulator]\ntd = 3\n" + POPULATION, rb.FormatError, r"\[simulator\]: unknown key 'td'"),
        ("[run]\nduration = [3]\n" + POPULATION, rb.FormatError, r"\[run\].duration"),
        ('[network]\norder = ["exc", "exc"]\n' + POPULATION, rb.FormatError, "order must list"),
        ("[[source]]\nn = 3", rb.FormatError, "'PoissonSource'"),
    ],
)
def test_a_wrong_file_is_one_error_that_names_file_table_and_key(text, error, words, tmp_path):
    (tmp_path / "odd.toml").write_text(text)
    with pytest.raises(error, match=words) as caught:
        rb.Network.load(tmp_path / "odd.toml")
    assert "odd.toml" in str(caught.value)
    assert type(caught.value) is error


def test_a_hostile_companion_is_refused(tmp_path):
    everything().save(tmp_path / "net.toml")
    np.savez(tmp_path / "net.npz", a=np.array([print], dtype=object))
    with pytest.raises(rb.FormatError, match="pickled objects"):
        rb.Network.load(tmp_path / "net.toml")


plain = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(
    st.characters(exclude_categories=["Cs"])))  # fmt: skip
inline = st.recursive(
    plain, lambda inner: st.lists(inner) | st.dictionaries(st.text('ab- é"\\\n\x7f'), inner)
)


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.text("ab c.é", min_size=1), inline))
def test_the_writer_s_text_reads_back_as_the_same_data(table):
    assert tomllib.loads(toml_text({"one": table, "many": [table, table]})) == {
        "one": table,
        "many": [table, table],
    }


def test_all_ends_and_distributions_were_tried():
    net = everything()
    kinds = {part.connectivity.kind for part in net.projections}
    assert kinds == {
        "random", "fixed_in", "fixed_out", "fixed_total", "one_to_one", "dense", "conv2d", "pool2d",
        "explicit", "sparse", "distance", "rows",
    }  # fmt: skip
    drawn = {type(p.weight) for p in net.projections if isinstance(p.weight, Distribution)}
    assert len(drawn) == 3
    assert all(isinstance(p.source, Group) for p in net.projections)
