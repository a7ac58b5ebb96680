"""Write a small SONATA circuit with h5py and the standard library, as its developer guide says.

Everything is here that the guide lets vary: two populations of point neurons (one of two templates), virtual
nodes, values in HDF5, in tables of types and in JSON, several groups, positions, node sets and spikes.
"""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np

N = {"cortex": 12, "thalamus": 5, "lgn": 4}
NODE_TYPES = """node_type_id model_type model_template dynamics_params
100 point_neuron nest:iaf_psc_exp exc.json
101 point_neuron nest:iaf_psc_exp inh.json
102 point_neuron nest:iaf_psc_delta NULL
103 virtual NULL NULL
"""
EDGE_TYPES = """edge_type_id syn_weight delay model_template target_query
1 300.0 1.5 static_synapse "pop_name=='e'"
2 -200.0 2.0 NULL NULL
3 NULL 1.0 static_synapse NULL
"""
EXC = {
    "tau_m": 12.0,
    "C_m": 200.0,
    "E_L": -65.0,
    "V_th": -50.0,
    "V_reset": -66.0,
    "t_ref": 2.5,
    "tau_syn_ex": 3.0,
}
INH = {"tau_m": 8.0, "C_m": 150.0, "E_L": -64.0, "V_th": -51.0, "V_reset": -65.0, "I_e": 20.0, "V_m": -60.0}


def _nodes(store: h5py.File, name: str, type_ids: list[int]) -> h5py.Group:
    group = store.create_group(f"nodes/{name}")
    n = len(type_ids)
    group["node_type_id"] = np.array(type_ids, np.int64)
    group["node_id"] = np.arange(n, dtype=np.uint64)
    group["node_group_id"] = np.zeros(n, np.uint32)
    group["node_group_index"] = np.arange(n, dtype=np.uint64)
    group.create_group("0")
    return group


def _edges(
    store: h5py.File, name: str, ends: tuple[str, str], pairs: np.ndarray, types: list[int]
) -> h5py.Group:
    group = store.create_group(f"edges/{name}")
    for end, population, ids in zip(("source", "target"), ends, pairs.T, strict=True):
        group[f"{end}_node_id"] = ids.astype(np.uint64)
        group[f"{end}_node_id"].attrs["node_population"] = population
    n = len(types)
    group["edge_type_id"] = np.array(types, np.int64)
    group["edge_group_id"] = np.zeros(n, np.uint32)
    group["edge_group_index"] = np.arange(n, dtype=np.uint64)
    group.create_group("0")
    return group


def write_circuit(folder: Path) -> Path:
    """Write all files and return the path of the simulation's configuration."""
    rng = np.random.default_rng(5)
    for name in ("network", "models", "synapses", "inputs"):
        (folder / name).mkdir(parents=True)
    (folder / "models/exc.json").write_text(json.dumps(EXC))
    (folder / "models/inh.json").write_text(json.dumps(INH))
    (folder / "network/node_types.csv").write_text(NODE_TYPES)
    (folder / "network/edge_types.csv").write_text(EDGE_TYPES)
    with h5py.File(folder / "network/nodes.h5", "w") as store:
        store.attrs["magic"] = np.uint32(0x0A7A)
        store.attrs["version"] = np.array([0, 1], np.uint32)
        cortex = _nodes(store, "cortex", [100] * 8 + [101] * 4)
        for axis in "xyz":
            cortex[f"0/{axis}"] = rng.random(12)
        cortex["0/dynamics_params/V_th"] = np.linspace(-52.0, -49.0, 12)
        _nodes(store, "thalamus", [102, 100, 102, 100, 102])
        _nodes(store, "lgn", [103] * 4)
    recurrent, forward = (
        rng.integers(0, 12, (60, 2)),
        np.stack([rng.integers(0, 4, 40), rng.integers(0, 12, 40)], 1),
    )
    up = np.stack([rng.integers(0, 12, 30), rng.integers(0, 5, 30)], 1)
    with h5py.File(folder / "network/edges.h5", "w") as store:
        _edges(
            store,
            "cortex_to_cortex",
            ("cortex", "cortex"),
            recurrent,
            np.where(recurrent[:, 0] < 8, 1, 2).tolist(),
        )
        own = _edges(store, "lgn_to_cortex", ("lgn", "cortex"), forward, [3] * 40)
        own["0/syn_weight"] = rng.uniform(2000.0, 4000.0, 40)
        own["0/delay"] = rng.integers(1, 5, 40) * 0.5
        several = _edges(store, "cortex_to_thalamus", ("cortex", "thalamus"), up, [1, 2] * 15)
        # Two groups: weights and counts of synapses in the first, counts alone in the second.
        several["edge_group_id"][:] = np.repeat([0, 1], 15)
        several["edge_group_index"][:] = np.tile(np.arange(15)[::-1], 2)
        several["0/syn_weight"] = rng.uniform(0.5, 2.0, 15)
        several["0/nsyns"] = rng.integers(1, 4, 15)
        several.create_group("1")["nsyns"] = np.full(15, 2)
    with h5py.File(folder / "inputs/lgn.h5", "w") as store:
        spikes = store.create_group("spikes/lgn")
        times = np.sort(rng.integers(1, 900, 300)) * 0.1
        spikes["timestamps"], spikes["node_ids"] = times, rng.integers(0, 4, 300).astype(np.uint64)
        spikes["timestamps"].attrs["units"] = "ms"
        kinds = h5py.enum_dtype({"none": 0, "by_id": 1, "by_time": 2}, basetype=np.uint8)
        spikes.attrs.create("sorting", 2, dtype=kinds)
    circuit = {
        "manifest": {"$BASE_DIR": ".", "$NETWORK_DIR": "$BASE_DIR/network", "$BASE": "elsewhere"},
        "components": {
            "point_neuron_models_dir": "$BASE_DIR/models",
            "synaptic_models_dir": "$BASE_DIR/synapses",
        },
        "networks": {
            "nodes": [
                {"nodes_file": "$NETWORK_DIR/nodes.h5", "node_types_file": "$NETWORK_DIR/node_types.csv"}
            ],
            "edges": [
                {"edges_file": "$NETWORK_DIR/edges.h5", "edge_types_file": "$NETWORK_DIR/edge_types.csv"}
            ],
        },
    }
    (folder / "circuit_config.json").write_text(json.dumps(circuit))
    (folder / "node_sets.json").write_text(json.dumps({"first": {"population": "lgn", "node_id": [0, 1, 2]}}))
    simulation = {
        "manifest": {"$INPUTS": "./inputs"},
        "network": "circuit_config.json",
        "node_sets_file": "node_sets.json",
        "run": {"tstop": 100.0, "dt": 0.1},
        "inputs": {
            "spikes": {
                "input_type": "spikes",
                "module": "h5",
                "input_file": "$INPUTS/lgn.h5",
                "node_set": "first",
            }
        },
    }
    (folder / "simulation_config.json").write_text(json.dumps(simulation))
    return folder / "simulation_config.json"
