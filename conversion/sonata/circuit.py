"""SONATA circuits, the format of the Allen Institute and the Blue Brain Project, as networks of ours.

Populations of point neurons become populations, virtual nodes spike sources, edges projections with a list
of synapses. Source: K. Dai et al., PLoS Computational Biology 16:e1007696 (2020), and the developer guide.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...engine.arguments import check_path
from ...engine.network import Network
from ...neurons.errors import ConversionError, FormatError, nearest
from .edges import read_edges
from .files import Config, open_hdf5, populations_of, read_json, read_types
from .nodes import Nodes, Spikes, read_nodes
from .spikes import read_sonata_spikes


def read_sonata(path: str | Path, *, seed: int = 0) -> Network:
    """Return the network that a SONATA circuit describes.

    Parameters
    ----------
    path : str or Path
        `circuit_config.json`, or a simulation's configuration that names one: then its spikes (inputs of
        type "spikes") are in the network's sources. How long to run and what to report is left to the
        caller.
    seed : int
        Seed of the network.

    Returns
    -------
    Network
        A population named as each population of nodes (and, where its nodes have several templates, their
        template), in volt, ampere and seconds, with positions where x, y (and z) are given; a source for
        virtual nodes; a projection for each population of edges, by ends and sign of weight. Node i is
        neuron i, or the i-th of its template.

    Raises
    ------
    FormatError
        If a file is truncated, of another kind, or contradicts another.
    ConversionError
        For what has no counterpart here (biophysical nodes, unknown templates and parameters, weight
        functions, other inputs): the message names it, and what is known.
    MissingExtra
        If h5py is not installed.

    Notes
    -----
    Templates are NEST's iaf_psc_exp, iaf_psc_alpha, iaf_psc_delta, iaf_cond_exp, iaf_cond_alpha,
    aeif_cond_exp and aeif_cond_alpha. Weights are in their unit, pA, mV (delta) or nS (conductances), times
    `nsyns` where that is given; delays and time constants in ms. Values of a node or an edge come before
    those of its type, and those before the template's own.
    """
    config = Config(check_path("read_sonata.path", path))
    circuit = config
    for key in ("network", "circuit"):
        if isinstance(config.data.get(key), str):
            circuit = Config(config.file(config.data[key], key))
    files = circuit.table("networks")
    if not files:
        raise FormatError(f"{circuit.path}: has no [networks]; is it a SONATA circuit_config.json?")
    net = Network(seed)
    nodes: dict[str, Nodes] = {}
    spikes = _spikes_by_population(config, circuit)
    for entry in _entries(circuit, files, "nodes"):
        types = _types(circuit, entry, "node")
        with open_hdf5(circuit.file(entry.get("nodes_file"), "nodes_file")) as store:
            for name, group in populations_of(store, "nodes").items():
                nodes[name] = read_nodes(circuit, net, name, group, types, spikes.pop(name, None))
    if spikes:
        raise FormatError(
            f"{config.path}: inputs have spikes of {sorted(spikes)[0]!r}, and no such population is there"
        )
    for entry in _entries(circuit, files, "edges"):
        types = _types(circuit, entry, "edge")
        with open_hdf5(circuit.file(entry.get("edges_file"), "edges_file")) as store:
            for name, group in populations_of(store, "edges").items():
                read_edges(circuit, net, name, group, types, nodes)
    return net


def _entries(config: Config, networks: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    entries = networks.get(kind, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FormatError(f"{config.path}: networks.{kind}: allowed is a list of tables")
    return entries


def _types(config: Config, entry: dict[str, Any], kind: str) -> dict[int, dict[str, str]]:
    """Return the table of types that an entry names."""
    named = entry.get(f"{kind}_types_file")
    if named in (None, "", "NULL"):
        return {}
    return read_types(config.file(named, f"{kind}_types_file"), f"{kind}_type_id")


def _spikes_by_population(config: Config, circuit: Config) -> dict[str, Spikes]:
    """Return the spikes of all inputs, by population."""
    sets: dict[str, Any] = {}
    for one in (circuit, config):
        named = one.data.get("node_sets_file")
        sets |= read_json(one.file(named, "node_sets_file")) if named else {}
        sets |= one.table("node_sets")
    found: dict[str, list[Spikes]] = {}
    for name, entry in config.table("inputs").items():
        place = f"{config.path}: inputs.{name}"
        kind = entry.get("input_type") if isinstance(entry, dict) else None
        if kind != "spikes":
            raise ConversionError(
                f"{place}: input_type {str(kind)[:40]!r} has no counterpart; there is 'spikes'"
            )
        chosen = _node_set(sets, entry.get("node_set"), place)
        given = read_sonata_spikes(config.file(entry.get("input_file"), place))
        for wanted, _ in chosen:
            if wanted is not None and wanted not in given:
                raise FormatError(f"{place}: its file has spikes of {sorted(given)}, not of {wanted!r}")
        for population, (times, ids) in given.items():
            kept = np.zeros(ids.size, bool)
            for wanted, only in chosen:
                if wanted in (None, population):
                    kept |= True if only is None else np.isin(ids, only)
            if kept.any() or any(wanted == population for wanted, _ in chosen):
                found.setdefault(population, []).append((times[kept], ids[kept]))
    joined = {}
    for population, parts in found.items():
        times, ids = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(times, kind="stable")
        joined[population] = (times[order], ids[order])
    return joined


def _node_set(sets: dict[str, Any], chosen: Any, place: str, depth: int = 0) -> list[tuple[str | None, Any]]:
    """Return what a set of nodes allows: pairs of population (None: any) and ids (None: all)."""
    if chosen is None:
        return [(None, None)]
    if isinstance(chosen, str):
        if chosen not in sets:
            raise FormatError(f"{place}: there is no node set {chosen!r}{nearest(chosen, sets)}")
        chosen = sets[chosen]
    if isinstance(chosen, list) and depth < 20:
        return [pair for name in chosen for pair in _node_set(sets, name, place, depth + 1)]
    if not isinstance(chosen, dict):
        raise FormatError(f"{place}: node_set: allowed is the name of a set, or a table")
    unknown = [key for key in chosen if key not in ("population", "node_id")]
    if unknown:
        raise ConversionError(
            f"{place}: node_set: {unknown[0]!r} is not read; allowed are population and node_id"
        )
    populations = chosen.get("population")
    populations = populations if isinstance(populations, list) else [populations]
    ids = chosen.get("node_id")
    return [(name, None if ids is None else np.atleast_1d(np.asarray(ids))) for name in populations]
