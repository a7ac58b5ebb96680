"""From a network to a NIR file: write_nir."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ...engine.archive import replace_file
from ...engine.checks import check_positive
from ...engine.network import Network
from ...engine.serialise import network_to_dict
from ...engine.sources import CurrentSource, SpikeSource
from ...neurons.errors import FormatError, SpecError
from .chains import lay_flat
from .draw import drawn_graph
from .graph import Graph, Node
from .nodes import Conventions
from .ops import same_node
from .read import PREFIX, VERSION, network_of


def write_nir(net: Network, path: str | Path, *, dt: float = 1e-3) -> None:
    """Write a network as a NIR 1.0.8 file, which other frameworks and chips read.

    The graph holds what NIR can say. What it cannot (how a spike resets, refractory times, initial
    states, plastic rules, what is drawn at random, probes of parts, the seed) goes into its metadata, which
    `read_nir` checks against the graph: so reading gives back the same network. Others see weights as they
    are at the start.

    Parameters
    ----------
    net : Network
        The network.
    path : str or Path
        The file.
    dt : float
        Seconds per step that it is meant for. Delays of one step are written in seconds; neurons whose input
        jumps v get the resistance with which a current held over such a step does the same.

    Raises
    ------
    SpecError
        If NIR has no node for a part: operators, most neuron models, constant inputs that no bias can
        take. The message names the part and what to do.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import rheobase as rb, tempfile
    >>> net = rb.Network(seed=3)
    >>> drive = net.add(rb.SpikeSource(4, name="drive"))
    >>> cells = net.add(rb.Population(2, rb.Leaky(0.9), name="cells"))
    >>> synapses = net.add(rb.Projection(drive, cells, rb.random(p=0.5), weight=0.4))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rb.write_nir(net, f"{folder}/net.nir")
    ...     print(rb.read_nir(f"{folder}/net.nir"))
    Network(seed=3): 3 parts
      drive: 4 channels of SpikeSource
      cells: 2 Leaky
      drive->cells: drive -> cells, random
    """
    if not isinstance(net, Network):
        raise SpecError(f"write_nir.net: got {net!r}; allowed is a Network")
    check_positive("write_nir.dt", dt, "s")
    import nir

    graph = drawn_graph(net, dt)
    whole = _nir_graph(nir, dataclasses.replace(graph, metadata=_metadata(net, graph, dt)))
    buffer = BytesIO()
    nir.write(buffer, whole)
    replace_file(path, lambda file: file.write(buffer.getbuffer()))


def _metadata(net: Network, graph: Graph, dt: float) -> dict[str, Any]:
    """Return what the graph does not say: our conventions, and where they do not suffice the network."""
    how = _conventions_of(net)
    said: dict[str, Any] = {"format": VERSION, "dt": float(dt)}
    said |= {name: value for name, value in vars(how).items() if value != getattr(Conventions(), name)}
    arrays: dict[str, np.ndarray] = {}
    data = network_to_dict(net, arrays)
    if not _says_it_all(graph, how, data, arrays):
        places = {
            (value.shape, value.tobytes()): (name, field)
            for name, node in lay_flat(graph).nodes.items()
            for field, value in node.fields.items()
            if isinstance(value, np.ndarray) and value.dtype == np.float64
        }
        where: dict[str, Any] = {}
        for key, array in arrays.items():
            place = places.get((array.shape, array.tobytes())) if array.dtype == np.float64 else None
            where[key] = place or len(where)
            if place is None:
                said[f"array.{where[key]}"] = array
        said |= {"network": json.dumps(data), "arrays": json.dumps(where)}
    return {PREFIX + name: value for name, value in said.items()}


def _says_it_all(graph: Graph, how: Conventions, data: Any, arrays: Mapping[str, np.ndarray]) -> bool:
    try:
        seen: dict[str, np.ndarray] = {}
        same: bool = network_to_dict(network_of(graph, how), seen) == data
    except FormatError:
        return False
    return same and {*seen} == {*arrays} and all(np.array_equal(seen[key], arrays[key]) for key in seen)


def _conventions_of(net: Network) -> Conventions:
    """Return the conventions of the first neurons that have them."""
    firing = [
        p.model for p in net.populations if hasattr(p.model, "resistance") and hasattr(p.model, "strict")
    ]
    stepped = [
        p.model
        for p in net.populations
        if hasattr(p.model, "integration") and getattr(p.model, "tau", None) is not None
    ]
    sources = [
        s
        for s in net.sources
        if isinstance(s, SpikeSource) or (isinstance(s, CurrentSource) and s.values is None)
    ]
    options: dict[str, Any] = {}
    if firing:
        options |= {name: getattr(firing[0], name) for name in ("reset", "reset_delay", "strict")}
    if stepped:
        options["integration"] = stepped[0].integration
    if sources and isinstance(sources[0], CurrentSource):
        options["inputs"] = "values"
    return Conventions(**options)


def difference(a: Graph, b: Graph, where: str = "") -> str:
    """Return what differs between the nodes and edges of two graphs, in words; nothing if they are equal."""
    if {*a.nodes} != {*b.nodes}:
        return f"{where}nodes {sorted({*a.nodes} ^ {*b.nodes})[:5]} are in one of them only"
    if {*a.edges} != {*b.edges}:
        return f"{where}edges {sorted({*a.edges} ^ {*b.edges})[:5]} are in one of them only"
    for name, node in a.nodes.items():
        other = b.nodes[name]
        if isinstance(node, Graph) and isinstance(other, Graph):
            inner = difference(node, other, f"{where}{name}/")
            if inner:
                return inner
        elif isinstance(node, Graph) or isinstance(other, Graph) or not same_node(node, other):
            return f"{where}{name} is another node"
    return ""


def _nir_graph(nir: Any, graph: Graph) -> Any:
    nodes = {
        name: _nir_graph(nir, node) if isinstance(node, Graph) else _nir_node(nir, node)
        for name, node in graph.nodes.items()
    }
    return nir.NIRGraph(nodes, list(graph.edges), metadata=dict(graph.metadata), type_check=False)


def _nir_node(nir: Any, node: Node) -> Any:
    fields = dict(node.fields)
    for name in {"shape", "input_type"} & {*fields}:
        end = "output" if node.kind == "Output" else "input"
        fields[f"{end}_type"] = {end: np.array(fields.pop(name))}
    if node.kind in ("Conv1d", "Conv2d", "Flatten"):
        plain = ("stride", "padding", "dilation", "groups", "start_dim", "end_dim", "input_shape")
        for name in plain:
            if name in fields:
                fields[name] = _plain(np.asarray(fields[name]))
        if node.kind == "Conv1d":
            fields["input_shape"] = fields["input_shape"][0]
    return getattr(nir, node.kind)(**fields)


def _plain(array: np.ndarray) -> Any:
    return int(array) if array.ndim == 0 else tuple(int(value) for value in array)
