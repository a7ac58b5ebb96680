"""SONATA circuits: what libsonata reads in a file is in our network, and it reads what we write."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.conversion import read_sonata_spikes, write_sonata_spikes
from rheobase.conversion.sonata.models import TEMPLATES
from rheobase.engine.planning import make_plan

h5py = pytest.importorskip("h5py")
libsonata = pytest.importorskip("libsonata")

_spec = importlib.util.spec_from_file_location("circuit", Path(__file__).with_name("sonata_circuit.py"))
circuit = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(circuit)
F, C = rb.FormatError, rb.ConversionError


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return circuit.write_circuit(tmp_path_factory.mktemp("sonata") / "circuit")


@pytest.fixture
def copy(written, tmp_path):
    """A circuit of one's own, to break."""
    shutil.copytree(written.parent, tmp_path / "circuit")
    return tmp_path / "circuit"


def edges_by_libsonata(folder, name):
    """Return the ends of all edges, and what libsonata gives for an attribute of theirs."""
    population = libsonata.EdgeStorage(str(folder / "network/edges.h5")).open_population(name)
    everyone = population.select_all()
    return population, population.source_nodes(everyone), population.target_nodes(everyone)


def matrix_of(net, names, shape, places):
    """Return the summed weights and delays of projections as matrices by SONATA's ids."""
    plan = make_plan(net, 1e-4)
    weight, steps = np.zeros(shape), np.zeros(shape)
    for name in names:
        synapses, p = plan.synapses(name), net[name]
        pre = places[p.source.name][synapses.sources()]
        post = places[p.target.name][synapses.targets]
        np.add.at(weight, (pre, post), synapses.weight_values())
        np.add.at(steps, (pre, post), synapses.delay_steps())
    return weight, steps


def test_populations_have_the_models_parameters_and_places_of_their_nodes(written):
    net = rb.read_sonata(written)
    cortex, lgn = net["cortex"], net["lgn"]
    assert (cortex.n, lgn.n, type(cortex.model), type(lgn)) == (12, 4, rb.CurrentLIF, rb.SpikeSource)
    is_exc = np.arange(12) < 8
    model = cortex.model
    for ours, name, unit, default in (
        ("tau", "tau_m", 1e-3, 10.0), ("capacitance", "C_m", 1e-12, 250.0), ("v_rest", "E_L", 1e-3, -70.0),
        ("v_reset", "V_reset", 1e-3, -70.0), ("refractory", "t_ref", 1e-3, 2.0), ("drive", "I_e", 1e-12, 0.0),
        ("tau_syn_exc", "tau_syn_ex", 1e-3, 2.0), ("tau_syn_inh", "tau_syn_in", 1e-3, 2.0),
    ):  # fmt: skip
        expected = np.where(is_exc, circuit.EXC.get(name, default), circuit.INH.get(name, default)) * unit
        np.testing.assert_allclose(
            np.broadcast_to(getattr(model, ours), 12), expected, rtol=1e-12, err_msg=ours
        )
    # Values of nodes come before those of their types.
    np.testing.assert_allclose(model.threshold, np.linspace(-52.0, -49.0, 12) * 1e-3)
    np.testing.assert_allclose(
        cortex.initial["v"], np.where(is_exc, circuit.EXC["E_L"], circuit.INH["V_m"]) * 1e-3
    )
    theirs = libsonata.NodeStorage(str(written.parent / "network/nodes.h5")).open_population("cortex")
    assert theirs.size == cortex.n
    everyone = theirs.select_all()
    places = np.stack([theirs.get_attribute(axis, everyone) for axis in "xyz"], axis=1)
    np.testing.assert_array_equal(cortex.positions.points, places)
    np.testing.assert_allclose(theirs.get_dynamics_attribute("V_th", everyone) * 1e-3, model.threshold)


def test_a_population_of_several_templates_becomes_one_part_each(written):
    net = rb.read_sonata(written)
    delta, current = net["thalamus nest:iaf_psc_delta"], net["thalamus nest:iaf_psc_exp"]
    assert (delta.n, current.n) == (3, 2)
    assert (type(delta.model), type(current.model)) == (rb.LIF, rb.CurrentLIF)
    assert delta.model.tau == 10e-3


def test_edges_are_those_that_libsonata_reads(written):
    net, folder = rb.read_sonata(written), written.parent
    places = {"cortex": np.arange(12), "lgn": np.arange(4)}
    for name in ("lgn_to_cortex", "cortex_to_cortex"):
        population, pre, post = edges_by_libsonata(folder, name)
        shape = (circuit.N[population.source], circuit.N[population.target])
        weight, steps = np.zeros(shape), np.zeros(shape)
        if name == "lgn_to_cortex":
            everyone = population.select_all()
            w, d = (population.get_attribute(a, everyone) for a in ("syn_weight", "delay"))
        else:
            w, d = np.where(pre < 8, 300.0, -200.0), np.where(pre < 8, 1.5, 2.0)
        np.add.at(weight, (pre, post), w * 1e-12)
        np.add.at(steps, (pre, post), np.rint(d * 10))
        parts = [p for p in net.projections if p.name.startswith(name)]
        ours = matrix_of(net, [p.name for p in parts], shape, places)
        np.testing.assert_allclose(ours[0], weight, rtol=1e-12)
        np.testing.assert_array_equal(ours[1], steps)
        for p in parts:
            assert p.receptor == ("excitatory" if np.min(p.weight) >= 0 else "inhibitory")


def test_several_groups_of_edges_and_counts_of_synapses_are_put_together(written):
    net, folder = rb.read_sonata(written), written.parent
    # libsonata reads populations of one group only.
    with h5py.File(folder / "network/edges.h5") as store:
        group = store["edges/cortex_to_thalamus"]
        pre, post = (group[f"{end}_node_id"][()] for end in ("source", "target"))
        back = np.arange(15)[::-1]
        own = group["0/syn_weight"][()][back] * group["0/nsyns"][()][back]
    typed = np.where(np.arange(30) % 2 == 0, 300.0, -200.0)
    weight = np.concatenate([own, 2 * typed[15:]]) * np.where(post % 2 == 0, 1e-3, 1e-12)
    expected = np.zeros((12, 5))
    np.add.at(expected, (pre, post), weight)
    places = {
        "cortex": np.arange(12), "thalamus nest:iaf_psc_delta": np.array([0, 2, 4]),
        "thalamus nest:iaf_psc_exp": np.array([1, 3]),
    }  # fmt: skip
    names = [p.name for p in net.projections if p.name.startswith("cortex_to_thalamus")]
    ours, _ = matrix_of(net, names, (12, 5), places)
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_inputs_are_the_spikes_of_their_node_set(written):
    net = rb.read_sonata(written)
    reader = libsonata.SpikeReader(str(written.parent / "inputs/lgn.h5"))["lgn"]
    theirs = [(t, i) for i, t in reader.get() if i in (0, 1, 2)]
    ours = list(zip((net["lgn"].times * 1e3).round(6).tolist(), net["lgn"].ids.tolist(), strict=True))
    assert sorted(ours) == sorted((round(t, 6), i) for t, i in theirs)
    assert rb.read_sonata(written.parent / "circuit_config.json")["lgn"].times is None


def test_libsonata_reads_the_spikes_that_we_write(written, tmp_path):
    net = rb.read_sonata(written)
    probes = [net.add(rb.Probe(net[name])) for name in ("cortex", "thalamus nest:iaf_psc_exp")]
    result = rb.Simulator(net, dt=1e-4, backend="reference").run(0.1)
    cortex, thalamus = (result[probe] for probe in probes)
    assert cortex.ids.size > 50
    write_sonata_spikes({"cortex": cortex, "thalamus": thalamus}, tmp_path / "out.h5")
    reader = libsonata.SpikeReader(str(tmp_path / "out.h5"))
    assert sorted(reader.get_population_names()) == ["cortex", "thalamus"]
    for name, record in (("cortex", cortex), ("thalamus", thalamus)):
        assert reader[name].sorting == "by_time"
        theirs = [(i, round(t, 6)) for i, t in reader[name].get()]
        assert theirs == list(zip(record.ids.tolist(), (record.times * 1e3).round(6).tolist(), strict=True))
    times, ids = read_sonata_spikes(tmp_path / "out.h5")["cortex"]
    np.testing.assert_allclose(times, cortex.times, rtol=1e-12)
    np.testing.assert_array_equal(ids, cortex.ids)
    write_sonata_spikes(cortex, tmp_path / "alone.h5")
    assert [*read_sonata_spikes(tmp_path / "alone.h5")] == ["cortex"]


def test_a_circuit_survives_our_own_files(written, tmp_path):
    net = rb.read_sonata(written)
    net.save(tmp_path / "net.toml")
    again = rb.Network.load(tmp_path / "net.toml")
    assert [part.name for part in again] == [part.name for part in net]
    assert again["cortex"].positions == net["cortex"].positions


def replaced(folder, name, old, new):
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def edited(folder, name, key, value=None):
    with h5py.File(folder / name, "r+") as store:
        del store[key]
        if value is not None:
            store[key] = value


def renamed(folder, name, key, population):
    with h5py.File(folder / name, "r+") as store:
        store[key].attrs["node_population"] = population


NODES, EDGES, SIM = "network/nodes.h5", "network/edges.h5", "simulation_config.json"
NODE_TYPES, EDGE_TYPES = "network/node_types.csv", "network/edge_types.csv"
BROKEN = {
    "no json": (lambda f: (f / "circuit_config.json").write_text("{"), F, "is not JSON"),
    "deep json": (lambda f: (f / "circuit_config.json").write_text("[" * 10**5), F, "is not JSON"),
    "a list": (lambda f: (f / "circuit_config.json").write_text("[]"), F, "JSON object"),
    "no networks": (lambda f: replaced(f, "circuit_config.json", "networks", "n"), F, "no .networks."),
    "no such variable": (
        lambda f: replaced(f, "circuit_config.json", '"$NETWORK_DIR/nodes', '"$NOWHERE/nodes'),
        F, "manifest does not give",
    ),
    "endless variable": (
        lambda f: replaced(f, "circuit_config.json", '"$BASE_DIR": "."', '"$BASE_DIR": "$BASE_DIR$BASE_DIR"'),
        F, "manifest does not give",
    ),
    "truncated": (
        lambda f: (f / NODES).write_bytes((f / NODES).read_bytes()[:2000]),
        F, "truncated or no HDF5",
    ),
    "foreign": (lambda f: (f / EDGES).write_bytes(b"PK\3\4"), F, "no HDF5"),
    "no types": (lambda f: edited(f, NODES, "nodes/lgn/node_type_id"), F, "is missing"),
    "texts": (
        lambda f: edited(f, EDGES, "edges/lgn_to_cortex/source_node_id", ["a"] * 40),
        F, "allowed is a list of numbers",
    ),
    "negative": (
        lambda f: edited(f, NODES, "nodes/lgn/node_type_id", [-1] * 4), F, "whole numbers",
    ),
    "unknown type": (
        lambda f: edited(f, NODES, "nodes/lgn/node_type_id", [103, 103, 99, 103]),
        F, "node_type_id 99, which the table of types does not list",
    ),
    "short": (
        lambda f: edited(f, EDGES, "edges/lgn_to_cortex/0/syn_weight", [1.0]),
        F, "points to entry 39 of 1",
    ),
    "no population": (lambda f: edited(f, NODES, "nodes/lgn"), F, "no such population"),
    "ids twice": (
        lambda f: edited(f, NODES, "nodes/lgn/node_id", [0, 1, 1, 2]), F, "each once",
    ),
    "type twice": (
        lambda f: replaced(f, NODE_TYPES, "\n101", "\n100"), F, "listed twice",
    ),
    "type by name": (
        lambda f: replaced(f, NODE_TYPES, "\n101", "\nabc"), F, "line 3: needs a whole number",
    ),
    "weight by name": (
        lambda f: replaced(f, EDGE_TYPES, "300.0", "strong"), F, "'strong'; allowed is a number",
    ),
    "no weight": (
        lambda f: replaced(f, EDGE_TYPES, "300.0", "NULL"), F, "syn_weight is missing",
    ),
    "no set": (lambda f: replaced(f, "node_sets.json", "first", "fist"), F, "nearest is 'fist'"),
    "biophysical": (
        lambda f: replaced(f, NODE_TYPES, "102 point_neuron", "102 biophysical"),
        C, "model_type 'biophysical' has no counterpart",
    ),
    "template": (
        lambda f: replaced(f, NODE_TYPES, "nest:iaf_psc_delta", "nest:iaf_psc_delt"),
        C, "nearest is 'nest:iaf_psc_delta'",
    ),
    "parameter": (
        lambda f: replaced(f, "models/exc.json", "tau_m", "tau_n"), C, "'tau_n' is not known.*'tau_m'",
    ),
    "code": (
        lambda f: replaced(f, "models/exc.json", "12.0", '"__import__(1)"'), F, "allowed is a number",
    ),
    "synapse": (
        lambda f: replaced(f, EDGE_TYPES, "1.0 static_synapse", "1.0 tsodyks_synapse"),
        C, "model_template 'tsodyks_synapse' has no counterpart",
    ),
    "input": (
        lambda f: replaced(f, SIM, '"input_type": "spikes"', '"input_type": "current_clamp"'),
        C, "'current_clamp' has no counterpart",
    ),
    "onto sources": (
        lambda f: renamed(f, EDGES, "edges/lgn_to_cortex/target_node_id", "lgn"), F, "has target 1",
    ),
    "no such end": (
        lambda f: renamed(f, EDGES, "edges/lgn_to_cortex/target_node_id", "thalamu"),
        F, "nearest is 'thalamus'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_foreign_and_unknown_files_say_what_is_wrong(copy, name):
    spoil, error, message = BROKEN[name]
    spoil(copy)
    with pytest.raises(error, match=message):
        rb.read_sonata(copy / "simulation_config.json")


def test_a_file_cannot_claim_more_than_it_holds(copy):
    with h5py.File(copy / "network/nodes.h5", "r+") as store:
        del store["nodes/lgn/node_type_id"]
        store["nodes/lgn"].create_dataset("node_type_id", shape=(2**40,), dtype=np.int64, chunks=(2**16,))
    with pytest.raises(
        rb.FormatError, match=r"lgn/node_type_id: declares .* bytes, of which the file holds 0"
    ):
        rb.read_sonata(copy / "simulation_config.json")


@pytest.mark.parametrize(
    "link",
    [h5py.ExternalLink("other.h5", "/ids"), h5py.SoftLink("/nodes/lgn/node_id")],
    ids=["out", "within"],
)
def test_links_are_not_followed(copy, link):
    with h5py.File(copy / "network/nodes.h5", "r+") as store:
        del store["nodes/lgn/node_type_id"]
        store["nodes/lgn/node_type_id"] = link
    with pytest.raises(rb.FormatError, match="lgn/node_type_id: a link that may lead to another file"):
        rb.read_sonata(copy / "simulation_config.json")


def test_data_that_lie_in_another_file_are_not_read(copy):
    with h5py.File(copy / "network/nodes.h5", "r+") as store:
        size = store["nodes/lgn/node_type_id"].size
        del store["nodes/lgn/node_type_id"]
        secret = [(str(copy / "models/exc.json"), 0, 8 * size)]
        store["nodes/lgn"].create_dataset("node_type_id", (size,), "i8", external=secret)
    with pytest.raises(rb.FormatError, match="lgn/node_type_id: its data lie in another file"):
        rb.read_sonata(copy / "simulation_config.json")


def test_spike_files_hold_spikes(copy, tmp_path):
    with pytest.raises(rb.SpecError, match="allowed is a record of spikes"):
        write_sonata_spikes([1, 2], tmp_path / "out.h5")
    edited(copy, "inputs/lgn.h5", "spikes/lgn/timestamps", [np.nan] * 300)
    with pytest.raises(rb.FormatError, match="finite times from 0"):
        read_sonata_spikes(copy / "inputs/lgn.h5")
    edited(copy, "inputs/lgn.h5", "spikes/lgn")
    with pytest.raises(rb.FormatError, match="no group /spikes"):
        read_sonata_spikes(copy / "inputs/lgn.h5")
    with pytest.raises(FileNotFoundError):
        read_sonata_spikes(copy / "inputs/none.h5")


def test_simulations_are_those_of_the_network_written_by_hand(written):
    net = rb.read_sonata(written)
    with h5py.File(written.parent / "network/edges.h5") as store:
        group = store["edges/lgn_to_cortex"]
        pre, post, weight, delay = (
            group[k][()] for k in ("source_node_id", "target_node_id", "0/syn_weight", "0/delay")
        )
    for name in [p.name for p in net.projections if not p.name.startswith("lgn")]:
        net = net.with_weights({name: 0.0})
    by_hand = rb.Network()
    source = by_hand.add(rb.SpikeSource(4, times=net["lgn"].times, ids=net["lgn"].ids))
    common = {"v_rest": -65e-3, "v_reset": -66e-3, "refractory": 2.5e-3, "capacitance": 200e-12}
    model = rb.CurrentLIF(
        12e-3,
        tau_syn_exc=3e-3,
        tau_syn_inh=2e-3,
        threshold=np.linspace(-52.0, -49.0, 12)[:8] * 1e-3,
        **common,
    )
    cells = by_hand.add(rb.Population(8, model, initial={"v": -65e-3}))
    kept = post < 8
    pairs = rb.explicit(pre[kept].astype(int), post[kept].astype(int))
    by_hand.add(
        rb.Projection(
            source, cells, pairs, weight=weight[kept] * 1e-12, delay=delay[kept] * 1e-3, receptor="excitatory"
        )
    )
    trains = []
    for network, part in ((net, net["cortex"]), (by_hand, cells)):
        probe = network.add(rb.Probe(part))
        record = rb.Simulator(network, dt=1e-4, backend="reference").run(0.1)[probe]
        trains.append(
            sorted((s, i) for s, i in zip(record.steps.tolist(), record.ids.tolist(), strict=True) if i < 8)
        )
    assert len(trains[0]) > 20
    assert trains[0] == trains[1]


def test_defaults_are_those_of_nest():
    recorded = json.loads(Path(__file__).with_name("nest_defaults.json").read_text())
    assert {*recorded} == {*TEMPLATES}
    for name, template in TEMPLATES.items():
        assert dict(template.defaults) == recorded[name]


@pytest.mark.parametrize(
    "name", ["nest:iaf_psc_alpha", "nest:iaf_cond_exp", "nest:iaf_cond_alpha", "nest:aeif_cond_exp"]
)
def test_other_templates_take_weights_in_their_unit(copy, name):
    replaced(copy, NODE_TYPES, "nest:iaf_psc_delta", name)
    net = rb.read_sonata(copy / "circuit_config.json")
    model = net[f"thalamus {name}"].model
    alpha, conductance = name.endswith("alpha"), "cond" in name
    excitatory, inhibitory = model.synapses
    assert (excitatory.tau, inhibitory.tau) == ((0.2e-3, 2e-3) if conductance else (2e-3, 2e-3))
    assert excitatory.tau_rise == (excitatory.tau if alpha else None)
    assert inhibitory.reversal == (-85e-3 if conductance else None)
    weights = {p.receptor: p.weight for p in net.projections if p.target.name == f"thalamus {name}"}
    assert np.all(weights["excitatory"] > 0)
    if conductance:
        np.testing.assert_allclose(np.unique(weights["inhibitory"]), [400e-9])
    else:
        np.testing.assert_allclose(np.unique(weights["inhibitory"]), [-400e-12])
