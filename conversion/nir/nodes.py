"""What a node of NIR is in our words, one row per kind of neuron, and which pattern each linear node is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ...engine.connectivity import Connectivity, conv2d, dense, one_to_one, pool2d
from ...neurons import IF, LI, LIF, CubaLI, CubaLIF, EventNeuron, Leaky, NeuronModel
from ...neurons.errors import FormatError
from .graph import Node
from .shapes import PARAMETERS, Shape, geometry, per_axis


@dataclass(frozen=True)
class Conventions:
    """What NIR leaves open: how a spike resets, how equations are stepped, what inputs carry."""

    reset: Literal["hard", "soft", "none"] = "hard"
    reset_delay: bool = False
    strict: bool = True
    integration: Literal["euler", "exact"] = "euler"
    inputs: Literal["spikes", "values"] = "spikes"


#: The units of a linear node that has a group of its own: they send what they get.
JUNCTION = EventNeuron(law="value", f="identity")

#: Behind the name of the part without delays, of a delay that is zero for some neurons only.
AT_ONCE = " (at once)"

Values = Mapping[str, Any]


def _firing(name: str, p: Values, how: Conventions) -> dict[str, Any]:
    options: dict[str, Any] = {
        "threshold": p["v_threshold"], "reset": how.reset, "reset_delay": how.reset_delay,
        "strict": how.strict,
    }  # fmt: skip
    if how.reset == "hard":
        return {**options, "v_reset": p.get("v_reset", 0.0)}
    if np.any(np.asarray(p.get("v_reset", 0.0)) != 0):
        raise FormatError(f"{name}.v_reset: it is not zero; allowed is reset='hard', or a v_reset of zero")
    return options


def _threshold(name: str, p: Values, how: Conventions, graded: bool) -> NeuronModel:
    return Leaky(0.0, p["threshold"], reset="none", reset_delay=False)


def _integrator(name: str, p: Values, how: Conventions, graded: bool) -> NeuronModel:
    return LI(resistance=p["r"], graded=graded)


def _if(name: str, p: Values, how: Conventions, graded: bool) -> NeuronModel:
    return IF(resistance=p["r"], **_firing(name, p, how))


def _li(name: str, p: Values, how: Conventions, graded: bool) -> NeuronModel:
    return LI(p["tau"], resistance=p["r"], v_rest=p["v_leak"], integration=how.integration, graded=graded)


def _lif(name: str, p: Values, how: Conventions, graded: bool) -> NeuronModel:
    membrane = {"resistance": p["r"], "v_rest": p["v_leak"], "integration": how.integration}
    return LIF(p["tau"], **membrane, **_firing(name, p, how))


def _cuba(p: Values, how: Conventions) -> dict[str, Any]:
    membrane = {"tau": p["tau_mem"], "tau_syn": p["tau_syn"], "w_in": p.get("w_in", 1.0)}
    return {**membrane, "resistance": p["r"], "v_rest": p["v_leak"], "integration": how.integration}


def _cuba_li(name: str, p: Values, how: Conventions, graded: bool) -> NeuronModel:
    return CubaLI(**_cuba(p, how), graded=graded)


def _cuba_lif(name: str, p: Values, how: Conventions, graded: bool) -> NeuronModel:
    return CubaLIF(**_cuba(p, how), **_firing(name, p, how))


_MODELS: dict[str, Callable[[str, Values, Conventions, bool], NeuronModel]] = {
    "Threshold": _threshold,
    "I": _integrator,
    "IF": _if,
    "LI": _li,
    "LIF": _lif,
    "CubaLI": _cuba_li,
    "CubaLIF": _cuba_lif,
}


def model_of(name: str, node: Node, conventions: Conventions, *, graded: bool) -> NeuronModel:
    """Return the neuron model of a node: parameters that all neurons share become one number.

    Parameters
    ----------
    name, node
        The node.
    conventions
        What NIR leaves open.
    graded
        Whether something listens to an integrator, so that it sends its potential.
    """
    if node.kind not in _MODELS:
        return JUNCTION
    values = {field: _shared(node.fields[field]) for field in PARAMETERS[node.kind] if field in node.fields}
    return _MODELS[node.kind](name, values, conventions, graded)


def _shared(array: np.ndarray) -> Any:
    flat = np.asarray(array, dtype=np.float64).reshape(-1)
    return float(flat[0]) if np.all(flat == flat[0]) else flat


def pattern_of(name: str, node: Node | None, shape: Shape) -> tuple[Connectivity, Any]:
    """Return connectivity and weight of a linear node whose output has this shape; none passes on."""
    if node is None:
        return one_to_one(), 1.0
    if node.kind == "Scale":
        return one_to_one(), full(node.fields["scale"], shape)
    if node.kind in ("Linear", "Affine"):
        return dense(), np.asarray(node.fields["weight"], dtype=np.float64)
    if node.kind in ("SumPool2d", "AvgPool2d"):
        size, stride, padding = (
            _pair(per_axis(name, field, node.fields[field], 2, 0))
            for field in ("kernel_size", "stride", "padding")
        )
        return pool2d(size, stride, "sum" if node.kind == "SumPool2d" else "average", padding), 1.0
    return _convolution(name, node)


def _convolution(name: str, node: Node) -> tuple[Connectivity, np.ndarray]:
    """Return a convolution with as much padding on both sides; a line is an image of height 1."""
    stride, padding, dilation = geometry(name, node)
    weight = np.asarray(node.fields["weight"], dtype=np.float64)
    for axis, (before, after) in enumerate(padding):
        if before != after:
            weight, dilation = _widened(weight, axis, dilation)
    wide = tuple(after for _, after in padding)
    if node.kind == "Conv1d":
        stride, wide, dilation, weight = (1, *stride), (0, *wide), (1, *dilation), weight[:, :, None]
    return conv2d(_pair(stride), _pair(wide), _pair(dilation), int(node.fields["groups"])), weight


def _pair(sizes: Shape) -> tuple[int, int]:
    return sizes[0], sizes[1]


def _widened(weight: np.ndarray, axis: int, dilation: Shape) -> tuple[np.ndarray, Shape]:
    """Return the kernel with zeros in its gaps, and one more in front, for "same" of an even span."""
    step, k = dilation[axis], weight.shape[2 + axis]
    wide = np.zeros((*weight.shape[: 2 + axis], step * (k - 1) + 2, *weight.shape[3 + axis :]))
    taps = [slice(None)] * wide.ndim
    taps[2 + axis] = slice(1, None, step)
    wide[tuple(taps)] = weight
    return wide, tuple(1 if a == axis else d for a, d in enumerate(dilation))


def bias_of(node: Node, shape: Shape) -> np.ndarray | None:
    """Return what a node adds to every neuron, or None; a convolution without a bias has zeros."""
    if node.kind == "Affine":
        return full(node.fields["bias"], shape)
    if node.kind not in ("Conv1d", "Conv2d") or not np.any(node.fields["bias"]):
        return None
    per_channel = np.asarray(node.fields["bias"], dtype=np.float64).reshape(-1, *[1] * (len(shape) - 1))
    return full(np.broadcast_to(per_channel, shape), shape)


def full(array: Any, shape: Shape) -> np.ndarray:
    """Return one float64 per neuron of a shape, flat."""
    given = np.asarray(array, dtype=np.float64)
    return np.array(np.broadcast_to(given.reshape(-1) if given.size == 1 else given, shape)).reshape(-1)
