"""From a NIR graph to a network: read_nir."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import numpy as np

from ...engine.checks import check_positive
from ...engine.connectivity import explicit, one_to_one
from ...engine.network import Network
from ...engine.parts import CurrentSource, Group, Population, Probe, Projection, SpikeSource
from ...engine.serialise import network_from_dict
from ...neurons.errors import FormatError, SpecError
from .chains import LINEAR, WEIGHTED, Chain, Chains, lay_flat
from .file import read_tree
from .graph import Graph, graph_of, tree_of
from .nodes import AT_ONCE, JUNCTION, Conventions, bias_of, full, model_of, pattern_of

#: What our keys in the metadata of a graph start with, and the version of what they say.
PREFIX, VERSION = "rheobase.", 1
BIAS = ".bias"


def read_nir(
    path_or_graph: str | Path | Any,
    *,
    dt: float | None = None,
    reset: Literal["hard", "soft", "none"] | None = None,
    reset_delay: bool | None = None,
    strict: bool | None = None,
    integration: Literal["euler", "exact"] | None = None,
    inputs: Literal["spikes", "values"] | None = None,
    metadata: bool = True,
) -> Network:
    """Read a network from the Neuromorphic Intermediate Representation (NIR 1.0.8).

    Neurons keep NIR's parameters, in seconds; the network can be run in any step. Nothing in a file is ever
    executed. NIR leaves open how equations are stepped and how a spike resets. Arguments that are left out
    are what the file says in metadata that `write_nir` wrote, else the defaults named here.

    Parameters
    ----------
    path_or_graph : str, Path or nir.NIRGraph
        The file or graph.
    dt : float, optional
        Seconds per step of the simulation to come: only compared with that of the metadata.
    reset : "hard", "soft" or "none"
        To `v_reset` (the default, NIR's equation), by subtraction of the threshold, or not at all.
    reset_delay : bool
        Reset in the step after the spike, as snnTorch does; False by default.
    strict : bool
        Fire above the threshold (the default, NIR's equation), or also at it.
    integration : "euler" or "exact"
        How dt and a time constant make the share that a step moves: dt / tau, as snnTorch and norse do
        (the default), or 1 - exp(-dt / tau), as sinabs does.
    inputs : "spikes" or "values"
        Whether `Input` nodes become a `SpikeSource` (the default) or a `CurrentSource`; both are fed by
        run(inputs=...).
    metadata : bool
        Whether to regard what `write_nir` wrote about the network; False reads the graph alone.

    Returns
    -------
    Network
        With a probe for each `Output` node, of its name: of spikes, or of v where nothing fires.

    Raises
    ------
    FormatError
        If the file is damaged, foreign, or holds what NIR does not know; if shapes do not fit; if the
        arguments or the graph contradict the metadata.
    OSError
        If there is no such file.

    Notes
    -----
    docs/nir.md says what each node becomes. Source: J. E. Pedersen et al., Nature Communications 15:8122
    (2024), and the docstrings of nir 1.0.8.

    Examples
    --------
    >>> import nir, numpy as np, rheobase as rb
    >>> lif = nir.LIF(*(np.full(2, x) for x in (20e-3, 20.0, 0.0, 1.0)))
    >>> net = rb.read_nir(nir.NIRGraph.from_list(nir.Linear(np.eye(2)), lif))
    >>> print(net)
    Network(seed=0): 4 parts
      input: 2 channels of SpikeSource
      lif: 2 LIF
      input -> linear -> lif: input -> lif, dense
      output: spikes of lif
    >>> sim = rb.Simulator(net, dt=1e-3, backend="reference")
    >>> sim.run(3e-3, inputs={"input": [[1, 0], [1, 0], [0, 0]]})["output"].ids
    array([0])
    """
    graph = _graph(path_or_graph)
    said = _said(graph) if metadata else {}
    given = {"reset": reset, "reset_delay": reset_delay, "strict": strict, "integration": integration,
             "inputs": inputs}  # fmt: skip
    for name, value in {**given, "dt": dt}.items():
        if value is not None and name in said and said[name] != value:
            raise FormatError(
                f"read_nir.{name}: got {value!r}, the file's metadata says {said[name]!r}; leave it out, or "
                "pass metadata=False"
            )
    conventions = _conventions({**said, **{k: v for k, v in given.items() if v is not None}})
    if "network" in said:
        return _restored(graph, said)
    return network_of(graph, conventions)


def nir_step(path: str | Path) -> float | None:
    """Return the seconds per step for which `write_nir` wrote a file; None of files of others.

    Errors as `read_nir`.
    """
    step = _said(_graph(path)).get("dt")
    return None if step is None else float(step)


def _graph(path_or_graph: Any) -> Graph:
    if isinstance(path_or_graph, (str, os.PathLike)):
        return graph_of(read_tree(Path(path_or_graph)), str(path_or_graph))
    return graph_of(tree_of(path_or_graph))


def _conventions(given: Mapping[str, Any]) -> Conventions:
    hints = get_type_hints(Conventions)
    for name, hint in hints.items():
        allowed = get_args(hint) or (False, True)
        if name in given and not any(type(given[name]) is type(a) and given[name] == a for a in allowed):
            raise SpecError(f"read_nir.{name}: got {given[name]!r}; allowed is one of {allowed}")
    return Conventions(**{name: given[name] for name in hints if name in given})


def _said(graph: Graph) -> dict[str, Any]:
    """Return what our metadata say, checked."""
    said: dict[str, Any] = {}
    for key, value in graph.metadata.items():
        if isinstance(key, str) and key.startswith(PREFIX):
            plain = value.item() if isinstance(value, np.generic | np.ndarray) and value.size == 1 else value
            said[key.removeprefix(PREFIX)] = plain
    if not said:
        return said
    known = {"format", "dt", "network", "arrays", *(f.name for f in dataclasses.fields(Conventions))}
    unknown = [name for name in said if name not in known and not name.startswith("array.")]
    if unknown or said.get("format") != VERSION:
        wrong = (
            f"metadata {PREFIX + unknown[0]!r}"
            if unknown
            else f"format {said.get('format')!r} of our metadata"
        )
        raise FormatError(
            f"graph: {wrong} is not known to this version, which reads {VERSION}; metadata=False skips it"
        )
    try:
        _conventions(said)
        check_positive("dt", said.get("dt"), "s")
    except SpecError as error:
        raise FormatError(f"graph: metadata of {error}") from None
    return said


def _restored(graph: Graph, said: Mapping[str, Any]) -> Network:
    """Return the network that the metadata describe, once its graph has been seen to be this one."""
    from .draw import drawn_graph
    from .write import difference

    nodes, arrays = lay_flat(graph).nodes, {}
    try:
        data, places = json.loads(said["network"]), json.loads(said["arrays"])
        for key, place in places.items():
            value = said[f"array.{place}"] if isinstance(place, int) else nodes[place[0]].fields[place[1]]
            arrays[key] = np.asarray(value, dtype=np.float64)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FormatError(
            f"graph: its metadata are damaged: {str(error)[:100]}; metadata=False skips them"
        ) from None
    if not isinstance(data, dict):
        raise FormatError("graph: its metadata are damaged; metadata=False skips them")
    net = network_from_dict(data, arrays, origin="metadata of the graph")
    other = difference(drawn_graph(net, said["dt"]), graph)
    if other:
        raise FormatError(
            f"graph: its metadata describe another network: {other}; if the graph was changed on purpose, "
            "pass metadata=False"
        )
    return net


def network_of(graph: Graph, conventions: Conventions) -> Network:
    """Return the network of a graph alone, without regard to its metadata.

    Raises
    ------
    FormatError
        As `read_nir`.
    """
    return _Builder(lay_flat(graph), conventions).network()


class _Builder:
    """Adds the parts of one network, in a fixed order."""

    def __init__(self, flat: Chains, conventions: Conventions) -> None:
        self.flat, self.conventions = flat, conventions
        self.net, self.groups = Network(), dict[str, Group]()

    def network(self) -> Network:
        """Return the network."""
        flat = self.flat
        heard = {chain.pre for chain in flat.chains}
        for name in flat.groups:
            self.groups[name] = self._guard(name, self._group, name, name in heard)
        for chain in flat.chains:
            self._guard(chain.name, self._projection, chain)
        biased = {node: chain.post for chain in flat.chains for node in chain.nodes}
        for node, post in biased.items():
            self._guard(node, self._bias, node, post)
        for output, shown in sorted(flat.outputs.items()):
            group = self.groups[shown]
            model = getattr(group, "model", None)
            silent = model is JUNCTION or (model is not None and not hasattr(model, "threshold"))
            self._guard(output, self.net.add, Probe(group, "v" if silent else "spikes", name=output))
        return self.net

    def _guard(self, where: str, make: Callable[..., Any], /, *args: Any) -> Any:
        try:
            return make(*args)
        except SpecError as error:
            raise FormatError(f"{where}: {error}") from None

    def _group(self, name: str, heard: bool) -> Group:
        node, shape = self.flat.nodes[name], self.flat.shapes[name][1]
        size = shape[0] if len(shape) == 1 else shape
        if node.kind == "Input":
            source = SpikeSource if self.conventions.inputs == "spikes" else CurrentSource
            return self.net.add(source(size, name=name))
        return self.net.add(Population(size, model_of(name, node, self.conventions, graded=heard), name=name))

    def _projection(self, chain: Chain) -> None:
        nodes = self.flat.nodes
        found = {nodes[name].kind: name for name in chain.nodes}
        shape = self.flat.shapes[chain.post][1 if nodes[chain.post].kind in LINEAR else 0]
        main = next((found[kind] for kind in (*WEIGHTED, "Scale") if kind in found), None)
        pattern, weight = pattern_of(main or chain.name, nodes[main] if main else None, shape)
        delay: Any = None if chain.name in self.flat.closing else 0.0
        if "Delay" in found:
            delay = full(nodes[found["Delay"]].fields["delay"], self.flat.shapes[found["Delay"]][1])
            delay = delay if pattern == one_to_one() else float(delay[0])
        pre, post = self.groups[chain.pre], self.groups[chain.post]
        late = np.flatnonzero(delay) if isinstance(delay, np.ndarray) else np.zeros(0, np.int64)
        if not 0 < late.size < pre.n:
            self.net.add(Projection(pre, post, pattern, weight=weight, delay=delay, name=chain.name))
            return
        # One projection takes no time, or some: the neurons that do not wait get one of their own.
        for ids, name in ((late, chain.name), (np.flatnonzero(delay == 0), chain.name + AT_ONCE)):
            own, pairs = weight[ids] if isinstance(weight, np.ndarray) else weight, explicit(ids, ids)
            self.net.add(Projection(pre, post, pairs, weight=own, delay=delay[ids], name=name))

    def _bias(self, node: str, post: str) -> None:
        bias = bias_of(self.flat.nodes[node], self.flat.shapes[node][1])
        if bias is not None:
            source = self.net.add(CurrentSource(bias.size, values=bias, name=node + BIAS))
            self.net.add(Projection(source, self.groups[post], one_to_one(), delay=0.0))
