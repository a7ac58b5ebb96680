"""A network as plain data, and back: the same parts in the same order.

The tables mirror the constructors: [network] with the seed, then [[population]], [[source]],
[[operator]], [[projection]] and [[probe]]. Parts are added in this order unless `network.order` lists
their names in another.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import fields
from typing import Any

import numpy as np

from ..learning.rules.rule import PlasticityRule
from ..neurons.errors import FormatError, SpecError, nearest
from ..neurons.model import NeuronModel
from . import sources
from .connectivity import Connectivity
from .encoding import Arrays, Classes, Decoder, Encoder, known_models, known_rules
from .groups import Group, Part, Slice
from .network import Network
from .parts import Operator, Population, Probe, Projection, Read
from .sources import Source

VERSION = 1
_SECTIONS: dict[str, type[Part]] = {
    "population": Population,
    "source": Source,
    "operator": Operator,
    "projection": Projection,
    "probe": Probe,
}
_SOURCES: dict[str, type[Source]] = {
    cls.__name__: cls
    for cls in (
        sources.PoissonSource,
        sources.RateSource,
        sources.SpikeSource,
        sources.CurrentSource,
        sources.FrameSource,
    )
}


def network_to_dict(
    net: Network,
    arrays: MutableMapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Return a network as plain data of texts, numbers, lists and dicts.

    Parameters
    ----------
    net : Network
        The network.
    arrays : dict, optional
        Receives arrays of more than 16 entries, which the data then refers to; inline if left out.

    Raises
    ------
    SpecError
        If two classes of models or rules share a name, or a part is of a kind that files do not know.

    Examples
    --------
    >>> import rheobase as rb
    >>> net = rb.Network(seed=3)
    >>> exc = net.add(rb.Population(4, rb.IF(), name="exc"))
    >>> network_from_dict(network_to_dict(net))["exc"].n
    4
    """
    encoder = Encoder(arrays)
    data: dict[str, Any] = {"network": {"format": VERSION, "seed": net.seed}}
    written: list[str] = []
    for section, kind in _SECTIONS.items():
        parts = net.of(kind)
        tables = [_table(encoder, section, part, f"{section}{i}") for i, part in enumerate(parts)]
        if tables:
            data[section] = tables
            written += [str(part.name) for part in parts]
    order = [str(part.name) for part in net]
    if len(order) != len(written):
        strange = next(str(part.name) for part in net if part.name not in written)
        raise SpecError(f"{strange}: files know populations, sources, operators, projections and probes only")
    if order != written:
        data["network"]["order"] = order
    return data


def network_from_dict(
    data: Mapping[str, Any],
    arrays: Arrays | None = None,
    *,
    models: Classes | None = None,
    rules: Classes | None = None,
    origin: str = "network",
) -> Network:
    """Return the network that plain data describes.

    Parameters
    ----------
    data, arrays
        What `network_to_dict` returned.
    models, rules : dict, optional
        Name -> class of neuron models and plasticity rules of your own.
    origin : str
        Where the data came from, for errors.

    Raises
    ------
    FormatError
        If tables or keys are unknown, missing or of the wrong type.
    SpecError
        If a value is not allowed; the message names the table and the part.
    """
    decoder = Decoder(arrays or {}, known_models(models), known_rules(rules), origin)
    head = data.get("network", {})
    _only(decoder, head, "[network]", "format", "seed", "order")
    if head.get("format", VERSION) != VERSION:
        raise FormatError(f"{origin}: [network].format is {head['format']!r}; this version reads {VERSION}")
    unknown = [name for name in data if name not in ("network", *_SECTIONS)]
    if unknown:
        near = nearest(unknown[0], ("network", *_SECTIONS))
        raise FormatError(
            f"{origin}: unknown table [{unknown[0]}]{near}; there are [network] and {[*_SECTIONS]}"
        )
    net: Network = decoder.guard("[network]", Network, seed=head.get("seed", 0))
    for section, table in _in_order(decoder, data, head):
        where = f"[[{section}]] {str(table.get('name', '(no name)'))[:60]!r}"
        decoder.guard(where, net.add, _part(decoder, net, section, table, where))
    return net


def _table(encoder: Encoder, section: str, part: Any, key: str) -> dict[str, Any]:
    table: dict[str, Any] = {"name": part.name}
    if isinstance(part, Source):
        if _SOURCES.get(type(part).__name__) is not type(part):
            raise SpecError(f"{part.name}: {type(part).__name__} is not a source that files know; there are "
                            f"{[*_SOURCES]}")  # fmt: skip
        table["kind"] = type(part).__name__
    given = {field.name: getattr(part, field.name) for field in fields(part) if field.init}
    for name, value in given.items():
        if name == "name":
            continue
        if name == "n_or_shape":
            table |= {"n": part.n} if isinstance(value, (int, np.integer)) else {"shape": list(part.shape)}
        elif isinstance(value, (Group, Slice)):
            table[name] = _end(encoder, value, f"{key}/{name}")
        elif isinstance(value, Projection):
            table[name] = value.name
        elif name == "inputs":
            table[name] = [_argument(encoder, reads, f"{key}/{name}/{k}") for k, reads in enumerate(value)]
        elif name in ("initial", "options"):
            if value:
                table[name] = {k: encoder.value(v, f"{key}/{name}/{k}") for k, v in value.items()}
        elif isinstance(value, (NeuronModel, PlasticityRule)):
            table[name] = encoder.named(value, f"{key}/{name}")
        elif isinstance(value, Connectivity):
            table[name] = encoder.connectivity(value, f"{key}/{name}")
        elif value is not None:
            table[name] = encoder.value(value, f"{key}/{name}")
    return table


def _argument(encoder: Encoder, reads: tuple[Read, ...], key: str) -> Any:
    """Return an argument of an operator: what it reads, or a list where several stand side by side."""
    entries = [
        read.group.name
        if read.plain
        else {
            "group": read.group.name,
            **({} if read.variable is None else {"variable": read.variable}),
            **({} if read.index is None else {"index": encoder.value(read.index, f"{key}/{k}")}),
        }
        for k, read in enumerate(reads)
    ]
    return entries[0] if len(entries) == 1 else entries


def _end(encoder: Encoder, end: Group | Slice, key: str) -> Any:
    if not isinstance(end, Slice):
        return end.name
    if not isinstance(end.chosen, range):
        return {"group": end.group.name, "ids": encoder.value(np.array(end.chosen), key)}
    table = {"group": end.group.name, "start": end.chosen.start, "stop": end.chosen.stop}
    return table if end.consecutive else {**table, "step": end.chosen.step}


def _in_order(decoder: Decoder, data: Mapping[str, Any], head: Any) -> list[tuple[str, dict[str, Any]]]:
    tables: list[tuple[str, dict[str, Any]]] = []
    for section in _SECTIONS:
        listed = data.get(section, [])
        if not isinstance(listed, list) or not all(isinstance(table, dict) for table in listed):
            raise FormatError(
                f"{decoder.origin}: {section}: allowed are tables that start with [[{section}]]"
            )
        tables += [(section, table) for table in listed]
    order = head.get("order")
    if order is None:
        return tables
    by_name = {
        table.get("name"): (section, table) for section, table in tables if isinstance(table.get("name"), str)
    }
    if not isinstance(order, list) or len(order) != len(tables) or {*map(str, order)} != set(by_name):
        raise FormatError(f"{decoder.origin}: [network].order must list the name of every part once")
    return [by_name[name] for name in order]


def _part(decoder: Decoder, net: Network, section: str, table: dict[str, Any], where: str) -> Part:
    given = dict(table)
    kind: Any = _SECTIONS[section]
    if section == "source":
        kind = _SOURCES[decoder.single(given.pop("kind", None), f"{where}.kind", [*_SOURCES])[0]]
    if issubclass(kind, (Population, Source)):
        sizes = [given.pop(key) for key in ("n", "shape") if key in given]
        if len(sizes) != 1:
            raise FormatError(f"{decoder.origin}: {where}: give n or shape, one of the two")
        given["n_or_shape"] = sizes[0]
    decoded = {key: _entry(decoder, net, key, value, f"{where}.{key}") for key, value in given.items()}
    part: Part = decoder.make(where, kind, decoded)
    return part


def _entry(decoder: Decoder, net: Network, key: str, value: Any, where: str) -> Any:
    if key in ("pre", "post", "modulator", "target", "output"):
        return _resolve(decoder, net, value, where)
    if key == "inputs":
        entries = value if isinstance(value, list) else [value]
        return tuple(_read(decoder, net, entry, where) for entry in entries)
    if key in ("initial", "options"):
        if not isinstance(value, dict):
            what = "state variables" if key == "initial" else "options"
            raise FormatError(f"{decoder.origin}: {where}: allowed is a table of {what}")
        return {name: decoder.value(entry, f"{where}.{name}") for name, entry in value.items()}
    if key in ("model", "connectivity", "rule"):
        return getattr(decoder, key)(value, where)
    return value if key in ("n_or_shape", "name") else decoder.value(value, where)


def _read(decoder: Decoder, net: Network, value: Any, where: str) -> Any:
    """Return an argument of an operator: a group, a Read, or a tuple of them."""
    if isinstance(value, list):
        return tuple(_read(decoder, net, entry, where) for entry in value)
    if isinstance(value, str):
        return decoder.guard(where, net.__getitem__, value)
    _only(decoder, value, where, "group", "variable", "index")
    group = decoder.guard(where, net.__getitem__, value.get("group"))
    index = decoder.value(value["index"], f"{where}.index") if "index" in value else None
    return decoder.guard(where, Read, group, value.get("variable"), index)


def _resolve(decoder: Decoder, net: Network, value: Any, where: str) -> Any:
    if isinstance(value, str):
        return decoder.guard(where, net.__getitem__, value)
    _only(decoder, value, where, "group", "start", "stop", "step", "ids")
    group = decoder.guard(where, net.__getitem__, value.get("group"))
    if isinstance(group, Group) and set(value) == {"group", "ids"}:
        return decoder.guard(where, group.__getitem__, decoder.value(value["ids"], f"{where}.ids"))
    bounds = [value.get("start", 0), value.get("stop", getattr(group, "n", None)), value.get("step", 1)]
    if not isinstance(group, Group) or "ids" in value or not all(type(bound) is int for bound in bounds):
        raise FormatError(
            f"{decoder.origin}: {where}: allowed is a group's name, {{group, start, stop, step}} or "
            "{group, ids}"
        )
    chosen = range(*bounds) if bounds[2] else range(0)
    if not chosen or min(chosen[0], chosen[-1]) < 0 or max(chosen[0], chosen[-1]) >= group.n:
        raise SpecError(
            f"{decoder.origin}: {where}: got {bounds[0]} to {bounds[1]}; {group.name} has {group.n} neurons"
        )
    return Slice(group, chosen)


def _only(decoder: Decoder, table: Any, where: str, *allowed: str) -> None:
    if not isinstance(table, dict):
        raise FormatError(f"{decoder.origin}: {where}: got {str(table)[:60]!r}; allowed is a table")
    unknown = [key for key in table if key not in allowed]
    if unknown:
        near = nearest(unknown[0], allowed)
        raise FormatError(
            f"{decoder.origin}: {where}: unknown key {unknown[0]!r}{near}; allowed are {list(allowed)}"
        )
