"""From calibrated stages to a network of integrate-and-fire neurons, under the rate law.

A spike of neuron j stands for its threshold theta_j: after t steps it has told the world
theta_j n_j / t, and receivers add theta_j W_ij per spike. With soft reset and a start at half the
threshold this is max(mean input, 0), rounded to theta / t, as long as it lies below theta.
Membranes are in the unit of the original network's sums (of pooled spikes behind a pooling layer).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ..engine.connectivity import conv2d, dense, one_to_one, pool2d
from ..engine.network import Network
from ..engine.parts import FrameSource, Group, Population, Probe, Projection
from ..neurons import IF
from .layers import Affine, Conv, Pool
from .stages import Stage

Input = Literal["spikes", "current"]

#: The readout only sums: no input lifts it to this threshold.
NEVER = 1e30


def lower(
    stages: Sequence[Stage],
    thresholds: Sequence[np.ndarray],
    *,
    coding: Input,
    input_threshold: float,
    start: float,
) -> tuple[Network, np.ndarray]:
    """Return the spiking network, and what a unit of each readout membrane is worth.

    Parameters
    ----------
    stages, thresholds
        Of `stages_of` and `calibrate`; one threshold array per stage but the last.
    coding : "spikes" or "current"
        Whether the input is turned into spikes, or drives the first layer as a current.
    input_threshold : float
        What an input spike stands for: the largest input.
    start : float
        Initial potential of spiking neurons as a part of the threshold.
    """
    net = Network()
    pre: Group = net.add(FrameSource(stages[0].input_shape, name="frame"))
    unit = np.ones(stages[0].input_shape)
    if coding == "spikes":
        unit = unit * input_threshold
        frame, pre = pre, net.add(_spiking("input", unit, None, start))
        net.add(Projection(frame, pre, one_to_one(), weight=1.0, delay=0.0, name="frame->input"))
    worth = np.ones(())
    for i, stage in enumerate(stages):
        worth = _membrane_unit(stage, unit)
        drive = _drive(stage)
        if i < len(thresholds):
            post = net.add(_spiking(stage.name, thresholds[i] / worth, drive, start))
        else:
            model = IF(threshold=NEVER, drive=0.0 if drive is None else drive)
            post = net.add(Population(stage.shape, model, name=stage.name))
        net.add(_projection(pre, post, stage, unit))
        if i < len(thresholds):
            pre, unit = post, thresholds[i]
    net.add(Probe(net["output"], "v", name="readout"))  # type: ignore[arg-type]
    return net, np.broadcast_to(worth, stages[-1].shape)


def _spiking(name: str, threshold: np.ndarray, drive: np.ndarray | None, start: float) -> Population:
    """Return neurons with soft reset that start part of the way to threshold."""
    flat = threshold.reshape(-1)
    model = IF(threshold=flat, drive=0.0 if drive is None else drive)
    return Population(threshold.shape, model, initial={"v": start * flat}, name=name)


def _drive(stage: Stage) -> np.ndarray | None:
    """Return the bias of every neuron, which enters once a step."""
    if isinstance(stage.layer, Pool) or not stage.layer.bias.any():
        return None
    bias = stage.layer.bias.reshape(-1, *[1] * (len(stage.shape) - 1))
    return np.broadcast_to(bias, stage.shape).reshape(-1).astype(np.float64)


def _per_channel(unit: np.ndarray) -> np.ndarray:
    """Return the one unit of each channel; calibration has seen to it that there is one."""
    return unit.reshape(len(unit), -1)[:, 0]


def _membrane_unit(stage: Stage, unit: np.ndarray) -> np.ndarray:
    """Return the worth of a unit of membrane.

    A pooling projection has one weight for all channels, so its targets count spikes of their own
    channel; all other targets sum in the original network's unit.
    """
    if isinstance(stage.layer, Pool):
        return _per_channel(unit)[:, None, None]
    return np.ones(())


def _projection(pre: Group, post: Group, stage: Stage, unit: np.ndarray) -> Projection:
    """Return the projection whose weights hold what a spike of each source stands for."""
    layer = stage.layer
    common: dict[str, Any] = {"delay": 0.0, "name": f"{pre.name}->{post.name}"}
    if isinstance(layer, Affine):
        return Projection(pre, post, dense(), weight=layer.weight * unit.reshape(1, -1), **common)
    if isinstance(layer, Conv):
        per_group = layer.weight.shape[1]
        by_group = _per_channel(unit).reshape(layer.groups, 1, per_group, 1, 1)
        kernels = layer.weight.reshape(layer.groups, -1, *layer.weight.shape[1:]) * by_group
        pattern = conv2d(layer.stride, layer.padding, layer.dilation, layer.groups)
        return Projection(pre, post, pattern, weight=kernels.reshape(layer.weight.shape), **common)
    return Projection(pre, post, pool2d(layer.size, layer.stride), weight=1.0, **common)
