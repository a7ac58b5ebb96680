"""Gains and shifts on their way into weights: which scale goes where, and which is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .graph import Node
from .one_number import in_part
from .workbench import Workbench

#: What multiplies by weights: a scale before or behind may go into them.
_WEIGHTED = ("linear", "conv", "conv_transpose")


def scale_for(node: Node, source: str, gain: Any, shift: Any) -> Node:
    """Return a scale in place of a node."""
    values = {"gain": np.asarray(gain, np.float32), "shift": np.asarray(shift, np.float32)}
    return Node(node.name, "scale", (source,), node.shape, values, {}, node.place)


def _idle_scale(bench: Workbench, node: Node) -> bool:
    """Leave out a scale that changes nothing, or leaves nothing."""
    if np.all(node.values["gain"] == 1) and not node.values["shift"].any():
        return bench.bypass(node.name)
    if not node.values["gain"].any():  # nothing of what it reads is left
        values = {"value": node.values["shift"]}
        bench.put(Node(node.name, "constant", (), node.shape, values, {}, node.place))
        return True
    return False


def _scale_of_scale(bench: Workbench, node: Node) -> bool:
    """Join two scales in a row."""
    inner = bench.nodes[node.inputs[0]]
    if inner.op != "scale":
        return False
    gain, shift = node.values["gain"], node.values["shift"]
    joined = gain * inner.values["shift"] + shift
    bench.put(scale_for(node, inner.inputs[0], gain * inner.values["gain"], joined))
    return True


def _scale_behind(bench: Workbench, node: Node) -> bool:
    """Put a scale into the weights of what it alone reads; a shift that differs from row to row stays."""
    inner = bench.nodes[node.inputs[0]]
    if inner.op not in _WEIGHTED or bench.readers[inner.name] != [node.name]:
        return False
    gain, shift = (_of_output(inner, node.values[key]) for key in ("gain", "shift"))
    if gain is None or (shift is None and np.all(gain == 1)):
        return False
    weight, bias = inner.values["weight"], inner.values["bias"] * gain + (0 if shift is None else shift)
    if inner.op == "conv_transpose":
        groups = inner.options["groups"]
        weight = weight.reshape(groups, -1, *weight.shape[1:]) * gain.reshape(groups, 1, -1, 1, 1)
        weight = weight.reshape(inner.values["weight"].shape)
    else:
        weight = weight * gain.reshape(-1, *[1] * (weight.ndim - 1))
    values = {"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)}
    if shift is not None:
        bench.put(replace(inner, name=node.name, shape=node.shape, values=values))
    else:
        bench.put(replace(inner, values=values))
        bench.put(scale_for(node, inner.name, np.ones(node.n), node.values["shift"]))
    return True


def _of_output(node: Node, array: np.ndarray) -> np.ndarray | None:
    """Return one number for each output of a row, or channel of an image; None where they differ within."""
    n = len(node.values["bias"])
    table = array.reshape(-1, n) if node.op == "linear" else array.reshape(n, -1).T
    return table[0] if np.all(table == table[0]) else None


def _scale_ahead(bench: Workbench, node: Node) -> bool:
    """Put a scale into the weights of all that reads it, also through wires, if each of them can take it."""
    if node.name == bench.output:
        return False
    wires = {name: bench.nodes[name] for name in bench.readers[node.name] if bench.nodes[name].op == "wire"}
    if any(len(wire.inputs) != 1 or name == bench.output for name, wire in wires.items()):
        return False
    pairs: list[tuple[str, np.ndarray | None]] = [
        (name, None) for name in bench.readers[node.name] if name not in wires
    ]
    pairs += [(name, wire.values["index"]) for wire in wires.values() for name in bench.readers[wire.name]]
    found = {}
    for name, index in pairs:
        reader = bench.nodes[name]
        values = _with_scale_before(reader, *_through(node, index)) if reader.op in _WEIGHTED else None
        if values is None:
            return False
        found[name] = values
    for wire in wires.values():
        bench.put(replace(wire, inputs=node.inputs))
    for name, values in found.items():
        reader = bench.nodes[name]
        bench.put(
            replace(
                reader, inputs=node.inputs if node.name in reader.inputs else reader.inputs, values=values
            )
        )
    return True


def _through(scale: Node, index: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return gain and shift as they stand behind a wire; zeros that it fills in stay zeros."""
    gain, shift = scale.values["gain"], scale.values["shift"]
    if index is None:
        return gain, shift
    return np.where(index >= 0, gain[index], gain[0]), np.where(index >= 0, shift[index], np.float32(0))


def _with_scale_before(reader: Node, gain: np.ndarray, shift: np.ndarray) -> dict[str, np.ndarray] | None:
    """Return the weights of an operation that takes in the scale before it; None where they cannot."""
    weight, bias = (reader.values[key].astype(np.float64) for key in ("weight", "bias"))
    if reader.op == "linear":
        gain, shift = gain.reshape(-1, weight.shape[1]), shift.reshape(-1, weight.shape[1])
        if np.any(gain != gain[0]) or np.any(shift != shift[0]):
            return None
        weight, bias = weight * gain[0], bias + weight @ shift[0].astype(np.float64)
    else:
        channels, groups = reader.options["image"][0], reader.options["groups"]
        gain, shift = gain.reshape(channels, -1), shift.reshape(channels, -1)
        if np.any(gain != gain[:, :1]) or np.any(shift != shift[:, :1]):
            return None
        if shift.any() and (reader.op == "conv_transpose" or np.any(reader.options["padding"])):
            return None  # the border and the gaps are zero, whatever the shift
        if reader.op == "conv_transpose":
            weight = weight * gain[:, :1, None, None]
        else:
            each = weight.reshape(groups, -1, *weight.shape[1:])
            bias = bias + np.einsum("gocij,gc->go", each, shift[:, 0].reshape(groups, -1)).reshape(-1)
            weight = (each * gain[:, 0].reshape(groups, 1, -1, 1, 1)).reshape(weight.shape)
    return {"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)}


def _scale_over_wire(bench: Workbench, node: Node) -> bool:
    """Put a scale before the wire that it reads, where what goes through the wire is read by nobody else."""
    wire = bench.nodes[node.inputs[0]]
    if wire.op != "wire" or len(wire.inputs) != 1 or bench.readers[wire.name] != [node.name]:
        return False
    source, index = bench.nodes[wire.inputs[0]], wire.values["index"]
    if source.op not in _WEIGHTED or bench.readers[source.name] != [wire.name] or index.min() < 0:
        return False
    moved = {}
    for key, idle in (("gain", 1.0), ("shift", 0.0)):
        array = np.full(source.n, idle, np.float32)
        array[index] = node.values[key]
        if np.any(array[index] != node.values[key]):
            return False
        moved[key] = array
    before = bench.insert(scale_for(source, source.name, **moved))
    bench.put(replace(wire, name=node.name, inputs=(before,), shape=node.shape))
    return True


def one_gain(bench: Workbench, node: Node) -> bool:
    """Put a gain of the second factor of a matrix product on the first: sqrt(s) q times sqrt(s) k."""
    first, second = node.inputs
    wire = bench.nodes[second]
    scale = bench.nodes[wire.inputs[0]] if wire.op == "wire" and len(wire.inputs) == 1 else wire
    if scale.op != "scale" or not in_part(scale) or scale.values["shift"].any() or first == second:
        return False
    before = bench.nodes[first]
    gain = np.full(before.n, scale.values["gain"][0], np.float32)
    values = {"gain": gain, "shift": np.zeros(before.n, np.float32)}
    made = Node("", "scale", (first,), before.shape, values, {}, scale.place)
    plain = scale.inputs[0] if wire is scale else bench.insert(replace(wire, inputs=scale.inputs))
    bench.put(replace(node, inputs=(bench.insert(made), plain)))
    return True


#: What to try on each scale, in this order.
SCALINGS: tuple[Callable[[Workbench, Node], bool], ...] = (
    _idle_scale, _scale_of_scale, _scale_behind, _scale_ahead, _scale_over_wire,
)  # fmt: skip
