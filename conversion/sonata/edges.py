"""SONATA's edges as projections."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.connectivity import explicit
from ...engine.network import Network
from ...engine.parts import Projection
from ...neurons.errors import ConversionError, FormatError, nearest
from ...neurons.units import ms
from .files import Attributes, Config, ids_of
from .nodes import Nodes


def read_edges(
    config: Config,
    net: Network,
    name: str,
    group: Any,
    types: dict[int, dict[str, str]],
    nodes: dict[str, Nodes],
) -> None:
    """Add the projections of a population of edges: by pairs of parts and, where it matters, sign."""
    known = Attributes(group, types, "edge", ids_of(group, "edge_type_id").size)
    (pre, pre_ids), (post, post_ids) = (_end(known, end, nodes) for end in ("source", "target"))
    weight, delay = _synapses(config, known)
    pair = pre.part_of[pre_ids] * len(post.parts) + post.part_of[post_ids]
    pieces = []
    for k in np.unique(pair).tolist():
        source, (target, template) = pre.parts[k // len(post.parts)][0], post.parts[k % len(post.parts)]
        if template is None:
            raise FormatError(f"{known.place}: has edges onto virtual nodes of {target.label!r}")
        for receptor, mine in template.receptors(weight).items():
            chosen = np.flatnonzero((pair == k) & mine)
            if chosen.size:
                pieces.append((source, target, template, receptor, chosen))
    for number, (source, target, template, receptor, chosen) in enumerate(pieces, 1):
        net.add(
            Projection(
                source,
                target,
                explicit(pre.local[pre_ids[chosen]], post.local[post_ids[chosen]]),
                weight=template.weights(weight[chosen]),
                delay=None if delay is None else delay[chosen] * ms,
                receptor=receptor,
                name=name if len(pieces) == 1 else f"{name} {number}",
            )
        )


def _end(known: Attributes, end: str, nodes: dict[str, Nodes]) -> tuple[Nodes, np.ndarray]:
    """Return the nodes at one end of a population of edges, and which of them each edge has."""
    ids = ids_of(known.group, f"{end}_node_id", known.size)
    named = known.group[f"{end}_node_id"].attrs.get("node_population", "")
    named = named.decode("utf-8", "replace") if isinstance(named, bytes) else str(named)
    if named not in nodes:
        raise FormatError(
            f"{known.place}: its {end}s are of {named!r}, which is no population{nearest(named, nodes)}"
        )
    if ids.size and ids.max() >= nodes[named].size:
        raise FormatError(
            f"{known.place}: has {end} {ids.max()}, but {named!r} has {nodes[named].size} nodes"
        )
    return nodes[named], ids


def _synapses(config: Config, known: Attributes) -> tuple[np.ndarray, np.ndarray | None]:
    """Return weights (times the number of synapses) and delays as the file has them, or refuse."""
    for column, allowed in (
        ("weight_function", ()),
        ("model_template", ("static_synapse", "nest:static_synapse")),
    ):
        for text in {*known.texts(column).tolist()} - {"", *allowed}:
            raise ConversionError(
                f"{known.place}: {column} {text[:60]!r} has no counterpart; allowed is "
                + (" or ".join(allowed) or "none")
            )
    dynamic = known.names("dynamics_params")
    for row in known.types.values():
        if row.get("dynamics_params"):
            dynamic |= {*config.parameters(row["dynamics_params"], "synaptic_models_dir")}
    if dynamic:
        raise ConversionError(
            f"{known.place}: dynamics_params {sorted(dynamic)[0]!r} has no counterpart; allowed are none"
        )
    weight, nsyns, delay = (known.numbers(column) for column in ("syn_weight", "nsyns", "delay"))
    if np.isnan(weight).any():
        raise FormatError(
            f"{known.place}: syn_weight is missing, of edge {int(np.isnan(weight).argmax())} at least"
        )
    if np.isnan(delay).all():
        return weight * np.where(np.isnan(nsyns), 1.0, nsyns), None
    if not np.isfinite(delay).all() or delay.min() < 0:
        raise FormatError(f"{known.place}: delay: allowed are finite times from 0, of all edges or of none")
    return weight * np.where(np.isnan(nsyns), 1.0, nsyns), delay
