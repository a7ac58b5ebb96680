"""SONATA's nodes as populations and sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...engine.network import Network
from ...engine.parts import Group, Population, SpikeSource
from ...engine.space import Positions
from ...neurons.errors import ConversionError, FormatError
from .files import Attributes, Config, ids_of
from .models import Template, template_of

#: Times in seconds and ids.
Spikes = tuple[np.ndarray, np.ndarray]
_POINT, _VIRTUAL = ("point_neuron", "point_process"), "virtual"


@dataclass
class Nodes:
    """The parts that a population of nodes becomes: one for each template, and each node's place in them.

    Attributes
    ----------
    size : int
        Number of nodes.
    parts : list
        Each part, and its template; virtual nodes have none.
    part_of, local : int64 (size,)
        The part of each node, and its index in there.
    """

    size: int
    parts: list[tuple[Group, Template | None]] = field(default_factory=list)
    part_of: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    local: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


def read_nodes(
    config: Config,
    net: Network,
    name: str,
    group: Any,
    types: dict[int, dict[str, str]],
    spikes: Spikes | None,
) -> Nodes:
    """Add the parts of a population of nodes, and say which nodes they hold."""
    size = ids_of(group, "node_type_id").size
    known = Attributes(group, types, "node", size)
    by_id = np.arange(size)
    if "node_id" in group:
        ids = ids_of(group, "node_id", size)
        by_id = np.argsort(ids, kind="stable")
        if not np.array_equal(ids[by_id], np.arange(size)):
            raise FormatError(
                f"{known.place}/node_id: allowed are the numbers from 0 to {size - 1}, each once"
            )
    kinds, templates = known.texts("model_type")[by_id], known.texts("model_template")[by_id]
    for kind in np.unique(kinds.astype(str)).tolist():
        if kind not in (*_POINT, _VIRTUAL):
            raise ConversionError(
                f"{known.place}: model_type {kind!r} has no counterpart; there are {[*_POINT, _VIRTUAL]}"
            )
    templates[kinds == _VIRTUAL] = _VIRTUAL
    found, nodes = sorted({*templates.tolist()}), Nodes(size)
    nodes.part_of, nodes.local = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for k, template in enumerate(found):
        members = np.flatnonzero(templates == template)
        nodes.part_of[members], nodes.local[members] = k, np.arange(members.size)
        label = name if len(found) == 1 else f"{name} {template}"
        where = _positions(known, by_id[members])
        if template == _VIRTUAL:
            part: Group = _source(known.place, label, members, where, spikes)
            nodes.parts.append((net.add(part), None))
            continue
        if spikes is not None:
            raise ConversionError(
                f"{known.place}: inputs have its spikes; allowed are those of virtual nodes"
            )
        translated = template_of(template, known.place)
        given = {key: values[by_id[members]] for key, values in _given(config, known).items()}
        given = {key: values for key, values in given.items() if not np.isnan(values).all()}
        model, initial = translated.model(given, known.place)
        part = Population(members.size, model, name=label, initial=initial, positions=where)
        nodes.parts.append((net.add(part), translated))
    return nodes


def _given(config: Config, known: Attributes) -> dict[str, np.ndarray]:
    """Return what is said of the nodes' parameters, NaN for nothing: by their types, then by themselves."""
    given: dict[str, np.ndarray] = {}
    for id, row in known.types.items():
        if row.get("dynamics_params"):
            for name, value in config.parameters(row["dynamics_params"], "point_neuron_models_dir").items():
                given.setdefault(name, np.full(known.size, np.nan))[known.type_ids == id] = value
    for name in known.names("dynamics_params"):
        own = known.numbers(name, "dynamics_params")
        given[name] = np.where(np.isnan(own), given.get(name, np.nan), own)
    return given


def _positions(known: Attributes, members: np.ndarray) -> Positions | None:
    axes = [known.numbers(axis)[members] for axis in "xyz" if axis in known.names()]
    points = np.stack(axes, axis=1) if axes else np.full((1, 1), np.nan)
    return None if np.isnan(points).any() else Positions(points)


def _source(
    place: str, label: str, members: np.ndarray, where: Positions | None, spikes: Spikes | None
) -> SpikeSource:
    if spikes is None:
        return SpikeSource(members.size, name=label, positions=where)
    times, ids = spikes
    local = np.full(max(int(ids.max(initial=-1)), int(members.max())) + 1, -1)
    local[members] = np.arange(members.size)
    if np.any(local[ids] < 0):
        raise FormatError(
            f"{place}: inputs have spikes of node {ids[local[ids] < 0][0]}, which is no virtual node"
        )
    return SpikeSource(members.size, times=times, ids=local[ids], name=label, positions=where)
