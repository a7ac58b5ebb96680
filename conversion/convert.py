"""The one call from a trained network to a spiking one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from ..neurons.errors import ConversionError
from .calibrate import Grain, calibrate
from .converted import Converted
from .inputs import check_batch, check_steps
from .layers import Layer
from .lower import Input, lower
from .stages import stages_of
from .torch_bridge import SUPPORTED, is_torch_module, layers_from_torch

#: The laws that `convert` can build.
LAWS = ("rate",)


def convert(
    model: Any,
    sample: Any,
    *,
    law: Literal["rate"] = "rate",
    thresholds: Grain = "neuron",
    percentile: float = 99.9,
    input: Input = "spikes",
    peak: float | None = None,
    start: float = 0.5,
    steps: int = 16,
    dt: float = 1e-3,
) -> Converted:
    """Turn a trained feed-forward ReLU network into integrate-and-fire neurons, without training.

    Parameters
    ----------
    model : torch.nn.Sequential, or sequence of Layer
        The trained network; `rheobase.conversion.layers` lists the layers.
    sample : array (n, features...)
        A few hundred typical inputs, by which thresholds are set.
    law : "rate"
        A neuron's value is its mean rate times its threshold.
    thresholds : "neuron", "channel" or "tensor"
        Which neurons share a threshold. Neurons that feed a convolution or a pooling layer share one
        per channel at least, as their weights are shared.
    percentile : float
        A threshold lies at this percentile of the values on the sample, in (0, 100]. What lies above
        is cut off; lower is faster to settle.
    input : "spikes" or "current"
        Whether input neurons send spikes at a rate proportional to the input (which must not be
        negative), or the input drives the first layer as a current in every step, which costs a
        multiplication per synapse.
    peak : float, optional
        The largest input that input neurons shall be able to send; the largest of the sample if left out.
    start : float
        Initial potential as a part of the threshold, in [0, 1]; a half rounds, zero rounds down.
    steps : int
        Steps per input.
    dt : float
        Seconds per step. It changes only what a run costs in time, and so its static energy.

    Returns
    -------
    Converted
        With the network, ready to run; `print` shows what became of each layer.

    Raises
    ------
    ConversionError
        If the model, the sample or an option cannot be used; nothing is passed through in silence.
    MissingExtra
        For a torch module if torch is not installed.

    Notes
    -----
    The output is what the readout neurons have summed, per step. With T steps a neuron's value is
    exact to theta / T where its input is steady.
    Sources: B. Rueckauer et al., Conversion of continuous-valued deep networks to efficient
    event-driven networks for image classification, Frontiers in Neuroscience 11 (2017), for soft reset
    and percentiles; T. Bu et al., Optimal ANN-SNN conversion, ICLR (2022), for the start at a half.

    Examples
    --------
    >>> import numpy as np
    >>> from rheobase.conversion.layers import Affine, ReLU
    >>> layers = [Affine([[1.0, -1.0], [0.5, 0.5]]), ReLU(), Affine([[1.0, 1.0]])]
    >>> converted = convert(layers, np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    >>> converted.original([[1.0, 0.5]])
    array([[1.25]], dtype=float32)
    >>> bool(abs(converted.run([[1.0, 0.5]], backend="reference").outputs[0, 0] - 1.25) < 0.1)
    True
    """
    _check_options(law, thresholds, percentile, input, 1.0 if peak is None else peak, start, dt)
    layers = _layers(model)
    inputs = check_batch("sample", sample)
    stages = stages_of(layers, inputs.shape[1:])
    low, high = float(inputs.min()), float(inputs.max() if peak is None else peak)
    if input == "spikes" and low < 0:
        raise ConversionError(
            f"sample: its lowest value is {low:g}, which input spikes cannot carry; shift the "
            "input into [0, 1] (and its normalisation into the first layer), or convert with input='current'"
        )
    if input == "spikes" and high == 0:
        raise ConversionError(
            "sample: all its values are 0; give typical inputs, or the largest one as peak="
        )
    levels = calibrate(stages, inputs, grain=thresholds, percentile=percentile)
    network, readout_unit = lower(stages, levels, coding=input, input_threshold=high, start=start)
    return Converted(
        network=network,
        layers=tuple(layers),
        stages=stages,
        thresholds=tuple(levels),
        readout_unit=readout_unit,
        input_range=(0.0, high) if input == "spikes" else (-np.inf, np.inf),
        input_shape=inputs.shape[1:],
        steps=check_steps(steps),
        dt=float(dt),
        law=law,
        grain=thresholds,
        coding=input,
    )


def _layers(model: Any) -> list[Layer]:
    if is_torch_module(model):
        return layers_from_torch(model)
    if isinstance(model, (list, tuple)) and model and all(isinstance(layer, Layer) for layer in model):
        return list(model)
    raise ConversionError(
        f"model: got {type(model).__name__}; allowed is a torch module ({SUPPORTED}), or a list of layers "
        "from rheobase.conversion.layers"
    )


def _check_options(
    law: Any, thresholds: Any, percentile: Any, coding: Any, peak: Any, start: Any, dt: Any
) -> None:
    if law not in LAWS:
        raise ConversionError(f"convert.law: got {law!r}; available is {', '.join(map(repr, LAWS))}")
    for field, value, allowed in (
        ("thresholds", thresholds, ("neuron", "channel", "tensor")),
        ("input", coding, ("spikes", "current")),
    ):
        if value not in allowed:
            raise ConversionError(f"convert.{field}: got {value!r}; allowed is one of {allowed}")
    _check_number("percentile", percentile, lambda v: 0 < v <= 100, "a number in (0, 100]")
    _check_number("peak", peak, lambda v: 0 < v < np.inf, "a number above 0")
    _check_number("start", start, lambda v: 0 <= v <= 1, "a number in [0, 1]")
    _check_number("dt", dt, lambda v: 0 < v < np.inf, "seconds above 0")


def _check_number(field: str, value: Any, good: Callable[[float], bool], allowed: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not good(float(value)):
        raise ConversionError(f"convert.{field}: got {value!r}; allowed is {allowed}")
