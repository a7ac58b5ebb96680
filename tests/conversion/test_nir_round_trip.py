"""Network to NIR and back is the same network; NIR to a network and back is the same graph."""

from __future__ import annotations

import h5py
import nir
import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion.layers import Affine, ReLU
from rheobase.conversion.nir.draw import drawn_graph
from rheobase.conversion.nir.graph import graph_of, tree_of
from rheobase.conversion.nir.write import difference
from rheobase.engine.serialise import network_to_dict

DT = 1e-3
rng = np.random.default_rng(5)


def full(value, *shape):
    return np.full(shape, value) if np.ndim(value) == 0 else np.asarray(value)


def every_node():
    """Return a graph with every node of NIR, inner graphs, recurrence, and several edges into a node."""
    rng, n = np.random.default_rng(6), 6
    uneven = rng.uniform(5e-3, 9e-3, n)
    ends = {"in": nir.Input(np.array([n])), "out": nir.Output(np.array([n]))}
    deep = nir.NIRGraph({**ends, "s": nir.Scale(rng.normal(size=n))}, [("in", "s"), ("s", "out")])
    inner = nir.NIRGraph(
        {**ends, "if": nir.IF(full(2.0, n), rng.uniform(1, 2, n), full(-0.5, n)),
         "back": nir.Linear(rng.normal(size=(n, n))), "deep": deep},
        [("in", "if"), ("if", "back"), ("back", "if"), ("if", "deep"), ("deep", "out")], type_check=False,
    )  # fmt: skip
    cuba = (uneven, uneven[::-1].copy(), *(full(v, n) for v in (1.5, 0.0, 0.9)))
    nodes = {
        "pixels": nir.Input(np.array([2, 7, 9])),
        "conv": nir.Conv2d((7, 9), rng.normal(size=(4, 1, 3, 4)), 1, (0, 0), (1, 1), 2, rng.normal(size=4)),
        "lif": nir.LIF(*(full(v, 4, 5, 6) for v in (2e-2, 3.0, 0.1, 1.0)), full(-0.2, 4, 5, 6)),
        "sum": nir.SumPool2d(np.array([2, 2]), np.array([2, 1]), np.array([1, 0])),
        "average": nir.AvgPool2d(np.array([2, 3]), np.array([1, 1]), np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([4, 2, 3])}, 0, -1),
        "fc": nir.Affine(rng.normal(size=(n, 24)), rng.normal(size=n)),
        "cuba": nir.CubaLIF(*cuba, w_in=full(0.7, n)),
        "late": nir.Delay(np.array([1, 2, 3, 4, 5, 6]) * DT),
        "some": nir.Delay(np.array([0, 2, 0, 0, 5, 6]) * DT),
        "fixed": nir.Delay(full(2 * DT, n)),
        "w": nir.Linear(rng.normal(size=(n, n))),
        "layer": inner,
        "i": nir.I(full(3.0, n)),
        "li": nir.LI(uneven, full(1.0, n), full(0.0, n)),
        "gate": nir.Threshold(rng.normal(size=n)),
        "cubali": nir.CubaLI(*(full(v, n) for v in (4e-3, 6e-3, 1.0, 0.2))),
        "line": nir.Input(np.array([3, 12])),
        "conv1": nir.Conv1d(12, rng.normal(size=(6, 3, 4)), 3, 1, 1, 1, np.zeros(6)),
        "lines": nir.IF(full(1e3, 6, 4), full(1.0, 6, 4)),
        "to1": nir.Flatten({"input": np.array([6, 4])}, 0, -1),
        "fc1": nir.Linear(rng.normal(size=(n, 24))),
        "shown": nir.Output(np.array([n])), "total": nir.Output(np.array([n])),
        "seen": nir.Output(np.array([n])), "image": nir.Output(np.array([4, 5, 6])),
    }  # fmt: skip
    edges = [
        ("pixels", "conv"), ("conv", "lif"), ("lif", "image"), ("lif", "sum"), ("sum", "average"),
        ("average", "flat"), ("flat", "fc"), ("fc", "cuba"), ("cuba", "late"), ("late", "cuba"),
        ("cuba", "fixed"), ("fixed", "w"), ("w", "layer"), ("layer", "i"), ("layer", "li"),
        ("i", "gate"), ("li", "gate"),
        ("gate", "cubali"), ("cubali", "shown"), ("line", "conv1"), ("conv1", "lines"), ("lines", "to1"),
        ("to1", "fc1"), ("fc1", "some"), ("some", "cuba"), ("cuba", "total"), ("gate", "total"),
        ("layer", "seen"),
    ]  # fmt: skip
    return nir.NIRGraph(nodes, edges, type_check=False)


def test_every_node_of_nir_is_in_the_graph_of_the_next_tests():
    def kinds(g):
        return {type(node).__name__ for node in g.nodes.values()}.union(
            *(kinds(node) for node in g.nodes.values() if isinstance(node, nir.NIRGraph))
        )

    exported = {name for name in nir.ir.__all__ if name[0].isupper() and name != "NIRNode"}
    assert kinds(every_node()) == exported


def test_a_graph_comes_back_with_its_nodes_edges_and_arrays():
    graph = graph_of(tree_of(every_node()))
    net = rb.read_nir(every_node())
    assert difference(graph, drawn_graph(net, DT)) == ""


def test_a_written_file_holds_the_same_graph_and_nothing_about_the_network(tmp_path):
    net = rb.read_nir(every_node())
    rb.write_nir(net, tmp_path / "net.nir", dt=DT)
    plain = nir.read(tmp_path / "net.nir", type_check=False)
    assert {key for key in plain.metadata} == {"rheobase.format", "rheobase.dt"}
    assert difference(graph_of(tree_of(every_node())), graph_of(tree_of(plain))) == ""
    assert network_to_dict(rb.read_nir(tmp_path / "net.nir")) == network_to_dict(net)


def test_nir_itself_accepts_what_is_written(tmp_path):
    # With its own check of types, which square kernels pass.
    net = rb.Network()
    image = net.add(rb.SpikeSource((2, 8, 8), name="image"))
    cells = net.add(rb.Population((3, 6, 6), rb.Leaky(0.9), name="cells"))
    out = net.add(rb.Population(4, rb.LIF(20e-3), name="out"))
    net.add(rb.Projection(image, cells, rb.conv2d(), weight=rng.normal(size=(3, 2, 3, 3)), delay=0.0))
    net.add(rb.Projection(cells, out, rb.dense(), weight=rng.normal(size=(4, 108))))
    net.add(rb.Probe(out, name="spikes"))
    rb.write_nir(net, tmp_path / "net.nir")
    assert {type(node).__name__ for node in nir.read(tmp_path / "net.nir").nodes.values()} == {
        "Input", "Conv2d", "LIF", "Delay", "Flatten", "Linear", "Output",
    }  # fmt: skip


def sketch():
    """Return a network with most of what NIR cannot say."""
    net = rb.Network(seed=9)
    noise = net.add(rb.PoissonSource(30, rate=200.0, name="noise"))
    exc = net.add(
        rb.Population(
            20, rb.LIF(20e-3, refractory=2e-3, drive=0.3), name="exc", initial={"v": rb.uniform(0, 1)}
        )
    )
    inh = net.add(rb.Population(5, rb.Leaky(np.linspace(0.7, 0.9, 5), drive=0.05), name="inh"))
    read = net.add(rb.Population(3, rb.LI(10e-3), name="read"))
    last = net.add(rb.Population(3, rb.IF(drive=0.2, reset="soft"), name="last"))
    net.add(
        rb.Projection(noise, exc, rb.random(p=0.3), weight=rb.normal(0.3, 0.05), delay=rb.uniform(1e-3, 4e-3))
    )
    net.add(rb.Projection(exc, inh, rb.fixed_in(6), weight=0.3, delay=2e-3))
    net.add(rb.Projection(inh, exc[3:15], rb.all_to_all(), weight=-0.4))
    rule = rb.STDP(20e-3, 20e-3, a_pre=0.01, a_post=-0.01, w_max=0.4)
    net.add(rb.Projection(exc, exc, rb.random(p=0.2, self_connections=False), weight=0.05, rule=rule))
    net.add(rb.Projection(exc[:10], read, rb.dense(), weight=rng.normal(size=(3, 10)), delay=0.0))
    net.add(rb.Projection(exc, last, rb.dense(), weight=rng.normal(0.1, 0.1, size=(3, 20)), delay=1e-3))
    for target, variable in ((exc, "spikes"), (inh, "v"), (read, "v"), (exc[2:7], "v"), (last, "spikes")):
        net.add(rb.Probe(target, variable, every=None if variable == "spikes" else 2e-3))
    return net


def test_a_network_comes_back_as_it_was_spike_for_spike(tmp_path):
    net = sketch()
    rb.write_nir(net, tmp_path / "net.nir", dt=DT)
    again = rb.read_nir(tmp_path / "net.nir", dt=DT)
    assert network_to_dict(again) == network_to_dict(net)
    runs = [rb.Simulator(n, dt=DT, backend="reference").run(0.1) for n in (net, again)]
    for probe in net.probes:
        one, two = (r[probe.name] for r in runs)
        assert len(one) > 0
        for field in ("steps", "ids") if probe.variable == "spikes" else ("values",):
            np.testing.assert_array_equal(getattr(one, field), getattr(two, field))


def exactly(firing):
    net = rb.Network(seed=2)
    source = net.add(rb.SpikeSource(30, name="in"))
    model = rb.LIF(np.linspace(5e-3, 3e-2, 20), drive=0.2, v_rest=0.1, **firing)
    lif = net.add(rb.Population(20, model, name="lif", initial={"v": 0.3}))
    ifs = net.add(rb.Population(6, rb.IF(drive=0.15, threshold=0.9, **firing), name="if"))
    net.add(
        rb.Projection(source, lif, rb.random(p=0.3), weight=rb.normal(0.3, 0.1), delay=rb.uniform(1e-3, 4e-3))
    )
    net.add(rb.Projection(lif, ifs, rb.dense(), weight=rng.normal(0.1, 0.2, size=(6, 20)), delay=2e-3))
    net.add(rb.Projection(ifs, lif[5:12], rb.fixed_out(3), weight=-0.2))
    others = rb.all_to_all(self_connections=False)
    net.add(rb.Projection(lif, lif, others, weight=-0.1, delay=1e-3))
    return net, {"integration": "exact"}


def by_euler(firing):
    net = rb.Network(seed=3)
    source = net.add(rb.SpikeSource(30, name="in"))
    blend = rb.Leaky(0.75, leak="blend", drive=1.0, reset_delay=False, **firing)
    leaky = net.add(rb.Population(8, blend, name="leaky", initial={"v": 1.0}))
    decay = rb.Leaky(np.linspace(0.5, 0.9, 8), 0.8, reset_delay=False, **firing)
    last = net.add(rb.Population(8, decay, name="last"))
    net.add(rb.Projection(source, leaky, rb.all_to_all(), weight=rb.normal(0.1, 0.5), delay=0.0))
    net.add(rb.Projection(leaky[:4], last[4:], rb.one_to_one(), weight=np.linspace(0.3, 0.6, 4)))
    net.add(rb.Projection(leaky, last, rb.one_to_one(), weight=np.linspace(0.3, 0.6, 8), delay=3e-3))
    return net, {}


@pytest.mark.parametrize("make", [exactly, by_euler])
@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_the_graph_alone_says_what_nir_can_say(make, reset, tmp_path):
    # What is random becomes weights, steps delays in seconds, drives leaks and biases.
    net, options = make({"reset": reset, "strict": True})
    probes = [net.add(rb.Probe(p, name=f"out {p.name}")) for p in net.populations]
    rb.write_nir(net, tmp_path / "net.nir", dt=DT)
    bare = rb.read_nir(tmp_path / "net.nir", **options, reset=reset, metadata=False)
    spikes = (rng.random((200, 30)) < 0.1).astype(int)
    runs = [
        rb.Simulator(n, dt=DT, backend="reference", precision="float64").run(0.2, inputs={"in": spikes})
        for n in (net, bare)
    ]
    for probe in probes:
        one, two = (r[probe.name] for r in runs)
        assert len(one) > 20
        np.testing.assert_array_equal(one.steps, two.steps)
        np.testing.assert_array_equal(one.ids, two.ids)


def test_conventions_are_remembered_and_must_not_be_contradicted(tmp_path):
    net = rb.read_nir(one_layer(), reset="soft", integration="exact", inputs="values")
    rb.write_nir(net, tmp_path / "net.nir", dt=DT)
    again = rb.read_nir(tmp_path / "net.nir")
    assert again["lif"].model == net["lif"].model
    assert again["lif"].model.reset == "soft"
    for wrong, said in (
        ({"reset": "hard"}, "'soft'"),
        ({"integration": "euler"}, "'exact'"),
        ({"dt": 1e-4}, "0.001"),
    ):
        with pytest.raises(rb.FormatError, match=f"metadata says {said}"):
            rb.read_nir(tmp_path / "net.nir", **wrong)
    assert rb.read_nir(tmp_path / "net.nir", reset="hard", metadata=False)["lif"].model.reset == "hard"


def one_layer():
    lif = nir.LIF(*(np.full(2, x) for x in (20e-3, 20.0, 0.0, 1.0)))
    return nir.NIRGraph.from_list(nir.Linear(np.eye(2)), lif)


@pytest.mark.parametrize("change", ["weight", "edge", "metadata", "unknown", "damaged"])
def test_a_graph_that_its_metadata_do_not_describe_is_refused(change, tmp_path):
    path = tmp_path / "net.nir"
    rb.write_nir(sketch(), path, dt=DT)
    with h5py.File(path, "r+") as file:
        if change == "weight":
            file["node/nodes/exc/tau"][0] = 1.0
            match = "describe another network: exc is another node"
        elif change == "edge":
            file["node/edges"][0] = (b"noise", b"read")
            match = "edges .* are in one of them only"
        elif change == "metadata":
            file["node/metadata/rheobase.format"][()] = 2
            match = "format 2 of our metadata is not known"
        elif change == "unknown":
            file["node/metadata/rheobase.colour"] = 3
            match = "metadata 'rheobase.colour' is not known"
        else:
            text = file["node/metadata/rheobase.network"][()].decode()
            file["node/metadata/rheobase.network"][()] = text[:50]
            match = "metadata are damaged"
    with pytest.raises(rb.FormatError, match=match):
        rb.read_nir(path)
    if change != "edge":
        assert "exc" in {part.name for part in rb.read_nir(path, metadata=False)}


def one(n_or_shape, model):
    return [rb.Population(n_or_shape, model, name="c")]


def operated():
    scores = rb.Population((2, 2), rb.LI(1e-2))
    return [scores, rb.Operator("softmax", scores, name="s")]


def shaped():
    ends = [rb.SpikeSource(4, name="x"), rb.Population((2, 2), rb.IF(), name="cells")]
    return [*ends, rb.Projection(*ends, rb.dense(), name="p")]


@pytest.mark.parametrize(
    ("parts", "match"),
    [
        (one(2, rb.CurrentLIF(1e-2, 1e-3)), r"c\.model: NIR has no node for CurrentLIF"),
        (operated(), "s: NIR has no node for the operator 'softmax'"),
        (shaped(), "p: dense onto the shape .* make cells a population of 4"),
        (one(2, rb.IF(drive=0.1)), "c: the drive of its model: NIR says a constant input as the bias"),
        (one(2, rb.Leaky(np.array([0.5, 1.0]))), r"c\.model: Leaky\.beta: 1 has no time constant"),
    ],
)
def test_what_nir_has_no_node_for_is_refused_by_name(parts, match, tmp_path):
    net = rb.Network()
    for part in parts:
        net.add(part)
    with pytest.raises(rb.SpecError, match=match):
        rb.write_nir(net, tmp_path / "net.nir")
    assert not list(tmp_path.iterdir())


def test_a_converted_network_can_leave(tmp_path):
    layers = [Affine(rng.normal(size=(8, 6)), rng.normal(size=8)), ReLU(), Affine(rng.normal(size=(3, 8)))]
    converted = rb.convert(layers, rng.random((20, 6)), law="rate", input="spikes")
    rb.write_nir(converted.network, tmp_path / "net.nir", dt=converted.dt)
    again = rb.read_nir(tmp_path / "net.nir")
    assert network_to_dict(again) == network_to_dict(converted.network)
    kinds = [type(node).__name__ for node in nir.read(tmp_path / "net.nir", type_check=False).nodes.values()]
    assert (kinds.count("Affine"), kinds.count("Linear")) == (1, 1)
    bare = rb.read_nir(tmp_path / "net.nir", reset="soft", strict=False, metadata=False)
    assert bare["affine3"].n == 3
